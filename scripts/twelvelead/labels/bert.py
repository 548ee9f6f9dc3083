"""DeepECG's text classifier: machine diagnosis text -> probabilities of the 77 patterns."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, BertForSequenceClassification, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from twelvelead.errors import ModelError
from twelvelead.models.batching import halving_batches, in_order
from twelvelead.models.torch_runtime import block_workers, exact_block, exact_inference, torch_device

N_LABELS = 77
# On a CPU batches are what its workers share; small ones also pad less. 1024 was 1.6 times as fast as 4096.
TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 16_384}
MAX_TOKENS = 512  # the reference cuts a longer text here, and pads every shorter one to it
# Exporters may round an embedding's rows up to a multiple of 64 or 128; a vocabulary that misses more was cut.
MAX_UNUSED_EMBEDDINGS = 127


@dataclass(frozen=True, eq=False)
class BertModel:
    """The classifier and the tokenizer it was trained with."""

    classifier: BertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    threads: int


def load_bert(folder: str | Path, device: str, threads: int = 1) -> BertModel:
    """The classifier of a folder as the hub has it: config.json, *.safetensors, tokenizer.json or vocab.txt.

    device   cpu, cuda or cuda:N
    threads  batches run at once on the CPU, each on one thread
    Nothing is fetched and no pickle is opened. Raises ModelError for a folder with files missing or broken, for
    weights that do not fill the network, a number of labels other than 77, or a vocabulary that is not the model's.
    """
    folder = Path(folder)
    target = torch_device(device)
    _check_files(folder)
    classifier = _classifier(folder)
    tokenizer = _tokenizer(folder, classifier.config.vocab_size)
    return BertModel(classifier.eval().to(target), tokenizer, target, threads)


def label_texts(texts: Sequence[str], model: BertModel, tokens_per_batch: int | None = None) -> np.ndarray:
    """(n, 77) float32 probabilities, a row per text, in the order of config/labels/deepecg77.csv.

    Each distinct text runs once, among texts of its length; what is computed depends on the set of texts, not on their
    order and, on the CPU, not on `threads`. Padding changes probabilities by rounding alone.

    tokens_per_batch  texts times tokens of the longest, padding included; a longer text is a batch of its own;
                      TOKENS_PER_BATCH of the device unless given
    Raises ModelError when a GPU's memory does not hold one text.
    """
    distinct = sorted(set(texts))
    if not distinct:
        return np.empty((0, N_LABELS), dtype=np.float32)
    limit = min(MAX_TOKENS, model.classifier.config.max_position_embeddings)
    token_ids = model.tokenizer(distinct, truncation=True, max_length=limit, padding=False)["input_ids"]

    def rows_of_batch(rows: list[int]) -> np.ndarray:
        block = _padded([token_ids[row] for row in rows], model.tokenizer.pad_token_id)
        found, _ = halving_batches(
            lambda tokens: _probabilities(tokens, model), block, len(block), torch.OutOfMemoryError
        )
        return found

    tokens_per_batch = tokens_per_batch or TOKENS_PER_BATCH[model.device.type]
    batches = list(_batches([len(ids) for ids in token_ids], tokens_per_batch))
    with exact_inference():
        found = in_order(rows_of_batch, batches, block_workers(model.device, model.threads))
    probabilities = np.empty((len(distinct), N_LABELS), dtype=np.float32)
    probabilities[np.concatenate(batches)] = np.concatenate(found)
    position = {text: row for row, text in enumerate(distinct)}
    return probabilities[[position[text] for text in texts]]


def _batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Rows by length; the last of a batch is its longest, and so sets what the batch costs."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[row] > tokens_per_batch:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _padded(token_ids: Sequence[Sequence[int]], padding: int) -> np.ndarray:
    """(texts, 2, longest) int64: token ids, and 1 where there is one."""
    columns = itertools.zip_longest(*token_ids, fillvalue=padding)
    ids = np.array(list(columns), dtype=np.int64).T
    lengths = np.array([len(ids_of_text) for ids_of_text in token_ids])
    return np.stack([ids, np.arange(ids.shape[1]) < lengths[:, np.newaxis]], axis=1)


def _probabilities(tokens: np.ndarray, model: BertModel) -> np.ndarray:
    with exact_block():
        ids, mask = torch.from_numpy(tokens).to(model.device).unbind(dim=1)
        return torch.sigmoid(model.classifier(input_ids=ids, attention_mask=mask).logits).cpu().numpy()


def _check_files(folder: Path) -> None:
    """What transformers would pass over in silence: it makes up a missing configuration and a missing vocabulary."""
    advice = "fetch the model again (target fetch_models) or correct the path"
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder, expected the files of a BERT classifier; {advice}")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json, expected that of a BERT classifier; {advice}")
    if not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: no .safetensors file, expected model.safetensors (pickled weights are not opened); {advice}"
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
        raise ModelError(f"{folder}: no tokenizer.json and no vocab.txt, expected the model's own; {advice}")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'config.json'}: not the configuration of a model; {advice}") from error
    if kind != "bert":
        raise ModelError(f"{folder / 'config.json'}: model_type is {kind!r}, expected 'bert'; {advice}")


def _classifier(folder: Path) -> BertForSequenceClassification:
    showed_progress = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        classifier, loading = BertForSequenceClassification.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except Exception as error:  # OSError, RuntimeError, SafetensorError and what a wrong configuration leads to
        raise ModelError(
            f"{folder}: transformers cannot load the classifier ({_first_line(error)}); fetch the model again "
            "(target fetch_models)"
        ) from error
    finally:
        if showed_progress:
            transformers_logging.enable_progress_bar()
    if loading["missing_keys"]:
        # transformers fills them with random numbers and goes on.
        missing = sorted(loading["missing_keys"])
        raise ModelError(
            f"{folder}: {len(missing)} weights are missing, {missing[0]} first; expected all of a BERT classifier, "
            "fetch the model again (target fetch_models)"
        )
    if classifier.config.num_labels != N_LABELS:
        raise ModelError(
            f"{folder}: the classifier has {classifier.config.num_labels} labels, expected {N_LABELS}; use one of "
            "heartwise/Bert_diagnosis2classification and Bert_diagnosis2classification_En_Fr"
        )
    return classifier


def _tokenizer(folder: Path, embeddings: int) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # its Rust part raises bare Exception
        raise ModelError(
            f"{folder}: transformers cannot read the tokenizer ({_first_line(error)}); fetch the model again "
            "(target fetch_models)"
        ) from error
    if not 0 <= embeddings - len(tokenizer) <= MAX_UNUSED_EMBEDDINGS:
        raise ModelError(
            f"{folder}: the tokenizer knows {len(tokenizer)} tokens, expected the {embeddings} of the classifier; "
            "fetch the model again (target fetch_models)"
        )
    return tokenizer


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
