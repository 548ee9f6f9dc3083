"""The figures of every label: discrimination, calibration, net benefit, and operating points at each threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from twelvelead.evaluation.bootstrap import (
    Interval,
    MetricReplicates,
    Resamples,
    metric_replicates,
    percentile_interval,
    weighted_sums,
)
from twelvelead.evaluation.calibration import (
    calibration,
    calibration_curve,
    calibration_points,
    calibration_replicates,
)
from twelvelead.evaluation.decision_curve import decision_curves
from twelvelead.evaluation.deepecg_metrics import average_precision, cumulative_counts
from twelvelead.evaluation.discrimination import auroc_interval
from twelvelead.evaluation.operating_points import (
    MEASURES,
    OperatingPoint,
    at_score_precision,
    fitted_thresholds,
    measures,
    operating_points,
    wilson_interval,
)
from twelvelead.evaluation.scores import (
    EvaluationSettings,
    Scores,
    ThresholdSet,
    usable,
    usable_rows,
)

HISTOGRAM_BINS = 20
LABELS_AT_ONCE = 16  # whose confusion counts are resampled together
ROUNDING = 1e-9
COLLAPSED = "every bootstrap replicate has the same value, which says nothing of other samples"


FITTED = (
    ThresholdSet("youden", "fitted", np.empty(0), (), "fitted on these very ECGs, so what it gives is optimistic"),
    ThresholdSet("f1", "fitted", np.empty(0), (), "fitted on these very ECGs, so what it gives is optimistic"),
)


def figures_of_labels(
    scores: Scores, sets: Sequence[ThresholdSet], settings: EvaluationSettings, whole: bool
) -> tuple[dict[str, dict], MetricReplicates | None]:
    """(label -> its figures, replicates for figures over several labels); `whole` adds what plots need."""
    if not scores.labels:
        return {}, None
    resamples = Resamples(len(scores.truth), settings.replicates, settings.seed, scores.clusters)
    replicates = metric_replicates(scores.truth, scores.probability, resamples, settings.workers)
    calibrated = calibration_replicates(
        scores.truth,
        scores.probability,
        resamples,
        settings.slope_replicates,
        settings.least_events,
        settings.workers,
    )
    points = _points(scores, [*sets, *_fitted(scores)], resamples, settings)
    curves = decision_curves(scores.truth, scores.probability, _grid(settings)) if whole else ()
    found = {}
    for position, label in enumerate(scores.labels):
        truth, probability = usable(scores, position)
        clusters = scores.clusters
        if clusters is not None:
            clusters = clusters[usable_rows(scores, position)]
        ranked = cumulative_counts(truth, probability)
        quality = calibration(truth, probability, settings.least_events)
        found[label] = {
            "auroc": _without_none(asdict(auroc_interval(truth, probability, clusters, settings.level))),
            "auprc": with_interval(average_precision(ranked), replicates.auprc[:, position], settings),
            "auprc_of_chance": float(truth.mean()),
            "brier": with_interval(quality.values["brier"], replicates.brier[:, position], settings),
            "scaled_brier": {"value": quality.values["scaled_brier"]},
            "calibration_slope": _calibrated(quality, "calibration_slope", calibrated.slope[:, position], settings),
            "calibration_intercept": _calibrated(
                quality, "calibration_intercept", calibrated.intercept[:, position], settings
            ),
            "ece": _calibrated(quality, "ece", calibrated.ece[:, position], settings),
            "operating_points": points[position],
        }
        if whole:
            found[label] |= _plots(truth, probability, curves[position], settings)
    return found, replicates


def with_interval(value: float | None, replicates: np.ndarray, settings: EvaluationSettings, reason: str = "") -> dict:
    """A value with the percentile interval of its replicates, or None with the reason."""
    if value is None:
        return {"value": None, "reason": reason}
    return {"value": value} | _interval(percentile_interval(replicates, settings.level))


def _interval(interval: Interval) -> dict:
    shown = {"low": interval.low, "high": interval.high, "reason": interval.reason}
    if is_a_point(interval):
        shown = {"low": None, "high": None, "reason": COLLAPSED}
    return _without_none(shown) | {"replicates": interval.total, "invalid_replicates": interval.invalid}


def is_a_point(interval: Interval) -> bool:
    """Whether the replicates differ by rounding at most."""
    return interval.low is not None and interval.high - interval.low <= ROUNDING * max(1.0, abs(interval.low))


def _calibrated(quality, metric: str, replicates: np.ndarray, settings: EvaluationSettings) -> dict:
    return with_interval(quality.values[metric], replicates, settings, quality.reasons.get(metric, ""))


def _without_none(values: dict, keep: Sequence[str] = ("value", "low", "high")) -> dict:
    return {key: value for key, value in values.items() if value is not None or key in keep}


def _grid(settings: EvaluationSettings) -> np.ndarray:
    lowest, highest = settings.threshold_probabilities
    return np.linspace(lowest, highest, 50)


def _plots(truth: np.ndarray, probability: np.ndarray, curve, settings: EvaluationSettings) -> dict:
    points = calibration_points(truth, probability, settings.level)
    smooth = calibration_curve(truth, probability, least_events=settings.least_events)
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    return {
        "calibration_plot": {
            "predicted": points.predicted.tolist(),
            "observed": points.observed.tolist(),
            "low": points.low.tolist(),
            "high": points.high.tolist(),
            "n": points.n.tolist(),
            "curve_predicted": None if smooth.predicted is None else smooth.predicted.tolist(),
            "curve_observed": None if smooth.observed is None else smooth.observed.tolist(),
        },
        "decision_curve": {
            "threshold_probability": curve.threshold_probabilities.tolist(),
            "net_benefit": curve.net_benefit.tolist(),
            "treat_all": curve.treat_all.tolist(),
            "treat_none": curve.treat_none.tolist(),
        },
        "distribution": {
            "edges": edges.tolist(),
            "positives": np.histogram(probability[truth == 1], edges)[0].tolist(),
            "negatives": np.histogram(probability[truth == 0], edges)[0].tolist(),
        },
    }


def _fitted(scores: Scores) -> list[ThresholdSet]:
    """Youden's and the F1-optimal thresholds on these ECGs, always marked as such."""
    sets = []
    for of_set, fits in zip(FITTED, fitted_thresholds(scores.truth, scores.probability), strict=True):
        values = np.array([np.nan if fit.threshold is None else fit.threshold for fit in fits])
        sets.append(replace(of_set, values=values, reasons=tuple(fit.reason for fit in fits)))
    return sets


def _points(
    scores: Scores, sets: Sequence[ThresholdSet], resamples: Resamples, settings: EvaluationSettings
) -> list[list[dict]]:
    """Per label what the model does at each set's threshold; Wilson's intervals, or resampled patients'."""
    per_label: list[list[dict]] = [[] for _ in scores.labels]
    for of_set in sets:
        points = operating_points(
            scores.truth,
            scores.probability,
            of_set.values,
            fitted_on_these_data=of_set.kind == "fitted",
            why_no_threshold=of_set.reasons,
            confidence=settings.level,
        )
        resampled = _resampled_measures(scores, of_set.values, resamples)
        for position, point in enumerate(points):
            of_label = {name: values[:, position] for name, values in resampled.items()}
            patients = None if scores.clusters is None else _patients_below(scores, position, of_set.values[position])
            per_label[position].append(_point(of_set, point, of_label, patients, settings))
    return per_label


def _patients_below(scores: Scores, position: int, threshold: float) -> dict[str, int]:
    """Measure -> patients with an ECG in its denominator."""
    usable = usable_rows(scores, position)
    probability = scores.probability[:, [position]]
    called = (probability >= at_score_precision(np.array([threshold]), probability))[:, 0]
    positive = scores.truth[:, position] == 1
    below = {"sensitivity": positive, "specificity": ~positive, "ppv": called, "npv": ~called}
    return {name: len(np.unique(scores.clusters[usable & below.get(name, True)])) for name in MEASURES if name != "f1"}


def _resampled_measures(scores: Scores, thresholds: np.ndarray, resamples: Resamples) -> dict[str, np.ndarray]:
    """Measure -> (replicates, labels)."""
    usable = ~np.isnan(scores.truth) & np.isfinite(scores.probability)
    called = usable & (scores.probability >= at_score_precision(thresholds, scores.probability))
    positive = usable & (scores.truth == 1)
    parts = []
    for first in range(0, len(scores.labels), LABELS_AT_ONCE):
        at = slice(first, first + LABELS_AT_ONCE)
        cells = [called[:, at] & positive[:, at], called[:, at] & ~positive[:, at], positive[:, at], usable[:, at]]
        parts.append(np.split(weighted_sums(np.hstack(cells), resamples), 4, axis=1))
    hits, false_alarms, positives, n = (np.hstack(cells) for cells in zip(*parts, strict=True))
    return measures(hits, false_alarms, n - positives - false_alarms, positives - hits)


def _point(
    of_set: ThresholdSet,
    point: OperatingPoint,
    resampled: Mapping[str, np.ndarray],
    patients: Mapping[str, int] | None,
    settings: EvaluationSettings,
) -> dict:
    shown = {"set": of_set.name, "kind": of_set.kind, "threshold": point.threshold}
    if point.threshold is None:
        return shown | {"reason": point.sensitivity.reason}
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    shown |= {name: getattr(point, name) for name in names}
    for name in MEASURES:
        estimate = getattr(point, name)
        if estimate.value is None:
            shown[name] = {"value": None, "reason": estimate.reason}
        elif patients is None and estimate.low is not None:
            shown[name] = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        else:
            shown[name] = with_interval(estimate.value, resampled[name], settings)
            if patients is not None and shown[name].get("reason") == COLLAPSED and estimate.value in (0, 1):
                shown[name] = _wilson_of_patients(estimate.value, patients.get(name), settings)
    return shown


def _wilson_of_patients(value: float, patients: int | None, settings: EvaluationSettings) -> dict:
    """The interval of 0 or 1, which no resampling can widen: Wilson's, as if each patient told no more than one ECG."""
    if not patients:
        return {"value": value, "low": None, "high": None, "reason": COLLAPSED}
    low, high = wilson_interval(np.array([value * patients]), np.array([patients]), settings.level)
    return {"value": value, "low": float(low[0]), "high": float(high[0]), "method": "Wilson, by patient"}
