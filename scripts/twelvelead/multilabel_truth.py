"""The truth of a task of kind multilabel as one text an ECG: a character a label, 1, 0 or ? where it is unknown."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from twelvelead.table_columns import INVALID, UNKNOWN, outcomes, shown

CHARACTER_OF = {"1": "1", "0": "0", "": "?", INVALID: "!"}
CODE_SEPARATOR = re.compile(r"[|,;]")
SHOWN_CHARACTERS = 20  # of a truth text that is wrong


def truth_columns(task: Mapping) -> list[str]:
    """The columns of the table that hold a task's truth: one, or one per label."""
    column = task.get("truth_column")
    return list(task["labels"]) if column is None else [column]


def encoded(table: pd.DataFrame, task: Mapping) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(truth text, status, message) of every row for a resolved multilabel task; see encoded_columns, encoded_codes."""
    column = task.get("truth_column")
    if column is None:
        return encoded_columns(table, task["labels"])
    texts = table[column] if column in table.columns else pd.Series("", index=table.index, name=column)
    return encoded_codes(texts, task["labels"], task["codes"])


def encoded_columns(table: pd.DataFrame, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(truth text, status, message) of every row of a table with a column of 0/1 outcomes per label.

    A label whose column the table lacks is unknown in every row. The status is ok, missing (no label is known) or
    invalid (a cell is no outcome; the message names its column); the text of the last two is "".
    """
    characters = np.full((len(table), len(labels)), "?", dtype="<U1")
    messages = np.full(len(table), "", dtype=object)
    for place, label in enumerate(labels):
        if label not in table.columns:
            continue
        characters[:, place] = [CHARACTER_OF[outcome] for outcome in outcomes(table[label])]
        wrong = np.flatnonzero((characters[:, place] == "!") & (messages == ""))
        values = table[label].iloc[wrong].str.strip()
        messages[wrong] = [f"{label} is {shown(value)}; expected 0 or 1" for value in values]
    invalid = (characters == "!").any(axis=1)
    missing = (characters == "?").all(axis=1)
    truths = _joined(characters)
    truths[invalid | missing] = ""
    return truths, np.select([invalid, missing], ["invalid", "missing"], "ok").astype(object), messages


def _joined(characters: np.ndarray) -> np.ndarray:
    """The rows of an (n, labels) array of single characters, each as one text."""
    n, width = characters.shape
    return np.ascontiguousarray(characters).view(f"<U{width}").reshape(n).astype(object)


def encoded_codes(
    texts: pd.Series, labels: Sequence[str], codes: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(truth text, status, message) of every row of a column of diagnosis codes, separated by "|", "," or ";".

    codes  the label that each code stands for; other codes are other diagnoses
    A label is 1 where one of its codes is there and 0 where none is; one that no code stands for is unknown. Where
    all of `codes` are numbers (SNOMED CT), a cell with other words is invalid: a name, or a number that a spreadsheet
    has rounded, would else count as the absence of every label.
    """
    numeric = all(code.isdigit() for code in codes)
    known = set(codes.values())
    places, distinct = pd.factorize(texts)
    read = [_read_codes(str(text).strip(), labels, codes, known, numeric) for text in distinct]
    truths, statuses, wrong = np.array(read, dtype=object).reshape(-1, 3)[places].T
    invalid = np.flatnonzero(statuses == "invalid")
    messages = np.full(len(texts), "", dtype=object)
    messages[invalid] = [
        f"{texts.name} holds {shown(word)}; expected codes such as {next(iter(codes))}, separated by |"
        for word in wrong[invalid]
    ]
    return truths, statuses, messages


def _read_codes(
    text: str, labels: Sequence[str], codes: Mapping[str, str], known: set[str], numeric: bool
) -> tuple[str, str, str]:
    """(truth text, status, the word that is no code) of one cell."""
    if text.lower() in (*UNKNOWN, "none") or not known:
        return "", "missing", ""
    # Parquet gives a column of single codes with empty cells as floating-point numbers.
    words = [word.strip().removesuffix(".0") for word in CODE_SEPARATOR.split(text) if word.strip()]
    wrong = next((word for word in words if numeric and not word.isdigit()), None)
    if wrong is not None:
        return "", "invalid", wrong
    found = {codes[word] for word in words if word in codes}
    truth = "".join("?" if label not in known else "1" if label in found else "0" for label in labels)
    return (truth, "ok", "") if words and truth.strip("?") else ("", "missing", "")


def _shown(value: str) -> str:
    return repr(value[:SHOWN_CHARACTERS])


def decode_truth(texts: Sequence[str], n_labels: int) -> np.ndarray:
    """The truth texts as numbers, (n, n_labels) float32: 1, 0, NaN where unknown, a row of NaN for "".

    Raises ValueError for a text of another length or with another character.
    """
    text = np.asarray(texts, dtype=str).reshape(-1)
    lengths = np.strings.str_len(text)
    wrong = (lengths != 0) & (lengths != n_labels)
    if wrong.any():
        first = str(text[wrong][0])
        raise ValueError(f"the truth {_shown(first)} has {len(first)} characters; expected one for each of {n_labels}")
    # One code point a character; a text of "" is all zeros.
    points = text.astype(f"<U{n_labels}").view(np.uint32).reshape(len(text), n_labels)
    one, zero, unknown = (points == ord(character) for character in "10?")
    strange = (~(one | zero | unknown) & (lengths != 0)[:, None]).any(axis=1)
    if strange.any():
        raise ValueError(f"the truth {_shown(str(text[strange][0]))} holds other characters than 1, 0 and ?")
    return np.select([one, zero], [np.float32(1), np.float32(0)], np.float32(np.nan))
