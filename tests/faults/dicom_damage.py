"""Damage of DICOM files: values, lengths and types of elements, nesting, deflated bombs."""

import random
import struct

from faults.damage import bomb, once

# (group, element) of what samples are read by.
_TAGS = {
    "sampling frequency": (0x003A, 0x001A),
    "number of channels": (0x003A, 0x0005),
    "number of samples": (0x003A, 0x0010),
    "sensitivity": (0x003A, 0x0210),
    "sensitivity units": (0x003A, 0x0211),
    "correction factor": (0x003A, 0x0212),
    "baseline": (0x003A, 0x0213),
    "channel definitions": (0x003A, 0x0200),
    "channel source": (0x003A, 0x0208),
    "time offset": (0x0018, 0x1068),
    "bits allocated": (0x5400, 0x1004),
    "interpretation": (0x5400, 0x1006),
    "padding value": (0x5400, 0x100A),
    "waveform data": (0x5400, 0x1010),
    "waveform sequence": (0x5400, 0x0100),
    "annotations": (0x0040, 0xB020),
    "code value": (0x0008, 0x0100),
    "code meaning": (0x0008, 0x0104),
    "character set": (0x0008, 0x0005),
    "originality": (0x003A, 0x0004),
}
_VRS = (
    b"OW",
    b"OB",
    b"SQ",
    b"UN",
    b"US",
    b"SS",
    b"DS",
    b"UL",
    b"FD",
    b"LO",
    b"UT",
    b"ZZ",
    b"\0\0",
    b"LT",
    b"OF",
    b"OV",
)
_TEXTS = (
    b"0",
    b"-1",
    b"NaN",
    b"inf",
    b"1e99",
    b"1E400",
    b"9E99",
    b"1_0",
    b"5,0",
    b"\\",
    b"1\\2",
    b" ",
    b"\0",
    b"\xd9\xa5",
)
_TEXTS += (
    b"SS",
    b"US",
    b"MB",
    b"AB",
    b"SB",
    b"UL",
    b"XX",
    b"DERIVED",
    b"ISO 2022 IR 87",
    b"ISO_IR 192",
    b"\x1b$B",
    b"1e-9",
)
_LENGTHS = (0, 1, 2, 3, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_LONG_VRS = (b"OW", b"OB", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"OV", b"UC", b"UR", b"SV", b"UV")
_META_START = 132
_SEQUENCE_START = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
_ITEM_START = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
_ITEM_END, _SEQUENCE_END = b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_DEFLATED = b"1.2.840.10008.1.2.1.99"


def _elements(content: bytes, rng: random.Random) -> list[tuple[int, bool]]:
    """(position, is big-endian) of the elements of one kind, found by the bytes of their tag."""
    kinds = list(_TAGS.values())
    rng.shuffle(kinds)
    for group, element in kinds:
        for order in "<>":
            tag = struct.pack(f"{order}HH", group, element)
            found, at = [], content.find(tag)
            while at >= 0 and len(found) < 64:
                found.append((at, order == ">"))
                at = content.find(tag, at + 4)
            if found:
                return found
    return []


def dicom_value_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """The value of an element, in one channel or in all, within the length that it has."""
    elements = _elements(content, rng)
    if not elements:
        return None
    hostile_text = rng.choice(_TEXTS)
    damaged = bytearray(content)
    for at, big_endian in elements if rng.random() < 0.5 else [rng.choice(elements)]:
        start, length = _value(content, at, big_endian)
        if not 0 < length <= 64:
            continue
        is_number = content[at + 4 : at + 6] in (b"US", b"UL", b"SS", b"SL")
        value = (
            rng.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * length
            if is_number
            else hostile_text[:length].ljust(length)
        )
        damaged[start : start + length] = value
    return bytes(damaged)


def _value(content: bytes, at: int, big_endian: bool) -> tuple[int, int]:
    """(start, length) of a value; of implicit VR where no VR stands behind the tag."""
    order = ">" if big_endian else "<"
    vr = content[at + 4 : at + 6]
    if not (vr.isalpha() and vr.isupper()):
        return at + 8, int.from_bytes(content[at + 4 : at + 8], "little")
    if vr in _LONG_VRS:
        return at + 12, int.from_bytes(content[at + 8 : at + 12], "big" if big_endian else "little")
    return at + 8, struct.unpack_from(f"{order}H", content, at + 6)[0] if at + 8 <= len(content) else 0


def dicom_length_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    elements = _elements(content, rng)
    if not elements:
        return None
    at, big_endian = rng.choice(elements)
    order = ">" if big_endian else "<"
    vr, number = content[at + 4 : at + 6], rng.choice(_LENGTHS)
    if vr.isalpha() and vr.isupper() and vr not in _LONG_VRS:
        return content[: at + 6] + struct.pack(f"{order}H", number & 0xFFFF) + content[at + 8 :]
    start = at + 8 if vr in _LONG_VRS else at + 4
    return content[:start] + struct.pack(f"{order}I", number) + content[start + 4 :]


def dicom_type_changed(content: bytes, rng: random.Random) -> bytes | None:
    elements = _elements(content, rng)
    if not elements:
        return None
    at, _ = rng.choice(elements)
    return content[: at + 4] + rng.choice(_VRS) + content[at + 6 :]


def dicom_tag_changed(content: bytes, rng: random.Random) -> bytes | None:
    elements = _elements(content, rng)
    if not elements:
        return None
    at, big_endian = rng.choice(elements)
    group, element = rng.choice(
        (*_TAGS.values(), (0xFFFE, 0xE000), (0xFFFE, 0xE0DD), (0xFFFE, 0xE00D), (0x7FE0, 0x0010), (0, 0))
    )
    return content[:at] + struct.pack(">HH" if big_endian else "<HH", group, element) + content[at + 4 :]


def _data_set_start(content: bytes) -> int | None:
    """Where the data set begins behind the file meta information, whose first element gives its length."""
    if content[_META_START : _META_START + 6] != b"\x02\x00\x00\x00UL":
        return None
    return _META_START + 12 + int.from_bytes(content[_META_START + 8 : _META_START + 12], "little")


def dicom_deep_nesting(content: bytes, rng: random.Random) -> bytes | None:
    """Sequences in sequences, 100,000 levels of undefined length, closed again or not."""
    start = _data_set_start(content)
    if start is None:
        return None
    levels = rng.choice((50, 1000, 100_000))
    closed = (_ITEM_END + _SEQUENCE_END) * levels if rng.random() < 0.5 else b""
    return content[:start] + (_SEQUENCE_START + _ITEM_START) * levels + closed + content[start:]


def dicom_many_items(content: bytes, rng: random.Random) -> bytes | None:
    start = _data_set_start(content)
    if start is None:
        return None
    item = rng.choice((b"\xfe\xff\x00\xe0\0\0\0\0", _ITEM_START + _ITEM_END))
    items = item * rng.choice((100_000, 3_000_000))
    return content[:start] + _SEQUENCE_START + items + _SEQUENCE_END + content[start:]


def dicom_many_elements(content: bytes, rng: random.Random) -> bytes | None:
    start = _data_set_start(content)
    if start is None:
        return None
    return content[:start] + b"\x08\x00\x42\x11LO\0\0" * rng.choice((150_000, 7_000_000)) + content[start:]


def dicom_transfer_syntax_changed(content: bytes, rng: random.Random) -> bytes | None:
    """Another encoding than the file has, of the same length of name."""
    syntaxes = (
        b"1.2.840.10008.1.2.1\0",
        b"1.2.840.10008.1.2.2\0",
        b"1.2.840.10008.1.2\0\0\0",
        b"1.2.840.10008.9.9.9\0",
    )
    found = next((uid for uid in syntaxes if uid in content[:1024]), None)
    others = [uid for uid in syntaxes if uid != found]
    return content.replace(found, rng.choice(others), 1) if found else None


@once
def dicom_deflated_bomb(content: bytes, rng: random.Random) -> bytes | None:
    """1.5 GB of zeros that deflate to 6 MB, under a header that is right."""
    start = _data_set_start(content)
    if start is None:
        return None
    at = content.find(b"\x02\x00\x10\x00UI", _META_START, start)
    if at < 0:
        return None
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    uid = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(_DEFLATED)) + _DEFLATED
    meta = content[_META_START + 12 : at] + uid + content[at + 8 + length : start]
    return content[: _META_START + 8] + struct.pack("<I", len(meta)) + meta + bomb(-15)


@once
def dicom_without_preamble(content: bytes, rng: random.Random) -> bytes | None:
    start = _data_set_start(content)
    return None if start is None else content[start:]


DICOM = (
    dicom_value_made_hostile,
    dicom_length_made_hostile,
    dicom_type_changed,
    dicom_tag_changed,
    dicom_deep_nesting,
    dicom_many_items,
    dicom_many_elements,
    dicom_transfer_syntax_changed,
    dicom_deflated_bomb,
    dicom_without_preamble,
)
