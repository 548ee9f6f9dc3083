"""DICOM waveforms (12-lead, general and ambulatory ECG storage), PS3.3 section C.10.9."""

import io
import math
import re
import warnings

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from twelvelead.ecg import Recording, missing_leads
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.leads import (
    as_recording_samples,
    duplicate_lead,
    no_standard_lead,
    plausible_rate_hz,
    standard_lead,
)
from twelvelead.formats.statements import clean_statements

# Nothing of the patient module is even parsed.
_TAGS_READ = (
    "SpecificCharacterSet",
    "Manufacturer",
    "ManufacturerModelName",
    "WaveformSequence",
    "WaveformAnnotationSequence",
)
_DEFLATED_TRANSFER_SYNTAX = b"1.2.840.10008.1.2.1.99"
_MILLIVOLTS = {"nV": 1e-6, "uV": 1e-3, "\u00b5V": 1e-3, "mV": 1.0, "V": 1e3}
_SAMPLE_TYPES = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
}
# Lead numbers are those of SCP-ECG; MDC (ISO/IEEE 11073-10101) writes them as "2:61", SCPECG as "5.6.3-9-61".
_LEAD_CODE = re.compile(r"(?:2:|5\.6\.3-9-)(\d+)")
_LEAD_OF_NUMBER = {
    "1": "I",
    "2": "II",
    "61": "III",
    "62": "aVR",
    "63": "aVL",
    "64": "aVF",
    **{str(number + 2): f"V{number}" for number in range(1, 7)},
}
_INTERPRETATION = re.compile(r"interpret|diagnos|statement|finding", re.IGNORECASE)


def read_dicom(content: bytes) -> Recording:
    """The longest original waveform group with the leads of a 12-lead ECG; averaged beats are left aside.

    Raises UnsupportedFormat for DICOM without waveforms and for encodings no reader here takes, UnreadableFile for
    broken ones, LeadMissing when no group has a standard lead.
    """
    if _DEFLATED_TRANSFER_SYNTAX in content:
        # Inflating has no bound: 64 MiB of it can become 64 GiB.
        raise UnsupportedFormat("DICOM in deflated transfer syntax; convert it, e.g. with dcmconv +te")
    # pydicom's warnings quote the values they complain about.
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(content), specific_tags=list(_TAGS_READ))
        groups = dataset.get("WaveformSequence")
        if not groups:
            raise UnsupportedFormat("DICOM without waveforms; expected 12-lead, general or ambulatory ECG storage")
        group = _rhythm_group(list(groups))
        little_endian = dataset.original_encoding[1] is not False
        return _recording(dataset, group, "<" if little_endian else ">")


def _rhythm_group(groups: list[Dataset]) -> Dataset:
    originals = [group for group in groups if group.get("WaveformOriginality") != "DERIVED"]
    if not originals:
        raise UnreadableFile(f"{len(groups)} waveform groups, all derived; expected an original recording")
    return max(originals, key=_worth)


def _worth(group: Dataset) -> tuple[bool, float, int]:
    leads = tuple(lead for lead in _leads(group) if lead is not None)
    seconds = float(group.NumberOfWaveformSamples) / float(group.SamplingFrequency)
    return not missing_leads(leads), seconds, len(leads)


def _recording(dataset: Dataset, group: Dataset, byte_order: str) -> Recording:
    lead_of_channel = {channel: lead for channel, lead in enumerate(_leads(group)) if lead is not None}
    leads = tuple(lead_of_channel.values())
    if not leads:
        raise no_standard_lead()
    if len(set(leads)) != len(leads):
        raise duplicate_lead(next(lead for lead in leads if leads.count(lead) > 1))
    definitions = [group.ChannelDefinitionSequence[channel] for channel in lead_of_channel]
    scales = [_scale(definition, lead) for definition, lead in zip(definitions, leads, strict=True)]
    offset_mv = np.array([offset for _, offset, _ in scales])
    return Recording(
        format="dicom",
        leads=leads,
        samples=_samples(group, list(lead_of_channel), byte_order),
        gain_mv=np.array([gain for gain, _, _ in scales]),
        offset_mv=offset_mv if offset_mv.any() else None,
        sampling_rate_hz=plausible_rate_hz(float(group.SamplingFrequency), "SamplingFrequency"),
        units=", ".join(dict.fromkeys(units for _, _, units in scales)),
        statements=_statements(dataset),
        device=" ".join(str(dataset.get(tag) or "") for tag in ("Manufacturer", "ManufacturerModelName")).strip()[:80],
    )


def _leads(group: Dataset) -> list[str | None]:
    return [_lead(definition) for definition in group.ChannelDefinitionSequence]


def _lead(definition: Dataset) -> str | None:
    sources = definition.get("ChannelSourceSequence")
    if not sources:
        return standard_lead(str(definition.get("ChannelLabel") or ""))
    code = str(sources[0].get("CodeValue") or "")
    if match := _LEAD_CODE.fullmatch(code):
        return _LEAD_OF_NUMBER.get(match[1])
    return standard_lead(code) or standard_lead(str(sources[0].get("CodeMeaning") or ""))


def _scale(definition: Dataset, lead: str) -> tuple[float, float, str]:
    """(mV per stored unit, mV at 0, units): stored value x sensitivity x correction factor + baseline."""
    units = definition.get("ChannelSensitivityUnitsSequence")
    unit = str(units[0].get("CodeValue") or "") if units else ""
    if unit not in _MILLIVOLTS:
        raise UnreadableFile(f"lead {lead}: channel sensitivity without a unit of voltage; expected uV, mV or V")
    sensitivity = float(definition.get("ChannelSensitivity") or 0)
    correction = float(definition.get("ChannelSensitivityCorrectionFactor") or 1)
    baseline = float(definition.get("ChannelBaseline") or 0)
    gain_mv = sensitivity * correction * _MILLIVOLTS[unit]
    if gain_mv == 0 or not (math.isfinite(gain_mv) and math.isfinite(baseline)):
        raise UnreadableFile(f"lead {lead}: channel sensitivity is absent, 0 or not finite; expected e.g. 1.25 uV")
    return gain_mv, baseline * _MILLIVOLTS[unit], f"{sensitivity * correction:g} {unit}"


def _samples(group: Dataset, channels: list[int], byte_order: str) -> np.ndarray:
    encoding = (int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation))
    if encoding not in _SAMPLE_TYPES:
        raise UnsupportedFormat(
            f"DICOM samples of {encoding[0]} bits; expected linear 8, 16 or 32-bit integers (SB, UB, SS, US, SL, UL)"
        )
    dtype = np.dtype(byte_order + _SAMPLE_TYPES[encoding])
    channel_count, sample_count = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    value_count = channel_count * sample_count
    if sample_count < 1 or channel_count != len(group.ChannelDefinitionSequence):
        raise UnreadableFile("waveform without samples, or of more or fewer channels than it describes; export again")
    stored = group.WaveformData
    if len(stored) < value_count * dtype.itemsize:
        raise UnreadableFile(
            f"waveform holds {len(stored)} bytes, expected {value_count * dtype.itemsize}; the file is truncated"
        )
    frames = np.frombuffer(stored, dtype=dtype, count=value_count).reshape(sample_count, channel_count)
    rows = np.ascontiguousarray(frames[:, channels].T)
    is_padding = rows == _padding_value(group, dtype)
    if is_padding.any():
        return np.where(is_padding, np.float32(np.nan), rows.astype(np.float32))
    return as_recording_samples(rows)


def _padding_value(group: Dataset, dtype: np.dtype) -> float:
    """The stored value that stands for a missing sample; NaN, equal to nothing, where there is none."""
    stored = group.get("WaveformPaddingValue")
    value = float(np.frombuffer(stored, dtype=dtype, count=1)[0]) if stored else 0.0
    # Writers (ECGToolkit's ECGConversion for one) fill in 0 without padding anything, and 0 is a voltage.
    return value or math.nan


def _statements(dataset: Dataset) -> tuple[str, ...]:
    return clean_statements(_statement(annotation) for annotation in dataset.get("WaveformAnnotationSequence") or ())


def _statement(annotation: Dataset) -> str | None:
    """The text of an annotation that interprets the ECG; None for measurements, beats and other notes."""
    if "NumericValue" in annotation or "ReferencedSamplePositions" in annotation:
        return None
    concept = _meaning(annotation.get("ConceptNameCodeSequence"))
    is_interpretation = not concept or _INTERPRETATION.search(concept)
    if text := annotation.get("UnformattedTextValue"):
        return str(text) if is_interpretation else None
    if value := _meaning(annotation.get("ConceptCodeSequence")):
        return value if is_interpretation else None
    return concept or None


def _meaning(code_sequence: list[Dataset] | None) -> str:
    return str(code_sequence[0].get("CodeMeaning") or "") if code_sequence else ""
