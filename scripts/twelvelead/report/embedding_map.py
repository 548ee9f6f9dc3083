"""A model's embeddings as one HTML page: recordings on their first two principal components, a panel per label.

Like the report's page it asks nothing of a network and holds no dates; it has no script, and no names of files or ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from markupsafe import Markup

from twelvelead.assembly import targets_of, truth_column
from twelvelead.embeddings import MapSummary
from twelvelead.report.figure_file import stylesheet
from twelvelead.report.label_rows import shown
from twelvelead.report.plot_frame import Panel, axes, minus, ticks, x_axis_name
from twelvelead.report.probability_figure import POSITIVE
from twelvelead.report.svg import drawing, element
from twelvelead.report.templates import FOLDER, template
from twelvelead.scoring import TRUTH_OF_KIND

MOST_POINTS = 4000  # of a panel
MOST_POINTS_OF_PAGE = 80_000  # about 13 bytes each: the page stays below 2 MB
WIDTH, LEFT, TOP, RIGHT, BELOW = 340.0, 56.0, 8.0, 10.0, 44.0
FLATTEST, TALLEST = 0.5, 1.1  # height of a plot by its width
MARGIN = 0.04  # of an axis, beyond the outermost points
FEW_POINTS = 500  # up to so many are drawn larger
AXES = ["pc1", "pc2"]
SUPERSCRIPT = str.maketrans("-0123456789", "\N{SUPERSCRIPT MINUS}⁰¹²³⁴⁵⁶⁷⁸⁹")
# Words and styles of the classes of points. Those that are drawn later lie on top.
UNKNOWN, WITHOUT, WITH = ("truth unknown", "unknown"), ("without", "without"), ("with the label", f"with {POSITIVE}")
ALL = ("recordings", "without")


@dataclass(frozen=True)
class TaskTruth:
    """A task that the model answers.

    truth   what its truth is, in words; scored: the table made for scoring; labels: the targets that may have panels
    """

    title: str
    truth: str
    scored: pd.DataFrame
    labels: Sequence[str]


@dataclass(frozen=True)
class PointClass:
    """Recordings that a panel draws alike."""

    words: str
    style: str
    n: int
    drawn: int


@dataclass(frozen=True)
class MapPanel:
    name: str
    n: int
    classes: tuple[PointClass, ...]
    svg: Markup


@dataclass(frozen=True)
class TaskMaps:
    """The panels of a task; with_positives: how many of its labels a recording of the map has."""

    title: str
    truth: str
    with_positives: int
    panels: tuple[MapPanel, ...]

    @property
    def has_colours(self) -> bool:
        return any(one.style == WITH[1] for panel in self.panels for one in panel.classes)


@dataclass(frozen=True)
class Paper:
    """What the panels of a page share: the axes with their names, and how many points a panel may have."""

    panel: Panel
    names: tuple[str, str]
    most_points: int


def read_task(scored: str | Path, task: Mapping) -> TaskTruth:
    """A task as the registry has it, with its table made for scoring; targets that are no label of it have no panel."""
    names = pq.read_schema(scored).names
    truths = [name for name in names if name.startswith(truth_column(""))]
    table = pq.read_table(scored, columns=["ecg_id", *truths]).to_pandas()
    labels = task["labels"] if task["kind"] == "multilabel" else targets_of(table)
    return TaskTruth(task.get("title", Path(scored).parent.name), TRUTH_OF_KIND[task["kind"]], table, labels)


def render_map(
    batch: str, model: str, points: pd.DataFrame, summary: MapSummary, tasks: Sequence[TaskTruth], most_labels: int
) -> str:
    """The page. points and summary are those of embeddings.read_map, model is its title.

    The `most_labels` labels of a task with the most positives have panels; a panel draws at most MOST_POINTS
    recordings, see drawn_sample. A task without positives has one panel without colours.
    """
    maps = [] if summary.reason else _maps(points.dropna(subset=AXES), summary, tasks, most_labels)
    classes = [one for task in maps for panel in task.panels for one in panel.classes]
    return template("embedding_map.html.j2").render(
        batch=batch,
        model=model,
        summary=summary,
        tasks=maps,
        variance=100 * sum(summary.explained_variance_ratio),
        is_thinned=any(one.drawn < one.n for one in classes),
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8") + stylesheet()),
    )  # fmt: skip


def _maps(
    points: pd.DataFrame, summary: MapSummary, tasks: Sequence[TaskTruth], most_labels: int
) -> tuple[TaskMaps, ...]:
    exponent = _exponent(points)
    points = points.assign(**{axis: points[axis] / 10.0**exponent for axis in AXES})
    # An inner join keeps the order of the map, by which points are drawn.
    rows = [points.merge(task.scored, on="ecg_id", validate="one_to_one") for task in tasks]
    labels = [_labels_by_positives(*pair) for pair in zip(rows, tasks, strict=True)]
    panels = sum(max(1, len(of_task[:most_labels])) for of_task in labels)
    unit = f" in 10{str(exponent).translate(SUPERSCRIPT)}" if exponent else ""
    ratios = summary.explained_variance_ratio
    names = (f"PC {at}{unit} ({100 * ratio:.1f} % of variance)" for at, ratio in enumerate(ratios, 1))
    frame = map_frame(points[AXES].to_numpy())
    paper = Paper(frame, tuple(names), min(MOST_POINTS, MOST_POINTS_OF_PAGE // max(panels, 1)))
    return tuple(
        TaskMaps(task.title, task.truth, len(found), _panels(its_rows, found[:most_labels], task.title, paper))
        for task, its_rows, found in zip(tasks, rows, labels, strict=True)
    )


def _exponent(points: pd.DataFrame) -> int:
    """The power of ten, a multiple of 3, in which the coordinates have one to three digits: ticks must be short."""
    return 3 * int(np.floor(np.log10(points[AXES].abs().to_numpy().max()) / 3))


def _labels_by_positives(rows: pd.DataFrame, task: TaskTruth) -> list[str]:
    """The labels that a recording of `rows` has, most positives first."""
    positives = {label: int((rows[truth_column(label)] == 1).sum()) for label in task.labels}
    return sorted((label for label in task.labels if positives[label]), key=lambda label: -positives[label])


def _panels(rows: pd.DataFrame, labels: Sequence[str], title: str, paper: Paper) -> tuple[MapPanel, ...]:
    at = rows[AXES].to_numpy()
    if not labels:
        return (_panel(title, at, {ALL: np.arange(len(at))}, paper),)
    panels = []
    for label in labels:
        truth = rows[truth_column(label)].to_numpy()
        members = {UNKNOWN: np.isnan(truth), WITHOUT: truth == 0, WITH: truth == 1}
        panels.append(
            _panel(shown(label, title), at, {key: np.flatnonzero(are) for key, are in members.items()}, paper)
        )
    return tuple(panels)


def drawn_sample(sizes: dict[tuple[str, str], int], limit: int) -> dict[tuple[str, str], int]:
    """How many recordings of each class to draw, `limit` at most in all; of a class, its first ones are drawn.

    Those with the label get up to half of the places, or a rare label would not be seen; the others share what is left
    in proportion. The map's order is that of a hash, so that the first ones are a sample of their class.
    """
    with_label = sizes.get(WITH, 0)
    others = sum(sizes.values()) - with_label
    n_with = min(with_label, max(limit // 2, limit - others))
    share = min(1.0, (limit - n_with) / others) if others else 0.0
    return {key: n_with if key == WITH else int(size * share) for key, size in sizes.items()}


def _panel(name: str, at: np.ndarray, members: dict[tuple[str, str], np.ndarray], paper: Paper) -> MapPanel:
    """A panel of points at (n, 2); members: positions of those of each class, from the lowest layer up."""
    drawn = drawn_sample({key: len(which) for key, which in members.items()}, paper.most_points)
    classes, dots, places = [], [], []
    for (words, style), which in members.items():
        n_drawn = drawn[words, style]
        classes.append(PointClass(words, style, len(which), n_drawn))
        if len(which):
            dots.append(element("path", class_=f"points {style}", d=dots_path(paper.panel, at[which[:n_drawn]])))
            pc1, pc2 = (minus(f"{value:.3g}") for value in np.median(at[which], axis=0))
            places.append(f"{len(which):,} {words}, median at {pc1} and {pc2}")
    panel = paper.panel
    svg = drawing(
        axes(panel, ticks(panel.x_from, panel.x_to), ticks(panel.y_from, panel.y_to), y_label=paper.names[1]),
        x_axis_name(panel, paper.names[0]),
        *dots,
        view_box=(0, 0, WIDTH, panel.bottom + BELOW),
        title=name,
        description=f"Recordings by {paper.names[0]} and {paper.names[1]}: {'; '.join(places) or 'none'}.",
        class_="figure map few" if sum(drawn.values()) <= FEW_POINTS else "figure map",
    )
    return MapPanel(name, len(at), tuple(one for one in reversed(classes) if one.n), Markup(svg))


def map_frame(at: np.ndarray) -> Panel:
    """The axes of a map of points (n, 2): a unit is as long on both, so that distances are what they look."""
    low, high = at.min(axis=0), at.max(axis=0)
    width, height = (high - low) * (1 + 2 * MARGIN)
    width, height = max(width, height / TALLEST), max(height, width * FLATTEST)
    middle, half = (low + high) / 2, np.array([width, height]) / 2
    (x_from, y_from), (x_to, y_to) = (middle - half).tolist(), (middle + half).tolist()
    plot = WIDTH - LEFT - RIGHT
    return Panel(LEFT, TOP, plot, plot * height / width, x_from, x_to, y_from, y_to)


def dots_path(panel: Panel, at: np.ndarray) -> str:
    """A path whose every part is a point, for a line with round ends; points within a tenth of a unit are one."""
    tenths = np.stack([panel.x(at[:, 0]), panel.y(at[:, 1])], axis=1) * 10
    places = np.unique(np.rint(tenths).astype(int), axis=0) / 10
    return "".join(f"M{x:g} {y:g}h0" for x, y in places.tolist())
