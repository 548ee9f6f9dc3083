"""Profiles name rules that exist, and repeat what they take the place of."""

import dataclasses
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from snakemake_executor_plugin_slurm.partitions import PartitionLimits

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


def rules_with_scripts():
    for path in sorted(ROOT.glob("rules/*.smk")):
        for body in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in body:
                yield body.partition(":")[0], body


@pytest.mark.parametrize(("rule", "body"), [pytest.param(*each, id=each[0]) for each in rules_with_scripts()])
def test_every_rule_asks_for_more_memory_and_time_with_every_attempt(rule, body):
    assert re.search(r"\bmem_mb=growing\(", body)
    assert re.search(r"\bruntime=growing\(", body)


def test_rules_that_compute_with_a_network_ask_for_a_gpu():
    asking = {rule for rule, body in rules_with_scripts() if "gpu=gpus_for(" in body}
    assert asking == {"infer", "infer_windows", "saliency_windows", "label"}


def test_no_group_is_among_the_first_jobs_of_a_run():
    """Plugin 2.8.0 waits for ever for a group that it could not submit; that SLURM refuses jobs, others show before."""
    assert not set(PROFILES["slurm"]["groups"]) & {"decode", "verify_weights", "convert_checkpoint", "fetch_models"}


def test_the_schema_of_partitions_has_the_plugins_limits():
    schema = yaml.safe_load((ROOT / "config/schemas/partitions.schema.yaml").read_text())
    limits = schema["properties"]["partitions"]["additionalProperties"]["properties"]
    assert set(limits) - {"cluster"} == {field.name for field in dataclasses.fields(PartitionLimits)}
    jsonschema.validate(yaml.safe_load((ROOT / "profiles/slurm/partitions.yaml").read_text()), schema)


def test_a_group_of_unconnected_jobs_fits_on_a_node():
    """They ask for the sum of their cores and memory, 4 GB each at most."""
    slurm = PROFILES["slurm"]
    assert set(slurm["group-components"]) <= set(slurm["groups"].values())
    assert max(slurm["group-components"].values()) <= 8
