"""Predictions meeting truth, whatever the order either comes in."""

import numpy as np
import pandas as pd
import pytest

from twelvelead.assembly import assemble_binary, assemble_patterns, matrices, predicted_cells, targets_of
from twelvelead.labelling import label, text_key, texts_of_cells, with_lexicon
from twelvelead.labels.lexicon import load_lexicon
from twelvelead.labels.patterns import read_patterns

PATTERNS = read_patterns("config/labels/deepecg77.csv")
LEXICON = load_lexicon("config/labels/lexicon_phrases.csv", "config/labels/lexicon_qualifiers.csv", PATTERNS)
MAPPING = "config/labels/openecg_rhythm.csv"


def cells(*rows, task="t"):
    columns = ["row", "file", "ecg_id", "status", "truth", "truth_status"]
    return pd.DataFrame(rows, columns=columns).assign(task=task, patient=-1)


def test_files_are_matched_by_id_in_the_order_of_the_table(tmp_path):
    predictions = pd.DataFrame({"ecg_id": ["c", "a", "z", "b"], "p": np.float32([0.3, 0.1, 0.9, 0.2])})
    predictions.iloc[:2].to_parquet(tmp_path / "1.parquet")
    predictions.iloc[2:].to_parquet(tmp_path / "2.parquet")
    table = cells(
        (4, "b.xml", "b", "", "0", "ok"),
        (2, "a.xml", "a", "", "1", "ok"),
        (5, "b.xml", "b", "duplicate", "0", "ok"),
        (6, "n.xml", "", "refused", "", "missing"),
        (7, "u.xml", "u", "", "1", "ok"),
    )
    found, predicted = predicted_cells(table, "t", [tmp_path / "1.parquet", tmp_path / "2.parquet"])
    assert found["ecg_id"].tolist() == predicted["ecg_id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(predicted["p"], np.float32([0.1, 0.2]))


def test_a_binary_table_has_deepecgs_columns():
    table = cells(
        (2, "a.xml", "a", "", "1", "ok"),
        (3, "b.xml", "b", "", "", "missing"),
        (4, "c.xml", "c", "", "0", "conflicting"),
    )
    predictions = pd.DataFrame({"ecg_id": ["a", "b", "c"], "p": np.float32([0.1, 0.2, 0.3])})
    shown, scored = assemble_binary(table, predictions)
    assert shown.to_csv(index=False) == "file_name,ground_truth,predictions\na.xml,1,0.1\nb.xml,,0.2\nc.xml,,0.3\n"
    truth, probability = matrices(scored, targets_of(scored))
    np.testing.assert_array_equal(truth[:, 0], [1, np.nan, np.nan])
    np.testing.assert_allclose(probability[:, 0], [0.1, 0.2, 0.3], rtol=1e-6)


def labelled(texts):
    return label(texts, "lexicon", lambda distinct: with_lexicon(distinct, LEXICON, "unknown"), PATTERNS.names)


def test_patterns_and_unions():
    table = cells(
        (2, "a.xml", "a", "", "Atrial fibrillation", "ok"),
        (3, "b.xml", "b", "", "Sinus rhythm with 1st degree AV block", "ok"),
        (4, "c.xml", "c", "", "", "missing"),
        (5, "d.xml", "d", "", "Atrial fibrillation", "conflicting"),
    )
    by_text, of_cells, _ = labelled(texts_of_cells(table, []))
    predictions = pd.DataFrame({"ecg_id": list("abcd")})
    for position, output in enumerate(("afib", "avb", "bbb", "paced")):
        predictions[output] = np.float32([0.1, 0.2, 0.3, 0.4]) + position
    shown, scored = assemble_patterns(table, predictions, (by_text, of_cells), PATTERNS.names, MAPPING)
    assert shown["Afib_lexicon"].tolist()[:2] == [1.0, 0.0]
    assert shown["Afib_lexicon"].isna().tolist() == [False, False, True, True]
    assert shown["Brugada_sig_model"].isna().all()
    np.testing.assert_allclose(shown["any AV block_sig_model"], [1.1, 1.2, 1.3, 1.4], rtol=1e-6)
    truth, _ = matrices(scored, ["Afib", "any AV block", "any bundle branch block"])
    np.testing.assert_array_equal(truth[:2], [[1, 0, 0], [0, 1, 0]])
    assert np.isnan(truth[2:]).all()


def test_a_model_with_two_outputs_cannot_answer_a_binary_task():
    predictions = pd.DataFrame({"ecg_id": ["a"], "p": [0.1], "q": [0.2]})
    with pytest.raises(ValueError, match="one output"):
        assemble_binary(cells((2, "a.xml", "a", "", "1", "ok")), predictions)


def test_labels_name_texts_by_hash_and_show_only_frequent_unknown_ones():
    texts = ["Atrial fibrillation", *["Doctor Who came along"] * 5, *["Xyzzy plugh"] * 5]
    # The five ECGs of one patient, two rows of them of one file, are not five patients.
    patients = [0, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6]
    ecg_ids = [str(i) for i in range(len(texts) - 1)] + ["9"]
    table = pd.DataFrame({"row": range(len(texts)), "ecg_id": ecg_ids, "patient": patients, "truth": texts})
    by_text, of_cells, summary = labelled(texts_of_cells(table, []))
    assert set(by_text["text"]) == {text_key(text) for text in texts}
    assert "Atrial fibrillation" not in by_text.to_csv() + of_cells.to_csv()
    assert summary["frequent_unknown_statements"] == []
    table["ecg_id"] = [str(i) for i in range(len(texts))]
    _, _, summary = labelled(texts_of_cells(table, []))
    assert summary["unknown_statements"] == 10
    assert summary["frequent_unknown_statements"] == [("xyzzy plugh", 5)]
    _, _, summary = labelled(texts_of_cells(table.assign(patient=-1), []))
    assert summary["frequent_unknown_statements"] == []


def test_statements_of_files_fill_empty_cells_only(tmp_path):
    records = pd.DataFrame({"ecg_id": ["a", "b"], "statements": [["Sinus rhythm", "Normal ECG"], ["Atrial flutter"]]})
    records.to_parquet(tmp_path / "r.parquet")
    table = pd.DataFrame({"row": [2, 3, 4], "ecg_id": ["a", "b", "c"], "truth": ["", "Atrial fibrillation", ""]})
    table["patient"] = -1
    texts = texts_of_cells(table, [str(tmp_path / "r.parquet")])
    assert texts["text"].tolist() == ["Sinus rhythm; Normal ECG", "Atrial fibrillation", ""]
    assert texts["from_file"].tolist() == [True, False, False]
