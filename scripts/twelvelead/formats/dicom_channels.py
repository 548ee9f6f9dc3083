"""Channel definitions of DICOM waveforms: which lead a channel is and what its numbers mean (PS3.3, C.10.9.1.4)."""

import math
import re

from twelvelead.errors import UnreadableFile
from twelvelead.formats.dicom_elements import Item
from twelvelead.formats.dicom_tags import Tag
from twelvelead.formats.leads import standard_lead
from twelvelead.formats.units import MILLIVOLTS, UCUM_MILLIVOLTS

# Codes of UCUM, and their meanings for those who write other codes.
_MILLIVOLTS = UCUM_MILLIVOLTS | {
    "nanovolt": MILLIVOLTS["nv"],
    "microvolt": MILLIVOLTS["uv"],
    "millivolt": MILLIVOLTS["mv"],
    "volt": MILLIVOLTS["v"],
}
# Lead numbers are those of SCP-ECG; MDC (ISO/IEEE 11073-10101) writes them as "2:61", SCPECG as "5.6.3-9-61".
_LEAD_CODE = re.compile(r"(?:2:|5\.6\.3-9-)(\d+)")
_UNSPECIFIED_LEAD = "0"
# CID 3001 has "aVR, augmented voltage, right"; what else follows a comma may make it another lead ("V4, right").
_AUGMENTED = re.compile(r",\s*augmented voltage\b.*", re.IGNORECASE | re.DOTALL)
_LEAD_OF_NUMBER = {
    "1": "I",
    "2": "II",
    "61": "III",
    "62": "aVR",
    "63": "aVL",
    "64": "aVF",
    **{str(number + 2): f"V{number}" for number in range(1, 7)},
}


def channel_lead(channel: Item) -> str | None:
    """The standard lead that a channel definition names, or None where it is another signal."""
    source = channel.first(Tag.ChannelSourceSequence)
    code, meaning = (source.text(Tag.CodeValue), source.text(Tag.CodeMeaning)) if source else ("", "")
    match = _LEAD_CODE.fullmatch(code)
    if match and match[1] != _UNSPECIFIED_LEAD:
        return _LEAD_OF_NUMBER.get(match[1])
    if match or not (code or meaning):
        return standard_lead(channel.text(Tag.ChannelLabel))
    return standard_lead(code) or standard_lead(_AUGMENTED.sub("", meaning))


def channel_scale(channel: Item, lead: str) -> tuple[float, float, str]:
    """(mV per stored unit, mV at 0, units): stored value x sensitivity x correction factor + baseline.

    Raises UnreadableFile where the sensitivity is absent, 0, not finite or of no unit of voltage.
    """
    source = channel.first(Tag.ChannelSensitivityUnitsSequence)
    names = (source.text(Tag.CodeValue), source.text(Tag.CodeMeaning).casefold()) if source else ()
    unit = next((name for name in names if name in _MILLIVOLTS), None)
    if unit is None:
        raise UnreadableFile(f"lead {lead}: channel sensitivity without a unit of voltage; expected uV, mV or V")
    sensitivity = channel.number(Tag.ChannelSensitivity) or 0.0
    correction = channel.number(Tag.ChannelSensitivityCorrectionFactor)
    sensitivity *= 1.0 if correction is None else correction
    gain_mv = sensitivity * _MILLIVOLTS[unit]
    offset_mv = (channel.number(Tag.ChannelBaseline) or 0.0) * _MILLIVOLTS[unit]
    if gain_mv == 0 or not (math.isfinite(gain_mv) and math.isfinite(offset_mv)):
        raise UnreadableFile(f"lead {lead}: channel sensitivity is absent, 0 or not finite; expected e.g. 1.25 uV")
    return gain_mv, offset_mv, f"{sensitivity:g} {unit}"
