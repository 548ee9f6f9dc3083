"""The openecg package's codec: four leads, the first 10 s at 500 Hz, in mV.

The codec's own rank normalisation is left to models/openecg.py: the spike detector beside it needs the signal.
"""

import numpy as np

from twelvelead import ecg
from twelvelead.recipes.resampling import to_rate

SAMPLING_RATE_HZ = 500
N_SAMPLES = 5000
# The codec reads one lead at a time; these look at the heart from the left, below, the right and the front.
LEADS = ("I", "II", "V1", "V5")
SHAPE = (len(LEADS), N_SAMPLES)


def prepare(signal: np.ndarray, sampling_rate_hz: float | None) -> np.ndarray:
    """(4, 5000) float32 in mV: LEADS of a (12, n) signal in mV, the first 10 s at 500 Hz.

    At exactly 500 Hz the samples pass unchanged; another rate is resampled with an anti-aliasing filter.
    Raises TooShort where the signal ends before 10 s.
    """
    chosen = signal[[ecg.LEADS.index(lead) for lead in LEADS]]
    return to_rate(chosen, sampling_rate_hz, SAMPLING_RATE_HZ, duration_s=10, method="polyphase")
