"""Calibration plot and decision curves as inline SVG: values in, text out.

Every argument that holds values may be None or hold None where there are none; a figure with nothing to draw says so,
with the reason given. The values are those of evaluation.calibration and evaluation.decision_curve.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from twelvelead.report.figures import LEFT, PLOT, TOP
from twelvelead.report.plot_frame import (
    Entry,
    Panel,
    Values,
    axes,
    counted,
    cut_below,
    dash,
    empty_figure,
    figure,
    hue,
    like,
    line_path,
    line_swatch,
    minus,
    named,
    numbers,
    three_digits,
    tick_text,
    ticks,
    x_axis_name,
)
from twelvelead.report.probability_figure import class_entries, mirrored, with_room_for
from twelvelead.report.svg import element, number, text

CALIBRATION_AXES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
STRIP, STRIP_GAP = 84.0, 10.0
CURVE = "colour-2"
DECISION_HEIGHT = PLOT * 0.75
# How far below treating none the axis of net benefit goes, as a share of how far above.
BELOW_NONE = 0.15


def calibration_plot(
    *,
    title: str,
    mean_predicted: Values,
    observed: Values,
    low: Values = None,
    high: Values = None,
    n_per_bin: Values = None,
    curve_x: Values = None,
    curve_y: Values = None,
    summary: Sequence[str] = (),
    histogram_edges: Values = None,
    positives_per_bin: Values = None,
    negatives_per_bin: Values = None,
    level: float = 0.95,
    reason: str = "",
) -> str:
    """SVG of the observed against the predicted, with a histogram of the predictions of each class below it.

    mean_predicted, observed, low, high, n_per_bin  (bins,): points, their Wilson intervals at `level`, ECGs
    curve_x, curve_y   (points,): the smooth curve
    summary            lines of text, such as slope, intercept and ECE with their intervals
    histogram_edges    (k + 1,) probabilities; positives_per_bin, negatives_per_bin (k,) counts
    reason             what is written where there are no points
    Both axes go from 0 to the least of CALIBRATION_AXES that shows all of it.
    """
    points = _points(mean_predicted, observed, low, high, n_per_bin)
    names = "Predicted probability", "Observed fraction"
    if not len(points):
        panel = Panel(LEFT, TOP, PLOT, PLOT)
        return empty_figure(panel, *names, title=title, reason=reason or "No calibration points")
    curve = numbers(curve_x), numbers(curve_y)
    histogram = numbers(histogram_edges), counted(positives_per_bin), counted(negatives_per_bin)
    has_strip = len(histogram[0]) > 1 and bool(np.concatenate(histogram[1:]).sum())
    end = _axis_end(points, curve, histogram if has_strip else None)
    panel = Panel(LEFT, TOP, PLOT, PLOT, x_to=end, y_to=end)
    strip = Panel(LEFT, panel.bottom + STRIP_GAP, PLOT, STRIP, x_to=end)
    lowest = strip if has_strip else panel
    parts = [
        axes(panel, ticks(0, end), ticks(0, end), y_label=names[1], x_texts=not has_strip),
        x_axis_name(lowest, names[0]),
        element("path", class_="reference", d=line_path(panel, np.array([0, end]), np.array([0, end]))),
        element("g", element("path", class_="line", d=line_path(panel, *curve)), class_=CURVE) if len(curve[0]) else "",
        *(_point(panel, *point) for point in points.tolist()),
        _strip(strip, *histogram) if has_strip else "",
    ]
    entries = [
        _points_entry(points, level),
        *([Entry("Smooth curve", line_swatch("line", CURVE))] * bool(len(curve[0]))),
    ]
    entries.append(Entry("Ideal: observed = predicted", line_swatch("reference")))
    entries += class_entries(*histogram[1:]) if has_strip else []
    return figure(
        parts,
        entries + [Entry(line) for line in summary],
        lowest.bottom,
        title=title,
        description="Calibration plot, observed fraction of positives against predicted probability, dashed diagonal "
        "for ideal calibration. " + "; ".join([*summary, *(_in_words(*point) for point in points.tolist())]),
    )


def decision_curve_plot(
    *,
    title: str,
    threshold_probabilities: Values,
    models: Mapping[str, Values],
    treat_all: Values = None,
    treat_none: float = 0.0,
    reason: str = "",
) -> str:
    """SVG of net benefit over threshold probabilities (k,) of each of `models`, of treating all and of treating none.

    The axis ends a little below treating none; what falls lower is cut off there. `reason` is written where there is
    nothing to draw.
    """
    thresholds = numbers(threshold_probabilities)
    lines = {name: like(thresholds, values) for name, values in models.items()}
    everyone = like(thresholds, treat_all)
    every = np.concatenate([*lines.values(), everyone])
    names = "Threshold probability", "Net benefit"
    if not np.isfinite(every).any():
        panel = Panel(LEFT, TOP, PLOT, DECISION_HEIGHT)
        return empty_figure(panel, *names, title=title, reason=reason or "No net benefit to draw")
    panel = _decision_panel(thresholds, float(np.nanmax(every)), treat_none)
    across = np.array([panel.x_from, panel.x_to])
    cut = cut_below(thresholds, everyone, panel.y_from)
    parts = [
        axes(panel, ticks(panel.x_from, panel.x_to), ticks(panel.y_from, panel.y_to), y_label=names[1]),
        x_axis_name(panel, names[0]),
        element("path", class_="reference", d=line_path(panel, across, np.full(2, treat_none))),
        element("path", class_="treat-all", d=line_path(panel, *cut)),
    ]
    entries = []
    for at, (name, values) in enumerate(lines.items()):
        d = line_path(panel, *cut_below(thresholds, values, panel.y_from))
        parts.append(named(name, element("path", class_="line", d=d, stroke_dasharray=dash(at)), class_=hue(at)))
        entries.append(Entry(name, line_swatch("line", hue(at), dash(at))))
    entries += [Entry("Treat all", line_swatch("treat-all")), Entry("Treat none", line_swatch("reference"))]
    spans = [f"{name}: {_span(thresholds, values)}" for name, values in (*lines.items(), ("treat all", everyone))]
    return figure(
        parts,
        entries,
        panel.bottom,
        title=title,
        description="Decision curves, net benefit against threshold probability; treat none: "
        + "; ".join([tick_text(treat_none), *spans]),
    )


def _points(*columns: Values) -> np.ndarray:
    """(points, 5) of the columns mean predicted, observed, low, high and n; only points with the first two."""
    if columns[0] is None or columns[1] is None:
        return np.empty((0, 5))
    mean = numbers(columns[0])
    points = np.stack([mean, *(like(mean, column) for column in columns[1:])], axis=1)
    return points[np.isfinite(points[:, :2]).all(axis=1)]


def _axis_end(points: np.ndarray, curve: tuple[np.ndarray, ...], histogram: tuple[np.ndarray, ...] | None) -> float:
    shown = [points[:, :4].ravel(), *curve]
    if histogram is not None:
        edges, *counts = histogram
        shown += [edges[1:][each > 0] for each in counts if len(each)]
    most = np.nanmax(np.concatenate(shown))
    return next((end for end in CALIBRATION_AXES if end >= most), 1.0)


def _point(panel: Panel, mean: float, observed: float, low: float, high: float, n: float) -> str:
    x, y = float(panel.x(mean)), float(panel.y(observed))
    whisker = ""
    if np.isfinite([low, high]).all():
        y_low, y_high, left = number(panel.y(low)), number(panel.y(high)), number(x - 3)
        d = f"M{number(x)} {y_low}V{y_high}M{left} {y_low}h6M{left} {y_high}h6"
        whisker = element("path", class_="whisker", d=d)
    dot = element("circle", cx=x, cy=y, r=4, class_="dot")
    return named(_in_words(mean, observed, low, high, n), whisker, dot, class_="point")


def _in_words(mean: float, observed: float, low: float, high: float, n: float) -> str:
    interval = f" ({three_digits(low)} to {three_digits(high)})" if np.isfinite([low, high]).all() else ""
    size = f", n = {n:,.0f}" if np.isfinite(n) else ""
    return f"predicted {three_digits(mean)}, observed {three_digits(observed)}{interval}{size}"


def _points_entry(points: np.ndarray, level: float) -> Entry:
    swatch = element("circle", cx=12, cy=-4, r=4, class_="dot")
    words = "Observed"
    if np.isfinite(points[:, 2:4]).all(axis=1).any():
        swatch = element("path", class_="whisker", d="M12 -12v16M9 -12h6M9 4h6") + swatch
        words += f", {number(100 * level)} % Wilson interval"
    sizes = points[np.isfinite(points[:, 4]), 4]
    if len(sizes):
        least, most = (f"{size:,.0f}" for size in (sizes.min(), sizes.max()))
        words += f" ({len(points)} bins of {least if least == most else f'{least} to {most}'} ECGs)"
    return Entry(words, swatch)


def _strip(strip: Panel, edges: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> str:
    """The small histogram below a calibration plot."""
    strip = with_room_for(strip, positives, negatives)
    zero = float(strip.y(0))
    sides = (
        text(name, strip.left - 5, middle + 4, text_anchor="end", class_="tiny")
        for name, middle in (("positive", (strip.top + zero) / 2), ("negative", (strip.bottom + zero) / 2))
    )
    return (
        axes(strip, ticks(0, strip.x_to), [])
        + mirrored(strip, edges, positives, negatives)
        + element("g", *sides, class_="quiet")
    )


def _decision_panel(thresholds: np.ndarray, highest: float, treat_none: float) -> Panel:
    above = max(highest - treat_none, 1e-6)
    first, last = float(np.nanmin(thresholds)), float(np.nanmax(thresholds))
    # An axis from 0 where little room is lost by it.
    first = 0.0 if first < last / 5 or first == last else first
    y_from, y_to = treat_none - BELOW_NONE * above, treat_none + 1.06 * above
    return Panel(LEFT, TOP, PLOT, DECISION_HEIGHT, first, last, y_from, y_to)


def _span(thresholds: np.ndarray, values: np.ndarray) -> str:
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return "none"
    return " to ".join(f"{minus(f'{values[at]:.4f}')} at {three_digits(thresholds[at])}" for at in known[[0, -1]])
