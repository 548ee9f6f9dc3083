"""Decoded recordings on disk: a Parquet file per shard, one row per file, whatever became of it."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead import formats
from twelvelead.atomic import replacing
from twelvelead.changed_files import check_folder
from twelvelead.ecg import Recording
from twelvelead.errors import SignalError
from twelvelead.quality import signal_status
from twelvelead.signal_quality import POOR_QUALITY, flags_of, why_excluded

if TYPE_CHECKING:
    from twelvelead.formats.hdf5 import ExamFiles

# What a job holds in memory at a time: about 10 MB of samples, or one recording and these, where there are long ones.
ROWS_PER_GROUP = 128
BYTES_PER_GROUP = 64 * 2**20

SCHEMA = pa.schema(
    [
        ("ecg_id", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("format", pa.string()),
        ("device", pa.string()),
        ("units", pa.string()),
        ("sampling_rate_hz", pa.float64()),
        ("n_samples", pa.int64()),
        ("leads", pa.list_(pa.string())),
        ("gain_mv", pa.list_(pa.float64())),
        ("offset_mv", pa.list_(pa.float64())),
        ("dtype", pa.string()),
        ("samples", pa.binary()),
        ("statements", pa.list_(pa.string())),
        ("deepecg_reads", pa.bool_()),
        ("quality", pa.list_(pa.string())),
    ]
)
SUMMARY_COLUMNS = ["ecg_id", "status", "message", "format", "sampling_rate_hz", "n_samples", "quality"]


@dataclass(frozen=True)
class Record:
    """One file of a shard: what it is called here, what became of it, and its recording where one was decoded.

    quality  what is doubtful in a recording that is ok: signal_quality.flags
    """

    ecg_id: str
    status: str
    message: str
    recording: Recording | None
    quality: tuple[str, ...] = ()

    def unless_excluded(self, excludes: Collection[str]) -> "Record":
        """The record, or one with status poor_quality where it has a flag whose name is among `excludes`."""
        reason = why_excluded(self.quality, excludes)
        if not reason:
            return self
        return replace(self, status=POOR_QUALITY, message="; ".join(filter(None, (reason, self.message))))


def decode(ecg_id: str, path: str, array_unit_mv: float = 1.0, exam_files: "ExamFiles | None" = None) -> Record:
    """Reads one file. Never raises for a bad file: the record says what is wrong with it.

    Raises FolderGone for a file that is missing with its whole folder.

    exam_files  keeps the HDF5 files open that several recordings are read from
    """
    try:
        recording = formats.read(path, exam_files)
        if recording.samples.size == 0:
            raise SignalError("the file holds no samples")
    except SignalError as error:
        if not os.path.exists(formats.file_and_member(Path(path))[0]):
            check_folder(path)
            return Record(ecg_id, "missing", "the file vanished after the run was planned", None)
        return Record(ecg_id, error.status, " ".join(str(error).split()), None)
    if recording.has_no_unit:
        recording = replace(recording, gain_mv=recording.gain_mv * array_unit_mv)
    status, message = signal_status(recording)
    return Record(ecg_id, status, message, recording, flags_of(recording) if status == "ok" else ())


def write_records(files: Sequence[tuple[str, str]], destination: Path | str, array_unit_mv: float) -> dict[str, int]:
    """Decodes (ecg_id, path) pairs into a Parquet file; returns how many ended in each status."""
    counts: dict[str, int] = {}
    with (
        replacing(destination) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, **_PARQUET) as writer,
        _exam_files(files) as exam_files,
    ):
        rows = (decode(*file, array_unit_mv, exam_files) for file in files)
        for group in _groups(rows):
            writer.write_batch(_as_batch(group))
            for row in group:
                counts[row.status] = counts.get(row.status, 0) + 1
    return counts


def _groups(rows: Iterable[Record]) -> Iterator[list[Record]]:
    """ROWS_PER_GROUP records at a time, fewer where their samples exceed BYTES_PER_GROUP."""
    group, group_bytes = [], 0
    for row in rows:
        group.append(row)
        group_bytes += 0 if row.recording is None else row.recording.samples.nbytes
        if len(group) == ROWS_PER_GROUP or group_bytes >= BYTES_PER_GROUP:
            yield group
            group, group_bytes = [], 0
    if group:
        yield group


def _exam_files(files: Sequence[tuple[str, str]]) -> AbstractContextManager["ExamFiles | None"]:
    """Opens each HDF5 file of the shard once; nothing where no member of one is named."""
    if not any("#" in os.path.basename(path) for _, path in files):
        return nullcontext()
    # h5py takes long to import, and a job that reads other files need not pay for it.
    from twelvelead.formats.hdf5 import ExamFiles

    return ExamFiles()


# Written once and read by every recipe: lz4 halves that time against zstd, at 55 kB a recording instead of 40.
# Dictionaries would only be tried and given up for the samples. Their minima and maxima, which nothing asks for, would
# take six times the memory of a large recording.
_PARQUET = {
    "compression": "lz4",
    "use_dictionary": ["status", "format", "device", "units", "dtype"],
    "write_statistics": False,
}


def _as_batch(rows: list[Record]) -> pa.RecordBatch:
    columns = {name: [] for name in SCHEMA.names}
    for row in rows:
        found = row.recording
        values = {"ecg_id": row.ecg_id, "status": row.status, "message": row.message, "quality": list(row.quality)}
        if found is not None:
            values |= {
                "format": found.format,
                "device": found.device,
                "units": found.units,
                "sampling_rate_hz": found.sampling_rate_hz,
                "n_samples": found.samples.shape[1],
                "leads": list(found.leads),
                "gain_mv": np.asarray(found.gain_mv, dtype=np.float64),
                "offset_mv": None if found.offset_mv is None else np.asarray(found.offset_mv, dtype=np.float64),
                "dtype": found.samples.dtype.str,
                "samples": np.ascontiguousarray(found.samples).tobytes(),
                "statements": list(found.statements),
                "deepecg_reads": found.deepecg_reads,
            }
        for name, column in columns.items():
            column.append(values.get(name))
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def read_records(path: Path | str, quality_excludes: Collection[str] = ()) -> Iterator[Record]:
    """The records of a shard in the order of their hashes, a row group in memory at a time.

    quality_excludes  names of flags; a recording with one of them comes with status poor_quality
    """
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for record in _as_records(file.read_row_group(group).to_batches()):
                yield record.unless_excluded(quality_excludes)


def _as_records(batches: Iterable[pa.RecordBatch]) -> Iterator[Record]:
    for batch in batches:
        samples = batch.column("samples")
        for position, row in enumerate(batch.drop_columns("samples").to_pylist()):
            recording = _as_recording(row, samples[position])
            yield Record(row["ecg_id"], row["status"], row["message"], recording, tuple(row["quality"]))


def _as_recording(row: Mapping, samples: pa.BinaryScalar) -> Recording | None:
    if row["leads"] is None:
        return None
    stored = np.frombuffer(samples.as_buffer(), dtype=np.dtype(row["dtype"]))
    return Recording(
        format=row["format"],
        leads=tuple(row["leads"]),
        samples=stored.reshape(len(row["leads"]), row["n_samples"]),
        gain_mv=np.asarray(row["gain_mv"]),
        offset_mv=None if row["offset_mv"] is None else np.asarray(row["offset_mv"]),
        sampling_rate_hz=row["sampling_rate_hz"],
        units=row["units"],
        statements=tuple(row["statements"]),
        device=row["device"],
        deepecg_reads=row["deepecg_reads"],
    )


def find_records(paths: Sequence[Path | str], wanted: set[str]) -> dict[str, Record]:
    """Some records of a batch by ecg_id; of the samples, only the row groups that hold them are read."""
    found = {}
    for path in paths:
        with pq.ParquetFile(path) as file:
            ids = file.read(columns=["ecg_id"]).column("ecg_id").to_pylist()
            start = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if wanted.intersection(ids[start : start + rows]):
                    records = _as_records(file.read_row_group(group).to_batches())
                    found |= {record.ecg_id: record for record in records if record.ecg_id in wanted}
                start += rows
    return found


def read_columns(paths: Sequence[Path | str], columns: Sequence[str]) -> pa.Table:
    """Some columns of many shards' records as one table; the samples stay on disk."""
    if not paths:
        return SCHEMA.empty_table().select(list(columns))
    return pa.concat_tables(pq.read_table(path, columns=list(columns)) for path in paths)
