"""Family ecgfm: ECG-FM's finetuned classifiers, the network of family wcr on windows of recipe ecgfm."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.special import expit

from twelvelead.errors import ModelError
from twelvelead.models import wcr
from twelvelead.recipes.ecgfm import SHAPE

# Attention of the full-size network takes 1.2 MB a window (12 layers of 156 x 156 float32), of which 156 values stay.
WINDOWS_PER_BLOCK = 64


class EcgfmModel:
    """A WCR network as ECG-FM uses it; every row of a batch is a window, and results are windows', not recordings'.

    Batches are (n, 12, 2500) as recipe ecgfm leaves them; every method raises ModelError for another shape. A window's
    bytes do not depend on the others in the batch.
    """

    def __init__(self, model: wcr.WcrModel):
        self.outputs = model.outputs
        self._model = model

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 probabilities; NaN for a window with a value that is not finite."""
        _check_windows(batch)
        return self._model.predict(batch)

    def logits(self, batch: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 logits, of which `probabilities` makes what predict gives."""
        _check_windows(batch)
        return self._model.logits(batch)

    def embedding(self, batch: np.ndarray) -> np.ndarray:
        """(n, embed_dim) float32, mean over time of the encoder's output."""
        _check_windows(batch)
        return self._model.embedding(batch)

    def saliency(self, batch: np.ndarray) -> np.ndarray:
        """(n, frames) float32: the last layer's attention, averaged over heads, its maximum over keys for every query.

        Frame i of the published networks' 156 is made of samples 16 i to 16 i + 15.
        """
        _check_windows(batch)
        starts = range(0, max(len(batch), 1), WINDOWS_PER_BLOCK)
        blocks = (self._model.attention(batch[start : start + WINDOWS_PER_BLOCK]) for start in starts)
        return np.concatenate([attention[:, -1].max(axis=-1) for attention in blocks])


def load(path: str | Path, device: str, settings: Mapping) -> EcgfmModel:
    """A finetuned checkpoint; path, device, settings and errors as for family wcr.

    Without base_ssl.pt beside it, as ECG-FM's are published, its own configuration decides.
    """
    return EcgfmModel(wcr.load(path, device, settings))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """float32 probabilities of float32 logits: both are had from one pass of the network, to the byte as predict's."""
    return expit(logits)


def _check_windows(batch: np.ndarray) -> None:
    if batch.ndim != 3 or batch.shape[1:] != SHAPE:
        raise ModelError(
            f"batch of shape {batch.shape}, expected (n, {SHAPE[0]}, {SHAPE[1]}); prepare it with recipe ecgfm"
        )
