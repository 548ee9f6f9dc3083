"""ROC and precision-recall curves as inline SVG, with a legend that gives AUROC or average precision and the counts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from twelvelead.evaluation.deepecg_metrics import auroc, average_precision, cumulative_counts
from twelvelead.report.svg import drawing, element, number, printable, text

# Okabe and Ito's colour-blind safe palette without its yellow and black; a second round is dashed. style.css has
# lighter ones for a dark page.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("none", "6 3")
MOST_CURVES = len(COLOURS) * len(DASHES)

WIDTH, PLOT, LEFT, TOP, BOTTOM = 460.0, 380.0, 56.0, 12.0, 52.0
LEGEND_HEAD, LEGEND_LINE = 20.0, 18.0
LONGEST_LABEL = 36
# Of the points within one such square, about a pixel of the plot, one is drawn.
RESOLUTION = 1 / PLOT


@dataclass(frozen=True)
class Curve:
    """ROC and precision-recall curve of one pattern, thinned to what a plot can show; the areas are of the full curve.

    false_positive_rate, sensitivity (k,)   from (0, 0) to (1, 1)
    recall, precision (m,)                  where recall rises, from the highest cut-off down: the steps the area counts
    """

    label: str
    n: int
    positives: int
    auroc: float
    average_precision: float
    false_positive_rate: np.ndarray
    sensitivity: np.ndarray
    recall: np.ndarray
    precision: np.ndarray


def select_curves(
    truth: np.ndarray, probability: np.ndarray, labels: Sequence[str], limit: int = MOST_CURVES
) -> tuple[Curve, ...]:
    """Curves of the `limit` labels with the most positives among those with both classes, most positives first.

    truth (ecgs, labels) of 1, 0 and NaN for unknown, probability (ecgs, labels) with NaN for no prediction.
    """
    truth, probability = np.asarray(truth, dtype=np.float32), np.asarray(probability)
    known = np.isfinite(probability) & ~np.isnan(truth)
    positives = ((truth == 1) & known).sum(axis=0)
    negatives = known.sum(axis=0) - positives
    both = np.flatnonzero((positives > 0) & (negatives > 0))
    chosen = both[np.argsort(-positives[both], kind="stable")][:limit]
    return tuple(curve(truth[known[:, at], at], probability[known[:, at], at], labels[at]) for at in map(int, chosen))


def curve(truth: np.ndarray, probability: np.ndarray, label: str) -> Curve:
    """The curves of truth (n,) of 0 and 1, both there, against probability (n,), finite."""
    counts = cumulative_counts(truth, probability)
    sensitivity = np.concatenate(([0.0], counts.true_positives / counts.positives))
    false_positive_rate = np.concatenate(([0.0], counts.false_positives / counts.negatives))
    rising = np.flatnonzero(np.diff(counts.true_positives, prepend=0))
    recall = sensitivity[1:][rising]
    precision = counts.true_positives[rising] / (counts.true_positives[rising] + counts.false_positives[rising])
    roc = _thinned(false_positive_rate, sensitivity)
    pr = _thinned(recall, precision)
    return Curve(
        label=label,
        n=len(truth),
        positives=counts.positives,
        auroc=auroc(counts),
        average_precision=average_precision(counts),
        false_positive_rate=false_positive_rate[roc],
        sensitivity=sensitivity[roc],
        recall=recall[pr],
        precision=precision[pr],
    )


def _thinned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Positions of the first point of each run within one RESOLUTION square, and of the last point of all."""
    square = np.stack([np.floor(x / RESOLUTION), np.floor(y / RESOLUTION)])
    kept = np.concatenate(([True], (np.diff(square, axis=1) != 0).any(axis=0)))
    kept[-1] = True
    return np.flatnonzero(kept)


def roc_figure(curves: Sequence[Curve], title: str) -> str:
    """SVG of the ROC curves, with the diagonal of chance; the legend is sorted by AUROC."""
    ranked = _ranked(curves, lambda one: one.auroc)
    chance = element("path", d=_path([0, 1], [0, 1]), class_="reference", fill="none", stroke="#888")
    lines = [_line(one, at, _path(one.false_positive_rate, one.sensitivity)) for at, one in ranked]
    return _figure(
        [chance, *lines],
        _legend(ranked, "AUROC", lambda one: one.auroc),
        title=title,
        description="ROC curves, sensitivity against 1 - specificity, dashed diagonal for chance. "
        + _in_words(ranked, "AUROC", lambda one: one.auroc),
        axes=("1 − specificity", "Sensitivity"),
    )


def precision_recall_figure(curves: Sequence[Curve], title: str) -> str:
    """SVG of the precision-recall curves, with each prevalence as a dotted line; the legend is sorted by AUPRC."""
    ranked = _ranked(curves, lambda one: one.average_precision)
    # One line across for one curve; among many, a mark at the right edge is enough to read the prevalence.
    start = 0.0 if len(ranked) == 1 else 0.95
    lines = []
    for at, one in ranked:
        prevalence = one.positives / one.n
        mark = element("path", d=_path([start, 1], [prevalence, prevalence]), class_="prevalence")
        lines.append(_line(one, at, _steps(one.recall, one.precision), mark))
    return _figure(
        lines,
        _legend(ranked, "AUPRC", lambda one: one.average_precision),
        title=title,
        description="Precision-recall curves, positive predictive value against sensitivity, dotted line at the "
        "prevalence. " + _in_words(ranked, "AUPRC", lambda one: one.average_precision),
        axes=("Recall (sensitivity)", "Precision (PPV)"),
    )


def _ranked(curves: Sequence[Curve], area: Callable[[Curve], float]) -> list[tuple[int, Curve]]:
    """The curves by falling area, each with its place in `curves`: its colour in every figure of them."""
    return sorted(enumerate(curves), key=lambda placed: -area(placed[1]))


def _in_words(ranked: Sequence[tuple[int, Curve]], name: str, area: Callable[[Curve], float]) -> str:
    return "; ".join(f"{one.label}: {name} {area(one):.3f}, {one.positives} positive of {one.n}" for _, one in ranked)


def _figure(lines: list[str], legend: str, *, title: str, description: str, axes: tuple[str, str]) -> str:
    height = TOP + PLOT + BOTTOM + LEGEND_HEAD + LEGEND_LINE * legend.count('class="entry"') + 4
    return drawing(
        _axes(*axes),
        *lines,
        legend,
        view_box=(0, 0, WIDTH, height),
        title=title,
        description=description,
        class_="figure",
        font_family="system-ui, sans-serif",
        font_size="12",
    )


def _axes(x_label: str, y_label: str) -> str:
    grid, ticks = [], []
    for tenths in range(0, 11, 2):
        x, y = _xy(tenths / 10, tenths / 10)
        grid.append(f"M{number(x)} {number(TOP)}v{number(PLOT)}M{number(LEFT)} {number(y)}h{number(PLOT)}")
        ticks.append(text(number(tenths / 10), x, TOP + PLOT + 17, text_anchor="middle"))
        ticks.append(text(number(tenths / 10), LEFT - 7, y + 4, text_anchor="end"))
    middle = TOP + PLOT / 2
    return (
        element("path", class_="grid", d="".join(grid), fill="none", stroke="#8884")
        + element("rect", x=LEFT, y=TOP, width=PLOT, height=PLOT, class_="frame", fill="none", stroke="#888")
        + element("g", *ticks, class_="ticks", fill="currentColor", font_size="11")
        + text(x_label, LEFT + PLOT / 2, TOP + PLOT + 38, text_anchor="middle", fill="currentColor")
        + text(y_label, 14, middle, text_anchor="middle", fill="currentColor", transform=f"rotate(-90 14 {middle:.0f})")
    )


def _line(one: Curve, at: int, path: str, *marks: str) -> str:
    return element(
        "g",
        element("title", escape(printable(one.label))),
        element("path", d=path, stroke_dasharray=_dash(at)),
        *marks,
        class_=f"curve colour-{at % len(COLOURS)}",
        fill="none",
        stroke=COLOURS[at % len(COLOURS)],
        stroke_width="2",
        stroke_linejoin="round",
    )


def _legend(ranked: Sequence[tuple[int, Curve]], name: str, area: Callable[[Curve], float]) -> str:
    top = TOP + PLOT + BOTTOM + 14
    right = LEFT + PLOT
    head = text(name, right - 88, top, text_anchor="end") + text("positive / n", right, top, text_anchor="end")
    lines = [element("g", head, class_="head", font_weight="600")]
    for line, (at, one) in enumerate(ranked):
        y = top + LEGEND_HEAD + line * LEGEND_LINE - 2
        key = element(
            "path",
            d=f"M4 {number(y - 4)}h24",
            class_=f"colour-{at % len(COLOURS)}",
            stroke=COLOURS[at % len(COLOURS)],
            stroke_width="3",
            stroke_dasharray=_dash(at),
        )
        label = one.label if len(one.label) <= LONGEST_LABEL else one.label[: LONGEST_LABEL - 1] + "…"
        lines.append(
            element(
                "g",
                element("title", escape(printable(one.label))),
                key,
                text(label, 34, y),
                text(f"{area(one):.3f}", right - 88, y, text_anchor="end"),
                text(f"{one.positives:,} / {one.n:,}", right, y, text_anchor="end"),
                class_="entry",
            )
        )
    return element("g", *lines, class_="legend", fill="currentColor", font_size="11")


def _dash(at: int) -> str | None:
    dash = DASHES[at // len(COLOURS) % len(DASHES)]
    return None if dash == "none" else dash


def _xy(x: float | np.ndarray, y: float | np.ndarray) -> tuple:
    """Position in the drawing of a point of the unit square."""
    return LEFT + x * PLOT, TOP + (1 - y) * PLOT


def _path(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> str:
    """Straight lines through the points, in steps relative to positions rounded first: rounding never adds up."""
    at = np.rint(np.stack(_xy(np.asarray(x, dtype=float), np.asarray(y, dtype=float)), axis=1) * 10).astype(int)
    start = f"M{_tenths(at[0, 0])} {_tenths(at[0, 1])}"
    return start + "".join(_step(int(dx), int(dy)) for dx, dy in np.diff(at, axis=0))


def _step(dx: int, dy: int) -> str:
    if dx and dy:
        return f"l{_tenths(dx)} {_tenths(dy)}"
    return f"h{_tenths(dx)}" if dx else f"v{_tenths(dy)}" if dy else ""


def _tenths(value: int) -> str:
    return number(value / 10, 1).replace("0.", ".") if abs(value) < 10 else number(value / 10, 1)


def _steps(recall: np.ndarray, precision: np.ndarray) -> str:
    """Average precision counts each rise of recall at the precision reached at its end: a step up to each point."""
    corners_x = np.repeat(np.concatenate(([0.0], recall)), 2)[1:-1]
    return _path(corners_x, np.repeat(precision, 2))
