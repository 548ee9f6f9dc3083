"""DICOM's data elements (PS3.5, section 7, and PS3.10, section 7.1), walked within bounds and without recursion.

pydicom builds an object for every item of every sequence it passes: 3 MiB of empty items take it 11 s and 320 MiB.
Here lengths are checked against the bytes that are there, only what is asked for is decoded, and the number of steps
has a limit.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator

from twelvelead.errors import UnreadableFile
from twelvelead.formats.content import MAX_FILE_BYTES

WAVEFORM_STORAGE = b"1.2.840.10008.5.1.4.1.1.9."  # the SOP classes of all waveforms begin so
# The real files at hand take 449 and 2,708; this many take a second or two.
MAX_STEPS = 200_000
_LONGEST_TEXT_BYTES = 10_240  # of VR LT, PS3.5 table 6.2-1

_PREAMBLE_BYTES = 128
_META_GROUP = b"\x02\x00"
_TRANSFER_SYNTAX_UID = 0x00020010
_SPECIFIC_CHARACTER_SET = 0x00080005
_EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"

_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DELIMITER_GROUP = 0xFFFE
_UNDEFINED_LENGTH = 0xFFFFFFFF
_SHORT_HEADER, _LONG_HEADER = 8, 12  # bytes before the value
# All others have a length of 4 bytes, those of later editions too (PS3.5, section 6.2).
_VRS_OF_SHORT_LENGTH = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())


class Item:
    """A data set or an item of a sequence: its elements by tag, as (start, stop, is implicit) of their values."""

    def __init__(self, source: "_Source", elements: dict[int, tuple[int, int, bool]]):
        self._source = source
        self._elements = elements

    def __contains__(self, tag: int) -> bool:
        return tag in self._elements

    @property
    def byte_order(self) -> str:
        """The byte order of numbers as NumPy writes it."""
        return self._source.byte_order

    def value(self, tag: int) -> bytes:
        """The bytes of a value; empty where it is absent."""
        if tag not in self._elements:
            return b""
        start, stop, _ = self._elements[tag]
        return self._source.content[start:stop]

    def text(self, tag: int) -> str:
        """The text of a value in the data set's character sets, without padding; empty where it is absent."""
        return _decoded(self.value(tag)[:_LONGEST_TEXT_BYTES], self._source.character_sets).strip(" \0")

    def number(self, tag: int) -> float | None:
        """A decimal string (DS, IS) as a number, None where it is absent or empty; raises UnreadableFile for others."""
        text = self.text(tag)
        try:
            return float(text) if text else None
        except ValueError:
            raise UnreadableFile(f"{_name(tag)} is no number; the file is damaged, export it again") from None

    def whole(self, tag: int) -> int:
        """An unsigned integer (US, UL); 0 where it is absent."""
        return int.from_bytes(self.value(tag)[:4], "little" if self.byte_order == "<" else "big")

    def items(self, tag: int) -> Iterator["Item"]:
        """The items of a sequence, one by one; none where it is absent."""
        if tag in self._elements:
            yield from self._source.items(*self._elements[tag])

    def first(self, tag: int) -> "Item | None":
        return next(self.items(tag), None)


class _Source:
    """The bytes of a data set and how to step through them."""

    def __init__(self, content: bytes, is_little_endian: bool):
        self.content = content
        self.byte_order = "<" if is_little_endian else ">"
        self.character_sets: tuple[str, ...] = ()
        self._tag_at = struct.Struct(f"{self.byte_order}HH").unpack_from
        self._long_at = struct.Struct(f"{self.byte_order}L").unpack_from
        self._short_at = struct.Struct(f"{self.byte_order}H").unpack_from
        self._steps_left = MAX_STEPS
        self._extent_of: dict[int, tuple[int, int]] = {}

    def elements(
        self, position: int, end: int, is_implicit: bool, last_tag: int | None = None
    ) -> tuple[dict[int, tuple[int, int, bool]], int]:
        """The elements from `position` to `end`, to the delimiter of an item or to `last_tag`, and the place after."""
        found = {}
        while position < end:
            tag, length, start, is_implicit_within = self._header(position, end, is_implicit)
            if tag == _END_OF_ITEM:
                return found, start
            if length == _UNDEFINED_LENGTH:
                stop, position = self._undefined_extent(start, end, is_implicit_within)
            else:
                stop = position = self._stop(start, length, end)
            found[tag] = (start, stop, is_implicit_within)
            if tag == last_tag:
                break
        return found, position

    def items(self, position: int, stop: int, is_implicit: bool) -> Iterator[Item]:
        while position < stop:
            tag, length, start, _ = self._header(position, stop, is_implicit)
            if tag == _END_OF_SEQUENCE:
                return
            if tag != _ITEM:
                raise UnreadableFile("a DICOM sequence holds something else than items; the file is damaged")
            is_open = length == _UNDEFINED_LENGTH
            end = stop if is_open else self._stop(start, length, stop)
            elements, after = self.elements(start, end, is_implicit)
            position = after if is_open else end
            yield Item(self, elements)

    def _header(self, position: int, end: int, is_implicit: bool) -> tuple[int, int, int, bool]:
        """(tag, length, where the value starts, whether what is nested in it has implicit VRs) of an element."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise UnreadableFile(f"DICOM of more than {MAX_STEPS} elements; expected a resting ECG")
        if position + _SHORT_HEADER > end:
            raise _truncated("ends within the header of an element")
        group, element = self._tag_at(self.content, position)
        tag = group << 16 | element
        if is_implicit or group == _DELIMITER_GROUP:
            return tag, self._long_at(self.content, position + 4)[0], position + _SHORT_HEADER, is_implicit
        vr = self.content[position + 4 : position + 6]
        if vr in _VRS_OF_SHORT_LENGTH:
            return tag, self._short_at(self.content, position + 6)[0], position + _SHORT_HEADER, False
        if not _looks_like_vr(vr):
            # Writers slip into implicit VRs within explicit ones, and pydicom follows them.
            return tag, self._long_at(self.content, position + 4)[0], position + _SHORT_HEADER, True
        if position + _LONG_HEADER > end:
            raise _truncated("ends within the header of an element")
        # What has VR UN was written without knowledge of it, in implicit VRs (PS3.5, section 6.2.2).
        return tag, self._long_at(self.content, position + 8)[0], position + _LONG_HEADER, vr == b"UN"

    def _stop(self, start: int, length: int, end: int) -> int:
        if start + length > end:
            raise _truncated(f"has an element of {length} bytes where {end - start} are left")
        return start + length

    def _undefined_extent(self, position: int, end: int, is_implicit: bool) -> tuple[int, int]:
        """(where a value of undefined length stops, where its delimiter does), whatever is nested in it."""
        begins_at = position
        is_open = [(position, is_implicit)]
        # One pass finds the ends of all that is nested in it too.
        while is_open and begins_at not in self._extent_of:
            tag, length, start, is_implicit_within = self._header(position, end, is_open[-1][1])
            if tag in (_END_OF_ITEM, _END_OF_SEQUENCE):
                self._extent_of[is_open.pop()[0]] = position, start
                position = start
            elif length == _UNDEFINED_LENGTH:
                is_open.append((start, is_implicit_within))
                position = start
            else:
                position = self._stop(start, length, end)
        return self._extent_of[begins_at]


def read_data_set(content: bytes, last_tag: int) -> Item:
    """The data set of a DICOM file up to the element `last_tag`, which may be missing; with or without a preamble.

    Raises UnreadableFile for a truncated or otherwise broken file and for one of more than MAX_STEPS elements.
    """
    position = _PREAMBLE_BYTES + 4 if content[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM" else 0
    transfer_syntax, position = _transfer_syntax(content, position)
    if transfer_syntax == _DEFLATED:
        content, position = _inflated(content[position:]), 0
    is_little_endian = transfer_syntax != _EXPLICIT_BIG_ENDIAN
    if not transfer_syntax:
        # The first group is 8 or a little more: its low byte is the one that is not 0.
        is_little_endian = content[position : position + 1] != b"\0"
    source = _Source(content, is_little_endian)
    # As for pydicom: the first element shows its VR or does not, whatever the transfer syntax says.
    is_implicit = not _looks_like_vr(content[position + 4 : position + 6])
    elements, _ = source.elements(position, len(content), is_implicit, last_tag)
    data_set = Item(source, elements)
    source.character_sets = tuple(data_set.text(_SPECIFIC_CHARACTER_SET).split("\\"))
    return data_set


def is_waveform_without_preamble(head: bytes) -> bool:
    """Whether a file that begins with `head` is a DICOM waveform without the 128 bytes and "DICM" before it.

    Such a file begins with group 2 or 8, and names its SOP class in either.
    """
    return head[:2] in (_META_GROUP, b"\x08\x00", b"\x00\x08") and WAVEFORM_STORAGE in head


def _transfer_syntax(content: bytes, position: int) -> tuple[str, int]:
    """The transfer syntax in the file meta information, always explicit little endian, and the place after it."""
    source = _Source(content, is_little_endian=True)
    transfer_syntax = ""
    while content[position : position + 2] == _META_GROUP:
        elements, position = source.elements(position, len(content), False, last_tag=_tag(content, position))
        meta = Item(source, elements)
        transfer_syntax = meta.text(_TRANSFER_SYNTAX_UID) or transfer_syntax
    return transfer_syntax, position


def _tag(content: bytes, position: int) -> int:
    group, element = struct.unpack("<HH", content[position : position + 4].ljust(4, b"\0"))
    return group << 16 | element


def _inflated(compressed: bytes) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflate.decompress(compressed, MAX_FILE_BYTES)
    except zlib.error:
        raise UnreadableFile("the deflated DICOM data set is damaged; copy the file again") from None
    if inflate.unconsumed_tail:
        raise UnreadableFile(f"DICOM that inflates to more than {MAX_FILE_BYTES // 2**20} MiB; expected a resting ECG")
    if not inflate.eof:
        raise _truncated("ends within its deflated data set")
    return content


def _looks_like_vr(vr: bytes) -> bool:
    return len(vr) == 2 and vr.isalpha() and vr.isupper()


def _decoded(text: bytes, character_sets: tuple[str, ...]) -> str:
    if text.isascii() and b"\x1b" not in text:
        return text.decode("ascii")
    # pydicom takes half a second to import, and most files are plain ASCII.
    from pydicom.charset import convert_encodings, decode_bytes, python_encoding

    known = [name for name in character_sets if name in python_encoding] or [""]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return decode_bytes(text, convert_encodings(known), set())
        except (LookupError, UnicodeError):
            return text.decode("latin-1")


def _name(tag: int) -> str:
    return getattr(tag, "name", f"element ({tag >> 16:04X},{tag & 0xFFFF:04X})")


def _truncated(what: str) -> UnreadableFile:
    return UnreadableFile(f"DICOM that {what}; the file is truncated or damaged, copy it again")
