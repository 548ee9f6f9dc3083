"""What the report page says, as plain values: `page.render_page` turns a PageContent into HTML and adds nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twelvelead.evaluation.deepecg_metrics import BINARY_KEY, Metrics
from twelvelead.report.figures import Curve, select_curves


@dataclass(frozen=True)
class CellCounts:
    """The fates of one task's table cells that name a file; `signal` and `truth` map a status to a count.

    Raises ValueError where the statuses do not add up to `cells`: a file would have been dropped in silence.
    """

    task: str
    cells: int
    signal: Mapping[str, int]
    truth: Mapping[str, int]

    def __post_init__(self) -> None:
        for kind, counts in (("signal", self.signal), ("truth", self.truth)):
            if sum(counts.values()) != self.cells:
                raise ValueError(
                    f"task {self.task}: {self.cells} cells name a file, but {sum(counts.values())} have a {kind} status"
                )


@dataclass(frozen=True)
class FileProblem:
    """A cell whose file gave no ECG; `row` is the table's row as recordings.csv counts it."""

    row: int
    task: str
    file: str
    status: str
    message: str


@dataclass(frozen=True)
class UnknownStatement:
    """A diagnosis text the labeler did not understand, and how many ECGs have it."""

    text: str
    count: int


@dataclass(frozen=True)
class MetricRow:
    """A pattern's (or a binary task's) metrics; None has its reason in `reasons`, under the same attribute's name."""

    name: str
    category: str
    n: int
    positives: int
    auroc: float | None
    auprc: float | None
    threshold: float | None
    f1: float | None
    prevalence_percent: float | None
    predicted_percent: float | None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CategoryRow:
    """A category's means over patterns (macro) and over cells (micro), with the patterns that entered them."""

    name: str
    patterns: int
    patterns_not_predicted: int
    patterns_without_positive: int
    n: int
    positives: int
    macro_auroc: float | None
    macro_auprc: float | None
    macro_f1: float | None
    micro_auroc: float | None
    micro_auprc: float | None
    micro_f1: float | None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluatedModel:
    """One model on one task: metrics of every category and pattern, curves of the best-populated patterns."""

    model: str
    rows: tuple[MetricRow, ...]
    categories: tuple[CategoryRow, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PredictionsOnly:
    """A model that predicted where there was nothing to compare with, and why there are no metrics."""

    model: str
    ecgs: int
    reason: str


@dataclass(frozen=True)
class MissingModel:
    """A model that could not answer a task: what is missing, and what to do."""

    model: str
    missing: str
    remedy: str


@dataclass(frozen=True)
class TaskSection:
    """A task with whatever came of it; `truth_note` says where its truth comes from."""

    task: str
    title: str
    truth_note: str = ""
    evaluated: tuple[EvaluatedModel, ...] = ()
    predictions_only: tuple[PredictionsOnly, ...] = ()
    missing_models: tuple[MissingModel, ...] = ()


@dataclass(frozen=True)
class EcgDrawing:
    """An ECG for the paper: signal_mv (12, samples) in mV in the order of ecg.LEADS, with its highest predictions."""

    ecg_id: str
    row: int
    caption: str
    signal_mv: np.ndarray
    sampling_rate_hz: float
    predictions: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class PageContent:
    """The whole page. With `hide_file_names` files and ECGs are called by their row in the table.

    provenance  (section, ((key, value), ...)) pairs: versions, configuration, models and their hashes; no times
    """

    batch: str
    cells: tuple[CellCounts, ...]
    problems: tuple[FileProblem, ...] = ()
    notes: tuple[str, ...] = ()
    unknown_statements: tuple[UnknownStatement, ...] = ()
    tasks: tuple[TaskSection, ...] = ()
    ecgs: tuple[EcgDrawing, ...] = ()
    provenance: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    hide_file_names: bool = False


def evaluated_multilabel(
    model: str,
    metrics: Metrics,
    truth: np.ndarray,
    probability: np.ndarray,
    patterns: Sequence[str],
    categories: Mapping[str, Sequence[str]],
    notes: Sequence[str] = (),
) -> EvaluatedModel:
    """The section of a multi-label model from what evaluation.multilabel_metrics was given and returned.

    truth, probability  (ecgs, patterns); a pattern of two categories is listed under the first, one of none under "".
    """
    category_of: dict[str, str] = {}
    for category, members in categories.items():
        for pattern in members:
            category_of.setdefault(pattern, category)
    order = [*categories, ""]
    rows = [_metric_row(metrics, pattern, pattern, category_of.get(pattern, "")) for pattern in patterns]
    return EvaluatedModel(
        model=model,
        rows=tuple(sorted(rows, key=lambda row: order.index(row.category))),
        categories=tuple(_category_row(metrics, category) for category in categories),
        curves=select_curves(truth, probability, patterns),
        notes=tuple(notes),
    )


def evaluated_binary(
    model: str, metrics: Metrics, truth: np.ndarray, probability: np.ndarray, label: str, notes: Sequence[str] = ()
) -> EvaluatedModel:
    """The section of a model of a 0/1 task; truth and probability (ecgs,), `label` names the outcome."""
    return EvaluatedModel(
        model=model,
        rows=(_metric_row(metrics, BINARY_KEY, label, ""),),
        curves=select_curves(np.asarray(truth)[:, None], np.asarray(probability)[:, None], [label]),
        notes=tuple(notes),
    )


_PATTERN_ATTRIBUTES = {
    "auroc": "auc",
    "auprc": "auprc",
    "threshold": "threshold",
    "f1": "f1",
    "prevalence_percent": "prevalence_gt %",
    "predicted_percent": "prevalence_pred %",
}
_CATEGORY_ATTRIBUTES = {
    f"{mean}_{attribute}": f"{mean}_{metric}"
    for mean in ("macro", "micro")
    for attribute, metric in (("auroc", "auc"), ("auprc", "auprc"), ("f1", "f1"))
}


def _metric_row(metrics: Metrics, key: str, name: str, category: str) -> MetricRow:
    values, reasons = _renamed(metrics, key, _PATTERN_ATTRIBUTES)
    counts = metrics.counts[key]
    return MetricRow(
        name=name, category=category, n=counts["n"], positives=counts["positives"], reasons=reasons, **values
    )


def _category_row(metrics: Metrics, category: str) -> CategoryRow:
    values, reasons = _renamed(metrics, category, _CATEGORY_ATTRIBUTES)
    counts = metrics.counts[category]
    return CategoryRow(
        name=category,
        patterns=counts["patterns"],
        patterns_not_predicted=counts["patterns_not_predicted"],
        patterns_without_positive=counts["patterns_without_positive"],
        n=counts["n"],
        positives=counts["positives"],
        reasons=reasons,
        **values,
    )


def _renamed(
    metrics: Metrics, key: str, attributes: Mapping[str, str]
) -> tuple[dict[str, float | None], dict[str, str]]:
    values = metrics.values.get(key, {})
    reasons = metrics.reasons[key]
    return (
        {attribute: values.get(metric) for attribute, metric in attributes.items()},
        {attribute: reasons[metric] for attribute, metric in attributes.items() if metric in reasons},
    )
