"""The text classifier against the probabilities that DeepECG_Docker wrote, every text padded to 512 tokens there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twelvelead.labels.bert import label_texts, load_bert
from twelvelead.labels.patterns import read_patterns

ANALYSIS = Path(__file__).resolve().parents[2].parent / "shared/golden/analysis"
pytestmark = pytest.mark.skipif(
    not ANALYSIS.is_dir(), reason="golden weights and outputs of DeepECG_Docker are not at ../shared"
)

TOLERANCE = 1e-5
ROWS = ANALYSIS / "outputs/analysis_rows_ecg_machine_diagnosis.csv"


@pytest.fixture(scope="module")
def model():
    return load_bert(ANALYSIS / "weights/Bert_diagnosis2classification_En_Fr", "cpu", threads=2)


@pytest.fixture(scope="module")
def texts():
    return pd.read_csv(ROWS)["diagnosis"].tolist()


@pytest.fixture(scope="module")
def expected():
    # Rows are those of the diagnosis table, and columns the patterns in their order.
    table = pd.read_csv(ANALYSIS / "outputs/efficientnetv2_77_classes_ecg_machine_diagnosis_probabilities.csv")
    assert table["file_name"].tolist() == pd.read_csv(ROWS)["ecg_path"].tolist()
    patterns = read_patterns("config/labels/deepecg77.csv")
    return table[[f"{pattern}_bert_model" for pattern in patterns.names]].to_numpy()


@pytest.mark.parametrize("tokens_per_batch", [1, 64, 4096])
def test_probabilities_are_those_of_512_padded_texts(model, texts, expected, tokens_per_batch):
    assert np.abs(label_texts(texts, model, tokens_per_batch) - expected).max() <= TOLERANCE


def test_the_golden_texts_reach_the_cut_at_512_tokens(model, texts):
    """The comparison above covers truncation only while this holds."""
    lengths = [len(ids) for ids in model.tokenizer(sorted(set(texts)), verbose=False)["input_ids"]]
    assert max(lengths) > 512


def test_one_text_alone(model, texts, expected):
    """Its neighbours moved a text's probabilities by rounding only."""
    for row in (0, len(texts) // 2, len(texts) - 1):
        assert np.abs(label_texts(texts[row : row + 1], model) - expected[row]).max() <= TOLERANCE
