"""The default model on real public recordings, against the floors that the workflow promises."""

import csv
from pathlib import Path

import numpy as np
import pytest
import wfdb
from sklearn.metrics import roc_auc_score

from twelvelead.ecg import LEADS
from twelvelead.models.openecg import OUTPUTS, load
from twelvelead.recipes.openecg import prepare

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (RECORDINGS / "cpsc2018_labels.csv").is_file(), reason=f"no recordings in {RECORDINGS}"),
]


def predict_all(table: str) -> tuple[list[dict[str, str]], dict[str, np.ndarray]]:
    """(rows of the table, output -> probability per row)."""
    with open(RECORDINGS / table, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    batch = []
    for row in rows:
        record = wfdb.rdrecord(str(RECORDINGS / row["record"]))
        assert [name.upper() for name in record.sig_name] == [lead.upper() for lead in LEADS]
        batch.append(prepare(record.p_signal.T.astype(np.float32), record.fs))
    probabilities = load(None, "cpu", {"threads": 2}).predict(np.stack(batch))
    return rows, dict(zip(OUTPUTS, probabilities.T, strict=True))


@pytest.fixture(scope="module")
def cpsc2018():
    rows, probability = predict_all("cpsc2018_labels.csv")
    return [set(row["dx"].split(",")) for row in rows], probability


@pytest.fixture(scope="module")
def ptbxl():
    return predict_all("ptbxl_labels.csv")


@pytest.mark.parametrize(
    ("output", "diagnoses", "floor"),
    [("afib", {"AF"}, 0.98), ("avb", {"I-AVB"}, 0.95), ("bbb", {"LBBB", "RBBB"}, 0.8)],
)
def test_auroc_on_cpsc2018(cpsc2018, output, diagnoses, floor):
    found, probability = cpsc2018
    truth = [bool(diagnoses & of_recording) for of_recording in found]
    assert len(truth) == 77
    assert roc_auc_score(truth, probability[output]) >= floor


def test_no_paced_recording_is_claimed_in_cpsc2018(cpsc2018):
    """None of its nine diagnoses is pacing."""
    assert (cpsc2018[1]["paced"] < 0.5).all()


def test_auroc_of_af_on_ptbxl(ptbxl):
    rows, probability = ptbxl
    labelled = np.array([row["rhythm:AFIB"] != "" for row in rows])
    truth = np.array([row["rhythm:AFIB"] == "1.0" for row in rows])
    assert truth.sum() == 6
    assert roc_auc_score(truth[labelled], probability["afib"][labelled]) >= 0.98


def test_spikes_are_rarely_claimed_where_ptbxl_says_nothing_of_pacing(ptbxl):
    rows, probability = ptbxl
    unpaced = np.array([row["rhythm:PACE"] != "1.0" for row in rows])
    assert (probability["paced"][unpaced] < 0.5).mean() >= 0.98
