"""A machine's diagnosis text as statements, and a statement as comparable words.

Devices and exports spell the same statement in many ways: case, accents lost or mangled between Latin-1 and UTF-8,
"A-V" or "AV", "1st" or "first", plurals, "V1-V3" or "V1, V2, V3". Everything here exists to make those the same
words. The spellings are rows of config/labels/lexicon_qualifiers.csv; only typography is decided in code.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE_ENDS = re.compile(r"[;|\n\r\t•]+")
# "Vent. rate", "Dr. X" and "M.D." are no ends of sentences; "2.5" is none either, for no blank follows.
_SENTENCE_ENDS = re.compile(r"(?<!\bvent)(?<!\bdr)(?<!\bvs)(?<!\bm\.d)[.!](?=\s|$)", re.IGNORECASE)
_OPTIONAL_ENDINGS = re.compile(r"\((?:s|es|e|have|are)\)")
_LOST_ACCENT = re.compile(r"(?<=[^\W\d_])\?(?=[^\W\d_])")
_RATIO = re.compile(r"\b(\d)\s*[:/]\s*(\d)\b(?!/)")
_CHEST_LEAD_RANGE = re.compile(r"\bv([1-9])\s*(?:-|\bto\b|\ba\b|\bthrough\b)\s*v?([1-9])\b")
_SLASH_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d_])\s*/\s*(?=[^\W\d_])")
_DASH_BETWEEN_WORDS = re.compile(r"\s[-–—]+\s")
_TOKENS = re.compile(r"\w+|[,?]")


@dataclass(frozen=True)
class Spellings:
    """Words that are written in several ways: folded words -> the one form used for comparison."""

    canonical: Mapping[tuple[str, ...], tuple[str, ...]]
    longest: int


def statements(text: str, signature: re.Pattern | None = None) -> Iterator[str]:
    """The statements of a text, split at line ends, semicolons, bars and ends of sentences.

    signature  what begins a reader's signature ("Confirmed by ..."); the rest of that line is a name and is dropped.
    """
    for line in _LINE_ENDS.split(repair_encoding(text)):
        if signature is not None:
            line = signature.split(line, maxsplit=1)[0]
        for statement in _SENTENCE_ENDS.split(line):
            if any(character.isalnum() for character in statement):
                yield statement.strip()


def repair_encoding(text: str) -> str:
    """The text as it was meant where its UTF-8 bytes were read as Latin-1 or Windows-1252; else unchanged."""
    if "Ã" not in text and "â€" not in text and "Â" not in text:
        return text
    for encoding in ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
    return text


def fold(text: str) -> str:
    """Lower case without accents, typographic variants or bytes that no decoder could read."""
    decomposed = unicodedata.normalize("NFKD", repair_encoding(text)).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character) and character != "�")


def without_accented_letters(text: str) -> str:
    """The text as exports leave it that drop every letter outside ASCII ("déviation" -> "dviation")."""
    return "".join(character for character in unicodedata.normalize("NFC", text) if character.isascii())


def words(text: str, spellings: Spellings | None = None) -> tuple[str, ...]:
    """The comparable words of a statement; "," stands for any pause and "?" for a question mark."""
    text = _OPTIONAL_ENDINGS.sub("", fold(text))
    text = _LOST_ACCENT.sub("", text).replace("w/", "with ").replace("&", " and ").replace("+", " and ")
    text = _SLASH_BETWEEN_WORDS.sub(" or ", _RATIO.sub(r"\1to\2", text))
    text = _CHEST_LEAD_RANGE.sub(_every_chest_lead, text)
    text = re.sub(r"[():]", ",", _DASH_BETWEEN_WORDS.sub(" , ", text)).replace("_", " ")
    found = [_singular(token) for token in _TOKENS.findall(text)]
    return tuple(found) if spellings is None else _respell(found, spellings)


def _every_chest_lead(match: re.Match) -> str:
    first, last = sorted((int(match[1]), int(match[2])))
    return " ".join(f"v{number}" for number in range(first, last + 1))


def _singular(token: str) -> str:
    # Crude on purpose: the phrases go through the same function, so only equality of both sides matters.
    plural = len(token) > 3 and token.endswith("s") and not token.endswith(("ss", "us", "is"))
    return token[:-1] if plural else token


def _respell(found: list[str], spellings: Spellings) -> tuple[str, ...]:
    respelled: list[str] = []
    position = 0
    while position < len(found):
        for length in range(min(spellings.longest, len(found) - position), 0, -1):
            canonical = spellings.canonical.get(tuple(found[position : position + length]))
            if canonical is not None:
                respelled.extend(canonical)
                position += length
                break
        else:
            respelled.append(found[position])
            position += 1
    return tuple(respelled)
