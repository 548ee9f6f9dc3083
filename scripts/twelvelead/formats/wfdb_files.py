"""WFDB records: a header (.hea) and the signal files beside it."""

import math
import re
from pathlib import Path

import numpy as np

from twelvelead.ecg import Recording
from twelvelead.errors import UnreadableFile
from twelvelead.formats.content import MAX_FILE_BYTES, read_bytes
from twelvelead.formats.leads import (
    as_recording_samples,
    duplicate_lead,
    no_standard_lead,
    plausible_rate_hz,
    standard_lead,
)
from twelvelead.formats.mat import read_val
from twelvelead.formats.sniffing import MAT_SIGNATURES
from twelvelead.formats.statements import clean_statements
from twelvelead.formats.units import MILLIVOLTS
from twelvelead.formats.wfdb_header import Header, Signal, parse_header

# The value that stands for "no sample here", by storage format: signal(5) of the WFDB Applications Guide.
_MISSING_SAMPLE = {
    "16": -(2**15),
    "24": -(2**23),
    "32": -(2**31),
    "61": -(2**15),
    "80": -(2**7),
    "160": -(2**15),
    "212": -(2**11),
    "310": -(2**9),
    "311": -(2**9),
    "508": -(2**7),
    "516": -(2**15),
    "524": -(2**23),
}
# Only these comment lines hold a diagnosis; others hold age, sex, names, dates.
_DIAGNOSIS_COMMENT = re.compile(r"(?:dx|diagnos[ie]s|interpretation|statement)\s*:\s*(?P<text>.*)", re.IGNORECASE)
# One line for each signal, and comments. A million lines would take a reader seconds and half a gigabyte.
_MOST_HEADER_BYTES = 1024 * 1024
_NO_STATEMENT = re.compile(r"[\d\s,;]*|unknown|n/?a|none", re.IGNORECASE)


def read_wfdb(header_path: Path) -> Recording:
    """The standard leads of a record, digital samples with the header's gain and baseline.

    Raises UnreadableFile for a broken header, for signal files that are absent, too short or outside the header's
    folder, LeadMissing when the header describes no standard lead.
    """
    content = read_bytes(header_path)
    if len(content) > _MOST_HEADER_BYTES:
        raise UnreadableFile(
            f"WFDB header of {len(content) / 2**20:.0f} MiB; expected at most {_MOST_HEADER_BYTES // 2**20} MiB"
        )
    header = parse_header(content)
    channel_of = _channel_of_lead(header)
    signals = [header.signals[channel] for channel in channel_of.values()]
    gain_mv = np.array([_gain_mv(lead, signal) for lead, signal in zip(channel_of, signals, strict=True)])
    baseline = np.array([signal.baseline for signal in signals], dtype=np.float64)
    samples = _samples(header_path, header, list(channel_of.values()))
    return Recording(
        format="wfdb",
        leads=tuple(channel_of),
        samples=samples,
        gain_mv=gain_mv,
        offset_mv=-baseline * gain_mv if baseline.any() else None,
        sampling_rate_hz=plausible_rate_hz(header.sampling_rate_hz, "the WFDB header"),
        units=", ".join(dict.fromkeys(f"{signal.gain_per_unit:g} per {signal.units}" for signal in signals)),
        statements=_statements(header.comments),
    )


def _channel_of_lead(header: Header) -> dict[str, int]:
    channel_of: dict[str, int] = {}
    for channel, signal in enumerate(header.signals):
        lead = standard_lead(signal.description)
        if lead is None:
            continue
        if lead in channel_of:
            raise duplicate_lead(lead)
        if signal.samples_per_frame != 1:
            raise UnreadableFile(
                f"lead {lead} has {signal.samples_per_frame} samples per frame; expected 1, all leads at one rate"
            )
        channel_of[lead] = channel
    if not channel_of:
        raise no_standard_lead()
    return channel_of


def _gain_mv(lead: str, signal: Signal) -> float:
    unit_mv = MILLIVOLTS.get(signal.units.casefold())
    if unit_mv is None:
        raise UnreadableFile(f"lead {lead}: units are no voltage; expected mV, uV or V in the WFDB header")
    gain_mv = unit_mv / signal.gain_per_unit
    if not math.isfinite(gain_mv) or gain_mv == 0:
        raise UnreadableFile(
            f"lead {lead}: gain {signal.gain_per_unit:g} in the WFDB header; expected 1000 or so per mV"
        )
    return gain_mv


def _samples(header_path: Path, header: Header, channels: list[int]) -> np.ndarray:
    """(channels, samples) as stored; float32 with NaN where the file marks samples as missing."""
    file_names = {header.signals[channel].file_name for channel in channels}
    if all(_is_plain_16_bit(signal) for signal in header.signals if signal.file_name in file_names):
        rows = _plain_16_bit_rows(header_path.parent, header, channels)
    else:
        rows = _rows_by_wfdb(header_path, header, channels)
    if rows.shape[1] == 0:
        raise UnreadableFile("the record holds no samples")
    is_missing = np.zeros(rows.shape, dtype=bool)
    for row, channel in enumerate(channels):
        missing_sample = _MISSING_SAMPLE.get(header.signals[channel].format)
        if missing_sample is not None:
            np.equal(rows[row], missing_sample, out=is_missing[row])
    if not is_missing.any():
        return as_recording_samples(rows)
    return np.where(is_missing, np.float32(np.nan), rows.astype(np.float32))


def _is_plain_16_bit(signal: Signal) -> bool:
    return signal.format == "16" and signal.samples_per_frame == 1 and signal.skew == 0


def _plain_16_bit_rows(folder: Path, header: Header, channels: list[int]) -> np.ndarray:
    rows: dict[int, np.ndarray] = {}
    for file_name in {header.signals[channel].file_name for channel in channels}:
        in_file = [channel for channel, signal in enumerate(header.signals) if signal.file_name == file_name]
        content = _signal_file(folder, file_name)
        if content.startswith(MAT_SIGNATURES):
            rows.update(zip(in_file, read_val(content, len(in_file), header.sample_count), strict=True))
            continue
        stored = content[header.signals[in_file[0]].byte_offset :]
        sample_count = header.sample_count or len(stored) // (2 * len(in_file))
        expected_bytes = 2 * sample_count * len(in_file)
        if len(stored) < expected_bytes:
            raise UnreadableFile(
                f"signal file holds {len(stored)} bytes, the WFDB header says {expected_bytes}; copy it again"
            )
        frames = np.frombuffer(stored, dtype="<i2", count=sample_count * len(in_file)).reshape(-1, len(in_file))
        rows.update(zip(in_file, frames.T, strict=True))
    if len({rows[channel].size for channel in channels}) != 1:
        raise UnreadableFile("the signal files differ in length; copy them again")
    return np.stack([rows[channel] for channel in channels])


def _rows_by_wfdb(header_path: Path, header: Header, channels: list[int]) -> np.ndarray:
    # wfdb takes most of a second to import, and most records are plain 16 bit.
    import wfdb

    for channel in channels:
        _signal_file(header_path.parent, header.signals[channel].file_name)
    if header.sample_count is None:
        raise UnreadableFile("the WFDB header gives no number of samples; only plain 16-bit records can do without")
    # Nothing stores an ECG in less than a byte a sample; without the bound a header alone could claim all memory.
    longest = header.sample_count + max(header.signals[channel].skew for channel in channels)
    if longest * len(header.signals) > MAX_FILE_BYTES:
        raise UnreadableFile("the WFDB header claims more samples than a resting ECG has; copy the record again")
    record = wfdb.rdrecord(str(header_path.with_suffix("")), channels=channels, physical=False)
    return record.d_signal.T


def _signal_file(folder: Path, file_name: str) -> bytes:
    if not (folder / file_name).is_file():
        raise UnreadableFile("a signal file that the WFDB header names is not beside it; copy it there")
    return read_bytes(folder / file_name)


def _statements(comments: tuple[str, ...]) -> tuple[str, ...]:
    texts = [match["text"] for comment in comments if (match := _DIAGNOSIS_COMMENT.fullmatch(comment))]
    # SNOMED codes, as the PhysioNet challenges write them, are no text to read a diagnosis from.
    return clean_statements(text for text in texts if not _NO_STATEMENT.fullmatch(text.strip()))
