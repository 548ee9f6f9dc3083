"""Damage of binary headers at the fields that matter: EDF, ISHNE, SCP-ECG (checksums mended), WFDB headers."""

import binascii
import random
import struct

from faults.damage import (
    HOSTILE_WORDS,
    LARGEST_FILE,
    Damage,
    bits_flipped,
    hostile_word,
    once,
    range_deleted,
    range_duplicated,
    range_randomised,
    sections_swapped,
    truncated_anywhere,
    word_made_hostile,
)
from faults.text_damage import HOSTILE_NAMES, HOSTILE_NUMBERS

_CRC_START = 0xFFFF

# (offset, width) in EDF's first 256 bytes, and width and sum of the widths before it for each signal.
_EDF_FIELDS = ((0, 8), (168, 8), (176, 8), (184, 8), (192, 44), (236, 8), (244, 8), (252, 4))
_EDF_SIGNAL_FIELDS = ((0, 16), (16, 80), (96, 8), (104, 8), (112, 8), (120, 8), (128, 8), (216, 8))

_ISHNE_INT32 = (10, 14, 18, 22)
_ISHNE_INT16 = (26, 156, *range(158, 182, 2), *range(182, 230, 2), 272)


def edf_field_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A field of the header, of the file or of one signal: text of ASCII numbers in a fixed width."""
    offset, width = rng.choice(_EDF_FIELDS)
    signals = content[252:256].strip()
    if rng.random() < 0.7 and signals.isdigit() and int(signals):
        before, width = rng.choice(_EDF_SIGNAL_FIELDS)
        offset = 256 + before * int(signals) + width * rng.randrange(int(signals))
    hostile = rng.choice(
        (*HOSTILE_NUMBERS, *HOSTILE_NAMES, "EDF+D", "EDF+C", "EDF Annotations", "99999999", "9999", "1e-7")
    )
    text = hostile.encode("utf-8", "surrogatepass")[:width].ljust(width)
    return content[:offset] + text + content[offset + width :]


@once
def edf_of_the_largest_size(content: bytes, rng: random.Random) -> bytes | None:
    """As many data records as fit, declared as they are."""
    signals = content[252:256].strip()
    if not signals.isdigit():
        return None
    start = 256 * (int(signals) + 1)
    declared = int(content[236:244])
    record = content[start : start + (len(content) - start) // max(declared, 1)]
    count = (LARGEST_FILE - start) // max(len(record), 1)
    return content[:236] + f"{count:<8}".encode() + content[244:start] + record * count


def ishne_field_made_hostile(content: bytes, rng: random.Random) -> bytes:
    """A length, lead code, resolution or rate, with a checksum that fits again or none."""
    at, width = rng.choice([(at, 4) for at in _ISHNE_INT32] + [(at, 2) for at in _ISHNE_INT16])
    number = rng.choice((*HOSTILE_WORDS, 2, 3, 5, 12, 13, 64)) & (256**width - 1)
    return _ishne_sealed(content[:at] + number.to_bytes(width, "little") + content[at + width :], rng)


def _ishne_sealed(content: bytes, rng: random.Random) -> bytes:
    ecg_at = int.from_bytes(content[22:26], "little", signed=True)
    checksum = rng.choice((0, binascii.crc_hqx(content[10 : max(ecg_at, 0)], _CRC_START)))
    return content[:8] + checksum.to_bytes(2, "little") + content[10:]


def scp_sealed(damage: Damage) -> Damage:
    """The damage behind the record's first section, under a length and a checksum of the record that fit."""

    def sealed(content: bytes, rng: random.Random) -> bytes | None:
        damaged = damage(content[6:], rng)
        if damaged is None:
            return None
        record = struct.pack("<I", len(damaged) + 6) + damaged
        return struct.pack("<H", binascii.crc_hqx(record, _CRC_START)) + record

    sealed.__name__ = f"scp_{damage.__name__}_and_sealed"
    return sealed


def scp_section_field_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A number at the beginning of a section: lengths, tables, units per count, interval, beats."""
    sections = list(_scp_sections(content))
    if not sections:
        return None
    start = rng.choice(sections)
    width = rng.choice((1, 2, 4))
    at = start + rng.randrange(64)
    if at + width > len(content):
        return None
    return content[:at] + hostile_word(rng, width) + content[at + width :]


def _scp_sections(content: bytes):
    """Where the sections' data start in a record without its first six bytes, after the pointers of section 0."""
    for at in range(16, min(16 + 120, len(content) - 10), 10):
        _, size, position = struct.unpack_from("<HII", content, at)
        if size and 6 < position < len(content):
            yield position - 1 - 6 + 16


def wfdb_word_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A word of a header's record or signal line: count, rate, format, gain, baseline, file name."""
    lines = content.decode("utf-8", "replace").split("\n")
    at = rng.randrange(len(lines))
    words = lines[at].split(" ")
    formats = (
        "8",
        "16",
        "24",
        "32",
        "61",
        "80",
        "160",
        "212",
        "310",
        "311",
        "508",
        "516",
        "524",
        "0",
        "999",
        "16x2",
        "16x99999999",
    )
    formats += ("16:2147483647", "212:5", "16+24", "16+2147483647", "212x1:3+99")
    gains = (
        "0",
        "-1000",
        "1e308/mV",
        "1e-320/mV",
        "nan/mV",
        "1000(0)/Pa",
        "1000(2147483648)/mV",
        "1000(-99999999999999999999)/mV",
    )
    files = (
        "../record.dat",
        "/etc/passwd",
        "-",
        "~",
        "/dev/zero",
        "http://127.0.0.1:9/x",
        "record.hea",
        ".",
        "a b",
        "wfdb16.hea",
    )
    hostile = (*HOSTILE_NUMBERS, *formats, *gains, *files, *HOSTILE_NAMES)
    words[rng.randrange(len(words))] = rng.choice(hostile)
    lines[at] = " ".join(words)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def wfdb_column_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """The same word in every signal line, such as another format or gain."""
    lines = [line.split(" ") for line in content.decode("utf-8", "replace").split("\n")]
    column = rng.choice((0, 1, 1, 1, 2, 2, 3, 4))
    choices = {
        0: ("record.hea", "-", "../x", "/dev/zero"),
        1: (
            "8",
            "24",
            "32",
            "61",
            "80",
            "160",
            "212",
            "310",
            "311",
            "508",
            "516",
            "524",
            "16x2",
            "16:100000",
            "16+1",
            "0",
        ),
    }
    hostile = rng.choice(choices.get(column, HOSTILE_NUMBERS))
    for words in lines[1:]:
        if len(words) > column and not words[0].startswith("#"):
            words[column] = hostile
    return "\n".join(" ".join(words) for words in lines).encode("utf-8", "surrogatepass")


def wfdb_samples_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """Another number of samples in a storage format that the wfdb package has to unpack."""
    text = content.decode("utf-8", "replace")
    stored = rng.choice(("16", "212", "80", "310", "311", "24", "32", "61", "160", "8", "508", "516", "524"))
    first, _, rest = text.partition("\n")
    words = first.split(" ")
    if len(words) < 4:
        return None
    words[3] = rng.choice(
        ("0", "1", "5592405", "5000000", "67108864", "2147483647", "99999999999999999999", "4999", "5001")
    )
    rest = rest.replace(" 16 ", f" {stored} ").replace(" 16+24 ", f" {stored} ")
    return f"{' '.join(words)}\n{rest}".encode()


EDF = (edf_field_made_hostile, edf_of_the_largest_size)
ISHNE = (ishne_field_made_hostile,)
SCP = tuple(
    scp_sealed(damage)
    for damage in (
        scp_section_field_made_hostile,
        bits_flipped,
        word_made_hostile,
        range_randomised,
        range_deleted,
        range_duplicated,
        sections_swapped,
        truncated_anywhere,
    )
)
WFDB = (wfdb_word_made_hostile, wfdb_column_made_hostile, wfdb_samples_made_hostile)
