"""GE CardioSoft XML (root element CardiologyXML): comma-separated samples as text in StripData."""

import numpy as np
from lxml import etree

from twelvelead.ecg import LEADS, Recording
from twelvelead.errors import UnreadableFile
from twelvelead.formats.leads import add_lead, as_recording_samples, plausible_rate_hz, stack, standard_lead
from twelvelead.formats.number_text import whole_numbers
from twelvelead.formats.statements import clean_statements
from twelvelead.formats.units import MILLIVOLTS, UNIT_SYMBOLS
from twelvelead.formats.xml_tree import parse_xml, positive_number, short_text

_RESOLUTION_UNITS = {"uvperlsb": "uv", "mvperlsb": "mv", "nvperlsb": "nv"}
_LEAD_ORDER = "RestingECGMeasurements/MeasurementTable/LeadOrder"
_NEEDED_BY_DEEPECG = {"I", "II", *LEADS[6:]}


def read_cardiosoft(content: bytes) -> Recording:
    """The rhythm strip of a CardioSoft export; NaN in the file's text stay NaN, the samples are then float32.

    Raises UnreadableFile when the XML, a lead, the resolution or the sampling rate is broken or absent.
    """
    root = parse_xml(content)
    strip = root.find("StripData")
    if strip is None:
        raise UnreadableFile("no StripData; expected the rhythm strip in it, export with full ECG data")
    elements = strip.findall("WaveformData")
    lead_order = [name.strip() for name in (root.findtext(_LEAD_ORDER) or "").split(",") if name.strip()]
    samples_of: dict[str, np.ndarray] = {}
    for name, element in zip(_lead_names(elements, lead_order), elements, strict=True):
        lead = standard_lead(name)
        if lead is not None:
            add_lead(samples_of, lead, _samples(element.text or "", lead))
    leads, samples = stack(samples_of)
    _check_sample_count(strip, samples.shape[1])
    gain_mv, units = _resolution(strip)
    return Recording(
        format="cardiosoft_xml",
        leads=leads,
        samples=as_recording_samples(samples),
        gain_mv=np.full(len(leads), gain_mv),
        sampling_rate_hz=plausible_rate_hz(positive_number(strip, "SampleRate"), "SampleRate"),
        units=units,
        statements=clean_statements(
            element.text for element in root.iterfind("Interpretation/Diagnosis/DiagnosisText")
        ),
        device=_device(root),
        deepecg_reads=bool(lead_order) and set(leads) >= _NEEDED_BY_DEEPECG,
    )


def _lead_names(elements: list[etree._Element], lead_order: list[str]) -> list[str]:
    named = [element.get("lead") for element in elements]
    if all(name is not None for name in named):
        return named
    if len(lead_order) != len(elements):
        raise UnreadableFile(
            f"{len(elements)} WaveformData without lead names, LeadOrder lists {len(lead_order)}; expected as many"
        )
    return lead_order


def _samples(text: str, lead: str) -> np.ndarray:
    text = text.strip()
    samples = whole_numbers(text, ",")
    if samples is not None:
        return samples
    try:
        # float() knows "nan", and takes 1_000 for a number, which no vendor writes.
        return np.array([float(number) for number in text.replace("_", "?").split(",")])
    except ValueError:
        raise UnreadableFile(
            f"lead {lead}: WaveformData is {'not all numbers' if text else 'empty'}; expected comma-separated numbers"
        ) from None


def _check_sample_count(strip: etree._Element, sample_count: int) -> None:
    if strip.find("ChannelSampleCountTotal") is None:
        return
    declared = int(positive_number(strip, "ChannelSampleCountTotal"))
    if declared != sample_count:
        raise UnreadableFile(
            f"leads hold {sample_count} samples, ChannelSampleCountTotal says {declared}; "
            "the file is damaged, export it again"
        )


def _resolution(strip: etree._Element) -> tuple[float, str]:
    resolution = strip.find("Resolution")
    unit = _RESOLUTION_UNITS.get(resolution.get("units", "").casefold()) if resolution is not None else None
    if unit is None:
        raise UnreadableFile("the units of Resolution are unknown or absent; expected uVperLsb")
    number = positive_number(strip, "Resolution")
    return number * MILLIVOLTS[unit], f"{number:g} {UNIT_SYMBOLS[unit]}/LSB"


def _device(root: etree._Element) -> str:
    name, version = (short_text(root, f"ClinicalInfo/DeviceInfo/{tag}") for tag in ("Desc", "SoftwareVer"))
    return f"{name} {version}".strip()
