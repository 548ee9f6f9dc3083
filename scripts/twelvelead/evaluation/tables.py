"""DeepECG's metrics as its two files: JSON with null, CSV with an empty cell, for what is undefined."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from twelvelead.evaluation.deepecg_metrics import Metrics


def write_metrics_json(metrics: Metrics, path: str | Path) -> None:
    """Writes {key: {metric: value or null}}, categories first, as DeepECG has it; never NaN or Infinity."""

    def write(file: TextIO) -> None:
        json.dump(metrics.values, file, indent=4, ensure_ascii=False, allow_nan=False)
        file.write("\n")

    _write_atomically(path, write)


def write_metrics_csv(metrics: Metrics, path: str | Path) -> None:
    """Writes one line per key: `Key`, then the metric names sorted; an undefined metric is an empty cell."""
    names = sorted({name for of_key in metrics.values.values() for name in of_key})

    def write(file: TextIO) -> None:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["Key", *names])
        for key, of_key in metrics.values.items():
            table.writerow([key, *("" if of_key.get(name) is None else repr(of_key[name]) for name in names)])

    _write_atomically(path, write)


def _write_atomically(path: str | Path, write: Callable[[TextIO], None]) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            write(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
