"""What the workflow found out about a batch, as its page needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class BatchResults:
    """What the workflow found out about a batch.

    recordings   recordings.csv; records: paths of the decoded shards; scored: (task, model) -> table made for scoring
    evaluations  (task, model) -> evaluation.json, and metrics -> metrics.json, of those that are scored
    comparisons  task -> comparison.json, of those with several models
    qualities    (task, model) -> target -> how well the model's class matches it
    labels       task -> summary of its labeler; absent: task -> model -> why it could not run
    labeler      "lexicon", or the model that labels texts
    weights      model -> the record of its verified weights, of the labeler too
    calibration  the calibration.json that the models' input was made with, where one was
    figures      folders that hold figures, relative to the page
    classifications  (task, model) -> classification.json, of multilabel tasks; label_tables: task -> label_table.csv
    saliency     model -> path of its saliency.parquet, where it was asked for
    """

    batch: str
    recordings: pd.DataFrame
    records: Sequence[str]
    scored: Mapping[tuple[str, str], pd.DataFrame]
    evaluations: Mapping[tuple[str, str], Mapping]
    metrics: Mapping[tuple[str, str], Mapping]
    comparisons: Mapping[str, Mapping]
    qualities: Mapping[tuple[str, str], Mapping[str, str]]
    labels: Mapping[str, Mapping]
    tasks: Mapping[str, Mapping]
    absent: Mapping[str, Mapping[str, str]]
    models: Mapping[str, Mapping]
    weights: Mapping[str, Mapping]
    labeler: str
    calibration: Mapping | None
    figures: Sequence[str] = ()
    classifications: Mapping[tuple[str, str], Mapping] = field(default_factory=dict)
    label_tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    saliency: Mapping[str, str] = field(default_factory=dict)
