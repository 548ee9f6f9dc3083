"""ECG-FM from CODE-15's own files to compared labels: HDF5 parts and exams.csv made here, a small random checkpoint."""

import h5py
import numpy as np
import pandas as pd
import pytest
import wfdb
from scipy.special import expit

from twelvelead.ecg import LEADS as ECG_LEADS
from unit.random_ecgfm import CONFIG, write_checkpoint
from workflow.running import run, snakemake, tree

LABELS = ["1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"]
EXAMS = 40
MODEL = "ecgfm_physionet2021"
BATCHES = {"parts": {"table": "auto", "signals": "code15"}}
QUICK = {"replicates": 100, "slope_replicates": 100, "least_positives": 5}
SMALL = {"labels": 2, "ecgs": 8}


def write_code15(folder, seed=0):
    """Two parts in CODE-15's layout and exams.csv: a third shorter than 10 s, two exams a patient."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    exams = []
    for part in range(2):
        ids = np.arange(EXAMS // 2) * 7 + 1000 * (part + 1)
        tracings = np.zeros((len(ids) + 1, 4096, 12), dtype="f4")  # the last row is CODE-15's padding row
        for row in range(len(ids)):
            length = 2934 if row % 3 == 0 else 4096
            start = (4096 - length) // 2
            beats = np.zeros(length)
            beats[:: random.integers(250, 450)] = 1
            shape = np.convolve(beats, np.hanning(30), mode="same")
            tracings[row, start : start + length] = shape[:, np.newaxis] * random.uniform(0.3, 1.2, 12)
            tracings[row, start : start + length] += random.normal(0, 0.02, (length, 12))
        with h5py.File(folder / f"exams_part{part}.hdf5", "w") as file:
            file.create_dataset("tracings", data=tracings)
            file.create_dataset("exam_id", data=np.append(ids, 0))
        exams += [{"exam_id": exam_id, "trace_file": f"exams_part{part}.hdf5"} for exam_id in ids]
    table = pd.DataFrame(exams)
    for label in LABELS:
        table[label] = random.random(len(table)) < 0.35
    table["age"] = random.integers(18, 90, len(table))
    table["is_male"] = random.random(len(table)) < 0.5
    table["patient_id"] = 900_000 + np.arange(len(table)) // 2
    table["normal_ecg"] = False
    table.to_csv(folder / "exams.csv", index=False)
    return table


@pytest.fixture(scope="module")
def code15(tmp_path_factory):
    """A folder with CODE-15's files, weights of both ECG-FM models, and what a run needs to know of them."""
    folder = tmp_path_factory.mktemp("code15")
    exams = write_code15(folder / "code15")
    write_checkpoint(folder / f"weights/{MODEL}/physionet_finetuned.pt", 26)
    # The published repository holds another checkpoint beside the finetuned one.
    write_checkpoint(folder / f"weights/{MODEL}/mimic_iv_ecg_physionet_pretrained.pt", 5)
    write_checkpoint(folder / "weights/ecgfm_mimic_iv_ecg/mimic_iv_ecg_finetuned.pt", 17, seed=1)
    return folder, exams


@pytest.fixture(scope="module")
def finished(code15):
    folder, exams = code15
    run(folder, "analysis", batches=BATCHES, evaluation=QUICK, report=SMALL, models=[MODEL, "openecg_rhythm"])
    return folder, exams, folder / "results/parts"


def test_every_exam_is_predicted_and_none_is_dropped(finished):
    _, exams, results = finished
    recordings = pd.read_csv(results / "recordings.csv", dtype=str)
    assert len(recordings) == EXAMS
    assert set(recordings["status"]) == {"ok"}
    assert set(recordings["truth"]) == {"ok"}
    predicted = pd.read_csv(results / f"code15/{MODEL}/probabilities.csv")
    assert predicted["file_name"].tolist() == [f"{row.trace_file}#{row.exam_id}" for row in exams.itertuples()]
    assert (
        predicted[[f"{label}_truth" for label in LABELS]].to_numpy().tolist()
        == exams[LABELS].astype(float).to_numpy().tolist()
    )
    assert predicted[[f"{label}_sig_model" for label in LABELS]].notna().all(axis=None)


def test_models_that_need_10_s_leave_the_shorter_exams_out_with_their_number(finished):
    _, _, results = finished
    short = 2 * len(range(0, EXAMS // 2, 3))
    predicted = pd.read_csv(results / "code15/openecg_rhythm/probabilities.csv")
    assert len(predicted) == EXAMS - short
    page = (results / "report.html").read_text(encoding="utf-8")
    assert f"{short} excluded" in page


def test_recording_probabilities_are_those_of_its_windows(finished):
    _, _, results = finished
    windows = pd.read_csv(results / f"code15/{MODEL}/windows.csv")
    logits = pd.read_parquet(results / f"code15/{MODEL}/logits.parquet")
    outputs = pd.read_csv(results / f"code15/{MODEL}/outputs.csv").set_index("file_name")
    assert windows.groupby("file_name").size().sort_index().isin([1, 2]).all()
    labels = windows.columns[2:]
    assert len(labels) == 26
    joined = windows.merge(logits, on=["file_name", "window"], suffixes=("", "_logit"), validate="one_to_one")
    np.testing.assert_allclose(joined[[f"{label}_logit" for label in labels]].map(expit), windows[labels], atol=1e-6)
    aggregation = pd.read_csv("config/labels/ecgfm_physionet2021.csv").set_index("label")["aggregation"]
    expected = windows.groupby("file_name").agg({label: aggregation[label] for label in labels})
    np.testing.assert_allclose(outputs.loc[expected.index, labels], expected, atol=1e-6)


def test_labels_as_text_stand_beside_the_truth(finished):
    _, exams, results = finished
    said = pd.read_csv(results / f"code15/{MODEL}/predicted_labels.csv", dtype=str, keep_default_na=False)
    probabilities = pd.read_csv(results / f"code15/{MODEL}/probabilities.csv")
    above = probabilities[[f"{label}_sig_model" for label in LABELS]].to_numpy() >= 0.5
    assert said["predicted"].tolist() == ["; ".join(np.array(LABELS)[row]) for row in above]
    assert said["actual"].tolist() == ["; ".join(np.array(LABELS)[row]) for row in exams[LABELS].to_numpy()]
    matches = (above == exams[LABELS].to_numpy()).all(axis=1)
    assert said["exact_match"].tolist() == [str(int(match)) for match in matches]


def test_rows_in_another_order_give_the_same_results(finished, tmp_path):
    folder, exams, results = finished
    other = tmp_path / "code15"
    other.mkdir()
    for part in ("exams_part0.hdf5", "exams_part1.hdf5"):
        (other / part).symlink_to(folder / "code15" / part)
    exams.sample(frac=1, random_state=3).to_csv(other / "exams.csv", index=False)
    (tmp_path / "weights").symlink_to(folder / "weights")
    files = ("metrics.json", "evaluation.json", "classification.json", "predicted_labels.csv")
    targets = [f"results/parts/code15/{MODEL}/{file}" for file in files]
    targets += ["results/parts/code15/openecg_rhythm/classification.json"]
    run(tmp_path, *targets, batches=BATCHES, evaluation=QUICK, models=[MODEL, "openecg_rhythm"])
    here, there = results / "code15" / MODEL, tmp_path / "results/parts/code15" / MODEL
    for file in files[:3]:
        assert (there / file).read_bytes() == (here / file).read_bytes()
    assert (tmp_path / targets[-1]).read_bytes() == (folder / targets[-1]).read_bytes()
    tables = [pd.read_csv(place / "predicted_labels.csv") for place in (here, there)]
    assert tables[0]["file_name"].tolist() != tables[1]["file_name"].tolist()
    pd.testing.assert_frame_equal(*(table.sort_values("file_name", ignore_index=True) for table in tables))


def test_patients_are_clusters_and_never_written(finished):
    folder, exams, results = finished
    evaluation = (results / f"code15/{MODEL}/evaluation.json").read_text()
    assert '"intervals are clustered by patient"' in evaluation
    for place in ("results", "work"):
        for path, content in tree(folder / place).items():
            if path.endswith((".csv", ".json", ".tsv", ".log", ".html", ".txt")):
                assert b"900001" not in content, path


def test_embeddings_and_saliency_on_demand(finished):
    folder, _, results = finished
    outcome = snakemake(folder, "embeddings", "saliency", "--configfile", "config.yaml")
    assert outcome.status == 0, outcome.text
    assert "infer_windows" not in outcome.rules  # the pass that gave the probabilities gave the embeddings, too
    embeddings = pd.read_parquet(results / f"embeddings/{MODEL}.parquet")
    saliency = pd.read_parquet(results / f"saliency/{MODEL}.parquet")
    windows = pd.read_csv(results / f"code15/{MODEL}/windows.csv")
    assert len(embeddings) == len(saliency) == len(windows)
    assert len(embeddings["embedding"][0]) == CONFIG["encoder_embed_dim"]
    places = pd.read_csv(results / f"embeddings/{MODEL}_map.csv")
    assert len(places) == EXAMS
    assert (results / f"embeddings/{MODEL}_map.html").exists()
    assert (results / "report_with_saliency.html").exists()


def test_a_subset_of_seeded_splits_runs_alone(code15, tmp_path):
    folder, exams = code15
    (tmp_path / "weights").symlink_to(folder / "weights")
    batch = {
        "table": "auto",
        "signals": str(folder / "code15"),
        "split": {"fractions": {"train": 0.5, "test": 0.5}, "seed": 4},
        "subset": ["test"],
    }
    files = ("recordings.csv", "splits.csv", f"code15/{MODEL}/probabilities.csv")
    targets = [f"results/part/{file}" for file in files]
    run(tmp_path, *targets, batches={"part": batch}, models=[MODEL])
    recordings = pd.read_csv(tmp_path / "results/part/recordings.csv")
    splits = pd.read_csv(tmp_path / "results/part/splits.csv")
    assert recordings["status"].value_counts().to_dict() == {"ok": EXAMS // 2, "not_selected": EXAMS // 2}
    chosen = set(splits.loc[splits["split"] == "test", "file"])
    predicted = pd.read_csv(tmp_path / f"results/part/code15/{MODEL}/probabilities.csv")
    assert set(predicted["file_name"]) == chosen
    of_patient = exams.assign(split=splits["split"].to_numpy()).groupby("patient_id")["split"].nunique()
    assert (of_patient == 1).all()


def write_wfdb(folder, codes, seconds=10, rate_hz=500):
    """Records of noise with SNOMED codes in their headers, as PhysioNet 2021 has them."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    for number, of_record in enumerate(codes):
        wfdb.wrsamp(
            f"R{number:03d}",
            fs=rate_hz,
            units=["mV"] * 12,
            sig_name=list(ECG_LEADS),
            p_signal=random.normal(0, 0.3, (seconds * rate_hz, 12)),
            fmt=["16"] * 12,
            comments=["Age: 61", "Sex: Female", f"Dx: {of_record}"] if of_record else ["Age: 61"],
            write_dir=str(folder),
        )


def test_snomed_codes_of_wfdb_headers_are_the_truth(tmp_path, code15):
    folder, _ = code15
    (tmp_path / "weights").symlink_to(folder / "weights")
    write_wfdb(tmp_path / "georgia", ["164889003,59118001", "426783006", "733534002", "999999999", ""])
    files = ("recordings.csv", f"physionet2021/{MODEL}/probabilities.csv", "physionet2021/label_table.csv")
    targets = [f"results/georgia/{file}" for file in files]
    run(tmp_path, *targets, table="auto", signals="georgia", models=[MODEL], shard_size=100)
    results = tmp_path / "results/georgia/physionet2021"
    predicted = pd.read_csv(results / MODEL / "probabilities.csv")
    assert predicted["AF_truth"].tolist()[:4] == [1, 0, 0, 0]
    assert predicted["CRBBB|RBBB_truth"].tolist()[:4] == [1, 0, 0, 0]
    assert predicted["CLBBB|LBBB_truth"].tolist()[:4] == [0, 0, 1, 0]
    assert predicted.filter(like="_truth").iloc[4].isna().all()
    recordings = pd.read_csv(tmp_path / "results/georgia/recordings.csv")
    assert recordings["truth"].tolist() == ["ok", "ok", "ok", "ok", "missing"]
    table = pd.read_csv(results / "label_table.csv").set_index("label")
    assert table.loc["AF", ["known", "positives"]].tolist() == [4, 1]
    assert table.loc["AF", "percent"] == 25


def test_a_folder_without_any_truth_gives_predictions(tmp_path, code15):
    folder, _ = code15
    (tmp_path / "weights").symlink_to(folder / "weights")
    write_wfdb(tmp_path / "mimic", ["", "", ""])
    run(
        tmp_path, "analysis", table="auto", signals="mimic", models=["ecgfm_mimic_iv_ecg"], shard_size=100, report=SMALL
    )
    results = tmp_path / "results/mimic/physionet2021/ecgfm_mimic_iv_ecg"
    assert len(pd.read_csv(results / "windows.csv")) == 6
    assert len(pd.read_csv(results / "outputs.csv")) == 3
    assert not (results / "metrics.json").exists()
