"""From what a batch found on one task to the section of the page about it."""

from collections.abc import Mapping

import pandas as pd

from twelvelead.assembly import matrices, targets_of
from twelvelead.registry import LEXICON
from twelvelead.report.batch_results import BatchResults
from twelvelead.report.content import EvaluatedModel, MissingModel, PredictionsOnly, TaskSection
from twelvelead.report.coverage import Coverage, coverages
from twelvelead.report.label_classes import classification, label_counts
from twelvelead.report.label_figures import figures_of_labels, labels_to_draw, overview_figures, task_forest
from twelvelead.report.label_rows import deepecg_table, label_rows, not_evaluable, threshold_notes
from twelvelead.report.model_comparison import comparisons
from twelvelead.report.participant_flow import participant_flow
from twelvelead.report.ranking import not_ranked, rankings
from twelvelead.report.subgroup_tables import subgroups
from twelvelead.report.windows_note import windows_note
from twelvelead.report.wording import plural

INDEPENDENCE_ASSUMED = (
    "independence assumed: every ECG counts as its own patient. Where patients have several, name patient_column in "
    "the configuration, or the intervals are too narrow"
)


def task_section(found: BatchResults, task: str, categories: Mapping, most_labels: int) -> TaskSection:
    """What the page says of a task; figures of single labels are those of the `most_labels` with most positives."""
    entry = found.tasks[task]
    title, kind = entry.get("title", task), entry["kind"]
    of_task = {model: table for (of_task, model), table in found.scored.items() if of_task == task}
    cells = found.recordings[found.recordings["task"] == task]
    coverage = {one.model: one for one in coverages(cells, of_task, found.models)}
    judged = {model: found.evaluations[task, model] for model in of_task if (task, model) in found.evaluations}
    of_categories = categories if kind == "patterns" else {}
    evaluated = (_evaluated(found, task, coverage[model], of_categories, most_labels) for model in judged)
    only = (
        PredictionsOnly(model, coverage[model].in_words, _why_not(table), windows_note(found.models[model]))
        for model, table in of_task.items()
        if model not in judged
    )
    missing = (
        MissingModel(model, reason, "nothing if you can do without it; else see Models in the README")
        for model, reason in found.absent[task].items()
    )
    return TaskSection(
        task=task,
        title=title,
        truth_note=_truth_note(found, task),
        flow=participant_flow(cells, list(of_task.values()), kind, title, tuple(coverage.values())),
        label_counts=label_counts(found.label_tables[task]) if task in found.label_tables else (),
        overview=task_forest(judged, title) if len(judged) > 1 or kind == "patterns" else None,
        evaluated=tuple(evaluated),
        comparisons=comparisons(found.comparisons[task], title) if task in found.comparisons else (),
        predictions_only=tuple(only),
        missing_models=tuple(missing),
    )


def _why_not(scored: pd.DataFrame) -> str:
    return "metrics need at least two ECGs" if len(scored) == 1 else "the table gives no truth for these ECGs"


def _evaluated(
    found: BatchResults, task: str, coverage: Coverage, categories: Mapping, most_labels: int
) -> EvaluatedModel:
    run = task, coverage.model
    evaluation, scored, entry = found.evaluations[run], found.scored[run], found.tasks[task]
    title, kind = entry.get("title", task), entry["kind"]
    rows = label_rows(evaluation, categories, title)
    few, not_predicted = not_evaluable(evaluation, categories, title)
    targets = targets_of(scored)
    drawn = labels_to_draw(evaluation, most_labels)
    return EvaluatedModel(
        model=coverage.model,
        title=found.models[coverage.model].get("title", coverage.model),
        coverage=coverage.in_words,
        facts=_facts(evaluation),
        notes=tuple(f"{target}: {quality}." for target, quality in found.qualities[run].items()),
        rows=rows,
        thresholds=threshold_notes(evaluation, rows),
        not_evaluable=few,
        not_predicted=not_predicted,
        overview=overview_figures(evaluation, rows, *matrices(scored, targets), targets, title),
        label_figures=figures_of_labels(evaluation, drawn, title, kind == "patterns"),
        deepecg=deepecg_table(found.metrics[run], title),
        subgroups=subgroups(evaluation, drawn, title),
        level=evaluation["settings"]["level"],
        windows=windows_note(found.models[coverage.model]),
        ranking=rankings(evaluation, scored) if kind == "multilabel" else (),
        not_ranked=not_ranked(evaluation),
        classification=classification(found.classifications[run]) if run in found.classifications else None,
    )


def _facts(evaluation: Mapping) -> tuple[str, ...]:
    settings, patients = evaluation["settings"], evaluation["patients"]
    whose = "" if patients is None else f" of {plural(patients, 'patient')}"
    return (
        f"{plural(evaluation['ecgs'], 'ECG')}{whose}",
        INDEPENDENCE_ASSUMED if patients is None else evaluation["independence"],
        f"{settings['replicates']:,} bootstrap replicates ({settings['slope_replicates']:,} for slope, intercept and "
        f"ECE), seed {settings['seed']}",
        f"a label is evaluated from {settings['least_positives']} positives and as many negatives on",
    )


def _truth_note(found: BatchResults, task: str) -> str:
    entry = found.tasks[task]
    if entry["kind"] == "patterns":
        return _note_of_statements(found.labels[task]) if task in found.labels else ""
    return _note_of_labels(entry) if entry["kind"] == "multilabel" else "Truth is the table's 0 or 1."


def _note_of_labels(task: Mapping) -> str:
    if not task.get("truth_column"):
        return (
            "Truth is the table's 0 or 1 per label. Where a cell is empty, the ECG is left out of that label's figures."
        )
    note = (
        f"Truth: the SNOMED CT codes of column {task['truth_column']}; codes that are none of the labels' count as "
        "other diagnoses."
    )
    without = [label for label in task["labels"] if label not in task["codes"].values()]
    if without:
        note += f" No code stands for {'; '.join(without)}: the truth is unknown there."
    return note


def _note_of_statements(summary: Mapping) -> str:
    if summary["labeler"] == LEXICON:
        reads = "what the phrase table (lexicon) reads in the machine's statements"
    else:
        reads = f"where {summary['labeler']}, reading the machine's statements, reaches its published threshold"
    note = f"Truth is a pseudo-label: {reads}, not a cardiologist's diagnosis."
    if summary["labeler"] == LEXICON:
        note += " Where the statements leave a pattern open, the ECG is left out of its figures."
    else:
        note += " An ECG without a statement is left out."
    if summary["cells_not_understood"]:
        texts = plural(summary["cells_not_understood"], "cell")
        note += f" {texts} hold statements in which nothing was recognised; they have no truth for any pattern."
    if summary["cells_from_file"]:
        texts = plural(summary["cells_from_file"], "cell")
        note += f" {texts} of the table without a statement took it from the ECG file."
    return note
