"""Calibration figures against statsmodels and brute force, and where they do not exist."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import brier_score_loss
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.stats.proportion import proportion_confint

from twelvelead.errors import TableError
from twelvelead.evaluation.bootstrap import Resamples
from twelvelead.evaluation.calibration import (
    CONSTANT,
    METRICS,
    NEEDING_EVENTS,
    NOT_CONVERGED,
    SEPARATED,
    calibration,
    calibration_curve,
    calibration_points,
    calibration_replicates,
    clipped_logit,
)


def simulated(rows: int, seed: int, decimals: int | None = None, slope: float = 0.6, intercept: float = -0.5):
    """Truth follows a logistic recalibration of the probabilities with this slope and intercept."""
    rng = np.random.default_rng(seed)
    probability = expit(rng.normal(-0.5, 1.8, rows))
    truth = (rng.random(rows) < expit(intercept + slope * clipped_logit(probability))).astype(np.float64)
    return truth, probability if decimals is None else np.round(probability, decimals)


def by_statsmodels(
    truth: np.ndarray, probability: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, float]:
    """(slope, calibration-in-the-large)."""
    logit = np.log(np.clip(probability, 1e-6, 1 - 1e-6) / (1 - np.clip(probability, 1e-6, 1 - 1e-6)))
    if weights is not None:
        truth, logit = np.repeat(truth, weights), np.repeat(logit, weights)
    slope = sm.Logit(truth, sm.add_constant(logit)).fit(disp=0, tol=1e-12, maxiter=200).params[1]
    offset = sm.GLM(truth, np.ones((len(truth), 1)), family=sm.families.Binomial(), offset=logit)
    return slope, offset.fit(tol=1e-14, maxiter=200).params[0]


def ece_by_loops(truth: np.ndarray, probability: np.ndarray) -> float:
    n, bins = len(truth), {}
    for value in probability:
        below, same = int((probability < value).sum()), int((probability == value).sum())
        bins[value] = 10 * (2 * below + same) // (2 * n)
    total = 0.0
    for number in set(bins.values()):
        members = np.array([bins[value] == number for value in probability])
        total += members.sum() / n * abs(truth[members].mean() - probability[members].mean())
    return total


@pytest.mark.parametrize("decimals", [None, 2, 1])
@pytest.mark.parametrize(("slope", "intercept"), [(0.6, -0.5), (1.0, 0.0), (2.5, 2.0), (-0.7, 0.3)])
def test_slope_and_intercept_equal_statsmodels(decimals, slope, intercept):
    truth, probability = simulated(400, seed=1, decimals=decimals, slope=slope, intercept=intercept)
    found = calibration(truth, probability)
    expected_slope, expected_intercept = by_statsmodels(truth, probability)
    assert found.values["calibration_slope"] == pytest.approx(expected_slope, abs=1e-8)
    assert found.values["calibration_intercept"] == pytest.approx(expected_intercept, abs=1e-8)
    assert found.values["ece"] == pytest.approx(ece_by_loops(truth, probability), abs=1e-12)
    assert found.values["brier"] == pytest.approx(brier_score_loss(truth, probability), abs=1e-14)
    reference = brier_score_loss(truth, np.full(400, truth.mean()))
    assert found.values["scaled_brier"] == pytest.approx(1 - found.values["brier"] / reference, abs=1e-12)
    assert (found.n, found.positives, found.reasons) == (400, truth.sum(), {})


def test_true_recalibration_is_found():
    found = calibration(*simulated(200_000, seed=3, slope=0.6, intercept=-0.5)).values
    assert found["calibration_slope"] == pytest.approx(0.6, abs=0.02)
    perfect = calibration(*simulated(200_000, seed=4, slope=1, intercept=0)).values
    assert perfect["calibration_slope"] == pytest.approx(1, abs=0.02)
    assert perfect["calibration_intercept"] == pytest.approx(0, abs=0.02)
    assert perfect["ece"] < 0.005


@pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning:statsmodels")
def test_extreme_probabilities_are_clipped_and_far_starts_converge():
    truth, probability = simulated(300, seed=5)
    for shifted in (probability**8, np.where(probability > 0.7, 1.0, probability * 1e-4), np.sqrt(probability) * 1e-9):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = calibration(truth, shifted).values
        logit = clipped_logit(shifted)
        intercept = found["calibration_intercept"]
        # The score equations define both estimates: residuals sum to 0, and are uncorrelated with the logit.
        assert truth.sum() == pytest.approx(expit(logit + intercept).sum(), abs=1e-8)
        if found["calibration_slope"] is not None:
            assert found["calibration_slope"] == pytest.approx(by_statsmodels(truth, shifted)[0], abs=1e-8)
    assert np.abs(clipped_logit(np.array([0, 1]))) == pytest.approx(np.log((1 - 1e-6) / 1e-6))


def test_unknown_truth_and_missing_predictions_are_left_out():
    truth, probability = simulated(300, seed=6)
    expected = calibration(truth, probability)
    truth, probability = np.append(truth, [np.nan, 1, 0]), np.append(probability, [0.9, np.nan, np.nan])
    order = np.random.default_rng(0).permutation(303)
    found = calibration(truth[order], probability[order])
    assert found.n == 300
    for metric in METRICS:
        assert found.values[metric] == pytest.approx(expected.values[metric], abs=1e-12)


def test_the_order_of_rows_changes_no_bit():
    truth, probability = simulated(400, seed=7, decimals=2)
    order = np.random.default_rng(0).permutation(400)
    assert calibration(truth[order], probability[order]) == calibration(truth, probability)


def test_too_few_events_give_a_reason():
    truth = np.zeros(200)
    truth[:9] = 1
    probability = np.linspace(0.01, 0.99, 200)
    found = calibration(truth, probability)
    for metric in NEEDING_EVENTS:
        assert found.values[metric] is None
        assert found.reasons[metric] == "9 positives and 191 negatives; calibration needs at least 10 of each"
    assert found.values["brier"] == pytest.approx(brier_score_loss(truth, probability))
    assert calibration(1 - truth, probability).values["ece"] is None
    assert calibration(truth, probability, least_events=9).values["ece"] is not None
    assert calibration_curve(truth, probability).reason == found.reasons["ece"]


@pytest.mark.parametrize("events", [0, 40])
def test_one_class_alone_has_a_brier_score_only(events):
    truth, probability = np.full(40, float(events > 0)), np.linspace(0.1, 0.9, 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibration(truth, probability, least_events=0)
        points = calibration_points(truth, probability)
    assert [metric for metric in METRICS if found.values[metric] is not None] == ["brier"]
    assert found.reasons["scaled_brier"] == f"no {'negative' if events else 'positive'} among the 40 evaluated"
    assert (points.observed == truth[0]).all()


def test_no_row_at_all_gives_reasons():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (0, 3):
            found = calibration(np.full(rows, np.nan), np.full(rows, 0.5))
            assert set(found.reasons) == set(METRICS)
            assert set(found.values.values()) == {None}
            assert len(calibration_points(np.full(rows, np.nan), np.full(rows, 0.5)).n) == 0
            assert calibration_curve(np.full(rows, np.nan), np.full(rows, 0.5)).observed is None


def test_separated_and_constant_predictions_have_no_slope_but_an_intercept():
    truth = np.repeat([0.0, 1.0], 20)
    apart = np.concatenate((np.linspace(0.01, 0.4, 20), np.linspace(0.6, 0.99, 20)))
    touching = np.concatenate((np.linspace(0.01, 0.5, 20), np.linspace(0.5, 0.99, 20)))
    cases = ((apart, SEPARATED), (1 - apart, SEPARATED), (touching, SEPARATED), (np.full(40, 0.2), CONSTANT))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for probability, reason in (*cases, (np.linspace(0, 1e-7, 40), CONSTANT)):
            found = calibration(truth, probability)
            assert found.values["calibration_slope"] is None
            assert found.reasons == {"calibration_slope": reason}
            shifted = expit(clipped_logit(probability) + found.values["calibration_intercept"])
            assert shifted.sum() == pytest.approx(20, abs=1e-9)
    nearly = touching.copy()
    nearly[19] = 0.53
    assert calibration(truth, nearly).values["calibration_slope"] > 1


few_levels = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.one_of(st.sampled_from([0.0, 0.3, 1.0]), st.floats(0, 1))),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(few_levels)
def test_any_few_rows_give_numbers_or_reasons_and_no_warning(rows):
    truth, probability = np.array(rows).T
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibration(truth, probability, least_events=1)
        curve = calibration_curve(truth, probability, least_events=1)
        points = calibration_points(truth, probability)
    assert {metric for metric, value in found.values.items() if value is None} == set(found.reasons)
    assert (curve.reason is None) == (curve.observed is not None)
    assert points.n.sum() == len(rows)
    if found.values["ece"] is not None:
        assert found.values["ece"] == pytest.approx(ece_by_loops(truth, probability), abs=1e-12)
        assert found.values["ece"] == pytest.approx(
            (points.n * np.abs(points.observed - points.predicted)).sum() / len(rows), abs=1e-12
        )
    if found.values["calibration_intercept"] is not None:
        shifted = expit(clipped_logit(probability) + found.values["calibration_intercept"])
        assert shifted.sum() == pytest.approx(truth.sum(), abs=1e-7)
    if curve.observed is not None:
        assert ((curve.observed >= 0) & (curve.observed <= 1)).all()


@pytest.mark.parametrize("decimals", [None, 2])
@pytest.mark.parametrize("by_patient", [False, True])
def test_replicates_equal_statsmodels_on_repeated_rows(decimals, by_patient):
    truth, probability = np.stack([simulated(260, seed, decimals) for seed in (8, 9)], axis=2)
    truth[3:9, 0] = np.nan
    probability[5:20, 1] = np.nan
    patients = np.random.default_rng(0).integers(0, 100, 260) if by_patient else None
    resamples = Resamples(260, 12, seed=1, clusters=patients)
    found = calibration_replicates(truth, probability, resamples, replicates=12)
    for label in range(2):
        known = ~(np.isnan(truth[:, label]) | np.isnan(probability[:, label]))
        for replicate, drawn in enumerate(resamples.counts(0, 12)):
            slope, intercept = by_statsmodels(truth[known, label], probability[known, label], drawn[known])
            assert found.slope[replicate, label] == pytest.approx(slope, abs=1e-8)
            assert found.intercept[replicate, label] == pytest.approx(intercept, abs=1e-8)
            repeated = (np.repeat(column[known, label], drawn[known]) for column in (truth, probability))
            assert found.ece[replicate, label] == pytest.approx(ece_by_loops(*repeated), abs=1e-12)


def test_replicates_do_not_depend_on_their_number_or_on_workers(monkeypatch):
    truth, probability = np.stack([simulated(300, seed) for seed in (1, 2, 3)], axis=2)
    expected = calibration_replicates(truth, probability, Resamples(300, 30, seed=5), replicates=30)
    fewer = calibration_replicates(truth, probability, Resamples(300, 1000, seed=5), replicates=11, workers=3)
    monkeypatch.setattr("twelvelead.evaluation.calibration._BLOCK_CELLS", 700)
    monkeypatch.setattr("twelvelead.evaluation.bootstrap._CHUNK_CELLS", 2400)
    cut = calibration_replicates(truth, probability, Resamples(300, 30, seed=5), replicates=200, workers=2)
    for figure in ("slope", "intercept", "ece"):
        np.testing.assert_array_equal(getattr(fewer, figure), getattr(expected, figure)[:11])
        np.testing.assert_array_equal(getattr(cut, figure), getattr(expected, figure))


def test_replicates_without_a_fit_are_nan_without_a_warning():
    rng = np.random.default_rng(0)
    truth = np.tile(np.repeat([0.0, 1.0], [28, 2]), (4, 1)).T
    probability = rng.random((30, 4))
    probability[:, 1] = np.linspace(0, 1, 30)
    probability[:, 2] = 0.3
    truth[:, 3] = 0
    resamples = Resamples(30, 60, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibration_replicates(truth, probability, resamples, least_events=2)
    has_positive = (resamples.counts(0, 60)[:, 28:] > 0).any(axis=1)
    assert not has_positive.all()
    np.testing.assert_array_equal(~np.isnan(found.intercept[:, :3]), np.repeat(has_positive[:, None], 3, axis=1))
    assert np.isfinite(found.slope[:, 0]).any()
    assert np.isnan(found.slope[~has_positive, 0]).all()
    assert np.isnan(found.slope[:, 1:]).all()
    assert np.isfinite(found.ece[:, :3]).all()
    assert np.isnan(found.ece[:, 3]).all()
    none = calibration_replicates(truth, probability, resamples, least_events=3)
    assert np.isnan([none.slope, none.intercept, none.ece]).all()


def test_points_are_bins_of_equal_mass_with_wilson_intervals():
    truth, probability = simulated(250, seed=10)
    points = calibration_points(truth, probability)
    assert points.n.tolist() == [25] * 10
    by_bin = np.argsort(probability).reshape(10, 25)
    np.testing.assert_allclose(points.predicted, probability[by_bin].mean(axis=1), rtol=0, atol=1e-14)
    np.testing.assert_allclose(points.observed, truth[by_bin].mean(axis=1), rtol=0, atol=1e-14)
    low, high = proportion_confint(truth[by_bin].sum(axis=1), 25, method="wilson")
    np.testing.assert_allclose(points.low, low, atol=1e-12)
    np.testing.assert_allclose(points.high, high, atol=1e-12)


def test_tied_rows_stay_in_one_bin():
    truth = np.tile([0.0, 1.0], 50)
    probability = np.concatenate((np.full(75, 0.1), np.linspace(0.2, 0.9, 25)))
    points = calibration_points(truth, probability)
    # The 75 share mid-rank 37.5 and with it bin 3; the other 25 have ranks 75.5 to 99.5: 5 in bin 7, 10 in 8 and 9.
    assert points.n.tolist() == [75, 5, 10, 10]


def loess_by_polyfit(at: float, truth: np.ndarray, probability: np.ndarray, span: float) -> float:
    distance = np.abs(probability - at)
    radius = np.sort(distance)[int(span * len(truth)) - 1]
    weight = np.clip(1 - (distance / radius) ** 3, 0, None) ** 3
    return np.polyval(np.polyfit(probability - at, truth, 1, w=np.sqrt(weight)), 0)


@pytest.mark.parametrize(("span", "decimals"), [(0.75, None), (0.4, None), (0.75, 2)])
def test_curve_is_a_local_linear_fit(span, decimals):
    truth, probability = simulated(400, seed=11, decimals=decimals)
    curve = calibration_curve(truth, probability, span=span)
    assert 25 <= len(curve.predicted) <= 50
    assert curve.predicted[[0, -1]].tolist() == [probability.min(), probability.max()]
    expected = [loess_by_polyfit(at, truth, probability, span) for at in curve.predicted]
    np.testing.assert_allclose(curve.observed, np.clip(expected, 0, 1), atol=1e-9)
    smoothed = dict(lowess(truth, probability, frac=span, it=0, delta=0, return_sorted=True))
    by_package = np.clip([smoothed[at] for at in curve.predicted], 0, 1)
    # statsmodels sets weights near the centre to 1 and near the edge to 0.
    np.testing.assert_allclose(curve.observed, by_package, atol=1e-4)


def test_curve_follows_a_true_curve_that_is_no_logistic_one():
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    truth = (rng.random(20_000) < probability**2).astype(float)
    curve = calibration_curve(truth, probability, span=0.2)
    np.testing.assert_allclose(curve.observed, curve.predicted**2, atol=0.04)


def test_curve_at_probabilities_that_most_rows_share():
    truth = np.concatenate((np.tile([0.0, 0.0, 0.0, 1.0], 20), np.tile([0.0, 1.0], 10)))
    probability = np.repeat([0.1, 0.8], [80, 20])
    curve = calibration_curve(truth, probability)
    assert curve.predicted.tolist() == [0.1, 0.8]
    assert curve.observed == pytest.approx([0.25, 0.5])
    assert calibration_curve(truth, np.full(100, 0.3)).reason == CONSTANT


def test_what_does_not_fit_is_said():
    with pytest.raises(TableError, match="expected 0 to 1"):
        calibration(np.array([0.0, 1.0]), np.array([0.5, 1.01]))
    with pytest.raises(TableError, match=r"expected \(ecgs, labels\)"):
        calibration(np.zeros(3), np.zeros(2))
    with pytest.raises(TableError, match="such as 3; expected 0, 1"):
        calibration(np.full(3, 3.0), np.zeros(3))


def test_predictions_at_both_ends_alone_have_an_intercept():
    # Between the two clumps of logits the likelihood is all but flat, and a plain Newton step goes anywhere.
    truth = np.repeat([1.0, 0.0, 1.0], [18, 7, 24])
    probability = np.repeat([0.0, 1.0], [25, 24])
    intercept = calibration(truth, probability, least_events=5).values["calibration_intercept"]
    assert expit(clipped_logit(probability) + intercept).sum() == pytest.approx(42, abs=1e-9)


def test_a_fit_that_does_not_converge_gives_a_reason(monkeypatch):
    monkeypatch.setattr("twelvelead.evaluation.logistic._MOST_STEPS", 1)
    found = calibration(*simulated(100, seed=2))
    assert found.reasons == dict.fromkeys(("calibration_slope", "calibration_intercept"), NOT_CONVERGED)
