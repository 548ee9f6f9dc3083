"""Attention saliency of models of windows: a table per batch and model, and where on the recording each value belongs.

A window of recipe ecgfm is 2500 samples at 500 Hz, of which the network makes 156 frames of 16 samples, and saliency
is one value a frame (models/ecgfm.py). The last 4 samples of a window, and what is left of a recording after its last
whole window, have none.
"""

from collections.abc import Collection, Iterator, Sequence
from math import gcd
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twelvelead.atomic import replacing
from twelvelead.errors import ModelError
from twelvelead.recipes.ecgfm import N_SAMPLES, WINDOW_S, resampled_length
from twelvelead.recipes.resampling import ASSUMED_DURATION_S

FRAMES, FRAME_SAMPLES = 156, 16
# The longest stretch that both frames and windows are whole multiples of: 8 ms.
VALUE_SAMPLES = gcd(FRAME_SAMPLES, N_SAMPLES)
ROWS_PER_GROUP = 1024  # 640 kB of saliency
SCHEMA = pa.schema(
    [
        ("ecg_id", pa.string()),
        ("window", pa.int32()),
        ("start_s", pa.float32()),
        ("saliency", pa.list_(pa.float32(), FRAMES)),
    ]
)


def write_saliency(chunks: Sequence[Path | str], destination: Path | str) -> int:
    """Writes the windows of all chunks as one table of SCHEMA, in their order; returns the number of windows.

    chunks   Parquet files with ecg_id, window and saliency
    start_s  where a window begins, 5 s times its number, on the time axis at 500 Hz; see along_time
    Raises ModelError for a chunk whose windows have another number of frames.
    """
    n = 0
    with replacing(destination) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for rows in _rows(chunks):
            start_s = pc.cast(pc.multiply(rows.column("window"), WINDOW_S), pa.float32())
            columns = [rows.column("ecg_id"), rows.column("window"), start_s, rows.column("saliency")]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
            n += rows.num_rows
    return n


def _rows(chunks: Sequence[Path | str]) -> Iterator[pa.RecordBatch]:
    for chunk in chunks:
        with pq.ParquetFile(chunk) as file:
            found = file.schema_arrow.field("saliency").type
            if found != SCHEMA.field("saliency").type:
                raise ModelError(
                    f"{chunk}: saliency is {found}, expected {FRAMES} float32 a window, one for {FRAME_SAMPLES} "
                    "samples; only networks with the convolutions of the published ECG-FM can be shown"
                )
            yield from file.iter_batches(ROWS_PER_GROUP, columns=["ecg_id", "window", "saliency"])


def find_saliency(path: Path | str, ecg_ids: Collection[str]) -> dict[str, np.ndarray]:
    """(windows, 156) float32 of some recordings of write_saliency's table, those of them that are in it.

    Row k is window k, NaN where the table has none. Of saliency, only the row groups that hold them are read.
    """
    wanted = pa.array(sorted(set(ecg_ids)), pa.string())
    windows: dict[str, dict[int, np.ndarray]] = {}
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["ecg_id"]).column("ecg_id")
            chosen = pc.is_in(ids, value_set=wanted)
            if not pc.any(chosen).as_py():
                continue
            rows = file.read_row_group(group, columns=["ecg_id", "window", "saliency"]).filter(chosen)
            values = rows.column("saliency").combine_chunks().flatten().to_numpy().reshape(-1, FRAMES)
            for ecg_id, window, row in zip(
                rows.column("ecg_id").to_pylist(), rows.column("window").to_pylist(), values, strict=True
            ):
                windows.setdefault(ecg_id, {})[window] = row
    return {ecg_id: _in_order(of_ecg) for ecg_id, of_ecg in windows.items()}


def _in_order(windows: dict[int, np.ndarray]) -> np.ndarray:
    ordered = np.full((max(windows) + 1, FRAMES), np.nan, dtype=np.float32)
    for window, values in windows.items():
        ordered[window] = values
    return ordered


def along_time(saliency: np.ndarray, n_samples: int, sampling_rate_hz: float | None) -> tuple[float, np.ndarray]:
    """(seconds that a value stands for, (windows * 625,) float32 values one after another from the first sample on).

    saliency          (windows, 156), as find_saliency returns it
    n_samples         of the recording as recorded
    sampling_rate_hz  of it; None where the file does not say, as for the recipe
    Each frame is 4 values and the end of each window 1 of NaN, so that all are equally long and every frame begins
    where it does in the recording: the recipe stretches the first and the last sample onto those at 500 Hz, so that a
    value is 8 ms at 500 Hz and elsewhere differs from that by about a sample over the whole recording.
    Raises ValueError for another number of frames, SignalError for a recording that the recipe would not prepare.
    """
    if saliency.ndim != 2 or saliency.shape[1] != FRAMES:
        raise ValueError(f"saliency of shape {saliency.shape}, expected (windows, {FRAMES})")
    n_resampled = resampled_length(n_samples, sampling_rate_hz)
    rate_hz = n_samples / ASSUMED_DURATION_S if sampling_rate_hz is None else sampling_rate_hz
    sample_s = (n_samples - 1) / rate_hz / (n_resampled - 1)
    values = np.full((len(saliency), N_SAMPLES // VALUE_SAMPLES), np.nan, dtype=np.float32)
    repeats = FRAME_SAMPLES // VALUE_SAMPLES
    values[:, : FRAMES * repeats] = np.repeat(saliency, repeats, axis=1)
    return VALUE_SAMPLES * sample_s, values.ravel()
