"""HDF5 of the CODE group: `tracings` (recordings, 4096, 12) at 400 Hz, padded with zeros at both ends, and `exam_id`.

A recording is named as a member of its file, in CODE-15's parts by its exam_id, `exams_part3.hdf5#1234567`. The files
of SaMi-Trop and CODE-test have no exam_id: their recordings go by row, `exams.hdf5#0`, which is the line of the tables
beside them. Parts have 4 GB and are read by slices.
"""

import re
import stat
from collections import OrderedDict
from pathlib import Path

import h5py
import numpy as np

from twelvelead.ecg import LEADS, Recording
from twelvelead.errors import SignalError, UnreadableFile
from twelvelead.formats.content import TRANSIENT_ERRORS
from twelvelead.formats.hdf5_rows import own_dataset, read_rows
from twelvelead.formats.leads import as_recording_samples
from twelvelead.formats.sniffing import HOW_TO_NAME_MEMBERS, NAME_BY_EXAM_ID, NAME_BY_ROW

# The files do not give it; the data sets' pages do: 10.5281/zenodo.4916206 (CODE-15), 4905618 (SaMi-Trop), 3765780
# (CODE-test).
SAMPLING_RATE_HZ = 400.0
TRACING_SHAPE = (4096, len(LEADS))
PADDING_EXAM_ID = 0  # the last row of each part belongs to no exam

# CODE-15 has 345,779 recordings in all, about 20,000 in a part.
MAX_RECORDINGS = 2**20
MAX_OPEN_FILES = 32
_MEMBER = re.compile(r"\d{1,18}", re.ASCII)


def member_name(file_name: str, member: int) -> str:
    """How a table names a recording, by exam_id or by row, of an HDF5 file."""
    return f"{file_name}#{member}"


class ExamFile:
    """One HDF5 file, held open so that reading many of its recordings opens it once; a context manager.

    exam_ids  (rows,) int64, in the file's order, the padding row included; None where the file has none
    Raises UnsupportedFormat for HDF5 of another layout, UnreadableFile for a damaged file and for other shapes.
    """

    def __init__(self, path: Path | str):
        self._file = _opened(Path(path))
        try:
            self._tracings = own_dataset(self._file, "tracings", kinds="f")
            self.exam_ids = _exam_ids(self._file, self._tracings.shape)
        except BaseException as error:
            self._file.close()
            raise as_signal_error(error) from None

    def __enter__(self) -> "ExamFile":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def members(self) -> np.ndarray:
        """exam_ids of the recordings, int64, in the file's order, without the padding row; their rows without ids."""
        if self.exam_ids is None:
            return np.arange(self._tracings.shape[0])
        return self.exam_ids[self.exam_ids != PADDING_EXAM_ID]

    def read(self, member: int) -> Recording:
        """One recording, the samples at which all leads are 0 taken off both ends; only its own row is read.

        CODE-15 states no unit, and CODE-test's description contradicts itself ("at the scale 1e-4V", yet volts times
        1000); the values are taken as mV (Recording.units says "assumed"). A row of zeros alone keeps its length, to be
        reported as flat. Raises UnreadableFile where the exam is not in the file or in it twice.
        """
        row = self._numbered_row(member) if self.exam_ids is None else self._row_of_exam(member)
        try:
            tracing = read_rows(self._tracings, row, row + 1)[0]
        except Exception as error:
            raise as_signal_error(error) from None
        return Recording(
            format="code15_hdf5",
            leads=LEADS if self.exam_ids is not None else _leads_by_goldberger(tracing),
            samples=np.ascontiguousarray(as_recording_samples(strip_zeros(tracing).T)),
            gain_mv=np.ones(len(LEADS)),
            sampling_rate_hz=SAMPLING_RATE_HZ,
            units="assumed mV",
        )

    def _numbered_row(self, row: int) -> int:
        n_rows = self._tracings.shape[0]
        if row >= n_rows:
            raise UnreadableFile(
                f"no row {row} in this file, which has {n_rows} and no exam_id; name a recording {NAME_BY_ROW}"
            )
        return row

    def _row_of_exam(self, exam_id: int) -> int:
        if exam_id == PADDING_EXAM_ID:
            raise UnreadableFile(f"exam_id 0 marks the padding row, which is no recording; {NAME_BY_EXAM_ID}")
        rows = np.flatnonzero(self.exam_ids == exam_id)
        if rows.size == 0:
            raise UnreadableFile(
                f"no exam_id {exam_id} among the {self.members().size} of this file; {NAME_BY_EXAM_ID}"
            )
        if rows.size > 1:
            raise UnreadableFile(f"exam_id {exam_id} stands in {rows.size} rows of this file; expected one")
        return int(rows[0])


class ExamFiles:
    """The HDF5 parts that a job reads from, each opened once; a context manager."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, ExamFile] = OrderedDict()

    def __enter__(self) -> "ExamFiles":
        return self

    def __exit__(self, *_) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def read(self, path: Path, member: str) -> Recording:
        """The recording `member`, an exam_id or a row in digits, of the HDF5 file at `path`."""
        if not _MEMBER.fullmatch(member):
            raise UnreadableFile(f"what follows # is no whole number; {HOW_TO_NAME_MEMBERS}")
        return self._file(path).read(int(member))

    def _file(self, path: Path) -> ExamFile:
        if path not in self._open:
            if len(self._open) >= MAX_OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            self._open[path] = ExamFile(path)
        self._open.move_to_end(path)
        return self._open[path]


def strip_zeros(tracing: np.ndarray) -> np.ndarray:
    """(samples, leads) without the samples at both ends at which every lead is 0; unchanged where all of them are."""
    is_signal = np.flatnonzero((tracing != 0).any(axis=1))
    return tracing[is_signal[0] : is_signal[-1] + 1] if is_signal.size else tracing


def _leads_by_goldberger(tracing: np.ndarray) -> tuple[str, ...]:
    """The leads of (samples, 12), of which aVR = -(I + II) / 2 is either the fourth or the sixth.

    Descriptions of CODE-test give both orders.
    """
    avr_mv = -(tracing[:, 0] + tracing[:, 1]) / 2
    as_fourth, as_sixth = (float(np.abs(tracing[:, at] - avr_mv).sum()) for at in (3, 5))
    return (*LEADS[:3], "aVL", "aVF", "aVR", *LEADS[6:]) if as_sixth < as_fourth else LEADS


def _opened(path: Path) -> h5py.File:
    try:
        # Opening a named pipe would block the job for good, so the kind is asked before.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableFile("a folder or device, not a file; expected an HDF5 file")
        # Some file systems cannot lock, and nothing here writes.
        return h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        if error.errno in TRANSIENT_ERRORS:
            raise
        reason = error.strerror or "its structure is broken, it is probably truncated; copy it again"
        raise UnreadableFile(f"HDF5 file cannot be opened: {reason}") from None


def _exam_ids(file: h5py.File, tracings_shape: tuple[int, ...]) -> np.ndarray | None:
    if tracings_shape[1:] != TRACING_SHAPE:
        raise UnreadableFile(
            f"`tracings` has shape {tracings_shape}; expected (n, 4096, 12), as CODE-15 and SaMi-Trop have it"
        )
    if tracings_shape[0] > MAX_RECORDINGS:
        raise UnreadableFile(f"`tracings` claims {tracings_shape[0]} recordings; expected at most {MAX_RECORDINGS}")
    if file.get("exam_id", getlink=True) is None:
        return None
    exam_ids = own_dataset(file, "exam_id", kinds="iu")
    if exam_ids.shape != tracings_shape[:1]:
        raise UnreadableFile(
            f"`exam_id` has shape {exam_ids.shape}, `tracings` {tracings_shape}; expected one exam_id a recording"
        )
    return read_rows(exam_ids, 0, tracings_shape[0]).astype(np.int64)


def as_signal_error(error: BaseException) -> BaseException:
    """Errors of the HDF5 library, which are of many kinds and quote the file, as the file's; others as they are."""
    if isinstance(error, SignalError) or not isinstance(error, Exception):
        return error
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in TRANSIENT_ERRORS:
        return error
    return UnreadableFile(f"HDF5 data cannot be read ({type(error).__name__}); the file is damaged, copy it again")
