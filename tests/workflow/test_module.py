"""This workflow as a module of another one, twice with different settings, run by the real Snakemake."""

import json
import shutil
import subprocess

import pandas as pd
import pytest
import yaml

from workflow.conftest import batch_of
from workflow.running import ROOT, Outcome, snakemake, tree

MODULE = """
module NAME:
    snakefile: "ROOT/Snakefile"
    config: config["NAME"]

use rule * from NAME as NAME_*
"""
FIRST = """
configfile: "config.yaml"

rule all:
    input: "statuses.csv", "calibrations.json", "plans.json"
"""
LAST = """
import json

rule statuses:
    input: "ecg/results/small/recordings.csv"
    output: "statuses.csv"
    shell: "cut -d, -f1-7 {input} > {output}"

rule calibrations:
    input: "ecg/results/small/preprocessing/calibration.json", "raw/results/small/preprocessing/calibration.json"
    output: "calibrations.json"
    run:
        content = [json.loads(open(path).read()) for path in input]
        print(json.dumps(content), file=open(output[0], "w"))

# `run:` reads the workflow in a process of its own, as a job on a cluster node does.
rule plans:
    output: "plans.json"
    run:
        shards = {module.__name__: list(module.SHARDS["small"]) for module in (ecg, raw)}
        print(json.dumps(shards), file=open(output[0], "w"))
"""


def module(name: str) -> str:
    return MODULE.replace("NAME", name).replace("ROOT", str(ROOT))


def settings(name: str, cohort, **more) -> dict:
    return {name: {"results": f"{name}/results", "work": f"{name}/work", "batches": batch_of(cohort), **more}}


def outer(folder, *arguments: str) -> Outcome:
    return snakemake(folder, "--snakefile", "Snakefile", *arguments)  # the later --snakefile counts


@pytest.fixture(scope="module")
def used(cohort, tmp_path_factory):
    """The folder and outcome of a workflow that has this one in it as `ecg` and `raw`; `ecg` runs as `finished` did."""
    folder = tmp_path_factory.mktemp("outer")
    ecg = settings("ecg", cohort, batches=batch_of(cohort, patient_column="patient"), statements_from_files=True)
    raw = settings("raw", cohort, preprocessing={"units": "raw", "scale": "batch"}, shard_size=10)
    (folder / "config.yaml").write_text(yaml.safe_dump(ecg | raw))
    (folder / "Snakefile").write_text(FIRST + module("ecg") + module("raw") + LAST)
    outcome = outer(folder, "all", "ecg_full_run")
    assert outcome.status == 0, outcome.text
    return folder, outcome


def test_a_module_leaves_what_a_run_of_its_own_leaves(used, finished):
    folder, _ = used
    assert tree(folder / "ecg/results") == tree(finished.folder / "results")


def test_a_rule_of_the_other_workflow_reads_a_result(used, finished):
    folder, _ = used
    statuses = pd.read_csv(folder / "statuses.csv")["status"]
    assert statuses.tolist() == pd.read_csv(finished.results / "recordings.csv")["status"].tolist()


def test_two_modules_have_settings_of_their_own(used):
    folder, outcome = used
    ecg, raw = json.loads((folder / "calibrations.json").read_text())
    assert (ecg["scale"], raw["scale"]) == ("physical", "batch")
    assert outcome.rules["ecg_decode"] == 1
    assert outcome.rules["raw_decode"] > 1
    assert "raw_infer" not in outcome.rules


def test_batches_of_one_name_keep_their_plans_apart_in_other_processes(used):
    folder, outcome = used
    plans = json.loads((folder / "plans.json").read_text())
    assert plans["ecg"] == ["shard-all"]
    assert len(plans["raw"]) == outcome.rules["raw_decode"]


def test_no_rule_is_lost_under_its_new_name(used):
    assert "localrules directive specifies rules that are not present" not in used[1].text
    assert outer(used[0], "-n", "ecg_fetch_models").status == 0


def test_run_again_it_has_nothing_to_do(used):
    assert "Nothing to be done" in outer(used[0], "all", "ecg_full_run", "-n").text


def test_captions_come_with_a_report_of_the_other_workflow(used):
    outcome = outer(used[0], "ecg_full_run", "--report", "report.html")
    assert outcome.status == 0, outcome.text
    assert "Everything about batch small on one page" in (used[0] / "report.html").read_text()


@pytest.mark.parametrize(
    ("rules_before", "mode", "target"),
    [
        ("rule all:\n    input: []\n", "full_run", "all"),
        ("", "full_run", "ecg_full_run"),
        ("", "analysis", "ecg_analysis"),
    ],
)
def test_the_default_target_is_that_of_the_other_workflow_where_it_has_one(
    cohort, tmp_path, rules_before, mode, target
):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings("ecg", cohort, mode=mode)))
    (tmp_path / "Snakefile").write_text('configfile: "config.yaml"\n' + rules_before + module("ecg"))
    outcome = outer(tmp_path, "-n", "--forceall")
    assert outcome.status == 0, outcome.text
    assert target in outcome.rules
    assert {"all", "ecg_full_run", "ecg_analysis"} & set(outcome.rules) == {target}


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ('    prefix: "ecg"\n', "set `results` and `work` in its config"),
        ('    replace_prefix: {"ecg/work": "elsewhere"}\n', "set `results` and `work` in its config"),
    ],
)
def test_a_prefix_is_refused(cohort, tmp_path, ending, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings("ecg", cohort)))
    text = 'configfile: "config.yaml"\n' + module("ecg").replace("\n\nuse", f"\n{ending}\nuse")
    (tmp_path / "Snakefile").write_text(text)
    outcome = outer(tmp_path, "-n")
    assert outcome.status != 0
    assert message in outcome.text
    assert "Traceback" not in outcome.text


def test_rules_of_a_repository_are_refused_where_they_have_no_folder(tmp_path):
    repository = tmp_path / "repository"
    (repository / "workflow").mkdir(parents=True)
    shutil.copy(ROOT / "Snakefile", repository / "workflow")
    shutil.copytree(ROOT / "rules", repository / "workflow/rules")
    git = ["git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "rules"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "Snakefile").write_text(
        f'module ecg:\n    snakefile: gitfile("{repository}", path="workflow/Snakefile", tag="v1")\n'
        "    config: {}\n\nuse rule * from ecg as ecg_*\n"
    )
    outcome = outer(tmp_path, "-n")
    assert outcome.status != 0
    assert "clone the repository and give the path of its Snakefile" in outcome.text


def test_the_catalog_reads_what_the_metadata_says():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) <= {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["software-stack-deployment"] == {"conda": True, "apptainer": True, "apptainer+conda": False}
    assert (ROOT / "config/README.md").is_file()
