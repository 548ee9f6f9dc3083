"""Recordings in several windows: a recording's probabilities from its windows'.

How prepared windows lie on disk is said in tensors.py, how a model's results for them in window_inference.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from twelvelead.errors import ConfigError
from twelvelead.labels.patterns import read_rows

WINDOW_COLUMNS = ("ecg_id", "window")  # whose window a row is, and which one, numbered from 0
AGGREGATIONS = ("mean", "max")
AGGREGATION_SOURCES = ("published", "ours")


@dataclass(frozen=True)
class LabelAggregation:
    """How a label's probabilities in the windows of a recording become the recording's.

    aggregation  one of AGGREGATIONS: mean for what lasts, max for what a few beats or seconds show
    source       one of AGGREGATION_SOURCES: whether the model's publishers give it, or it was chosen here
    """

    label: str
    aggregation: str
    source: str


def probabilities(logits: np.ndarray) -> np.ndarray:
    """float32 probabilities of a model's float32 logits, to the byte what its predict gives."""
    return expit(logits)


def index_recordings(ecg_ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """(ids without repetitions in order of their first row, (rows,) int64 position of each row's id among them)."""
    position: dict[str, int] = {}
    recordings = [position.setdefault(ecg_id, len(position)) for ecg_id in ecg_ids]
    return list(position), np.array(recordings, dtype=np.int64)


def aggregate(
    probabilities: np.ndarray, recordings: np.ndarray, n_recordings: int, aggregations: Sequence[str]
) -> np.ndarray:
    """(n_recordings, labels) float64: mean or maximum of each label over the windows of each recording.

    probabilities  (windows, labels)
    recordings     (windows,) position of each window's recording, 0 to n_recordings - 1, in any order
    aggregations   "mean" or "max" of each label
    A recording is NaN where any of its windows is, since that window may be the one with the finding, and where it has
    no window. Its bytes depend neither on the order of the windows nor on the other recordings.
    Raises ValueError for arguments that do not fit together.
    """
    _check_arguments(probabilities, recordings, n_recordings, aggregations)
    counts = np.bincount(recordings, minlength=n_recordings)
    present = np.flatnonzero(counts)
    counts = counts[present]
    ends = np.cumsum(counts)
    aggregated = np.full((n_recordings, len(aggregations)), np.nan)
    if not present.size:
        return aggregated
    for label, aggregation in enumerate(aggregations):
        of_label = probabilities[:, label].astype(np.float64)
        # Floating-point sums depend on their order, which ascending values fix; NaN come last.
        ascending = of_label[np.lexsort((of_label, recordings))]
        if aggregation == "max":
            aggregated[present, label] = ascending[ends - 1]
        else:
            aggregated[present, label] = np.add.reduceat(ascending, ends - counts) / counts
    return aggregated


def read_aggregations(path: str | Path) -> tuple[LabelAggregation, ...]:
    """The rows of a table of labels with columns label, aggregation and aggregation_source, in its order.

    The order is that of the model's outputs. Raises ConfigError that names the row.
    """
    labels: dict[str, LabelAggregation] = {}
    for line, row in read_rows(path, ("label", "aggregation", "aggregation_source")):
        label = row["label"]
        if not label or label in labels:
            raise ConfigError(f"{path}, line {line}: label {label!r} is empty or there twice; give each its own row")
        for column, known in (("aggregation", AGGREGATIONS), ("aggregation_source", AGGREGATION_SOURCES)):
            if row[column] not in known:
                raise ConfigError(f"{path}, line {line}: {column} is {row[column]!r}, expected {' or '.join(known)}")
        labels[label] = LabelAggregation(label, row["aggregation"], row["aggregation_source"])
    if not labels:
        raise ConfigError(f"{path}: no rows below the header, expected one per label; add them")
    return tuple(labels.values())


def _check_arguments(
    probabilities: np.ndarray, recordings: np.ndarray, n_recordings: int, aggregations: Sequence[str]
) -> None:
    expected = (len(recordings), len(aggregations))
    if probabilities.shape != expected:
        raise ValueError(f"probabilities of shape {probabilities.shape}, expected {expected} (windows, labels)")
    unknown = [aggregation for aggregation in aggregations if aggregation not in AGGREGATIONS]
    if unknown:
        raise ValueError(f"aggregation is {unknown[0]!r}, expected {' or '.join(AGGREGATIONS)}")
    if len(recordings) and (recordings.min() < 0 or recordings.max() >= n_recordings):
        raise ValueError(
            f"recordings are {recordings.min()} to {recordings.max()}, expected positions of 0 to {n_recordings - 1}"
        )
