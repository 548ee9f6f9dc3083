"""From the files of a finished batch to what its page says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from twelvelead import __version__
from twelvelead.assembly import matrices, targets_of
from twelvelead.labelling import SHOWN_FROM_ECGS, SHOWN_FROM_PATIENTS
from twelvelead.preparation import FEW_FOR_A_BATCH_SCALE
from twelvelead.provenance import package_versions
from twelvelead.registry import LEXICON
from twelvelead.report.content import (
    CellCounts,
    EvaluatedModel,
    FileProblem,
    MissingModel,
    PageContent,
    PredictionsOnly,
    TaskSection,
    UnknownStatement,
)
from twelvelead.report.label_figures import figures_of_labels, labels_to_draw, overview_figures, task_forest
from twelvelead.report.label_rows import deepecg_table, label_rows, not_evaluable, threshold_notes
from twelvelead.report.model_comparison import comparisons
from twelvelead.report.naming import Naming
from twelvelead.report.participant_flow import participant_flow
from twelvelead.report.subgroup_tables import subgroups
from twelvelead.report.viewer_lists import Judged, viewer_content
from twelvelead.scoring import read_categories

SHOWN_STATEMENTS = 20
INDEPENDENCE_ASSUMED = (
    "independence assumed: every ECG counts as its own patient. Where patients have several, name patient_column in "
    "the configuration, or the intervals are too narrow"
)


@dataclass(frozen=True)
class BatchResults:
    """What the workflow found out about a batch.

    recordings   recordings.csv; records: paths of the decoded shards; scored: (task, model) -> table made for scoring
    evaluations  (task, model) -> evaluation.json, and metrics -> metrics.json, of those that are scored
    comparisons  task -> comparison.json, of those with several models
    qualities    (task, model) -> target -> how well the model's class matches it
    labels       task -> summary of its labeler; absent: task -> model -> why it could not run
    labeler      "lexicon", or the model that labels texts
    weights      model -> the record of its verified weights, of the labeler too
    calibration  the calibration.json that the models' input was made with, where one was
    figures      folders of figures, relative to the page
    """

    batch: str
    recordings: pd.DataFrame
    records: Sequence[str]
    scored: Mapping[tuple[str, str], pd.DataFrame]
    evaluations: Mapping[tuple[str, str], Mapping]
    metrics: Mapping[tuple[str, str], Mapping]
    comparisons: Mapping[str, Mapping]
    qualities: Mapping[tuple[str, str], Mapping[str, str]]
    labels: Mapping[str, Mapping]
    tasks: Mapping[str, Mapping]
    absent: Mapping[str, Mapping[str, str]]
    models: Mapping[str, Mapping]
    weights: Mapping[str, Mapping]
    labeler: str
    calibration: Mapping | None
    figures: Sequence[str] = ()


def page_content(found: BatchResults, settings: Mapping, patterns_path: str, categories_path: str) -> PageContent:
    """Everything the page shows; `settings` are the parts of the configuration that it depends on."""
    of_report = settings["report"]
    naming, recordings = Naming(of_report["hide_file_names"]), found.recordings
    categories = read_categories(patterns_path, categories_path)
    frequent = [entry for summary in found.labels.values() for entry in summary["frequent_unknown_statements"]]
    ecgs, groups = viewer_content(
        Judged(recordings, found.scored, found.evaluations, found.comparisons, found.tasks),
        found.records,
        max(of_report["labels"], 1),
        of_report["ecgs"],
        naming,
    )
    return PageContent(
        batch=found.batch,
        cells=tuple(_counts(recordings, task) for task in found.tasks),
        problems=tuple(_problems(recordings, naming)),
        notes=tuple(_notes(found, settings)),
        unknown_statements=tuple(UnknownStatement(*entry) for entry in frequent[:SHOWN_STATEMENTS]),
        tasks=tuple(_section(found, task, categories, of_report["labels"]) for task in found.tasks),
        ecgs=ecgs,
        ecg_groups=groups,
        figure_folders=tuple(found.figures),
        provenance=_provenance(found, settings),
    )


def _problems(recordings: pd.DataFrame, naming: Naming) -> list[FileProblem]:
    wrong = recordings[(recordings["status"] != "ok") | ~recordings["truth"].isin(["ok", "missing"])]
    return [
        FileProblem(
            row.row,
            row.task,
            naming.file(row.row, row.file),
            row.status if row.status != "ok" else f"truth {row.truth}",
            naming.message(row.row, row.file, row.message),
        )
        for row in wrong.itertuples()
    ]


def _counts(recordings: pd.DataFrame, task: str) -> CellCounts:
    of_task = recordings[recordings["task"] == task]
    return CellCounts(
        task, len(of_task), of_task["status"].value_counts().to_dict(), of_task["truth"].value_counts().to_dict()
    )


def _section(found: BatchResults, task: str, categories: Mapping, labels: int) -> TaskSection:
    entry = found.tasks[task]
    title, is_pseudo_label = entry.get("title", task), entry["kind"] == "patterns"
    of_task = {model: table for (of_task, model), table in found.scored.items() if of_task == task}
    judged = {model: found.evaluations[task, model] for model in of_task if (task, model) in found.evaluations}
    evaluated = [_evaluated(found, task, model, categories if is_pseudo_label else {}, labels) for model in judged]
    only = [
        PredictionsOnly(model, len(of_task[model]), _why_not(of_task[model]))
        for model in of_task
        if model not in judged
    ]
    missing = [
        MissingModel(model, reason, "nothing if you can do without it; else see Models in the README")
        for model, reason in found.absent[task].items()
    ]
    cells = found.recordings[found.recordings["task"] == task]
    return TaskSection(
        task=task,
        title=title,
        truth_note=_truth_note(found.labels.get(task)) if is_pseudo_label else "Truth is the table's 0 or 1.",
        flow=participant_flow(cells, list(of_task.values()), entry["kind"], title),
        overview=task_forest(judged, title) if len(judged) > 1 or is_pseudo_label else None,
        evaluated=tuple(evaluated),
        comparisons=comparisons(found.comparisons[task], title) if task in found.comparisons else (),
        predictions_only=tuple(only),
        missing_models=tuple(missing),
    )


def _why_not(scored: pd.DataFrame) -> str:
    return "metrics need at least two ECGs" if len(scored) == 1 else "the table gives no truth for these ECGs"


def _evaluated(found: BatchResults, task: str, model: str, categories: Mapping, most_labels: int) -> EvaluatedModel:
    evaluation, scored, entry = found.evaluations[task, model], found.scored[task, model], found.tasks[task]
    title = entry.get("title", task)
    rows = label_rows(evaluation, categories, title)
    few, not_predicted = not_evaluable(evaluation, categories, title)
    targets = targets_of(scored)
    drawn = labels_to_draw(evaluation, most_labels)
    return EvaluatedModel(
        model=model,
        title=found.models[model].get("title", model),
        facts=_facts(evaluation),
        notes=tuple(f"{target}: {quality}." for target, quality in found.qualities[task, model].items()),
        rows=rows,
        thresholds=threshold_notes(evaluation, rows),
        not_evaluable=few,
        not_predicted=not_predicted,
        overview=overview_figures(evaluation, rows, *matrices(scored, targets), targets, title),
        label_figures=figures_of_labels(evaluation, drawn, title, entry["kind"] == "patterns"),
        deepecg=deepecg_table(found.metrics[task, model], title),
        subgroups=subgroups(evaluation, drawn, title),
        level=evaluation["settings"]["level"],
    )


def _facts(evaluation: Mapping) -> tuple[str, ...]:
    settings, patients = evaluation["settings"], evaluation["patients"]
    whose = "" if patients is None else f" of {_plural(patients, 'patient')}"
    return (
        f"{_plural(evaluation['ecgs'], 'ECG')}{whose}",
        INDEPENDENCE_ASSUMED if patients is None else evaluation["independence"],
        f"{settings['replicates']:,} bootstrap replicates ({settings['slope_replicates']:,} for slope, intercept and "
        f"ECE), seed {settings['seed']}",
        f"a label is evaluated from {settings['least_positives']} positives and as many negatives on",
    )


def _truth_note(summary: Mapping | None) -> str:
    if summary is None:
        return ""
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
        texts = _plural(summary["cells_not_understood"], "cell")
        note += f" {texts} hold statements in which nothing was recognised; they have no truth for any pattern."
    if summary["cells_from_file"]:
        texts = _plural(summary["cells_from_file"], "cell")
        note += f" {texts} of the table without a statement took it from the ECG file."
    return note


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _notes(found: BatchResults, settings: Mapping) -> list[str]:
    notes = [settings["report"]["note"]] if settings["report"]["note"] else []
    calibration = found.calibration
    usable = found.recordings.loc[found.recordings["status"] == "ok", "ecg_id"].nunique()
    if calibration and calibration["scale"] == "batch" and calibration["n"] < FEW_FOR_A_BATCH_SCALE:
        which = " (with units: raw, those in formats that DeepECG reads)" if calibration["units"] == "raw" else ""
        notes.append(
            f"scale: batch was computed from {calibration['n']} of {usable} usable ECGs{which}. With fewer than "
            f"{FEW_FOR_A_BATCH_SCALE} an ECG's result depends strongly on the others of its batch; use scale: physical "
            "or a frozen calibration."
        )
    doubtful = found.recordings["message"].str.contains("warning:", regex=False).sum()
    if doubtful:
        notes.append(
            f"{_plural(doubtful, 'recording')} with amplitudes that no ECG has: units are doubtful, see recordings.csv."
        )
    unknown = sum(summary["unknown_statements"] for summary in found.labels.values())
    if unknown:
        notes.append(
            f"{_plural(unknown, 'statement')} not in the phrase table say nothing here. One is shown below when "
            f"{SHOWN_FROM_PATIENTS} patients share it, or {SHOWN_FROM_ECGS} ECGs where patients are not told apart: "
            "rarer ones may hold names."
        )
    return notes


def _provenance(found: BatchResults, settings: Mapping) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    models = [(model, _origin(found.models[model], recorded)) for model, recorded in found.weights.items()]
    shown = {
        **settings["preprocessing"],
        "labeler": found.labeler,
        "uncertain statements": settings["uncertain_statements"],
    }
    return (
        ("Software", (("twelvelead", __version__), *package_versions().items())),
        ("Settings", tuple((key, str(value)) for key, value in shown.items())),
        ("Models", tuple(models)),
    )


def _origin(entry: Mapping, recorded: Mapping) -> str:
    came_from = f"{recorded['repository']} at commit {recorded['commit']}" if recorded["repository"] else "local files"
    if "package" in entry["source"]:
        came_from = f"package {entry['source']['package']}"
    pinned = " (nobody pinned it)" if recorded["pinned_by"] == "nobody" else ""
    hashes = ", ".join(f"{file} sha256 {sha256}" for file, sha256 in recorded["files"].items())
    return f"{entry.get('title', recorded['model'])}; {came_from}; {hashes}{pinned}; {entry.get('licence', '')}"
