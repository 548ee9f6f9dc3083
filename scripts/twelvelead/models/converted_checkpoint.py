"""A model's weights: its finetuned checkpoint with the pretrained one, or both converted to safetensors and JSON."""

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from twelvelead.atomic import replacing, write_text
from twelvelead.errors import ModelError
from twelvelead.models.checkpoint import Checkpoint, StoredTensor, as_float32, read_checkpoint

BASE_NAME = "base_ssl.pt"
FORMAT = "twelvelead-checkpoint-1"
# What the finetuned configuration alone decides, base_ssl.pt or not; the encoder is built from base_ssl.pt's.
OF_FINETUNED = ("_name", "num_labels", "model_path", "no_pretrained_weights")


def read_weights(path: str | Path) -> Checkpoint:
    """The tensors of a model, and its configuration as base_ssl.pt, where it is there, changes it.

    path  a folder in DeepECG's layout, its finetuned .pt (base_ssl.pt, if any, beside it), or a converted .safetensors
    Raises ModelError.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _read_converted(path)
    return _read(*_files(path))


def convert(path: str | Path, destination: str | Path, verified: Mapping[str, str] | None = None) -> Path:
    """Writes what read_weights gives of `path` as `destination` (.safetensors), with a .json beside it; returns it.

    verified  file name -> sha256; with it, no other file is read, so that a folder may hold several models' checkpoints
    The JSON holds the model's configuration and sha256 of all files. Nothing is done where destination was made of the
    same files before. Equal checkpoints give equal bytes. Raises ModelError.
    """
    destination = Path(destination)
    if destination.suffix != ".safetensors":
        raise ModelError(f"{destination}: name of a converted checkpoint, expected one that ends in .safetensors")
    finetuned, base = _files(Path(path), verified)
    sources = {file.name: sha256(file) for file in (finetuned, base) if file is not None}
    for name, found in sources.items():
        if verified is not None and verified.get(name) != found:
            raise ModelError(
                f"{path}: {name} has sha256 {found}, expected {verified.get(name, 'no such file')} as it was verified; "
                "restore what was there, or run again if the change was meant"
            )
    if destination.is_file() and _is_made_of(destination, sources):
        return destination
    checkpoint = _read(finetuned, base)
    with replacing(destination) as temporary:
        save_file({name: tensor.read() for name, tensor in sorted(checkpoint.tensors.items())}, temporary)
        content = {
            "format": FORMAT,
            "model": checkpoint.model_config,
            "sha256": sha256(temporary),
            "source_sha256": sources,
        }
    write_text(destination.with_suffix(".json"), json.dumps(content, indent=1, sort_keys=True) + "\n")
    return destination


def sha256(path: str | Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(path: Path, among: Collection[str] | None = None) -> tuple[Path, Path | None]:
    """The finetuned checkpoint and, where it is there, base_ssl.pt; `among` names the files that may be the former."""
    if path.is_dir():
        found = sorted(file for file in path.glob("*.pt") if file.name != BASE_NAME and not file.name.startswith("."))
        found = [file for file in found if among is None or file.name in among]
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or f"no .pt file other than {BASE_NAME}"
            raise ModelError(
                f"{path}: has {names}, expected one finetuned .pt; name the file itself or fetch the model"
            )
        path = found[0]
    elif not path.is_file():
        raise ModelError(f"{path}: no such file or folder, expected a checkpoint; fetch the model or correct the path")
    base = path.with_name(BASE_NAME)
    return path, base if base.is_file() and base != path else None


def _read(finetuned: Path, base: Path | None) -> Checkpoint:
    checkpoint = read_checkpoint(finetuned)
    if base is None:
        return checkpoint
    return Checkpoint(_merged(checkpoint.model_config, read_checkpoint(base).model_config), checkpoint.tensors)


def _merged(finetuned: Mapping, base: Mapping) -> dict:
    """The configuration that fairseq-signals builds from: the pretrained one's encoder, the finetuned one's head."""
    if finetuned.get("no_pretrained_weights"):
        return dict(finetuned)
    return {**finetuned, **{key: value for key, value in base.items() if key not in OF_FINETUNED}}


def _read_converted(path: Path) -> Checkpoint:
    description = path.with_suffix(".json")
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["sha256"] != sha256(path) or not isinstance(content["model"], dict):
            raise ValueError("it describes another file")
        with safe_open(path, framework="pt") as file:
            tensors = {
                name: StoredTensor(tuple(file.get_slice(name).get_shape()), partial(_read_slice, path, name))
                for name in file.keys()  # noqa: SIM118
            }
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"{path}: not a whole converted checkpoint with {description.name} beside it ({error}); convert it again"
        ) from error
    return Checkpoint(content["model"], tensors)


def _read_slice(path: Path, name: str) -> torch.Tensor:
    with safe_open(path, framework="pt") as file:
        return as_float32(file.get_tensor(name))


def _is_made_of(destination: Path, sources: Mapping[str, str]) -> bool:
    try:
        content = json.loads(destination.with_suffix(".json").read_text(encoding="utf-8"))
        return (content["format"], content["source_sha256"], content["sha256"]) == (
            FORMAT,
            sources,
            sha256(destination),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
