"""WFDB records against the wfdb package."""

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from twelvelead.errors import LeadMissing, SignalError, UnreadableFile
from twelvelead.formats import read
from twelvelead.formats.wfdb_header import parse_header
from unit.vendor_files import EIGHT_LEADS, SHARED, TWELVE_LEADS, counts, wfdb_header

DATA = SHARED / "data"
needs_records = pytest.mark.skipif(not DATA.is_dir(), reason="real WFDB records are not on this machine")


def write_record(folder, signal=None, comments="", name="record"):
    signal = counts(12) if signal is None else signal
    (folder / f"{name}.hea").write_text(wfdb_header(f"{name}.dat", signal.shape[1], comments=comments))
    (folder / f"{name}.dat").write_bytes(signal.T.astype("<i2").tobytes())
    return folder / f"{name}.hea"


def physical_mv(recording):
    offset_mv = 0 if recording.offset_mv is None else recording.offset_mv[:, None]
    return recording.samples * recording.gain_mv[:, None] + offset_mv


@needs_records
@pytest.mark.parametrize("folder", ["ptbxl_wfdb", "cpsc2018_wfdb", "cinc2021_wfdb"])
def test_real_records_as_wfdb_reads_them(folder):
    headers = sorted((DATA / folder).glob("*.hea"))[::10]
    assert headers
    for path in headers:
        record, recording = wfdb.rdrecord(str(path.with_suffix(""))), read(path)
        assert list(recording.leads) == record.sig_name
        assert recording.sampling_rate_hz == record.fs
        assert recording.samples.dtype == np.int16
        np.testing.assert_allclose(physical_mv(recording), record.p_signal.T, atol=1e-9)


@needs_records
def test_twelve_of_15_leads_though_the_file_of_the_others_is_absent():
    path = DATA / "ptbdb_wfdb" / "s0010_re.hea"
    expected = wfdb.rdrecord(str(path.with_suffix("")), channels=list(range(12))).p_signal.T
    recording = read(path)
    assert recording.leads == TWELVE_LEADS
    np.testing.assert_allclose(physical_mv(recording), expected, atol=1e-9)
    assert not recording.statements


@needs_records
def test_every_signal_file_is_recognised_by_its_header():
    # 02355_hr.dat begins with the byte of "<".
    for path in [*sorted((DATA / "ptbxl_wfdb").glob("*.dat"))[:20], DATA / "ptbxl_wfdb" / "02355_hr.dat"]:
        np.testing.assert_array_equal(read(path).samples, read(path.with_suffix(".hea")).samples)


@settings(max_examples=30, deadline=None)
@given(
    storage=st.sampled_from(["16", "24", "32", "80", "212"]),
    gain=st.floats(1, 5000).map(lambda value: round(value, 3)),
    baseline=st.integers(-100, 100),
    unit=st.sampled_from(["mV", "uV", "V"]),
    seed=st.integers(0, 1000),
)
def test_storage_formats_as_wfdb_reads_them(tmp_path_factory, storage, gain, baseline, unit, seed):
    folder = tmp_path_factory.mktemp("wfdb")
    reach = 100 if storage == "80" else 2000
    digital = np.random.default_rng(seed).integers(-reach, reach, (30, 8))
    wfdb.wrsamp(
        "record",
        fs=400,
        units=[unit] * 8,
        sig_name=list(EIGHT_LEADS),
        d_signal=digital,
        fmt=[storage] * 8,
        adc_gain=[gain] * 8,
        baseline=[baseline] * 8,
        write_dir=str(folder),
    )
    recording = read(folder / "record.hea")
    record = wfdb.rdrecord(str(folder / "record"))
    unit_mv = {"mV": 1, "uV": 1e-3, "V": 1e3}[unit]
    assert recording.leads == EIGHT_LEADS
    assert recording.sampling_rate_hz == 400
    np.testing.assert_array_equal(recording.samples, digital.T)
    np.testing.assert_allclose(physical_mv(recording), record.p_signal.T * unit_mv, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("storage", ["16", "212"])
def test_missing_samples_are_nan_as_in_wfdb(tmp_path, storage):
    digital = counts(2).T.astype(np.int64)
    digital[4, 1] = {"16": -32768, "212": -2048}[storage]
    wfdb.wrsamp(
        "record",
        fs=500,
        units=["mV"] * 2,
        sig_name=["I", "II"],
        d_signal=digital,
        fmt=[storage] * 2,
        adc_gain=[1000.0] * 2,
        baseline=[0] * 2,
        write_dir=str(tmp_path),
    )
    recording = read(tmp_path / "record.hea")
    expected = wfdb.rdrecord(str(tmp_path / "record")).p_signal.T
    assert np.isnan(expected).sum() == 1
    np.testing.assert_allclose(physical_mv(recording), expected, atol=1e-9)


@pytest.mark.parametrize(("level", "compressed"), [("4", False), ("5", False), ("5", True)])
def test_signals_in_a_matlab_file(tmp_path, level, compressed):
    """PhysioNet's files are of level 4; saved again by SciPy or MATLAB they are of level 5."""
    header = wfdb_header("record.mat", counts(12).shape[1]).replace(".mat 16 ", ".mat 16+24 ")
    (tmp_path / "record.hea").write_text(header)
    savemat(tmp_path / "record.mat", {"val": counts(12).astype(np.int16)}, format=level, do_compression=compressed)
    for path in (tmp_path / "record.hea", tmp_path / "record.mat"):
        np.testing.assert_array_equal(read(path).samples, counts(12))


def test_a_matlab_file_of_another_shape_than_its_header(tmp_path):
    (tmp_path / "record.hea").write_text(wfdb_header("record.mat", 99))
    savemat(tmp_path / "record.mat", {"val": counts(12).astype(np.int16)})
    with pytest.raises(UnreadableFile, match="the WFDB header says 12 signals of 99 samples"):
        read(tmp_path / "record.mat")


def test_a_record_by_header_signal_file_or_bare_name(tmp_path):
    header = write_record(tmp_path, counts(12))
    for path in (header, str(header.with_suffix(".dat")), header.with_suffix("")):
        np.testing.assert_array_equal(read(path).samples, counts(12))
    # A file that merely shares the record's name is not the record.
    (tmp_path / "record.txt").write_text("notes")
    with pytest.raises(SignalError, match="no known ECG format"):
        read(tmp_path / "record.txt")
    header.unlink()
    with pytest.raises(SignalError, match="needs its header"):
        read(tmp_path / "record.dat")


HEADER_LINES = [
    ("r 1 500 40\nr.dat 16 1000.0(12)/uV 16 0 5 6 0 Lead V1", (500.0, 40, 1000.0, 12, "uV", "Lead V1")),
    ("r 1 500/1000(5) 40 12:00:00 1/1/2000\nr.dat 16x1:0+24 200 12 7", (500.0, 40, 200.0, 7, "mV", "")),
    ("# comment\n\nr 1\nr.dat 212", (250.0, None, 200.0, 0, "mV", "")),
    ("r 1 1e3 0\nr.dat 16 0(3)/mV 16 0 0 0 0 aVR\n#Dx: AF", (1000.0, None, 200.0, 3, "mV", "aVR")),
]


@pytest.mark.parametrize(("text", "expected"), HEADER_LINES)
def test_header_lines_and_their_defaults(text, expected):
    header = parse_header(text.encode())
    signal = header.signals[0]
    found = (header.sampling_rate_hz, header.sample_count, signal.gain_per_unit, signal.baseline, signal.units)
    assert (*found, signal.description) == expected


@pytest.mark.parametrize(
    "file_name",
    [
        "../record.dat",
        "/etc/passwd",
        "a/../../b.dat",
        "..",
        "-",
        "~",
        "http://host/x.dat",
        "..\\x.dat",
        "zip::x",
        ".hidden",
    ],
)
def test_signal_files_elsewhere_are_refused(tmp_path, file_name):
    (tmp_path.parent / "record.dat").write_bytes(bytes(2 * 12 * 40))
    (tmp_path / "record.hea").write_text(wfdb_header(file_name, 40))
    with pytest.raises(UnreadableFile, match="outside the header's folder") as raised:
        read(tmp_path / "record.hea")
    assert file_name not in str(raised.value) or file_name in (".", "..", "-", "~")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("1000(0)/mV", "1000(0)/mmHg"), "lead I: units are no voltage"),
        (("1000(0)/mV", "1e999(0)/mV"), "lead I: gain inf"),
        (("aVR", "aVL"), "lead aVL occurs twice"),
        ((" 16 1000", " 16x4 1000"), "lead I has 4 samples per frame"),
        (("record 12 500 40", "record 13 500 40"), "13 signals has 12 signal lines"),
        (("record 12 500 40", "record/2 12 500 40"), "several segments"),
        (("record 12 500 40", "record 12 500 41"), "holds 960 bytes, the WFDB header says 984"),
        (("record 12 500 40", "record 12 0 40"), "the WFDB header gives 0 Hz"),
        ((" 16 1000", " 212:9999999 1000"), "claims more samples"),
        (("record.dat 16 1000(0)/mV 16 0 0 0 0 V6", "record.dat"), "line 13 is no signal line"),
    ],
)
def test_broken_headers(tmp_path, change, message):
    header = write_record(tmp_path)
    header.write_text(header.read_text().replace(*change))
    with pytest.raises(UnreadableFile, match=message):
        read(header)


def test_absent_or_large_signal_file(tmp_path):
    header = write_record(tmp_path)
    header.with_suffix(".dat").unlink()
    with pytest.raises(UnreadableFile, match="not beside it"):
        read(header)
    header.with_suffix(".dat").write_bytes(b"")
    header.write_text(header.read_text().replace("500 40", f"500 {10**12}").replace(" 16 1000", " 212 1000"))
    with pytest.raises(UnreadableFile, match="claims more samples"):
        read(header)


def test_no_standard_lead_and_no_samples(tmp_path):
    header = write_record(tmp_path)
    text = header.read_text()
    header.write_text(wfdb_header("record.dat", 40, leads=("vx", "vy", "-aVR")))
    with pytest.raises(LeadMissing):
        read(header)
    header.write_text(text.replace("500 40", "500"))
    header.with_suffix(".dat").write_bytes(b"\0" * 23)
    with pytest.raises(UnreadableFile, match="no samples"):
        read(header)


def test_length_from_the_file_where_the_header_is_silent(tmp_path):
    header = write_record(tmp_path, counts(12, 33))
    header.write_text(header.read_text().replace("500 33", "500"))
    np.testing.assert_array_equal(read(header).samples, counts(12, 33))


@pytest.mark.parametrize(
    ("comment", "statements"),
    [
        ("#Dx: Atrial fibrillation", ("Atrial fibrillation",)),
        ("# Diagnosis:  Normal ECG ", ("Normal ECG",)),
        ("#Dx: 426783006", ()),
        ("# Dx: 284470004,427084000", ()),
        ("#Dx: Unknown", ()),
        ("#Age: 74\n#Sex: Male\n#Name: Mustermann\n#Reason for admission: Mustermann fell", ()),
    ],
)
def test_only_diagnosis_text_becomes_a_statement(tmp_path, comment, statements):
    recording = read(write_record(tmp_path, comments=comment))
    assert recording.statements == statements
    assert "Mustermann" not in repr(recording)


def test_a_header_of_millions_of_lines_is_refused_unread(tmp_path):
    path = write_record(tmp_path, comments="# a comment\n" * 10_000)
    assert read(path).samples.shape == (12, 40)
    path = write_record(tmp_path, comments="#\n" * 1_000_000)
    with pytest.raises(UnreadableFile, match="WFDB header of 2 MiB; expected at most 1 MiB"):
        read(path)
