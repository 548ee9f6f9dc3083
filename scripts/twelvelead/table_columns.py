"""Columns of the user's table: found by name, their unknown cells emptied, their outcomes read."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from twelvelead.config import did_you_mean
from twelvelead.errors import TableError

UNKNOWN = ("", "nan", "na", "null")  # as R and others write an empty cell
INVALID = "invalid"
# A name, a birth date or a number of a record may slip into any column, where a row has a comma too many. Codes that a
# spreadsheet has rounded are none of them.
_SAFE_TO_SHOW = re.compile(
    r"[a-z?]{1,2}|[-+]?(?:\d{1,4}|\d{0,2}[.,]\d{1,2}|\d(?:[.,]\d{1,6})?e[-+]?\d{1,3})", re.ASCII | re.IGNORECASE
)

# A number, a date, a file: names of columns are none of these, and the first row of patients has one or the other.
_IS_A_CELL = re.compile(
    r"\d[\d.,:/ -]*|.*\.(?:xml|dcm|hea|dat|mat|npy|scp|edf|ecg|base64|h5|hdf5)", re.ASCII | re.IGNORECASE
)


def column_of(table: pd.DataFrame, column: str, key: str) -> pd.Series:
    """The column that the configuration's `key` names. Raises TableError when the table lacks it."""
    if column not in table.columns:
        raise TableError(f"the table has no column `{column}` ({key}){did_you_mean(column, table.columns)}")
    return table[column]


def shown(value: str) -> str:
    """A cell's text as a message may repeat it: quoted where nobody can be known by it, else only its length."""
    return repr(value) if _SAFE_TO_SHOW.fullmatch(value) else f"a text of {len(value)} characters"


def shown_header(columns: Iterable[str]) -> str:
    """The names of columns, for a message; where they are cells, of a table without a header line, only how many."""
    columns = list(columns)
    if any(_IS_A_CELL.fullmatch(column) for column in columns):
        return f"{len(columns)} columns named like cells; is the line with the columns' names missing?"
    return ", ".join(columns)


def without_unknown(values: pd.Series) -> pd.Series:
    """The texts of a column without spaces around them, "" for those that say a value is unknown."""
    text = values.str.strip()
    return text.mask(text.str.lower().isin(UNKNOWN), "")


def outcomes(values: pd.Series) -> np.ndarray:
    """Outcomes however they are written (1, 1.0, True) as "1" and "0", "" where unknown and INVALID for other text."""
    places, distinct = pd.factorize(values)
    text = pd.Series(distinct, dtype=object).astype(str).str.strip().str.lower()
    number = pd.to_numeric(text.replace({"true": "1", "false": "0"}), errors="coerce")
    missing = text.isin([*UNKNOWN, "none"])
    read = np.select([missing, number == 1, number == 0], ["", "1", "0"], INVALID).astype(object)
    return read[places]
