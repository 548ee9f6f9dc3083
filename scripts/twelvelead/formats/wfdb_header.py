"""WFDB headers as header(5) of the WFDB Applications Guide defines them.

Parsed here, not by the wfdb package: that takes 5 to 9 ms a header against 0.2, and it opens whatever path or address
the header names, before anyone could look at it.
"""

import re
from dataclasses import dataclass

from twelvelead.errors import UnreadableFile

DEFAULT_RATE_HZ = 250.0
DEFAULT_GAIN_PER_UNIT = 200.0

RECORD_LINE = re.compile(
    r"""
    (?P<name>[-\w.]+) (?:/(?P<segments>\d+))?
    \s+ (?P<signals>\d+)
    (?:\s+ (?P<rate_hz>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?) (?:/\S*)?    # rate, then counter frequency and base
        (?:\s+ (?P<samples>\d+) (?:\s+\S.*)?                    # samples, then time and date
    )?)?
    \s*""",
    re.VERBOSE,
)
_SIGNAL_LINE = re.compile(
    r"""
    (?P<file>\S+)
    \s+ (?P<format>\d+) (?:x(?P<per_frame>\d+))? (?::(?P<skew>\d+))? (?:\+(?P<offset>\d+))?
    (?:\s+ (?P<gain>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?) (?:\((?P<baseline>-?\d+)\))? (?:/(?P<units>\S+))?
    (?:\s+ (?P<resolution>\d+)
    (?:\s+ (?P<zero>-?\d+)
    (?:\s+ (?P<initial>-?\d+)
    (?:\s+ (?P<checksum>-?\d+)
    (?:\s+ (?P<block>\d+)
    (?:\s+ (?P<description>\S.*)
    )?)?)?)?)?)?)?
    \s*""",
    re.VERBOSE,
)
_PLAIN_FILE_NAME = re.compile(r"\w[\w.+-]*")


@dataclass(frozen=True)
class Signal:
    """One signal line: physical value = (sample - baseline) / gain_per_unit, in `units`."""

    file_name: str
    format: str
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain_per_unit: float
    baseline: int
    units: str
    description: str


@dataclass(frozen=True)
class Header:
    """A single-segment header; sample_count is None where the header leaves it open."""

    signals: tuple[Signal, ...]
    sampling_rate_hz: float
    sample_count: int | None
    comments: tuple[str, ...]


def parse_header(content: bytes) -> Header:
    """Raises UnreadableFile, naming the line, for anything but a single-segment header with plain file names."""
    lines = [line.strip() for line in content.decode("utf-8", errors="replace").splitlines()]
    comments = tuple(line.lstrip("#").strip() for line in lines if line.startswith("#"))
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    record = RECORD_LINE.fullmatch(numbered[0][1]) if numbered else None
    if record is None:
        raise UnreadableFile("WFDB header without a record line; expected 'name signals rate samples'")
    if record["segments"]:
        raise UnreadableFile("WFDB record of several segments; expected a single one, name the segments' own headers")
    signal_count = int(record["signals"])
    if len(numbered) - 1 < signal_count:
        raise UnreadableFile(f"WFDB header of {signal_count} signals has {len(numbered) - 1} signal lines; truncated?")
    return Header(
        signals=tuple(_signal(number, line) for number, line in numbered[1 : signal_count + 1]),
        sampling_rate_hz=float(record["rate_hz"] or DEFAULT_RATE_HZ),
        sample_count=int(record["samples"] or 0) or None,
        comments=comments,
    )


def _signal(number: int, line: str) -> Signal:
    match = _SIGNAL_LINE.fullmatch(line)
    if match is None:
        raise UnreadableFile(f"WFDB header line {number} is no signal line; expected 'file format gain ... lead'")
    # "../x", "/etc/x" and addresses would read outside the record's own folder; "-" is standard input.
    if not _PLAIN_FILE_NAME.fullmatch(match["file"]):
        raise UnreadableFile(
            f"WFDB header line {number} names a signal file outside the header's folder; expected a plain file name"
        )
    return Signal(
        file_name=match["file"],
        format=match["format"],
        samples_per_frame=int(match["per_frame"] or 1),
        skew=int(match["skew"] or 0),
        byte_offset=int(match["offset"] or 0),
        # A gain of 0 or none means uncalibrated, to be taken as 200 per mV.
        gain_per_unit=float(match["gain"] or 0) or DEFAULT_GAIN_PER_UNIT,
        baseline=int(match["baseline"] or match["zero"] or 0),
        units=match["units"] or "mV",
        description=match["description"] or "",
    )
