"""Inputs that vanish or change while a run works: what it says, and that the next run ends as if nothing had been."""

import os
import shutil
import subprocess
import time

import openecg
import pandas as pd
import pytest
import yaml

from workflow.running import Outcome, command, environment, snakemake, tree

TARGETS = ("results/t/recordings.csv", "results/t/preprocessing/ecg_processing_detailed_report.csv")


@pytest.fixture
def folder(cohort, tmp_path):
    """A folder to run in: six good ECGs in ecgs/, on what could be a disk, t.csv that names them, and the settings."""
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    table = table.head(6)[["ecg_machine_diagnosis", "77_classes_ecg_file_name"]]
    names = [f"{number}.ecg" for number in range(6)]
    (tmp_path / "disk/ecgs").mkdir(parents=True)
    for name, source in zip(names, table["77_classes_ecg_file_name"], strict=True):
        shutil.copy(cohort / "ecg_signals" / source, tmp_path / "disk/ecgs" / name)
    table.assign(**{"77_classes_ecg_file_name": names}).to_csv(tmp_path / "t.csv", index=False)
    settings = {"table": "t.csv", "signals": "disk/ecgs", "shard_size": 4}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def run_while(folder, change, targets=TARGETS, moment="work/t/plan/index-*.json"):
    """Runs, and calls `change` when a file is there that is newer than the start: by default when all is planned."""
    start = time.time_ns()
    process = subprocess.Popen(
        command(*targets, "--configfile", "config.yaml"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    while process.poll() is None and not any(path.stat().st_mtime_ns >= start for path in folder.glob(moment)):
        time.sleep(0.002)
    assert process.poll() is None, process.communicate()[0]
    change()
    printed, _ = process.communicate(timeout=300)
    return Outcome(process.returncode, printed)


def again(folder, targets=TARGETS):
    outcome = snakemake(folder, *targets, "--configfile", "config.yaml")
    assert outcome.status == 0, outcome.text
    return outcome


def undisturbed(folder, place):
    """Results of a run in another folder on the inputs as they are."""
    place.mkdir()
    for name in ("t.csv", "config.yaml"):
        shutil.copy(folder / name, place)
    shutil.copytree(folder / "disk", place / "disk")
    again(place)
    return tree(place / "results")


def fates(folder):
    return pd.read_csv(folder / "results/t/recordings.csv", keep_default_na=False).set_index("file")


def test_an_ecg_that_is_away_for_a_moment_is_missing_for_that_run_alone(folder, tmp_path):
    expected = undisturbed(folder, tmp_path / "undisturbed")
    ecg = folder / "disk/ecgs/2.ecg"
    outcome = run_while(folder, lambda: ecg.rename(folder / "away"))
    assert outcome.status == 0, outcome.text
    assert fates(folder)["status"].value_counts().to_dict() == {"ok": 5, "missing": 1}
    assert fates(folder).loc["2.ecg", "message"] == "the file vanished after the run was planned"
    (folder / "away").rename(ecg)  # as it was, so that nothing but the earlier run tells
    assert again(folder).rules["decode"] == 1
    assert tree(folder / "results") == expected
    assert "Nothing to be done" in again(folder).text


def test_an_ecg_that_is_replaced_meanwhile_is_decoded_anew_by_the_next_run(folder, tmp_path):
    ecg = folder / "disk/ecgs/2.ecg"
    halves = ecg.read_bytes()[:3000]
    outcome = run_while(folder, lambda: ecg.write_bytes(halves))
    assert outcome.status == 0, outcome.text
    assert fates(folder).loc["2.ecg", "status"] == "unreadable"  # what was there when it was read
    logs = "".join(path.read_text() for path in (folder / "work/t/logs/decode").iterdir())
    assert "1 files vanished or changed since the run was planned" in logs
    shutil.copy(folder / "disk/ecgs/3.ecg", ecg)
    assert again(folder).rules["decode"] == 1
    assert tree(folder / "results") == undisturbed(folder, tmp_path / "undisturbed")


@pytest.mark.parametrize("left", ["an empty folder", "nothing"])
def test_a_disk_that_is_unmounted_meanwhile_empties_no_earlier_results(folder, left):
    again(folder)
    before = tree(folder / "results")

    def unmount():
        (folder / "disk").rename(folder / "elsewhere")
        if left == "an empty folder":
            (folder / "disk/ecgs").mkdir(parents=True)

    for path in (folder / "disk/ecgs").iterdir():
        os.utime(path)  # so that there is something to decode
    outcome = run_while(folder, unmount)
    assert outcome.status != 0
    assert "ERROR folder disk/ecgs had ECGs when the run was planned and" in outcome.text
    assert "Traceback" not in outcome.text
    assert tree(folder / "results") == before
    shutil.rmtree(folder / "disk", ignore_errors=True)
    (folder / "elsewhere").rename(folder / "disk")
    again(folder)
    assert tree(folder / "results") == before


def test_a_table_that_goes_meanwhile_was_read_already(folder, tmp_path):
    expected = undisturbed(folder, tmp_path / "undisturbed")
    outcome = run_while(folder, lambda: (folder / "t.csv").rename(folder / "away.csv"))
    assert outcome.status == 0, outcome.text
    assert tree(folder / "results") == expected
    outcome = snakemake(folder, *TARGETS, "--configfile", "config.yaml")
    assert outcome.status != 0
    assert "Error: t.csv: there is no such table" in outcome.text
    assert tree(folder / "results") == expected


def test_weights_that_go_meanwhile_are_named(folder):
    shipped = next(iter(openecg.__path__)) + "/models/codec_v6_int8.onnx"
    shutil.copy(shipped, folder / "own.onnx")
    (folder / "models.yaml").write_text(
        "own: {family: openecg, source: {path: own.onnx}, recipe: openecg, mapping: mapping.csv}\n"
    )
    (folder / "mapping.csv").write_text("output,target,members,quality,source\nafib,Afib,Afib,broader,the test\n")
    (folder / "tasks.yaml").write_text(
        "ecg_machine_diagnosis: {kind: patterns, truth_column: ecg_machine_diagnosis, "
        "file_column: 77_classes_ecg_file_name, models: [own]}\n"
    )
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    settings |= {"extra_models": "models.yaml", "extra_tasks": "tasks.yaml"}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    wanted = ("results/t/ecg_machine_diagnosis/own/probabilities.csv",)
    verified = "work/models/own/weights.json"
    outcome = run_while(folder, lambda: (folder / "own.onnx").rename(folder / "away.onnx"), wanted, verified)
    assert outcome.status != 0
    assert "own.onnx" in outcome.text
    assert "Traceback" not in outcome.text
    assert not (folder / wanted[0]).exists()
    (folder / "away.onnx").rename(folder / "own.onnx")
    again(folder, wanted)
    assert len(pd.read_csv(folder / wanted[0])) == 6
