"""Logistic regressions of a truth on one logit, or with it as offset, many replicates of the data at once.

Data are rows and positives at each distinct logit: total and positives (replicates, levels), logit (levels,) ascending.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

_FINAL_STEP = 1e-6  # Newton's error after a step is of the order of the step squared
_LONGEST_STEP = 5.0  # on top of the coefficients' own size
_MOST_STEPS = 100


def overlap(logit: np.ndarray, total: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """(replicates,) whether a slope exists: the lowest of either class lies below the highest of the other (Albert &
    Anderson, Biometrika 1984; 71:1). Needs ascending logits and both classes."""
    has_positive, has_negative = positives > 0, positives < total
    last = len(logit) - 1
    lowest_positive, lowest_negative = (logit[np.argmax(there, axis=1)] for there in (has_positive, has_negative))
    highest_positive, highest_negative = (
        logit[last - np.argmax(there[:, ::-1], axis=1)] for there in (has_positive, has_negative)
    )
    return (lowest_positive < highest_negative) & (lowest_negative < highest_positive)


def both_classes(total: np.ndarray, positives: np.ndarray) -> np.ndarray:
    events = positives.sum(axis=1)
    return (events > 0) & (events < total.sum(axis=1))


def fitted_slopes(
    logit: np.ndarray, total: np.ndarray, positives: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """(replicates, 2) intercept and slope of logistic regressions on the logit, NaN where there is no such fit."""
    fitted = np.full((len(total), 2), np.nan)
    usable = np.flatnonzero(both_classes(total, positives) & overlap(logit, total, positives))
    if not len(usable):
        return fitted
    centre, scale = logit.mean(), logit.std()
    z = (logit - centre) / scale
    if start is None:
        events, n = positives[usable].sum(), total[usable].sum()
        first = np.array([np.log(events / (n - events)), 0.0])
    else:
        first = np.array([start[0] + start[1] * centre, start[1] * scale])

    def derivatives(coefficients: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = expit(coefficients[:, :1] + coefficients[:, 1:] * z)
        drawn = total[usable[which]]
        residual = positives[usable[which]] - drawn * p
        weight = drawn * (p * (1 - p))
        score = np.stack([residual.sum(axis=1), (residual * z).sum(axis=1)], axis=1)
        information = [weight.sum(axis=1), (weight * z).sum(axis=1), (weight * z * z).sum(axis=1)]
        return score, np.stack(information, axis=1)

    standardised = _newton(derivatives, first, len(usable))
    slope = standardised[:, 1] / scale
    fitted[usable] = np.stack([standardised[:, 0] - slope * centre, slope], axis=1)
    return fitted


def fitted_offsets(
    logit: np.ndarray, total: np.ndarray, positives: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """(replicates,) intercepts of logistic regressions with the logit as offset, NaN where one class alone is there."""
    fitted = np.full(len(total), np.nan)
    usable = np.flatnonzero(both_classes(total, positives))
    if not len(usable):
        return fitted
    odds = np.exp(logit)
    if start is None:
        events, n = positives[usable].sum(), total[usable].sum()
        start = np.array([np.log(events / (n - events)) - (total[usable] * logit).sum() / n])

    def derivatives(coefficients: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shifted = np.exp(coefficients[:, :1]) * odds
        p = shifted / (1 + shifted)
        expected = total[usable[which]] * p
        score = positives[usable[which]].sum(axis=1) - expected.sum(axis=1)
        information = (expected * (1 - p)).sum(axis=1)
        nothing = np.zeros(len(score))
        return np.stack([score, nothing], axis=1), np.stack([information, nothing, nothing + 1], axis=1)

    fitted[usable] = _newton(derivatives, np.array([start[0], 0.0]), len(usable))[:, 0]
    return fitted


def _newton(
    derivatives: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]], start: np.ndarray, replicates: int
) -> np.ndarray:
    """(replicates, 2) coefficients that maximise concave likelihoods, by Newton's method; NaN where it fails.

    derivatives(coefficients, which) gives, for the replicates `which`, the score (k, 2) and the information (k, 3) as
    (0, 0), (0, 1), (1, 1). start (2,) is common to all replicates. A step that overshoots is halved.
    """
    fitted = np.full((replicates, 2), np.nan)
    which = np.arange(replicates)
    # One row of coefficients for all replicates makes the first evaluation a cheap one.
    with np.errstate(all="ignore"):
        score, information = derivatives(start[np.newaxis], which)
        coefficients = np.tile(start, (replicates, 1))
        step = _newton_step(score, information, coefficients)
        for _ in range(_MOST_STEPS):
            done = np.abs(step).max(axis=1) < _FINAL_STEP
            fitted[which[done]] = (coefficients + step)[done]
            which, coefficients, score, step = (array[~done] for array in (which, coefficients, score, step))
            if not len(which):
                break
            reached, information = derivatives(coefficients + step, which)
            # Along the step the score falls from positive through 0 at the maximum: far below 0 is far beyond it.
            fine = ((reached * step).sum(axis=1) >= -0.9 * (score * step).sum(axis=1))[:, np.newaxis]
            coefficients = np.where(fine, coefficients + step, coefficients)
            score = np.where(fine, reached, score)
            step = np.where(fine, _newton_step(reached, information, coefficients), step / 2)
    return fitted


def _newton_step(score: np.ndarray, information: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """(k, 2) steps, of bounded length: where all predictions are saturated, information is next to 0."""
    determinant = information[:, 0] * information[:, 2] - information[:, 1] ** 2
    first = information[:, 2] * score[:, 0] - information[:, 1] * score[:, 1]
    second = information[:, 0] * score[:, 1] - information[:, 1] * score[:, 0]
    step = np.stack([first, second], axis=1) / determinant[:, np.newaxis]
    step = np.where(np.isfinite(step).all(axis=1, keepdims=True), step, np.sign(score))
    longest = _LONGEST_STEP + np.abs(coefficients).max(axis=1, keepdims=True)
    return step * np.minimum(1, longest / np.maximum(np.abs(step).max(axis=1, keepdims=True), _FINAL_STEP))
