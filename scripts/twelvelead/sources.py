"""Tables of published data sets made from their folders: file names and truths, with no ECG opened (`table: auto`).

The tables are text with "" for an empty cell, as twelvelead.table reads the user's own.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from twelvelead.errors import TableError
from twelvelead.formats.hdf5 import ExamFile, member_name
from twelvelead.table import read_table

FILE_COLUMN = "file_name"
CODE15_LABELS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
# Beside the labels, what subgroups and clustered intervals need.
CODE15_STRATA = ("normal_ecg", "age", "is_male", "patient_id")
EXAMS_TABLE = "exams.csv"

_EXAMS_PART = re.compile(r"exams_part(\d+)\.(?:hdf5|h5)")
_PLAIN_FILE_NAME = r"\w[\w.+-]*"
# PhysioNet's headers write "# Dx: 426783006,55930002", earlier ones "#Dx: AF"; other comments hold age, sex, names.
_DX_LINE = re.compile(rb"^#[ \t]*Dx[ \t]*:(.*)$", re.MULTILINE | re.IGNORECASE)
_SEPARATORS = re.compile(r"[,;|]")
_SNOMED_CODE = re.compile(r"\d{6,18}")  # SNOMED CT identifiers have 6 to 18 digits
_NO_DIAGNOSIS = {"", "unknown", "none", "na", "n/a", "nan"}
# A header of 12 leads has about 1 kB.
MAX_HEADER_BYTES = 65_536


def table_of_source(folder: Path | str) -> pd.DataFrame:
    """The table of a folder of CODE-15 (HDF5 parts) or of WFDB records (PhysioNet 2021, MIMIC-IV-ECG and the like).

    Raises TableError when the folder is not there or is of neither kind.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TableError(f"{folder}: there is no such folder; check `signals`")
    if code15_parts(folder):
        return code15_table(folder)
    return wfdb_table(folder)


def code15_parts(folder: Path) -> list[str]:
    """Names of CODE-15's HDF5 parts in a folder, in the order of their numbers."""
    found = {entry.name: match for entry in os.scandir(folder) if (match := _EXAMS_PART.fullmatch(entry.name))}
    return sorted(found, key=lambda name: (int(found[name][1]), name))


def code15_table(folder: Path | str) -> pd.DataFrame:
    """One row per exam: file_name (`exams_part3.hdf5#1234567`), CODE15_LABELS as "0" or "1", and CODE15_STRATA.

    Exams of parts that are not in the folder keep their rows, so that a run says they are missing. Without exams.csv,
    file names alone, from the parts' exam_id. Raises TableError for an exams.csv of another layout, SignalError for a
    part that cannot be read.
    """
    folder = Path(folder)
    if not (folder / EXAMS_TABLE).is_file():
        return _code15_members(folder)
    path = folder / EXAMS_TABLE
    exams = read_table(path)
    absent = [column for column in ("exam_id", "trace_file", *CODE15_LABELS) if column not in exams.columns]
    if absent:
        raise TableError(f"{path}: no column {', '.join(absent)}; expected CODE-15's table, as Zenodo 4916206 has it")
    _check_names(path, exams)
    labels = [*CODE15_LABELS, *(column for column in ("normal_ecg", "is_male") if column in exams.columns)]
    strata = [column for column in CODE15_STRATA if column in exams.columns]
    table = exams[[*CODE15_LABELS, *strata]].copy()
    table[labels] = table[labels].apply(_as_zero_or_one)
    table.insert(0, FILE_COLUMN, exams["trace_file"] + "#" + exams["exam_id"])
    return table


def _check_names(path: Path, exams: pd.DataFrame) -> None:
    for column, pattern, expected in (
        ("exam_id", r"\d{1,18}", "a whole number"),
        ("trace_file", _PLAIN_FILE_NAME, "the plain name of an HDF5 file beside the table"),
    ):
        wrong = ~exams[column].str.fullmatch(pattern)
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise TableError(
                f"{path}: row {row + 2} has {column} {exams[column].iloc[row][:40]!r}; expected {expected}"
            )


def _as_zero_or_one(column: pd.Series) -> pd.Series:
    """True and False as "1" and "0"; anything else as it is, for the table's own checks to name."""
    folded = column.str.casefold()
    return column.mask(folded == "true", "1").mask(folded == "false", "0")


def _code15_members(folder: Path) -> pd.DataFrame:
    names: list[str] = []
    for part in code15_parts(folder):
        with ExamFile(folder / part) as exams:
            names.extend(member_name(part, exam_id) for exam_id in exams.members().tolist())
    if not names:
        raise TableError(f"{folder}: no recording in CODE-15's HDF5 parts; expected exams_part0.hdf5 and so on")
    return pd.DataFrame({FILE_COLUMN: names}, dtype="str")


def wfdb_table(folder: Path | str) -> pd.DataFrame:
    """One row per WFDB header below `folder`: file_name, and `snomed` and `dx` from the header's Dx lines.

    snomed  the SNOMED CT codes, joined by "|"; "" where the header has none
    dx      diagnoses in words, as PhysioNet 2020's headers of CPSC 2018 give them, joined by "|"
    A column that no header fills is left out (MIMIC-IV-ECG has no Dx lines). Raises TableError without any header.
    """
    folder = Path(folder)
    rows = list(wfdb_rows(folder))
    if not rows:
        raise TableError(
            f"{folder}: neither WFDB headers (.hea) nor CODE-15's parts (exams_part0.hdf5 ...) in it; "
            "name a table, or write one with `twelvelead table FOLDER -o TABLE.csv`"
        )
    table = pd.DataFrame(rows, columns=[FILE_COLUMN, "snomed", "dx"], dtype="str")
    empty = [column for column in ("snomed", "dx") if not (table[column] != "").any()]
    return table.drop(columns=empty)


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
