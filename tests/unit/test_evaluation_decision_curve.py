"""Net benefit against brute force, and where something is unknown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import ConfigError, TableError
from twelvelead.evaluation.decision_curve import decision_curves, net_benefit, resampled_counts
from twelvelead.evaluation.deepecg_metrics import NO_ROW, NOT_PREDICTED

NAN = float("nan")
THRESHOLDS = np.array([0.0625, 0.125, 0.25, 0.5, 0.75])
scores = st.one_of(st.sampled_from([0.0, *THRESHOLDS, 1.0]), st.floats(0, 1, width=32))
cases = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n),
        st.lists(scores, min_size=n, max_size=n),
    )
)


def column(values) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def one_curve(truth, probability, thresholds=THRESHOLDS):
    (curve,) = decision_curves(column(truth), column(probability), thresholds)
    return curve


def by_hand(truth, called, threshold) -> float:
    hits = sum(t == 1 and c for t, c in zip(truth, called, strict=True))
    false_alarms = sum(t == 0 and c for t, c in zip(truth, called, strict=True))
    return hits / len(truth) - false_alarms / len(truth) * threshold / (1 - threshold)


@settings(max_examples=80, deadline=None)
@given(cases)
def test_net_benefit_agrees_with_brute_force(case):
    truth, probability = case
    curve = one_curve(truth, probability)
    for at, threshold in enumerate(THRESHOLDS):
        assert curve.net_benefit[at] == pytest.approx(by_hand(truth, np.array(probability) >= threshold, threshold))
        assert curve.treat_all[at] == pytest.approx(by_hand(truth, [True] * len(truth), threshold))
    np.testing.assert_array_equal(curve.treat_none, 0)
    assert (curve.n, curve.positives) == (len(truth), sum(truth))


def test_a_perfect_model_has_the_prevalence_and_treat_all_crosses_zero_there():
    truth = [1.0, 0.0, 0.0, 0.0]
    curve = one_curve(truth, truth)
    np.testing.assert_allclose(curve.net_benefit, 0.25)
    np.testing.assert_allclose(curve.treat_all[THRESHOLDS == 0.25], 0, atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(cases, st.integers(1, 8))
def test_unknown_truth_and_absent_predictions_change_nothing_but_their_counts(case, extra):
    truth, probability = case
    alone = one_curve(truth, probability)
    more = one_curve([NAN] * extra + truth + [1.0] * extra, [1.0] * extra + probability + [NAN] * extra)
    assert (more.unknown, more.not_predicted, more.n) == (extra, extra, alone.n)
    for name in ("true_positives", "false_positives", "net_benefit", "treat_all"):
        np.testing.assert_array_equal(getattr(more, name), getattr(alone, name))


@pytest.mark.parametrize(
    ("truth", "probability", "reason"),
    [([NAN, 1], [0.1, NAN], NO_ROW), ([0, 1], [NAN, NAN], NOT_PREDICTED), ([], [], NO_ROW)],
)
def test_without_an_ecg_there_is_no_curve_and_a_reason(truth, probability, reason):
    curve = one_curve(truth, probability)
    assert curve.net_benefit is curve.treat_all is curve.treat_none is None
    assert curve.reason == reason
    np.testing.assert_array_equal(curve.true_positives, 0)


@settings(max_examples=40, deadline=None)
@given(cases, st.integers(0, 2**32 - 1))
def test_resampled_counts_are_the_counts_of_the_sample(case, seed):
    truth, probability = (np.array(values) for values in case)
    probability = np.append(probability, [NAN, 0.9])
    truth = np.append(truth, [1.0, NAN])
    drawn = np.random.default_rng(seed).integers(0, len(truth), (3, len(truth)))
    multiplicity = np.array([np.bincount(sample, minlength=len(truth)) for sample in drawn])
    hits, false_alarms = resampled_counts(truth, probability, THRESHOLDS, multiplicity)
    for replicate, sample in enumerate(drawn):
        curve = one_curve(truth[sample], probability[sample])
        np.testing.assert_array_equal(hits[replicate], curve.true_positives)
        np.testing.assert_array_equal(false_alarms[replicate], curve.false_positives)


def test_net_benefit_of_replicates_of_different_size():
    counts = np.array([[2.0, 1.0], [3.0, 0.0], [0.0, 0.0]])
    thresholds = np.array([0.2, 0.5])
    values = net_benefit(counts, counts, np.array([4, 6, 0]), thresholds)
    np.testing.assert_allclose(values[:2], [[0.5 * 0.75, 0], [0.5 * 0.75, 0]])
    assert np.isnan(values[2]).all()


def test_single_precision_scores_meet_decimal_thresholds():
    for held in (np.float32, np.float64):
        probability = np.array([[0.1], [0.7], [0.38]], dtype=np.float32).astype(held)
        (curve,) = decision_curves(np.ones((3, 1)), probability, np.array([0.1, 0.38, 0.7]))
        np.testing.assert_array_equal(curve.true_positives, [3, 2, 1])


@pytest.mark.parametrize("thresholds", [[], [0.0, 0.5], [0.5, 1.0], [0.5, 0.5], [0.5, 0.2], [NAN], [[0.1]]])
def test_threshold_probabilities_ascend_between_0_and_1(thresholds):
    with pytest.raises(ConfigError, match="expected ascending numbers above 0"):
        one_curve([0, 1], [0.1, 0.9], np.array(thresholds))


def test_truth_of_another_kind_is_refused():
    with pytest.raises(TableError, match="recode the truth column"):
        one_curve([0, 3], [0.1, 0.9])
