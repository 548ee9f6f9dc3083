"""Records: what a bad file becomes, and that a recording survives the disk."""

import base64
import os

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from twelvelead import records
from twelvelead.ecg import LEADS, Recording, missing_leads, twelve_leads
from twelvelead.errors import LeadMissing
from twelvelead.quality import signal_status
from twelvelead.records import ROWS_PER_GROUP, decode, find_records, read_columns, read_records, write_records


def recording(samples, leads=LEADS, **more):
    samples = np.asarray(samples)
    default = {
        "format": "npy",
        "gain_mv": np.ones(len(leads)),
        "sampling_rate_hz": 500.0,
        "units": "assumed mV",
    }
    return Recording(leads=tuple(leads), samples=samples, **(default | more))


def noise(n=5000, dtype=np.float32):
    return (np.random.default_rng(0).normal(size=(12, n)) * 100).astype(dtype)


class TestTwelveLeads:
    def test_limb_leads_are_derived_by_einthoven_and_goldberger(self):
        eight = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
        stored = noise(dtype=np.int16)[:8]
        signal = twelve_leads(recording(stored, eight, gain_mv=np.full(8, 0.00488)))
        lead = dict(zip(LEADS, signal, strict=True))
        np.testing.assert_allclose(lead["III"], lead["II"] - lead["I"], atol=1e-6)
        np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-5)
        np.testing.assert_allclose(lead["V6"], stored[7] * 0.00488, rtol=1e-6)

    def test_leads_that_are_there_are_not_derived_and_may_come_in_any_order(self):
        stored = noise()
        order = np.random.default_rng(1).permutation(12)
        shuffled = recording(stored[order], [LEADS[i] for i in order])
        np.testing.assert_array_equal(twelve_leads(shuffled), stored)

    def test_raw_units_leave_gain_and_offset_out(self):
        stored = noise(dtype=np.int16)
        one = recording(stored, gain_mv=np.full(12, 0.005), offset_mv=np.full(12, 1.0))
        np.testing.assert_array_equal(twelve_leads(one, "raw"), stored)
        np.testing.assert_allclose(twelve_leads(one), stored * 0.005 + 1, rtol=1e-5)

    def test_a_lead_that_cannot_be_derived_is_named(self):
        assert missing_leads(("II", "V1", "V2", "V3", "V4", "V5", "V6")) == ["I", "III", "aVR", "aVL", "aVF"]
        keep = [i for i in range(12) if LEADS[i] != "V3"]
        without_v3 = recording(noise()[keep], [LEADS[i] for i in keep])
        with pytest.raises(LeadMissing, match="no lead V3 among"):
            twelve_leads(without_v3)


class TestQuality:
    def test_a_good_recording_is_ok_without_a_word(self):
        assert signal_status(recording(noise() / 100)) == ("ok", "")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite_names_the_lead(self, value):
        samples = noise()
        samples[9, 4000] = value
        assert signal_status(recording(samples)) == ("not_finite", "lead V4 holds NaN or infinite samples")

    def test_flat_only_where_every_lead_is_constant(self):
        samples = np.zeros((12, 5000), dtype=np.int16)
        assert signal_status(recording(samples))[0] == "flat"
        samples[3, 17] = 1
        assert signal_status(recording(samples))[0] == "ok"

    def test_counts_taken_for_mv_are_doubted(self):
        status, message = signal_status(recording(noise()))
        assert status == "ok"
        assert "array_unit_mv" in message

    def test_values_that_no_converter_counts_are_damage(self):
        samples = noise()
        samples[2, 3] = 1e20
        assert signal_status(recording(samples)) == (
            "unreadable",
            "sample values reach 1e+20, no ECG's do; the file is damaged",
        )

    @pytest.mark.parametrize("rate_hz", [0.0, -500.0, np.nan, np.inf])
    def test_a_rate_that_is_none(self, rate_hz):
        assert signal_status(recording(noise(), sampling_rate_hz=rate_hz))[0] == "unreadable"


def test_a_shard_survives_the_disk_bad_files_included(tmp_path):
    good = noise(3000, np.float32)
    np.save(tmp_path / "good.npy", good)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY rubbish")
    (tmp_path / "DOE_JOHN.txt").write_text("DOE JOHN")
    nan = good.copy()
    nan[0, 0] = np.nan
    np.save(tmp_path / "nan.npy", nan)
    names = ["good.npy", "bad.npy", "DOE_JOHN.txt", "nan.npy", "gone.npy"]
    files = [(name.split(".")[0], str(tmp_path / name)) for name in names]
    counts = write_records(files, tmp_path / "r.parquet", array_unit_mv=0.005)
    assert counts == {"ok": 1, "unreadable": 1, "unsupported": 1, "not_finite": 1, "missing": 1}
    rows = list(read_records(tmp_path / "r.parquet"))
    assert [row.ecg_id for row in rows] == [ecg_id for ecg_id, _ in files]
    assert rows[0].recording.sampling_rate_hz is None
    np.testing.assert_array_equal(rows[0].recording.samples, good)
    np.testing.assert_allclose(rows[0].recording.gain_mv, 0.005)
    assert [row.recording is None for row in rows] == [False, True, True, False, True]  # the NaN can be looked at
    assert all("JOHN" not in row.message for row in rows)


def test_flags_of_signal_quality_survive_the_disk_and_exclude_when_asked(tmp_path):
    random = np.random.default_rng(0)
    good = random.normal(scale=0.05, size=(5000, 12)).cumsum(axis=0).astype(np.float32) % 1.5
    dead = good.copy()
    dead[:, LEADS.index("V3")] = 0
    np.save(tmp_path / "dead.npy", dead)
    np.save(tmp_path / "flat.npy", np.zeros((5000, 12), dtype=np.float32))
    files = [(name, str(tmp_path / f"{name}.npy")) for name in ("dead", "flat")]
    write_records(files, tmp_path / "r.parquet", 1.0)
    as_found, flat = read_records(tmp_path / "r.parquet")
    assert as_found.status == "ok"
    assert "flat_lead V3" in as_found.quality
    assert flat.quality == ()  # it is not used anyway
    left_out, flat = read_records(tmp_path / "r.parquet", ["flat_lead"])
    assert (left_out.status, flat.status) == ("poor_quality", "flat")
    assert left_out.message == "left out by preprocessing.quality_excludes: flat_lead V3"
    np.testing.assert_array_equal(left_out.recording.samples, dead.T)  # it can be looked at
    others = [record.status for record in read_records(tmp_path / "r.parquet", ["saturation_of_nothing"])]
    assert others == ["ok", "flat"]


def test_row_groups_do_not_show(tmp_path):
    np.save(tmp_path / "a.npy", noise(2500))
    files = [(f"e{i}", str(tmp_path / "a.npy")) for i in range(ROWS_PER_GROUP + 3)]
    write_records(files, tmp_path / "r.parquet", 1.0)
    assert [row.ecg_id for row in read_records(tmp_path / "r.parquet")] == [ecg_id for ecg_id, _ in files]
    found = find_records([tmp_path / "r.parquet"], {"e1", f"e{ROWS_PER_GROUP + 1}", "nobody"})
    assert found.keys() == {"e1", f"e{ROWS_PER_GROUP + 1}"}
    assert read_columns([tmp_path / "r.parquet"], ["ecg_id"]).num_rows == len(files)


def test_no_minima_and_maxima_are_written(tmp_path):
    """Of the samples of a 64 MB recording they would take 380 MB."""
    np.save(tmp_path / "a.npy", np.eye(12, 40, dtype=np.float32))
    write_records([("a", str(tmp_path / "a.npy"))], tmp_path / "a.parquet", 1.0)
    columns = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    assert columns.num_columns > 10
    assert [columns.column(at).statistics for at in range(columns.num_columns)] == [None] * columns.num_columns


def test_long_recordings_are_not_held_in_memory_together(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BYTES_PER_GROUP", 3 * noise(2500).nbytes)
    np.save(tmp_path / "a.npy", noise(2500))
    files = [(f"e{i}", str(tmp_path / "a.npy")) for i in range(8)]
    write_records(files, tmp_path / "r.parquet", 1.0)
    metadata = pq.read_metadata(tmp_path / "r.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [3, 3, 2]
    assert [row.ecg_id for row in read_records(tmp_path / "r.parquet")] == [ecg_id for ecg_id, _ in files]
    assert find_records([tmp_path / "r.parquet"], {"e4", "e7"}).keys() == {"e4", "e7"}


def test_writing_twice_gives_the_same_bytes(tmp_path):
    np.save(tmp_path / "a.npy", noise(2500))
    for name in ("1.parquet", "2.parquet"):
        write_records([("a", str(tmp_path / "a.npy"))], tmp_path / name, 1.0)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_deepecgs_own_output_is_readable(tmp_path):
    signal = np.ascontiguousarray(noise(2500).T / 100)
    (tmp_path / "x.base64").write_text(base64.b64encode(signal.tobytes()).decode())
    record = decode("x", str(tmp_path / "x.base64"))
    assert record.status == "ok"
    np.testing.assert_array_equal(record.recording.samples, signal.T)


def write_part(path, exam_ids):
    """An HDF5 file as CODE-15 has them: noise of 2934 samples between zeros, a padding row at the end."""
    tracings = np.zeros((len(exam_ids) + 1, 4096, 12), "f4")
    tracings[:-1, 581:3515] = np.random.default_rng(0).normal(size=(len(exam_ids), 2934, 12))
    with h5py.File(path, "w") as file:
        file["tracings"] = tracings
        file["exam_id"] = np.append(exam_ids, 0)
    return tracings


def test_members_of_hdf5_files_are_decoded_and_each_file_is_opened_once(tmp_path, monkeypatch):
    written = {name: write_part(tmp_path / name, [3, 5, 8]) for name in ("p0.hdf5", "p1.hdf5")}
    files = [(f"{name[:2]}__{exam}", f"{tmp_path / name}#{exam}") for exam in (5, 3, 8) for name in written]
    opened = []
    real_file = h5py.File
    monkeypatch.setattr(
        h5py, "File", lambda path, *more, **named: opened.append(path) or real_file(path, *more, **named)
    )
    assert write_records(files, tmp_path / "r.parquet", 1.0) == {"ok": 6}
    assert sorted(opened) == [tmp_path / "p0.hdf5", tmp_path / "p1.hdf5"]
    found = find_records([tmp_path / "r.parquet"], {"p1__5"})["p1__5"].recording
    assert (found.format, found.sampling_rate_hz) == ("code15_hdf5", 400.0)
    np.testing.assert_array_equal(found.samples, written["p1.hdf5"][1, 581:3515].T)


def test_a_member_that_cannot_be_read_is_missing_only_where_its_file_is(tmp_path):
    write_part(tmp_path / "p0.hdf5", [3])
    (tmp_path / "p1.hdf5").write_bytes((tmp_path / "p0.hdf5").read_bytes()[:3000])
    names = ["p0.hdf5#3", "p0.hdf5#4", "p0.hdf5#0", "p0.hdf5#x", "p1.hdf5#3", "p2.hdf5#3"]
    counts = write_records([(name, str(tmp_path / name)) for name in names], tmp_path / "r.parquet", 1.0)
    assert counts == {"ok": 1, "unreadable": 4, "missing": 1}
    records = {record.ecg_id: record for record in read_records(tmp_path / "r.parquet")}
    assert "no exam_id 4 among the 1 of this file" in records["p0.hdf5#4"].message
    assert records["p2.hdf5#3"].message == "the file vanished after the run was planned"
    os.remove(tmp_path / "p0.hdf5")
    assert decode("x", str(tmp_path / "p0.hdf5#3")).status == "missing"
