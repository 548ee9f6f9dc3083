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

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from twelvelead.evaluation.bootstrap import Resamples, checked_cells
from twelvelead.evaluation.deepecg_metrics import NO_NEGATIVE, NO_POSITIVE, NO_ROW
from twelvelead.evaluation.loess import loess
from twelvelead.evaluation.logistic import fitted_offsets, fitted_slopes, overlap
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
        slope = fitted_slopes(levels.logit, total, positives)[0, 1]
        intercept = fitted_offsets(levels.logit, total, positives)[0]
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
        slopes = fitted_slopes(levels.logit, total, positives)[0]
        return label, levels, slopes, fitted_offsets(levels.logit, total, positives)

    def fit(label: int, levels: _Levels, slopes: np.ndarray, offset: np.ndarray, at: slice, counts: np.ndarray) -> None:
        logit = levels.logit
        step = max(1, _BLOCK_CELLS // len(logit))
        for first in range(0, len(counts), step):
            total, positives = levels.counted(counts[first : first + step])
            block = slice(at.start + first, at.start + first + len(total))
            if not np.isnan(slopes).any():
                results[0, block, label] = fitted_slopes(logit, total, positives, slopes)[:, 1]
            results[1, block, label] = fitted_offsets(logit, total, positives, offset)
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
    smooth = loess(at, levels.probability, total[0], positives[0], observed, int(span * len(observed) + 1e-10))
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
    return NOT_CONVERGED if overlap(logit, total, positives)[0] else SEPARATED


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
