"""Bootstrap replicates of AUROC, average precision, Brier score and any sum over rows, for many labels at once.

Rows (ECGs), or whole patients where they are given, are drawn with replacement (Efron & Tibshirani, An Introduction to
the Bootstrap, 1993; by patient: Field & Welsh, J R Stat Soc B 2007). A drawn row is a weight: every metric is
deepecg_metrics' definition on the rows repeated as often as they were drawn. A replicate in which a metric is
undefined (no positive or no negative was drawn) is NaN: it is counted and never drawn again.

What is the same twice: replicate r is a function of the seed, r and the rows' order (and of which rows share a patient,
not of the patients' codes). Row i of every array must therefore be the same ECG in every run: the caller passes rows in
a canonical order, such as sorted by ecg_id. Workers, chunks and BLAS change no bit: sums over rows are exact, and
those over cut-offs keep the cut-offs' order.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from twelvelead.errors import TableError
from twelvelead.evaluation.operating_points import checked_matrices

LEAST_VALID = 0.5
_CHUNK_CELLS = 3_200_000  # rows x replicates held at once: their weights then stay near the processor's caches
_BLOCK_CELLS = 4_000_000  # rows x columns of per-row quantities held at once
_FLOAT32_EXACT = 2**24


@dataclass(frozen=True, eq=False)
class Resamples:
    """Which rows each replicate draws, and how often. Whatever is computed from the same Resamples is paired.

    rows        number of rows (ECGs) drawn from
    replicates  number of replicates
    seed        a whole number, at least 0; the first k replicates do not depend on how many there are
    clusters    (rows,) integer patient codes, or None where rows are independent. With it, as many patients are drawn
                as there are, each with all its rows; kept renumbered by first row.

    Raises TableError where these do not fit.
    """

    rows: int
    replicates: int = 1000
    seed: int = 0
    clusters: np.ndarray | None = None

    def __post_init__(self):
        if self.rows < 1 or self.replicates < 1 or self.seed < 0:
            raise TableError(
                f"a bootstrap of {self.rows} rows with {self.replicates} replicates and seed {self.seed}; expected at "
                "least 1 row, 1 replicate and seed 0: correct the settings, or leave out the intervals"
            )
        if self.clusters is not None:
            object.__setattr__(self, "clusters", _renumbered(self.clusters, self.rows))

    @property
    def units(self) -> int:
        """Number of independent units drawn from: patients, or rows."""
        return self.rows if self.clusters is None else int(self.clusters.max()) + 1

    @property
    def most_rows(self) -> int:
        """An upper bound of the rows in a replicate, repetitions included."""
        return self.rows if self.clusters is None else self.units * int(np.bincount(self.clusters).max())

    def counts(self, first: int, last: int) -> np.ndarray:
        """How often each row is drawn in replicates first..last-1: (last - first, rows) uint16."""
        # More than 65,535 draws of one of 65,536 or more units have probability 0 for all purposes.
        counts = np.empty((last - first, self.rows), dtype=np.uint16)
        for replicate in range(first, last):
            sequence = np.random.SeedSequence(self.seed, spawn_key=(replicate,))
            drawn = np.random.Generator(np.random.PCG64(sequence)).integers(0, self.units, size=self.units)
            times = np.bincount(drawn, minlength=self.units)
            counts[replicate - first] = times if self.clusters is None else times[self.clusters]
        return counts

    def chunks(self, chunk: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Slices of replicates with their counts, `chunk` at a time, or so many that memory stays bounded."""
        size = chunk or int(np.clip(_CHUNK_CELLS // self.rows, 8, 256))
        for first in range(0, self.replicates, size):
            last = min(first + size, self.replicates)
            yield slice(first, last), self.counts(first, last)


@dataclass(frozen=True)
class MetricReplicates:
    """Replicates of three metrics, each (replicates, labels) float64; NaN where a metric is undefined."""

    auroc: np.ndarray
    auprc: np.ndarray
    brier: np.ndarray


@dataclass(frozen=True)
class Interval:
    """A percentile interval. low and high are None, and reason says why, where too few replicates are valid."""

    low: float | None
    high: float | None
    valid: int
    invalid: int
    total: int
    reason: str | None = None


@dataclass(frozen=True)
class _Ranking:
    """A label's rows, sorted once into the segments that its cut-offs make of the scores.

    Only cut-offs at the score of a positive matter. With k of them the segments are: the positives at each (k), the
    negatives above each and below the one before, and those below the last (k + 1), and, where a negative has the
    score of a positive, the negatives at each (k).
    """

    segments: sparse.csr_array
    cut_offs: int
    tied: bool


def metric_replicates(
    truth: np.ndarray, probability: np.ndarray, resamples: Resamples, workers: int = 1, chunk: int | None = None
) -> MetricReplicates:
    """AUROC, average precision and Brier score of every replicate and label, on the same draws for all labels.

    truth        (rows, labels): 1, 0, or NaN = unknown
    probability  (rows, labels) in 0..1; NaN = not predicted. A cell counts where both are there.
    workers      threads; chunk: replicates at a time (both change speed and memory only)

    Raises TableError where shapes or values do not fit.
    """
    truth, probability = checked_cells(truth, probability, resamples.rows)
    labels = truth.shape[1]
    auroc, auprc, squared_errors, drawn = (np.empty((resamples.replicates, labels)) for _ in range(4))
    dtype = np.float32 if resamples.most_rows < _FLOAT32_EXACT else np.float64
    ones = np.ones(resamples.rows, dtype=dtype)

    def ranking(label: int) -> _Ranking:
        return _ranking(truth[:, label], probability[:, label], ones)

    def rank_metrics(label: int, at: slice, weights: np.ndarray) -> None:
        auroc[at, label], auprc[at, label], drawn[at, label] = _rank_metrics(rankings[label], weights)

    def error_sums(labels: slice, at: slice, weights: np.ndarray) -> None:
        errors = _squared_errors(truth[:, labels], probability[:, labels])
        squared_errors[at, labels] = _exact_sums(weights, errors, resamples)

    # BLAS threads beside these workers wait for each other by spinning, which can cost more than the whole bootstrap.
    with ThreadPoolExecutor(workers) as pool, threadpool_limits(1, user_api="blas"):
        rankings = list(pool.map(ranking, range(labels)))
        for at, counts in resamples.chunks(chunk):
            by_row, by_replicate = np.ascontiguousarray(counts.T, dtype=dtype), counts.astype(np.float64)
            tasks = [pool.submit(error_sums, block, at, by_replicate) for block in _blocks(resamples.rows, labels)]
            tasks += [pool.submit(rank_metrics, label, at, by_row) for label in range(labels)]
            for task in tasks:
                task.result()
    return MetricReplicates(auroc, auprc, _ratio(squared_errors, drawn))


def paired_differences(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    resamples: Resamples,
    workers: int = 1,
    chunk: int | None = None,
) -> MetricReplicates:
    """Replicates of the first model's metrics minus the second's, on the cells both predict and on the same draws.

    truth, first and second are (rows, labels) as in metric_replicates. Raises TableError where they do not fit.
    """
    truth, first = checked_cells(truth, first, resamples.rows)
    truth, second = checked_cells(truth, second, resamples.rows)
    common = np.where(np.isnan(first) | np.isnan(second), np.nan, truth)
    one = metric_replicates(common, first, resamples, workers, chunk)
    other = metric_replicates(common, second, resamples, workers, chunk)
    return MetricReplicates(one.auroc - other.auroc, one.auprc - other.auprc, one.brier - other.brier)


def weighted_sums(columns: np.ndarray, resamples: Resamples, chunk: int | None = None) -> np.ndarray:
    """Every replicate's sums of quantities that each row has: (rows, k) -> (replicates, k) float64.

    Serves whatever is made of sums: confusion counts at a threshold (columns of 0 and 1), and from them sensitivity,
    PPV or net benefit. A cell to be left out is 0. Raises TableError where a value is not finite or rows do not fit.
    """
    columns = np.asarray(columns)
    if columns.ndim != 2 or len(columns) != resamples.rows:
        raise TableError(
            f"columns have shape {columns.shape}; expected ({resamples.rows}, k), one row for each row drawn from: "
            "pass the rows the resamples were made for"
        )
    if not np.isfinite(columns).all():
        raise TableError("columns hold values that are not finite; expected numbers: set cells to be left out to 0")
    sums = np.empty((resamples.replicates, columns.shape[1]))
    with threadpool_limits(1, user_api="blas"):
        for at, counts in resamples.chunks(chunk):
            weights = counts.astype(np.float64)
            for block in _blocks(resamples.rows, columns.shape[1]):
                sums[at, block] = _exact_sums(weights, columns[:, block].astype(np.float64), resamples)
    return sums


def percentile_interval(replicates: np.ndarray, level: float = 0.95, least_valid: float = LEAST_VALID) -> Interval:
    """The percentile interval of one metric's replicates (replicates,), those that are NaN left out and counted.

    Quantiles are interpolated linearly (Hyndman & Fan 1996, type 7). least_valid is the share of replicates below which
    no interval is given, since what is left is then a selection of samples. For models' differences the replicates are
    those of paired_differences.
    """
    valid = np.asarray(replicates, dtype=np.float64)
    total = len(valid)
    valid = valid[~np.isnan(valid)]
    counted = {"valid": len(valid), "invalid": total - len(valid), "total": total}
    if not len(valid) or len(valid) < least_valid * total:
        reason = f"defined in {len(valid)} of {total} bootstrap replicates; at least {least_valid:.0%} are needed"
        return Interval(None, None, **counted, reason=reason)
    low, high = np.quantile(valid, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), **counted)


def checked_cells(truth: np.ndarray, probability: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Both as floating-point (rows, labels). Raises TableError where shapes or values do not fit."""
    truth, probability = checked_matrices(truth, probability)
    if len(truth) != rows:
        raise TableError(
            f"truth and probability have {len(truth)} rows and the resamples {rows}; expected as many: pass the rows "
            "the resamples were made for"
        )
    other = (probability < 0) | (probability > 1)
    if other.any():
        raise TableError(
            f"probability has {int(other.sum())} values such as {probability[other][0]:g}; expected 0 to 1 or NaN (not "
            "predicted): apply the model's activation"
        )
    return truth, probability


def _renumbered(clusters: np.ndarray, rows: int) -> np.ndarray:
    codes = np.asarray(clusters)
    if codes.shape != (rows,) or not np.issubdtype(codes.dtype, np.integer):
        raise TableError(
            f"patient codes have shape {codes.shape} and type {codes.dtype}; expected {rows} integers, one for each row"
        )
    _, first_rows, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_rows))[inverse]


def _blocks(rows: int, columns: int) -> list[slice]:
    size = int(np.clip(_BLOCK_CELLS // rows, 4, 64))
    return [slice(first, min(first + size, columns)) for first in range(0, columns, size)]


def _ranking(truth: np.ndarray, probability: np.ndarray, ones: np.ndarray) -> _Ranking:
    rows = np.flatnonzero(~(np.isnan(truth) | np.isnan(probability)))
    rows = rows[np.argsort(-probability[rows], kind="stable")]
    positive = truth[rows] == 1
    tie = np.cumsum(np.diff(probability[rows], prepend=np.inf) != 0) - 1
    is_cut_off = np.zeros(len(rows), dtype=bool)
    is_cut_off[tie[positive]] = True
    at_cut_off = is_cut_off[tie]
    cut_offs = int(is_cut_off.sum())
    cut_off = np.cumsum(is_cut_off)[tie] - at_cut_off
    segment = np.where(positive, cut_off, np.where(at_cut_off, 2 * cut_offs + 1, cut_offs) + cut_off)
    tied = bool((at_cut_off & ~positive).any())
    sizes = np.bincount(segment, minlength=(3 if tied else 2) * cut_offs + 1)
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    members = rows[np.lexsort((rows, segment))].astype(np.int32)
    shape = (len(sizes), len(truth))
    return _Ranking(sparse.csr_array((ones[: len(members)], members, starts), shape=shape), cut_offs, tied)


def _rank_metrics(ranking: _Ranking, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUROC, average precision and rows of each replicate, each (replicates,); weights (rows, replicates)."""
    sums = ranking.segments @ weights
    bounds = list(itertools.accumulate([ranking.cut_offs, ranking.cut_offs + 1]))
    hits, passed, tied = (np.ascontiguousarray(part.T, dtype=np.float64) for part in np.split(sums, bounds))
    if ranking.tied:
        passed[:, :-1] += tied
    false_positives = np.cumsum(passed, axis=1)
    negatives = false_positives[:, -1]
    if not ranking.cut_offs:
        undefined = np.full(len(negatives), np.nan)
        return undefined, undefined, negatives
    false_positives = false_positives[:, :-1]
    true_positives = np.cumsum(hits, axis=1)
    positives = true_positives[:, -1]
    precision = true_positives / np.maximum(true_positives + false_positives, 1)
    average_precision = _ratio(np.sum(hits * precision, axis=1), positives)
    below = 2 * (negatives[:, np.newaxis] - false_positives)
    if ranking.tied:
        below += tied
    twice_concordant = np.sum(hits * below, axis=1)
    return _ratio(twice_concordant, 2 * positives * negatives), average_precision, positives + negatives


def _squared_errors(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.square(probability.astype(np.float64) - truth), copy=False)


def _exact_sums(counts: np.ndarray, columns: np.ndarray, resamples: Resamples) -> np.ndarray:
    """counts (replicates, rows) @ columns (rows, k), the same to the last bit in whatever order BLAS adds.

    A column is split into two parts, each a whole multiple of a power of two so large that no partial sum of it is
    rounded (the idea of Ozaki et al., Numerical Algorithms 2012); what is dropped lies below the column's own rounding.
    """
    bits = 52 - resamples.most_rows.bit_length()
    exponents = np.maximum(np.frexp(np.abs(columns).max(axis=0))[1], -900)  # the lower part's unit must not become 0
    unit = np.ldexp(1.0, exponents - bits)
    upper = _rounded(columns, unit)
    sums = counts @ upper
    lower = np.subtract(columns, upper, out=upper)
    if lower.any():
        sums += counts @ _rounded(lower, np.ldexp(unit, -bits))
    return sums


def _rounded(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    rounded = values / unit
    np.rint(rounded, out=rounded)
    return np.multiply(rounded, unit, out=rounded)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0)
