"""Tables of published data sets made from their folders: file names, truths, patients, no ECG opened (`table: auto`).

The tables are text with "" for an empty cell, as twelvelead.table reads the user's own.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from twelvelead.errors import SignalError, TableError
from twelvelead.table import FIRST_ROW, read_table

FILE_COLUMN = "file_name"
PATIENT_COLUMN = "patient_id"
CODE15_LABELS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
# Written as True and False, as the labels are.
CODE15_STRATA = ("is_male", "normal_ecg", "death")
EXAMS_TABLE = "exams.csv"
RECORD_LIST = "record_list.csv"
RECORD_LIST_COLUMNS = ("subject_id", "study_id", "file_name", "ecg_time", "path")
# What a message may say of a folder: any other ending of a name may be part of a patient's.
COUNTED_EXTENSIONS = frozenset(
    (".xml", ".npy", ".dcm", ".csv", ".parquet", ".mat", ".dat", ".hdf5", ".h5", ".base64", ".pdf", ".txt", ".zip")
)

_EXAMS_PART = re.compile(r"exams_part(\d+)\.(?:hdf5|h5)")
_PACKED_EXAMS_PART = re.compile(r"exams_part\d+.*\.(?:zip|gz|tar)")
_PLAIN_FILE_NAME = r"\w[\w.+-]*"
# PhysioNet's headers write "# Dx: 426783006,55930002", earlier ones "#Dx: AF"; other comments hold age, sex, names.
_DX_LINE = re.compile(rb"^#[ \t]*Dx[ \t]*:(.*)$", re.MULTILINE | re.IGNORECASE)
_SEPARATORS = re.compile(r"[,;|]")
_SNOMED_CODE = re.compile(r"\d{6,18}")  # SNOMED CT identifiers have 6 to 18 digits
_NO_DIAGNOSIS = {"", "unknown", "none", "na", "n/a", "nan"}
# A header of 12 leads has about 1 kB.
MAX_HEADER_BYTES = 65_536


def table_of_source(folder: Path | str) -> pd.DataFrame:
    """The table of a folder of CODE-15 (HDF5 parts), MIMIC-IV-ECG (record_list.csv) or WFDB records (PhysioNet 2021).

    Raises TableError when the folder is not there or is of none of these kinds.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TableError(f"{folder}: there is no such folder; check `signals`")
    if code15_parts(folder):
        return code15_table(folder)
    if (folder / RECORD_LIST).is_file():
        return mimic_table(folder)
    return wfdb_table(folder)


def code15_parts(folder: Path) -> list[str]:
    """Names of CODE-15's HDF5 parts in a folder, in the order of their numbers."""
    found = {entry.name: match for entry in os.scandir(folder) if (match := _EXAMS_PART.fullmatch(entry.name))}
    return sorted(found, key=lambda name: (int(found[name][1]), name))


def code15_table(folder: Path | str) -> pd.DataFrame:
    """One row per exam: file_name (`exams_part3.hdf5#1234567`) and the other columns of exams.csv.

    CODE15_LABELS and CODE15_STRATA are "0" or "1". Exams of parts that are not in the folder keep their rows, so that
    a run says they are missing. Without exams.csv, file names alone, from the parts' exam_id. Raises TableError for an
    exams.csv of another layout and for a part whose exam_id cannot be read.
    """
    folder = Path(folder)
    path = folder / EXAMS_TABLE
    if not path.is_file():
        return _code15_members(folder)
    exams = read_table(path)
    _check_columns(path, exams, ("exam_id", "trace_file", *CODE15_LABELS), "CODE-15's table, as Zenodo 4916206 has it")
    _check_texts(path, exams["exam_id"], r"\d{1,18}", "a whole number")
    _check_texts(path, exams["trace_file"], _PLAIN_FILE_NAME, "the plain name of an HDF5 file beside the table")
    names = exams["trace_file"] + "#" + exams["exam_id"]
    table = exams.drop(columns=["exam_id", "trace_file", FILE_COLUMN], errors="ignore")
    booleans = [column for column in (*CODE15_LABELS, *CODE15_STRATA) if column in table.columns]
    table[booleans] = table[booleans].apply(_as_zero_or_one)
    table.insert(0, FILE_COLUMN, names)
    return table


def _check_columns(path: Path, table: pd.DataFrame, expected: Sequence[str], layout: str) -> None:
    absent = [column for column in expected if column not in table.columns]
    if absent:
        raise TableError(f"{path}: no column {', '.join(absent)}; expected {layout}")


def _check_texts(path: Path, column: pd.Series, pattern: str, expected: str) -> None:
    wrong = ~column.str.fullmatch(pattern)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise TableError(
            f"{path}: row {row + FIRST_ROW} has {column.name} {column.iloc[row][:40]!r}; expected {expected}"
        )


def _as_zero_or_one(column: pd.Series) -> pd.Series:
    """True and False as "1" and "0"; anything else as it is, for the table's own checks to name."""
    lower = column.str.lower()
    return column.mask(lower == "true", "1").mask(lower == "false", "0")


def _code15_members(folder: Path) -> pd.DataFrame:
    # h5py takes long to import, and every other table is made without it.
    from twelvelead.formats.hdf5 import ExamFile, member_name

    names: list[str] = []
    for part in code15_parts(folder):
        try:
            with ExamFile(folder / part) as exams:
                names.extend(member_name(part, exam_id) for exam_id in exams.members().tolist())
        except SignalError as error:
            raise TableError(
                f"{folder / part}: {error}; with {EXAMS_TABLE} in the folder it need not be opened"
            ) from None
    if not names:
        raise TableError(f"{folder}: no recording in CODE-15's HDF5 parts; expected exams_part0.hdf5 and so on")
    return pd.DataFrame({FILE_COLUMN: names}, dtype="str")


def mimic_table(folder: Path | str) -> pd.DataFrame:
    """One row per record of MIMIC-IV-ECG's record_list.csv: file_name (the header below `folder`) and patient_id.

    patient_id is subject_id; columns beyond those of RECORD_LIST_COLUMNS stay. No header is opened, for there are
    800,000. Records that are not in the folder keep their rows, so that a run says they are missing. Raises TableError
    for a list of another layout.
    """
    path = Path(folder) / RECORD_LIST
    records = read_table(path)
    layout = "MIMIC-IV-ECG's list; rename the file where it is another one, and the headers (.hea) are read instead"
    _check_columns(path, records, ("subject_id", "path"), layout)
    _check_texts(path, records["path"], rf"{_PLAIN_FILE_NAME}(?:/{_PLAIN_FILE_NAME})*", "a path below the folder")
    table = records.drop(columns=[*RECORD_LIST_COLUMNS, PATIENT_COLUMN], errors="ignore")
    table.insert(0, FILE_COLUMN, records["path"].str.removesuffix(".hea") + ".hea")
    table.insert(1, PATIENT_COLUMN, records["subject_id"])
    return table


def wfdb_table(folder: Path | str) -> pd.DataFrame:
    """One row per WFDB header below `folder`: file_name, and `snomed` and `dx` from the header's Dx lines.

    snomed  the SNOMED CT codes, joined by "|"; "" where the header has none
    dx      diagnoses in words, as PhysioNet 2020's headers of CPSC 2018 give them, joined by "|"
    A column that no header fills is left out (MIMIC-IV-ECG has no Dx lines). Raises TableError without any header.
    """
    folder = Path(folder)
    rows = list(wfdb_rows(folder))
    if not rows:
        raise TableError(_nothing_known(folder))
    table = pd.DataFrame(rows, columns=[FILE_COLUMN, "snomed", "dx"], dtype="str")
    empty = [column for column in ("snomed", "dx") if not (table[column] != "").any()]
    return table.drop(columns=empty)


def _nothing_known(folder: Path) -> str:
    names = [name for _, _, files in os.walk(folder) for name in files]
    endings = Counter(os.path.splitext(name.lower())[1] for name in names)
    counts = [(count, ending) for ending, count in endings.items() if ending in COUNTED_EXTENSIONS]
    found = [f"{count} {ending}" for count, ending in sorted(counts, reverse=True)]
    others = len(names) - sum(count for count, _ in counts)
    found += [f"{others} other"] if others else []
    has_hdf5 = any(ending in (".hdf5", ".h5") for _, ending in counts)  # SaMi-Trop's exams.csv lies beside exams.hdf5
    if any(name == EXAMS_TABLE and not has_hdf5 or _PACKED_EXAMS_PART.fullmatch(name) for name in names):
        what_to_do = "put CODE-15's unpacked parts beside exams.csv and name that folder"
    else:
        what_to_do = "name a table, or write one with `twelvelead table FOLDER -o TABLE.csv`"
    return (
        f"{folder}: neither CODE-15's parts (exams_part0.hdf5 ...), nor MIMIC-IV-ECG's {RECORD_LIST}, nor WFDB headers "
        f"(.hea) in it; found {', '.join(found) or 'no'} files; {what_to_do}"
    )


def wfdb_rows(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """(path below the folder, SNOMED codes, diagnoses in words) of every WFDB header, by name, as they are read."""
    root = os.fspath(folder)
    for place, folders, names in os.walk(root):
        folders.sort()
        below = os.path.relpath(place, root).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        for name in sorted(names):
            if name.endswith(".hea") and not name.startswith("."):
                codes, words = diagnoses(_header(os.path.join(place, name)))
                yield prefix + name, "|".join(codes), "|".join(words)


def _header(path: str) -> bytes:
    """The beginning of a header; nothing where it cannot be read, which the decode stage reports."""
    try:
        # Without waiting: a named pipe would block for good.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, MAX_HEADER_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def diagnoses(header: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(SNOMED CT codes, other words) of a WFDB header's Dx comment lines, each once, in their order."""
    codes: dict[str, None] = {}
    words: dict[str, None] = {}
    for line in _DX_LINE.findall(header):
        for term in _SEPARATORS.split(line.decode("utf-8", errors="replace")):
            term = " ".join(term.split())
            if _SNOMED_CODE.fullmatch(term):
                codes[term] = None
            elif term.casefold() not in _NO_DIAGNOSIS:
                words[term] = None
    return tuple(codes), tuple(words)
