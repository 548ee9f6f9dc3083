"""Thresholds fixed beforehand: those that were published for a model, and those that the user gives."""

from collections.abc import Mapping, Sequence

import numpy as np

from twelvelead.errors import ConfigError
from twelvelead.evaluation.operating_points import NOT_PUBLISHED, published_points
from twelvelead.evaluation.scores import ThresholdSet
from twelvelead.evaluation.threshold_tables import read_threshold_file
from twelvelead.labels.patterns import read_rows

TRANSPORTED = (
    "transported: published for this model, but whether for this revision, recipe and scale of signals is not known"
)
SHOWN_UNUSED = 5  # names of a thresholds file that fit no label
SAME_MODEL = "published for this very revision, recipe and scale of signals"


def published_sets(
    table: str, columns: Sequence[str], labels: Sequence[str], key_of_label: Mapping[str, str], transported: bool
) -> list[ThresholdSet]:
    """One set per column of a table whose first column, or column `pattern`, names what its thresholds are for.

    key_of_label  label -> its name in the table, where that is another one
    A value at the rounding floor of the table is no operating point; see operating_points.ROUNDING_FLOOR.
    """
    rows = [row for _, row in read_rows(table, tuple(columns))]
    name = "pattern" if rows and "pattern" in rows[0] else next(iter(rows[0]), "")
    given = {row[name]: row for row in rows}
    sets = []
    for column in columns:
        cells = [given.get(key_of_label.get(label, label), {}).get(column, "") for label in labels]
        values = np.array([float(cell) if cell else np.nan for cell in cells])
        points = published_points(labels, {column: values})
        usable = np.array([point.threshold if point.usable else np.nan for point in points], dtype=np.float64)
        reasons = tuple(point.reason or ("" if point.usable else NOT_PUBLISHED) for point in points)
        note = TRANSPORTED if transported else SAME_MODEL
        sets.append(ThresholdSet(column.removesuffix("_threshold"), "published", usable, reasons, note))
    return sets


def given_set(
    path: str, criterion: str, labels: Sequence[str], key_of_label: Mapping[str, str] | None = None
) -> ThresholdSet:
    """The thresholds of a file as `twelvelead thresholds` writes it; key_of_label as in published_sets.

    Raises ConfigError that names the row, or where the file is of none of the labels.
    """
    file = read_threshold_file(path, criterion, None)
    named = [*file.thresholds, *file.reasons]
    keys = [label if label in named else (key_of_label or {}).get(label, label) for label in labels]
    if not set(keys) & set(named):
        expected = ", ".join(dict.fromkeys([*keys[:3], *labels[:3]]))
        raise ConfigError(f"{path}: names {', '.join(named[:3])}, but no pattern of this task, such as {expected}")
    values, reasons = file.of(keys)
    unused = [name for name in named if name not in keys]
    note = "given beforehand" + (f"; no label here is called {', '.join(unused[:SHOWN_UNUSED])}" if unused else "")
    return ThresholdSet("given", "given", np.asarray(values, dtype=np.float64), tuple(reasons), note)
