"""The user's table: read, checked, and turned into cells, one per table cell that names an ECG file."""

import csv
import posixpath
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from twelvelead.errors import TableError
from twelvelead.multilabel_truth import encoded
from twelvelead.table_columns import INVALID, column_of, outcomes, shown, without_unknown

FIRST_ROW = 2  # row 1 of a spreadsheet is the header

WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")

GROUP = "group/"
CELL_COLUMNS = ("row", "task", "file", "path", "truth", "truth_status", "status", "message", "patient")
NOT_SELECTED = "not_selected"  # the status of a cell whose row is in no split of the batch's subset


def read_table(path: Path | str) -> pd.DataFrame:
    """The table as text, one row per ECG, empty cells as "". CSV (comma, UTF-8 or Latin-1, BOM or not) or Parquet.

    Raises TableError, in one line, when the file is absent, empty, not separated by commas or not a table at all.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(f"{path}: there is no such table; check `table` in the configuration")
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    table.columns = [str(column).strip() for column in table.columns]
    if table.empty:
        raise TableError(f"{path}: the table has a header and no rows; expected one row per ECG")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    if not content.strip():
        raise TableError(f"{path}: the file is empty; expected a header and one row per ECG")
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise TableError(f"{path}: this is a spreadsheet file, expected CSV; save it as CSV (comma-separated)")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4096]:
        raise TableError(f"{path}: this is not CSV in UTF-8 or Latin-1; save it as CSV UTF-8")
    encoding = "utf-8-sig" if _is_utf8(content) else "latin-1"
    header = content.decode(encoding).splitlines()[0]
    if not header.strip():
        raise TableError(f"{path}: the first line is empty, expected the column names; remove empty lines above")
    _check_header(path, header)
    try:
        with warnings.catch_warnings():
            # A first row longer than the header would otherwise shift every column, or lose cells, without a word.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding=encoding, skip_blank_lines=False, index_col=False
            )
        return table.fillna("")
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise TableError(f"{path}: {reason}; quote cells that contain a comma") from error


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _check_header(path: Path, header: str) -> None:
    columns = [column.strip() for column in next(csv.reader([header]))]
    twice = [column for column, times in Counter(columns).items() if times > 1]
    if twice:
        raise TableError(f"{path}: column `{twice[0]}` stands in the header twice; rename or remove one of them")
    if len(columns) > 1:
        return
    for delimiter, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if delimiter in header:
            raise TableError(
                f"{path}: the columns are separated by {name}, expected commas; save it as comma-separated CSV"
            )


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises many kinds for a file that is no Parquet
        raise TableError(f"{path}: cannot be read as Parquet ({type(error).__name__}); check the file") from error
    if table.index.name is not None:
        table = table.reset_index()
    return pd.DataFrame({column: _as_text(table[column]) for column in table.columns})


def _as_text(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").map(str)


def cells_of(
    table: pd.DataFrame,
    tasks: Mapping[str, Mapping],
    names: list[str],
    patient_column: str | None,
    subgroups: Sequence[Mapping] = (),
) -> pd.DataFrame:
    """One row per table cell that names a file, with the columns CELL_COLUMNS.

    row           as a spreadsheet shows it (the header is row 1)
    path          the file name, normalised; "" where it is refused
    truth         the text of a statement, "0"/"1", or a character a label (multilabel_truth); "" where there is none
    truth_status  ok, missing, conflicting (the same file with two truths) or invalid (an outcome that is not 0 or 1)
    status        "" until the file is looked at; refused is decided here, duplicate by mark_repeated
    patient       a number that tells patients apart, -1 where unknown; never the table's own value
    group/<column> for each of `subgroups` (column, and cut_points for bands of numbers): the row's group, "" if unknown
    Raises TableError when `patient_column` or a column of `subgroups` is not in the table.
    """
    patient = patient_codes(table, patient_column)
    parts = [_cells_of_task(table, name, tasks[name], patient) for name in names]
    cells = pd.concat(parts, ignore_index=True)
    for subgroup in subgroups:
        column = subgroup["column"]
        groups = groups_of(column_of(table, column, "evaluation.subgroups"), subgroup.get("cut_points"))
        cells[f"{GROUP}{column}"] = groups.to_numpy()[cells["row"] - FIRST_ROW]
    return cells


def groups_of(values: pd.Series, cut_points: Sequence[float] | None) -> pd.Series:
    """The group of each cell: its text, or the band of numbers it lies in; "" where it is unknown or no number."""
    text = without_unknown(values)
    if cut_points is None:
        return text
    cuts = sorted(cut_points)
    names = [
        f"below {cuts[0]:g}",
        *(f"{low:g} to below {high:g}" for low, high in pairwise(cuts)),
        f"{cuts[-1]:g} and above",
    ]
    number = pd.to_numeric(text, errors="coerce").to_numpy(float)
    bands = np.array(names, dtype=object)[np.searchsorted(cuts, np.nan_to_num(number), side="right")]
    return pd.Series(np.where(np.isfinite(number), bands, ""), index=values.index)


def patient_codes(table: pd.DataFrame, column: str | None) -> np.ndarray:
    """A number for every row that tells patients apart, -1 where unknown. Raises TableError for an absent column."""
    if column is None:
        return np.full(len(table), -1)
    values = without_unknown(column_of(table, column, "patient_column"))
    codes = pd.factorize(values, sort=True)[0]
    return np.where(values == "", -1, codes)


def _cells_of_task(table: pd.DataFrame, name: str, task: Mapping, patient: np.ndarray) -> pd.DataFrame:
    file = table[task["file_column"]].str.strip()
    named = (file != "").to_numpy()
    truth, status, message = _truth_of(table.loc[named], task)
    cells = pd.DataFrame(
        {
            "row": np.arange(len(table))[named] + FIRST_ROW,
            "task": name,
            "file": file[named].to_numpy(),
            "truth": truth,
            "patient": patient[named],
            "truth_status": status,
            "message": message,
        }
    )
    normal = {text: _normal_path(text) for text in cells["file"].unique()}
    cells["path"] = cells["file"].map(normal)
    cells["status"] = np.where(cells["path"] == "", "refused", "")
    cells.loc[cells["path"] == "", "message"] = (
        "the file name is absolute or leads out of the signal folder; expected a path relative to `signals`"
    )
    return cells[list(CELL_COLUMNS)]


def _truth_of(table: pd.DataFrame, task: Mapping) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(truth, status, message) of every row, see cells_of."""
    if task["kind"] == "multilabel":
        return encoded(table, task)
    silent = np.full(len(table), "", dtype=object)
    column = task["truth_column"]
    if column not in table.columns:
        return silent, np.full(len(table), "missing"), silent
    given = table[column].str.strip()
    if task["kind"] == "binary":
        return _outcomes_of(given)
    return given.to_numpy(), np.where(given == "", "missing", "ok"), silent


def _outcomes_of(given: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    read = outcomes(given)
    invalid = read == INVALID
    messages = np.full(len(given), "", dtype=object)
    messages[invalid] = [f"{given.name} is {shown(value)}; expected 0 or 1" for value in given[invalid]]
    return np.where(invalid, "", read), np.select([invalid, read == ""], ["invalid", "missing"], "ok"), messages


def _normal_path(file: str) -> str:
    """The file name with `.` and doubled slashes removed; "" when it is absolute or climbs out of the folder."""
    parts = file.replace("\\", "/").split("/")
    if file.startswith(("/", "\\")) or ".." in parts or WINDOWS_DRIVE.match(file) or "\0" in file:
        return ""
    normal = posixpath.normpath(file)
    return "" if normal == "." else normal


def mark_repeated(cells: pd.DataFrame) -> None:
    """A file counts once per task: equal rows after the first are duplicates, differing truths are conflicting.

    Cells that are NOT_SELECTED take no part: they neither stay for a file nor repeat or contradict another row.
    """
    for _, of_task in cells[cells["status"] != NOT_SELECTED].groupby("task", sort=False):
        repeated = of_task.index[(of_task["path"] != "") & of_task.duplicated("path", keep=False)]
        if len(repeated):
            _mark_repeated_in_task(cells, repeated)


def _mark_repeated_in_task(cells: pd.DataFrame, repeated: pd.Index) -> None:
    same_file = cells.loc[repeated]
    truths_of = same_file[same_file["truth_status"] == "ok"].groupby("path")["truth"].nunique()
    conflicting = same_file.index[same_file["path"].isin(truths_of.index[truths_of > 1])]
    rows_of = same_file.groupby("path")["row"].agg(lambda rows: ", ".join(str(row) for row in rows[:5]))
    cells.loc[conflicting, "truth_status"] = "conflicting"
    cells.loc[conflicting, "message"] = [
        f"rows {rows_of[path]} give this file different truths; keep one" for path in cells.loc[conflicting, "path"]
    ]
    # The row that stays is the first with a truth, so that an empty cell does not hide another row's.
    order = same_file.assign(absent=same_file["truth_status"] != "ok").sort_values(["absent", "row"], kind="stable")
    later = order.index[order.duplicated("path")]
    first_row = order.drop_duplicates("path").set_index("path")["row"]
    later = later[cells.loc[later, "status"] == ""]  # a file that is not there is missing in every row
    cells.loc[later, "status"] = "duplicate"
    silent = later[cells.loc[later, "message"] == ""]
    cells.loc[silent, "message"] = [f"the same file as row {first_row[path]}" for path in cells.loc[silent, "path"]]
