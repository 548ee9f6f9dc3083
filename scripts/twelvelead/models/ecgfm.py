"""Family ecgfm: ECG-FM's finetuned classifiers, the network of family wcr on windows of recipe ecgfm."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from twelvelead.errors import ModelError
from twelvelead.models import wcr
from twelvelead.models.batching import nan_where_not_finite
from twelvelead.recipes.ecgfm import SHAPE
from twelvelead.windows import probabilities


class EcgfmModel:
    """A WCR network as ECG-FM uses it; every row of a batch is a window, and results are windows', not recordings'.

    Batches are (n, 12, 2500) as recipe ecgfm leaves them; every method raises ModelError for another shape. A window's
    bytes do not depend on the others in the batch, and one with a value that is not finite gets NaN.
    """

    def __init__(self, model: wcr.WcrModel):
        self.outputs = model.outputs
        self.embedding_size = model.embedding_size
        self.n_frames = model.n_frames
        self._model = model

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 probabilities."""
        return probabilities(self.logits(batch))

    def logits(self, batch: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 logits, of which windows.probabilities makes what predict gives."""
        return self.logits_and_embedding(batch)[0]

    def embedding(self, batch: np.ndarray) -> np.ndarray:
        """(n, embedding_size) float32, mean over time of the encoder's output."""
        return self.logits_and_embedding(batch)[1]

    def logits_and_embedding(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """logits and embedding, from one pass of the network."""
        _check_windows(batch)
        both = nan_where_not_finite(lambda finite: np.hstack(self._model.logits_and_embedding(finite)), batch)
        return both[:, : len(self.outputs)], both[:, len(self.outputs) :]

    def saliency(self, batch: np.ndarray) -> np.ndarray:
        """(n, n_frames) float32: the last layer's attention averaged over heads, for every query its maximum over keys.

        Frame i of the published networks' 156 is made of samples 16 i to 16 i + 15.
        """
        _check_windows(batch)
        return nan_where_not_finite(self._model.saliency, batch)


def load(path: str | Path, device: str, settings: Mapping) -> EcgfmModel:
    """A finetuned checkpoint; path, device, settings and errors as for family wcr.

    Without base_ssl.pt beside it, as ECG-FM's are published, its own configuration decides.
    """
    return EcgfmModel(wcr.load(path, device, settings, family="ecgfm"))


def _check_windows(batch: np.ndarray) -> None:
    if batch.ndim != 3 or batch.shape[1:] != SHAPE:
        raise ModelError(
            f"batch of shape {batch.shape}, expected (n, {SHAPE[0]}, {SHAPE[1]}); prepare it with recipe ecgfm"
        )
