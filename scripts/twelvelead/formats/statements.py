"""The machine's diagnostic statements, free of names."""

import re
from collections.abc import Iterable

# What MUSE and others put among the statements or behind one, in English, French and German; a name follows. A letter
# with an accent may have become up to three characters in which no decoder finds it.
_SIGNATURE = re.compile(
    r"""\b(?:
    (?:(?:electronically|digitally)\s+)?
    (?:re|un)?(?:confirmed|signed|reviewed|over-?read|read|referred|interpreted|edited|verified|approved|ordered
        |requested|acquired|recorded|attested|performed)(?:\s+and\s+\w+)?\s*(?:by\b|:)
    | (?:(?:re)?[lv]ue?|(?:confirm|valid|sign|approuv|demand|enregistr|v.{1,3}rifi|r.{1,3}f.{1,3}r|r.{1,3}alis
        |interpr.{1,3}t).{1,3}e?)\s+par\b
    | (?:best.{1,3}tigt|befundet|unterschrieben|validiert|freigegeben)\s+(?:von|durch)\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
# A title says so without a colon, too, where a capital follows: "Dr Mustermann", not "dr. in V1".
_NAMES_A_PERSON = re.compile(
    r"""\b(?:
    (?:(?:patient|name|physician|doctor|cardiologist|md|technician|operator|(?:patient|ordering|reading|referring)\s+\w+
        |nom|pr.{1,3}nom|m.{1,3}decin|docteur|technicien(?:ne)?|op.{1,3}rateur|arzt|befunder)\s*:)
    | d[rR]e?\b\s*[:.]?\s*(?-i:(?=[A-Z]))
    )""",
    re.VERBOSE | re.IGNORECASE,
)


def clean_statements(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The statements line by line, white space collapsed, without empty ones and without what names a person."""
    lines = (" ".join(line.split()) for text in texts if text for line in text.splitlines())
    return tuple(statement for line in lines if (statement := _before_any_person(line)))


def _before_any_person(line: str) -> str:
    found = [match.start() for kind in (_SIGNATURE, _NAMES_A_PERSON) if (match := kind.search(line))]
    if not found:
        return line
    before = line[: min(found)].rstrip(" ,;:(-")
    return before if any(character.isalnum() for character in before) else ""
