"""Blocks of one shape, and smaller ones when memory runs out."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import ModelError
from twelvelead.models.batching import fixed_batches, halving_batches, nan_where_not_finite


class Device:
    """Doubles its input, a batch of at most `holds` rows at once; remembers the sizes it was given."""

    def __init__(self, holds=1000):
        self.holds = holds
        self.sizes = []

    def __call__(self, block):
        self.sizes.append(len(block))
        if len(block) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
        return block * 2


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 30), size=st.integers(1, 12))
def test_every_block_has_the_same_size_and_every_row_its_result(rows, size):
    device = Device()
    batch = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    np.testing.assert_array_equal(fixed_batches(device, batch, size), batch * 2)
    assert set(device.sizes) == {size}
    assert len(device.sizes) == -(-rows // size)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 30), size=st.integers(1, 16), holds=st.integers(1, 16))
def test_out_of_memory_halves_until_a_block_fits(rows, size, holds):
    device = Device(holds)
    batch = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, fitted = halving_batches(device, batch, size, torch.OutOfMemoryError)
    np.testing.assert_array_equal(found, batch * 2)
    assert fitted <= holds
    assert fitted == size or 2 * fitted + 1 > holds
    tried = [attempt for attempt in device.sizes if attempt > holds]
    assert tried == sorted(tried, reverse=True)
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


def test_another_error_is_not_swallowed():
    def broken(block):
        raise ValueError("of the model")

    with pytest.raises(ValueError, match="of the model"):
        halving_batches(broken, np.ones((5, 2), dtype=np.float32), 2, torch.OutOfMemoryError)


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
