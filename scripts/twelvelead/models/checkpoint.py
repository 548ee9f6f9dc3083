"""Checkpoints of fairseq-signals, read without executing anything.

A checkpoint is a torch file with the tensors under `model` and the training configuration under `cfg` (older: `args`).
torch.load(weights_only=True) reads those that hold tensors and plain values; where it refuses, because of classes in
the configuration, inert_pickle reads the same file and refuses what is neither.
"""

import re
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import torch

from twelvelead.errors import ModelError
from twelvelead.models import inert_pickle
from twelvelead.models.inert_pickle import PlainObject, TensorRecord

LARGEST_PICKLE = 64 * 1024**2  # bytes; full-size checkpoints with optimizer state stay below 1 MB
DTYPES = {name: getattr(torch, name) for name in ("float32", "float16", "bfloat16", "float64")}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is still in its file; read() gives it as contiguous float32."""

    shape: tuple[int, ...]
    read: Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """model_config: the plain values among the model's configuration; tensors: by their names in the file."""

    model_config: dict[str, bool | int | float | str | None]
    tensors: dict[str, StoredTensor]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """One torch file's tensors and model configuration, read without executing anything that it holds.

    Raises ModelError for a file that is not a checkpoint, is damaged, or names anything but tensors and plain
    configuration.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file, expected a checkpoint; fetch the model or correct the path")
    try:
        content = _weights_only(path)
        if content is None:
            content = _read_inert(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read ({error}); expected a whole checkpoint, fetch it again") from error
    top = _fields(content)
    model = _fields(top.get("model"))
    config = _fields(_fields(top.get("cfg")).get("model")) or _fields(top.get("args"))
    if not model or not config:
        raise ModelError(
            f"{path}: has {', '.join(map(str, top)) or 'no keys'}, expected tensors under 'model' and configuration "
            "under 'cfg' as fairseq-signals writes them; is it the model's checkpoint?"
        )
    return Checkpoint(
        {key: _plain(value) for key, value in config.items() if isinstance(key, str) and _is_plain(_plain(value))},
        {str(name): _stored(path, name, tensor) for name, tensor in model.items()},
    )


def as_float32(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous float32 copy, of float32 too: the file that the tensor may be mapped from can change."""
    return tensor.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def _weights_only(path: Path) -> object | None:
    """What torch's own restricted reader makes of the file; None where it refuses a zip file, to be looked at here."""
    is_zip = zipfile.is_zipfile(path)
    if _others_allowed_globals():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip or None)
    except OSError:
        raise
    except Exception as error:  # whatever a damaged or refused file leads to; there is no common base class
        if is_zip:
            return None
        named = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"its pickle names {named[1]!r}; nothing of it was run" if named else "torch cannot read it"
        raise ModelError(
            f"{path}: refused, {reason}; expected a checkpoint of tensors and plain configuration, fetch it again "
            "from its publisher"
        ) from error


def _others_allowed_globals() -> bool:
    """Whether a library other than torch has told torch's restricted reader to build more than its own types."""
    allowed = torch.serialization.get_safe_globals()
    named = [entry[0] if isinstance(entry, tuple) else entry for entry in allowed]
    return any(not str(getattr(entry, "__module__", "")).startswith("torch.") for entry in named)


def _read_inert(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.count("/") <= 1 and name.rsplit("/", 1)[-1] == "data.pkl"]
        if len(pickles) != 1 or any(name.endswith("constants.pkl") for name in names):
            kind = "a TorchScript archive" if any(name.endswith("constants.pkl") for name in names) else "a zip file"
            raise ModelError(f"{path}: {kind}, expected a checkpoint of tensors as torch.save writes it")
        return inert_pickle.load(_entry(archive, pickles[0], LARGEST_PICKLE), str(path))


def _entry(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > largest:
        raise zipfile.BadZipFile(f"{name} of {entry.file_size} bytes is compressed or above {largest} bytes")
    return archive.read(entry)


def _stored(path: Path, name: object, tensor: object) -> StoredTensor:
    """A tensor by either reader. Raises ModelError for what is none, or claims more elements than are stored."""
    if isinstance(tensor, TensorRecord) and tensor.dtype in DTYPES and prod(tensor.shape) <= tensor.n_stored:
        return StoredTensor(tensor.shape, partial(_read_record, path, tensor))
    if (
        type(tensor) in (torch.Tensor, torch.nn.Parameter)
        and tensor.dtype in DTYPES.values()
        and (tensor.layout, tensor.device.type) == (torch.strided, "cpu")
        and tensor.numel() * tensor.itemsize <= tensor.untyped_storage().nbytes()
    ):
        return StoredTensor(tuple(tensor.shape), partial(as_float32, tensor))
    found = f"{tensor.dtype} {tuple(tensor.shape)}" if hasattr(tensor, "shape") else type(tensor).__name__
    raise ModelError(f"{path}: {str(name)[:200]!r} is {found}, expected a whole tensor of floating-point numbers")


def _read_record(path: Path, record: TensorRecord) -> torch.Tensor:
    dtype = DTYPES[record.dtype]
    with zipfile.ZipFile(path) as archive:
        root = next(name for name in archive.namelist() if name.endswith("data.pkl")).removesuffix("data.pkl")
        n_bytes = record.n_stored * dtype.itemsize
        try:
            content = _entry(archive, f"{root}data/{record.key}", n_bytes)
            order = archive.read(f"{root}byteorder") if f"{root}byteorder" in archive.namelist() else b"little"
            if len(content) < n_bytes or order != b"little":
                raise zipfile.BadZipFile(f"{len(content)} bytes, {order.decode(errors='replace')[:10]}-endian")
            stored = torch.frombuffer(bytearray(content), dtype=dtype)
            return as_float32(torch.as_strided(stored, record.shape, record.stride, record.offset))
        except (KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"{path}: storage {record.key[:50]} is damaged ({error}), expected {record.n_stored} little-endian "
                f"{record.dtype} values; fetch the file again"
            ) from error


def _fields(value: object) -> dict:
    """The keys and values of a dictionary or configuration object; none of anything else."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, PlainObject):
        return {}
    if "_content" in value.state:  # omegaconf's DictConfig
        return _fields(value.state["_content"])
    return {**value.mapping, **value.state}


def _plain(value: object) -> object:
    """The plain value in an omegaconf node, an enumeration member or a path; anything else as it is."""
    if isinstance(value, PlainObject) and "_val" in value.state:
        value = value.state["_val"]
    if isinstance(value, PlainObject) and not value.state and len(value.arguments) == 1:
        return value.arguments[0]
    if isinstance(value, PlainObject) and value.name.startswith("pathlib."):
        return "/".join(map(str, value.arguments)).replace("//", "/")
    return value


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
