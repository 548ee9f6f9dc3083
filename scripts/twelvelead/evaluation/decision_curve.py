"""Net benefit of acting on a model's predictions, on all ECGs and on none.

Source: Vickers & Elkin, Decision curve analysis, Med Decis Making 2006; 26:565.
At a threshold probability p an ECG is called positive when its predicted probability is at least p, and
    net benefit = true positives / n - false positives / n x p / (1 - p)
in true positives per ECG. Treating none has 0. It means what it says only for predictions that are calibrated
probabilities. ECGs whose truth is unknown or that have no prediction are left out label by label, as elsewhere.
"""

from dataclasses import dataclass

import numpy as np

from twelvelead.errors import ConfigError
from twelvelead.evaluation.deepecg_metrics import NO_ROW, NOT_PREDICTED
from twelvelead.evaluation.operating_points import at_score_precision, checked_matrices


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """One label over k threshold probabilities. With no ECG to look at, the curves are None and `reason` says why.

    threshold_probabilities            (k,) float64
    true_positives, false_positives    (k,) int64, of n ECGs of which `positives` are positive
    unknown, not_predicted             ECGs left out: without known truth; with known truth and no prediction
    net_benefit, treat_all, treat_none (k,) float64
    """

    threshold_probabilities: np.ndarray
    n: int
    positives: int
    unknown: int
    not_predicted: int
    true_positives: np.ndarray
    false_positives: np.ndarray
    net_benefit: np.ndarray | None
    treat_all: np.ndarray | None
    treat_none: np.ndarray | None
    reason: str = ""


def decision_curves(
    truth: np.ndarray, probability: np.ndarray, threshold_probabilities: np.ndarray
) -> tuple[DecisionCurve, ...]:
    """The decision curve of every label, in order.

    truth, probability       (ecgs, labels) as for operating_points
    threshold_probabilities  (k,) ascending, each between 0 and 1

    Raises TableError where shapes or truth values do not fit, ConfigError for threshold probabilities that do not.
    """
    truth, probability = checked_matrices(truth, probability)
    thresholds = checked_threshold_probabilities(threshold_probabilities)
    return tuple(_curve(of_label, scores, thresholds) for of_label, scores in zip(truth.T, probability.T, strict=True))


def net_benefit(
    true_positives: np.ndarray, false_positives: np.ndarray, n: np.ndarray, threshold_probabilities: np.ndarray
) -> np.ndarray:
    """True positives less the weighted false positives, per ECG: (..., k) for counts (..., k) and n of shape (...).

    NaN where n is 0. The counts of treating all are the positives and the negatives, at every threshold.
    """
    odds = threshold_probabilities / (1 - threshold_probabilities)
    n = np.asarray(n, dtype=np.float64)[..., None]
    return (true_positives - false_positives * odds) / np.where(n > 0, n, np.nan)


def resampled_counts(
    truth: np.ndarray, probability: np.ndarray, threshold_probabilities: np.ndarray, multiplicity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(true positives, false positives), each (replicates, k) float64, of bootstrap samples of one label's ECGs.

    truth, probability  (ecgs,), NaN as elsewhere
    multiplicity        (replicates, ecgs): how often each ECG was drawn; drawing patients gives a patient's ECGs one
                        number

    Whole numbers are added up: each ECG drawn once gives exactly the DecisionCurve's counts. Errors as decision_curves.
    """
    truth, probability = (column[:, 0] for column in checked_matrices(_column(truth), _column(probability)))
    thresholds = checked_threshold_probabilities(threshold_probabilities)
    usable = np.isfinite(probability) & ~np.isnan(truth)
    reached = _thresholds_reached(probability[usable], at_score_precision(thresholds, probability))
    drawn = np.asarray(multiplicity)[:, usable].astype(np.float64)
    positive = truth[usable] == 1
    # One column per class and number of thresholds reached turns the counting into one matrix product.
    cells = np.zeros((len(reached), 2 * (len(thresholds) + 1)))
    cells[np.arange(len(reached)), reached + np.where(positive, 0, len(thresholds) + 1)] = 1
    by_reached = drawn @ cells
    split = len(thresholds) + 1
    return _called(by_reached[:, :split]), _called(by_reached[:, split:])


def checked_threshold_probabilities(values: np.ndarray) -> np.ndarray:
    """(k,) float64. Raises ConfigError unless they ascend and lie between 0 and 1, ends excluded."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not ((values > 0) & (values < 1)).all() or (np.diff(values) <= 0).any():
        raise ConfigError(
            f"threshold probabilities are {np.array2string(values, threshold=6)}; expected ascending numbers above 0 "
            "and below 1, such as 0.01 to 0.5"
        )
    return values


def _curve(truth: np.ndarray, probability: np.ndarray, thresholds: np.ndarray) -> DecisionCurve:
    predicted, unknown = np.isfinite(probability), np.isnan(truth)
    usable = predicted & ~unknown
    n, positive = int(usable.sum()), truth[usable] == 1
    reached = _thresholds_reached(probability[usable], at_score_precision(thresholds, probability))
    cells = len(thresholds) + 1
    hits = _called(np.bincount(reached[positive], minlength=cells))
    false_alarms = _called(np.bincount(reached[~positive], minlength=cells))
    positives = int(positive.sum())
    if n:
        every = np.ones(len(thresholds))
        curves = (
            net_benefit(hits, false_alarms, n, thresholds),
            net_benefit(positives * every, (n - positives) * every, n, thresholds),
            0 * every,
        )
        reason = ""
    else:
        curves = (None, None, None)
        reason = NOT_PREDICTED if len(truth) and not predicted.any() else NO_ROW
    left_out = (int(unknown.sum()), int((~unknown & ~predicted).sum()))
    return DecisionCurve(thresholds, n, positives, *left_out, hits, false_alarms, *curves, reason)


def _thresholds_reached(probability: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(ecgs,) how many of the ascending thresholds each score is at least."""
    return np.searchsorted(thresholds, probability, side="right")


def _called(by_reached: np.ndarray) -> np.ndarray:
    """(..., k) ECGs called positive at every threshold, from (..., k + 1) ECGs by how many thresholds they reach."""
    return np.cumsum(by_reached[..., ::-1], axis=-1)[..., ::-1][..., 1:]


def _column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values)[:, None]
