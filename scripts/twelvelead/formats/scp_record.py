"""An SCP-ECG record as checked sections (EN 1064:2005+A1:2007, clauses 5.2 and 5.3). All integers are little-endian."""

import binascii
import struct
from dataclasses import dataclass

import numpy as np

from twelvelead.errors import UnreadableFile

_RECORD_HEADER = struct.Struct("<HI")  # CRC, bytes of the record
_SECTION_HEADER = struct.Struct("<HHIBB6x")  # CRC, section number, bytes, version of the section, of the protocol
_POINTER = struct.Struct("<HII")  # section number, bytes, position of the first byte, counted from 1
# Writers that compute no CRC leave the field empty (Cardioline's SCP 1.0 writes 0xFFFF).
_NO_CRC = (0, 0xFFFF)
_DAMAGED = "the file is damaged, export it again"
# 12 leads and a reference beat take at most 1.6 MB, since a lead's length is stored in 16 bits.
_MOST_RECORD_BYTES = 8 * 1024 * 1024
# Those that a reader here looks at; manufacturers' own sections need not even have a header.
_SECTIONS_READ = frozenset((1, 2, 3, 4, 5, 6, 8, 11, 12))


@dataclass(frozen=True)
class Section:
    """The data part of a section, and what of its header matters. `intact` is False where its CRC is wrong."""

    number: int
    body: bytes
    protocol_version: int
    intact: bool

    def fields(self, layout: str, offset: int = 0) -> tuple[int, ...]:
        """The numbers that `layout` (struct's letters, little-endian) finds at `offset`."""
        self._expect(offset + struct.calcsize(f"<{layout}"))
        return struct.unpack_from(f"<{layout}", self.body, offset)

    def rows(self, dtype: np.dtype, count: int, offset: int) -> np.ndarray:
        """(count,) rows of a table at `offset`."""
        self._expect(offset + count * dtype.itemsize)
        return np.frombuffer(self.body, dtype=dtype, count=count, offset=offset)

    def _expect(self, size: int) -> None:
        if size > len(self.body):
            raise UnreadableFile(
                f"section {self.number} holds {len(self.body)} bytes, expected at least {size}; {_DAMAGED}"
            )


def read_sections(content: bytes) -> dict[int, Section]:
    """The sections of a record by number, those without data left out.

    Raises UnreadableFile where the record is cut short or its table of sections points outside of it.
    """
    if len(content) < _RECORD_HEADER.size + _SECTION_HEADER.size:
        raise UnreadableFile(f"file of {len(content)} bytes is too short for an SCP-ECG record; {_DAMAGED}")
    record_crc, record_size = _RECORD_HEADER.unpack_from(content)
    if record_size > len(content):
        raise UnreadableFile(f"record of {record_size} bytes, but the file ends after {len(content)}; {_DAMAGED}")
    if record_size > _MOST_RECORD_BYTES:
        raise UnreadableFile(
            f"record of {record_size} bytes; expected a resting ECG of at most {_MOST_RECORD_BYTES // 2**20} MiB"
        )
    record = content[:record_size]
    record_is_intact = _crc(record) == record_crc
    pointers = _section_at(record, 0, _RECORD_HEADER.size, record_is_intact, record_crc in _NO_CRC)
    _require_intact(pointers)
    sections: dict[int, Section] = {}
    for number, size, position in _POINTER.iter_unpack(pointers.body[: len(pointers.body) // 10 * 10]):
        if number in _SECTIONS_READ and number not in sections and size > _SECTION_HEADER.size:
            sections[number] = _section_at(record, number, position - 1, record_is_intact, record_crc in _NO_CRC)
    return sections


def required(sections: dict[int, Section], number: int, holds: str) -> Section:
    """A section whose content is intact; raises UnreadableFile where it is absent or its CRC is wrong."""
    if number not in sections:
        raise UnreadableFile(f"no section {number} ({holds}); expected one in an SCP-ECG recording, export it again")
    _require_intact(sections[number])
    return sections[number]


def _section_at(record: bytes, number: int, start: int, record_is_intact: bool, record_has_no_crc: bool) -> Section:
    if not 0 <= start <= len(record) - _SECTION_HEADER.size:
        raise _misplaced(number)
    crc, found_number, size, _, protocol_version = _SECTION_HEADER.unpack_from(record, start)
    if found_number != number or not _SECTION_HEADER.size <= size <= len(record) - start:
        raise _misplaced(number)
    block = record[start : start + size]
    return Section(
        number=number,
        body=block[_SECTION_HEADER.size :],
        protocol_version=protocol_version,
        # A right CRC of the record vouches for all sections; a section's own for it alone, so that a record whose
        # patient section was blanked without a new CRC of the record can still be read.
        intact=record_is_intact or crc == _crc(block) or (record_has_no_crc and crc in _NO_CRC),
    )


def _crc(block: bytes) -> int:
    """CRC-CCITT (polynomial 0x1021, preset 0xFFFF) of a block without the two bytes that store it."""
    return binascii.crc_hqx(block[2:], 0xFFFF)


def _require_intact(section: Section) -> None:
    if not section.intact:
        raise UnreadableFile(f"CRC of the record and of section {section.number} are wrong; {_DAMAGED}")


def _misplaced(number: int) -> UnreadableFile:
    return UnreadableFile(f"section {number} is not where the table of sections places it; {_DAMAGED}")
