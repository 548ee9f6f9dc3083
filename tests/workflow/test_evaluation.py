"""Evaluation, comparison, subgroups and DeepECG's layout through the real Snakemake."""

import json

import pandas as pd
import pytest

from workflow.running import run, snakemake, tree

SETTINGS = {"evaluation": {"replicates": 100, "slope_replicates": 100, "least_positives": 4}}


@pytest.fixture(scope="module")
def judged(cohort, tmp_path_factory):
    """Two models on a task of patterns: the default one, and itself under another name."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "models.yaml").write_text(
        "again:\n  family: openecg\n  source: {package: openecg, file: models/codec_v6_int8.onnx}\n"
        "  recipe: openecg\n  mapping: mapping.csv\n"
    )
    (folder / "mapping.csv").write_text("output,target,members,quality,source\nafib,Afib,Afib,broader,the test\n")
    (folder / "tasks.yaml").write_text(
        "ecg_machine_diagnosis: {kind: patterns, truth_column: ecg_machine_diagnosis, "
        "file_column: 77_classes_ecg_file_name, models: [openecg_rhythm, again]}\n"
    )
    (folder / "given.csv").write_text("pattern,threshold\nAfib,0.25\n")
    settings = {
        "batches": {
            "b": {
                "table": str(cohort / "table.csv"),
                "signals": str(cohort / "ecg_signals"),
                "patient_column": "patient",
            }
        },
        "extra_models": "models.yaml",
        "extra_tasks": "tasks.yaml",
        "run_datetime": "20260102_030405",
        "preprocessing": {"export": "none"},
    }
    settings["evaluation"] = SETTINGS["evaluation"] | {
        "subgroups": [{"column": "sex"}, {"column": "age", "cut_points": [50, 65]}],
        "thresholds": {"ecg_machine_diagnosis": "given.csv"},
    }
    run(folder, "deepecg_layout", "results/b/ecg_machine_diagnosis/comparison.json", **settings)
    return folder, settings


def read(folder, path):
    return json.loads((folder / "results/b" / path).read_text())


def test_evaluation_counts_add_up(judged):
    folder, _ = judged
    found = read(folder, "ecg_machine_diagnosis/openecg_rhythm/evaluation.json")
    table = pd.read_csv(folder / "results/b/ecg_machine_diagnosis/openecg_rhythm/probabilities.csv")
    assert found["ecgs"] == len(table)
    assert found["independence"].startswith("intervals are clustered by patient")
    for of_label in [*found["labels"].values(), *found["not_evaluable"].values()]:
        assert of_label["n"] + of_label["unknown"] + of_label["not_predicted"] == len(table)
    assert len(found["labels"]) + len(found["not_evaluable"]) == 80  # 77 patterns and three unions
    kinds = {of_set["name"]: of_set["kind"] for of_set in found["threshold_sets"]}
    assert kinds == {"given": "given", "youden": "fitted", "f1": "fitted"}
    assert found["undefined_metrics"]


def test_metrics_agree_with_deepecgs_definitions(judged):
    folder, _ = judged
    found = read(folder, "ecg_machine_diagnosis/openecg_rhythm/evaluation.json")
    metrics = read(folder, "ecg_machine_diagnosis/openecg_rhythm/metrics.json")
    assert found["labels"]
    for label, of_label in found["labels"].items():
        assert of_label["auroc"]["value"] == pytest.approx(metrics[label]["auc"], abs=1e-12)
        assert of_label["auprc"]["value"] == pytest.approx(metrics[label]["auprc"], abs=1e-12)


def test_subgroups_are_those_of_the_table(judged, cohort):
    folder, _ = judged
    groups = read(folder, "ecg_machine_diagnosis/openecg_rhythm/evaluation.json")["subgroups"]
    assert set(groups) == {"sex", "age"}
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    assert set(groups["sex"]["groups"]) <= set(table["sex"])
    assert set(groups["age"]["groups"]) <= {"below 50", "50 to below 65", "65 and above"}
    for of_column in groups.values():
        assert all(of_group["n"] >= 10 for of_group in of_column["groups"].values())


def test_a_model_and_itself_do_not_differ(judged):
    folder, _ = judged
    pair = read(folder, "ecg_machine_diagnosis/comparison.json")["pairs"][0]
    assert (pair["first"], pair["second"]) == ("openecg_rhythm", "again")
    of_label = pair["labels"]["Afib"]
    assert of_label["auroc"]["difference"] == 0
    assert of_label["auroc"]["p_value_holm"] == 1
    assert of_label["kappa"]["value"] in (1, None)
    assert of_label["disagreements"]["total"] == 0
    assert of_label["thresholds"] == [0.25, 0.25]


def test_deepecgs_layout(judged):
    folder, _ = judged
    layout = folder / "results/b/deepecg"
    names = {path.name for path in layout.iterdir()}
    for ending in (".json", ".csv", "_probabilities.csv"):
        assert f"openecg_rhythm_20260102_030405_ecg_machine_diagnosis{ending}" in names
    table = pd.read_csv(layout / "openecg_rhythm_20260102_030405_ecg_machine_diagnosis_probabilities.csv")
    assert table["file_name"].str.fullmatch(r"[^/]+\.base64").all()


def test_bytes_do_not_depend_on_cores_or_the_order_of_rows(judged, cohort, tmp_path):
    folder, settings = judged
    for name in ("models.yaml", "mapping.csv", "tasks.yaml", "given.csv"):
        (tmp_path / name).symlink_to(folder / name)
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    table.iloc[::-1].to_csv(tmp_path / "table.csv", index=False)
    settings = settings | {"batches": {"b": settings["batches"]["b"] | {"table": "table.csv"}}}
    path = "results/b/ecg_machine_diagnosis/openecg_rhythm/evaluation.json"
    run(tmp_path, path, cores=1, **settings)
    assert (tmp_path / path).read_bytes() == (folder / path).read_bytes()


def test_a_subgroup_that_the_table_lacks_is_an_error_with_a_suggestion(cohort, tmp_path):
    (tmp_path / "c.yaml").write_text(
        f"table: {cohort}/table.csv\nsignals: {cohort}/ecg_signals\nevaluation: {{subgroups: [{{column: sexx}}]}}\n"
    )
    outcome = snakemake(tmp_path, "-n", "--configfile", "c.yaml")
    assert outcome.status != 0
    assert "no column `sexx` (evaluation.subgroups); did you mean `sex`?" in outcome.text


def test_results_hold_no_identity(judged, cohort):
    folder, _ = judged
    patients = pd.read_csv(cohort / "table.csv", dtype=str)["patient"].dropna().unique()
    for name, content in tree(folder / "results").items():
        text = content.decode("utf-8", errors="ignore")
        assert not any(f'"{patient}"' in text or f">{patient}<" in text for patient in patients), name
