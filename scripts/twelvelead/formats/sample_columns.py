"""The columns of a table of samples, known by their names; light to import, so that a file's kind can be told by it."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.lead_labels import lead_of_label
from twelvelead.formats.leads import duplicate_lead

# casefold makes the same letter of both micro signs.
MILLIVOLTS = {"nv": 1e-6, "uv": 1e-3, "\u03bcv": 1e-3, "mv": 1.0, "v": 1e3}
UNIT_SYMBOLS = {"nv": "nV", "uv": "uV", "\u03bcv": "uV", "mv": "mV", "v": "V"}
NO_UNIT = ""
# A table of labels may have one column that is called like a lead, hardly two.
_LEAST_LEADS = 2

_SECONDS = {NO_UNIT: 1.0} | dict.fromkeys(("s", "sec", "seconds"), 1.0)
_SECONDS |= dict.fromkeys(("ms", "msec", "milliseconds"), 1e-3)
_SECONDS |= dict.fromkeys(("us", "\u03bcs", "usec", "microseconds"), 1e-6)
_SECONDS |= dict.fromkeys(("ns", "nsec", "nanoseconds"), 1e-9)
_TIME_NAMES = frozenset({"t", "time", "timestamp"})
_UNIT_IN_BRACKETS = re.compile(r"(?P<name>.*?)\s*(?:\[(?P<square>[^]]*)\]|\((?P<round>[^)]*)\))", re.DOTALL)
_UNIT_BEHIND = re.compile(r"(?P<name>.*?)[\s_/]+(?P<unit>[^\W\d_]+)", re.DOTALL)
_DELIMITERS = ",;\t"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Columns:
    """Where in a table the leads and the time are, by position.

    unit_of      of each lead, a key of MILLIVOLTS; NO_UNIT where the names give none
    time_unit_s  seconds; 1 where the name gives no unit
    """

    column_of: dict[str, int]
    unit_of: dict[str, str]
    time: int | None
    time_unit_s: float


def is_sample_table(head: bytes) -> bool:
    """Whether text that begins with `head` is a table of samples: its first line names two leads or more."""
    return len({_lead_and_unit(name)[0] for name in header(head)[0]} - {None}) >= _LEAST_LEADS


def header(head: bytes) -> tuple[list[str], str, int]:
    """Column names, delimiter and the byte at which the rows begin; no names where no line ends within `head`."""
    line_end = _LINE_END.search(head)
    if line_end is None:
        return [], ",", len(head)
    line = head[: line_end.start()].removeprefix(b"\xef\xbb\xbf")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    delimiter = max(_DELIMITERS, key=text.count)
    try:
        # NumPy's savetxt puts the names behind "# ".
        names = next(csv.reader([text.lstrip("# ")], delimiter=delimiter), [])
    except csv.Error:
        names = []
    return names, delimiter, line_end.end()


def find_columns(names: Sequence[str]) -> Columns:
    """The leads and the time among column names.

    Raises UnsupportedFormat without two leads, UnreadableFile for a lead that is there twice, for a unit that is no
    voltage and where some leads have a unit and others none.
    """
    column_of: dict[str, int] = {}
    unit_of: dict[str, str] = {}
    time, time_unit_s = None, 1.0
    for position, name in enumerate(names):
        lead, unit = _lead_and_unit(name)
        if lead is None:
            if time is None and (found := _time_unit_s(name)) is not None:
                time, time_unit_s = position, found
            continue
        if lead in column_of:
            raise duplicate_lead(lead)
        if unit not in MILLIVOLTS and unit != NO_UNIT:
            raise UnreadableFile(f"the column of lead {lead} has a unit that is no voltage; expected mV, uV, V or nV")
        column_of[lead], unit_of[lead] = position, unit
    if len(column_of) < _LEAST_LEADS:
        raise UnsupportedFormat(
            f"a table with {len(column_of)} columns named as leads; expected columns I, II, III, aVR, aVL, aVF, "
            "V1 to V6 and a row for each sample"
        )
    without_unit = [lead for lead, unit in unit_of.items() if unit == NO_UNIT]
    if 0 < len(without_unit) < len(unit_of):
        raise UnreadableFile(
            f"the column of lead {', '.join(without_unit)} has no unit, others have; name it in all, as in I_mV"
        )
    return Columns(column_of, unit_of, time, time_unit_s)


def _lead_and_unit(name: str) -> tuple[str | None, str]:
    """The lead a column name means and the unit in it; brackets hold a unit, whatever it is."""
    name = name.strip()
    if match := _UNIT_IN_BRACKETS.fullmatch(name):
        return lead_of_label(match["name"]), (match["square"] or match["round"] or NO_UNIT).strip().casefold()
    match = _UNIT_BEHIND.fullmatch(name)
    if match and match["unit"].casefold() in MILLIVOLTS and (lead := lead_of_label(match["name"])):
        return lead, match["unit"].casefold()
    return lead_of_label(name), NO_UNIT


def _time_unit_s(name: str) -> float | None:
    """Seconds in the unit of a time column; None for a column of another name."""
    name = name.strip().casefold()
    if name in _TIME_NAMES:
        return _SECONDS[NO_UNIT]
    match = _UNIT_IN_BRACKETS.fullmatch(name) or _UNIT_BEHIND.fullmatch(name)
    if match is None or match["name"] not in _TIME_NAMES:
        return None
    unit = next((unit for unit in match.groups()[1:] if unit is not None), NO_UNIT)
    return _SECONDS.get(unit.strip())
