"""Which phrases a statement mentions, and whether it affirms them.

The longest phrase wins at every word, so "incomplete right bundle branch block" is never the complete one and
"no significant change" is no negation. What a phrase is affected by:
- a qualifier before it ("no", "possible", "has replaced") reaches the next finding if no pause and no turn ("with",
  "but") lies between, and on through "and"/"or"; through pauses only in a list that ends in ", or"
  ("consider early repolarization, pericarditis, or injury");
- a qualifier after it ("no longer present", "cannot be excluded") reaches the last finding before it, whatever lies
  between ("inferior infarct, age undetermined, cannot be excluded"), and back through "and"/"or";
- a word that stands on either side, as French has it ("infarctus possible", "possible infarctus"), qualifies what it
  shares its part of the sentence with, the following finding first if it touches it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

LEADS_SLOT = "{leads}"
_ENTRY = None  # the key of a trie node that holds what ends there; words are never None


class Polarity(Enum):
    AFFIRMED = "affirmed"
    UNCERTAIN = "uncertain"
    NEGATED = "negated"
    PAST = "past"


@dataclass(frozen=True)
class Qualifier:
    """Words that change what a finding near them means; position is "before", "after" or "either"."""

    polarity: Polarity
    position: str


@dataclass(frozen=True)
class FunctionWords:
    """Words that hold a statement together. territories: word -> the territories or leads it names, maybe none."""

    territories: dict[str, frozenset[str]] = field(default_factory=dict)
    lead_words: frozenset[str] = frozenset()
    lead_prepositions: frozenset[str] = frozenset()
    joiners: frozenset[str] = frozenset()
    alternatives: frozenset[str] = frozenset()
    turns: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Match:
    """Words start:end of a statement are `entry`; territories are those named in its {leads} slot."""

    start: int
    end: int
    entry: object
    territories: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Mention:
    phrase: object
    territories: frozenset[str]
    polarity: Polarity


def add_to_trie(trie: dict, words: Sequence[str], entry: object) -> object | None:
    """Put `entry` at the end of `words`; what is already there stays and is returned."""
    for word in words:
        trie = trie.setdefault(word, {})
    already_there = trie.get(_ENTRY)
    if already_there is None:
        trie[_ENTRY] = entry
    return already_there


def scan(words: Sequence[str], trie: dict, function_words: FunctionWords) -> list[Match]:
    """The longest entries of the trie from left to right, without overlap."""
    matches = []
    position = 0
    while position < len(words):
        match = _longest(words, position, position, trie, function_words, frozenset())
        if match is not None:
            matches.append(match)
        position = match.end if match is not None else position + 1
    return matches


def mentions(words: Sequence[str], matches: Sequence[Match], function_words: FunctionWords) -> list[Mention]:
    """The findings among the matches (entries with a true `is_finding`), each with its polarity."""
    findings = [match for match in matches if getattr(match.entry, "is_finding", False)]
    qualifiers = [match for match in matches if isinstance(match.entry, Qualifier)]
    polarity = [Polarity.AFFIRMED] * len(findings)
    links = [_link(words, pair, qualifiers, function_words) for pair in zip(findings, findings[1:], strict=False)]
    reached = [(qualifier, _reach(words, qualifier, findings, links, function_words)) for qualifier in qualifiers]
    # Later words correct earlier ones: "possible atrial flutter is no longer present".
    for qualifier, (indices, _) in sorted(reached, key=lambda item: item[1][1]):
        for index in indices:
            polarity[index] = qualifier.entry.polarity
    return [
        Mention(finding.entry, finding.territories, state) for finding, state in zip(findings, polarity, strict=True)
    ]


def _longest(words, start, position, node, function_words, territories) -> Match | None:
    best = Match(start, position, node[_ENTRY], territories) if _ENTRY in node else None
    following = []
    if position < len(words) and words[position] in node:
        following.append((position + 1, node[words[position]], territories))
    if LEADS_SLOT in node:
        end, named = _lead_run(words, position, function_words)
        if end > position:
            following.append((end, node[LEADS_SLOT], territories | named))
    for next_position, next_node, found in following:
        longer = _longest(words, start, next_position, next_node, function_words, found)
        if longer is not None and (best is None or longer.end > best.end):
            best = longer
    return best


def _lead_run(words, start, function_words) -> tuple[int, frozenset[str]]:
    """The end of "in inferior and lateral leads", "V1, V2" etc. from `start` (= start: none) and what it names."""
    territories = function_words.territories
    # "ST depression, lateral leads" (Philips) is one finding, "ST depression, lateral infarct" is two.
    after_pause = start < len(words) and words[start] == ","
    position = start + after_pause
    while position < len(words) and (
        words[position] in function_words.lead_words or words[position] in function_words.lead_prepositions
    ):
        position += 1
    end, named = start, frozenset()
    while position < len(words):
        if words[position] in territories:
            named |= territories[words[position]]
            position += 1
            end = position
        elif end > start and _joins_leads(words, position, function_words):
            position += 1
        else:
            break
    last_named = end
    while start < end < len(words) and words[end] in function_words.lead_words:
        end += 1
    if after_pause and end == last_named:
        return start, frozenset()
    return end, named


def _joins_leads(words, position, function_words) -> bool:
    if position + 1 >= len(words) or words[position + 1] not in function_words.territories:
        return False
    if words[position] == ",":
        # "II, III, aVF" is one list; after "inferior, lateral ..." a new statement may begin.
        return _is_lead_name(words[position - 1]) and _is_lead_name(words[position + 1])
    return words[position] in function_words.joiners or words[position] in function_words.alternatives


def _is_lead_name(word: str) -> bool:
    return word in {"i", "ii", "iii", "avr", "avl", "avf"} or (len(word) == 2 and word[0] == "v" and word[1].isdigit())


def _link(words, pair, qualifiers, function_words) -> str:
    """How two findings hang together: "join", "list end" (", or"), "pause" or "break"."""
    first, second = pair
    between = words[first.end : second.start]
    if any(first.end <= qualifier.start < second.start for qualifier in qualifiers):
        return "break"
    if any(word in function_words.turns for word in between):
        return "break"
    has_alternative = any(word in function_words.alternatives for word in between)
    if "," in between:
        return "list end" if has_alternative else "pause"
    joined = has_alternative or any(word in function_words.joiners for word in between)
    return "join" if joined else "break"


def _reach(words, qualifier, findings, links, function_words) -> tuple[range, bool]:
    """Indices of the findings a qualifier applies to, and whether it stands after them."""
    following = next((k for k, finding in enumerate(findings) if finding.start >= qualifier.end), None)
    preceding = next((k for k in reversed(range(len(findings))) if findings[k].end <= qualifier.start), None)
    if following is not None:
        between = words[qualifier.end : findings[following].start]
        if any(word == "," or word in function_words.turns for word in between):
            following = None
    position = qualifier.entry.position
    if position == "either":
        position = _side(words, qualifier, findings, following, preceding)
        links = ["break" if k + 1 == preceding else link for k, link in enumerate(links)]
    if position == "after":
        return (range(0), True) if preceding is None else (_backwards(preceding, links), True)
    return (range(0), False) if following is None else (_forwards(following, links), False)


def _side(words, qualifier, findings, following, preceding) -> str:
    pause_before = preceding is None or "," in words[findings[preceding].end : qualifier.start]
    if following is None:
        # "Sinus rhythm, possible <something unknown>" says nothing about the sinus rhythm.
        ends_its_part = qualifier.end == len(words) or words[qualifier.end] == ","
        return "after" if ends_its_part or not pause_before else "before"
    if pause_before:
        return "before"
    return "before" if findings[following].start - qualifier.end <= 1 else "after"


def _forwards(first: int, links: Sequence[str]) -> range:
    last = first
    while last < len(links):
        if links[last] == "pause":
            list_end = next((k for k in range(last, len(links)) if links[k] != "pause"), None)
            if list_end is None or links[list_end] != "list end":
                break
        elif links[last] == "break":
            break
        last += 1
    return range(first, last + 1)


def _backwards(last: int, links: Sequence[str]) -> range:
    first = last
    while first > 0 and links[first - 1] == "join":
        first -= 1
    return range(first, last + 1)
