"""Signals through a model in blocks of one shape, so that an ECG's result depends on neither batch nor threads."""

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from twelvelead.errors import ModelError

Run = Callable[[np.ndarray], np.ndarray]
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(compute: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """compute's result for each item, in the items' order; at most `workers` are computed at a time.

    Each worker is a thread that ends with the call; a single worker is the caller's own thread. Cores are shared out
    between items and never within one, whose sums on two threads would not be those on one.
    Raises the exception of the first item, in their order, that fails; items not begun by then are left.
    """
    if workers == 1:
        return [compute(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(compute, items))


def fixed_batches(run: Run, batch: np.ndarray, batch_size: int, workers: int = 1) -> np.ndarray:
    """run's rows for `batch` (n > 0, ...), which gets blocks of exactly `batch_size`: the last one filled with zeros.

    `workers` blocks are cut from `batch` and run at a time, as by in_order; no more of it is held in memory.
    Kernels sum in an order that depends on the batch's size: a golden DeepECG model gave other last digits for 3 rows
    than for 16, and the same ones wherever the row stood among 16.
    """

    def rows_of_block(start: int) -> np.ndarray:
        block = batch[start : start + batch_size]
        if len(block) == batch_size:
            return run(block)
        filling = np.zeros((batch_size - len(block), *batch.shape[1:]), dtype=batch.dtype)
        return run(np.concatenate([block, filling]))[: len(block)]

    return np.concatenate(in_order(rows_of_block, range(0, len(batch), batch_size), workers))


def halving_batches(
    run: Run, batch: np.ndarray, batch_size: int, out_of_memory: type[Exception], workers: int = 1
) -> tuple[np.ndarray, int]:
    """(run's rows for `batch` in blocks as fixed_batches makes them, the batch size that fitted into memory).

    When `run` raises `out_of_memory` (torch.OutOfMemoryError), the batch size is halved, with a warning, and every row
    is run again in blocks of the new size, so that all rows come from blocks of one shape.
    Raises ModelError when not even one row fits.
    """
    while True:
        try:
            return fixed_batches(run, batch, batch_size, workers), batch_size
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
