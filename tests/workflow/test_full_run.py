"""One full run over a small cohort of every format: what it leaves, and what running it again does."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from twelvelead.labels.patterns import read_patterns
from workflow.conftest import batch_of
from workflow.running import run, snakemake, tree

PATTERNS = read_patterns("config/labels/deepecg77.csv").names
MODEL = "ecg_machine_diagnosis/openecg_rhythm"


@pytest.fixture(scope="module")
def recordings(finished):
    return pd.read_csv(finished.results / "recordings.csv", keep_default_na=False)


def test_every_cell_that_names_a_file_has_one_fate(finished, cohort, recordings):
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    named = sum((table[column] != "").sum() for column in ("77_classes_ecg_file_name", "afib_ecg_file_name"))
    assert len(recordings) == named
    assert not recordings.duplicated(["row", "task"]).any()
    assert {"ok", "missing", "unreadable", "not_finite", "too_short", "duplicate"} == set(recordings["status"])
    assert recordings.loc[recordings["status"] != "ok", "message"].str.len().min() > 10
    assert {"muse_xml", "cardiosoft_xml", "dicom", "wfdb", "npy"} <= set(recordings["format"])


def test_missing_files_are_listed(finished, recordings):
    missing = pd.read_csv(finished.results / "missing_files.csv")
    assert missing["row"].tolist() == recordings.loc[recordings["status"] == "missing", "row"].tolist()


def test_cleaned_signals_are_there_for_every_usable_file(finished, recordings):
    usable = set(recordings.loc[recordings["status"] == "ok", "ecg_id"])
    exported = {path.stem: path for path in (finished.results / "preprocessing/signals").iterdir()}
    assert exported.keys() == usable
    for path in exported.values():
        signal = np.load(path)
        assert (signal.shape, signal.dtype) == ((2500, 12), np.float32)
        assert np.isfinite(signal).all()
        assert 0.1 < np.abs(signal).max() < 20  # mV


def test_deepecgs_reports_have_its_columns_and_add_up(finished, recordings):
    detailed = pd.read_csv(finished.results / "preprocessing/ecg_processing_detailed_report.csv", keep_default_na=False)
    assert list(detailed.columns) == ["file_id", "xml_type", "status", "message"]
    summary = pd.read_csv(finished.results / "preprocessing/ecg_processing_summary_report.csv")
    value = summary.set_index("Metric")["Value"]
    assert value["Total Files"] == len(detailed) == value["Successful Files"] + value["Failed Files"]
    assert value.filter(like="XML Type").sum() == len(detailed)
    assert (detailed["status"] == "Success").sum() == value["Successful Files"]


def test_probabilities_have_deepecgs_columns_and_one_row_a_file(finished, recordings):
    table = pd.read_csv(finished.results / MODEL / "probabilities.csv")
    truth = [f"{pattern}_lexicon" for pattern in PATTERNS]
    predicted = [f"{pattern}_sig_model" for pattern in PATTERNS]
    assert list(table.columns[: 1 + 2 * len(PATTERNS)]) == ["file_name", *truth, *predicted]
    unions = list(table.columns[1 + 2 * len(PATTERNS) :])
    names = ["any AV block", "any bundle branch block", "any pacing"]
    assert unions == [f"{name}_{kind}" for kind in ("lexicon", "sig_model") for name in names]
    of_task = recordings[(recordings["task"] == "ecg_machine_diagnosis") & (recordings["status"] == "ok")]
    assert table["file_name"].tolist() == of_task["file"].tolist()
    assert table[predicted].notna().any().sum() == 1  # Afib is the one pattern this model answers
    assert table["Afib_sig_model"].between(0, 1).all()
    assert set(np.unique(table[truth].to_numpy(float))) >= {0.0, 1.0}


def test_atrial_fibrillation_is_told_from_the_rest(finished, cohort):
    """Against the rhythm that was simulated, not against what the simulated machine says."""
    table = pd.read_csv(finished.results / MODEL / "probabilities.csv").set_index("file_name")["Afib_sig_model"]
    simulated = pd.read_csv(cohort / "table.csv", dtype=str).drop_duplicates("77_classes_ecg_file_name")
    rhythm = simulated.set_index("77_classes_ecg_file_name")["simulated_rhythm"].reindex(table.index)
    fibrillating, other = (table[rhythm == "atrial_fibrillation"], table[rhythm != "atrial_fibrillation"])
    assert len(fibrillating) >= 2
    assert (fibrillating.to_numpy()[:, None] > other.to_numpy()[None, :]).mean() > 0.95


def test_metrics_have_deepecgs_keys(finished):
    metrics = json.loads((finished.results / MODEL / "metrics.json").read_text())
    categories = ["Rhythm Disorders", "Conduction Disorder"]
    assert list(metrics)[:2] == categories
    assert {"macro_auc", "micro_auc", "threshold", "prevalence_gt %"} <= metrics["Rhythm Disorders"].keys()
    assert metrics["Afib"].keys() == {"auc", "auprc", "f1", "threshold", "prevalence_gt %", "prevalence_pred %"}
    assert metrics["Afib"]["auc"] > 0.8
    assert metrics["Brugada"]["auc"] is None
    header = (finished.results / MODEL / "metrics.csv").read_text().splitlines()[0].split(",")
    assert header[0] == "Key"
    assert header[1:] == sorted(header[1:])


def test_the_page_needs_nothing_from_outside(finished):
    page = (finished.results / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']+""", page)
    assert "url(http" not in page
    assert "efficientnetv2_afib_5y" in page  # a task without a model says what is missing
    assert "pseudo-label" in page
    assert page.count("25 mm/s") >= 1


def test_identity_is_nowhere(finished, cohort):
    """Neither the patient column's values nor the ids inside the files, in any file that a run writes."""
    patients = set(pd.read_csv(cohort / "table.csv", dtype=str)["patient"].dropna())
    secrets = [patient.encode() for patient in patients if len(patient) > 3] + [b"<PatientID>", b"PatientName"]
    assert len(secrets) > 10
    for name, content in tree(finished.folder / "results").items() | tree(finished.folder / "work").items():
        if name.endswith(".html"):  # four letters may stand in a signal's base64 by chance
            content = re.sub(rb"[A-Za-z0-9+/=]{200,}", b"", content)
        for secret in secrets:
            assert secret not in content, f"{secret!r} is in {name}"


def test_every_job_left_a_log_and_a_benchmark(finished):
    work = finished.folder / "work/small"
    logged = {path.relative_to(work / "logs").with_suffix("") for path in (work / "logs").rglob("*.log")}
    measured = {path.relative_to(work / "benchmarks").with_suffix("") for path in (work / "benchmarks").rglob("*.tsv")}
    assert logged == measured
    assert len(logged) >= 12


def test_provenance_names_what_the_run_was_made_with(finished, cohort):
    content = json.loads((finished.results / "provenance.json").read_text())
    assert content["models"]["openecg_rhythm"]["sha256"]
    assert content["table"]["path"] == str(cohort / "table.csv")
    assert content["packages"]["openecg"] != "not installed"
    assert content["counts"]["ecg_machine_diagnosis"]["status"]["ok"] > 20


def test_running_again_does_nothing(finished):
    again = snakemake(finished.folder, "--configfile", "config.yaml")
    assert "Nothing to be done" in again.text


def test_one_signal_can_be_asked_for(finished, recordings):
    ecg_id = recordings.loc[recordings["status"] == "ok", "ecg_id"].iloc[3]
    target = finished.results / f"preprocessing/signals/{ecg_id}.npy"
    before = target.read_bytes()
    target.unlink()
    name = f"results/small/preprocessing/signals/{ecg_id}.npy"
    outcome = snakemake(finished.folder, name, "--configfile", "config.yaml")
    assert outcome.rules == {"export_one": 1}
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("fault", "expected"), [("too_short", "too_short, 6.* s at 500 Hz"), ("nobody", "has no ECG|is not an ECG")]
)
def test_asking_for_a_signal_that_is_not_there_says_why(finished, recordings, fault, expected):
    of_fault = recordings.loc[recordings["status"] == fault, "ecg_id"]
    ecg_id = of_fault.iloc[0] if len(of_fault) else fault
    name = f"results/small/preprocessing/signals/{ecg_id}.npy"
    outcome = snakemake(finished.folder, name, "--configfile", "config.yaml")
    assert outcome.status != 0
    assert re.search(expected, outcome.text)


def test_bad_files_change_nothing_for_the_others(finished, cohort, recordings, tmp_path):
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    bad = recordings.loc[recordings["status"] != "ok", "row"] - 2
    table.drop(index=bad).to_csv(tmp_path / "table.csv", index=False)
    batches = {"small": {"table": str(tmp_path / "table.csv"), "signals": str(cohort / "ecg_signals")}}
    run(tmp_path, batches=batches, statements_from_files=True)
    assert tree(tmp_path / "results/small/preprocessing/signals") == tree(finished.results / "preprocessing/signals")
    for name in ("probabilities.csv", "metrics.json"):
        assert (tmp_path / "results/small" / MODEL / name).read_bytes() == (
            finished.results / MODEL / name
        ).read_bytes()


def test_a_frozen_calibration_keeps_a_new_row_from_touching_the_rest(finished, cohort, tmp_path):
    calibration = str(finished.results / "preprocessing/calibration.json")
    settings = {"calibration": calibration, "export": "none"}
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    table.iloc[:-8].to_csv(tmp_path / "table.csv", index=False)
    batches = {"small": {"table": str(tmp_path / "table.csv"), "signals": str(cohort / "ecg_signals")}}
    run(tmp_path, "preprocessing", batches=batches, preprocessing=settings, shard_size=4)
    before = (tmp_path / "results/small/preprocessing/calibration.json").read_bytes()
    assert before == (finished.results / "preprocessing/calibration.json").read_bytes()
    table.iloc[:-7].to_csv(tmp_path / "table.csv", index=False)
    dry = snakemake(tmp_path, "preprocessing", "-n", "--configfile", "config.yaml")
    assert "spectrum" not in dry.rules
    assert 1 <= dry.rules["decode"] <= 2  # two where the new row halves a full shard
    assert dry.rules["clean"] == dry.rules["decode"]


def test_a_calibration_made_otherwise_is_refused(finished, cohort, tmp_path):
    calibration = str(finished.results / "preprocessing/calibration.json")
    settings = {"calibration": calibration, "export": "none", "units": "raw"}
    with pytest.raises(AssertionError, match="the calibration was made with units: physical"):
        run(tmp_path, "preprocessing", batches=batch_of(cohort), preprocessing=settings)
