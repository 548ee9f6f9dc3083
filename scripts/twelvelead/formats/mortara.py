"""Mortara ELI XML, as ELI cardiographs and ELI Link write it (root element ECG).

The maker describes it nowhere in public. The layout is what three open programs read alike: BRAVEHEART
(load_elixml.m), EDFbrowser (mortara2edf.cpp) and ecgdatakit (mortara_el250.py). One CHANNEL per lead holds base64 of
little-endian 16-bit samples in DATA, UNITS_PER_MV of them to 1 mV, SAMPLE_FREQ of them a second, DURATION in all.
TYPICAL_CYCLE has the average beat, which is not read.
"""

import binascii

import numpy as np
from lxml import etree

from twelvelead.ecg import Recording
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.leads import add_lead, plausible_gain_mv, plausible_rate_hz, stack, standard_lead
from twelvelead.formats.statements import clean_statements
from twelvelead.formats.xml_tree import as_positive, parse_xml

_SAMPLE_BYTES = 2
# What every public reader takes and no other value was seen of; a file that leaves one out means the same.
_ENCODED_AS = {"BITS": "16", "FORMAT": "SIGNED", "ENCODING": "BASE64"}


def read_mortara(content: bytes) -> Recording:
    """The rhythm leads of an ELI export.

    Raises UnsupportedFormat for XML of another kind, other encodings and shifted leads, UnreadableFile when the XML, a
    lead, its unit or the sampling rate is broken or absent, LeadMissing without any standard lead.
    """
    root = parse_xml(content)
    channels = root.findall("CHANNEL")
    if not channels:
        raise UnsupportedFormat("XML with root element ECG and no CHANNEL in it; expected the leads of a Mortara ELI")
    samples_of: dict[str, np.ndarray] = {}
    units_per_mv: list[float] = []
    rates_hz: dict[float, str] = {}
    for channel in channels:
        lead = standard_lead(channel.get("NAME") or "")
        if lead is not None:
            add_lead(samples_of, lead, _samples(channel, lead))
            units_per_mv.append(as_positive(channel.get("UNITS_PER_MV"), f"lead {lead}: UNITS_PER_MV"))
            rates_hz.setdefault(as_positive(channel.get("SAMPLE_FREQ"), f"lead {lead}: SAMPLE_FREQ"), lead)
    leads, samples = stack(samples_of)
    gain_mv = [plausible_gain_mv(1 / number, "UNITS_PER_MV") for number in units_per_mv]
    return Recording(
        format="mortara_xml",
        leads=leads,
        samples=samples,
        gain_mv=np.array(gain_mv),
        sampling_rate_hz=plausible_rate_hz(_only_rate_hz(rates_hz), "SAMPLE_FREQ"),
        units=", ".join(dict.fromkeys(f"{number:g} LSB/mV" for number in units_per_mv)),
        statements=_statements(root),
        device=_device(root),
    )


def _samples(channel: etree._Element, lead: str) -> np.ndarray:
    for name, expected in _ENCODED_AS.items():
        if (channel.get(name) or expected).strip().upper() != expected:
            raise UnsupportedFormat(f"lead {lead}: {name} is not {expected}, as in all exports known; export DICOM")
    _check_offset(channel, lead)
    try:
        text = channel.get("DATA") or channel.text or ""
        stored = binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise UnreadableFile(f"lead {lead}: DATA is broken base64; the file is damaged, export it again") from None
    declared = channel.get("DURATION")
    expected_samples = float(len(stored) // _SAMPLE_BYTES)
    if declared is not None:
        expected_samples = as_positive(declared, f"lead {lead}: DURATION")
    if len(stored) != expected_samples * _SAMPLE_BYTES:
        raise UnreadableFile(
            f"lead {lead}: DATA holds {len(stored)} bytes, expected {expected_samples:g} samples of {_SAMPLE_BYTES}; "
            "the file is damaged, export it again"
        )
    return np.frombuffer(stored, dtype="<i2")


def _check_offset(channel: etree._Element, lead: str) -> None:
    # BRAVEHEART adds OFFSET to the samples, EDFbrowser leaves it out, and as a start time it would fit DURATION.
    try:
        is_shifted = float(channel.get("OFFSET") or "0") != 0
    except ValueError:
        raise UnreadableFile(f"lead {lead}: OFFSET is not a number; expected 0") from None
    if is_shifted:
        raise UnsupportedFormat(
            f"lead {lead}: OFFSET is not 0, and no public description says whether it shifts samples or time; "
            "export SCP, DICOM or HL7 aECG instead"
        )


def _only_rate_hz(rates_hz: dict[float, str]) -> float:
    if len(rates_hz) > 1:
        found = ", ".join(f"{rate_hz:g} Hz (lead {lead})" for rate_hz, lead in list(rates_hz.items())[:2])
        raise UnreadableFile(f"leads of different rates, {found}; expected one SAMPLE_FREQ, export it again")
    return next(iter(rates_hz))


def _statements(root: etree._Element) -> tuple[str, ...]:
    """What the machine states (TEXT); REASON beside it names criteria."""
    return clean_statements(
        statement.get("TEXT") or statement.text for statement in root.iterfind("AUTOMATIC_INTERPRETATION/STATEMENT")
    )


def _device(root: etree._Element) -> str:
    source = root.find("SOURCE")
    if source is None:
        return ""
    # Serial number and site stand beside these and tell one device from all others.
    found = (source.get(name) or "" for name in ("MANUFACTURER", "MODEL", "ACQUIRING_DEVICE_SW_VERSION"))
    return ", ".join(" ".join(text.split())[:60] for text in found if text.strip())
