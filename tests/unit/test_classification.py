"""Labels called at a threshold: every figure against scikit-learn's, and what an unknown or empty set does."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from twelvelead.assembly import scored_table
from twelvelead.evaluation.classification import (
    FIGURES,
    classification,
    classification_table,
    label_table,
    predicted_labels,
)

LABELS = ["1dAVb", "RBBB", "CLBBB|LBBB", "AF"]
NAN = np.nan


def scored(truth, probability, labels=LABELS):
    names = [f"{row}.mat" for row in range(len(truth))]
    cells = pd.DataFrame({"row": range(2, len(names) + 2), "file": names, "ecg_id": names})
    return scored_table(cells, labels, np.array(truth, np.float32), np.array(probability, np.float32))


def random_scored(n=400, seed=5, unknown=0.0):
    random = np.random.default_rng(seed)
    truth = (random.random((n, len(LABELS))) < [0.4, 0.2, 0.1, 0.5]).astype(float)
    probability = np.clip(0.3 * truth + 0.6 * random.random(truth.shape), 0, 1)
    truth[random.random(truth.shape) < unknown] = NAN
    return scored(truth, probability), truth, np.float32(probability)


@pytest.mark.parametrize("threshold", [0.5, 0.3])
@pytest.mark.parametrize("unknown", [0.0, 0.2])
def test_figures_of_a_label_are_scikit_learns(threshold, unknown):
    table, truth, probability = random_scored(unknown=unknown)
    found = classification(table, LABELS, threshold)
    for column, label in enumerate(LABELS):
        known = ~np.isnan(truth[:, column])
        actual, called = truth[known, column] == 1, probability[known, column] >= np.float32(threshold)
        figures = found["labels"][label]
        precision, recall, f1, _ = precision_recall_fscore_support(actual, called, average="binary")
        specificity = precision_recall_fscore_support(actual, called, average="binary", pos_label=False)[1]
        npv = precision_recall_fscore_support(actual, called, average="binary", pos_label=False)[0]
        expected = {
            "prevalence": actual.mean(),
            "recall": recall,
            "precision": precision,
            "f1": f1,
            "specificity": specificity,
            "accuracy": accuracy_score(actual, called),
            "npv": npv,
        }
        assert {name: figures[name] for name in FIGURES} == pytest.approx(expected, abs=1e-12)
        assert (figures["n"], figures["positives"], figures["unknown"]) == (known.sum(), actual.sum(), (~known).sum())
        counts = ["true_negatives", "false_positives", "false_negatives", "true_positives"]
        assert [figures[name] for name in counts] == confusion_matrix(actual, called).ravel().tolist()


@pytest.mark.parametrize("unknown", [0.0, 0.1])
def test_exact_match_is_scikit_learns_accuracy_of_the_indicator_matrix(unknown):
    table, truth, probability = random_scored(unknown=unknown)
    known = ~np.isnan(truth).any(axis=1)
    found = classification(table, LABELS, 0.5)["exact_match"]
    assert found["n"] == known.sum()
    assert found["not_judged"] == len(truth) - known.sum()
    assert found["accuracy"] == accuracy_score(truth[known].astype(int), (probability[known] >= 0.5).astype(int))
    match = predicted_labels(table, LABELS, 0.5)["exact_match"]
    assert match.isna().sum() == found["not_judged"]
    assert match.sum() == found["matches"]


def test_an_empty_set_matches_the_empty_set_alone():
    truth = [[0, 0], [0, 1], [0, 0], [1, 1]]
    probability = [[0.1, 0.2], [0.1, 0.2], [0.1, 0.5], [0.5, 0.9]]
    table = scored(truth, probability, ["AF", "SB"])
    said = predicted_labels(table, ["AF", "SB"], 0.5)
    assert said["predicted"].tolist() == ["", "", "SB", "AF; SB"]
    assert said["actual"].tolist() == ["", "SB", "", "AF; SB"]
    assert said["exact_match"].tolist() == [1, 0, 0, 1]
    assert classification(table, ["AF", "SB"], 0.5)["exact_match"] == {
        "n": 4,
        "matches": 2,
        "accuracy": 0.5,
        "without_label_predicted": 2,
        "without_label_actual": 2,
        "matches_without_label": 1,
        "not_judged": 0,
        "labels": ["AF", "SB"],
        "labels_without_truth": [],
    }


def test_only_labels_that_the_model_predicts_take_part():
    table = scored([[1, 1, 0], [1, 0, 0]], [[NAN, 0.9, 0.9], [NAN, 0.1, 0.9]], ["AF", "SB", "AF (as AF or AFL)"])
    found = classification(table, ["AF", "SB"], 0.5)
    assert list(found["labels"]) == found["exact_match"]["labels"] == ["SB"]
    assert found["exact_match"]["accuracy"] == 1
    said = predicted_labels(table, ["AF", "SB"], 0.5)
    assert said["predicted"].tolist() == ["SB", ""]
    assert said["actual"].tolist() == ["AF; SB", "AF"]
    assert said["not_compared"].tolist() == ["AF", "AF"]
    assert said["exact_match"].tolist() == [1, 1]


def test_a_label_without_any_truth_is_called_and_compared_in_no_set():
    table = scored([[1, NAN], [0, NAN], [NAN, NAN]], [[0.9, 0.8], [0.1, 0.8], [0.1, 0.2]], ["AF", "TAb"])
    said = predicted_labels(table, ["AF", "TAb"], 0.5)
    assert said["predicted"].tolist() == ["AF; TAb", "TAb", ""]
    assert said["exact_match"].fillna(-1).tolist() == [1, 1, -1]
    found = classification(table, ["AF", "TAb"], 0.5)
    assert found["exact_match"]["labels"] == ["AF"]
    assert found["exact_match"]["labels_without_truth"] == ["TAb"]
    assert found["exact_match"]["n"] == 2
    figures = found["labels"]["TAb"]
    assert all(figures[name] is None and figures["reasons"][name] for name in FIGURES)


def test_undefined_figures_are_empty_with_a_reason():
    found = classification(scored([[0], [0]], [[0.1], [0.6]], ["AF"]), ["AF"], 0.5)
    reasons = found["labels"]["AF"]["reasons"]
    assert set(reasons) == {"recall", "f1"}
    assert reasons["recall"] == "no positive among the 2 evaluated"
    json.dumps(found, allow_nan=False)
    text = classification_table(found).to_csv(index=False)
    assert text == (
        "label,n,positives,prevalence,recall,precision,f1,specificity,accuracy,npv\nAF,2,0,0.0,,0.0,,0.5,0.5,1.0\n"
    )


def test_a_recording_without_a_probability_is_not_judged():
    table = scored([[1, 1], [0, 1]], [[0.9, NAN], [0.2, 0.7]], ["AF", "SB"])
    assert predicted_labels(table, ["AF", "SB"], 0.5)["exact_match"].fillna(-1).tolist() == [-1, 1]
    found = classification(table, ["AF", "SB"], 0.5)
    assert found["labels"]["SB"]["n"] == 1
    assert found["labels"]["SB"]["not_predicted"] == 1


@pytest.mark.parametrize(
    ("truth", "probability", "reason"),
    [
        (np.empty((0, 2)), np.empty((0, 2)), "the model predicts no label of the task"),
        ([[1, 0]], [[NAN, NAN]], "the model predicts no label of the task"),
        ([[NAN, NAN]], [[0.7, 0.2]], "no label that the model predicts has a known truth"),
        ([[1, NAN], [NAN, 0]], [[0.7, 0.2], [0.7, 0.2]], "no recording has a known truth for every label compared"),
    ],
)
def test_where_nothing_can_be_judged_the_reason_is_given(truth, probability, reason):
    table = scored(truth, probability, ["AF", "SB"])
    found = classification(table, ["AF", "SB"], 0.5)
    assert found["exact_match"]["accuracy"] is None
    assert found["exact_match"]["reason"] == reason
    assert len(classification_table(found)) == len(found["labels"])
    said = predicted_labels(table, ["AF", "SB"], 0.5, {"1": "AF"})
    assert said["exact_match"].isna().all()
    assert len(said) == len(table)


def test_codes_are_the_first_of_each_label_that_has_one():
    codes = {"733534002": "CLBBB|LBBB", "164909002": "CLBBB|LBBB", "164889003": "AF"}
    table = scored([[0, 0, 1, 1], [0, 1, 0, 0]], [[0.1, 0.1, 0.9, 0.9], [0.1, 0.8, 0.1, 0.1]])
    said = predicted_labels(table, LABELS, 0.5, codes)
    assert said["predicted_codes"].tolist() == ["733534002|164889003", ""]
    assert said["predicted"].tolist() == ["CLBBB|LBBB; AF", "RBBB"]


def test_a_probability_at_the_threshold_is_called_though_its_type_is_narrower():
    table = scored([[1], [0]], [[0.3], [0.29]], ["AF"])
    assert predicted_labels(table, ["AF"], 0.3)["predicted"].tolist() == ["AF", ""]


def test_label_table_counts_known_truth():
    counts = label_table(np.float32([[1, NAN], [0, NAN], [NAN, NAN], [0, NAN]]), ["AF", "TAb"])
    text = counts.round(2).to_csv(index=False)
    assert text == "label,known,positives,percent,unknown\nAF,3,1,33.33,1\nTAb,0,0,,4\n"


CELLS = st.sampled_from([0.0, 1.0, NAN])
SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.75, NAN])


@settings(max_examples=40, deadline=None)
@given(
    truth=hnp.arrays(np.float32, (7, 3), elements=CELLS),
    probability=hnp.arrays(np.float32, (7, 3), elements=SCORES),
    order=st.permutations(range(7)),
)
def test_the_order_of_rows_changes_nothing(truth, probability, order):
    labels = LABELS[:3]
    table = scored(truth, probability, labels)
    shuffled = table.iloc[list(order)].reset_index(drop=True)
    assert classification(shuffled, labels, 0.5) == classification(table, labels, 0.5)
    said = predicted_labels(shuffled, labels, 0.5).sort_values("file_name", ignore_index=True)
    pd.testing.assert_frame_equal(said, predicted_labels(table, labels, 0.5))
