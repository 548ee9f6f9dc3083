"""What one ECG file is: what its reader finds, what is wrong with its signal, which recipes take it, and a picture."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from twelvelead import formats
from twelvelead.ecg import LEADS, Recording, missing_leads
from twelvelead.ecg_picture import draw, is_rate, picture_files
from twelvelead.errors import SignalError, UnreadableFile
from twelvelead.folder_table import files_below
from twelvelead.quality import signal_status
from twelvelead.recipes import DURATION_S
from twelvelead.recipes.resampling import ASSUMED_DURATION_S, shortage
from twelvelead.report.svg import printable
from twelvelead.signal_quality import flags_of


@dataclass(frozen=True)
class Inspection:
    """What is found in a file that can be read. Nothing in it tells who the patient is.

    file              path as given
    status, message   as in recordings.csv: ok, or what is wrong with the signal; an ok may carry a warning
    format            key of formats.FORMAT_NAMES
    sampling_rate_hz, duration_s   None where the file gives no rate, or an impossible one
    leads             as stored, in the file's order
    derivable_leads, missing_leads   those that I and II give, and those that are not to be had
    units             in the file's own words
    gain_mv, offset_mv   of each stored lead: mV per stored unit, and mV at a stored 0
    quality_flags     what is doubtful in the signal: signal_quality.flags
    recipes           of each recipe, why it cannot prepare the recording; "" where it can
    picture           the file that was drawn; None without
    """

    file: str
    status: str
    message: str
    format: str
    sampling_rate_hz: float | None
    duration_s: float | None
    n_samples: int
    leads: tuple[str, ...]
    derivable_leads: tuple[str, ...]
    missing_leads: tuple[str, ...]
    units: str
    gain_mv: tuple[float, ...]
    offset_mv: tuple[float, ...]
    device: str
    statements: tuple[str, ...]
    quality_flags: tuple[str, ...]
    recipes: dict[str, str]
    picture: str | None = None

    def as_json(self) -> str:
        """One line; numbers that are not finite are null."""
        return _json_line(asdict(self))

    def _without_flags(self) -> str:
        return "no flag" if self.status == "ok" else "not assessed"

    def as_text(self) -> str:
        """A block of lines below the file's name."""
        rows = [
            ("format", formats.FORMAT_NAMES.get(self.format, self.format)),
            ("signal", _signal_words(self)),
            ("leads", _lead_words(self)),
            ("units", _unit_words(self)),
            ("device", self.device or "not given"),
            *(("statements", statement) for statement in self.statements or ("none",)),
            ("status", ": ".join(filter(None, (self.status, self.message)))),
            *(("quality", flag) for flag in self.quality_flags or (self._without_flags(),)),
            *(("recipes", f"{recipe}: {f'no, {why}' if why else 'yes'}") for recipe, why in self.recipes.items()),
            *([("picture", self.picture)] if self.picture else []),
        ]
        names = [name if at == 0 or rows[at - 1][0] != name else "" for at, (name, _) in enumerate(rows)]
        width = max(map(len, names)) + 2
        lines = [f"  {name:<{width}}{_one_line(words)}" for name, (_, words) in zip(names, rows, strict=True)]
        return "\n".join([_one_line(self.file), *lines])


@dataclass(frozen=True)
class Unreadable:
    """A file that no reader takes, and its reader's one-line reason; `status` as in recordings.csv."""

    file: str
    status: str
    message: str

    def as_json(self) -> str:
        return _json_line(asdict(self))

    def as_text(self) -> str:
        return f"{_one_line(self.file)}: {self.status}: {_one_line(self.message)}"


def inspect_files(files: Sequence[str], picture: str | None = None) -> Iterator[Inspection | Unreadable]:
    """What each file is, one after the other, whatever is wrong with some of them.

    files    paths; a folder stands for the files below it. WFDB records may be named without .hea, recordings in HDF5
             files as file.hdf5#id
    picture  an .svg or .png to draw the one ECG into, or a folder: it then gets <ecg_id>.svg of each
    Raises TwelveleadError where `picture` does not fit `files` or cannot be written.
    """
    paths = _paths_below(files)
    destinations = {}
    if picture is not None:
        paths = list(paths)
        destinations = picture_files(paths, picture)
    for path in paths:
        try:
            recording = _read(path)
        except SignalError as error:
            yield Unreadable(path, error.status, " ".join(str(error).split()))
            continue
        found = describe(path, recording)
        if path in destinations:
            found = replace(found, picture=draw(recording, os.path.basename(path), destinations[path]))
        yield found


def describe(file: str, recording: Recording) -> Inspection:
    """What there is to say of a recording that was read from `file`."""
    rate_hz = recording.sampling_rate_hz
    n_samples = recording.samples.shape[1]
    missing = missing_leads(recording.leads)
    with np.errstate(all="ignore"):  # what overflows is reported as a status
        status, message = signal_status(recording)
    return Inspection(
        file=file,
        status=status,
        message=message,
        format=recording.format,
        sampling_rate_hz=rate_hz if is_rate(rate_hz) else None,
        duration_s=n_samples / rate_hz if is_rate(rate_hz) else None,
        n_samples=n_samples,
        leads=recording.leads,
        derivable_leads=tuple(lead for lead in LEADS if lead not in recording.leads and lead not in missing),
        missing_leads=tuple(missing),
        units=recording.units,
        gain_mv=tuple(np.asarray(recording.gain_mv, dtype=np.float64).tolist()),
        offset_mv=tuple(_offset_mv(recording).tolist()),
        device=recording.device,
        statements=recording.statements,
        quality_flags=flags_of(recording) if status == "ok" else (),
        recipes={recipe: _hindrance(recipe, recording, status) for recipe in DURATION_S},
    )


def _offset_mv(recording: Recording) -> np.ndarray:
    return np.zeros(len(recording.leads)) if recording.offset_mv is None else recording.offset_mv


def _read(path: str) -> Recording:
    if os.path.isdir(path):
        raise UnreadableFile("a folder without files (hidden ones are passed over); expected ECG files in it")
    try:
        recording = formats.read(path)
    except OSError as error:  # the disk's or the network's fault: a reader reports the file's own as SignalError
        raise UnreadableFile(f"file cannot be read now: {error.strerror or type(error).__name__}") from None
    if recording.samples.size == 0:
        raise UnreadableFile("the file holds no samples")
    return recording


def _hindrance(recipe: str, recording: Recording, status: str) -> str:
    if status != "ok":
        return status
    rate_hz = recording.sampling_rate_hz
    # Without a sampling rate every recipe takes a recording to last 10 s, however much of it the recipe needs.
    needed_s = DURATION_S[recipe] if rate_hz is not None else max(DURATION_S[recipe], ASSUMED_DURATION_S)
    return shortage(recording.samples.shape[1], rate_hz, needed_s)


def _paths_below(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        names = files_below(Path(file)) if os.path.isdir(file) else ()
        below = (os.path.join(file, name) for name in names)
        # A folder without files is reported under its own name.
        yield next(below, file)
        yield from below


def _signal_words(found: Inspection) -> str:
    if found.sampling_rate_hz is None:
        return f"{found.n_samples} samples, sampling rate not given; taken to last {ASSUMED_DURATION_S} s"
    return f"{found.sampling_rate_hz:g} Hz, {found.duration_s:,.6g} s, {found.n_samples} samples"


def _lead_words(found: Inspection) -> str:
    kinds = (
        (found.leads, "stored"),
        (found.derivable_leads, "derivable from I and II"),
        (found.missing_leads, "missing"),
    )
    return "; ".join(f"{', '.join(leads)} {kind}" for leads, kind in kinds if leads)


def _unit_words(found: Inspection) -> str:
    words = f"{found.units}: {_of_leads(found.leads, found.gain_mv)} mV per stored unit"
    return f"{words}, {_of_leads(found.leads, found.offset_mv)} mV at 0" if any(found.offset_mv) else words


def _of_leads(leads: Sequence[str], values: Sequence[float]) -> str:
    """One number where all leads have the same, else a number for each."""
    if len(set(values)) == 1:
        return f"{values[0]:.6g}"
    return ", ".join(f"{lead} {value:.6g}" for lead, value in zip(leads, values, strict=True))


def _one_line(words: str) -> str:
    """`words` with control characters spelt out: what a file holds must not steer a terminal."""
    return "".join(f"\\x{ord(letter):02x}" if letter in "\t\n\r" else letter for letter in printable(words))


def _json_line(fields: dict[str, object]) -> str:
    return json.dumps(_finite(fields), allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, tuple) else value
