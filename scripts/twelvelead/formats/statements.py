"""The machine's diagnostic statements, free of names."""

import re
from collections.abc import Iterable

# What MUSE and others put among the statements or behind one, in English, French and German; a name follows. A letter
# with an accent may have become up to three characters in which no decoder finds it.
_SIGNATURE = re.compile(
    r"""\b(?:
    (?:re|un)?(?:confirmed|signed|reviewed|over-?read|read|referred|interpreted|edited|verified|approved|ordered
        |requested|acquired|recorded|attested|performed)(?:\s+and\s+\w+)?(?:\s*:|(?:\s+\S+){0,5}?\s+by\b)
    | (?:(?:re)?[lv]ue?|(?:confirm|valid|sign|approuv|demand|enregistr|v.{1,3}rifi|r.{1,3}f.{1,3}r|r.{1,3}alis
        |interpr.{1,3}t).{1,3}e?)(?:\s+\S+){0,2}?\s+par\b
    | (?:best.{1,3}tigt|befundet|unterschrieben|validiert|freigegeben)(?:\s+\S+){0,5}?\s+(?:von|durch)\b
    | gez\.
    )""",
    re.VERBOSE | re.IGNORECASE,
)
# A title needs no colon: "Dr Mustermann".
_NAMES_A_PERSON = re.compile(
    r"""\b(?:
    (?:patient|name|physician|doctor|cardiologist|md|technician|operator|(?:patient|ordering|reading|referring)\s+\w+
        |nom|pr.{1,3}nom|m.{1,3}decin|docteur|technicien(?:ne)?|op.{1,3}rateur|arzt|befunder|dr)\s*:
    | (?-i:(?:Dre?|DRE?|Prof|PROF)\b)\.?\s*(?-i:(?=[A-Z\u00c0-\u00d6\u00d8-\u00de]|med\b|von\b))
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_ADVERB_BEFORE = re.compile(r"\b(?:electronically|digitally)\s*$", re.IGNORECASE)


def clean_statements(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The statements line by line, white space collapsed, without empty ones and without what names a person."""
    lines = (" ".join(line.split()) for text in texts if text for line in text.splitlines())
    return tuple(statement for line in lines if (statement := _before_any_person(line)))


def _before_any_person(line: str) -> str:
    found = [match.start() for kind in (_SIGNATURE, _NAMES_A_PERSON) if (match := kind.search(line))]
    if not found:
        return line
    before = _ADVERB_BEFORE.sub("", line[: min(found)]).rstrip(" ,;:(-")
    return before if any(character.isalnum() for character in before) else ""
