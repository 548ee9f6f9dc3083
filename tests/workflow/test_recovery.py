"""A run that is killed and started again ends with the same bytes as one that was not."""

import os
import signal
import subprocess
import time

from faults.kills import campaign
from workflow.conftest import batch_of
from workflow.running import command, environment, run, snakemake, tree


def kill_during(folder, moment, how):
    """Starts a run and kills its whole process group, or its main process alone, once `moment` is there."""
    process = subprocess.Popen(
        command("--configfile", "config.yaml"),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment(),
    )
    deadline = time.monotonic() + 120
    while not moment() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "the run ended before it could be killed"
    if how == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_in_the_middle_and_started_again(finished, cohort, tmp_path):
    config = {"batches": batch_of(cohort, patient_column="patient"), "statements_from_files": True}
    outcome = run(tmp_path, "-n", **config)
    assert outcome.rules["decode"] == 1
    work = tmp_path / "work/small"
    kill_during(tmp_path, lambda: (work / "logs/spectrum").exists(), "group")
    locked = snakemake(tmp_path, "--configfile", "config.yaml")
    assert locked.status != 0
    assert "unlock" in locked.text
    assert snakemake(tmp_path, "--unlock", "--configfile", "config.yaml").status == 0
    # A second time, the main process alone: its jobs live on as orphans while the next run works.
    kill_during(tmp_path, lambda: (work / "logs/infer").exists(), "main")
    assert snakemake(tmp_path, "--unlock", "--configfile", "config.yaml").status == 0
    resumed = snakemake(tmp_path, "--configfile", "config.yaml")
    assert resumed.status == 0, resumed.text
    assert "decode" not in resumed.rules  # what was done is kept
    assert tree(tmp_path / "results") == tree(finished.folder / "results")
    time.sleep(1)
    leftovers = [path for path in work.rglob("*.tmp") if time.time() - path.stat().st_mtime < 1]
    assert leftovers == []


def test_killed_at_random_moments(tmp_path):
    """Of `make faults`, which does so 50 times."""
    found = campaign(kills=3, seed=2, place=tmp_path)
    assert found.kills.total() == 3
    assert found.wrong == []
