"""Family ecgfm on a small random checkpoint: what it adds to family wcr."""

import numpy as np
import pytest

from twelvelead.errors import ConfigError, ModelError
from twelvelead.models import ecgfm, wcr
from twelvelead.windows import probabilities
from unit.random_ecgfm import OUTPUTS, write_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("ecgfm") / "physionet_finetuned.pt")


@pytest.fixture(scope="module")
def model(checkpoint):
    return ecgfm.load(checkpoint, "cpu", {"outputs": OUTPUTS})


def windows(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 12, 2500), dtype=np.float32)


def test_outputs_are_those_of_the_same_network_in_family_wcr(checkpoint, model):
    same = wcr.load(checkpoint, "cpu", {"outputs": OUTPUTS})
    batch = windows(5)
    assert model.outputs == tuple(OUTPUTS)
    assert model.predict(batch).tobytes() == same.predict(batch).tobytes()
    assert model.logits(batch).tobytes() == same.logits(batch).tobytes()
    assert model.embedding(batch).tobytes() == same.embedding(batch).tobytes()


def test_probabilities_of_logits_are_what_predict_gives_nan_included(model):
    batch = windows(6)
    batch[1, 3, 700] = np.nan
    batch[4] = np.inf
    found = probabilities(model.logits(batch))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, model.predict(batch))
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), [False, True, False, False, True, False])
    assert np.isfinite(found[[0, 2, 3, 5]]).all()


def test_saliency_is_the_maximum_over_keys_in_the_last_layer(checkpoint, model):
    batch = windows(3)
    attention = wcr.load(checkpoint, "cpu", {"outputs": OUTPUTS}).attention(batch)
    saliency = model.saliency(batch)
    assert saliency.shape == (3, model.n_frames) == (3, 156)
    for window, of_window in enumerate(saliency):
        for query in (0, 77, 155):
            assert of_window[query] == max(attention[window, -1, query, key] for key in range(156))
    np.testing.assert_allclose(attention.sum(axis=-1), 1, rtol=1e-5)  # the last axis is the keys'


def test_one_pass_gives_what_two_give(checkpoint, model):
    ordered = {"outputs": ["PVC|VPB", "AF"], "output_order": [2, 0]}
    same, chosen = wcr.load(checkpoint, "cpu", {"outputs": OUTPUTS}), ecgfm.load(checkpoint, "cpu", ordered)
    batch = windows(9)
    logits, embedding = model.logits_and_embedding(batch)
    assert (logits.dtype, logits.shape, embedding.dtype) == (np.float32, (9, 3), np.float32)
    assert embedding.shape == (9, model.embedding_size) == (9, 16)
    assert logits.tobytes() == same.logits(batch).tobytes()
    assert embedding.tobytes() == same.embedding(batch).tobytes()
    assert chosen.logits_and_embedding(batch)[0].tobytes() == np.ascontiguousarray(logits[:, [2, 0]]).tobytes()
    assert chosen.logits_and_embedding(batch)[1].tobytes() == embedding.tobytes()


def test_the_network_runs_once(model):
    passes = []
    hook = model._model._network.encoder.register_forward_hook(lambda *_: passes.append(1))
    try:
        model.logits_and_embedding(windows(5))
    finally:
        hook.remove()
    assert len(passes) == 2  # blocks of 4


def test_a_window_that_is_not_finite_is_nan_in_everything_and_alone(model):
    batch = windows(4)
    whole = [*model.logits_and_embedding(batch), model.saliency(batch)]
    batch[1, 3, 700] = np.nan
    batch[2, 0] = -np.inf
    for before, after in zip(whole, [*model.logits_and_embedding(batch), model.saliency(batch)], strict=True):
        assert np.isnan(after[1:3]).all()
        np.testing.assert_array_equal(after[[0, 3]], before[[0, 3]])


def test_saliency_does_not_depend_on_the_batch(model):
    batch = windows(9)
    whole = model.saliency(batch)
    assert model.saliency(batch[3:8]).tobytes() == whole[3:8].tobytes()


def test_an_empty_batch_has_shapes(model):
    empty = windows(0)
    shapes = [method(empty).shape for method in (model.predict, model.logits, model.embedding, model.saliency)]
    assert shapes == [(0, 3), (0, 3), (0, 16), (0, 156)]


@pytest.mark.parametrize("method", ["predict", "logits", "embedding", "logits_and_embedding", "saliency"])
def test_another_recipes_tensor_is_refused(model, method):
    with pytest.raises(ModelError, match=r"shape \(2, 4, 5000\), expected \(n, 12, 2500\); prepare it with recipe ecg"):
        getattr(model, method)(np.zeros((2, 4, 5000), dtype=np.float32))


def test_labels_that_are_not_the_networks_are_refused(checkpoint):
    with pytest.raises(ModelError, match="the network has 3 outputs, expected 2"):
        ecgfm.load(checkpoint, "cpu", {"outputs": OUTPUTS[:2]})


@pytest.mark.parametrize(
    "wrong", [{"outputs": None}, {"outputs": OUTPUTS, "batch_size": 0}, {"outputs": OUTPUTS, "precision": "float16"}]
)
def test_wrong_settings_are_said_to_be_this_familys(checkpoint, wrong):
    with pytest.raises(ConfigError, match="settings of a model of family ecgfm: "):
        ecgfm.load(checkpoint, "cpu", wrong)
