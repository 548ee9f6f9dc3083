"""What a device does before it writes a file: whole counts, and the median beat."""

import numpy as np

from twelvelead.demo.simulate import Simulated

MEDIAN_BEAT_S = 1.2
_BEFORE_R_PEAK_S = 0.48


def counts(signal_mv: np.ndarray, uv_per_count: float) -> np.ndarray:
    """int16 counts nearest to `signal_mv`, of the same shape; clipped at the ends of the range."""
    return np.clip(np.rint(signal_mv.astype(float) * 1000 / uv_per_count), -32768, 32767).astype("<i2")


def median_beat_mv(simulated: Simulated) -> np.ndarray:
    """(12, 1.2 s of samples) float32: the median of the beats that are not ectopic, aligned at their R peaks."""
    rate_hz = simulated.sampling_rate_hz
    r_peaks = np.rint(simulated.r_peaks_s[~simulated.ectopic] * rate_hz).astype(int)
    offsets = np.arange(round(MEDIAN_BEAT_S * rate_hz)) - round(_BEFORE_R_PEAK_S * rate_hz)
    positions = np.clip(r_peaks[:, None] + offsets, 0, simulated.signal_mv.shape[1] - 1)
    return np.median(simulated.signal_mv[:, positions], axis=1)


def bazett_ms(simulated: Simulated) -> int:
    return round(1000 * simulated.qt_interval_s / np.sqrt(60 / simulated.heart_rate_bpm))
