"""Machine statements of a batch -> truth tables: one row per distinct text, and which text each cell has.

The texts themselves stay in the user's table: what is written here names them by a hash.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from twelvelead.labels.lexicon import Lexicon, label_texts
from twelvelead.records import read_columns

# Free text may hold a name. A statement shared by this many patients is the machine's wording, not about one of them;
# where patients are not told apart, one of them may have many ECGs.
SHOWN_FROM_PATIENTS = 5
SHOWN_FROM_ECGS = 20


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


def label(
    texts: pd.DataFrame, lexicon: Lexicon, patterns: Sequence[str], uncertain: str
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """(truth per distinct text, text of each cell, summary for the report).

    The first has BERT's shape, a column per pattern with 1, 0 or nothing (unknown), keyed by `text`.
    """
    distinct = sorted(set(texts["text"]))
    result = label_texts(distinct, lexicon, uncertain=uncertain)
    keys = {text: text_key(text) for text in distinct}
    by_text = pd.DataFrame(result.values, columns=list(patterns))
    by_text.insert(0, "text", [keys[text] for text in distinct])
    of_cells = texts.assign(text=texts["text"].map(keys))
    unknown = _unknown_statements(texts, lexicon)
    patients_known = (texts["patient"] >= 0).any()
    shown_from = SHOWN_FROM_PATIENTS if patients_known else SHOWN_FROM_ECGS
    frequent = {
        statement: int(of_statement["ecg_id"].nunique())
        for statement, of_statement in unknown.groupby("statement")
        if of_statement["patient" if patients_known else "ecg_id"].nunique() >= shown_from
    }
    nothing_known = np.isnan(result.values).all(axis=1)
    not_understood = {
        text for text, unknown_throughout in zip(distinct, nothing_known, strict=True) if unknown_throughout
    }
    not_understood.discard("")
    summary = {
        "labeler": "lexicon",
        "texts": len(distinct),
        "cells_with_text": int((texts["text"] != "").sum()),
        "cells_not_understood": int(texts["text"].isin(not_understood).sum()),
        "cells_from_file": int(texts["from_file"].sum()),
        "unknown_statements": len(unknown),
        "frequent_unknown_statements": sorted(frequent.items(), key=lambda item: (-item[1], item[0])),
    }
    return by_text, of_cells, summary


def _unknown_statements(texts: pd.DataFrame, lexicon: Lexicon) -> pd.DataFrame:
    """statement, ecg_id and patient, once for every ECG with a statement that the lexicon does not know."""
    found = []
    for text, of_text in texts[texts["ecg_id"] != ""].groupby("text"):
        statements = label_texts([text], lexicon).unknown_statements
        ecgs = of_text.drop_duplicates("ecg_id")
        found += [
            (statement, *ecg) for statement in statements for ecg in zip(ecgs["ecg_id"], ecgs["patient"], strict=True)
        ]
    return pd.DataFrame(found, columns=["statement", "ecg_id", "patient"]).drop_duplicates(["statement", "ecg_id"])
