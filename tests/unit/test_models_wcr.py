"""The WCR family on small random checkpoints: layer texts, tensors, settings, and independence from the batch."""

import threading
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from twelvelead.errors import ConfigError, ModelError
from twelvelead.models import FAMILIES, wcr
from twelvelead.models.converted_checkpoint import convert
from twelvelead.models.wcr_architecture import MOST_CONV_LAYERS, frames, parse_conv_layers
from twelvelead.models.wcr_network import POSITION_CONV, WEIGHT_NORM
from unit.random_ecgfm import random_tensors

CONFIG = {
    "encoder_layers": 2,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 3,
    "layer_norm_first": False,
    "conv_feature_layers": "[(16, 5, 3)] + [(24, 2, 2)] * 3",
    "conv_bias": False,
    "conv_pos": 8,
    "conv_pos_groups": 4,
    "num_labels": 3,
    "linear_evaluation": False,
    "npy_dataset": "x",
}
OUTPUTS = {"outputs": ["A", "B", "C"]}


def save(folder, tensors=None, weight_norm=WEIGHT_NORM[0], **changes):
    config = {**CONFIG, **changes}
    folder.mkdir(exist_ok=True)
    tensors = random_tensors(config, weight_norm) if tensors is None else tensors
    torch.save({"cfg": {"model": config}, "model": tensors}, folder / "wcr_test.pt")
    return folder


def signals(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 12, 2500), dtype=np.float32)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("[(256, 2, 2)] * 4", ((256, 2, 2),) * 4),
        ("[(24, 5, 3)] + [(48, 2, 2)] * 3", ((24, 5, 3), *((48, 2, 2),) * 3)),
        ("2 * [(8, 3, 2), (9, 2, 1)] + [(4, 1, 1)]", ((8, 3, 2), (9, 2, 1), (8, 3, 2), (9, 2, 1), (4, 1, 1))),
        ("([[8, 2, 2]] + [(16, 2, 2)]) * 2", ((8, 2, 2), (16, 2, 2)) * 2),
    ],
)
def test_layer_texts_are_read(text, layers):
    assert parse_conv_layers(text) == layers


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "[(8, 2)]", "[(8, 2, 2.0)]", "[(8, 2, True)]", "[(-8, 2, 2)]", "[(8, 0, 2)]", "[(8, 2, 2)] * 0"),
        *("[(8, 2, 2)] * -1", "[(8, 2, 2)] - [(8, 2, 2)]", "[(8, 2, 2)] * 4 * 9", "[(8, 2, 2)] * 10**9", "[(8, 2, 2"),
        *("[(99999, 2, 2)]", "__import__('os').system('x')", "[(8, 2, 2) for _ in range(4)]", "(" * 500, "\0", None, 4),
        "+".join(["[(8, 2, 2)]"] * 80),
    ],
)
def test_other_layer_texts_are_refused(text):
    with pytest.raises(ModelError, match="conv_feature_layers is .*, expected 1 to 32 layers"):
        parse_conv_layers(text)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 64), st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4),
    st.integers(1, 8),
)
def test_a_layer_text_means_what_python_means(layers, times):
    assert parse_conv_layers(f"{layers} * {times}") == tuple(layers * times)
    assert len(layers) * times <= MOST_CONV_LAYERS


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=3))
def test_frames_are_those_that_torch_makes(n_samples, kernels):
    x = torch.zeros(1, 1, n_samples)
    try:
        for kernel, stride in kernels:
            x = functional.conv1d(x, torch.zeros(1, 1, kernel), stride=stride)
        expected = x.shape[-1]
    except RuntimeError:  # the kernel is longer than what is left
        expected = 0
    assert frames(n_samples, tuple((1, kernel, stride) for kernel, stride in kernels)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layer_norm_first": True},
        {"conv_bias": True, "conv_pos": 7},
        {"encoder_embed_dim": 40, "encoder_attention_heads": 5, "encoder_layers": 1},
        {"conv_feature_layers": "[(16, 2, 2)] * 4"},
    ],
)
@pytest.mark.parametrize("weight_norm", WEIGHT_NORM)
def test_variants_load_and_agree_over_padding(tmp_path, changes, weight_norm):
    model = wcr.load(save(tmp_path / "m", weight_norm=weight_norm, **changes), "cpu", OUTPUTS)
    batch = signals(3)
    probabilities = model.predict(batch)
    assert probabilities.shape == (3, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-model.logits(batch).astype(float))), atol=1e-6)
    nothing_padded = np.zeros((3, 2500), dtype=bool)
    np.testing.assert_allclose(model.logits(batch, nothing_padded), model.logits(batch), atol=1e-5)
    padded = nothing_padded.copy()
    padded[1, 2000:] = True
    masked = model.logits(batch, padded)
    np.testing.assert_allclose(masked[[0, 2]], model.logits(batch)[[0, 2]], atol=1e-5)
    assert np.abs(masked[1] - model.logits(batch)[1]).max() > 1e-4


def test_weight_norm_is_folded_as_torch_computes_it(tmp_path):
    tensors = random_tensors(CONFIG)
    magnitude, direction = (tensors[POSITION_CONV + name] for name in WEIGHT_NORM[0])
    model = wcr.load(save(tmp_path / "m", tensors), "cpu", OUTPUTS)
    found = model._network.encoder.conv_pos.pos_conv[0].weight
    torch.testing.assert_close(found, torch._weight_norm(direction, magnitude, 2), rtol=1e-6, atol=1e-7)


def test_attention_is_what_the_network_mixes_with(tmp_path):
    model = wcr.load(save(tmp_path / "m"), "cpu", OUTPUTS)
    padded = np.zeros((2, 2500), dtype=bool)
    padded[1, 1000:] = True
    attention = model.attention(signals(2), padded)
    n_frames = frames(2500, parse_conv_layers(CONFIG["conv_feature_layers"]))
    assert attention.shape == (2, 2, n_frames, n_frames)
    np.testing.assert_allclose(attention.sum(axis=-1), 1, atol=1e-5)
    assert (attention[1, :, :, frames(1000, ((16, 5, 3), *((24, 2, 2),) * 3)) :] == 0).all()


def test_an_ecg_does_not_depend_on_its_batch(tmp_path):
    model = wcr.load(save(tmp_path / "m"), "cpu", {**OUTPUTS, "batch_size": 4})
    batch = signals(9)
    together = model.predict(batch)
    for start, stop in ((0, 1), (8, 9), (3, 8)):
        assert model.predict(batch[start:stop]).tobytes() == together[start:stop].tobytes()
    shuffled = np.random.default_rng(1).permutation(9)
    assert model.predict(batch[shuffled]).tobytes() == together[shuffled].tobytes()


def test_an_ecgs_bytes_do_not_depend_on_threads(tmp_path):
    """Nor those of a padded one, of an embedding or of attention."""
    folder, batch = save(tmp_path / "m"), signals(9)
    padded = np.zeros((9, 2500), dtype=bool)
    padded[4, 1500:] = True
    by_threads = []
    for threads in (1, 2, 3, 8):
        model = wcr.load(folder, "cpu", {**OUTPUTS, "batch_size": 2, "threads": threads})
        results = [model.predict(batch), model.logits(batch, padded), model.embedding(batch), model.attention(batch)]
        by_threads.append(b"".join(result.tobytes() for result in results))
    assert len(set(by_threads)) == 1


def test_each_block_is_computed_on_one_thread_and_several_at_once(tmp_path):
    model = wcr.load(save(tmp_path / "m"), "cpu", {**OUTPUTS, "batch_size": 1, "threads": 3})
    together = threading.Barrier(3)
    seen = []

    def look(module, inputs):
        together.wait(timeout=20)
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled(), threading.get_ident()))

    model._network.encoder.register_forward_pre_hook(look)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.embedding(signals(6))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert not torch.is_inference_mode_enabled()
    assert len(seen) == 6
    assert {(threads, inference) for threads, inference, _ in seen} == {(1, True)}
    assert len({thread for *_, thread in seen}) == 3


def test_the_last_of_many_outputs_do_not_depend_on_the_batch(tmp_path):
    """77 values are not whole vectors of 16, and torch.sigmoid computes the rest by other instructions."""
    outputs = {"outputs": [f"output_{index}" for index in range(77)], "batch_size": 2}
    model = wcr.load(save(tmp_path / "m", num_labels=77), "cpu", outputs)
    batch = signals(12)
    together = model.predict(batch)
    for row in range(12):
        assert model.predict(batch[row : row + 1]).tobytes() == together[row : row + 1].tobytes()


def test_a_signal_that_is_not_finite_is_nan_alone(tmp_path):
    model = wcr.load(save(tmp_path / "m"), "cpu", OUTPUTS)
    batch = signals(3)
    before = model.predict(batch)
    batch[1, 4, 100] = np.nan
    batch[2, 0, 0] = np.inf
    after = model.predict(batch)
    assert np.isnan(after[1:]).all()
    assert after[0].tobytes() == before[0].tobytes()


def test_a_read_only_batch_and_an_empty_one(tmp_path):
    model = wcr.load(save(tmp_path / "m"), "cpu", OUTPUTS)
    batch = signals(2)
    batch.setflags(write=False)
    assert model.predict(batch).shape == (2, 3)
    assert model.predict(batch[:0]).shape == (0, 3)
    assert model.logits(batch[:0]).shape == (0, 3)
    with pytest.raises(ModelError, match=r"batch of shape \(2, 2500, 12\), expected \(n, 12, 2500\)"):
        model.predict(batch.transpose(0, 2, 1))


def test_output_order_permutes_and_selects(tmp_path):
    folder = save(tmp_path / "m")
    plain = wcr.load(folder, "cpu", OUTPUTS).predict(signals(2))
    ordered = wcr.load(folder, "cpu", {"outputs": ["C", "A"], "output_order": [2, 0]})
    assert ordered.outputs == ("C", "A")
    np.testing.assert_array_equal(ordered.predict(signals(2)), plain[:, [2, 0]])
    for wrong in ([0, 1], [0, 0, 1], [0, 1, 3], [0, 1, -1], [0, 1, True], "012"):
        with pytest.raises(ConfigError, match="output_order is"):
            wcr.load(folder, "cpu", {**OUTPUTS, "output_order": wrong})
    with pytest.raises(ModelError, match="the network has 3 outputs, expected 2"):
        wcr.load(folder, "cpu", {"outputs": ["A", "B"]})


def test_a_converted_checkpoint_gives_the_same_bytes(tmp_path):
    folder = save(tmp_path / "m", weight_norm=WEIGHT_NORM[1])
    converted = convert(folder, tmp_path / "converted" / "wcr_test.safetensors")
    expected = wcr.load(folder, "cpu", OUTPUTS).predict(signals(2))
    assert wcr.load(converted, "cpu", OUTPUTS).predict(signals(2)).tobytes() == expected.tobytes()


def test_heads_of_the_pretrained_checkpoint_decide(tmp_path):
    folder = save(tmp_path / "m")
    before = wcr.load(folder, "cpu", OUTPUTS).logits(signals(2))
    torch.save({"cfg": {"model": {**CONFIG, "encoder_attention_heads": 6}}, "model": {}}, folder / "base_ssl.pt")
    with pytest.raises(ModelError, match="expected tensors under 'model'"):
        wcr.load(folder, "cpu", OUTPUTS)
    content = {"cfg": {"model": {**CONFIG, "encoder_attention_heads": 6}}, "model": {"mask_emb": torch.ones(24)}}
    torch.save(content, folder / "base_ssl.pt")
    assert np.abs(wcr.load(folder, "cpu", OUTPUTS).logits(signals(2)) - before).max() > 1e-4
    content["cfg"]["model"] = {**CONFIG, "encoder_layers": 3}
    torch.save(content, folder / "base_ssl.pt")
    with pytest.raises(ModelError, match=r"tensor encoder.encoder.layers.2.* is missing, .*base_ssl.pt"):
        wcr.load(folder, "cpu", OUTPUTS)


def test_wrong_tensors_are_named(tmp_path):
    def loaded(tensors):
        return wcr.load(save(tmp_path / "m", tensors), "cpu", OUTPUTS)

    whole = random_tensors(CONFIG)
    loaded({**whole, "encoder.mask_emb": torch.ones(24), "encoder.quantizer.vars": torch.ones(1, 2, 3)})
    name = "encoder.encoder.layers.1.fc1.weight"
    with pytest.raises(ModelError, match=rf"{name} has shape \(32, 23\), expected \(32, 24\)"):
        loaded({**whole, name: whole[name][:, 1:]})
    with pytest.raises(ModelError, match=rf"{name} is missing, expected shape \(32, 24\)"):
        loaded({key: value for key, value in whole.items() if key != name})
    with pytest.raises(ModelError, match=r"tensor head.extra of shape \(2,\) is not used"):
        loaded({**whole, "head.extra": torch.ones(2)})
    with pytest.raises(ModelError, match="original0 is missing"):
        loaded({key: value for key, value in whole.items() if not key.endswith("original0")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_layers": 10**9}, "encoder_layers is 1000000000, expected a whole number of 1 to 64"),
        ({"encoder_embed_dim": "24"}, "encoder_embed_dim is '24'"),
        ({"num_labels": True}, "num_labels is True"),
        ({"encoder_attention_heads": 5}, "expected a divisor of encoder_embed_dim 24"),
        ({"layer_norm_first": "yes"}, "layer_norm_first is 'yes', expected true or false"),
        ({"extractor_mode": "layer_norm"}, "extractor_mode is 'layer_norm', expected 'default'"),
        ({"in_d": 1}, "in_d is 1, expected 12"),
        ({"conv_feature_layers": "[(8, 2, 64)] * 3"}, "leave no frame of 2500 samples"),
    ],
)
def test_wrong_configurations_are_named(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        wcr.load(save(tmp_path / "m", {"a": torch.ones(1)}, **changes), "cpu", OUTPUTS)


def test_wrong_settings_are_named(tmp_path):
    folder = save(tmp_path / "m")
    with pytest.raises(ConfigError, match="family wcr: precision is 'bfloat16' on cpu, expected float32"):
        wcr.load(folder, "cpu", {**OUTPUTS, "precision": "bfloat16"})
    with pytest.raises(ConfigError, match="outputs is None"):
        wcr.load(folder, "cpu", {})


def test_masks_that_are_not_padding_at_the_end_are_refused(tmp_path):
    model = wcr.load(save(tmp_path / "m"), "cpu", OUTPUTS)
    mask = np.zeros((1, 2500), dtype=bool)
    mask[0, :10] = True
    with pytest.raises(ModelError, match="padding before a sample"):
        model.logits(signals(1), mask)
    by_lead = np.zeros((1, 12, 2500), dtype=bool)
    by_lead[0, 3, 2000:] = True
    with pytest.raises(ModelError, match="not the same in all leads"):
        model.logits(signals(1), by_lead)
    with pytest.raises(ModelError, match=r"padding mask of float64 \(1, 2500\)"):
        model.logits(signals(1), np.zeros((1, 2500)))
    everything = np.ones((1, 2500), dtype=bool)
    assert np.isnan(model.logits(signals(1), everything)).all()


@pytest.mark.parametrize("family", ["wcr", "ecgfm"])
def test_families_said_to_run_in_reduced_precision_read_the_setting(tmp_path, family):
    assert FAMILIES[family].reduced_precision
    with pytest.raises(ConfigError, match=f"family {family}: precision is 'int8' on cpu, expected float32"):
        import_module(f"twelvelead.models.{family}").load(save(tmp_path / "m"), "cpu", {**OUTPUTS, "precision": "int8"})
