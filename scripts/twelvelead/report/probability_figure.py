"""Histograms of predicted probabilities by class, mirrored, as inline SVG."""

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

import numpy as np

from twelvelead.report.figures import LEFT, PLOT, TOP
from twelvelead.report.plot_frame import (
    Entry,
    Panel,
    Values,
    axes,
    counted,
    empty_figure,
    figure,
    numbers,
    three_digits,
    tick_text,
    ticks,
    x_axis_name,
)
from twelvelead.report.svg import element, number, text

POSITIVE, NEGATIVE = "colour-1", "colour-0"
LOG_ODDS_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
HEIGHT = PLOT * 0.75
TAG_ROW, TAG_WIDTH = 20.0, 17.0
# Of the height, what each class has at least, so that the side of a class with low bars keeps its name.
LEAST_SIDE = 0.22


def probability_distributions(
    *,
    title: str,
    edges: Values,
    positives: Values,
    negatives: Values,
    thresholds: Sequence[tuple[str, float | None]] = (),
    log_odds: bool = False,
    reason: str = "",
) -> str:
    """SVG of two mirrored histograms, each in shares of its class: positives upward, negatives downward.

    edges       (k + 1,) ascending probabilities; with `log_odds` the axis is spaced by their logit, which shows what
                a rare pattern's small probabilities do (the edges then best end at, say, 0.0005 and 0.9995)
    positives, negatives  (k,) counts
    thresholds  (name, probability) of every threshold in use: vertical lines with a letter, named below
    reason      what is written where there are no counts
    """
    edges, positives, negatives = numbers(edges), counted(positives), counted(negatives)
    x_label = "Predicted probability" + (" (log odds scale)" if log_odds else "")
    y_label = "Share of the class (%)"
    words = [f"{name}: {'none' if at is None else three_digits(at)}" for name, at in thresholds]
    if len(edges) < 2 or not positives.sum() + negatives.sum():
        panel = Panel(LEFT, TOP, PLOT, HEIGHT)
        return empty_figure(panel, x_label, y_label, title=title, reason=reason or "No predictions to draw")
    panel = Panel(LEFT, TOP, PLOT, HEIGHT, float(edges[0]), float(edges[-1]), log_odds=log_odds)
    panel = with_room_for(panel, positives, negatives)
    tags, rows = _tags(panel, [at for _, at in thresholds])
    panel = replace(panel, top=TOP + TAG_ROW * rows)
    along = [at for at in LOG_ODDS_TICKS if edges[0] <= at <= edges[-1]] if log_odds else ticks(edges[0], edges[-1])
    heights = ticks(panel.y_from, panel.y_to, 8)
    percentages = [tick_text(round(abs(share) * 100, 6)) for share in heights]
    entries = class_entries(positives, negatives, (", upward", ", downward"))
    entries += [Entry(line, _letter(at)) for at, line in enumerate(words)]
    return figure(
        [
            axes(panel, along, heights, y_label=y_label, y_texts=percentages),
            x_axis_name(panel, x_label),
            mirrored(panel, edges, positives, negatives),
            *(_threshold_line(panel, *tag) for tag in tags),
        ],
        entries,
        panel.bottom,
        title=title,
        description="Predicted probabilities of positives, upward, and of negatives, downward, each in shares of its "
        f"class: {positives.sum():,.0f} positives, {negatives.sum():,.0f} negatives. " + "; ".join(words),
    )


def with_room_for(panel: Panel, positives: np.ndarray, negatives: np.ndarray) -> Panel:
    """The panel with one scale for the shares of both classes, 0 where both fit best."""
    up, down = (1.08 * max(_shares(counts), default=0.0) for counts in (positives, negatives))
    up, down = max(up, LEAST_SIDE * down), max(down, LEAST_SIDE * up)
    return replace(panel, y_from=-down, y_to=up)


def mirrored(panel: Panel, edges: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> str:
    """Bars of the positives up from 0 and of the negatives down, and the line between them."""
    at, zero = panel.x(edges), float(panel.y(0))
    groups = []
    for counts, colour, side in ((positives, POSITIVE, 1), (negatives, NEGATIVE, -1)):
        bars = []
        for left, right, share in zip(at[:-1], at[1:], _shares(counts), strict=False):
            end = float(panel.y(side * share))
            if share:
                box = {"x": float(left), "y": min(zero, end), "width": max(float(right - left) - 0.6, 0.6)}
                bars.append(element("rect", **box, height=abs(end - zero), class_="share"))
        groups.append(element("g", *bars, class_=colour) if bars else "")
    return "".join(groups) + element("path", class_="frame", d=f"M{number(panel.left)} {number(zero)}h{panel.width:g}")


def class_entries(positives: np.ndarray, negatives: np.ndarray, sides: Sequence[str] = ("", "")) -> list[Entry]:
    entries = []
    for name, counts, side, colour in zip(
        ("Positives", "Negatives"), (positives, negatives), sides, (POSITIVE, NEGATIVE), strict=True
    ):
        swatch = element("g", element("rect", x=0, y=-9, width=24, height=10, class_="share"), class_=colour)
        size = f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{counts.sum():,.0f}"
        entries.append(Entry(f"{name}{side} ({size}), share of the class per bin", swatch))
    return entries


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum() if counts.sum() else counts


def _tags(panel: Panel, thresholds: Sequence[float | None]) -> tuple[list[tuple[int, float, float]], int]:
    """(place in `thresholds`, x, y) of those inside the axis, in as few rows above the panel as keep letters apart."""
    inside = [
        (float(panel.x(at)), place)
        for place, at in enumerate(thresholds)
        if at is not None and panel.x_from <= at <= panel.x_to
    ]
    tags, taken_to = [], []
    for x, place in sorted(inside):
        row = next((row for row, end in enumerate(taken_to) if x - end >= TAG_WIDTH), len(taken_to))
        taken_to[row : row + 1] = [x]
        tags.append((place, x, TOP + TAG_ROW * row))
    return tags, len(taken_to)


def _threshold_line(panel: Panel, place: int, x: float, y: float) -> str:
    line = element("path", class_="threshold", d=f"M{number(x)} {number(y + 8)}V{number(panel.bottom)}")
    return element("g", line, _letter(place, x, y), class_="tagged")


def _letter(place: int, x: float = 12, y: float = -4) -> str:
    letter = ascii_uppercase[place] if place < len(ascii_uppercase) else str(place + 1)
    circle = element("circle", cx=float(x), cy=float(y), r=8, class_="tag")
    return circle + text(letter, x, y + 4, text_anchor="middle", class_="small")
