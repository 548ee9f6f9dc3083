"""The first seconds of a recording at the sampling rate a model was trained at."""

from fractions import Fraction

import numpy as np

from twelvelead.errors import ConfigError, TooShort, UnreadableFile

METHODS = ("decimate", "polyphase")
# Keeps the error of a rational approximation of any ratio below 1e-4, 1 ms over 10 s.
LARGEST_DENOMINATOR = 10_000
# DeepECG refuses arrays of fewer than 2500 samples; stretching them to 10 s would change their heart rate.
LOWEST_ASSUMED_RATE_HZ = 250
ASSUMED_DURATION_S = 10  # of a recording whose file gives no sampling rate


def to_rate(
    signal: np.ndarray,
    sampling_rate_hz: float | None,
    target_rate_hz: int,
    duration_s: float = 10,
    method: str = "decimate",
) -> np.ndarray:
    """(12, target_rate_hz * duration_s) float32: the first `duration_s` seconds of a (12, n) signal, in its units.

    sampling_rate_hz  None where the file does not say; it is then taken to last exactly `duration_s`
    method            "decimate" takes every k-th sample without an anti-aliasing filter, which is what DeepECG's
                      models saw, and is "polyphase" where the ratio is no integer; "polyphase" low-pass filters
    Raises TooShort where the signal ends more than half a sample before `duration_s` or, without a sampling rate, where
    the samples would be fewer than 250 a second.
    """
    if method not in METHODS:
        raise ConfigError(f"resampling: {method!r} is unknown, expected {' or '.join(METHODS)}")
    n = signal.shape[-1]
    _check_duration(n, sampling_rate_hz, target_rate_hz, duration_s)
    rate_hz = n / duration_s if sampling_rate_hz is None else sampling_rate_hz
    n_target = round(target_rate_hz * duration_s)
    ratio = rate_hz / target_rate_hz
    if ratio.is_integer() and (ratio == 1 or method == "decimate"):
        resampled = signal[:, :: int(ratio)]
    else:
        resampled = _polyphase(signal, rate_hz, target_rate_hz, duration_s)
    return np.ascontiguousarray(_cut(resampled, n_target), dtype=np.float32)


def shortage(
    n: int, sampling_rate_hz: float | None, duration_s: float, lowest_rate_hz: float = LOWEST_ASSUMED_RATE_HZ
) -> str:
    """What n samples lack of `duration_s`, found and needed; empty where they suffice."""
    if sampling_rate_hz is None:
        if n < lowest_rate_hz * duration_s:
            needed = f"{lowest_rate_hz * duration_s:g} ({duration_s:g} s at {lowest_rate_hz:g} Hz)"
            return f"{n} samples and no sampling rate, needed at least {needed}"
        return ""
    if n < duration_s * sampling_rate_hz - 0.5:  # half a sample of rounding
        return f"{n / sampling_rate_hz:.4g} s at {sampling_rate_hz:g} Hz, needed the first {duration_s:g} s"
    return ""


def _check_duration(n: int, sampling_rate_hz: float | None, target_rate_hz: int, duration_s: float) -> None:
    if sampling_rate_hz is not None and not (np.isfinite(sampling_rate_hz) and sampling_rate_hz > 0):
        raise UnreadableFile(
            f"sampling rate of {sampling_rate_hz:g} Hz, expected a positive one; correct it in the file"
        )
    lacking = shortage(n, sampling_rate_hz, duration_s, min(target_rate_hz, LOWEST_ASSUMED_RATE_HZ))
    if lacking:
        raise TooShort(lacking)


def _polyphase(signal: np.ndarray, rate_hz: float, target_rate_hz: int, duration_s: float) -> np.ndarray:
    # Importing scipy.signal takes most of a second, and most files are at a multiple of the target rate.
    from scipy.signal import resample_poly

    ratio = Fraction(target_rate_hz / rate_hz).limit_denominator(LARGEST_DENOMINATOR)
    # resample_poly's filter reaches 10 samples of the slower of the two rates to either side.
    reach = 10 * max(1.0, rate_hz / target_rate_hz) + 1
    with_context = signal[:, : int(np.ceil(duration_s * rate_hz + reach))].astype(np.float64)
    # The filter's gain at 0 Hz differs a little between its phases and at the ends, which a large offset would show.
    offset = with_context.mean(axis=-1, keepdims=True)
    # "line" continues the signal beyond its ends by the line through its first and last sample instead of by zeros.
    return resample_poly(with_context - offset, ratio.numerator, ratio.denominator, axis=-1, padtype="line") + offset


def _cut(signal: np.ndarray, n: int) -> np.ndarray:
    """The first n samples; the last is repeated where rounding of the duration left fewer."""
    lacking = n - signal.shape[-1]
    return signal[:, :n] if lacking <= 0 else np.pad(signal, ((0, 0), (0, lacking)), mode="edge")
