"""Models saved as TorchScript, as DeepECG's EfficientNetV2: code and weights in one file, (n, 12, 2500) in."""

import io
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from twelvelead.errors import ModelError
from twelvelead.models.batching import halving_batches, nan_where_not_finite
from twelvelead.models.settings import InferenceSettings, check_outputs, check_signals, pinned_bytes, weights_file
from twelvelead.models.torch_runtime import block_workers, exact_block, exact_inference, torch_device

OUT_OF_MEMORY = "CUDA out of memory"


class TorchScriptModel:
    """A TorchScript module on its device."""

    def __init__(self, module: torch.jit.ScriptModule, file: Path, device: torch.device, settings: InferenceSettings):
        self.outputs = settings.outputs
        self._module = module
        self._file = file
        self._device = device
        self._settings = settings
        self._batch_size = settings.batch_size

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 for (n, 12, 2500) signals as the recipe leaves them, in DeepECG's order of leads.

        On the CPU an ECG's bytes depend on nothing but batch_size, and `threads` blocks run at once. When a GPU's
        memory does not hold a batch, smaller ones are used from then on. A signal with a value that is not finite gets
        NaN.
        Raises ModelError for another shape, for a model that fails or returns something else.
        """
        check_signals(batch)
        if len(batch) == 0:
            return np.empty((0, len(self.outputs)), dtype=np.float32)
        return nan_where_not_finite(self._predict, batch)

    def _predict(self, batch: np.ndarray) -> np.ndarray:
        workers = block_workers(self._device, self._settings.threads)
        with exact_inference():
            rows, self._batch_size = halving_batches(
                self._run, batch, self._batch_size, torch.OutOfMemoryError, workers
            )
        return rows

    def _run(self, block: np.ndarray) -> np.ndarray:
        # Unoptimised: the optimising executor profiles the first calls, and results may then differ from call to call.
        # Like the rest of a block's state, this is the thread's.
        with exact_block(), torch.jit.optimized_execution(False):
            return self._outputs_of(block)

    def _outputs_of(self, block: np.ndarray) -> np.ndarray:
        signals = torch.tensor(block, dtype=torch.float32, device=self._device) * self._settings.input_scale
        try:
            returned = self._module(signals)
        except Exception as error:  # TorchScript raises RuntimeError, torch.jit.Error and what its operators raise
            # The interpreter turns an operator's OutOfMemoryError into a RuntimeError (pytorch/pytorch#148642).
            if OUT_OF_MEMORY in str(error):
                raise torch.OutOfMemoryError(_last_line(error)) from None
            raise ModelError(
                f"{self._file}: fails on input of shape {tuple(signals.shape)} ({_last_line(error)}); is it a model "
                "of 12 leads and 2500 samples?"
            ) from error
        if not isinstance(returned, torch.Tensor):
            raise ModelError(
                f"{self._file}: returned a {type(returned).__name__}, expected one tensor; export the model so that it "
                "returns its outputs alone"
            )
        logits = check_outputs(returned.float().cpu().numpy(), len(block), self.outputs, self._file)
        # Not torch.sigmoid, whose last digit depends on whether a value stands in a tensor's last, incomplete vector.
        return expit(logits) if self._settings.activation == "sigmoid" else logits


def load(path: str | Path, device: str, settings: Mapping) -> TorchScriptModel:
    """The module of a .pt file, or of the only one in a folder, in evaluation mode.

    device    cpu, cuda or cuda:N
    settings  see InferenceSettings
    A TorchScript file is a program. Nothing of it is read by PyTorch before its SHA-256 has been compared with the
    pinned one, and without a pinned one it is refused unless trust_local_weights is true.
    Raises ConfigError for settings, ModelError for a file that is not there, not trusted or not TorchScript.
    """
    read = InferenceSettings.read(settings, "torchscript")
    target = torch_device(device)
    file = weights_file(path, ".pt")
    content, found = pinned_bytes(file, read.sha256)
    if read.sha256 is None:
        if not read.trust_local_weights:
            raise ModelError(
                f"{file}: TorchScript is code, and no hash is pinned for this file; if you trust where it comes from, "
                f"set `sha256: {found}` for the model, or `trust_local_weights: true`"
            )
        warnings.warn(f"{file}: TorchScript runs unpinned, by trust_local_weights; sha256 {found}", stacklevel=2)
    _warn_that_it_is_code()
    try:
        with warnings.catch_warnings():
            # The published models are TorchScript, whatever PyTorch recommends now.
            warnings.filterwarnings("ignore", message=".*torch.jit.load.* is deprecated", category=DeprecationWarning)
            module = torch.jit.load(io.BytesIO(content), map_location=target)
    except RuntimeError as error:
        raise ModelError(
            f"{file}: PyTorch cannot read it as TorchScript ({_last_line(error)}); expected a file made by "
            "torch.jit.save, fetch or export it again"
        ) from error
    return TorchScriptModel(module.eval(), file, target, read)


@cache
def _warn_that_it_is_code() -> None:
    warnings.warn(
        "TorchScript files are code: they can do what this program may do, and are trusted only by their pinned sha256",
        stacklevel=3,
    )


def _last_line(error: Exception) -> str:
    """Where TorchScript says what went wrong; lines before it are a traceback into the model's own code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
