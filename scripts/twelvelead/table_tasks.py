"""Which tasks the columns of the user's table can answer, and the mistakes in their names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from twelvelead.config import did_you_mean
from twelvelead.errors import TableError
from twelvelead.multilabel_truth import truth_columns
from twelvelead.table_columns import shown_header


def tasks_of(table: pd.DataFrame, tasks: Mapping[str, Mapping], wanted: str | list[str], path: Path | str) -> list[str]:
    """Names of the tasks to run: those whose file column the table has, or the `wanted` ones.

    Left to `auto`, a task with `auto: false` does not run, and of multilabel tasks that share a file column those run
    whose truth the table has, or the first of them where it has none of them.
    Raises TableError for a truth column without its file column or spelt in other case, a wanted task whose file
    column is absent, and a table that has no file column at all.
    """
    columns = list(map(str, table.columns))
    of_one_column = {name: task for name, task in tasks.items() if task["kind"] != "multilabel"}
    for task in of_one_column.values():
        _check_file_column(task, tasks, columns, path)
    _check_spelling(of_one_column.values(), columns, path)
    if wanted == "auto":
        names = _automatic(tasks, columns, path)
    else:
        names = list(wanted)
        for name in names:
            if (file := tasks[name]["file_column"]) not in columns:
                raise TableError(f"{path}: task `{name}` needs column `{file}`{did_you_mean(file, columns)}")
    multilabel = [tasks[name] for name in names if tasks[name]["kind"] == "multilabel"]
    _check_spelling(multilabel, columns, path)
    return names


def _automatic(tasks: Mapping[str, Mapping], columns: list[str], path: Path | str) -> list[str]:
    candidates = {name: task for name, task in tasks.items() if task.get("auto", True)}
    multilabel = {name: task for name, task in candidates.items() if task["kind"] == "multilabel"}
    for name, task in multilabel.items():
        _check_label_columns(name, task, tasks, columns, path)
    present = {name for name, task in candidates.items() if task["file_column"] in columns}
    if not present:
        files = ", ".join(dict.fromkeys(f"`{task['file_column']}`" for task in candidates.values()))
        raise TableError(f"{path}: no column names ECG files; expected one of {files}; found {shown_header(columns)}")
    for file in dict.fromkeys(task["file_column"] for task in multilabel.values() if task["file_column"] in columns):
        sharing = [name for name, task in multilabel.items() if task["file_column"] == file]
        with_truth = [name for name in sharing if not set(columns).isdisjoint(truth_columns(tasks[name]))]
        if not with_truth:
            # Before predictions alone are made: perhaps the truth of one of them is there under another spelling.
            _check_spelling([tasks[name] for name in sharing], columns, path)
        present -= set(sharing) - set(with_truth or sharing[:1])
    return [name for name in candidates if name in present]


def _check_file_column(task: Mapping, tasks: Mapping[str, Mapping], columns: Iterable[str], path: Path | str) -> None:
    truth, file = task["truth_column"], task["file_column"]
    if truth in columns and file not in columns and truth not in _claimed(tasks, columns):
        raise TableError(
            f"{path}: column `{truth}` is there without `{file}`, which names the ECG file of each row"
            f"{did_you_mean(file, columns)}; add it or remove `{truth}`"
        )


def _check_label_columns(
    name: str, task: Mapping, tasks: Mapping[str, Mapping], columns: Iterable[str], path: Path | str
) -> None:
    """One column called AF or ST may be anything; most of a task's labels together are that task's."""
    file, labels = task["file_column"], truth_columns(task)
    if file in columns or task.get("truth_column") is not None:
        return
    there = [label for label in labels if label in columns and label not in _claimed(tasks, columns)]
    if 3 * len(there) >= 2 * len(labels):
        listed = ", ".join(f"`{label}`" for label in there)
        raise TableError(
            f"{path}: the table has {len(there)} of the {len(labels)} label columns of task `{name}` ({listed}) "
            f"without `{file}`, which names the ECG file of each row{did_you_mean(file, columns)}; "
            "add it, or name the tasks to run in `tasks`"
        )


def _claimed(tasks: Mapping[str, Mapping], columns: Iterable[str]) -> set[str]:
    """Truth columns of the tasks whose file column the table has."""
    return {column for task in tasks.values() if task["file_column"] in columns for column in truth_columns(task)}


def _check_spelling(tasks: Iterable[Mapping], columns: list[str], path: Path | str) -> None:
    """Raises TableError for a truth column that is there in other case only, beside its file column."""
    spelt = {column.lower(): column for column in reversed(columns)}
    for task in tasks:
        if task["file_column"] not in columns:
            continue
        for truth in truth_columns(task):
            if truth not in columns and truth.lower() in spelt:
                raise TableError(
                    f"{path}: there is no column `{truth}`, but `{spelt[truth.lower()]}`; spell both the same"
                )
