"""Blocks of prepared rows, read ahead, and the Parquet they become."""

import json
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.config import read_yaml
from twelvelead.errors import ModelError
from twelvelead.inference import blocks, leased_model, load_model, predict_chunk, read_ahead
from twelvelead.models.weights import record
from twelvelead.tensors import RowStatus, TensorWriter, write_statuses


def write_shards(folder, sizes):
    """Shards whose rows count on; every third file of a shard gave no row."""
    tensors, statuses, number = [], [], 0
    for shard, size in enumerate(sizes):
        tensor, status = folder / f"{shard}.npy", folder / f"{shard}.tsv"
        writer = TensorWriter(tensor, (2, 3))
        rows = []
        for _ in range(size):
            rows.append(RowStatus(f"ecg{number}", "ok"))
            writer.append(np.full((1, 2, 3), number, dtype=np.float32))
            if number % 3 == 0:
                rows.append(RowStatus(f"bad{number}", "too_short", "5 s"))
            number += 1
        writer.close()
        write_statuses(status, rows)
        tensors.append(str(tensor))
        statuses.append(str(status))
    return tensors, statuses


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 7), max_size=5), size=st.integers(1, 9))
def test_blocks_hold_every_row_once_in_order_whatever_the_shards(tmp_path_factory, sizes, size):
    found = list(blocks(*write_shards(tmp_path_factory.mktemp("shards"), sizes), size))
    rows = [row for of_block, _ in found for row in of_block]
    assert rows == [(f"ecg{number}", 0) for number in range(sum(sizes))]
    assert all(len(of_block) == len(signals) == size for of_block, signals in found[:-1])
    values = np.concatenate([signals[:, 0, 0] for _, signals in found]) if found else np.empty(0)
    np.testing.assert_array_equal(values, np.arange(sum(sizes)))


def test_reading_is_ahead_by_no_more_than_asked():
    made = []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    for number in read_ahead(items(), 2):
        time.sleep(0.02)
        assert len(made) <= number + 4  # the one in use, two ready, one in the maker's hands
        if number == 5:
            assert len(made) > 6


def test_an_error_of_the_reader_reaches_the_caller_and_no_thread_is_left():
    before = threading.active_count()

    def items():
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(read_ahead(items(), 1))
    endless = read_ahead(iter(range(10**9)), 1)
    next(endless)
    endless.close()
    assert threading.active_count() == before


class Doubling:
    outputs = ("a", "b")

    def predict(self, batch):
        if (batch == 13).any():
            raise ModelError("no")
        return np.stack([batch[:, 0, 0] * 2, batch[:, 1, 2]], axis=1).astype(np.float32)


def test_predictions_are_a_row_for_every_prepared_ecg(tmp_path):
    rows = predict_chunk(Doubling(), *write_shards(tmp_path, [5, 0, 4]), tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert rows == 9
    assert table["ecg_id"].tolist() == [f"ecg{number}" for number in range(9)]
    np.testing.assert_array_equal(table["a"], np.arange(9) * 2)


def test_a_model_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ModelError):
        predict_chunk(Doubling(), *write_shards(tmp_path, [20]), tmp_path / "out.parquet")
    assert not list(tmp_path.glob("out*"))


@pytest.fixture
def recorded(tmp_path):
    """The file of the record of the model that ships with package openecg, and what is in it."""
    weights = record("openecg_rhythm", read_yaml("config/models.yaml")["openecg_rhythm"], tmp_path)
    (tmp_path / "weights.json").write_text(json.dumps(weights), encoding="utf-8")
    return tmp_path / "weights.json", weights


def test_a_leased_model_is_the_one_of_its_record(recorded):
    path, weights = recorded
    signals = np.random.default_rng(0).normal(0, 0.2, (2, 4, 5000)).astype(np.float32)
    with leased_model(path, None, {"codec": "codec_v6"}, 1, "auto", on_gpu=False) as (model, device):
        found = model.predict(signals)
    expected = load_model({"codec": "codec_v6"}, weights, None, "cpu", 1).predict(signals)
    assert device == "cpu"
    assert np.isfinite(found).all()
    assert found.tobytes() == expected.tobytes()


def test_weights_that_are_not_the_recorded_ones_are_refused_before_the_model_is_used(recorded):
    path, weights = recorded
    path.write_text(json.dumps(weights | {"files": dict.fromkeys(weights["files"], "0" * 64)}), encoding="utf-8")
    with (
        pytest.raises(ModelError, match="model `openecg_rhythm`: .* has sha256 .* expected 000"),
        leased_model(path, None, {"codec": "codec_v6"}, 1, "cpu", on_gpu=True),
    ):
        pytest.fail("the context was entered")
