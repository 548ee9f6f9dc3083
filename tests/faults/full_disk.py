"""Fills the disk at every writing step of a run: it must say so, and the next run must end as if nothing had happened.

Usage: python tests/faults/full_disk.py [--passes 1] [--seed 0]
A run works on a small disk in memory. As soon as a job of a kind that has not been hit yet begins, the disk is filled,
to the last byte or with a little left so that files are cut in the middle. The run has to end with a sentence that
names a file or folder and says what to do; then room is made and the same command goes on to the next kind of job.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

from faults.crash_batch import CrashBatch, crash_batch, differences, half_files, steps, undisturbed, unfinished  # noqa: E402

DISK_MB = 64
SENTENCE = re.compile(r"\S+ cannot be written: no space is left on its disk; free some, then run the same command")
LEFT = (0, 8_192, 40_000, 120_000)  # bytes
LIMIT_S = 300
FINISHED = "(finished)"


@dataclass
class Hit:
    """One filling of the disk: at what step, how much room was left, and what went wrong with what followed."""

    step: str
    left: int
    sentences: list[str] = field(default_factory=list)
    tracebacks: int = 0
    wrong: list[str] = field(default_factory=list)


def may_mount() -> str | None:
    """Why no disk in memory can be mounted here, None where it can."""
    if os.geteuid() != 0:
        return "mounting a disk in memory needs root"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, text=True)
        if tried.returncode:
            return f"a disk in memory cannot be mounted here: {tried.stderr.strip()}"
        subprocess.run(["umount", folder], check=True)
    return None


@contextmanager
def small_disk(folder: Path, megabytes: int = DISK_MB) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Takes all room of a disk but `left` bytes."""
    filler = disk / "filler"
    with open(filler, "wb") as file:
        # Others write at the same time, so that what is free is asked again.
        while (room := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - left) > 0:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, room)
            except OSError:
                continue
    return filler


def hit_next_step(batch: CrashBatch, folder: Path, done: set[str], left: int) -> Hit | None:
    """Runs on, and fills the disk when a step begins that is not in `done`; None when the run ends before."""
    process = batch.start(folder)
    deadline = time.monotonic() + LIMIT_S
    step = None
    try:
        while process.poll() is None and step is None and time.monotonic() < deadline:
            step = next((found for found in steps(batch.printed(folder)) if found not in done), None)
            time.sleep(0.01)
        if step is None:
            if process.wait(timeout=1):
                raise AssertionError(f"the run failed on a disk with room:\n{batch.printed(folder)}")
            return None
        filler = fill(folder.parent, left)
        status = process.wait(timeout=LIMIT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    printed = batch.printed(folder)
    hit = Hit(step, left, list(dict.fromkeys(SENTENCE.findall(printed))), printed.count("Traceback (most recent"))
    # What fits into the room that was left may end well.
    if status == 0 and left == 0:
        hit.wrong.append("the run ended well on a full disk")
    elif status and not hit.sentences:
        hit.wrong.append("no sentence says that the disk is full")
    filler.unlink()
    return hit


def campaign(
    batch: CrashBatch, disk: Path, reference: dict, chance: random.Random, passed_over: Iterable[str] = ()
) -> Iterator[Hit]:
    """Hits every step once but those passed over, then compares; yields a Hit for each step, and one for the end."""
    folder = disk / "run"
    batch.prepare(folder)
    done = set(passed_over)
    while True:
        hit = hit_next_step(batch, folder, done, chance.choice(LEFT))
        if hit is None:
            break
        done.add(hit.step)
        hit.wrong += [f"half a file taken for whole: {name}" for name in half_files(folder, reference)]
        yield hit
    wrong = [f"differs from the undisturbed run: {name}" for name in differences(folder, reference)]
    wrong += [f"left behind: {name}" for name in unfinished(folder / "results")]
    yield Hit(FINISHED, 0, wrong=wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passes", type=int, default=1, help="how often every step is hit")
    parser.add_argument("--seed", type=int, default=0, help="of how much room is left")
    arguments = parser.parse_args()
    if reason := may_mount():
        print(f"full disk: skipped, {reason}")
        return 0
    chance = random.Random(arguments.seed)
    hits: list[Hit] = []
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        batch = crash_batch(Path(place) / "inputs", targets=("full_run", "deepecg_layout"))
        reference, _ = undisturbed(batch, Path(place) / "undisturbed")
        for number in range(arguments.passes):
            with small_disk(Path(place) / f"disk{number}") as disk:
                for hit in campaign(batch, disk, reference, chance):
                    hits.append(hit)
                    said = f"{len(hit.sentences)} sentences, {hit.tracebacks} tracebacks of Snakemake's"
                    print(f"{hit.step}, {hit.left} bytes left: {'; '.join(hit.wrong) or 'well'} ({said})", flush=True)
    wrong = sum(bool(hit.wrong) for hit in hits)
    fillings = [hit for hit in hits if hit.step != FINISHED]
    print(
        f"full disk: {len(fillings)} times at {len({hit.step for hit in fillings})} kinds of job, {wrong} failures, "
        f"{time.monotonic() - start:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
