"""A model of windows on the prepared shards of a chunk: what it says of every window, and then of every recording.

Such a model has, beside `outputs`, logits_and_embedding and saliency, with embedding_size and n_frames for the widths
of the latter two; see models/ecgfm.py. Logits are kept by window, so that another aggregation needs no network.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.atomic import replacing
from twelvelead.inference import BLOCK, READ_AHEAD, Block, blocks, read_ahead
from twelvelead.windows import WINDOW_COLUMNS, aggregate, index_recordings, probabilities

WINDOW = list(zip(WINDOW_COLUMNS, (pa.string(), pa.int32()), strict=True))


def predict_windows(
    model,
    tensors: Sequence[str],
    statuses: Sequence[str],
    windows_destination: str | Path,
    embeddings_destination: str | Path,
) -> int:
    """Writes the logits (a float32 column per output) and the embedding of every window, from one pass of the network.

    Returns the number of windows. Those of a recording stand one after another, in order of time.
    """
    windows_schema = pa.schema([*WINDOW, *((output, pa.float32()) for output in model.outputs)])
    embeddings_schema = pa.schema([*WINDOW, ("embedding", pa.list_(pa.float32(), model.embedding_size))])
    n = 0
    with (
        replacing(windows_destination) as windows_file,
        replacing(embeddings_destination) as embeddings_file,
        pq.ParquetWriter(windows_file, windows_schema) as windows,
        pq.ParquetWriter(embeddings_file, embeddings_schema) as embeddings,
    ):
        for block, signals in _blocks(tensors, statuses):
            logits, embedding = model.logits_and_embedding(signals)
            columns = [*_columns(block), *(pa.array(column) for column in logits.T)]
            windows.write_batch(pa.RecordBatch.from_arrays(columns, schema=windows_schema))
            columns = [*_columns(block), _lists(embedding)]
            embeddings.write_batch(pa.RecordBatch.from_arrays(columns, schema=embeddings_schema))
            n += len(block)
    return n


def saliency_of_windows(model, tensors: Sequence[str], statuses: Sequence[str], destination: str | Path) -> int:
    """Writes the saliency (model.n_frames float32 values) of every window; returns the number of windows."""
    schema = pa.schema([*WINDOW, ("saliency", pa.list_(pa.float32(), model.n_frames))])
    n = 0
    with replacing(destination) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for block, signals in _blocks(tensors, statuses):
            columns = [*_columns(block), _lists(model.saliency(signals))]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            n += len(block)
    return n


def aggregate_windows(
    windows: str | Path, outputs: Sequence[str], aggregations: Sequence[str], destination: str | Path
) -> int:
    """Writes ecg_id and a float32 probability per output for every recording; returns the number of recordings.

    windows       what predict_windows wrote
    aggregations  "mean" or "max" of each output's probabilities, as windows.aggregate takes them
    Recordings come in the order of their first window.
    """
    schema = pa.schema([("ecg_id", pa.string()), *((output, pa.float32()) for output in outputs)])
    n = 0
    with replacing(destination) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for ids_of_windows, logits in _whole_recordings(windows, outputs):
            ids, recordings = index_recordings(ids_of_windows)
            aggregated = aggregate(probabilities(logits), recordings, len(ids), aggregations).astype(np.float32)
            columns = [pa.array(ids), *(pa.array(column) for column in aggregated.T)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            n += len(ids)
    return n


def _blocks(tensors: Sequence[str], statuses: Sequence[str]) -> Iterator[Block]:
    return read_ahead(blocks(tensors, statuses, BLOCK), READ_AHEAD)


def _columns(block: list[tuple[str, int]]) -> list[pa.Array]:
    ids, windows = zip(*block, strict=True)
    return [pa.array(ids), pa.array(windows, type=pa.int32())]


def _lists(values: np.ndarray) -> pa.Array:
    """A list per row of `values` (n, width)."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _whole_recordings(windows: str | Path, outputs: Sequence[str]) -> Iterator[tuple[list[str], np.ndarray]]:
    """(ecg_ids, logits (n, outputs)) of the windows of whole recordings, about a row group of the file at a time."""
    ids: list[str] = []
    logits = np.empty((0, len(outputs)), dtype=np.float32)
    with pq.ParquetFile(windows) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            ids += table.column("ecg_id").to_pylist()
            of_group = np.column_stack([table.column(output).to_numpy() for output in outputs])
            logits = np.concatenate([logits, of_group])
            # The last recording may go on in the next row group.
            unfinished = ids.index(ids[-1]) if ids else 0
            if unfinished:
                yield ids[:unfinished], logits[:unfinished]
                ids, logits = ids[unfinished:], logits[unfinished:]
    if ids:
        yield ids, logits
