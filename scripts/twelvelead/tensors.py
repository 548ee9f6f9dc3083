"""Prepared tensors on disk: one float32 .npy per shard, memory-mapped by its readers, and a table of its rows."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twelvelead.atomic import replacing

STATUS_COLUMNS = ["ecg_id", "status", "message", "rows"]


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
    """What a recipe made of one file. The tensor holds the files' rows in this order, a file's own one after another.

    rows  of the tensor: 0 for a file that is not ok, else 1 or, of a recipe in recipes.WINDOWED, the number of windows
    """

    ecg_id: str
    status: str
    message: str = ""
    rows: int | None = None  # where it is not said, what a recipe without windows makes

    def __post_init__(self) -> None:
        if self.rows is None:
            object.__setattr__(self, "rows", int(self.status == "ok"))
        if (self.rows > 0) != (self.status == "ok"):
            raise ValueError(f"{self.ecg_id}: status {self.status} with {self.rows} rows of the tensor")


def write_statuses(path: Path | str, rows: list[RowStatus]) -> None:
    """Writes what became of every file of a shard as tab-separated text."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(STATUS_COLUMNS)
        writer.writerows((row.ecg_id, row.status, row.message, row.rows) for row in rows)


def read_statuses(path: Path | str) -> Iterator[RowStatus]:
    """The rows that write_statuses wrote."""
    with open(path, encoding="utf-8", newline="") as text:
        rows = csv.reader(text, delimiter="\t")
        next(rows)
        # A table that an earlier checkout left in the work folder may lack the number of rows.
        yield from (RowStatus(ecg_id, status, message, *map(int, count)) for ecg_id, status, message, *count in rows)


def prepared_ids(path: Path | str) -> list[str]:
    """ecg_ids of the files with rows in the tensor that belongs to this table of statuses, each once."""
    return [row.ecg_id for row in read_statuses(path) if row.rows]


def prepared_rows(path: Path | str) -> Iterator[tuple[str, int]]:
    """(ecg_id, number of the window from 0) of every row of the tensor, in order."""
    return ((row.ecg_id, window) for row in read_statuses(path) for window in range(row.rows))
