"""Tables made from folders of CODE-15 and of WFDB records, against the tables that come with the files."""

import csv
import os

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import TableError
from twelvelead.formats import read
from twelvelead.multilabel_truth import decode_truth, encoded_codes
from twelvelead.sources import CODE15_LABELS, code15_parts, diagnoses, table_of_source, wfdb_table
from unit.vendor_files import SHARED, wfdb_header

DATA = SHARED / "data"
needs_vendor_files = pytest.mark.skipif(not DATA.is_dir(), reason="vendor files are not on this machine")


def labels_of(name: str, column: str) -> dict[str, str]:
    with (DATA / name).open(newline="") as table:
        return {
            row["record"].rpartition("/")[2] + ".hea": row[column].replace(",", "|") for row in csv.DictReader(table)
        }


@needs_vendor_files
@pytest.mark.parametrize(
    ("folder", "labels", "column", "count"),
    [("cinc2021_wfdb", "cinc2021_labels.csv", "snomed", 24), ("cpsc2018_wfdb", "cpsc2018_labels.csv", "dx", 77)],
)
def test_the_header_diagnoses_of_the_challenges_are_those_of_their_tables(folder, labels, column, count):
    table = table_of_source(DATA / folder)
    assert list(table.columns) == ["file_name", column]
    assert len(table) == count
    assert dict(zip(table["file_name"], table[column], strict=True)) == labels_of(labels, column)


@needs_vendor_files
def test_records_without_diagnoses_give_file_names_alone():
    table = table_of_source(DATA / "ptbxl_wfdb")
    assert list(table.columns) == ["file_name"]
    assert len(table) == 173
    assert read(DATA / "ptbxl_wfdb" / table["file_name"][0]).leads[0] == "I"


def test_folders_are_walked_in_order_and_nothing_else_is_taken(tmp_path):
    for name, comments in (
        ("g2/B.hea", "# Age: 60\n# Dx: 426783006\n"),
        ("g1/deep/A.hea", "#Dx:164889003, 59118001,164889003\n"),
        ("C.hea", "# Dx: Unknown\n"),
        (".hidden.hea", "# Dx: 1234567\n"),
        ("g1/notes.txt", "# Dx: 1234567\n"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wfdb_header("a.dat", 40, comments=comments))
    table = wfdb_table(tmp_path)
    assert table.to_dict("list") == {
        "file_name": ["C.hea", "g1/deep/A.hea", "g2/B.hea"],
        "snomed": ["", "164889003|59118001", "426783006"],
    }


def test_a_header_that_is_no_file_keeps_its_row_and_blocks_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe.hea")
    (tmp_path / "gone.hea").symlink_to("nowhere.hea")
    (tmp_path / "A.hea").write_text("#Dx: 164889003\n")
    assert wfdb_table(tmp_path)["snomed"].tolist() == ["164889003", "", ""]


def test_a_folder_of_neither_kind(tmp_path):
    with pytest.raises(TableError, match="no such folder"):
        table_of_source(tmp_path / "absent")
    (tmp_path / "ecg.xml").touch()
    with pytest.raises(TableError, match="nor WFDB headers .* found 1 .xml files; name a table.*twelvelead table"):
        table_of_source(tmp_path)
    (tmp_path / "ecg.xml").unlink()
    with pytest.raises(TableError, match="found no files; name a table"):
        table_of_source(tmp_path)


def test_a_message_about_a_folder_names_no_file_of_it(tmp_path):
    for name in ("DOE.JOHN", "DOE^JANE.1950", "a.npy", "b.NPY"):
        (tmp_path / name).touch()
    with pytest.raises(TableError, match="found 2 .npy, 2 other files") as error:
        table_of_source(tmp_path)
    said = str(error.value).partition("neither")[2].upper()
    assert "DOE" not in said
    assert "JOHN" not in said


@pytest.mark.parametrize("name", ["exams.csv", "exams_part0.hdf5.zip", "exams_part0.zip"])
def test_packed_parts_are_to_be_unpacked(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(TableError, match="put CODE-15's unpacked parts beside exams.csv"):
        table_of_source(tmp_path)


@settings(max_examples=100, deadline=None)
@given(
    codes=st.lists(st.integers(10**5, 10**18 - 1).map(str), unique=True, max_size=6),
    words=st.lists(st.sampled_from(["AF", "I-AVB", "Myocardial infarction"]), unique=True, max_size=3),
    spaces=st.sampled_from(["", " ", "  ", "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    key=st.sampled_from(["#Dx:", "# Dx:", "# dx :"]),
)
def test_diagnoses_come_back_however_they_are_spaced(codes, words, spaces, newline, key):
    comment = f"{key}{spaces}{(',' + spaces).join([*codes, *words])}{spaces}"
    header = newline.join([wfdb_header("a.dat", 40).rstrip(), "# Age: 60", comment, "# Rx: 12345678", ""])
    assert diagnoses(header.encode()) == (tuple(codes), tuple(words))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_codes_of_digits(content):
    codes, words = diagnoses(b"#Dx:" + content)
    assert all(code.isdecimal() and 6 <= len(code) <= 18 for code in codes)
    assert not any("|" in term or term == "" for term in (*codes, *words))


def test_no_part_of_another_comment_is_taken(tmp_path):
    header = b"r 12 500 40\n# Name: Dx: 164889003\n#Rx: 426783006\nDx: 59118001\n# Age: 1234567\n"
    assert diagnoses(header) == ((), ())


EXAMS = {
    "exam_id": [17, 900, 5],
    "age": [60, 41, 77],
    "is_male": [True, False, True],
    "nn_predicted_age": [58.1, 40.2, 70.3],
    "1dAVb": [True, False, False],
    "RBBB": [False, True, False],
    "LBBB": [False, False, False],
    "SB": [False, False, True],
    "ST": [False, False, False],
    "AF": [True, False, False],
    "patient_id": [1, 1, 2],
    "death": ["", "", ""],
    "timey": ["", "", ""],
    "normal_ecg": [False, True, False],
    "trace_file": ["exams_part0.hdf5", "exams_part0.hdf5", "exams_part10.hdf5"],
}


@pytest.fixture
def code15(tmp_path):
    pd.DataFrame(EXAMS).to_csv(tmp_path / "exams.csv", index=False)
    for part, exam_ids in (("exams_part0.hdf5", [17, 900, 0]), ("exams_part10.hdf5", [5, 0])):
        signal = np.zeros((len(exam_ids), 4096, 12), "f4")
        signal[:-1, 581:3515] = np.arange(1, len(exam_ids))[:, None, None]
        with h5py.File(tmp_path / part, "w") as file:
            file["tracings"] = signal
            file["exam_id"] = np.array(exam_ids)
    (tmp_path / "exams_part2.hdf5.zip").touch()
    return tmp_path


def test_code15_gives_members_with_their_labels(code15):
    table = table_of_source(code15)
    names = ["exams_part0.hdf5#17", "exams_part0.hdf5#900", "exams_part10.hdf5#5"]
    assert table["file_name"].tolist() == names
    for label in CODE15_LABELS:
        assert table[label].tolist() == [str(int(value)) for value in EXAMS[label]]
    assert table["is_male"].tolist() == ["1", "0", "1"]
    assert set(table.columns) == {"file_name"} | set(EXAMS) - {"exam_id", "trace_file"}
    assert table["patient_id"].tolist() == ["1", "1", "2"]
    values = [read(code15 / name).samples[0, 0] for name in names]
    assert values == [1, 2, 1]
    assert all(read(code15 / name).samples.shape == (12, 2934) for name in names)


def test_other_columns_of_the_exams_stay(code15):
    exams = pd.DataFrame(EXAMS).assign(fold=["train", "test", ""], death=["True", "", "False"], file_name="x")
    exams.to_csv(code15 / "exams.csv", index=False)
    table = table_of_source(code15)
    assert table["fold"].tolist() == ["train", "test", ""]
    assert table["death"].tolist() == ["1", "", "0"]
    assert table["file_name"].tolist()[0] == "exams_part0.hdf5#17"


def test_an_absent_part_keeps_its_exams_and_other_labels_stay(code15):
    (code15 / "exams_part10.hdf5").unlink()
    exams = pd.DataFrame(EXAMS).astype({"AF": object})
    exams.loc[0, "AF"] = "perhaps"
    exams.loc[1, "AF"] = ""
    exams.to_csv(code15 / "exams.csv", index=False)
    table = table_of_source(code15)
    assert table["file_name"].iloc[2] == "exams_part10.hdf5#5"
    assert table["AF"].tolist() == ["perhaps", "", "0"]


def test_parts_without_their_table_give_file_names_alone(code15):
    (code15 / "exams.csv").unlink()
    assert code15_parts(code15) == ["exams_part0.hdf5", "exams_part10.hdf5"]
    assert table_of_source(code15).to_dict("list") == {
        "file_name": ["exams_part0.hdf5#17", "exams_part0.hdf5#900", "exams_part10.hdf5#5"]
    }


def test_a_part_that_cannot_be_read_is_named(code15):
    (code15 / "exams.csv").unlink()
    (code15 / "exams_part10.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(TableError, match="exams_part10.hdf5: HDF5 file cannot be opened.*exams.csv"):
        table_of_source(code15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trace_file": ["exams_part0.hdf5", "../x.hdf5", "a"]}, "row 3 has trace_file '../x.hdf5'"),
        ({"exam_id": [17, 900, "5#6"]}, "row 4 has exam_id '5#6'; expected a whole number"),
        ({"trace_file": None}, "no column trace_file; expected CODE-15's table"),
        ({"AF": None, "ST": None}, "no column ST, AF"),
    ],
)
def test_another_table_is_refused(code15, change, message):
    columns = {name: values for name, values in (EXAMS | change).items() if values is not None}
    pd.DataFrame(columns).to_csv(code15 / "exams.csv", index=False)
    with pytest.raises(TableError, match=message):
        table_of_source(code15)


MIMIC = {
    "subject_id": [10000032, 10000032, 10000117],
    "study_id": [40689238, 44458630, 42117655],
    "file_name": [40689238, 44458630, 42117655],
    "ecg_time": ["2180-07-23 08:44:00", "2180-07-23 09:54:00", "2181-03-04 17:14:00"],
    "path": [
        "files/p1000/p10000032/s40689238/40689238",
        "files/p1000/p10000032/s44458630/44458630",
        "files/p1000/p10000117/s42117655/42117655",
    ],
}


def test_mimic_gives_records_and_patients_without_a_look_at_headers(tmp_path):
    pd.DataFrame(MIMIC).to_csv(tmp_path / "record_list.csv", index=False)
    (tmp_path / "RECORDS").write_text("files/p1000/p10000032/s40689238/\n")
    assert table_of_source(tmp_path).to_dict("list") == {
        "file_name": [f"{path}.hea" for path in MIMIC["path"]],
        "patient_id": ["10000032", "10000032", "10000117"],
    }
    pd.DataFrame(MIMIC).assign(fold=[1, 2, 2]).to_csv(tmp_path / "record_list.csv", index=False)
    assert table_of_source(tmp_path)["fold"].tolist() == ["1", "2", "2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": None}, "record_list.csv: no column path; expected MIMIC-IV-ECG's list"),
        ({"subject_id": None}, "record_list.csv: no column subject_id"),
        ({"path": ["files/a", "../b", "c"]}, "row 3 has path '../b'; expected a path below the folder"),
        ({"path": ["files/a", "b", ""]}, "row 4 has path ''"),
    ],
)
def test_another_record_list_is_refused(tmp_path, change, message):
    columns = {name: values for name, values in (MIMIC | change).items() if values is not None}
    pd.DataFrame(columns).to_csv(tmp_path / "record_list.csv", index=False)
    with pytest.raises(TableError, match=message):
        table_of_source(tmp_path)


def test_snomed_codes_cover_the_labels_of_the_model_and_agree_with_the_pattern_map():
    codes = pd.read_csv("config/labels/snomed_physionet2021.csv", dtype=str)
    assert list(codes.columns) == ["snomed", "label", "abbreviation", "source"]
    labels = pd.read_csv("config/labels/ecgfm_physionet2021.csv")["label"]
    assert codes["label"].drop_duplicates().tolist() == labels.tolist()
    assert codes["snomed"].is_unique
    assert codes["abbreviation"].is_unique
    assert {a for label in labels for a in label.split("|")} == set(codes["abbreviation"])
    assert all(row.abbreviation in row.label.split("|") for row in codes.itertuples())
    mapped = pd.read_csv("config/labels/label_map_deepecg77.csv", dtype=str).dropna(subset="cinc2021_snomed")
    of_patterns = {
        pair
        for row in mapped.itertuples()
        for pair in zip(row.cinc2021_snomed.split("|"), row.cinc2021_abbr.split("|"), strict=True)
    }
    assert len(of_patterns) == 26
    assert of_patterns <= set(zip(codes["snomed"], codes["abbreviation"], strict=True))


@pytest.mark.skipif(not (SHARED / "reference").is_dir(), reason="ECGFM.md is not on this machine")
def test_snomed_labels_are_in_the_output_order_of_the_model():
    text = (SHARED / "reference" / "ECGFM.md").read_text()
    listed = text.split("PhysioNet 2021, output order (26):")[1].split("TInv.")[0].replace("\n", " ") + "TInv"
    coded = pd.read_csv("config/labels/snomed_physionet2021.csv", dtype=str)["label"]
    assert coded.drop_duplicates().tolist() == [label.strip() for label in listed.split(",")]


@needs_vendor_files
def test_snomed_codes_of_real_headers_become_their_labels():
    codes = pd.read_csv("config/labels/snomed_physionet2021.csv", dtype=str)
    label_of = dict(zip(codes["snomed"], codes["label"], strict=True))
    labels = list(dict.fromkeys(codes["label"]))
    given = pd.read_csv(DATA / "cinc2021_labels.csv", dtype=str)["snomed"]
    truths, statuses, _ = encoded_codes(given, labels, label_of)
    assert (statuses == "ok").all()
    counted = dict(zip(labels, decode_truth(truths, len(labels)).sum(axis=0).astype(int), strict=True))
    # As grep counts the codes in the file.
    assert {label: n for label, n in counted.items() if n} == {
        "CRBBB|RBBB": 1,
        "LQT": 1,
        "NSIVCB": 4,
        "NSR": 6,
        "PAC|SVPB": 12,
        "PRWP": 1,
        "PVC|VPB": 2,
        "SA": 1,
        "SB": 2,
        "STach": 13,
        "TAb": 6,
        "TInv": 4,
    }
