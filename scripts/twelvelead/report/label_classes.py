"""The tables of a multilabel task: how often each label is there, and each label's calls at one threshold for all."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from twelvelead.report.wording import plural

# The keys of classification.json, as a clinician calls them, and in brackets as the ECG-FM tutorial does.
CLASS_MEASURES = {
    "prevalence": "Prevalence",
    "recall": "Sensitivity (recall)",
    "specificity": "Specificity",
    "precision": "PPV (precision)",
    "npv": "NPV",
    "f1": "F1",
    "accuracy": "Accuracy",
}


@dataclass(frozen=True)
class LabelCount:
    """A label in the user's table; `percent` of the ECGs whose truth is known, None where it is known of none."""

    label: str
    known: int
    positives: int
    percent: float | None
    unknown: int


@dataclass(frozen=True)
class ClassRow:
    """A label's calls; `measures` in the order of CLASS_MEASURES, each a value, or None and why it is not defined."""

    name: str
    n: int
    positives: int
    measures: tuple[tuple[float | None, str], ...]


@dataclass(frozen=True)
class Classification:
    """Every label called at the same threshold; `exact_match` says in how many ECGs all labels are right."""

    threshold: float
    rows: tuple[ClassRow, ...]
    exact_match: str


def label_counts(table: pd.DataFrame) -> tuple[LabelCount, ...]:
    """The rows of label_table.csv, in its order."""
    return tuple(
        LabelCount(
            str(row.label),
            int(row.known),
            int(row.positives),
            None if pd.isna(row.percent) else float(row.percent),
            int(row.unknown),
        )
        for row in table.itertuples()
    )


def classification(found: Mapping) -> Classification:
    """classification.json as the page shows it."""
    rows = tuple(
        ClassRow(
            label,
            entry["n"],
            entry["positives"],
            tuple((entry[measure], entry.get("reasons", {}).get(measure, "")) for measure in CLASS_MEASURES),
        )
        for label, entry in found["labels"].items()
    )
    return Classification(found["threshold"], rows, _exact_match(found["exact_match"]))


def _exact_match(found: Mapping) -> str:
    if not found["n"]:
        return f"Exact matches cannot be counted: {found['reason']}."
    n, compared = plural(found["n"], "ECG"), plural(len(found["labels"]), "label")
    words = (
        f"Of {n} with known truth for every one of {compared}, the model calls exactly the true ones in "
        f"{found['matches']:,} (exact match, {found['accuracy']:.3f}). It calls no label in "
        f"{found['without_label_predicted']:,}; {found['without_label_actual']:,} have none in truth."
    )
    if found["not_judged"]:
        words += (
            f" {plural(found['not_judged'], 'more ECG')} cannot be compared: a label's truth or probability is missing."
        )
    return words
