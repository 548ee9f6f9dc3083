"""GE MUSE XML (root element RestingECG): base64 of little-endian 16-bit samples, one LeadData per lead."""

import binascii

import numpy as np
from lxml import etree

from twelvelead.ecg import Recording
from twelvelead.errors import UnreadableFile
from twelvelead.formats.leads import add_lead, plausible_rate_hz, stack, standard_lead
from twelvelead.formats.statements import clean_statements
from twelvelead.formats.units import MILLIVOLTS, UNIT_SYMBOLS
from twelvelead.formats.xml_tree import as_positive, parse_xml, positive_number, short_text

_UNITS = {"MICROVOLTS": "uv", "MILLIVOLTS": "mv"}
_SAMPLE_BYTES = 2


def read_muse(content: bytes) -> Recording:
    """The rhythm waveform of a MUSE export with the leads it stores, usually I, II and V1 to V6.

    Raises UnreadableFile when the XML, a lead, its unit or the sampling rate is broken or absent.
    """
    root = parse_xml(content)
    waveforms = root.findall("Waveform")
    rhythm_index = _rhythm_index(waveforms)
    waveform = waveforms[rhythm_index]
    samples_of: dict[str, np.ndarray] = {}
    units_per_bit = {}
    for lead_element in waveform.iterfind("LeadData"):
        lead = standard_lead(lead_element.findtext("LeadID") or "")
        if lead is not None:
            add_lead(samples_of, lead, _samples(lead_element, lead))
            units_per_bit[lead] = _units_per_bit(lead_element, lead)
    leads, samples = stack(samples_of)
    gain_mv = np.array([number * MILLIVOLTS[unit] for number, unit in units_per_bit.values()])
    return Recording(
        format="muse_xml",
        leads=leads,
        samples=samples,
        gain_mv=gain_mv,
        sampling_rate_hz=_sampling_rate_hz(waveform),
        units=", ".join(
            dict.fromkeys(f"{number:g} {UNIT_SYMBOLS[unit]}/LSB" for number, unit in units_per_bit.values())
        ),
        statements=_statements(root),
        device=_device(root),
        # DeepECG takes the second Waveform, whatever its type, and derives the limb leads from I and II.
        deepecg_reads=rhythm_index == 1 and {"I", "II"} <= set(leads),
    )


def _rhythm_index(waveforms: list[etree._Element]) -> int:
    types = [(waveform.findtext("WaveformType") or "").strip().casefold() for waveform in waveforms]
    candidates = [index for index, name in enumerate(types) if name == "rhythm"]
    candidates = candidates or [index for index, name in enumerate(types) if not name]
    if not candidates:
        raise UnreadableFile(f"none of {len(waveforms)} Waveform elements is of WaveformType Rhythm; expected one")
    return max(candidates, key=lambda index: len(waveforms[index].findtext("LeadData/WaveFormData") or ""))


def _samples(lead_element: etree._Element, lead: str) -> np.ndarray:
    if (lead_element.findtext("LeadSampleSize") or "2").strip() != str(_SAMPLE_BYTES):
        raise UnreadableFile(f"lead {lead}: LeadSampleSize is not {_SAMPLE_BYTES} bytes; expected 16-bit samples")
    try:
        stored = binascii.a2b_base64(lead_element.findtext("WaveFormData") or "")
    except ValueError:
        raise UnreadableFile(f"lead {lead}: WaveFormData is broken base64; the file is damaged, export again") from None
    declared = lead_element.findtext("LeadSampleCountTotal")
    expected_bytes = len(stored) // _SAMPLE_BYTES * _SAMPLE_BYTES
    if declared is not None:
        expected_bytes = int(as_positive(declared, "LeadSampleCountTotal")) * _SAMPLE_BYTES
    if len(stored) != expected_bytes:
        raise UnreadableFile(
            f"lead {lead}: WaveFormData holds {len(stored)} bytes, expected {expected_bytes}; "
            "the file is damaged, export again"
        )
    return np.frombuffer(stored, dtype="<i2")


def _units_per_bit(lead_element: etree._Element, lead: str) -> tuple[float, str]:
    unit = (lead_element.findtext("LeadAmplitudeUnits") or "").strip().upper()
    if unit not in _UNITS:
        raise UnreadableFile(f"lead {lead}: LeadAmplitudeUnits is unknown or absent; expected {', '.join(_UNITS)}")
    return positive_number(lead_element, "LeadAmplitudeUnitsPerBit"), _UNITS[unit]


def _sampling_rate_hz(waveform: etree._Element) -> float:
    try:
        exponent = int(waveform.findtext("SampleExponent") or "0")
    except ValueError:
        raise UnreadableFile("SampleExponent is not a whole number; expected 0 in most files") from None
    base = positive_number(waveform, "SampleBase")
    # Bounded first, since 10**exponent of an absurd exponent overflows.
    rate_hz = base * 10.0**exponent if abs(exponent) <= 10 else 0.0
    return plausible_rate_hz(rate_hz, "SampleBase with SampleExponent")


def _statements(root: etree._Element) -> tuple[str, ...]:
    diagnosis = root.find("Diagnosis")
    if diagnosis is None:
        diagnosis = root.find("OriginalDiagnosis")
    if diagnosis is None:
        return ()
    fragments = [
        (element.findtext("StmtText") or "", _ends_line(element))
        for element in diagnosis.iterfind("DiagnosisStatement")
    ]
    if not any(ends for _, ends in fragments):
        return clean_statements(text for text, _ in fragments)
    lines, line = [], []
    for text, ends in fragments:
        line.append(text)
        if ends:
            lines.append(" ".join(line))
            line = []
    return clean_statements([*lines, " ".join(line)])


def _ends_line(statement: etree._Element) -> bool:
    return any((flag.text or "").strip().upper() == "ENDSLINE" for flag in statement.iterfind("StmtFlag"))


def _device(root: etree._Element) -> str:
    version = short_text(root, "MuseInfo/MuseVersion")
    parts = (short_text(root, "TestDemographics/AcquisitionDevice"), f"MUSE {version}" if version else "")
    return ", ".join(part for part in parts if part)
