"""The fault campaign, `make faults`: thousands of mutated files of every format, read as a decoding job reads them.

A failure is a crash, a hang, too much memory, an exception, a file without a reason, a reason that quotes the patient,
and an intact file that is read otherwise after damaged ones than before them.
"""

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from faults.mutations import Case, cases, mutated, mutations_of
from faults.reading import Outcome, Reader
from faults.seeds import Seed, write_seeds
from faults.workflow_faults import WorkflowCounts, workflow_faults

_INTACT_EVERY = 25
_PROGRESS_EVERY = 1000


@dataclass
class Tally:
    """What came of the files of one variant."""

    statuses: Counter = field(default_factory=Counter)
    slowest_s: float = 0.0
    peak_mb: float = 0.0

    def add(self, outcome: Outcome) -> None:
        self.statuses[outcome.status] += 1
        self.slowest_s = max(self.slowest_s, outcome.cpu_s)
        self.peak_mb = max(self.peak_mb, outcome.peak_mb)


@dataclass
class Campaign:
    """The files read so far. Several threads, each with a reading process, add to it."""

    seeds: Mapping[str, Seed]
    n_files: int
    tallies: dict[str, Tally] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    mutations: Counter = field(default_factory=Counter)
    intact_digests: dict[str, str] = field(default_factory=dict)
    intact_reads: int = 0
    _todo: Iterator[Case] | None = None
    _taken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, folder: Path, jobs: int) -> None:
        self._todo = cases(self.seeds)
        with ThreadPoolExecutor(jobs) as lanes:
            for lane in [lanes.submit(self._lane, folder / f"lane{number}") for number in range(jobs)]:
                lane.result()

    def _take(self) -> Case | None:
        with self._lock:
            if self._taken >= self.n_files:
                return None
            self._taken += 1
            return next(self._todo)

    def _give_back(self) -> None:
        with self._lock:
            self._taken -= 1

    def _lane(self, folder: Path) -> None:
        with Reader(folder / "reader") as reader:
            read = 0
            while (case := self._take()) is not None:
                seed = self.seeds[case.variant]
                try:
                    outcome = read_case(case, seed, folder / "files", reader)
                except Exception as error:  # of the mutation, which then is to be mended, and not of the file
                    outcome = Outcome("not made", problem=f"{type(error).__name__}: {error}"[:300])
                if outcome is None:
                    self._give_back()
                    continue
                self._add(case, outcome)
                read += 1
                if read % _INTACT_EVERY == 1 or outcome.problem:
                    self._read_intact(seed, reader)

    def _add(self, case: Case, outcome: Outcome) -> None:
        with self._lock:
            self.tallies.setdefault(case.variant, Tally()).add(outcome)
            self.mutations[case.mutation] += 1
            if outcome.problem:
                self.failures.append((str(case), outcome.problem))
            if (n_read := self.mutations.total()) % _PROGRESS_EVERY == 0:
                print(f"{n_read:,} of {self.n_files:,} mutated files read", file=sys.stderr, flush=True)

    def _read_intact(self, seed: Seed, reader: Reader) -> None:
        """Whatever was read before it in the same process, an intact file gives the same bytes."""
        outcome = reader.read(str(seed.named))
        with self._lock:
            self.intact_reads += 1
            digest = self.intact_digests.setdefault(seed.variant, outcome.digest)
            if outcome.digest != digest or outcome.problem:
                self.failures.append((f"{seed.variant!r} intact", outcome.problem or "read otherwise than before"))


def read_case(case: Case, seed: Seed, folder: Path, reader: Reader) -> Outcome | None:
    """Makes the file in `folder`, which is emptied before, and reads it; None where the mutation changes nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "neighbour").touch()  # where all files of a folder are gone, it is the disk that went away
    with mutated(case, seed, folder) as path:
        return None if path is None else reader.read(path)


def as_table(campaign: Campaign) -> str:
    """A line for each variant, and their sum."""
    found = sum((tally.statuses for tally in campaign.tallies.values()), Counter())
    statuses = ["ok", *sorted(found.keys() - {"ok"})]
    rows = [["", "files", *statuses, "slowest s", "peak MB"]]
    for variant, tally in sorted(campaign.tallies.items()):
        counts = [f"{tally.statuses[status]:,}" for status in statuses]
        rows.append([variant, f"{tally.statuses.total():,}", *counts, f"{tally.slowest_s:.2f}", f"{tally.peak_mb:.0f}"])
    slowest_s = max(tally.slowest_s for tally in campaign.tallies.values())
    peak_mb = max(tally.peak_mb for tally in campaign.tallies.values())
    counts = [f"{found[status]:,}" for status in statuses]
    rows.append(["all", f"{found.total():,}", *counts, f"{slowest_s:.2f}", f"{peak_mb:.0f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def as_json(campaign: Campaign) -> dict:
    return {
        "files": sum(tally.statuses.total() for tally in campaign.tallies.values()),
        "intact_reads": campaign.intact_reads,
        "variants": {
            variant: {
                "statuses": dict(sorted(tally.statuses.items())),
                "slowest_s": round(tally.slowest_s, 3),
                "peak_mb": round(tally.peak_mb, 1),
            }
            for variant, tally in sorted(campaign.tallies.items())
        },
        "mutations": dict(sorted(campaign.mutations.items())),
    }


def _only(case: Case, seeds: Mapping[str, Seed], folder: Path) -> int:
    """Reads one case again and leaves its file behind."""
    if case.variant not in seeds or case.mutation not in mutations_of(seeds[case.variant].format):
        print(f"no {case}; variants: {', '.join(seeds)}", file=sys.stderr)
        return 2
    kept = Path(tempfile.mkdtemp(prefix="fault-"))
    with Reader(folder) as reader:
        outcome = read_case(case, seeds[case.variant], kept / "files", reader)
    print(f"{outcome}\nthe file is in {kept / 'files'}")
    return int(outcome is not None and bool(outcome.problem))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_500, help="mutated files to read")
    parser.add_argument("--jobs", type=int, default=2, help="files read at the same time")
    parser.add_argument("--json", type=Path, help="where to write the counts")
    parser.add_argument(
        "--workflow-files", type=int, default=300, help="mutated files of the run of Snakemake, 0: none"
    )
    parser.add_argument("--only", nargs=3, metavar=("VARIANT", "MUTATION", "SEED"), help="read one file again")
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        folder = Path(temporary)
        seeds = write_seeds(folder / "seeds", real=True)
        if options.only:
            variant, mutation, seed = options.only
            return _only(Case(variant, mutation, int(seed)), seeds, folder / "reader")
        campaign = Campaign(seeds, options.files)
        campaign.run(folder, options.jobs)
        print(as_table(campaign))
        print(f"{campaign.intact_reads:,} intact files read in between")
        counts = as_json(campaign)
        failures = [f"{case}: {problem}" for case, problem in campaign.failures]
        if options.workflow_files:
            of_workflow = workflow_faults(folder / "workflow", seeds, options.workflow_files, options.jobs)
            counts["workflow"] = vars(of_workflow)
            failures += of_workflow.failures
            print(_in_words(of_workflow))
    counts |= {"failures": failures, "seconds": round(time.monotonic() - started_s, 1)}
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{len(failures)} failures, {counts['seconds']:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(counts, indent=2) + "\n")
    return int(bool(failures))


def _in_words(counts: WorkflowCounts) -> str:
    found = ", ".join(f"{number} {status}" for status, number in counts.statuses.most_common())
    return f"workflow: {counts.good} good files with and without {counts.mutated} mutated ones ({found})"


if __name__ == "__main__":
    sys.exit(main())
