"""Flags of signal quality: in recordings.csv always, decisive where the settings say so."""

import json

import numpy as np
import pandas as pd
import pytest

from twelvelead.demo.cohort import write_cohort
from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.formats import read
from workflow.conftest import Finished, batch_of
from workflow.running import run, snakemake

MODEL = "ecg_machine_diagnosis/openecg_rhythm/probabilities.csv"
FILE = "77_classes_ecg_file_name"
DEAD = "dead.npy"


@pytest.fixture(scope="module")
def with_a_dead_lead(tmp_path_factory) -> Finished:
    """A small cohort and an ECG of it whose lead V3 was not connected."""
    folder = tmp_path_factory.mktemp("dead")
    write_cohort(folder, n=10, seed=5)
    table = pd.read_csv(folder / "table.csv", dtype=str, keep_default_na=False)
    row = table.iloc[:1].assign(**{FILE: DEAD})
    ecg_mv = twelve_leads(read(folder / "ecg_signals" / table[FILE].iloc[0]))
    ecg_mv[LEADS.index("V3")] = 0
    np.save(folder / "ecg_signals" / DEAD, ecg_mv.T)
    pd.concat([table, row]).to_csv(folder / "table.csv", index=False)
    outcome = run(folder, batches=batch_of(folder), tasks=["ecg_machine_diagnosis"])
    return Finished(folder, folder / "results/small", outcome)


def of_dead_ecg(results):
    recordings = pd.read_csv(results / "recordings.csv", keep_default_na=False).set_index("file")
    return recordings.loc[DEAD]


def test_a_flag_alone_leaves_nothing_out(with_a_dead_lead):
    found = of_dead_ecg(with_a_dead_lead.results)
    assert found["status"] == "ok"
    assert "flat_lead V3" in found["quality"]
    assert DEAD in (with_a_dead_lead.results / MODEL).read_text()


def test_an_excluded_ecg_is_counted_and_nothing_is_decoded_anew(with_a_dead_lead):
    folder = with_a_dead_lead.folder
    excluding = ["--configfile", "config.yaml", "--config", "preprocessing={quality_excludes: [flat_lead]}"]
    signal = with_a_dead_lead.results / "preprocessing/signals/dead.npy"
    before = with_a_dead_lead.results / "preprocessing/calibration.json"
    calibrated_on = json.loads(before.read_text())["n"]
    assert signal.exists()
    outcome = snakemake(folder, *excluding)
    assert outcome.status == 0, outcome.text
    assert "1 poor_quality" in outcome.text
    assert "decode" not in outcome.rules
    found = of_dead_ecg(with_a_dead_lead.results)
    assert found["status"] == "poor_quality"
    assert found["message"] == "left out by preprocessing.quality_excludes: flat_lead V3"
    assert DEAD not in (with_a_dead_lead.results / MODEL).read_text()
    assert not signal.exists()
    assert json.loads(before.read_text())["n"] == calibrated_on - 1
    reported = pd.read_csv(with_a_dead_lead.results / "preprocessing/ecg_processing_detailed_report.csv")
    assert reported.set_index("file_id").loc["dead", "status"] == "Failed"
    page = (with_a_dead_lead.results / "report.html").read_text()
    assert "has a flag that the settings exclude" in page
