"""A small classifier with random weights and a real WordPiece tokenizer, saved as the hub has them."""

import json
import os
import random
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification

from twelvelead.errors import ModelError
from twelvelead.labels.bert import MAX_TOKENS, label_texts, load_bert

SENTENCE = "sinus rhythm atrial fibrillation left axis deviation block abnormal ecg qrs bradycardie , ; ##s ##e"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SENTENCE.split()]
TEXTS = [
    "Sinus rhythm",
    "Atrial fibrillation; abnormal ECG",
    "",
    "Bradycardie, left axis deviations",
    "sinus rhythm",
    "unheard of",
    "left axis deviation; block; abnormal QRS; sinus bradycardie; atrial block",
]


def write_model(folder, n_labels=77, spare_embeddings=0):
    config = BertConfig(
        vocab_size=len(VOCABULARY) + spare_embeddings,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=n_labels,
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"})
    )
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "Bert")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_bert(write_model(tmp_path_factory.mktemp("Bert")), "cpu", threads=1)


def padded_to_512(texts, model):
    """As the reference does it."""
    tokens = model.tokenizer(texts, padding="max_length", truncation=True, max_length=512, return_tensors="pt")
    with torch.no_grad():
        return torch.sigmoid(model.classifier(**tokens).logits).numpy()


@pytest.mark.parametrize("tokens_per_batch", [1, 16, 4096])
def test_probabilities_are_those_of_texts_padded_to_512(model, tokens_per_batch):
    found = label_texts(TEXTS, model, tokens_per_batch)
    assert found.shape == (len(TEXTS), 77)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, padded_to_512(TEXTS, model), atol=1e-5)
    # The comparison says something only where texts differ.
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_texts_beyond_512_tokens_are_cut_there(model):
    long = "sinus rhythm " * 400
    assert len(model.tokenizer(long, verbose=False)["input_ids"]) > MAX_TOKENS
    found = label_texts([long, "atrial block"], model)
    np.testing.assert_allclose(found, padded_to_512([long, "atrial block"], model), atol=1e-5)
    # [CLS] and [SEP] take two of the 512; what comes after 510 words changes nothing.
    assert label_texts([long + "atrial block"], model).tobytes() == label_texts([long], model).tobytes()


def test_rows_are_in_the_order_of_the_texts_with_repeats(model):
    texts = TEXTS * 3
    random.Random(0).shuffle(texts)
    found = label_texts(texts, model, 32)
    each = dict(zip(TEXTS, label_texts(TEXTS, model, 32), strict=True))
    # The same set of texts makes the same batches, so the bytes are equal too.
    assert found.tobytes() == np.stack([each[text] for text in texts]).tobytes()


def test_neighbours_move_a_text_by_rounding_only(model):
    together = label_texts(TEXTS, model)
    alone = np.concatenate([label_texts([text], model) for text in TEXTS])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_tokens_run_once_per_distinct_text_and_within_the_budget(model):
    shapes = []
    hook = model.classifier.bert.register_forward_pre_hook(lambda bert, args: shapes.append(tuple(args[0].shape)))
    try:
        label_texts(TEXTS * 50, model, 24)
    finally:
        hook.remove()
    longest = max(len(ids) for ids in model.tokenizer(TEXTS)["input_ids"])
    assert sum(rows for rows, _ in shapes) == len(set(TEXTS))
    assert all(rows * length <= 24 for rows, length in shapes)
    assert max(length for _, length in shapes) == longest < 24


def test_repeatable(model):
    assert label_texts(TEXTS, model).tobytes() == label_texts(TEXTS, model).tobytes()
    assert not model.classifier.training


def test_bytes_do_not_depend_on_threads(model):
    texts = [" ".join(TEXTS[: 1 + count % 7]) + " block" * (count % 40) for count in range(120)]
    by_threads = {label_texts(texts, replace(model, threads=threads), 64).tobytes() for threads in (1, 2, 3, 8)}
    assert len(by_threads) == 1


def test_each_batch_runs_on_one_thread_and_several_at_once(model):
    together = threading.Barrier(3)
    seen = []

    def look(bert, inputs):
        together.wait(timeout=20)
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled(), threading.get_ident()))

    hook = model.classifier.bert.register_forward_pre_hook(look)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        label_texts(TEXTS[:6], replace(model, threads=3), tokens_per_batch=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        hook.remove()
    assert not torch.is_inference_mode_enabled()
    assert len(seen) == 6
    assert {(threads, inference) for threads, inference, _ in seen} == {(1, True)}
    assert len({thread for *_, thread in seen}) == 3


def test_no_texts_no_rows(model):
    assert label_texts([], model).shape == (0, 77)


def test_half_precision_weights_run_in_float32(folder, model):
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor.half() for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    loaded = load_bert(folder, "cpu")
    assert {parameter.dtype for parameter in loaded.classifier.parameters()} == {torch.float32}
    np.testing.assert_allclose(label_texts(TEXTS, loaded), label_texts(TEXTS, model), atol=0.02)


def test_spare_rows_of_the_embedding_are_no_fault(tmp_path):
    assert len(load_bert(write_model(tmp_path, spare_embeddings=44), "cpu").tokenizer) == len(VOCABULARY)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no .safetensors file, expected model.safetensors"),
        ("vocab.txt", "no tokenizer.json and no vocab.txt"),
    ],
)
def test_a_missing_file_is_named(folder, name, message):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{message}.*; fetch the model again"):
        load_bert(folder, "cpu")


def test_pickled_weights_are_not_opened(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights are not opened"):
        load_bert(folder, "cpu")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"model_type"', "not the configuration of a model"),
        ("config.json", b"[]", "not the configuration of a model"),
        ("config.json", b'{"model_type": "roberta"}', "model_type is 'roberta', expected 'bert'"),
        ("tokenizer.json", b'{"version"', "cannot read the tokenizer"),
        ("tokenizer_config.json", b"{", "cannot read the tokenizer"),
        ("vocab.txt", b"", "the tokenizer knows 5 tokens|cannot read the tokenizer"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "cannot load the classifier"),
    ],
)
def test_a_broken_file(tmp_path, name, content, message):
    # More words than may go unused, so that an empty vocabulary cannot pass for one.
    folder = write_model(tmp_path, spare_embeddings=120)
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_bert(folder, "cpu")


def test_cut_weights(folder):
    with open(folder / "model.safetensors", "r+b") as handle:
        handle.truncate(handle.seek(0, os.SEEK_END) // 2)
    with pytest.raises(ModelError, match="cannot load the classifier"):
        load_bert(folder, "cpu")


def test_missing_weights_are_not_made_up(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="1 weights are missing, classifier.weight first"):
        load_bert(folder, "cpu")


def test_another_number_of_labels(tmp_path):
    with pytest.raises(ModelError, match="the classifier has 5 labels, expected 77; use one of heartwise/Bert"):
        load_bert(write_model(tmp_path, n_labels=5), "cpu")


def test_a_vocabulary_of_another_model(folder):
    (folder / "vocab.txt").write_text("\n".join([*VOCABULARY, "extra"]) + "\n")
    with pytest.raises(ModelError, match=f"knows {len(VOCABULARY) + 1} tokens, expected the {len(VOCABULARY)}"):
        load_bert(folder, "cpu")


def test_no_folder(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        load_bert(tmp_path / "absent", "cpu")


def test_no_socket_is_opened(folder):
    """In a process of its own, where any use of the network ends the process with a message."""
    program = """
import sys
def refuse(event, args):
    if event.startswith("socket.") and event not in ("socket.gethostname",):
        print("network:", event, args, file=sys.stderr)
        import os
        os._exit(3)
sys.addaudithook(refuse)
from twelvelead.labels.bert import label_texts, load_bert
print(label_texts(["sinus rhythm"], load_bert(sys.argv[1], "cpu")).shape)
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        env={**environment, "PYTHONPATH": str(scripts)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(1, 77)\n"
