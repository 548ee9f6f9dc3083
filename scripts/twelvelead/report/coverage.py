"""Which of a task's usable ECGs each model predicts, and why it predicts no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from twelvelead.fates import RECIPE_SEPARATOR
from twelvelead.recipes import DURATION_S
from twelvelead.report.wording import plural


@dataclass(frozen=True)
class Coverage:
    """One model on the ECGs of a task.

    needs_s     seconds of signal that the model's recipe needs
    usable      ECGs that are long enough for at least one recipe of the batch
    too_short   usable ones that are not long enough for this recipe; refused: those it left out for another reason
    too_short_for_all  ECGs that are not usable, since no recipe of the batch finds them long enough
    """

    model: str
    recipe: str
    needs_s: float
    usable: int
    predicted: int
    too_short: int
    refused: int
    too_short_for_all: int = 0

    @property
    def excluded(self) -> str:
        """Which ECGs the model does not predict, and why, in words; empty where there are none."""
        reasons = []
        if self.too_short:
            reasons.append(
                f"{self.too_short:,} excluded: too short for recipe {self.recipe}, which needs {self.needs_s:g} s"
            )
        if self.refused:
            reasons.append(f"{self.refused:,} excluded: recipe {self.recipe} could not prepare them")
        if self.too_short_for_all:
            reasons.append(
                f"{self.too_short_for_all:,} more are too short for every recipe of the batch; {self.recipe} needs "
                f"{self.needs_s:g} s"
            )
        return "; ".join(reasons)

    @property
    def in_words(self) -> str:
        """Such as "4 of 10 usable ECGs; 6 excluded: too short for recipe openecg, which needs 10 s"."""
        counted = f"{self.predicted:,} of {plural(self.usable, 'usable ECG')}"
        return "; ".join(filter(None, (counted, self.excluded)))


def coverages(
    recordings: pd.DataFrame, scored: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping]
) -> tuple[Coverage, ...]:
    """One entry per model of a task, in the order of `scored`.

    recordings  rows of recordings.csv of the task; scored: model -> its table; models: model -> its entry
    """
    return tuple(_coverage(recordings, model, table, models[model]["recipe"]) for model, table in scored.items())


def _coverage(recordings: pd.DataFrame, model: str, scored: pd.DataFrame, recipe: str) -> Coverage:
    usable = recordings[recordings["status"] == "ok"]
    left_out = usable.loc[~usable["row"].isin(scored["row"]), "too_short_for"]
    too_short = sum(recipe in names.split(RECIPE_SEPARATOR) for names in left_out)
    return Coverage(
        model=model,
        recipe=recipe,
        needs_s=DURATION_S[recipe],
        usable=len(usable),
        predicted=len(usable) - len(left_out),
        too_short=too_short,
        refused=len(left_out) - too_short,
        too_short_for_all=int((recordings["status"] == "too_short").sum()),
    )


def differences(coverage: Sequence[Coverage]) -> str:
    """What each model predicts, in a sentence, where the models of a task do not predict the same number of ECGs."""
    if len({one.predicted for one in coverage}) < 2:
        return ""
    return "The models do not predict the same ECGs. " + " ".join(f"{one.model}: {one.in_words}." for one in coverage)
