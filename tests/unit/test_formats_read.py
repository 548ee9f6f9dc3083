"""Sniffing, file access and the promise that only the library's own errors come out."""

import csv

import numpy as np
import pytest

from twelvelead.ecg import twelve_leads
from twelvelead.errors import LeadMissing, UnreadableFile, UnsupportedFormat
from twelvelead.formats import FORMAT_NAMES, content, read, sniff
from unit.vendor_files import (
    SHARED,
    cardiosoft_xml,
    comma_rows,
    counts,
    dicom_file,
    dicom_group,
    mdc_channels,
    npy,
    plain_muse,
    wfdb_header,
)

GOLDEN = SHARED / "golden" / "preprocess" / "inputs"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden inputs are not on this machine")
needs_vendor_files = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="vendor files are not on this machine")


@pytest.mark.parametrize(
    ("name", "file_content", "expected"),
    [
        ("a.dcm", plain_muse(), "muse_xml"),
        ("a.npy", cardiosoft_xml(comma_rows(counts(12))), "cardiosoft_xml"),
        ("a.xml", npy(np.zeros((12, 40))), "npy"),
        ("a.txt", dicom_file(dicom_group(counts(12).T, mdc_channels(), "SS")), "dicom"),
        ("no_extension", "﻿<?xml version='1.0'?>\n<!-- <x> --><RestingECG/>".encode(), "muse_xml"),
        ("a.xml", "<?xml version='1.0'?><RestingECG/>".encode("utf-16"), "muse_xml"),
        ("a.json", wfdb_header("a.dat", 40).encode(), "wfdb"),
        ("a.dat", b"QUJD" * 100, "deepecg_base64"),
        (
            "a",
            b"<?xml version='1.0'?><restingecgdata xmlns='http://www3.medical.philips.com'/>",
            "philips_xml",
        ),
        ("a", b"<!-- note --><hl7:AnnotatedECG xmlns:hl7='urn:hl7-org:v3'></hl7:AnnotatedECG>", "hl7_aecg"),
        ("a.xml", b"\x6b\x06\x60\x85\x00\x00\xda\x55\x00\x00\x88\x00\x00\x00\x14\x14SCPECG\x00\x00", "scp"),
        ("a.dat", b"ISHNE1.0" + bytes(600), "ishne"),
        ("a.csv", b"I,II,V1\n0.1,0.2,0.3\n", "csv_samples"),
        ("a.csv", b"PAR1" + bytes(40), "parquet_samples"),
        ("a.edf", b"0" + b" " * 183 + b"512     " + b" " * 44 + b"1       1       1   ", "edf"),
    ],
)
def test_content_decides_not_the_extension(tmp_path, name, file_content, expected):
    assert sniff(file_content[: 16 * 1024], tmp_path / name) == expected
    assert expected in FORMAT_NAMES


@pytest.mark.parametrize(
    ("file_content", "likeness"),
    [
        (b"<root/>", "XML of another kind"),
        (b"<?xml version='1.0'?>", "no root element"),
        (b"%PDF-1.7 scan", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"Name,Rate\nMustermann,72\n", "table of text"),
        (b"QUJD", "no known ECG format"),
        (bytes(range(256)), "no known ECG format"),
    ],
)
def test_other_formats_are_named_with_those_supported(tmp_path, file_content, likeness):
    path = tmp_path / "ecg.xml"
    path.write_bytes(file_content)
    with pytest.raises(UnsupportedFormat, match=likeness) as raised:
        read(path)
    assert "GE MUSE XML" in str(raised.value)
    assert "Mustermann" not in str(raised.value)


def test_empty_absent_folder_and_too_large(tmp_path, monkeypatch):
    empty = tmp_path / "empty.xml"
    empty.touch()
    with pytest.raises(UnreadableFile, match="file is empty"):
        read(empty)
    with pytest.raises(UnreadableFile, match="No such file"):
        read(tmp_path / "absent.xml")
    with pytest.raises(UnreadableFile, match="folder"):
        read(tmp_path)
    large = tmp_path / "large.xml"
    large.write_bytes(plain_muse())
    monkeypatch.setattr(content, "MAX_FILE_BYTES", 1000)
    with pytest.raises(UnreadableFile, match="MiB"):
        read(large)


def test_unexpected_error_of_a_parser_becomes_unreadable_without_its_message(tmp_path):
    # A declared sample size that int() refuses for its length: an error of Python's own, not foreseen by the reader.
    path = tmp_path / "record.hea"
    path.write_text(f"record 1 500 {'9' * 5000}\nrecord.dat 16 1000/mV 16 0 0 0 0 I\n")
    with pytest.raises(UnreadableFile, match="cannot make sense of") as raised:
        read(path)
    assert raised.value.__cause__ is None
    assert "999" not in str(raised.value)


EXPECTED_OF_BAD = {
    "bad_b64_oddbytes.xml": (UnreadableFile, "lead V2.*9999 bytes.*10000"),
    "bad_b64_padding.xml": (UnreadableFile, "lead V2.*base64"),
    "bad_b64_shortlead.xml": (UnreadableFile, "lead V2.*3000 bytes.*10000"),
    "bad_brokenxml_0.xml": (UnreadableFile, "XML is broken at line 1899"),
    "bad_brokenxml_1.xml": (UnreadableFile, "XML is broken at line 991"),
    "bad_brokenxml_2.xml": (UnreadableFile, "XML is broken at line 991"),
    "bad_empty.xml": (UnreadableFile, "file is empty"),
    "bad_no_lead_I.xml": (LeadMissing, "no lead I"),
    "bad_unknown_0.xml": (UnreadableFile, "none of 0 series is of code RHYTHM"),
    "bad_unknown_1.xml": (UnsupportedFormat, "root element root"),
}
# Too short for a model or read by us though not by DeepECG: no reader's business to refuse.
READ_DESPITE_THEIR_NAME = {
    "bad_short_1250.xml": 1250,
    "bad_short_2000.xml": 2000,
    "bad_short_2499.xml": 2499,
    "bad_single_waveform.xml": 5000,
}


@needs_golden
@pytest.mark.parametrize("name", sorted(EXPECTED_OF_BAD))
def test_golden_bad_file_has_its_message(name):
    error, pattern = EXPECTED_OF_BAD[name]
    with pytest.raises(error, match=pattern) as raised:
        twelve_leads(read(GOLDEN / "main" / name))
    message = str(raised.value)
    assert "\n" not in message
    assert name not in message
    assert 10 <= len(message) <= 250


@needs_golden
def test_every_golden_file_is_read_or_expected_to_fail():
    seen = set()
    with (GOLDEN / "manifest.csv").open() as manifest:
        files = [(row["case"], row["file"]) for row in csv.DictReader(manifest)]
    for case, name in files:
        if name in EXPECTED_OF_BAD:
            seen.add(name)
            continue
        recording = read(GOLDEN / case / name)
        assert recording.samples.shape[0] == len(recording.leads) == len(recording.gain_mv)
        if name in READ_DESPITE_THEIR_NAME:
            assert recording.samples.shape[1] == READ_DESPITE_THEIR_NAME[name]
    assert seen == set(EXPECTED_OF_BAD)


@pytest.mark.parametrize("name", ["n" * 300, "n" * 5000, "nul\0byte", ".#17", "..#17", "#", "n" * 300 + "#17"])
def test_names_that_no_file_can_have_are_errors_of_the_file(tmp_path, name):
    with pytest.raises(UnreadableFile):
        read(f"{tmp_path}/{name}")


def test_a_name_with_no_room_for_another_extension_is_read(tmp_path):
    path = tmp_path / ("n" * 253 + ".x")
    path.write_bytes(plain_muse())
    assert read(path).format == "muse_xml"


def test_more_samples_than_the_largest_file_holds_at_16_bit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("twelvelead.formats.MOST_SAMPLES", 12 * 40)
    (tmp_path / "a.npy").write_bytes(npy(np.zeros((12, 40), np.uint8)))
    assert read(tmp_path / "a.npy").samples.shape == (12, 40)
    (tmp_path / "a.npy").write_bytes(npy(np.zeros((12, 41), np.uint8)))
    with pytest.raises(UnreadableFile, match="492 samples; expected a resting ECG of at most 480"):
        read(tmp_path / "a.npy")


@needs_golden
def test_deepecg_reads_what_it_read_in_the_golden_run():
    # Its report lists these two as failed and the rest of our readable ones as successes.
    assert not read(GOLDEN / "main" / "bad_single_waveform.xml").deepecg_reads
    assert not read(GOLDEN / "main" / "bad_no_lead_I.xml").deepecg_reads
    assert read(GOLDEN / "main" / "muse12_shuffled_leads.xml").deepecg_reads
    assert read(GOLDEN / "main" / "clsa8_5000_0000.xml").deepecg_reads
    assert read(GOLDEN / "dummy_npy" / "dummy_ecg.npy").deepecg_reads


@needs_vendor_files
@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("ge_muse_xml", "muse_xml"),
        ("cardiosoft_xml", "cardiosoft_xml"),
        ("philips_xml", "philips_xml"),
        ("hl7_aecg_xml", "hl7_aecg"),
        ("scp", "scp"),
        ("dicom", "dicom"),
        ("ptbxl_wfdb", "wfdb"),
        ("cinc2021_wfdb", "wfdb"),
        ("code15_mat", "code15_mat"),
    ],
)
def test_real_files_are_recognised(folder, expected):
    files = [path for path in sorted((SHARED / "data" / folder).iterdir()) if path.is_file()]
    assert files
    assert {sniff(path.read_bytes()[: 16 * 1024], path) for path in files} == {expected}
