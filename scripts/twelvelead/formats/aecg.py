"""HL7 aECG (root element AnnotatedECG): the annotated ECG of HL7 version 3, samples as decimal text.

Elements and codes are those of the HL7 aECG Implementation Guide (final, 21 March 2005), with or without its namespace.
"""

import math
from fractions import Fraction

import numpy as np
from lxml import etree

from twelvelead.ecg import Recording, missing_leads
from twelvelead.errors import LeadMissing, UnreadableFile
from twelvelead.formats.leads import add_lead, as_recording_samples, plausible_rate_hz, stack, standard_lead
from twelvelead.formats.number_text import decimal_numbers, whole_numbers
from twelvelead.formats.statements import clean_statements
from twelvelead.formats.units import UCUM_MILLIVOLTS
from twelvelead.formats.xml_tree import as_positive, parse_xml, short_text

# Either micro sign (U+00B5, U+03BC) stands for the u of UCUM.
_UNITS_PER_SECOND = {"s": 1, "ms": 1000, "us": 10**6, "\u00b5s": 10**6, "\u03bcs": 10**6}
# ISO/IEEE 11073-10102 has codes for leads calculated from others. These four are by definition functions of I and II,
# so a calculated one is the lead itself. dI, dII and dV1 to dV6 are reconstructions from fewer electrodes (EASI and
# such), which is not what a model was trained on: they stay other leads, as in DICOM files.
_CALCULATED_LEADS = {f"mdc_ecg_lead_d{lead.casefold()}": lead for lead in ("III", "aVR", "aVL", "aVF")}
# Comments (..._COMMENT) are left out: writers put the name of the confirming physician there.
_STATEMENT_CODES = {
    "MDC_ECG_INTERPRETATION",
    "MDC_ECG_INTERPRETATION_STATEMENT",
    "MDC_ECG_INTERPRETATION_SUMMARY",
}


def _any_namespace(path: str) -> str:
    return "/".join(f"{{*}}{tag}" for tag in path.split("/"))


_SERIES = _any_namespace("component/series")
_SEQUENCE_SET = _any_namespace("component/sequenceSet")
_SEQUENCE = _any_namespace("component/sequence")
_CODE = _any_namespace("code")
_VALUE = _any_namespace("value")
_INCREMENT = _any_namespace("value/increment")
_ORIGIN = _any_namespace("origin")
_SCALE = _any_namespace("scale")
_DIGITS = _any_namespace("digits")
_ANNOTATION_SETS = tuple(
    map(_any_namespace, ("subjectOf/annotationSet", "derivation/derivedSeries/subjectOf/annotationSet"))
)
_PERSON_AS_AUTHOR = _any_namespace("author/assignedEntity/assignedAuthorType/assignedPerson")
_MAKER = _any_namespace("author/seriesAuthor/manufacturerOrganization/name")
_MODEL = _any_namespace("author/seriesAuthor/manufacturedSeriesDevice/manufacturerModelName")


def read_aecg(content: bytes) -> Recording:
    """The rhythm of an aECG with the standard leads it stores; representative beats are left aside.

    Raises UnreadableFile when the XML, a lead, its scale or the time axis is broken or absent, LeadMissing when no
    standard lead is there or the twelve were not recorded at the same time.
    """
    series, sequence_set = _rhythm(parse_xml(content))
    values = _lead_values(sequence_set)
    leads, samples = stack({lead: _samples(value, lead) for lead, value in values.items()})
    scales = [_scale(value, lead) for lead, value in values.items()]
    offset_mv = np.array([offset for _, offset, _ in scales])
    return Recording(
        format="hl7_aecg",
        leads=leads,
        samples=as_recording_samples(samples),
        gain_mv=np.array([gain for gain, _, _ in scales]),
        offset_mv=offset_mv if offset_mv.any() else None,
        sampling_rate_hz=_sampling_rate_hz(sequence_set),
        units=", ".join(dict.fromkeys(units for _, _, units in scales)),
        statements=_statements(series),
        device=" ".join(part for part in (short_text(series, _MAKER), short_text(series, _MODEL)) if part),
    )


def _rhythm(root: etree._Element) -> tuple[etree._Element, etree._Element]:
    """The series and the sequence set to read.

    A sequence set holds leads recorded at the same time. Of several, the longest with all twelve leads is the
    recording, the first of equals; the others are excerpts or earlier stretches of it.
    """
    all_series = root.findall(_SERIES)
    rhythms = [series for series in all_series if _code(series).upper() == "RHYTHM"]
    rhythms = rhythms or [series for series in all_series if not _code(series)]
    if not rhythms:
        raise UnreadableFile(f"none of {len(all_series)} series is of code RHYTHM; expected one")
    candidates = [(series, found) for series in rhythms for found in series.iterfind(_SEQUENCE_SET)]
    if not candidates:
        raise UnreadableFile("the series of code RHYTHM has no sequenceSet; export the file with its waveforms")
    if len(candidates) == 1:
        return candidates[0]
    leads_of = [tuple(_lead_values(sequence_set)) for _, sequence_set in candidates]
    complete = [candidate for candidate, leads in zip(candidates, leads_of, strict=True) if not missing_leads(leads)]
    if complete:
        return max(complete, key=lambda candidate: _duration_s(candidate[1])) if len(complete) > 1 else complete[0]
    if not missing_leads(tuple(lead for leads in leads_of for lead in leads)):
        raise LeadMissing(
            f"the 12 leads are spread over {len(candidates)} sequence sets, recorded one after another; "
            "expected all leads at the same time in one set"
        )
    return max(zip(candidates, leads_of, strict=True), key=lambda pair: len(pair[1]))[0]


def _duration_s(sequence_set: etree._Element) -> float:
    sample_counts = (len(_digits(value).split()) for value in _lead_values(sequence_set).values())
    return max(sample_counts) / _sampling_rate_hz(sequence_set)


def _code(element: etree._Element) -> str:
    code = element.find(_CODE)
    return "" if code is None else code.get("code", "").strip()


def _lead_values(sequence_set: etree._Element) -> dict[str, etree._Element]:
    """The value element of each standard lead; a calculated lead only where the lead itself is not stored."""
    value_of: dict[str, etree._Element] = {}
    calculated: dict[str, etree._Element] = {}
    for sequence in sequence_set.iterfind(_SEQUENCE):
        code, value = _code(sequence), sequence.find(_VALUE)
        if value is None:
            continue
        if lead := standard_lead(code):
            add_lead(value_of, lead, value)
        elif lead := _CALCULATED_LEADS.get(code.casefold()):
            add_lead(calculated, lead, value)
    return value_of | {lead: value for lead, value in calculated.items() if lead not in value_of}


def _sampling_rate_hz(sequence_set: etree._Element) -> float:
    increments = [
        increment
        for sequence in sequence_set.iterfind(_SEQUENCE)
        if _code(sequence).upper() in ("TIME_ABSOLUTE", "TIME_RELATIVE")
        and (increment := sequence.find(_INCREMENT)) is not None
    ]
    rates_hz = {_rate_hz(increment) for increment in increments}
    if len(rates_hz) != 1:
        raise UnreadableFile(
            f"{len(rates_hz)} different sampling rates in one sequence set; "
            "expected one TIME_ABSOLUTE or TIME_RELATIVE sequence with an increment, e.g. 0.002 s"
        )
    return rates_hz.pop()


def _rate_hz(increment: etree._Element) -> float:
    unit = increment.get("unit", "").strip()
    if unit not in _UNITS_PER_SECOND:
        raise UnreadableFile("the unit of increment is unknown or absent; expected s, ms or us")
    number = as_positive(increment.get("value"), "increment")
    plausible_rate_hz(_UNITS_PER_SECOND[unit] / number, "increment")
    # repr is the decimal that the file states, so that 0.002 s are 500 Hz and not almost.
    return float(_UNITS_PER_SECOND[unit] / Fraction(repr(number)))


def _scale(value: etree._Element, lead: str) -> tuple[float, float, str]:
    """(mV per digit, mV at digit 0, units): origin + scale x digit."""
    scale, origin = value.find(_SCALE), value.find(_ORIGIN)
    number, unit = _quantity(scale, lead, "scale", "")
    if not 0 < number * UCUM_MILLIVOLTS[unit] < math.inf:
        raise UnreadableFile(f"lead {lead}: scale is not above 0; expected e.g. 2.5 uV")
    units = f"{number:g} {unit}/LSB"
    if origin is None:
        return number * UCUM_MILLIVOLTS[unit], 0.0, units
    start, start_unit = _quantity(origin, lead, "origin", unit)
    if start:
        units += f" from {start:g} {start_unit}"
    return number * UCUM_MILLIVOLTS[unit], start * UCUM_MILLIVOLTS[start_unit], units


def _quantity(element: etree._Element | None, lead: str, name: str, default_unit: str) -> tuple[float, str]:
    attributes = {} if element is None else element.attrib
    try:
        number = float(attributes.get("value", ""))
    except ValueError:
        number = math.nan
    unit = attributes.get("unit", "").strip() or default_unit
    # Bounded, so that no unit makes it overflow.
    if not abs(number) < 1e30:
        raise UnreadableFile(f"lead {lead}: {name} is not a number or absent; expected e.g. 2.5 uV")
    if unit not in UCUM_MILLIVOLTS:
        raise UnreadableFile(f"lead {lead}: the unit of {name} is unknown or absent; expected uV, mV, nV or V")
    return number, unit


def _digits(value: etree._Element) -> str:
    element = value.find(_DIGITS)
    if element is None:
        return ""
    # Comments cut an element's text into pieces.
    return (element.text or "") + "".join(child.tail or "" for child in element)


def _samples(value: etree._Element, lead: str) -> np.ndarray:
    text = _digits(value)
    samples = whole_numbers(text, " ")
    if samples is None:
        # The standard has whole numbers only, yet some writers store decimals.
        samples = decimal_numbers(text)
    if samples is None:
        raise UnreadableFile(f"lead {lead}: digits are not all numbers; expected whole numbers separated by blanks")
    return as_recording_samples(samples)


def _statements(series: etree._Element) -> tuple[str, ...]:
    """The interpretation, the machine's own where the file has one, else that of the person who read the ECG."""
    annotation_sets = [found for path in _ANNOTATION_SETS for found in series.iterfind(path)]
    by_machine = [found for found in annotation_sets if found.find(_PERSON_AS_AUTHOR) is None]
    return _interpretation(by_machine) or _interpretation(annotation_sets)


def _interpretation(annotation_sets: list[etree._Element]) -> tuple[str, ...]:
    texts = []
    for annotation_set in annotation_sets:
        for code in annotation_set.iter(_CODE):
            if code.get("code", "").strip() not in _STATEMENT_CODES:
                continue
            value = code.getparent().find(_VALUE)
            if value is not None:
                texts.append((value.text or "").strip() or value.get("displayName"))
    return tuple(dict.fromkeys(clean_statements(texts)))
