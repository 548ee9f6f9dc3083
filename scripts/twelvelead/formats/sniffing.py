"""What a file is, told from its content; the name only helps where content cannot tell (WFDB signal files)."""

import os
import re
from pathlib import Path

from twelvelead.errors import UnsupportedFormat
from twelvelead.formats.content import TRANSIENT_ERRORS, read_bytes
from twelvelead.formats.dicom_elements import is_waveform_without_preamble
from twelvelead.formats.sample_columns import is_sample_table
from twelvelead.formats.wfdb_header import RECORD_LINE

HEAD_BYTES = 16 * 1024

FORMAT_NAMES = {
    "muse_xml": "GE MUSE XML",
    "cardiosoft_xml": "GE CardioSoft XML",
    "philips_xml": "Philips PageWriter/Sierra XML",
    "mortara_xml": "Mortara ELI XML",
    "schiller_xml": "Schiller SEMA XML",
    "hl7_aecg": "HL7 aECG",
    "scp": "SCP-ECG",
    "dicom": "DICOM ECG waveform",
    "wfdb": "WFDB",
    "edf": "EDF/EDF+",
    "ishne": "ISHNE Holter",
    "npy": "NumPy .npy",
    "deepecg_base64": "DeepECG .base64",
    "code15_mat": "CODE-15 MATLAB",
    "code15_hdf5": "CODE-15 HDF5",
    "csv_samples": "CSV of samples",
    "parquet_samples": "Parquet of samples",
}
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAT_73_SIGNATURE = b"MATLAB 7.3 MAT-file"
MAT_SIGNATURES = (b"MATLAB 5.0 MAT-file", MAT_73_SIGNATURE)
_NAMED_FORMATS = 3  # in a message that stands in a table for every file
NAME_BY_EXAM_ID = "name a recording by its exam_id, as in exams_part3.hdf5#1234567"
NAME_BY_ROW = "by its row, counted from 0, as in exams.hdf5#0"
HOW_TO_NAME_MEMBERS = f"{NAME_BY_EXAM_ID}, or, in a file without exam_id, {NAME_BY_ROW}"
_FORMAT_OF_ROOT = {
    "RestingECG": "muse_xml",
    "CardiologyXML": "cardiosoft_xml",
    "restingecgdata": "philips_xml",
    "ECG": "mortara_xml",
    "com.xiriuz.sema.xml.schillerEDI.SchillerEDI": "schiller_xml",
    "AnnotatedECG": "hl7_aecg",
}
# (offset, bytes) -> format
_FORMAT_OF_MAGIC = (
    (0, b"\x93NUMPY", "npy"),
    (128, b"DICM", "dicom"),
    (0, HDF5_SIGNATURE, "code15_hdf5"),
    (0, b"ISHNE1.0", "ishne"),
    (0, b"PAR1", "parquet_samples"),
)
# Version, then by position: size of the header, number of data records, number of signals.
_EDF = re.compile(rb"0 {7}.{176}[\d ]{8}.{44}[-\d ]{8}.{8}[\d ]{4}", re.DOTALL)
_NOT_ITS_PRINTOUT = "export the ECG itself, not its printout"
# (offset, bytes, what it is and what to do)
_UNSUPPORTED_MAGIC = (
    (0, b"PK\x03\x04", "a ZIP archive, NPZ or XLSX; unpack it, or save its sheet as CSV"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (0, b"Rar!\x1a\x07", "a RAR archive; unpack it"),
    (4, b"1AY&SY", "a bzip2 archive; unpack it"),
    (0, b"\xfd7zXZ\x00", "an xz archive; unpack it"),
    (0, b"%PDF", f"PDF; {_NOT_ITS_PRINTOUT}"),
    (0, b"\xff\xd8\xff", f"a JPEG picture; {_NOT_ITS_PRINTOUT}"),
    (0, b"\x89PNG\r\n\x1a\n", f"a PNG picture; {_NOT_ITS_PRINTOUT}"),
    (0, b"II*\x00", f"a TIFF picture; {_NOT_ITS_PRINTOUT}"),
    (0, b"MM\x00*", f"a TIFF picture; {_NOT_ITS_PRINTOUT}"),
    (0, b"{\\rtf", f"an RTF document; {_NOT_ITS_PRINTOUT}"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file; save its sheet as CSV, or export the ECG itself"),
)
_DELIMITERS = ",;\t"
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\ufffd]")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_XML_BEFORE_ROOT = re.compile(
    r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>",
    re.DOTALL,
)
_XML_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z_][\w.-]{0,59})[\s/>]", re.ASCII)
# Shorter texts without spaces are words; DeepECG's files have 160,000 characters.
_LEAST_BASE64_CHARACTERS = 256
_BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/=\r\n]+")


def sniff(head: bytes, path: Path) -> str:
    """The key in FORMAT_NAMES of the format that `head`, the first HEAD_BYTES of `path`, begins.

    Raises UnsupportedFormat, saying what the content looks like and which formats are read.
    """
    text = _as_text(head)
    root_name = _xml_root_name(text)
    if root_name in _FORMAT_OF_ROOT:
        return _FORMAT_OF_ROOT[root_name]
    for offset, magic, name in _FORMAT_OF_MAGIC:
        if head.startswith(magic, offset):
            return name
    if _is_scp(head):
        return "scp"
    if _EDF.match(head):
        return "edf"
    if is_waveform_without_preamble(head):
        return "dicom"
    if _is_wfdb_header(text) or _is_wfdb_signal_file(path):
        return "wfdb"
    # After WFDB, whose signal files may be called .mat and begin with any bytes.
    if head.startswith(MAT_SIGNATURES):
        return "code15_mat"
    if is_sample_table(head):
        return "csv_samples"
    if len(head) >= _LEAST_BASE64_CHARACTERS and _BASE64_TEXT.fullmatch(head):
        return "deepecg_base64"
    named = ", ".join([*FORMAT_NAMES.values()][:_NAMED_FORMATS])
    raise UnsupportedFormat(
        f"{_likeness(head, text, root_name, path)}; supported: {named} and {len(FORMAT_NAMES) - _NAMED_FORMATS} other "
        "formats, see README.md, File formats"
    )


def file_and_member(path: Path) -> tuple[Path, str | None]:
    """A path `file#member` as the file and the member; (path, None) for a file that is there under its whole name."""
    file_name, mark, member = path.name.rpartition("#")
    if not mark or os.path.exists(path):
        return path, None
    file = path.parent / file_name
    return (file, member) if os.path.isfile(file) else (path, None)


def starts_with(path: Path, signature: bytes) -> bool:
    """Whether a regular file begins with these bytes; False where it is not there or may not be opened."""
    if not os.path.isfile(path):
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(signature)) == signature
    except OSError as error:
        if error.errno in TRANSIENT_ERRORS:
            raise
        return False


def wfdb_header_of(head: bytes, path: Path) -> Path:
    """The header of the WFDB record that `path`, a header or a signal file, belongs to."""
    return path if _is_wfdb_header(_as_text(head)) else _header_beside(path)


def _header_beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.hea")


def _is_scp(head: bytes) -> bool:
    # Old files leave the signature empty; there the first pointer of section 0 is to section 0 itself, at byte 7.
    of_section_0 = head[8:10] == head[22:24] == b"\0\0" and head[28:32] == b"\x07\0\0\0" and head[10:14] == head[24:28]
    return head[16:22] == b"SCPECG" or of_section_0


def _is_wfdb_header(text: str) -> bool:
    lines = (line.strip() for line in text.splitlines())
    first_line = next((line for line in lines if line and not line.startswith("#")), "")
    record = RECORD_LINE.fullmatch(first_line)
    return record is not None and record["rate_hz"] is not None


def _is_wfdb_signal_file(path: Path) -> bool:
    # A signal file is bare numbers, which may even begin with "<": only a header that names it tells what it is.
    header = _header_beside(path)
    if not os.path.isfile(header):
        return False
    lines = _as_text(read_bytes(header)[:HEAD_BYTES]).splitlines()
    return any(line.split(maxsplit=1)[:1] == [path.name] for line in lines)


def _as_text(head: bytes) -> str:
    if head.startswith(_UTF_16_MARKS):
        return head.decode("utf-16", errors="replace").lstrip("\ufeff").lstrip()
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lstrip()


def _xml_root_name(text: str) -> str | None:
    position = 0
    while match := _XML_BEFORE_ROOT.match(text, position):
        position = match.end()
    root = _XML_ROOT.match(text, position)
    return root[1] if root else None


def _is_table_of_text(text: str) -> bool:
    """Whether the first two lines, other than comments and Excel's "sep=;", have a delimiter in the same number."""
    if _NO_TEXT.search(text):
        return False
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith(("#", "sep=")))
    first, second = next(lines, ""), next(lines, "")
    return any(0 < first.count(delimiter) == second.count(delimiter) for delimiter in _DELIMITERS)


def _likeness(head: bytes, text: str, root_name: str | None, path: Path) -> str:
    if root_name:
        return f"looks like XML of another kind (root element {root_name})"
    for offset, magic, meaning in _UNSUPPORTED_MAGIC:
        if head.startswith(magic, offset):
            return f"looks like {meaning}"
    if text.startswith("<?xml"):
        return "looks like XML, but no root element is near its beginning"
    if _is_table_of_text(text):
        if head.startswith(_UTF_16_MARKS):
            return "looks like a table of text in UTF-16; save it as CSV in UTF-8"
        return "looks like a table of text; a table of samples needs a header line that names the leads (I, II, ... V6)"
    if path.suffix.lower() in (".dat", ".mat"):
        return "no known ECG format by its content; a WFDB signal file needs its header (.hea) beside it"
    return "no known ECG format by its content"
