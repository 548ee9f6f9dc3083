"""MATLAB files of CODE-15 against scipy.io, which writes them here and is not what reads them."""

import csv
import io
import struct
import tracemalloc
import zlib
from collections import Counter

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import LEADS
from twelvelead.errors import SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats import read
from twelvelead.formats.mat import read_mat, read_val
from unit.test_formats_fuzz import outcome_of
from unit.vendor_files import SHARED

CODE15 = SHARED / "data" / "code15_mat"
CINC2021 = SHARED / "data" / "cinc2021_wfdb"
needs_cinc2021 = pytest.mark.skipif(not CINC2021.is_dir(), reason="PhysioNet's records are not on this machine")
needs_code15 = pytest.mark.skipif(not CODE15.is_dir(), reason="CODE-15's MATLAB files are not on this machine")


def mat(compressed: bool = False, **variables) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


def mat_73(**variables) -> bytes:
    """As MATLAB 7.3 writes them: HDF5 behind a header of 512 bytes, dimensions in reverse order, text as numbers."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        for name, values in variables.items():
            is_text = isinstance(values, str)
            values = np.frombuffer(values.encode("utf-16-le"), "u2")[None] if is_text else np.atleast_2d(values)
            layout = {"chunks": values.T.shape, "compression": "gzip"} if values.size > 1000 else {}
            stored = file.create_dataset(name, data=values.T, **layout)
            names = {"float64": "double", "float32": "single"}
            stored.attrs["MATLAB_class"] = np.bytes_("char" if is_text else names.get(str(values.dtype), values.dtype))
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    return header.ljust(512, b"\0") + stream.getvalue()[512:]


def signal_mv(samples: int = 40) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(12, samples)).astype(np.float32)


def rows_of(name: str) -> list[dict[str, str]]:
    with (SHARED / "data" / name).open(newline="") as table:
        return list(csv.DictReader(table))


@needs_code15
def test_the_ten_real_files_are_what_the_tables_say():
    lengths = {row["save_file"]: int(row["sample_size"]) for row in rows_of("code15_meta.csv")}
    windows = Counter(row["save_file"] for row in rows_of("code15_segmented.csv"))
    files = sorted(CODE15.iterdir())
    assert len(files) == len(lengths) == 10
    for path in files:
        recording = read(path)
        assert recording.format == "code15_mat"
        assert recording.leads == LEADS
        assert recording.sampling_rate_hz == 400
        assert recording.samples.shape == (12, lengths[path.name])
        assert int(recording.samples.shape[1] * 500 / 400) // 2500 == windows[path.name]
        np.testing.assert_array_equal(recording.samples, scipy.io.loadmat(path)["feats"])


@settings(max_examples=60, deadline=None)
@given(
    signal=st.integers(1, 30).flatmap(
        lambda length: hnp.arrays(st.sampled_from(["f4", "f8", "i2", "u2", "i4", "u1", "i8"]), (12, length))
    ),
    compressed=st.booleans(),
    rate=st.sampled_from([np.int64(400), 500.0, np.uint8(250), np.float32(360)]),
)
def test_numbers_of_every_type_come_back(signal, compressed, rate):
    content = mat(compressed, notes={"a": [1, 2]}, text="abc", feats=signal, org_sample_rate=rate, cells=[1, "x"])
    recording = read_mat(content)
    assert recording.sampling_rate_hz == float(rate)
    assert recording.samples.dtype in (np.int16, np.int32, np.float32)
    assert recording.samples.flags.c_contiguous
    with np.errstate(over="ignore"):
        fits = signal.dtype.kind == "f" or (int(signal.min()) >= -(2**31) and int(signal.max()) < 2**31)
        expected = signal.astype(np.float32) if signal.dtype.kind == "f" or not fits else signal
    np.testing.assert_array_equal(recording.samples, expected)


def test_fields():
    recording = read_mat(mat(feats=signal_mv(), org_sample_rate=400))
    assert recording.units == "assumed mV"
    assert not recording.deepecg_reads
    np.testing.assert_array_equal(recording.gain_mv, np.ones(12))


def test_the_current_rate_is_the_rate_of_resampled_feats():
    assert read_mat(mat(feats=signal_mv(), org_sample_rate=400, curr_sample_rate=500)).sampling_rate_hz == 500


@pytest.mark.parametrize("samples", [40, 5000])
def test_version_73_has_the_numbers_of_level_5(tmp_path, samples):
    variables = {"feats": signal_mv(samples), "org_sample_rate": np.uint16(400), "curr_sample_rate": 500.0}
    path = tmp_path / "ecg.mat"
    path.write_bytes(mat_73(**variables, text="abc", other=np.ones((3, 4, 5))))
    recording = read(path)
    np.testing.assert_array_equal(recording.samples, read_mat(mat(**variables)).samples)
    assert (recording.format, recording.sampling_rate_hz) == ("code15_mat", 500)
    assert recording.samples.flags.c_contiguous


def test_a_wfdb_record_saved_again_as_version_73(tmp_path):
    val = np.random.default_rng(0).integers(-2000, 2000, (12, 5000)).astype(np.int16)
    (tmp_path / "record.mat").write_bytes(mat_73(val=val.astype(np.float64)))
    lines = [f"record.mat 16+24 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    (tmp_path / "record.hea").write_text("\n".join(["record 12 500 5000", *lines]))
    np.testing.assert_array_equal(read(tmp_path / "record.hea").samples, val)
    np.testing.assert_array_equal(read(tmp_path / "record.mat").samples, val)


def _virtual_73() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        huge = file.create_dataset("feats", (2**30, 12), "f4", chunks=(1000, 12))
        huge.attrs["MATLAB_class"] = np.bytes_("single")
    return b"MATLAB 7.3 MAT-file".ljust(512, b"\0") + stream.getvalue()[512:]


def test_big_endian_files_are_read():
    def element(kind: int, body: bytes) -> bytes:
        return struct.pack(">II", kind, len(body)) + body + b"\0" * (-len(body) % 8)

    def array(name: bytes, numbers: np.ndarray) -> bytes:
        body = element(6, struct.pack(">II", 7, 0)) + element(5, struct.pack(">ii", *numbers.shape)) + element(1, name)
        return element(14, body + element(7, numbers.astype(">f4").tobytes(order="F")))

    signal = signal_mv()
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    recording = read_mat(header + array(b"feats", signal) + array(b"org_sample_rate", np.array([[400.0]])))
    np.testing.assert_array_equal(recording.samples, signal)
    assert recording.samples.dtype == np.dtype("=f4")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (mat(other=signal_mv(), org_sample_rate=400), UnsupportedFormat, "without a variable `feats`"),
        (mat(val=signal_mv()), UnsupportedFormat, "`val` without its header.* copy the .hea beside it"),
        (mat(True, val=signal_mv(), org_sample_rate=400), UnsupportedFormat, "`val` without its header"),
        (mat(feats=signal_mv().T, org_sample_rate=400), UnreadableFile, r"shape \(40, 12\); expected \(12, samples\)"),
        (mat(feats=np.zeros((8, 40)), org_sample_rate=400), UnreadableFile, r"shape \(8, 40\)"),
        (mat(feats=np.zeros((12, 0)), org_sample_rate=400), UnreadableFile, r"shape \(12, 0\)"),
        (mat(feats=np.zeros((12, 4, 2)), org_sample_rate=400), UnreadableFile, "3 dimensions"),
        (mat(feats=np.zeros((12, 40), complex), org_sample_rate=400), UnreadableFile, "real numbers"),
        (mat(feats="x" * 40, org_sample_rate=400), UnreadableFile, "real numbers"),
        (mat(feats={"a": 1}, org_sample_rate=400), UnreadableFile, "real numbers"),
        (mat(feats=signal_mv()), UnreadableFile, "no sampling rate"),
        (mat(feats=signal_mv(), org_sample_rate=0), UnreadableFile, "`org_sample_rate` gives 0 Hz"),
        (mat(feats=signal_mv(), org_sample_rate=np.nan), UnreadableFile, "gives nan Hz"),
        (mat(feats=signal_mv(), org_sample_rate=[400, 500]), UnreadableFile, "2 numbers"),
        (mat_73(other=signal_mv()), UnsupportedFormat, "without a variable `feats`"),
        (mat_73(val=signal_mv()), UnsupportedFormat, "`val` without its header.* copy the .hea beside it"),
        (mat_73(feats=signal_mv().T, org_sample_rate=400), UnreadableFile, r"shape \(40, 12\); expected"),
        (mat_73(feats=np.zeros((12, 4, 2)), org_sample_rate=400), UnreadableFile, "not of 2 dimensions"),
        (mat_73(feats="x" * 40, org_sample_rate=400), UnreadableFile, "real numbers"),
        (mat_73(feats=np.zeros((12, 40), complex), org_sample_rate=400), UnreadableFile, "expected numbers"),
        (mat_73(feats=signal_mv()), UnreadableFile, "no sampling rate"),
        (mat_73(feats=signal_mv(), org_sample_rate=[400, 500]), UnreadableFile, "2 numbers"),
        (mat_73(feats=signal_mv(5000), org_sample_rate=400)[:9000], UnreadableFile, "damaged"),
        (b"MATLAB 7.3 MAT-file".ljust(600), UnreadableFile, "damaged"),
        (_virtual_73(), UnreadableFile, r"shape \(12, 1073741824\); expected a resting ECG of at most 64 MiB"),
        (b"MATLAB 5.0 MAT-file".ljust(128), UnreadableFile, "header is broken"),
        (b"MATLAB 5.0 MAT-file", UnreadableFile, "header is broken"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path, content, error, message):
    path = tmp_path / "ecg.xml"
    path.write_bytes(content)
    with pytest.raises(error, match=message) as raised:
        read(path)
    assert type(raised.value) is error


@needs_cinc2021
def test_real_records_saved_again_have_the_values_of_the_originals():
    """Of level 4, which the WFDB reader takes as format 16 after 24 bytes, and of level 5 after SciPy wrote them."""
    headers = sorted(CINC2021.glob("*.hea"))
    assert len(headers) == 24
    for header in headers:
        original = read(header)
        val = scipy.io.loadmat(header.with_suffix(".mat"))["val"]
        np.testing.assert_array_equal(original.samples, val)
        np.testing.assert_array_equal(read_val(mat(True, val=val), *val.shape), original.samples)


@pytest.mark.parametrize("dtype", ["i2", "i4", "u1", "f4", "f8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_val_is_whole_numbers_of_any_type(dtype, compressed):
    val = np.random.default_rng(0).integers(0, 256, (12, 40)).astype(dtype)
    found = read_val(mat(compressed, notes="abc", val=val), 12, 40)
    assert found.dtype.kind in "iu"
    np.testing.assert_array_equal(found, val)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (mat(feats=signal_mv()), "no variable `val`"),
        (mat(val=np.zeros((12, 41))), r"shape \(12, 41\), the WFDB header says 12 signals of 40 samples"),
        (mat(val=np.zeros((40, 12))), "the WFDB header says"),
        (mat(val=signal_mv()), "fractions or NaN"),
        (mat(val=np.full((12, 40), np.nan)), "fractions or NaN"),
        (mat(val=np.full((12, 40), np.inf)), "fractions or NaN"),
        (mat(val=np.full((12, 40), 1e300)), "fractions or NaN"),
        (mat(val="x" * 40), "real numbers"),
        (mat(val=np.zeros((12, 40)))[:-8], "truncated"),
    ],
)
def test_val_that_does_not_fit_its_header_is_unreadable(content, message):
    with pytest.raises(UnreadableFile, match=message):
        read_val(content, 12, 40)


@pytest.mark.parametrize("compressed", [False, True])
def test_truncated_at_every_place(compressed):
    content = mat(compressed, org_sample_rate=400, feats=signal_mv(5))
    assert read_mat(content).samples.shape == (12, 5)
    for kept in range(len(content)):
        with pytest.raises(SignalError):
            read_mat(content[:kept])


def matrix(name: bytes, dimensions: tuple[int, int], numbers: bytes) -> bytes:
    flags = struct.pack("<IIII", 6, 8, 7, 0) + struct.pack("<IIii", 5, 8, *dimensions)
    named = struct.pack("<II", 1, len(name)) + name.ljust(8, b"\0")
    return flags + named + struct.pack("<II", 7, len(numbers)) + numbers


def test_claimed_sizes_are_checked_before_memory_is_taken():
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    shape_only = matrix(b"feats", (12, 2**30), b"\0" * 96)
    with pytest.raises(UnreadableFile, match="its shape .* says"):
        read_mat(header + struct.pack("<II", 14, len(shape_only)) + shape_only)
    with pytest.raises(UnreadableFile, match="truncated"):
        read_mat(header + struct.pack("<II", 14, 2**31) + shape_only)
    claimed = zlib.compress(struct.pack("<II", 14, 2**31) + shape_only)
    with pytest.raises(UnreadableFile, match="2048 MiB"):
        read_mat(header + struct.pack("<II", 15, len(claimed)) + claimed)


def test_a_bomb_beside_the_signal_is_not_inflated():
    bomb = zlib.compressobj(9)
    compressed = bomb.compress(struct.pack("<II", 14, 2**30) + matrix(b"other", (1, 2**27), b""))
    block = bytes(2**20)
    compressed += b"".join(bomb.compress(block) for _ in range(64)) + bomb.flush()
    content = mat(feats=signal_mv(), org_sample_rate=400) + struct.pack("<II", 15, len(compressed)) + compressed
    tracemalloc.start()
    try:
        assert read_mat(content).samples.shape == (12, 40)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@settings(max_examples=200, deadline=None)
@given(
    compressed=st.booleans(),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.floats(0.5, 1),
)
def test_damage_only_raises_signal_errors(tmp_path_factory, compressed, flips, kept):
    damaged = bytearray(mat(compressed, org_sample_rate=400, feats=signal_mv(), text="abc"))
    for where, value in flips:
        damaged[int(where * (len(damaged) - 1))] = value
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    path.write_bytes(bytes(damaged[: int(kept * len(damaged)) if kept > 0.75 else len(damaged)]))
    outcome = outcome_of(path)
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
    else:
        assert outcome.samples.shape[0] == 12
        assert outcome.samples.shape[1] > 0


def test_a_file_of_millions_of_empty_variables_is_refused_at_once():
    content = mat(feats=signal_mv(), curr_sample_rate=500.0)
    empty = struct.pack("<II", 14, 0)
    assert read_mat(content[:128] + empty * 1000 + content[128:]).sampling_rate_hz == 500
    with pytest.raises(UnreadableFile, match="over 10000 variables"):
        read_mat(content[:128] + empty * 4_000_000 + content[128:])
