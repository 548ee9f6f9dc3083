"""ISHNE Holter files: a binary header, then 16-bit samples, those of all leads at one time together.

Badilini, "The ISHNE Holter standard output file format", Annals of Noninvasive Electrocardiology 1998, 3:263-266.
"""

import binascii
from collections.abc import Sequence

import numpy as np

from twelvelead.ecg import Recording
from twelvelead.errors import UnreadableFile
from twelvelead.formats.leads import duplicate_lead, no_standard_lead, plausible_rate_hz

SIGNATURE = b"ISHNE1.0"
_FIXED_HEADER_BYTES = 522
_CHECKSUM_AT = 8
_CHECKED_FROM = 10
_CRC_START = 0xFFFF
_NO_CHECKSUM = 0
_MOST_LEADS = 12
# Only these fields are looked at: names, ids, birth and recording dates stand between them.
_SIZES_AT = 10  # int32: bytes of the variable block, samples, where the variable block starts, where the ECG starts
_LEAD_COUNT_AT, _LEAD_CODES_AT, _RESOLUTIONS_AT, _RATE_AT = 156, 158, 206, 272
# Table 1 of the standard; the others are unknown, generic bipolar, X, Y, Z, ES, AS and AI.
_LEAD_OF_CODE = {
    5: "I",
    6: "II",
    7: "III",
    8: "aVR",
    9: "aVL",
    10: "aVF",
    **{number + 10: f"V{number}" for number in range(1, 7)},
}
_MV_PER_NV = 1e-6


def read_ishne(content: bytes) -> Recording:
    """The standard leads of a Holter recording; where all of its leads are, `samples` is a view of `content`.

    A Holter of three leads is read too; that it is no 12-lead ECG is for the caller to say. The checksum of the header
    must fit, as its gains would else be doubtful; 0 stands for none.
    Raises UnreadableFile for a broken or truncated file, LeadMissing without a standard lead.
    """
    if len(content) < _FIXED_HEADER_BYTES:
        raise UnreadableFile(
            f"ISHNE file of {len(content)} bytes, its header alone has {_FIXED_HEADER_BYTES}; it is truncated"
        )
    _, declared, _, ecg_at = (int(size) for size in np.frombuffer(content, "<i4", count=4, offset=_SIZES_AT))
    if not _FIXED_HEADER_BYTES <= ecg_at <= len(content):
        raise UnreadableFile("ISHNE header says that the ECG starts outside the file; it is truncated or damaged")
    _check_header(content, ecg_at)
    lead_count = _int16(content, _LEAD_COUNT_AT)
    if not 1 <= lead_count <= _MOST_LEADS:
        raise UnreadableFile(f"ISHNE header of {lead_count} leads; expected 1 to {_MOST_LEADS}")
    channel_of = _channel_of_lead(content, lead_count)
    resolutions_nv = [_resolution_nv(content, lead, channel) for lead, channel in channel_of.items()]
    frames = _frames(content, ecg_at, lead_count, declared)
    return Recording(
        format="ishne",
        leads=tuple(channel_of),
        samples=_rows(frames, list(channel_of.values())),
        gain_mv=np.array(resolutions_nv) * _MV_PER_NV,
        sampling_rate_hz=plausible_rate_hz(float(_int16(content, _RATE_AT)), "the ISHNE header"),
        units=", ".join(dict.fromkeys(f"{resolution} nV/LSB" for resolution in resolutions_nv)),
    )


def _check_header(content: bytes, ecg_at: int) -> None:
    """CRC-CCITT over the header behind the checksum, its variable block included."""
    stored = int(np.frombuffer(content, "<u2", count=1, offset=_CHECKSUM_AT)[0])
    if stored not in (_NO_CHECKSUM, binascii.crc_hqx(memoryview(content)[_CHECKED_FROM:ecg_at], _CRC_START)):
        raise UnreadableFile(
            "the checksum of the ISHNE header does not fit it: damaged, or edited, as by taking names out; "
            "export again, or set the checksum (bytes 9 and 10) to 0 if an edit is the cause"
        )


def _channel_of_lead(content: bytes, lead_count: int) -> dict[str, int]:
    channel_of: dict[str, int] = {}
    for channel in range(lead_count):
        lead = _LEAD_OF_CODE.get(_int16(content, _LEAD_CODES_AT + 2 * channel))
        if lead is None:
            continue
        if lead in channel_of:
            raise duplicate_lead(lead)
        channel_of[lead] = channel
    if not channel_of:
        raise no_standard_lead()
    return channel_of


def _resolution_nv(content: bytes, lead: str, channel: int) -> int:
    resolution_nv = _int16(content, _RESOLUTIONS_AT + 2 * channel)
    if resolution_nv < 1:
        raise UnreadableFile(f"lead {lead}: amplitude resolution is {resolution_nv} nV; expected e.g. 2500")
    return resolution_nv


def _frames(content: bytes, ecg_at: int, lead_count: int, declared: int) -> np.ndarray:
    """(samples, leads) int16 view of the file; writers declare the samples of one lead or of all leads together."""
    stored = (len(content) - ecg_at) // 2
    if declared < 1 or stored not in (declared, declared * lead_count) or stored % lead_count:
        raise UnreadableFile(
            f"ISHNE file holds {stored} samples of {lead_count} leads, its header says {declared}; copy it again"
        )
    return np.frombuffer(content, "<i2", count=stored, offset=ecg_at).reshape(-1, lead_count)


def _rows(frames: np.ndarray, channels: Sequence[int]) -> np.ndarray:
    """(leads, samples) of the channels: a view where they are all, else a copy of no more than them."""
    every_channel = list(channels) == list(range(frames.shape[1]))
    return frames.T if every_channel else np.stack([frames[:, channel] for channel in channels])


def _int16(content: bytes, position: int) -> int:
    return int.from_bytes(content[position : position + 2], "little", signed=True)
