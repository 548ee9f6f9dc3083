"""Probabilities as labels, called from one threshold on: per label what ECG-FM's tutorial gives, and exact matches.

Only labels of the task that the model predicts take part; what a mapping scores under a name of its own, such as a
broader output, is no label. A recording counts once, by its aggregated probability. Undefined figures are None with a
reason, and F1 is undefined without a positive, as everywhere here (evaluation.operating_points).

An exact match is a recording whose set of called labels is the set of its true ones. A recording without any called
label has the empty set, which matches the empty set alone. Labels that no recording has a known truth for, such as one
without a diagnosis code, are compared in none; a recording with another label of unknown truth is not judged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from twelvelead.assembly import matrices
from twelvelead.evaluation.operating_points import OperatingPoint, at_score_precision, operating_points

SEPARATOR = "; "
CODE_SEPARATOR = "|"
# The tutorial's name of a figure -> the library's.
FIGURES = {
    "prevalence": "prevalence",
    "recall": "sensitivity",
    "precision": "ppv",
    "f1": "f1",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "npv": "npv",
}
NO_TRUTH = "no recording has a known truth for every label compared"
NO_LABEL = "the model predicts no label of the task"
NOTHING_TO_COMPARE = "no label that the model predicts has a known truth"


@dataclass(frozen=True, eq=False)
class CalledLabels:
    """What a model calls at a threshold, recording by recording.

    labels       of the task, in its order, those that the model predicts; beyond: the others
    true_beyond  (recordings, beyond) bool: truths that the model cannot call
    truth        (recordings, labels) 1, 0, NaN where unknown
    probability  (recordings, labels), NaN where there is none
    called       (recordings, labels) bool
    """

    labels: tuple[str, ...]
    beyond: tuple[str, ...]
    true_beyond: np.ndarray
    truth: np.ndarray
    probability: np.ndarray
    called: np.ndarray

    @property
    def compared(self) -> np.ndarray:
        """(labels,) bool: labels with a known truth somewhere, which make up the sets that are matched."""
        return ~np.isnan(self.truth).all(axis=0)

    @property
    def judged(self) -> np.ndarray:
        """(recordings,) bool: recordings with truth and probability of every compared label, if there is any."""
        both = ~np.isnan(self.truth) & np.isfinite(self.probability)
        return both[:, self.compared].all(axis=1) & self.compared.any()

    @property
    def matches(self) -> np.ndarray:
        """(recordings,) bool: whether the called labels are the true ones; of recordings that are judged."""
        return (self.called == (self.truth == 1))[:, self.compared].all(axis=1)


def called_labels(scored: pd.DataFrame, labels: Sequence[str], threshold: float) -> CalledLabels:
    """What a table made for scoring says of the task's labels at a threshold: present from that probability on."""
    truth, probability = matrices(scored, labels)
    predicted = np.isfinite(probability).any(axis=0)
    kept, beyond, true_beyond = _chosen(labels, predicted), _chosen(labels, ~predicted), truth[:, ~predicted] == 1
    truth, probability = truth[:, predicted], probability[:, predicted]
    called = probability >= at_score_precision(np.full(len(kept), threshold), probability)
    return CalledLabels(tuple(kept), tuple(beyond), true_beyond, truth, probability, called)


def predicted_labels(
    scored: pd.DataFrame, labels: Sequence[str], threshold: float, codes: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """file_name, predicted and actual labels joined by SEPARATOR, exact_match (1, 0, or nothing where not judged).

    codes  diagnosis code -> label; with them predicted_codes has the first code of every predicted label that has one
    `actual` holds all labels that are known to be true; not_compared has the labels of either list that exact_match
    leaves aside: what the model does not predict, and what no recording has a truth for.
    """
    found = called_labels(scored, labels, threshold)
    match = pd.Series(found.matches.astype(np.int8), index=scored.index, dtype="Int8").mask(~found.judged)
    table = pd.DataFrame(
        {
            "file_name": scored["file"],
            "predicted": _joined(found.called, found.labels, SEPARATOR),
            "actual": _in_order(found.truth == 1, found, labels),
            "exact_match": match,
            "not_compared": _in_order(found.called & ~found.compared, found, labels),
        }
    )
    if codes:
        code_of: dict[str, str] = {}
        for code, label in codes.items():
            code_of.setdefault(label, code)
        coded = [position for position, label in enumerate(found.labels) if label in code_of]
        of_labels = [code_of[found.labels[position]] for position in coded]
        table["predicted_codes"] = _joined(found.called[:, coded], of_labels, CODE_SEPARATOR)
    return table


def classification(scored: pd.DataFrame, labels: Sequence[str], threshold: float) -> dict:
    """What classification.json says: the threshold, the figures of every label, and exact matches."""
    found = called_labels(scored, labels, threshold)
    points = operating_points(found.truth, found.probability, np.full(len(found.labels), threshold))
    return {
        "threshold": threshold,
        "labels": {label: _figures(point) for label, point in zip(found.labels, points, strict=True)},
        "exact_match": _exact_match(found),
    }


def classification_table(found: Mapping) -> pd.DataFrame:
    """classification.csv of what `classification` returns: a row per label, undefined figures empty."""
    columns = ["n", "positives", *FIGURES]
    rows = [[label, *(figures[column] for column in columns)] for label, figures in found["labels"].items()]
    table = pd.DataFrame(rows, columns=["label", *columns])
    return table.astype(dict.fromkeys(FIGURES, np.float64))


def label_table(truth: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """label, known, positives, percent (of the known) and unknown; truth (recordings, labels) 1, 0, NaN for unknown."""
    known = (~np.isnan(truth)).sum(axis=0)
    positives = (truth == 1).sum(axis=0)
    percent = np.divide(100 * positives, known, out=np.full(len(labels), np.nan), where=known > 0)
    columns = {"known": known, "positives": positives, "percent": percent, "unknown": len(truth) - known}
    return pd.DataFrame({"label": list(labels), **columns})


def _in_order(of_labels: np.ndarray, found: CalledLabels, order: Sequence[str]) -> list[str]:
    """The chosen labels that the model predicts and the true ones beyond them, in the order of the task."""
    names = [*found.labels, *found.beyond]
    present = np.column_stack([of_labels, found.true_beyond])
    return _joined(present[:, [names.index(label) for label in order]], order, SEPARATOR)


def _joined(present: np.ndarray, names: Sequence[str], separator: str) -> list[str]:
    return [separator.join(names[position] for position in np.flatnonzero(row)) for row in present]


def _figures(point: OperatingPoint) -> dict:
    estimates = {shown: getattr(point, name) for shown, name in FIGURES.items()}
    return {
        "n": point.n,
        "positives": point.positives,
        "unknown": point.unknown,
        "not_predicted": point.not_predicted,
        "true_positives": point.true_positives,
        "false_positives": point.false_positives,
        "false_negatives": point.false_negatives,
        "true_negatives": point.true_negatives,
        **{name: estimate.value for name, estimate in estimates.items()},
        "reasons": {name: estimate.reason for name, estimate in estimates.items() if estimate.reason},
    }


def _exact_match(found: CalledLabels) -> dict:
    """Counts of judged recordings; those without any label are counted apart, on both sides and where they match."""
    sets = np.ix_(found.judged, found.compared)
    n, matches = int(found.judged.sum()), int(found.matches[found.judged].sum())
    none_called, none_actual = ~found.called[sets].any(axis=1), ~(found.truth[sets] == 1).any(axis=1)
    return {
        "n": n,
        "matches": matches,
        "accuracy": matches / n if n else None,
        **({} if n else {"reason": _why_none_is_judged(found)}),
        "without_label_predicted": int(none_called.sum()),
        "without_label_actual": int(none_actual.sum()),
        "matches_without_label": int((none_called & none_actual).sum()),
        "not_judged": len(found.truth) - n,
        "labels": _chosen(found.labels, found.compared),
        "labels_without_truth": _chosen(found.labels, ~found.compared),
    }


def _why_none_is_judged(found: CalledLabels) -> str:
    if not found.labels:
        return NO_LABEL
    return NO_TRUTH if found.compared.any() else NOTHING_TO_COMPARE


def _chosen(labels: Sequence[str], chosen: Iterable[bool]) -> list[str]:
    return [label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen]
