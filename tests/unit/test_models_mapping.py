from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.errors import ConfigError
from twelvelead.labels.patterns import read_patterns
from twelvelead.models.mapping import (
    QUALITIES,
    MappingRow,
    check_names,
    check_no_broad_label,
    read_mapping,
    to_patterns,
    union_truth,
)
from twelvelead.models.openecg import OUTPUTS

LABELS = Path(__file__).resolve().parents[2] / "config" / "labels"
HEADER = "output,target,members,quality,source\n"
PATTERNS = ("Afib", "1st degree AV block", "Third Degree AV Block")
MAPPING = (
    MappingRow("avb", "any AV block", ("1st degree AV block", "Third Degree AV Block"), "exact", ""),
    MappingRow("afib", "Afib", ("Afib",), "broader", ""),
)


def write_mapping(folder: Path, *rows: str) -> Path:
    path = folder / "mapping.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_shipped_table_serves_every_output_and_spells_patterns_as_the_77():
    patterns = read_patterns(LABELS / "deepecg77.csv").names
    mapping = read_mapping(LABELS / "openecg_rhythm.csv")
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    columns, values = to_patterns(probabilities, OUTPUTS, mapping, patterns)
    assert columns == [*patterns, "any AV block", "any bundle branch block", "any pacing"]
    assert values.dtype == np.float32
    predicted = {column: value for column, value in zip(columns, values[0], strict=True) if not np.isnan(value)}
    assert predicted == pytest.approx(
        {"Afib": 0.1, "any AV block": 0.2, "any bundle branch block": 0.3, "any pacing": 0.4}
    )
    assert {row.output for row in mapping} == set(OUTPUTS)


def test_members_are_split_and_commas_quoted(tmp_path):
    path = write_mapping(tmp_path, 'st,any ST,"ST (lateral - I, aVL)|ST (septal)",close,"a, b"')
    assert read_mapping(path) == (
        MappingRow("st", "any ST", ("ST (lateral - I, aVL)", "ST (septal)"), "close", "a, b"),
    )


def test_a_bar_within_a_name_is_doubled_among_members_and_nowhere_else(tmp_path):
    path = write_mapping(
        tmp_path,
        "CRBBB|RBBB,Right bundle branch block,Right bundle branch block,exact,",
        "bbb,any,CLBBB||LBBB|CRBBB||RBBB,exact,",
        "Right bundle branch block,CRBBB|RBBB,CRBBB||RBBB,exact,",
    )
    rows = read_mapping(path)
    assert rows[0].output == rows[2].target == "CRBBB|RBBB"
    assert [row.members for row in rows[1:]] == [("CLBBB|LBBB", "CRBBB|RBBB"), ("CRBBB|RBBB",)]


NAMES = st.lists(st.from_regex(r"[a-z]{1,3}(\|[a-z]{1,3}){0,2}", fullmatch=True), min_size=1, max_size=4, unique=True)


@settings(max_examples=50, deadline=None)
@given(NAMES)
def test_members_are_read_as_they_were_written(tmp_path_factory, names):
    cell = "|".join(name.replace("|", "||") for name in names)
    path = write_mapping(tmp_path_factory.mktemp("mapping"), f"out,any,{cell},exact,")
    assert read_mapping(path)[0].members == tuple(names)


@pytest.mark.parametrize("quality", QUALITIES)
def test_what_is_broader_is_scored_under_a_name_of_its_own(quality):
    as_label = MappingRow("afib", "Afib", ("Afib",), quality, "")
    check_no_broad_label((MappingRow("afib", "Afib (by afib)", ("Afib",), quality, ""),), PATTERNS)
    if quality in ("exact", "close"):
        check_no_broad_label((as_label,), PATTERNS)
        return
    with pytest.raises(ConfigError, match=rf"to 'Afib': quality is {quality}, .* such as 'Afib \(by afib\)'"):
        check_no_broad_label((as_label,), PATTERNS)


def test_an_output_that_the_model_lacks_is_named_with_a_suggestion():
    with pytest.raises(ConfigError, match="no such output; did you mean `avbs`"):
        check_names(MAPPING, ("avbs",), PATTERNS)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("afib,Afib,Afib,perfect,", "line 2: quality is 'perfect', expected one of exact"),
        ("afib,,Afib,exact,", "line 2: target is empty"),
        ("afib,Afib,,exact,", "line 2: members is empty"),
        ("avb,any,a| |b,exact,", "line 2: members are 'a| |b'"),
        ("avb,any,a|b|,exact,", "line 2: members are 'a|b|'"),
        ("avb,any,a|a,exact,", "line 2: members are 'a|a'"),
        ("avb,any,a,exact", "line 2: the number of cells"),
    ],
)
def test_wrong_row_is_named(tmp_path, row, expected):
    path = write_mapping(tmp_path, row)
    with pytest.raises(ConfigError) as error:
        read_mapping(path)
    assert f"{path}, {expected}" in str(error.value)


def test_target_on_two_rows_and_empty_table_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"line 3: target 'Afib' is on line 2 too"):
        read_mapping(write_mapping(tmp_path, "afib,Afib,Afib,exact,", "avb,Afib,Afib,exact,"))
    with pytest.raises(ConfigError, match="no rows below the header"):
        read_mapping(write_mapping(tmp_path))


def test_unions_follow_the_patterns_in_the_order_of_the_mapping():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32)
    columns, values = to_patterns(probabilities, ("afib", "avb"), MAPPING, PATTERNS)
    assert columns == [*PATTERNS, "any AV block"]
    np.testing.assert_array_equal(values[:, 0], probabilities[:, 0])
    np.testing.assert_array_equal(values[:, 3], probabilities[:, 1])
    assert np.isnan(values[:, 1:3]).all()


def test_outputs_that_are_patterns_need_no_mapping():
    columns, values = to_patterns(np.array([[0.2, 0.7]]), ("Third Degree AV Block", "Afib"), (), PATTERNS)
    assert columns == list(PATTERNS)
    np.testing.assert_array_equal(values, np.array([[0.7, np.nan, 0.2]], dtype=np.float32))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (MappingRow("svt", "Afib", ("Afib",), "exact", ""), "no such output, expected one of afib, avb"),
        (MappingRow("avb", "any AV block", ("AV block",), "exact", ""), "member 'AV block' is no label of the task"),
        (MappingRow("afib", "Afib", ("Afib", "1st degree AV block"), "exact", ""), "expected 'Afib' alone"),
    ],
)
def test_mapping_that_fits_neither_outputs_nor_patterns_is_refused(row, expected):
    with pytest.raises(ConfigError, match=expected):
        to_patterns(np.zeros((1, 2)), ("afib", "avb"), (row,), PATTERNS)


def test_probabilities_of_another_width_are_refused():
    with pytest.raises(ConfigError, match=r"shape \(1, 3\), expected \(n, 2\)"):
        to_patterns(np.zeros((1, 3)), ("afib", "avb"), MAPPING, PATTERNS)


def test_union_truth_of_a_member_that_is_no_pattern_is_refused():
    with pytest.raises(ConfigError, match="Mobitz"):
        union_truth(np.zeros((2, 3)), PATTERNS, ("Mobitz",))


def test_union_truth_knows_what_follows_from_the_known_members():
    nan = np.nan
    truth = np.array([[1, 0, 0], [0, 1, nan], [1, nan, 0], [nan, 0, 0], [0, nan, nan]])
    union = union_truth(truth, PATTERNS, ("1st degree AV block", "Third Degree AV Block"))
    np.testing.assert_array_equal(union, np.array([0, 1, nan, 0, nan], dtype=np.float32))


@settings(max_examples=50, deadline=None)
@given(truth=hnp.arrays(np.float64, (6, 3), elements=st.sampled_from([0.0, 1.0, np.nan])))
def test_union_truth_holds_however_the_unknown_turn_out(truth):
    union = union_truth(truth, PATTERNS, PATTERNS)
    if_absent, if_present = (np.nan_to_num(truth, nan=value).any(axis=1) for value in (0.0, 1.0))
    known = if_absent == if_present
    np.testing.assert_array_equal(np.isnan(union), ~known)
    np.testing.assert_array_equal(union[known], if_absent[known])
