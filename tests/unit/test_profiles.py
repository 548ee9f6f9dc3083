"""Profiles name rules that exist, and repeat what they take the place of."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = set(re.findall(r"^rule (\w+)", "".join(path.read_text() for path in ROOT.glob("rules/*.smk")), re.MULTILINE))
PROFILES = {path.parent.name: yaml.safe_load(path.read_text()) for path in ROOT.glob("profiles/*/config.yaml")}


def rules_named(profile):
    named = set(profile.get("groups", {})) | set(profile.get("set-threads", {})) | set(profile.get("set-resources", {}))
    return named | set(filter(None, profile.get("slurm-array-jobs", "").split(",")))


@pytest.mark.parametrize("name", PROFILES)
def test_every_rule_a_profile_names_is_there(name):
    assert rules_named(PROFILES[name]) <= RULES


@pytest.mark.parametrize("name", ["slurm", "gpu"])
def test_a_profile_repeats_the_defaults_it_takes_the_place_of(name):
    default = PROFILES["default"]
    for key in ("scheduler", "rerun-incomplete", "keep-going", "show-failed-logs"):
        assert PROFILES[name][key] == default[key]
    assert set(PROFILES[name]["default-resources"]) == set(default["default-resources"])


def test_nothing_limits_how_many_jobs_of_an_array_are_chosen_at_once():
    slurm = PROFILES["slurm"]
    assert slurm["slurm-array-jobs"]
    assert slurm["jobs"] == "unlimited"
    assert "scheduler-subsample" not in slurm
    # Members of a group are submitted one by one.
    assert not set(slurm["slurm-array-jobs"].split(",")) & set(slurm["groups"])


def test_every_rule_states_its_memory_and_time():
    for path in ROOT.glob("rules/*.smk"):
        for body in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in body:
                rule = body.partition(":")[0]
                assert re.search(r"\bmem_mb=", body), rule
                assert re.search(r"\bruntime=", body), rule
