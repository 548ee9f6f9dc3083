"""profiles/slurm up to where it asks SLURM for something; tests/cluster goes on from there."""

import re

import pytest

from workflow.running import ROOT, snakemake

PROFILE = ("--workflow-profile", str(ROOT / "profiles/slurm"))
FAST = ("--slurm-init-seconds-before-status-checks=1", "--seconds-between-status-checks=1")
WOULD_WAIT = "with `slurm-array-jobs` would wait for ever; take one of them out (docs/cluster.md)"


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """The file in which an sbatch notes what it was asked for; a squeue says that all of it ran out of memory."""
    folder, asked = tmp_path / "bin", tmp_path / "asked"
    folder.mkdir()
    commands = dict.fromkeys(("sacct", "sinfo", "scancel", "sacctmgr"), "exit 0")
    commands["scontrol"] = "echo 'MinJobAge = 300 sec'"
    commands["sbatch"] = f"echo $* | tr '\\n' ' ' >> {asked}; echo >> {asked}; wc -l < {asked}"
    commands["squeue"] = f"seq $(wc -l < {asked}) | sed 's/$/|OUT_OF_MEMORY/'"
    for name, command in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{command}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return asked


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--jobs=5"], "jobs"),
        (["--scheduler-subsample=10"], "scheduler-subsample"),
        (["--max-jobs-per-timespan=10/1s"], "max-jobs-per-timespan"),
        (["--resources", "mem_mb=8000", "--set-resource-scopes", "mem_mb=global"], "resources"),
    ],
)
def test_a_run_that_would_wait_for_ever_does_not_start(options, named, sbatch, tmp_path):
    outcome = snakemake(tmp_path, "demo_inputs", *PROFILE, *options)
    assert outcome.status != 0
    assert f"Error: `{named}` {WOULD_WAIT}" in outcome.text
    assert not sbatch.exists()


def test_wrong_partitions_are_named_before_a_job_meets_them(sbatch, tmp_path):
    (tmp_path / "partitions.yaml").write_text("partitions: {gpu: {max_mem_mb: 180G, max_gpu: a100}}\n")
    outcome = snakemake(tmp_path, "demo_inputs", *PROFILE, "--slurm-partition-config", "partitions.yaml")
    assert outcome.status != 0
    assert "partitions.yaml: key `partitions.gpu.max_mem_mb` is '180G'; expected a number" in outcome.text
    assert "partitions.yaml: key `partitions.gpu.max_gpu` is 'a100'; expected a whole number" in outcome.text
    assert not sbatch.exists()


def test_an_absent_controller_is_named(sbatch, tmp_path):
    (tmp_path / "bin/sinfo").write_text("#!/bin/sh\necho 'sinfo: error: no such host' >&2; exit 1\n")
    outcome = snakemake(tmp_path, "demo_inputs", *PROFILE)
    assert outcome.status != 0
    assert "Error: SLURM's controller does not answer: sinfo: error: no such host" in outcome.text
    assert not sbatch.exists()


def submissions(asked):
    """Memory in MB and minutes of every submission."""
    lines = asked.read_text().splitlines()
    return [tuple(int(re.search(rf"{option}[ =](\d+)", line)[1]) for option in ("--mem", "-t")) for line in lines]


def test_jobs_may_be_limited_without_arrays(sbatch, tmp_path):
    snakemake(tmp_path, "demo_inputs", *PROFILE, *FAST, "--retries=0", "--jobs=5", "--slurm-array-jobs=")
    assert len(submissions(sbatch)) == 1


def test_a_job_that_is_killed_asks_for_more_the_next_time(sbatch, tmp_path):
    """A limit of memory without a scope of its own counts within a job, so arrays do no harm with it."""
    outcome = snakemake(tmp_path, "demo_inputs", *PROFILE, *FAST, "--retries=1", "--resources", "mem_mb=8000")
    assert outcome.status != 0
    (memory, minutes), second = submissions(sbatch)
    assert second == (2 * memory, 2 * minutes)
