"""Shipped mappings, against a reading of label_map_deepecg77.csv that shares no code with the library."""

import csv
import re
from functools import cache
from pathlib import Path

import pytest

from twelvelead.config import load_config, read_yaml
from twelvelead.models.mapping import read_mapping
from twelvelead.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
LABELS = ROOT / "config/labels"
MAP = list(csv.DictReader((LABELS / "label_map_deepecg77.csv").read_text(encoding="utf-8").splitlines()))
COLUMN = {
    "deepecg77": "deepecg77",
    "ecgfm_physionet2021": "cinc2021_abbr",
    "physionet2021": "cinc2021_abbr",
    "ecgfm_mimic_iv_ecg": "ecg_fm_mimic",
    "code15": "code15",
    "code15_tutorial": "code15",
    "openecg_rhythm": "openecg_rhythm",
}
TABLES = sorted(path.stem for path in LABELS.glob("*_to_*.csv"))
OF_MODELS_OF_LABELS = [table for table in TABLES if not table.startswith("openecg")]
# MIMIC's labeler counts incomplete blocks as blocks, so these are exact for nothing.
MIMIC_BLOCKS = {"Left bundle branch block", "Right bundle branch block"}
# The map relates these to the wider `Sinusal` and `Bradycardia` only; PhysioNet's codes and CODE-15 define them alike.
SINUS_RATES = {("SB", "SB"), ("STach", "ST")}


@cache
def registry():
    return Registry.load(ROOT, load_config({}, read_yaml(ROOT / "config/schemas/config.schema.yaml")))


def sides(table):
    return table.split("_to_")


def in_map(name, labels, row):
    """Whether the map's row names it; PhysioNet's CRBBB|RBBB is both of its parts there, in either order."""
    cell = row[COLUMN[labels]]
    return bool(cell) and (cell == name or set(cell.split("|")) == set(name.split("|")))


def as_label(table):
    """(output, target) -> quality of the rows that score an output as a label, not under a name of their own."""
    names = labels_of(sides(table)[1])
    return {
        (row.output, row.target): row.quality for row in read_mapping(LABELS / f"{table}.csv") if row.target in names
    }


def labels_of(label_set):
    if label_set in registry().tasks:
        return registry().tasks[label_set]["labels"]
    with open(LABELS / f"{label_set}.csv", encoding="utf-8", newline="") as rows:
        return [row.get("pattern") or row["label"] for row in csv.DictReader(rows)]


@pytest.mark.parametrize("table", OF_MODELS_OF_LABELS)
def test_exact_rows_are_those_of_the_map_and_none_is_forgotten(table):
    source, target = sides(table)
    expected = {
        (output, label)
        for output in labels_of(source)
        for label in labels_of(target)
        for row in MAP
        if row["quality"] == "exact" and in_map(output, source, row) and in_map(label, target, row)
    }
    if source == "ecgfm_mimic_iv_ecg":
        expected = {(output, label) for output, label in expected if output not in MIMIC_BLOCKS}
    if source == "ecgfm_physionet2021" and target.startswith("code15"):
        expected |= SINUS_RATES
    assert expected
    assert {pair for pair, quality in as_label(table).items() if quality == "exact"} == expected


@pytest.mark.parametrize("table", TABLES)
def test_nothing_broad_is_scored_as_narrow(table):
    source, target = sides(table)
    scored = as_label(table)
    assert set(scored.values()) <= {"exact", "close"}
    for output, label in scored.keys() - SINUS_RATES:
        related = [row["quality"] for row in MAP if in_map(output, source, row) and in_map(label, target, row)]
        assert related, (output, label)
        assert not {"broader", "approximate"} & set(related), (output, label)
    assert not {output for output, _ in scored} & {
        *(
            "Atrioventricular block",
            "Accessory pathway conduction",
            "Infarction",
            "Sinus rhythm",
            "Electronic pacemaker",
        ),
        *("Tachycardia", "Bradycardia", "Bifascicular block", "Supraventricular tachycardia with aberrancy"),
        *("BBB", "IRBBB", "Brady", "LPR", "NSR", "PR", "QAb", "TAb", "TInv", "Sinusal", "rSR' in V1-V2", "Acute MI"),
    }
    assert not {label for _, label in scored} & {
        *("Wolff-Parkinson-White (Pre-excitation syndrome)", "Third Degree AV Block", "Acute MI", "Ventricular paced"),
        *("2nd degree AV block - mobitz 1", "2nd degree AV block - mobitz 2", "Supraventricular tachycardia"),
    }


def test_mimics_bundle_branch_blocks_stand_for_no_other_sets():
    tables = [table for table in TABLES if table.startswith("ecgfm_mimic_iv_ecg")]
    rows = [row for table in tables for row in read_mapping(LABELS / f"{table}.csv") if row.output in MIMIC_BLOCKS]
    assert {row.quality for row in rows} == {"broader"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            "code15",
            {
                "afib": ("AF (by AF, flutter or SVT)", ("AF",), "broader"),
                "avb": ("1dAVb (by any AV block)", ("1dAVb",), "broader"),
                "bbb": ("LBBB or RBBB", ("LBBB", "RBBB"), "exact"),
            },
        ),
        (
            "physionet2021",
            {
                "afib": ("AF or AFL", ("AF", "AFL"), "broader"),
                "avb": ("IAVB (by any AV block)", ("IAVB",), "broader"),
                "bbb": ("BBB, CLBBB|LBBB or CRBBB|RBBB", ("BBB", "CLBBB|LBBB", "CRBBB|RBBB"), "close"),
                "paced": ("PR (by pacing of any chamber)", ("PR",), "broader"),
            },
        ),
    ],
)
def test_classes_of_openecg_keep_names_of_their_own(target, expected):
    rows = read_mapping(LABELS / f"openecg_rhythm_to_{target}.csv")
    assert {row.output: (row.target, row.members, row.quality) for row in rows} == expected
    assert as_label(f"openecg_rhythm_to_{target}") == {}


@pytest.mark.parametrize("table", [table for table in TABLES if "physionet2021" in table])
def test_codes_in_the_sources_are_the_maps(table):
    source, target = sides(table)
    codes_of = {"BBB": {"6374002"}}  # not in the map: PhysioNet's challenge, SNOMED "bundle branch block"
    for row in MAP:
        for code, abbreviation in zip(row["cinc2021_snomed"].split("|"), row["cinc2021_abbr"].split("|"), strict=True):
            codes_of.setdefault(abbreviation, set()).add(code)
    for row in read_mapping(LABELS / f"{table}.csv"):
        names = row.members if target == "physionet2021" else (row.output,)
        expected = set().union(*(codes_of[part] for name in names for part in name.split("|")))
        assert set(re.findall(r"\b\d{7,9}\b(?!\))", row.source)) == expected, row


def test_every_table_serves_a_task_and_every_row_says_where_it_is_from():
    tasks = registry().tasks
    used = {registry().mapping_of(name, model) for name, task in tasks.items() for model in task["models"]}
    assert used - {None} == {f"config/labels/{table}.csv" for table in [*TABLES, "openecg_rhythm"]}
    for path in used - {None}:
        assert all(row.source for row in read_mapping(ROOT / path))
