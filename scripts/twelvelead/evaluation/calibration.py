"""How well predicted probabilities agree with observed frequencies: slope, intercept, ECE, Brier score, plot.

calibration_slope      coefficient of logit(probability) in a logistic regression of the truth on it (Cox, Biometrika
                       1958; 45:562); 1 is ideal, below 1 predictions are too extreme
calibration_intercept  calibration-in-the-large: the intercept of that regression with the slope fixed at 1, that is
                       with logit(probability) as offset; 0 is ideal, above 0 predictions are too low on average
                       (both: Van Calster et al., BMC Medicine 2019; 17:230, "the Achilles heel")
ece                    expected calibration error: the mean over bins of |observed - mean predicted|, weighted by rows
                       (Naeini et al., AAAI 2015), here with 10 bins of equal mass
brier                  mean squared difference of probability and truth (Brier 1950)
scaled_brier           1 - brier / (prevalence (1 - prevalence)): 1 is perfect, 0 no better than predicting the
                       prevalence (Steyerberg et al., Epidemiology 2010; 21:128)

Probabilities are clipped to 1e-6 .. 1 - 1e-6 before a logit is taken. Bins of equal mass: rows are ranked by
probability, rows with equal probability share their mid-rank and so stay together, and bin b of k takes the rows whose
mid-rank lies in [b, b + 1) k-ths of the rows; a bin that tied rows leave empty does not exist.

All of it is a function of the distinct probabilities and of the weighted rows and positives at each, so neither the
order of rows nor the way a replicate is computed changes a result.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from twelvelead.evaluation.bootstrap import Resamples, checked_cells
from twelvelead.evaluation.deepecg_metrics import NO_NEGATIVE, NO_POSITIVE, NO_ROW
from twelvelead.evaluation.operating_points import wilson_interval

NEEDING_EVENTS = ("calibration_slope", "calibration_intercept", "ece")
METRICS = (*NEEDING_EVENTS, "brier", "scaled_brier")
BINS = 10
LEAST_EVENTS = 10
SLOPE_REPLICATES = 200
CLIP = 1e-6

TOO_FEW = "{positives} positives and {negatives} negatives; calibration needs at least {least} of each"
CONSTANT = "the prediction is the same for every ECG"
SEPARATED = "predictions separate positives and negatives perfectly, so that no slope is largest in likelihood"
NOT_CONVERGED = "the logistic regression did not converge"

_FINAL_STEP = 1e-6  # Newton's error after a step is of the order of the step squared
_LONGEST_STEP = 5.0  # on top of the coefficients' own size
_MOST_STEPS = 100
_BLOCK_CELLS = 65_536  # replicates x probabilities at once: small enough for the processor's cache


@dataclass(frozen=True)
class Calibration:
    """values[metric] for the METRICS is a finite float or None; reasons[metric] says why it is None."""

    values: dict[str, float | None]
    reasons: dict[str, str]
    n: int
    positives: int


@dataclass(frozen=True)
class CalibrationReplicates:
    """Bootstrap replicates, each (replicates, labels) float64; NaN where a replicate has no such figure."""

    slope: np.ndarray
    intercept: np.ndarray
    ece: np.ndarray


@dataclass(frozen=True)
class CalibrationPoints:
    """The points of a calibration plot, one per bin of equal mass that has rows, each (bins,): mean predicted
    probability, observed fraction of positives, its Wilson interval, rows."""

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


@dataclass(frozen=True)
class CalibrationCurve:
    """A smooth calibration curve, predicted and observed each (points,); both None, with a reason, if there is none."""

    predicted: np.ndarray | None
    observed: np.ndarray | None
    reason: str | None = None


@dataclass(frozen=True)
class _Levels:
    """One label's usable rows by distinct probability, ascending: rows[starts[i]:starts[i + 1]] have probability[i]."""

    probability: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    positive: np.ndarray

    @property
    def logit(self) -> np.ndarray:
        return clipped_logit(self.probability)

    def counted(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drawn rows and positives at each probability, (replicates, levels) float64; counts (replicates, rows)."""
        drawn = np.take(counts, self.rows, axis=1).astype(np.float64)
        positives = drawn * self.positive
        if len(self.starts) == len(self.rows):
            return drawn, positives
        # Differences of cumulative sums, which are exact for whole numbers and faster than adding up short runs.
        ends = np.append(self.starts[1:], len(self.rows)) - 1
        upto = (np.take(np.cumsum(cells, axis=1), ends, axis=1) for cells in (drawn, positives))
        drawn, positives = (np.diff(cells, axis=1, prepend=0) for cells in upto)
        return drawn, positives


def calibration(truth: np.ndarray, probability: np.ndarray, least_events: int = LEAST_EVENTS) -> Calibration:
    """The METRICS of one label; truth (n,) 1, 0 or NaN = unknown, probability (n,) in 0..1 or NaN = not predicted.

    With fewer than least_events positives or negatives, slope, intercept and ECE are None. Raises TableError where
    shapes or values do not fit.
    """
    levels, total, positives = _whole(truth, probability)
    n, events = int(total.sum()), int(positives.sum())
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    if not n:
        return Calibration(values, dict.fromkeys(METRICS, NO_ROW), n, events)
    reasons: dict[str, str] = {}
    too_few = _too_few(n, events, least_events)
    if too_few:
        reasons |= dict.fromkeys(NEEDING_EVENTS, too_few)
    else:
        slope = _fitted_slopes(levels.logit, total, positives)[0, 1]
        intercept = _fitted_offsets(levels.logit, total, positives)[0]
        if np.isnan(slope):
            reasons["calibration_slope"] = _why_no_slope(levels.logit, total, positives)
        if np.isnan(intercept):
            reasons["calibration_intercept"] = NOT_CONVERGED
        ece = _calibration_errors(levels.probability, total, positives)[0]
        for name, value in zip(NEEDING_EVENTS, (slope, intercept, ece), strict=True):
            values[name] = None if np.isnan(value) else float(value)
    errors = positives * (1 - levels.probability) ** 2 + (total - positives) * levels.probability**2
    values["brier"] = brier = float(errors.sum()) / n
    if 0 < events < n:
        values["scaled_brier"] = 1 - brier / (events / n * (1 - events / n))
    else:
        reasons["scaled_brier"] = (NO_NEGATIVE if events else NO_POSITIVE).format(n=n)
    return Calibration(values, reasons, n, events)


def calibration_replicates(
    truth: np.ndarray,
    probability: np.ndarray,
    resamples: Resamples,
    replicates: int = SLOPE_REPLICATES,
    least_events: int = LEAST_EVENTS,
    workers: int = 1,
) -> CalibrationReplicates:
    """Slope, intercept and ECE of the first `replicates` resamples; truth and probability (rows, labels).

    A label with fewer than least_events positives or negatives is NaN throughout, and so is a replicate's figure that
    does not exist (one class drawn, perfect separation, constant predictions). ECE's bins are made anew in each
    replicate. workers: threads, which change no result. Raises TableError where shapes or values do not fit.
    """
    truth, probability = checked_cells(truth, probability, resamples.rows)
    used = replace(resamples, replicates=min(replicates, resamples.replicates))
    results = np.full((3, used.replicates, truth.shape[1]), np.nan)

    def prepared(label: int) -> tuple[int, _Levels, np.ndarray, np.ndarray] | None:
        levels, total, positives = _whole(truth[:, label], probability[:, label])
        if _too_few(int(total.sum()), int(positives.sum()), least_events):
            return None
        slopes = _fitted_slopes(levels.logit, total, positives)[0]
        return label, levels, slopes, _fitted_offsets(levels.logit, total, positives)

    def fit(label: int, levels: _Levels, slopes: np.ndarray, offset: np.ndarray, at: slice, counts: np.ndarray) -> None:
        logit = levels.logit
        step = max(1, _BLOCK_CELLS // len(logit))
        for first in range(0, len(counts), step):
            total, positives = levels.counted(counts[first : first + step])
            block = slice(at.start + first, at.start + first + len(total))
            if not np.isnan(slopes).any():
                results[0, block, label] = _fitted_slopes(logit, total, positives, slopes)[:, 1]
            results[1, block, label] = _fitted_offsets(logit, total, positives, offset)
            results[2, block, label] = _calibration_errors(levels.probability, total, positives)

    with ThreadPoolExecutor(workers) as pool:
        labels = [label for label in pool.map(prepared, range(truth.shape[1])) if label]
        for at, counts in used.chunks():
            for task in [pool.submit(fit, *label, at, counts) for label in labels]:
                task.result()
    return CalibrationReplicates(*results)


def calibration_points(truth: np.ndarray, probability: np.ndarray, level: float = 0.95) -> CalibrationPoints:
    """Points of one label's calibration plot with Wilson intervals; arguments and errors as of calibration()."""
    levels, total, positives = _whole(truth, probability)
    starts = _bin_starts(total[0])
    n, events, expected = (
        np.add.reduceat(column, starts) if len(starts) else np.zeros(0)
        for column in (total[0], positives[0], total[0] * levels.probability)
    )
    low, high = wilson_interval(events, n, level)
    return CalibrationPoints(expected / n, events / n, low, high, n.astype(np.int64))


def calibration_curve(
    truth: np.ndarray, probability: np.ndarray, span: float = 0.75, points: int = 50, least_events: int = LEAST_EVENTS
) -> CalibrationCurve:
    """A smooth calibration curve of one label: loess of the truth on the probability (Austin & Steyerberg, Stat Med
    2014; 33:517), kept within 0..1.

    Local straight lines, weighted by tricube over the nearest `span` of the rows, without robustness steps (Cleveland,
    JASA 1979; 74:829), at up to `points` observed probabilities: half of them at equal mass, half evenly spaced.
    Arguments and errors otherwise as of calibration().
    """
    levels, total, positives = _whole(truth, probability)
    observed = np.repeat(levels.probability, total[0].astype(np.int64))
    reason = _too_few(len(observed), int(positives.sum()), least_events)
    if reason is None and len(levels.probability) == 1:
        reason = CONSTANT
    if reason:
        return CalibrationCurve(None, None, reason)
    by_mass = observed[np.linspace(0, len(observed) - 1, points - points // 2).astype(np.int64)]
    evenly = np.searchsorted(observed, np.linspace(observed[0], observed[-1], points // 2))
    at = np.unique(np.concatenate((by_mass, observed[evenly])))
    smooth = _loess(at, levels.probability, total[0], positives[0], observed, int(span * len(observed) + 1e-10))
    return CalibrationCurve(at, np.clip(smooth, 0, 1))


def clipped_logit(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) with p kept within 1e-6 .. 1 - 1e-6."""
    probability = np.clip(np.asarray(probability, dtype=np.float64), CLIP, 1 - CLIP)
    return np.log(probability) - np.log1p(-probability)


def _whole(truth: np.ndarray, probability: np.ndarray) -> tuple[_Levels, np.ndarray, np.ndarray]:
    """One label's levels, and rows and positives at each with every row counted once, (1, levels)."""
    truth, probability = np.asarray(truth), np.asarray(probability)
    truth, probability = (
        cells[:, 0] for cells in checked_cells(truth[..., np.newaxis], probability[..., np.newaxis], len(truth))
    )
    rows = np.flatnonzero(~(np.isnan(truth) | np.isnan(probability)))
    rows = rows[np.argsort(probability[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(probability[rows], prepend=-1) != 0)
    levels = _Levels(probability[rows[starts]].astype(np.float64), rows, starts, (truth[rows] == 1).astype(np.float64))
    return levels, *levels.counted(np.ones((1, len(truth))))


def _too_few(n: int, positives: int, least: int) -> str | None:
    # One of each class is what the regressions need, whatever the setting.
    if min(positives, n - positives) >= max(least, 1):
        return None
    return TOO_FEW.format(positives=positives, negatives=n - positives, least=max(least, 1))


def _why_no_slope(logit: np.ndarray, total: np.ndarray, positives: np.ndarray) -> str:
    if len(np.unique(logit)) == 1:
        return CONSTANT
    return NOT_CONVERGED if _overlap(logit, total, positives)[0] else SEPARATED


def _overlap(logit: np.ndarray, total: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """(replicates,) whether a slope exists: the lowest of either class lies below the highest of the other (Albert &
    Anderson, Biometrika 1984; 71:1). Needs ascending logits and both classes."""
    has_positive, has_negative = positives > 0, positives < total
    last = len(logit) - 1
    lowest_positive, lowest_negative = (logit[np.argmax(there, axis=1)] for there in (has_positive, has_negative))
    highest_positive, highest_negative = (
        logit[last - np.argmax(there[:, ::-1], axis=1)] for there in (has_positive, has_negative)
    )
    return (lowest_positive < highest_negative) & (lowest_negative < highest_positive)


def _both_classes(total: np.ndarray, positives: np.ndarray) -> np.ndarray:
    events = positives.sum(axis=1)
    return (events > 0) & (events < total.sum(axis=1))


def _fitted_slopes(
    logit: np.ndarray, total: np.ndarray, positives: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """(replicates, 2) intercept and slope of logistic regressions on the logit, NaN where there is no such fit."""
    fitted = np.full((len(total), 2), np.nan)
    usable = np.flatnonzero(_both_classes(total, positives) & _overlap(logit, total, positives))
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


def _fitted_offsets(
    logit: np.ndarray, total: np.ndarray, positives: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """(replicates,) intercepts of logistic regressions with the logit as offset, NaN where one class alone is there."""
    fitted = np.full(len(total), np.nan)
    usable = np.flatnonzero(_both_classes(total, positives))
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


def _bin_starts(total: np.ndarray) -> np.ndarray:
    """Where each bin of equal mass that has rows begins among ascending probabilities of `total` rows each."""
    if not len(total):
        return np.zeros(0, dtype=np.int64)
    upto = np.cumsum(total)
    starts = np.searchsorted(BINS * (2 * upto - total), 2 * upto[-1] * np.arange(1, BINS))
    starts = np.unique(np.concatenate(([0], starts)))
    return starts[starts < len(total)]


def _calibration_errors(probability: np.ndarray, total: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """(replicates,) ECE; NaN where no row was drawn."""
    gaps = positives - total * probability
    n = total.sum(axis=1)
    errors = [np.abs(np.add.reduceat(gap, _bin_starts(drawn))).sum() for gap, drawn in zip(gaps, total, strict=True)]
    return np.divide(errors, n, out=np.full(len(n), np.nan), where=n > 0)


def _loess(
    at: np.ndarray,
    probability: np.ndarray,
    total: np.ndarray,
    positives: np.ndarray,
    by_row: np.ndarray,
    neighbours: int,
) -> np.ndarray:
    """Local linear smooth at observed probabilities `at`; by_row (n,) are all rows' probabilities, ascending."""
    neighbours = max(neighbours, 1)
    starts, ends = by_row[: len(by_row) - neighbours + 1], by_row[neighbours - 1 :]
    # The nearest rows are the window whose farther end is nearest; the farther end changes sides where they balance.
    balanced = np.searchsorted(starts + ends, 2 * at)
    smooth = np.empty(len(at))
    for position, (centre, after) in enumerate(zip(at, balanced, strict=True)):
        windows = [window for window in (after - 1, after) if 0 <= window < len(starts)]
        radius = min(max(centre - starts[window], ends[window] - centre) for window in windows)
        first = np.searchsorted(probability, centre - radius)
        near = slice(first, np.searchsorted(probability, centre + radius, side="right"))
        distance = probability[near] - centre
        weight = np.clip(1 - np.abs(distance / radius) ** 3, 0, None) ** 3 if radius > 0 else (distance == 0) * 1.0
        mass, events = weight * total[near], weight * positives[near]
        m0, m1, m2 = mass.sum(), (mass * distance).sum(), (mass * distance**2).sum()
        determinant = m0 * m2 - m1**2
        # The weight may sit on one probability alone, which has a mean and no slope.
        smooth[position] = events.sum() / m0
        if determinant > 1e-12 * m0 * m2:
            smooth[position] = (m2 * events.sum() - m1 * (events * distance).sum()) / determinant
    return smooth
