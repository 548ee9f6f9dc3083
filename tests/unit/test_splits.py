"""Splits of a batch: taken from a column, or drawn by patient from a seed whatever the order of the rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import ConfigError, TableError
from twelvelead.splits import not_selected, split_of_rows, split_table

THREE = {"train": 0.8, "valid": 0.1, "test": 0.1}


def drawn(keys, patients=None, fractions=THREE, seed=20):
    table = pd.DataFrame({"file_name": list(keys)}, dtype="str")
    patients = np.full(len(table), -1) if patients is None else np.asarray(patients)
    return split_of_rows(table, list(keys), {"fractions": fractions, "seed": seed}, patients)


def names(n):
    return [f"folder/{number}.hea" for number in range(n)]


def test_a_column_gives_the_names():
    table = pd.DataFrame({"fold": ["train", " test ", "NA", "", "train"]})
    keys = ["a", "b", "c", "d", ""]
    splits = split_of_rows(table, keys, {"column": "fold"}, np.full(5, -1))
    assert splits.tolist() == ["train", "test", "", "", ""]
    with pytest.raises(TableError, match=r"no column `fold_` \(split\); did you mean `fold`"):
        split_of_rows(table, keys, {"column": "fold_"}, np.full(5, -1))


def test_fractions_are_met_exactly_and_the_rest_is_in_no_split():
    assert drawn(names(1000)).value_counts().to_dict() == {"train": 800, "valid": 100, "test": 100}
    assert drawn(names(7), fractions={"a": 0.5, "b": 0.5}).value_counts().to_dict() == {"a": 4, "b": 3}
    assert drawn(names(100), fractions={"a": 0.29}).value_counts().to_dict() == {"a": 29, "": 71}
    assert drawn(names(5), fractions={}).tolist() == [""] * 5


def test_patients_are_counted_not_their_ecgs():
    patients = [0] * 50 + list(range(1, 10))
    splits = drawn(names(59), patients, {"train": 0.9, "test": 0.1})
    assert splits.groupby(np.array(patients)).first().value_counts().to_dict() == {"train": 9, "test": 1}
    assert splits[:50].nunique() == 1


@pytest.mark.parametrize("fractions", [{"train": 0.9, "test": 0.2}, {"train": 1.1, "test": -0.1}])
def test_fractions_that_cannot_be_say_so(fractions):
    with pytest.raises(ConfigError, match="the fractions train .* sum to .*at most 1"):
        drawn(names(5), fractions=fractions)


def test_no_rows_and_rows_without_a_key_are_in_no_split():
    assert drawn([]).tolist() == []
    splits = drawn(["", "a", ""], [4, -1, 4], {"all": 1.0})
    assert splits.tolist() == ["", "all", ""]


def test_an_ecg_in_two_rows_is_in_one_split_whoever_they_say_it_is_of():
    # Patient 0 has a and b, nobody known has b, patient 1 has b and c: all are one.
    keys, patients = ["a", "b", "b", "b", "c"] + names(40), [0, 0, -1, 1, 1] + [-1] * 40
    assert {drawn(keys, patients, {"a": 0.5, "b": 0.5}, seed)[:5].nunique() for seed in range(10)} == {1}


def test_another_seed_is_another_split_and_the_same_seed_the_same():
    assert drawn(names(200)).equals(drawn(names(200)))
    assert not drawn(names(200)).equals(drawn(names(200), seed=21))


def test_this_split_stays_what_it_is():
    """Saved results depend on it: a change here tears every published split apart."""
    halves = drawn(names(8), [0, 0, 1, 1, 2, -1, -1, 3], {"train": 0.5, "test": 0.5}, 4)
    assert halves.tolist() == ["test", "test", "train", "train", "train", "train", "test", "test"]


ROWS = st.lists(
    st.tuples(st.integers(0, 25).map(str), st.integers(-1, 6)), min_size=1, max_size=40, unique_by=lambda row: row[0]
)
FRACTIONS = st.sampled_from(
    [THREE, {"train": 0.5, "test": 0.5}, {"third": 1 / 3}, {"one": 1}, {"none": 0, "half": 0.5}]
)


@settings(max_examples=60, deadline=None)
@given(ROWS, FRACTIONS, st.integers(0, 1000), st.randoms())
def test_the_order_of_rows_and_the_numbers_of_patients_do_not_matter(rows, fractions, seed, random):
    keys, patients = zip(*rows, strict=True)
    splits = dict(zip(keys, drawn(keys, patients, fractions, seed), strict=True))
    shuffled = random.sample(rows, len(rows))
    renumbered = {patient: number for number, patient in enumerate(dict.fromkeys(row[1] for row in shuffled))} | {
        -1: -1
    }
    keys, patients = zip(*shuffled, strict=True)
    again = drawn(keys, [renumbered[patient] for patient in patients], fractions, seed)
    assert dict(zip(keys, again, strict=True)) == splits


@settings(max_examples=60, deadline=None)
@given(ROWS, FRACTIONS, st.integers(0, 1000))
def test_patients_are_never_torn_apart_and_fractions_are_met(rows, fractions, seed):
    keys, patients = zip(*rows, strict=True)
    splits = drawn(keys, patients, fractions, seed)
    units = [f"patient {patient}" if patient >= 0 else key for key, patient in rows]
    of_unit = splits.groupby(units)
    assert (of_unit.nunique() == 1).all()
    counts = of_unit.first().value_counts()
    for name, fraction in fractions.items():
        assert abs(counts.get(name, 0) - fraction * len(set(units))) < 1
    assert set(splits) <= {*fractions, ""}


def test_rows_outside_the_subset_are_not_selected():
    splits = pd.Series(["train", "test", "", "valid"])
    assert not_selected(splits, None).tolist() == [False] * 4
    assert not_selected(splits, ["test", "valid"]).tolist() == [True, False, True, False]


def test_the_split_table_has_each_file_of_a_row_once():
    cells = pd.DataFrame(
        [
            (2, "code15", "a.hea", "train"),
            (3, "code15", "b.hea", ""),
            (2, "physionet2021", "a.hea", "train"),
            (2, "afib_5y", "c.xml", "train"),
        ],
        columns=["row", "task", "file", "split"],
    )
    table = split_table(cells)
    assert list(table.columns) == ["row", "file", "split"]
    assert table.to_numpy().tolist() == [[2, "a.hea", "train"], [2, "c.xml", "train"], [3, "b.hea", ""]]
