"""Embeddings of a batch in one file, and a map of its recordings, in memory that does not grow with the batch.

Rows stand in the order of the inference chunks: recordings by the hash of their ecg_id (shards.ecg_hash), the windows
of each in the order of time. The order is a property of the batch's files, and so are all bytes: row groups are cut
here, whatever those of the chunks were, and every sum is taken over them in order.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.atomic import replacing, write_text

WINDOWS_PER_GROUP = 4096  # 12.6 MB of ECG-FM's 768 values
LEAST_RECORDINGS = 3  # any two lie on a line
COMPONENTS = 2


@dataclass(frozen=True)
class MapSummary:
    """What a reader of a map has to know of it.

    recordings, windows                    that take part: windows with finite embeddings, recordings with any of them
    recordings_left_out, windows_left_out  those without
    dimensions                             of an embedding
    explained_variance_ratio               of each component, of the variance of all dimensions; empty without a map
    reason                                 why there is no map; empty where there is one
    """

    recordings: int
    recordings_left_out: int
    windows: int
    windows_left_out: int
    dimensions: int
    explained_variance_ratio: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class PrincipalComponents:
    """mean (d,) of the recordings, components (2, d) of unit length, largest variance first, and what they are of.

    Without a map (see summary.reason) both hold NaN.
    """

    mean: np.ndarray
    components: np.ndarray
    summary: MapSummary

    def coordinates(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, 2) of embeddings (n, d), in the embeddings' own unit."""
        return (embeddings - self.mean) @ self.components.T


def collect_embeddings(chunks: Sequence[str | Path], destination: str | Path) -> int:
    """Writes the chunks (ecg_id, window, embedding), in their order, as one file; returns the number of windows.

    Every row group holds whole recordings.
    """
    width = pq.read_schema(chunks[0]).field("embedding").type.list_size
    schema = pa.schema([("ecg_id", pa.string()), ("window", pa.int32()), ("embedding", pa.list_(pa.float32(), width))])
    windows = 0
    with (
        replacing(destination) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=["ecg_id"]) as writer,
    ):
        for group in _whole_recordings(_row_groups(chunks, schema), WINDOWS_PER_GROUP):
            writer.write_table(group, row_group_size=len(group))
            windows += len(group)
    return windows


def _row_groups(chunks: Sequence[str | Path], schema: pa.Schema) -> Iterator[pa.Table]:
    for chunk in chunks:
        with pq.ParquetFile(chunk) as file:
            for at in range(file.num_row_groups):  # iter_batches would keep all that it has read
                yield file.read_row_group(at, columns=schema.names).cast(schema)


def _whole_recordings(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Tables of `size` windows, and of those more that the last one's recording has."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += len(table)
        while rows > size:
            joined = pa.concat_tables(waiting)
            ecg_ids = joined["ecg_id"].to_numpy()
            of_next = np.flatnonzero(ecg_ids[size:] != ecg_ids[size - 1])
            if not len(of_next):
                break
            end = size + int(of_next[0])
            yield joined.slice(0, end).combine_chunks()
            waiting, rows = [joined.slice(end)], rows - end
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


@dataclass(frozen=True)
class RecordingBlock:
    """Recordings of a row group: ecg_ids, mean (n, d) float64 of their windows with finite embeddings, their counts.

    windows, windows_left_out (n,); a recording without a finite window has a mean of NaN.
    """

    ecg_ids: np.ndarray
    mean: np.ndarray
    windows: np.ndarray
    windows_left_out: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """(k, d) means of the recordings that have one."""
        return self.mean[self.windows > 0]


def recordings_of(embeddings: str | Path) -> Iterator[RecordingBlock]:
    """The recordings of a file of collect_embeddings, a row group at a time."""
    with pq.ParquetFile(embeddings) as file:
        for at in range(file.num_row_groups):
            yield _block(file.read_row_group(at))


def _block(windows: pa.Table) -> RecordingBlock:
    ecg_ids = windows["ecg_id"].to_numpy()
    starts = np.flatnonzero(np.concatenate(([True], ecg_ids[1:] != ecg_ids[:-1])))
    column = windows["embedding"].combine_chunks()
    values = column.flatten().to_numpy().reshape(len(ecg_ids), column.type.list_size).astype(np.float64)
    is_finite = np.isfinite(values).all(axis=1)
    values[~is_finite] = 0
    n_finite = np.add.reduceat(is_finite, starts, dtype=np.int64)
    n_windows = np.diff(np.append(starts, len(ecg_ids)))
    sums = np.add.reduceat(values, starts, axis=0)
    mean = np.divide(sums, n_finite[:, None], out=np.full_like(sums, np.nan), where=n_finite[:, None] > 0)
    return RecordingBlock(ecg_ids[starts], mean, n_finite, n_windows - n_finite)


def principal_components(embeddings: str | Path) -> PrincipalComponents:
    """Of the recordings of a file of collect_embeddings: two passes over it, mean and covariance in float64.

    Jolliffe and Cadima 2016, doi:10.1098/rsta.2015.0202. A component's sign is chosen so that its entry of largest
    magnitude is positive.
    """
    mean, summary = _mean(embeddings)
    if summary.reason:
        return PrincipalComponents(mean, np.full((COMPONENTS, len(mean)), np.nan), summary)
    covariance = np.zeros((len(mean), len(mean)))
    for block in recordings_of(embeddings):
        centred = block.finite - mean
        covariance += centred.T @ centred
    variances, vectors = np.linalg.eigh(covariance / (summary.recordings - 1))
    components = vectors.T[: -COMPONENTS - 1 : -1]
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(COMPONENTS), largest])[:, None]
    ratio = variances[: -COMPONENTS - 1 : -1].clip(min=0) / variances.clip(min=0).sum()
    return PrincipalComponents(mean, components, replace(summary, explained_variance_ratio=tuple(ratio.tolist())))


def _mean(embeddings: str | Path) -> tuple[np.ndarray, MapSummary]:
    """Mean (d,) of the recordings that have one, NaN where no map can be made of them, and the reason."""
    width = pq.read_schema(embeddings).field("embedding").type.list_size
    total, lowest, highest = np.zeros(width), np.full(width, np.inf), np.full(width, -np.inf)
    recordings = recordings_left_out = windows = windows_left_out = 0
    for block in recordings_of(embeddings):
        finite = block.finite
        recordings += len(finite)
        recordings_left_out += len(block.ecg_ids) - len(finite)
        windows += int(block.windows.sum())
        windows_left_out += int(block.windows_left_out.sum())
        total += finite.sum(axis=0)
        lowest = np.minimum(lowest, finite.min(axis=0, initial=np.inf))
        highest = np.maximum(highest, finite.max(axis=0, initial=-np.inf))
    reason = ""
    if recordings < LEAST_RECORDINGS:
        reason = f"a map needs at least {LEAST_RECORDINGS} recordings with a finite embedding, here are {recordings}"
    elif width < COMPONENTS:
        reason = f"an embedding has one dimension, a map needs {COMPONENTS}"
    elif not (lowest < highest).any():
        reason = f"the embeddings of all {recordings:,} recordings are the same, so that nothing varies"
    mean = np.full(width, np.nan) if reason else total / recordings
    return mean, MapSummary(recordings, recordings_left_out, windows, windows_left_out, width, (), reason)


def write_map(embeddings: str | Path, found: PrincipalComponents, table: str | Path, summary: str | Path) -> None:
    """Writes the CSV ecg_id, pc1, pc2 of every recording, empty where it has none, and the summary as JSON."""
    with replacing(table) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write("ecg_id,pc1,pc2\n")
        for block in recordings_of(embeddings):
            pc1, pc2 = found.coordinates(block.mean).T
            rows = pd.DataFrame({"ecg_id": block.ecg_ids, "pc1": pc1, "pc2": pc2})
            rows.to_csv(file, header=False, index=False, lineterminator="\n", float_format="%.7g")
    write_text(summary, json.dumps(asdict(found.summary), indent=1) + "\n")


def read_map(table: str | Path, summary: str | Path) -> tuple[pd.DataFrame, MapSummary]:
    """What write_map wrote; coordinates are NaN where there are none."""
    points = pd.read_csv(table, dtype={"ecg_id": str}, keep_default_na=False, na_values={"pc1": [""], "pc2": [""]})
    found = json.loads(Path(summary).read_text(encoding="utf-8"))
    ratio = tuple(found.pop("explained_variance_ratio"))
    return points, MapSummary(**found, explained_variance_ratio=ratio)
