"""A batch as one HTML page: no network, no script, no dates, the same bytes for the same content."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePosixPath

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from twelvelead.report import ecg_paper
from twelvelead.report.content import CellCounts, EcgDrawing, EvaluatedModel, FileProblem, MetricRow, PageContent
from twelvelead.report.figures import precision_recall_figure, roc_figure
from twelvelead.report.svg import printable

MOST_PROBLEMS = 50
MOST_STATEMENTS = 50
# The order and words of recordings.csv.
SIGNAL_STATUSES = {
    "ok": "read and usable",
    "missing": "the file is not there",
    "unreadable": "the file is broken",
    "unsupported": "no reader for this content",
    "too_short": "shorter than a model needs",
    "lead_missing": "a lead is absent and cannot be derived",
    "not_finite": "the signal holds NaN or infinity",
    "flat": "every lead is constant",
    "duplicate": "the same ECG as an earlier row",
    "refused": "the settings do not allow it",
}
TRUTH_STATUSES = {
    "ok": "has its truth",
    "missing": "no truth: predictions only",
    "conflicting": "rows disagree about it",
    "invalid": "the truth is no value the task knows",
}


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
    content = _without_file_names(content) if content.hide_file_names else content
    identifier = _identifiers()
    evaluated = [(section, model) for section in content.tasks for model in section.evaluated]
    return _environment().get_template("page.html.j2").render(
        content=content,
        style=Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8")),
        task_ids=[identifier(section.task) for section in content.tasks],
        signal=_status_table("Signal", content.cells, SIGNAL_STATUSES, lambda cells: cells.signal),
        truth=_status_table("Truth", content.cells, TRUTH_STATUSES, lambda cells: cells.truth),
        cells=sum(cells.cells for cells in content.cells),
        usable=sum(cells.signal.get("ok", 0) for cells in content.cells),
        with_truth=sum(cells.truth.get("ok", 0) for cells in content.cells),
        models=sorted({model.model for _, model in evaluated}),
        most_problems=MOST_PROBLEMS,
        most_statements=MOST_STATEMENTS,
        groups=_groups,
        why_empty=_why_empty,
        figures=_figures,
        paper=_paper,
    )  # fmt: skip


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {
        "count": _count,
        "share": _share,
        "score": _score,
        "cut_off": _cut_off,
        "percent": _percent,
        "capitalised": _capitalised,
    }
    return environment


def _count(value: int) -> str:
    return f"{value:,}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _cut_off(value: float | None) -> str:
    """Three significant digits: cut-offs of rare patterns are as small as 0.0002."""
    if value is None:
        return "–"
    return f"{value:#.3g}" if value >= 1e-4 or value == 0 else f"{value:.1e}"


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


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


@dataclass(frozen=True)
class _Group:
    """A category's patterns: with at least one metric, with none, and, by reason, those no ECG could count for."""

    category: str
    evaluated: list[MetricRow]
    undefined: list[MetricRow]
    left_out: dict[str, list[str]]


def _groups(model: EvaluatedModel) -> list[_Group]:
    groups = []
    for category, members in groupby(model.rows, key=lambda row: row.category):
        group = _Group(category, [], [], {})
        for row in members:
            if _has_any(row):
                group.evaluated.append(row)
            elif row.n:
                group.undefined.append(row)
            else:
                group.left_out.setdefault(_why_empty(row), []).append(row.name)
        groups.append(group)
    return groups


def _has_any(row: MetricRow) -> bool:
    return row.auroc is not None or row.auprc is not None


def _why_empty(row: object) -> str:
    """The reasons of a row's empty cells, each once."""
    return "; ".join(dict.fromkeys(row.reasons.values()))


def _figures(model: EvaluatedModel, task_title: str) -> list[Markup]:
    if not model.curves:
        return []
    return [
        Markup(roc_figure(model.curves, f"ROC: {task_title}, {model.model}")),
        Markup(precision_recall_figure(model.curves, f"Precision-recall: {task_title}, {model.model}")),
    ]


def _paper(ecg: EcgDrawing) -> Markup:
    return Markup(ecg_paper.draw(ecg.signal_mv, ecg.sampling_rate_hz, title=f"ECG {ecg.ecg_id}"))


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


def _without_file_names(content: PageContent) -> PageContent:
    return replace(
        content,
        problems=tuple(_nameless(problem) for problem in content.problems),
        ecgs=tuple(
            replace(ecg, ecg_id=f"row {ecg.row}", caption=ecg.caption.replace(ecg.ecg_id, f"row {ecg.row}"))
            for ecg in content.ecgs
        ),
    )


def _nameless(problem: FileProblem) -> FileProblem:
    alias = f"row {problem.row}"
    path = PurePosixPath(problem.file)
    identifier = str(path.with_suffix("")).replace("/", "__") if path.name else ""
    message = problem.message
    for name in (problem.file, path.name, identifier, path.stem):
        if name:
            message = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w|\.\d)", alias, message)
    return replace(problem, file=alias, message=message)
