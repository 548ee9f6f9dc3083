"""SCP-ECG files made for tests from EN 1064:2005+A1:2007 and annex C, one sample and one bit at a time."""

import binascii
import struct
from dataclasses import dataclass, replace

import numpy as np

TWELVE_CODES = {
    "I": 1,
    "II": 2,
    "V1": 3,
    "V2": 4,
    "V3": 5,
    "V4": 6,
    "V5": 7,
    "V6": 8,
    "III": 61,
    "aVR": 62,
    "aVL": 63,
    "aVF": 64,
}
DEFAULT_TABLE = struct.pack("<H", 19999)
PLANTED = ("MUSTERMANN", "Erika", "PID-4711", "19530917", "Heidestrasse 17", "SN-0815", "Klinikum Oz", "Dr. Seltsam")
# Bits of codes as they are sent -> (1 value / 0 switch, value or table, bits of amplitude behind the prefix)
TWO_TABLES = (
    {"0": (1, 0, 0), "100": (1, 1, 0), "101": (1, -1, 0), "110": (0, 2, 0), "111": (1, 0, 16)},
    {"0": (1, 0, 12), "10": (0, 1, 0), "110": (1, 300, 0)},
)


@dataclass(frozen=True)
class Scp:
    """What to write; `scp_file` turns it into bytes."""

    signal: np.ndarray
    codes: tuple[int, ...] = tuple(TWELVE_CODES.values())
    unit_nv: int = 5000
    interval_us: int = 2000
    difference: int = 2
    first: int = 1
    tables: bytes | None = DEFAULT_TABLE
    stored: tuple[bytes, ...] | None = None
    flags: int = 0x64
    bimodal: int = 0
    extra_sections: tuple[tuple[int, bytes], ...] = ()
    device: bytes = b""
    protocol: int = 20


def default_bits(value: int) -> str:
    """The default table's code of a value."""
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + ("1" if value < 0 else "0")
    if -128 <= value < 128:
        return "1" * 9 + "0" + f"{value & 0xFF:08b}"
    return "1" * 10 + f"{value & 0xFFFF:016b}"


def pack_bits(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 16)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def differences(samples: np.ndarray, order: int) -> list[int]:
    """The values that stand for `samples`, each in 16 bits."""
    plain = [int(sample) for sample in samples]
    values = plain[:order]
    for index in range(order, len(plain)):
        value = plain[index]
        if order == 1:
            value -= plain[index - 1]
        elif order == 2:
            value += plain[index - 2] - 2 * plain[index - 1]
        values.append((value + 0x8000) % 0x10000 - 0x8000)
    return values


def coded(samples: np.ndarray, order: int) -> bytes:
    """A lead in the default table's codes."""
    return pack_bits("".join(default_bits(value) for value in differences(samples, order)))


def plain(samples: np.ndarray, order: int) -> bytes:
    return np.array(differences(samples, order), dtype="<i2").tobytes()


def table_section(tables: tuple[dict[str, tuple[int, int, int]], ...]) -> bytes:
    """Section 2 of own tables; a code's bits are stored with the first one lowest."""
    body = struct.pack("<H", len(tables))
    for table in tables:
        body += struct.pack("<H", len(table))
        for bits, (holds_value, value, amplitude_bits) in table.items():
            body += struct.pack(
                "<BBBhI", len(bits), len(bits) + amplitude_bits, holds_value, value, int(bits[::-1] or "0", 2)
            )
    return body


def coded_in_two_tables(samples: np.ndarray) -> bytes:
    """Plain values in TWO_TABLES: small ones in the first, up to 12 bits in the second, switching as needed."""
    small = {0: "0", 1: "100", -1: "101"}
    bits, in_second = "", False
    for value in (int(sample) for sample in samples):
        wants_second = value not in small and -2048 <= value < 2048
        if wants_second != in_second:
            bits += "10" if in_second else "110"
            in_second = wants_second
        if in_second:
            bits += "110" if value == 300 else "0" + f"{value & 0xFFF:012b}"
        else:
            bits += small.get(value) or "111" + f"{value & 0xFFFF:016b}"
    return pack_bits(bits)


def lead_section(scp: Scp) -> bytes:
    last = scp.first + scp.signal.shape[1] - 1
    body = struct.pack("<BB", len(scp.codes), scp.flags)
    return body + b"".join(struct.pack("<IIB", scp.first, last, code) for code in scp.codes)


def signal_section(unit_nv: int, interval_us: int, difference: int, bimodal: int, leads: tuple[bytes, ...]) -> bytes:
    header = struct.pack("<HHBB", unit_nv, interval_us, difference, bimodal)
    return header + b"".join(struct.pack("<H", len(lead)) for lead in leads) + b"".join(leads)


def beat_section(
    length_ms: int, fiducial: int, beats: list[tuple[int, int, int, int]], protected: list[tuple[int, int]]
) -> bytes:
    """Section 4 of (type, first, fiducial, last) and (first, last) in samples counted from 1."""
    body = struct.pack("<HHH", length_ms, fiducial, len(beats))
    body += b"".join(struct.pack("<HIII", *beat) for beat in beats)
    return body + b"".join(struct.pack("<II", *area) for area in protected)


def device_tag(maker: int = 8, model: bytes = b"ELI250", language: int = 0, maker_text: bytes = b"") -> bytes:
    head = struct.pack("<HHHBB6sBBBBB16x", 7, 8, 9, 0, maker, model, 20, 0xC0, language, 0, 0)
    return head + struct.pack("<B", 4) + b"1.0\0" + b"\0".join((b"SN-0815", b"sw", b"lib", maker_text)) + b"\0"


def patient_section(device: bytes) -> bytes:
    """Section 1 with identity in every tag that may hold it, and the device's tag."""
    texts = {0: "MUSTERMANN", 1: "Erika", 2: "PID-4711", 3: "Geb. Muster", 16: "Klinikum Oz", 20: "Dr. Seltsam"}
    tags = [(tag, text.encode() + b"\0") for tag, text in texts.items()]
    tags += [(5, struct.pack("<HBB", 1953, 9, 17)), (30, b"19530917 Heidestrasse 17\0"), (31, b"SN-0815\0")]
    tags += [(14, device)] if device else []
    return b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags) + b"\xff\0\0"


def statement_section(texts: list[bytes]) -> bytes:
    body = struct.pack("<BHBBBBBB", 0, 2024, 2, 29, 12, 30, 0, len(texts))
    return body + b"".join(struct.pack("<BH", number, len(text)) + text for number, text in enumerate(texts, 1))


def crc(block: bytes) -> int:
    return binascii.crc_hqx(block, 0xFFFF)


def section(number: int, body: bytes, protocol: int = 20) -> bytes:
    body += b"\0" * (len(body) % 2)
    reserved = b"SCPECG" if number == 0 else bytes(6)
    rest = struct.pack("<HIBB6s", number, len(body) + 16, 20, protocol, reserved) + body
    return struct.pack("<H", crc(rest)) + rest


def record(bodies: dict[int, bytes], protocol: int = 20) -> bytes:
    """The record of these sections, section 0 before them and with right CRCs."""
    numbers = [0, *sorted({*range(1, 12), *bodies})]
    sections = {number: section(number, body, protocol) for number, body in bodies.items()}
    pointers, position = b"", 7 + 16 + 10 * len(numbers)
    for number in numbers:
        size = 16 + 10 * len(numbers) if number == 0 else len(sections.get(number, b""))
        start = 7 if number == 0 else position
        pointers += struct.pack("<HII", number, size, start if size else 0)
        position += size if number else 0
    rest = section(0, pointers, protocol) + b"".join(sections[number] for number in sorted(sections))
    rest = struct.pack("<I", len(rest) + 6) + rest
    return struct.pack("<H", crc(rest)) + rest


def scp_file(scp: Scp) -> bytes:
    encode = plain if scp.tables is None else coded
    leads = scp.stored or tuple(encode(lead, scp.difference) for lead in scp.signal)
    bodies = {
        1: patient_section(scp.device),
        3: lead_section(scp),
        6: signal_section(scp.unit_nv, scp.interval_us, scp.difference, scp.bimodal, leads),
        **dict(scp.extra_sections),
    }
    if scp.tables is not None:
        bodies[2] = scp.tables
    return record(bodies, scp.protocol)


def without_reference_beat(
    scp: Scp, beat: np.ndarray, fiducial: int, beats: list[tuple[int, int, int, int]], beat_unit_nv: int
) -> Scp:
    """The file with `beat` (in units of `beat_unit_nv`) subtracted from each beat of type 0."""
    residual = scp.signal.astype(np.int64)
    for kind, first, beat_fiducial, last in beats:
        for sample in range(first, last + 1) if kind == 0 else ():
            of_beat = fiducial + sample - beat_fiducial
            if scp.first <= sample < scp.first + residual.shape[1] and 1 <= of_beat <= beat.shape[1]:
                residual[:, sample - scp.first] -= beat[:, of_beat - 1] * beat_unit_nv // scp.unit_nv
    length_ms = beat.shape[1] * scp.interval_us // 1000
    encode = plain if scp.tables is None else coded
    beat_leads = tuple(encode(lead, 1) for lead in beat)
    return replace(
        scp,
        flags=scp.flags | 1,
        stored=tuple(encode(lead, scp.difference) for lead in residual),
        extra_sections=(
            (4, beat_section(length_ms, fiducial, beats, [(0, 0)] * len(beats))),
            (5, signal_section(beat_unit_nv, scp.interval_us, 1, 0, beat_leads)),
        ),
    )


def decimated(scp: Scp, protected: list[tuple[int, int]], factor: int) -> Scp:
    """The file with means of `factor` samples in place of those outside the protected areas."""
    encode = plain if scp.tables is None else coded
    stored = tuple(
        encode(np.array(decimate(lead, scp.first, protected, factor)), scp.difference) for lead in scp.signal
    )
    no_beats = [(1, 0, 0, 0)] * len(protected)
    reference = tuple(encode(np.zeros(4, dtype=int), 0) for _ in scp.codes)
    return replace(
        scp,
        interval_us=scp.interval_us * factor,
        bimodal=1,
        stored=stored,
        extra_sections=(
            (4, beat_section(4 * scp.interval_us // 1000, 1, no_beats, protected)),
            (5, signal_section(scp.unit_nv, scp.interval_us, 0, 0, reference)),
        ),
    )


def decimate(lead: np.ndarray, first: int, protected: list[tuple[int, int]], factor: int) -> list[int]:
    """A lead's stored values: whole in the protected areas, means of `factor` samples outside of them."""
    values: list[int] = []
    group: list[int] = []
    for sample, value in enumerate(lead.tolist(), first):
        if any(area_first <= sample <= area_last for area_first, area_last in protected):
            values += [*group, value]
            group = []
            continue
        group.append(value)
        if len(group) == factor:
            values.append(round(sum(group) / factor))
            group = []
    return values + group
