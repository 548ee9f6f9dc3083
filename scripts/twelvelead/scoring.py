"""The metrics of a table made for scoring, whatever the kind of its task."""

import pandas as pd

from twelvelead.assembly import matrices, targets_of
from twelvelead.evaluation.deepecg_metrics import Metrics, binary_metrics, multilabel_metrics
from twelvelead.labels.patterns import read_category_order, read_patterns


def metrics_of(scored: pd.DataFrame, kind: str, patterns_path: str, categories_path: str) -> Metrics:
    """DeepECG's metrics: per category and pattern for the 77 patterns, under "results" for a 0/1 task."""
    targets = targets_of(scored)
    truth, probability = matrices(scored, targets)
    if kind == "binary":
        return binary_metrics(truth[:, 0], probability[:, 0])
    return multilabel_metrics(truth, probability, targets, read_categories(patterns_path, categories_path))


def read_categories(patterns_path: str, categories_path: str) -> dict[str, tuple[str, ...]]:
    """Patterns of every category, in the order of DeepECG's metric tables."""
    patterns = read_patterns(patterns_path)
    return {category: patterns.members(category) for category in read_category_order(categories_path)}
