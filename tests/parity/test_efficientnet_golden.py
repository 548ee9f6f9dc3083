"""TorchScript models on DeepECG_Docker's own cleaned signals, against the probabilities that it wrote."""

import base64
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twelvelead.models.torchscript import load

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared/golden"
WEIGHTS = GOLDEN / "analysis/weights"
OUTPUTS = GOLDEN / "analysis/outputs"
CLEANED = GOLDEN / "preprocess/outputs/main/preprocessing"
pytestmark = [
    pytest.mark.skipif(not WEIGHTS.is_dir(), reason="golden weights of DeepECG_Docker are not at ../shared"),
    pytest.mark.filterwarnings("ignore:TorchScript files are code"),
]

TOLERANCE = 1e-5
BINARY = {
    "efficientnetv2_afib_5y": "afib_5y",
    "efficientnetv2_lvef_equal_under_40": "lvef_40",
    "efficientnetv2_lvef_under_50": "lvef_50",
}


def signals(names):
    """(n, 12, 2500) float32, as DeepECG's preprocessing left them."""
    texts = [(CLEANED / name).read_bytes() for name in names]
    return np.stack([np.frombuffer(base64.b64decode(text), "<f4").reshape(2500, 12).T for text in texts])


def probabilities(model, table, outputs):
    file = WEIGHTS / model / f"{model}.pt"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    settings = {"outputs": outputs, "input_scale": 1 / 0.0048, "batch_size": 8, "threads": 2, "sha256": sha256}
    return load(WEIGHTS / model, "cpu", settings).predict(signals(table["file_name"]))


@pytest.mark.parametrize("run", ["efficientnetv2_77_classes", "efficientnetv2_77_classes_bs7"])
def test_77_patterns(run):
    table = pd.read_csv(OUTPUTS / f"{run}_ecg_machine_diagnosis_probabilities.csv")
    columns = [column for column in table if column.endswith("_sig_model")]
    found = probabilities("efficientnetv2_77_classes", table, [c.removesuffix("_sig_model") for c in columns])
    assert found.shape == (len(table), 77)
    assert np.abs(found - table[columns].to_numpy()).max() <= TOLERANCE


@pytest.mark.parametrize("model", BINARY)
def test_binary_tasks(model):
    table = pd.read_csv(OUTPUTS / f"{model}_{BINARY[model]}_probabilities.csv")
    found = probabilities(model, table, [BINARY[model]])
    assert found.shape == (len(table), 1)
    assert np.abs(found[:, 0] - table["predictions"].to_numpy()).max() <= TOLERANCE
