"""The threshold tool: reading probabilities, thresholds per pattern, binarised tables, and its file used again."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import ConfigError, TableError
from twelvelead.evaluation.deepecg_metrics import NO_CUT_OFF, NOT_PREDICTED
from twelvelead.evaluation.operating_points import operating_points
from twelvelead.evaluation.probability_table import ProbabilityTable, read_probabilities
from twelvelead.evaluation.threshold_sets import given_set
from twelvelead.evaluation.threshold_tables import (
    NOT_IN_FILE,
    binarised_table,
    join_models,
    pattern_thresholds,
    read_threshold_file,
    summary_by_f1,
    threshold_records,
    write_threshold_csv,
    write_threshold_json,
)

NAN = float("nan")
LEXICON = """file_name,Afib_lexicon,Low voltage_lexicon,Brugada_lexicon,U wave_lexicon,\
Afib_sig_model,Low voltage_sig_model,Brugada_sig_model,U wave_sig_model
a.xml,1,0,,0,0.9,0.2,0.3,
b.xml,0,0,,1,0.4,0.7,0.6,
c.xml,1.0,0.0,,0,0.6,,0.1,
d.xml,0,0,,0,0.1,0.5,0.2,
e.xml,,,,,0.3,0.4,0.2,
"""


def written(folder, text, name="probabilities.csv"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def table(tmp_path):
    return read_probabilities(written(tmp_path, LEXICON))


def table_of(truth, score, pattern="Afib"):
    truth, score = np.array(truth, dtype=float)[:, None], np.array(score, dtype=float)[:, None]
    return ProbabilityTable(tuple(f"{n}.xml" for n in range(len(truth))), (pattern,), truth, score, "lexicon", {})


def test_a_lexicon_table_is_read(table):
    assert table.files == ("a.xml", "b.xml", "c.xml", "d.xml", "e.xml")
    assert table.patterns == ("Afib", "Low voltage", "Brugada", "U wave")
    assert table.truth_source == "lexicon"
    np.testing.assert_array_equal(table.truth[:, 0], [1, 0, 1, 0, NAN])
    np.testing.assert_array_equal(table.score[:, 1], [0.2, 0.7, NAN, 0.5, 0.4])
    assert np.isnan(table.score[:, 3]).all()


def test_berts_probabilities_are_truth_from_their_threshold_up(tmp_path):
    text = "file_name,Afib_bert_model,Afib_sig_model,Any block_bert_truth,Any block_sig_model,U wave_sig_model\n"
    path = written(tmp_path, text + "a,0.43,0.2,1,0.5,0.1\nb,0.42999998,0.3,0,,0.1\nc,,0.1,,0.25,0.1\n")
    table = read_probabilities(path, {"Afib": 0.43, "Sinusal": 0.5})
    assert (table.truth_source, table.bert_thresholds) == ("bert", {"Afib": 0.43})
    assert table.patterns == ("Afib", "Any block", "U wave")
    np.testing.assert_array_equal(table.truth, [[1, 1, NAN], [0, 0, NAN], [NAN, NAN, NAN]])
    np.testing.assert_array_equal(table.score, [[0.2, 0.5, 0.1], [0.3, NAN, 0.1], [0.1, 0.25, 0.1]])
    with pytest.raises(TableError, match="'Afib' has no bert_threshold; add it"):
        read_probabilities(path, {"Sinusal": 0.5})


def test_a_binary_table_is_read(tmp_path):
    table = read_probabilities(written(tmp_path, "file_name,ground_truth,predictions\na,1,0.5\nb,,0.25\nc,0,\n"))
    assert (table.patterns, table.truth_source) == (("results",), "ground_truth")
    np.testing.assert_array_equal(table.truth[:, 0], [1, NAN, 0])
    np.testing.assert_array_equal(table.score[:, 0], [0.5, 0.25, NAN])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name,A_lexicon,A_sig_model\na,1,0.5\nb,0,high\n", "row 3: A_sig_model is a text of 4 characters"),
        ("file_name,A_lexicon,A_sig_model\na,1,0.5\nb,0,1.5\n", "row 3: A_sig_model is '1.5'"),
        ("file_name,A_lexicon,A_sig_model\na,0.4,0.5\n", "row 2: A_lexicon is 0.4, expected 1, 0 or nothing"),
        ("file_name,A_lexicon,A_sig_model\na,1,0.5\na,0,0.5\n", "row 3: file_name is empty or there already"),
        ("file_name,A_lexicon,A_sig_model\n,1,0.5\n", "row 2: file_name is empty or there already"),
        ("filename,A_lexicon,A_sig_model\na,1,0.5\n", "did you mean `filename`"),
        ("file_name,A,B\na,1,0.5\n", "give a probabilities.csv"),
        ("file_name,ground_truth,predictions\na,2,0.5\n", "row 2: ground_truth is '2', expected a number from 0 to 1"),
    ],
)
def test_what_is_no_such_table_is_named_by_row(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read_probabilities(written(tmp_path, text))


def test_an_absent_file_says_so(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        read_probabilities(tmp_path / "nowhere.csv")


def test_thresholds_and_what_stands_in_for_them(table):
    afib, low_voltage, brugada, u_wave = pattern_thresholds(table)
    assert afib.fitted
    assert afib.thresholds == {"youden": 0.6, "f1": 0.6}
    assert (afib.fits["youden"].score, afib.fits["f1"].score) == (1.0, 1.0)
    assert afib.points["f1"].fitted_on_these_data
    assert (afib.points["f1"].n, afib.points["f1"].unknown) == (4, 1)

    assert low_voltage.thresholds == {"youden": 0.5, "f1": 0.5}
    assert low_voltage.reasons["f1"] == "no positive among the 3 evaluated: 0.5 stands in"
    assert not low_voltage.fitted
    assert not low_voltage.points["f1"].fitted_on_these_data

    assert brugada.thresholds == u_wave.thresholds == {"youden": None, "f1": None}
    assert u_wave.reasons["youden"] == NOT_PREDICTED
    assert brugada.reasons["youden"] == "no ECG with both a known truth and a prediction"


def test_no_cut_off_better_than_chance_calls_none_positive():
    table = table_of([1, 0, 0], [0.1, 0.5, 0.9])
    (row,) = pattern_thresholds(table)
    assert (row.thresholds["youden"], row.reasons["youden"]) == (None, NO_CUT_OFF)
    (record,) = threshold_records([row])
    assert (record["f1_with_youden_threshold"], record["n_positive_sig_youden"]) == (0.0, 0)
    assert record["best_f1_score"] == 0.5
    binary = binarised_table(table, [row], "wcr")
    assert binary["Afib_wcr_binary_youden"].tolist() == [0, 0, 0]
    assert binary["Afib_wcr_binary_f1"].tolist() == [1, 1, 1]


def test_the_binarised_table_leaves_the_unknown_empty(table):
    binary = binarised_table(table, pattern_thresholds(table), "openecg")
    assert list(binary.columns[:4]) == [
        "file_name",
        "Afib_lexicon_binary",
        "Afib_openecg_binary_youden",
        "Afib_openecg_binary_f1",
    ]
    lines = binary.to_csv(index=False).splitlines()
    assert lines[1] == "a.xml,1,1,1,0,0,0,,,,0,,"
    assert lines[3] == "c.xml,1,1,1,0,,,,,,0,,"
    assert lines[5] == "e.xml,,0,0,,0,0,,,,,,"


def test_csv_and_json_say_the_same_and_hold_no_infinity(table, tmp_path):
    rows = pattern_thresholds(table)
    write_threshold_csv(rows, tmp_path / "thresholds.csv")
    write_threshold_json(rows, tmp_path / "thresholds.json")
    of_json = json.loads((tmp_path / "thresholds.json").read_text(), parse_constant=pytest.fail)
    with (tmp_path / "thresholds.csv").open(newline="") as handle:
        of_csv = {row.pop("pattern"): row for row in csv.DictReader(handle)}
    assert list(of_csv) == list(of_json) == list(table.patterns)
    assert of_json["Afib"]["n_positive_lexicon"] == 2
    for pattern, record in of_json.items():
        for key, value in record.items():
            cell = of_csv[pattern][key]
            if isinstance(value, bool):
                assert cell == str(value).lower()
            elif isinstance(value, int | float):
                assert float(cell) == value
                assert isinstance(value, float) or "." not in cell
            else:
                assert cell == (value or "")


@pytest.mark.parametrize("criterion", ["youden", "f1"])
def test_a_written_file_gives_thresholds_for_another_batch(table, tmp_path, criterion):
    rows = pattern_thresholds(table)
    write_threshold_csv(rows, tmp_path / "thresholds.csv")
    given_thresholds = read_threshold_file(tmp_path / "thresholds.csv", criterion, known=table.patterns)
    assert given_thresholds.thresholds == {"Afib": 0.6}
    thresholds, why = given_thresholds.of(["Low voltage", "Afib", "Sinusal"])
    np.testing.assert_array_equal(thresholds, [NAN, 0.6, NAN])
    assert why == ("no positive among the 3 evaluated: 0.5 stands in", "", NOT_IN_FILE)
    truth, score = np.array([[0, 1, 1], [0, 0, 1]]), np.array([[0.7, 0.6, 0.2], [0.1, 0.59, 0.2]])
    points = operating_points(truth, score, thresholds, why_no_threshold=why)
    assert points[1].sensitivity.value == points[1].specificity.value == 1
    assert points[0].accuracy.reason.endswith("stands in")
    assert not points[1].fitted_on_these_data


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32)), min_size=2, max_size=30).filter(
        lambda rows: 0 < sum(truth for truth, _ in rows) < len(rows)
    )
)
def test_a_threshold_read_back_calls_the_same_ecgs_positive(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("round")
    frame = pd.DataFrame(rows, columns=["Afib_lexicon", "Afib_sig_model"]).astype(np.float32)
    frame.insert(0, "file_name", [f"{n}.xml" for n in range(len(rows))])
    frame.to_csv(folder / "probabilities.csv", index=False)
    table = read_probabilities(folder / "probabilities.csv")
    (fitted,) = pattern_thresholds(table)
    write_threshold_csv([fitted], folder / "thresholds.csv")
    thresholds, _ = read_threshold_file(folder / "thresholds.csv", "f1").of(["Afib"])
    for score in (table.score, frame[["Afib_sig_model"]].to_numpy(), frame[["Afib_sig_model"]].to_numpy(np.float64)):
        (point,) = operating_points(table.truth, score, thresholds)
        assert (point.true_positives, point.false_positives) == (
            fitted.points["f1"].true_positives,
            fitted.points["f1"].false_positives,
        )


def test_a_users_own_file(tmp_path):
    path = written(tmp_path, '\ufeffpattern,threshold,note\nAfib, 0.5 ,ours\n"QS, V1",,none chosen\n', "mine.csv")
    given_thresholds = read_threshold_file(path)
    assert given_thresholds.thresholds == {"Afib": 0.5}
    assert given_thresholds.reasons == {"QS, V1": "the thresholds file gives none"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pattern,threshold\nAfib,0.5\nAfib,0.6\n", "line 3: pattern 'Afib' is empty or there twice"),
        ("pattern,threshold\n,0.5\n", "line 2: pattern '' is empty"),
        ("pattern,threshold\nAfib,0.5\nSinusal,half\n", "line 3: threshold is 'half'"),
        ("pattern,threshold\nAfib,1.5\n", "line 2: threshold is '1.5', expected a number from 0 to 1"),
        ("pattern,threshold\nAfib,nan\n", "line 2: threshold is 'nan'"),
        ("pattern,optimal_threshold_youden,fitted\nAfib,0.5,maybe\n", "line 2: fitted is 'maybe'"),
        ("pattern,optimal_threshold_f1\nAfib,0.5\n", "no column `threshold` or `optimal_threshold_youden`"),
        ("pattern,threshold\n", "no rows"),
        ("label,threshold\nAfib,0.5\n", "no column pattern"),
        ("pattern,threshold\nAfob,0.5\n", "line 2: 'Afob' is no pattern of this task.*did you mean `Afib`"),
    ],
)
def test_errors_of_a_threshold_file_name_the_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_threshold_file(written(tmp_path, text), known=["Afib", "Sinusal"])


def test_a_criterion_is_one_of_two(tmp_path):
    with pytest.raises(ConfigError, match="expected youden or f1"):
        read_threshold_file(written(tmp_path, "pattern,threshold\nAfib,0.5\n"), "j")


def test_two_models_are_joined_by_file():
    first = table_of([1, 0, NAN], [0.9, 0.1, 0.2])
    truth, score = np.array([[[NAN], [0], [1]], [[0.8], [0.3], [0.7]]])
    second = ProbabilityTable(("2.xml", "1.xml", "9.xml"), ("Afib",), truth, score, "lexicon", {})
    tables = [binarised_table(t, pattern_thresholds(t), m) for t, m in ((first, "efficientnet"), (second, "wcr"))]
    joined = join_models(*tables)
    assert joined["file_name"].tolist() == ["0.xml", "1.xml", "2.xml", "9.xml"]
    assert joined.to_csv(index=False).splitlines()[1:] == [
        "0.xml,1,1,1,,",
        "1.xml,0,0,0,0,0",
        "2.xml,,0,0,1,1",
        "9.xml,1,,,1,1",
    ]
    with pytest.raises(TableError, match="expected tables of two models"):
        join_models(tables[0], tables[0])
    tables[1].loc[1, "Afib_lexicon_binary"] = 1
    with pytest.raises(TableError, match="`Afib_lexicon_binary` of the two tables differs for 1 files, first in row 3"):
        join_models(*tables)


def test_the_summary_has_the_highest_f1_first_and_the_undefined_last(table):
    other = pattern_thresholds(table_of([1, 0, 1, 0], [0.9, 0.95, 0.4, 0.1]))
    summary = summary_by_f1({"openecg": pattern_thresholds(table), "wcr": other})
    assert list(zip(summary["model"], summary["pattern"], strict=True))[:2] == [("openecg", "Afib"), ("wcr", "Afib")]
    np.testing.assert_allclose(summary["best_f1_score"][:2], [1.0, 0.8])
    assert summary["best_f1_score"][2:].isna().all()
    assert (summary["reason"][2:] != "").all()
    assert summary_by_f1({}).empty


class TestGivenSet:
    def test_a_binary_task_is_named_as_itself_or_as_its_key(self, tmp_path):
        for name in ("afib_5y", "results"):
            path = tmp_path / f"{name}.csv"
            path.write_text(f"pattern,threshold\n{name},0.25\n")
            found = given_set(str(path), "youden", ["results"], {"results": "afib_5y"})
            assert found.values.tolist() == [0.25]

    def test_a_file_of_other_patterns_is_an_error(self, tmp_path):
        path = tmp_path / "other.csv"
        path.write_text("pattern,threshold\nafib5y,0.25\n")
        with pytest.raises(ConfigError, match="afib5y, but no pattern of this task, such as afib_5y, results"):
            given_set(str(path), "youden", ["results"], {"results": "afib_5y"})
