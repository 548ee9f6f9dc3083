"""HDF5 parts in CODE-15's layout, written here by h5py: whole, damaged, and made to lead the reader astray."""

import io
import os
import subprocess
import sys
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from every_format import simulated
from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.errors import SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats import file_and_member, hdf5, hdf5_rows, read
from twelvelead.formats.hdf5 import ExamFile, ExamFiles, member_name, strip_zeros
from twelvelead.quality import signal_status
from unit.test_formats_fuzz import outcome_of

EXAM_IDS = (4_000_001, 17, 900, 0)
LENGTHS = (2934, 4096, 4000, 0)
STORAGE = {
    "contiguous": {},
    "one row a chunk, gzip": {"chunks": (1, 4096, 12), "compression": "gzip"},
    "rows share chunks, gzip and shuffle": {"chunks": (3, 500, 5), "compression": "gzip", "shuffle": True},
    "chunks without gzip": {"chunks": (2, 1000, 12)},
}


def tracings(dtype: str = "f4") -> np.ndarray:
    """(4, 4096, 12): three recordings centred between zeros, and the padding row."""
    random = np.random.default_rng(0)
    padded = np.zeros((len(LENGTHS), 4096, 12), dtype=dtype)
    for row, length in enumerate(LENGTHS):
        start = (4096 - length) // 2
        padded[row, start : start + length] = random.normal(size=(length, 12)).round(3)
    return padded


def write_part(path, signal=None, exam_ids=EXAM_IDS, **storage):
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", data=tracings() if signal is None else signal, **storage)
        file.create_dataset("exam_id", data=np.asarray(exam_ids))
    return path


@pytest.fixture
def part(tmp_path):
    return write_part(tmp_path / "exams_part0.hdf5")


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE)
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "f2"])
def test_members_are_read_without_their_padding(tmp_path, storage, dtype):
    stored = tracings(dtype)
    path = write_part(tmp_path / "part", stored, **storage)
    with ExamFile(path) as exams:
        assert exams.members().tolist() == list(EXAM_IDS[:3])
        for row, (exam_id, length) in enumerate(zip(EXAM_IDS[:3], LENGTHS[:3], strict=True)):
            recording = exams.read(exam_id)
            start = (4096 - length) // 2
            np.testing.assert_array_equal(recording.samples, stored[row, start : start + length].T.astype("f4"))
            assert recording.samples.dtype == np.dtype("=f4")


def test_fields(part):
    recording = read(f"{part}#17")
    assert recording.format == "code15_hdf5"
    assert recording.leads == LEADS
    assert recording.sampling_rate_hz == 400
    assert recording.units == "assumed mV"
    assert signal_status(recording) == ("ok", "")


@settings(max_examples=80, deadline=None)
@given(
    inner=st.integers(1, 20).flatmap(
        lambda n: hnp.arrays("f4", (n, 12), elements=st.sampled_from([0.0, 0.0, 1.5, -2.0, np.nan]))
    ),
    before=st.integers(0, 9),
    after=st.integers(0, 9),
)
def test_zeros_go_from_both_ends_and_from_nowhere_else(inner, before, after):
    inner[0, 3] = inner[-1, 11] = 1.0
    padded = np.pad(inner, ((before, after), (0, 0)))
    np.testing.assert_array_equal(strip_zeros(padded), inner)


def test_a_recording_of_zeros_is_flat_not_an_error(tmp_path):
    signal = tracings()
    signal[1] = 0
    recording = read(f"{write_part(tmp_path / 'part', signal)}#17")
    assert recording.samples.shape == (12, 4096)
    assert signal_status(recording)[0] == "flat"


def test_nan_stays_and_is_reported(tmp_path):
    signal = tracings()
    signal[0, 100, 3] = np.nan
    recording = read(f"{write_part(tmp_path / 'part', signal)}#4000001")
    assert signal_status(recording) == ("not_finite", "lead aVR holds NaN or infinite samples")


def test_files_without_exam_ids_go_by_row(tmp_path):
    stored, path = tracings("f8"), tmp_path / "exams.hdf5"
    with h5py.File(path, "w") as file:
        file["tracings"] = stored
    with ExamFile(path) as exams:
        assert exams.members().tolist() == [0, 1, 2, 3]
    for row, length in enumerate(LENGTHS[:3]):
        recording = read(f"{path}#{row}")
        start = (4096 - length) // 2
        np.testing.assert_array_equal(recording.samples, stored[row, start : start + length].T.astype("f4"))
        assert (recording.format, recording.sampling_rate_hz) == ("code15_hdf5", 400)
    assert signal_status(read(f"{path}#3"))[0] == "flat"  # without ids, nothing says that it is padding
    with pytest.raises(UnreadableFile, match=r"no row 4 in this file, which has 4 .*as in exams.hdf5#0"):
        read(f"{path}#4")
    with pytest.raises(UnsupportedFormat, match="in a file without exam_id, by its row, counted from 0"):
        read(path)


@pytest.mark.parametrize("augmented", [("aVR", "aVL", "aVF"), ("aVL", "aVF", "aVR")])
def test_without_exam_ids_the_place_of_avr_is_found_by_goldbergers_law(tmp_path, augmented):
    ecg_mv = dict(zip(LEADS, simulated(sampling_rate_hz=400.0).signal_mv, strict=True))
    stored = np.zeros((1, 4096, 12), dtype="f4")
    stored[0, 48:4048] = np.stack([ecg_mv[lead] for lead in (*LEADS[:3], *augmented, *LEADS[6:])]).T
    with h5py.File(tmp_path / "exams.hdf5", "w") as file:
        file["tracings"] = stored
    expected = np.stack(list(ecg_mv.values()))
    np.testing.assert_allclose(twelve_leads(read(f"{tmp_path}/exams.hdf5#0")), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("18", "no exam_id 18 among the 3 of this file; name a recording by its exam_id, as in exams_part3"),
        ("0", "padding row"),
        ("", "no whole number"),
        ("-17", "no whole number"),
        ("17.0", "no whole number"),
        ("9" * 30, "no whole number"),
    ],
)
def test_members_that_are_not_there(part, member, message):
    with pytest.raises(UnreadableFile, match=message):
        read(f"{part}#{member}")


def test_an_exam_in_two_rows_is_ambiguous(tmp_path):
    with pytest.raises(UnreadableFile, match="exam_id 17 stands in 2 rows"):
        read(f"{write_part(tmp_path / 'part', exam_ids=(17, 17, 3, 0))}#17")


def test_how_members_are_named(part, tmp_path):
    assert member_name("exams_part3.hdf5", 17) == "exams_part3.hdf5#17"
    assert file_and_member(part.with_name("exams_part0.hdf5#17")) == (part, "17")
    with pytest.raises(UnsupportedFormat, match="of many recordings; name a recording by its exam_id"):
        read(part)
    with pytest.raises(UnreadableFile, match="No such file"):
        read(tmp_path / "exams_part9.hdf5#17")
    (tmp_path / "ecg.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(UnsupportedFormat, match="not an HDF5 file"):
        read(tmp_path / "ecg.npy#17")
    odd = tmp_path / "exams_part0.hdf5#18"
    np.save(odd.open("wb"), np.ones((12, 40), dtype=np.float32))
    assert read(odd).format == "npy"


def test_a_thousand_members_open_the_file_once(part, tmp_path, monkeypatch):
    other = write_part(tmp_path / "exams_part1.hdf5", exam_ids=(1, 2, 3, 0))
    opened = []
    open_file = h5py.File
    monkeypatch.setattr(
        hdf5.h5py, "File", lambda path, *args, **kwargs: opened.append(path) or open_file(path, **kwargs)
    )
    with ExamFiles() as exams:
        for _ in range(500):
            assert read(f"{part}#17", exams).samples.shape == (12, 4096)
            assert read(f"{other}#3", exams).samples.shape == (12, 4000)
    assert sorted(opened) == [part, other]
    monkeypatch.undo()
    with h5py.File(part, "r+"):  # refused while a reader holds it
        pass


def test_few_files_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MAX_OPEN_FILES", 2)
    paths = [write_part(tmp_path / f"part{number}", exam_ids=(number + 1, 8, 9, 0)) for number in range(4)]
    before = len(os.listdir("/proc/self/fd"))
    with ExamFiles() as exams:
        for number, path in enumerate([*paths, paths[0]]):
            assert exams.read(path, str(number % 4 + 1)).samples.shape[0] == 12
            assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert len(os.listdir("/proc/self/fd")) == before


def layout(**datasets) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return stream.getvalue()


IDS = np.array([17, 0])
SIGNAL = np.ones((2, 4096, 12), dtype="f4")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (layout(exam_id=IDS), UnsupportedFormat, "without data set `tracings`"),
        (layout(tracings=SIGNAL), UnreadableFile, "no row 17 in this file, which has 2 .* counted from 0"),
        (layout(tracings=SIGNAL[:, :4000]), UnreadableFile, r"shape \(2, 4000, 12\).*expected \(n, 4096"),
        (layout(tracings=SIGNAL[:, :4000], exam_id=IDS), UnreadableFile, r"shape \(2, 4000, 12\).*expected \(n, 4096"),
        (layout(tracings=SIGNAL[..., :8], exam_id=IDS), UnreadableFile, r"shape \(2, 4096, 8\)"),
        (layout(tracings=SIGNAL[0], exam_id=IDS), UnreadableFile, r"shape \(4096, 12\)"),
        (layout(tracings=SIGNAL, exam_id=np.arange(3)), UnreadableFile, r"`exam_id` has shape \(3,\)"),
        (layout(tracings=SIGNAL, exam_id=17), UnreadableFile, "single value"),
        (layout(tracings=SIGNAL.astype("i2"), exam_id=IDS), UnreadableFile, "type <i2; expected float"),
        (layout(tracings=SIGNAL.astype("S1"), exam_id=IDS), UnreadableFile, "expected float"),
        (layout(tracings=SIGNAL, exam_id=IDS.astype("f8")), UnreadableFile, "type <f8; expected whole"),
        (layout(tracings=SIGNAL, exam_id=["17", "0"]), UnreadableFile, "expected whole"),
        (layout(**{"tracings/x": SIGNAL, "exam_id": IDS}), UnreadableFile, "no data set"),
        (layout(tracings=SIGNAL, exam_id=IDS)[:200], UnreadableFile, "broken|cannot be read"),
        (layout(tracings=SIGNAL, exam_id=IDS)[:300_000], UnreadableFile, "broken, it is probably truncated"),
        (b"\x89HDF\r\n\x1a\n", UnreadableFile, "broken"),
    ],
)
def test_other_layouts_and_broken_files(tmp_path, content, error, message):
    path = tmp_path / "part.hdf5"
    path.write_bytes(content)
    with pytest.raises(error, match=message) as raised:
        read(f"{path}#17")
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


def test_nothing_outside_the_file_is_read(part, tmp_path):
    raw = tmp_path / "raw.bin"
    raw.write_bytes(np.ones((2, 4096, 12), "f4").tobytes())
    source = h5py.VirtualSource(part, "tracings", shape=(4, 4096, 12))
    virtual = h5py.VirtualLayout(shape=(4, 4096, 12), dtype="f4")
    virtual[:] = source
    forms = {
        "external": lambda file: file.__setitem__("tracings", h5py.ExternalLink(str(part), "tracings")),
        "soft": lambda file: file.__setitem__("tracings", h5py.SoftLink("/exam_id")),
        "stored": lambda file: file.create_dataset(
            "tracings", (2, 4096, 12), "f4", external=[(str(raw), 0, h5py.h5f.UNLIMITED)]
        ),
        "virtual": lambda file: file.create_virtual_dataset("tracings", virtual),
    }
    for name, add_tracings in forms.items():
        path = tmp_path / f"{name}.hdf5"
        with h5py.File(path, "w") as file:
            add_tracings(file)
            file["exam_id"] = np.array([17, 0])
        with pytest.raises(UnreadableFile, match="link to elsewhere|lie in other files"):
            read(f"{path}#17")


def test_declared_sizes_take_no_memory(tmp_path):
    huge, wide, unnamed = tmp_path / "huge.hdf5", tmp_path / "wide.hdf5", tmp_path / "unnamed.hdf5"
    with h5py.File(unnamed, "w") as file:
        file.create_dataset("tracings", (2**40, 4096, 12), "f4", chunks=(1, 4096, 12), compression="gzip")
    for path, chunks in ((huge, (1, 4096, 12)), (wide, (10_000, 4096, 12))):
        with h5py.File(path, "w") as file:
            rows = 2**40 if path == huge else 10_000
            file.create_dataset("tracings", (rows, 4096, 12), "f4", chunks=chunks, compression="gzip")
            file.create_dataset("exam_id", (rows,), "i8", chunks=(1000,))
            file["exam_id"][0] = 17
    tracemalloc.start()
    try:
        for path in (huge, unnamed):
            with pytest.raises(UnreadableFile, match="claims 1099511627776 recordings"):
                read(f"{path}#17")
        with pytest.raises(UnreadableFile, match=r"chunks of shape \(10000, 4096, 12\), 1875 MiB.*h5repack"):
            read(f"{wide}#17")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (zlib.compress(bytes(300 * 2**20), 9), "larger than its values"),  # 300 KiB for a chunk of 196 KiB
        (zlib.compress(bytes(50 * 2**20), 9), "196609 bytes, not 196608"),
        (zlib.compress(bytes(1000)), "1000 bytes, not 196608"),
        (b"no zlib stream", "compressed chunk .* is damaged"),
    ],
)
def test_a_chunk_is_never_inflated_beyond_its_shape(tmp_path, chunk, message):
    path = tmp_path / "part.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", (2, 4096, 12), "f4", chunks=(1, 4096, 12), compression="gzip")
        file["tracings"].id.write_direct_chunk((0, 0, 0), chunk)
        file["exam_id"] = np.array([17, 0])
    with pytest.raises(UnreadableFile, match=message):
        read(f"{path}#17")


def test_chunks_stored_past_their_filters_are_read(tmp_path):
    path, signal = tmp_path / "part.hdf5", tracings()[:1]
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", signal.shape, "f4", chunks=signal.shape, compression="gzip", shuffle=True)
        file["tracings"].id.write_direct_chunk((0, 0, 0), signal.tobytes(), filter_mask=0b11)
        file["exam_id"] = np.array([17])
    np.testing.assert_array_equal(read(f"{path}#17").samples, strip_zeros(signal[0]).T)


def test_other_filters_are_named(tmp_path):
    path = write_part(tmp_path / "part", chunks=(1, 4096, 12), compression="lzf")
    with pytest.raises(UnreadableFile, match="HDF5 filter 32000; expected gzip or none; rewrite.*h5repack"):
        read(f"{path}#17")


def test_the_chunks_h5py_chooses_for_a_part_of_code15_are_read():
    chosen = h5py._hl.filters.guess_chunk((20_001, 4096, 12), None, 8)
    spans = [-(-length // step) * step for length, step in zip((1, 4096, 12), chosen, strict=True)]
    assert np.prod(spans) * 8 <= hdf5_rows.MAX_ROW_CHUNKS_BYTES


def test_memory_does_not_grow_with_the_number_of_recordings(tmp_path):
    path = tmp_path / "part.hdf5"
    rows = 400  # 79 MB
    with h5py.File(path, "w") as file:
        file["tracings"] = np.ones((rows, 4096, 12), "f4")
        file["exam_id"] = np.arange(1, rows + 1)
    program = """
import resource, sys
from twelvelead.formats.hdf5 import ExamFile
with ExamFile(sys.argv[1]) as exams:
    members = exams.members().tolist()
    exams.read(members[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for exam_id in members:
        exams.read(exam_id)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown_kib = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(grown_kib) < 20_000


@settings(max_examples=60, deadline=None)
@given(
    storage=st.sampled_from(sorted(STORAGE)),
    flips=st.lists(st.tuples(st.integers(4096, 10**9), st.integers(0, 255)), max_size=5),
    kept=st.floats(0, 2),
)
def test_damaged_values_and_cut_files_only_raise_signal_errors(tmp_path_factory, storage, flips, kept):
    # Only past the first 4 kB: the HDF5 library itself parses what stands there.
    path = write_part(tmp_path_factory.getbasetemp() / "damaged.hdf5", **STORAGE[storage])
    damaged = bytearray(path.read_bytes())
    for where, value in flips:
        damaged[4096 + where % (len(damaged) - 4096)] = value
    path.write_bytes(bytes(damaged[: int(kept * len(damaged))] if kept < 1 else damaged))
    outcome = outcome_of(f"{path}#17")
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
    else:
        assert outcome.samples.shape[0] == 12
    path.unlink()
