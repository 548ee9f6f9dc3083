"""Operating points against scikit-learn, statsmodels and brute force, and where something is unknown or undefined."""

import dataclasses
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_curve, roc_curve
from statsmodels.stats.proportion import proportion_confint

from twelvelead.errors import ConfigError, TableError
from twelvelead.evaluation.deepecg_metrics import NO_CUT_OFF, NO_ROW, NOT_PREDICTED
from twelvelead.evaluation.operating_points import (
    AT_ROUNDING_FLOOR,
    MEASURES,
    NO_THRESHOLD,
    NONE_CALLED_NEGATIVE,
    NONE_CALLED_POSITIVE,
    NOT_PUBLISHED,
    at_score_precision,
    fitted_thresholds,
    measures,
    operating_points,
    published_points,
    wilson_interval,
)
from twelvelead.labels.patterns import read_patterns

NAN = float("nan")
scores = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, width=32, allow_subnormal=False))
cases = st.integers(1, 50).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n),
        st.lists(scores, min_size=n, max_size=n),
    )
)
two_class_cases = cases.filter(lambda case: 0 < sum(case[0]) < len(case[0]))


def column(values) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def one_point(truth, probability, threshold, **options):
    (point,) = operating_points(column(truth), column(probability), np.array([threshold]), **options)
    return point


def one_fit(truth, probability):
    (youden,), (f1,) = fitted_thresholds(column(truth), column(probability))
    return youden, f1


@settings(max_examples=80, deadline=None)
@given(cases, scores)
def test_counts_and_measures_agree_with_scikit_learn(case, threshold):
    truth, probability = np.array(case[0]), np.array(case[1])
    point = one_point(truth, probability, threshold)
    called = probability >= threshold
    tn, fp, fn, tp = confusion_matrix(truth, called, labels=[0, 1]).ravel().tolist()
    counts = (point.true_negatives, point.false_positives, point.false_negatives, point.true_positives)
    assert counts == (tn, fp, fn, tp)
    assert (point.n, point.positives) == (len(truth), tp + fn)
    fractions = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "accuracy": (tp + tn, len(truth)),
        "prevalence": (tp + fn, len(truth)),
        "predicted_prevalence": (tp + fp, len(truth)),
    }
    for name, (above, below) in fractions.items():
        estimate = getattr(point, name)
        if not below:
            assert estimate.value is estimate.low is estimate.high is None
            assert estimate.reason
            continue
        assert estimate.value == above / below
        expected = proportion_confint(above, below, method="wilson")
        np.testing.assert_allclose((estimate.low, estimate.high), expected, atol=1e-12)
        assert estimate.low <= estimate.value <= estimate.high
    if tp + fn:
        assert point.f1.value == pytest.approx(f1_score(truth, called, zero_division=0), abs=1e-12)
    else:
        assert point.f1.value is None


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_intervals_agree_with_statsmodels(confidence):
    successes, trials = np.array([(k, n) for n in (1, 2, 12, 1000) for k in {0, 1, n // 2, n}]).T
    low, high = wilson_interval(successes, trials, confidence)
    expected = proportion_confint(successes, trials, alpha=1 - confidence, method="wilson")
    np.testing.assert_allclose((low, high), expected, atol=1e-12)
    assert (low[successes == 0] == 0).all()
    assert (high[successes == trials] == 1).all()


def test_no_trials_have_no_interval_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = wilson_interval(np.array([0, 3]), np.array([0, 4]))
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


@pytest.mark.parametrize("confidence", [0, 1, 95, NAN])
def test_confidence_is_a_share(confidence):
    with pytest.raises(ConfigError, match="expected a number between 0 and 1"):
        one_point([0, 1], [0.1, 0.2], 0.15, confidence=confidence)


def test_what_is_undefined_says_why():
    none_positive = one_point([0, 1, 1], [0.1, 0.2, 0.3], 0.9)
    assert none_positive.ppv.reason == NONE_CALLED_POSITIVE
    assert none_positive.f1.value == 0
    all_positive = one_point([0, 1, 1], [0.1, 0.2, 0.3], 0.0)
    assert all_positive.npv.reason == NONE_CALLED_NEGATIVE
    no_positive = one_point([0, 0], [0.1, 0.9], 0.5)
    assert no_positive.sensitivity.reason == no_positive.f1.reason == "no positive among the 2 evaluated"
    assert one_point([1, 1], [0.1, 0.9], 0.5).specificity.reason == "no negative among the 2 evaluated"
    assert one_point([NAN, 1], [0.1, NAN], 0.5).accuracy.reason == NO_ROW
    assert one_point([0, 1], [NAN, NAN], 0.5).accuracy.reason == NOT_PREDICTED
    assert one_point([], [], 0.5).accuracy.reason == NO_ROW


def test_f1_leaves_its_interval_to_the_bootstrap():
    f1 = one_point([0, 1], [0.1, 0.9], 0.5).f1
    assert (f1.value, f1.low, f1.high) == (1.0, None, None)
    assert "bootstrap" in f1.interval_reason


def test_a_label_without_threshold_has_its_prevalence_alone():
    point = one_point([0, 1], [0.1, 0.9], NAN)
    assert point.threshold is point.true_positives is point.false_negatives is None
    assert point.prevalence.value == 0.5
    reasons = {getattr(point, name).reason for name in MEASURES if name != "prevalence"}
    assert reasons == {NO_THRESHOLD}
    assert one_point([0, 1], [0.1, 0.9], NAN, why_no_threshold=["it was withdrawn"]).ppv.reason == "it was withdrawn"


@settings(max_examples=40, deadline=None)
@given(cases, scores, st.integers(1, 10))
def test_unknown_truth_and_absent_predictions_change_nothing_but_their_counts(case, threshold, extra):
    truth, probability = case
    alone = one_point(truth, probability, threshold)
    more = one_point(
        [NAN] * extra + truth + [1.0] * extra + [NAN], [1.0] * extra + probability + [NAN] * extra + [NAN], threshold
    )
    assert (more.unknown, more.not_predicted) == (extra + 1, extra)
    assert dataclasses.replace(more, unknown=0, not_predicted=0) == alone


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(two_class_cases, scores), min_size=2, max_size=4))
def test_labels_together_are_labels_one_by_one(labels):
    n = max(len(case[0]) for case, _ in labels)
    truth, probability = (
        np.column_stack([np.pad(case[part], (0, n - len(case[part])), constant_values=NAN) for case, _ in labels])
        for part in (0, 1)
    )
    thresholds = np.array([threshold for _, threshold in labels])
    together = operating_points(truth, probability, thresholds)
    for position, point in enumerate(together):
        assert point == one_point(truth[:, position], probability[:, position], thresholds[position])


@settings(max_examples=80, deadline=None)
@given(two_class_cases)
def test_youden_threshold_is_scikit_learns(case):
    truth, probability = np.array(case[0]), np.array(case[1])
    false_positive_rate, sensitivity, thresholds = roc_curve(truth, probability)
    youden_j = sensitivity - false_positive_rate
    youden, _ = one_fit(truth, probability)
    assert youden.fitted_on_these_data
    assert youden.score == pytest.approx(max(youden_j.max(), 0), abs=1e-12)
    if math.isinf(thresholds[np.argmax(youden_j)]):
        assert (youden.threshold, youden.score, youden.reason) == (None, 0.0, NO_CUT_OFF)
    else:
        assert youden.threshold == thresholds[np.argmax(youden_j)]


@settings(max_examples=80, deadline=None)
@given(two_class_cases)
def test_f1_threshold_is_the_lowest_of_the_best_by_brute_force(case):
    truth, probability = np.array(case[0]), np.array(case[1])
    called = {cut: probability >= cut for cut in np.unique(probability)}
    by_cut_off = {cut: 2 * (truth @ calls) / (truth.sum() + calls.sum()) for cut, calls in called.items()}
    best = max(by_cut_off.values())
    _, f1 = one_fit(truth, probability)
    assert f1.threshold == min(cut for cut, value in by_cut_off.items() if value > best - 1e-12)
    assert f1.score == pytest.approx(f1_score(truth, called[f1.threshold]), abs=1e-12)
    precision, recall, _ = precision_recall_curve(truth, probability)
    with np.errstate(invalid="ignore"):
        assert f1.score == pytest.approx(np.nanmax(2 * precision * recall / (precision + recall)), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(two_class_cases)
def test_fitted_thresholds_give_their_scores_back(case):
    truth, probability = case
    youden, f1 = one_fit(truth, probability)
    assert one_point(truth, probability, f1.threshold).f1.value == f1.score
    if youden.threshold is not None:
        point = one_point(truth, probability, youden.threshold)
        assert point.sensitivity.value + point.specificity.value - 1 == pytest.approx(youden.score, abs=1e-12)


def test_equal_scores_and_single_classes_have_no_best_threshold():
    youden, f1 = one_fit([0, 1, 1], [0.4, 0.4, 0.4])
    assert (youden.threshold, youden.reason) == (None, NO_CUT_OFF)
    assert (f1.threshold, f1.score) == (0.4, 0.8)
    for truth, reason in (
        ([0, 0], "no positive among the 2"),
        ([1, 1], "no negative among the 2"),
        ([NAN, NAN], NO_ROW),
    ):
        for fit in one_fit(truth, [0.1, 0.9]):
            assert fit.threshold is fit.score is None
            assert fit.reason.startswith(reason)
    assert one_fit([0, 1], [NAN, NAN])[0].reason == NOT_PREDICTED


def test_measures_of_replicates_are_those_of_their_points():
    random = np.random.default_rng(4)
    truth, probability = random.integers(0, 2, (40, 3)).astype(float), random.random((40, 3))
    thresholds = np.array([0.3, 2.0, 0.7])
    truth[:, 2] = 0
    points = operating_points(truth, probability, thresholds)
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    counts = [np.tile([getattr(point, name) for point in points], (5, 1)) for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = measures(*counts)
    assert set(values) == set(MEASURES)
    for name, of_measure in values.items():
        expected = [NAN if getattr(p, name).value is None else getattr(p, name).value for p in points]
        np.testing.assert_array_equal(of_measure, np.tile(expected, (5, 1)))


def test_the_ecg_that_gave_a_threshold_is_positive_at_it_after_a_round_through_text():
    single = np.random.default_rng(1).random(2000, dtype=np.float32)
    truth = np.ones((2000, 1))
    texts = [float(str(score)) for score in single]
    lost = 0
    for at in range(0, 2000, 20):
        scores_as_stored = single.astype(np.float64)
        lost += bool(texts[at] > scores_as_stored[at])
        rank = int((single >= single[at]).sum())
        for held in (single, scores_as_stored):
            (point,) = operating_points(truth, held[:, None], np.array([texts[at]]))
            assert point.true_positives == rank
    assert lost, "without the rounding some of these ECGs would have been lost"


def test_thresholds_of_double_precision_scores_stay_as_they_are():
    probability = np.array([0.1, 0.2, NAN])
    assert at_score_precision(np.array([0.3]), probability)[0] == 0.3
    assert at_score_precision(np.array([0.3]), probability.astype(np.float32))[0] == np.float32(0.3)


@pytest.mark.parametrize(
    ("truth", "probability", "thresholds", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), np.zeros(2), "one truth value for every prediction"),
        (np.zeros(3), np.zeros(3), np.zeros(3), "one truth value for every prediction"),
        (np.full((3, 1), 2.0), np.zeros((3, 1)), np.zeros(1), "recode the truth column"),
        (np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(3), "one finite number or NaN"),
        (np.zeros((3, 1)), np.zeros((3, 1)), np.array([np.inf]), "one finite number or NaN"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(truth, probability, thresholds, message):
    with pytest.raises(TableError, match=message):
        operating_points(truth, probability, thresholds)


def test_points_are_json():
    points = operating_points(np.eye(3), np.eye(3), np.array([0.5, NAN, 2.0]), fitted_on_these_data=True)
    written = json.dumps([dataclasses.asdict(point) for point in points], allow_nan=False)
    assert all(point["fitted_on_these_data"] for point in json.loads(written))


def test_published_thresholds_at_the_rounding_floor_are_no_operating_points(request):
    patterns = read_patterns(request.config.rootpath / "config" / "labels" / "deepecg77.csv")
    points = published_points(patterns.names, patterns.thresholds)
    assert len(points) == 77 * len(patterns.thresholds)
    floored = [point for point in points if point.reason == AT_ROUNDING_FLOOR]
    assert not any(point.usable for point in floored)
    by_column = {name: sum(point.column == name for point in floored) for name in patterns.thresholds}
    assert by_column == {
        "bert_threshold": 0,
        "wcr_mhi_youden_threshold": 0,
        "efficientnet_sens_spec_threshold": 5,
        "wcr_sens_spec_threshold": 38,
    }
    unpublished = {(point.name, point.column) for point in points if point.reason == NOT_PUBLISHED}
    assert unpublished == {
        (name, column)
        for column, values in patterns.thresholds.items()
        for name, value in zip(patterns.names, values, strict=True)
        if math.isnan(value)
    }
    usable = [point for point in points if point.usable]
    assert all(point.threshold > 0 and not point.reason for point in usable)
    assert len(usable) + len(floored) + len(unpublished) == len(points)
