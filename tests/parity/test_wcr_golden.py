"""WCR and ECG-FM checkpoints against logits of fairseq-signals itself, evaluation mode, float32."""

import json
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from twelvelead.models import wcr
from twelvelead.models.checkpoint import read_checkpoint
from twelvelead.models.converted_checkpoint import convert
from twelvelead.models.wcr_architecture import architecture
from twelvelead.models.wcr_network import expected_shapes

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden"
pytestmark = pytest.mark.skipif(not (GOLDEN / "wcr").is_dir(), reason="golden WCR models are not at ../shared")

# Logits; the worst measured was 5.7e-6. The frames of a flat ECG are all alike, so their rounding errors do not average
# out: the reference is 1.1e-5 from the same network in float64, and the worst measured here was 1.4e-5.
TOLERANCE = 1e-5
TOLERANCE_FLAT = 2e-5
WCR_SETS = sorted(path.name.removesuffix("_golden.npz") for path in (GOLDEN / "wcr").glob("*_golden.npz"))
SETS = [*WCR_SETS, "ecg_fm"]


def model_path(name: str) -> Path:
    return GOLDEN / "ecg_fm" / "physionet_finetuned.pt" if name == "ecg_fm" else GOLDEN / "wcr" / name


def golden(name: str) -> np.lib.npyio.NpzFile:
    return np.load(
        GOLDEN / "ecg_fm/physionet_finetuned_golden.npz" if name == "ecg_fm" else GOLDEN / f"wcr/{name}_golden.npz"
    )


@pytest.fixture(scope="module", params=SETS)
def case(request):
    expected = golden(request.param)
    outputs = [f"output_{index}" for index in range(expected["rand_logits"].shape[1])]
    model = wcr.load(model_path(request.param), "cpu", {"outputs": outputs})
    return SimpleNamespace(name=request.param, expected=expected, model=model, outputs=outputs)


@pytest.mark.parametrize("signals", ["rand", "ecg", "code15", "flatrow", "nanrow"])
def test_logits_equal(case, signals):
    found = case.model.logits(case.expected[f"{signals}_x"])
    tolerance = TOLERANCE_FLAT if signals == "flatrow" else TOLERANCE
    np.testing.assert_allclose(found, case.expected[f"{signals}_logits"], rtol=0, atol=tolerance)


@pytest.mark.parametrize("signals", ["rand", "ecg", "code15"])
def test_probabilities_equal(case, signals):
    found = case.model.predict(case.expected[f"{signals}_x"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, case.expected[f"{signals}_prob"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("per_lead", [False, True])
def test_logits_with_padding_equal(case, per_lead):
    mask = case.expected["pad_mask"]
    mask = np.repeat(mask[:, np.newaxis], 12, axis=1) if per_lead else mask
    found = case.model.logits(case.expected["pad_x"], mask)
    np.testing.assert_allclose(found, case.expected["pad_logits"], rtol=0, atol=TOLERANCE)
    unmasked = case.model.logits(case.expected["pad_x"])
    assert np.abs(unmasked[1:] - case.expected["pad_logits"][1:]).max() > 1e-3


def test_padded_frames_equal(case):
    found = wcr.padded_frames(case.expected["pad_mask"], 4, ((32, 2, 2),) * 4)
    np.testing.assert_array_equal(found, case.expected["pad_frame_mask"])


def test_mean_before_the_head_equals(case):
    found = case.model.embedding(case.expected["ecg_x"][:1])
    np.testing.assert_allclose(found, case.expected["trace_ecg0_pooled_BD"], rtol=0, atol=2e-6)


def test_converted_checkpoint_gives_the_same_bytes(case, tmp_path):
    converted = convert(model_path(case.name), tmp_path / "model.safetensors")
    model = wcr.load(converted, "cpu", {"outputs": case.outputs})
    signals = case.expected["ecg_x"]
    assert model.predict(signals).tobytes() == case.model.predict(signals).tobytes()


def test_ecg_fm_attention_and_embedding_equal():
    expected = np.load(GOLDEN / "ecg_fm" / "saliency_golden.npz")
    model = wcr.load(model_path("ecg_fm"), "cpu", {"outputs": [str(index) for index in range(26)]})
    signals = golden("ecg_fm")["ecg_x"][:2]
    attention = model.attention(signals)
    np.testing.assert_allclose(attention, expected["saliency"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(attention[:, -1].max(axis=-1), expected["attn_max"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.embedding(signals), expected["emb"], rtol=0, atol=2e-6)


def test_full_size_checkpoint_has_the_tensors_of_the_reference():
    config = json.loads((GOLDEN / "wcr/full_finetuned_cfg.json").read_text())["model"]
    shapes = json.loads((GOLDEN / "wcr/full_state_dict_shapes.json").read_text())["full_finetuned"]
    weight_norm = tuple(name for name in shapes if "original" in name)
    found = expected_shapes(architecture(config), weight_norm)
    assert found == {name: tuple(shape) for name, shape in shapes.items()}
    assert sum(map(prod, found.values())) == 90_432_461


def test_the_pretrained_checkpoint_alone_is_no_classifier():
    assert "num_labels" not in read_checkpoint(GOLDEN / "wcr/wcr_77_classes/base_ssl.pt").model_config
