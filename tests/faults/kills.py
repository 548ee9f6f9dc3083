"""Kills a run or one of its jobs at random moments: what is there must be whole, and the rerun byte-identical.

Usage: python tests/faults/kills.py [--kills 50] [--seed 0]
A batch is killed several times, each time at a moment drawn over the jobs that are left, before it is let finish; then
its results are compared with those of a run that nothing disturbed, and the next batch begins. Three ways to die: the
whole process group, as when a machine goes down; the main process alone, whose jobs live on while the next run works;
one job, as when the kernel runs out of memory.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

from faults.crash_batch import (  # noqa: E402
    CrashBatch,
    crash_batch,
    differences,
    half_files,
    processes_of,
    steps,
    undisturbed,
    unfinished,
)

WAYS = ("group", "main", "job")
KILLS_OF_A_BATCH = (3, 9)
LONGEST_DELAY_S = 3.0  # about what a job takes, and Snakemake before the first one
LIMIT_S = 300


@dataclass
class Tally:
    """What was done and found."""

    kills: Counter = field(default_factory=Counter)
    batches: int = 0
    wrong: list[str] = field(default_factory=list)
    left_in_work: int = 0


def kill_once(batch: CrashBatch, folder: Path, n_jobs: int, delay_s: float, way: str) -> tuple[bool, set[int]]:
    """Starts or resumes a run and kills it `delay_s` after it has begun so many jobs.

    Returns whether it was alive to be killed, and process groups that may live on.
    """
    process = batch.start(folder)
    while process.poll() is None and len(steps(batch.printed(folder))) < n_jobs:
        time.sleep(0.02)
    moment = time.monotonic() + delay_s
    while process.poll() is None and time.monotonic() < moment:
        time.sleep(0.02)
    if process.poll() is not None:
        return False, set()
    if way == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif way == "main":
        process.kill()
    elif not _kill_a_job(process):
        process.wait(timeout=LIMIT_S)
        return False, set()
    process.wait(timeout=LIMIT_S)
    return True, {process.pid}


def _kill_a_job(process) -> bool:
    """Kills the first job that is at work from now on; False when the run ends without one."""
    while process.poll() is None:
        for number, words in processes_of(process.pid).items():
            if "/.snakemake/scripts/" in words and not words.startswith(("/bin/sh", "/bin/bash", "bash", "sh ")):
                os.kill(number, signal.SIGKILL)
                return True
        time.sleep(0.01)
    return False


def disturb(batch: CrashBatch, folder: Path, reference: dict, jobs: int, ways: list[str], chance: random.Random):
    """Kills a batch of so many jobs in each of these ways, lets it finish and compares; returns a Tally."""
    tally = Tally(batches=1)
    batch.prepare(folder)
    groups: set[int] = set()
    for way in ways:
        killed, living = kill_once(batch, folder, chance.randint(0, jobs), chance.uniform(0, LONGEST_DELAY_S), way)
        jobs = max(jobs - batch.printed(folder).count("Finished jobid"), 1)
        groups |= living
        tally.kills[way] += killed
        tally.wrong += [f"not whole after a kill of {way}: {name}" for name in half_files(folder, reference)]
        if not killed:
            break  # it came to its end before
        if way != "job":
            batch.unlock(folder)
    batch.finish(folder)
    tally.wrong += [f"finished: {name} differs" for name in differences(folder, reference)]
    deadline = time.monotonic() + LIMIT_S
    while any(processes_of(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.1)
    tally.wrong += [f"after the last orphan: {name} differs" for name in differences(folder, reference)]
    tally.wrong += [f"left behind: {name}" for name in unfinished(folder / "results")]
    tally.left_in_work = len(unfinished(folder / "work"))
    return tally


def campaign(kills: int, seed: int, place: Path) -> Tally:
    chance = random.Random(seed)
    batch = crash_batch(place / "inputs", shard_size=24)
    reference, length_s = undisturbed(batch, place / "undisturbed")
    jobs = len(steps(batch.printed(place / "undisturbed")))
    print(f"kills: an undisturbed run takes {length_s:.0f} s, {jobs} jobs, {len(reference)} results", flush=True)
    total = Tally()
    while (left := kills - total.kills.total()) > 0:
        number = min(left, chance.randint(*KILLS_OF_A_BATCH))
        ways = [WAYS[(total.kills.total() + position) % len(WAYS)] for position in range(number)]
        chance.shuffle(ways)
        found = disturb(batch, place / f"batch{total.batches}", reference, jobs, ways, chance)
        total = Tally(
            total.kills + found.kills,
            total.batches + 1,
            total.wrong + found.wrong,
            total.left_in_work + found.left_in_work,
        )
        print(f"kills: {total.kills.total()} of {kills}, {total.batches} batches", *found.wrong, sep="\n  ", flush=True)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and ways")
    arguments = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        total = campaign(arguments.kills, arguments.seed, Path(place))
    ways = ", ".join(f"{total.kills[way]} of the {way}" for way in WAYS)
    print(
        f"kills: {total.kills.total()} ({ways}), {total.batches} batches finished, {len(total.wrong)} failures, "
        f"{total.left_in_work} unfinished files left in work, {time.monotonic() - start:.0f} s"
    )
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
