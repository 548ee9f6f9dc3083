"""Machine statements of a batch -> truth tables: one row per distinct text, and which text each cell has.

The texts themselves stay in the user's table: what is written here names them by a hash.
"""

import hashlib
from collections.abc import Sequence

import pandas as pd

from twelvelead.labels.lexicon import Lexicon, label_texts
from twelvelead.records import read_columns

# Free text may hold a name. A statement that this many ECGs share is the machine's wording, not one patient's.
SHOWN_FROM = 5


def texts_of_cells(cells: pd.DataFrame, records: Sequence[str]) -> pd.DataFrame:
    """row, ecg_id and text of every cell; with `records`, statements found in the file fill an empty cell."""
    texts = cells[["row", "ecg_id"]].assign(text=cells["truth"], from_file=False)
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
    unknown = label_texts(list(texts["text"]), lexicon, uncertain=uncertain).unknown_statements
    frequent = {statement: count for statement, count in unknown.items() if count >= SHOWN_FROM}
    summary = {
        "labeler": "lexicon",
        "texts": len(distinct),
        "cells_with_text": int((texts["text"] != "").sum()),
        "cells_from_file": int(texts["from_file"].sum()),
        "unknown_statements": sum(unknown.values()),
        "frequent_unknown_statements": sorted(frequent.items(), key=lambda item: (-item[1], item[0])),
    }
    return by_text, of_cells, summary
