"""Schiller SEMA XML, the export of Schiller's ECG server (root element com.xiriuz.sema.xml.schillerEDI.SchillerEDI).

The maker describes it nowhere in public. The layout is what open programs read alike: BRAVEHEART
(load_schillerxml.m, which alone uses the unit), the CVRG ECG converter (SchillerEcgFiles.java), ECG-Format-Converter
(xml_utils.py) and ecg2dcm (schiller.py, which finds neither rate nor unit where BRAVEHEART does). A wavedata of type
ECG_RHYTHMS holds one channel per lead, whose data are whole numbers between commas; ECG_AVERAGES, the average beats,
is not read. Nor is textdata, of which nothing tells whether machine or physician wrote it.
"""

import numpy as np
from lxml import etree

from twelvelead.ecg import Recording
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.leads import (
    add_lead,
    as_recording_samples,
    plausible_gain_mv,
    plausible_rate_hz,
    stack,
    standard_lead,
)
from twelvelead.formats.number_text import whole_numbers
from twelvelead.formats.units import MILLIVOLTS, UNIT_SYMBOLS
from twelvelead.formats.xml_tree import as_positive, parse_xml, positive_number, short_text

_RHYTHM_TYPES = ("ecg_rhythms", "ecg_rhythm")
_UNITS = ("uv", "\u03bcv", "mv")


def read_schiller(content: bytes) -> Recording:
    """The rhythm leads of a SEMA export; without statements, for what textdata holds is not known.

    Raises UnsupportedFormat for what no public reader knows either, UnreadableFile when the XML, a lead, the resolution
    or the sampling rate is broken or absent, LeadMissing without any standard lead.
    """
    root = parse_xml(content)
    rhythm = _rhythm(root)
    samples_of: dict[str, np.ndarray] = {}
    for channel in rhythm.iterfind("channel"):
        lead = standard_lead(channel.findtext("name") or "")
        if lead is not None:
            add_lead(samples_of, lead, _samples(channel, lead))
    leads, samples = stack(samples_of)
    gain_mv, units = _resolution(rhythm)
    return Recording(
        format="schiller_xml",
        leads=leads,
        samples=as_recording_samples(samples),
        gain_mv=np.full(len(leads), gain_mv),
        sampling_rate_hz=_sampling_rate_hz(rhythm),
        units=units,
        device=_device(root),
    )


def _rhythm(root: etree._Element) -> etree._Element:
    waves = root.findall("eventdata/event/wavedata")
    rhythms = [wave for wave in waves if (wave.findtext("type") or "").strip().casefold() in _RHYTHM_TYPES]
    if not rhythms:
        raise UnreadableFile(f"none of {len(waves)} wavedata is of type ECG_RHYTHMS; expected one, export the rhythm")
    if len(rhythms) > 1:
        # Parts of a stress test or of a 2.5 s layout: which is meant, or how they join, nobody describes.
        raise UnsupportedFormat(f"{len(rhythms)} wavedata of type ECG_RHYTHMS; expected one, export a resting ECG")
    return rhythms[0]


def _samples(channel: etree._Element, lead: str) -> np.ndarray:
    if (channel.findtext("datastype") or "").strip().upper() != "COMMASEPARATE":
        raise UnsupportedFormat(
            f"lead {lead}: datastype is not COMMASEPARATE, the only publicly known one; "
            "export SCP, DICOM or HL7 aECG instead"
        )
    text = (channel.findtext("data") or "").strip()
    # A comma may end the list: ecg2dcm provides for it.
    samples = whole_numbers(text.removesuffix(","), ",")
    if samples is None:
        raise UnreadableFile(
            f"lead {lead}: data is {'not all whole numbers' if text else 'empty'}; expected comma-separated numbers"
        )
    declared = channel.findtext("samplecount")
    if declared is not None and (count := as_positive(declared, f"lead {lead}: samplecount")) != samples.size:
        raise UnreadableFile(
            f"lead {lead}: data holds {samples.size} samples, samplecount says {count:g}; "
            "the file is damaged, export it again"
        )
    return samples


def _resolution(rhythm: etree._Element) -> tuple[float, str]:
    unit = (rhythm.findtext("resolution/yres/units") or "").strip().casefold()
    if unit not in _UNITS:
        raise UnreadableFile("resolution/yres/units is unknown or absent; expected uV or mV")
    number = positive_number(rhythm, "resolution/yres/unitperbit")
    return plausible_gain_mv(number * MILLIVOLTS[unit], "unitperbit"), f"{number:g} {UNIT_SYMBOLS[unit]}/LSB"


def _sampling_rate_hz(rhythm: etree._Element) -> float:
    # All files that public readers know have 1 here, and all take value as it is; what else would mean is unknown.
    if (rhythm.findtext("resolution/samplerate/exponent") or "1").strip() != "1":
        raise UnsupportedFormat(
            "resolution/samplerate/exponent is not 1, and no public description says what it does; "
            "export SCP, DICOM or HL7 aECG instead"
        )
    return plausible_rate_hz(positive_number(rhythm, "resolution/samplerate/value"), "samplerate")


def _device(root: etree._Element) -> str:
    machine = "examdescript/aquiringdevice/"
    parts = ("hardware/vendor", "hardware/model", "software/version")
    return ", ".join(text for part in parts if (text := short_text(root, machine + part)))
