"""`twelvelead inspect`: what it finds in files of several formats; one bad file keeps no other from being shown."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from vendor_files import (
    SHARED,
    cardiosoft_xml,
    comma_rows,
    counts,
    dicom_file,
    dicom_group,
    mdc_channels,
    muse_leads,
    muse_waveform,
    muse_xml,
    npy,
    wfdb_header,
)

from twelvelead.__main__ import main
from twelvelead.demo.simulate import simulate
from twelvelead.ecg import LEADS, Recording
from twelvelead.ecg_picture import as_svg, recording_paper
from twelvelead.inspection import Inspection, Unreadable, describe, inspect_files
from twelvelead.recipes import DURATION_S

PLANTED = "Mustermann^Erika"
IDENTITY = f"<PatientDemographics><PatientLastName>{PLANTED}</PatientLastName></PatientDemographics>"
DIAGNOSIS = "<Diagnosis><DiagnosisStatement><StmtText>ATRIAL FIBRILLATION</StmtText></DiagnosisStatement></Diagnosis>"


@pytest.fixture
def muse(tmp_path):
    path = tmp_path / "muse.xml"
    path.write_bytes(muse_xml(muse_waveform(muse_leads(counts(8, 5000))), before=IDENTITY + DIAGNOSIS))
    return str(path)


@pytest.fixture
def record(tmp_path):
    """A WFDB record of 4 s, named without its extension."""
    (tmp_path / "record.hea").write_text(wfdb_header("record.dat", 2000))
    (tmp_path / "record.dat").write_bytes(counts(12, 2000).T.astype("<i2").tobytes())
    return str(tmp_path / "record")


def recording(samples: np.ndarray, leads=LEADS, rate_hz: float | None = 500.0, **fields) -> Recording:
    gain = fields.pop("gain_mv", np.full(len(leads), 0.005))
    return Recording("npy", tuple(leads), samples, gain, rate_hz, "5 uV", **fields)


def inspected(*arguments: str, capsys) -> tuple[int, list[dict]]:
    status = main(["inspect", "--json", *arguments])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_a_muse_export_is(muse, capsys):
    assert main(["inspect", muse]) == 0
    name, *rows = capsys.readouterr().out.splitlines()
    assert name == muse
    found = {row[2:14].strip(): row[14:] for row in rows if row[2] != " "}
    assert found["format"] == "GE MUSE XML"
    assert found["signal"] == "500 Hz, 10 s, 5000 samples"
    assert found["leads"] == "I, II, V1, V2, V3, V4, V5, V6 stored; III, aVR, aVL, aVF derivable from I and II"
    assert found["units"] == "4.88 uV/LSB: 0.00488 mV per stored unit"
    assert found["statements"] == "ATRIAL FIBRILLATION"
    assert found["recipes"] == "deepecg: yes"
    assert PLANTED not in "\n".join(rows)


def test_the_same_as_json(muse, capsys):
    status, (found,) = inspected(muse, capsys=capsys)
    assert status == 0
    assert (found["file"], found["status"], found["format"]) == (muse, "ok", "muse_xml")
    assert (found["sampling_rate_hz"], found["duration_s"], found["n_samples"]) == (500, 10, 5000)
    assert found["derivable_leads"] == ["III", "aVR", "aVL", "aVF"]
    assert found["missing_leads"] == []
    assert found["gain_mv"] == [pytest.approx(0.00488)] * 8
    assert found["offset_mv"] == [0] * 8
    assert found["statements"] == ["ATRIAL FIBRILLATION"]
    assert found["recipes"] == dict.fromkeys(DURATION_S, "")
    assert PLANTED not in json.dumps(found)


def test_a_bad_file_is_a_line_and_the_others_are_shown(muse, record, tmp_path, capsys):
    (tmp_path / "cut.xml").write_bytes(Path(muse).read_bytes()[:3000])
    (tmp_path / "notes.txt").write_text(f"not an ECG of {PLANTED}")
    bad = [str(tmp_path / name) for name in ("cut.xml", "notes.txt", "nowhere.xml")]
    assert main(["inspect", *bad[:2], muse, bad[2], record]) == 1
    out = capsys.readouterr().out
    unindented = [line for line in out.splitlines() if line[0] != " "]
    assert unindented[2] == muse
    assert unindented[4] == record
    statuses = ("unreadable", "unsupported", "unreadable")
    for line, file, status in zip([*unindented[:2], unindented[3]], bad, statuses, strict=True):
        assert line.startswith(f"{file}: {status}: ")
    assert "No such file" in unindented[3]
    assert PLANTED not in out
    status, rows = inspected(*bad, muse, capsys=capsys)
    assert status == 1
    assert [row["status"] for row in rows] == ["unreadable", "unsupported", "unreadable", "ok"]
    assert set(rows[0]) == {"file", "status", "message"}


def test_a_folder_stands_for_its_files(tmp_path, capsys, muse, record):
    below = tmp_path / "ward"
    below.mkdir()
    channels = mdc_channels()
    stored = counts(12, 5000).T.astype("<i2")
    (below / "a.dcm").write_bytes(dicom_file(dicom_group(stored, channels, "SS")))
    (below / "b.xml").write_bytes(cardiosoft_xml(comma_rows(counts(12, 5000))))
    (tmp_path / "empty").mkdir()
    status, rows = inspected(str(tmp_path), str(tmp_path / "empty"), capsys=capsys)
    assert [os.path.relpath(row["file"], tmp_path) for row in rows] == [
        "muse.xml",
        "record.hea",
        "ward/a.dcm",
        "ward/b.xml",
        "empty",
    ]
    assert [row.get("format") for row in rows] == ["muse_xml", "wfdb", "dicom", "cardiosoft_xml", None]
    assert status == 1
    assert "a folder" in rows[-1]["message"]


def test_members_of_hdf5_files_are_named_as_everywhere(tmp_path, capsys):
    path = tmp_path / "exams_part0.hdf5"
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array([12, 13])
        file["tracings"] = np.random.default_rng(0).normal(size=(2, 4096, 12)).astype("f4")
    status, (member, whole) = inspected(f"{path}#13", str(path), capsys=capsys)
    assert (member["format"], member["sampling_rate_hz"], member["n_samples"]) == ("code15_hdf5", 400, 4096)
    assert status == 1
    assert "#1234567" in whole["message"]


def test_a_recipe_says_why_it_cannot_prepare_a_recording(record, capsys):
    _, (short,) = inspected(record, capsys=capsys)
    assert short["status"] == "ok"
    assert short["recipes"] == {
        recipe: f"4 s at 500 Hz, needed the first {seconds:g} s" for recipe, seconds in DURATION_S.items()
    }
    assert main(["inspect", record]) == 0
    assert "  recipes     deepecg: no, 4 s at 500 Hz, needed the first 10 s\n" in capsys.readouterr().out


def test_without_a_sampling_rate_recordings_are_taken_to_last_10_s(tmp_path, capsys):
    (tmp_path / "few.npy").write_bytes(npy(np.random.default_rng(0).normal(size=(12, 2000)).astype("f4")))
    assert main(["inspect", str(tmp_path / "few.npy")]) == 0
    out = capsys.readouterr().out
    assert "2000 samples, sampling rate not given; taken to last 10 s" in out
    assert out.count("2000 samples and no sampling rate, needed at least 2500") == len(DURATION_S)


def test_missing_leads_stop_recipes_and_not_the_picture():
    three = recording(counts(3, 5000), ("I", "II", "V2"))
    found = describe("x", three)
    assert found.missing_leads == ("V1", "V3", "V4", "V5", "V6")
    assert found.status == "lead_missing"
    assert set(found.recipes.values()) == {"lead_missing"}
    svg = ElementTree.fromstring(as_svg(recording_paper(three, "x")))
    drawn = {path.get("data-lead") for path in svg.iter("{http://www.w3.org/2000/svg}path") if path.get("d")}
    assert drawn == {None, "I", "II", "III", "aVR", "aVL", "aVF", "V2"}


def test_quality_flags_are_those_of_the_signal():
    signal_mv = simulate("sinus", np.random.default_rng(5)).signal_mv.copy()
    assert describe("x", recording(signal_mv, gain_mv=np.ones(12))).quality_flags == ()
    signal_mv[LEADS.index("V3")] = 0
    found = describe("x", recording(signal_mv, gain_mv=np.ones(12)))
    assert found.quality_flags == ("flat_lead V3",)
    assert "\n  status      ok\n  quality     flat_lead V3\n" in found.as_text()


def test_gains_and_offsets_that_differ_are_told_lead_by_lead():
    samples = counts(12, 5000)
    gain_mv = np.full(12, 0.005)
    gain_mv[3] = 0.0025
    found = describe("x", recording(samples, gain_mv=gain_mv, offset_mv=np.r_[np.zeros(11), 1.5]))
    assert "aVR 0.0025" in found.as_text()
    assert "V6 1.5 mV at 0" in found.as_text()


def test_what_a_file_holds_cannot_steer_a_terminal():
    hostile = recording(counts(12, 5000), device="\x1b[2J\nE", statements=("a\x07\r",))
    text = describe("x\ny\udcff", hostile).as_text()
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\\x1b[2J\\x0aE" in text
    assert text.splitlines()[0] == "x\\x0ay\\xff"


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.just(12), st.integers(1, 40)),
        elements=st.one_of(st.floats(-5, 5, width=32), st.floats(width=32), st.just(0.0)),
    ),
    st.one_of(st.none(), st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 1e-300, 1e300]), st.floats(1, 4000)),
    st.lists(st.sampled_from(LEADS), unique=True, min_size=1),
    st.sampled_from([0.001, -1.0, 0.0, 1e38, float("nan")]),
)
@pytest.mark.filterwarnings("error")
def test_odd_recordings_are_described_and_drawn(samples, rate_hz, leads, gain_mv):
    odd = recording(samples[: len(leads)], leads, rate_hz, gain_mv=np.full(len(leads), gain_mv))
    found = describe("x", odd)
    row = json.loads(found.as_json(), parse_constant=pytest.fail)  # NaN and Infinity are no JSON
    assert set(row["leads"]) | set(row["derivable_leads"]) | set(row["missing_leads"]) == set(LEADS)
    assert found.as_text().startswith("x\n  format")
    ElementTree.fromstring(as_svg(recording_paper(odd, "x")))


def test_the_picture_is_the_ecg(muse, tmp_path, capsys):
    picture = tmp_path / "new" / "out.svg"
    assert main(["inspect", muse, "--picture", str(picture)]) == 0
    assert f"picture     {picture}\n" in capsys.readouterr().out
    svg = picture.read_text(encoding="utf-8")
    assert PLANTED not in svg
    root = ElementTree.fromstring(svg)
    assert sum(path.get("data-lead") is not None for path in root.iter("{http://www.w3.org/2000/svg}path")) == 13
    assert main(["inspect", muse, "--picture", str(tmp_path / "OUT.PNG")]) == 0
    assert (tmp_path / "OUT.PNG").read_bytes().startswith(b"\x89PNG")


def test_in_a_folder_pictures_go_by_ecg_id(muse, record, tmp_path, capsys):
    below = tmp_path / "ward"
    below.mkdir()
    (below / "muse.xml").write_bytes(Path(muse).read_bytes())
    (tmp_path / "muse.npy").write_bytes(npy(counts(12, 5000).astype("f4")))
    (tmp_path / "bad.xml").write_bytes(b"<RestingECG>")
    pictures = tmp_path.parent / f"{tmp_path.name}_pictures"
    status, rows = inspected(str(tmp_path), "--picture", str(pictures), capsys=capsys)
    assert status == 1
    assert {os.path.relpath(row["file"], tmp_path): Path(row["picture"]).name for row in rows if "picture" in row} == {
        "muse.npy": "muse.npy.svg",
        "muse.xml": "muse.xml.svg",
        "record.hea": "record.svg",
        "ward/muse.xml": "ward__muse.svg",
    }
    assert sorted(os.listdir(pictures)) == ["muse.npy.svg", "muse.xml.svg", "record.svg", "ward__muse.svg"]


@pytest.mark.parametrize(
    ("files", "picture", "expected"),
    [(1, "x.jpg", "ends in .jpg; name a file in .svg or .png, or a folder"), (2, "x.svg", "name a folder for them")],
)
def test_a_picture_that_does_not_fit_is_one_clear_line(muse, tmp_path, capsys, files, picture, expected):
    assert main(["inspect", *[muse, str(tmp_path / "other")][:files], "--picture", str(tmp_path / picture)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert expected in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not (tmp_path / picture).exists()


def test_a_picture_that_cannot_be_written_is_one_clear_line(muse, tmp_path, capsys):
    assert main(["inspect", muse, "--picture", f"{muse}/x.svg"]) == 1
    assert "cannot be written: " in capsys.readouterr().err


def test_results_come_one_by_one(muse):
    found = inspect_files([muse, "nowhere"])
    assert isinstance(next(found), Inspection)
    assert isinstance(next(found), Unreadable)


def test_a_reader_of_the_output_may_stop_early(muse):
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    command = [sys.executable, "-m", "twelvelead", "inspect", *[muse] * 300]
    process = subprocess.Popen(command, cwd=scripts, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 1


@pytest.mark.parametrize(
    ("name", "signal", "device"),
    [
        ("ge_muse_xml/braveheart_example1.xml", "500 Hz, 10 s, 5000 samples", "MUSE"),
        ("dicom/ecgtoolkit_Example.dcm", "500 Hz, 10 s, 5000 samples", "ELI250"),
        ("ptbdb_wfdb/s0010_re", "1000 Hz, 38.4 s, 38400 samples", "not given"),
    ],
)
def test_real_files(name, signal, device, capsys):
    path = SHARED / "data" / name
    if not path.parent.exists():
        pytest.skip("the real ECG files beside the repository are not there")
    assert main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert signal in out
    assert device in out
    assert "status      ok\n  quality     no flag\n" in out
