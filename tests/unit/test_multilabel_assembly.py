"""Predictions beside truth that is a set of labels, and what metrics and thresholds make of it."""

import numpy as np
import pandas as pd
import pytest

from twelvelead.assembly import matrices, targets_of
from twelvelead.multilabel_assembly import assemble_multilabel, truth_of_cells, usable_cells
from twelvelead.scoring import ALL_LABELS, categories_of, metrics_of, threshold_sets

LABELS = ["CRBBB|RBBB", "AF", "SB"]
CELLS = pd.DataFrame(
    [
        (2, "a.mat", "a", "100", "ok"),
        (3, "b.mat", "b", "0?1", "ok"),
        (4, "c.mat", "c", "010", "conflicting"),
        (5, "d.mat", "d", "", "missing"),
        (6, "e.mat", "e", "", "invalid"),
    ],
    columns=["row", "file", "ecg_id", "truth", "truth_status"],
).assign(task="t", status="", patient=-1)
PREDICTIONS = pd.DataFrame({"ecg_id": list("abcde")}).assign(
    **{name: np.float32([0.1, 0.2, 0.3, 0.4, 0.5]) + place for place, name in enumerate(("right", "fast AF", "slow"))}
)
MAPPING = """output,target,members,quality,source
right,CRBBB|RBBB,CRBBB||RBBB,exact,test
fast AF,AF (as fast AF),AF,broader,test
slow,right or slow,CRBBB||RBBB|SB,broader,test
"""


@pytest.fixture
def mapping(tmp_path):
    (tmp_path / "mapping.csv").write_text(MAPPING, encoding="utf-8")
    return str(tmp_path / "mapping.csv")


def test_only_a_single_known_truth_counts():
    truth = truth_of_cells(CELLS, LABELS)
    nan = np.nan
    np.testing.assert_array_equal(truth, [[1, 0, 0], [0, nan, 1], *[[nan] * 3] * 3])


def test_labels_come_first_and_broader_outputs_under_their_own_names(mapping):
    table, scored = assemble_multilabel(CELLS, PREDICTIONS, LABELS, mapping)
    targets = [*LABELS, "AF (as fast AF)", "right or slow"]
    assert targets_of(scored) == targets
    assert list(table.columns) == [
        "file_name",
        *(f"{target}_truth" for target in targets),
        *(f"{target}_sig_model" for target in targets),
    ]
    truth, probability = matrices(scored, targets)
    nan = np.nan
    np.testing.assert_array_equal(truth[:2], [[1, 0, 0, 0, 1], [0, nan, 1, nan, 1]])
    assert np.isnan(truth[2:]).all()
    np.testing.assert_allclose(probability[1], [0.2, nan, nan, 1.2, 2.2], rtol=1e-6)
    assert scored["ecg_id"].tolist() == list("abcde")


def test_unknown_and_not_predicted_cells_are_empty_in_the_table(mapping):
    table, _ = assemble_multilabel(CELLS, PREDICTIONS, LABELS, mapping)
    assert table.iloc[[1, 3], :7].to_csv(index=False, header=False) == "b.mat,0,,1,,1,0.2\nd.mat,,,,,,0.4\n"


def test_a_model_whose_outputs_are_the_labels_needs_no_mapping():
    predictions = PREDICTIONS.set_axis(["ecg_id", "SB", "AF", "CRBBB|RBBB"], axis=1)
    _, scored = assemble_multilabel(CELLS, predictions, LABELS, None)
    _, probability = matrices(scored, LABELS)
    np.testing.assert_allclose(probability[0], [2.1, 1.1, 0.1], rtol=1e-6)


def test_usable_cells_are_those_that_were_read_each_file_once():
    recordings = pd.DataFrame({"row": [2, 3, 4, 2], "task": ["t", "t", "t", "u"]})
    recordings["status"] = ["ok", "unreadable", "duplicate", "ok"]
    assert usable_cells(CELLS, "t", recordings)["row"].tolist() == [2]


def test_metrics_have_one_category_of_the_labels_alone(mapping):
    truths = ["100", "011", "101", "010"]
    cells = CELLS.head(4).assign(truth=truths, truth_status="ok")
    _, scored = assemble_multilabel(cells, PREDICTIONS.head(4), LABELS, mapping)
    categories = categories_of({"kind": "multilabel", "labels": LABELS}, "unused", "unused")
    assert categories == {ALL_LABELS: tuple(LABELS)}
    values = metrics_of(scored, "multilabel", categories).values
    assert list(values) == [ALL_LABELS, *LABELS, "AF (as fast AF)", "right or slow"]
    # The one label predicted is the mean, whatever the broader outputs do.
    assert values[ALL_LABELS]["macro_auc"] == values["CRBBB|RBBB"]["auc"] == 0.25
    assert values["AF"]["auc"] is None
    assert values["AF (as fast AF)"]["auc"] == 0.75


def test_a_01_task_has_no_category():
    assert categories_of({"kind": "binary", "labels": None}, "unused", "unused") == {}


def test_published_thresholds_pass_through_exact_rows_of_a_mapping_alone(tmp_path):
    published = tmp_path / "published.csv"
    published.write_text("pattern,f1_threshold\nAfib,0.125\nBlock,0.25\nAF,0.75\n", encoding="utf-8")
    mapping = tmp_path / "mapping.csv"
    mapping.write_text(
        "output,target,members,quality,source\nAfib,AF,AF,exact,ours\nBlock,SB,SB,close,ours\n", encoding="utf-8"
    )
    entry = {"table": str(published), "columns": ["f1_threshold"]}
    (found,) = threshold_sets(["AF", "SB"], "code15", entry, True, None, "youden", str(mapping))
    np.testing.assert_array_equal(found.values, [0.125, np.nan])


def test_given_thresholds_are_found_by_label(tmp_path):
    given = tmp_path / "thresholds.csv"
    given.write_text("pattern,threshold\nCRBBB|RBBB,0.25\nAF,0.5\n", encoding="utf-8")
    published = tmp_path / "published.csv"
    published.write_text("label,f1_threshold\nAF,0.125\n", encoding="utf-8")
    entry = {"table": str(published), "columns": ["f1_threshold"]}
    of_model, of_user = threshold_sets(LABELS, "code15", entry, True, str(given), "youden")
    np.testing.assert_array_equal(of_user.values, [0.25, 0.5, np.nan])
    np.testing.assert_array_equal(of_model.values, [np.nan, 0.125, np.nan])
