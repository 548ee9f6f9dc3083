"""Runs the real Snakemake in a folder of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = str(Path(sys.executable).parent / "snakemake")


@dataclass(frozen=True)
class Outcome:
    """Exit status and everything a run printed."""

    status: int
    text: str

    @property
    def rules(self) -> dict[str, int]:
        """Jobs per rule that the run did, or with -n would do."""
        table = self.text.split("Job stats:")[-1].splitlines()[3:]
        counts = {}
        for line in table:
            words = line.split()
            if len(words) != 2 or words[0] == "total":
                break
            counts[words[0]] = int(words[1])
        return counts if "Job stats:" in self.text else {}


def command(*arguments: str, cores: int = 2) -> list[str]:
    return [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--cores", str(cores), *arguments]


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith(("TWELVELEAD_", "SNAKEMAKE_"))}


def snakemake(folder: Path, *arguments: str, cores: int = 2) -> Outcome:
    """Runs to the end; `folder` is the working folder."""
    done = subprocess.run(
        command(*arguments, cores=cores), cwd=folder, capture_output=True, text=True, timeout=600, env=environment()
    )
    return Outcome(done.returncode, done.stdout + done.stderr)


def run(folder: Path, *targets: str, cores: int = 2, **config) -> Outcome:
    """A run with this configuration, which is written to <folder>/config.yaml; it must end well."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    outcome = snakemake(folder, *targets, "--configfile", "config.yaml", cores=cores)
    if outcome.status:
        raise AssertionError(outcome.text)
    return outcome


def tree(folder: Path, *, without: tuple[str, ...] = ("provenance.json",)) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in without
    }
