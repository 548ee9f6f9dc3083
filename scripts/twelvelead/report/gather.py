"""From the files of a finished batch to what its page says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from twelvelead import __version__
from twelvelead.assembly import matrices, targets_of
from twelvelead.ecg import twelve_leads
from twelvelead.errors import SignalError
from twelvelead.labelling import SHOWN_FROM_ECGS, SHOWN_FROM_PATIENTS
from twelvelead.preparation import FEW_FOR_A_BATCH_SCALE
from twelvelead.provenance import package_versions
from twelvelead.recipes.resampling import to_rate
from twelvelead.records import find_records
from twelvelead.registry import LEXICON
from twelvelead.report.content import (
    CellCounts,
    EcgDrawing,
    EvaluatedModel,
    FileProblem,
    MissingModel,
    PageContent,
    PredictionsOnly,
    TaskSection,
    UnknownStatement,
    evaluated_binary,
    evaluated_multilabel,
)
from twelvelead.scoring import metrics_of, read_categories

DRAWING_RATE_HZ = 250
SHOWN_STATEMENTS = 20
SHOWN_PREDICTIONS = 4


@dataclass(frozen=True)
class BatchResults:
    """What the workflow found out about a batch.

    recordings  recordings.csv; records: paths of the decoded shards; scored: (task, model) -> table made for scoring
    qualities   (task, model) -> target -> how well the model's class matches it
    labels      task -> summary of its labeler; absent: task -> model -> why it could not run
    weights     model -> the record of its verified weights, of the labeler too
    calibration the calibration.json that the models' input was made with, where one was
    """

    batch: str
    recordings: pd.DataFrame
    records: Sequence[str]
    scored: Mapping[tuple[str, str], pd.DataFrame]
    qualities: Mapping[tuple[str, str], Mapping[str, str]]
    labels: Mapping[str, Mapping]
    tasks: Mapping[str, Mapping]
    absent: Mapping[str, Mapping[str, str]]
    models: Mapping[str, Mapping]
    weights: Mapping[str, Mapping]
    calibration: Mapping | None


def page_content(found: BatchResults, settings: Mapping, patterns_path: str, categories_path: str) -> PageContent:
    """Everything the page shows; `settings` are the parts of the configuration that it depends on."""
    recordings = found.recordings
    sections = [_section(found, task, patterns_path, categories_path) for task in found.tasks]
    wrong = recordings[(recordings["status"] != "ok") | ~recordings["truth"].isin(["ok", "missing"])]
    problems = [
        FileProblem(
            row.row, row.task, row.file, row.status if row.status != "ok" else f"truth {row.truth}", row.message
        )
        for row in wrong.itertuples()
    ]
    frequent = [entry for summary in found.labels.values() for entry in summary["frequent_unknown_statements"]]
    return PageContent(
        batch=found.batch,
        cells=tuple(_counts(recordings, task) for task in found.tasks),
        problems=tuple(problems),
        notes=tuple(_notes(found, settings)),
        unknown_statements=tuple(UnknownStatement(*entry) for entry in frequent[:SHOWN_STATEMENTS]),
        tasks=tuple(sections),
        ecgs=tuple(_drawings(found, settings["report"]["ecgs"])),
        provenance=_provenance(found, settings),
        hide_file_names=settings["report"]["hide_file_names"],
    )


def _counts(recordings: pd.DataFrame, task: str) -> CellCounts:
    of_task = recordings[recordings["task"] == task]
    return CellCounts(
        task, len(of_task), of_task["status"].value_counts().to_dict(), of_task["truth"].value_counts().to_dict()
    )


def _section(found: BatchResults, task: str, patterns_path: str, categories_path: str) -> TaskSection:
    evaluated, predictions_only = [], []
    for (of_task, model), scored in found.scored.items():
        if of_task != task:
            continue
        shown = _evaluated(found, task, model, scored, patterns_path, categories_path)
        (evaluated if isinstance(shown, EvaluatedModel) else predictions_only).append(shown)
    missing = [
        MissingModel(model, reason, "nothing if you can do without it; else see Models in the README")
        for model, reason in found.absent[task].items()
    ]
    title = found.tasks[task].get("title", task)
    note = (
        _truth_note(found.labels.get(task))
        if found.tasks[task]["kind"] == "patterns"
        else "Truth is the table's 0 or 1."
    )
    return TaskSection(task, title, note, tuple(evaluated), tuple(predictions_only), tuple(missing))


def _evaluated(
    found: BatchResults, task: str, model: str, scored: pd.DataFrame, patterns_path: str, categories_path: str
) -> EvaluatedModel | PredictionsOnly:
    targets = targets_of(scored)
    truth, probability = matrices(scored, targets)
    if len(scored) < 2:
        return PredictionsOnly(model, len(scored), "metrics need at least two ECGs")
    if np.isnan(truth).all():
        return PredictionsOnly(model, len(scored), "the table gives no truth for these ECGs")
    kind = found.tasks[task]["kind"]
    metrics = metrics_of(scored, kind, patterns_path, categories_path)
    if kind == "binary":
        return evaluated_binary(model, metrics, truth[:, 0], probability[:, 0], found.tasks[task].get("title", task))
    categories = read_categories(patterns_path, categories_path)
    notes = [f"{target}: {quality}." for target, quality in found.qualities[task, model].items()]
    return evaluated_multilabel(model, metrics, truth, probability, targets, categories, notes)


def _truth_note(summary: Mapping | None) -> str:
    if summary is None:
        return ""
    if summary["labeler"] == LEXICON:
        reads = "what the phrase table (lexicon) reads in the machine's statements"
    else:
        reads = f"where {summary['labeler']}, reading the machine's statements, reaches its published threshold"
    note = (
        f"Truth is a pseudo-label: {reads}, not a cardiologist's diagnosis. Where the statements leave a pattern open, "
        "the ECG is left out of its figures."
    )
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


def _drawings(found: BatchResults, how_many: int) -> list[EcgDrawing]:
    """The first usable ECGs of the table, as recorded, with their highest predictions."""
    usable = found.recordings[found.recordings["status"] == "ok"].drop_duplicates("ecg_id").head(how_many)
    records = find_records(found.records, set(usable["ecg_id"]))
    drawings = []
    for row in usable.itertuples():
        recording = records[row.ecg_id].recording
        try:
            signal_mv = to_rate(
                twelve_leads(recording), recording.sampling_rate_hz, DRAWING_RATE_HZ, method="polyphase"
            )
        except SignalError:
            continue
        predictions, truth = _says(found, row.ecg_id)
        caption = f"Row {row.row} of the table, as recorded, without any filter of ours."
        if truth:
            caption += f" Statements read as: {', '.join(truth)}."
        drawings.append(EcgDrawing(row.ecg_id, row.row, caption, signal_mv, DRAWING_RATE_HZ, tuple(predictions)))
    return drawings


def _says(found: BatchResults, ecg_id: str) -> tuple[list[tuple[str, float]], list[str]]:
    """The highest predictions for one ECG over all tasks and models, and the patterns its truth names."""
    predictions, named = [], []
    for (task, _), scored in found.scored.items():
        of_ecg = scored[scored["ecg_id"] == ecg_id]
        if of_ecg.empty:
            continue
        targets = targets_of(scored)
        truth, probability = matrices(of_ecg.head(1), targets)
        names = [found.tasks[task].get("title", task)] if targets == ["results"] else targets
        pairs = [(name, float(p)) for name, p in zip(names, probability[0], strict=True) if np.isfinite(p)]
        predictions += sorted(pairs, key=lambda pair: -pair[1])[:SHOWN_PREDICTIONS]
        if found.tasks[task]["kind"] == "patterns":
            named += [name for name, value in zip(names, truth[0], strict=True) if value == 1 and name not in named]
    return predictions, named[:SHOWN_PREDICTIONS]


def _provenance(found: BatchResults, settings: Mapping) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    models = [(model, _origin(found.models[model], recorded)) for model, recorded in found.weights.items()]
    shown = {
        **settings["preprocessing"],
        "labeler": settings["labeler"],
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
