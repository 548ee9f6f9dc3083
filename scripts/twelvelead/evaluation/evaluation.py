"""evaluation.json: what clinical-AI reporting asks for beyond DeepECG's keys, per label, category and subgroup.

The core set is that of Van Calster et al., Lancet Digital Health 2025: AUROC, calibration plot, net benefit and
probability distributions; around it TRIPOD+AI and STARD-AI. config/README.md has the definitions. A figure that cannot
be given is null with a reason, and a label with few positives is listed as not evaluable instead of being judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from twelvelead.evaluation.bootstrap import (
    Interval,
    MetricReplicates,
    Resamples,
    checked_cells,
    metric_replicates,
    percentile_interval,
    weighted_sums,
)
from twelvelead.evaluation.calibration import (
    LEAST_EVENTS,
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

HISTOGRAM_BINS = 20
LABELS_AT_ONCE = 16  # whose confusion counts are resampled together
SMALLEST_CELL = 10  # of a subgroup: fewer ECGs, positives or negatives are not shown
NOT_PREDICTED = "the model does not predict it"
ROUNDING = 1e-9
COLLAPSED = "every bootstrap replicate has the same value, which says nothing of other samples"
ONE_PATIENT = "all ECGs are of one patient, so nothing can be said of others"


@dataclass(frozen=True)
class EvaluationSettings:
    """replicates of the bootstrap (slope_replicates of calibration slope, intercept and ECE), and its seed.

    least_positives          positives, and negatives, that a label needs to be evaluated
    threshold_probabilities  (lowest, highest) of the decision curve
    level                    of every interval
    """

    replicates: int = 1000
    slope_replicates: int = 200
    seed: int = 20
    least_positives: int = 10
    threshold_probabilities: tuple[float, float] = (0.01, 0.5)
    level: float = 0.95
    workers: int = 1

    @property
    def least_events(self) -> int:
        """Of each class, for calibration: fewer leave a slope to chance."""
        return max(self.least_positives, LEAST_EVENTS)


@dataclass(frozen=True, eq=False)
class ThresholdSet:
    """One threshold per label, NaN for none, from one source.

    kind     "published", "given" (by the user) or "fitted" (on these very ECGs)
    reasons  why a label has none; note: what a reader must know of all of them
    """

    name: str
    kind: str
    values: np.ndarray
    reasons: tuple[str, ...]
    note: str = ""

    def of_labels(self, positions: Sequence[int]) -> "ThresholdSet":
        """The same for some of the labels."""
        reasons = tuple(self.reasons[position] for position in positions)
        return replace(self, values=self.values[list(positions)], reasons=reasons)


@dataclass(frozen=True, eq=False)
class Scores:
    """Truth and predictions of one model on one task; rows are ECGs in the order of their ids.

    truth        (n, labels): 1, 0, NaN where unknown
    probability  (n, labels): NaN where not predicted
    clusters     (n,) patient codes, or None where ECGs are taken as independent
    """

    labels: tuple[str, ...]
    truth: np.ndarray
    probability: np.ndarray
    clusters: np.ndarray | None = None

    def of_labels(self, positions: Sequence[int]) -> "Scores":
        """The same ECGs with some of the labels."""
        chosen = list(positions)
        names = tuple(self.labels[position] for position in chosen)
        return replace(self, labels=names, truth=self.truth[:, chosen], probability=self.probability[:, chosen])

    def of_rows(self, rows: np.ndarray) -> "Scores":
        """Some of the ECGs."""
        clusters = None if self.clusters is None else self.clusters[rows]
        return replace(self, truth=self.truth[rows], probability=self.probability[rows], clusters=clusters)


def evaluate(
    scores: Scores,
    thresholds: Sequence[ThresholdSet],
    categories: Mapping[str, Sequence[str]],
    groups: Mapping[str, np.ndarray],
    settings: EvaluationSettings,
) -> dict:
    """Everything evaluation.json says of a model on a task, as plain values.

    thresholds  sets beyond those that are fitted here; each value is for the label at its place
    categories  name -> its labels
    groups      column -> (n,) text, "" where unknown: subgroups
    Raises TableError where a truth is not 0, 1 or NaN, or a probability not 0 to 1 or NaN.
    """
    checked_cells(scores.truth, scores.probability, len(scores.truth))
    counts = [_counts(scores, position) for position in range(len(scores.labels))]
    why_not = [_why_not_evaluable(scores, position, counts[position], settings) for position in range(len(counts))]
    evaluable = [position for position, reason in enumerate(why_not) if not reason]
    chosen = scores.of_labels(evaluable)
    sets = [of_set.of_labels(evaluable) for of_set in thresholds]
    labels, replicates = _evaluate_labels(chosen, sets, settings, whole=True)
    return {
        "settings": _settings(settings),
        "ecgs": len(scores.truth),
        "patients": None if scores.clusters is None else len(np.unique(scores.clusters)),
        "independence": "assumed" if scores.clusters is None else "intervals are clustered by patient",
        "labels": {
            label: counts[position] | labels[label] for position, label in zip(evaluable, chosen.labels, strict=True)
        },
        "not_evaluable": {
            label: counts[position] | {"reason": why_not[position]}
            for position, label in enumerate(scores.labels)
            if why_not[position]
        },
        "categories": {
            category: _category(members, scores.labels, why_not, chosen.labels, labels, replicates, settings)
            for category, members in categories.items()
        },
        "threshold_sets": [
            {"name": of_set.name, "kind": of_set.kind, "note": of_set.note} for of_set in [*thresholds, *FITTED]
        ],
        "subgroups": {
            column: _subgroups(scores, evaluable, why_not, values, sets, settings) for column, values in groups.items()
        },
    }


FITTED = (
    ThresholdSet("youden", "fitted", np.empty(0), (), "fitted on these very ECGs, so what it gives is optimistic"),
    ThresholdSet("f1", "fitted", np.empty(0), (), "fitted on these very ECGs, so what it gives is optimistic"),
)


def _settings(settings: EvaluationSettings) -> dict:
    """Without the number of workers, which changes no result."""
    shown = asdict(settings)
    del shown["workers"]
    shown["threshold_probabilities"] = list(settings.threshold_probabilities)
    return shown | {"interval": "percentile", "resampled": "patients, where they are told apart, else ECGs"}


def _counts(scores: Scores, position: int) -> dict:
    truth, probability = scores.truth[:, position], scores.probability[:, position]
    known, predicted = ~np.isnan(truth), np.isfinite(probability)
    positives = int((truth[known & predicted] == 1).sum())
    n = int((known & predicted).sum())
    return {
        "n": n,
        "positives": positives,
        "negatives": n - positives,
        "unknown": int((~known).sum()),
        "not_predicted": int((known & ~predicted).sum()),
    }


def _why_not_evaluable(scores: Scores, position: int, counts: Mapping[str, int], settings: EvaluationSettings) -> str:
    if len(scores.truth) and not np.isfinite(scores.probability[:, position]).any():
        return NOT_PREDICTED
    positives, negatives, least = counts["positives"], counts["negatives"], settings.least_positives
    if min(positives, negatives) < least:
        return f"{positives} positives and {negatives} negatives; at least {least} of each are needed"
    return ONE_PATIENT if _of_one_patient(scores, position) else ""


def _of_one_patient(scores: Scores, position: int) -> bool:
    clusters = scores.clusters
    return clusters is not None and len(np.unique(clusters[_usable_rows(scores, position)])) < 2


def _evaluate_labels(
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
        truth, probability = _usable(scores, position)
        clusters = scores.clusters
        if clusters is not None:
            clusters = clusters[_usable_rows(scores, position)]
        ranked = cumulative_counts(truth, probability)
        quality = calibration(truth, probability, settings.least_events)
        found[label] = {
            "auroc": _without_none(asdict(auroc_interval(truth, probability, clusters, settings.level))),
            "auprc": _estimate(average_precision(ranked), replicates.auprc[:, position], settings),
            "auprc_of_chance": float(truth.mean()),
            "brier": _estimate(quality.values["brier"], replicates.brier[:, position], settings),
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


def _usable_rows(scores: Scores, position: int) -> np.ndarray:
    return ~np.isnan(scores.truth[:, position]) & np.isfinite(scores.probability[:, position])


def _usable(scores: Scores, position: int) -> tuple[np.ndarray, np.ndarray]:
    rows = _usable_rows(scores, position)
    return scores.truth[rows, position], scores.probability[rows, position]


def _estimate(value: float | None, replicates: np.ndarray, settings: EvaluationSettings, reason: str = "") -> dict:
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
    return _estimate(quality.values[metric], replicates, settings, quality.reasons.get(metric, ""))


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
    usable = _usable_rows(scores, position)
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
            shown[name] = _estimate(estimate.value, resampled[name], settings)
            if patients is not None and shown[name].get("reason") == COLLAPSED and estimate.value in (0, 1):
                shown[name] = _wilson_of_patients(estimate.value, patients.get(name), settings)
    return shown


def _wilson_of_patients(value: float, patients: int | None, settings: EvaluationSettings) -> dict:
    """The interval of 0 or 1, which no resampling can widen: Wilson's, as if each patient told no more than one ECG."""
    if not patients:
        return {"value": value, "low": None, "high": None, "reason": COLLAPSED}
    low, high = wilson_interval(np.array([value * patients]), np.array([patients]), settings.level)
    return {"value": value, "low": float(low[0]), "high": float(high[0]), "method": "Wilson, by patient"}


def _category(
    members: Sequence[str],
    labels: Sequence[str],
    why_not: Sequence[str],
    evaluable: Sequence[str],
    found: Mapping[str, Mapping],
    replicates: MetricReplicates | None,
    settings: EvaluationSettings,
) -> dict:
    """Means over the evaluable labels of a category; what a model does not predict never enters them."""
    reasons = dict(zip(labels, why_not, strict=True))
    positions = [evaluable.index(member) for member in members if member in evaluable]
    shown = {
        "labels": len(members),
        "evaluable": len(positions),
        "not_predicted": sum(reasons[member] == NOT_PREDICTED for member in members),
    }
    if not positions or replicates is None:
        return shown | {"macro_auroc": {"value": None, "reason": "no label of it is evaluable"}}
    names = [evaluable[position] for position in positions]
    if len(names) == 1:  # one figure, one interval: not a second one by another method
        return shown | {f"macro_{metric}": found[names[0]][metric] for metric in ("auroc", "auprc")}
    for metric, of_metric in (("auroc", replicates.auroc), ("auprc", replicates.auprc)):
        mean = float(np.mean([found[name][metric]["value"] for name in names]))
        shown[f"macro_{metric}"] = _estimate(mean, of_metric[:, positions].mean(axis=1), settings)
    return shown


def _subgroups(
    scores: Scores,
    evaluable: Sequence[int],
    why_not: Sequence[str],
    values: np.ndarray,
    sets: Sequence[ThresholdSet],
    settings: EvaluationSettings,
) -> dict:
    """The same figures within each group of ECGs; cells of fewer than SMALLEST_CELL are not shown."""
    names, sizes = np.unique(values[values != ""], return_counts=True)
    unknown = int((values == "").sum())
    hidden = _hidden_groups(dict(zip(names.tolist(), sizes.tolist(), strict=True)), unknown)
    chosen = scores.of_labels(evaluable)
    groups = {
        str(name): _group(chosen.of_rows(values == name), sets, settings) for name in names if str(name) not in hidden
    }
    _suppress_what_is_left_over(groups, chosen.labels, settings)
    return {
        "unknown": unknown if unknown >= SMALLEST_CELL else None,
        "suppressed_groups": len(hidden),
        "groups": groups,
    }


def _hidden_groups(sizes: Mapping[str, int], unknown: int) -> set[str]:
    """Groups of fewer than SMALLEST_CELL, and the next smallest while the total less what is shown would tell of them.

    What is left is then of one group alone, or itself a small cell. That ECGs are in no group (`unknown`) hides none.
    """
    hidden = {name for name, size in sizes.items() if size < SMALLEST_CELL}
    not_shown = unknown if unknown < SMALLEST_CELL else 0
    while hidden and (shown := sizes.keys() - hidden):
        left = sum(sizes[name] for name in hidden) + not_shown
        if len(hidden) > 1 and left >= SMALLEST_CELL:
            break
        hidden.add(min(shown, key=lambda name: (sizes[name], name)))
    return hidden


def _suppress_what_is_left_over(
    groups: Mapping[str, dict], labels: Sequence[str], settings: EvaluationSettings
) -> None:
    """Where a label's figures are hidden in one group alone, its counts there are the total less the others'."""
    for label in labels:
        shown = [of_group["labels"] for of_group in groups.values() if "suppressed" not in of_group["labels"][label]]
        if shown and len(shown) == len(groups) - 1:
            smallest = min(shown, key=lambda of_group: min(of_group[label]["positives"], of_group[label]["negatives"]))
            smallest[label] = _suppressed(settings)


def _suppressed(settings: EvaluationSettings) -> dict:
    least = max(SMALLEST_CELL, settings.least_positives)
    return {"suppressed": f"fewer than {least} positives or negatives, or to be counted from those of the others"}


def _group(scores: Scores, sets: Sequence[ThresholdSet], settings: EvaluationSettings) -> dict:
    counts = [_counts(scores, position) for position in range(len(scores.labels))]
    large = [
        position
        for position, of_label in enumerate(counts)
        if min(of_label["positives"], of_label["negatives"]) >= max(SMALLEST_CELL, settings.least_positives)
        and not _of_one_patient(scores, position)
    ]
    found, _ = _evaluate_labels(
        scores.of_labels(large), [of_set.of_labels(large) for of_set in sets], settings, whole=False
    )
    return {
        "n": len(scores.truth),
        "labels": {
            label: {key: counts[position][key] for key in ("n", "positives", "negatives")} | found[label]
            if label in found
            else _suppressed(settings)
            for position, label in enumerate(scores.labels)
        },
    }
