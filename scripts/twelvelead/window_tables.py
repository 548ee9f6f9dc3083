"""What a model of windows says of every window, and of the recordings they are of, as tables in the user's order.

Inference leaves its results in the order of the files' hashes, chunk by chunk. The tables here are in the order of the
user's table, so that they do not depend on how the batch was cut into shards. To that end the logits pass once through
a temporary file in which every window has its place: what memory must hold is a few numbers and two names per
recording, and one block of windows.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.atomic import replacing
from twelvelead.windows import WINDOW_COLUMNS, probabilities

WINDOWS_AT_ONCE = 20_000
KEYS = pa.schema([("file_name", pa.string()), ("ecg_id", pa.string()), ("window", pa.int32())])


@dataclass(frozen=True, eq=False)
class WindowRows:
    """Which rows of the tables are whose windows.

    files, ecg_ids  (recordings,) text, in the order of the tables
    counts          (recordings,) windows of each
    """

    files: np.ndarray
    ecg_ids: np.ndarray
    counts: np.ndarray

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @property
    def first(self) -> np.ndarray:
        """(recordings,) the row of each recording's first window."""
        return np.cumsum(self.counts) - self.counts

    def keys(self, start: int, end: int) -> list[pa.Array]:
        """The columns KEYS of some of the rows."""
        rows = np.arange(start, end)
        recordings = np.searchsorted(np.cumsum(self.counts), rows, side="right")
        window = (rows - self.first[recordings]).astype(np.int32)
        return [pa.array(names[recordings], pa.string()) for names in (self.files, self.ecg_ids)] + [pa.array(window)]


def outputs_table(cells: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """file_name and the recording's probability of every output of the model, named as the model names it.

    cells, predictions  row by row the same file, as assembly.predicted_cells returns them
    """
    return pd.concat([cells["file"].rename("file_name"), predictions.drop(columns="ecg_id")], axis=1)


def write_window_tables(
    cells: pd.DataFrame,
    windows: Sequence[str],
    csv_path: str | Path,
    parquet_path: str | Path,
    at_once: int = WINDOWS_AT_ONCE,
) -> int:
    """Writes the windows of the recordings in `cells`, in that order and then in order of time; returns their number.

    cells         columns file and ecg_id, each recording once
    windows       Parquet files with ecg_id, window and a float32 logit per output, rows in any order
    csv_path      gets file_name, window and a probability per output
    parquet_path  gets file_name, ecg_id, window and a logit per output, row by row the same windows
    at_once       windows in memory
    Raises ValueError where the windows of a recording are not numbered from 0 on.
    """
    outputs = [name for name in pq.read_schema(windows[0]).names if name not in WINDOW_COLUMNS]
    recordings = pd.Index(cells["ecg_id"])
    counts = np.zeros(len(recordings), dtype=np.int64)
    for places, _ in _blocks(windows, ["ecg_id"], recordings, at_once):
        counts += np.bincount(places, minlength=len(recordings))
    rows = WindowRows(cells["file"].to_numpy(object), cells["ecg_id"].to_numpy(object), counts)
    Path(parquet_path).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=Path(parquet_path).parent) as scratch:
        # An empty file cannot be memory-mapped.
        logits = np.memmap(scratch, dtype=np.float32, mode="w+", shape=(max(rows.n, 1), len(outputs)))
        first = rows.first
        for places, block in _blocks(windows, [*WINDOW_COLUMNS, *outputs], recordings, at_once):
            window = block.column("window").to_numpy()
            if ((window < 0) | (window >= counts[places])).any():
                raise ValueError("the windows of a recording are not numbered from 0 on")
            logits[first[places] + window] = np.column_stack([block.column(output).to_numpy() for output in outputs])
        _write(rows, logits, outputs, csv_path, parquet_path, at_once)
    return rows.n


def _blocks(
    paths: Sequence[str], columns: list[str], recordings: pd.Index, size: int
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """(position of each row's recording, rows) of the files, block by block; rows of other recordings are left out."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for block in file.iter_batches(size, columns=columns):
                places = recordings.get_indexer(block.column("ecg_id").to_pandas())
                here = places >= 0
                yield places[here], block.filter(pa.array(here))


def _write(
    rows: WindowRows,
    logits: np.ndarray,
    outputs: Sequence[str],
    csv_path: str | Path,
    parquet_path: str | Path,
    at_once: int,
) -> None:
    schema = pa.schema([*KEYS, *((output, pa.float32()) for output in outputs)])
    with ExitStack() as files:
        text = files.enter_context(open(files.enter_context(replacing(csv_path)), "w", encoding="utf-8", newline=""))
        parquet = files.enter_context(pq.ParquetWriter(files.enter_context(replacing(parquet_path)), schema))
        # Once at least, since a table without rows has a header.
        for start in range(0, max(rows.n, 1), at_once):
            end = min(start + at_once, rows.n)
            keys, values = rows.keys(start, end), np.array(logits[start:end])
            columns = [*keys, *(pa.array(column) for column in values.T)]
            parquet.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            shown = pd.DataFrame(probabilities(values), columns=list(outputs))
            shown.insert(0, "file_name", keys[0].to_pandas())
            shown.insert(1, "window", keys[2].to_pandas())
            shown.to_csv(text, index=False, header=start == 0, lineterminator="\n")
