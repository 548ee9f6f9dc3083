"""From the files of a finished batch to what its page says."""

from collections.abc import Collection, Mapping
from dataclasses import asdict

import pandas as pd

from twelvelead import __version__
from twelvelead.fates import flag_counts
from twelvelead.labelling import SHOWN_FROM_ECGS, SHOWN_FROM_PATIENTS
from twelvelead.preparation import FEW_FOR_A_BATCH_SCALE
from twelvelead.provenance import package_versions
from twelvelead.report.batch_results import BatchResults
from twelvelead.report.content import (
    CellCounts,
    FileProblem,
    PageContent,
    QualityFlag,
    SignalQuality,
    UnknownStatement,
)
from twelvelead.report.naming import Naming
from twelvelead.report.task_section import task_section
from twelvelead.report.viewer_lists import Judged, viewer_content
from twelvelead.report.wording import plural
from twelvelead.scoring import read_categories
from twelvelead.signal_quality import FLAGS, POOR_QUALITY
from twelvelead.table import NOT_SELECTED

SHOWN_STATEMENTS = 20


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
        [(found.models[model].get("title", model), path) for model, path in found.saliency.items()],
    )
    return PageContent(
        batch=found.batch,
        cells=tuple(_counts(recordings, task) for task in found.tasks),
        problems=tuple(_problems(recordings, naming)),
        quality=_signal_quality(recordings, settings["preprocessing"]["quality_excludes"]),
        notes=tuple(_notes(found, settings)),
        unknown_statements=tuple(UnknownStatement(*entry) for entry in frequent[:SHOWN_STATEMENTS]),
        tasks=tuple(task_section(found, task, categories, of_report["labels"]) for task in found.tasks),
        ecgs=ecgs,
        ecg_groups=groups,
        figure_folders=tuple(found.figures),
        provenance=_provenance(found, settings),
    )


def _problems(recordings: pd.DataFrame, naming: Naming) -> list[FileProblem]:
    # What is not in the batch's subset was left out by the user, whatever its truth.
    asked = recordings[recordings["status"] != NOT_SELECTED]
    wrong = asked[(asked["status"] != "ok") | ~asked["truth"].isin(["ok", "missing"])]
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


def _signal_quality(recordings: pd.DataFrame, excludes: Collection[str]) -> SignalQuality | None:
    """None where no ECG was assessed: only those that can be used at all are."""
    assessed = recordings[recordings["status"].isin(["ok", "too_short", POOR_QUALITY])]
    if assessed.empty:
        return None
    counts = flag_counts(assessed)
    flags = [
        QualityFlag(**asdict(flag), ecgs=counts.get(flag.name, 0), excluded=flag.name in excludes) for flag in FLAGS
    ]
    return SignalQuality(
        assessed["ecg_id"].nunique(),
        assessed.loc[assessed["quality"] != "", "ecg_id"].nunique(),
        tuple(flags),
    )


def _counts(recordings: pd.DataFrame, task: str) -> CellCounts:
    of_task = recordings[recordings["task"] == task]
    truth = of_task["truth"].where(of_task["status"] != NOT_SELECTED, NOT_SELECTED)
    return CellCounts(task, len(of_task), of_task["status"].value_counts().to_dict(), truth.value_counts().to_dict())


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
            f"{plural(doubtful, 'recording')} with amplitudes that no ECG has: units are doubtful, see recordings.csv."
        )
    unknown = sum(summary["unknown_statements"] for summary in found.labels.values())
    if unknown:
        notes.append(
            f"{plural(unknown, 'statement')} not in the phrase table say nothing here. One is shown below when "
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
        ("Settings", tuple((key, _in_words(value)) for key, value in shown.items())),
        ("Models", tuple(models)),
    )


def _in_words(value: object) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


def _origin(entry: Mapping, recorded: Mapping) -> str:
    came_from = f"{recorded['repository']} at commit {recorded['commit']}" if recorded["repository"] else "local files"
    if "package" in entry["source"]:
        came_from = f"package {entry['source']['package']}"
    pinned = " (nobody pinned it)" if recorded["pinned_by"] == "nobody" else ""
    hashes = ", ".join(f"{file} sha256 {sha256}" for file, sha256 in recorded["files"].items())
    return f"{entry.get('title', recorded['model'])}; {came_from}; {hashes}{pinned}; {entry.get('licence', '')}"
