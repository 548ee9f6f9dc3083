"""Damage that any file may take, whatever its format: bytes in, bytes out, the same for the same random numbers.

A damage is a function (content, rng) -> content, or None where it has nothing to bite on in this content.
"""

import functools
import random
import zlib
from collections.abc import Callable

Damage = Callable[[bytes, random.Random], bytes | None]

HEAD_BYTES = 2048  # where most formats declare what follows
LARGEST_FILE = 64 * 2**20  # what a reader takes, less a little for what stands around
HOSTILE_WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 2, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_WIDTHS = (2, 4, 8)


def once(damage: Damage) -> Damage:
    """Marks a damage that takes no random number, so that a second one would be the same file again."""
    damage.is_once = True
    return damage


def is_once(damage: Damage) -> bool:
    return getattr(damage, "is_once", False)


def _range(content: bytes, rng: random.Random, longest: int = 65_536) -> tuple[int, int]:
    start = rng.randrange(len(content))
    return start, min(len(content), start + rng.randint(1, longest))


def truncated_anywhere(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def truncated_in_the_header(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(min(HEAD_BYTES, len(content)))]


def truncated_by_a_few_bytes(content: bytes, rng: random.Random) -> bytes:
    return content[: -rng.randint(1, 16)]


def truncated_at_a_block(content: bytes, rng: random.Random) -> bytes | None:
    """As copies end that stop between the blocks of a disk or a network."""
    block = rng.choice((512, 1448, 4096, 32_768))
    return content[: rng.randrange(len(content) // block + 1) * block]


def beginning_lost(content: bytes, rng: random.Random) -> bytes:
    return content[rng.randint(1, min(HEAD_BYTES, len(content))) :]


def bit_flipped(content: bytes, rng: random.Random) -> bytes:
    return _flipped(content, [rng.randrange(len(content))], rng)


def bits_flipped(content: bytes, rng: random.Random) -> bytes:
    return _flipped(content, [rng.randrange(len(content)) for _ in range(rng.randint(2, 64))], rng)


def header_bits_flipped(content: bytes, rng: random.Random) -> bytes:
    head = min(HEAD_BYTES, len(content))
    return _flipped(content, [rng.randrange(head) for _ in range(rng.randint(1, 8))], rng)


def _flipped(content: bytes, positions: list[int], rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for position in positions:
        damaged[position] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def bytes_overwritten(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 16)):
        damaged[rng.randrange(len(damaged))] = rng.choice((0, 0xFF, 0x7F, 0x80, 0x0A, 0x22, 0x3C, rng.randrange(256)))
    return bytes(damaged)


def range_randomised(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng, 4096)
    return content[:start] + rng.randbytes(end - start) + content[end:]


def range_zeroed(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def range_of_ones(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    return content[:start] + b"\xff" * (end - start) + content[end:]


def range_deleted(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    return content[:start] + content[end:]


def range_duplicated(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    return content[:end] + content[start:end] + content[end:]


def range_moved(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    rest = content[:start] + content[end:]
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + content[start:end] + rest[at:]


def sections_swapped(content: bytes, rng: random.Random) -> bytes | None:
    if len(content) < 8:
        return None
    a, b, c, d = sorted(rng.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def blocks_shuffled(content: bytes, rng: random.Random) -> bytes:
    size = rng.choice((512, 4096, 65_536))
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    kept = rng.randint(0, 1)  # with the first block in its place the file still looks like what it is
    tail = blocks[kept:]
    rng.shuffle(tail)
    return b"".join(blocks[:kept] + tail)


def noise_inserted(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.randint(1, 512)) + content[at:]


def zeros_inserted(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + bytes(rng.randint(1, 512)) + content[at:]


def noise_before(content: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(1, 64)) + content


def noise_behind(content: bytes, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.randint(1, 4096))


def zeros_behind(content: bytes, rng: random.Random) -> bytes:
    """As disks leave them that hand out whole blocks."""
    return content + bytes(rng.randint(1, 65_536))


def length_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A number anywhere in the header becomes the largest, the smallest or 2 GB, in either byte order."""
    return _word_overwritten(content, rng, min(HEAD_BYTES, len(content)), rng.choice((1, 2, 4, 8)))


def word_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    return _word_overwritten(content, rng, len(content), 1)


def _word_overwritten(content: bytes, rng: random.Random, end: int, alignment: int) -> bytes | None:
    width = rng.choice(_WIDTHS)
    if end < width:
        return None
    at = rng.randrange(end - width + 1) // alignment * alignment
    return content[:at] + hostile_word(rng, width) + content[at + width :]


def hostile_word(rng: random.Random, width: int) -> bytes:
    largest = 256**width - 1
    number = min(rng.choice((*HOSTILE_WORDS, largest, largest // 2, largest // 2 + 1)), largest)
    return number.to_bytes(width, rng.choice(("little", "big")))


def line_ends_translated(content: bytes, rng: random.Random) -> bytes | None:
    """What a copy in text mode does to a file, in one direction or the other."""
    return rng.choice((content.replace(b"\n", b"\r\n"), content.replace(b"\r\n", b"\n"), content.replace(b"\n", b"\r")))


@once
def eighth_bits_lost(content: bytes, rng: random.Random) -> bytes:
    return content.translate(bytes(byte & 0x7F for byte in range(256)))


@once
def taken_for_latin_1(content: bytes, rng: random.Random) -> bytes:
    return content.decode("latin-1").encode("utf-8")


@once
def all_zeros(content: bytes, rng: random.Random) -> bytes:
    return bytes(len(content))


@once
def empty(content: bytes, rng: random.Random) -> bytes:
    return b""


@once
def one_byte(content: bytes, rng: random.Random) -> bytes:
    return content[:1]


@once
def twice_over(content: bytes, rng: random.Random) -> bytes:
    return content * 2


@once
def reversed_order(content: bytes, rng: random.Random) -> bytes:
    return content[::-1]


@once
def gzipped(content: bytes, rng: random.Random) -> bytes:
    return zlib.compress(content, wbits=31)


@once
def grown_to_the_limit(content: bytes, rng: random.Random) -> bytes:
    """Zeros behind the file up to the largest size that is read at all."""
    return content + bytes(max(0, LARGEST_FILE - len(content)))


def noise_behind_a_header(content: bytes, rng: random.Random) -> bytes:
    """A whole header, and then what has nothing to do with it."""
    return content[: rng.choice((64, 256, 1024, 4096))] + rng.randbytes(rng.randint(0, 100_000))


ANY = (
    truncated_anywhere,
    truncated_in_the_header,
    truncated_by_a_few_bytes,
    truncated_at_a_block,
    beginning_lost,
    bit_flipped,
    bits_flipped,
    header_bits_flipped,
    bytes_overwritten,
    range_randomised,
    range_zeroed,
    range_of_ones,
    range_deleted,
    range_duplicated,
    range_moved,
    sections_swapped,
    blocks_shuffled,
    noise_inserted,
    zeros_inserted,
    noise_before,
    noise_behind,
    zeros_behind,
    length_made_hostile,
    word_made_hostile,
    line_ends_translated,
    eighth_bits_lost,
    taken_for_latin_1,
    all_zeros,
    empty,
    one_byte,
    twice_over,
    reversed_order,
    gzipped,
    grown_to_the_limit,
    noise_behind_a_header,
)


@functools.cache
def bomb(wbits: int, gigabytes: float = 1.5) -> bytes:
    """Deflated zeros that take `gigabytes` when inflated; wbits as zlib has it, -15 for a bare stream."""
    compressor = zlib.compressobj(1, wbits=wbits)
    block = bytes(2**20)
    return b"".join(compressor.compress(block) for _ in range(int(gigabytes * 1024))) + compressor.flush()
