"""Bootstrap replicates against brute force: rows repeated as often as drawn, then scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from twelvelead.errors import TableError
from twelvelead.evaluation import bootstrap
from twelvelead.evaluation.bootstrap import (
    Resamples,
    metric_replicates,
    paired_differences,
    percentile_interval,
    weighted_sums,
)
from twelvelead.evaluation.deepecg_metrics import auroc, average_precision, cumulative_counts

METRICS = ("auroc", "auprc", "brier")


def simulated(rows: int, labels: int, seed: int, decimals: int | None = None, unknown: float = 0.1):
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, labels)) < rng.uniform(0.05, 0.7, labels)).astype(np.float64)
    probability = 1 / (1 + np.exp(-rng.normal(truth * 1.5 - 1, 1.5)))
    if decimals is not None:
        probability = np.round(probability, decimals)
    truth[rng.random(truth.shape) < unknown] = np.nan
    probability[rng.random(truth.shape) < unknown / 2] = np.nan
    return truth, probability


def by_scikit_learn(truth: np.ndarray, probability: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    known = ~(np.isnan(truth) | np.isnan(probability))
    truth, probability = (np.repeat(column[known], counts[known]) for column in (truth, probability))
    nan = float("nan")
    positives, n = truth.sum(), len(truth)
    return {
        "auroc": roc_auc_score(truth, probability) if 0 < positives < n else nan,
        "auprc": average_precision_score(truth, probability) if positives else nan,
        "brier": brier_score_loss(truth, probability, pos_label=1) if n else nan,
    }


def assert_brute_force_agrees(truth: np.ndarray, probability: np.ndarray, resamples: Resamples):
    replicates = metric_replicates(truth, probability, resamples)
    counts = resamples.counts(0, resamples.replicates)
    for label in range(truth.shape[1]):
        expected = [by_scikit_learn(truth[:, label], probability[:, label], drawn) for drawn in counts]
        for metric in METRICS:
            np.testing.assert_allclose(
                getattr(replicates, metric)[:, label], [row[metric] for row in expected], rtol=0, atol=1e-12
            )


@pytest.mark.parametrize("decimals", [None, 2, 1, 0])
@pytest.mark.parametrize("by_patient", [False, True])
def test_replicates_equal_scikit_learn_on_repeated_rows(decimals, by_patient):
    truth, probability = simulated(rows=211, labels=3, seed=decimals or 7, decimals=decimals)
    patients = np.random.default_rng(1).integers(0, 80, 211) if by_patient else None
    assert_brute_force_agrees(truth, probability, Resamples(211, 25, seed=3, clusters=patients))


cells = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=n, max_size=n),
        st.lists(st.one_of(st.sampled_from([0.0, 0.5, 1.0, np.nan]), st.floats(0, 1)), min_size=n, max_size=n),
        st.lists(st.integers(-3, 3), min_size=n, max_size=n),
    )
)


@settings(max_examples=40, deadline=None)
@given(cells, st.booleans(), st.integers(0, 2**32))
def test_replicates_of_any_few_rows_equal_scikit_learn_without_a_warning(case, by_patient, seed):
    truth, probability = (np.array(column)[:, np.newaxis] for column in case[:2])
    patients = np.array(case[2]) if by_patient else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replicates = metric_replicates(truth, probability, Resamples(len(truth), 4, seed, patients))
    assert replicates.auroc.shape == (4, 1)
    assert_brute_force_agrees(truth, probability, Resamples(len(truth), 4, seed, patients))


def test_rows_drawn_once_each_give_the_point_estimates_to_the_last_bit():
    truth, probability = simulated(rows=300, labels=4, seed=5, decimals=2, unknown=0)

    class EveryRowOnce(Resamples):
        def counts(self, first, last):
            return np.ones((last - first, self.rows), dtype=np.uint16)

    replicates = metric_replicates(truth, probability, EveryRowOnce(300, 1))
    for label in range(4):
        counts = cumulative_counts(truth[:, label], probability[:, label])
        assert replicates.auroc[0, label] == auroc(counts)
        assert replicates.auprc[0, label] == pytest.approx(average_precision(counts), abs=1e-15)


@pytest.mark.parametrize("by_patient", [False, True])
def test_workers_and_chunks_change_no_bit(by_patient):
    truth, probability = simulated(rows=500, labels=5, seed=11, decimals=3)
    patients = np.arange(500) // 3 if by_patient else None
    resamples = Resamples(500, 40, seed=9, clusters=patients)
    columns = np.random.default_rng(0).normal(size=(500, 90)) * np.logspace(-8, 8, 90)
    expected = metric_replicates(truth, probability, resamples)
    expected_sums = weighted_sums(columns, resamples)
    for workers, chunk in ((1, 1), (2, 7), (3, 40), (1, 39)):
        found = metric_replicates(truth, probability, resamples, workers, chunk)
        for metric in METRICS:
            np.testing.assert_array_equal(getattr(found, metric), getattr(expected, metric))
        np.testing.assert_array_equal(weighted_sums(columns, resamples, chunk), expected_sums)


def test_sums_do_not_depend_on_the_order_of_rows():
    columns = np.random.default_rng(0).lognormal(0, 3, (400, 6))
    resamples = Resamples(400, 1)
    counts = resamples.counts(0, 5).astype(np.float64)
    order = np.random.default_rng(1).permutation(400)
    np.testing.assert_array_equal(
        bootstrap._exact_sums(counts, columns, resamples),
        bootstrap._exact_sums(counts[:, order], columns[order], resamples),
    )


def test_a_replicate_depends_on_seed_and_number_alone():
    few, many = Resamples(50, 3, seed=4), Resamples(50, 100, seed=4)
    np.testing.assert_array_equal(few.counts(0, 3), many.counts(0, 100)[:3])
    np.testing.assert_array_equal(many.counts(41, 42)[0], many.counts(0, 100)[41])
    assert (many.counts(0, 1) != many.counts(1, 2)).any()
    assert (many.counts(0, 1) != Resamples(50, 100, seed=5).counts(0, 1)).any()


def test_every_replicate_draws_as_many_rows_as_there_are_and_each_equally_often():
    resamples = Resamples(40, 4000, seed=1)
    counts = resamples.counts(0, 4000)
    assert (counts.sum(axis=1) == 40).all()
    # The mean of 4,000 replicates of a binomial(40, 1/40) has a standard error of 0.0156.
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=5 * 0.0156)
    assert counts.var(axis=0).mean() == pytest.approx(1 - 1 / 40, rel=0.03)


def test_patients_are_drawn_whole_and_their_codes_do_not_matter():
    patients = np.array([30, 10, 30, 20, 10, 30])
    resamples = Resamples(6, 200, seed=2, clusters=patients)
    counts = resamples.counts(0, 200)
    assert resamples.units == 3
    for patient in (10, 20, 30):
        assert (np.ptp(counts[:, patients == patient], axis=1) == 0).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()
    renamed = Resamples(6, 200, seed=2, clusters=np.array([5, 7, 5, -1, 7, 5]))
    np.testing.assert_array_equal(renamed.counts(0, 200), counts)
    assert resamples.most_rows == 9
    assert counts.sum(axis=1).max() == 9


def test_patients_with_one_ecg_each_are_drawn_as_rows_are():
    patients = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(Resamples(30, 5, 1, patients).counts(0, 5), Resamples(30, 5, 1).counts(0, 5))


def test_replicates_without_a_class_are_counted_and_not_drawn_again():
    truth = np.zeros((30, 3))
    truth[0, 0] = 1
    truth[:, 2] = np.nan
    probability = np.linspace(0, 1, 90).reshape(30, 3)
    resamples = Resamples(30, 300, seed=0)
    replicates = metric_replicates(truth, probability, resamples)
    drawn = resamples.counts(0, 300)[:, 0] > 0
    np.testing.assert_array_equal(~np.isnan(replicates.auroc[:, 0]), drawn)
    interval = percentile_interval(replicates.auroc[:, 0])
    assert (interval.valid, interval.invalid, interval.total) == (drawn.sum(), 300 - drawn.sum(), 300)
    assert interval.low <= interval.high
    assert interval.reason is None
    assert np.isnan(replicates.auroc[:, 1:]).all()
    assert np.isnan(replicates.auprc[:, 1:]).all()
    assert not np.isnan(replicates.brier[:, 1]).any()
    assert np.isnan(replicates.brier[:, 2]).all()


def test_percentile_interval_is_the_quantiles_of_the_valid_replicates():
    replicates = np.concatenate((np.arange(101.0), [np.nan] * 9))
    interval = percentile_interval(replicates)
    assert (interval.low, interval.high) == pytest.approx((2.5, 97.5))
    assert (interval.valid, interval.invalid, interval.total) == (101, 9, 110)
    assert percentile_interval(replicates, level=0.9).low == pytest.approx(5)


@pytest.mark.parametrize(
    ("valid", "least_valid", "given"), [(50, 0.5, True), (49, 0.5, False), (49, 0.3, True), (0, 0, False)]
)
def test_too_few_valid_replicates_give_a_reason_in_place_of_an_interval(valid, least_valid, given):
    replicates = np.full(100, np.nan)
    replicates[:valid] = 0.5
    interval = percentile_interval(replicates, least_valid=least_valid)
    assert (interval.low is not None) == given
    assert (interval.reason is None) == given
    assert (interval.valid, interval.invalid) == (valid, 100 - valid)
    if not given:
        assert interval.reason.startswith(f"defined in {valid} of 100 bootstrap replicates")


def test_paired_differences_are_on_the_same_draws_and_the_cells_both_predict():
    truth, first = simulated(rows=150, labels=2, seed=1)
    _, second = simulated(rows=150, labels=2, seed=2)
    resamples = Resamples(150, 20, seed=6)
    differences = paired_differences(truth, first, second, resamples)
    common = ~(np.isnan(first) | np.isnan(second))
    for label in range(2):
        known = np.where(common[:, label], truth[:, label], np.nan)
        for replicate, drawn in enumerate(resamples.counts(0, 20)):
            one, other = (by_scikit_learn(known, model[:, label], drawn) for model in (first, second))
            for metric in METRICS:
                found = getattr(differences, metric)[replicate, label]
                assert found == pytest.approx(one[metric] - other[metric], abs=1e-12)
    same = paired_differences(truth, first, first, resamples)
    assert (same.auroc == 0).all()
    assert (same.auprc == 0).all()
    assert (same.brier == 0).all()


@pytest.mark.parametrize("by_patient", [False, True])
def test_weighted_sums_are_the_sums_over_drawn_rows(by_patient):
    rng = np.random.default_rng(3)
    called, size = rng.random((120, 3)) < 0.3, rng.normal(1e6, 1, (120, 2))
    resamples = Resamples(120, 15, seed=8, clusters=np.arange(120) // 4 if by_patient else None)
    counts = resamples.counts(0, 15).astype(np.int64)
    np.testing.assert_array_equal(weighted_sums(called, resamples), counts @ called.astype(np.int64))
    expected = [[np.repeat(column, drawn).sum(dtype=np.longdouble) for column in size.T] for drawn in counts]
    np.testing.assert_allclose(weighted_sums(size, resamples), np.array(expected, dtype=float), rtol=4e-16)
    assert weighted_sums(np.zeros((120, 0)), resamples).shape == (15, 0)


def test_bootstrap_spread_is_near_the_delong_standard_error():
    # For a fixed sample the bootstrap's and DeLong's variance estimate the same thing.
    rng = np.random.default_rng(0)
    truth = (np.arange(600) % 4 == 0).astype(float)
    score = 1 / (1 + np.exp(-rng.normal(truth)))
    replicates = metric_replicates(truth[:, None], score[:, None], Resamples(600, 1000))
    positive, negative = score[truth == 1], score[truth == 0]
    above = positive[:, None] > negative[None, :]
    delong = np.sqrt(above.mean(1).var(ddof=1) / len(positive) + above.mean(0).var(ddof=1) / len(negative))
    assert replicates.auroc.std() == pytest.approx(delong, rel=0.08)


def test_what_does_not_fit_is_said():
    truth, probability = simulated(rows=20, labels=2, seed=0)
    with pytest.raises(TableError, match="20 rows and the resamples 21"):
        metric_replicates(truth, probability, Resamples(21))
    with pytest.raises(TableError, match=r"expected \(ecgs, labels\)"):
        metric_replicates(truth, probability[:, :1], Resamples(20))
    with pytest.raises(TableError, match="1 values such as 1.5; expected 0 to 1"):
        metric_replicates(truth, np.where(np.arange(40).reshape(20, 2) == 3, 1.5, 0.5), Resamples(20))
    with pytest.raises(TableError, match="such as 2; expected 0, 1"):
        metric_replicates(truth * 2, probability, Resamples(20))
    with pytest.raises(TableError, match="expected 20 integers"):
        Resamples(20, clusters=np.zeros(19, dtype=int))
    with pytest.raises(TableError, match="expected 20 integers"):
        Resamples(20, clusters=np.full(20, np.nan))
    with pytest.raises(TableError, match="a bootstrap of 0 rows"):
        Resamples(0)
    with pytest.raises(TableError, match="not finite"):
        weighted_sums(truth, Resamples(20))
    with pytest.raises(TableError, match=r"expected \(20, k\)"):
        weighted_sums(np.zeros(20), Resamples(20))
