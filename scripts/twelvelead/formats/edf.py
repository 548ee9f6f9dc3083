"""European Data Format: EDF (Kemp et al. 1992) and EDF+ (Kemp and Olivan, Clinical Neurophysiology 2003, 114:1755-1761;
edfplus.info/specs/edfplus.html): a header in ASCII, then data records of 16-bit samples.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from twelvelead.ecg import Recording
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.lead_labels import lead_of_label
from twelvelead.formats.leads import duplicate_lead, no_standard_lead, plausible_rate_hz
from twelvelead.formats.units import MILLIVOLTS, UNIT_SYMBOLS

_HEADER_BLOCK_BYTES = 256  # of the file, and again of each signal
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_SECONDS = re.compile(r"\d+\.?\d*|\.\d+", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
_ANNOTATIONS = "EDF Annotations"
# The first annotation of a data record has no text and says when the record starts (EDF+ section 2.2.4).
_RECORD_START = re.compile(rb"([+-]\d{1,18}(?:\.\d{1,18})?)\x14\x14")
# Two days in records of 0.2 s. Only files that may be interrupted are looked through record by record.
_MOST_RECORDS_WITH_STARTS = 2**20


@dataclass(frozen=True)
class _Signal:
    """What the header says of one signal; the numbers are text until the signal turns out to be a lead."""

    label: str
    physical_dimension: str
    physical_range: tuple[str, str]
    digital_range: tuple[str, str]
    samples_per_record: int
    first_sample: int  # in the data record


@dataclass(frozen=True)
class _Records:
    """Where the samples are: `count` records of `samples` 16-bit numbers each, from byte `start` of the file."""

    start: int
    count: int
    samples: int
    seconds: Fraction
    may_be_interrupted: bool


def read_edf(content: bytes) -> Recording:
    """The standard leads of an EDF or EDF+ file, digital samples with gain and offset from the header's ranges.

    Other signals and all annotations are left out; nothing of the patient and recording fields is read. A lead must
    have a voltage as its physical dimension: the standard leaves it empty where a signal is not calibrated.
    Raises UnsupportedFormat for an interrupted recording (EDF+D), UnreadableFile for a broken or truncated file and for
    leads at different rates, LeadMissing without a standard lead.
    """
    signals, records = _header(content)
    signal_of = _signal_of_lead(signals)
    first_lead, first_signal = next(iter(signal_of.items()))
    for lead, signal in signal_of.items():
        if signal.samples_per_record != first_signal.samples_per_record:
            raise UnreadableFile(
                f"lead {lead} has {signal.samples_per_record} samples per data record and lead {first_lead} "
                f"{first_signal.samples_per_record}; expected one sampling rate for all leads"
            )
    if records.count == 0 or first_signal.samples_per_record == 0:
        raise UnreadableFile("the EDF file holds no samples; record or export it again")
    if records.may_be_interrupted:
        _check_uninterrupted(content, signals, records, float(records.seconds / first_signal.samples_per_record))
    scales = [_scale(lead, signal) for lead, signal in signal_of.items()]
    offset_mv = np.array([offset for _, offset, _ in scales])
    rate_hz = float(first_signal.samples_per_record / records.seconds)
    return Recording(
        format="edf",
        leads=tuple(signal_of),
        samples=_samples(content, list(signal_of.values()), records),
        gain_mv=np.array([gain for gain, _, _ in scales]),
        offset_mv=offset_mv if offset_mv.any() else None,
        sampling_rate_hz=plausible_rate_hz(rate_hz, "the EDF header"),
        units=", ".join(dict.fromkeys(units for _, _, units in scales)),
    )


def _header(content: bytes) -> tuple[list[_Signal], _Records]:
    signal_count = _whole_number(content[252:256], "number of signals")
    header_bytes = _HEADER_BLOCK_BYTES * (signal_count + 1)
    if signal_count < 1 or _whole_number(content[184:192], "number of bytes in the header") != header_bytes:
        raise UnreadableFile(
            f"EDF header of {signal_count} signals, which does not fit its number of bytes; the file is damaged"
        )
    if len(content) < header_bytes:
        raise UnreadableFile(f"EDF file of {len(content)} bytes, its header alone has {header_bytes}; it is truncated")
    signals = _signals(content, signal_count)
    record_samples = sum(signal.samples_per_record for signal in signals)
    seconds = _text(content[244:252])
    if not _SECONDS.fullmatch(seconds) or Fraction(seconds) == 0 or record_samples == 0:
        raise UnreadableFile("EDF data records without a duration or without samples; expected e.g. 1 s of samples")
    available = (len(content) - header_bytes) // (2 * record_samples)
    record_count = _whole_number(content[236:244], "number of data records")
    if record_count > available:
        raise UnreadableFile(
            f"EDF file holds {available} of the {record_count} data records in its header; it is truncated, copy again"
        )
    return signals, _Records(
        start=header_bytes,
        # -1 while a recording goes on, and for ever where the recorder was cut off.
        count=available if record_count < 0 else record_count,
        samples=record_samples,
        seconds=Fraction(seconds),
        may_be_interrupted=content[192:197] == b"EDF+D",
    )


def _signals(content: bytes, signal_count: int) -> list[_Signal]:
    # One field of all signals follows another: label, transducer, physical dimension, ...
    position = _HEADER_BLOCK_BYTES
    columns = []
    for width in (16, 80, 8, 8, 8, 8, 8, 80, 8):
        field = content[position : position + width * signal_count]
        columns.append([_text(field[start : start + width]) for start in range(0, len(field), width)])
        position += width * signal_count
    label, _, dimension, physical_lowest, physical_highest, lowest, highest, _, lengths = columns
    signals, first_sample = [], 0
    for index, length in enumerate(lengths):
        samples_per_record = _whole_number(length, "number of samples in a data record")
        if samples_per_record < 0:
            raise UnreadableFile("EDF signal with a negative number of samples; the file is damaged")
        signals.append(
            _Signal(
                label=label[index],
                physical_dimension=dimension[index],
                physical_range=(physical_lowest[index], physical_highest[index]),
                digital_range=(lowest[index], highest[index]),
                samples_per_record=samples_per_record,
                first_sample=first_sample,
            )
        )
        first_sample += samples_per_record
    return signals


def _signal_of_lead(signals: Sequence[_Signal]) -> dict[str, _Signal]:
    signal_of: dict[str, _Signal] = {}
    for signal in signals:
        lead = lead_of_label(signal.label)
        if lead is None:
            continue
        if lead in signal_of:
            raise duplicate_lead(lead)
        signal_of[lead] = signal
    if not signal_of:
        raise no_standard_lead()
    return signal_of


def _scale(lead: str, signal: _Signal) -> tuple[float, float, str]:
    """(mV per stored unit, mV at 0, units); a physical minimum above the maximum is an inverted amplifier's."""
    unit = signal.physical_dimension.casefold()
    if unit not in MILLIVOLTS:
        raise UnreadableFile(
            f"lead {lead}: physical dimension is {'no voltage' if unit else 'empty, so it is not calibrated'}; "
            "expected uV, mV, V or nV in the EDF header"
        )
    lowest, highest = (_number(text, f"lead {lead}: physical range") for text in signal.physical_range)
    digital_lowest, digital_highest = (_whole_number(text, "digital range") for text in signal.digital_range)
    if not -(2**15) <= digital_lowest < digital_highest < 2**15 or lowest == highest:
        raise UnreadableFile(f"lead {lead}: physical or digital range of the EDF header is empty; the file is damaged")
    gain = (highest - lowest) / (digital_highest - digital_lowest)
    gain_mv, offset_mv = gain * MILLIVOLTS[unit], (lowest - gain * digital_lowest) * MILLIVOLTS[unit]
    if gain_mv == 0 or not (math.isfinite(gain_mv) and math.isfinite(offset_mv)):
        raise UnreadableFile(f"lead {lead}: physical range of the EDF header is no ECG's; the file is damaged")
    return gain_mv, offset_mv, f"{gain:g} {UNIT_SYMBOLS[unit]}/LSB"


def _samples(content: bytes, signals: Sequence[_Signal], records: _Records) -> np.ndarray:
    """(signals, samples) int16, each record's part after the one before."""
    blocks = np.frombuffer(content, "<i2", count=records.count * records.samples, offset=records.start)
    blocks = blocks.reshape(records.count, records.samples)
    length = signals[0].samples_per_record
    rows = np.empty((len(signals), records.count, length), dtype=np.int16)
    for row, signal in zip(rows, signals, strict=True):
        row[...] = blocks[:, signal.first_sample : signal.first_sample + length]
    return rows.reshape(len(signals), -1)


def _check_uninterrupted(content: bytes, signals: Sequence[_Signal], records: _Records, interval_s: float) -> None:
    """Raises unless each data record of an EDF+D file starts, within half a sample, where the one before ended."""
    annotations = next((signal for signal in signals if signal.label == _ANNOTATIONS), None)
    if annotations is None or records.count > _MOST_RECORDS_WITH_STARTS:
        raise UnsupportedFormat("EDF+D whose data records cannot be placed in time; export it as EDF+C")
    seconds, first_start_s = float(records.seconds), None
    for index in range(records.count):
        position = records.start + 2 * (records.samples * index + annotations.first_sample)
        found = _RECORD_START.match(content, position, position + 2 * annotations.samples_per_record)
        if found is None:
            raise UnreadableFile(f"data record {index + 1} of an EDF+D file does not say when it starts; export again")
        start_s = float(found[1])
        first_start_s = start_s if first_start_s is None else first_start_s
        if abs(start_s - first_start_s - index * seconds) > interval_s / 2:
            raise UnsupportedFormat(
                f"EDF+D interrupted before data record {index + 1}; only recordings without gaps are read, "
                "export each part as a file of its own"
            )


def _text(field: bytes) -> str:
    # ASCII by the standard; some writers put a micro sign in, in one of two ways.
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    return text.strip(" \0")


def _whole_number(field: bytes | str, name: str) -> int:
    text = _text(field) if isinstance(field, bytes) else field
    if not _WHOLE_NUMBER.fullmatch(text):
        raise UnreadableFile(f"EDF header: {name} is {'no whole number' if text else 'absent'}; the file is damaged")
    return int(text)


def _number(text: str, name: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise UnreadableFile(f"{name} is {'no number' if text else 'absent'} in the EDF header; the file is damaged")
    return value
