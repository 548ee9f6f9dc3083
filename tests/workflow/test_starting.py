"""The ways to start a run, and what the first mistakes of a new user look like."""

import re
import shutil

import pandas as pd
import pytest

from workflow.conftest import batch_of
from workflow.running import run, snakemake, tree


def good_files(cohort, how_many):
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    return table.head(how_many)[["ecg_machine_diagnosis", "77_classes_ecg_file_name"]]


def test_without_a_batch_a_run_says_what_to_do(tmp_path):
    outcome = snakemake(tmp_path)
    assert outcome.status != 0
    assert "no batch is configured" in outcome.text
    assert "make demo" in outcome.text
    assert "--config table=cohort.csv signals=ecg_signals" in outcome.text


def test_table_and_signals_on_the_command_line(cohort, tmp_path):
    good_files(cohort, 12).to_csv(tmp_path / "mine.csv", index=False)
    (tmp_path / "ecgs").symlink_to(cohort / "ecg_signals")
    outcome = snakemake(tmp_path, "analysis", "--config", "table=mine.csv", "signals=ecgs")
    assert outcome.status == 0, outcome.text
    assert (tmp_path / "results/mine/report.html").exists()
    assert not (tmp_path / "results/mine/preprocessing").exists()  # nothing that no model at hand reads


def test_one_ecg_gives_predictions_without_metrics_and_a_page(cohort, tmp_path):
    good_files(cohort, 1).to_csv(tmp_path / "one.csv", index=False)
    outcome = snakemake(tmp_path, "--config", "table=one.csv", f"signals={cohort / 'ecg_signals'}")
    assert outcome.status == 0, outcome.text
    model = tmp_path / "results/one/ecg_machine_diagnosis/openecg_rhythm"
    assert [path.name for path in model.iterdir()] == ["probabilities.csv"]
    assert "metrics need at least two ECGs" in (tmp_path / "results/one/report.html").read_text()


def test_a_small_batch_has_jobs_of_its_own_for_every_file(cohort, tmp_path):
    good_files(cohort, 3).to_csv(tmp_path / "three.csv", index=False)
    arguments = ["-n", "--config", "table=three.csv", f"signals={cohort / 'ecg_signals'}"]
    dry = snakemake(tmp_path, *arguments)
    assert dry.rules["decode"] == 3
    assert dry.rules["infer"] == 1  # the model is loaded once all the same
    dag = snakemake(tmp_path, "--dag", "--config", "table=three.csv", f"signals={cohort / 'ecg_signals'}")
    assert dag.text.count("decode") == 3


def test_file_names_without_truth_are_predicted(cohort, tmp_path):
    good_files(cohort, 4)[["77_classes_ecg_file_name"]].to_csv(tmp_path / "files.csv", index=False)
    outcome = snakemake(tmp_path, "analysis", "--config", "table=files.csv", f"signals={cohort / 'ecg_signals'}")
    assert outcome.status == 0, outcome.text
    assert len(pd.read_csv(tmp_path / "results/files/ecg_machine_diagnosis/openecg_rhythm/probabilities.csv")) == 4


def test_a_batch_in_which_nothing_is_usable_still_gets_its_report(cohort, tmp_path):
    (tmp_path / "ecgs").mkdir()
    for name in ("a.xml", "b.xml"):
        (tmp_path / "ecgs" / name).write_text("not an ECG")
    (tmp_path / "bad.csv").write_text("afib_5y,afib_ecg_file_name\n1,a.xml\n0,b.xml\n1,c.xml\n")
    outcome = snakemake(tmp_path, "--config", "table=bad.csv", "signals=ecgs")
    assert outcome.status == 0, outcome.text
    recordings = pd.read_csv(tmp_path / "results/bad/recordings.csv")
    assert recordings["status"].tolist() == ["unsupported", "unsupported", "missing"]


def test_deepecgs_heartwise_config_works_as_a_configfile(cohort, tmp_path):
    (tmp_path / "inputs").mkdir()
    good_files(cohort, 10).to_csv(tmp_path / "inputs/rows.csv", index=False)
    shutil.copytree(cohort / "ecg_signals", tmp_path / "ecg_signals")
    (tmp_path / "heartwise.config").write_text(
        "diagnosis_classifier_device: cpu\nsignal_processing_device: cpu\nbatch_size: 32\noutput_folder: outputs\n"
        "hugging_face_api_key_path: api_key.json\nuse_efficientnet: True\nuse_wcr: True\ndata_path: inputs\n"
        "mode: preprocessing\necg_signals_path: ecg_signals\npreprocessing_folder: preprocessing\n"
        "preprocessing_n_workers: 16\n"
    )
    outcome = snakemake(tmp_path, "--configfile", "heartwise.config", "--config", "csv_file_name=rows.csv")
    assert outcome.status == 0, outcome.text
    exported = list((tmp_path / "outputs/rows/preprocessing/signals").iterdir())
    assert len(exported) == 10
    assert {path.suffix for path in exported} == {".base64"}
    assert not (tmp_path / "outputs/rows/report.html").exists()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (["resluts=x"], "unknown key `resluts`; did you mean `results`?"),
        (["table=none.csv", "signals=."], "none.csv: there is no such table"),
        (["table=semicolons.csv", "signals=."], "separated by semicolons, expected commas"),
        (["table=truth.csv", "signals=."], "`afib_5y` is there without `afib_ecg_file_name`"),
        (["table=good.csv", "signals=nowhere"], "the signal folder nowhere does not exist"),
        (["table=good.csv"], "`table` is given without `signals`"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, config, expected):
    (tmp_path / "semicolons.csv").write_text("afib_5y;afib_ecg_file_name\n1;a.xml\n")
    (tmp_path / "truth.csv").write_text("afib_5y\n1\n")
    (tmp_path / "good.csv").write_text("afib_5y,afib_ecg_file_name\n1,a.xml\n")
    outcome = snakemake(tmp_path, "-n", "--config", *config)
    assert outcome.status != 0
    assert expected in outcome.text
    assert "Traceback" not in outcome.text
    assert len(outcome.text.splitlines()) < 10


def test_an_unknown_batch_in_a_target_is_named(cohort, tmp_path):
    with pytest.raises(AssertionError, match=r"No rule to produce results/other/recordings\.csv"):
        run(tmp_path, "results/other/recordings.csv", batches=batch_of(cohort))


def test_files_named_by_numbers_keep_their_names(cohort, tmp_path):
    (tmp_path / "ecgs").mkdir()
    table = good_files(cohort, 3)
    names = ["0001.xml", "1.10.xml", "2"]
    for name, source in zip(names, table["77_classes_ecg_file_name"], strict=True):
        shutil.copy(cohort / "ecg_signals" / source, tmp_path / "ecgs" / name)
    table.assign(**{"77_classes_ecg_file_name": names}).to_csv(tmp_path / "numbers.csv", index=False)
    arguments = ["--config", "table=numbers.csv", "signals=ecgs", "report={hide_file_names: true}"]
    outcome = snakemake(tmp_path, "analysis", *arguments)
    assert outcome.status == 0, outcome.text
    page = (tmp_path / "results/numbers/report.html").read_text()
    assert not re.search(r"(?<![\d.])0001(?!\d)", page)  # but for the digits of a number
    probabilities = (tmp_path / "results/numbers/ecg_machine_diagnosis/openecg_rhythm/probabilities.csv").read_text()
    assert [line.split(",")[0] for line in probabilities.splitlines()[1:]] == names


def test_an_emptied_signal_folder_ends_the_run_and_leaves_earlier_results_alone(cohort, tmp_path):
    good_files(cohort, 3).to_csv(tmp_path / "t.csv", index=False)
    shutil.copytree(cohort / "ecg_signals", tmp_path / "disk/ecgs")
    arguments = ["--config", "table=t.csv", "signals=disk"]
    table = pd.read_csv(tmp_path / "t.csv")
    table["77_classes_ecg_file_name"] = "ecgs/" + table["77_classes_ecg_file_name"]
    table.to_csv(tmp_path / "t.csv", index=False)
    outcome = snakemake(tmp_path, *arguments)
    assert outcome.status == 0, outcome.text
    before = {name: tree(tmp_path / name, without=()) for name in ("results", "work")}
    assert "t/report.html" in before["results"]
    (tmp_path / "disk/ecgs").rename(tmp_path / "elsewhere")
    outcome = snakemake(tmp_path, *arguments)
    assert outcome.status == 1
    assert "Error: batch t: none of the files that t.csv names (3) is below disk, e.g. ecgs/" in outcome.text
    assert "check `signals` (is the disk mounted?)" in outcome.text
    assert "Traceback" not in outcome.text
    assert {name: tree(tmp_path / name, without=()) for name in ("results", "work")} == before
    (tmp_path / "elsewhere").rename(tmp_path / "disk/ecgs")
    assert "Nothing to be done" in snakemake(tmp_path, *arguments).text


def test_the_console_says_what_was_left_out(cohort, tmp_path):
    table = good_files(cohort, 5)
    names = table["77_classes_ecg_file_name"].tolist()
    shutil.copytree(cohort / "ecg_signals", tmp_path / "ecgs")
    (tmp_path / "ecgs" / names[0]).write_bytes((tmp_path / "ecgs" / names[0]).read_bytes()[:2000])
    (tmp_path / "ecgs" / names[1]).unlink()
    for task, file in (("afib_5y", "afib"), ("lvef_40", "lvef_40"), ("lvef_50", "lvef_50")):
        table[task] = ["0", "1", "0", "1", "0"]
        table[f"{file}_ecg_file_name"] = names
    table.to_csv(tmp_path / "t.csv", index=False)
    outcome = snakemake(tmp_path, "--config", "table=t.csv", "signals=ecgs")
    assert outcome.status == 0, outcome.text
    assert re.findall("^No model at hand answers (.*):", outcome.text, re.MULTILINE) == ["afib_5y, lvef_40, lvef_50"]
    usable = "Batch t: 12 of 20 table cells with an ECG are usable; 4 missing, 4 unreadable (results/t/recordings.csv)"
    assert f"{usable}\nReport: results/t/report.html\n" in outcome.text


def test_nothing_usable_for_a_model_at_hand(cohort, tmp_path):
    (tmp_path / "ecgs").mkdir()
    (tmp_path / "ecgs/a.xml").write_text("not an ECG")
    (tmp_path / "t.csv").write_text("ecg_machine_diagnosis,77_classes_ecg_file_name\nSinus rhythm,a.xml\nAF,b.xml\n")
    outcome = snakemake(tmp_path, "--config", "table=t.csv", "signals=ecgs")
    assert outcome.status == 0, outcome.text


def test_a_small_batch_scale_warns(cohort, tmp_path):
    good_files(cohort, 3).to_csv(tmp_path / "t.csv", index=False)
    settings = ["preprocessing={scale: batch, export: none}"]
    outcome = snakemake(tmp_path, "--config", "table=t.csv", f"signals={cohort / 'ecg_signals'}", *settings)
    assert outcome.status == 0, outcome.text
    assert "scale: batch was computed from 3 of 3 usable ECGs" in (tmp_path / "results/t/report.html").read_text()
    assert "fewer than 200" in (tmp_path / "work/t/logs/calibrate.log").read_text()


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        ("nope.json", "there is no file nope.json"),
        ("results/t/preprocessing/calibration.json", "copy it to another place"),
    ],
)
def test_a_calibration_that_cannot_be_frozen_is_said_at_once(cohort, tmp_path, calibration, expected):
    good_files(cohort, 3).to_csv(tmp_path / "t.csv", index=False)
    own = tmp_path / "results/t/preprocessing/calibration.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    settings = [f"preprocessing={{calibration: {calibration}}}"]
    outcome = snakemake(tmp_path, "-n", "--config", "table=t.csv", f"signals={cohort / 'ecg_signals'}", *settings)
    assert outcome.status != 0
    assert expected in outcome.text


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ("{afib: t.csv}", "evaluation.thresholds: no task `afib`; did you mean `afib_5y`?"),
        ("{afib_5y: absent.csv}", "evaluation.thresholds: there is no file absent.csv for task `afib_5y`"),
    ],
)
def test_thresholds_that_would_not_be_used_are_an_error(cohort, tmp_path, thresholds, message):
    (tmp_path / "c.yaml").write_text(
        f"table: {cohort}/table.csv\nsignals: {cohort}/ecg_signals\nevaluation: {{thresholds: {thresholds}}}\n"
    )
    outcome = snakemake(tmp_path, "-n", "--configfile", "c.yaml")
    assert outcome.status != 0
    assert message in outcome.text


def test_a_truth_column_spelt_another_way_is_an_error(cohort, tmp_path):
    table = good_files(cohort, 3).rename(columns={"ecg_machine_diagnosis": "ECG_machine_diagnosis"})
    table.to_csv(tmp_path / "t.csv", index=False)
    outcome = snakemake(tmp_path, "-n", "--config", "table=t.csv", f"signals={cohort / 'ecg_signals'}")
    assert outcome.status != 0
    assert "no column `ecg_machine_diagnosis`, but `ECG_machine_diagnosis`" in outcome.text
