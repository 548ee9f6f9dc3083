"""Columns of the user's table: found by name, their unknown cells emptied, their outcomes read."""

import numpy as np
import pandas as pd

from twelvelead.config import did_you_mean
from twelvelead.errors import TableError

UNKNOWN = ("", "nan", "na", "null")  # as R and others write an empty cell
INVALID = "invalid"


def column_of(table: pd.DataFrame, column: str, key: str) -> pd.Series:
    """The column that the configuration's `key` names. Raises TableError when the table lacks it."""
    if column not in table.columns:
        raise TableError(f"the table has no column `{column}` ({key}){did_you_mean(column, table.columns)}")
    return table[column]


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
