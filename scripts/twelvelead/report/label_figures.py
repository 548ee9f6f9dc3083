"""The figures of a model on a task, from evaluation.json; the curves alone are drawn from the scored ECGs."""

from collections.abc import Mapping, Sequence

import numpy as np

from twelvelead.evaluation.deepecg_metrics import BINARY_KEY
from twelvelead.report.confusion_matrix import confusion_matrix
from twelvelead.report.content import Estimate, Figure, LabelFigures, LabelRow
from twelvelead.report.evaluation_figures import calibration_plot, decision_curve_plot
from twelvelead.report.figures import MOST_CURVES, precision_recall_figure, roc_figure, select_curves
from twelvelead.report.forest_plot import ForestRow, forest_plot
from twelvelead.report.label_rows import FEW, FEW_WORDS, chosen_point, estimate, in_words, is_few, shown
from twelvelead.report.plot_frame import minus
from twelvelead.report.probability_figure import probability_distributions

FEW_MARK = " *"


def labels_to_draw(evaluation: Mapping, limit: int) -> list[str]:
    """The `limit` evaluated labels with the most positives, most first."""
    labels = evaluation["labels"]
    return sorted(labels, key=lambda label: -labels[label]["positives"])[:limit]


def overview_figures(
    evaluation: Mapping,
    rows: Sequence[LabelRow],
    truth: np.ndarray,
    probability: np.ndarray,
    targets: Sequence[str],
    title: str,
) -> tuple[Figure, ...]:
    """ROC and precision-recall curves of the labels with the most positives, and the forest plot of all AUROCs.

    truth, probability  (ecgs, targets) of the scored table; title: of the task
    """
    if not rows:
        return ()
    evaluable = [at for at, target in enumerate(targets) if target in evaluation["labels"]]
    names = [shown(targets[at], title) for at in evaluable]
    curves = select_curves(truth[:, evaluable], probability[:, evaluable], names)
    which = f"{title}, {evaluation['model']}"
    few = _few_sentence() if any(is_few(row.positives, row.negatives) for row in rows) else ""
    most = f"The {MOST_CURVES} labels with the most positives." if len(rows) > MOST_CURVES else ""
    figures = (
        Figure("roc", roc_figure(curves, f"ROC: {which}"), most),
        Figure("precision-recall", precision_recall_figure(curves, f"Precision-recall: {which}"), most),
    )
    if len(rows) < 2:
        return (Figure("roc", figures[0].svg, few), figures[1])
    return (*figures, Figure("forest", auroc_forest(rows, which, evaluation["settings"]["level"]), few and f"* {few}"))


def _few_sentence() -> str:
    return f"{FEW_WORDS[:1].upper()}{FEW_WORDS[1:]}."


def auroc_forest(rows: Sequence[LabelRow], which: str, level: float) -> str:
    others = "Unions and others" if any(row.category for row in rows) else ""
    return forest_plot(
        title=f"AUROC of every evaluated label: {which}",
        rows=[
            ForestRow(
                row.name + (FEW_MARK if is_few(row.positives, row.negatives) else ""),
                row.auroc.value,
                row.auroc.low,
                row.auroc.high,
                f"{row.positives:,} / {row.n:,}",
                group=row.category or others,
            )
            for row in rows
        ],
        reference=0.5,
        axis_to=1.0,
        label_heading="Label",
        level=level,
    )


def figures_of_labels(
    evaluation: Mapping, labels: Sequence[str], title: str, is_pseudo_label: bool
) -> tuple[LabelFigures, ...]:
    """Calibration, decision curve, probability distributions and confusion matrix of each of the labels."""
    return tuple(
        LabelFigures(
            shown(label, title),
            _label_figures(evaluation, evaluation["labels"][label], shown(label, title), is_pseudo_label),
        )
        for label in labels
    )


def _label_figures(evaluation: Mapping, entry: Mapping, name: str, is_pseudo_label: bool) -> tuple[Figure, ...]:
    which = f"{name}, {evaluation['model']}"
    points, spread, level = entry["calibration_plot"], entry["distribution"], evaluation["settings"]["level"]
    decisions, chosen = entry["decision_curve"], chosen_point(entry["operating_points"])
    calibration = calibration_plot(
        title=f"Calibration: {which}",
        mean_predicted=points["predicted"],
        observed=points["observed"],
        low=points["low"],
        high=points["high"],
        n_per_bin=points["n"],
        curve_x=points["curve_predicted"],
        curve_y=points["curve_observed"],
        summary=[
            _in_figures(words, estimate(entry[key]), level)
            for key, words in (
                ("calibration_slope", "Slope"),
                ("calibration_intercept", "Intercept"),
                ("ece", "ECE"),
                ("brier", "Brier score"),
            )
        ],
        histogram_edges=spread["edges"],
        positives_per_bin=spread["positives"],
        negatives_per_bin=spread["negatives"],
        level=level,
    )
    decision = decision_curve_plot(
        title=f"Decision curve: {which}",
        threshold_probabilities=decisions["threshold_probability"],
        models={evaluation["model"]: decisions["net_benefit"]},
        treat_all=decisions["treat_all"],
    )
    distribution = probability_distributions(
        title=f"Predicted probabilities: {which}",
        edges=spread["edges"],
        positives=spread["positives"],
        negatives=spread["negatives"],
        thresholds=[
            (f"{in_words(point['kind'], point['set'])}", point["threshold"]) for point in entry["operating_points"]
        ],
    )
    figures = [
        Figure("calibration", calibration, _few_caption(entry)),
        Figure("decision-curve", decision),
        Figure("probabilities", distribution),
    ]
    return (*figures, Figure("confusion", _confusion(which, chosen, is_pseudo_label), _optimism(chosen)))


def _few_caption(entry: Mapping) -> str:
    few = min(entry["positives"], entry["negatives"])
    return f"{few} ECGs of the rarer class: with so few the curve is uncertain." if few < FEW else ""


def _optimism(point: Mapping | None) -> str:
    fitted = point is not None and point["kind"] == "fitted"
    return "The threshold was fitted on these very ECGs: on others it will do worse." if fitted else ""


def _in_figures(words: str, value: Estimate, level: float) -> str:
    if value.value is None:
        return f"{words}: none ({value.reason})"
    text = f"{words} {minus(f'{value.value:.3f}')}"
    if value.low is None or value.high is None:
        return text
    return f"{text} ({100 * level:.0f} % interval {minus(f'{value.low:.3f}')} to {minus(f'{value.high:.3f}')})"


def _confusion(which: str, point: Mapping | None, is_pseudo_label: bool) -> str:
    counts = point or {}
    return confusion_matrix(
        title=f"Confusion matrix: {which}",
        tp=counts.get("true_positives"),
        fp=counts.get("false_positives"),
        fn=counts.get("false_negatives"),
        tn=counts.get("true_negatives"),
        threshold=counts.get("threshold"),
        kind=in_words(counts.get("kind", ""), counts.get("set", "")),
        truth_name="Pseudo-label" if is_pseudo_label else "Truth",
    )


def task_forest(evaluations: Mapping[str, Mapping], title: str) -> Figure | None:
    """All models of a task: AUROC of each label, or for patterns the mean over those evaluated of a category."""
    if not evaluations:
        return None
    first = next(iter(evaluations.values()))
    rows, level, categories = [], first["settings"]["level"], first["categories"]
    if first["kind"] != "patterns":
        measure, rows = "AUROC", _models_by_label(evaluations)
        heading, caption = "Positive / n", f"* {_few_sentence()}" if any(FEW_MARK in row.label for row in rows) else ""
    else:
        measure, heading = "Mean AUROC", "Evaluated / labels"
        caption = (
            "Unweighted means over the patterns of a category that could be evaluated; models that predict other "
            "patterns have means over others, so they are compared below on the patterns they share."
        )
        shared = [
            name for name in categories if any(one["categories"][name]["evaluable"] for one in evaluations.values())
        ]
        if len(shared) < len(categories):
            caption += " Categories without any evaluated pattern are left out."
        for category in shared:
            for model, evaluation in evaluations.items():
                of_category = evaluation["categories"][category]
                mean = estimate(of_category["macro_auroc"])
                counts = f"{of_category['evaluable']} / {of_category['labels']}"
                rows.append(ForestRow(model, mean.value, mean.low, mean.high, counts, mean.reason, category))
    if not any(row.value is not None for row in rows):
        return None
    svg = forest_plot(
        title=f"{measure}: {title}", rows=rows, measure=measure, reference=0.5, axis_to=1.0, label_heading="Model",
        n_heading=heading, level=level,
    )  # fmt: skip
    return Figure("models", svg, caption)


def _models_by_label(evaluations: Mapping[str, Mapping]) -> list[ForestRow]:
    """Every evaluated label with the models that have it evaluated; the one outcome of a binary task is no heading."""
    rows = []
    for label in dict.fromkeys(label for evaluation in evaluations.values() for label in evaluation["labels"]):
        for model, evaluation in evaluations.items():
            entry = evaluation["labels"].get(label)
            if entry is None:
                continue
            found, few = estimate(entry["auroc"]), is_few(entry["positives"], entry["negatives"])
            counts = f"{entry['positives']:,} / {entry['n']:,}"
            group = "" if label == BINARY_KEY else label
            rows.append(ForestRow(model + FEW_MARK * few, found.value, found.low, found.high, counts, group=group))
    return rows
