"""Real CODE-15 recordings into ECG-FM's windows; logits, embeddings and saliency against those of its own code."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from scipy.special import expit

from twelvelead.formats.hdf5 import strip_zeros
from twelvelead.models import ecgfm
from twelvelead.recipes.ecgfm import prepare
from twelvelead.windows import aggregate, index_recordings, read_aggregations

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
GOLDEN = SHARED / "golden" / "ecg_fm"
RECORDINGS = SHARED / "data" / "code15_mat"
pytestmark = pytest.mark.skipif(
    not (GOLDEN.is_dir() and RECORDINGS.is_dir()), reason="golden ECG-FM models and CODE-15 are not at ../shared"
)

LABELS = ROOT / "config" / "labels" / "ecgfm_physionet2021.csv"
LOGIT_TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def recordings():
    """(file, signal (12, n) as stored, sampling rate in Hz) in the order of file names."""
    files = [(path.name, scipy.io.loadmat(path)) for path in sorted(RECORDINGS.glob("*.mat"))]
    return [(name, content["feats"], content["org_sample_rate"].item()) for name, content in files]


@pytest.fixture(scope="module")
def windows(recordings):
    """(file, number of the window) -> (12, 2500), in order."""
    return {
        (name, number): window
        for name, signal, rate_hz in recordings
        for number, window in enumerate(prepare(signal, rate_hz))
    }


@pytest.fixture(scope="module")
def model():
    outputs = [row.label for row in read_aggregations(LABELS)]
    return ecgfm.load(GOLDEN / "physionet_finetuned.pt", "cpu", {"outputs": outputs})


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN / "physionet_finetuned_golden.npz")


def test_the_windows_are_those_that_the_reference_lists(windows):
    with open(SHARED / "data" / "code15_segmented.csv", encoding="utf-8", newline="") as table:
        listed = [(row["save_file"], row["path"], int(row["sample_size"])) for row in csv.DictReader(table)]
    found = [
        (name, f"{name.removesuffix('.mat')}_{number}.mat", window.shape[1])
        for (name, number), window in windows.items()
    ]
    assert found == listed
    assert len(found) == 14


def test_windows_equal_the_rules_in_plain_numpy(recordings, windows):
    for name, signal, rate_hz in recordings:
        n_in = signal.shape[1]
        n_out = int(n_in * 500 / rate_hz)
        # Inverse of linspace(0, n_out - 1, n_in): where in the input each output sample lies.
        position = np.arange(n_out) * ((n_in - 1) / (n_out - 1))
        before = np.minimum(position.astype(int), n_in - 2)
        after_share = position - before
        stored = signal.astype(np.float64)
        resampled = stored[:, before] * (1 - after_share) + stored[:, before + 1] * after_share
        expected = (resampled - resampled.mean(axis=1)[:, None]) / resampled.std(axis=1)[:, None]
        for number in range(n_out // 2500):
            found = windows[name, number]
            np.testing.assert_allclose(found, expected[:, 2500 * number : 2500 * (number + 1)], rtol=0, atol=1e-6)


def test_the_references_own_windows_equal(windows, golden):
    """Its first four, which its own code made; the worst measured was 1.2e-7."""
    found = np.stack(list(windows.values())[:4])
    np.testing.assert_allclose(found, golden["code15_x"], rtol=0, atol=1e-6)


def test_recordings_padded_as_in_code15_give_the_same_windows(recordings, windows):
    for name, signal, rate_hz in recordings:
        n_pad = 4096 - signal.shape[1]
        padded = np.pad(signal, ((0, 0), (n_pad // 2, n_pad - n_pad // 2)))
        assert padded.shape == (12, 4096)
        for number, window in enumerate(prepare(strip_zeros(padded.T).T, rate_hz)):
            assert window.tobytes() == windows[name, number].tobytes()


def test_a_flat_lead_stays_zero(recordings):
    _, signal, rate_hz = recordings[0]
    flat = signal.copy()
    flat[4] = signal[4, 0]
    assert (prepare(flat, rate_hz)[:, 4] == 0).all()


@pytest.mark.parametrize("signals", ["rand", "ecg", "code15", "flatrow", "nanrow"])
def test_logits_equal(model, golden, signals):
    found = model.logits(golden[f"{signals}_x"])
    np.testing.assert_allclose(found, golden[f"{signals}_logits"], rtol=0, atol=LOGIT_TOLERANCE)


@pytest.mark.parametrize("signals", ["rand", "ecg", "code15"])
def test_probabilities_equal(model, golden, signals):
    found = model.predict(golden[f"{signals}_x"])
    np.testing.assert_allclose(found, golden[f"{signals}_prob"], rtol=0, atol=5e-6)


def test_from_the_file_to_the_logits(model, golden, windows):
    found = model.logits(np.stack(list(windows.values())[:4]))
    np.testing.assert_allclose(found, golden["code15_logits"], rtol=0, atol=LOGIT_TOLERANCE)


def test_embedding_and_saliency_equal(model, golden):
    expected = np.load(GOLDEN / "saliency_golden.npz")
    signals = golden["ecg_x"][: len(expected["emb"])]
    np.testing.assert_allclose(model.embedding(signals), expected["emb"], rtol=0, atol=1e-5)
    saliency = model.saliency(signals)
    np.testing.assert_allclose(saliency, expected["attn_max"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(saliency, expected["saliency"][:, -1].max(axis=2), rtol=0, atol=1e-5)


def test_from_windows_to_recordings(model, golden, windows):
    """The four golden windows are of three recordings; one of them has two."""
    rows = read_aggregations(LABELS)
    names = [name for name, _ in list(windows)[:4]]
    ids, index = index_recordings(names)
    found = aggregate(model.predict(golden["code15_x"]), index, len(ids), [row.aggregation for row in rows])
    prob = expit(golden["code15_logits"].astype(np.float64))
    assert [names.count(name) for name in ids] == [1, 2, 1]
    np.testing.assert_allclose(found[[0, 2]], prob[[0, 3]], rtol=0, atol=5e-6)
    for label, row in enumerate(rows):
        both = prob[1:3, label]
        expected = both.max() if row.aggregation == "max" else both.mean()
        assert found[1, label] == pytest.approx(expected, abs=5e-6)
