"""XLI, the compression of Philips cardiographs: one chunk per lead, LZW over bytes of second differences.

Philips publishes no description. This follows the format notes of github.com/sixlettervariables/sierra-ecg-tools, and
every rule was checked on two real files, see tests/parity/test_philips_files.py:

- a chunk is its size (32 bits), a code that is always 1 (16 bits), the first second difference (16 bits) and `size`
  bytes of LZW codes of 10 bits, most significant bit first; all integers are little-endian;
- LZW begins with the 256 single bytes and learns codes 256 to 1022; 1023 ends the chunk;
- the bytes are the high bytes of all values, then their low bytes;
- values 0 and 1 are samples; value n, less 64, is what the slope of the signal falls by from sample n to n + 1;
- leads III, aVR, aVL and aVF hold what they differ by from their value computed from I and II.
"""

import struct

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.errors import UnreadableFile

LIMB_LEADS = LEADS[:6]
_HEADER = struct.Struct("<iHh")
_KNOWN_CODE = 1
_CODE_BITS = 10
_END_CODE = (1 << _CODE_BITS) - 1
_BYTES = tuple(bytes((value,)) for value in range(256))
_LEARNT_CODES = _END_CODE - len(_BYTES)
_BIAS = 64


def decode_xli(compressed: bytes, n_channels: int, n_samples: int) -> np.ndarray:
    """(n_channels, n_samples) int16: the first channels as stored, limb leads still as differences.

    Channels beyond these are left alone: devices write 16, of which a 12-lead ECG fills 12.
    Raises UnreadableFile where the data end early, a code is undefined or a channel has another number of samples.
    """
    unpacked = []
    first_differences = np.empty(n_channels, dtype=np.int16)
    position = 0
    for channel in range(n_channels):
        where = f"channel {channel + 1} of {n_channels}"
        if len(compressed) - position < _HEADER.size:
            raise UnreadableFile(f"XLI data end before {where}; the file is truncated, export it again")
        size, code, first_differences[channel] = _HEADER.unpack_from(compressed, position)
        position += _HEADER.size
        if not 0 < size <= len(compressed) - position:
            raise UnreadableFile(
                f"{where} declares {size} bytes of XLI data, {len(compressed) - position} are there; "
                "the file is damaged, export it again"
            )
        if code != _KNOWN_CODE:
            raise UnreadableFile(f"{where} is XLI data of kind {code}, expected {_KNOWN_CODE}; export the file again")
        unpacked.append(_lzw_decoded(compressed[position : position + size], 2 * n_samples, where))
        position += size
    planes = np.frombuffer(b"".join(unpacked), dtype=np.uint8).reshape(n_channels, 2, n_samples)
    values = (planes[:, 0].astype(np.uint16) << 8 | planes[:, 1]).view(np.int16)
    return _integrated(values, first_differences)


def restore_limb_leads(stored: np.ndarray) -> np.ndarray:
    """(n, samples) int16: channels as decoded, with III, aVR, aVL and aVF (rows 2 to 5) computed back from I and II.

    Halves are rounded towards zero, as integer division does in C: with that, every sample of the real PageWriter TC
    file satisfies aVL = I - II/2. Rounded down, as the Python package sierraecg has it, half of them do.
    """
    signal = stored.copy()
    lead_i, lead_ii, iii_difference, avr_difference, avl_difference, avf_difference = stored[: len(LIMB_LEADS)].astype(
        np.int32
    )
    signal[2] = lead_ii - lead_i - iii_difference
    lead_iii = signal[2].astype(np.int32)
    signal[3] = -avr_difference - _half(lead_i + lead_ii)
    signal[4] = _half(lead_i - lead_iii) - avl_difference
    signal[5] = _half(lead_ii + lead_iii) - avf_difference
    return signal


def _half(whole: np.ndarray) -> np.ndarray:
    return (whole + (whole < 0)) >> 1


def _codes(packed: bytes, most: int) -> list[int]:
    """The 10-bit codes before the end code, `most` of them at most: four in every five bytes."""
    five = np.frombuffer(packed + bytes(-len(packed) % 5), dtype=np.uint8).reshape(-1, 5).astype(np.uint16)
    a, b, c, d, e = five.T
    codes = np.stack((a << 2 | b >> 6, (b & 63) << 4 | c >> 4, (c & 15) << 6 | d >> 2, (d & 3) << 8 | e), axis=1)
    codes = codes.ravel()[: len(packed) * 8 // _CODE_BITS]
    ends = np.flatnonzero(codes == _END_CODE)
    return codes[: min(ends[0], most) if ends.size else most].tolist()


def _lzw_decoded(packed: bytes, n_bytes: int, where: str) -> bytes:
    codes = _codes(packed, most=n_bytes + 1)
    if not codes or codes[0] >= len(_BYTES):
        raise UnreadableFile(f"{where} does not begin as XLI data do; the file is damaged, export it again")
    strings = list(_BYTES)
    previous = strings[codes[0]]
    for code in codes[1 : 1 + _LEARNT_CODES]:
        try:
            string = strings[code]
        except IndexError:
            # Only the code being learnt may be used before it is known: it is the string before and its first byte.
            if code != len(strings):
                raise UnreadableFile(
                    f"{where} holds an undefined XLI code; the file is damaged, export it again"
                ) from None
            string = previous + previous[:1]
        strings.append(previous + string[:1])
        previous = string
    pieces = [strings[code] for code in codes]
    # Counted before they are joined: a megabyte of codes can stand for half a gigabyte.
    if sum(map(len, pieces)) != n_bytes:
        raise UnreadableFile(
            f"{where} does not hold the {n_bytes // 2} samples that are declared; the file is damaged, export it again"
        )
    return b"".join(pieces)


def _integrated(values: np.ndarray, first_differences: np.ndarray) -> np.ndarray:
    """(channels, samples) int16; 16-bit sums wrap around, as they do in the device's arithmetic."""
    changes = np.empty_like(values)
    changes[:, 0] = values[:, 0]
    changes[:, 1:2] = values[:, 1:2] - 2 * values[:, :1]
    changes[:, 2:3] = -first_differences[:, np.newaxis]
    changes[:, 3:] = _BIAS - values[:, 2:-1]
    slope = np.cumsum(changes, axis=1, dtype=np.int16)
    return np.cumsum(slope, axis=1, dtype=np.int16)
