"""From evaluation.json to the rows of a model's table: which threshold is used, and why a figure is missing."""

from collections.abc import Mapping, Sequence

from twelvelead.evaluation.deepecg_metrics import BINARY_KEY
from twelvelead.evaluation.evaluation import NOT_PREDICTED
from twelvelead.report.content import Estimate, LabelRow, NotEvaluable, PlainTable, ThresholdInUse

# What was fixed before these ECGs were looked at comes first.
KINDS = ("given", "published", "fitted")
AT_THRESHOLD = ("sensitivity", "specificity", "ppv", "npv", "f1")
FITTED_WORDS = "fitted on these very ECGs"
# With fewer of a class DeLong's interval covers less than it says; see the tests of evaluation.discrimination.
FEW = 30
FEW_WORDS = (
    f"fewer than {FEW} ECGs of a class: DeLong's interval of the AUROC, and Obuchowski's like it, is too narrow then"
)


def estimate(entry: Mapping | None) -> Estimate:
    """A figure of evaluation.json."""
    if not entry:
        return Estimate(None, reason="not computed")
    return Estimate(entry["value"], entry.get("low"), entry.get("high"), entry.get("reason") or "")


def chosen_point(points: Sequence[Mapping]) -> Mapping | None:
    """Of a label's operating points that with the threshold in use: given before published before fitted."""
    with_threshold = [point for point in points if point["threshold"] is not None]
    return min(with_threshold, key=lambda point: KINDS.index(point["kind"]), default=None)


def threshold_in_use(points: Sequence[Mapping]) -> ThresholdInUse:
    point = chosen_point(points)
    if point is None:
        return ThresholdInUse(None, reason="; ".join(dict.fromkeys(one.get("reason", "") for one in points)))
    return ThresholdInUse(point["threshold"], point["kind"], point["set"])


def in_words(kind: str, name: str) -> str:
    """Where a threshold comes from, never without saying that it was fitted on these ECGs."""
    if kind == "fitted":
        return f"{ {'youden': 'Youden', 'f1': 'F1'}.get(name, name) }, {FITTED_WORDS}".strip()
    return "given beforehand" if kind == "given" else f"published, {name}" if kind else ""


def is_few(positives: int, negatives: int) -> bool:
    return min(positives, negatives) < FEW


def categories_in_order(labels: Sequence[str], categories: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """label -> the first category that has it, in the order of the categories; "" for unions and others at the end."""
    of_label = {}
    for category, members in categories.items():
        for member in members:
            if member in labels:
                of_label.setdefault(member, category)
    return of_label | {label: "" for label in labels if label not in of_label}


def label_rows(evaluation: Mapping, categories: Mapping[str, Sequence[str]], title: str) -> tuple[LabelRow, ...]:
    """The evaluated labels by category; `title` names the outcome of a binary task."""
    placed = categories_in_order(list(evaluation["labels"]), categories)
    return tuple(_row(shown(label, title), placed[label], evaluation["labels"][label]) for label in placed)


def shown(label: str, title: str) -> str:
    """A label as the page calls it; the only one of a binary task has its title."""
    return title if label == BINARY_KEY else label


def _row(name: str, category: str, entry: Mapping) -> LabelRow:
    point = chosen_point(entry["operating_points"]) or {}
    return LabelRow(
        name=name,
        category=category,
        n=entry["n"],
        positives=entry["positives"],
        negatives=entry["negatives"],
        auroc=estimate(entry["auroc"]),
        method=entry["auroc"].get("method", ""),
        auprc=estimate(entry["auprc"]),
        brier=estimate(entry["brier"]),
        calibration_slope=estimate(entry["calibration_slope"]),
        calibration_intercept=estimate(entry["calibration_intercept"]),
        ece=estimate(entry["ece"]),
        threshold=threshold_in_use(entry["operating_points"]),
        at_threshold=tuple(estimate(point.get(measure)) for measure in AT_THRESHOLD),
    )


def not_evaluable(
    evaluation: Mapping, categories: Mapping[str, Sequence[str]], title: str
) -> tuple[tuple[NotEvaluable, ...], tuple[str, ...]]:
    """(labels with too few ECGs of a class, names of those that the model does not predict)."""
    listed = evaluation["not_evaluable"]
    few, absent = [], []
    for label, category in categories_in_order(list(listed), categories).items():
        entry = listed[label]
        if entry["reason"] == NOT_PREDICTED:
            absent.append(shown(label, title))
            continue
        counts = {key: entry[key] for key in ("n", "positives", "negatives", "unknown")}
        few.append(NotEvaluable(shown(label, title), category, reason=entry["reason"], **counts))
    return tuple(few), tuple(absent)


def threshold_notes(evaluation: Mapping, rows: Sequence[LabelRow]) -> tuple[tuple[str, str], ...]:
    """(chip, words) of every set of thresholds that a row uses, and why a set fixed beforehand has none for a label."""
    notes = {of_set["name"]: of_set["note"] for of_set in evaluation["threshold_sets"]}
    said = []
    for kind in KINDS:
        for name in dict.fromkeys(row.threshold.name for row in rows if row.threshold.kind == kind):
            count = sum(row.threshold.name == name for row in rows)
            said.append((kind, f"{name}: used for {_labels(count)}. {_sentence(notes.get(name, ''))}"))
    without: dict[tuple[str, str], list[str]] = {}
    for label, entry in evaluation["labels"].items():
        for point in entry["operating_points"]:
            if point["threshold"] is None and point["kind"] != "fitted":
                without.setdefault((point["set"], point.get("reason", "")), []).append(label)
    for (name, reason), labels in without.items():
        said.append(("not used", f"{name}: {reason}. So for {_labels(len(labels))}: {'; '.join(labels)}."))
    return tuple(said)


def _labels(count: int) -> str:
    return "1 label" if count == 1 else f"{count} labels"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def deepecg_table(metrics: Mapping[str, Mapping], title: str) -> PlainTable:
    """metrics.json as it is, DeepECG's names for columns."""
    header = tuple(dict.fromkeys(name for of_key in metrics.values() for name in of_key))
    rows = ((shown(key, title), tuple(of_key.get(name) for name in header)) for key, of_key in metrics.items())
    return PlainTable(header, tuple(rows))
