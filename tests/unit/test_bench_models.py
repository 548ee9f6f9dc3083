"""The benchmark's own parts at tiny sizes: what it compares is the same network, and what it counts is what runs."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig

from twelvelead.labels.bert import load_bert
from twelvelead.models.converted_checkpoint import read_weights
from twelvelead.models.wcr_architecture import architecture
from twelvelead.models.wcr_network import network_of

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import gpu  # noqa: E402
import memory  # noqa: E402
import models  # noqa: E402
import random_wcr  # noqa: E402

TINY = {
    **random_wcr.FULL_SIZE,
    "encoder_layers": 2,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 3,
    "conv_feature_layers": "[(8, 5, 4)] + [(16, 2, 2)] * 3",
    "conv_pos": 8,
    "conv_pos_groups": 4,
    "num_labels": 5,
}
TINY_BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def signals():
    return gpu.ecg_signals(4)


@pytest.fixture
def tiny_bert():
    return BertConfig(num_labels=77, vocab_size=200, initializer_range=0.5, **TINY_BERT)


@pytest.fixture(autouse=True)
def _same_threads_after():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_full_size_is_that_of_the_published_models():
    sizes = architecture(random_wcr.FULL_SIZE)
    shapes = random_wcr.expected_shapes(sizes, (random_wcr.MAGNITUDE, random_wcr.DIRECTION))
    assert sum(np.prod(shape, dtype=int) for shape in shapes.values()) == 90_432_461  # shared/reference/WCR.md


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("changes", [{}, {"conv_pos": 7}])
def test_the_compared_network_is_ours(tmp_path, signals, changes, need_weights):
    config = {**TINY, **changes}
    tensors = random_wcr.random_tensors(config)
    network = network_of(read_weights(random_wcr.write_checkpoint(tmp_path / "wcr", config, tensors)))
    with torch.inference_mode():
        ours = network(torch.from_numpy(signals))
        plain = random_wcr.functional_logits(torch.from_numpy(signals), config, tensors, need_weights)
    torch.testing.assert_close(plain, ours, atol=1e-5, rtol=0)
    assert (ours[0] - ours[1]).abs().max() > 1e-3  # else the comparison says nothing


@pytest.mark.parametrize("changes", [{}, {"conv_pos": 7}, {"conv_feature_layers": "[(8, 5, 4)] + [(24, 3, 2)] * 3"}])
def test_operations_are_those_that_torch_counts(tmp_path, signals, changes):
    config = {**TINY, **changes}
    folder = random_wcr.write_checkpoint(tmp_path / "wcr", config, random_wcr.random_tensors(config))
    network = network_of(read_weights(folder))
    # Other kernels of attention than the plain one are not counted on the CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(signals))
    assert gpu.flops_per_ecg(architecture(config)) * len(signals) == counter.get_total_flops()


def test_wcr_is_timed_beside_both_ways(tmp_path):
    found = models.wcr_network(tmp_path, TINY, n_ecgs=5, rounds=2)
    ways = [f"functions, need_weights={flag}, {n} ECGs a call" for flag in (False, True) for n in (found["block"], 1)]
    assert [way["way"] for way in found["compared"]] == ways
    assert all(way["largest_difference"] < 1e-5 and len(way["ratios"]) == 2 for way in found["compared"])
    assert min(found["ecgs_per_s"], *(way["ecgs_per_s"] for way in found["compared"])) > 0


def test_bert_is_timed_beside_the_padded_way(tmp_path, tiny_bert):
    found = models.bert(tmp_path, tiny_bert, n_texts=12, padded_texts=3, rounds=2)
    assert found["largest_difference"] < 1e-5
    assert min(found["texts_per_s"], found["padded_texts_per_s"]) > 0
    assert found["padded_texts"] == 3


def test_statements_differ_and_have_5_to_40_tokens(tmp_path, tiny_bert):
    texts = models.statements(200)
    assert len(set(texts)) == 200
    model = load_bert(models.write_bert(tmp_path / "bert", tiny_bert), "cpu")
    token_ids = model.tokenizer(texts)["input_ids"]
    assert {len(ids) for ids in token_ids} == set(range(5, 41))
    assert not any(model.tokenizer.unk_token_id in ids for ids in token_ids)


def test_ways_take_turns_forwards_and_backwards():
    order = []
    ways = {way: (lambda way=way: order.append(way), 1) for way in "ab"}
    rates = models.in_turns(ways, rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert {way: len(of_way) for way, of_way in rates.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_of_the_rounds():
    assert models.compared([2.0, 30.0, 9.0], [1.0, 10.0, 1.0]) == {"ratio": 3.0, "ratios": [2.0, 3.0, 9.0]}


@pytest.mark.slow
def test_memory_is_that_of_a_job_that_ends(tmp_path):
    (row,) = memory.peaks(tmp_path, (20,))
    assert row["ecgs"] == 20
    assert 50 < row["peak_without_files_mb"] <= row["peak_mb"]
    assert not list((tmp_path / "cohort_20").iterdir())


def test_the_models_table_shows_what_was_measured():
    of_wcr = {"way": "functions", "ecgs_per_s": 2.5, "ratio": 1.2, "ratios": [1.2], "largest_difference": 2e-7}
    results = {
        "bert": {"texts": 9, "texts_per_s": 31.25, "padded_texts_per_s": 1.5, "padded_texts": 3}
        | {"ratio": 20.83, "ratios": [20.83], "largest_difference": 3e-7},
        "wcr": {"block": 4, "ecgs_per_s": 3.0, "compared": [of_wcr]},
        "memory": [{"ecgs": 1000, "peak_mb": 600, "peak_without_files_mb": 350}],
    }
    text = models.table(results)
    for shown in ("31.25", "ratio 20.83", "3.0e-07", "functions: 2.5 ECGs/s; ratio 1.2", "| 1,000 | 600 | 350 |"):
        assert shown in text


def test_the_gpu_page_of_a_measurement_on_the_cpu():
    found = gpu.measure("cpu", TINY, batch_sizes=(2, 3), n_signals=4, matrix_size=64, seconds=0.01)
    assert [(speed["precision"], speed["batch_size"]) for speed in found["speeds"]] == [("float32", 2), ("float32", 3)]
    assert found["deviations"] == {"float32": 0.0}
    assert found["spread"] > 0
    for speed in found["speeds"]:
        expected = speed["network_ecgs_per_s"] * gpu.flops_per_ecg(architecture(TINY))
        assert speed["network_flops"] == pytest.approx(expected)
        assert min(speed["job_ecgs_per_s"], speed["matrix_flops"]) > 0
    memory_filled = {"asked": 8192, "halved_to": 512, "compared_with": 16, "largest_difference": 1e-7}
    lines = gpu.page({**found, "full_memory": memory_filled}).splitlines()
    assert lines[0] == "# WCR on the CPU"
    assert torch.__version__ in lines[2]
    assert re.search(r"\d{4}-\d\d-\d\d", lines[2])
    rows = [line for line in lines if line.startswith("| float32")]
    assert [row.count("|") for row in rows] == [8, 8, 3]
    assert "halved to 512" in lines[-1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device, which would be measured")
def test_without_a_gpu_the_benchmark_says_so_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu.py", str(tmp_path / "gpu.md")])
    with pytest.raises(SystemExit, match=r"PyTorch \S+ \(built .*\) sees no CUDA device here, expected one; run"):
        gpu.main()
    assert not list(tmp_path.iterdir())
