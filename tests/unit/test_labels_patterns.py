"""The tables of DeepECG's 77 patterns, and what is said when one of them is malformed."""

from pathlib import Path

import numpy as np
import pytest

from twelvelead.errors import ConfigError
from twelvelead.labels.patterns import THRESHOLD_COLUMNS, read_category_order, read_patterns, read_thresholds

TABLES = Path(__file__).resolve().parents[2] / "config" / "labels"
HEADER = (
    "index,pattern,categories,bert_threshold,wcr_output_index,wcr_mhi_youden_threshold,"
    "efficientnet_sens_spec_threshold,wcr_sens_spec_threshold\n"
)
ROW = "0,Sinusal,Rhythm,0.43,1,0.8,0.872,0.95\n"
SECOND = "1,Regular,Rhythm|Other,0.48,0,,,\n"


def test_the_shipped_table():
    patterns = read_patterns(TABLES / "deepecg77.csv")
    assert len(patterns.names) == len(set(patterns.names)) == 77
    assert (patterns.names[0], patterns.names[15], patterns.names[76]) == ("Sinusal", "Afib", "no_qrs")
    assert patterns.categories["ST depression (anterior - V3-V4)"] == ("Infarction or ischemia", "Other diagnoses")
    assert sorted(patterns.wcr_output_index) == list(range(77))
    assert patterns.wcr_output_index[0] == 15
    assert patterns.bert_threshold[:2] == pytest.approx([0.43, 0.48])
    assert set(patterns.thresholds) == set(THRESHOLD_COLUMNS)
    missing = np.isnan(patterns.thresholds["efficientnet_sens_spec_threshold"])
    assert [patterns.names[i] for i in np.flatnonzero(missing)] == ["Acute pericarditis"]


def test_every_pattern_is_in_a_category_of_the_category_table():
    patterns = read_patterns(TABLES / "deepecg77.csv")
    order = read_category_order(TABLES / "deepecg_categories.csv")
    assert order[0] == "Rhythm Disorders"
    assert {category for of_one in patterns.categories.values() for category in of_one} == set(order)
    # One pattern belongs to two categories.
    assert sum(len(patterns.members(category)) for category in order) == 78


def test_thresholds_of_categories_and_tasks():
    categories = read_thresholds(TABLES / "deepecg_categories.csv", "category")
    assert categories["Pericarditis"]["bert_macro_threshold"] == 0.38
    tasks = read_thresholds(TABLES / "deepecg_binary_thresholds.csv", "task")
    assert tasks["afib_5y"] == {"efficientnet_sens_spec_threshold": 0.207, "wcr_sens_spec_threshold": 0.231}


def test_a_small_table_reads_empty_thresholds_as_nan(tmp_path):
    table = tmp_path / "patterns.csv"
    table.write_text(HEADER + ROW + SECOND, encoding="utf-8-sig")
    patterns = read_patterns(table)
    assert patterns.names == ("Sinusal", "Regular")
    assert patterns.members("Other") == ("Regular",)
    np.testing.assert_array_equal(patterns.wcr_output_index, [1, 0])
    assert np.isnan(patterns.thresholds["wcr_sens_spec_threshold"][1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROW.replace("0,S", "5,S", 1), "line 2: index '5', expected 0"),
        (HEADER + ROW + SECOND.replace("Regular", "Sinusal"), "line 3: pattern 'Sinusal' is there twice"),
        (HEADER + ROW.replace("Sinusal", ""), "line 2: pattern and categories must not be empty"),
        (HEADER + ROW.replace("0.43", "43"), "line 2: bert_threshold is '43', expected a number from 0 to 1"),
        (HEADER + ROW.replace("0.43", "nan"), "line 2: bert_threshold is 'nan'"),
        (HEADER + ROW.replace("0.43", ""), "line 2: no bert_threshold"),
        (
            HEADER + ROW + SECOND.replace(",0,,", ",1,,"),
            "line 3: wcr_output_index is '1', expected each of 0 to 1 once",
        ),
        (HEADER + ROW + SECOND.replace(",0,,", ",x,,"), "line 3: wcr_output_index is 'x'"),
        (HEADER + ROW.replace(",0.95", ""), "line 2: the number of cells differs"),
        (HEADER + ROW.replace("0.95", "0.95,1"), "line 2: the number of cells differs"),
        (HEADER.replace("pattern,", "name,") + ROW, "no column pattern in its first line"),
        ("", "found: nothing"),
    ],
)
def test_a_malformed_table_names_the_row(tmp_path, text, message):
    table = tmp_path / "patterns.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_patterns(table)


@pytest.mark.parametrize("content", [None, b"index,pattern\n0,\xe9\n", b'index,"pat'])
def test_a_table_that_cannot_be_read(tmp_path, content):
    table = tmp_path / "patterns.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read as a UTF-8 CSV table"):
        read_patterns(table)


def test_a_category_given_twice_is_refused(tmp_path):
    table = tmp_path / "categories.csv"
    table.write_text("category,t\nA,0.1\nA,0.2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 3: category 'A' is empty or there twice"):
        read_thresholds(table, "category")
