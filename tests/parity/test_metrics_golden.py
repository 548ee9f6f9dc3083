"""DeepECG_Docker's own metrics, recomputed from the probabilities it wrote."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twelvelead.evaluation.deepecg_metrics import Metrics, binary_metrics, multilabel_metrics
from twelvelead.evaluation.tables import write_metrics_csv, write_metrics_json

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
OUTPUTS = SHARED / "golden" / "analysis" / "outputs"
EDGE = SHARED / "golden" / "analysis" / "edge"
pytestmark = pytest.mark.skipif(not OUTPUTS.is_dir(), reason="golden outputs of DeepECG_Docker are not at ../shared")

MODELS_77 = ["efficientnetv2_77_classes", "efficientnetv2_77_classes_bs7", "wcr_77_classes", "wcr_77_classes_bs7"]
BINARY = [
    f"{family}_{model}"
    for family in ("efficientnetv2", "wcr")
    for model in ("afib_5y_afib_5y", "lvef_equal_under_40_lvef_40", "lvef_under_50_lvef_50")
]


def metrics_77(name: str) -> Metrics:
    labels = pd.read_csv(SHARED / "reference" / "deepecg77.csv")
    patterns = labels["pattern"].tolist()
    categories = {
        category: [p for p, of in zip(patterns, labels["categories"], strict=True) if category in of.split("|")]
        for category in pd.read_csv(SHARED / "reference" / "deepecg_categories.csv")["category"]
    }
    table = pd.read_csv(OUTPUTS / f"{name}_ecg_machine_diagnosis_probabilities.csv")
    bert = table[[f"{pattern}_bert_model" for pattern in patterns]].to_numpy(dtype=np.float32)
    signal = table[[f"{pattern}_sig_model" for pattern in patterns]].to_numpy(dtype=np.float32)
    truth = (bert >= labels["bert_threshold"].to_numpy()).astype(float)
    return multilabel_metrics(truth, signal, patterns, categories)


def metrics_binary(path: Path) -> Metrics:
    table = pd.read_csv(path)
    return binary_metrics(table["ground_truth"].to_numpy(dtype=float), table["predictions"].to_numpy(dtype=np.float32))


def compare(metrics: Metrics, reference: dict, all_positive: frozenset[str] = frozenset()) -> float:
    """Largest deviation; keys, their order, and None exactly where the reference has no finite number."""
    assert list(metrics.values) == list(reference)
    worst = 0.0
    for key, of_key in reference.items():
        assert set(metrics.values[key]) == set(of_key), key
        for name, expected in of_key.items():
            value = metrics.values[key][name]
            if not math.isfinite(expected) or (key in all_positive and name in ("f1", "prevalence_pred %")):
                assert value is None, (key, name)
                assert metrics.reasons[key][name]
            else:
                assert value is not None, (key, name)
                assert name not in metrics.reasons[key]
                worst = max(worst, abs(value - expected))
    return worst


def without_negative(reference: dict) -> frozenset[str]:
    return frozenset(key for key, of_key in reference.items() if of_key["prevalence_gt %"] == 100)


@pytest.mark.parametrize("name", MODELS_77)
def test_77_patterns(name):
    reference = json.loads((OUTPUTS / f"{name}_ecg_machine_diagnosis.json").read_text())
    metrics = metrics_77(name)
    assert compare(metrics, reference, without_negative(reference)) < 1e-6
    assert all(list(metrics.values[key]) == list(of_key) for key, of_key in reference.items() if "auprc" in of_key
               and math.isfinite(of_key["auprc"]))  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    reference = json.loads((OUTPUTS / f"{name}.json").read_text())
    metrics = metrics_binary(OUTPUTS / f"{name}_probabilities.csv")
    assert compare(metrics, reference) < 1e-6
    assert list(metrics.values["results"]) == list(reference["results"])


@pytest.mark.parametrize("case", ["allneg_bin", "allpos_bin", "single_bin", "empty_bin"])
def test_degenerate_cases(case):
    reference = json.loads((EDGE / f"{case}.json").read_text())
    metrics = metrics_binary(EDGE / f"{case}_probabilities.csv")
    assert compare(metrics, reference, without_negative(reference)) < 1e-6


def test_an_ecg_without_prediction_no_longer_costs_the_others_their_metrics():
    reference = json.loads((EDGE / "nan_bin.json").read_text())
    assert all(math.isnan(value) for value in reference["results"].values())
    metrics = metrics_binary(EDGE / "nan_bin_probabilities.csv")
    assert metrics.values["results"]["auc"] == 1.0
    assert metrics.counts["results"] == {"n": 4, "positives": 2, "unknown": 0, "not_predicted": 1}


def test_files_hold_the_references_keys_and_columns(tmp_path):
    metrics = metrics_77("wcr_77_classes")
    write_metrics_json(metrics, tmp_path / "metrics.json")
    write_metrics_csv(metrics, tmp_path / "metrics.csv")
    written = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert written == metrics.values
    with (
        (tmp_path / "metrics.csv").open(newline="") as ours,
        next(OUTPUTS.glob("wcr_77_classes_ecg*.csv")).open() as theirs,
    ):
        our_rows, their_rows = list(csv.reader(ours)), list(csv.reader(theirs))
    assert our_rows[0] == their_rows[0]
    assert [row[0] for row in our_rows] == [row[0] for row in their_rows]
    for our_row, their_row in zip(our_rows[1:], their_rows[1:], strict=True):
        for ours_cell, theirs_cell in zip(our_row[1:], their_row[1:], strict=True):
            if ours_cell:
                np.testing.assert_allclose(float(ours_cell), float(theirs_cell), atol=1e-6)
            else:
                assert theirs_cell in ("", "nan", "inf") or our_row[0] == "Acute MI"
