"""Who came, who was left out and why, who is left: the steps of a task's participant flow."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from twelvelead.assembly import matrices, targets_of
from twelvelead.report.content import Figure
from twelvelead.report.flow_diagram import FlowStep, flow_diagram
from twelvelead.report.statuses import SIGNAL_STATUSES, TRUTH_STATUSES


def participant_flow(recordings: pd.DataFrame, scored: Sequence[pd.DataFrame], kind: str, title: str) -> Figure:
    """The flow of one task's cells.

    recordings  rows of recordings.csv of the task; scored: the table of each of its models
    """
    usable = recordings[recordings["status"] == "ok"]
    left_out = _counts(recordings.loc[recordings["status"] != "ok", "status"], SIGNAL_STATUSES)
    steps = [FlowStep("Table cells that name a file", len(recordings), left_out)]
    if not scored:
        steps.append(FlowStep("Usable ECGs; no model was at hand to predict", len(usable)))
        return _figure(steps, (), title)
    predicted = usable[usable["row"].isin(np.concatenate([table["row"] for table in scored]))]
    short = len(usable) - len(predicted)
    without = predicted[predicted["truth"] != "ok"]
    excluded = _counts(without["truth"], TRUTH_STATUSES)
    named, known, positives = _truth(predicted[predicted["truth"] == "ok"], scored)
    if named - known:
        excluded += (("statements in which nothing was recognised", named - known),)
    if short:
        steps.append(FlowStep("Usable ECGs", len(usable), (("too short for every model", short),)))
    steps.append(FlowStep("Predicted by a model" if short else "Usable ECGs, predicted", len(predicted), excluded))
    outcomes = (("Positive", positives), ("Negative", known - positives)) if kind == "binary" and known else ()
    steps.append(FlowStep("With known truth: evaluated", known))
    return _figure(steps, outcomes, title)


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


def _figure(steps: Sequence[FlowStep], outcomes: Sequence[tuple[str, int]], title: str) -> Figure:
    return Figure("flow", flow_diagram(title=f"Participant flow: {title}", steps=steps, outcomes=outcomes))
