"""AUROC intervals and paired differences against brute force, scikit-learn and simulation."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from twelvelead.evaluation.deepecg_metrics import auroc, cumulative_counts
from twelvelead.evaluation.discrimination import (
    NO_SCATTER,
    SAME_PLACEMENTS,
    auroc_difference,
    auroc_interval,
    newcombe_interval,
)

Z = norm.ppf(0.975)


def components(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's V10 of the positives and V01 of the negatives, by comparing every pair."""
    positive, negative = scores[truth == 1], scores[truth == 0]
    wins = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    return wins.mean(axis=1), wins.mean(axis=0)


def delong_covariance(truth: np.ndarray, *models: np.ndarray) -> np.ndarray:
    v10, v01 = zip(*(components(truth, scores) for scores in models), strict=True)
    return np.atleast_2d(np.cov(v10)) / len(v10[0]) + np.atleast_2d(np.cov(v01)) / len(v01[0])


def obuchowski_covariance(truth: np.ndarray, clusters: np.ndarray, *models: np.ndarray) -> np.ndarray:
    """The 1997 paper's sums, cluster by cluster: S10 / M + S01 / N + (S11 + its transpose) / (M N)."""
    m, n = int((truth == 1).sum()), int((truth == 0).sum())
    codes = sorted(set(clusters.tolist()))
    i10, i01 = len(set(clusters[truth == 1].tolist())), len(set(clusters[truth == 0].tolist()))
    x, y = np.zeros((len(codes), len(models))), np.zeros((len(codes), len(models)))
    for k, scores in enumerate(models):
        v10, v01 = components(truth, scores)
        for i, code in enumerate(codes):
            x[i, k] = sum(v10[clusters[truth == 1] == code] - v10.mean())
            y[i, k] = sum(v01[clusters[truth == 0] == code] - v01.mean())
    s10 = i10 / ((i10 - 1) * m) * x.T @ x
    s01 = i01 / ((i01 - 1) * n) * y.T @ y
    s11 = len(codes) / (len(codes) - 1) * x.T @ y
    return s10 / m + s01 / n + (s11 + s11.T) / (m * n)


def standard_error_of_difference(covariance: np.ndarray) -> float:
    return float(np.sqrt(max(0, covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])))


def binormal(
    random: np.random.Generator, positives: int, negatives: int, auroc_value: float
) -> tuple[np.ndarray, np.ndarray]:
    truth = np.repeat([1, 0], [positives, negatives])
    return truth, random.normal(size=len(truth)) + truth * np.sqrt(2) * norm.ppf(auroc_value)


tied_or_free = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, width=32))


@st.composite
def evaluations(draw):
    """truth with 2 or more of each class, two models' scores, clusters of rows."""
    n = draw(st.integers(4, 40))
    truth = np.array(draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n)))
    assume(2 <= truth.sum() <= n - 2)
    a, b = (np.array(draw(st.lists(tied_or_free, min_size=n, max_size=n))) for _ in range(2))
    clusters = np.array(draw(st.lists(st.integers(-3, 8), min_size=n, max_size=n)))
    return truth, a, b, clusters


@settings(max_examples=100, deadline=None)
@given(evaluations())
def test_interval_is_scikit_learns_auroc_and_the_brute_force_delong(case):
    truth, scores, _, _ = case
    found = auroc_interval(truth, scores)
    assert found.value == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert found.value == auroc(cumulative_counts(truth, scores))
    assert (found.n, found.positives, found.clusters) == (len(truth), truth.sum(), None)
    expected = np.sqrt(delong_covariance(truth, scores)[0, 0])
    if found.method == "Newcombe 5":
        assert expected < 1e-12
        assert found.standard_error is None
    else:
        assert found.standard_error == pytest.approx(expected, abs=1e-12)
        assert found.low == pytest.approx(max(0, found.value - Z * expected), abs=1e-12)
        assert found.high == pytest.approx(min(1, found.value + Z * expected), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 1e-12


@settings(max_examples=100, deadline=None)
@given(evaluations())
def test_clustered_interval_is_the_brute_force_obuchowski(case):
    truth, scores, _, clusters = case
    found = auroc_interval(truth, scores, clusters)
    holding = [len(set(clusters[truth == of_class].tolist())) for of_class in (1, 0)]
    assert found.clusters == len(set(clusters.tolist()))
    expected = np.sqrt(max(0, obuchowski_covariance(truth, clusters, scores)[0, 0])) if min(holding) > 1 else 0.0
    if found.method == "Newcombe 5":
        assert expected < 1e-7
        assert (found.low, found.high) == newcombe_interval(found.value, *holding)
    else:
        assert found.method == "Obuchowski"
        # The square: where terms cancel, rounding of 1e-16 in a variance is 1e-8 in its root.
        assert found.standard_error**2 == pytest.approx(expected**2, abs=1e-14)


@settings(max_examples=60, deadline=None)
@given(evaluations())
def test_paired_differences_are_the_brute_force_ones(case):
    truth, a, b, clusters = case
    for codes, covariance in (
        (None, lambda: delong_covariance(truth, a, b)),
        (clusters, lambda: obuchowski_covariance(truth, clusters, a, b)),
    ):
        found = auroc_difference(truth, a, b, codes)
        assert found.difference == pytest.approx(roc_auc_score(truth, a) - roc_auc_score(truth, b), abs=1e-12)
        if found.reason is None:
            expected = standard_error_of_difference(covariance())
            assert found.standard_error**2 == pytest.approx(expected**2, abs=1e-14)
            assert found.p_value == pytest.approx(2 * norm.sf(abs(found.difference) / found.standard_error), rel=1e-9)
            assert found.low == pytest.approx(max(-1, found.difference - Z * found.standard_error), abs=1e-12)
            assert found.high == pytest.approx(min(1, found.difference + Z * found.standard_error), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(evaluations())
def test_a_cluster_for_each_row_gives_delong_without_any_factor(case):
    truth, a, b, _ = case
    own = np.random.default_rng(0).permutation(len(truth)) * 7 - 20
    free, clustered = auroc_interval(truth, a), auroc_interval(truth, a, own)
    assert (clustered.low, clustered.high) == pytest.approx((free.low, free.high), abs=1e-12)
    free, clustered = auroc_difference(truth, a, b), auroc_difference(truth, a, b, own)
    assert clustered.standard_error == pytest.approx(free.standard_error, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(evaluations(), st.integers(2, 4))
def test_copies_of_a_row_in_its_cluster_add_no_information(case, copies):
    truth, a, _, _ = case
    clusters = np.arange(len(truth))
    once = auroc_interval(truth, a, clusters)
    copied = auroc_interval(*(np.repeat(values, copies) for values in (truth, a, clusters)))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=1e-12)
    assert copied.method == once.method


@settings(max_examples=60, deadline=None)
@given(evaluations())
def test_only_the_ranking_counts(case):
    truth, a, _, clusters = case
    # Whole numbers through an increasing transform that float64 takes without new ties.
    ranks = np.unique(a, return_inverse=True)[1]
    for codes in (None, clusters):
        assert auroc_interval(truth, np.exp(ranks / 10) - 5, codes) == auroc_interval(truth, a, codes)
    same = auroc_difference(truth, a, np.exp(ranks / 10) - 5, clusters)
    assert (same.difference, same.standard_error, same.p_value, same.reason) == (0, 0, 1, SAME_PLACEMENTS)
    assert (same.low, same.high) == (None, None)


@settings(max_examples=60, deadline=None)
@given(evaluations())
def test_reversed_scores_and_swapped_models_mirror_the_interval(case):
    truth, a, b, clusters = case
    for codes in (None, clusters):
        found, mirrored = auroc_interval(truth, a, codes), auroc_interval(truth, -a, codes)
        assert (mirrored.value, mirrored.low, mirrored.high) == pytest.approx(
            (1 - found.value, 1 - found.high, 1 - found.low), abs=1e-9
        )
        assert mirrored.method == found.method
        ab, ba = auroc_difference(truth, a, b, codes), auroc_difference(truth, b, a, codes)
        assert ba.difference == pytest.approx(-ab.difference, abs=1e-12)
        assert ba.reason == ab.reason
        if ab.reason is None:
            assert (ba.low, ba.high) == pytest.approx((-ab.high, -ab.low), abs=1e-12)
            assert ba.p_value == pytest.approx(ab.p_value, rel=1e-9)


@pytest.mark.parametrize(
    ("value", "m", "n"), [(0.9, 1, 30), (0.5, 5, 5), (0.999, 40, 3000), (1.0, 12, 500), (1.0, 2, 2)]
)
def test_newcombe_ends_are_z_standard_errors_from_the_value(value, m, n):
    def variance(theta):
        s = (m + n) / 2 - 1
        q1, q2 = theta / (2 - theta), 2 * theta**2 / (1 + theta)
        return (theta * (1 - theta) + s * (q1 - theta**2) + s * (q2 - theta**2)) / (m * n)

    def distance(theta):
        return (value - theta) ** 2 - Z**2 * variance(theta)

    low, high = newcombe_interval(value, m, n)
    assert low == pytest.approx(brentq(distance, 0, value - 1e-7, xtol=1e-14), abs=1e-10)
    assert high == (1 if value == 1 else pytest.approx(brentq(distance, value, 1 - 1e-12, xtol=1e-14), abs=1e-10))


def test_newcombe_of_one_pair_has_a_closed_form():
    assert newcombe_interval(1.0, 1, 1) == pytest.approx((1 / (1 + Z**2), 1))
    assert newcombe_interval(0.0, 1, 1) == pytest.approx((0, Z**2 / (1 + Z**2)))


def test_perfect_separation_does_not_collapse_and_is_the_mirror_of_reversed():
    truth = np.repeat([1, 0], [12, 300])
    perfect, reversed_ = auroc_interval(truth, truth * 0.5), auroc_interval(truth, truth * -0.5)
    assert (perfect.value, perfect.high, perfect.method) == (1, 1, "Newcombe 5")
    assert 0.85 < perfect.low < 0.99
    assert (reversed_.low, reversed_.high) == pytest.approx((0, 1 - perfect.low))


@pytest.mark.parametrize(
    ("truth", "scores", "clusters", "value", "sizes"),
    [
        ([1, 0, 0, 0, 0], [0.8, 0.9, 0.1, 0.2, 0.3], None, 0.75, (1, 4)),
        ([1, 1, 1, 0], [0.8, 0.4, 0.6, 0.5], None, 2 / 3, (3, 1)),
        ([1, 1, 0, 0, 0], [0.3] * 5, None, 0.5, (2, 3)),
        ([1, 1, 0, 0, 0], [0.9, 0.1, 0.5, 0.4, 0.2], [7, 7, 7, 8, 9], 0.5, (1, 3)),
        # Two patients with the same three ECGs: the differences within them cancel.
        ([1, 1, 0, 1, 1, 0], [0.9, 0.2, 0.4, 0.9, 0.2, 0.4], [1, 1, 1, 2, 2, 2], 0.5, (2, 2)),
        # In each patient the positive does as much better than the mean as the negative does worse.
        ([1, 1, 1, 0, 0, 0], [0.6, 0.4, 0.2, 0.5, 0.3, 0.1], [1, 2, 3, 1, 2, 3], 2 / 3, (3, 3)),
        ([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.5], [3, 3, 3, 3], 0.75, (1, 1)),
    ],
    ids=["one positive", "one negative", "all tied", "one patient with positives", "twins", "cancel", "one patient"],
)
def test_fallback_where_there_is_no_variance(truth, scores, clusters, value, sizes):
    found = auroc_interval(truth, scores, clusters)
    assert found.value == pytest.approx(value)
    assert (found.method, found.standard_error) == ("Newcombe 5", None)
    assert (found.low, found.high) == newcombe_interval(found.value, *sizes)
    assert 0 <= found.low < found.value < found.high <= 1


def test_difference_without_a_test_says_why():
    truth = np.array([1, 1, 1, 0, 0])
    opposite = auroc_difference(truth, truth, 1 - truth)
    assert (opposite.difference, opposite.standard_error, opposite.p_value) == (1, 0, None)
    assert (opposite.low, opposite.high, opposite.reason) == (None, None, NO_SCATTER)

    one_positive = auroc_difference([1, 0, 0, 0], [0.5, 0.1, 0.2, 0.9], [0.5, 0.1, 0.2, 0.3])
    assert one_positive.difference == pytest.approx(-1 / 3)
    assert (one_positive.standard_error, one_positive.p_value, one_positive.low) == (None, None, None)
    assert "rows with a positive: 1, with a negative: 3" in one_positive.reason

    one_patient = auroc_difference(truth, [5, 4, 1, 2, 3], truth, clusters=[1, 1, 1, 2, 3])
    assert "clusters with a positive: 1, with a negative: 2" in one_patient.reason


def test_scores_are_compared_as_they_are():
    truth = np.array([1, 0, 1, 0, 0, 1])
    scores = np.array([0.1, 0.1 + 1e-10, 0.7, 0.3, 0.2, 0.6])
    assert auroc_interval(truth, scores).value == pytest.approx(6 / 9)
    assert auroc_interval(truth, scores.astype(np.float32)).value == pytest.approx(6.5 / 9)
    as_float64 = scores.astype(np.float32).astype(np.float64)
    assert auroc_interval(truth, scores.astype(np.float32)) == auroc_interval(truth, as_float64)
    assert auroc_interval(truth == 1, scores) == auroc_interval(truth.astype(np.float32), scores)


def test_level_sets_the_width():
    truth, scores = binormal(np.random.default_rng(5), 40, 60, 0.75)
    wide, narrow = auroc_interval(truth, scores, level=0.99), auroc_interval(truth, scores, level=0.8)
    assert wide.high - wide.value == pytest.approx(norm.ppf(0.995) * wide.standard_error)
    assert narrow.high - narrow.value == pytest.approx(norm.ppf(0.9) * narrow.standard_error)


@pytest.mark.parametrize(
    ("truth", "scores", "options", "message"),
    [
        ([1, 1], [0.2, 0.3], {}, "2 of 2 rows are positive"),
        ([0, 0], [0.2, 0.3], {}, "0 of 2 rows are positive"),
        ([], [], {}, "0 of 0 rows are positive"),
        ([1, 0], [0.2], {}, "same n"),
        ([1, 0], [0.2, 0.3], {"clusters": [1]}, "same n"),
        ([[1, 0]], [[0.2, 0.3]], {}, "same n"),
        ([1, 0, np.nan], [0.2, 0.3, 0.4], {}, "truth must be 0 or 1"),
        ([1, 0], [0.2, np.nan], {}, "a score is NaN"),
        ([1, 0], [0.2, 0.3], {"level": 95}, "level is 95"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(truth, scores, options, message):
    with pytest.raises(ValueError, match=message):
        auroc_interval(truth, scores, **options)
    with pytest.raises(ValueError, match=message):
        auroc_difference(truth, scores, scores, **options)


def share_covering(intervals: Iterable[tuple[float, float]], true_value: float) -> float:
    return float(np.mean([low <= true_value <= high for low, high in intervals]))


def test_coverage_of_delong():
    random = np.random.default_rng(11)
    found = [auroc_interval(*binormal(random, 50, 100, 0.8)) for _ in range(1500)]
    # 0.95 +/- 4 standard errors of 1,500 repetitions.
    assert share_covering(((interval.low, interval.high) for interval in found), 0.8) == pytest.approx(0.95, abs=0.0225)


def test_the_fallback_covers_where_delong_collapses():
    random = np.random.default_rng(12)
    found = [auroc_interval(*binormal(random, 12, 100, 0.99)) for _ in range(1000)]
    collapsed = [(interval.low, interval.high) for interval in found if interval.method == "Newcombe 5"]
    assert 80 < len(collapsed) < 250
    assert share_covering(collapsed, 0.99) == 1
    assert max(low for low, _ in collapsed) < 0.97


def test_newcombe_covers_where_delong_is_too_narrow():
    random = np.random.default_rng(14)
    found = [auroc_interval(*binormal(random, 12, 1000, 0.95)) for _ in range(800)]
    by_newcombe = [newcombe_interval(interval.value, 12, 1000) for interval in found]
    assert share_covering(by_newcombe, 0.95) == pytest.approx(0.97, abs=0.02)
    assert share_covering(((interval.low, interval.high) for interval in found), 0.95) == pytest.approx(0.78, abs=0.06)


def test_coverage_with_patients_needs_the_clusters():
    random = np.random.default_rng(13)
    patients = np.repeat(np.arange(80), 4)
    clustered, independent, differences = [], [], []
    for _ in range(600):
        truth = np.where(random.random(80) < 0.2, random.random(80) < 0.5, patients[::4] % 3 == 0)[patients].astype(int)
        of_patient = random.normal(size=(80, 2))[patients]
        a, b = (of_patient + random.normal(size=(320, 2)) * 0.6).T + truth * norm.ppf(0.8) * np.sqrt(2 * 1.36)
        clustered.append(auroc_interval(truth, a, patients))
        independent.append(auroc_interval(truth, a))
        differences.append(auroc_difference(truth, a, b, patients))
    assert share_covering(((found.low, found.high) for found in clustered), 0.8) == pytest.approx(0.94, abs=0.03)
    assert share_covering(((found.low, found.high) for found in independent), 0.8) < 0.85
    assert share_covering(((found.low, found.high) for found in differences), 0.0) == pytest.approx(0.95, abs=0.03)
    assert np.mean([found.p_value < 0.05 for found in differences]) == pytest.approx(0.05, abs=0.03)
