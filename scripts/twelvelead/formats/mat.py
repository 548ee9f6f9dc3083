"""MATLAB files as ECG-FM's data pipeline writes them for CODE-15: `feats` (12, samples) and a sampling rate.

PhysioNet's `val` is read too, for WFDB records whose signal file was saved again by MATLAB or SciPy.
Level 5 of the MAT-file format (MathWorks, "MAT-File Format"), parsed here: scipy.io inflates whatever a file claims and
builds every variable in it; this reads the numbers it needs and nothing else. Version 7.3 is HDF5, see mat73.py.
"""

import math
import zlib
from dataclasses import dataclass

import numpy as np

from twelvelead.ecg import LEADS, Recording
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.content import MAX_FILE_BYTES
from twelvelead.formats.leads import as_recording_samples, plausible_rate_hz
from twelvelead.formats.sniffing import MAT_73_SIGNATURE

# The pipeline resamples `feats` and keeps the file's first rate beside: the current one is the rate of `feats`.
_RATE_NAMES = ("curr_sample_rate", "org_sample_rate")
_SIGNAL_NAME = "feats"
_PHYSIONET_NAME = "val"

_HEADER_BYTES = 128
_BYTE_ORDER = {b"IM": "<", b"MI": ">"}
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_FIRST_NUMERIC_CLASS, _LAST_NUMERIC_CLASS = 6, 15  # double ... uint64; below are cells, structures, text, sparse
_OPAQUE_CLASS = 17  # tables, strings and other objects, which have no dimensions
_COMPLEX_FLAG = 0x08
# Holds the flags, dimensions and name of any array that could be wanted; the rest of the others is never inflated.
_ARRAY_HEADER_BYTES = 512
# A pipeline saves a handful; a file of empty ones may hold eight million, which would take half a minute.
_MOST_VARIABLES = 10_000


@dataclass(frozen=True)
class _Array:
    """What stands before an array's numbers, and where they begin in its element; objects have no name here."""

    name: str
    dimensions: tuple[int, ...]
    is_real_number: bool
    numbers_at: int


def read_mat(content: bytes) -> Recording:
    """The 12 leads of `feats` (12, samples), in the order of LEADS, at `curr_sample_rate` or else `org_sample_rate`.

    CODE-15 states no unit; its values are taken as mV (Recording.units says "assumed").
    Raises UnsupportedFormat for a MATLAB file without `feats`, UnreadableFile for a damaged file, another shape or type
    of `feats`, and a rate that is absent or no ECG's.
    """
    numbers = _wanted_numbers(content, (_SIGNAL_NAME, *_RATE_NAMES))
    if _SIGNAL_NAME not in numbers and _wanted_numbers(content, (_PHYSIONET_NAME,)):
        # Unlike an .npy, `val` is known to be no mV: to assume so would be wrong by a factor of 1000 in most files.
        raise UnsupportedFormat(
            "PhysioNet's `val` without its header, which has its gain, rate and leads; copy the .hea beside it"
        )
    if _SIGNAL_NAME not in numbers:
        raise UnsupportedFormat("a MATLAB file without a variable `feats`; expected `feats` (12, samples) and its rate")
    signal = numbers[_SIGNAL_NAME]
    if signal.shape[0] != len(LEADS) or signal.shape[1] == 0:
        raise UnreadableFile(f"`feats` has shape {signal.shape}; expected (12, samples) with leads {', '.join(LEADS)}")
    return Recording(
        format="code15_mat",
        leads=LEADS,
        samples=np.ascontiguousarray(as_recording_samples(signal)),
        gain_mv=np.ones(len(LEADS)),
        sampling_rate_hz=_rate_hz(numbers),
        units="assumed mV",
    )


def read_val(content: bytes, n_signals: int, n_samples: int | None) -> np.ndarray:
    """`val` (signals, samples), whole numbers in A/D units: the signal file of a WFDB record at MAT level 5 or 7.3.

    PhysioNet writes level 4, whose numbers follow 24 bytes of header as format 16 of WFDB. Saved again by MATLAB or
    SciPy the file is of level 5, where the WFDB header's offset of 24 points into text.
    Raises UnreadableFile where `val` is absent, of another shape than the WFDB header says, or no whole numbers.
    """
    numbers = _wanted_numbers(content, (_PHYSIONET_NAME,))
    if _PHYSIONET_NAME not in numbers:
        raise UnreadableFile("the MATLAB signal file has no variable `val`; copy the record again")
    val = numbers[_PHYSIONET_NAME]
    if val.shape != (n_signals, n_samples or val.shape[-1]):
        raise UnreadableFile(
            f"`val` has shape {val.shape}, the WFDB header says {n_signals} signals of {n_samples} samples; copy the "
            "record again"
        )
    if val.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = val.astype(np.int64)
        if not np.array_equal(whole, val):
            raise UnreadableFile("`val` holds fractions or NaN; expected the A/D units that its WFDB header scales")
        val = whole
    return val


def _rate_hz(numbers: dict[str, np.ndarray]) -> float:
    for name in _RATE_NAMES:
        if name in numbers:
            if numbers[name].size != 1:
                raise UnreadableFile(f"`{name}` holds {numbers[name].size} numbers; expected one, the rate of `feats`")
            return plausible_rate_hz(float(numbers[name].item()), f"`{name}`")
    raise UnreadableFile(f"no sampling rate beside `feats`; expected a variable {' or '.join(_RATE_NAMES)}")


def _wanted_numbers(content: bytes, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The `wanted` among the file's variables, by name; nothing else in it is read."""
    if content.startswith(MAT_73_SIGNATURE):
        # h5py takes long to import, and most files are of level 5.
        from twelvelead.formats.mat73 import numbers_73

        return numbers_73(content, wanted)
    order = _BYTE_ORDER.get(content[126:128])
    if order is None:
        raise UnreadableFile("the MATLAB file's header is broken; write it again with save -v7")
    found: dict[str, np.ndarray] = {}
    position, variable_count = _HEADER_BYTES, 0
    while position < len(content):
        variable_count += 1
        if variable_count > _MOST_VARIABLES:
            raise UnreadableFile(f"MATLAB file of over {_MOST_VARIABLES} variables; expected `feats` and its rate")
        kind, body, position = _element(content, position, order)
        if kind == _COMPRESSED:
            body = _inflated_matrix(body, wanted, order)
        elif kind != _MATRIX:
            raise UnreadableFile(f"MATLAB element of kind {kind} where a variable was expected; the file is damaged")
        if not body:
            continue
        array = _array_header(body, order)
        if array.name in wanted:
            found[array.name] = _numbers(body, array, order)
    return found


def _element(content: bytes, position: int, order: str) -> tuple[int, bytes, int]:
    """(kind, body, position after it) of the data element at `position`."""
    kind, size, start = _tag(content, position, order)
    if start + size > len(content):
        raise UnreadableFile(
            f"MATLAB file ends after {len(content)} bytes within an element of {size}; it is truncated, copy it again"
        )
    # Bodies are padded to 8 bytes, compressed ones are not; a body within the tag ends with it.
    padding = 0 if kind == _COMPRESSED else -(start + size - position) % 8
    return kind, content[start : start + size], start + size + padding


def _tag(content: bytes, position: int, order: str) -> tuple[int, int, int]:
    """(kind, bytes of the body, where the body starts): up to 4 bytes stand in the tag itself."""
    if position + 8 > len(content):
        raise UnreadableFile("MATLAB file ends within the tag of an element; it is truncated, copy it again")
    kind, size = (int(word) for word in np.frombuffer(content, f"{order}u4", count=2, offset=position))
    if kind >> 16 == 0:
        return kind, size, position + 8
    if kind >> 16 > 4:
        raise UnreadableFile("MATLAB element whose size does not fit its tag; the file is damaged")
    return kind & 0xFFFF, kind >> 16, position + 4


def _inflated_matrix(compressed: bytes, wanted: tuple[str, ...], order: str) -> bytes:
    """The body of the array in a compressed element; empty where its name is not among `wanted`."""
    head = _inflate(compressed, _ARRAY_HEADER_BYTES)
    kind, size, start = _tag(head, 0, order)
    if kind != _MATRIX:
        raise UnreadableFile(f"compressed MATLAB element of kind {kind}; expected an array, the file is damaged")
    if size == 0 or _array_header(head[start:], order).name not in wanted:
        return b""
    if size > MAX_FILE_BYTES:
        raise UnreadableFile(
            f"MATLAB array of {size / 2**20:.0f} MiB; expected a resting ECG of at most {MAX_FILE_BYTES // 2**20} MiB"
        )
    body = _inflate(compressed, start + size)[start:]
    if len(body) != size:
        raise UnreadableFile(f"compressed MATLAB array of {len(body)} bytes, its tag says {size}; the file is damaged")
    return body


def _inflate(compressed: bytes, limit: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, limit)
    except zlib.error:
        raise UnreadableFile("a compressed MATLAB array is damaged; copy the file again") from None


def _array_header(body: bytes, order: str) -> _Array:
    kind, flags, position = _element(body, 0, order)
    if _NUMBERS.get(kind) != "u4" or len(flags) != 8:
        raise UnreadableFile("a MATLAB array begins without its flags; the file is damaged")
    first_word = int(np.frombuffer(flags, f"{order}u4", count=1)[0])
    array_class = first_word & 0xFF
    if array_class == _OPAQUE_CLASS:
        return _Array("", (), False, position)
    kind, dimensions, position = _element(body, position, order)
    if _NUMBERS.get(kind) != "i4":
        raise UnreadableFile("a MATLAB array has no dimensions; the file is damaged")
    _, name, position = _element(body, position, order)
    return _Array(
        name=name.decode("latin-1"),
        dimensions=tuple(np.frombuffer(dimensions, f"{order}i4", count=len(dimensions) // 4).tolist()),
        is_real_number=_FIRST_NUMERIC_CLASS <= array_class <= _LAST_NUMERIC_CLASS
        and not (first_word >> 8) & _COMPLEX_FLAG,
        numbers_at=position,
    )


def _numbers(body: bytes, array: _Array, order: str) -> np.ndarray:
    """An array in its declared shape; MATLAB may store it in a narrower type than the array's own."""
    if not array.is_real_number:
        raise UnreadableFile(f"`{array.name}` is no array of real numbers; expected float or integer numbers")
    if len(array.dimensions) != 2:
        raise UnreadableFile(f"`{array.name}` has {len(array.dimensions)} dimensions; expected 2")
    kind, stored, _ = _element(body, array.numbers_at, order)
    if kind not in _NUMBERS:
        raise UnreadableFile(f"`{array.name}` is stored as MATLAB type {kind}; expected float or integer numbers")
    dtype = np.dtype(f"{order}{_NUMBERS[kind]}")
    expected_bytes = math.prod(array.dimensions) * dtype.itemsize
    if min(array.dimensions) < 0 or len(stored) != expected_bytes:
        raise UnreadableFile(
            f"`{array.name}` has {len(stored)} bytes, its shape {array.dimensions} says {expected_bytes}; "
            "the file is damaged"
        )
    return np.frombuffer(stored, dtype).reshape(array.dimensions, order="F")
