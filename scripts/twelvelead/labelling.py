"""Machine statements of a batch -> truth tables: one row per distinct text, and which text each cell has.

The texts themselves stay in the user's table: what is written here names them by a hash.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from twelvelead.assembly import probability_column, truth_column
from twelvelead.labels.lexicon import Lexicon, label_texts
from twelvelead.records import read_columns

# Free text may hold a name. A statement shared by this many patients is the machine's wording, not about one of them;
# where patients are not told apart, one of them may have many ECGs.
SHOWN_FROM_PATIENTS = 5
SHOWN_FROM_ECGS = 20


@dataclass(frozen=True)
class LabelledTexts:
    """What a labeler makes of texts; rows are texts, columns patterns.

    truth        (n, patterns) float32: 1, 0, or NaN where the text leaves it open
    probability  (n, patterns) float32 where the labeler gives one
    unknown      per text the statements that the labeler does not know
    """

    truth: np.ndarray
    probability: np.ndarray | None
    unknown: Sequence[Sequence[str]]


def texts_of_cells(cells: pd.DataFrame, records: Sequence[str]) -> pd.DataFrame:
    """row, ecg_id, patient and text of every cell; with `records`, statements of the file fill an empty cell."""
    texts = cells[["row", "ecg_id", "patient"]].assign(text=cells["truth"], from_file=False)
    if records:
        found = read_columns(records, ["ecg_id", "statements"]).to_pandas()
        of_file = {
            ecg_id: "; ".join(statements)
            for ecg_id, statements in zip(found["ecg_id"], found["statements"], strict=True)
            if statements is not None and len(statements)
        }
        empty = texts["text"] == ""
        texts.loc[empty, "text"] = texts.loc[empty, "ecg_id"].map(of_file).fillna("")
        texts["from_file"] = empty & (texts["text"] != "")
    return texts


def text_key(text: str) -> str:
    """Names a text without repeating it."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def with_lexicon(texts: Sequence[str], lexicon: Lexicon, uncertain: str) -> LabelledTexts:
    """What the phrase table reads in each text; see lexicon.label_texts."""
    unknown = [label_texts([text], lexicon).unknown_statements for text in texts]
    return LabelledTexts(label_texts(texts, lexicon, uncertain=uncertain).values, None, unknown)


def with_probabilities(probability: np.ndarray, thresholds: np.ndarray) -> LabelledTexts:
    """Truth as DeepECG makes it of its classifier's output: probability >= the pattern's published threshold.

    probability (n, patterns), thresholds (patterns,)
    """
    truth = (probability >= thresholds).astype(np.float32)
    return LabelledTexts(truth, probability, [()] * len(probability))


def label(
    texts: pd.DataFrame, labeler: str, label_distinct: Callable[[list[str]], LabelledTexts], patterns: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """(labels per distinct text, text of each cell, summary for the report).

    label_distinct  the labeler; gets each text once, sorted, an empty one never
    The first table has a truth column per pattern with 1, 0 or nothing (unknown) and, from some labelers, a probability
    column, keyed by `text`. An empty text leaves every pattern unknown.
    """
    distinct = sorted(set(texts["text"]) - {""})
    labelled = label_distinct(distinct)
    by_text = pd.DataFrame(labelled.truth, columns=[truth_column(pattern) for pattern in patterns])
    if labelled.probability is not None:
        columns = [probability_column(pattern) for pattern in patterns]
        by_text = pd.concat([by_text, pd.DataFrame(labelled.probability, columns=columns)], axis=1)
    keys = {text: text_key(text) for text in distinct}
    by_text.insert(0, "text", list(keys.values()))
    of_cells = texts.assign(text=texts["text"].map(keys).fillna(""))
    not_understood = {text for text, row in zip(distinct, np.isnan(labelled.truth).all(axis=1), strict=True) if row}
    unknown, frequent = _unknown_statements(texts, dict(zip(distinct, labelled.unknown, strict=True)))
    summary = {
        "labeler": labeler,
        "texts": len(distinct),
        "cells_with_text": int((texts["text"] != "").sum()),
        "cells_not_understood": int(texts["text"].isin(not_understood).sum()),
        "cells_from_file": int(texts["from_file"].sum()),
        "unknown_statements": unknown,
        "frequent_unknown_statements": frequent,
    }
    return by_text, of_cells, summary


def _unknown_statements(
    texts: pd.DataFrame, unknown_of_text: Mapping[str, Sequence[str]]
) -> tuple[int, list[tuple[str, int]]]:
    """(ECGs times statements that the labeler does not know, those that may be shown with their number of ECGs)."""
    found = [
        (statement, ecg_id, patient)
        for text, ecg_id, patient in texts.loc[texts["ecg_id"] != "", ["text", "ecg_id", "patient"]].itertuples(
            index=False
        )
        for statement in unknown_of_text.get(text, ())
    ]
    unknown = pd.DataFrame(found, columns=["statement", "ecg_id", "patient"]).drop_duplicates(["statement", "ecg_id"])
    patients_known = (texts["patient"] >= 0).any()
    shown_from = SHOWN_FROM_PATIENTS if patients_known else SHOWN_FROM_ECGS
    frequent = {
        statement: int(of_statement["ecg_id"].nunique())
        for statement, of_statement in unknown.groupby("statement")
        if of_statement["patient" if patients_known else "ecg_id"].nunique() >= shown_from
    }
    return len(unknown), sorted(frequent.items(), key=lambda item: (-item[1], item[0]))
