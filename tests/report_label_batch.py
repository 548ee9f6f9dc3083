"""A small batch of a multilabel task with two models of different recipes, for tests of the page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from twelvelead.evaluation.classification import classification, label_table
from twelvelead.evaluation.deepecg_metrics import multilabel_metrics
from twelvelead.evaluation.evaluation import evaluate
from twelvelead.evaluation.scores import EvaluationSettings
from twelvelead.fates import fates, read_summaries
from twelvelead.records import write_records
from twelvelead.report.batch_results import BatchResults
from twelvelead.saliency import FRAMES, SCHEMA
from twelvelead.scoring import categories_of, compare_models, scores_of

SETTINGS = EvaluationSettings(replicates=100, slope_replicates=100)
TASK, WINDOWS, RHYTHM = "physionet2021", "ecgfm_physionet2021", "openecg_rhythm"
LABELS = ("AF", "AFL", "CRBBB|RBBB", "CLBBB|LBBB", "IAVB", "PAC|SVPB", "SB", "Brady")
COMMON, RARE, WITHOUT_CODE = ("AF", "CRBBB|RBBB", "SB"), ("AFL", "IAVB", "PAC|SVPB", "CLBBB|LBBB"), "Brady"
# Of OpenECG's rhythm codec: an output that is broader than a label, and one that is a union of labels.
BROADER, UNION = "AF (by AF, flutter or SVT)", "any bundle branch block of CRBBB|RBBB and CLBBB|LBBB"
TARGETS_OF_RHYTHM = {BROADER: ("AF",), UNION: ("CRBBB|RBBB", "CLBBB|LBBB"), "any AV block": ("IAVB",)}
LONG, SHORT, TINY, LEFT_OUT = range(2, 62), range(62, 86), range(86, 88), range(88, 93)
RATE_HZ = 400
ENTRY = {
    "title": "PhysioNet 2021: 26 labels",
    "kind": "multilabel",
    "truth_column": "snomed",
    "file_column": "file_name",
    "labels": list(LABELS),
    "codes": {str(100 + at): label for at, label in enumerate(LABELS) if label != WITHOUT_CODE},
    "models": [WINDOWS, RHYTHM],
}
MODELS = {
    WINDOWS: {
        "title": "ECG-FM, PhysioNet 2021",
        "recipe": "ecgfm",
        "labels": list(LABELS),
        "aggregations": ["max" if label == "PAC|SVPB" else "mean" for label in LABELS],
        "source": {"path": "net.pt"},
    },
    RHYTHM: {"title": "OpenECG rhythm codec", "recipe": "openecg", "source": {"package": "openecg"}},
}


def ecg_id_of(row: int) -> str:
    return f"part1__{row:03}"


def file_of(row: int) -> str:
    return f"part1/{row:03}.mat"


def cells() -> pd.DataFrame:
    """10 s for rows LONG, 7.3 s for SHORT, 3 s for TINY; rows LEFT_OUT are not in the batch's subset."""
    rows = np.array([*LONG, *SHORT, *TINY, *LEFT_OUT])
    return pd.DataFrame(
        {
            "row": rows,
            "task": TASK,
            "file": [file_of(row) for row in rows],
            "ecg_id": [ecg_id_of(row) for row in rows],
            "truth_status": np.where(rows == LEFT_OUT[0], "invalid", "ok"),
            "status": np.where(np.isin(rows, LEFT_OUT), "not_selected", ""),
            "message": "",
        }
    )


def records(folder: Path) -> list[str]:
    random, files = np.random.default_rng(0), []
    for rows, seconds in ((LONG, 10), (SHORT, 7.335), (TINY, 3)):
        for row in rows:
            signal_mv = random.normal(scale=0.05, size=(12, int(seconds * RATE_HZ))).cumsum(axis=1)
            savemat(folder / f"{row}.mat", {"feats": signal_mv, "org_sample_rate": float(RATE_HZ)})
            files.append((ecg_id_of(row), str(folder / f"{row}.mat")))
    write_records(files, folder / "records.parquet", 1.0)
    return [str(folder / "records.parquet")]


def truths() -> dict[str, np.ndarray]:
    """Label -> truth of rows LONG and SHORT: 3 to 6 positives of the RARE ones, WITHOUT_CODE unknown."""
    random, n = np.random.default_rng(3), len(LONG) + len(SHORT)
    truth = {label: np.zeros(n) for label in LABELS}
    for label in COMMON:
        truth[label][random.random(n) < 0.45] = 1
    for at, label in enumerate(RARE):
        truth[label][[3 + at, 8, 15, 30, 61, 70][: 3 + at]] = 1
    truth[WITHOUT_CODE][:] = np.nan
    return truth


def scored(model: str) -> pd.DataFrame:
    """The labels, and after them for RHYTHM its targets with names of their own, all that it predicts."""
    truth, rows = truths(), np.array([*LONG, *SHORT])
    members_of = {label: (label,) for label in LABELS} | (TARGETS_OF_RHYTHM if model == RHYTHM else {})
    columns = {}
    for at, (target, members) in enumerate(members_of.items()):
        of_target = np.max([truth[member] for member in members], axis=0)
        noise = np.random.default_rng([at, len(model)]).normal(size=len(rows))
        probability = 1 / (1 + np.exp(-2 * (np.nan_to_num(of_target) - 0.5) - noise))
        if model == RHYTHM and target in LABELS:
            probability[:] = np.nan
        columns |= {f"truth/{target}": of_target, f"probability/{target}": probability.astype(np.float32)}
    identity = {"row": rows, "file": [file_of(row) for row in rows], "ecg_id": [ecg_id_of(row) for row in rows]}
    table = pd.DataFrame(identity | columns)
    return table if model == WINDOWS else table[table["row"].isin(LONG)].reset_index(drop=True)


def saliency(folder: Path) -> str:
    """A table of windows as write_saliency makes it: two of 5 s for rows LONG, one for SHORT."""
    windows = [(ecg_id_of(row), window) for row in [*LONG, *SHORT] for window in range(2 if row in LONG else 1)]
    values = np.random.default_rng(5).random((len(windows), FRAMES), dtype=np.float32)
    rows = [
        {"ecg_id": ecg_id, "window": window, "start_s": 5.0 * window, "saliency": of_window}
        for (ecg_id, window), of_window in zip(windows, values.tolist(), strict=True)
    ]
    path = folder / f"{WINDOWS}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return str(path)


def label_batch(folder: Path, models: Sequence[str] = (WINDOWS, RHYTHM), **changes) -> BatchResults:
    """Models of one multilabel task; `folder` takes the records and the saliency."""
    shards = records(folder)
    runs = {(TASK, model): scored(model) for model in models}
    categories = categories_of(ENTRY, "", "")
    evaluations, metrics = {}, {}
    for (task, model), table in runs.items():
        scores = scores_of(table.assign(patient=-1))
        found = evaluate(scores, [], categories, {}, SETTINGS)
        evaluations[task, model] = {"task": task, "model": model, "kind": "multilabel"} | found
        metrics[task, model] = multilabel_metrics(scores.truth, scores.probability, scores.labels, categories).values
    tables = {model: table.assign(patient=-1) for (_, model), table in runs.items()}
    pairs = compare_models(tables, {model: [] for model in tables}, SETTINGS)
    whole = {
        "batch": "georgia",
        "recordings": fates(cells(), read_summaries(shards), {"ecgfm": 5.0, "openecg": 10.0}),
        "records": shards,
        "scored": runs,
        "evaluations": evaluations,
        "metrics": metrics,
        "comparisons": {TASK: {"task": TASK, "models": list(models), "pairs": pairs}} if len(models) > 1 else {},
        "qualities": {run: {BROADER: "broader match (openecg rhythm.py)"} if RHYTHM in run else {} for run in runs},
        "labels": {},
        "tasks": {TASK: ENTRY},
        "absent": {TASK: {}},
        "models": MODELS,
        "weights": {},
        "labeler": "lexicon",
        "calibration": None,
        "classifications": {run: classification(table, LABELS, 0.5) for run, table in runs.items()},
        "label_tables": {TASK: label_table(np.column_stack(list(truths().values())), LABELS)},
        "saliency": {WINDOWS: saliency(folder)},
    }
    return BatchResults(**(whole | changes))
