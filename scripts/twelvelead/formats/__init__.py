"""Readers of ECG files. A file's content decides which one reads it, never its extension."""

from importlib import import_module
from pathlib import Path

from twelvelead.ecg import Recording
from twelvelead.errors import SignalError, UnreadableFile
from twelvelead.formats.content import read_bytes
from twelvelead.formats.sniffing import FORMAT_NAMES, HEAD_BYTES, sniff, wfdb_header_of

__all__ = ["FORMAT_NAMES", "read", "sniff"]

# Modules by name: pydicom takes long to import, and a job that reads MUSE files need not pay for it.
_READERS = {
    "muse_xml": ("muse", "read_muse"),
    "cardiosoft_xml": ("cardiosoft", "read_cardiosoft"),
    "npy": ("arrays", "read_npy"),
    "deepecg_base64": ("arrays", "read_deepecg_base64"),
    "dicom": ("dicom", "read_dicom"),
    "wfdb": ("wfdb_files", "read_wfdb"),
}


def read(path: str | Path) -> Recording:
    """The recording in a file; a WFDB record may be named by header, signal file or without extension.

    Raises UnsupportedFormat, UnreadableFile or LeadMissing with a one-line message that leaves the file name to the
    caller and quotes nothing that may identify a patient.
    """
    path = Path(path)
    if not path.exists():
        record_header = path.with_name(f"{path.name}.hea") if path.name else path
        path = record_header if record_header.is_file() else path
    content = read_bytes(path)
    if not content:
        raise UnreadableFile("file is empty")
    name = sniff(content[:HEAD_BYTES], path)
    module, reader = _READERS[name]
    read_content = getattr(import_module(f"twelvelead.formats.{module}"), reader)
    try:
        return read_content(wfdb_header_of(content[:HEAD_BYTES], path) if name == "wfdb" else content)
    except SignalError:
        raise
    except Exception as error:
        # The chain is cut: messages of parser libraries quote the file, and with it names.
        raise UnreadableFile(
            f"{FORMAT_NAMES[name]} that its reader cannot make sense of ({type(error).__name__}); "
            "the file is damaged, export it again"
        ) from None
