"""Family wcr: DeepECG's WCR models and, with the same network, ECG-FM's, from their checkpoints or converted ones."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from twelvelead.errors import ConfigError, ModelError
from twelvelead.models.batching import halving_batches, nan_where_not_finite
from twelvelead.models.converted_checkpoint import read_weights
from twelvelead.models.settings import InferenceSettings, check_signals
from twelvelead.models.torch_runtime import block_workers, exact_block, exact_inference, torch_device
from twelvelead.models.wcr_architecture import N_LEADS, N_SAMPLES, frames, parse_conv_layers
from twelvelead.models.wcr_network import WcrNetwork, network_of

# A CPU needs no more: for the full-size network on one core, blocks of 1, 4 and 8 differed by less than 10 %,
# and the last block is filled up. An ECG of zeros came out 1.4e-5 from the golden logits in blocks of 4, 2.7e-5 alone.
BATCH_SIZE = {"cpu": 4, "cuda": 64}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class WcrModel:
    """A WCR network on its device."""

    def __init__(
        self,
        network: WcrNetwork,
        conv_layers: tuple[tuple[int, int, int], ...],
        device: torch.device,
        settings: InferenceSettings,
        order: list[int],
        precision: torch.dtype,
    ):
        self.outputs = settings.outputs
        self.embedding_size = network.proj.in_features
        self.n_frames = frames(N_SAMPLES, conv_layers)
        self._network = network
        self._conv_layers = conv_layers
        self._device = device
        self._settings = settings
        self._batch_size = settings.batch_size
        self._order = order
        self._precision = precision

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 probabilities of (n, 12, 2500) signals as the recipe leaves them.

        On the CPU an ECG's bytes depend on nothing but batch_size, and `threads` blocks run at once. A signal with a
        value that is not finite gets NaN. Raises ModelError for another shape.
        """
        check_signals(batch)
        if len(batch) == 0:
            return np.empty((0, len(self.outputs)), dtype=np.float32)
        # Not torch.sigmoid, whose last digit depends on whether a value stands in a tensor's last, incomplete vector.
        return nan_where_not_finite(lambda finite: expit(self.logits(finite)), batch)

    def logits(self, batch: np.ndarray, padding_mask: np.ndarray | None = None) -> np.ndarray:
        """(n, outputs) float32 logits; padding_mask (n, 2500) or (n, 12, 2500), True where a sample is padding.

        Padding is at the end of a signal, the same in every lead. Raises ModelError for other padding or shape.
        """
        return self._in_blocks(self._network.forward, batch, padding_mask)[:, self._order]

    def embedding(self, batch: np.ndarray, padding_mask: np.ndarray | None = None) -> np.ndarray:
        """(n, embed_dim) float32, mean over time of the encoder's output; masks and errors as for logits."""
        return self._in_blocks(self._network.embedding, batch, padding_mask)

    def logits_and_embedding(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What logits and embedding give, to the byte, from one pass of the network."""
        both = self._in_blocks(self._network.embedding_and_logits, batch, None)
        embedding, logits = np.split(both, [self.embedding_size], axis=1)
        return logits[:, self._order], embedding

    def attention(self, batch: np.ndarray, padding_mask: np.ndarray | None = None) -> np.ndarray:
        """(n, layers, queries, keys) float32, averaged over heads; masks and errors as for logits."""
        return self._in_blocks(self._network.attention, batch, padding_mask)

    def saliency(self, batch: np.ndarray) -> np.ndarray:
        """(n, n_frames) float32, the last layer's attention: for every query its maximum over keys."""
        return self._in_blocks(self._network.saliency, batch, None)

    def _in_blocks(self, compute: Callable, batch: np.ndarray, padding_mask: np.ndarray | None) -> np.ndarray:
        check_signals(batch)
        padded = None if padding_mask is None else padded_frames(padding_mask, len(batch), self._conv_layers)

        def run(rows: np.ndarray) -> np.ndarray:
            # A batch from a shard is mapped from its file; torch wants memory that it may write to.
            with exact_block():
                signals = torch.tensor(batch[rows], dtype=self._precision, device=self._device)
                mask = None if padded is None else torch.tensor(padded[rows], device=self._device)
                return compute(signals, mask).float().cpu().numpy()

        if len(batch) == 0:
            with exact_inference(), exact_block():
                shape = compute(torch.zeros(1, N_LEADS, N_SAMPLES, dtype=self._precision, device=self._device)).shape
            return np.empty((0, *shape[1:]), dtype=np.float32)
        # Rows by number: the last block is filled with row 0, whose copies are dropped.
        with exact_inference():
            rows, self._batch_size = halving_batches(
                run,
                np.arange(len(batch)),
                self._batch_size,
                torch.OutOfMemoryError,
                block_workers(self._device, self._settings.threads),
            )
        return rows


def load(path: str | Path, device: str, settings: Mapping, family: str = "wcr") -> WcrModel:
    """The network of a checkpoint, in evaluation mode.

    path      folder in DeepECG's layout (one finetuned .pt, base_ssl.pt beside it or not), the finetuned .pt itself, or
              what converted_checkpoint.convert wrote
    device    cpu, cuda or cuda:N
    settings  see InferenceSettings; beyond it output_order (column i of the results is the network's output
              output_order[i]) and precision (float32, or on a GPU bfloat16 or float16), each optional
    family    whose model it is, for errors
    Raises ConfigError for settings, ModelError for a file that is not there, refused, or not this network's.
    """
    target = torch_device(device)
    read = InferenceSettings.read({"batch_size": BATCH_SIZE[target.type], **settings}, family)
    precision = settings.get("precision", "float32")
    if precision not in PRECISIONS or (precision != "float32" and target.type == "cpu"):
        raise ConfigError(
            f"settings of a model of family {family}: precision is {precision!r} on {device}, expected float32"
            + (f" or one of {', '.join(PRECISIONS)}" if target.type != "cpu" else "")
        )
    checkpoint = read_weights(path)
    try:
        network = network_of(checkpoint)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    order = _output_order(path, settings.get("output_order"), read.outputs, network.proj.out_features)
    conv_layers = parse_conv_layers(checkpoint.model_config["conv_feature_layers"])
    network = network.to(target, PRECISIONS[precision])
    return WcrModel(network, conv_layers, target, read, order, PRECISIONS[precision])


def padded_frames(padding_mask: np.ndarray, n_signals: int, conv_layers: tuple) -> np.ndarray:
    """(n, frames) bool, True for frames made of padding, from a mask of samples as WcrModel.logits takes it."""
    mask = np.asarray(padding_mask)
    if mask.dtype != bool or mask.shape not in ((n_signals, N_SAMPLES), (n_signals, N_LEADS, N_SAMPLES)):
        raise ModelError(
            f"padding mask of {mask.dtype} {mask.shape}, expected bool ({n_signals}, {N_SAMPLES}) "
            f"or ({n_signals}, {N_LEADS}, {N_SAMPLES})"
        )
    by_lead = mask if mask.ndim == 3 else mask[:, np.newaxis]
    n_samples = N_SAMPLES - by_lead[:, 0].sum(axis=-1)
    if not (by_lead == (np.arange(N_SAMPLES) >= n_samples[:, np.newaxis])[:, np.newaxis]).all():
        raise ModelError(
            "padding mask with padding before a sample, or not the same in all leads; expected it at the end"
        )
    n_frames = np.array([frames(int(count), conv_layers) for count in n_samples])
    return np.arange(frames(N_SAMPLES, conv_layers)) >= n_frames[:, np.newaxis]


def _output_order(path: str | Path, order: object, outputs: tuple[str, ...], n_labels: int) -> list[int]:
    if order is None:
        order = list(range(len(outputs)))
        if len(outputs) != n_labels:
            raise ModelError(
                f"{path}: the network has {n_labels} outputs, expected {len(outputs)} as `labels` names them; correct "
                "`labels` of the model's entry, or give output_order"
            )
    numbers = isinstance(order, list | tuple) and all(type(number) is int for number in order)
    if not numbers or len(order) != len(outputs) or len(set(order)) < len(order) or set(order) - set(range(n_labels)):
        raise ConfigError(
            f"output_order is {str(order)[:80]}, expected {len(outputs)} different whole numbers of 0 to "
            f"{n_labels - 1}, one for each of `labels`"
        )
    return list(order)
