"""From a table made for scoring to metrics, evaluation and comparison, whatever the kind of its task."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from twelvelead.assembly import matrices, targets_of
from twelvelead.evaluation.comparison import ComparedModel, compare
from twelvelead.evaluation.deepecg_metrics import BINARY_KEY, Metrics, binary_metrics, multilabel_metrics
from twelvelead.evaluation.scores import EvaluationSettings, Scores, ThresholdSet
from twelvelead.evaluation.threshold_sets import given_set, published_sets
from twelvelead.labels.patterns import read_category_order, read_patterns
from twelvelead.models.mapping import read_mapping
from twelvelead.table import GROUP

TRUTH_OF_KIND = {
    "patterns": "pseudo-label: read in machine statements, not a cardiologist's diagnosis",
    "binary": "0 or 1 of the table",
    "multilabel": "0 or 1 of the table's columns, or codes in one of them",
}
ALL_LABELS = "All labels"


def metrics_of(scored: pd.DataFrame, kind: str, categories: Mapping[str, Sequence[str]]) -> Metrics:
    """DeepECG's metrics: per category and label, under "results" for a 0/1 task; categories as of categories_of."""
    targets = targets_of(scored)
    truth, probability = matrices(scored, targets)
    if kind == "binary":
        return binary_metrics(truth[:, 0], probability[:, 0])
    return multilabel_metrics(truth, probability, targets, categories)


def categories_of(task: Mapping, patterns_path: str, categories_path: str) -> dict[str, tuple[str, ...]]:
    """category -> its labels: DeepECG's for the 77 patterns, a single one for a task of labels, none for a 0/1 task.

    Unions of patterns and broader outputs are in none, so no mean takes them for one of the task's labels.
    """
    if task["kind"] == "binary":
        return {}
    if task["kind"] == "multilabel":
        return {ALL_LABELS: tuple(task["labels"])}
    return read_categories(patterns_path, categories_path)


def read_categories(patterns_path: str, categories_path: str) -> dict[str, tuple[str, ...]]:
    """Patterns of every category, in the order of DeepECG's metric tables."""
    patterns = read_patterns(patterns_path)
    return {category: patterns.members(category) for category in read_category_order(categories_path)}


def with_patients_and_groups(scored: pd.DataFrame, cells: pd.DataFrame, task: str) -> pd.DataFrame:
    """The scored rows with their patient and groups from the plan's cells, in the order of their ids.

    The order is the same however the table's rows are, and so are the rows that a bootstrap draws.
    """
    of_task = cells[cells["task"] == task]
    columns = ["row", "patient", *(column for column in cells.columns if column.startswith(GROUP))]
    joined = scored.merge(of_task[columns], on="row", how="left", validate="one_to_one")
    return joined.sort_values("ecg_id", kind="stable", ignore_index=True)


def scores_of(scored: pd.DataFrame, labels: Sequence[str] | None = None) -> Scores:
    """Truth, predictions and patients of rows as with_patients_and_groups returns them."""
    labels = targets_of(scored) if labels is None else list(labels)
    truth, probability = matrices(scored, labels)
    patients = scored["patient"].to_numpy()
    return Scores(tuple(labels), truth, probability.astype(np.float32), _clusters(patients))


def _clusters(patients: np.ndarray) -> np.ndarray | None:
    """A code per patient; an ECG whose patient is unknown is a patient of its own. None where none is known."""
    if (patients < 0).all():
        return None
    own = patients.max() + 1 + np.arange(len(patients))
    return np.unique(np.where(patients < 0, own, patients), return_inverse=True)[1]


def groups_of_rows(scored: pd.DataFrame) -> dict[str, np.ndarray]:
    """Column -> group of each row, for the subgroups of the configuration."""
    columns = [column for column in scored.columns if column.startswith(GROUP)]
    return {column.removeprefix(GROUP): scored[column].fillna("").to_numpy(str) for column in columns}


def threshold_sets(
    labels: Sequence[str],
    task: str,
    published: Mapping | None,
    transported: bool,
    given: str | None,
    criterion: str,
    mapping_path: str | None = None,
) -> list[ThresholdSet]:
    """Thresholds that were fixed before these ECGs were looked at: published for the model, given by the user.

    Through a mapping a published threshold goes with an output to a label that means exactly the same, and to no other.
    """
    sets = []
    if published:
        key_of_label = {BINARY_KEY: task}
        if mapping_path:
            exact = {row.target: row.output for row in read_mapping(mapping_path) if row.quality == "exact"}
            key_of_label = {label: exact.get(label, "") for label in labels}
        sets += published_sets(published["table"], published["columns"], labels, key_of_label, transported)
    if given:
        sets.append(given_set(given, criterion, labels, {BINARY_KEY: task}))
    return sets


def is_transported(published: Mapping | None, commit: str | None, scale: str) -> bool:
    """Whether published thresholds meet another model revision or scale of signals than they were chosen on."""
    return not (published and published.get("revision") and published["revision"] == commit and scale == "physical")


def compare_models(
    scored: Mapping[str, pd.DataFrame], sets: Mapping[str, Sequence[ThresholdSet]], settings: EvaluationSettings
) -> list[dict]:
    """Every pair of a task's models on the ECGs and labels that both have.

    scored  model -> rows as with_patients_and_groups returns them
    sets    model -> threshold sets for its labels in the order of its table
    """
    compared = []
    for first, second in combinations(scored, 2):
        labels = [label for label in targets_of(scored[first]) if label in targets_of(scored[second])]
        common = scored[first][["ecg_id"]].merge(scored[second][["ecg_id"]], on="ecg_id")["ecg_id"]
        tables = {model: scored[model].set_index("ecg_id").loc[common].reset_index() for model in (first, second)}
        models = [
            _compared_model(model, tables[model], labels, sets[model], targets_of(scored[model]))
            for model in (first, second)
        ]
        compared.append(compare(*models, common.tolist(), settings))
    return compared


def _compared_model(
    name: str, table: pd.DataFrame, labels: Sequence[str], sets: Sequence[ThresholdSet], of_sets: Sequence[str]
) -> ComparedModel:
    """Calls are made at given thresholds, else at published ones, else at Youden's on these ECGs, label by label."""
    positions = [list(of_sets).index(label) for label in labels]
    fixed = sorted(sets, key=lambda of_set: of_set.kind != "given")
    return ComparedModel(name, scores_of(table, labels), [of_set.of_labels(positions) for of_set in fixed])
