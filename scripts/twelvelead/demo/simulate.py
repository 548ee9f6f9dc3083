"""Twelve-lead ECGs with a known rhythm, from a moving heart vector, for the demo and for tests."""

from dataclasses import dataclass

import numpy as np

from twelvelead.demo import heart
from twelvelead.demo.heart import Waves
from twelvelead.demo.noise import Noise, recorded_noise
from twelvelead.errors import ConfigError


@dataclass(frozen=True)
class Simulated:
    """A simulated recording and what is true of it.

    signal_mv       (12, samples) float32, leads in the order of twelvelead.ecg.LEADS
    r_peaks_s       (beats,) float64: when the heart vector of each QRS within the recording is longest
    ectopic         (beats,) bool: a premature ventricular complex
    heart_rate_bpm  mean ventricular rate of the recording
    pr_interval_s   None where no P wave leads to a QRS
    """

    signal_mv: np.ndarray
    sampling_rate_hz: float
    rhythm: str
    r_peaks_s: np.ndarray
    ectopic: np.ndarray
    heart_rate_bpm: float
    pr_interval_s: float | None
    qrs_duration_s: float
    qt_interval_s: float


@dataclass(frozen=True)
class Pattern:
    """What a rhythm looks like: usual ventricular rates (beats per minute), PR interval (ms), QRS and T waves."""

    rate_bpm: tuple[float, float]
    pr_ms: tuple[float, float] | None
    qrs: Waves
    t_wave: Waves


PATTERNS = {
    "sinus": Pattern((50, 115), (130, 185), heart.QRS_NORMAL, heart.T_NORMAL),
    "atrial_fibrillation": Pattern((60, 140), None, heart.QRS_NORMAL, heart.T_NORMAL),
    "first_degree_av_block": Pattern((50, 80), (240, 340), heart.QRS_NORMAL, heart.T_NORMAL),
    "left_bundle_branch_block": Pattern((55, 95), (150, 195), heart.QRS_LBBB, heart.T_LBBB),
    "right_bundle_branch_block": Pattern((55, 95), (140, 195), heart.QRS_RBBB, heart.T_RBBB),
    "ventricular_paced": Pattern((60, 80), None, heart.QRS_PACED, heart.T_PACED),
    "premature_ventricular_complexes": Pattern((60, 90), (135, 185), heart.QRS_NORMAL, heart.T_NORMAL),
}
RHYTHMS = tuple(PATTERNS)

# Beats are laid out beyond both ends, so that the recording starts and stops in the middle of a rhythm.
_MARGIN_S = 2.0


@dataclass(frozen=True)
class _Timing:
    """When atria and ventricles are due, in seconds; rr_s is the interval before each ventricular beat."""

    ventricles_s: np.ndarray
    rr_s: np.ndarray
    ectopic: np.ndarray
    atria_s: np.ndarray


@dataclass(frozen=True)
class _Subject:
    """One person's conduction times and the orientation and strength of the heart."""

    pr_s: float | None
    p_wave: Waves
    qrs: Waves
    t_wave: Waves
    ectopic_qrs: Waves
    ectopic_t_wave: Waves
    respiration_hz: float


def simulate(
    rhythm: str,
    rng: np.random.Generator,
    *,
    heart_rate_bpm: float | None = None,
    noise: Noise | None = None,
    sampling_rate_hz: float = 500.0,
    duration_s: float = 10.0,
) -> Simulated:
    """A 12-lead ECG of `rhythm` (one of RHYTHMS); every random choice comes from `rng`.

    heart_rate_bpm  mean rate the rhythm is drawn around; None draws it from the rhythm's usual range
    noise           None takes Noise()
    Limb leads III, aVR, aVL and aVF follow from I and II exactly, with noise and without it.
    Raises ConfigError for an unknown rhythm.
    """
    if rhythm not in PATTERNS:
        raise ConfigError(f"unknown rhythm {rhythm!r}; expected one of {', '.join(RHYTHMS)}")
    pattern = PATTERNS[rhythm]
    rate_bpm = rng.uniform(*pattern.rate_bpm) if heart_rate_bpm is None else heart_rate_bpm
    subject = _subject(pattern, rate_bpm, rng)
    timing = _timing(rhythm, 60 / rate_bpm, subject, duration_s, rng)
    time_s = np.arange(round(duration_s * sampling_rate_hz)) / sampling_rate_hz

    onset_s, peak_s, offset_s = heart.qrs_span_s(subject.qrs)
    qt_s = _qt_interval_s(60 / rate_bpm, offset_s - onset_s)
    heart_vector = _heart_waves(rhythm, subject, timing, rng).heart_vector(time_s)
    if rhythm == "atrial_fibrillation":
        heart_vector += fibrillatory_waves(time_s, rng)
    lead_field = heart.DOWER.copy()
    lead_field[2:] *= rng.lognormal(0, 0.08, (6, 1))  # chest electrodes are never quite where they belong
    recorded_mv = lead_field @ heart_vector
    recorded_mv += recorded_noise(Noise() if noise is None else noise, rng, time_s.size, sampling_rate_hz)

    peaks_s = timing.ventricles_s + np.where(timing.ectopic, heart.qrs_span_s(subject.ectopic_qrs)[1], peak_s)
    inside = (peaks_s >= 0) & (peaks_s < duration_s)
    return Simulated(
        signal_mv=heart.twelve_leads_from_recorded(recorded_mv.astype(np.float32)),
        sampling_rate_hz=sampling_rate_hz,
        rhythm=rhythm,
        r_peaks_s=peaks_s[inside],
        ectopic=timing.ectopic[inside],
        heart_rate_bpm=float(60 / np.diff(peaks_s[inside]).mean()),
        pr_interval_s=subject.pr_s,
        qrs_duration_s=float(offset_s - onset_s),
        qt_interval_s=float(qt_s),
    )


def _subject(pattern: Pattern, rate_bpm: float, rng: np.random.Generator) -> _Subject:
    turn = heart.rotation(rng.normal(0, 9), rng.normal(0, 7))
    strength = rng.lognormal(0, 0.15)

    def personal(waves: Waves, spread: float) -> Waves:
        return waves.turned(turn, strength * rng.lognormal(0, spread, waves.centre_s.size))

    pr_s = None
    if pattern.pr_ms is not None:
        # PR shortens by about 0.2 ms per beat per minute in sinus rhythm.
        pr_s = rng.uniform(*pattern.pr_ms) / 1000 - 0.0002 * (rate_bpm - 70)
    return _Subject(
        pr_s=pr_s,
        p_wave=personal(heart.P_WAVE, 0.15),
        qrs=personal(pattern.qrs, 0.07),
        t_wave=personal(pattern.t_wave, 0.12),
        ectopic_qrs=personal(heart.QRS_ECTOPIC, 0.07),
        ectopic_t_wave=personal(heart.T_ECTOPIC, 0.10),
        respiration_hz=rng.uniform(0.18, 0.32),
    )


def _timing(rhythm: str, mean_rr_s: float, subject: _Subject, duration_s: float, rng: np.random.Generator) -> _Timing:
    start_s, stop_s = -_MARGIN_S - rng.uniform(0, mean_rr_s), duration_s + _MARGIN_S
    if rhythm == "atrial_fibrillation":
        ventricles_s = _irregular_beats(mean_rr_s, start_s, stop_s, rng)
        atria_s = np.empty(0)
    elif rhythm == "ventricular_paced":
        ventricles_s = np.arange(start_s, stop_s, mean_rr_s)
        # The sinus node goes on at its own, slower or faster, rate and leads to nothing.
        atria_s = _sinus_beats(60 / rng.uniform(55, 95), start_s, stop_s, subject.respiration_hz, rng)
    else:
        ventricles_s = _sinus_beats(mean_rr_s, start_s, stop_s, subject.respiration_hz, rng)
        atria_s = ventricles_s + heart.qrs_span_s(subject.qrs)[0] - subject.pr_s
    ectopic = np.zeros(ventricles_s.size, dtype=bool)
    rr_s = np.diff(ventricles_s, prepend=ventricles_s[0] - mean_rr_s)
    if rhythm == "premature_ventricular_complexes":
        every = int(rng.integers(3, 6))
        ectopic[int(rng.integers(1, every + 1)) :: every] = True
        # The ectopic beat comes early and the sinus beat due then finds the ventricle refractory: the next one comes
        # on time, two intervals after the last, the compensatory pause.
        early_s = rr_s * rng.uniform(0.36, 0.46)
        ventricles_s = np.where(ectopic, ventricles_s - early_s, ventricles_s)
    return _Timing(ventricles_s, rr_s, ectopic, atria_s)


def _sinus_beats(
    mean_rr_s: float, start_s: float, stop_s: float, respiration_hz: float, rng: np.random.Generator
) -> np.ndarray:
    """Beat times with respiratory sinus arrhythmia (1 to 4 %, less when fast) and 0.8 % of other variation."""
    count = int(np.ceil((stop_s - start_s) / mean_rr_s)) + 1
    arrhythmia = rng.uniform(0.01, 0.04) * min(1.0, mean_rr_s / 0.8)
    breath = np.sin(2 * np.pi * respiration_hz * mean_rr_s * np.arange(count) + rng.uniform(0, 2 * np.pi))
    rr_s = mean_rr_s * (1 + arrhythmia * breath + 0.008 * rng.standard_normal(count))
    return start_s + np.cumsum(rr_s)


def _irregular_beats(mean_rr_s: float, start_s: float, stop_s: float, rng: np.random.Generator) -> np.ndarray:
    """Beat times in atrial fibrillation: independent intervals that vary by 18 to 27 %, none below 0.3 s."""
    count = int(np.ceil(2 * (stop_s - start_s) / mean_rr_s)) + 4
    shape = 1 / rng.uniform(0.18, 0.27) ** 2
    times_s = start_s + np.cumsum(np.maximum(rng.gamma(shape, mean_rr_s / shape, count), 0.30))
    return times_s[times_s < stop_s]


def _qt_interval_s(rr_s: np.ndarray | float, qrs_duration_s: float) -> np.ndarray | float:
    """Fridericia's cube root for a QTc of 400 ms, longer by what a wide QRS adds."""
    return 0.400 * np.cbrt(rr_s) + 0.7 * max(qrs_duration_s - 0.100, 0.0)


def _heart_waves(rhythm: str, subject: _Subject, timing: _Timing, rng: np.random.Generator) -> Waves:
    """Every wave of every beat; breathing and chance change the strength of each beat by a few percent."""
    breath = np.sin(2 * np.pi * subject.respiration_hz * timing.ventricles_s)
    beat_gain = 1 + 0.04 * breath + 0.015 * rng.standard_normal(timing.ventricles_s.size)
    onset_s, _, offset_s = heart.qrs_span_s(subject.qrs)
    # Repolarisation follows the intervals of the last few beats more than the last one.
    memory_rr_s = 0.3 * timing.rr_s + 0.7 * timing.rr_s.mean()
    still = np.eye(3)
    parts = [subject.p_wave.moved(at_s) for at_s in timing.atria_s]
    for at_s, rr_s, gain, ectopic in zip(timing.ventricles_s, memory_rr_s, beat_gain, timing.ectopic, strict=True):
        qrs, t_wave = (subject.ectopic_qrs, subject.ectopic_t_wave) if ectopic else (subject.qrs, subject.t_wave)
        begin_s, _, end_s = heart.qrs_span_s(qrs) if ectopic else (onset_s, 0, offset_s)
        t_peak_s = begin_s + _qt_interval_s(rr_s, end_s - begin_s) - 2.2 * t_wave.fall_s[-1]
        # Waves narrow with the QT interval, or at 140 beats per minute T would drown P.
        pace = min(1.0, np.cbrt(rr_s))
        shaped = Waves(t_wave.centre_s * pace, t_wave.rise_s * pace, t_wave.fall_s * pace, t_wave.vector_mv)
        parts += [qrs.moved(at_s).turned(still, gain), shaped.moved(at_s + t_peak_s).turned(still, gain)]
    if rhythm == "ventricular_paced":
        parts.append(_pacing_spikes(timing.ventricles_s + onset_s - 0.004, rng))
    return heart.joined(parts)


def _pacing_spikes(at_s: np.ndarray, rng: np.random.Generator) -> Waves:
    """Stimuli about 2 ms wide; their size jitters, as a 2 ms stimulus sampled every 2 ms does."""
    size_mv = rng.uniform(1.0, 2.2) * rng.uniform(0.9, 1.1, at_s.size)
    direction = np.array([0.45, 0.70, 0.30])
    width_s = np.full(at_s.size, 0.0009)
    return Waves(at_s, width_s, width_s, size_mv[:, None] * direction)


def fibrillatory_waves(time_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(3, samples) mV: f waves, noise in a narrow band within 4 to 9 Hz and its harmonic, strongest in V1.

    The dominant atrial frequency and its spread follow Stridh and Soernmo, IEEE Trans Biomed Eng 2001;48:105-11.
    """
    dominant_hz = rng.uniform(5.0, 7.5)
    frequency_hz = np.fft.rfftfreq(time_s.size, time_s[1] - time_s[0])
    band = np.exp(-0.5 * ((frequency_hz - dominant_hz) / 0.7) ** 2)
    band += 0.3 * np.exp(-0.5 * ((frequency_hz - 2 * dominant_hz) / 1.0) ** 2)
    wavelets = np.fft.irfft(np.fft.rfft(rng.standard_normal((2, time_s.size))) * band, n=time_s.size)
    wavelets /= wavelets.std(axis=1, keepdims=True)
    # Right atrium towards V1, left atrium weaker and on its own.
    direction = np.array([(-0.028, 0.012), (0.036, 0.018), (-0.062, 0.020)])
    return rng.uniform(0.40, 0.85) * direction @ wavelets
