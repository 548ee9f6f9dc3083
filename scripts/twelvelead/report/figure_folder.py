"""The figures of a model on a task as SVG files: a folder per label, and one for figures of several labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from twelvelead.assembly import matrices, targets_of
from twelvelead.atomic import write_text
from twelvelead.report.figure_file import standalone
from twelvelead.report.label_figures import figures_of_labels, labels_to_draw, overview_figures
from twelvelead.report.label_rows import label_rows

SEVERAL = "labels"


def write_figures(
    folder: str,
    evaluation: Mapping,
    scored: pd.DataFrame,
    categories: Mapping[str, Sequence[str]],
    title: str,
    most_labels: int,
) -> int:
    """Writes <folder>/<label>/<figure>.svg, `labels` in place of a label where a figure is of several; how many."""
    targets = targets_of(scored)
    is_pseudo_label = evaluation["kind"] == "patterns"
    rows = label_rows(evaluation, categories if is_pseudo_label else {}, title)
    drawn = labels_to_draw(evaluation, most_labels)
    overview = overview_figures(evaluation, rows, *matrices(scored, targets), targets, title)
    of_labels = figures_of_labels(evaluation, drawn, title, is_pseudo_label)
    folder_of = _folder_names()
    by_folder = [(folder_of(SEVERAL), overview), *((folder_of(one.label), one.figures) for one in of_labels)]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, figures in by_folder:
        for figure in figures:
            path = Path(folder, name, f"{figure.kind}.svg")
            path.parent.mkdir(exist_ok=True)
            write_text(path, standalone(figure.svg))
    return sum(len(figures) for _, figures in by_folder)


def folders_with_figures(folders: Iterable[str]) -> list[str]:
    """Of a batch's figure folders those that are not empty, relative to the batch: "<task>/<model>/figures/"."""
    return ["/".join(Path(folder).parts[-3:]) + "/" for folder in folders if any(Path(folder).iterdir())]


def _folder_names() -> Callable[[str], str]:
    """A function from a label to a name of its own that any file system takes."""
    given: set[str] = set()

    def name_of(label: str) -> str:
        words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in label).split()
        base = "-".join(words)[:80] or "label"
        name, number = base, 2
        while name.lower() in given:  # some file systems do not tell A from a
            name, number = f"{base}-{number}", number + 1
        given.add(name.lower())
        return name

    return name_of
