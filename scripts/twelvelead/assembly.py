"""Predictions and truth brought together, file by file: DeepECG's table of probabilities, and what is scored."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.models.mapping import read_mapping, to_patterns, union_truth

IDENTITY = ["row", "file", "ecg_id"]


def predicted_cells(cells: pd.DataFrame, task: str, predictions: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(cells, predictions), row by row the same file: the task's predicted files, each once, in table order."""
    predicted = pa.concat_tables(pq.read_table(path) for path in predictions).to_pandas()
    of_task = cells[(cells["task"] == task) & (cells["status"] == "") & (cells["ecg_id"] != "")]
    of_task = of_task[of_task["ecg_id"].isin(predicted["ecg_id"])].sort_values("row", kind="stable")
    ordered = predicted.set_index("ecg_id").loc[of_task["ecg_id"]].reset_index()
    return of_task.reset_index(drop=True), ordered


def known_truth(cells: pd.DataFrame) -> np.ndarray:
    """(cells,) bool: whether the table says exactly one thing about the file."""
    return (cells["truth_status"] == "ok").to_numpy()


def assemble_binary(cells: pd.DataFrame, predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(DeepECG's table file_name, ground_truth, predictions; the same as truth and probability for scoring)."""
    if predictions.shape[1] != 2:
        raise ValueError(f"a binary task needs a model of one output, this one has {predictions.shape[1] - 1}")
    probability = predictions.iloc[:, 1].to_numpy(np.float32)
    truth = pd.to_numeric(cells["truth"].where(known_truth(cells), ""), errors="coerce")
    shown = truth.map(lambda value: "" if np.isnan(value) else str(int(value)))
    table = pd.DataFrame({"file_name": cells["file"], "ground_truth": shown, "predictions": probability})
    scored = cells[IDENTITY].assign(**{truth_column("results"): truth.astype(np.float32)})
    return table, scored.assign(**{probability_column("results"): probability})


def assemble_patterns(
    cells: pd.DataFrame,
    predictions: pd.DataFrame,
    labels: tuple[pd.DataFrame, pd.DataFrame],
    patterns: Sequence[str],
    mapping_path: str | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(DeepECG's table: file_name, what the labeler says of each pattern, what the model does; truth for scoring).

    labels  (labels per distinct text, text of each cell) as labelling.label returns them
    Columns of the labeler end in `_bert_model` where it gives probabilities, in `_lexicon` where it gives truth.
    Targets that are unions of patterns ("any AV block") follow the patterns; their truth is the union's.
    """
    truth = _of_cells(cells, *labels, [truth_column(pattern) for pattern in patterns])
    has_probabilities = probability_column(patterns[0]) in labels[0].columns
    shown = _of_cells(cells, *labels, [probability_column(p) for p in patterns]) if has_probabilities else truth
    # No threshold was published for a union, so its truth is shown, not a probability.
    labeler, of_union = ("bert_model", "bert_truth") if has_probabilities else ("lexicon", "lexicon")
    targets, whole_truth, values = of_targets(truth, predictions, patterns, mapping_path)
    n, unions = len(patterns), targets[len(patterns) :]
    table = pd.concat(
        [
            cells["file"].rename("file_name"),
            pd.DataFrame(shown, columns=[f"{pattern}_{labeler}" for pattern in patterns]),
            pd.DataFrame(values[:, :n], columns=[f"{pattern}_sig_model" for pattern in patterns]),
            # Beyond DeepECG's columns: the unions, their truth beside the prediction.
            pd.DataFrame(whole_truth[:, n:], columns=[f"{union}_{of_union}" for union in unions]),
            pd.DataFrame(values[:, n:], columns=[f"{union}_sig_model" for union in unions]),
        ],
        axis=1,
    )
    return table, scored_table(cells, targets, whole_truth, values)


def of_targets(
    truth: np.ndarray, predictions: pd.DataFrame, names: Sequence[str], mapping_path: str | None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """(targets, truth, probability) of a task's `names` and then of the mapping's targets with names of their own.

    truth        (files, names) 1, 0 or NaN; the truth of a target of its own name is the union of its members'
    predictions  ecg_id and a probability per output of the model, the files in the order of `truth`
    Both returned arrays are (files, targets) float32; a probability is NaN where the model does not predict the target.
    """
    outputs = [column for column in predictions.columns if column != "ecg_id"]
    mapping = read_mapping(mapping_path) if mapping_path else ()
    targets, probability = to_patterns(predictions[outputs].to_numpy(np.float32), outputs, mapping, names)
    members = {row.target: row.members for row in mapping}
    unions = [union_truth(truth, names, members[target]) for target in targets[len(names) :]]
    return targets, np.column_stack([truth, *unions]).astype(np.float32), probability


def scored_table(
    cells: pd.DataFrame, targets: Sequence[str], truth: np.ndarray, probability: np.ndarray
) -> pd.DataFrame:
    """What is scored: IDENTITY, then the truth of every target, then its probability."""
    return pd.concat(
        [
            cells[IDENTITY],
            pd.DataFrame(truth, columns=[truth_column(target) for target in targets]),
            pd.DataFrame(probability, columns=[probability_column(target) for target in targets]),
        ],
        axis=1,
    )


def _of_cells(
    cells: pd.DataFrame, by_text: pd.DataFrame, text_of_cell: pd.DataFrame, columns: Sequence[str]
) -> np.ndarray:
    """(cells, columns) float32; NaN where unknown. A file that two rows contradict each other about is unknown."""
    text = cells[["row"]].merge(text_of_cell[["row", "text"]], on="row", how="left", validate="one_to_one")["text"]
    values = by_text.set_index("text")[list(columns)].reindex(text).to_numpy(np.float32, copy=True)
    values[(cells["truth_status"] == "conflicting").to_numpy()] = np.nan
    return values


def truth_column(target: str) -> str:
    return f"truth/{target}"


def probability_column(target: str) -> str:
    return f"probability/{target}"


def targets_of(scored: pd.DataFrame) -> list[str]:
    """What a table made for scoring has a truth and a probability for, in its order."""
    return [column.removeprefix("truth/") for column in scored.columns if column.startswith("truth/")]


def matrices(scored: pd.DataFrame, targets: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """truth and probability, (files, targets) float64."""
    truth = scored[[truth_column(target) for target in targets]].to_numpy(np.float64)
    probability = scored[[probability_column(target) for target in targets]].to_numpy(np.float64)
    return truth, probability


def qualities_of(mapping_path: str | None) -> dict[str, str]:
    """target -> how well a model's class matches it, and why; empty for a model whose outputs are the targets."""
    return (
        {row.target: f"{row.quality} match ({row.source})" for row in read_mapping(mapping_path)}
        if mapping_path
        else {}
    )
