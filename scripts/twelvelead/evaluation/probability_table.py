"""The probabilities.csv of a task and model read back: truth and score, file by file and pattern by pattern."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from twelvelead.config import did_you_mean
from twelvelead.errors import TableError
from twelvelead.evaluation.deepecg_metrics import BINARY_KEY
from twelvelead.evaluation.operating_points import at_score_precision
from twelvelead.table import FIRST_ROW, read_table
from twelvelead.table_columns import shown

TRUTH_SUFFIXES = {"bert": "_bert_model", "lexicon": "_lexicon", "ground_truth": "_truth"}
BERT_TRUTH_SUFFIX = "_bert_truth"  # 1, 0 or nothing, of unions of patterns, for which there is no threshold
SCORE_SUFFIX = "_sig_model"


@dataclass(frozen=True, eq=False)
class ProbabilityTable:
    """A probabilities.csv: truth 1, 0 or NaN (unknown), score from 0 to 1 or NaN (not predicted).

    files            (ecgs,) as the table names them, each once
    patterns         (patterns,) names; "results" alone for a 0/1 task
    truth, score     (ecgs, patterns) float64
    truth_source     "bert", "lexicon" or "ground_truth"
    bert_thresholds  pattern -> BERT probability from which the pattern counts as present; empty for other truth
    """

    files: tuple[str, ...]
    patterns: tuple[str, ...]
    truth: np.ndarray
    score: np.ndarray
    truth_source: str
    bert_thresholds: dict[str, float]


def read_probabilities(path: str | Path, bert_thresholds: Mapping[str, float] | None = None) -> ProbabilityTable:
    """A probabilities.csv of a task with patterns, or of a 0/1 task (file_name, ground_truth, predictions).

    bert_thresholds  pattern -> threshold that makes truth of a `_bert_model` probability (config/labels/deepecg77.csv).
                     Every `_bert_model` column needs one.

    Raises TableError, naming row and column, for anything else.
    """
    if not Path(path).is_file():
        raise TableError(f"{path}: there is no such file; expected a probabilities.csv")
    table = read_table(path)
    files = _files(path, table)
    if {"ground_truth", "predictions"} <= set(table.columns):
        truth = _truth(path, table, "ground_truth")[:, None]
        score = _numbers(path, table, "predictions")[:, None]
        return ProbabilityTable(files, (BINARY_KEY,), truth, score, "ground_truth", {})
    return _of_patterns(path, table, files, bert_thresholds or {})


def number_or_infinity(cell: str) -> float:
    """The number; NaN for an empty cell, infinity for what is none, so that one check of the range finds both."""
    try:
        return float(cell or "nan")
    except ValueError:
        return np.inf


def _of_patterns(
    path: str | Path, table: pd.DataFrame, files: tuple[str, ...], bert_thresholds: Mapping[str, float]
) -> ProbabilityTable:
    names = table.columns
    source = next((source for source, end in TRUTH_SUFFIXES.items() if names.str.endswith(end).any()), None)
    if source is None or not names.str.endswith(SCORE_SUFFIX).any():
        raise TableError(
            f"{path}: columns {', '.join(names[:4])} ...; expected file_name with ground_truth and predictions, or "
            "with <pattern>_bert_model, <pattern>_lexicon or <label>_truth and <pattern>_sig_model: give a "
            "probabilities.csv"
        )
    ends = (TRUTH_SUFFIXES[source], BERT_TRUTH_SUFFIX, SCORE_SUFFIX)
    patterns = tuple(dict.fromkeys(name.removesuffix(end) for end in ends for name in names if name.endswith(end)))
    cut_offs = {}
    truth, score = np.full((2, len(table), len(patterns)), np.nan)
    for position, pattern in enumerate(patterns):
        of_labeler, of_union, of_model = (pattern + end for end in ends)
        if of_labeler in table and source == "bert":
            cut_offs[pattern] = _cut_off(path, pattern, bert_thresholds)
            truth[:, position] = _called_present(_numbers(path, table, of_labeler), cut_offs[pattern])
        elif of_labeler in table or of_union in table:
            truth[:, position] = _truth(path, table, of_labeler if of_labeler in table else of_union)
        if of_model in table:
            score[:, position] = _numbers(path, table, of_model)
    return ProbabilityTable(files, patterns, truth, score, source, cut_offs)


def _files(path: str | Path, table: pd.DataFrame) -> tuple[str, ...]:
    if "file_name" not in table:
        raise TableError(f"{path}: no column `file_name`; add it{did_you_mean('file_name', table.columns)}")
    names = table["file_name"]
    wrong = (names == "") | names.duplicated()
    if wrong.any():
        row = FIRST_ROW + int(np.argmax(wrong))
        raise TableError(f"{path}, row {row}: file_name is empty or there already; expected each file in one row")
    return tuple(names)


def _numbers(path: str | Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """(ecgs,) float64 from 0 to 1; NaN for an empty cell."""
    cells = table[column].tolist()
    numbers = np.array([number_or_infinity(cell) for cell in cells], dtype=np.float64)
    wrong = ~(np.isnan(numbers) | ((numbers >= 0) & (numbers <= 1)))
    if wrong.any():
        at = int(np.argmax(wrong))
        found = shown(str(cells[at]))
        raise TableError(f"{path}, row {FIRST_ROW + at}: {column} is {found}, expected a number from 0 to 1 or nothing")
    return numbers


def _cut_off(path: str | Path, pattern: str, bert_thresholds: Mapping[str, float]) -> float:
    if pattern not in bert_thresholds:
        raise TableError(
            f"{path}: column {pattern}{TRUTH_SUFFIXES['bert']} holds probabilities and {pattern!r} has no "
            f"bert_threshold; add it to the labels table{did_you_mean(pattern, bert_thresholds)}"
        )
    return float(bert_thresholds[pattern])


def _called_present(probability: np.ndarray, cut_off: float) -> np.ndarray:
    present = probability >= at_score_precision(np.float64(cut_off), probability)
    return np.where(np.isnan(probability), np.nan, present)


def _truth(path: str | Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """(ecgs,) 1.0, 0.0 or NaN."""
    numbers = _numbers(path, table, column)
    wrong = ~(np.isnan(numbers) | (numbers == 0) | (numbers == 1))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise TableError(
            f"{path}, row {FIRST_ROW + at}: {column} is {numbers[at]:g}, expected 1, 0 or nothing (unknown)"
        )
    return numbers
