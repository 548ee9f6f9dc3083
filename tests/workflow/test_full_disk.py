"""Disks that are full or read-only: what a run says, and that the next one ends as if nothing had been."""

import random
import subprocess

import pytest
import yaml

from faults.crash_batch import BATCH, crash_batch, steps, undisturbed
from faults.full_disk import FINISHED, campaign, fill, may_mount, small_disk
from workflow.running import snakemake

pytestmark = pytest.mark.skipif(may_mount() is not None, reason=str(may_mount()))
HIT = ("small: decode a shard", "small: the page")


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    return crash_batch(tmp_path_factory.mktemp("crash") / "inputs")


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def remount(disk, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def test_filled_while_jobs_write(batch, disk, tmp_path):
    """Of `make faults`, which fills the disk at every kind of job."""
    reference, _ = undisturbed(batch, tmp_path / "undisturbed")
    passed_over = set(steps(batch.printed(tmp_path / "undisturbed"))) - set(HIT)
    hits = list(campaign(batch, disk, reference, random.Random(1), passed_over))
    assert [hit.step for hit in hits] == [*HIT, FINISHED]
    assert [hit.wrong for hit in hits] == [[]] * len(hits)


def test_full_at_the_start(batch, disk):
    batch.prepare(disk / "run")
    assert snakemake(disk / "run", *batch.arguments("-n")).status == 0
    fill(disk, 0)
    outcome = snakemake(disk / "run", *batch.arguments())
    assert outcome.status != 0
    assert "Error: folder .snakemake cannot be written: no space is left on its disk; free some" in outcome.text
    assert "Traceback" not in outcome.text
    assert len(outcome.text.splitlines()) < 10


@pytest.mark.parametrize(("option", "words"), [("full", "no space is left"), ("ro", "its disk is read-only")])
def test_a_plan_that_cannot_be_written(batch, disk, tmp_path, option, words):
    batch.prepare(tmp_path / "run")
    if option == "ro":
        remount(disk, "ro")
    else:
        fill(disk, 0)
    outcome = snakemake(tmp_path / "run", "-n", "--configfile", "config.yaml", "--config", f"work={disk}/work")
    assert outcome.status != 0
    assert f"Error: {disk}/work/{BATCH}/plan/" in outcome.text
    assert f"cannot be written: {words}" in outcome.text
    assert "Traceback" not in outcome.text


@pytest.mark.parametrize("folder", ["results", "work"])
def test_a_read_only_folder_is_found_before_any_job(batch, disk, tmp_path, folder):
    run = tmp_path / "run"
    batch.prepare(run)
    (run / "config.yaml").write_text(yaml.safe_dump(batch.settings | {folder: str(disk)}))
    assert snakemake(run, *batch.arguments("-n")).status == 0  # which plans
    remount(disk, "ro")
    dry = snakemake(run, *batch.arguments("-n"))
    assert dry.status == 0, dry.text
    outcome = snakemake(run, *batch.arguments())
    assert outcome.status != 0
    assert f"Error: folder {disk} cannot be written: its disk is read-only; mount it writable" in outcome.text
    assert "Traceback" not in outcome.text
    assert "rule decode" not in outcome.text
    assert steps(outcome.text) == []
    remount(disk, "rw")
    outcome = snakemake(run, "--until", "splits", *batch.arguments())
    assert outcome.status == 0, outcome.text  # nothing is locked
