"""Huffman codes of SCP-ECG (EN 1064:2005+A1:2007, clause 5.5 and annex C) and its differences of samples."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.scp_record import Section

DEFAULT_TABLE = 19999
_WINDOW_BITS = 16
_WINDOWS = 1 << _WINDOW_BITS
_CODE = np.dtype(
    [("prefix_bits", "u1"), ("bits", "u1"), ("holds_value", "u1"), ("value", "<i2"), ("first_bit_lowest", "<u4")]
)
# The standard sets no limit; a table takes 0.5 MB here, and files with own tables have one or a few.
_MOST_TABLES = 32
_FEW_SWITCHES = 100
# A code has at most 16 bits of prefix and 16 of amplitude: positions past the end by that much can still be asked for.
_PADDING_BYTES = 8


@dataclass(frozen=True)
class Codebook:
    """What the code at the start of any 16 bits means, for every table: arrays of (tables, 65536).

    bits            of the whole code; 0 where it holds no value (no code begins so, or another table follows)
    value           the value, where the code is all prefix
    amplitude_bits  bits behind the prefix that are the value itself, in two's complement; else 0
    prefix_bits     bits before the amplitude
    next_table      number from 1 of the table that decodes what follows; else 0
    """

    bits: np.ndarray
    value: np.ndarray
    amplitude_bits: np.ndarray
    prefix_bits: np.ndarray
    next_table: np.ndarray


def read_codebook(section: Section | None) -> Codebook | None:
    """The codes that section 2 names or lists; None where samples are stored as plain 16-bit integers."""
    if section is None:
        return None
    (table_count,) = section.fields("H")
    if table_count == DEFAULT_TABLE:
        return default_codebook()
    if table_count == 0:
        return None
    if table_count > _MOST_TABLES:
        raise UnsupportedFormat(f"section 2 declares {table_count} Huffman tables; at most {_MOST_TABLES} are read")
    tables, offset = [], 2
    for _ in range(table_count):
        (code_count,) = section.fields("H", offset)
        tables.append(section.rows(_CODE, code_count, offset + 2))
        offset += 2 + code_count * _CODE.itemsize
    return _codebook(tables)


@cache
def default_codebook() -> Codebook:
    """The default table of annex C: 0 is the bit 0, and n up to 8 is n ones, a 0 and the sign.

    Larger values follow as they are: nine ones, a 0 and 8 bits, or ten ones and 16 bits.
    """
    codes = [(1, 1, 1, 0, 0)]
    for magnitude in range(1, 9):
        ones = (1 << magnitude) - 1
        bits = magnitude + 2
        codes += [(bits, bits, 1, magnitude, ones), (bits, bits, 1, -magnitude, ones | 1 << (magnitude + 1))]
    codes += [(10, 18, 1, 0, 0b0111111111), (10, 26, 1, 0, 0b1111111111)]
    return _codebook([np.array(codes, dtype=_CODE)])


def decode(stored: bytes, count: int, codebook: Codebook) -> tuple[np.ndarray, int]:
    """((count,) int64 values, bits left over) from codes written first bit highest, beginning with table 1.

    Raises UnreadableFile where the bits end too early or are no code.
    """
    windows, bit_count = _windows(stored), len(stored) * 8
    if count > bit_count:
        raise UnreadableFile(
            f"a lead stores {len(stored)} bytes, too few for {count} samples; the file is damaged, export it again"
        )
    if len(codebook.bits) == 1:
        positions, table_of = _positions(windows, bit_count, count, codebook.bits[0]), np.zeros(count, dtype=np.intp)
    else:
        positions, table_of = _positions_and_tables(windows, bit_count, count, codebook)
    found = table_of * _WINDOWS + windows[positions]
    values = codebook.value.ravel()[found].astype(np.int64)
    amplitude_bits = codebook.amplitude_bits.ravel()[found]
    (raw,) = np.nonzero(amplitude_bits)
    width = amplitude_bits[raw].astype(np.int64)
    amplitude_positions = positions[raw] + codebook.prefix_bits.ravel()[found[raw]]
    amplitude = windows[amplitude_positions].astype(np.int64) >> (_WINDOW_BITS - width)
    sign = 1 << (width - 1)
    values[raw] = (amplitude ^ sign) - sign
    bits_used = int(positions[-1]) + int(codebook.bits.ravel()[found[-1]])
    if bits_used > bit_count:
        raise _stops(count, count, at_end=True)
    return values, bit_count - bits_used


def undo_differences(values: np.ndarray, order: int) -> np.ndarray:
    """Samples from plain values (order 0), first or second differences; the first `order` values are samples.

    Sums wrap at 16 bits, as those of the writers do.
    """
    if order == 1:
        values = np.cumsum(values)
    elif order == 2 and values.size > 2:
        slopes = np.cumsum(np.concatenate(([values[1] - values[0]], values[2:])))
        values = np.concatenate((values[:1], values[0] + np.cumsum(slopes)))
    return values.astype(np.int16)


def _codebook(tables: list[np.ndarray]) -> Codebook:
    columns = [_columns(codes) for codes in tables]
    next_table = np.stack([column["next_table"] for column in columns])
    if next_table.max() > len(tables):
        raise UnreadableFile(
            f"a Huffman code leads to table {next_table.max()} of {len(tables)}; the file is damaged, export it again"
        )
    names = ("bits", "value", "amplitude_bits", "prefix_bits")
    return Codebook(**{name: np.stack([column[name] for column in columns]) for name in names}, next_table=next_table)


def _columns(codes: np.ndarray) -> dict[str, np.ndarray]:
    """A table's codes spread over all 16-bit windows that they begin; windows without a code hold 0."""
    prefix_bits, bits = codes["prefix_bits"].astype(np.int64), codes["bits"].astype(np.int64)
    amplitude_bits = bits - prefix_bits
    if not ((prefix_bits >= 1) & (prefix_bits <= _WINDOW_BITS) & (amplitude_bits >= 0) & (amplitude_bits <= 16)).all():
        raise UnsupportedFormat("Huffman codes of a prefix beyond 1 to 16 bits or an amplitude beyond 16 are not read")
    holds_value = codes["holds_value"] != 0
    value = codes["value"].astype(np.int64)
    # Readers disagree whether such a base is to be added to the amplitude; the default table has none.
    if (value[holds_value & (amplitude_bits > 0)] != 0).any():
        raise UnsupportedFormat("Huffman codes of both a base value and an amplitude are not read")
    span = 1 << (_WINDOW_BITS - prefix_bits)
    first_window = _reversed_16(codes["first_bit_lowest"]) & ~(span - 1)
    owner = np.full(_WINDOWS, -1, dtype=np.int64)
    if span.sum() <= _WINDOWS:
        within_span = np.arange(span.sum()) - np.repeat(np.cumsum(span) - span, span)
        owner[np.repeat(first_window, span) + within_span] = np.repeat(np.arange(codes.size), span)
    if np.count_nonzero(owner >= 0) != span.sum():
        raise UnreadableFile("a Huffman code begins with another one; the file is damaged, export it again")
    per_code = {
        "bits": (np.where(holds_value, bits, 0), np.uint8),
        "value": (value, np.int16),
        "amplitude_bits": (np.where(holds_value, amplitude_bits, 0), np.uint8),
        "prefix_bits": (prefix_bits, np.uint8),
        "next_table": (np.where(holds_value, 0, value), np.int16),
    }
    # One more entry, 0, for the windows that no code begins: their owner is -1.
    return {name: np.append(entries, 0).astype(dtype)[owner] for name, (entries, dtype) in per_code.items()}


def _reversed_16(codes: np.ndarray) -> np.ndarray:
    """The lowest 16 bits of each code in reverse order: the bit sent first becomes the highest."""
    lowest_first = np.unpackbits(codes.astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    return lowest_first[:, :16].astype(np.int64) @ (1 << np.arange(15, -1, -1))


def _windows(stored: bytes) -> np.ndarray:
    """The 16 bits that begin at each bit of `stored`, (8 * bytes + some past the end,) uint16."""
    padded = np.frombuffer(stored + bytes(_PADDING_BYTES + 2), dtype=np.uint8).astype(np.uint16)
    windows = (padded[:-2] << 8 | padded[1:-1])[:, None] << np.arange(8, dtype=np.uint16)
    windows |= padded[2:, None] >> np.arange(8, 0, -1, dtype=np.uint16)
    return windows.ravel()


def _positions(windows: np.ndarray, bit_count: int, count: int, bits_of_window: np.ndarray) -> np.ndarray:
    """(count,) where each value's code begins, for one table. A code's place depends on the code before it."""
    bits = bits_of_window[windows]
    bits[bit_count:] = 0
    after_one = np.arange(bits.size, dtype=np.intp) + bits
    after_eight = after_one
    for _ in range(3):
        after_eight = after_eight[after_eight]
    # The one loop in Python steps over eight codes at a time; those in between follow for all steps at once.
    jump = memoryview(after_eight)
    position, every_eighth = 0, []
    for _ in range(-(-count // 8)):
        every_eighth.append(position)
        position = jump[position]
    columns = [np.array(every_eighth, dtype=np.intp)]
    for _ in range(7):
        columns.append(after_one[columns[-1]])
    positions = np.stack(columns, axis=1).ravel()[:count]
    stopped = bits[positions] == 0
    if stopped.any():
        raise _stops(int(stopped.argmax()), count, at_end=bool(positions[-1] >= bit_count))
    return positions


def _positions_and_tables(
    windows: np.ndarray, bit_count: int, count: int, codebook: Codebook
) -> tuple[np.ndarray, np.ndarray]:
    """(count,) where each value's code begins, and (count,) the index of the table that it is from."""
    # Views give plain integers several times as fast as arrays do.
    window_at, bits_of_table = memoryview(windows), {}
    next_table_of, prefix_bits_of = memoryview(codebook.next_table), memoryview(codebook.prefix_bits)
    positions: list[int] = []
    switches = [(0, 0)]  # (values decoded so far, index of the table from there on)
    position = table = 0
    while True:
        if table not in bits_of_table:
            bits = codebook.bits[table][windows]
            bits[bit_count:] = 0
            bits_of_table[table] = bits.tobytes()
        bits_at = bits_of_table[table]
        while len(positions) < count and (bits := bits_at[position]):
            positions.append(position)
            position += bits
        if len(positions) == count:
            break
        window = window_at[position]
        next_table = next_table_of[table, window] if position < bit_count else 0
        if next_table < 1:
            raise _stops(len(positions), count, at_end=position >= bit_count)
        position += prefix_bits_of[table, window]
        table = next_table - 1
        switches.append((len(positions), table))
        # Each costs time, and a lead of a million values that changes at every one would take seconds.
        if len(switches) > count // 4 + _FEW_SWITCHES:
            raise UnreadableFile(
                f"a lead of {count} samples changes its Huffman table over {len(switches) - 1} times; "
                "the file is damaged, export it again"
            )
    starts = [start for start, _ in switches]
    return np.array(positions), np.repeat([index for _, index in switches], np.diff([*starts, count]))


def _stops(found: int, count: int, at_end: bool) -> UnreadableFile:
    where = "the bits of a lead end at" if at_end else "a lead has no Huffman code after"
    return UnreadableFile(f"{where} sample {found} of {count}; the file is damaged, export it again")
