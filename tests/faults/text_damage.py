"""Damage of text that means something: numbers, lines, names of leads, lists of samples."""

import random
import re

from faults.damage import LARGEST_FILE, once

_SMALL_AND_LARGE = "0 -0 0.0 -1 -500 NaN nan inf -Infinity 1e308 -1e308 1e400 1e-320 4.9e-324 1e9 1e10 999999 100001"
_LIMITS = "2147483647 2147483648 4294967295 4294967296 -2147483648 9223372036854775807 18446744073709551616 0.000000001"
_ODD = "+ - . e 1e 9.99 5e2 1_000 0x1F4 500,0 500.0.0 --5 1/0 %s 1e99999 \u0665\u0660\u0660 \uff15\uff10\uff10 five"
HOSTILE_NUMBERS = (
    *_SMALL_AND_LARGE.split(),
    *_LIMITS.split(),
    *_ODD.split(),
    *("", " ", "1" * 25, "1" * 5000, "0." + "0" * 5000 + "1", "1e" + "9" * 30),
)
HOSTILE_NAMES = (
    "\U0001f600",
    "I\u0301",
    "e\u0301" * 50,
    "\u202eVI\u202c",
    "\u05d0\u05d1",
    "\u0399",
    "\uff29",
    "V\u0661",
    "I" * 70_000,
    "V" + "1" * 400,
    "I\u200b",
    "\ufeffI",
    "I\nII",
    "I\tII",
    "",
    " ",
    "../../etc/passwd",
    "%s%n",
    "{0}",
    "\\x00",
    "nan",
    "aVR, augmented voltage, right",
    "-I",
    "DROP TABLE",
)
_NUMBER = re.compile(rb"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
_LEAD_NAME = re.compile(rb"(?<![A-Za-z0-9])(?:aV[RLF]|AV[RLF]|V[1-6]|III|II|I)(?![A-Za-z0-9])")
_HEAD_BYTES = 20_000
_CELLS = re.compile(rb"(?:-?\d+(?:\.\d+)?[,; \t\r\n]+){40,}")


def number_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    return _replaced(content, _NUMBER, rng, HOSTILE_NUMBERS, len(content))


def header_number_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    return _replaced(content, _NUMBER, rng, HOSTILE_NUMBERS, _HEAD_BYTES)


def lead_name_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    return _replaced(content, _LEAD_NAME, rng, HOSTILE_NAMES, len(content))


def lead_names_exchanged(content: bytes, rng: random.Random) -> bytes | None:
    names = (b"I", b"II", b"III", b"aVR", b"V1", b"V6", b"V7", b"X")
    return _replaced(content, _LEAD_NAME, rng, names, len(content))


def _replaced(content: bytes, pattern: re.Pattern, rng: random.Random, by: tuple, end: int) -> bytes | None:
    """One match of the pattern near a random place before `end`, replaced by one of `by`."""
    start = rng.randrange(min(end, len(content)))
    match = pattern.search(content, start) or pattern.search(content)
    if match is None:
        return None
    replacement = rng.choice(by)
    replacement = replacement.encode("utf-8", "surrogatepass") if isinstance(replacement, str) else replacement
    return content[: match.start()] + replacement + content[match.end() :]


def every_same_number_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A number of the header wherever it stands, as where a rate or gain is given once for each lead."""
    match = _NUMBER.search(content, rng.randrange(min(_HEAD_BYTES, len(content))))
    if match is None:
        return None
    whole = re.compile(rb"(?<![\w.])" + re.escape(match[0]) + rb"(?![\w.])")
    hostile = rng.choice(HOSTILE_NUMBERS[:-6]).encode("utf-8")
    return whole.sub(lambda _: hostile, content, count=2000)


def line_deleted(content: bytes, rng: random.Random) -> bytes | None:
    lines = content.splitlines(keepends=True)
    if len(lines) < 2:
        return None
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def line_duplicated(content: bytes, rng: random.Random) -> bytes | None:
    lines = content.splitlines(keepends=True)
    if len(lines) < 2:
        return None
    at = rng.randrange(len(lines))
    return b"".join([*lines[: at + 1], *lines[at:]])


def lines_swapped(content: bytes, rng: random.Random) -> bytes | None:
    lines = content.splitlines(keepends=True)
    if len(lines) < 3:
        return None
    a, b = rng.sample(range(len(lines)), 2)
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def line_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    lines = content.splitlines(keepends=True)
    if len(lines) < 2:
        return None
    hostile = rng.choice(
        (b"\n", b"\0\n", b'"\n', b"#\n", b",,,,,,,,,,,,\n", b"x" * 1_000_000 + b"\n", b"\xff\xfe\n", b"'\"\\\n")
    )
    lines[rng.randrange(min(40, len(lines)))] = hostile
    return b"".join(lines)


@once
def long_list_of_samples(content: bytes, rng: random.Random) -> bytes | None:
    """One list of numbers repeated until the file has the largest size that is read."""
    match = _CELLS.search(content)
    if match is None or len(content) > LARGEST_FILE // 2:
        return None
    times = (LARGEST_FILE - len(content)) // len(match[0])
    return content[: match.end()] + match[0] * times + content[match.end() :]


@once
def samples_of_one_digit(content: bytes, rng: random.Random) -> bytes | None:
    """As many samples as a file of the largest size can name, each of one digit."""
    match = _CELLS.search(content)
    if match is None or len(content) > LARGEST_FILE // 2:
        return None
    separator = re.search(rb"[,; \t\r\n]", match[0])[0]
    cells = (b"1" + separator) * ((LARGEST_FILE - len(content)) // 2)
    return content[: match.start()] + cells + content[match.end() :]


@once
def lines_without_end(content: bytes, rng: random.Random) -> bytes:
    """The shortest lines there are behind the first one, up to the largest size."""
    first, _, rest = content.partition(b"\n")
    return first + b"\n" + b"#\n" * ((LARGEST_FILE - len(content)) // 2) + rest


@once
def empty_lines_before(content: bytes, rng: random.Random) -> bytes:
    return b"\n" * (8 * 2**20) + content


TEXT = (
    number_made_hostile,
    header_number_made_hostile,
    every_same_number_made_hostile,
    lead_name_made_hostile,
    lead_names_exchanged,
    line_deleted,
    line_duplicated,
    lines_swapped,
    line_made_hostile,
    long_list_of_samples,
    samples_of_one_digit,
    lines_without_end,
    empty_lines_before,
)
