"""Two models on the same ECGs: paired differences with intervals, agreement, and the ECGs they disagree on.

Models are compared on common cells only (ECG x label with known truth that both predict). p values are of the paired
DeLong test (Obuchowski's with several ECGs a patient), adjusted over the labels by Holm's method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from twelvelead.evaluation.agreement import cohens_kappa, disagreements, holm
from twelvelead.evaluation.bootstrap import Resamples, paired_differences, percentile_interval, weighted_sums
from twelvelead.evaluation.calibration import calibration
from twelvelead.evaluation.deepecg_metrics import average_precision, cumulative_counts
from twelvelead.evaluation.discrimination import auroc_difference
from twelvelead.evaluation.evaluation import EvaluationSettings, Scores, ThresholdSet
from twelvelead.evaluation.operating_points import at_score_precision

LISTED = 20  # ECGs of a list of disagreements


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """A model's scores and the threshold per label at which its calls are compared."""

    name: str
    scores: Scores
    calls: ThresholdSet


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
        "calls": {model.name: {"kind": model.calls.kind, "name": model.calls.name} for model in (first, second)},
    }
    if not len(chosen):
        return shown | {
            "labels": {},
            "reason": f"no label that both predict has {least} of each class",
        }
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
        } | _agreement(of_truth, (a, b), (first, second), position, rows, ecg_ids, resamples, settings)
    adjusted = holm([of_label["auroc"]["p_value"] for of_label in labels.values()])
    for of_label, p_value in zip(labels.values(), adjusted, strict=True):
        of_label["auroc"]["p_value_holm"] = p_value
    return shown | {"labels": labels}


def _auprc(truth: np.ndarray, probability: np.ndarray) -> float:
    return average_precision(cumulative_counts(truth, probability))


def _brier(truth: np.ndarray, probability: np.ndarray) -> float:
    return calibration(truth, probability).values["brier"]


def _difference(value: float, replicates: np.ndarray, settings: EvaluationSettings) -> dict:
    interval = percentile_interval(replicates, settings.level)
    return {"difference": value, "low": interval.low, "high": interval.high, "invalid_replicates": interval.invalid}


def _agreement(
    truth: np.ndarray,
    scores: tuple[np.ndarray, np.ndarray],
    models: tuple[ComparedModel, ComparedModel],
    position: int,
    rows: np.ndarray,
    ecg_ids: Sequence[str],
    resamples: Resamples,
    settings: EvaluationSettings,
) -> dict:
    """Kappa of the models' calls, and the ECGs on which they differ most."""
    thresholds = [float(model.calls.values[position]) for model in models]
    if np.isnan(thresholds).any():
        reason = "; ".join(reason for model in models if (reason := model.calls.reasons[position]))
        return {"kappa": {"value": None, "reason": reason or "no threshold"}}
    called = [
        score >= at_score_precision(np.array([threshold]), score[:, np.newaxis])[0]
        for score, threshold in zip(scores, thresholds, strict=True)
    ]
    kappa = {key: value for key, value in asdict(cohens_kappa(*called, settings.level)).items() if value is not None}
    if resamples.clusters is not None and kappa.get("value") is not None:
        kappa |= _clustered_kappa(*called, rows, resamples, settings)
    apart = disagreements(truth, *scores, *thresholds, top=LISTED)
    listed = [
        {
            "ecg_id": str(ecg_ids[rows[row]]),
            "truth": int(truth[row]),
            models[0].name: float(scores[0][row]),
            models[1].name: float(scores[1][row]),
        }
        for row in apart.rows
    ]
    counts = {"total": apart.total, "first_right": apart.a_right, "second_right": apart.b_right}
    return {"thresholds": thresholds, "kappa": kappa, "disagreements": counts | {"ecgs": listed}}


def _clustered_kappa(
    a: np.ndarray, b: np.ndarray, rows: np.ndarray, resamples: Resamples, settings: EvaluationSettings
) -> Mapping[str, float | None]:
    """The interval by resampling patients; Fleiss's takes ECGs as independent."""
    cells = np.zeros((resamples.rows, 4))
    cells[rows] = np.column_stack([a & b, a & ~b, ~a & b, ~a & ~b])
    both, only_a, only_b, neither = weighted_sums(cells, resamples).T
    n = both + only_a + only_b + neither
    by_chance = (both + only_a) * (both + only_b) + (only_b + neither) * (only_a + neither)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = ((both + neither) * n - by_chance) / (n * n - by_chance)
    interval = percentile_interval(np.where(np.isfinite(replicates), replicates, np.nan), settings.level)
    return {"low": interval.low, "high": interval.high, "standard_error": None}
