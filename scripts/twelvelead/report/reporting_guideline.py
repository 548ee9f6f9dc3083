"""TRIPOD+AI (Collins et al., BMJ 2024;385:e078378): which items of the checklist the page answers, and which not.

tripod_ai.csv has the items that can be asked of an evaluation, in words of our own; those of building a model (9a, 12b,
12c) are left out. Of the others the checklist asks some of development alone, such as 15 and 22.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

ANSWERED = {"page": "on this page", "partly": "in part", "authors": "authors"}


@dataclass(frozen=True)
class GuidelineItem:
    """`places` are parts of the page that `words` begins with, before a colon or full stop."""

    item: str
    topic: str
    answered: str
    places: tuple[str, ...]
    words: str


PLACES = ("files", "tasks", "subgroups", "provenance")


def guideline_items() -> tuple[GuidelineItem, ...]:
    """The checklist in its order."""
    with (Path(__file__).parent / "tripod_ai.csv").open(encoding="utf-8", newline="") as file:
        return tuple(_item(row) for row in csv.DictReader(file))


def _item(row: dict[str, str]) -> GuidelineItem:
    places, colon, words = row["where"].partition(":")
    named = tuple(name.strip(" .") for name in places.split(","))
    if not all(name in PLACES for name in named):
        return GuidelineItem(row["item"], row["topic"], ANSWERED[row["answered"]], (), row["where"])
    return GuidelineItem(row["item"], row["topic"], ANSWERED[row["answered"]], named, words.strip() if colon else "")
