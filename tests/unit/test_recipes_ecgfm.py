"""ECG-FM's preparation: the linear rule, standardisation over the whole recording, windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import TooShort, UnreadableFile
from twelvelead.recipes.ecgfm import N_SAMPLES, SAMPLING_RATE_HZ, SHAPE, prepare, resampled_length


def noise(n: int, seed: int = 0) -> np.ndarray:
    """(12, n) float32, another offset and size on each lead."""
    random = np.random.default_rng(seed)
    offset, size = random.uniform(-5, 5, (12, 1)), random.uniform(0.05, 3, (12, 1))
    return (offset + size * random.normal(size=(12, n)).cumsum(axis=1) / 10).astype(np.float32)


def windows_by_definition(signal: np.ndarray, rate_hz: float) -> np.ndarray:
    """The rules in whole numbers: output i lies at i * (n_in - 1) / (n_out - 1) of the input."""
    n_in = signal.shape[1]
    n_out = int(n_in * 500 / rate_hz)
    before, part = divmod(np.arange(n_out) * (n_in - 1), n_out - 1)
    share_of_after = part / (n_out - 1)
    stored = signal.astype(np.float64)
    after = np.minimum(before + 1, n_in - 1)
    resampled = stored[:, before] * (1 - share_of_after) + stored[:, after] * share_of_after
    centred = resampled - resampled.mean(axis=1, keepdims=True)
    standardised = centred / resampled.std(axis=1, keepdims=True)
    return np.stack([standardised[:, start : start + 2500] for start in range(0, n_out - 2499, 2500)])


@settings(max_examples=25, deadline=None)
@given(
    st.one_of(st.sampled_from([100, 240, 250, 257, 400, 500, 977.5, 1000]), st.floats(90, 2000)),
    st.floats(5.1, 21),
    st.integers(0, 2**32 - 1),
)
def test_windows_follow_the_definition(rate_hz, duration_s, seed):
    signal = noise(int(rate_hz * duration_s), seed)
    windows = prepare(signal, rate_hz)
    expected = windows_by_definition(signal, rate_hz)
    assert windows.dtype == np.float32
    assert windows.flags.c_contiguous
    assert windows.shape == expected.shape
    # float32 keeps 6e-8 of a value.
    np.testing.assert_allclose(windows, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("n", "rate_hz", "n_windows"),
    [(2934, 400, 1), (4096, 400, 2), (5000, 500, 2), (4999, 500, 1), (2500, 500, 1), (7499, 500, 2), (10_000, 1000, 2)],
)
def test_number_of_windows(n, rate_hz, n_windows):
    assert prepare(noise(n), rate_hz).shape == (n_windows, *SHAPE)
    assert resampled_length(n, rate_hz) // N_SAMPLES == n_windows


@pytest.mark.parametrize(("n", "rate_hz", "expected"), [(2934, 400, 3667), (4096, 400, 5120), (3000, None, 5000)])
def test_a_resampled_length_is_rounded_down_and_10_s_where_the_file_gives_no_rate(n, rate_hz, expected):
    assert resampled_length(n, rate_hz) == expected


def test_at_500_hz_samples_are_only_standardised():
    signal = noise(5000).astype(np.float64)
    expected = (signal - signal.mean(axis=1, keepdims=True)) / signal.std(axis=1, keepdims=True)
    windows = prepare(signal.astype(np.float32), 500.0)
    np.testing.assert_allclose(np.hstack(list(windows)), expected, rtol=0, atol=1e-6)


def test_statistics_are_those_of_the_recording_and_not_of_a_window():
    step = np.repeat(np.array([[-1.0, 1.0, 3.0]]), 2500, axis=1)[:, :7000]  # the last 500 samples are in no window
    windows = prepare(np.repeat(step, 12, axis=0).astype(np.float32), 500)
    mean, sd = step.mean(), step.std()
    for window, level in zip(windows, (-1.0, 1.0), strict=True):
        np.testing.assert_allclose(window, (level - mean) / sd, rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.floats(-20, 20), st.sampled_from([-8.0, 0.25, 2.0, 208.0]))
def test_unit_and_offset_of_a_lead_do_not_matter_but_its_sign_does(offset, factor):
    signal = noise(4096).astype(np.float64)
    changed = prepare(signal * factor + offset, 400)
    np.testing.assert_allclose(changed, np.sign(factor) * prepare(signal, 400), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [400, 500])
@pytest.mark.parametrize("level", [0.0, 0.1, -7.3, 1e30, 1e-40])
def test_a_constant_lead_becomes_zero(level, rate_hz):
    signal = noise(4096)
    others = prepare(signal, rate_hz)[:, 1:]
    signal[0] = level
    windows = prepare(signal, rate_hz)
    assert (windows[:, 0] == 0).all()
    assert windows[:, 1:].tobytes() == others.tobytes()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("everywhere", [True, False])
def test_a_lead_that_is_not_finite_is_nan_and_never_zero(value, everywhere):
    signal = noise(4096)
    signal[3, slice(None) if everywhere else 2000] = value
    windows = prepare(signal, 400)
    assert np.isnan(windows[:, 3]).all()
    assert np.isfinite(np.delete(windows, 3, axis=1)).all()


@pytest.mark.parametrize(("n", "rate_hz", "found"), [(2499, 500, 2499), (1999, 400, 2498), (1, 500, 1), (0, 250, 0)])
def test_less_than_a_window_is_too_short(n, rate_hz, found):
    with pytest.raises(TooShort, match=rf"{n} samples at {rate_hz} Hz are {found} at 500 Hz, needed at least 2500"):
        prepare(np.zeros((12, n), dtype=np.float32), rate_hz)
    assert prepare(noise(2500), 500).shape == (1, *SHAPE)


@pytest.mark.parametrize("n", [2500, 2934, 4096, 5000, 9777])
def test_without_a_rate_a_recording_lasts_ten_seconds(n):
    windows = prepare(noise(n), None)
    assert windows.shape == (10 * SAMPLING_RATE_HZ // N_SAMPLES, *SHAPE)
    np.testing.assert_allclose(windows, windows_by_definition(noise(n), n / 10 * (1 - 1e-12)), rtol=1e-6, atol=1e-6)


def test_without_a_rate_fewer_samples_than_250_a_second_are_too_short():
    with pytest.raises(TooShort, match="2499 samples and no sampling rate, needed at least 2500"):
        prepare(noise(2499), None)


@pytest.mark.parametrize("rate_hz", [0.0, -500.0, np.nan, np.inf])
def test_a_rate_that_is_none_is_refused(rate_hz):
    with pytest.raises(UnreadableFile, match="sampling rate of .* Hz, expected a positive one"):
        prepare(noise(5000), rate_hz)


@pytest.mark.parametrize("shape", [(5000, 12), (11, 5000), (5000,), (1, 12, 5000)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(12, n\)"):
        prepare(np.zeros(shape, dtype=np.float32), 500)
