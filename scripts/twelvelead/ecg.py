"""A 12-lead ECG as its file holds it, and as twelve leads in one unit."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from twelvelead.errors import LeadMissing

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

# Einthoven's law (III) and Goldberger's augmented leads, as weights of leads I and II.
LIMB_LEADS_FROM_I_AND_II = {
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}

_ARRAYS = ("npy", "csv_samples", "parquet_samples")


@dataclass(frozen=True)
class Recording:
    """What a reader returns: the signal as stored, and how to turn it into mV. Never who the patient is.

    samples           (leads, samples) int16, int32 or float32, the values as the file stores them
    gain_mv           (leads,) float64, mV per stored unit
    offset_mv         (leads,) float64, mV at a stored value of 0
    sampling_rate_hz  None where the format does not say (NPY, DeepECG's base64)
    units             the units in the file's own words, e.g. "4.88 uV/LSB"; "assumed mV" where it is silent
    statements        the machine's diagnostic statements, in the file's order
    deepecg_reads     whether DeepECG's own readers take this file; its batch calibration is computed from such files
    """

    format: str
    leads: tuple[str, ...]
    samples: np.ndarray
    gain_mv: np.ndarray
    sampling_rate_hz: float | None
    units: str
    offset_mv: np.ndarray | None = None
    statements: tuple[str, ...] = field(default=())
    device: str = ""
    deepecg_reads: bool = False

    @property
    def duration_s(self) -> float | None:
        if self.sampling_rate_hz is None:
            return None
        return self.samples.shape[1] / self.sampling_rate_hz

    def beginning(self, seconds: float) -> "Recording":
        """The first seconds and a sample more, so that a recording of a day is not turned into mV as a whole.

        All of a recording without a sampling rate, or with an impossible one.
        """
        rate_hz = self.sampling_rate_hz
        if rate_hz is None or not 0 < rate_hz < math.inf:
            return self
        n_enough = math.ceil(min(seconds * rate_hz, self.samples.shape[1])) + 1
        return replace(self, samples=self.samples[:, :n_enough])

    @property
    def has_no_unit(self) -> bool:
        """Whether only who made the file knows its unit, which preprocessing.array_unit_mv then says."""
        return self.format in _ARRAYS and self.units == "assumed mV"


def missing_leads(leads: tuple[str, ...]) -> list[str]:
    """Standard leads that are neither among `leads` nor derivable from I and II."""
    derivable = LIMB_LEADS_FROM_I_AND_II if {"I", "II"} <= set(leads) else {}
    return [lead for lead in LEADS if lead not in leads and lead not in derivable]


def twelve_leads(recording: Recording, units: str = "physical") -> np.ndarray:
    """(12, samples) float32 in the order of LEADS; absent limb leads are derived from I and II.

    units  "physical" gives mV; "raw" the sample values as stored, which is what DeepECG works on.
    Raises LeadMissing when a lead is neither there nor derivable.
    """
    absent = missing_leads(recording.leads)
    if absent:
        raise LeadMissing(
            f"no lead {', '.join(absent)} among {', '.join(recording.leads) or 'no leads'}; "
            "expected I, II and V1 to V6 at least"
        )
    signal = np.empty((len(LEADS), recording.samples.shape[1]), dtype=np.float32)
    position = {lead: row for row, lead in enumerate(recording.leads)}
    for row, lead in enumerate(LEADS):
        if lead in position:
            signal[row] = _in_units(recording, position[lead], units)
    for row, lead in enumerate(LEADS):
        if lead not in position:
            of_lead_i, of_lead_ii = LIMB_LEADS_FROM_I_AND_II[lead]
            signal[row] = of_lead_i * signal[0] + of_lead_ii * signal[1]
    return signal


def _in_units(recording: Recording, row: int, units: str) -> np.ndarray:
    stored = recording.samples[row]
    if units == "raw":
        return stored
    signal_mv = stored * np.float32(recording.gain_mv[row])
    if recording.offset_mv is not None:
        signal_mv = signal_mv + np.float32(recording.offset_mv[row])
    return signal_mv
