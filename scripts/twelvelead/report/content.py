"""What the report page says, as plain values: `page.render_page` turns a PageContent into HTML and adds nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from twelvelead.report.label_classes import Classification, LabelCount
from twelvelead.report.ranking import RankedLabel
from twelvelead.report.viewer import ViewerEcg, ViewerGroup


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
class QualityFlag:
    """A flag of signal quality, how many ECGs have it, and whether the settings leave these out."""

    name: str
    meaning: str
    definition: str
    source: str
    ecgs: int
    excluded: bool


@dataclass(frozen=True)
class SignalQuality:
    """Every flag that is looked for, of the ECGs that were assessed; `flagged` of them have one or more."""

    assessed: int
    flagged: int
    flags: tuple[QualityFlag, ...]


@dataclass(frozen=True)
class UnknownStatement:
    """A diagnosis text the labeler did not understand, and how many ECGs have it."""

    text: str
    count: int


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval. `reason` says why the value, or only the interval, is missing."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class ThresholdInUse:
    """The threshold that a label's calls are made at; `kind` is given, published, fitted, or "" where there is none.

    reason  why there is none
    """

    value: float | None
    kind: str = ""
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class LabelRow:
    """An evaluated label: one row of the model's table. `at_threshold` follows label_rows.AT_THRESHOLD."""

    name: str
    category: str
    n: int
    positives: int
    negatives: int
    auroc: Estimate
    method: str
    auprc: Estimate
    brier: Estimate
    calibration_slope: Estimate
    calibration_intercept: Estimate
    ece: Estimate
    threshold: ThresholdInUse
    at_threshold: tuple[Estimate, ...]


@dataclass(frozen=True)
class NotEvaluable:
    """A label that has too few ECGs of a class to be judged, or none at all."""

    name: str
    category: str
    n: int
    positives: int
    negatives: int
    unknown: int
    reason: str


@dataclass(frozen=True)
class Figure:
    """An SVG drawing; `kind` names it in file names, `caption` says below it what a reader must know."""

    kind: str
    svg: str
    caption: str = ""


@dataclass(frozen=True)
class LabelFigures:
    label: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class SubgroupRow:
    """A label within a group; `suppressed` says why there are no figures, and then there are none, n included."""

    label: str
    group: str
    n: int | None
    positives: int | None
    auroc: Estimate
    auprc: Estimate
    brier: Estimate
    calibration_slope: Estimate
    sensitivity: Estimate
    specificity: Estimate
    suppressed: str = ""


@dataclass(frozen=True)
class Subgroups:
    """The groups of one column of the table, without a figure where every one is suppressed."""

    column: str
    rows: tuple[SubgroupRow, ...]
    figure: Figure | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlainTable:
    """Cells that need no words of their own; None is an empty cell."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class EvaluatedModel:
    """One model on one task.

    coverage   how many ECGs it predicts, and why no more
    facts      whose ECGs, and what the intervals take for independent
    notes      how well the model's outputs match the labels
    thresholds (chip, words) of every kind of threshold that the table's rows use
    overview   figures of several labels; label_figures: those of one, the label with the most positives first
    windows    how the outputs of an ECG's windows become one; "" for a model without windows
    ranking    labels with too few ECGs of a class to be evaluated, in a multilabel task
    not_ranked (the class of which there is no ECG, labels) of those that cannot even be ranked
    """

    model: str
    title: str
    coverage: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[LabelRow, ...]
    thresholds: tuple[tuple[str, str], ...]
    not_evaluable: tuple[NotEvaluable, ...]
    not_predicted: tuple[str, ...]
    overview: tuple[Figure, ...]
    label_figures: tuple[LabelFigures, ...]
    deepecg: PlainTable
    subgroups: tuple[Subgroups, ...] = ()
    level: float = 0.95
    windows: str = ""
    ranking: tuple[RankedLabel, ...] = ()
    not_ranked: tuple[tuple[str, tuple[str, ...]], ...] = ()
    classification: Classification | None = None


@dataclass(frozen=True)
class ComparedLabel:
    """Differences are the first model's value less the second's; p values are of the difference in AUROC."""

    name: str
    n: int
    positives: int
    auroc: Estimate
    p_value: float | None
    p_value_holm: float | None
    auprc: Estimate
    brier: Estimate
    kappa: Estimate
    disagreements: int | None
    first_right: int | None
    second_right: int | None


@dataclass(frozen=True)
class Comparison:
    """Two models on the ECGs and labels that both predict."""

    first: str
    second: str
    ecgs: int
    labels_not_compared: int
    calls: str
    rows: tuple[ComparedLabel, ...]
    figure: Figure | None
    reason: str = ""


@dataclass(frozen=True)
class PredictionsOnly:
    """A model that predicted where there was nothing to compare with, and why there are no metrics.

    coverage, windows  see EvaluatedModel
    """

    model: str
    coverage: str
    reason: str
    windows: str = ""


@dataclass(frozen=True)
class MissingModel:
    """A model that could not answer a task: what is missing, and what to do."""

    model: str
    missing: str
    remedy: str


@dataclass(frozen=True)
class TaskSection:
    """A task with whatever came of it; `truth_note` says where its truth comes from.

    label_counts  how often each label of a multilabel task is in the table
    """

    task: str
    title: str
    truth_note: str = ""
    flow: Figure | None = None
    label_counts: tuple[LabelCount, ...] = ()
    overview: Figure | None = None
    evaluated: tuple[EvaluatedModel, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    predictions_only: tuple[PredictionsOnly, ...] = ()
    missing_models: tuple[MissingModel, ...] = ()


@dataclass(frozen=True)
class PageContent:
    """The whole page. Names of files are in it only where they may be shown.

    figure_folders  where the figures lie as files, relative to the page
    provenance      (section, ((key, value), ...)) pairs: versions, configuration, models and their hashes; no times
    """

    batch: str
    cells: tuple[CellCounts, ...]
    problems: tuple[FileProblem, ...] = ()
    quality: SignalQuality | None = None
    notes: tuple[str, ...] = ()
    unknown_statements: tuple[UnknownStatement, ...] = ()
    tasks: tuple[TaskSection, ...] = ()
    ecgs: tuple[ViewerEcg, ...] = ()
    ecg_groups: tuple[ViewerGroup, ...] = ()
    figure_folders: tuple[str, ...] = ()
    provenance: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
