"""The workflow on a real SLURM: what it submits, which GPUs jobs get, and that a lost job is no lost result."""

import hashlib
import itertools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from cluster.slurm_up import GPUS_PER_NODE
from cluster.submitting import Submitted, submit
from workflow.running import ROOT, snakemake, tree

DEMO = ("--configfile", str(ROOT / "config/demo.yaml"))
MODELS = 5  # more than the gpu partition has GPUs


class Mean(torch.nn.Module):
    def forward(self, x):
        return x[:, 6].mean(dim=1, keepdim=True)


def with_demo_inputs(inputs, folder):
    shutil.copytree(inputs / "demo", folder / "demo")
    return folder


def gpu_batch(inputs, folder):
    """Three ECGs and models that ask for a GPU: files of a run, and its settings."""
    (folder / "lab").mkdir()
    torch.jit.script(Mean()).save(str(folder / "lab/mean.pt"))
    model = {
        "family": "torchscript",
        "source": {"path": "mean.pt"},
        "sha256": hashlib.sha256((folder / "lab/mean.pt").read_bytes()).hexdigest(),
        "recipe": "deepecg",
        "labels": ["positive"],
    }
    names = [f"mean_{number}" for number in range(MODELS)]
    task = {"kind": "binary", "truth_column": "af", "file_column": "ecg", "models": names}
    (folder / "lab/models.yaml").write_text(yaml.safe_dump(dict.fromkeys(names, model)))
    (folder / "lab/tasks.yaml").write_text(yaml.safe_dump({"af_now": task}))
    files = pd.read_csv(inputs / "demo/table.csv", dtype=str)["77_classes_ecg_file_name"].dropna().head(3)
    pd.DataFrame({"ecg": files, "af": ["0", "1", "0"]}).to_csv(folder / "table.csv", index=False)
    settings = {
        "batches": {"three": {"table": "table.csv", "signals": str(inputs / "demo/ecg_signals")}},
        "extra_models": "lab/models.yaml",
        "extra_tasks": "lab/tasks.yaml",
        "device": "auto",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    (folder / "partitions.yaml").write_text(yaml.safe_dump({"partitions": {"cpu": {}, "gpu": {"max_gpu": 2}}}))
    return folder


@dataclass(frozen=True)
class Runs:
    """Runs that went on at once, and ended: the demo, models on GPUs, one that loses jobs, one without SLURM."""

    demo: Submitted
    gpus: Submitted
    lossy: Submitted
    local: Path
    states: dict[str, str]


@pytest.fixture(scope="module")
def runs(cluster, tmp_path_factory):
    """Three Snakemakes at once, as a cluster's users are, and a fourth that computes here.

    In the lossy one the job of `label` is cancelled, that of `spectrum` is killed for memory, and that of `prepare`
    hangs until its minute is over. Nothing is submitted anew there.
    """
    local = tmp_path_factory.mktemp("local")
    made = snakemake(local, "demo_inputs")
    assert made.status == 0, made.text
    started = []
    try:
        losses = ("--retries=0", "--set-resources", "spectrum:mem_mb=100", "prepare:runtime=1")
        lossy = submit(cluster, with_demo_inputs(local, tmp_path_factory.mktemp("lossy")), *DEMO, *losses)
        started.append(lossy)
        demo = submit(cluster, with_demo_inputs(local, tmp_path_factory.mktemp("demo")), *DEMO)
        started.append(demo)
        cluster.ask("scancel", lossy.job("label").number)
        lossy.hang("prepare")
        arguments = ("analysis", "--until", "infer", "--configfile", "config.yaml")
        # Arrays of two, so that three shards are two arrays.
        options = ("--slurm-partition-config", "partitions.yaml", "--slurm-array-limit=2")
        gpus = submit(cluster, gpu_batch(local, tmp_path_factory.mktemp("gpus")), *arguments, *options)
        started.append(gpus)
        computed = snakemake(local, *DEMO)
        assert computed.status == 0, computed.text
        for run in started:
            run.wait()
        yield Runs(demo, gpus, lossy, local, {job.what.split("_")[1]: job.state for job in lossy.jobs()})
    finally:
        for run in started:
            run.process.kill()


def test_the_demo_through_sbatch_gives_the_bytes_of_a_local_run(runs):
    assert runs.demo.wait().status == 0, runs.demo.text
    assert runs.demo.text.count("has been submitted with SLURM jobid") > 10
    assert tree(runs.demo.folder / "results") == tree(runs.local / "results")


def test_light_rules_share_submissions(runs):
    assert re.search(r"slurm_logs/group_page_\w*report", runs.demo.text)
    assert re.search(r"slurm_logs/group_tables_\w*recordings", runs.demo.text)


def test_shards_are_submitted_as_arrays(runs):
    assert runs.gpus.wait().status == 0, runs.gpus.text
    # decode and clean; spectrum too where both decoded shards are noticed at once
    assert runs.gpus.text.count("Submitted array job") >= 2


def test_each_gpu_job_sees_one_device_and_no_two_the_same_at_once(runs, cluster):
    assert runs.gpus.wait().status == 0, runs.gpus.text
    jobs = re.findall(r"rule_infer/\S*/(\d+)\.log", runs.gpus.text)
    assert len(set(jobs)) == MODELS
    names = ["moment", "time", "job", "node", "devices"]
    seen = pd.read_csv(cluster.device_log, sep="\t", names=names, dtype=str, keep_default_na=False)
    seen["time"] = seen["time"].astype(float)
    on_gpu = seen[seen["job"].isin(jobs)]
    assert set(on_gpu["devices"]) <= {str(index) for index in range(GPUS_PER_NODE)}
    assert set(seen.loc[~seen["job"].isin(jobs), "devices"]) == {""}
    held = on_gpu.groupby(["job", "node", "devices"])["time"].agg(["min", "max"]).reset_index()
    assert len(held) == MODELS  # a job's tasks all saw the same device, on one node
    at_once = [
        (first, second)
        for first, second in itertools.combinations(held.itertuples(), 2)
        if first.min < second.max and second.min < first.max
    ]
    assert at_once, "no two GPU jobs ran at the same time, so this shows nothing"
    for first, second in at_once:
        assert (first.node, first.devices) != (second.node, second.devices)


def test_lost_jobs_are_named_and_the_rerun_gives_the_bytes_of_a_local_run(runs, cluster):
    assert runs.lossy.wait().status != 0
    assert runs.states["label"] == "CANCELLED"
    assert "Exceeded job memory limit" in runs.lossy.slurm_log("spectrum")
    assert runs.states["prepare"] == "TIMEOUT"
    for rule in ("label", "spectrum", "prepare"):
        assert f"Error in rule {rule}:" in runs.lossy.text
    assert "SLURM status is: 'TIMEOUT'" in runs.lossy.text
    # This time `clean` is killed for memory once and submitted anew with more, and `label` is sent back to the queue.
    grows = "--set-resources=clean:mem_mb=100 if attempt == 1 else 900"
    rerun = submit(cluster, runs.lossy.folder, *DEMO, grows)
    preempted = rerun.job("label").number
    cluster.ask("scontrol", "requeue", preempted)
    assert rerun.wait().status == 0, rerun.text
    assert "Restarts=1" in cluster.ask("scontrol", "show", "job", preempted)
    assert "decode" not in rerun.wait().rules  # what was done is kept
    assert len(re.findall(r"rule_clean/\S*/\d+\.log\)\.", rerun.text)) == 2
    assert tree(rerun.folder / "results") == tree(runs.local / "results")
