"""The user's table: what is an error, what is a status, and that every cell is accounted for."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import TableError
from twelvelead.table import NOT_SELECTED, cells_of, groups_of, mark_repeated, read_table
from twelvelead.table_tasks import tasks_of

TASKS = {
    "ecg_machine_diagnosis": {
        "kind": "patterns",
        "truth_column": "ecg_machine_diagnosis",
        "file_column": "77_classes_ecg_file_name",
    },
    "afib_5y": {"kind": "binary", "truth_column": "afib_5y", "file_column": "afib_ecg_file_name"},
}

CODE15 = ["1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"]
MULTILABEL = {
    "physionet2021": {
        "kind": "multilabel",
        "truth_column": "snomed",
        "file_column": "file_name",
        "labels": ["AF", "SB"],
        "codes": {"164889003": "AF", "426177001": "SB"},
        "auto": True,
    },
    "code15": {"kind": "multilabel", "file_column": "file_name", "labels": CODE15, "auto": True},
    "code15_tutorial": {"kind": "multilabel", "file_column": "file_name", "labels": CODE15[1:], "auto": False},
}


def table_file(tmp_path, content, name="cohort.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(table, names=("afib_5y",), patient_column=None):
    found = cells_of(pd.DataFrame(table), TASKS, list(names), patient_column)
    mark_repeated(found)
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"   \n", "the file is empty"),
        (b"afib_5y,afib_ecg_file_name\n", "no rows"),
        (b"afib_5y;afib_ecg_file_name\n1;a.xml\n", "separated by semicolons"),
        (b"afib_5y\tafib_ecg_file_name\n1\ta.xml\n", "separated by tabs"),
        (b"a,b\n1,x.xml,extra\n", "quote cells that contain a comma"),
        (b"a,b\n1,x.xml\n1,y.xml,extra\n", "quote cells that contain a comma"),
        (b"a,a\n1,x.xml\n", "stands in the header twice"),
        (b"PK\x03\x04rest", "spreadsheet"),
        ("a,b\n1,x\n".encode("utf-16"), "save it as CSV UTF-8"),
        (b"\n\na,b\n1,x.xml\n", "the first line is empty"),
        (b'a,b\n"1,x.xml\n2,y.xml\n', "quote"),
    ],
)
def test_a_table_that_is_none_is_one_clear_line(tmp_path, content, expected):
    path = table_file(tmp_path, content)
    with pytest.raises(TableError) as error:
        read_table(path)
    assert expected in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_that_is_not_there_says_so(tmp_path):
    with pytest.raises(TableError, match="no such table"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        read_table(table_file(tmp_path, "a,b\n1,2\n", "t.parquet"))


@pytest.mark.parametrize(("encoding", "bom"), [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("latin-1", b"")])
def test_bom_and_latin_1_text_are_read(tmp_path, encoding, bom):
    text = "ecg_machine_diagnosis,77_classes_ecg_file_name\nBloc AV du 1er degré,é.xml\n"
    table = read_table(table_file(tmp_path, bom + text.encode(encoding)))
    assert table.columns[0] == "ecg_machine_diagnosis"
    assert table.iloc[0].tolist() == ["Bloc AV du 1er degré", "é.xml"]


def test_csv_and_parquet_give_the_same_cells(tmp_path):
    frame = pd.DataFrame({"afib_5y": [1.0, 0.0, None], "afib_ecg_file_name": ["a.xml", "b.xml", "c.xml"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    both = [cells_of(read_table(tmp_path / name), TASKS, ["afib_5y"], None) for name in ("t.csv", "t.parquet")]
    pd.testing.assert_frame_equal(*both)
    assert both[0]["truth"].tolist() == ["1", "0", ""]


def test_a_short_row_is_filled_with_empty_cells(tmp_path):
    table = read_table(table_file(tmp_path, "afib_ecg_file_name,afib_5y,site\na.xml,1\n"))
    assert table.iloc[0].tolist() == ["a.xml", "1", ""]


def test_tasks_are_those_whose_file_column_is_there():
    table = pd.DataFrame({"afib_ecg_file_name": ["a.xml"]})
    assert tasks_of(table, TASKS, "auto", "t.csv") == ["afib_5y"]
    with pytest.raises(TableError, match="needs column `77_classes_ecg_file_name`"):
        tasks_of(table, TASKS, ["ecg_machine_diagnosis"], "t.csv")


def test_a_truth_column_without_its_file_column_is_an_error():
    table = pd.DataFrame({"afib_5y": ["1"], "77_classes_ecg_file_name": ["a.xml"], "afib_ecg_filename": ["a.xml"]})
    with pytest.raises(
        TableError, match="`afib_5y` is there without `afib_ecg_file_name`.*did you mean `afib_ecg_filename`"
    ):
        tasks_of(table, TASKS, "auto", "t.csv")


def test_a_table_without_any_file_column_names_the_known_ones():
    with pytest.raises(TableError, match="`77_classes_ecg_file_name`.*found id, path"):
        tasks_of(pd.DataFrame({"id": ["1"], "path": ["x"]}), TASKS, "auto", "t.csv")


def test_a_table_without_a_header_line_is_not_quoted():
    first_row = {"Mustermann": ["Doe"], "1931-07-23": ["1940-01-01"], "a.xml": ["b.xml"]}
    with pytest.raises(TableError, match="found 3 columns named like cells; is the line") as caught:
        tasks_of(pd.DataFrame(first_row), TASKS, "auto", "t.csv")
    assert "Mustermann" not in str(caught.value)


def multilabel_tasks_of(columns, wanted="auto", more=None):
    return tasks_of(pd.DataFrame(columns=columns, dtype="str"), TASKS | MULTILABEL | (more or {}), wanted, "t.csv")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["file_name", "snomed", "dx"], ["physionet2021"]),
        (["file_name", *CODE15], ["code15"]),
        (["file_name", "AF"], ["code15"]),
        (["file_name", "snomed", "AF"], ["physionet2021", "code15"]),
        (["file_name"], ["physionet2021"]),
        (["file_name", "snomed", "afib_ecg_file_name"], ["afib_5y", "physionet2021"]),
        (["afib_ecg_file_name", "AF", "SB", "ST", "snomed"], ["afib_5y"]),
    ],
)
def test_of_multilabel_tasks_with_one_file_column_those_with_truth_run_or_the_first(columns, names):
    assert multilabel_tasks_of(columns) == names


def test_a_task_that_is_not_automatic_runs_where_it_is_named():
    assert multilabel_tasks_of(["file_name", *CODE15], ["code15_tutorial"]) == ["code15_tutorial"]
    assert multilabel_tasks_of(["file_name"], ["code15"]) == ["code15"]
    with pytest.raises(TableError, match="task `code15` needs column `file_name`; did you mean `filename`"):
        multilabel_tasks_of(["filename"], ["code15"])


@pytest.mark.parametrize(
    ("columns", "wanted", "expected"),
    [
        (["file_name", "SNOMED"], "auto", "no column `snomed`, but `SNOMED`; spell both the same"),
        (["file_name", "1davb", "Rbbb"], "auto", "no column `1dAVb`, but `1davb`"),
        (["file_name", *CODE15[:5], "af"], "auto", "no column `AF`, but `af`"),
        (["file_name", "snomed", "st"], ["code15"], "no column `ST`, but `st`"),
    ],
)
def test_a_label_column_spelt_in_other_case_is_an_error(columns, wanted, expected):
    with pytest.raises(TableError, match=expected):
        multilabel_tasks_of(columns, wanted)


def test_other_spellings_of_a_task_that_does_not_run_are_none_of_its_business():
    assert multilabel_tasks_of(["file_name", "snomed", "st"]) == ["physionet2021"]
    assert multilabel_tasks_of(["file_name", "snomed", "AF", "af"]) == ["physionet2021", "code15"]


def test_most_label_columns_without_their_file_column_are_an_error():
    columns = ["afib_ecg_file_name", "File_Name", *CODE15]
    expected = "4 of the 6 label columns of task `code15`.*without `file_name`.*did you mean `File_Name`"
    with pytest.raises(TableError, match=expected):
        multilabel_tasks_of(columns[:-2])
    assert multilabel_tasks_of(columns[:-3]) == ["afib_5y"]
    assert multilabel_tasks_of(columns, ["afib_5y"]) == ["afib_5y"]
    mine = {"mine": {"kind": "multilabel", "file_column": "my_file", "labels": CODE15, "auto": True}}
    assert multilabel_tasks_of(["my_file", *CODE15], more=mine) == ["mine"]


def test_each_file_column_is_named_once_where_none_is_there():
    with pytest.raises(TableError, match="`afib_ecg_file_name`, `file_name`; found id, AF"):
        multilabel_tasks_of(["id", "AF"])


def test_cells_of_several_labels_have_a_character_a_label():
    table = {
        "file_name": ["a.mat", "", "b.mat", "c.mat", "d.mat"],
        **{label: ["0", "1", "1.0", "", "0"] for label in CODE15[1:]},
        "AF": ["1", "1", "False", "", "maybe"],
    }
    found = cells_of(pd.DataFrame(table), MULTILABEL, ["code15"], None)
    assert found["row"].tolist() == [2, 4, 5, 6]
    assert found["truth"].tolist() == ["?00001", "?11110", "", ""]
    assert found["truth_status"].tolist() == ["ok", "ok", "missing", "invalid"]
    assert found["message"].tolist() == ["", "", "", "AF is a text of 5 characters; expected 0 or 1"]


def test_cells_of_codes_and_of_no_truth_at_all():
    table = pd.DataFrame({"file_name": ["a.hea", "b.hea", "../c.hea"], "snomed": ["164889003|1", "", "AF"]})
    found = cells_of(table, MULTILABEL, ["physionet2021", "code15"], None)
    assert found["truth"].tolist() == ["10", "", "", "", "", ""]
    assert found["truth_status"].tolist() == ["ok", "missing", "invalid", "missing", "missing", "missing"]
    assert found["status"].tolist() == ["", "", "refused", "", "", "refused"]
    absent = cells_of(table[["file_name"]], MULTILABEL, ["physionet2021"], None)
    assert absent["truth_status"].tolist() == ["missing"] * 3


def test_truths_of_several_labels_that_differ_conflict():
    table = pd.DataFrame({"file_name": ["a", "a", "b", "./b"], "AF": ["1", "0", "1", "1.0"], "SB": ["0", "0", "", ""]})
    found = cells_of(table, MULTILABEL, ["code15"], None)
    mark_repeated(found)
    assert found["truth_status"].tolist() == ["conflicting", "conflicting", "ok", "ok"]
    assert found["status"].tolist() == ["", "duplicate", "", "duplicate"]


@pytest.mark.parametrize(
    ("value", "truth", "status"),
    [
        ("0", "0", "ok"),
        ("1", "1", "ok"),
        ("1.0", "1", "ok"),
        ("True", "1", "ok"),
        ("false", "0", "ok"),
        ("", "", "missing"),
        ("nan", "", "missing"),
        ("NA", "", "missing"),
        ("2", "", "invalid"),
        ("yes", "", "invalid"),
        ("-1", "", "invalid"),
        ("0.5", "", "invalid"),
        ("inf", "", "invalid"),
    ],
)
def test_outcomes(value, truth, status):
    cell = cells({"afib_5y": [value], "afib_ecg_file_name": ["a.xml"]}).iloc[0]
    assert (cell["truth"], cell["truth_status"]) == (truth, status)
    assert ("expected 0 or 1" in cell["message"]) == (status == "invalid")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a.xml", "a/../../b.xml", "C:\\ecg\\a.xml", "\\\\host\\a.xml", "a\\..\\b"]
)
def test_file_names_that_leave_the_folder_are_refused(name):
    cell = cells({"afib_5y": ["1"], "afib_ecg_file_name": [name]}).iloc[0]
    assert cell["status"] == "refused"
    assert "relative to `signals`" in cell["message"]
    assert cell["row"] == 2


def test_the_same_row_twice_is_a_duplicate_and_keeps_its_truth():
    found = cells({"afib_5y": ["1", "1"], "afib_ecg_file_name": ["a.xml", "./a.xml"]})
    assert found["status"].tolist() == ["", "duplicate"]
    assert found["truth_status"].tolist() == ["ok", "ok"]
    assert found["message"].tolist() == ["", "the same file as row 2"]


def test_two_truths_for_one_file_conflict_and_count_for_neither():
    found = cells({"afib_5y": ["1", "0", "1"], "afib_ecg_file_name": ["a.xml", "a.xml", "b.xml"]})
    assert found["truth_status"].tolist() == ["conflicting", "conflicting", "ok"]
    assert found["status"].tolist() == ["", "duplicate", ""]
    assert "rows 2, 3" in found["message"][0]


def test_an_empty_truth_gives_way_to_a_later_row_that_has_one():
    found = cells({"afib_5y": ["", "1"], "afib_ecg_file_name": ["a.xml", "a.xml"]})
    assert found["status"].tolist() == ["duplicate", ""]
    assert found["truth_status"].tolist() == ["missing", "ok"]


def test_a_cell_that_is_not_selected_neither_stays_for_a_file_nor_repeats_or_contradicts_it():
    table = {"afib_5y": ["0", "1", "1", "0"], "afib_ecg_file_name": ["a.xml"] * 4}
    found = cells_of(pd.DataFrame(table), TASKS, ["afib_5y"], None)
    found.loc[[0, 3], "status"] = NOT_SELECTED
    mark_repeated(found)
    assert found["status"].tolist() == [NOT_SELECTED, "", "duplicate", NOT_SELECTED]
    assert found["truth_status"].tolist() == ["ok"] * 4
    assert found["message"].tolist() == ["", "", "the same file as row 3", ""]


@pytest.mark.parametrize("unknown", ["", " ", "NA", "nan", "NULL"])
def test_a_patient_or_group_that_is_not_known_is_nobody_and_no_group(unknown):
    table = {"afib_ecg_file_name": ["a.xml", "b.xml"], "afib_5y": ["1", "0"], "mrn": [unknown, "7"]}
    assert (cells(table, patient_column="mrn")["patient"] == -1).tolist() == [True, False]
    assert groups_of(pd.Series([unknown, "F"]), None).tolist() == ["", "F"]


def test_patients_become_numbers_that_do_not_show_who_they_are():
    table = {"afib_ecg_file_name": ["a", "b", "c", "d"], "mrn": ["Z9", "A1", "Z9", ""]}
    first, second, third, unknown = cells(table, patient_column="mrn")["patient"].tolist()
    assert first == third != second
    assert unknown == -1
    assert all(isinstance(code, int) for code in (first, second))
    with pytest.raises(TableError, match="did you mean `mrn`"):
        cells(table, patient_column="mrm")


FILE_NAMES = st.sampled_from(["a.xml", "./a.xml", "b.xml", "c/d.npy", "", " ", "/x.xml", "../y.xml"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["0", "1", "", "2"]), FILE_NAMES), min_size=1, max_size=12))
def test_every_cell_that_names_a_file_is_there_once_and_every_file_counts_once(rows):
    table = {"afib_5y": [row[0] for row in rows], "afib_ecg_file_name": [row[1] for row in rows]}
    found = cells(table)
    assert len(found) == sum(bool(name.strip()) for _, name in rows)
    assert found["row"].is_unique
    assert set(found["status"]) <= {"", "refused", "duplicate"}
    assert set(found["truth_status"]) <= {"ok", "missing", "invalid", "conflicting"}
    counted = found[found["status"] == ""]
    assert counted["path"].is_unique
    assert set(counted["path"]) == set(found.loc[found["path"] != "", "path"])
