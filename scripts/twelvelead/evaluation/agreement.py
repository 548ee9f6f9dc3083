"""How far two models agree, where they do not, where one is confidently wrong, and p values of many comparisons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

import numpy as np

from twelvelead.evaluation.operating_points import at_score_precision

NO_ROW = "no ECG that both models call"
ONE_CALL = "both models call every ECG {call}, so all agreement is due to chance"
NO_SCATTER = "the large-sample standard error is 0, so it gives no interval"


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa and the four counts it comes from; where value, low or high is None, reason says why."""

    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    both_positive: int
    only_a_positive: int
    only_b_positive: int
    both_negative: int
    reason: str | None

    @property
    def n(self) -> int:
        return self.both_positive + self.only_a_positive + self.only_b_positive + self.both_negative


@dataclass(frozen=True)
class Disagreements:
    """Rows that one model calls positive and the other negative: rows (k,) int64 are the first of `total`.

    a_right, b_right: on how many of the `total` each model is right; where the truth is unknown neither counts.
    """

    rows: np.ndarray
    total: int
    a_right: int
    b_right: int


def cohens_kappa(calls_a: np.ndarray, calls_b: np.ndarray, level: float = 0.95) -> Kappa:
    """Cohen's kappa of two models' calls (n,) of bool or 0/1, with its two-sided interval.

    value -/+ z standard errors, cut at -1 and 1; the standard error is Fleiss, Cohen and Everitt's for a kappa other
    than 0 (Psychological Bulletin 72:323-327, 1969). It takes rows as independent: with several ECGs of a patient,
    resample patients instead. There is no kappa without rows or where both models give every row the same call, and no
    interval where the standard error is 0 (full agreement, or one model that calls every row alike).

    Raises ValueError where shapes differ, a call is not 0/1 or level is not in (0, 1).
    """
    calls_a, calls_b = np.asarray(calls_a), np.asarray(calls_b)
    if calls_a.shape != calls_b.shape or calls_a.ndim != 1:
        raise ValueError(f"calls must be (n,) of the same n; found {calls_a.shape} and {calls_b.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a share between 0 and 1, such as 0.95")
    for calls in (calls_a, calls_b):
        if not np.isin(calls, (0, 1)).all():
            raise ValueError("calls must be 0 or 1 in every row: apply the thresholds first")
    a, b = calls_a == 1, calls_b == 1
    cells = tuple(int(np.count_nonzero(cell)) for cell in (a & b, a & ~b, ~a & b, ~a & ~b))
    n = sum(cells)
    if n == 0:
        return Kappa(None, None, None, None, *cells, NO_ROW)
    if n in (cells[0], cells[3]):
        return Kappa(None, None, None, None, *cells, ONE_CALL.format(call="positive" if cells[0] else "negative"))
    kappa, variance = _kappa_and_variance(cells)
    if variance == 0:
        return Kappa(float(kappa), None, None, 0.0, *cells, NO_SCATTER)
    standard_error = math.sqrt(variance)
    margin = NormalDist().inv_cdf((1 + level) / 2) * standard_error
    low, high = max(-1.0, float(kappa) - margin), min(1.0, float(kappa) + margin)
    return Kappa(float(kappa), low, high, standard_error, *cells, None)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p values, in the order given (Scandinavian Journal of Statistics 6:65-70, 1979).

    None (a comparison without a test) stays None and does not count among the tests.
    Raises ValueError where a p value is not in [0, 1].
    """
    tested = [position for position, p_value in enumerate(p_values) if p_value is not None]
    for position in tested:
        if not 0 <= p_values[position] <= 1:
            raise ValueError(f"p value {p_values[position]} at position {position}; expected 0 to 1 or None")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, position in enumerate(sorted(tested, key=lambda at: p_values[at])):
        largest = max(largest, min(1.0, float(p_values[position]) * (len(tested) - rank)))
        adjusted[position] = largest
    return adjusted


def disagreements(
    truth: np.ndarray, a: np.ndarray, b: np.ndarray, threshold_a: float, threshold_b: float, top: int | None = None
) -> Disagreements:
    """The rows whose calls (score >= threshold, as in operating_points) differ, the largest |a - b| first.

    truth (n,) 1, 0 or NaN where unknown; a, b (n,) the two models' scores, no NaN; top: how many rows to return.
    Ties stay in row order.
    """
    truth, a, b = np.asarray(truth), np.asarray(a), np.asarray(b)
    calls_a = _called(a, threshold_a)
    differ = np.flatnonzero(calls_a != _called(b, threshold_b))
    order = np.argsort(-np.abs(a[differ] - b[differ]), kind="stable")
    positive, negative = truth[differ] == 1, truth[differ] == 0
    a_positive = calls_a[differ]
    a_right = int(np.count_nonzero(np.where(a_positive, positive, negative)))
    b_right = int(np.count_nonzero(np.where(a_positive, negative, positive)))
    return Disagreements(differ[order][:top], len(differ), a_right, b_right)


def most_confident_wrong(truth: np.ndarray, scores: np.ndarray, threshold: float, top: int | None = None) -> np.ndarray:
    """Rows (k,) int64 whose call (score >= threshold) is wrong, the most confident first, ties in row order.

    truth (n,) 1, 0 or NaN where unknown (never wrong); scores (n,) probabilities in [0, 1], no NaN; top: how many rows
    to return. Confidence is how far a score went from the threshold towards the wrong end, as a share of the way:
    (score - threshold) / (1 - threshold) or (threshold - score) / threshold. With plain distances a threshold of 0.01
    would list false positives alone.
    """
    truth, scores = np.asarray(truth), np.asarray(scores)
    called = _called(scores, threshold)
    false_positive, false_negative = called & (truth == 0), ~called & (truth == 1)
    confidence = np.zeros(scores.shape)
    # At a threshold of 1 only a score of 1 is called, and it went all the way.
    confidence[false_positive] = (scores[false_positive] - threshold) / (1 - threshold) if threshold < 1 else 1.0
    confidence[false_negative] = (threshold - scores[false_negative]) / threshold
    wrong = np.flatnonzero(false_positive | false_negative)
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:top]


def _called(scores: np.ndarray, threshold: float) -> np.ndarray:
    return scores >= at_score_precision(np.array([threshold]), scores)


def _kappa_and_variance(cells: tuple[int, int, int, int]) -> tuple[Fraction, Fraction]:
    """Exact, so that a variance of 0 is seen as one; cells: both, only a, only b, neither positive, not all in one."""
    n = sum(cells)
    both, only_a, only_b, neither = (Fraction(count, n) for count in cells)
    a, b = both + only_a, both + only_b
    observed, expected = both + neither, a * b + (1 - a) * (1 - b)
    kappa = (observed - expected) / (1 - expected)
    agreeing = both * (1 - (a + b) * (1 - kappa)) ** 2 + neither * (1 - (2 - a - b) * (1 - kappa)) ** 2
    differing = (1 - kappa) ** 2 * (only_a * (b + 1 - a) ** 2 + only_b * (a + 1 - b) ** 2)
    chance = (kappa - expected * (1 - kappa)) ** 2
    return kappa, (agreeing + differing - chance) / (n * (1 - expected) ** 2)
