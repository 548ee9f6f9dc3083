"""A small batch with real evaluations, comparisons and records, for tests of the page."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from twelvelead.evaluation.deepecg_metrics import binary_metrics, multilabel_metrics
from twelvelead.evaluation.evaluation import evaluate
from twelvelead.evaluation.scores import EvaluationSettings, ThresholdSet
from twelvelead.fates import RECORDING_COLUMNS
from twelvelead.records import write_records
from twelvelead.report.batch_results import BatchResults
from twelvelead.scoring import compare_models, scores_of

PATTERNS_PATH, CATEGORIES_PATH = "config/labels/deepecg77.csv", "config/labels/deepecg_categories.csv"
SETTINGS = EvaluationSettings(replicates=100, slope_replicates=100)
HOSTILE = "<script>alert('x')</script>\"&é漢\x07"
ECGS = 90
BROKEN, MISSING, FLAT = ECGS + 2, ECGS + 3, ECGS + 4
CLIPPED = 7  # a row whose ECG is usable but flagged
FLAGS_OF = {CLIPPED: "saturation V1 V2; mains_interference I"}
LABELS = ("Afib", "Left bundle branch block", "Brugada", HOSTILE, "not predicted")
CATEGORIES = {"Rhythm Disorders": ("Afib", "Brugada"), "Conduction Disorder": ("Left bundle branch block",)}
TASKS = {
    "ecg_machine_diagnosis": {"title": "77 ECG patterns", "kind": "patterns"},
    "lvef_40": {"title": f"LVEF ≤ 40 % {HOSTILE}", "kind": "binary"},
}


def file_of(row: int) -> str:
    return f"ward <3>/Doe^John {row:03}{HOSTILE}.npy"


def ecg_id_of(row: int) -> str:
    return f"ward_3__Doe^John_{row:03}"


def recordings() -> pd.DataFrame:
    """ECGS usable files in both tasks, then one that is broken, one that is not there, and one whose leads are flat."""
    fates = {
        BROKEN: ("unreadable", f"{file_of(BROKEN)} ends at byte 12"),
        MISSING: ("missing", f"no file {file_of(MISSING)} in the folder"),
        FLAT: ("flat", "every lead is constant"),
    }
    rows = []
    for row in range(2, ECGS + 5):
        status, message = fates.get(row, ("ok", ""))
        identifier = "" if status == "missing" else ecg_id_of(row)
        rows += [
            (
                row,
                task,
                file_of(row),
                identifier,
                "npy",
                status,
                "ok" if row > 3 else "missing",
                message,
                "",
                FLAGS_OF.get(row, ""),
            )
            for task in TASKS
        ]
    return pd.DataFrame(rows, columns=RECORDING_COLUMNS)


def records(folder: Path) -> list[str]:
    """A shard with everything but the file that is not there."""
    random, files = np.random.default_rng(0), []
    for row in (*range(2, ECGS + 2), BROKEN, FLAT):
        signal_mv = random.normal(scale=0.05, size=(2500, 12)).cumsum(axis=0).astype(np.float32)
        path = folder / f"{row}.npy"
        np.save(path, np.zeros_like(signal_mv) if row == FLAT else signal_mv)
        if row == BROKEN:
            path.write_bytes(path.read_bytes()[:40])
        files.append((ecg_id_of(row), str(path)))
    write_records(files, folder / "records.parquet", 1.0)
    return [str(folder / "records.parquet")]


def scored(task: str, model: str) -> pd.DataFrame:
    """Truth and a model's probabilities of every usable ECG; "Brugada" has too few positives to be judged."""
    random = np.random.default_rng(1)
    names = LABELS if TASKS[task]["kind"] == "patterns" else ("results",)
    columns = {}
    for at, name in enumerate(names):
        truth = (random.random(ECGS) < (0.05 if name == "Brugada" else 0.4)).astype(float)
        truth[:2] = np.nan
        noise = np.random.default_rng([at, len(model)]).normal(size=ECGS)
        probability = 1 / (1 + np.exp(-2 * (np.nan_to_num(truth) - 0.5) - noise))
        columns |= {f"truth/{name}": truth, f"probability/{name}": probability.astype(np.float32)}
    if "not predicted" in names:
        columns["probability/not predicted"] = np.full(ECGS, np.nan, dtype=np.float32)
    rows = np.arange(2, ECGS + 2)
    identity = {"row": rows, "file": [file_of(row) for row in rows], "ecg_id": [ecg_id_of(row) for row in rows]}
    return pd.DataFrame(identity | columns)


def published(labels: tuple[str, ...]) -> ThresholdSet:
    """A threshold for the first label alone."""
    values = np.full(len(labels), np.nan)
    values[0] = 0.6
    reasons = tuple("" if at == 0 else "rounding floor" for at in range(len(labels)))
    return ThresholdSet("sens_spec", "published", values, reasons, "transported")


def small_batch(folder: Path, **changes) -> BatchResults:
    """Two models on each of two tasks, with subgroups; `folder` takes the records."""
    runs = {(task, model): scored(task, model) for task in TASKS for model in ("net_a", f"{HOSTILE}_b")}
    evaluations, metrics = {}, {}
    for (task, model), table in runs.items():
        kind = TASKS[task]["kind"]
        scores = scores_of(table.assign(patient=np.arange(ECGS) // 2))
        sex = np.where(np.arange(ECGS) % 2, "f", HOSTILE).astype(str)
        categories = {} if kind == "binary" else CATEGORIES
        sets = [published(scores.labels)] if model == "net_a" else []
        evaluations[task, model] = {"task": task, "model": model, "kind": kind} | evaluate(
            scores, sets, categories, {"sex": sex}, SETTINGS
        )
        truth, probability = scores.truth, scores.probability
        found = (
            binary_metrics(truth[:, 0], probability[:, 0])
            if kind == "binary"
            else multilabel_metrics(truth, probability, scores.labels, categories)
        )
        metrics[task, model] = found.values
    comparisons = {task: _comparison(task, runs) for task in TASKS}
    summary = {"labeler": "lexicon", "cells_not_understood": 3, "cells_from_file": 0, "unknown_statements": 4}
    whole = {
        "batch": f"cohort {HOSTILE}\udcff",  # a byte of a file name that is not UTF-8
        "recordings": recordings(),
        "records": records(folder),
        "scored": runs,
        "evaluations": evaluations,
        "metrics": metrics,
        "comparisons": comparisons,
        "qualities": {run: {"Afib": f"broader match ({HOSTILE})"} if "ecg" in run[0] else {} for run in runs},
        "labels": {"ecg_machine_diagnosis": summary | {"frequent_unknown_statements": [(HOSTILE, 7)]}},
        "tasks": TASKS,
        "absent": {task: {"wcr_77_classes": f"no base_ssl.pt {HOSTILE}"} for task in TASKS},
        "models": {
            "net_a": {"title": HOSTILE, "source": {"path": "a"}, "recipe": "deepecg"},
            f"{HOSTILE}_b": {"source": {"path": "b"}, "recipe": "openecg"},
        },
        "weights": {
            "net_a": {
                "model": "net_a",
                "repository": None,
                "commit": None,
                "pinned_by": "nobody",
                "files": {"net.pt": "1f3b"},
            }
        },
        "labeler": "lexicon",
        "calibration": None,
        "figures": ["lvef_40/net_a/figures/"],
    }
    return BatchResults(**(whole | changes))


def _comparison(task: str, runs: Mapping[tuple[str, str], pd.DataFrame]) -> dict:
    tables = {model: table.assign(patient=-1) for (of_task, model), table in runs.items() if of_task == task}
    pairs = compare_models(tables, {model: [] for model in tables}, SETTINGS)
    return {"task": task, "models": list(tables), "pairs": pairs}


def settings(**of_report) -> dict:
    """The parts of the configuration that the page depends on."""
    report = {"ecgs": 14, "labels": 2, "note": "", "hide_file_names": False}
    return {
        "report": report | of_report,
        "preprocessing": {"units": "physical", "quality_excludes": []},
        "labeler": "auto",
        "uncertain_statements": "unknown",
    }
