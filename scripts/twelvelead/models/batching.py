"""Signals through a model in blocks of one shape, so that an ECG's result does not depend on its batch."""

import warnings
from collections.abc import Callable

import numpy as np

from twelvelead.errors import ModelError

Run = Callable[[np.ndarray], np.ndarray]


def fixed_batches(run: Run, batch: np.ndarray, batch_size: int) -> np.ndarray:
    """run's rows for `batch` (n > 0, ...), which gets blocks of exactly `batch_size`: the last one filled with zeros.

    Kernels sum in an order that depends on the batch's size: a golden DeepECG model gave other last digits for 3 rows
    than for 16, and the same ones wherever the row stood among 16.
    """
    blocks = []
    for start in range(0, len(batch), batch_size):
        block = batch[start : start + batch_size]
        if len(block) < batch_size:
            filling = np.zeros((batch_size - len(block), *batch.shape[1:]), dtype=batch.dtype)
            blocks.append(run(np.concatenate([block, filling]))[: len(block)])
        else:
            blocks.append(run(block))
    return np.concatenate(blocks)


def halving_batches(
    run: Run, batch: np.ndarray, batch_size: int, out_of_memory: type[Exception]
) -> tuple[np.ndarray, int]:
    """(run's rows for `batch` in blocks as fixed_batches makes them, the batch size that fitted into memory).

    When `run` raises `out_of_memory` (torch.OutOfMemoryError), the batch size is halved, with a warning, and every row
    is run again in blocks of the new size, so that all rows come from blocks of one shape.
    Raises ModelError when not even one row fits.
    """
    while True:
        try:
            return fixed_batches(run, batch, batch_size), batch_size
        except out_of_memory as error:
            # Only the text is kept: the exception's frames would hold the tensors that have to go.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if batch_size == 1:
            raise ModelError(
                f"the device's memory does not hold a batch of one ({reason}); free memory on it, "
                "or take another `device`"
            )
        warnings.warn(
            f"a batch of {batch_size} did not fit into the device's memory; going on with {batch_size // 2}",
            stacklevel=2,
        )
        batch_size //= 2


def nan_where_not_finite(predict: Run, batch: np.ndarray) -> np.ndarray:
    """predict's rows for a batch of signals; NaN for a signal with a value that is not finite, which it never sees."""
    finite = np.isfinite(batch).all(axis=tuple(range(1, batch.ndim)))
    if finite.all():
        return predict(batch)
    probabilities = predict(np.where(finite.reshape(-1, *[1] * (batch.ndim - 1)), batch, batch.dtype.type(0)))
    return np.where(finite[:, np.newaxis], probabilities, np.float32(np.nan))
