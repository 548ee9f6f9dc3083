"""What the figures of an evaluation share: where values lie in a drawing, axes, lines, a legend.

Shapes carry classes and no colours: figures.css has those of a light and of a dark ground. Ids are not used: the page
holds many figures and an id may exist once.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from twelvelead.report.figures import COLOURS, WIDTH
from twelvelead.report.svg import drawing, element, number, printable, text

LINE_DASHES = (None, "9 3", "4 3", "2 2")
LEGEND_LINE = 17.0
SWATCH = 34.0
AXIS_NAMES = 56.0  # below a panel: tick labels, the axis name, room before the legend
# How wide a letter is taken to be, on average and in the drawing's unit, for no figure knows its reader's fonts: those
# of DejaVu Sans, which is wider than Helvetica, Segoe and Roboto, at 12 and, in a legend, at 11 units.
LETTER, STRONG_LETTER, LEGEND_LETTER = 6.5, 7.3, 5.9

Values = Sequence[float | None] | np.ndarray | None


@dataclass(frozen=True)
class Panel:
    """A plot's rectangle in the drawing, and the values at its edges. With `log_odds` x is spaced by its logit."""

    left: float
    top: float
    width: float
    height: float
    x_from: float = 0.0
    x_to: float = 1.0
    y_from: float = 0.0
    y_to: float = 1.0
    log_odds: bool = False

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def x(self, values: float | np.ndarray) -> np.ndarray:
        start, end = self._spaced(self.x_from), self._spaced(self.x_to)
        return self.left + (self._spaced(values) - start) / (end - start) * self.width

    def y(self, values: float | np.ndarray) -> np.ndarray:
        return self.bottom - (np.asarray(values, dtype=float) - self.y_from) / (self.y_to - self.y_from) * self.height

    def _spaced(self, values: float | np.ndarray) -> np.ndarray:
        values = np.asarray(values, dtype=float)
        if not self.log_odds:
            return values
        inside = np.clip(values, 1e-6, 1 - 1e-6)
        return np.log(inside / (1 - inside))


@dataclass(frozen=True)
class Entry:
    """A line of a legend: a swatch, drawn about the line from (0, -4) to (24, -4), and what it stands for."""

    words: str
    swatch: str = ""


def numbers(values: Values) -> np.ndarray:
    """`values` as float64, NaN for None; nothing at all is an empty array."""
    return np.asarray([] if values is None else values, dtype=np.float64)


def like(points: np.ndarray, values: Values) -> np.ndarray:
    """`values` as an array of as many as there are `points`; NaN where there are none at all."""
    return np.full(len(points), np.nan) if values is None else numbers(values)


def counted(values: Values) -> np.ndarray:
    """Counts as float64, 0 for None."""
    return np.nan_to_num(numbers(values))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Two to `most`, at least 6, round values from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(multiple * power for multiple in (1, 2, 5, 10) if multiple * power >= rough * (1 - 1e-9))
    return [float(at * step) for at in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)]


def tick_text(value: float) -> str:
    return minus(number(value, 6))


def minus(written: str) -> str:
    """A number as written by Python with a minus sign instead of the hyphen."""
    return written.replace("-", "\N{MINUS SIGN}")


def three_digits(value: float) -> str:
    """A probability with three significant digits: those of rare patterns are as small as 0.0002."""
    return f"{value:.3g}" if value >= 1e-4 or value == 0 else minus(f"{value:.1e}")


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def axes(
    panel: Panel,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    *,
    y_label: str = "",
    y_texts: Sequence[str] | None = None,
    x_texts: bool = True,
) -> str:
    """Grid, frame and ticks of a panel, and the name of its y axis; x_axis_name writes that of x."""
    grid, words = [], []
    for value in x_ticks:
        x = float(panel.x(value))
        grid.append(f"M{number(x)} {number(panel.top)}v{number(panel.height)}")
        if x_texts:
            words.append(text(tick_text(value), x, panel.bottom + 17, text_anchor="middle"))
    for value, spelt in zip(y_ticks, y_texts or [tick_text(value) for value in y_ticks], strict=True):
        y = float(panel.y(value))
        grid.append(f"M{number(panel.left)} {number(y)}h{number(panel.width)}")
        words.append(text(spelt, panel.left - 7, y + 4, text_anchor="end"))
    middle = number(panel.top + panel.height / 2)
    return (
        element("path", class_="grid", d="".join(grid))
        + element("rect", x=panel.left, y=panel.top, width=panel.width, height=panel.height, class_="frame")
        + element("g", *words, class_="ticks")
        + (text(y_label, 14, float(middle), text_anchor="middle", transform=f"rotate(-90 14 {middle})"))
    )


def x_axis_name(panel: Panel, label: str) -> str:
    return text(label, panel.left + panel.width / 2, panel.bottom + 37, text_anchor="middle")


def line_path(panel: Panel, x: np.ndarray, y: np.ndarray) -> str:
    """Straight lines through the points, with a gap where one is not finite."""
    steps, pen_down = [], False
    for at_x, at_y in zip(panel.x(x).tolist(), panel.y(y).tolist(), strict=True):
        if np.isfinite(at_x) and np.isfinite(at_y):
            steps.append(f"{'L' if pen_down else 'M'}{number(at_x)} {number(at_y)}")
            pen_down = True
        else:
            pen_down = False
    return "".join(steps)


def cut_below(x: np.ndarray, y: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """The line through the points where it is at `lowest` or above, ended where it crosses; NaN where it is below.

    A clipPath would need an id of its own in the page.
    """
    with np.errstate(invalid="ignore"):
        crossing = np.flatnonzero((y[:-1] < lowest) != (y[1:] < lowest))
    crossing = crossing[np.isfinite(y[crossing]) & np.isfinite(y[crossing + 1])]
    share = (lowest - y[crossing]) / (y[crossing + 1] - y[crossing])
    x = np.insert(x, crossing + 1, x[crossing] + share * (x[crossing + 1] - x[crossing]))
    y = np.insert(y, crossing + 1, lowest)
    return x, np.where(y < lowest, np.nan, y)


def hue(at: int) -> str:
    return f"colour-{at % len(COLOURS)}"


def dash(at: int) -> str | None:
    """The dashes of the line at place `at`, so that lines differ by more than their colour."""
    return LINE_DASHES[at % len(LINE_DASHES)]


def legend(entries: Sequence[Entry], top: float) -> tuple[str, float]:
    """The legend below a plot and its height; words too long for a line go on in the next."""
    parts, y = [], top
    for entry in entries:
        lines = wrapped(entry.words, WIDTH - 4 - SWATCH, LEGEND_LETTER)
        place = element("g", entry.swatch, transform=f"translate(4 {number(y)})") if entry.swatch else ""
        words = "".join(text(line, SWATCH, y + at * LEGEND_LINE) for at, line in enumerate(lines))
        parts.append(element("g", place, words, class_="entry"))
        y += LEGEND_LINE * len(lines)
    return element("g", *parts, class_="legend"), y - top


def wrapped(words: str, width: float, letter: float = LETTER) -> list[str]:
    """`words` in lines of at most about `width`."""
    return textwrap.wrap(words, max(8, int(width / letter))) or [""]


def figure(parts: Sequence[str], entries: Sequence[Entry], bottom: float, *, title: str, description: str) -> str:
    """A drawing as wide as the ROC curves: `parts`, whose last panel ends at `bottom`, and the legend below them."""
    words, height = legend(entries, bottom + AXIS_NAMES + 8)
    box = (0, 0, WIDTH, bottom + (AXIS_NAMES + height if entries else AXIS_NAMES - 10))
    return drawing(*parts, words, view_box=box, title=title, description=description, class_="figure")


def empty_figure(panel: Panel, x_label: str, y_label: str, *, title: str, reason: str) -> str:
    """A figure of a panel with nothing in it but the reason."""
    parts = [axes(panel, [], [], y_label=y_label), x_axis_name(panel, x_label), _note(panel, reason)]
    return figure(parts, [], panel.bottom, title=title, description=reason)


def named(name: str, *children: str, class_: str) -> str:
    """A group that shows `name` while the pointer is over it."""
    return element("g", element("title", escape(printable(name))), *children, class_=class_)


def line_swatch(class_: str, hue_class: str | None = None, dashes: str | None = None) -> str:
    line = element("path", d="M0 -4h24", class_=class_, stroke_dasharray=dashes)
    return element("g", line, class_=hue_class) if hue_class else line


def _note(panel: Panel, words: str) -> str:
    lines = wrapped(words, panel.width - 24)
    middle = panel.left + panel.width / 2
    top = panel.top + panel.height / 2 - (len(lines) - 1) * 8 + 4
    written = (text(line, middle, top + 16 * at, text_anchor="middle") for at, line in enumerate(lines))
    return element("g", *written, class_="empty")
