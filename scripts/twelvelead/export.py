"""Cleaned signals as files: (2500, 12) float32 `.npy`, or DeepECG's base64 text of the same bytes."""

import base64
from pathlib import Path

import numpy as np

from twelvelead.atomic import replacing, write_text
from twelvelead.errors import SignalError
from twelvelead.tensors import prepared_ids, read_statuses


def export_shard(tensor: str, statuses: str, folder: str, file_format: str, done: str) -> int:
    """Writes `<folder>/<ecg_id>.npy` or `.base64` for every row of a prepared tensor, then lists them in `done`."""
    signals = np.load(tensor, mmap_mode="r")
    ids = prepared_ids(statuses)
    names = [f"{ecg_id}.{file_format}" for ecg_id in ids]
    for name, signal in zip(names, signals, strict=True):
        _write(Path(folder) / name, signal, file_format)
    write_text(done, "".join(f"{name}\n" for name in names))
    return len(names)


def remove_stale(lists: list[str], folder: str, destination: str) -> tuple[int, int]:
    """Deletes exported signals that no shard lists (a row or a format that is gone); returns how many stayed and went.

    A `.npy` that was asked for by name stays as long as its recording is in the batch.
    """
    names = [name for path in lists for name in Path(path).read_text(encoding="utf-8").splitlines()]
    keep = set(names) | {f"{name.rpartition('.')[0]}.npy" for name in names}
    stale = [path for path in Path(folder).glob("[!.]*") if path.name not in keep] if Path(folder).is_dir() else []
    for path in stale:
        path.unlink()
    write_text(destination, "".join(f"{name}\n" for name in sorted(names)))
    return len(names), len(stale)


def export_one(tensor: str, statuses: str, ecg_id: str, destination: str) -> None:
    """Writes one recording's `.npy`. Raises SignalError with the reason when it has no cleaned signal."""
    signals = np.load(tensor, mmap_mode="r")
    position = 0
    for row in read_statuses(statuses):
        if row.ecg_id == ecg_id:
            if row.status != "ok":
                raise SignalError(f"{ecg_id} has no cleaned signal: {row.status}, {row.message}")
            _write(Path(destination), signals[position], "npy")
            return
        position += row.status == "ok"
    raise SignalError(f"{ecg_id} is not an ECG of this batch; recordings.csv lists them")


def _write(path: Path, signal: np.ndarray, file_format: str) -> None:
    time_by_lead = np.ascontiguousarray(signal.T, dtype="<f4")
    if file_format == "base64":
        write_text(path, base64.b64encode(time_by_lead.tobytes()).decode("ascii"))
        return
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, time_by_lead)
