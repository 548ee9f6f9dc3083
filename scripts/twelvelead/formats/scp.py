"""SCP-ECG (EN 1064, ISO 11073-91064): sections of leads coded by differences and Huffman codes.

Clauses are those of EN 1064:2005+A1:2007. Of section 1 only the tag of the acquiring device is looked at.
"""

import numpy as np

from twelvelead.ecg import Recording
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.leads import as_recording_samples, duplicate_lead, no_standard_lead, plausible_rate_hz
from twelvelead.formats.scp_huffman import read_codebook
from twelvelead.formats.scp_record import Section, read_sections, required
from twelvelead.formats.scp_signals import read_coded_leads, restore
from twelvelead.formats.statements import clean_statements

_LEAD_OF_CODE = {
    1: "I",
    2: "II",
    **{number + 2: f"V{number}" for number in range(1, 7)},
    61: "III",
    62: "aVR",
    63: "aVL",
    64: "aVF",
}
_LEAD_DEFINITION = np.dtype([("first", "<u4"), ("last", "<u4"), ("code", "u1")])
_REFERENCE_BEAT_SUBTRACTED = 1
# A lead has at most 65,535 bytes, and a sample at least one bit.
_MOST_SAMPLES = 8 * 0xFFFF

_DEVICE_TAG, _LAST_TAG = 14, 255
_MANUFACTURER_IS_TEXT = 255
# Clause 5.4.5, tag 14, byte 8.
_MANUFACTURERS = (
    *("", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard", "Marquette", "Mortara"),
    *("Nihon Kohden", "Okin", "Quinton", "Siemens", "SpaceLabs", "Telemed", "Hellige", "ESAOTE", "Schiller"),
    *("Picker-Schwarzer", "et medical devices", "Zwönitz"),
)
# Clause 5.4.5, tag 14, byte 17; Latin-1 where it is another number.
_ENCODINGS = {
    0x03: "iso8859-2",
    0x0B: "iso8859-4",
    0x13: "iso8859-5",
    0x1B: "iso8859-6",
    0x23: "iso8859-7",
    0x2B: "iso8859-8",
    0x33: "iso8859-11",
    0x3B: "iso8859-15",
    0x07: "utf-16-le",
    0x0F: "shift_jis",
    0x17: "euc_jp",
    0x27: "gb2312",
    0x2F: "euc_kr",
    0x37: "utf-8",
}
_STATEMENTS_OF_TEXT, _STATEMENTS_OF_CODES = 8, 11
_FULL_TEXT = 2


def read_scp(content: bytes) -> Recording:
    """The rhythm of an SCP-ECG record (section 6) with its standard leads.

    Raises UnreadableFile for a record that is cut short, has a wrong CRC or contradicts itself, UnsupportedFormat for
    leads recorded one after the other and for codings no reader here takes, LeadMissing without a standard lead.
    """
    sections = read_sections(content)
    if 6 not in sections and 12 in sections:
        raise UnsupportedFormat("SCP-ECG of a long-term recording (section 12); expected a resting ECG in section 6")
    lead_section = required(sections, 3, "the leads")
    lead_count, flags = lead_section.fields("BB")
    row_of, first, count = _leads(lead_section, lead_count)
    codebook = read_codebook(required(sections, 2, "Huffman tables")) if 2 in sections else None
    rhythm = read_coded_leads(required(sections, 6, "the rhythm"), lead_count, codebook)
    rows, interval_us = list(row_of.values()), rhythm.interval_us
    subtracted = bool(flags & _REFERENCE_BEAT_SUBTRACTED)
    if subtracted or rhythm.bimodal:
        reference = read_coded_leads(required(sections, 5, "the reference beat"), lead_count, codebook)
        beats = required(sections, 4, "the places of beats")
        samples, unit_nv = restore(rhythm, reference, beats, rows, first, count, subtracted)
        interval_us = reference.interval_us
    else:
        samples, unit_nv = np.stack([rhythm.samples(row, count) for row in rows]), rhythm.unit_nv
    device_tag = _device_tag(sections)
    return Recording(
        format="scp",
        leads=tuple(row_of),
        samples=as_recording_samples(samples),
        gain_mv=np.full(len(rows), unit_nv * 1e-6),
        sampling_rate_hz=plausible_rate_hz(1e6 / interval_us, "the sample interval"),
        units=f"{unit_nv / 1000:g} uV/LSB",
        statements=_statements(sections, _encoding(device_tag)),
        device=_device(device_tag),
    )


def _leads(section: Section, lead_count: int) -> tuple[dict[str, int], int, int]:
    """The standard leads with their places in section 3, the number of their first sample and how many they have."""
    row_of: dict[str, int] = {}
    spans = {}
    for row, (first, last, code) in enumerate(section.rows(_LEAD_DEFINITION, lead_count, 2).tolist()):
        lead = _LEAD_OF_CODE.get(code)
        if lead is None:
            continue
        if lead in row_of:
            raise duplicate_lead(lead)
        row_of[lead] = row
        spans[lead] = first, last
    if not row_of:
        raise no_standard_lead()
    (first, last), *others = dict.fromkeys(spans.values())
    if others:
        other = next(lead for lead, span in spans.items() if span != (first, last))
        raise UnsupportedFormat(
            f"lead {other} has samples {others[0][0]} to {others[0][1]}, lead {next(iter(spans))} {first} to {last}; "
            "expected all leads over the same time, export a simultaneous rhythm"
        )
    if not first <= last < first + _MOST_SAMPLES:
        raise UnreadableFile(f"leads of samples {first} to {last}; expected 1 to {_MOST_SAMPLES} samples, export again")
    return row_of, first, last - first + 1


def _device_tag(sections: dict[int, Section]) -> bytes:
    """The value of section 1's tag of the acquiring device; empty where it is absent or the section damaged."""
    section = sections.get(1)
    body = section.body if section is not None and section.intact else b""
    offset = 0
    while offset + 3 <= len(body) and body[offset] != _LAST_TAG:
        start = offset + 3
        end = start + int.from_bytes(body[offset + 1 : start], "little")
        if body[offset] == _DEVICE_TAG:
            return body[start:end]
        offset = end
    return b""


def _device(tag: bytes) -> str:
    """Maker and model; of the texts behind them, serial number among them, only the maker's name is taken."""
    if len(tag) < 14:
        return ""
    code = tag[7]
    maker = _MANUFACTURERS[code] if code < len(_MANUFACTURERS) else ""
    if code == _MANUFACTURER_IS_TEXT:
        # Behind the program's revision, whose length comes first: serial number, two programs, maker.
        texts = tag[36:][tag[35] if len(tag) > 35 else 0 :].split(b"\0")
        maker = _text(texts[3]) if len(texts) > 4 else ""
    return " ".join(part for part in (maker, _text(tag[8:14])) if part)[:80]


def _text(field: bytes) -> str:
    readable = "".join(character for character in field.split(b"\0")[0].decode("latin-1") if character.isprintable())
    return " ".join(readable.split())


def _encoding(tag: bytes) -> str:
    return _ENCODINGS.get(tag[16], "latin-1") if len(tag) > 16 else "latin-1"


def _statements(sections: dict[int, Section], encoding: str) -> tuple[str, ...]:
    """Statements in words: those of section 8, and of section 11, mostly codes, those of its type for full text."""
    texts = []
    for number in (_STATEMENTS_OF_TEXT, _STATEMENTS_OF_CODES):
        if number not in sections:
            continue
        fields = _statement_fields(required(sections, number, "the statements"))
        if number == _STATEMENTS_OF_CODES:
            fields = [field[1:] for field in fields if field[:1] == bytes([_FULL_TEXT])]
        texts += [field.decode(encoding, errors="replace").split("\0")[0] for field in fields]
    return tuple(dict.fromkeys(clean_statements(texts)))


def _statement_fields(section: Section) -> list[bytes]:
    # Byte 1 says whether it is overread, bytes 2 to 8 when, byte 9 how many statements follow.
    fields, offset = [], 9
    for _ in range(section.body[8] if len(section.body) > 8 else 0):
        if offset + 3 > len(section.body):
            break
        _, length = section.fields("BH", offset)
        fields.append(section.body[offset + 3 : offset + 3 + length])
        offset += 3 + length
    return fields
