"""Who came, who was left out and why, who is left: the steps of a task's participant flow."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from twelvelead.assembly import matrices, targets_of
from twelvelead.report.content import Figure
from twelvelead.report.coverage import Coverage, differences
from twelvelead.report.flow_diagram import FlowStep, flow_diagram
from twelvelead.report.statuses import SIGNAL_STATUSES, TRUTH_STATUSES

OUTCOMES = {"binary": ("Positive", "Negative"), "multilabel": ("With a label", "With none")}
NOTHING_KNOWN = {
    "patterns": "statements in which nothing was recognised",
    "multilabel": "truth unknown for every label",
}


def participant_flow(
    recordings: pd.DataFrame,
    scored: Sequence[pd.DataFrame],
    kind: str,
    title: str,
    coverage: Sequence[Coverage] = (),
) -> Figure:
    """The flow of one task's cells: an ECG that one of several models predicts is in it, and a caption has the rest.

    recordings  rows of recordings.csv of the task; scored: the table of each of its models; coverage: of each, too
    """
    apart = differences(coverage)
    usable = recordings[recordings["status"] == "ok"]
    left_out = _counts(recordings.loc[recordings["status"] != "ok", "status"], SIGNAL_STATUSES)
    steps = [FlowStep("Table cells that name a file", len(recordings), left_out)]
    if not scored:
        steps.append(FlowStep("Usable ECGs; no model was at hand to predict", len(usable)))
        return _figure(steps, (), title, "")
    predicted = usable[usable["row"].isin(np.concatenate([table["row"] for table in scored]))]
    left = _left_by_every_model(usable[~usable["row"].isin(predicted["row"])])
    without = predicted[predicted["truth"] != "ok"]
    excluded = _counts(without["truth"], TRUTH_STATUSES)
    named, known, positives = _truth(predicted[predicted["truth"] == "ok"], scored)
    if named - known:
        excluded += ((NOTHING_KNOWN.get(kind, "truth unknown"), named - known),)
    if left:
        steps.append(FlowStep("Usable ECGs", len(usable), left))
    by_whom = "by at least one model" if apart else "by a model"
    steps.append(
        FlowStep(f"Predicted {by_whom}" if left or apart else "Usable ECGs, predicted", len(predicted), excluded)
    )
    positive, negative = OUTCOMES.get(kind, ("", ""))
    outcomes = ((positive, positives), (negative, known - positives)) if positive and known else ()
    steps.append(FlowStep("With known truth: evaluated" + (f" {by_whom}" if apart else ""), known))
    return _figure(steps, outcomes, title, apart)


def _left_by_every_model(recordings: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    """(reason, count) of usable ECGs that no model of the task predicts."""
    too_short = int((recordings["too_short_for"] != "").sum())
    reasons = (("too short for every model", too_short), ("no model could prepare it", len(recordings) - too_short))
    return tuple((reason, count) for reason, count in reasons if count)


def _truth(named: pd.DataFrame, scored: Sequence[pd.DataFrame]) -> tuple[int, int, int]:
    """(cells with a truth, those where it says something of some label, those positive for any)."""
    known, positive = set(), set()
    for table in scored:
        truth, _ = matrices(table, targets_of(table))
        rows = table["row"].to_numpy()
        known |= set(rows[~np.isnan(truth).all(axis=1)])
        positive |= set(rows[(truth == 1).any(axis=1)])
    rows = set(named["row"])
    return len(rows), len(rows & known), len(rows & positive)


def _counts(statuses: pd.Series, words: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """(reason, count) of every status that occurs, in the order of the words, others last."""
    counts = statuses.value_counts().to_dict()
    order = [status for status in words if status in counts] + sorted(set(counts) - set(words))
    return tuple((words.get(status, status), int(counts[status])) for status in order)


def _figure(steps: Sequence[FlowStep], outcomes: Sequence[tuple[str, int]], title: str, caption: str) -> Figure:
    return Figure("flow", flow_diagram(title=f"Participant flow: {title}", steps=steps, outcomes=outcomes), caption)
