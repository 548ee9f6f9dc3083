"""DeepECG's metrics as its two files: JSON with null, CSV with an empty cell, for what is undefined."""

import csv
import io
import json
from pathlib import Path

from twelvelead.atomic import write_text
from twelvelead.evaluation.deepecg_metrics import Metrics


def write_metrics_json(metrics: Metrics, path: str | Path) -> None:
    """Writes {key: {metric: value or null}}, categories first, as DeepECG has it; never NaN or Infinity."""
    write_text(path, json.dumps(metrics.values, indent=4, ensure_ascii=False, allow_nan=False) + "\n")


def write_metrics_csv(metrics: Metrics, path: str | Path) -> None:
    """Writes one line per key: `Key`, then the metric names sorted; an undefined metric is an empty cell."""
    names = sorted({name for of_key in metrics.values.values() for name in of_key})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["Key", *names])
    for key, of_key in metrics.values.items():
        table.writerow([key, *("" if of_key.get(name) is None else repr(of_key[name]) for name in names)])
    write_text(path, text.getvalue())
