"""The codec is the package's real one; signals are built here, with QRS complexes and spikes at known places."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import scipy.special
import scipy.stats
from openecg import detect_qrs

from twelvelead.ecg import LEADS
from twelvelead.errors import ConfigError, ModelError, TooShort
from twelvelead.models.openecg import OUTPUTS, bundled_weights, load, paced_fraction
from twelvelead.recipes import openecg as recipe

R_PEAKS = np.arange(250, 5000, 400)
LEAD_GAINS = np.array([0.6, 1.0, -0.8, 0.9])


def beats(amplitude_mv: float, peaks: np.ndarray, width_samples: float, n: int = 5000) -> np.ndarray:
    sample = np.arange(n)
    return (amplitude_mv * np.exp(-0.5 * ((sample - peaks[:, np.newaxis]) / width_samples) ** 2)).sum(axis=0)


def sinus_like(seed: int) -> np.ndarray:
    """(4, 5000) float32 mV: P, QRS and T waves every 0.8 s and a little noise."""
    one_lead = beats(1.0, R_PEAKS, 9) + beats(0.12, R_PEAKS - 80, 16) + beats(0.25, R_PEAKS + 140, 32)
    noise = 0.01 * np.random.default_rng(seed).standard_normal((4, 5000))
    return (LEAD_GAINS[:, np.newaxis] * one_lead + noise).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return load(None, "cpu", {"codec": "codec_v6"})


@pytest.fixture(scope="module")
def batch():
    return np.stack([sinus_like(seed) for seed in range(3)])


@pytest.fixture(scope="module")
def probabilities(model, batch):
    return model.predict(batch)


def test_outputs_are_probabilities_one_row_a_recording(model, probabilities):
    assert model.outputs == OUTPUTS == ("afib", "avb", "bbb", "paced")
    assert probabilities.shape == (3, 4)
    assert probabilities.dtype == np.float32
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    # Three of six exclusive classes.
    assert (probabilities[:, :3].sum(axis=1) <= 1).all()


def test_an_empty_batch_has_no_rows(model):
    assert model.predict(np.empty((0, 4, 5000), dtype=np.float32)).shape == (0, 4)


def test_bytes_depend_neither_on_batch_nor_on_threads(model, batch, probabilities):
    alone = model.predict(batch[2:])
    among_others = model.predict(batch[[2, 0]])
    threaded = load(None, "cpu", {"threads": 3}).predict(batch)
    assert alone[0].tobytes() == among_others[0].tobytes() == probabilities[2].tobytes()
    assert threaded.tobytes() == probabilities.tobytes()


def test_probabilities_are_the_softmax_of_logits_averaged_over_samples_and_leads(batch, probabilities):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(bundled_weights("codec_v6"), options)
    logits = []
    for lead_mv in batch[0]:
        ranks = scipy.stats.rankdata(lead_mv, method="average")
        window = (2 * (ranks - 1) / (len(ranks) - 1) - 1).astype(np.float32)
        _, _, of_lead = session.run(["frame_logits", "beat_logits", "rhythm_logits"], {"signal": window[None]})
        logits.append(of_lead[0].astype(np.float64))
    sinus, avb, _, afib, bbb, _ = scipy.special.softmax(np.mean(logits, axis=(0, 1)))
    # How many threads share a matrix product changes the last digits.
    np.testing.assert_allclose(probabilities[0, :3], [afib, avb, bbb], rtol=1e-3, atol=1e-6)
    assert sinus > 0.5


def test_rhythm_does_not_depend_on_the_gain(model, batch, probabilities):
    """Rank normalisation takes it out; powers of two keep the ranks' ties."""
    np.testing.assert_array_equal(model.predict(batch[:1] * np.float32(4))[:, :3], probabilities[:1, :3])


def test_a_value_that_is_not_finite_spoils_its_own_recording_only(model, batch, probabilities):
    spoiled = batch[:2].copy()
    spoiled[0, 1, 100] = np.nan
    predicted = model.predict(spoiled)
    assert np.isnan(predicted[0]).all()
    np.testing.assert_array_equal(predicted[1], probabilities[1])


def test_a_flat_recording_has_no_paced_beats(model):
    flat = model.predict(np.zeros((1, 4, 5000), dtype=np.float32))
    assert np.isfinite(flat).all()
    assert flat[0, OUTPUTS.index("paced")] == 0


@pytest.mark.parametrize(("spike_mv", "ahead_ms"), [(0.6, 60), (1.5, 60), (3.0, 120)])
def test_paced_is_the_share_of_qrs_complexes_after_a_spike(spike_mv, ahead_ms):
    signal = sinus_like(0).astype(np.float64)
    assert paced_fraction(signal, qrs_lead=1) == 0
    n_paced = 6
    spikes = beats(spike_mv, R_PEAKS[:n_paced] - ahead_ms // 2, 0.8)
    spiked = signal + LEAD_GAINS[:, np.newaxis] * spikes
    n_qrs = len(detect_qrs(spiked[1], 500))
    assert n_qrs == len(R_PEAKS)
    assert paced_fraction(spiked, qrs_lead=1) == pytest.approx(n_paced / n_qrs)


def test_spikes_in_one_lead_are_enough():
    signal = sinus_like(0).astype(np.float64)
    signal[3] += beats(0.5, R_PEAKS - 30, 0.8)
    assert paced_fraction(signal, qrs_lead=1) == 1


@pytest.mark.parametrize("shape", [(2, 12, 5000), (2, 4, 2500), (4, 5000)])
def test_a_batch_of_another_recipe_is_refused(model, shape):
    with pytest.raises(ModelError, match=r"expected \(n, 4, 5000\) for leads I, II, V1, V5"):
        model.predict(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"threads": "2"}, "threads is '2'"),
        ({"codec": "codec_v2"}, "codec is 'codec_v2', expected one of codec_v1, .*codec_v6"),
    ],
)
def test_wrong_settings_are_named(settings, expected):
    with pytest.raises(ConfigError, match=expected):
        load(None, "cpu", settings)


def test_a_file_that_is_absent_or_no_codec_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        load(tmp_path / "codec.onnx", "cpu", {})
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="onnxruntime cannot load it"):
        load(broken, "cpu", {})


def test_the_shipped_weights_are_those_measured():
    """models.yaml pins the same hash; the figures in the documentation hold for this file."""
    weights = Path(bundled_weights("codec_v6"))
    assert weights.stat().st_size == 3_778_653
    expected = "640d2d13fbf71065b38cd999177ec294fafd532d608662f705cfb8c485e951f8"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == expected


def test_recipe_passes_the_models_leads_at_500_hz_unchanged():
    signal = np.random.default_rng(0).standard_normal((12, 6000)).astype(np.float32)
    prepared = recipe.prepare(signal, 500.0)
    assert prepared.shape == recipe.SHAPE == (4, 5000)
    assert prepared.dtype == np.float32
    for row, lead in enumerate(["I", "II", "V1", "V5"]):
        np.testing.assert_array_equal(prepared[row], signal[LEADS.index(lead), :5000])


def test_recipe_brings_another_rate_to_500_hz():
    time_s = np.arange(2500) / 250
    sine_mv = np.sin(2 * np.pi * 7 * time_s)
    prepared = recipe.prepare(np.tile(sine_mv, (12, 1)).astype(np.float32), 250.0)
    expected = np.sin(2 * np.pi * 7 * np.arange(5000) / 500)
    # The ends lack the filter's context.
    np.testing.assert_allclose(prepared[:, 100:-100], np.tile(expected, (4, 1))[:, 100:-100], atol=5e-3)


def test_recipe_refuses_what_is_shorter_than_ten_seconds():
    with pytest.raises(TooShort):
        recipe.prepare(np.zeros((12, 4000), dtype=np.float32), 500.0)
