"""From a file's sampling rate to a model's."""

import numpy as np
import pytest

from twelvelead.errors import ConfigError, TooShort, UnreadableFile
from twelvelead.recipes.resampling import to_rate


def sines(frequency_hz: float, rate_hz: float, n: int, offset: float = 0.0) -> np.ndarray:
    """(12, n) float32, a different phase on each lead."""
    phases = np.arange(12)[:, None] / 3
    return (np.sin(2 * np.pi * frequency_hz * np.arange(n) / rate_hz + phases) + offset).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 240.0, 257.0, 300.0, 360.0, 400.0, 500.0, 977.5, 1000.0, 2000.0])
@pytest.mark.parametrize("target_rate_hz", [250, 500])
def test_polyphase_keeps_a_sine(rate_hz, target_rate_hz):
    signal = sines(7.0, rate_hz, int(rate_hz * 12))
    resampled = to_rate(signal, rate_hz, target_rate_hz, method="polyphase")
    expected = sines(7.0, target_rate_hz, target_rate_hz * 10)
    assert resampled.shape == (12, target_rate_hz * 10)
    assert resampled.dtype == np.float32
    at_start = int(target_rate_hz * 0.2)  # nothing lies before the first sample, so the filter is not settled there
    assert np.abs(resampled - expected)[:, at_start:].max() < 0.01


@pytest.mark.parametrize("rate_hz", [400.0, 500.0, 1000.0])
def test_an_offset_does_not_ring_at_the_ends(rate_hz):
    signal = sines(1.0, rate_hz, int(rate_hz * 10), offset=1e4)
    resampled = to_rate(signal, rate_hz, 250, method="polyphase")
    assert np.abs(resampled - sines(1.0, 250, 2500, offset=1e4)).max() < 0.1


def test_samples_after_the_end_are_context():
    signal = sines(7.0, 500, 6000)
    expected = sines(7.0, 250, 2500)
    with_context = np.abs(to_rate(signal, 500.0, 250, method="polyphase") - expected)[:, -20:].max()
    without = np.abs(to_rate(signal[:, :5000], 500.0, 250, method="polyphase") - expected)[:, -20:].max()
    assert with_context < 1e-3 < without


def test_only_the_polyphase_method_removes_what_would_alias():
    signal = sines(180.0, 500, 6000)  # 180 Hz is 70 Hz at 250 samples a second
    assert np.abs(to_rate(signal, 500.0, 250, method="polyphase")[:, 50:]).max() < 0.01
    assert np.abs(to_rate(signal, 500.0, 250, method="decimate")).max() > 0.9


@pytest.mark.parametrize(("rate_hz", "every"), [(250.0, 1), (500.0, 2), (1000.0, 4)])
def test_decimate_takes_every_kth_sample(rate_hz, every):
    signal = sines(3.0, rate_hz, int(rate_hz * 11))
    assert to_rate(signal, rate_hz, 250).tobytes() == signal[:, : int(rate_hz * 10) : every].tobytes()


def test_decimate_falls_back_to_polyphase():
    signal = sines(3.0, 400, 4000)
    assert to_rate(signal, 400.0, 250).tobytes() == to_rate(signal, 400.0, 250, method="polyphase").tobytes()


def test_the_right_rate_is_left_alone():
    signal = sines(3.0, 250, 2600)
    assert to_rate(signal, 250.0, 250, method="polyphase").tobytes() == signal[:, :2500].tobytes()


def test_without_a_rate_the_file_lasts_the_duration():
    assert to_rate(sines(7.0, 500, 5000), None, 250).tobytes() == sines(7.0, 500, 5000)[:, ::2].tobytes()
    upsampled = to_rate(sines(7.0, 250, 2500), None, 500)
    assert np.abs(upsampled - sines(7.0, 500, 5000))[:, 100:-100].max() < 0.01
    with pytest.raises(TooShort, match="2499 samples and no sampling rate, needed at least 2500"):
        to_rate(sines(7.0, 250, 2499), None, 500)


def test_too_short_says_found_and_needed():
    with pytest.raises(TooShort, match=r"9\.998 s at 500 Hz, needed the first 10 s"):
        to_rate(sines(7.0, 500, 4999), 500.0, 250)


def test_half_a_sample_is_rounding():
    # 10 s at 249.95 Hz are 2499.5 samples.
    signal = sines(7.0, 249.95, 2499)
    resampled = to_rate(signal, 249.95, 250)
    assert resampled.shape == (12, 2500)
    assert np.abs(resampled - sines(7.0, 250, 2500))[:, 50:-50].max() < 0.01


@pytest.mark.parametrize("duration_s", [2.5, 5.0])
def test_other_durations(duration_s):
    resampled = to_rate(sines(7.0, 500, 5000), 500.0, 250, duration_s)
    assert resampled.shape == (12, round(250 * duration_s))


@pytest.mark.parametrize("rate_hz", [0.0, -500.0, float("nan"), float("inf")])
def test_impossible_rates(rate_hz):
    with pytest.raises(UnreadableFile, match="sampling rate"):
        to_rate(sines(7.0, 500, 5000), rate_hz, 250)


def test_unknown_method():
    with pytest.raises(ConfigError, match="'fourier' is unknown"):
        to_rate(sines(7.0, 500, 5000), 500.0, 250, method="fourier")
