"""The metrics DeepECG_Docker writes, under its keys and with its definitions; an undefined one is None with a reason.

Definitions (reference: DeepECG_Docker, analysis; compared with its own outputs in tests/parity/test_metrics_golden.py):
auc        area under the ROC curve by trapezoids, ties counted half
auprc      average precision, sum of (recall step) x precision: no interpolation between thresholds
threshold  the highest score that maximises Youden's J = sensitivity + specificity - 1 on these very ECGs,
           so f1 and the predicted prevalence at it are optimistic
macro_*    plain mean over a category's patterns that have a positive
micro_*    on the cells (ECG x pattern) of the same patterns as one vector; micro_f1 is scikit-learn's
           f1_score(average="micro") of a binary vector, which is accuracy

Where truth or prediction of a cell is unknown (NaN), that cell alone is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twelvelead.errors import TableError

BINARY_KEY = "results"
BINARY_METRICS = ("auc", "auprc", "f1", "threshold", "prevalence_gt %", "prevalence_pred %")
PATTERN_METRICS = ("auc", "auprc", "threshold", "f1", "prevalence_gt %", "prevalence_pred %")
MACRO_METRICS = {"macro_auc": "auc", "macro_auprc": "auprc", "macro_f1": "f1"}
MICRO_METRICS = {
    "micro_auc": "auc",
    "micro_auprc": "auprc",
    "micro_f1": "accuracy",
    "threshold": "threshold",
    "prevalence_gt %": "prevalence_gt %",
    "prevalence_pred %": "prevalence_pred %",
}
CATEGORY_METRICS = (*MACRO_METRICS, *MICRO_METRICS)

NO_ROW = "no ECG with both a known truth and a prediction"
NO_POSITIVE = "no positive among the {n} evaluated"
NO_NEGATIVE = "no negative among the {n} evaluated"
NO_CUT_OFF = "no cut-off does better than chance (Youden's J is at most 0)"
NOT_PREDICTED = "the model does not predict this pattern"


@dataclass(frozen=True)
class Metrics:
    """values[key][metric] is a finite float or None; reasons[key][metric] says why it is None.

    counts[key]: n (cells evaluated), of them positives; unknown (no known truth); not_predicted (known truth, no
    prediction): n, unknown and not_predicted add up to the ECGs. A category counts the cells of its patterns that
    enter its figures, and has patterns, patterns_not_predicted and patterns_without_positive besides.
    With fewer than two ECGs `values` is empty, as DeepECG's file is, and the reasons are there all the same.
    """

    values: dict[str, dict[str, float | None]]
    reasons: dict[str, dict[str, str]]
    counts: dict[str, dict[str, int]]


@dataclass(frozen=True)
class CumulativeCounts:
    """Confusion counts at every distinct score as the cut-off (>=), from the highest score down.

    thresholds (k,), true_positives (k,) int64, false_positives (k,) int64; the last entries are all positives and
    all negatives. The empty prediction (no ECG called positive) is not among them.
    """

    thresholds: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @property
    def positives(self) -> int:
        return int(self.true_positives[-1]) if self.true_positives.size else 0

    @property
    def negatives(self) -> int:
        return int(self.false_positives[-1]) if self.false_positives.size else 0


@dataclass(frozen=True)
class _Summary:
    """The metrics of one vector; `reference_f1` is what the reference takes into its macro mean, defined or not."""

    values: dict[str, float | None]
    reasons: dict[str, str]
    reference_f1: float | None = None
    never_predicted: bool = False


def multilabel_metrics(
    truth: np.ndarray, probability: np.ndarray, patterns: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> Metrics:
    """DeepECG's metrics of a multi-label task: the categories in their order, then the patterns in theirs.

    truth        (ecgs, patterns): 1 present, 0 absent, NaN unknown
    probability  (ecgs, patterns); a column that is NaN throughout is a pattern the model does not predict
    categories   name -> its patterns; a pattern may be in several or in none (a union such as "any AV block")

    Raises TableError where shapes, names or truth values do not fit.
    """
    truth, probability = checked(truth, probability, 2)
    position = _checked_names(patterns, categories, truth.shape[1])
    by_pattern = {pattern: _of_pattern(truth[:, at], probability[:, at]) for pattern, at in position.items()}
    counts = {pattern: _counts(truth[:, at], probability[:, at]) for pattern, at in position.items()}

    values: dict[str, dict[str, float | None]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for category, members in categories.items():
        with_positive = {pattern: by_pattern[pattern] for pattern in members if counts[pattern]["positives"]}
        columns = [position[pattern] for pattern in with_positive]
        micro = _summarise(*_known(truth[:, columns], probability[:, columns]))
        not_predicted = sum(by_pattern[pattern].never_predicted for pattern in members)
        if not with_positive:
            micro = _undefined(_why_no_positive(members, not_predicted, [counts[pattern]["n"] for pattern in members]))
        values[category], reasons[category] = _of_category(micro, with_positive)
        counts[category] = _counts(truth[:, columns], probability[:, columns]) | {
            "patterns": len(members),
            "patterns_not_predicted": not_predicted,
            "patterns_without_positive": len(members) - not_predicted - len(with_positive),
        }
    for pattern, summary in by_pattern.items():
        values[pattern], reasons[pattern] = _selected(summary, {name: name for name in PATTERN_METRICS})
    return _metrics(values, reasons, counts, len(truth))


def binary_metrics(truth: np.ndarray, probability: np.ndarray) -> Metrics:
    """DeepECG's metrics of a 0/1 task under the key "results"; truth (ecgs,) 1, 0 or NaN, probability (ecgs,).

    Raises TableError where shapes or truth values do not fit.
    """
    truth, probability = checked(truth, probability, 1)
    values, reasons = _selected(_summarise(*_known(truth, probability)), {name: name for name in BINARY_METRICS})
    counts = {BINARY_KEY: _counts(truth, probability)}
    return _metrics({BINARY_KEY: values}, {BINARY_KEY: reasons}, counts, len(truth))


def cumulative_counts(truth: np.ndarray, probability: np.ndarray) -> CumulativeCounts:
    """True and false positives at every distinct score; truth (n,) of 0 and 1, probability (n,) finite."""
    order = np.argsort(probability)[::-1]
    scores = probability[order]
    ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1) if len(scores) else np.arange(0)
    true_positives = np.cumsum(truth[order] == 1, dtype=np.int64)[ends]
    return CumulativeCounts(scores[ends], true_positives, ends + 1 - true_positives)


def auroc(counts: CumulativeCounts) -> float:
    """Area under the ROC curve by trapezoids, which is the share of concordant pairs with ties counted half.

    Both classes must be there. Whole numbers are summed, so nothing depends on the order of the rows.
    """
    before = np.concatenate(([0], counts.true_positives[:-1]))
    steps = np.diff(counts.false_positives, prepend=0)
    twice_concordant = int(np.sum(steps * (counts.true_positives + before)))
    return twice_concordant / (2 * counts.positives * counts.negatives)


def average_precision(counts: CumulativeCounts) -> float:
    """Sum over cut-offs of (increase in recall) x precision; a positive must be there."""
    precision = counts.true_positives / (counts.true_positives + counts.false_positives)
    return float(np.sum(np.diff(counts.true_positives, prepend=0) * precision) / counts.positives)


def youden_cut_off(counts: CumulativeCounts) -> int | None:
    """Position of the highest cut-off that maximises sensitivity + specificity - 1; None where none is above 0.

    Points inside a straight piece of the ROC curve are no candidates, as in scikit-learn's roc_curve, which keeps
    their rounding from deciding. Both classes must be there.
    """
    corner = np.ones(len(counts.thresholds), dtype=bool)
    true_positives = np.concatenate(([0], counts.true_positives))
    false_positives = np.concatenate(([0], counts.false_positives))
    corner[:-1] = (np.diff(true_positives, 2) != 0) | (np.diff(false_positives, 2) != 0)
    candidates = np.flatnonzero(corner)
    sensitivity = counts.true_positives[candidates] / counts.positives
    false_positive_rate = counts.false_positives[candidates] / counts.negatives
    youden_j = sensitivity - false_positive_rate
    best = int(np.argmax(youden_j))
    return int(candidates[best]) if youden_j[best] > 0 else None


def _of_pattern(truth: np.ndarray, probability: np.ndarray) -> _Summary:
    if len(probability) and not np.isfinite(probability).any():
        return _undefined(NOT_PREDICTED, never_predicted=True)
    return _summarise(*_known(truth, probability))


def _known(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(probability) & ~np.isnan(truth)
    return truth[known], probability[known]


def _summarise(truth: np.ndarray, probability: np.ndarray) -> _Summary:
    n = len(truth)
    counts = cumulative_counts(truth, probability)
    positives, negatives = counts.positives, counts.negatives
    if positives == 0:
        return _undefined(NO_POSITIVE.format(n=n) if n else NO_ROW)
    values: dict[str, float | None] = {"auprc": average_precision(counts), "prevalence_gt %": 100 * positives / n}
    if negatives == 0:
        missing = ("auc", "threshold", "f1", "accuracy", "prevalence_pred %")
        reasons = dict.fromkeys(missing, NO_NEGATIVE.format(n=n))
        # scikit-learn's first cut-off is infinity, at which no ECG is positive: F1 0 in the reference.
        return _Summary(values | dict.fromkeys(missing), reasons, reference_f1=0.0)
    values["auc"] = auroc(counts)
    cut_off = youden_cut_off(counts)
    if cut_off is None:
        values |= {"threshold": None, "f1": 0.0, "accuracy": negatives / n, "prevalence_pred %": 0.0}
        return _Summary(values, {"threshold": NO_CUT_OFF}, reference_f1=0.0)
    hits, false_alarms = int(counts.true_positives[cut_off]), int(counts.false_positives[cut_off])
    f1 = 2 * hits / (hits + false_alarms + positives)
    values |= {
        "threshold": float(counts.thresholds[cut_off]),
        "f1": f1,
        "accuracy": (hits + negatives - false_alarms) / n,
        "prevalence_pred %": 100 * (hits + false_alarms) / n,
    }
    return _Summary(values, {}, reference_f1=f1)


def _undefined(reason: str, never_predicted: bool = False) -> _Summary:
    metrics = (*PATTERN_METRICS, "accuracy")
    return _Summary(dict.fromkeys(metrics), dict.fromkeys(metrics, reason), never_predicted=never_predicted)


def _selected(summary: _Summary, names: Mapping[str, str]) -> tuple[dict[str, float | None], dict[str, str]]:
    values = {written: summary.values[name] for written, name in names.items()}
    reasons = {written: summary.reasons[name] for written, name in names.items() if name in summary.reasons}
    return values, reasons


def _of_category(
    micro: _Summary, with_positive: Mapping[str, _Summary]
) -> tuple[dict[str, float | None], dict[str, str]]:
    values, reasons = _selected(micro, MICRO_METRICS)
    macro: dict[str, float | None] = {}
    for written, name in MACRO_METRICS.items():
        members = {
            pattern: summary.reference_f1 if name == "f1" else summary.values[name]
            for pattern, summary in with_positive.items()
        }
        undefined = [pattern for pattern, value in members.items() if value is None]
        macro[written] = None
        if not members:
            reasons[written] = micro.reasons["auc"]
        elif undefined:
            reasons[written] = f"no negative for {', '.join(undefined)}, so no mean over the patterns"
        else:
            macro[written] = float(np.mean(list(members.values())))
    return macro | values, reasons


def _why_no_positive(members: Sequence[str], not_predicted: int, evaluated: Sequence[int]) -> str:
    if not_predicted == len(members):
        return "the model predicts no pattern of this category"
    return "no pattern of this category has a positive" if any(evaluated) else NO_ROW


def _counts(truth: np.ndarray, probability: np.ndarray) -> dict[str, int]:
    unknown = np.isnan(truth)
    predicted = np.isfinite(probability)
    usable = predicted & ~unknown
    return {
        "n": int(usable.sum()),
        "positives": int((truth[usable] == 1).sum()),
        "unknown": int(unknown.sum()),
        "not_predicted": int((~unknown & ~predicted).sum()),
    }


def _metrics(values: dict, reasons: dict, counts: dict, rows: int) -> Metrics:
    if rows < 2:
        why = f"{rows} ECG: metrics need at least 2"
        reasons = {key: dict.fromkeys(metrics, why) for key, metrics in values.items()}
        values = {}
    return Metrics(values, reasons, counts)


def checked(
    truth: np.ndarray, probability: np.ndarray, dimensions: int, dtype: type = np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """truth as `dtype` and probability as floating-point, of one shape with so many dimensions.

    Raises TableError where shapes differ or truth is not 0, 1 or NaN.
    """
    truth = np.asarray(truth, dtype=dtype)
    probability = np.asarray(probability)
    if not np.issubdtype(probability.dtype, np.floating):
        probability = probability.astype(np.float64)
    if truth.shape != probability.shape or truth.ndim != dimensions:
        shape = "(ecgs,)" if dimensions == 1 else "(ecgs, labels)"
        raise TableError(
            f"truth has shape {truth.shape} and probability {probability.shape}; expected {shape} for both: give one "
            "truth value for every prediction"
        )
    other = ~(np.isnan(truth) | (truth == 0) | (truth == 1))
    if other.any():
        raise TableError(
            f"truth has {int(other.sum())} values such as {truth[other][0]:g}; expected 0, 1 or empty (unknown): "
            "recode the truth column"
        )
    return truth, probability


def _checked_names(patterns: Sequence[str], categories: Mapping[str, Sequence[str]], columns: int) -> dict[str, int]:
    position = {pattern: column for column, pattern in enumerate(patterns)}
    if len(patterns) != columns or len(position) != columns:
        raise TableError(
            f"{len(patterns)} pattern names ({len(position)} distinct) for {columns} columns; expected one name of its "
            "own for each column"
        )
    absent = sorted({pattern for members in categories.values() for pattern in members} - set(position))
    if absent:
        raise TableError(f"a category names {', '.join(absent)}, which is no pattern here; correct the labels table")
    both = sorted(set(categories) & set(position))
    if both:
        raise TableError(f"{', '.join(both)} is a category and a pattern; rename one in the labels table")
    return position
