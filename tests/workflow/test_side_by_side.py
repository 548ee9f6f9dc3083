"""Several batches in one run, and two runs on one folder."""

import subprocess
import time

import pytest

from workflow.conftest import batch_of
from workflow.running import command, environment, run, snakemake, tree


@pytest.fixture(scope="module")
def settings(cohort):
    batch = batch_of(cohort, patient_column="patient")["small"]
    return {"batches": {"small": batch, "again": dict(batch)}, "statements_from_files": True}


def test_two_batches_of_one_run_do_not_touch_each_other(finished, settings, tmp_path):
    run(tmp_path, "analysis", **settings)
    alone = tree(finished.results)
    for batch in ("small", "again"):
        found = tree(tmp_path / f"results/{batch}", without=("provenance.json", "report.html"))
        assert found
        assert found == {name: alone[name] for name in found}


def test_a_second_run_on_the_same_folder_says_so_and_harms_nothing(finished, cohort, tmp_path):
    config = {"batches": batch_of(cohort, patient_column="patient"), "statements_from_files": True}
    run(tmp_path, "-n", **config)
    plans = tree(tmp_path / "work/small/plan")
    first = subprocess.Popen(
        command("--configfile", "config.yaml"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "work/small/logs/decode").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        # Planned with another size of shards, while the first run's jobs read their plans.
        second = snakemake(tmp_path, "--configfile", "config.yaml", "--config", "shard_size=4")
        assert first.poll() is None, "the first run ended before the second one started"
    finally:
        assert first.wait(timeout=300) == 0
    assert second.status != 0
    assert "cannot be locked" in second.text
    assert plans.items() <= tree(tmp_path / "work/small/plan").items()
    assert tree(tmp_path / "results") == tree(finished.folder / "results")
