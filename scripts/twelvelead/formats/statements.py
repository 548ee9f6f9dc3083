"""The machine's diagnostic statements, free of names."""

import re
from collections.abc import Iterable

# Lines that MUSE and others put among the statements and that end in a person's name.
_NAMES_A_PERSON = re.compile(
    r"""\W*(?:electronically\s+|digitally\s+)?(?:un)?
    (?:confirmed|signed|reviewed|over-?read|read|referred|interpreted|edited|verified|approved|ordered|requested
       |acquired|recorded|attested)\s+by\b
    | \W*(?:patient|name|physician|doctor|dr|technician|operator|(?:ordering|reading|referring)\s+\w+)\s*[:.]""",
    re.VERBOSE | re.IGNORECASE,
)


def clean_statements(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The statements with white space collapsed, without empty ones and without lines that name a person."""
    statements = (" ".join(text.split()) for text in texts if text)
    return tuple(statement for statement in statements if statement and not _NAMES_A_PERSON.match(statement))
