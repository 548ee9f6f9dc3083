"""The benchmark of the models on the CPU, full size, with random weights made here; nothing is fetched.

Speeds are of 2 threads. Ways that are compared take turns in one process, so that whatever else the machine does slows
each of them, and their ratio is the median of the rounds'.
"""

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging as transformers_logging

import memory
from random_wcr import FULL_SIZE, functional_logits, model_settings, random_tensors, write_checkpoint
from twelvelead.labels.bert import MAX_TOKENS, N_LABELS, BertModel, label_texts, load_bert
from twelvelead.models import wcr

THREADS = 2
# What the reference pads to is MAX_TOKENS too.
REFERENCE_BATCH = 32
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FEWEST_TOKENS, MOST_TOKENS = 5, 40  # of a statement, [CLS] and [SEP] among them
# Of machine statements; one token each.
VOCABULARY = """
abnormal acute anterior anterolateral atrial aberrancy age av axis between block borderline bradycardia bundle branch
cannot cardiac complete conduction consider deviation degree depression early ecg elevation enlargement fascicular
fibrillation first flutter hypertrophy incomplete infarct inferior intraventricular ischemia junctional lateral left low
marked mobitz nonspecific normal occasional old otherwise paced posterior possible premature probable prolonged
pulmonary pvcs q qrs qt rate rapid repolarization response rhythm right ruled out septal sinus st supraventricular t
tachycardia undetermined variant ventricular voltage wave wide with
"""

# name of a way -> (what it runs, texts or ECGs that one run takes)
Ways = Mapping[str, tuple[Callable[[], object], int]]


def measure() -> dict:
    """Speeds of the text labeler and of WCR, each beside the plain way, and memory in the number of ECGs."""
    with tempfile.TemporaryDirectory() as scratch:
        return {
            "torch": torch.__version__,
            "threads": THREADS,
            "bert": bert(Path(scratch), BertConfig(num_labels=N_LABELS)),
            "wcr": wcr_network(Path(scratch), FULL_SIZE),
            "memory": memory.peaks(Path(scratch), (100, 1000, 4000, 8000)),
        }


def table(results: Mapping) -> str:
    """What measure returns, as Markdown."""
    of_bert, of_wcr = results["bert"], results["wcr"]
    lines = [
        f"BERT labeler, {of_bert['texts']} distinct texts of {FEWEST_TOKENS} to {MOST_TOKENS} tokens: "
        f"{of_bert['texts_per_s']} texts/s, padded to {MAX_TOKENS} in batches of {REFERENCE_BATCH} "
        f"{of_bert['padded_texts_per_s']} (timed on {of_bert['padded_texts']} texts a round); "
        f"ratio {of_bert['ratio']} (rounds: {of_bert['ratios']}), "
        f"probabilities differ by at most {of_bert['largest_difference']:.1e}",
        f"WCR, blocks of {of_wcr['block']}: {of_wcr['ecgs_per_s']} ECGs/s",
    ]
    for way in of_wcr["compared"]:
        lines.append(
            f"  {way['way']}: {way['ecgs_per_s']} ECGs/s; ratio {way['ratio']} (rounds: {way['ratios']}), "
            f"logits differ by at most {way['largest_difference']:.1e}"
        )
    lines += ["", "| ECGs in one inference job | peak MB | without mapped files |", "|---|---|---|"]
    lines += [f"| {row['ecgs']:,} | {row['peak_mb']} | {row['peak_without_files_mb']} |" for row in results["memory"]]
    return "\n".join(lines)


def bert(folder: Path, config: BertConfig, n_texts: int = 500, padded_texts: int = REFERENCE_BATCH, rounds: int = 3):
    """Texts per second of label_texts, and of the same classifier with every text padded to 512 tokens.

    padded_texts  texts that the padded way is timed on in a round: all of them would take minutes
    """
    model = load_bert(write_bert(folder / "bert", config), "cpu", THREADS)
    texts = statements(n_texts)
    some = texts[:padded_texts]
    ours, padded = label_texts(some, model), padded_to_512(some, model)
    ways = {
        "ours": (lambda: label_texts(texts, model), len(texts)),
        "padded": (lambda: padded_to_512(some, model), len(some)),
    }
    rates = in_turns(ways, rounds)
    return {
        "texts": len(texts),
        "texts_per_s": median(rates["ours"]),
        "padded_texts_per_s": median(rates["padded"]),
        "padded_texts": len(some),
        **compared(rates["ours"], rates["padded"]),
        "largest_difference": float(np.abs(ours - padded).max()),
    }


def wcr_network(folder: Path, config: Mapping, n_ecgs: int = 8, rounds: int = 9) -> dict:
    """ECGs per second of our WCR model, and of its network by multi_head_attention_forward on as many threads.

    need_weights is what fairseq sets to false and the function defaults to true.
    """
    tensors = random_tensors(config)
    block = wcr.BATCH_SIZE["cpu"]
    settings = model_settings(config, threads=THREADS, batch_size=block)
    model = wcr.load(write_checkpoint(folder / "wcr", config, tensors), "cpu", settings)
    signals = np.random.default_rng(0).standard_normal((n_ecgs, 12, 2500), dtype=np.float32)

    def by_functions(need_weights: bool, at_once: int) -> np.ndarray:
        torch.set_num_threads(THREADS)
        with torch.inference_mode():
            blocks = [torch.from_numpy(signals[start : start + at_once]) for start in range(0, n_ecgs, at_once)]
            return torch.cat([functional_logits(one, config, tensors, need_weights) for one in blocks]).numpy()

    expected = model.logits(signals)
    plain = {
        f"functions, need_weights={flag}, {n} ECGs a call": (flag, n) for flag in (False, True) for n in (block, 1)
    }
    differences = {way: float(np.abs(by_functions(*how) - expected).max()) for way, how in plain.items()}
    ways = {"ours": (lambda: model.logits(signals), n_ecgs)}
    ways |= {way: (lambda how=how: by_functions(*how), n_ecgs) for way, how in plain.items()}
    rates = in_turns(ways, rounds)
    return {
        "ecgs": n_ecgs,
        "block": block,
        "ecgs_per_s": median(rates["ours"]),
        "compared": [
            {
                "way": way,
                "ecgs_per_s": median(rates[way]),
                **compared(rates["ours"], rates[way]),
                "largest_difference": differences[way],
            }
            for way in plain
        ],
    }


def in_turns(ways: Ways, rounds: int) -> dict[str, list[float]]:
    """Texts or ECGs per second of each way, one figure per round; every other round goes backwards through the ways."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(rounds):
        for way in list(ways)[:: -1 if round_ % 2 else 1]:
            run, n = ways[way]
            start = time.perf_counter()
            run()
            rates[way].append(n / (time.perf_counter() - start))
    return rates


def compared(rates: Sequence[float], others: Sequence[float]) -> dict:
    """How many times as fast as the other way, in each round and as their median."""
    ratios = [rate / other for rate, other in zip(rates, others, strict=True)]
    return {"ratio": median(ratios), "ratios": [round(ratio, 2) for ratio in ratios]}


def median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 2)


def write_bert(folder: Path, config: BertConfig) -> Path:
    """Writes a classifier of random weights with a WordPiece vocabulary that has the statements' words in it."""
    torch.manual_seed(0)
    transformers_logging.disable_progress_bar()
    BertForSequenceClassification(config).save_pretrained(folder)
    vocabulary = [*SPECIAL_TOKENS, *VOCABULARY.split()]
    vocabulary += [f"unused{number}" for number in range(config.vocab_size - len(vocabulary))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def statements(n: int, seed: int = 0) -> list[str]:
    """n different texts, one token a word; with [CLS] and [SEP] each number of tokens is as likely as any other."""
    rng = random.Random(seed)
    words = VOCABULARY.split()
    texts: dict[str, None] = {}
    while len(texts) < n:
        texts[" ".join(rng.choices(words, k=rng.randint(FEWEST_TOKENS, MOST_TOKENS) - 2))] = None
    return list(texts)


def padded_to_512(texts: Sequence[str], model: BertModel) -> np.ndarray:
    """Probabilities as the reference computes them: every text padded to 512 tokens, in batches of 32."""
    torch.set_num_threads(THREADS)
    longest = min(MAX_TOKENS, model.classifier.config.max_position_embeddings)
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), REFERENCE_BATCH):
            batch = list(texts[start : start + REFERENCE_BATCH])
            tokens = model.tokenizer(
                batch, padding="max_length", truncation=True, max_length=longest, return_tensors="pt"
            )
            found.append(torch.sigmoid(model.classifier(**tokens).logits))
    return torch.cat(found).numpy()
