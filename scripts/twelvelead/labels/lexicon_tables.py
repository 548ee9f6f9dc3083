"""The tables of the lexicon (config/labels/lexicon_phrases.csv, lexicon_qualifiers.csv) as one Lexicon."""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twelvelead.errors import ConfigError
from twelvelead.labels.mentions import LEADS_SLOT, FunctionWords, Polarity, Qualifier, add_to_trie
from twelvelead.labels.patterns import Patterns, read_rows
from twelvelead.labels.wording import Spellings, without_accented_letters, words

LANGUAGES = ("en", "fr")
_PHRASE_COLUMNS = (
    "phrase",
    "language",
    "kind",
    "patterns",
    "implied_patterns",
    "open_patterns",
    "absent_patterns",
    "comment",
)
_PATTERN_COLUMNS = _PHRASE_COLUMNS[3:7]
_QUALIFIER_COLUMNS = ("words", "language", "kind", "position", "means", "comment")
_TERRITORIES = ("inferior", "lateral", "anterior", "septal", "posterior")
_POLARITIES = ("negated", "uncertain", "past")
_FUNCTIONS = ("lead word", "lead preposition", "joiner", "alternative", "turn")


@dataclass(frozen=True)
class PatternSet:
    """Columns of the 77: named one by one, by the territory that the statement names, or as "one of these"."""

    columns: tuple[int, ...] = ()
    by_territory: tuple[tuple[str, int], ...] = ()
    one_of: tuple[tuple[int, ...], ...] = ()

    def at(self, territories: Collection[str]) -> list[int]:
        """The columns that are named outright or by a territory."""
        return [*self.columns, *(column for territory, column in self.by_territory if territory in territories)]


@dataclass(frozen=True)
class Phrase:
    """One row of lexicon_phrases.csv."""

    text: str
    language: str
    kind: str
    stated: PatternSet
    implied: PatternSet
    open: PatternSet
    absent: PatternSet

    @property
    def is_finding(self) -> bool:
        return self.kind in ("finding", "whole statement")


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The tables, ready to label texts.

    phrases           the rows, in the table's order
    can_be_known      (n patterns,) bool: some phrase states or implies the pattern
    silence_is_known  (n patterns,) bool: not being mentioned counts as 0
    whole             phrases that count only where they are all of a statement ("Normal"), by their words
    """

    patterns: Patterns
    phrases: tuple[Phrase, ...]
    can_be_known: np.ndarray
    silence_is_known: np.ndarray
    whole: dict[tuple[str, ...], Phrase] = field(repr=False)
    trie: dict = field(repr=False)
    function_words: FunctionWords = field(repr=False)
    spellings: Spellings = field(repr=False)
    signature: re.Pattern | None = field(repr=False)


def load_lexicon(phrases_csv: str | Path, qualifiers_csv: str | Path, patterns: Patterns) -> Lexicon:
    """The lexicon of the two tables. Raises ConfigError that names the row of an unknown pattern, a duplicate etc."""
    qualifier_rows = _qualifier_rows(qualifiers_csv)
    spellings = _spellings(qualifier_rows)
    trie = _Trie(spellings)
    for where, row in qualifier_rows:
        if row["kind"] in _POLARITIES:
            position = _one_of(where, "position", row["position"], ("before", "after", "either"))
            trie.enter(row["words"], Qualifier(Polarity(row["kind"]), position), where)
    phrases = []
    whole: dict[tuple[str, ...], Phrase] = {}
    silence_is_known = np.ones(len(patterns.names), dtype=bool)
    can_be_known = np.zeros(len(patterns.names), dtype=bool)
    for line, row in read_rows(phrases_csv, _PHRASE_COLUMNS):
        where = f"{phrases_csv}, line {line}"
        phrase = _phrase(row, patterns, where)
        if phrase.kind == "silence":
            silence_is_known[list(phrase.open.columns)] = False
            continue
        if phrase.kind == "whole statement":
            whole[words(row["phrase"], spellings)] = phrase
        else:
            trie.enter(row["phrase"], phrase, where)
        phrases.append(phrase)
        can_be_known[phrase.stated.at(_TERRITORIES) + phrase.implied.at(_TERRITORIES)] = True
    return Lexicon(
        patterns=patterns,
        phrases=tuple(phrases),
        can_be_known=can_be_known,
        silence_is_known=silence_is_known,
        whole=whole,
        trie=trie.root,
        function_words=_function_words(qualifier_rows),
        spellings=spellings,
        signature=_signature(qualifier_rows),
    )


class _Trie:
    """The trie of all phrases while it grows, with the row that each came from."""

    def __init__(self, spellings: Spellings):
        self.root: dict = {}
        self._spellings = spellings
        self._origin: dict[int, str] = {}

    def enter(self, text: str, entry: Phrase | Qualifier, where: str) -> None:
        """Enter every spelling of a row. Raises ConfigError where another row reads the same."""
        intact = self._slotted(text)
        without_pauses = tuple(word for word in intact if word != ",")
        if not without_pauses:
            raise ConfigError(f"{where}: no words; write some or remove the row")
        present = add_to_trie(self.root, intact, entry)
        if present is not None:
            raise ConfigError(f"{where}: {text!r} reads the same as {self._origin[id(present)]}; remove one of the two")
        self._origin[id(entry)] = where
        add_to_trie(self.root, without_pauses, entry)
        if not text.isascii():
            add_to_trie(self.root, self._slotted(without_accented_letters(text)), entry)

    def _slotted(self, text: str) -> tuple[str, ...]:
        first, *following = (words(part, self._spellings) for part in text.split(LEADS_SLOT))
        return first + tuple(word for part in following for word in (LEADS_SLOT, *part))


def _qualifier_rows(path: str | Path) -> list[tuple[str, dict[str, str]]]:
    rows = [(f"{path}, line {line}", row) for line, row in read_rows(path, _QUALIFIER_COLUMNS)]
    for where, row in rows:
        _one_of(where, "language", row["language"], LANGUAGES)
        _one_of(where, "kind", row["kind"], (*_POLARITIES, *_FUNCTIONS, "spelling", "territory", "signature"))
        if not words(row["words"]):
            raise ConfigError(f"{where}: no words; write some or remove the row")
    return rows


def _spellings(rows: Sequence[tuple[str, dict[str, str]]]) -> Spellings:
    canonical: dict[tuple[str, ...], tuple[str, ...]] = {}
    for where, row in rows:
        if row["kind"] != "spelling":
            continue
        if words(row["words"]) in canonical:
            raise ConfigError(f"{where}: {row['words']!r} already has a spelling; remove one of the two rows")
        for variant in _variants(row["words"]):
            canonical.setdefault(variant, words(row["means"]))
    return Spellings(canonical, max(map(len, canonical), default=0))


def _function_words(rows: Sequence[tuple[str, dict[str, str]]]) -> FunctionWords:
    territories: dict[str, frozenset[str]] = {}
    single: dict[str, set[str]] = {kind: set() for kind in _FUNCTIONS}
    for where, row in rows:
        if row["kind"] not in (*_FUNCTIONS, "territory"):
            continue
        if len(words(row["words"])) != 1:
            raise ConfigError(f"{where}: {row['words']!r} is not one word; make it one with a spelling row")
        if row["kind"] in single:
            single[row["kind"]].add(words(row["words"])[0])
            continue
        named = frozenset(_one_of(where, "means", name, _TERRITORIES) for name in row["means"].split("|") if name)
        territories.update((variant[0], named) for variant in _variants(row["words"]))
    return FunctionWords(territories, *(frozenset(single[kind]) for kind in _FUNCTIONS))


def _signature(rows: Sequence[tuple[str, dict[str, str]]]) -> re.Pattern | None:
    signatures = [row["words"] for _, row in rows if row["kind"] == "signature"]
    if not signatures:
        return None
    # An accented letter may have become up to three bytes that no decoder could read.
    spelled = (
        "".join(re.escape(letter) if letter.isascii() else ".{0,3}" for letter in text).replace(r"\ ", r"\s+")
        for text in signatures
    )
    return re.compile(rf"\b(?:{'|'.join(spelled)})\b", re.IGNORECASE)


def _variants(text: str) -> dict[tuple[str, ...], None]:
    """The words of a text, and those that are left where accented letters were dropped."""
    return {spelled: None for spelled in (words(text), words(without_accented_letters(text))) if spelled}


def _phrase(row: dict[str, str], patterns: Patterns, where: str) -> Phrase:
    kind = _one_of(where, "kind", row["kind"], ("finding", "remark", "silence", "whole statement"))
    language = _one_of(where, "language", row["language"], LANGUAGES)
    sets = [_pattern_set(row[column], patterns, f"{where}, {column}") for column in _PATTERN_COLUMNS]
    if kind == "remark" and any(row[column] for column in _PATTERN_COLUMNS):
        raise ConfigError(f"{where}: a remark says nothing about patterns; make it a finding or empty its patterns")
    if any(one.one_of for one in (sets[0], sets[1], sets[3])):
        raise ConfigError(f'{where}: "one of" (a name with * or /) can only be left open; move it to open_patterns')
    if any(one.by_territory for one in sets) and LEADS_SLOT not in row["phrase"]:
        raise ConfigError(f"{where}: a pattern has {LEADS_SLOT}, the phrase {row['phrase']!r} has not; add it there")
    return Phrase(row["phrase"], language, kind, *sets)


def _pattern_set(cell: str, patterns: Patterns, where: str) -> PatternSet:
    columns: list[int] = []
    by_territory: list[tuple[str, int]] = []
    one_of: list[tuple[int, ...]] = []
    for item in filter(None, (part.strip() for part in cell.split("|"))):
        stem, slot, _ = item.partition(LEADS_SLOT)
        if slot:
            found = [(t, c) for t in _TERRITORIES for c, name in enumerate(patterns.names) if name.startswith(stem + t)]
            if not found:
                raise ConfigError(f"{where}: no pattern begins with {stem!r} and a territory; see deepecg77.csv")
            by_territory.extend(found)
        elif item == "*":
            columns.extend(range(len(patterns.names)))
        elif item.endswith("*") or " / " in item:
            members = [column for name in item.split(" / ") for column in _columns(name, patterns, where)]
            one_of.append(tuple(members))
        else:
            columns.extend(_columns(item, patterns, where))
    return PatternSet(tuple(columns), tuple(by_territory), tuple(one_of))


def _columns(name: str, patterns: Patterns, where: str) -> list[int]:
    """The column of a pattern; of all that begin so where the name ends in "*". Raises ConfigError for none."""
    if name.endswith("*"):
        found = [column for column, pattern in enumerate(patterns.names) if pattern.startswith(name[:-1])]
    else:
        found = [column for column, pattern in enumerate(patterns.names) if pattern == name]
    if not found:
        close = difflib.get_close_matches(name, patterns.names, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else "see deepecg77.csv for the names"
        raise ConfigError(f"{where}: no pattern {name!r}; {hint}")
    return found


def _one_of(where: str, column: str, cell: str, allowed: Sequence[str]) -> str:
    if cell not in allowed:
        raise ConfigError(f"{where}: {column} is {cell!r}, expected one of {', '.join(allowed)}")
    return cell
