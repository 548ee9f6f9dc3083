"""A user's own models and tasks by YAML alone, what pins weights, and fetch_models against a hub on loopback."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from unit.hub_server import HubServer
from unit.test_labels_bert import write_model
from unit.test_models_onnx import graph_file
from workflow.running import run, snakemake, tree

TOKEN = "hf_secretsecretsecret"


class Mean(torch.nn.Module):
    """One logit that a reader can check: the mean of lead V1, enlarged."""

    def forward(self, x):
        return 50 * x[:, 6].mean(dim=1, keepdim=True)


def save_torchscript(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.script(Mean()).save(str(file))
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def own(cohort, tmp_path_factory):
    """A folder with models, their YAML and a task of the user's, a table for it, and the settings of a run."""
    folder = tmp_path_factory.mktemp("own")
    sha256 = save_torchscript(folder / "lab/models/v1_mean.pt")
    graph_file(folder / "lab/models/three.onnx", ("n", 12, 2500))
    write_model(folder / "lab/bert")
    save_torchscript(folder / "weights/efficientnetv2_77_classes/efficientnetv2_77_classes.pt")
    patterns = ["Afib", "Aflutter", "Acute pericarditis"]
    assert set(patterns[:1]) <= set(pd.read_csv("config/labels/deepecg77.csv")["pattern"])
    models = {
        "v1_mean": {
            "family": "torchscript",
            "source": {"path": "models/v1_mean.pt"},
            "sha256": sha256,
            "recipe": "deepecg",
            "labels": ["positive"],
        },
        "three_patterns": {
            "family": "onnx",
            "source": {"path": "models/three.onnx"},
            "recipe": "deepecg",
            "labels": "three.csv",
            "mapping": "three_to_patterns.csv",
        },
        "lab_bert": {"family": "bert", "source": {"path": "bert"}},
    }
    tasks = {
        "af_now": {"kind": "binary", "truth_column": "af", "file_column": "ecg", "models": ["v1_mean"]},
        "ecg_machine_diagnosis": {
            "kind": "patterns",
            "truth_column": "ecg_machine_diagnosis",
            "file_column": "77_classes_ecg_file_name",
            "models": ["openecg_rhythm", "three_patterns", "efficientnetv2_77_classes"],
        },
    }
    (folder / "lab/models.yaml").write_text(yaml.safe_dump(models))
    (folder / "lab/tasks.yaml").write_text(yaml.safe_dump(tasks))
    (folder / "lab/three.csv").write_text("label\na\nb\nc\n")
    (folder / "lab/three_to_patterns.csv").write_text(
        "output,target,members,quality,source\na,Afib,Afib,exact,the lab\nc,any block,"
        "Left bundle branch block|Right bundle branch block,broader,the lab\n"
    )
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    table = table[["ecg_machine_diagnosis", "77_classes_ecg_file_name"]]
    table["ecg"] = table["77_classes_ecg_file_name"]
    table["af"] = ["01"[n % 2] for n in range(len(table))]
    table.to_csv(folder / "table.csv", index=False)
    settings = {
        "batches": {"own": {"table": "table.csv", "signals": str(cohort / "ecg_signals")}},
        "extra_models": "lab/models.yaml",
        "extra_tasks": "lab/tasks.yaml",
        "labeler": "lab_bert",
        "device": "cpu",
    }
    outcome = run(folder, "analysis", **settings)
    return folder, settings, outcome


def test_a_users_torchscript_model_answers_a_task_of_theirs(own):
    folder, _, _ = own
    table = pd.read_csv(folder / "results/own/af_now/v1_mean/probabilities.csv")
    assert list(table.columns) == ["file_name", "ground_truth", "predictions"]
    tensor = np.load(folder / "work/own/prepared/deepecg/shard-all.npy")
    statuses = pd.read_csv(folder / "work/own/prepared/deepecg/shard-all.tsv", sep="\t")
    ids = statuses.loc[statuses["status"] == "ok", "ecg_id"].tolist()
    recordings = pd.read_csv(folder / "results/own/recordings.csv").drop_duplicates("file").set_index("file")
    rows = [ids.index(recordings.loc[file, "ecg_id"]) for file in table["file_name"]]
    expected = 1 / (1 + np.exp(-50 * tensor[rows, 6].mean(axis=1)))
    np.testing.assert_allclose(table["predictions"], expected, atol=1e-5)
    metrics = json.loads((folder / "results/own/af_now/v1_mean/metrics.json").read_text())
    assert 0 <= metrics["results"]["auc"] <= 1


def test_a_users_onnx_model_is_scored_through_its_mapping(own):
    folder, _, _ = own
    table = pd.read_csv(folder / "results/own/ecg_machine_diagnosis/three_patterns/probabilities.csv")
    assert table["Afib_sig_model"].between(0, 1).all()
    assert table["any block_sig_model"].between(0, 1).all()
    assert table["Sinusal_sig_model"].isna().all()  # which the model does not predict


def test_a_users_labeler_gives_truth_to_every_model(own):
    folder, _, _ = own
    tables = [
        pd.read_csv(folder / f"results/own/ecg_machine_diagnosis/{model}/probabilities.csv")
        for model in ("three_patterns", "openecg_rhythm")
    ]
    assert (tables[0]["Afib_bert_model"].dropna() == tables[1]["Afib_bert_model"].dropna()).all()
    assert tables[0]["Afib_bert_model"].between(0, 1).any()
    assert set(tables[0]["any block_bert_truth"].dropna()) <= {0, 1}
    assert "where lab_bert, reading the machine" in (folder / "results/own/report.html").read_text()
    assert len(list((folder / "work/own/logs/label").iterdir())) == 1


def test_unpinned_torchscript_is_left_out_and_the_page_says_why(own):
    folder, _, outcome = own
    assert not (folder / "results/own/ecg_machine_diagnosis/efficientnetv2_77_classes").exists()
    page = (folder / "results/own/report.html").read_text()
    assert "is TorchScript, which is code, and nobody pinned its hash" in page
    assert "Model efficientnetv2_77_classes is left out: " in outcome.text
    assert not (folder / "weights/efficientnetv2_77_classes/model.lock.json").exists()


def test_provenance_names_every_file_of_every_model(own):
    folder, _, _ = own
    models = json.loads((folder / "results/own/provenance.json").read_text())["models"]
    assert set(models) == {"v1_mean", "three_patterns", "openecg_rhythm", "lab_bert"}
    found = models["v1_mean"]["weights"]
    assert found["files"]["v1_mean.pt"] == hashlib.sha256((folder / "lab/models/v1_mean.pt").read_bytes()).hexdigest()
    assert found["pinned_by"] == "entry"
    assert models["three_patterns"]["weights"]["pinned_by"] == "nobody"
    assert "model.safetensors" in models["lab_bert"]["weights"]["files"]


def test_bytes_do_not_depend_on_cores_or_shards(own, tmp_path):
    folder, settings, _ = own
    for name in ("lab", "table.csv"):
        (tmp_path / name).symlink_to(folder / name)
    run(tmp_path, "analysis", cores=1, **settings, shard_size=7)
    ours, theirs = tree(tmp_path / "results"), tree(folder / "results")
    page = "own/report.html"  # says why the model without weights here is missing
    assert ours.pop(page) != theirs.pop(page)
    assert ours == theirs


def test_other_weights_are_noticed_and_a_pinned_hash_holds(own, tmp_path):
    folder, settings, _ = own
    again = snakemake(folder, "analysis", "-n", "--configfile", "config.yaml")
    assert "Nothing to be done" in again.text
    three = folder / "lab/models/three.onnx"
    before = three.read_bytes()
    try:
        graph_file(three, ("m", 12, 2500))
        changed = snakemake(folder, "analysis", "-n", "--configfile", "config.yaml")
        assert changed.rules["infer"] == 1
    finally:
        three.write_bytes(before)
    v1 = folder / "lab/models/v1_mean.pt"
    before = v1.read_bytes()
    try:
        v1.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        failed = snakemake(folder, "analysis", "--configfile", "config.yaml")
        assert failed.status != 0
        assert "v1_mean.pt has sha256" in failed.text
        assert "expected sha256" in failed.text
    finally:
        v1.write_bytes(before)


def test_a_labeler_that_is_not_there_is_an_error_that_says_what_to_do(cohort, tmp_path):
    arguments = ["-n", "--config", f"table={cohort / 'table.csv'}", f"signals={cohort / 'ecg_signals'}"]
    outcome = snakemake(tmp_path, *arguments, "labeler=bert")
    assert outcome.status != 0
    assert "run `snakemake fetch_models`" in outcome.text
    assert "or set `labeler: lexicon`" in outcome.text
    assert "did you mean `lexicon`?" in snakemake(tmp_path, *arguments, "labeler=lexikon").text


def test_fetch_models_needs_no_batch_goes_on_and_resumes(tmp_path, monkeypatch):
    bert = write_model(tmp_path / "bert")
    files = {path.name: path.read_bytes() for path in bert.iterdir()}
    names = ["wcr_afib_5y", "efficientnetv2_afib_5y"]
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        hub.add(
            "heartwise/efficientnetv2_afib_5y", {"efficientnetv2_afib_5y.pt": bytes(5000)}, gated=True, allowed=(TOKEN,)
        )
        hub.add("heartwise/Bert_diagnosis2classification_En_Fr", files)
        arguments = ["fetch_models", "--config", f"models=[{','.join(names)}]"]
        first = snakemake(tmp_path, *arguments)
        assert first.status != 0
        assert "efficientnetv2_afib_5y is gated and no token was found" in first.text
        assert "heartwise/wcr_afib_5y was not found" in first.text
        assert "2 of 3 models were not fetched" in first.text
        lock = tmp_path / "weights/Bert_diagnosis2classification_En_Fr/model.lock.json"
        assert json.loads(lock.read_text())["commit"] == "a" * 40

        hub.add("heartwise/wcr_afib_5y", {"wcr_afib_5y.pt": bytes(3000)}, allowed=(TOKEN,))
        (tmp_path / "api_key.json").write_text(json.dumps({"huggingface_api_key": TOKEN}))
        asked = len(hub.asked("GET", "model.safetensors"))
        second = snakemake(tmp_path, *arguments)
        assert second.status == 0, second.text
        assert len(hub.asked("GET", "model.safetensors")) == asked  # what was there was verified, not fetched again
        assert (tmp_path / "weights/efficientnetv2_afib_5y/efficientnetv2_afib_5y.pt").stat().st_size == 5000
        assert TOKEN not in first.text + second.text
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert snakemake(tmp_path, *arguments).status == 0
