"""DeepECG's analysis through the real workflow: the reference's own inputs, weights and outputs, all nine models."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from workflow.running import ROOT, run

GOLDEN = ROOT.parent / "shared" / "golden"
TASKS = {
    "ecg_machine_diagnosis": ("efficientnetv2_77_classes", "wcr_77_classes"),
    "afib_5y": ("efficientnetv2_afib_5y", "wcr_afib_5y"),
    "lvef_40": ("efficientnetv2_lvef_equal_under_40", "wcr_lvef_equal_under_40"),
    "lvef_50": ("efficientnetv2_lvef_under_50", "wcr_lvef_under_50"),
}
RUNS = [(task, model) for task, models in TASKS.items() for model in models]
# Where opposite classes are closer than this, the last digits decide the order: the golden scores have such
# neighbours 2e-5 apart, and so have rank metrics of either system.
NEAR_TIE = 3e-5

# A MUSE file with one Waveform section, which the reference cannot read: one ECG more would move every metric.
READ_HERE_ONLY = "bad_single_waveform.xml"

AT_THRESHOLD = ("threshold", "f1", "micro_f1", "prevalence_pred %")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden outputs of DeepECG are not beside this checkout"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    table = pd.read_csv(GOLDEN / "analysis/input.csv", dtype=str)
    named = table["77_classes_ecg_file_name"] == READ_HERE_ONLY
    assert named.sum() == 1
    table[~named].to_csv(folder / "table.csv", index=False)
    shutil.copytree(GOLDEN / "analysis/weights", folder / "weights", copy_function=shutil.copyfile)
    run(
        folder,
        "analysis",
        batches={
            "golden": {
                "table": "table.csv",
                "signals": str(GOLDEN / "preprocess/inputs/main"),
            }
        },
        models=[model for _, model in RUNS],
        preprocessing={"units": "raw", "scale": "batch", "export": "none"},
        trust_local_weights=True,
        device="cpu",
    )
    return folder / "results/golden"


def probabilities(path: Path) -> pd.DataFrame:
    """By the files' stems: the reference names its own intermediate files."""
    table = pd.read_csv(path)
    table.index = [Path(name).stem for name in table.pop("file_name")]
    return table


def golden_probabilities(task: str, model: str) -> pd.DataFrame:
    return probabilities(GOLDEN / f"analysis/outputs/{model}_{task}_probabilities.csv")


@pytest.mark.parametrize(("task", "model"), RUNS)
def test_probabilities(results, task, model):
    ours, golden = probabilities(results / task / model / "probabilities.csv"), golden_probabilities(task, model)
    assert list(ours.columns) == list(golden.columns)
    assert set(golden.index) <= set(ours.index)
    np.testing.assert_allclose(ours.loc[golden.index], golden, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("task", "model"), RUNS)
def test_metrics(results, task, model):
    ours = json.loads((results / task / model / "metrics.json").read_text())
    golden = json.loads((GOLDEN / f"analysis/outputs/{model}_{task}.json").read_text())
    assert ours.keys() == golden.keys()
    truth, score = truth_and_score(golden_probabilities(task, model), task)
    compared = 0
    for key, of_key in golden.items():
        assert ours[key].keys() == of_key.keys(), key
        for metric, value in of_key.items():
            if undefined_here(of_key, metric):
                assert ours[key][metric] is None or metric in AT_THRESHOLD, (key, metric)
                continue
            tolerance = 1e-5
            if metric in ("auc", "auprc") and key in truth:
                tolerance += largest_change_by_near_ties(truth[key], score[key], metric)
            elif "auc" in metric or "auprc" in metric:  # of a category: over its patterns, or all their cells at once
                tolerance = 1e-4
            assert ours[key][metric] == pytest.approx(value, abs=tolerance), (key, metric)
            compared += 1
    assert compared > 4


def undefined_here(of_key: dict, metric: str) -> bool:
    """The reference writes NaN, or an infinite threshold at which it calls no ECG positive; null here."""
    at_infinity = of_key["threshold"] is not None and np.isinf(of_key["threshold"])
    return of_key[metric] is None or np.isnan(of_key[metric]) or (at_infinity and metric in AT_THRESHOLD)


def truth_and_score(table: pd.DataFrame, task: str) -> tuple[dict, dict]:
    """Truth and score of each pattern as the reference had them, or of the only label."""
    if "predictions" in table:
        return {"results": table["ground_truth"].to_numpy()}, {"results": table["predictions"].to_numpy()}
    thresholds = pd.read_csv(ROOT / "config/labels/deepecg77.csv").set_index("pattern")["bert_threshold"]
    return (
        {p: (table[f"{p}_bert_model"] >= thresholds[p]).to_numpy(int) for p in thresholds.index},
        {p: table[f"{p}_sig_model"].to_numpy() for p in thresholds.index},
    )


def largest_change_by_near_ties(truth: np.ndarray, score: np.ndarray, metric: str) -> float:
    """How far a rank metric can move when neighbours of opposite class within NEAR_TIE change places."""
    function = {"auc": roc_auc_score, "auprc": average_precision_score}[metric]
    nudge = np.where(truth == 1, NEAR_TIE, -NEAR_TIE) / 2
    return abs(function(truth, score + nudge) - function(truth, score - nudge))


def test_the_labeler_ran_once_for_both_models(results):
    logs = sorted(path.name for path in (results.parents[1] / "work/golden/logs/label").iterdir())
    assert logs == ["ecg_machine_diagnosis.log"]
    assert "pseudo-label: where Bert_diagnosis2classification_En_Fr" in (results / "report.html").read_text()
