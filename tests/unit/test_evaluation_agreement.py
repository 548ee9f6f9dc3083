"""Agreement of two models against statsmodels and scikit-learn, and the lists of ECGs worth a look."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa as statsmodels_kappa
from statsmodels.stats.multitest import multipletests

from twelvelead.evaluation.agreement import (
    NO_ROW,
    NO_SCATTER,
    cohens_kappa,
    disagreements,
    holm,
    most_confident_wrong,
)

NAN = float("nan")


def calls_of(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    cells = (both, only_a, only_b, neither)
    return np.repeat([True, True, False, False], cells), np.repeat([True, False, True, False], cells)


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.integers(0, 60)] * 4))
def test_kappa_is_that_of_statsmodels_and_scikit_learn(cells):
    a, b = calls_of(*cells)
    found = cohens_kappa(a, b)
    n = sum(cells)
    assert (found.both_positive, found.only_a_positive, found.only_b_positive, found.both_negative) == cells
    assert found.n == n
    if n == 0 or n in (cells[0], cells[3]):
        assert (found.value, found.low, found.high, found.standard_error) == (None,) * 4
        assert found.reason
        return
    # It takes the roots of all its variances, also of those that came out as -1e-17.
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = statsmodels_kappa(np.reshape(cells, (2, 2)))
    assert found.value == pytest.approx(expected.kappa, abs=1e-12)
    assert found.value == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)
    assert found.standard_error**2 == pytest.approx(expected.var_kappa, abs=1e-14)
    if found.reason is None:
        assert found.low == pytest.approx(max(-1, expected.kappa_low), abs=1e-9)
        assert found.high == pytest.approx(min(1, expected.kappa_upp), abs=1e-9)
    else:
        assert (found.low, found.high, found.reason) == (None, None, NO_SCATTER)
        assert found.standard_error == 0


def test_kappa_by_hand():
    # 20 of 50 both, 15 neither: observed 0.7, expected 0.6 x 0.5 + 0.4 x 0.5 = 0.5.
    assert cohens_kappa(*calls_of(20, 5, 10, 15)).value == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("cells", "value", "reason"),
    [
        ((0, 0, 0, 0), None, NO_ROW),
        ((7, 0, 0, 0), None, "both models call every ECG positive"),
        ((0, 0, 0, 7), None, "both models call every ECG negative"),
        ((30, 0, 0, 70), 1, NO_SCATTER),
        ((0, 5, 5, 0), -1, NO_SCATTER),
        ((0, 8, 0, 20), 0, NO_SCATTER),
    ],
    ids=["no row", "all positive", "all negative", "full agreement", "full disagreement", "one model calls nothing"],
)
def test_kappa_says_why_it_or_its_interval_is_missing(cells, value, reason):
    found = cohens_kappa(*calls_of(*cells))
    assert found.value == value
    assert (found.low, found.high) == (None, None)
    assert found.reason.startswith(reason)


def test_coverage_of_the_kappa_interval():
    random = np.random.default_rng(3)
    cells = np.array([0.25, 0.1, 0.05, 0.6])
    true_kappa = (0.85 - (0.35 * 0.3 + 0.65 * 0.7)) / (1 - (0.35 * 0.3 + 0.65 * 0.7))
    found = [cohens_kappa(*calls_of(*random.multinomial(150, cells))) for _ in range(800)]
    covered = np.mean([interval.low <= true_kappa <= interval.high for interval in found])
    assert covered == pytest.approx(0.95, abs=0.03)


def test_kappa_takes_calls_of_any_type_and_only_calls():
    a, b = calls_of(20, 5, 10, 15)
    assert cohens_kappa(a.astype(float), b.astype(np.int8)) == cohens_kappa(a, b)
    with pytest.raises(ValueError, match="same n"):
        cohens_kappa(a, b[1:])
    with pytest.raises(ValueError, match="apply the thresholds first"):
        cohens_kappa([0.3, 1], [0, 1])
    with pytest.raises(ValueError, match="apply the thresholds first"):
        cohens_kappa([0, 1], [0, NAN])
    with pytest.raises(ValueError, match="level is 1"):
        cohens_kappa(a, b, level=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1), st.sampled_from([0.01, 0.04, 0.05])), max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    tested = [value for value in p_values if value is not None]
    subsets = [subset for size in range(1, len(tested) + 1) for subset in combinations(range(len(tested)), size)]
    by_bonferroni = {subset: min(1, len(subset) * min(tested[i] for i in subset)) for subset in subsets}
    expected = [max(by_bonferroni[subset] for subset in subsets if i in subset) for i in range(len(tested))]
    adjusted = holm(p_values)
    assert [value is None for value in adjusted] == [value is None for value in p_values]
    assert [value for value in adjusted if value is not None] == pytest.approx(expected, abs=1e-12)


def test_holm_of_77_patterns_is_that_of_statsmodels():
    p_values = np.random.default_rng(4).beta(0.2, 1, 77).round(3)
    expected = multipletests(p_values, method="holm")[1]
    assert len(set(p_values)) < 77
    assert holm(p_values) == pytest.approx(expected.tolist(), abs=1e-12)


def test_holm_by_hand():
    assert holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06])
    assert holm([0.01, 0.01, 0.5]) == pytest.approx([0.03, 0.03, 0.5])
    assert holm([]) == []


@pytest.mark.parametrize("wrong", [-0.1, 1.1, NAN])
def test_holm_refuses_what_is_no_p_value(wrong):
    with pytest.raises(ValueError, match="at position 1"):
        holm([0.2, wrong])


def test_disagreements_come_with_the_largest_difference_first():
    truth = np.array([1, 0, 1, NAN, 1, 0])
    a = np.array([0.9, 0.6, 0.2, 0.8, 0.7, 0.1])
    b = np.array([0.1, 0.4, 0.4, 0.0, 0.6, 0.9])
    # Row 2 differs in its calls at 0.3 though a < b; row 4 agrees. Rows 0, 3 and 5 tie at 0.8.
    found = disagreements(truth, a, b, threshold_a=0.5, threshold_b=0.41)
    assert found.rows.tolist() == [0, 3, 5, 1]
    assert (found.total, found.a_right, found.b_right) == (4, 2, 1)
    first = disagreements(truth, a, b, 0.5, 0.41, top=2)
    assert (first.rows.tolist(), first.total, first.a_right) == ([0, 3], 4, 2)
    assert disagreements(truth, a, a, 0.5, 0.5).rows.tolist() == []


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, NAN]), *[st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))] * 2
        ),
        max_size=25,
    ),
    st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    st.sampled_from([0.1, 0.5]),
    st.integers(0, 8),
)
def test_disagreements_against_a_plain_loop(rows, threshold_a, threshold_b, top):
    truth, a, b = (np.array([row[k] for row in rows]) for k in range(3))
    differing = [i for i in range(len(rows)) if (a[i] >= threshold_a) != (b[i] >= threshold_b)]
    found = disagreements(truth, a, b, threshold_a, threshold_b, top)
    assert found.rows.tolist() == sorted(differing, key=lambda i: -abs(a[i] - b[i]))[:top]
    assert found.total == len(differing)
    assert found.a_right == sum(truth[i] == (a[i] >= threshold_a) for i in differing)
    assert found.b_right == sum(truth[i] == (b[i] >= threshold_b) for i in differing)


def test_most_confident_wrong_weighs_both_sides_of_the_threshold():
    truth = np.array([0, 1, 1, 0, NAN, 1, 0])
    scores = np.array([0.6, 0.001, 0.9, 0.01, 0.99, 0.0, 0.2])
    # At 0.05: false positives 0 (58 % of the way to 1) and 6 (16 %), false negatives 1 (98 % of the way to 0), 5 (all).
    assert most_confident_wrong(truth, scores, 0.05).tolist() == [5, 1, 0, 6]
    assert most_confident_wrong(truth, scores, 0.05, top=1).tolist() == [5]
    assert most_confident_wrong(truth, scores.astype(np.float32), 0.05).tolist() == [5, 1, 0, 6]


def test_a_float32_score_reaches_the_threshold_it_was_rounded_from():
    single = np.array([0.7, 0.7], dtype=np.float32)
    for scores in (single, single.astype(np.float64)):
        assert (scores < np.float64(0.7)).all()
        assert most_confident_wrong(np.array([1, 0]), scores, 0.7).tolist() == [1]
        assert disagreements(np.array([1, 0]), scores, scores, 0.7, 0.8).rows.tolist() == [0, 1]


def test_most_confident_wrong_at_the_ends_of_the_scale():
    truth = np.array([0, 0, 1, 1, 0])
    scores = np.array([1.0, 0.4, 0.3, 1.0, 0.9])
    assert most_confident_wrong(truth, scores, 1.0).tolist() == [0, 2]
    assert most_confident_wrong(truth, scores, 0.0).tolist() == [0, 4, 1]
    assert most_confident_wrong(truth, scores, 1.5).tolist() == [2, 3]
    assert most_confident_wrong(np.array([]), np.array([]), 0.5).tolist() == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, NAN]), st.integers(0, 1000)), max_size=25), st.floats(0.01, 0.99))
def test_most_confident_wrong_lists_every_wrong_call_once(per_mille, threshold):
    rows = [(known, score / 1000) for known, score in per_mille]
    truth, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = most_confident_wrong(truth, scores, threshold).tolist()
    assert sorted(found) == [i for i, (known, score) in enumerate(rows) if known == 1 - (score >= threshold)]
    false_positives = [scores[i] for i in found if truth[i] == 0]
    false_negatives = [scores[i] for i in found if truth[i] == 1]
    assert false_positives == sorted(false_positives, reverse=True)
    assert false_negatives == sorted(false_negatives)
