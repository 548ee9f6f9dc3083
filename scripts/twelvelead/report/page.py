"""A batch as one HTML page: no network, one script of its own, no dates, the same bytes for the same content."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup

from twelvelead.report.content import CellCounts, Estimate, PageContent
from twelvelead.report.figure_file import stylesheet
from twelvelead.report.label_classes import CLASS_MEASURES
from twelvelead.report.label_rows import FEW, FEW_WORDS, is_few
from twelvelead.report.plot_frame import minus, three_digits
from twelvelead.report.reporting_guideline import guideline_items
from twelvelead.report.statuses import SIGNAL_STATUSES, TRUTH_STATUSES
from twelvelead.report.templates import FOLDER, template
from twelvelead.report.viewer import viewer_css, viewer_html, viewer_js
from twelvelead.table import NOT_SELECTED

MOST_PROBLEMS = 50
MOST_STATEMENTS = 50
# A forest plot with more rows than this is folded.
ROWS_AT_SIGHT = 16


@dataclass(frozen=True)
class _StatusTable:
    """Tasks by status; only statuses that occur, in the order of recordings.csv."""

    caption: str
    statuses: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[int, ...], int], ...]

    @staticmethod
    def sum_of(counts: tuple[int, ...]) -> str:
        return " + ".join(f"{count:,}" for count in counts if count) or "0"


def render_page(content: PageContent) -> str:
    """The report as HTML. Whatever the user supplied (names, messages, diagnosis texts) is escaped."""
    identifier = _identifiers()
    return template("page.html.j2", FILTERS).render(
        content=content,
        style=Markup(_style()),
        script=Markup(_script()),
        policy=_policy(),
        task_ids=[identifier(section.task) for section in content.tasks],
        signal=_status_table("Signal", content.cells, SIGNAL_STATUSES, lambda cells: cells.signal),
        truth=_status_table("Truth", content.cells, TRUTH_STATUSES, lambda cells: cells.truth),
        cells=sum(cells.cells for cells in content.cells),
        selected=sum(cells.cells - cells.signal.get(NOT_SELECTED, 0) for cells in content.cells),
        usable=sum(cells.signal.get("ok", 0) for cells in content.cells),
        with_truth=sum(cells.truth.get("ok", 0) for cells in content.cells),
        models=sorted({model.model for section in content.tasks for model in section.evaluated}),
        viewer=Markup(viewer_html(content.ecgs, content.ecg_groups)) if content.ecgs else "",
        guideline=guideline_items(),
        has_subgroups=any(model.subgroups for section in content.tasks for model in section.evaluated),
        class_measures=tuple(CLASS_MEASURES.values()),
        is_few=is_few,
        few=FEW,
        few_words=FEW_WORDS,
        rows_at_sight=ROWS_AT_SIGHT,
        most_problems=MOST_PROBLEMS,
        most_statements=MOST_STATEMENTS,
        svg=lambda figure: Markup(figure.svg),
    )  # fmt: skip


@cache
def _style() -> str:
    return "\n".join([(FOLDER / "style.css").read_text(encoding="utf-8"), stylesheet(), viewer_css()])


@cache
def _script() -> str:
    tables = (FOLDER / "tables.js").read_text(encoding="utf-8")
    return f'(() => {{\n"use strict";\n{tables}}})();\n{viewer_js()}'


def _policy() -> str:
    """What a browser may do with the page: run this very script, and ask nothing of the network."""
    digest = base64.b64encode(hashlib.sha256(_script().encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; base-uri 'none'"
    )


def _score(value: float | None, sign: str = "") -> str:
    return "–" if value is None else minus(f"{value:{sign}.3f}")


def _interval(one: Estimate, kind: str) -> str:
    """Of a "proportion" without leading zeros, as tables of the field have them: sixteen columns must fit a screen."""
    ends = one.low, one.high
    if kind == "proportion":
        return "–".join(f"{end:.3f}".removeprefix("0") for end in ends)
    return " to ".join(_score(end, "+") if kind == "difference" else minus(f"{end:.2f}") for end in ends)


def _p_value(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


FILTERS = {
    "halves": lambda value: f"{value:,.10g}",
    "share": lambda part, whole: f"{100 * part / whole:.1f} %" if whole else "–",
    "score": _score,
    "signed": lambda value: _score(value, "+"),
    "cut_off": lambda value: "–" if value is None else three_digits(value),
    "interval": _interval,
    "p_value": _p_value,
    "plain": lambda value: "–" if value is None else minus(f"{value:.4g}"),
}


def _status_table(
    caption: str, cells: Iterable[CellCounts], known: dict[str, str], counts_of: Callable[[CellCounts], dict[str, int]]
) -> _StatusTable:
    cells = tuple(cells)
    occurring = {status for one in cells for status, count in counts_of(one).items() if count}
    statuses = [status for status in known if status in occurring] + sorted(occurring - set(known))
    return _StatusTable(
        caption,
        tuple((status, known.get(status, "")) for status in statuses),
        tuple((one.task, tuple(counts_of(one).get(status, 0) for status in statuses), one.cells) for one in cells),
    )


def _identifiers() -> Callable[[str], str]:
    """A function from a name to an anchor of its own on this page."""
    given: set[str] = set()

    def identifier(name: str) -> str:
        base = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name).strip("-") or "part"
        candidate, number = f"task-{base}", 2
        while candidate in given:
            candidate, number = f"task-{base}-{number}", number + 1
        given.add(candidate)
        return candidate

    return identifier
