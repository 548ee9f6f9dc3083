"""The commands `twelvelead evaluate` and `twelvelead thresholds`, as they are typed."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from twelvelead.__main__ import main
from twelvelead.errors import TableError
from twelvelead.evaluation.matrices import read_scores
from twelvelead.evaluation.threshold_tables import read_threshold_file


@pytest.fixture
def arrays(tmp_path):
    random = np.random.default_rng(0)
    truth = (random.random((300, 6)) < 0.1).astype(int)
    truth[:, 4] = 0  # a class that nobody has
    truth[:, 5] = 0
    truth[7, 5] = 1  # and one of a single ECG
    probability = 1 / (1 + np.exp(-(random.normal(size=(300, 6)) + truth))).astype(np.float32)
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "predicted.npy", probability)
    return truth, probability


def test_macro_auroc_stands_in_the_last_line(tmp_path, arrays, capsys):
    truth, probability = arrays
    assert main(["evaluate", str(tmp_path / "truth.npy"), str(tmp_path / "predicted.npy"), "--replicates", "100"]) == 0
    printed = capsys.readouterr().out.splitlines()
    expected = np.mean([roc_auc_score(truth[:, label], probability[:, label]) for label in (0, 1, 2, 3, 5)])
    assert printed[-1] == f"macro AUROC over 5 labels: {expected:.5f}"
    assert any(line.startswith("label 4 ") and "0 positives" in line for line in printed)


def test_json_is_everything(tmp_path, arrays, capsys):
    files = [str(tmp_path / "truth.npy"), str(tmp_path / "predicted.npy")]
    assert main(["evaluate", *files, "--json", "--replicates", "100"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["labels"]["label 5"]["auroc"]["method"] == "Newcombe 5"
    assert found["labels"]["label 5"]["calibration_slope"]["value"] is None


def test_csv_rows_are_matched_by_their_id(tmp_path):
    truth = pd.DataFrame({"file_name": ["a", "b", "c"], "AF": ["1", "0", ""], "LBBB": ["0", "1", "0"]})
    predicted = pd.DataFrame({"file_name": ["c", "a", "b"], "LBBB": [0.3, 0.1, 0.2], "AF": [0.9, 0.7, 0.8]})
    truth.to_csv(tmp_path / "t.csv", index=False)
    predicted.to_csv(tmp_path / "p.csv", index=False)
    found = read_scores(str(tmp_path / "t.csv"), str(tmp_path / "p.csv"))
    assert found.labels == ("AF", "LBBB")
    np.testing.assert_array_equal(found.truth, [[1, 0], [0, 1], [np.nan, 0]])
    np.testing.assert_array_equal(found.probability, [[0.7, 0.1], [0.8, 0.2], [0.9, 0.3]])


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ("AF\n1\n0\n", "AF\n0.1\n", "has shape"),
        ("AF\n1\n", "LBBB\n0.1\n", "is in only one of"),
        ("AF\nyes\n", "AF\n0.1\n", r"row 2: `AF` is a text of 3 characters"),
        ("id,AF\nx,1\ny,0\n", "id,AF\nx,1\nz,0\n", "2 rows of .* have no partner by `id`"),
        ("id,AF\nx,1\nx,0\n", "id,AF\nx,1\nz,0\n", "row 3: its `id` is there twice"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_file_and_row(tmp_path, truth, predicted, message):
    (tmp_path / "t.csv").write_text(truth)
    (tmp_path / "p.csv").write_text(predicted)
    with pytest.raises(TableError, match=message):
        read_scores(str(tmp_path / "t.csv"), str(tmp_path / "p.csv"))


def test_a_file_that_is_no_array_is_an_error_in_a_line(tmp_path, capsys):
    (tmp_path / "t.npy").write_bytes(b"no array")
    assert main(["evaluate", str(tmp_path / "t.npy"), str(tmp_path / "t.npy")]) == 1
    assert "cannot be read as a .npy array" in capsys.readouterr().err
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object))
    assert main(["evaluate", str(tmp_path / "o.npy"), str(tmp_path / "o.npy")]) == 1


def test_thresholds_found_on_one_batch_can_be_given_to_another(tmp_path, capsys):
    random = np.random.default_rng(3)
    for model in ("net", "wave"):
        (tmp_path / model).mkdir()
        truth = random.integers(0, 2, 40)
        if model == "net":
            same = truth
        table = {"file_name": [f"{row}.xml" for row in range(40)], "Afib_lexicon": same}
        table["Afib_sig_model"] = np.round(same * 0.3 + random.random(40) * 0.7, 3)
        pd.DataFrame(table).to_csv(tmp_path / model / "probabilities.csv", index=False)
    files = [str(tmp_path / model / "probabilities.csv") for model in ("net", "wave")]
    assert main(["thresholds", *files, "-o", str(tmp_path / "out")]) == 0
    written = capsys.readouterr().out.split()
    assert len(written) == 8
    given = read_threshold_file(tmp_path / "out/net_thresholds.csv", "youden")
    assert 0 < given.thresholds["Afib"] < 1
    joined = pd.read_csv(tmp_path / "out/joined_binarised.csv")
    assert {"file_name", "Afib_lexicon_binary", "Afib_net_binary_f1", "Afib_wave_binary_youden"} <= set(joined.columns)
    assert list(pd.read_csv(tmp_path / "out/summary_by_f1.csv")["model"].sort_values()) == ["net", "wave"]
