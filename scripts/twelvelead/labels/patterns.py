"""DeepECG's 77 patterns, their categories and the published thresholds, read from the tables of config/labels."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twelvelead.errors import ConfigError

THRESHOLD_COLUMNS = (
    "bert_threshold",
    "wcr_mhi_youden_threshold",
    "efficientnet_sens_spec_threshold",
    "wcr_sens_spec_threshold",
)
_PATTERN_COLUMNS = ("index", "pattern", "categories", "wcr_output_index", *THRESHOLD_COLUMNS)


@dataclass(frozen=True, eq=False)
class Patterns:
    """The patterns in the order of every output table; arrays have shape (n patterns,).

    names             as DeepECG spells them
    categories        pattern -> its categories (one pattern belongs to two)
    wcr_output_index  int64, a permutation: pattern i is output wcr_output_index[i] of the WCR model
    thresholds        column of THRESHOLD_COLUMNS -> float64 probabilities, NaN where none was published
    """

    names: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    wcr_output_index: np.ndarray
    thresholds: dict[str, np.ndarray]

    @property
    def bert_threshold(self) -> np.ndarray:
        return self.thresholds["bert_threshold"]

    def members(self, category: str) -> tuple[str, ...]:
        """The patterns of a category, in the table's order."""
        return tuple(name for name in self.names if category in self.categories[name])


def read_patterns(path: str | Path) -> Patterns:
    """The patterns of a table with the columns of deepecg77.csv. Raises ConfigError that names the row."""
    rows = read_rows(path, _PATTERN_COLUMNS)
    names = tuple(row["pattern"] for _, row in rows)
    for position, (line, row) in enumerate(rows):
        if row["index"] != str(position):
            raise ConfigError(f"{path}, line {line}: index {row['index']!r}, expected {position}; number rows from 0")
        if not row["pattern"] or not row["categories"]:
            raise ConfigError(f"{path}, line {line}: pattern and categories must not be empty; fill them in")
        if row["pattern"] in names[:position]:
            raise ConfigError(f"{path}, line {line}: pattern {row['pattern']!r} is there twice; remove one")
    thresholds = {
        column: np.array([_probability(path, line, column, row[column]) for line, row in rows])
        for column in THRESHOLD_COLUMNS
    }
    for (line, _), value in zip(rows, thresholds["bert_threshold"], strict=True):
        if np.isnan(value):
            raise ConfigError(f"{path}, line {line}: no bert_threshold; every pattern needs one to be a truth label")
    return Patterns(
        names=names,
        categories={row["pattern"]: tuple(row["categories"].split("|")) for _, row in rows},
        wcr_output_index=_permutation(path, rows),
        thresholds=thresholds,
    )


def read_thresholds(path: str | Path, key: str) -> dict[str, dict[str, float]]:
    """Rows of a threshold table by their `key` column ("category" or "task"), in the table's order.

    Serves deepecg_categories.csv and deepecg_binary_thresholds.csv; an empty cell is NaN.
    Raises ConfigError that names the row.
    """
    thresholds: dict[str, dict[str, float]] = {}
    for line, row in read_rows(path, (key,)):
        name = row.pop(key)
        if not name or name in thresholds:
            raise ConfigError(f"{path}, line {line}: {key} {name!r} is empty or there twice; give each its own row")
        thresholds[name] = {column: _probability(path, line, column, cell) for column, cell in row.items()}
    return thresholds


def read_category_order(path: str | Path) -> tuple[str, ...]:
    """DeepECG's categories in the order of deepecg_categories.csv, which is the order of its metric tables."""
    return tuple(read_thresholds(path, "category"))


def read_rows(path: str | Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """(line number, cells without surrounding blanks) of a UTF-8 CSV that must have `columns`. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            absent = [column for column in columns if column not in (reader.fieldnames or [])]
            if absent:
                found = ", ".join(reader.fieldnames or []) or "nothing"
                raise ConfigError(f"{path}: no column {', '.join(absent)} in its first line (found: {found}); add it")
            return [(reader.line_num, _cells(path, reader.line_num, row)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read as a UTF-8 CSV table ({error}); check the file") from error


def _cells(path: str | Path, line: int, row: dict) -> dict[str, str]:
    if None in row or None in row.values():
        raise ConfigError(f"{path}, line {line}: the number of cells differs from the first line's; quote commas")
    return {column: cell.strip() for column, cell in row.items()}


def _probability(path: str | Path, line: int, column: str, cell: str) -> float:
    if not cell:
        return np.nan
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise ConfigError(f"{path}, line {line}: {column} is {cell!r}, expected a number from 0 to 1 or nothing")
    return value


def _permutation(path: str | Path, rows: list[tuple[int, dict[str, str]]]) -> np.ndarray:
    seen: set[str] = set()
    expected = {str(position) for position in range(len(rows))}
    for line, row in rows:
        cell = row["wcr_output_index"]
        if cell not in expected or cell in seen:
            raise ConfigError(
                f"{path}, line {line}: wcr_output_index is {cell!r}, expected each of 0 to {len(rows) - 1} once"
            )
        seen.add(cell)
    return np.array([int(row["wcr_output_index"]) for _, row in rows], dtype=np.int64)
