"""What reaches the electrodes besides the heart: muscle, mains, breathing and skin."""

from dataclasses import dataclass

import numpy as np

# RA, LA, LL, V1 to V6. Noise enters at electrodes, so leads that share one share its noise.
_ELECTRODES = 9
_WILSON = [-1 / 3, -1 / 3, -1 / 3]
LEADS_FROM_ELECTRODES = np.array(
    [[-1, 1, 0] + [0] * 6, [-1, 0, 1] + [0] * 6]
    + [_WILSON + [float(column == row) for column in range(6)] for row in range(6)],
    dtype=float,
)


@dataclass(frozen=True)
class Noise:
    """Root mean square per electrode of muscle noise and baseline drift, amplitude of the mains hum; all in mV."""

    muscle_mv: float = 0.008
    drift_mv: float = 0.04
    mains_mv: float = 0.005
    mains_hz: float = 60.0


NO_NOISE = Noise(muscle_mv=0.0, drift_mv=0.0, mains_mv=0.0)


def recorded_noise(noise: Noise, rng: np.random.Generator, samples: int, sampling_rate_hz: float) -> np.ndarray:
    """(8, samples) mV in the recorded leads I, II, V1 to V6."""
    time_s = np.arange(samples) / sampling_rate_hz
    electrodes = (
        _muscle(noise.muscle_mv, rng, time_s, sampling_rate_hz)
        + _drift(noise.drift_mv, rng, time_s)
        + _mains(noise.mains_mv, noise.mains_hz, rng, time_s)
    )
    return LEADS_FROM_ELECTRODES @ electrodes


def _muscle(rms_mv: float, rng: np.random.Generator, time_s: np.ndarray, sampling_rate_hz: float) -> np.ndarray:
    """Surface EMG, strongest from 30 to 100 Hz, waxing and waning, over the 1/f noise of the electrode contact."""
    frequency_hz = np.fft.rfftfreq(time_s.size, 1 / sampling_rate_hz)
    emg_gain = frequency_hz / (frequency_hz + 25) / (1 + (frequency_hz / 110) ** 4)
    contact_gain = 0.5 / np.sqrt(np.maximum(frequency_hz, 0.5))
    white = rng.standard_normal((2, _ELECTRODES, time_s.size))
    emg, contact = np.fft.irfft(np.fft.rfft(white) * np.stack([emg_gain, contact_gain])[:, None], n=time_s.size)
    phase = rng.uniform(0, 2 * np.pi, (_ELECTRODES, 1))
    tension = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.3, (_ELECTRODES, 1)) * time_s + phase)
    mixed = emg / emg.std() * tension + 0.4 * contact / contact.std()
    return rms_mv * mixed / mixed.std()


def _drift(rms_mv: float, rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    """Baseline drift from 0.1 to 0.4 Hz: three sines per electrode."""
    frequency_hz = rng.uniform(0.1, 0.4, (3, _ELECTRODES, 1))
    phase = rng.uniform(0, 2 * np.pi, (3, _ELECTRODES, 1))
    return rms_mv * np.sqrt(2 / 3) * np.sin(2 * np.pi * frequency_hz * time_s + phase).sum(axis=0)


def _mains(amplitude_mv: float, mains_hz: float, rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    """The hum of one mains, of another strength at every electrode and nearly one phase."""
    strength = amplitude_mv * rng.lognormal(0, 0.4, (_ELECTRODES, 1))
    phase = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3, (_ELECTRODES, 1))
    return strength * np.sin(2 * np.pi * mains_hz * time_s + phase)
