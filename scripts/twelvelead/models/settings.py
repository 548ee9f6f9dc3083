"""Settings and weights file of a model that is one file with signals in and one number per output out."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.errors import ConfigError, ModelError

ACTIVATIONS = ("sigmoid", "none")
N_SAMPLES = 2500  # 10 s at 250 Hz, what recipe deepecg prepares


@dataclass(frozen=True)
class InferenceSettings:
    """What `settings` of an entry in models.yaml says of such a model.

    outputs              names, in the order of the model's outputs
    input_scale          factor on the signals, from the recipe's units to the model's
    activation           "sigmoid" where the model ends in logits, "none" where in probabilities
    batch_size           ECGs run at once; the last block is filled up to it
    threads              blocks run at once on the CPU, each on one thread
    sha256               of the weights file, None where nobody pinned it
    trust_local_weights  run code from a file that nobody pinned
    """

    outputs: tuple[str, ...]
    input_scale: float = 1.0
    activation: str = "sigmoid"
    batch_size: int = 8
    threads: int = 1
    sha256: str | None = None
    trust_local_weights: bool = False

    @classmethod
    def read(cls, settings: Mapping, family: str) -> "InferenceSettings":
        """Keys beyond these belong to the family or the recipe. Raises ConfigError that names the key."""
        known = {key: settings[key] for key in cls.__dataclass_fields__ if key in settings}
        outputs = known.get("outputs")
        named = isinstance(outputs, list | tuple) and all(isinstance(name, str) and name for name in outputs)
        if not named or not outputs:
            raise _wrong(family, "outputs", outputs, "a list with the name of every output, in the model's order")
        if len(set(outputs)) != len(outputs):
            raise _wrong(family, "outputs", list(outputs), "names that differ")
        read = cls(**{**known, "outputs": tuple(outputs)})
        if not _is_number(read.input_scale) or not np.isfinite(read.input_scale) or read.input_scale == 0:
            raise _wrong(family, "input_scale", read.input_scale, "a finite number other than 0")
        if read.activation not in ACTIVATIONS:
            raise _wrong(family, "activation", read.activation, f"one of {', '.join(ACTIVATIONS)}")
        for key in ("batch_size", "threads"):
            value = getattr(read, key)
            if not _is_number(value) or not isinstance(value, int) or value < 1:
                raise _wrong(family, key, value, "a whole number of at least 1")
        if read.sha256 is not None and not (isinstance(read.sha256, str) and re.fullmatch("[0-9a-f]{64}", read.sha256)):
            raise _wrong(family, "sha256", read.sha256, "64 hexadecimal digits in lower case, or nothing")
        if not isinstance(read.trust_local_weights, bool):
            raise _wrong(family, "trust_local_weights", read.trust_local_weights, "true or false")
        return read


def _wrong(family: str, key: str, found: object, expected: str) -> ConfigError:
    return ConfigError(f"settings of a model of family {family}: {key} is {found!r}, expected {expected}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def weights_file(path: str | Path, suffix: str) -> Path:
    """`path`, or the only file with `suffix` in it where it is a folder. Raises ModelError where there is not one."""
    path = Path(path)
    if path.is_dir():
        found = sorted(file for file in path.glob(f"*{suffix}") if file.is_file())
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            raise ModelError(
                f"{path}: expected one {suffix} file in this folder, found {names}; leave the model's own there "
                "alone (from the hub: name it by `files` of the model's source, remove the folder, run fetch_models)"
            )
        return found[0]
    if not path.is_file():
        raise ModelError(f"{path}: no such file or folder, expected a model's {suffix} file; fetch it or correct it")
    return path


def pinned_bytes(file: Path, sha256: str | None) -> tuple[bytes, str]:
    """(content, its SHA-256), read once so that what is loaded is what was hashed.

    Raises ModelError for a file that cannot be read or, with `sha256`, is another one.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror}); check the file and its permissions") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ModelError(
            f"{file}: sha256 is {found}, expected the pinned {sha256}; fetch the file again, or pin the new hash if "
            "you changed the file on purpose"
        )
    return content, found


def check_signals(batch: np.ndarray) -> None:
    """Raises ModelError unless `batch` is (n, 12, 2500)."""
    expected = (len(LEADS), N_SAMPLES)
    if batch.ndim != 3 or batch.shape[1:] != expected:
        raise ModelError(
            f"batch of shape {batch.shape}, expected (n, {expected[0]}, {expected[1]}); prepare it with recipe deepecg"
        )


def check_outputs(found: np.ndarray, rows: int, outputs: tuple[str, ...], file: Path) -> np.ndarray:
    """What a model returned as (rows, outputs); one output may come without its axis. Raises ModelError else."""
    if found.shape == (rows,) and len(outputs) == 1:
        return found[:, np.newaxis]
    if found.shape != (rows, len(outputs)):
        raise ModelError(
            f"{file}: returned shape {tuple(found.shape)} for {rows} ECGs, expected ({rows}, {len(outputs)}); "
            "make `labels` of the model's entry name every output"
        )
    return found
