"""Predictions and truth of a task whose truth is a set of labels of the table's, 0/1 columns or diagnosis codes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from twelvelead.assembly import known_truth, of_targets, scored_table
from twelvelead.multilabel_truth import decode_truth


def truth_of_cells(cells: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """(cells, labels) float32: 1, 0, or NaN where unknown, as every label is of conflicting or invalid cells."""
    return decode_truth(cells["truth"].where(known_truth(cells), ""), len(labels))


def assemble_multilabel(
    cells: pd.DataFrame, predictions: pd.DataFrame, labels: Sequence[str], mapping_path: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(probabilities.csv: file_name, truth of every target, then what the model says of each; the same for scoring).

    cells, predictions  row by row the same file, as predicted_cells returns them
    Targets are the task's labels, then the mapping's targets that are no label, such as a broader output.
    """
    targets, truth, probability = of_targets(truth_of_cells(cells, labels), predictions, labels, mapping_path)
    table = pd.concat(
        [
            cells["file"].rename("file_name"),
            pd.DataFrame(truth, columns=[f"{target}_truth" for target in targets]).astype("Int8"),
            pd.DataFrame(probability, columns=[f"{target}_sig_model" for target in targets]),
        ],
        axis=1,
    )
    return table, scored_table(cells, targets, truth, probability)


def usable_cells(cells: pd.DataFrame, task: str, recordings: pd.DataFrame) -> pd.DataFrame:
    """The task's cells whose file was read, each file once; recordings: row, task and status of recordings.csv."""
    ok = recordings[(recordings["task"] == task) & (recordings["status"] == "ok")]
    return cells[(cells["task"] == task) & cells["row"].isin(ok["row"])]
