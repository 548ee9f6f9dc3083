"""Two real runs of the workflow: one over good and mutated files together, one over the good files alone.

The mutated ones may not change a bit of what the good ones give, and each must be accounted for.
"""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from every_format import write_every_format
from faults.mutations import cases, mutated
from faults.seeds import Seed
from workflow.running import run

PROBABILITIES = "ecg_machine_diagnosis/openecg_rhythm/probabilities.csv"
RECORDINGS = "recordings.csv"
_COLUMNS = ("ecg_machine_diagnosis", "77_classes_ecg_file_name")
_DIAGNOSES = ("Sinus rhythm", "Atrial fibrillation")
_BATCH = "faults"
_SHARD_SIZE = 40
# Of 64 MB: hundreds of them would fill a disk.
_LEFT_OUT = {"grown_to_the_limit", "lines_without_end", "long_list_of_samples", "samples_of_one_digit"}


@dataclass
class WorkflowCounts:
    """What became of the mutated files in the run, and what was wrong with that."""

    good: int
    mutated: int
    statuses: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def workflow_faults(
    folder: Path, seeds: Mapping[str, Seed], n_mutated: int, cores: int, ecgs: Sequence[int] = (1, 2)
) -> WorkflowCounts:
    """Runs the workflow twice below `folder`, over each of `ecgs` in every format and `n_mutated` files.

    The second run is calibrated as the first. Raises AssertionError, with what was printed, for a run that fails.
    """
    signals = folder / "signals"
    paths = [path for ecg in ecgs for path in write_every_format(signals / f"good{ecg}", seed=ecg).values()]
    good = [path.relative_to(signals).as_posix() for path in paths]
    bad = _mutated_files(signals, seeds, n_mutated)
    together, alone = folder / "together", folder / "alone"
    _run(together, signals, [*good, *bad], cores, {})
    calibration = together / "results" / _BATCH / "preprocessing/calibration.json"
    _run(alone, signals, good, cores, {"calibration": str(calibration)})
    counts = WorkflowCounts(len(good), len(bad))
    _check_accounts(together / "results" / _BATCH, counts)
    _check_results(together / "results" / _BATCH, alone / "results" / _BATCH, good, counts.failures)
    _check_records(together / "work" / _BATCH, alone / "work" / _BATCH, len(good), counts.failures)
    return counts


def _mutated_files(signals: Path, seeds: Mapping[str, Seed], n_files: int) -> list[str]:
    """Names for the table, each mutated file in a folder of its own below <signals>/mutated."""
    names: list[str] = []
    for number, case in enumerate(case for case in cases(seeds) if case.mutation not in _LEFT_OUT):
        folder = signals / "mutated" / f"{number:04d}"
        folder.mkdir(parents=True)
        with mutated(case, seeds[case.variant], folder) as path:
            if path is not None and _fits_a_table(path):
                names.append(path.removeprefix(f"{signals}/"))
        if len(names) == n_files:
            break
    return names


def _fits_a_table(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in path


def _run(folder: Path, signals: Path, names: Sequence[str], cores: int, preprocessing: dict) -> None:
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        rows.writerows(zip(itertools.cycle(_DIAGNOSES), names, strict=False))
    batches = {_BATCH: {"table": "table.csv", "signals": str(signals)}}
    run(folder, cores=cores, batches=batches, shard_size=_SHARD_SIZE, preprocessing=preprocessing)


def _check_accounts(results: Path, counts: WorkflowCounts) -> None:
    """Every cell has one fate with a reason, and the page says how many have which."""
    recordings = pd.read_csv(results / RECORDINGS, keep_default_na=False)
    counts.statuses = Counter(recordings["status"].iloc[counts.good :])
    if recordings["row"].tolist() != list(range(2, 2 + counts.good + counts.mutated)):
        counts.failures.append(f"{len(recordings)} rows of {RECORDINGS} for {counts.good + counts.mutated} cells")
    silent = recordings[(recordings["status"] != "ok") & (recordings["message"].str.strip() == "")]
    counts.failures += [f"{row.file!r}: {row.status} without a reason" for row in silent.itertuples()]
    page = (results / "report.html").read_text(encoding="utf-8")
    for status, number in Counter(recordings["status"]).items():
        if not re.search(rf"(?<![\d,.]){number:,}(?![\d,.])", page):
            counts.failures.append(f"report.html does not say that {number} recordings are {status}")


def _check_results(together: Path, alone: Path, names: Sequence[str], failures: list[str]) -> None:
    """Exported signals, probabilities and fates of the good files, which stand first in both tables."""
    signals = list((alone / "preprocessing/signals").iterdir())
    for path in signals:
        beside = together / "preprocessing/signals" / path.name
        if not beside.is_file() or beside.read_bytes() != path.read_bytes():
            failures.append(f"{path.name}: the exported signal differs where mutated files are in the run")
    for table in (PROBABILITIES, RECORDINGS):
        rows = [_rows_by_file(results / table) for results in (together, alone)]
        failures += [f"{name}: its row of {table} differs" for name in names if rows[0].get(name) != rows[1].get(name)]
        if min(len(rows[1]), len(signals)) < len(names) // 2:
            failures.append(f"{len(rows[1])} rows of {table} and {len(signals)} signals of {len(names)} good files")


def _check_records(together: Path, alone: Path, n_good: int, failures: list[str]) -> None:
    records = [_records(work / "records") for work in (together, alone)]
    differing = [ecg_id for ecg_id, row in records[1].items() if records[0].get(ecg_id) != row]
    failures += [f"{ecg_id}: its record differs where mutated files are in the run" for ecg_id in differing]
    if len(records[1]) != n_good:
        failures.append(f"{len(records[1])} records of {n_good} good files")


def _records(folder: Path) -> dict[str, dict[str, str]]:
    rows = itertools.chain.from_iterable(pq.read_table(shard).to_pylist() for shard in folder.glob("*.parquet"))
    # As text, in which NaN is equal to itself.
    return {row["ecg_id"]: {name: repr(value) for name, value in row.items()} for row in rows}


def _rows_by_file(path: Path) -> dict[str, tuple[str, ...]]:
    """The cells of each row, as text, by the name of the ECG file."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    column = "file_name" if "file_name" in table.columns else "file"
    return dict(zip(table[column], table.itertuples(index=False, name=None), strict=True))
