"""Where the QRS complexes of a recording are. For judging a signal, not for measuring intervals."""

from dataclasses import dataclass

import numpy as np

INDEPENDENT_LEADS = (0, 1, 6, 7, 8, 9, 10, 11)  # positions in ecg.LEADS; of the limb leads, I and II say all

_LAG_S = 0.016
_ACTIVITY_S = 0.06
_BLOCK_S = 1.5  # holds a QRS down to 40 a minute
_THRESHOLD = 0.35
_APART_S = 0.15
_MEDIAN_BEAT_HZ = 100.0  # is enough for a wave's polarity


@dataclass(frozen=True)
class QrsComplexes:
    """positions: (beats,) samples at the middle of the complexes; duration_s: median time of their activity."""

    positions: np.ndarray
    duration_s: float
    sampling_rate_hz: float

    @property
    def per_min(self) -> float:
        """Heart rate from the median distance of the complexes; 0 with fewer than two."""
        if len(self.positions) < 2:
            return 0.0
        return 60 * self.sampling_rate_hz / float(np.median(np.diff(self.positions)))


def find_qrs(signal_mv: np.ndarray, sampling_rate_hz: float) -> QrsComplexes:
    """The QRS complexes of a (12, n) signal of 2 s or more, at 50 Hz or more.

    Activity is how much the leads change within 16 ms, each against its own steepest QRS, averaged over 60 ms; it
    lasts little longer than the QRS. A complex is where it exceeds 35 % of its usual maximum.
    """
    lag = max(1, round(_LAG_S * sampling_rate_hz))
    leads = signal_mv[list(INDEPENDENT_LEADS)]
    change = np.abs(leads[:, lag:] - leads[:, :-lag])
    steepest = _usual_maximum(change, sampling_rate_hz)
    weights = np.divide(1, steepest, out=np.zeros_like(steepest), where=steepest > 0)
    width = max(1, round(_ACTIVITY_S * sampling_rate_hz))
    activity = np.convolve(weights @ change, np.full(width, 1 / width), mode="same")
    starts, ends = runs(activity > _THRESHOLD * _usual_maximum(activity, sampling_rate_hz))
    if not starts.size:
        return QrsComplexes(starts, 0.0, sampling_rate_hz)
    # What starts within 150 ms of an end belongs to the same QRS or is its T wave.
    is_new = np.r_[True, starts[1:] - ends[:-1] > _APART_S * sampling_rate_hz]
    starts, ends = starts[is_new], ends[np.r_[is_new[1:], True]]
    positions = [start + int(np.argmax(activity[start:end])) for start, end in zip(starts, ends, strict=True)]
    duration_s = float(np.median(ends - starts)) / sampling_rate_hz
    return QrsComplexes(np.array(positions) + lag // 2, duration_s, sampling_rate_hz)


def median_beat(leads_mv: np.ndarray, qrs: QrsComplexes, before_s: float, after_s: float) -> tuple[np.ndarray, float]:
    """(leads, samples) median of the beats around the QRS, and its sampling rate, which is 100 Hz or little more.

    The QRS lies `before_s` after the start. Without two beats that are whole, it has no samples.
    """
    step = max(1, int(qrs.sampling_rate_hz / _MEDIAN_BEAT_HZ))
    rate_hz = qrs.sampling_rate_hz / step
    before, after = round(before_s * rate_hz), round(after_s * rate_hz)
    is_whole = (qrs.positions >= before * step) & (qrs.positions < leads_mv.shape[1] - after * step)
    positions = qrs.positions[is_whole]
    if len(positions) < 2:
        return np.empty((len(leads_mv), 0), dtype=leads_mv.dtype), rate_hz
    return np.median(leads_mv[:, positions[:, None] + np.arange(-before, after) * step], axis=1), rate_hz


def runs(is_true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First positions of the runs of True, and the positions after their ends."""
    turns = np.flatnonzero(np.diff(is_true, prepend=False, append=False))
    return turns[::2], turns[1::2]


def _usual_maximum(values: np.ndarray, sampling_rate_hz: float) -> np.ndarray:
    """Median over blocks of 1.5 s of the maximum, so that neither one artefact nor one ectopic beat decides."""
    n = values.shape[-1]
    block = min(int(_BLOCK_S * sampling_rate_hz), n)
    blocks = values[..., : n // block * block].reshape(*values.shape[:-1], n // block, block)
    return np.median(blocks.max(axis=-1), axis=-1)
