"""The columns of a table of samples, known by their names; light to import, so that a file's kind can be told by it."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from twelvelead.ecg import missing_leads
from twelvelead.errors import LeadMissing, UnreadableFile, UnsupportedFormat
from twelvelead.formats.lead_labels import lead_of_label
from twelvelead.formats.leads import duplicate_lead
from twelvelead.formats.units import MILLIVOLTS

NO_UNIT = ""
# A table of labels may have one column that is called like a lead, hardly two.
_LEAST_LEADS = 2

_SECONDS = {NO_UNIT: 1.0}
_SECONDS |= dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0)
_SECONDS |= dict.fromkeys(("sek", "sekunden", "secondes", "segundos", "secondi"), 1.0)
_SECONDS |= dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds", "millisekunden"), 1e-3)
_SECONDS |= dict.fromkeys(("us", "\u03bcs", "usec", "microseconds"), 1e-6)
_SECONDS |= dict.fromkeys(("ns", "nsec", "nanoseconds"), 1e-9)
_TIME_NAMES = frozenset({"t", "time", "timestamp", "elapsed", "sampletime", "elapsedtime", "zeit", "zeitstempel"})
_TIME_NAMES |= {"temps", "tiempo", "tempo", "tid", "tijd", "czas", "aika"}
# Words beside a time's name or its unit: "sample_time", "time stamp", "Zeit in ms", "sample (ms)".
_BESIDE_A_TIME = frozenset({"sample", "stamp", "relative", "rel", "recording", "in"})
_BETWEEN_WORDS = re.compile(r"[\s_/.-]+")
_UNIT_IN_BRACKETS = re.compile(r"(?P<name>.*?)\s*(?:\[(?P<square>[^]]*)\]|\((?P<round>[^)]*)\))", re.DOTALL)
_UNIT_BEHIND = re.compile(r"(?P<name>.*?)[\s_/]+(?P<unit>[^\W\d_]+)", re.DOTALL)
# What a message may quote of an unknown column: a letter or digit; a letter and a number (C1, V3R); V and a letter;
# strokes (ll); aVR, aVL, aVF under a sign or misspelled (aLV). Anything longer could be the name of a person.
_LIKE_A_LEAD = re.compile(
    r"[A-Za-z\d]|[A-Za-z]\d\d?[RLrl]?|V[A-Z]|v[a-z]|[Il1]{2,3}|[aA](?:[vV][RLFrlf]|[RLFrlf][vV])", re.ASCII
)
_BETWEEN_LETTERS = re.compile(r"[ ._+-]")
_LONGEST_QUOTED = 6
_MOST_QUOTED = 5
_DELIMITERS = ",;\t"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Columns:
    """Where in a table the leads and the time are, by position.

    unit_of      of each lead, a key of MILLIVOLTS; NO_UNIT where the names give none
    time_unit_s  seconds; 1 where the name gives no unit
    others       what is neither a lead nor the time
    """

    column_of: dict[str, int]
    unit_of: dict[str, str]
    time: int | None
    time_unit_s: float
    others: tuple[int, ...]


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
    voltage and where some leads have a unit and others none, LeadMissing where a lead is absent and an unknown column
    may be meant for it.
    """
    column_of: dict[str, int] = {}
    unit_of: dict[str, str] = {}
    time, time_unit_s = None, 1.0
    others = []
    for position, name in enumerate(names):
        lead, unit = _lead_and_unit(name)
        if lead is None:
            if time is None and (found := _time_unit_s(name)) is not None:
                time, time_unit_s = position, found
            else:
                others.append(position)
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
    _check_misspelled([*column_of], [names[position] for position in others])
    return Columns(column_of, unit_of, time, time_unit_s, tuple(others))


def _check_misspelled(leads: Sequence[str], unknown: Sequence[str]) -> None:
    """Raises LeadMissing where a lead is absent and a column is called nearly like one."""
    absent = missing_leads(tuple(leads))
    quoted = [name for name in map(_without_voltage, unknown) if _is_like_a_lead(name)][:_MOST_QUOTED]
    if absent and quoted:
        raise LeadMissing(
            f"no lead {', '.join(absent)}; found {', '.join(leads)}; not known as a lead: {', '.join(quoted)}; "
            "rename what is meant for one"
        )


def _is_like_a_lead(name: str) -> bool:
    return len(name) <= _LONGEST_QUOTED and _LIKE_A_LEAD.fullmatch(_BETWEEN_LETTERS.sub("", name)) is not None


def _without_voltage(name: str) -> str:
    for pattern in (_UNIT_IN_BRACKETS, _UNIT_BEHIND):
        match = pattern.fullmatch(name.strip())
        if match and {unit.strip().casefold() for unit in match.groups()[1:] if unit} & MILLIVOLTS.keys():
            return match["name"].strip()
    return name.strip()


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
    name, unit = name.strip().casefold(), NO_UNIT
    if match := _UNIT_IN_BRACKETS.fullmatch(name):
        name, unit = match["name"], (match["square"] or match["round"] or NO_UNIT).strip()
    words = [word for word in _BETWEEN_WORDS.split(name) if word]
    if unit == NO_UNIT and words and words[-1] in _SECONDS:
        unit = words.pop()
    names = set(words) - _BESIDE_A_TIME
    # A unit of one letter alone is a lead of another system: S of EASI.
    is_time = names <= _TIME_NAMES if names else len(unit) > 1
    return _SECONDS.get(unit) if is_time else None
