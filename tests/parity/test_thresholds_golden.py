"""DeepECG_Docker's compute_optimal_thresholds: its two outputs, made again from the probabilities it wrote."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twelvelead.evaluation.deepecg_metrics import NO_CUT_OFF
from twelvelead.evaluation.probability_table import read_probabilities
from twelvelead.evaluation.threshold_tables import binarised_table, pattern_thresholds, threshold_records
from twelvelead.labels.patterns import read_patterns

ROOT = Path(__file__).resolve().parents[2]
ANALYSIS = ROOT.parent / "shared" / "golden" / "analysis"
pytestmark = pytest.mark.skipif(
    not (ANALYSIS / "thresholds").is_dir(), reason="golden outputs of DeepECG_Docker are not at ../shared"
)
MODELS = {"efficientnetv2": "efficientnet", "wcr": "wcr"}


@pytest.fixture(params=MODELS)
def family(request):
    return request.param


def fitted(family):
    patterns = read_patterns(ROOT / "config" / "labels" / "deepecg77.csv")
    table = read_probabilities(
        ANALYSIS / "outputs" / f"{family}_77_classes_ecg_machine_diagnosis_probabilities.csv",
        dict(zip(patterns.names, patterns.bert_threshold, strict=True)),
    )
    return table, pattern_thresholds(table)


def test_thresholds(family):
    reference = json.loads((ANALYSIS / "thresholds" / f"{family}_optimal_thresholds.json").read_text())
    _, rows = fitted(family)
    assert [row.pattern for row in rows] == list(reference)
    for row, record in zip(rows, threshold_records(rows), strict=True):
        for key, expected in reference[row.pattern].items():
            if record[key] is None:
                assert differs_by_design(row, record, key, expected), (row.pattern, key, expected)
            else:
                assert record[key] == pytest.approx(expected, abs=1e-6), (row.pattern, key)


def differs_by_design(row, record, key, expected) -> bool:
    """Where the reference has Infinity, or 0 for what is undefined, this has null and a reason."""
    n, positives = record["n"], record["n_positive_bert"]
    if key == "optimal_threshold_youden":
        return math.isinf(expected) and record["reason_youden"] == NO_CUT_OFF
    if key in ("youden_j_statistic", "best_f1_score"):
        return expected == 0 and positives in (0, n) and "0.5 stands in" in record["reason_f1"] and not row.fitted
    return key.startswith("f1_with_") and expected == 0 and positives == 0


def test_binarised_tables(family):
    table, rows = fitted(family)
    reference = pd.read_csv(ANALYSIS / "thresholds" / f"{family}_binarized.csv")
    binary = binarised_table(table, rows, MODELS[family])
    assert list(binary.columns) == list(reference.columns)
    assert binary["file_name"].tolist() == reference["file_name"].tolist()
    np.testing.assert_array_equal(binary.iloc[:, 1:].to_numpy(np.int64), reference.iloc[:, 1:].to_numpy())
