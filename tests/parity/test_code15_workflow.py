"""The 10 real CODE-15 recordings through the real workflow: the reference's tiny checkpoint and the default model."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from scipy.special import expit

from twelvelead.models import ecgfm
from twelvelead.windows import read_aggregations
from workflow.running import run

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
GOLDEN = SHARED / "golden" / "ecg_fm"
RECORDINGS = SHARED / "data" / "code15_mat"
LABELS = ["1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"]
MODEL = "ecgfm_physionet2021"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (GOLDEN.is_dir() and RECORDINGS.is_dir()), reason="golden ECG-FM models and CODE-15 are not at ../shared"
    ),
]


def windows_by_hand(signal, rate_hz):
    """ECG-FM's preparation in a few lines of numpy, from its description and not from ours."""
    n = int(signal.shape[1] * 500 / rate_hz)
    at = np.linspace(0, n - 1, signal.shape[1])
    resampled = np.stack([np.interp(np.arange(n), at, lead) for lead in signal.astype(np.float64)])
    spread = resampled.std(axis=1, keepdims=True)
    centred = resampled - resampled.mean(axis=1, keepdims=True)
    standardised = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    return [standardised[:, start : start + 2500] for start in range(0, n - 2499, 2500)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code15")
    (folder / "weights").mkdir()
    # The whole folder, as a user who downloaded the repository has it: two checkpoints, one of them pretrained only.
    (folder / "weights" / MODEL).mkdir()
    for file in GOLDEN.glob("*.[py][ta]*"):
        (folder / "weights" / MODEL / file.name).symlink_to(file)
    labels = pd.read_csv(SHARED / "data/code15_labels.csv")
    meta = pd.read_csv(SHARED / "data/code15_meta.csv")
    table = labels[LABELS].assign(file_name=meta["save_file"], patient=meta["patient_id"])
    table.to_csv(folder / "table.csv", index=False)
    batch = {"table": "table.csv", "signals": str(RECORDINGS), "patient_column": "patient"}
    run(folder, "analysis", batches={"ten": batch}, evaluation={"replicates": 100, "slope_replicates": 100})
    return folder / "results/ten", table


def test_windows_are_those_that_the_reference_lists(finished):
    results, _ = finished
    with open(SHARED / "data/code15_segmented.csv", encoding="utf-8", newline="") as table:
        listed = {row["path"].removesuffix(".mat") for row in csv.DictReader(table)}
    windows = pd.read_csv(results / f"code15/{MODEL}/windows.csv")
    found = windows["file_name"].str.removesuffix(".mat") + "_" + windows["window"].astype(str)
    assert set(found) == listed
    assert len(found) == len(listed) == 14


def test_logits_are_the_networks_on_windows_made_by_hand(finished):
    results, _ = finished
    logits = pd.read_parquet(results / f"code15/{MODEL}/logits.parquet").set_index(["file_name", "window"])
    outputs = [row.label for row in read_aggregations(ROOT / "config/labels/ecgfm_physionet2021.csv")]
    model = ecgfm.load(GOLDEN / "physionet_finetuned.pt", "cpu", {"outputs": outputs})
    for path in sorted(RECORDINGS.glob("*.mat")):
        content = scipy.io.loadmat(path)
        windows = windows_by_hand(content["feats"], content["org_sample_rate"].item())
        expected = model.logits(np.array(windows, dtype=np.float32))
        found = logits.loc[path.name].sort_index()[outputs].to_numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert logits[outputs].notna().all(axis=None)
    windows = pd.read_csv(results / f"code15/{MODEL}/windows.csv").set_index(["file_name", "window"])
    np.testing.assert_allclose(windows.loc[logits.index, outputs], expit(logits[outputs]), atol=1e-6)


def test_truth_is_joined_by_file(finished):
    results, table = finished
    for model in (MODEL, "openecg_rhythm"):
        predicted = pd.read_csv(results / f"code15/{model}/probabilities.csv").set_index("file_name")
        truth = table.set_index("file_name").loc[predicted.index, LABELS]
        assert (predicted[[f"{label}_truth" for label in LABELS]].to_numpy() == truth.to_numpy()).all()


def test_six_of_the_ten_are_too_short_for_the_default_model_and_counted(finished):
    results, _ = finished
    assert len(pd.read_csv(results / "code15/openecg_rhythm/probabilities.csv")) == 4
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "4 of 10 usable ECGs" in page
    assert "6 excluded" in page


def test_the_page_ranks_what_is_too_rare_to_be_evaluated(finished):
    results, _ = finished
    page = (results / "report.html").read_text(encoding="utf-8")
    of_default_model = page[page.index("OpenECG rhythm codec") :]
    ranking = of_default_model[of_default_model.index("Ranking of labels") :]
    for label in ("1dAVb (by any AV block)", "LBBB or RBBB"):
        assert label in ranking[:4000]
    assert "Not ranked, without a positive: AF (by AF, flutter or SVT)" in ranking  # none of the ten has it
    predicted = pd.read_csv(results / "code15/openecg_rhythm/probabilities.csv")
    block = predicted["1dAVb_truth"] == 1
    column = "1dAVb (by any AV block)_sig_model"
    assert predicted.loc[block, column].min() > predicted.loc[~block, column].max()
