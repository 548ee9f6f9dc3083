"""The openecg package's codec: some leads, the first 10 s at 500 Hz, in mV.

The codec's own rank normalisation is left to models/openecg.py: the spike detector beside it needs the signal.
"""

from collections.abc import Mapping

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.errors import ConfigError
from twelvelead.recipes.resampling import to_rate

SAMPLING_RATE_HZ = 500
N_SAMPLES = 5000
DEFAULT_LEADS = ("I", "II", "V1", "V5")
SHAPE = (len(DEFAULT_LEADS), N_SAMPLES)


def leads_of(settings: Mapping) -> tuple[str, ...]:
    """The leads that `settings["leads"]` names, DEFAULT_LEADS where it is absent. Raises ConfigError."""
    leads = settings.get("leads", DEFAULT_LEADS)
    well_formed = isinstance(leads, list | tuple) and leads and all(lead in LEADS for lead in leads)
    if not well_formed or len(set(leads)) < len(leads):
        raise ConfigError(f"settings of an openecg model: leads is {leads!r}, expected a list of {', '.join(LEADS)}")
    return tuple(leads)


def prepare(signal: np.ndarray, sampling_rate_hz: float | None, settings: Mapping | None = None) -> np.ndarray:
    """(leads, 5000) float32 in mV: the leads of `settings`, the first 10 s at 500 Hz, of a (12, n) signal in mV.

    At exactly 500 Hz the samples pass unchanged; another rate is resampled with an anti-aliasing filter.
    Raises TooShort where the signal ends before 10 s.
    """
    twelve = to_rate(signal, sampling_rate_hz, SAMPLING_RATE_HZ, duration_s=10, method="polyphase")
    return twelve[[LEADS.index(lead) for lead in leads_of(settings or {})]]
