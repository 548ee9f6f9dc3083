"""AUROC with its interval, and the difference between the AUROCs of two models on the same ECGs.

The AUROC is a mean of placements: of a positive, the share of negatives it scores above (ties half); of a negative,
the share of positives scored above it. The variance follows from how the placements scatter:
DeLong       rows independent: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837-845, 1988. The placements come
             from sorting, as in Sun and Xu, IEEE Signal Processing Letters 21:1389-1393, 2014
Obuchowski   rows of one cluster (patient) dependent: Obuchowski, Biometrics 53:567-578, 1997; with a cluster for each
             row it is DeLong's, factor for factor
Newcombe 5   where neither gives a variance above 0: Newcombe, Statistics in Medicine 25:559-573, 2006, method 5
The first two intervals are value -/+ z standard errors on the plain AUROC, cut at 0 and 1, as the field reports them.
They are too narrow for few positives and a high AUROC: in simulation (normal scores, 12 positives, 1,000 negatives,
AUROC 0.95) DeLong's 95 % interval held the true value in 78 % of 800 samples, Newcombe's in 97 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from twelvelead.evaluation.deepecg_metrics import CumulativeCounts, auroc, cumulative_counts

# A standard error below this is what rounding leaves of 0: one discordant pair among 1,000,000 ECGs gives 6e-12.
ROUNDING = 1e-12

FEW_UNITS = "{unit} with a positive: {positive}, with a negative: {negative}; a standard error needs 2 of each"
SAME_PLACEMENTS = "both models rank every ECG alike against the other class, so nothing here tells them apart"
NO_SCATTER = "the standard error is 0, so the difference has neither an interval nor a test"


@dataclass(frozen=True)
class AurocInterval:
    """AUROC and its interval; n and positives count rows, clusters is None where rows were taken as independent.

    standard_error is None where method is "Newcombe 5", whose interval is not built on one.
    """

    value: float
    low: float
    high: float
    standard_error: float | None
    method: Literal["DeLong", "Obuchowski", "Newcombe 5"]
    n: int
    positives: int
    clusters: int | None


@dataclass(frozen=True)
class AurocDifference:
    """AUROC of a minus AUROC of b on the same rows; where low, high or p_value is None, reason says why.

    Where the two models place every row alike the difference is 0 and p_value 1, without an interval: [0, 0] would
    claim that they could never differ.
    """

    difference: float
    low: float | None
    high: float | None
    standard_error: float | None
    p_value: float | None
    method: Literal["DeLong", "Obuchowski"]
    n: int
    positives: int
    clusters: int | None
    reason: str | None


@dataclass(frozen=True)
class _Units:
    """What counts as independent: rows or clusters. positive and negative: how many of them hold one."""

    total: int
    positive: int
    negative: int
    cluster_of_row: np.ndarray | None

    @property
    def method(self) -> Literal["DeLong", "Obuchowski"]:
        return "DeLong" if self.cluster_of_row is None else "Obuchowski"

    @property
    def clusters(self) -> int | None:
        return None if self.cluster_of_row is None else self.total


def auroc_interval(
    truth: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None, level: float = 0.95
) -> AurocInterval:
    """AUROC with a two-sided interval: DeLong's, Obuchowski's with clusters, or Newcombe's where those collapse.

    truth (n,) 0 or 1, both present; scores (n,), higher for the positive class, compared as they are (float32 stays
    float32); clusters (n,) integer codes, e.g. of patients. No NaN.

    The fallback is used where the standard error is 0 (AUROC 0 or 1, all scores tied, clusters that cancel) or
    undefined (one positive or one negative, or all of them in one cluster). It never collapses to a point. With
    clusters, its class sizes are the numbers of clusters that hold a positive and a negative, as if each told no more
    than one row: conservative, unless a few clusters hold most of the rows.

    Raises ValueError where shapes differ, truth is not 0/1 or of one class, a score is NaN or level is not in (0, 1).
    """
    truth, (scores,), units = _checked(truth, (scores,), clusters, level)
    counts = cumulative_counts(truth, scores)
    value = auroc(counts)
    standard_error = _standard_error(truth, _placements(truth, scores, counts), value, units)
    if standard_error is None or standard_error < ROUNDING:
        standard_error, method = None, "Newcombe 5"
        low, high = newcombe_interval(value, units.positive, units.negative, level)
    else:
        method, margin = units.method, _quantile(level) * standard_error
        low, high = max(0.0, value - margin), min(1.0, value + margin)
    return AurocInterval(value, low, high, standard_error, method, len(truth), counts.positives, units.clusters)


def auroc_difference(
    truth: np.ndarray,
    scores_a: np.ndarray,
    scores_b: np.ndarray,
    clusters: np.ndarray | None = None,
    level: float = 0.95,
) -> AurocDifference:
    """AUROC of a minus AUROC of b on the same rows, with interval and two-sided p value of "no difference".

    The standard error is that of the placements' differences, which holds the covariance of the two AUROCs: paired
    DeLong, or with clusters Obuchowski's. Arguments and errors as in auroc_interval.
    """
    truth, (scores_a, scores_b), units = _checked(truth, (scores_a, scores_b), clusters, level)
    counts_a, counts_b = cumulative_counts(truth, scores_a), cumulative_counts(truth, scores_b)
    placements = _placements(truth, scores_a, counts_a) - _placements(truth, scores_b, counts_b)
    difference = auroc(counts_a) - auroc(counts_b)
    standard_error = _standard_error(truth, placements, difference, units)
    low = high = p_value = reason = None
    if not placements.any():
        difference, standard_error, p_value, reason = 0.0, 0.0, 1.0, SAME_PLACEMENTS
    elif standard_error is None:
        unit = "rows" if units.clusters is None else "clusters"
        reason = FEW_UNITS.format(unit=unit, positive=units.positive, negative=units.negative)
    elif standard_error < ROUNDING:
        standard_error, reason = 0.0, NO_SCATTER
    else:
        margin = _quantile(level) * standard_error
        low, high = max(-1.0, difference - margin), min(1.0, difference + margin)
        p_value = math.erfc(abs(difference) / standard_error / math.sqrt(2))
    rows = (len(truth), counts_a.positives, units.clusters)
    return AurocDifference(difference, low, high, standard_error, p_value, units.method, *rows, reason)


def newcombe_interval(value: float, positives: int, negatives: int, level: float = 0.95) -> tuple[float, float]:
    """(low, high): the AUROCs from which value is at most z standard errors away, those of the AUROC in question.

    Newcombe, Statistics in Medicine 25:559-573, 2006, method 5. The variance of an AUROC t is Hanley and McNeil's, with
    the mean of the class sizes less 1, s, where theirs has each class's size less 1:
    t (1 - t) (1 + s ((1 - t) / (2 - t) + t / (1 + t))) / (positives negatives). Always wider than a point.
    """
    z = _quantile(level)
    # An interval of 1 - value is this one's mirror image, so one end serves for both.
    return _newcombe_low(value, positives, negatives, z), 1 - _newcombe_low(1 - value, positives, negatives, z)


def _newcombe_low(value: float, positives: int, negatives: int, z: float) -> float:
    s = (positives + negatives) / 2 - 1
    outside, inside = 0.0, value
    # (value - t)^2 / variance falls all the way from t = 0 to t = value, so there is one crossing to bisect.
    while (t := (outside + inside) / 2) not in (outside, inside):
        variance = t * (1 - t) * (1 + s * ((1 - t) / (2 - t) + t / (1 + t))) / (positives * negatives)
        if (value - t) ** 2 > z**2 * variance:
            outside = t
        else:
            inside = t
    return inside


def _placements(truth: np.ndarray, scores: np.ndarray, counts: CumulativeCounts) -> np.ndarray:
    """(n,) share of the other class on the right side of each row, ties half: in both classes the mean is the AUROC."""
    true_positives = np.concatenate(([0], counts.true_positives))
    false_positives = np.concatenate(([0], counts.false_positives))
    # Whole numbers until the division, so that equal placements are equal to the bit.
    of_positives = (2 * counts.negatives - false_positives[:-1] - false_positives[1:]) / (2 * counts.negatives)
    of_negatives = (true_positives[:-1] + true_positives[1:]) / (2 * counts.positives)
    rows_at_cut_off = np.diff(true_positives + false_positives)
    # Rows in the order of the cut-offs: sorting again is several times faster than looking each score up.
    order = np.argsort(scores)[::-1]
    in_order = np.where(
        truth[order] == 1, np.repeat(of_positives, rows_at_cut_off), np.repeat(of_negatives, rows_at_cut_off)
    )
    placements = np.empty(len(scores))
    placements[order] = in_order
    return placements


def _standard_error(truth: np.ndarray, placements: np.ndarray, mean: float, units: _Units) -> float | None:
    """Of the mean of placements (n,), or of placements' differences; None with fewer than 2 units of a class."""
    if min(units.positive, units.negative) < 2:
        return None
    positive = truth == 1
    share = np.where(positive, 1 / np.count_nonzero(positive), 1 / np.count_nonzero(~positive))
    deviations = (placements - mean) * share
    from_positives, from_negatives = np.where(positive, deviations, 0.0), np.where(positive, 0.0, deviations)
    if units.cluster_of_row is not None:
        from_positives = np.bincount(units.cluster_of_row, from_positives)
        from_negatives = np.bincount(units.cluster_of_row, from_negatives)
    # Obuchowski's factors, u / (u - 1) of the units of a class and of all for the cross term, sorted into a sum of
    # squares: it cannot fall below 0, and where a cluster's positives and negatives cancel, they do so before squaring.
    of_all = _bessel(units.total)
    variance = of_all * np.sum((from_positives + from_negatives) ** 2)
    variance += (_bessel(units.positive) - of_all) * np.sum(from_positives**2)
    variance += (_bessel(units.negative) - of_all) * np.sum(from_negatives**2)
    return math.sqrt(variance)


def _bessel(units: int) -> float:
    return units / (units - 1)


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _checked(
    truth: np.ndarray, scores: Sequence[np.ndarray], clusters: np.ndarray | None, level: float
) -> tuple[np.ndarray, list[np.ndarray], _Units]:
    truth, scores = np.asarray(truth), [np.asarray(of_model) for of_model in scores]
    shapes = {truth.shape, *(of_model.shape for of_model in scores)}
    if clusters is not None:
        shapes.add(np.shape(clusters))
    if len(shapes) > 1 or truth.ndim != 1:
        raise ValueError(f"truth, scores and clusters must be (n,) of the same n; found {sorted(shapes)}")
    positive = truth == 1
    if not np.all(positive | (truth == 0)):
        raise ValueError("truth must be 0 or 1 in every row: leave out rows whose truth is unknown")
    if positive.all() or not positive.any():
        raise ValueError(f"{positive.sum()} of {len(truth)} rows are positive; an AUROC needs both classes")
    if any(np.isnan(of_model).any() for of_model in scores):
        raise ValueError("a score is NaN: leave out rows without a prediction")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a share between 0 and 1, such as 0.95")
    return truth, scores, _units(positive, clusters)


def _units(positive: np.ndarray, clusters: np.ndarray | None) -> _Units:
    if clusters is None:
        positives = int(np.count_nonzero(positive))
        return _Units(len(positive), positives, len(positive) - positives, None)
    codes, cluster_of_row = np.unique(clusters, return_inverse=True)
    holding = [np.count_nonzero(np.bincount(cluster_of_row[of_class])) for of_class in (positive, ~positive)]
    return _Units(len(codes), *holding, cluster_of_row)
