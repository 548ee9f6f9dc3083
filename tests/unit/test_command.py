"""The command `twelvelead`."""

import csv

import h5py
import numpy as np
import pytest

from twelvelead.__main__ import main
from twelvelead.demo.cohort import write_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, n=20, seed=1)
    return folder


def test_table_lists_every_ecg_with_its_statements(cohort, tmp_path, capsys):
    signals = cohort / "ecg_signals"
    (signals / "notes.txt").write_text("not an ECG")
    assert main(["table", str(signals), "-o", str(tmp_path / "t.csv")]) == 0
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert list(rows[0]) == ["ecg_machine_diagnosis", "77_classes_ecg_file_name"]
    names = [row["77_classes_ecg_file_name"] for row in rows]
    assert names == sorted(names)
    assert not any(name.endswith((".dat", ".txt")) for name in names)
    with open(cohort / "table.csv", encoding="utf-8", newline="") as text:
        given = {row["77_classes_ecg_file_name"]: row["ecg_machine_diagnosis"] for row in csv.DictReader(text)}
    assert set(names) == {name for name in given if (signals / name).exists()}
    found = {
        row["77_classes_ecg_file_name"]: row["ecg_machine_diagnosis"] for row in rows if row["ecg_machine_diagnosis"]
    }
    assert len(found) > 10
    agreeing = [name for name, text in found.items() if given[name] and text == given[name]]
    assert len(agreeing) > 10
    assert "left out: notes.txt: " in capsys.readouterr().out


def test_a_table_that_is_there_is_written_over_only_when_asked(cohort, tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("typed by hand\n")
    command = ["table", str(cohort / "ecg_signals"), "-o", str(table)]
    assert main(command) == 1
    assert table.read_text() == "typed by hand\n"
    assert "t.csv is there already; give another name, or --force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert "ecg_machine_diagnosis" in table.read_text()


def test_a_table_is_not_written_under_the_name_of_another_format(cohort, tmp_path, capsys):
    assert main(["table", str(cohort / "ecg_signals"), "-o", str(tmp_path / "t.parquet")]) == 1
    assert "t.parquet: the table is written as CSV" in capsys.readouterr().err


def test_every_file_that_is_left_out_is_named(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.ones((5000, 12)))
    for number in range(15):
        (tmp_path / f"notes_{number}.txt").write_text("not an ECG")
    assert main(["table", str(tmp_path), "-o", str(tmp_path / "t.csv")]) == 0
    assert capsys.readouterr().out.count("left out: notes_") == 15


def test_table_lists_the_recordings_of_hdf5_files(tmp_path):
    with h5py.File(tmp_path / "exams.hdf5", "w") as file:
        file["tracings"] = np.ones((2, 4096, 12), dtype="f4")
    with h5py.File(tmp_path / "part.hdf5", "w") as file:
        file["tracings"] = np.ones((2, 4096, 12), dtype="f4")
        file["exam_id"] = [471, 0]  # the last row of a part is padding
    assert main(["table", str(tmp_path), "-o", str(tmp_path / "t.csv")]) == 0
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[1:] == [",exams.hdf5#0", ",exams.hdf5#1", ",part.hdf5#471"]


@pytest.mark.parametrize(("folder", "expected"), [("nowhere", "there is no such folder"), (".", "holds no ECG file")])
def test_a_folder_without_ecgs_is_one_clear_line(tmp_path, monkeypatch, capsys, folder, expected):
    monkeypatch.chdir(tmp_path)
    assert main(["table", folder, "-o", "t.csv"]) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "t.csv").exists()
