"""Blocks of one shape, several at a time, and smaller ones when memory runs out."""

import threading
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import ModelError
from twelvelead.models.batching import fixed_batches, halving_batches, in_order, nan_where_not_finite


class Device:
    """Doubles its input, a batch of at most `holds` rows at once; remembers what it was given and how many at a time.

    seconds  for how long it works on a block, from the block's first value
    """

    def __init__(self, holds=1000, seconds=lambda first: 0.0):
        self.holds = holds
        self.seconds = seconds
        self.sizes = []
        self.filled = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()

    def __call__(self, block):
        with self._lock:
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            self.sizes.append(len(block))
            self.filled.append(int((block == 0).all(axis=1).sum()))
        try:
            time.sleep(self.seconds(block.flat[0]))
            if len(block) > self.holds:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
            return block * 2
        finally:
            with self._lock:
                self._in_flight -= 1


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 30), size=st.integers(1, 12), workers=st.sampled_from([1, 2, 3, 8]), seed=st.integers(0, 9))
def test_blocks_of_one_size_a_few_at_a_time_and_every_row_its_result(rows, size, workers, seed):
    """Blocks take times that differ, so that they do not end in the order in which they began."""
    times = np.random.default_rng(seed).uniform(0, 0.003, rows + 1)
    device = Device(seconds=lambda first: times[int(first) // 3])
    batch = np.arange(1, rows * 3 + 1, dtype=np.float32).reshape(rows, 3)
    np.testing.assert_array_equal(fixed_batches(device, batch, size, workers), batch * 2)
    assert set(device.sizes) == {size}
    assert len(device.sizes) == -(-rows // size)
    assert sum(device.filled) == -rows % size
    assert 1 <= device.most_in_flight <= workers


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_as_many_blocks_run_at_once_as_there_are_workers(workers):
    """Each block waits for the others of its round: with fewer workers none would ever end."""
    together = threading.Barrier(workers)

    def waits(block):
        together.wait(timeout=20)
        return block

    batch = np.ones((2 * workers, 1), dtype=np.float32)
    assert fixed_batches(waits, batch, 1, workers).shape == batch.shape


def test_one_worker_is_the_callers_thread_and_more_end_with_the_call():
    assert in_order(lambda _: threading.current_thread(), range(3), 1) == [threading.current_thread()] * 3
    workers = set(in_order(lambda _: threading.current_thread(), range(9), 3))
    assert threading.current_thread() not in workers
    assert not any(worker.is_alive() for worker in workers)


def test_no_more_blocks_are_held_than_there_are_workers():
    """A batch mapped from a file is read as it is computed."""
    cut, done, held = [], [], []

    class Watched(np.ndarray):
        def __getitem__(self, rows):
            cut.append(rows)
            return np.asarray(super().__getitem__(rows))

    def run(block):
        held.append(len(cut) - len(done))
        time.sleep(0.001)
        done.append(block)
        return block

    fixed_batches(run, np.ones((40, 1), dtype=np.float32).view(Watched), 2, workers=3)
    assert len(cut) == 20
    assert max(held) <= 3


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_first_failure_in_order_is_raised_and_what_is_not_begun_is_left(workers):
    begun = []

    def run(item):
        begun.append(item)
        time.sleep(0.02 if item == 3 else 0.001)
        if item in (3, 4):
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match="item 3"):
        in_order(run, range(2000), workers)
    assert len(begun) < 1000


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 30), size=st.integers(1, 16), holds=st.integers(1, 16), workers=st.sampled_from([1, 2, 3, 8])
)
def test_out_of_memory_halves_until_a_block_fits(rows, size, holds, workers):
    device = Device(holds)
    batch = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, fitted = halving_batches(device, batch, size, torch.OutOfMemoryError, workers)
    np.testing.assert_array_equal(found, batch * 2)
    assert fitted <= holds
    assert fitted == size or 2 * fitted + 1 > holds
    # No block of the former size is still under way when the next size begins.
    assert device.sizes == sorted(device.sizes, reverse=True)
    assert device.sizes.count(fitted) == -(-rows // fitted)
    if workers == 1:
        tried = [attempt for attempt in device.sizes if attempt > holds]
        assert len(set(tried)) == len(tried)


def test_halving_is_said():
    with pytest.warns(UserWarning, match="a batch of 8 did not fit into the device's memory; going on with 4"):
        halving_batches(Device(holds=4), np.ones((3, 2), dtype=np.float32), 8, torch.OutOfMemoryError)


def test_out_of_memory_in_a_late_block_leaves_all_rows_of_one_shape():
    class Filling(Device):
        def __call__(self, block):
            if len(self.sizes) == 2:
                self.holds = 2
            return super().__call__(block)

    device = Filling()
    batch = np.arange(24, dtype=np.float32).reshape(12, 2)
    with pytest.warns(UserWarning, match="going on with 2"):
        found, fitted = halving_batches(device, batch, 4, torch.OutOfMemoryError)
    np.testing.assert_array_equal(found, batch * 2)
    assert fitted == 2
    assert device.sizes == [4, 4, 4, *[2] * 6]


def test_not_even_one_row_fits():
    with (
        pytest.warns(UserWarning, match="going on with 1"),
        pytest.raises(ModelError, match=r"batch of one \(CUDA out of memory. Tried to allocate 2.00 GiB.\); free"),
    ):
        halving_batches(Device(holds=0), np.ones((5, 2), dtype=np.float32), 2, torch.OutOfMemoryError)


@pytest.mark.parametrize("workers", [1, 3])
def test_another_error_is_not_swallowed(workers):
    def broken(block):
        raise ValueError("of the model")

    with pytest.raises(ValueError, match="of the model"):
        halving_batches(broken, np.ones((5, 2), dtype=np.float32), 2, torch.OutOfMemoryError, workers)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_signal_that_is_not_finite_gets_nan_and_is_not_handed_on(value):
    batch = np.ones((3, 2, 4), dtype=np.float32)
    batch[1, 0, 2] = value
    handed_on = []

    def sums(block):
        handed_on.append(block)
        return block.sum(axis=2)

    found = nan_where_not_finite(sums, batch)
    assert found.dtype == np.float32
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], np.full((2, 2), 4, dtype=np.float32))
    assert np.isfinite(handed_on[0]).all()
