"""Which ECGs the page's viewer has, in which lists, and what is said of each."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import pandas as pd

from twelvelead.assembly import matrices, probability_column, targets_of, truth_column
from twelvelead.ecg import LEADS, Recording, missing_leads, twelve_leads
from twelvelead.evaluation.agreement import most_confident_wrong
from twelvelead.recipes.resampling import to_rate
from twelvelead.records import Record, find_records
from twelvelead.report.label_figures import labels_to_draw
from twelvelead.report.label_rows import chosen_point, in_words, shown
from twelvelead.report.naming import Naming
from twelvelead.report.plot_frame import three_digits
from twelvelead.report.viewer import MOST_SECONDS, ViewerEcg, ViewerGroup
from twelvelead.report.viewer_saliency import saliency_of_ecgs
from twelvelead.table import NOT_SELECTED

DRAWN_AT_HZ = 250
SHOWN_PREDICTIONS = 4
SHOWN_TRUTHS = 12
MOST_NOTES = 4


@dataclass(frozen=True)
class Listed:
    """An ECG in a list, by what key_of calls it, and why it is there."""

    ecg: str
    note: str = ""


@dataclass(frozen=True)
class EcgList:
    """`task` is the one that its notes speak of, "" where it has none."""

    title: str
    ecgs: tuple[Listed, ...]
    task: str = ""


@dataclass(frozen=True)
class Judged:
    """What is known of a batch's ECGs, as the lists and captions need it; see gather.BatchResults."""

    recordings: pd.DataFrame
    scored: Mapping[tuple[str, str], pd.DataFrame]
    evaluations: Mapping[tuple[str, str], Mapping]
    comparisons: Mapping[str, Mapping]
    tasks: Mapping[str, Mapping]

    def title(self, task: str) -> str:
        return self.tasks[task].get("title", task)

    def prefix(self, task: str) -> str:
        """What tells a label from that of another task; the only one of a binary task has the task's title anyway."""
        return "" if self.tasks[task]["kind"] == "binary" else f"{self.title(task)}: "

    def tasks_of(self, ecg_id: str) -> set[str]:
        """The tasks that a model predicts for this ECG."""
        return {task for (task, _), scored in self.scored.items() if (scored["ecg_id"] == ecg_id).any()}


def key_of(ecg_id: str, file: str) -> str:
    """What an ECG is known by: a file that was not found has no ecg_id, its name then, as no id can begin."""
    return ecg_id or f"/{file}"


def ecg_lists(found: Judged, labels: int, limit: int) -> list[EcgList]:
    """The lists in the order of the page; those of a task have its title where there are several tasks.

    labels  how many labels of a model, those with the most positives, are gone through; limit: most ECGs of a list
    """
    first = found.recordings[found.recordings["status"] == "ok"].drop_duplicates("ecg_id")
    lists = []
    for task in found.tasks:
        suffix = f": {found.title(task)}" if len(found.tasks) > 1 else ""
        wrong = [
            rows
            for (of_task, model), evaluation in found.evaluations.items()
            if of_task == task
            for rows in _wrong(found, task, model, evaluation, labels, limit)
        ]
        lists.append(EcgList("Most confident wrong" + suffix, _interleaved(wrong), task))
        apart = found.comparisons.get(task, {"pairs": ()})
        differing = _interleaved(_disagreements(found, task, apart, labels))
        lists.append(EcgList("Models disagree" + suffix, differing, task))
    lists.append(EcgList("Excluded", _excluded(found.recordings)))
    flagged = first.loc[first["quality"] != "", "ecg_id"]
    lists.append(EcgList("Doubtful signal", tuple(Listed(ecg) for ecg in flagged.head(limit))))
    lists.append(EcgList("First of the table", tuple(Listed(ecg) for ecg in first["ecg_id"].head(limit))))
    return [one for one in lists if one.ecgs]


def _wrong(
    found: Judged, task: str, model: str, evaluation: Mapping, labels: int, limit: int
) -> Iterable[list[Listed]]:
    """Per label the ECGs that the model calls wrong at the threshold in use, the most confident first."""
    scored = found.scored[task, model].sort_values("ecg_id", kind="stable")
    for label in labels_to_draw(evaluation, labels):
        point = chosen_point(evaluation["labels"][label]["operating_points"])
        if point is None:
            continue
        usable = scored[np.isfinite(scored[probability_column(label)])]
        truth = usable[truth_column(label)].to_numpy()
        scores = usable[probability_column(label)].to_numpy(np.float32)
        name, at = shown(label, found.title(task)), point["threshold"]
        yield [
            Listed(
                usable["ecg_id"].iloc[row],
                f"{model}: {name} {three_digits(scores[row])}, called "
                f"{'negative' if truth[row] else 'positive'} at {three_digits(at)} "
                f"({in_words(point['kind'], point['set'])}), but {_truth_is(found, task)} "
                f"{'positive' if truth[row] else 'negative'}.",
            )
            for row in most_confident_wrong(truth, scores, at, limit)
        ]


def _truth_is(found: Judged, task: str) -> str:
    return "the pseudo-label is" if found.tasks[task]["kind"] == "patterns" else "the truth is"


def _disagreements(found: Judged, task: str, comparison: Mapping, labels: int) -> Iterable[list[Listed]]:
    """Per pair of models and label the ECGs that comparison.json lists, those that differ most first."""
    for pair in comparison["pairs"]:
        models = pair["first"], pair["second"]
        ranked = sorted(pair["labels"].items(), key=lambda item: -item[1]["positives"])[:labels]
        for label, entry in ranked:
            listed = []
            for ecg in entry.get("disagreements", {"ecgs": ()})["ecgs"]:
                calls = " and ".join(
                    f"{model} {three_digits(ecg[model])} (threshold {three_digits(at)}, "
                    f"{in_words(call['kind'], call['name'])})"
                    for model, at, call in zip(models, entry["thresholds"], entry["calls"], strict=True)
                )
                truth = "positive" if ecg["truth"] else "negative"
                name = shown(label, found.title(task))
                words = f"{name}: {calls} disagree; {_truth_is(found, task)} {truth}."
                listed.append(Listed(ecg["ecg_id"], words))
            yield listed


def _excluded(recordings: pd.DataFrame) -> tuple[Listed, ...]:
    """Files that gave no ECG, or whose truth is contradictory or no value; a duplicate is its first row's ECG."""
    wrong = (recordings["status"] != "ok") | recordings["truth"].isin(["conflicting", "invalid"])
    chosen = recordings[wrong & ~recordings["status"].isin(["duplicate", NOT_SELECTED])].drop_duplicates("file")
    return tuple(Listed(key_of(row.ecg_id, row.file)) for row in chosen.itertuples())


def _interleaved(lists: Iterable[Sequence[Listed]]) -> tuple[Listed, ...]:
    """The first of every list, then the second of every list; an ECG once, with all that is said of it."""
    notes: dict[str, list[str]] = {}
    for rank in zip_longest(*lists):
        for listed in filter(None, rank):
            notes.setdefault(listed.ecg, []).append(listed.note)
    return tuple(Listed(ecg, _joined(of_ecg)) for ecg, of_ecg in notes.items())


def _joined(notes: Sequence[str]) -> str:
    more = len(notes) - MOST_NOTES
    return " ".join(notes[:MOST_NOTES]) + (f" And {more} more." if more > 0 else "")


def share_out(lists: Sequence[EcgList], limit: int) -> tuple[list[str], list[list[str]]]:
    """(ECGs to embed, each once; the ECGs of each list): the lists take turns until `limit` is reached."""
    chosen: dict[str, None] = {}
    taken: list[list[str]] = [[] for _ in lists]
    waiting = [deque(listed.ecg for listed in one.ecgs) for one in lists]
    while any(waiting):
        for queue, of_list in zip(waiting, taken, strict=True):
            if not queue:
                continue
            ecg = queue.popleft()
            if ecg not in chosen and len(chosen) == limit:
                queue.clear()
                continue
            chosen[ecg] = None
            of_list.append(ecg)
    return list(chosen), taken


def viewer_content(
    found: Judged,
    records: Sequence[str],
    labels: int,
    limit: int,
    naming: Naming,
    saliency: Sequence[tuple[str, str]] = (),
) -> tuple[tuple[ViewerEcg, ...], tuple[ViewerGroup, ...]]:
    """At most `limit` ECGs with the lists they are in; `saliency` as saliency_of_ecgs takes it."""
    lists = ecg_lists(found, labels, limit)
    chosen, taken = share_out(lists, limit)
    notes: dict[str, list[tuple[str, str]]] = {}
    for one in lists:
        for listed in one.ecgs:
            if listed.note:
                notes.setdefault(listed.ecg, []).append((one.task, listed.note))
    # A duplicate has the id of the row that it repeats, which comes before it.
    cell_of = {key_of(row.ecg_id, row.file): row for row in reversed(list(found.recordings.itertuples()))}
    decoded = find_records(records, set(chosen))
    looked = saliency_of_ecgs(saliency, decoded)
    ecgs = [
        replace(_ecg(found, cell_of[key], decoded.get(key), notes.get(key, ()), naming), saliency=looked.get(key, ()))
        for key in chosen
    ]
    place = {key: at for at, key in enumerate(chosen)}
    groups = [ViewerGroup(one.title, tuple(place[key] for key in keys)) for one, keys in zip(lists, taken, strict=True)]
    return tuple(ecgs), tuple(group for group in groups if group.ecgs)


def _ecg(found: Judged, cell, record: Record | None, notes: Sequence[tuple[str, str]], naming: Naming) -> ViewerEcg:
    """`notes` are (task, what is said of the ECG there)."""
    cells = found.recordings[found.recordings["file"] == cell.file]
    reasons = dict.fromkeys(
        f"{row.status if row.status != 'ok' else f'truth {row.truth}'}: "
        + (naming.message(row.row, row.file, row.message) or "no further reason")
        for row in cells.itertuples()
        if row.status != NOT_SELECTED
        and (row.status not in ("ok", "duplicate") or row.truth in ("conflicting", "invalid"))
    )
    signal_mv, rate_hz = (None, 0.0) if record is None or record.recording is None else _drawn(record.recording)
    prefixes = _prefixes(found, cell.ecg_id)
    predictions, truth = _says(found, cell.ecg_id, prefixes)
    said = [prefixes.get(task, "") + note for task, note in notes]
    said += [f"Signal quality: {cell.quality}."] if cell.quality else []
    caption = [f"Row {cell.row} of the table, as recorded, without any filter of ours."] if not naming.hide else []
    return ViewerEcg(
        ecg_id=naming.ecg_id(cell.row, cell.ecg_id),
        title=naming.title(cell.row, cell.file),
        caption=" ".join([*(caption or ["As recorded, without any filter of ours."]), *said]),
        signal_mv=signal_mv,
        sampling_rate_hz=rate_hz,
        truth=tuple(truth),
        predictions=tuple(predictions),
        reason="; ".join(reasons),
    )


def _drawn(recording: Recording) -> tuple[np.ndarray | None, float]:
    """(signal_mv of twelve leads, NaN where one is absent; its rate): at DRAWN_AT_HZ where nothing is lost by it."""
    rate_hz = recording.sampling_rate_hz or recording.samples.shape[1] / MOST_SECONDS
    if not recording.samples.shape[1] or not 0 < rate_hz < np.inf:
        return None, 0.0
    if missing_leads(recording.leads):
        signal_mv = np.full((len(LEADS), recording.samples.shape[1]), np.nan, dtype=np.float32)
        present = [lead for lead in LEADS if lead in recording.leads]
        offset_mv = np.zeros(len(recording.leads)) if recording.offset_mv is None else recording.offset_mv
        for lead in present:
            at = recording.leads.index(lead)
            signal_mv[LEADS.index(lead)] = recording.samples[at] * recording.gain_mv[at] + offset_mv[at]
        return (signal_mv if present else None), rate_hz
    signal_mv = twelve_leads(recording)
    long_enough = signal_mv.shape[1] >= MOST_SECONDS * rate_hz
    if np.isfinite(signal_mv).all() and rate_hz > DRAWN_AT_HZ and long_enough:
        return to_rate(signal_mv, rate_hz, DRAWN_AT_HZ, MOST_SECONDS, method="polyphase"), DRAWN_AT_HZ
    return signal_mv, rate_hz


def _prefixes(found: Judged, ecg_id: str) -> dict[str, str]:
    """Task -> what stands before all that is said of an ECG there; nothing where the ECG has one task."""
    tasks = found.tasks_of(ecg_id)
    return {task: found.prefix(task) if len(tasks) > 1 else "" for task in tasks}


def _says(found: Judged, ecg_id: str, prefixes: Mapping[str, str]) -> tuple[list[tuple[str, float]], list[str]]:
    """The highest predictions of every model for one ECG, and what is held to be true of it."""
    predictions, named = [], []
    for (task, model), scored in found.scored.items():
        of_ecg = scored[scored["ecg_id"] == ecg_id]
        if of_ecg.empty:
            continue
        targets = targets_of(scored)
        truth, probability = matrices(of_ecg.head(1), targets)
        names = [shown(target, found.title(task)) for target in targets]
        pairs = [
            (f"{prefixes[task]}{model}: {name}", float(p))
            for name, p in zip(names, probability[0], strict=True)
            if np.isfinite(p)
        ]
        predictions += sorted(pairs, key=lambda pair: -pair[1])[:SHOWN_PREDICTIONS]
        said = _truth_in_words(found.tasks[task], dict(zip(names, truth[0], strict=True)))
        named += [words for words in (prefixes[task] + one for one in said) if words not in named]
    more = len(named) - SHOWN_TRUTHS
    return predictions, named[:SHOWN_TRUTHS] + ([f"and {more} more"] if more > 0 else [])


def _truth_in_words(task: Mapping, truth: Mapping[str, float]) -> list[str]:
    """What is held to be true of an ECG; `truth` is 1, 0 or NaN per name of a label, or of the one outcome."""
    positive = [name for name, value in truth.items() if value == 1]
    if task["kind"] == "patterns":
        return [f"{name} (pseudo-label)" for name in positive]
    if task["kind"] == "multilabel":
        # Unions under a name of a model's own say nothing that the labels do not say.
        known = [label for label in task["labels"] if np.isfinite(truth.get(label, np.nan))]
        return [label for label in known if label in positive] or (["none of the labels"] if known else [])
    return [f"{name}: {'yes' if value else 'no'}" for name, value in truth.items() if np.isfinite(value)]
