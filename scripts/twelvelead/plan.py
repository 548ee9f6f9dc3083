"""The plan of a batch: one ecg_id per distinct file, shards of files, and what each shard's job has to know.

Made at parse time by the main process and written to files whose names carry a hash of their content, so that a second
Snakemake, a dry run and a running workflow can share the folder: nothing is ever overwritten.
"""

import hashlib
import json
import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.atomic import write_once
from twelvelead.changed_files import AGAIN
from twelvelead.config import AUTO_TABLE
from twelvelead.errors import TableError
from twelvelead.shards import ANEW, buckets, ecg_hash, hash_bits, listing
from twelvelead.signal_files import SignalFile, ecg_ids, find_files
from twelvelead.sources import PATIENT_COLUMN, table_of_source
from twelvelead.splits import not_selected, split_of_rows
from twelvelead.table import FIRST_ROW, NOT_SELECTED, cells_of, mark_repeated, patient_codes, read_table
from twelvelead.table_tasks import tasks_of

PER_FILE_UP_TO = 8
AUTO_SHARD_SIZE = 2000
CHUNK_SIZE = 16_000  # files one inference job covers, so that a model is loaded once for many shards
SHOWN_SPLITS = 20
SHOWN_NAME = 80  # characters of a file's name in a message


@dataclass(frozen=True)
class Shard:
    """A set of files that share jobs: a bucket of the files' hashes, or one file."""

    name: str
    prefix: str  # the leading bits of the hashes in it; all 64 of them for a single file
    n: int
    plan: str  # path of the file that lists it
    chunk: str  # name of the inference chunk it belongs to


@dataclass(frozen=True)
class Plan:
    """What the workflow knows of a batch before any ECG is opened."""

    batch: str
    cells: str  # path of the Parquet table of cells
    tasks: dict[str, dict]  # name -> {"files": distinct files found, "truths": how many of them have a truth}
    shards: tuple[Shard, ...]
    table_sha256: str

    def shard_of(self, ecg_id: str) -> Shard | None:
        """The shard a file is in if it is in the batch at all (buckets are not searched for it)."""
        bits = hash_bits(ecg_hash(ecg_id))
        return next((shard for shard in self.shards if bits.startswith(shard.prefix)), None)

    def chunks(self) -> dict[str, list[Shard]]:
        """Shards of each inference chunk, in the order of their hashes."""
        members: dict[str, list[Shard]] = {}
        for shard in self.shards:
            members.setdefault(shard.chunk, []).append(shard)
        return members


def make_plan(
    batch: str,
    settings: Mapping,
    tasks: Mapping[str, Mapping],
    wanted_tasks: str | list[str],
    shard_size: int | str,
    folder: Path,
    subgroups: Sequence[Mapping] = (),
) -> Path:
    """Reads the batch's table, looks at its files and writes the plan below `folder`; returns the index's path.

    Raises TableError when the table or the signal folder cannot be used, also where no named file is in the folder.
    One file among others that is missing, or a truth that is wrong, is a status of its cells, not an error.
    """
    signals = Path(settings["signals"])
    if not signals.is_dir():
        raise TableError(f"batch {batch}: the signal folder {signals} does not exist; check `signals`")
    table, table_sha256, origin = _table_of(batch, settings)
    patient_column = _patient_column(settings, table, subgroups)
    names = tasks_of(table, tasks, wanted_tasks, origin)
    try:
        cells = cells_of(table, tasks, names, patient_column, subgroups)
    except TableError as error:
        raise TableError(f"{origin}: {error}; it has {', '.join(table.columns)}") from None
    if cells.empty:
        columns = ", ".join(f"`{tasks[name]['file_column']}`" for name in names)
        raise TableError(f"{origin}: no row names an ECG file; fill {columns}")
    files = find_files(cells.loc[cells["path"] != "", "path"].unique(), signals)
    _split(cells, table, settings, patient_column, files, origin)
    ids = ecg_ids(files.values())
    cells["ecg_id"] = cells["path"].map({"": "", **ids})
    selected = set(cells.loc[cells["status"] != NOT_SELECTED, "path"])
    _check_found(batch, settings, [file for name, file in files.items() if name in selected], origin)
    _mark_problems(cells, files)
    cells["path"] = cells["path"].map({"": "", **{name: file.found_name for name, file in files.items()}})
    mark_repeated(cells)
    found = {ids[name]: file for name, file in files.items() if name in selected and not file.problem}
    return _write_plan(batch, table_sha256, cells, found, shard_size, folder)


def _table_of(batch: str, settings: Mapping) -> tuple[pd.DataFrame, str, str]:
    """(table, SHA-256 of its file or, where it is made from the folder, of it as CSV, what messages call it)."""
    if settings["table"] != AUTO_TABLE:
        table = read_table(settings["table"])
        return table, hashlib.sha256(Path(settings["table"]).read_bytes()).hexdigest(), settings["table"]
    try:
        table = table_of_source(settings["signals"])
    except TableError as error:
        raise TableError(f"batch {batch}: `table: auto` makes no table of {error}") from None
    as_csv = table.to_csv(index=False, lineterminator="\n")
    return table, hashlib.sha256(as_csv.encode()).hexdigest(), f"the table made from {settings['signals']}"


def _patient_column(settings: Mapping, table: pd.DataFrame, subgroups: Sequence[Mapping]) -> str | None:
    """The column that tells patients apart: the settings', or the one that a table made from a folder has."""
    column = settings.get("patient_column")
    if column is None and settings["table"] == AUTO_TABLE and PATIENT_COLUMN in table.columns:
        column = PATIENT_COLUMN
    shown = {subgroup["column"]: "evaluation.subgroups" for subgroup in subgroups}
    shown |= {(settings.get("split") or {}).get("column"): "split"}
    if column is not None and column in shown:
        raise TableError(f"{shown[column]}: column `{column}` tells patients apart and is never written; name another")
    return column


def _split(
    cells: pd.DataFrame,
    table: pd.DataFrame,
    settings: Mapping,
    patient_column: str | None,
    files: Mapping[str, SignalFile],
    origin: str,
) -> None:
    """Where rows are split: adds the column `split`; what is not in the batch's subset becomes NOT_SELECTED.

    A row goes by the recording that its first task names, under the one name that it has however a table spells it.
    """
    if not settings.get("split"):
        return
    named = cells[cells["path"] != ""].drop_duplicates("row")
    keys = np.full(len(table), "", dtype=object)
    keys[named["row"] - FIRST_ROW] = [files[path].found_name for path in named["path"]]
    patients = patient_codes(table, patient_column)
    try:
        splits = split_of_rows(table, pd.Series(keys, index=table.index), settings["split"], patients)
    except TableError as error:
        raise TableError(f"{origin}: {error}; it has {', '.join(table.columns)}") from None
    _mark_splits(cells, splits, settings.get("subset"), origin)


def _mark_splits(cells: pd.DataFrame, splits: pd.Series, subset: Sequence[str] | None, origin: str) -> None:
    rows = cells["row"].to_numpy() - FIRST_ROW
    cells["split"] = splits.to_numpy()[rows]
    if subset is None:
        return
    _check_subset(subset, splits, origin)
    left_out = not_selected(splits, subset).to_numpy()[rows] & (cells["path"] != "").to_numpy()
    reasons = {
        name: f"{f'split {name}' if name else 'in no split'}; the batch's subset is {', '.join(subset)}"
        for name in cells.loc[left_out, "split"].unique()
    }
    cells.loc[left_out, "status"] = NOT_SELECTED
    cells.loc[left_out, "message"] = cells.loc[left_out, "split"].map(reasons)


def _check_subset(subset: Sequence[str], splits: pd.Series, origin: str) -> None:
    known = sorted(set(splits) - {""})
    for name in subset:
        if name not in known:
            # A column of many values is no split, and they may be what nobody should read.
            listed = ", ".join(known) if len(known) <= SHOWN_SPLITS else f"{len(known)} different ones"
            raise TableError(
                f"{origin}: `subset` names split `{name}`, which no row is in; the rows' splits are {listed or 'empty'}"
            )


def _check_found(batch: str, settings: Mapping, files: Sequence[SignalFile], origin: str) -> None:
    """A folder without any of the files, as a disk that is not mounted leaves, would empty the batch's results."""
    if not files or any(file.problem is None or file.problem[0] != "missing" for file in files):
        return
    of_subset = f" for subset {', '.join(settings['subset'])}" if settings.get("subset") else ""
    name = " ".join(files[0].name.split())[:SHOWN_NAME]
    raise TableError(
        f"batch {batch}: none of the files that {origin} names{of_subset} ({len(files)}) is below "
        f"{settings['signals']}, e.g. {name} ({files[0].problem[1]}); check `signals` (is the disk mounted?) or the "
        "file column"
    )


def _mark_problems(cells: pd.DataFrame, files: Mapping[str, SignalFile]) -> None:
    """Gives the cells of files that are not there, or are no files, their status and the reason."""
    status_of = {name: file.problem[0] for name, file in files.items() if file.problem}
    message_of = {name: file.problem[1] for name, file in files.items() if file.problem}
    its_cells = cells["path"].isin(list(status_of)) & (cells["status"] != NOT_SELECTED)
    cells.loc[its_cells, "status"] = cells.loc[its_cells, "path"].map(status_of)
    silent = its_cells & (cells["message"] == "")
    cells.loc[silent, "message"] = cells.loc[silent, "path"].map(message_of)


def _write_plan(
    batch: str,
    table_sha256: str,
    cells: pd.DataFrame,
    files: Mapping[str, SignalFile],
    shard_size: int | str,
    folder: Path,
) -> Path:
    """Cuts `files` (by ecg_id) into shards and writes what each shard, the batch and the index need."""
    members = sorted((hash_bits(ecg_hash(ecg_id)), ecg_id, file) for ecg_id, file in files.items())
    if shard_size == "auto":
        shard_size = 1 if len(members) <= PER_FILE_UP_TO else AUTO_SHARD_SIZE
    bits = [member[0] for member in members]
    prefixes = bits if shard_size == 1 else buckets(bits, shard_size)
    chunk_prefixes = buckets(bits, max(CHUNK_SIZE, shard_size))
    shards = []
    start = 0
    for prefix in prefixes:
        end = bisect_left(bits, prefix + "2", start)  # behind all that begin with the prefix
        name = members[start][1] if shard_size == 1 else _bucket_name(prefix)
        files_of_shard = ((ecg_id, file.path, file.size, file.mtime_ns) for _, ecg_id, file in members[start:end])
        plan = _plan_of_shard(folder, name, listing(files_of_shard))
        chunk = next(chunk for chunk in chunk_prefixes if prefix.startswith(chunk))
        shards.append([name, prefix, end - start, str(plan), _bucket_name(chunk)])
        start = end
    cells_path = write_once(folder, "cells-", ".parquet", _as_parquet(cells.drop(columns="path")))
    usable = cells.loc[(cells["status"] == "") & (cells["ecg_id"] != ""), ["task", "truth_status"]]
    tasks = {
        task: {"files": len(of_task), "truths": int((of_task["truth_status"] == "ok").sum())}
        for task, of_task in usable.groupby("task", sort=False)
    }
    tasks = {task: tasks.get(task, {"files": 0, "truths": 0}) for task in cells["task"].unique()}
    index = {
        "batch": batch,
        "table_sha256": table_sha256,
        "cells": str(cells_path),
        "tasks": tasks,
        "shards": shards,
    }
    path = write_once(folder, "index-", ".json", json.dumps(index, indent=0).encode())
    with suppress(OSError):  # a dry run may look at a plan on a disk that is read-only
        os.utime(path)  # the newest index is the plan in force, see newest_index
    return path


def _plan_of_shard(folder: Path, name: str, content: bytes) -> Path:
    """Writes a shard's plan: another one than before where a job found other files than it lists, see changed_files."""
    plan = write_once(folder, f"{name}-", ".tsv", content)
    while Path(f"{plan}{AGAIN}").exists():
        content += ANEW
        plan = write_once(folder, f"{name}-", ".tsv", content)
    return plan


def _bucket_name(prefix: str) -> str:
    return f"shard-{prefix}" if prefix else "shard-all"


def _as_parquet(table: pd.DataFrame) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def read_plan(path: Path | str) -> Plan:
    """The plan an index file describes."""
    index = json.loads(Path(path).read_text(encoding="utf-8"))
    shards = tuple(Shard(*shard) for shard in index["shards"])
    return Plan(index["batch"], index["cells"], index["tasks"], shards, index["table_sha256"])


def newest_index(folder: Path) -> Path:
    """The index a worker process uses when its main process did not name one. Raises TableError when there is none."""
    found = sorted(folder.glob("index-*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not found:
        raise TableError(f"{folder}: holds no plan; run Snakemake from the folder the batch was planned in")
    return found[-1]
