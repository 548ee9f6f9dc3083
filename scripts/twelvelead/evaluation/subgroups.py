"""The figures within groups of ECGs; cells that are too small, or could be counted from others, are hidden."""

from collections.abc import Mapping, Sequence

import numpy as np

from twelvelead.evaluation.label_figures import figures_of_labels
from twelvelead.evaluation.scores import (
    EvaluationSettings,
    Scores,
    ThresholdSet,
    counts_of,
    of_one_patient,
)

SMALLEST_CELL = 10  # of a subgroup: fewer ECGs, positives or negatives are not shown


def subgroups_of(
    scores: Scores,
    evaluable: Sequence[int],
    values: np.ndarray,
    sets: Sequence[ThresholdSet],
    settings: EvaluationSettings,
) -> dict:
    """Group -> the figures of its ECGs; cells of fewer than SMALLEST_CELL are not shown."""
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
    counts = [counts_of(scores, position) for position in range(len(scores.labels))]
    large = [
        position
        for position, of_label in enumerate(counts)
        if min(of_label["positives"], of_label["negatives"]) >= max(SMALLEST_CELL, settings.least_positives)
        and not of_one_patient(scores, position)
    ]
    found, _ = figures_of_labels(
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
