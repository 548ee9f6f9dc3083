"""Figures of an earlier run that the batch, as it is now, has no truth for."""

import shutil
from collections.abc import Collection
from pathlib import Path

# What a run of a model, and a task, have with truth alone.
JUDGED_RUN = ("metrics.json", "metrics.csv", "evaluation.json", "classification.csv", "classification.json", "figures")
JUDGED_TASK = ("comparison.json", "label_table.csv")
SPLITS = "splits.csv"


def remove_leftovers(results: Path | str, without_truth: Collection[str], is_split: bool) -> list[str]:
    """Removes them below a batch's results and returns their paths there.

    Beside new predictions they would be taken for theirs. Whole models that a run leaves out keep their results: these
    are still what they say they are.
    """
    results = Path(results)
    found = [path for task in without_truth for name in JUDGED_RUN for path in (results / task).glob(f"*/{name}")]
    found += [results / task / name for task in without_truth for name in JUDGED_TASK]
    found += [] if is_split else [results / SPLITS]
    removed = sorted(path for path in found if path.exists())
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [str(path.relative_to(results)) for path in removed]
