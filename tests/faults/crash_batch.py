"""A small batch that faults interrupt, what an undisturbed run of it gives, and how a disturbed one compares."""

import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from twelvelead.demo.cohort import write_cohort
from workflow.running import command, environment, snakemake, tree

# Written by the time of day, or by how long a job took.
DIFFERS_ANYWAY = ("provenance.json",)
UNFINISHED = (".tmp", ".claim")
BATCH = "small"


@dataclass(frozen=True)
class CrashBatch:
    """Inputs and settings that any number of runs share.

    inputs   folder of the table, the signals and the YAML of a second model
    targets  of the runs
    """

    inputs: Path
    settings: dict
    targets: tuple[str, ...] = ()

    def prepare(self, folder: Path) -> None:
        """Makes a folder ready to run in."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(self.settings))

    def arguments(self, *more: str) -> list[str]:
        return [*self.targets, *more, "--configfile", "config.yaml"]

    def start(self, folder: Path, *more: str) -> subprocess.Popen:
        """A run in a process group of its own; what it prints goes to <folder>.out, which may be on another disk."""
        with open(folder.with_name(folder.name + ".out"), "wb") as out:
            return subprocess.Popen(
                command(*self.arguments(*more)),
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment(),
            )

    def printed(self, folder: Path) -> str:
        return folder.with_name(folder.name + ".out").read_text(errors="replace")

    def finish(self, folder: Path) -> str:
        """Runs to the end, unlocked first where a killed run left its lock; returns what was printed."""
        done = snakemake(folder, *self.arguments())
        if done.status and "cannot be locked" in done.text:
            self.unlock(folder)
            done = snakemake(folder, *self.arguments())
        if done.status:
            raise AssertionError(f"the run that nothing disturbs any more failed:\n{done.text}")
        return done.text

    def unlock(self, folder: Path) -> None:
        done = snakemake(folder, "--unlock", *self.arguments())
        if done.status:
            raise AssertionError(f"--unlock failed:\n{done.text}")


def crash_batch(folder: Path, recordings: int = 24, shard_size: int = 24, targets: tuple[str, ...] = ()) -> CrashBatch:
    """A cohort in every format with the usual faults, two models on its statements, and a split."""
    write_cohort(folder, n=recordings, seed=3)
    (folder / "models.yaml").write_text(
        "again:\n  family: openecg\n  source: {package: openecg, file: models/codec_v6_int8.onnx}\n"
        "  recipe: openecg\n  mapping: mapping.csv\n"
    )
    (folder / "mapping.csv").write_text("output,target,members,quality,source\nafib,Afib,Afib,broader,the test\n")
    (folder / "tasks.yaml").write_text(
        "ecg_machine_diagnosis: {kind: patterns, truth_column: ecg_machine_diagnosis, "
        "file_column: 77_classes_ecg_file_name, models: [openecg_rhythm, again]}\n"
    )
    batch = {
        "table": str(folder / "table.csv"),
        "signals": str(folder / "ecg_signals"),
        "patient_column": "patient",
        "split": {"fractions": {"train": 0.5, "test": 0.5}, "seed": 1},
    }
    settings = {
        "batches": {BATCH: batch},
        "extra_models": str(folder / "models.yaml"),
        "extra_tasks": str(folder / "tasks.yaml"),
        "statements_from_files": True,
        "shard_size": shard_size,
        "run_datetime": "20260102_030405",
        "evaluation": {"replicates": 100, "slope_replicates": 100},
    }
    return CrashBatch(folder, settings, targets)


def undisturbed(batch: CrashBatch, folder: Path) -> tuple[dict[str, bytes], float]:
    """Results of a run that nothing disturbs, and the seconds it took."""
    batch.prepare(folder)
    start = time.monotonic()
    if batch.start(folder).wait():
        raise AssertionError(f"a run that nothing disturbs failed:\n{batch.printed(folder)}")
    return tree(folder / "results", without=DIFFERS_ANYWAY), time.monotonic() - start


def half_files(folder: Path, reference: dict[str, bytes]) -> list[str]:
    """Files of the results that are not byte for byte those of the undisturbed run; unfinished ones have other names.

    A job may still be at work there.
    """
    wrong = []
    for path in (folder / "results").rglob("*"):
        name = path.relative_to(folder / "results").as_posix()
        if path.name in DIFFERS_ANYWAY or name.endswith(UNFINISHED) or path.is_dir():
            continue
        with suppress(FileNotFoundError):
            if path.read_bytes() != reference.get(name):
                wrong.append(name)
    return wrong


def differences(folder: Path, reference: dict[str, bytes]) -> list[str]:
    """Files in which finished results differ from those of the undisturbed run, also files too many or too few."""
    found = tree(folder / "results", without=DIFFERS_ANYWAY)
    names = {name for name in found if not name.endswith(UNFINISHED)} | reference.keys()
    return sorted(name for name in names if found.get(name) != reference.get(name))


def unfinished(folder: Path) -> list[str]:
    """Temporary files and claims below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name.endswith(UNFINISHED))


def steps(printed: str) -> list[str]:
    """What jobs a run has begun, in the words of their messages, shards left out; not targets, which write nothing."""
    messages = re.findall(r"^Job (?!0:)\d+: (.*)$", printed, re.MULTILINE)
    return [re.sub(r"shard-\w+", "a shard", message) for message in messages]


def processes_of(group: int) -> dict[int, str]:
    """Live processes of a process group: id -> command line."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                found[int(name)] = Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue  # ended meanwhile
    return found
