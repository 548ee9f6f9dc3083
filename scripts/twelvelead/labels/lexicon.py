"""Machine statements in English and French to DeepECG's 77 patterns: 1, 0 or unknown (NaN), by tables of phrases.

What each phrase says is in config/labels/lexicon_phrases.csv, one row a phrase:
- patterns          what the phrase states;
- implied_patterns  what follows unless the text says otherwise ("normal sinus rhythm" is regular);
- open_patterns     what it neither states nor excludes ("ST elevation" without leads, "infarct" without territory);
- absent_patterns   what it excludes ("atrial fibrillation": no sinus rhythm).
Several patterns are joined by "|". "({leads})" takes the territories named where {leads} stands in the phrase; "*" is
every pattern. open_patterns may hold "A / B" or "ST elevation (*": one of these, so that nothing stays open once the
text locates it ("ACUTE MI" below "Inferior infarct, acute" does not put the other walls in doubt).
The kind is `finding`, `remark` (known, but no evidence about the heart: "Abnormal ECG", "Poor data quality") or, in
one row, `silence`: its open_patterns are those on which a text that does not mention them says nothing, because
devices do not report them as a matter of course.

The strongest thing said in the text decides each pattern, whatever the order of the statements:
stated (1) > uncertain (unknown, or as configured) > excluded, negated or no longer present (0) > open (unknown) >
implied (1) > not mentioned (0, or unknown for `silence`). A text without any finding is unknown throughout, and so is,
in every text, a pattern that no phrase states or implies.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from twelvelead.errors import ConfigError
from twelvelead.labels.lexicon_tables import Lexicon, Phrase, load_lexicon
from twelvelead.labels.mentions import Match, Mention, Polarity, mentions, scan
from twelvelead.labels.wording import statements, words

__all__ = ["UNCERTAIN_AS", "Evidence", "Lexicon", "LexiconLabels", "label_texts", "load_lexicon"]

UNCERTAIN_AS = {"unknown": np.nan, "positive": 1.0, "negative": 0.0}
_UNKNOWN_STATEMENT_LENGTH = 80


class Evidence(IntEnum):
    """What a text says about a pattern; the greatest wins."""

    NOT_MENTIONED = 0
    IMPLIED = 1
    OPEN = 2
    EXCLUDED = 3
    UNCERTAIN = 4
    STATED = 5


@dataclass(frozen=True, eq=False)
class LexiconLabels:
    """Labels of texts, and what the lexicon made of them.

    values              (n texts, n patterns) float32: 1, 0 or NaN where unknown
    unknown_statements  statement -> how many texts' statements read so; lower case, digits as "#", at most 80
                        characters. Free text may hold names: show counts where a report leaves the hospital.
    n_texts = n_recognised (some finding) + n_unrecognised (text, but no finding) + n_empty
    """

    values: np.ndarray
    unknown_statements: Counter[str]
    n_texts: int
    n_recognised: int
    n_empty: int

    @property
    def n_unrecognised(self) -> int:
        return self.n_texts - self.n_recognised - self.n_empty


def label_texts(texts: Sequence[str | None], lexicon: Lexicon, uncertain: str = "unknown") -> LexiconLabels:
    """Labels of diagnosis texts, in their order; anything that is not a text (None, NaN) counts as empty.

    uncertain  what "possible", "probable", "cannot rule out" make of a finding: "unknown", "positive" or "negative"
    """
    if uncertain not in UNCERTAIN_AS:
        raise ConfigError(f"uncertain is {uncertain!r}, expected one of {', '.join(UNCERTAIN_AS)}")
    keys = [text.strip() if isinstance(text, str) else "" for text in texts]
    frequency = Counter(keys)
    truth_of: dict[str, np.ndarray] = {}
    unknown_statements: Counter[str] = Counter()
    n_recognised = 0
    unknown_row = np.full(len(lexicon.patterns.names), np.nan, dtype=np.float32)
    for key, count in frequency.items():
        evidence, unknown = _read_text(key, lexicon)
        truth_of[key] = unknown_row if evidence is None else _truth(evidence, lexicon, UNCERTAIN_AS[uncertain])
        n_recognised += 0 if evidence is None else count
        for statement in unknown:
            unknown_statements[statement] += count
    values = np.array([truth_of[key] for key in keys], dtype=np.float32).reshape(len(keys), len(unknown_row))
    return LexiconLabels(values, unknown_statements, len(keys), n_recognised, frequency[""])


def _read_text(text: str, lexicon: Lexicon) -> tuple[np.ndarray | None, list[str]]:
    """(n patterns,) Evidence of a text, None where it has no finding; and its unknown statements."""
    found: list[Mention] = []
    unknown: list[str] = []
    for statement in statements(text, lexicon.signature):
        spelled = words(statement, lexicon.spellings)
        if spelled in lexicon.whole:
            found.append(Mention(lexicon.whole[spelled], frozenset(), Polarity.AFFIRMED))
            continue
        matches = scan(spelled, lexicon.trie, lexicon.function_words)
        found.extend(mentions(spelled, matches, lexicon.function_words))
        unknown.extend(_unknown_parts(spelled, matches))
    if not found:
        return None, unknown
    evidence = np.zeros(len(lexicon.patterns.names), dtype=np.int8)
    for mention in found:
        for columns, strength in _says(mention):
            evidence[columns] = np.maximum(evidence[columns], strength)
    located = set(np.flatnonzero(np.isin(evidence, (Evidence.OPEN, Evidence.UNCERTAIN, Evidence.STATED))))
    for mention in found:
        if mention.polarity in (Polarity.AFFIRMED, Polarity.UNCERTAIN):
            for group in map(list, mention.phrase.open.one_of):
                if located.isdisjoint(group):
                    evidence[group] = np.maximum(evidence[group], Evidence.OPEN)
    return evidence, unknown


def _says(mention: Mention) -> list[tuple[list[int], Evidence]]:
    """What a mention says of which columns, apart from those of which one is meant."""
    phrase = mention.phrase
    stated, implied, left_open, absent = (
        columns.at(mention.territories) for columns in (phrase.stated, phrase.implied, phrase.open, phrase.absent)
    )
    if mention.polarity is Polarity.AFFIRMED:
        return [
            (stated, Evidence.STATED),
            (absent, Evidence.EXCLUDED),
            (left_open, Evidence.OPEN),
            (implied, Evidence.IMPLIED),
        ]
    if mention.polarity is Polarity.UNCERTAIN:
        return [(stated, Evidence.UNCERTAIN), (implied + left_open + absent, Evidence.OPEN)]
    # "No ST elevation": a phrase that states nothing but leaves patterns open names all of them.
    named = stated or left_open + [column for group in phrase.open.one_of for column in group]
    return [(named, Evidence.EXCLUDED)]


def _truth(evidence: np.ndarray, lexicon: Lexicon, uncertain_as: float) -> np.ndarray:
    value_of = np.empty(len(Evidence), dtype=np.float32)
    value_of[[Evidence.NOT_MENTIONED, Evidence.EXCLUDED]] = 0
    value_of[[Evidence.IMPLIED, Evidence.STATED]] = 1
    value_of[Evidence.OPEN] = np.nan
    value_of[Evidence.UNCERTAIN] = uncertain_as
    truth = value_of[evidence]
    truth[(evidence == Evidence.NOT_MENTIONED) & ~lexicon.silence_is_known] = np.nan
    truth[~lexicon.can_be_known] = np.nan
    return truth


def _unknown_parts(spelled: Sequence[str], matches: Sequence[Match]) -> list[str]:
    """The statement when it has no phrase of the lexicon; else its parts between pauses that have none."""
    phrases = [match for match in matches if isinstance(match.entry, Phrase)]
    if not phrases:
        return [_reportable(spelled)]
    of_phrases, of_any = (
        {position for match in group for position in range(match.start, match.end)} for group in (phrases, matches)
    )
    parts: list[list[int]] = [[]]
    for position, word in enumerate(spelled):
        if word == "," and position not in of_any:
            parts.append([])
        else:
            parts[-1].append(position)
    unknown = []
    for part in parts:
        left = [spelled[position] for position in part if position not in of_any]
        # A part with figures is a measurement or a date, one of short words only holds the statement together.
        says_something = any(len(word) > 2 for word in left) and all(word.isalpha() for word in left)
        if says_something and of_phrases.isdisjoint(part):
            unknown.append(_reportable([spelled[position] for position in part]))
    return unknown


def _reportable(spelled: Sequence[str]) -> str:
    text = " ".join(word for word in spelled if word != ",")
    return re.sub(r"\d", "#", text)[:_UNKNOWN_STATEMENT_LENGTH]
