"""ECG-FM's preparation: 12 leads at 500 Hz, each lead standardised over the recording, in windows of 5 s.

The rules are those of ECG-FM's inference pipeline (github.com/bowang-lab/ECG-FM, github.com/Jwoo5/fairseq-signals).
Resampling is linear without an anti-aliasing filter, since the models were trained on signals made so.
"""

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.errors import TooShort, UnreadableFile
from twelvelead.recipes.resampling import ASSUMED_DURATION_S, shortage

SAMPLING_RATE_HZ = 500
WINDOW_S = 5
N_SAMPLES = WINDOW_S * SAMPLING_RATE_HZ
SHAPE = (len(LEADS), N_SAMPLES)  # of one window


def prepare(signal: np.ndarray, sampling_rate_hz: float | None) -> np.ndarray:
    """(n_windows, 12, 2500) float32 without unit: the whole recording in 5 s windows in order, the remainder dropped.

    signal            (12, n) in any unit, since every lead is brought to mean 0 and standard deviation 1
    sampling_rate_hz  None where the file does not say; it is then taken to last exactly 10 s
    A constant lead becomes 0; a lead with a value that is not finite becomes NaN.
    Raises TooShort for fewer than 2500 samples at 500 Hz or, without a sampling rate, for fewer than 2500 samples;
    UnreadableFile for a sampling rate that is none.
    """
    if signal.ndim != 2 or len(signal) != len(LEADS):
        raise ValueError(f"signal of shape {signal.shape}, expected ({len(LEADS)}, n)")
    n_resampled = resampled_length(signal.shape[1], sampling_rate_hz)
    n_windows = n_resampled // N_SAMPLES
    windows = np.empty((n_windows, *SHAPE), dtype=np.float32)
    for row, lead in enumerate(signal):
        standardised = _standardised(_resampled(lead, n_resampled))
        windows[:, row] = standardised[: n_windows * N_SAMPLES].reshape(n_windows, N_SAMPLES)
    return windows


def resampled_length(n: int, sampling_rate_hz: float | None) -> int:
    """The number of samples at 500 Hz that the recipe makes of n; arguments and errors as for `prepare`."""
    if sampling_rate_hz is None:
        lacking = shortage(n, None, ASSUMED_DURATION_S)
        if lacking:
            raise TooShort(lacking)
        return ASSUMED_DURATION_S * SAMPLING_RATE_HZ
    if not (np.isfinite(sampling_rate_hz) and sampling_rate_hz > 0):
        raise UnreadableFile(
            f"sampling rate of {sampling_rate_hz:g} Hz, expected a positive one; correct it in the file"
        )
    n_resampled = int(n * SAMPLING_RATE_HZ / sampling_rate_hz)
    if n_resampled < N_SAMPLES:
        raise TooShort(
            f"{n} samples at {sampling_rate_hz:g} Hz are {n_resampled} at {SAMPLING_RATE_HZ} Hz, needed at least "
            f"{N_SAMPLES} ({WINDOW_S} s)"
        )
    return n_resampled


def _resampled(lead: np.ndarray, n_resampled: int) -> np.ndarray:
    """(n_resampled,) float64: the lead stretched so that its first and last samples stay the first and last."""
    if len(lead) == n_resampled:
        return lead.astype(np.float64)
    return np.interp(np.arange(n_resampled), np.linspace(0, n_resampled - 1, len(lead)), lead)


def _standardised(lead: np.ndarray) -> np.ndarray:
    if not np.isfinite(lead).all():
        return np.full_like(lead, np.nan)
    # Not by the standard deviation, which rounding makes greater than 0 for a constant such as 0.1.
    if lead.min() == lead.max():
        return np.zeros_like(lead)
    centred = lead - lead.mean()
    return centred / np.sqrt(np.mean(centred * centred))
