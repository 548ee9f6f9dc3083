"""From a model's own outputs to the labels of a task and to unions of them, through a table with a quality per row.

Labels are the 77 patterns, or those of a multilabel task. A table has a row per target: output, target, members,
quality and source. `members` holds names with | between them; where a name has a | itself, as PhysioNet's CRBBB|RBBB,
it is doubled in this column, and in no other: CLBBB||LBBB|CRBBB||RBBB are two members.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twelvelead.config import did_you_mean
from twelvelead.errors import ConfigError
from twelvelead.labels.patterns import read_rows

COLUMNS = ("output", "target", "members", "quality", "source")
# exact: the same finding; broader: the output covers more than the target; close: nearly the same definition;
# approximate: related, not the same.
QUALITIES = ("exact", "broader", "close", "approximate")
# What is no measure of the target itself: under its name, a model would be judged by something it was not made for.
NOT_THE_SAME = ("broader", "approximate")
SINGLE_BAR = re.compile(r"(?<!\|)\|(?!\|)")


@dataclass(frozen=True)
class MappingRow:
    """One target that an output of a model is scored as.

    members  the labels of the target: itself where the target is a label, all that count as it where it is a union
    quality  one of QUALITIES, of the output for the target
    source   where output and target are defined
    """

    output: str
    target: str
    members: tuple[str, ...]
    quality: str
    source: str


def read_mapping(path: str | Path) -> tuple[MappingRow, ...]:
    """The rows of a mapping table, in its order. Raises ConfigError that names the row."""
    mapping: list[MappingRow] = []
    line_of_target: dict[str, int] = {}
    for line, cells in read_rows(path, COLUMNS):
        row = _row(path, line, cells)
        if row.target in line_of_target:
            raise ConfigError(
                f"{path}, line {line}: target {row.target!r} is on line {line_of_target[row.target]} too, "
                "expected once; remove one"
            )
        line_of_target[row.target] = line
        mapping.append(row)
    if not mapping:
        raise ConfigError(f"{path}: no rows below the header, expected one per output and target; add them")
    return tuple(mapping)


def to_patterns(
    probabilities: np.ndarray, outputs: Sequence[str], mapping: Sequence[MappingRow], patterns: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """(columns, values): every pattern, then the mapping's unions in its order; values (n, columns) float32.

    probabilities  (n, outputs), columns in the order of `outputs`
    mapping        empty for a model whose outputs are patterns
    patterns       the task's labels
    A pattern that the model does not predict is NaN. Raises ConfigError where outputs, mapping and patterns disagree.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != len(outputs):
        raise ConfigError(
            f"probabilities have shape {probabilities.shape}, expected (n, {len(outputs)}) for outputs "
            f"{', '.join(outputs)}; check the model's outputs"
        )
    rows = tuple(mapping) or tuple(MappingRow(output, output, (output,), "exact", "") for output in outputs)
    check_names(rows, outputs, patterns)
    columns = [*patterns, *(row.target for row in rows if row.target not in patterns)]
    position = {column: index for index, column in enumerate(columns)}
    position_of_output = {output: index for index, output in enumerate(outputs)}
    values = np.full((len(probabilities), len(columns)), np.nan, dtype=np.float32)
    for row in rows:
        values[:, position[row.target]] = probabilities[:, position_of_output[row.output]]
    return columns, values


def union_truth(truth: np.ndarray, patterns: Sequence[str], members: Sequence[str]) -> np.ndarray:
    """(n,) float32: 1 where any member is 1, 0 where every member is 0, NaN where that cannot be told.

    truth  (n, patterns) of 0, 1 and NaN for unknown, columns in the order of `patterns`
    Raises ConfigError where a member is no pattern.
    """
    unknown = [member for member in members if member not in patterns]
    if unknown or not members:
        raise ConfigError(f"members {', '.join(unknown) or 'are none'}, expected labels; correct the mapping table")
    of_members = truth[:, [list(patterns).index(member) for member in members]]
    union = np.full(len(truth), np.nan, dtype=np.float32)
    union[(of_members == 0).all(axis=1)] = 0
    union[(of_members == 1).any(axis=1)] = 1
    return union


def check_names(mapping: Sequence[MappingRow], outputs: Sequence[str], labels: Sequence[str]) -> None:
    """Raises ConfigError for a row whose output is none of the model's, or whose members are no labels of the task."""
    for row in mapping:
        of_row = f"mapping of output {row.output!r} to {row.target!r}"
        if row.output not in outputs:
            raise ConfigError(
                f"{of_row}: no such output{did_you_mean(row.output, outputs)}, expected one of {', '.join(outputs)}; "
                "correct the mapping table"
            )
        unknown = [member for member in row.members if member not in labels]
        if unknown:
            raise ConfigError(
                f"{of_row}: member {unknown[0]!r} is no label of the task{did_you_mean(unknown[0], labels)}; spell "
                "members as the task's labels, with || for a | within a label"
            )
        if row.target in labels and row.members != (row.target,):
            raise ConfigError(
                f"{of_row}: members are {' and '.join(row.members)}, expected {row.target!r} alone since the target is "
                "a label of the task; give the union another name"
            )


def check_no_broad_label(mapping: Sequence[MappingRow], labels: Sequence[str]) -> None:
    """Raises ConfigError where an output that is broader than a label, or only related to it, is scored as it."""
    for row in mapping:
        if row.quality in NOT_THE_SAME and row.target in labels:
            raise ConfigError(
                f"mapping of output {row.output!r} to {row.target!r}: quality is {row.quality}, expected exact or "
                "close where the target is a label of the task; give the target a name of its own, such as "
                f"'{row.target} (by {row.output})', and keep {row.target!r} as its member"
            )


def _row(path: str | Path, line: int, cells: dict[str, str]) -> MappingRow:
    for column in ("output", "target", "members"):
        if not cells[column]:
            raise ConfigError(f"{path}, line {line}: {column} is empty, expected a name; fill it in")
    if cells["quality"] not in QUALITIES:
        raise ConfigError(
            f"{path}, line {line}: quality is {cells['quality']!r}, expected one of {', '.join(QUALITIES)}"
        )
    members = _members(cells["members"])
    if "" in members or len(set(members)) < len(members):
        raise ConfigError(
            f"{path}, line {line}: members are {cells['members']!r}, expected different labels with | between them, "
            "and || for a | within a label"
        )
    return MappingRow(cells["output"], cells["target"], members, cells["quality"], cells["source"])


def _members(cell: str) -> tuple[str, ...]:
    return tuple(name.replace("||", "|").strip() for name in SINGLE_BAR.split(cell))
