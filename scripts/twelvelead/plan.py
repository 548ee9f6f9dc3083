"""The plan of a batch: one ecg_id per distinct file, shards of files, and what each shard's job has to know.

Made at parse time by the main process and written to files whose names carry a hash of their content, so that a second
Snakemake, a dry run and a running workflow can share the folder: nothing is ever overwritten.
"""

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.atomic import write_once
from twelvelead.errors import TableError
from twelvelead.shards import buckets, ecg_hash, hash_bits, listing
from twelvelead.table import cells_of, mark_repeated, read_table, tasks_of

PER_FILE_UP_TO = 8
AUTO_SHARD_SIZE = 2000
CHUNK_SIZE = 16_000  # files one inference job covers, so that a model is loaded once for many shards
MAX_HEADER_BYTES = 65_536
MAX_ID_LENGTH = 180  # leaves room for suffixes in a file name of at most 255 bytes


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

    Raises TableError when the table or the signal folder cannot be used. A file that is missing or a truth that
    is wrong is a status of its cells, not an error.
    """
    table_path, signals = settings["table"], Path(settings["signals"])
    table = read_table(table_path)
    if not signals.is_dir():
        raise TableError(f"batch {batch}: the signal folder {signals} does not exist; check `signals`")
    names = tasks_of(table, tasks, wanted_tasks, table_path)
    cells = _cells_of(table_path, table, tasks, names, settings.get("patient_column"), subgroups)
    if cells.empty:
        columns = ", ".join(f"`{tasks[name]['file_column']}`" for name in names)
        raise TableError(f"{table_path}: no row names an ECG file; fill {columns}")
    files = find_files(cells.loc[cells["path"] != "", "path"].unique(), signals)
    ids = ecg_ids(files.values())
    cells["ecg_id"] = cells["path"].map(ids).fillna("")
    cells["path"] = cells["path"].map(lambda name: _found_name(files[name]) if name else "")
    problems = {_found_name(file): file.problem for file in files.values() if file.problem}
    _mark_problems(cells, problems)
    mark_repeated(cells)
    found = {ids[name]: file for name, file in files.items() if not file.problem}
    table_sha256 = hashlib.sha256(Path(table_path).read_bytes()).hexdigest()
    return _write_plan(batch, table_sha256, cells, found, shard_size, folder)


def _cells_of(table_path: str, table: pd.DataFrame, *arguments) -> pd.DataFrame:
    try:
        return cells_of(table, *arguments)
    except TableError as error:
        raise TableError(f"{table_path}: {error}; it has {', '.join(table.columns)}") from None


def _mark_problems(cells: pd.DataFrame, problems: Mapping[str, tuple[str, str]]) -> None:
    """Gives the cells of files that are not there, or are no files, their status and the reason."""
    for status, message in set(problems.values()):
        paths = [path for path, problem in problems.items() if problem == (status, message)]
        its_cells = cells["path"].isin(paths)
        cells.loc[its_cells, "status"] = status
        cells.loc[its_cells & (cells["message"] == ""), "message"] = message


@dataclass(frozen=True)
class SignalFile:
    """A file the table names: where it is, and its size and time so that a change of it changes the plan."""

    name: str  # path below the signal folder as the table gives it, normalised
    path: str
    size: int = 0
    mtime_ns: int = 0
    problem: tuple[str, str] | None = None  # status and message


def find_files(names: Sequence[str], signals: Path) -> dict[str, SignalFile]:
    """Looks every named file up; a WFDB record may be named without its .hea."""
    return {name: _find_file(name, str(signals)) for name in names}


def _find_file(name: str, signals: str) -> SignalFile:
    path = os.path.join(signals, name)
    stem, extension = os.path.splitext(path)
    if extension in (".dat", ".mat") and os.path.basename(path) in _signal_files(stem + ".hea"):
        path = stem + ".hea"  # a record's signal file stands for the record
    for candidate in (path, path + ".hea"):
        try:
            found = os.stat(candidate)
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(found.st_mode):
            return SignalFile(name, candidate, *_size_and_time(candidate, found))
        if candidate == path and not os.path.exists(path + ".hea"):
            return SignalFile(name, path, problem=("refused", "this is not a regular file; expected an ECG file"))
    missing = "no such file in the signal folder" + (
        "; write / for the backslashes in its name" if "\\" in name else ""
    )
    return SignalFile(name, path, problem=("missing", missing))


def _size_and_time(path: str, found: os.stat_result) -> tuple[int, int]:
    """Of the file, or of all parts of a WFDB record: a new .dat beside an old .hea is a changed recording."""
    size, mtime_ns = found.st_size, found.st_mtime_ns
    if path.endswith(".hea"):
        for part in _signal_files(path):
            try:
                of_part = os.stat(os.path.join(os.path.dirname(path), part))
            except (OSError, ValueError):
                continue
            size, mtime_ns = size + of_part.st_size, max(mtime_ns, of_part.st_mtime_ns)
    return size, mtime_ns


def _signal_files(header: str) -> set[str]:
    """Names of the signal files that a WFDB header gives: the first word of each line after the record line."""
    try:
        with open(header, encoding="latin-1") as text:
            lines = [line for line in text.read(MAX_HEADER_BYTES).splitlines() if line.strip() and line[0] != "#"]
    except OSError:
        return set()
    return {line.split()[0] for line in lines[1:]}


def ecg_ids(files: Sequence[SignalFile]) -> dict[str, str]:
    """An id for every named file: its path without extension, "/" as "__", unsafe characters percent-encoded.

    Where two files would share one, both keep their extension. Ids are unique and safe as file names.
    """
    found = {file.name: _found_name(file) for file in files}
    short = {name: _safe(os.path.splitext(name)[0]) for name in set(found.values())}
    chosen = dict(short)
    # Again and again: the whole name `x.xml` of one file may be the short name of `x.xml.npy`.
    while len(set(chosen.values())) < len(chosen):
        sharing = Counter(chosen.values())
        chosen = {name: _safe(name) if sharing[ecg_id] > 1 else ecg_id for name, ecg_id in chosen.items()}
    return {given: chosen[name] for given, name in found.items()}


def _found_name(file: SignalFile) -> str:
    """A WFDB record under the name of its header, however it was named, so that it has one id."""
    stem, extension = os.path.splitext(file.name)
    if not file.path.endswith(".hea") or extension == ".hea":
        return file.name
    return (stem if extension in (".dat", ".mat") else file.name) + ".hea"


def _safe(name: str) -> str:
    """Different names give different ids: "__" stands for "/", so "_" beside another or beside "/" is encoded."""
    encoded = quote(re.sub(r"_(?=[_/])|(?<=[_/])_", "\0", name), safe="/\0").replace("~", "%7E")
    encoded = encoded.replace("\0", "%5F").replace("/", "__")
    if encoded.startswith((".", "-")):  # a hidden file, or what looks like an option
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) > MAX_ID_LENGTH:
        digest = hashlib.blake2b(encoded.encode(), digest_size=8).hexdigest()
        encoded = f"{encoded[: MAX_ID_LENGTH - 17]}-{digest}"
    return encoded


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
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    start = 0
    for prefix in prefixes:
        end = start
        while end < len(members) and bits[end].startswith(prefix):
            end += 1
        name = members[start][1] if shard_size == 1 else _bucket_name(prefix)
        files_of_shard = ((ecg_id, file.path, file.size, file.mtime_ns) for _, ecg_id, file in members[start:end])
        plan = write_once(folder, f"{name}-", ".tsv", listing(files_of_shard))
        chunk = next(chunk for chunk in chunk_prefixes if prefix.startswith(chunk))
        shards.append([name, prefix, end - start, str(plan), _bucket_name(chunk)])
        start = end
    cells_path = write_once(folder, "cells-", ".parquet", _as_parquet(cells.drop(columns="path")))
    usable = cells[(cells["status"] == "") & (cells["ecg_id"] != "")]
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
    os.utime(path)  # the newest index is the plan in force, see read_plan
    return path


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
