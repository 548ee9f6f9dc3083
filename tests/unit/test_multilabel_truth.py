"""A truth of several labels as one text: from columns of 0/1, from diagnosis codes, and back to numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.multilabel_truth import decode_truth, encoded_codes, encoded_columns, truth_columns

LABELS = ["AF", "SB", "CRBBB|RBBB"]
CODES = {"164889003": "AF", "59118001": "CRBBB|RBBB", "713427006": "CRBBB|RBBB"}


def of_columns(**columns):
    return [list(map(str, part)) for part in encoded_columns(pd.DataFrame(columns), ["AF", "SB", "ST"])]


def of_codes(*texts, labels=LABELS, codes=CODES):
    return [list(map(str, part)) for part in encoded_codes(pd.Series(texts, name="snomed", dtype="str"), labels, codes)]


def test_the_truth_is_in_a_column_of_codes_or_in_one_per_label():
    assert truth_columns({"labels": ["AF", "SB"]}) == ["AF", "SB"]
    assert truth_columns({"labels": ["AF", "SB"], "truth_column": None}) == ["AF", "SB"]
    assert truth_columns({"labels": ["AF", "SB"], "truth_column": "snomed"}) == ["snomed"]


@pytest.mark.parametrize(
    ("value", "character"),
    [("1", "1"), ("1.0", "1"), ("True", "1"), (" true ", "1"), ("0", "0"), ("0.0", "0"), ("FALSE", "0")]
    + [(unknown, "?") for unknown in ("", " ", "NaN", "NA", "null", "None")],
)
def test_outcomes_are_read_however_they_are_written(value, character):
    assert of_columns(AF=[value], SB=["1"], ST=["0"]) == [[f"{character}10"], ["ok"], [""]]


def test_a_column_that_is_not_there_is_unknown_and_a_row_of_unknowns_missing():
    assert of_columns(AF=["1", "", "0"]) == [["1??", "", "0??"], ["ok", "missing", "ok"], ["", "", ""]]
    assert of_columns(other=["1"]) == [[""], ["missing"], [""]]


def test_a_value_that_is_no_outcome_names_its_column_and_may_be_a_name():
    truths, statuses, messages = of_columns(AF=["1", "0", "x"], SB=["2", "1", "y"], ST=["0" * 30, "1", "1"])
    assert truths == ["", "011", ""]
    assert statuses == ["invalid", "ok", "invalid"]
    assert messages == ["SB is '2'; expected 0 or 1", "", "AF is 'x'; expected 0 or 1"]
    name = of_columns(AF=["Mustermann"])[2][0]
    assert name == "AF is a text of 10 characters; expected 0 or 1"


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("164889003", "1?0"),
        ("59118001|164889003", "1?1"),
        (" 713427006 , 164889003;", "1?1"),
        ("713427006;59118001", "0?1"),
        ("426783006", "0?0"),  # another diagnosis
        ("164889003.0", "1?0"),  # a Parquet column of numbers
    ],
)
def test_codes_are_labels_others_are_other_diagnoses_and_a_label_without_code_is_unknown(text, truth):
    assert of_codes(text) == [[truth], ["ok"], [""]]


@pytest.mark.parametrize("text", ["", " ", "nan", "NA", "none", "|", " ; "])
def test_no_codes_are_no_truth(text):
    assert of_codes(text) == [[""], ["missing"], [""]]


def test_codes_for_none_of_the_labels_are_no_truth():
    assert of_codes("164889003", labels=["SB"]) == [[""], ["missing"], [""]]
    assert of_codes("164889003", codes={}) == [[""], ["missing"], [""]]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("164889003|AF", "'AF'"),
        ("1.64889E+08", "'1.64889E+08'"),
        ("Unknown", "a text of 7 characters"),
        ("sinus rhythm with premature beats", "a text of 33 characters"),
    ],
)
def test_what_is_no_number_among_numeric_codes_is_not_the_absence_of_all_labels(text, shown):
    truths, statuses, messages = of_codes(text, "59118001")
    assert (truths, statuses) == (["", "0?1"], ["invalid", "ok"])
    assert messages == [f"snomed holds {shown}; expected codes such as 164889003, separated by |", ""]


def test_codes_that_are_words_may_stand_beside_other_words():
    assert of_codes("AFIB|NORM", labels=["AF", "SB"], codes={"AFIB": "AF", "SBRAD": "SB"})[0] == ["10"]


def test_no_rows_give_no_truths():
    for encoded in (
        encoded_columns(pd.DataFrame({"AF": []}, dtype="str"), ["AF"]),
        encoded_codes(pd.Series([], dtype="str"), LABELS, CODES),
    ):
        assert [len(part) for part in encoded] == [0, 0, 0]
    assert decode_truth([], 3).shape == (0, 3)


def test_decoded_truths_are_numbers_with_nan_where_unknown():
    decoded = decode_truth(pd.Series(["10?", "", "011"]), 3)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, [[1, 0, np.nan], [np.nan] * 3, [0, 1, 1]])
    np.testing.assert_array_equal(decode_truth(["", ""], 2), np.full((2, 2), np.nan))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", "'10' has 2 characters; expected one for each of 3"),
        ("1010", "4 characters"),
        ("1x0", "'1x0' holds other characters"),
        ("1\0" + "1", "other characters"),
        ("10é", "other characters"),
        ("1 0", "other characters"),
    ],
)
def test_a_text_that_is_no_truth_is_an_error(text, expected):
    with pytest.raises(ValueError, match=expected):
        decode_truth(["100", "", text], 3)


CELLS = st.sampled_from(["0", "1", "1.0", "False", "", "nan", "7", "x"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_what_is_encoded_comes_back(rows):
    table = pd.DataFrame(rows, columns=["AF", "SB"])
    truths, statuses, messages = encoded_columns(table, ["AF", "SB"])
    decoded = decode_truth(truths, 2)
    meaning = {"0": 0, "False": 0, "1": 1, "1.0": 1, "": np.nan, "nan": np.nan}
    for row, numbers, status, message in zip(rows, decoded, statuses, messages, strict=True):
        if not set(row) <= set(meaning):
            assert status == "invalid"
            assert message
            assert np.isnan(numbers).all()
            continue
        np.testing.assert_array_equal(numbers, np.array([meaning[cell] for cell in row], np.float32))
        assert status == ("missing" if np.isnan(numbers).all() else "ok")
        assert message == ""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([*CODES, "426783006", "1"]), min_size=1, max_size=5), min_size=1, max_size=6))
def test_each_label_is_there_exactly_where_one_of_its_codes_is(rows):
    decoded = decode_truth(of_codes(*("|".join(row) for row in rows))[0], len(LABELS))
    for place, label in enumerate(LABELS):
        own = {code for code, meant in CODES.items() if meant == label}
        expected = [float(not own.isdisjoint(row)) if own else np.nan for row in rows]
        np.testing.assert_array_equal(decoded[:, place], expected)
