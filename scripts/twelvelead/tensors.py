"""Prepared tensors on disk: one float32 .npy per shard, memory-mapped by its readers, and a table of its rows."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twelvelead.atomic import replacing

STATUS_COLUMNS = ["ecg_id", "status", "message"]


class TensorWriter:
    """Writes blocks of rows to a .npy file whose number of rows is known only at the end."""

    def __init__(self, path: Path, row_shape: tuple[int, ...]):
        self._file = open(path, "wb")  # noqa: SIM115 - closed by `close`
        self._row_shape = row_shape
        self._rows = 0
        self._write_header()

    def _write_header(self) -> None:
        # numpy pads the header for a growing first axis, so that writing it again keeps its length.
        description = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, *self._row_shape)}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, description)

    def append(self, block: np.ndarray) -> None:
        """Adds rows; `block` is (rows, *row_shape)."""
        if block.shape[1:] != self._row_shape:
            raise ValueError(f"rows of shape {block.shape[1:]}, expected {self._row_shape}")
        self._file.write(np.ascontiguousarray(block, dtype="<f4").data)
        self._rows += len(block)

    def close(self) -> None:
        self._write_header()
        self._file.close()


@dataclass(frozen=True)
class RowStatus:
    """What a recipe made of one file; rows with status ok are the tensor's rows, in this order."""

    ecg_id: str
    status: str
    message: str = ""


def write_statuses(path: Path | str, rows: list[RowStatus]) -> None:
    """Writes what became of every file of a shard as tab-separated text."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(STATUS_COLUMNS)
        writer.writerows((row.ecg_id, row.status, row.message) for row in rows)


def read_statuses(path: Path | str) -> Iterator[RowStatus]:
    """The rows that write_statuses wrote."""
    with open(path, encoding="utf-8", newline="") as text:
        rows = csv.reader(text, delimiter="\t")
        next(rows)
        yield from (RowStatus(*row) for row in rows)


def prepared_ids(path: Path | str) -> list[str]:
    """ecg_ids of the rows of the tensor that belongs to this table of statuses."""
    return [row.ecg_id for row in read_statuses(path) if row.status == "ok"]
