"""What a model does at one threshold: confusion counts and the proportions made of them, with Wilson intervals.

An ECG is called positive when its score is at least the threshold. Cells (ECG x label) whose truth is unknown (NaN) or
that have no prediction (NaN) are left out label by label and counted. Intervals take the ECGs as independent; where a
patient has several, resample patients instead (`measures` takes the replicates' counts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from twelvelead.errors import ConfigError, TableError
from twelvelead.evaluation.deepecg_metrics import (
    NO_CUT_OFF,
    NO_NEGATIVE,
    NO_POSITIVE,
    NO_ROW,
    NOT_PREDICTED,
    CumulativeCounts,
    checked,
    cumulative_counts,
    youden_cut_off,
)

MEASURES = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "accuracy",
    "prevalence",
    "predicted_prevalence",
)
NO_THRESHOLD = "no threshold"
NONE_CALLED_POSITIVE = "no ECG was called positive"
NONE_CALLED_NEGATIVE = "no ECG was called negative"
F1_HAS_NO_WILSON = "F1 is no proportion of independent ECGs, so it has no Wilson interval; bootstrap it"
_WHY_UNDEFINED = {
    "sensitivity": NO_POSITIVE,
    "specificity": NO_NEGATIVE,
    "ppv": NONE_CALLED_POSITIVE,
    "npv": NONE_CALLED_NEGATIVE,
    "f1": NO_POSITIVE,
}

# The published tables that are rounded have three decimals. 38 of the 77 WCR thresholds, and 5 of EfficientNet's, are
# the smallest value that shows as other than zero, so what was meant may be anything down to zero.
ROUNDING_FLOOR = 0.001
AT_ROUNDING_FLOOR = "rounding floor: printed as 0.001, the least that three decimals can show, so not what was meant"
NOT_PUBLISHED = "no threshold was published"


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, from 0 to 1. `reason` says why value is None, `interval_reason` why the ends are."""

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""
    interval_reason: str = ""


@dataclass(frozen=True)
class OperatingPoint:
    """One label at one threshold. The four counts add up to n; without a threshold they, and what needs them, are None.

    n                     ECGs with known truth and a prediction
    positives             of them, those whose truth is 1
    unknown               ECGs without known truth
    not_predicted         ECGs with known truth and no prediction
    fitted_on_these_data  the threshold was chosen on these very ECGs, so everything here is optimistic
    """

    threshold: float | None
    fitted_on_these_data: bool
    n: int
    positives: int
    unknown: int
    not_predicted: int
    true_positives: int | None
    false_positives: int | None
    true_negatives: int | None
    false_negatives: int | None
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    f1: Estimate
    accuracy: Estimate
    prevalence: Estimate
    predicted_prevalence: Estimate


@dataclass(frozen=True)
class FittedThreshold:
    """The threshold that is best by `criterion` on the ECGs at hand; None with a `reason` where there is none.

    criterion  "youden": score is J = sensitivity + specificity - 1; "f1": score is F1
    score      the criterion at the threshold; 0 for "youden" where no cut-off does better than chance
    """

    criterion: str
    threshold: float | None
    score: float | None
    reason: str = ""
    fitted_on_these_data: bool = True


@dataclass(frozen=True)
class PublishedPoint:
    """A published threshold and whether it can be an operating point; `reason` says why not."""

    name: str
    column: str
    threshold: float | None
    usable: bool
    reason: str = ""


def operating_points(
    truth: np.ndarray,
    probability: np.ndarray,
    thresholds: np.ndarray,
    *,
    fitted_on_these_data: bool = False,
    why_no_threshold: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> tuple[OperatingPoint, ...]:
    """What the scores do at one threshold per label, in the order of the labels.

    truth             (ecgs, labels): 1 present, 0 absent, NaN unknown
    probability       (ecgs, labels): NaN where there is no prediction
    thresholds        (labels,): NaN where a label has none
    why_no_threshold  (labels,) the reason to show where it has none

    Raises TableError where shapes or values do not fit, ConfigError for a confidence that is not between 0 and 1.
    """
    truth, probability = checked_matrices(truth, probability)
    thresholds = np.asarray(thresholds, dtype=np.float64)
    if thresholds.shape != truth.shape[1:] or np.isinf(thresholds).any():
        raise TableError(
            f"thresholds have shape {thresholds.shape} for {truth.shape[1]} labels; expected one finite number or NaN "
            "(none) per label"
        )
    reasons = why_no_threshold if why_no_threshold is not None else [""] * len(thresholds)
    usable = np.isfinite(probability) & ~np.isnan(truth)
    called = usable & (probability >= at_score_precision(thresholds, probability))
    positive = usable & (truth == 1)
    columns = zip(
        np.where(np.isnan(thresholds), None, thresholds),
        (called & positive).sum(axis=0).tolist(),
        (called & ~positive).sum(axis=0).tolist(),
        positive.sum(axis=0).tolist(),
        usable.sum(axis=0).tolist(),
        np.isnan(truth).sum(axis=0).tolist(),
        np.isfinite(probability).any(axis=0).tolist(),
        reasons,
        strict=True,
    )
    return tuple(
        _point(
            threshold,
            (hits, false_alarms, n - positives - false_alarms, positives - hits),
            {"unknown": unknown, "not_predicted": len(truth) - unknown - n},
            _why_nothing(n, len(truth), predicted),
            reason or NO_THRESHOLD,
            fitted_on_these_data,
            confidence,
        )
        for threshold, hits, false_alarms, positives, n, unknown, predicted, reason in columns
    )


def fitted_thresholds(
    truth: np.ndarray, probability: np.ndarray
) -> tuple[tuple[FittedThreshold, ...], tuple[FittedThreshold, ...]]:
    """(by Youden's J, by F1), per label in order; arguments and errors as for operating_points.

    The highest of equally good thresholds by J, as in DeepECG's metrics. The lowest of those by F1, which is the most
    sensitive one. Neither exists where a class is absent.
    """
    truth, probability = checked_matrices(truth, probability)
    pairs = [_fitted(of_label, scores) for of_label, scores in zip(truth.T, probability.T, strict=True)]
    return tuple(youden for youden, _ in pairs), tuple(f1 for _, f1 in pairs)


def measures(
    true_positives: np.ndarray, false_positives: np.ndarray, true_negatives: np.ndarray, false_negatives: np.ndarray
) -> dict[str, np.ndarray]:
    """Measure -> its values, NaN where undefined, for counts of any one shape, such as (replicates, labels)."""
    counts = (np.asarray(c) for c in (true_positives, false_positives, true_negatives, false_negatives))
    return {
        name: np.divide(above, below, out=np.full(np.shape(below), np.nan), where=np.asarray(below) > 0)
        for name, (above, below) in _fractions(*counts).items()
    }


def wilson_interval(
    successes: np.ndarray, trials: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of Wilson's score interval (JASA 1927; 22:209), without continuity correction; NaN for 0 trials.

    Raises ConfigError for a confidence that is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence is {confidence}, expected a number between 0 and 1; 0.95 is usual")
    successes, trials = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    trials = np.where(trials > 0, trials, np.nan)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # Exactly 0 and 1 at the ends, which rounding would miss.
    low = np.where(successes == 0, 0 * share, np.maximum(centre - half, 0))
    high = np.where(successes == trials, 1 + 0 * share, np.minimum(centre + half, 1))
    return low, high


def published_points(names: Sequence[str], thresholds: Mapping[str, np.ndarray]) -> tuple[PublishedPoint, ...]:
    """Name by name and column by column: the published threshold, and whether it can be used as an operating point.

    names       (n,) patterns, categories or tasks
    thresholds  column -> (n,) probabilities, NaN where none was published (Patterns.thresholds has this form)
    """
    return tuple(
        _published(name, column, float(values[position]))
        for position, name in enumerate(names)
        for column, values in thresholds.items()
    )


def checked_matrices(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as floating-point (ecgs, labels). Raises TableError where shapes differ or truth is not 0, 1 or NaN."""
    return checked(truth, probability, 2, np.float64)


def at_score_precision(thresholds: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The thresholds, rounded to float32 where every score of the label is a float32 number, whatever type holds it.

    thresholds (labels,) for probability (ecgs, labels), or (k,) for one label's probability (ecgs,).

    A threshold read from text, 0.0046417844, stands for the float32 score it was taken from. As float64 it can lie a
    hair above that score, and the very ECG that gave the threshold would fall below it.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)
    with np.errstate(over="ignore"):
        single = (~np.isfinite(probability) | (probability == probability.astype(np.float32))).all(axis=0)
    return np.where(single, thresholds.astype(np.float32), thresholds)


def _fractions(tp, fp, tn, fn) -> dict[str, tuple]:
    """Measure -> (numerator, denominator); a denominator of 0 is an undefined measure."""
    positives, negatives, called = tp + fn, tn + fp, tp + fp
    n = positives + negatives
    return {
        "sensitivity": (tp, positives),
        "specificity": (tn, negatives),
        "ppv": (tp, called),
        "npv": (tn, n - called),
        # Without a positive, F1 would be 0 whatever the model does, or 0/0: no figure either way.
        "f1": (2 * tp, (called + positives) * (positives > 0)),
        "accuracy": (tp + tn, n),
        "prevalence": (positives, n),
        "predicted_prevalence": (called, n),
    }


def _point(
    threshold: float | None,
    confusion: tuple[int, int, int, int],
    left_out: Mapping[str, int],
    why_nothing: str,
    why_no_threshold: str,
    fitted_on_these_data: bool,
    confidence: float,
) -> OperatingPoint:
    tp, fp, tn, fn = confusion
    n, positives = sum(confusion), tp + fn
    estimates = {}
    for name, (above, below) in _fractions(*confusion).items():
        reason = why_nothing
        if not reason and threshold is None and name != "prevalence":
            reason = why_no_threshold
        if not reason and not below:
            reason = _WHY_UNDEFINED[name].format(n=n)
        estimates[name] = _estimate(name, above, below, reason, confidence)
    shown = confusion if threshold is not None else (None,) * 4
    return OperatingPoint(threshold, fitted_on_these_data, n, positives, **left_out, **_named(shown), **estimates)


def _named(confusion: Sequence[int | None]) -> dict[str, int | None]:
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    return dict(zip(names, confusion, strict=True))


def _estimate(name: str, above: int, below: int, reason: str, confidence: float) -> Estimate:
    if reason:
        return Estimate(None, None, None, reason, reason)
    if name == "f1":
        return Estimate(above / below, None, None, "", F1_HAS_NO_WILSON)
    low, high = wilson_interval(above, below, confidence)
    return Estimate(above / below, float(low), float(high))


def _why_nothing(n: int, ecgs: int, predicted: bool) -> str:
    if n:
        return ""
    return NOT_PREDICTED if ecgs and not predicted else NO_ROW


def _fitted(truth: np.ndarray, probability: np.ndarray) -> tuple[FittedThreshold, FittedThreshold]:
    usable = np.isfinite(probability) & ~np.isnan(truth)
    n = int(usable.sum())
    counts = cumulative_counts(truth[usable], probability[usable])
    reason = _why_nothing(n, len(truth), bool(np.isfinite(probability).any()))
    if not reason and not counts.positives:
        reason = NO_POSITIVE.format(n=n)
    if not reason and not counts.negatives:
        reason = NO_NEGATIVE.format(n=n)
    if reason:
        return FittedThreshold("youden", None, None, reason), FittedThreshold("f1", None, None, reason)
    return _best_by_youden(counts), _best_by_f1(counts)


def _best_by_youden(counts: CumulativeCounts) -> FittedThreshold:
    at = youden_cut_off(counts)
    if at is None:
        return FittedThreshold("youden", None, 0.0, NO_CUT_OFF)
    youden_j = counts.true_positives[at] / counts.positives - counts.false_positives[at] / counts.negatives
    return FittedThreshold("youden", float(counts.thresholds[at]), float(youden_j))


def _best_by_f1(counts: CumulativeCounts) -> FittedThreshold:
    f1 = 2 * counts.true_positives / (counts.true_positives + counts.false_positives + counts.positives)
    lowest = len(f1) - 1 - int(np.argmax(f1[::-1]))
    return FittedThreshold("f1", float(counts.thresholds[lowest]), float(f1[lowest]))


def _published(name: str, column: str, value: float) -> PublishedPoint:
    if np.isnan(value):
        return PublishedPoint(name, column, None, False, NOT_PUBLISHED)
    if value == ROUNDING_FLOOR:
        return PublishedPoint(name, column, value, False, AT_ROUNDING_FLOOR)
    return PublishedPoint(name, column, value, True)
