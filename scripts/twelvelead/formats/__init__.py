"""Readers of ECG files. A file's content decides which one reads it, never its extension."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from twelvelead.ecg import Recording
from twelvelead.errors import SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats.content import MAX_FILE_BYTES, read_bytes
from twelvelead.formats.sniffing import (
    FORMAT_NAMES,
    HDF5_SIGNATURE,
    HEAD_BYTES,
    HOW_TO_NAME_MEMBERS,
    file_and_member,
    sniff,
    starts_with,
    wfdb_header_of,
)

if TYPE_CHECKING:
    from twelvelead.formats.hdf5 import ExamFiles

__all__ = ["FORMAT_NAMES", "file_and_member", "read", "sniff"]

# What a file of the largest size holds at 16 bit. Formats of a byte or a bit a sample hold more, and each sample takes
# a job ten bytes and more until it is written.
MOST_SAMPLES = MAX_FILE_BYTES // 2

# Modules by name: lxml, scipy or pyarrow take time to import, and a job pays for what its files need alone.
_READERS = {
    "muse_xml": ("muse", "read_muse"),
    "cardiosoft_xml": ("cardiosoft", "read_cardiosoft"),
    "philips_xml": ("philips", "read_philips"),
    "mortara_xml": ("mortara", "read_mortara"),
    "schiller_xml": ("schiller", "read_schiller"),
    "hl7_aecg": ("aecg", "read_aecg"),
    "scp": ("scp", "read_scp"),
    "edf": ("edf", "read_edf"),
    "ishne": ("ishne", "read_ishne"),
    "csv_samples": ("sample_tables", "read_csv_samples"),
    "parquet_samples": ("sample_tables", "read_parquet_samples"),
    "npy": ("arrays", "read_npy"),
    "deepecg_base64": ("arrays", "read_deepecg_base64"),
    "dicom": ("dicom", "read_dicom"),
    "wfdb": ("wfdb_files", "read_wfdb"),
    "code15_mat": ("mat", "read_mat"),
}


def read(path: str | Path, exam_files: ExamFiles | None = None) -> Recording:
    """The recording in a file; a WFDB record may be named by header, signal file or without extension.

    A recording in an HDF5 file is named as its member, `exams_part3.hdf5#1234567`; with `exam_files` given, each HDF5
    file is opened once and stays open there.
    Raises UnsupportedFormat, UnreadableFile or LeadMissing with a one-line message that leaves the file name to the
    caller and quotes nothing that may identify a patient.
    """
    path, member = file_and_member(Path(path))
    if member is not None or starts_with(path, HDF5_SIGNATURE):
        return _read_member(path, member, exam_files)
    # os.path's questions, unlike a Path's, take a name that is too long for one of no file.
    if not os.path.exists(path):
        record_header = path.with_name(f"{path.name}.hea") if path.name else path
        path = record_header if os.path.isfile(record_header) else path
    content = read_bytes(path)
    if not content:
        raise UnreadableFile("file is empty")
    name = sniff(content[:HEAD_BYTES], path)
    module, reader = _READERS[name]
    read_content = getattr(import_module(f"twelvelead.formats.{module}"), reader)
    try:
        recording = read_content(wfdb_header_of(content[:HEAD_BYTES], path) if name == "wfdb" else content)
    except SignalError:
        raise
    except Exception as error:
        # The chain is cut: messages of parser libraries quote the file, and with it names.
        raise UnreadableFile(
            f"{FORMAT_NAMES[name]} that its reader cannot make sense of ({type(error).__name__}); "
            "the file is damaged, export it again"
        ) from None
    if recording.samples.size > MOST_SAMPLES:
        raise UnreadableFile(f"{recording.samples.size:,} samples; expected a resting ECG of at most {MOST_SAMPLES:,}")
    return recording


def _read_member(path: Path, member: str | None, exam_files: ExamFiles | None) -> Recording:
    if not starts_with(path, HDF5_SIGNATURE):
        raise UnsupportedFormat("not an HDF5 file, and only those have members to name after #; name the file alone")
    # h5py takes long to import, and a job that reads other files need not pay for it.
    from twelvelead.formats.hdf5 import ExamFile, ExamFiles

    if member is None:
        with ExamFile(path):  # a damaged file is called that, not one of many recordings
            raise UnsupportedFormat(f"an HDF5 file of many recordings; {HOW_TO_NAME_MEMBERS}")
    if exam_files is not None:
        return exam_files.read(path, member)
    with ExamFiles() as opened:
        return opened.read(path, member)
