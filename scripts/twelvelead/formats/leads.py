"""Names of leads as vendors write them, and lead signals put together into one array."""

import re
from functools import lru_cache

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.errors import LeadMissing, UnreadableFile

_LEAD_OF = {lead.casefold(): lead for lead in LEADS}
# DI to DIII (derivation) is how Romance languages name I to III; MDC_ECG_LEAD_dI is another, a calculated lead.
_ROMANCE_LEAD_OF = {f"d{lead.casefold()}": lead for lead in LEADS[:3]}
# "Lead aVR", "MDC_ECG_LEAD_AVR", "Lead I (Einthoven)", "V1 (uV)"; what makes it another lead is part of the name:
# -aVR, "aVR (inverted)", "V4 (right)".
_DECORATED = re.compile(
    r"(?:mdc_ecg_lead_|(?:ecg\s+)?lead[\s_]+)?(?P<name>[a-z0-9]+)(?:\s*\((?:einthoven|goldberger|wilson|[nuµμm]?v)\))?"
)


# Wide on purpose: these only catch a broken header, such as a rate in kHz or a byte gone astray.
LOWEST_RATE_HZ = 10.0
HIGHEST_RATE_HZ = 100_000.0
LOWEST_GAIN_MV = 1e-6
HIGHEST_GAIN_MV = 1e3


@lru_cache(maxsize=1024)
def standard_lead(name: str) -> str | None:
    """The member of LEADS that a vendor's name means, or None where it is another lead (V3R, -aVR, X)."""
    plain = name.strip().casefold()
    match = _DECORATED.fullmatch(plain)
    if match is None:
        return None
    return _LEAD_OF.get(match["name"]) or (None if plain.startswith("mdc_") else _ROMANCE_LEAD_OF.get(match["name"]))


def stack(samples_of: dict[str, np.ndarray]) -> tuple[tuple[str, ...], np.ndarray]:
    """Lead names and their samples as one (leads, samples) array, from one 1-D array per lead.

    Raises LeadMissing without any lead, UnreadableFile where leads differ in length or are empty.
    """
    if not samples_of:
        raise no_standard_lead()
    lengths = {lead: samples.size for lead, samples in samples_of.items()}
    longest = max(lengths.values())
    if longest == 0:
        raise UnreadableFile("the leads hold no samples")
    shorter = [f"{lead} ({length})" for lead, length in lengths.items() if length != longest]
    if shorter:
        raise UnreadableFile(f"lead {', '.join(shorter)} is shorter than the others ({longest} samples); export again")
    return tuple(samples_of), np.stack(list(samples_of.values()))


def add_lead(samples_of: dict[str, np.ndarray], lead: str, samples: np.ndarray) -> None:
    """Put a lead's samples into `samples_of`; raises UnreadableFile when the lead is there already."""
    if lead in samples_of:
        raise duplicate_lead(lead)
    samples_of[lead] = samples


def duplicate_lead(lead: str) -> UnreadableFile:
    return UnreadableFile(f"lead {lead} occurs twice; expected each lead once")


def no_standard_lead() -> LeadMissing:
    return LeadMissing(f"none of the 12 standard leads found; expected {', '.join(LEADS)}")


def as_recording_samples(samples: np.ndarray) -> np.ndarray:
    """The same values as int16, int32 or float32: whole numbers in the narrowest that holds them all."""
    if samples.dtype.kind in "iu" and samples.size:
        lowest, highest = samples.min(), samples.max()
        for dtype in (np.int16, np.int32):
            limits = np.iinfo(dtype)
            if limits.min <= lowest and highest <= limits.max:
                return samples.astype(dtype, copy=False)
    # A float64 beyond float32 becomes inf, which the decode stage reports as not finite.
    with np.errstate(over="ignore"):
        return samples.astype(np.float32, copy=False)


def plausible_rate_hz(rate_hz: float, name: str) -> float:
    """`rate_hz` if an ECG may have it; raises UnreadableFile, naming the field, otherwise."""
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise UnreadableFile(f"{name} gives {rate_hz:g} Hz; expected the sampling rate of an ECG, 100 to 4000 Hz or so")
    return rate_hz


def plausible_gain_mv(gain_mv: float, name: str) -> float:
    """`gain_mv` if a stored unit of an ECG may be that much; raises UnreadableFile, naming the field, otherwise."""
    if not LOWEST_GAIN_MV <= gain_mv <= HIGHEST_GAIN_MV:
        raise UnreadableFile(f"{name} gives {gain_mv * 1e3:g} uV a count; expected that of an ECG, 5 uV or so")
    return gain_mv
