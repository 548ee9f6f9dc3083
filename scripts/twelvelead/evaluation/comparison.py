"""Two models on the same ECGs: paired differences with intervals, agreement, and the ECGs they disagree on.

Models are compared on common cells only (ECG x label with known truth that both predict). p values are of the paired
DeLong test (Obuchowski's with several ECGs a patient), adjusted over the labels by Holm's method.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from twelvelead.evaluation.agreement import cohens_kappa, disagreements, holm
from twelvelead.evaluation.bootstrap import Resamples, paired_differences, percentile_interval, weighted_sums
from twelvelead.evaluation.calibration import calibration
from twelvelead.evaluation.deepecg_metrics import average_precision, cumulative_counts
from twelvelead.evaluation.discrimination import auroc_difference
from twelvelead.evaluation.label_figures import COLLAPSED, is_a_point
from twelvelead.evaluation.operating_points import at_score_precision, fitted_thresholds
from twelvelead.evaluation.scores import EvaluationSettings, Scores, ThresholdSet

LISTED = 20  # ECGs of a list of disagreements


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """A model's scores and threshold sets: a label's calls are at the first that has a threshold for it.

    Where none has, they are at Youden's, fitted on the common ECGs and called so.
    """

    name: str
    scores: Scores
    sets: Sequence[ThresholdSet]


@dataclass(frozen=True)
class _Calls:
    """The threshold that a model's calls of a label are made at, and where it comes from; None, with a reason."""

    threshold: float | None
    kind: str
    name: str
    reason: str = ""


def compare(first: ComparedModel, second: ComparedModel, ecg_ids: Sequence[str], settings: EvaluationSettings) -> dict:
    """What comparison.json says of a pair; both models' scores have the same ECGs (`ecg_ids`) and labels, in order.

    Differences are the first model's value less the second's.
    """
    scores = first.scores
    truth = np.where(np.isfinite(scores.probability) & np.isfinite(second.scores.probability), scores.truth, np.nan)
    least = settings.least_positives
    positives, negatives = (truth == 1).sum(axis=0), (truth == 0).sum(axis=0)
    chosen = np.flatnonzero(np.minimum(positives, negatives) >= least)
    shown = {
        "first": first.name,
        "second": second.name,
        "ecgs": len(truth),
        "labels_not_compared": len(scores.labels) - len(chosen),
    }
    if not len(chosen):
        return shown | {
            "calls": {first.name: [], second.name: []},
            "labels": {},
            "reason": f"no label that both predict has {least} of each class",
        }
    calls = [_calls(model, truth, chosen) for model in (first, second)]
    resamples = Resamples(len(truth), settings.replicates, settings.seed, scores.clusters)
    probabilities = first.scores.probability[:, chosen], second.scores.probability[:, chosen]
    replicates = paired_differences(truth[:, chosen], *probabilities, resamples, settings.workers)
    labels = {}
    for column, position in enumerate(chosen):
        rows = np.flatnonzero(~np.isnan(truth[:, position]))
        of_truth = truth[rows, position]
        a, b = (probability[rows, column] for probability in probabilities)
        clusters = None if scores.clusters is None else scores.clusters[rows]
        labels[scores.labels[position]] = {
            "n": len(rows),
            "positives": int(positives[position]),
            "auroc": asdict(auroc_difference(of_truth, a, b, clusters, settings.level)),
            "auprc": _difference(_auprc(of_truth, a) - _auprc(of_truth, b), replicates.auprc[:, column], settings),
            "brier": _difference(_brier(of_truth, a) - _brier(of_truth, b), replicates.brier[:, column], settings),
        } | _agreement(
            of_truth, {first.name: a, second.name: b}, [of_model[column] for of_model in calls], rows, ecg_ids,
            resamples, settings,
        )  # fmt: skip
    adjusted = holm([of_label["auroc"]["p_value"] for of_label in labels.values()])
    for of_label, p_value in zip(labels.values(), adjusted, strict=True):
        of_label["auroc"]["p_value_holm"] = p_value
    counted = (Counter((one.kind, one.name) for one in of_model if one.threshold is not None) for of_model in calls)
    shown["calls"] = {
        model.name: [{"kind": kind, "name": name, "labels": count} for (kind, name), count in of_model.items()]
        for model, of_model in zip((first, second), counted, strict=True)
    }
    return shown | {"labels": labels}


def _calls(model: ComparedModel, truth: np.ndarray, positions: Sequence[int]) -> list[_Calls]:
    """Per label, so that a threshold fitted on these ECGs never goes by the name of one fixed beforehand."""
    fits, _ = fitted_thresholds(truth[:, positions], model.scores.probability[:, positions])
    calls = []
    for position, fit in zip(positions, fits, strict=True):
        of_set = next((one for one in model.sets if np.isfinite(one.values[position])), None)
        if of_set is None:
            calls.append(_Calls(fit.threshold, "fitted", "youden", fit.reason))
        else:
            calls.append(_Calls(float(of_set.values[position]), of_set.kind, of_set.name))
    return calls


def _auprc(truth: np.ndarray, probability: np.ndarray) -> float:
    return average_precision(cumulative_counts(truth, probability))


def _brier(truth: np.ndarray, probability: np.ndarray) -> float:
    return calibration(truth, probability).values["brier"]


def _difference(value: float, replicates: np.ndarray, settings: EvaluationSettings) -> dict:
    interval = percentile_interval(replicates, settings.level)
    shown = {"difference": value, "low": interval.low, "high": interval.high, "invalid_replicates": interval.invalid}
    reason = COLLAPSED if is_a_point(interval) else interval.reason
    return shown | ({"low": None, "high": None, "reason": reason} if reason else {})


def _agreement(
    truth: np.ndarray,
    scores: Mapping[str, np.ndarray],
    calls: Sequence[_Calls],
    rows: np.ndarray,
    ecg_ids: Sequence[str],
    resamples: Resamples,
    settings: EvaluationSettings,
) -> dict:
    """Kappa of two models' calls, and the ECGs on which they differ most; scores: model -> (rows,)."""
    thresholds = [one.threshold for one in calls]
    if None in thresholds:
        reasons = (f"{model}: {one.reason}" for model, one in zip(scores, calls, strict=True) if one.reason)
        return {"kappa": {"value": None, "reason": "; ".join(reasons)}}
    called = [
        score >= at_score_precision(np.array([threshold]), score[:, np.newaxis])[0]
        for score, threshold in zip(scores.values(), thresholds, strict=True)
    ]
    kappa = {key: value for key, value in asdict(cohens_kappa(*called, settings.level)).items() if value is not None}
    if resamples.clusters is not None and kappa.get("value") is not None:
        kappa |= _clustered_kappa(*called, rows, resamples, settings)
        kappa = {key: value for key, value in kappa.items() if value is not None}
    apart = disagreements(truth, *scores.values(), *thresholds, top=LISTED)
    listed = [
        {
            "ecg_id": str(ecg_ids[rows[row]]),
            "truth": int(truth[row]),
        }
        | {model: float(of_model[row]) for model, of_model in scores.items()}
        for row in apart.rows
    ]
    counts = {"total": apart.total, "first_right": apart.a_right, "second_right": apart.b_right}
    kinds = [{"kind": one.kind, "name": one.name} for one in calls]
    return {"thresholds": thresholds, "calls": kinds, "kappa": kappa, "disagreements": counts | {"ecgs": listed}}


def _clustered_kappa(
    a: np.ndarray, b: np.ndarray, rows: np.ndarray, resamples: Resamples, settings: EvaluationSettings
) -> Mapping[str, float | str | None]:
    """The interval by resampling patients; Fleiss's takes ECGs as independent."""
    cells = np.zeros((resamples.rows, 4))
    cells[rows] = np.column_stack([a & b, a & ~b, ~a & b, ~a & ~b])
    both, only_a, only_b, neither = weighted_sums(cells, resamples).T
    n = both + only_a + only_b + neither
    by_chance = (both + only_a) * (both + only_b) + (only_b + neither) * (only_a + neither)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = ((both + neither) * n - by_chance) / (n * n - by_chance)
    interval = percentile_interval(np.where(np.isfinite(replicates), replicates, np.nan), settings.level)
    reason = COLLAPSED if is_a_point(interval) else interval.reason
    low, high = (None, None) if reason else (interval.low, interval.high)
    return {"low": low, "high": high, "standard_error": None, "reason": reason}
