"""Forest plot as inline SVG: values with their intervals, one row each, for patterns, model differences, subgroups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twelvelead.report.plot_frame import LETTER, STRONG_LETTER, Panel, minus, named, tick_text, ticks, x_axis_name
from twelvelead.report.svg import drawing, element, number, text

SUPPRESSED = "suppressed (n < 10)"
NOT_EVALUABLE = "not evaluable"

WIDTH, ROW, HEAD, GAP, LEFT, INDENT = 860.0, 21.0, 30.0, 16.0, 4.0, 12.0
LONGEST_LABEL = 44
LEAST_PLOT = 240.0


@dataclass(frozen=True)
class ForestRow:
    """A row. Without a value its `note` is written instead; without low or high there is no interval.

    n_text   such as "152 / 2,203"
    note     why there is no value, such as SUPPRESSED
    group    rows in sequence with the same one stand under it as their heading
    """

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_text: str = ""
    note: str = NOT_EVALUABLE
    group: str = ""


@dataclass(frozen=True)
class _Columns:
    """Where the columns stand after the labels: counts up to n_x, values from value_x on, all within width."""

    n_x: float
    plot_left: float
    plot_right: float
    value_x: float
    width: float


def forest_plot(
    *,
    title: str,
    rows: Sequence[ForestRow],
    measure: str = "AUROC",
    reference: float | None = None,
    axis_from: float | None = None,
    axis_to: float | None = None,
    label_heading: str = "",
    n_heading: str = "Positive / n",
    level: float = 0.95,
    decimals: int = 3,
) -> str:
    """SVG of the rows in their order: label, n, interval, and the same in figures; a dashed line at `reference`.

    axis_from, axis_to  default to what shows every interval; one that goes beyond them ends in an arrow head
    With a reference of 0 the values are differences and are written with their sign.
    """
    rows = [_without_nan(row) for row in rows]
    written = [_written(row, decimals, signed=reference == 0) for row in rows]
    headings = label_heading, n_heading, f"{measure} ({number(100 * level)} % CI)"
    columns = _columns(rows, written, headings)
    tops = _tops(rows)
    low, high = _axis(rows, reference, axis_from, axis_to)
    height = (tops[-1] + ROW if rows else HEAD + ROW) + 4 - HEAD
    panel = Panel(columns.plot_left, HEAD, columns.plot_right - columns.plot_left, height, low, high)
    drawn = [
        _group_heading(row, top)
        for at, (row, top) in enumerate(zip(rows, tops, strict=True))
        if _starts_group(rows, at)
    ]
    drawn += [_row(panel, columns, row, top, words) for row, top, words in zip(rows, tops, written, strict=True)]
    return drawing(
        _frame(panel, reference),
        _headings(columns, headings),
        *(drawn or [text("No rows", LEFT, HEAD + 15, class_="quiet")]),
        x_axis_name(panel, measure),
        view_box=(0, 0, columns.width, panel.bottom + 46),
        title=title,
        description=f"Forest plot of {measure}"
        + (f", dashed line at {tick_text(reference)}. " if reference is not None else ". ")
        + "; ".join(_in_words(row, words) for row, words in zip(rows, written, strict=True)),
        class_="figure wide",
    )


def _without_nan(row: ForestRow) -> ForestRow:
    value, low, high = (
        None if each is None or not np.isfinite(each) else float(each) for each in (row.value, row.low, row.high)
    )
    return replace(row, value=value, low=low, high=high)


def _written(row: ForestRow, decimals: int, signed: bool) -> str:
    if row.value is None:
        return row.note
    value, low, high = (
        None if each is None else minus(f"{each:{'+' if signed else ''}.{decimals}f}")
        for each in (row.value, row.low, row.high)
    )
    return value if low is None or high is None else f"{value} ({low} to {high})"


def _columns(rows: Sequence[ForestRow], written: Sequence[str], headings: tuple[str, str, str]) -> _Columns:
    """Columns as wide as their longest text; the plot has the rest of WIDTH, and never less than LEAST_PLOT."""
    labels = max(_label_x(row) + LETTER * len(_shortened(row.label)) for row in rows) if rows else 0.0
    names = max(labels, LEFT + STRONG_LETTER * max(map(len, (headings[0], *(_shortened(row.group) for row in rows)))))
    n_x = names + GAP + _width(headings[1], (row.n_text for row in rows))
    values = _width(headings[2], written)
    plot_left = n_x + GAP
    plot_right = max(plot_left + LEAST_PLOT, WIDTH - values - GAP)
    return _Columns(n_x, plot_left, plot_right, plot_right + GAP, plot_right + GAP + values)


def _width(heading: str, texts: Iterable[str]) -> float:
    return max(STRONG_LETTER * len(heading), *(LETTER * len(one) for one in texts), 0.0)


def _label_x(row: ForestRow) -> float:
    return LEFT + (INDENT if row.group else 0)


def _shortened(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _tops(rows: Sequence[ForestRow]) -> list[float]:
    """The upper edge of each row; the first of a group leaves a row for the heading."""
    tops, y = [], HEAD + 2
    for at in range(len(rows)):
        y += ROW if _starts_group(rows, at) else 0
        tops.append(y)
        y += ROW
    return tops


def _starts_group(rows: Sequence[ForestRow], at: int) -> bool:
    return bool(rows[at].group) and (at == 0 or rows[at - 1].group != rows[at].group)


def _axis(
    rows: Sequence[ForestRow], reference: float | None, axis_from: float | None, axis_to: float | None
) -> tuple[float, float]:
    shown = [each for row in rows if row.value is not None for each in (row.value, row.low, row.high)]
    shown = [each for each in (*shown, reference) if each is not None] or [0.0, 1.0]
    low, high = min(shown), max(shown)
    margin = 0.04 * (high - low) or 0.05
    # AUROCs and other proportions end at 1, where a margin would promise more.
    within = low >= 0 and high <= 1
    low = max(low - margin, 0.0) if within else low - margin
    high = min(high + margin, 1.0) if within else high + margin
    return low if axis_from is None else axis_from, high if axis_to is None else axis_to


def _frame(panel: Panel, reference: float | None) -> str:
    grid, words = [], []
    for value in ticks(panel.x_from, panel.x_to):
        x = float(panel.x(value))
        grid.append(f"M{number(x)} {number(panel.top)}v{number(panel.height)}")
        words.append(text(tick_text(value), x, panel.bottom + 17, text_anchor="middle"))
    line = ""
    if reference is not None and panel.x_from <= reference <= panel.x_to:
        d = f"M{number(panel.x(reference))} {number(panel.top)}v{number(panel.height)}"
        line = element("path", class_="reference", d=d)
    base = f"M{number(panel.left)} {number(panel.bottom)}h{number(panel.width)}"
    return (
        element("path", class_="grid", d="".join(grid))
        + element("path", class_="frame", d=base)
        + element("g", *words, class_="ticks")
        + line
    )


def _headings(columns: _Columns, headings: tuple[str, str, str]) -> str:
    y = HEAD - 12
    label, n, values = headings
    return element(
        "g",
        text(label, LEFT, y) if label else "",
        text(n, columns.n_x, y, text_anchor="end") if n else "",
        text(values, columns.value_x, y),
        class_="head",
    )


def _group_heading(row: ForestRow, top: float) -> str:
    return text(_shortened(row.group), LEFT, top - ROW / 2 + 4, class_="strong")


def _row(panel: Panel, columns: _Columns, row: ForestRow, top: float, words: str) -> str:
    y = top + ROW / 2
    return named(
        f"{row.label}: {words}",
        text(_shortened(row.label), _label_x(row), y + 4),
        text(row.n_text, columns.n_x, y + 4, text_anchor="end") if row.n_text else "",
        text(words, columns.value_x, y + 4),
        _mark(panel, row, y),
        class_="entry" if row.value is not None else "entry quiet",
    )


def _mark(panel: Panel, row: ForestRow, y: float) -> str:
    """The square at the value and its interval; an end outside the axis is an arrow head at the edge."""
    if row.value is None:
        return ""
    parts = []
    if row.low is not None and row.high is not None and row.low <= panel.x_to and row.high >= panel.x_from:
        left, right = (float(panel.x(min(max(end, panel.x_from), panel.x_to))) for end in (row.low, row.high))
        parts.append(element("path", class_="whisker", d=f"M{number(left)} {number(y)}H{number(right)}"))
        for outside, x, away in ((row.low < panel.x_from, left, -1), (row.high > panel.x_to, right, 1)):
            if outside:
                head = f"M{number(x)} {number(y)}l{-6 * away} -4v8z"
                parts.append(element("path", class_="dot", d=head))
            else:
                parts.append(element("path", class_="whisker", d=f"M{number(x)} {number(y - 4)}v8"))
    if panel.x_from <= row.value <= panel.x_to:
        x = float(panel.x(row.value))
        parts.append(element("rect", x=x - 4, y=y - 4, width=8, height=8, class_="dot"))
    return element("g", *parts, class_="colour-0") if parts else ""


def _in_words(row: ForestRow, words: str) -> str:
    size = f", {row.n_text}" if row.n_text else ""
    return f"{row.group + ', ' if row.group else ''}{row.label}: {words}{size}"
