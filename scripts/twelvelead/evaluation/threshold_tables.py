"""Thresholds per pattern from a table of probabilities, and tables made with them.

What DeepECG's compute_optimal_thresholds does; compared with its outputs in tests/parity/test_thresholds_golden.py.
Keys and columns have the reference's names; where the truth is not BERT's, `bert` in them gives way to `lexicon` or
`ground_truth`. What is undefined is null in JSON and empty in CSV, with a reason beside it. BERT's and the lexicon's
truth are pseudo-labels: the machine's opinion, not a cardiologist's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from twelvelead.atomic import write_text
from twelvelead.config import did_you_mean
from twelvelead.errors import ConfigError, TableError
from twelvelead.evaluation.deepecg_metrics import NO_CUT_OFF
from twelvelead.evaluation.operating_points import (
    FittedThreshold,
    OperatingPoint,
    at_score_precision,
    fitted_thresholds,
    operating_points,
)
from twelvelead.evaluation.probability_table import ProbabilityTable, number_or_infinity
from twelvelead.fates import write_csv
from twelvelead.labels.patterns import read_rows
from twelvelead.table import FIRST_ROW

CRITERIA = ("youden", "f1")
STAND_IN = 0.5  # the reference's threshold where a class is absent
NOT_IN_FILE = "the thresholds file does not name this pattern"


@dataclass(frozen=True)
class PatternThresholds:
    """One pattern's thresholds by each criterion ("youden", "f1"), and what the scores do at them on these ECGs.

    fitted      both classes were there. If not, 0.5 is in use for want of a better one, or None where no ECG has both
                a truth and a score
    fits        criterion -> best threshold and the criterion's value there
    thresholds  criterion -> the threshold in use; None also where no cut-off does better than chance
    reasons     criterion -> why there is none, or why 0.5 is in use; "" where one was fitted
    points      criterion -> what the scores do at the threshold in use
    """

    pattern: str
    truth_source: str
    bert_threshold: float | None
    fitted: bool
    fits: dict[str, FittedThreshold]
    thresholds: dict[str, float | None]
    reasons: dict[str, str]
    points: dict[str, OperatingPoint]


@dataclass(frozen=True)
class GivenThresholds:
    """Thresholds of a user's file: pattern -> threshold; for a pattern that it has none for, pattern -> why."""

    thresholds: dict[str, float]
    reasons: dict[str, str]

    def of(self, patterns: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        """(thresholds (patterns,), NaN for none; why none (patterns,)), as operating_points takes them."""
        thresholds = np.array([self.thresholds.get(pattern, np.nan) for pattern in patterns], dtype=np.float64)
        return thresholds, tuple(
            "" if pattern in self.thresholds else self.reasons.get(pattern, NOT_IN_FILE) for pattern in patterns
        )


def pattern_thresholds(table: ProbabilityTable) -> tuple[PatternThresholds, ...]:
    """Both thresholds of every pattern, in the table's order, fitted on its ECGs of known truth.

    Where a class is absent 0.5 stands in, as in the reference, and is marked as not fitted.
    """
    fits = dict(zip(CRITERIA, fitted_thresholds(table.truth, table.score), strict=True))
    in_use = {
        criterion: [_in_use(table, column, fit) for column, fit in enumerate(fits[criterion])] for criterion in fits
    }
    points = {
        criterion: operating_points(
            table.truth,
            table.score,
            np.array([threshold for threshold, _ in chosen], dtype=np.float64),
            fitted_on_these_data=True,
            why_no_threshold=[reason for _, reason in chosen],
        )
        for criterion, chosen in in_use.items()
    }
    return tuple(
        _of_pattern(
            table,
            pattern,
            {criterion: fits[criterion][column] for criterion in CRITERIA},
            {criterion: in_use[criterion][column] for criterion in CRITERIA},
            {criterion: points[criterion][column] for criterion in CRITERIA},
        )
        for column, pattern in enumerate(table.patterns)
    )


def threshold_records(rows: Sequence[PatternThresholds]) -> list[dict[str, str | float | int | bool | None]]:
    """One record per pattern, under the reference's names (then ours); counts are of ECGs with truth and score."""
    return [_record(row) for row in rows]


def write_threshold_csv(rows: Sequence[PatternThresholds], path: str | Path) -> None:
    """A line per pattern. read_threshold_file takes this file."""
    table = pd.DataFrame(threshold_records(rows), dtype=object)
    table["fitted"] = table["fitted"].map({True: "true", False: "false"})
    write_csv(table, str(path))


def write_threshold_json(rows: Sequence[PatternThresholds], path: str | Path) -> None:
    """Writes {pattern: record} as the reference does, with null where that has Infinity."""
    by_pattern = {record.pop("pattern"): record for record in threshold_records(rows)}
    write_text(path, json.dumps(by_pattern, indent=4, ensure_ascii=False, allow_nan=False) + "\n")


def read_threshold_file(
    path: str | Path, criterion: str = "youden", known: Sequence[str] | None = None
) -> GivenThresholds:
    """Thresholds from a CSV with columns `pattern` and `threshold`, or from what write_threshold_csv wrote.

    criterion  which of the two thresholds to take of a file without a column `threshold`: "youden" or "f1"
    known      the patterns there are; another name in the file is an error

    An empty cell is no threshold. A stand-in of 0.5 (`fitted` is false) was never anybody's choice and is none either.
    Raises ConfigError, naming the line.
    """
    if criterion not in CRITERIA:
        raise ConfigError(f"criterion is {criterion!r}, expected {' or '.join(CRITERIA)}")
    rows = read_rows(path, ("pattern",))
    written = f"optimal_threshold_{criterion}"
    column = next((name for name in ("threshold", written) if rows and name in rows[0][1]), None)
    if column is None:
        raise ConfigError(f"{path}: no rows, or no column `threshold` or `{written}`; expected a threshold per pattern")
    thresholds: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for line, row in rows:
        pattern, cell, fitted = row["pattern"], row[column], row.get("fitted", "")
        if not pattern or pattern in thresholds or pattern in reasons:
            raise ConfigError(f"{path}, line {line}: pattern {pattern!r} is empty or there twice; give each one line")
        if known is not None and pattern not in known:
            hint = did_you_mean(pattern, known)
            raise ConfigError(
                f"{path}, line {line}: {pattern!r} is no pattern of this task; correct or remove it{hint}"
            )
        if fitted.lower() not in ("", "true", "false"):
            raise ConfigError(f"{path}, line {line}: fitted is {fitted!r}, expected true, false or nothing")
        stands_in = column == written and fitted.lower() == "false"
        if cell and not stands_in:
            thresholds[pattern] = _threshold(path, line, column, cell)
        else:
            reasons[pattern] = row.get(f"reason_{criterion}") or "the thresholds file gives none"
    return GivenThresholds(thresholds, reasons)


def binarised_table(table: ProbabilityTable, rows: Sequence[PatternThresholds], model: str) -> pd.DataFrame:
    """file_name, and per pattern its truth and the scores at both thresholds as 1, 0 or nothing (Int8).

    Columns `{pattern}_{truth source}_binary`, `{pattern}_{model}_binary_youden` and `_f1`. Where no cut-off does better
    than chance no ECG is called positive, as in the reference.
    """
    columns: dict[str, np.ndarray] = {}
    for position, row in enumerate(rows):
        columns[f"{row.pattern}_{table.truth_source}_binary"] = table.truth[:, position]
        for criterion in CRITERIA:
            called = _called(table.score[:, position], row.thresholds[criterion], row.reasons[criterion])
            columns[f"{row.pattern}_{model}_binary_{criterion}"] = called
    binary = pd.DataFrame(columns).astype("Int8")
    binary.insert(0, "file_name", list(table.files))
    return binary


def join_models(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Two models' binarised tables side by side by file_name, the truth once; a file of one alone has empty cells.

    Raises TableError where both are of one model, or a file's truth differs between them.
    """
    shared = [column for column in second.columns if column in first.columns and column != "file_name"]
    scored = [column for column in shared if column.endswith(tuple(f"_binary_{criterion}" for criterion in CRITERIA))]
    if scored:
        raise TableError(f"both tables have column `{scored[0]}`; expected tables of two models: name them differently")
    files = pd.Index(dict.fromkeys([*first["file_name"], *second["file_name"]]), name="file_name")
    left, right = (table.set_index("file_name").reindex(files) for table in (first, second))
    for column in shared:
        differs = (left[column] != right[column]).fillna(False).to_numpy(dtype=bool)
        if differs.any():
            raise TableError(
                f"column `{column}` of the two tables differs for {int(differs.sum())} files, first in row "
                f"{FIRST_ROW + int(np.argmax(differs))}; expected one truth per file: make both from the same labels"
            )
        left[column] = left[column].combine_first(right[column])
    return pd.concat([left, right.drop(columns=shared)], axis=1).reset_index()


def summary_by_f1(rows_by_model: Mapping[str, Sequence[PatternThresholds]]) -> pd.DataFrame:
    """A line per model and pattern, the highest F1 (at the F1-optimal threshold) first, the undefined last.

    Every F1 here is at a threshold fitted on the same ECGs, and so optimistic.
    """
    lines = [
        {
            "model": model,
            "pattern": row.pattern,
            "best_f1_score": row.fits["f1"].score,
            "optimal_threshold_f1": row.fits["f1"].threshold,
            "youden_j_statistic": row.fits["youden"].score,
            "optimal_threshold_youden": row.fits["youden"].threshold,
            "n": row.points["f1"].n,
            "n_positive": row.points["f1"].positives,
            "truth": row.truth_source,
            "reason": row.fits["f1"].reason,
        }
        for model, rows in rows_by_model.items()
        for row in rows
    ]
    names = ["model", "pattern", "best_f1_score", "optimal_threshold_f1", "youden_j_statistic"]
    names += ["optimal_threshold_youden", "n", "n_positive", "truth", "reason"]
    summary = pd.DataFrame(lines, columns=names)
    for name in names[2:6]:
        summary[name] = summary[name].astype(np.float64)
    return summary.sort_values("best_f1_score", ascending=False, kind="stable", na_position="last", ignore_index=True)


def _in_use(table: ProbabilityTable, column: int, fit: FittedThreshold) -> tuple[float | None, str]:
    """(threshold, why it is not a fitted one)."""
    if fit.threshold is not None or fit.reason == NO_CUT_OFF:
        return fit.threshold, fit.reason
    usable = ~np.isnan(table.truth[:, column]) & np.isfinite(table.score[:, column])
    return (STAND_IN, f"{fit.reason}: {STAND_IN} stands in") if usable.any() else (None, fit.reason)


def _of_pattern(
    table: ProbabilityTable,
    pattern: str,
    fits: dict[str, FittedThreshold],
    in_use: dict[str, tuple[float | None, str]],
    points: dict[str, OperatingPoint],
) -> PatternThresholds:
    fitted = fits["f1"].threshold is not None
    return PatternThresholds(
        pattern=pattern,
        truth_source=table.truth_source,
        bert_threshold=table.bert_thresholds.get(pattern),
        fitted=fitted,
        fits=fits,
        thresholds={criterion: threshold for criterion, (threshold, _) in in_use.items()},
        reasons={criterion: reason for criterion, (_, reason) in in_use.items()},
        points={criterion: replace(point, fitted_on_these_data=fitted) for criterion, point in points.items()},
    )


def _record(row: PatternThresholds) -> dict[str, str | float | int | bool | None]:
    youden, f1 = row.points["youden"], row.points["f1"]
    record = {
        "pattern": row.pattern,
        "bert_threshold": row.bert_threshold,
        "optimal_threshold_youden": row.thresholds["youden"],
        "optimal_threshold_f1": row.thresholds["f1"],
        "youden_j_statistic": row.fits["youden"].score,
        "best_f1_score": row.fits["f1"].score,
        "f1_with_youden_threshold": 0.0 if _calls_none(row) else youden.f1.value,
        "f1_with_f1_threshold": f1.f1.value,
        f"n_positive_{row.truth_source}": f1.positives,
        "n_positive_sig_youden": 0 if _calls_none(row) else _called_positive(youden),
        "n_positive_sig_f1": _called_positive(f1),
        "prevalence": f1.prevalence.value,
        "n": f1.n,
        "unknown": f1.unknown,
        "not_predicted": f1.not_predicted,
    }
    for criterion, point in row.points.items():
        for measure in ("sensitivity", "specificity", "ppv", "npv"):
            record[f"{measure}_{criterion}"] = getattr(point, measure).value
    return record | {"fitted": row.fitted} | {f"reason_{criterion}": row.reasons[criterion] for criterion in CRITERIA}


def _calls_none(row: PatternThresholds) -> bool:
    return row.reasons["youden"] == NO_CUT_OFF


def _called_positive(point: OperatingPoint) -> int | None:
    return None if point.true_positives is None else point.true_positives + point.false_positives


def _called(score: np.ndarray, threshold: float | None, reason: str) -> np.ndarray:
    """(ecgs,) 1.0, 0.0, or NaN where there is no score or no threshold."""
    if threshold is None:
        called = np.full(len(score), 0.0 if reason == NO_CUT_OFF else np.nan)
    else:
        called = (score >= at_score_precision(np.float64(threshold), score)).astype(np.float64)
    return np.where(np.isfinite(score), called, np.nan)


def _threshold(path: str | Path, line: int, column: str, cell: str) -> float:
    value = number_or_infinity(cell)
    if not 0 <= value <= 1:
        raise ConfigError(f"{path}, line {line}: {column} is {cell!r}, expected a number from 0 to 1 or nothing")
    return value
