"""profiles/gpu: as many jobs on GPUs at once as the machine has. Where it has none they fail, but no more at once."""

import hashlib
import re

import pandas as pd
import torch
import yaml

from twelvelead.demo.cohort import write_cohort
from workflow.running import ROOT, snakemake

MODELS = 4
STARTED = r"^Job (\d+): two: mean_\d on "
ENDED = r"^(?:Finished jobid: |Error in rule infer:\n.*\n    jobid: )(\d+)"
GPUS = yaml.safe_load((ROOT / "profiles/gpu/config.yaml").read_text())["resources"]["gpu"]


class Mean(torch.nn.Module):
    def forward(self, x):
        return x[:, 6].mean(dim=1, keepdim=True)


def test_no_more_jobs_ask_for_a_gpu_at_once_than_there_are(tmp_path):
    write_cohort(tmp_path / "cohort", n=20, seed=1)
    torch.jit.script(Mean()).save(str(tmp_path / "mean.pt"))
    model = {
        "family": "torchscript",
        "source": {"path": "mean.pt"},
        "sha256": hashlib.sha256((tmp_path / "mean.pt").read_bytes()).hexdigest(),
        "recipe": "deepecg",
        "labels": ["positive"],
    }
    names = [f"mean_{number}" for number in range(MODELS)]
    task = {"kind": "binary", "truth_column": "af", "file_column": "ecg", "models": names}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(dict.fromkeys(names, model)))
    (tmp_path / "tasks.yaml").write_text(yaml.safe_dump({"af_now": task}))
    files = pd.read_csv(tmp_path / "cohort/table.csv", dtype=str)["77_classes_ecg_file_name"].dropna().head(2)
    pd.DataFrame({"ecg": files, "af": ["0", "1"]}).to_csv(tmp_path / "two.csv", index=False)
    settings = {
        "batches": {"two": {"table": "two.csv", "signals": "cohort/ecg_signals"}},
        "extra_models": "models.yaml",
        "extra_tasks": "tasks.yaml",
        "device": "cuda",
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    profile = ("--workflow-profile", str(ROOT / "profiles/gpu"))
    outcome = snakemake(tmp_path, "analysis", "--until", "infer", "--configfile", "config.yaml", *profile, cores=16)
    running, most = set(), 0
    for started, ended in re.findall(rf"{STARTED}|{ENDED}", outcome.text, re.MULTILINE):
        running = running | {started} if started else running - {ended}
        most = max(most, len(running))
    assert outcome.rules["infer"] == MODELS
    assert most == GPUS
    assert not running, outcome.text
