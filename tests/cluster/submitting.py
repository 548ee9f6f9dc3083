"""Runs of the workflow through sbatch, several at once, and a look at what SLURM does with their jobs."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster.slurm_up import Cluster
from workflow.running import ROOT, SNAKEMAKE, Outcome, environment

FAST_CHECKS = ("--slurm-init-seconds-before-status-checks", "1")


@dataclass(frozen=True)
class Job:
    """One of SLURM's jobs: number, state, and the rule or group it is for."""

    number: str
    state: str
    what: str


@dataclass(frozen=True)
class Submitted:
    """A Snakemake that submits jobs; `folder` is its working folder."""

    cluster: Cluster
    folder: Path
    process: subprocess.Popen

    @property
    def text(self) -> str:
        return (self.folder / "run.log").read_text()

    def wait(self) -> Outcome:
        return Outcome(self.process.wait(timeout=1800), self.text)

    def jobs(self) -> list[Job]:
        """Jobs of this run that SLURM remembers, running ones and those that ended."""
        lines = self.cluster.ask("squeue", "--noheader", "--states=all", "--format=%Z|%i|%T|%k").splitlines()
        rows = [line.split("|") for line in lines]
        return [Job(*row[1:]) for row in rows if row[0] == str(self.folder)]

    def slurm_log(self, rule: str) -> str:
        """What SLURM kept of the jobs of a rule that failed."""
        logs = sorted(self.folder.glob(f".snakemake/slurm_logs/rule_{rule}/**/*.log"))
        return "".join(log.read_text() for log in logs)

    def until(self, moment: Callable[[], object]) -> object:
        """The first true answer of `moment`, asked for as long as the run goes on."""
        while not (answer := moment()):
            assert self.process.poll() is None, f"the run ended before the moment came\n{self.text}"
            time.sleep(0.05)
        return answer

    def job(self, rule: str, state: str = "RUNNING") -> Job:
        """Waits for a job of this rule in this state."""
        return self.until(
            lambda: next(
                (job for job in self.jobs() if job.state == state and job.what.startswith(f"rule_{rule}_")), None
            )
        )

    def hang(self, script: str) -> None:
        """Stops the script of a job as if it hung: it neither ends nor hears SIGTERM."""
        os.kill(self.until(lambda: self._process_of(script)), signal.SIGSTOP)

    def _process_of(self, script: str) -> int | None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if process.joinpath("cwd").readlink() == self.folder and re.search(
                    rf"\.{script}\.py\0$", process.joinpath("cmdline").read_text()
                ):
                    return int(process.name)
            except OSError:
                continue  # it ended meanwhile
        return None


def submit(cluster: Cluster, folder: Path, *arguments: str) -> Submitted:
    """Starts the workflow with profiles/slurm in `folder`."""
    command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", str(ROOT / "profiles/slurm")]
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *FAST_CHECKS, *arguments],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment() | cluster.environment,
        )
    return Submitted(cluster, folder, process)
