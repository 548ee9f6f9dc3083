"""evaluation.json: what clinical-AI reporting asks for beyond DeepECG's keys, per label, category and subgroup.

The core set is that of Van Calster et al., Lancet Digital Health 2025: AUROC, calibration plot, net benefit and
probability distributions; around it TRIPOD+AI and STARD-AI. config/README.md has the definitions. A figure that cannot
be given is null with a reason, and a label with few positives is listed as not evaluable instead of being judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from twelvelead.evaluation.bootstrap import (
    MetricReplicates,
    checked_cells,
)
from twelvelead.evaluation.label_figures import FITTED, figures_of_labels, with_interval
from twelvelead.evaluation.scores import (
    EvaluationSettings,
    Scores,
    ThresholdSet,
    counts_of,
    of_one_patient,
)
from twelvelead.evaluation.subgroups import subgroups_of

NOT_PREDICTED = "the model does not predict it"
ONE_PATIENT = "all ECGs are of one patient, so nothing can be said of others"


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
    counts = [counts_of(scores, position) for position in range(len(scores.labels))]
    why_not = [_why_not_evaluable(scores, position, counts[position], settings) for position in range(len(counts))]
    evaluable = [position for position, reason in enumerate(why_not) if not reason]
    chosen = scores.of_labels(evaluable)
    sets = [of_set.of_labels(evaluable) for of_set in thresholds]
    labels, replicates = figures_of_labels(chosen, sets, settings, whole=True)
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
            column: subgroups_of(scores, evaluable, values, sets, settings) for column, values in groups.items()
        },
    }


def _settings(settings: EvaluationSettings) -> dict:
    """Without the number of workers, which changes no result."""
    shown = asdict(settings)
    del shown["workers"]
    shown["threshold_probabilities"] = list(settings.threshold_probabilities)
    return shown | {"interval": "percentile", "resampled": "patients, where they are told apart, else ECGs"}


def _why_not_evaluable(scores: Scores, position: int, counts: Mapping[str, int], settings: EvaluationSettings) -> str:
    if len(scores.truth) and not np.isfinite(scores.probability[:, position]).any():
        return NOT_PREDICTED
    positives, negatives, least = counts["positives"], counts["negatives"], settings.least_positives
    if min(positives, negatives) < least:
        return f"{positives} positives and {negatives} negatives; at least {least} of each are needed"
    return ONE_PATIENT if of_one_patient(scores, position) else ""


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
        shown[f"macro_{metric}"] = with_interval(mean, of_metric[:, positions].mean(axis=1), settings)
    return shown
