"""Truth and predictions as two files of any origin, for the command `twelvelead evaluate`."""

from pathlib import Path

import numpy as np
import pandas as pd

from twelvelead.errors import TableError
from twelvelead.evaluation.scores import Scores
from twelvelead.table import read_table
from twelvelead.table_columns import shown

ID_COLUMNS = ("file_name", "file", "ecg_id", "id")


def read_scores(truth_path: str, predicted_path: str) -> Scores:
    """Truth (1, 0, empty or NaN = unknown) and probabilities from two .npy of (n, labels) or two CSV files.

    CSV columns are labels and must be the same in both; a column named as in ID_COLUMNS tells rows apart, and rows are
    then matched by it, else by their order. Raises TableError that names the file.
    """
    kinds = {Path(path).suffix.lower() == ".npy" for path in (truth_path, predicted_path)}
    if len(kinds) > 1:
        raise TableError(f"{truth_path} and {predicted_path} are of two kinds; give two .npy files or two CSV files")
    if kinds == {True}:
        truth, predicted = _array(truth_path), _array(predicted_path)
        labels = tuple(f"label {column}" for column in range(truth.shape[1]))
    else:
        truth, predicted, labels = _tables(truth_path, predicted_path)
    if truth.shape != predicted.shape:
        raise TableError(
            f"{truth_path} has shape {truth.shape} and {predicted_path} {predicted.shape}; expected the same ECGs and "
            "labels in both"
        )
    return Scores(labels, truth, predicted)


def _array(path: str) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TableError(f"{path}: cannot be read as a .npy array ({type(error).__name__}); check the file") from error
    if values.ndim not in (1, 2) or values.dtype.kind not in "biuf":
        raise TableError(f"{path}: an array of {values.dtype} {values.shape}, expected numbers of shape (n, labels)")
    kept = values if values.dtype.kind == "f" else values.astype(np.float64)
    return kept.reshape(len(kept), -1)


def _tables(truth_path: str, predicted_path: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    truth, predicted = read_table(truth_path), read_table(predicted_path)
    id_column = next((name for name in ID_COLUMNS if name in truth.columns and name in predicted.columns), None)
    if id_column is not None:
        truth, predicted = _matched(truth, predicted, id_column, truth_path, predicted_path)
    if set(truth.columns) != set(predicted.columns):
        different = sorted(set(truth.columns) ^ set(predicted.columns))
        raise TableError(
            f"column `{different[0]}` is in only one of {truth_path} and {predicted_path}; expected the same labels"
        )
    labels = tuple(truth.columns)
    return _numbers(truth, truth_path), _numbers(predicted[list(labels)], predicted_path), labels


def _matched(
    truth: pd.DataFrame, predicted: pd.DataFrame, column: str, truth_path: str, predicted_path: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    for table, path in ((truth, truth_path), (predicted, predicted_path)):
        if table[column].duplicated().any():
            twice = table.index[table[column].duplicated()][0]
            raise TableError(f"{path}, row {twice + 2}: its `{column}` is there twice; give each ECG one row")
    missing = set(truth[column]) ^ set(predicted[column])
    if missing:
        raise TableError(
            f"{len(missing)} rows of {truth_path} and {predicted_path} have no partner by `{column}`; give equal ECGs"
        )
    ordered = truth.set_index(column)
    return ordered.reset_index(drop=True), predicted.set_index(column).loc[ordered.index].reset_index(drop=True)


def _numbers(table: pd.DataFrame, path: str) -> np.ndarray:
    values = np.empty(table.shape)
    for position, label in enumerate(table.columns):
        cells = table[label].str.strip()
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = numbers.isna() & ~cells.str.lower().isin(["", "nan", "na"])
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise TableError(
                f"{path}, row {row + 2}: `{label}` is {shown(cells.iloc[row])}, expected a number or nothing"
            )
        values[:, position] = numbers
    return values


def as_table(found: dict) -> list[str]:
    """Lines of a plain-text table of an evaluation; the last one is the macro AUROC."""
    lines = [f"{'label':<44} {'n':>7} {'positives':>9}  {'AUROC (95 % interval)':<22} {'AUPRC':>6} {'Brier':>6}"]
    for label, figures in found["labels"].items():
        auroc = figures["auroc"]
        interval = f"{auroc['value']:.3f} ({auroc['low']:.3f} to {auroc['high']:.3f})"
        figures_of = f"{figures['auprc']['value']:>6.3f} {figures['brier']['value']:>6.3f}"
        lines.append(f"{label[:44]:<44} {figures['n']:>7} {figures['positives']:>9}  {interval:<22} {figures_of}")
    for label, figures in found["not_evaluable"].items():
        lines.append(f"{label[:44]:<44} {figures['n']:>7} {figures['positives']:>9}  {figures['reason']}")
    values = [figures["auroc"]["value"] for figures in found["labels"].values()]
    macro = f"{np.mean(values):.5f}" if values else "undefined: no label has both classes"
    return [*lines, f"macro AUROC over {len(values)} labels: {macro}"]
