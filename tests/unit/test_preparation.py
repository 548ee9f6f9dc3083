"""Which recordings take part in what, and tensors that do not depend on what else is in a shard."""

import numpy as np
import pytest
import wfdb

from twelvelead.ecg import LEADS
from twelvelead.errors import CalibrationError
from twelvelead.preparation import (
    DeepecgSettings,
    calibration_of_spectra,
    clean_records,
    frozen_calibration,
    prepare_records,
    spectrum_of_records,
)
from twelvelead.recipes import ecgfm
from twelvelead.records import write_records
from twelvelead.shards import ecg_hash
from twelvelead.tensors import prepared_rows, read_statuses

PHYSICAL = DeepecgSettings("physical", "physical", "decimate")
DEEPECG = DeepecgSettings("raw", "batch", "decimate")


@pytest.fixture
def shard(tmp_path):
    """Writes arrays (name -> (12, n) mV) as one shard of records, in the order of their hashes."""

    def write(arrays, name="s"):
        files = []
        for ecg_id, array in sorted(arrays.items(), key=lambda item: ecg_hash(item[0])):
            np.save(tmp_path / f"{ecg_id}.npy", array)
            files.append((ecg_id, str(tmp_path / f"{ecg_id}.npy")))
        write_records(files, tmp_path / f"{name}.parquet", 1.0)
        return str(tmp_path / f"{name}.parquet")

    return write


def noise(seed, n=5000, size=1.0):
    return (np.random.default_rng(seed).normal(size=(12, n)) * size).astype(np.float32)


def calibrate(tmp_path, records, settings):
    spectra = []
    for position, path in enumerate(records):
        spectra.append(str(tmp_path / f"{position}.npz"))
        spectrum_of_records(path, spectra[-1], settings)
    return calibration_of_spectra(spectra, settings)


def test_a_recording_in_wrong_units_does_not_drown_the_others(shard, tmp_path):
    good = {f"e{i}": noise(i) for i in range(5)}
    alone = calibrate(tmp_path, [shard(good)], PHYSICAL)
    with_counts = calibrate(tmp_path, [shard(good | {"counts": noise(9, size=300)})], PHYSICAL)
    assert with_counts == alone
    assert alone.n == 5


def test_flat_recordings_count_only_where_deepecg_is_reproduced(shard, tmp_path):
    arrays = {"a": noise(1), "b": noise(2), "flat": np.zeros((12, 5000), np.float32)}
    records = shard(arrays)
    assert calibrate(tmp_path, [records], PHYSICAL).n == 2
    calibration = calibrate(tmp_path, [records], DEEPECG)
    assert calibration.n == 3
    n = clean_records(records, str(tmp_path / "t.npy"), str(tmp_path / "t.tsv"), calibration, DEEPECG)
    assert n == 3
    rows = [row.ecg_id for row in read_statuses(tmp_path / "t.tsv")]
    assert (np.load(tmp_path / "t.npy")[rows.index("flat")] == 0).all()


def test_the_cut_into_shards_changes_no_bit_of_the_calibration(shard, tmp_path):
    arrays = {f"e{i}": noise(i) for i in range(12)}
    whole = calibrate(tmp_path, [shard(arrays)], PHYSICAL)
    halves = [{e: a for e, a in arrays.items() if (ecg_hash(e) >> 63) == bit} for bit in (0, 1)]
    assert all(halves)
    assert calibrate(tmp_path, [shard(halves[0], "0"), shard(halves[1], "1")], PHYSICAL) == whole
    in_order = sorted(arrays, key=ecg_hash)
    singles = [shard({ecg_id: arrays[ecg_id]}, f"one_{ecg_id}") for ecg_id in in_order]
    assert calibrate(tmp_path, singles, PHYSICAL) == whole


def test_a_recipe_says_what_became_of_every_file(shard, tmp_path):
    records = shard({"good": noise(0), "short": noise(1, n=2000), "nan": noise(2) * np.nan})
    tensor, statuses = str(tmp_path / "t.npy"), str(tmp_path / "t.tsv")
    assert prepare_records(records, tensor, statuses, "openecg") == 1
    assert np.load(tensor).shape == (1, 4, 5000)
    found = {row.ecg_id: row for row in read_statuses(statuses)}
    assert {ecg_id: row.status for ecg_id, row in found.items()} == {
        "good": "ok",
        "short": "too_short",
        "nan": "not_finite",
    }
    assert "2000 samples" in found["short"].message


def test_a_recipe_of_windows_keeps_them_together_in_order(shard, tmp_path):
    arrays = {"long": noise(0, n=26_400), "ten": noise(1), "six": noise(2, n=3100), "short": noise(3, n=2000)}
    records = shard(arrays | {"nan": noise(4) * np.nan, "flat": np.zeros((12, 5000), np.float32)})
    tensor, statuses = str(tmp_path / "t.npy"), str(tmp_path / "t.tsv")
    # An array without a sampling rate counts as 10 s long, whatever its number of samples.
    assert prepare_records(records, tensor, statuses, "ecgfm") == 6
    found = {row.ecg_id: row for row in read_statuses(statuses)}
    assert {ecg_id: (row.status, row.rows) for ecg_id, row in found.items()} == {
        "long": ("ok", 2),
        "ten": ("ok", 2),
        "six": ("ok", 2),
        "short": ("too_short", 0),
        "nan": ("not_finite", 0),
        "flat": ("flat", 0),
    }
    rows = list(prepared_rows(statuses))
    in_order = [ecg_id for ecg_id in sorted(arrays, key=ecg_hash) if ecg_id != "short"]
    assert rows == [(ecg_id, window) for ecg_id in in_order for window in (0, 1)]
    expected = np.concatenate([ecgfm.prepare(arrays[ecg_id], None) for ecg_id in in_order])
    assert np.load(tensor).tobytes() == expected.tobytes()


def test_windows_are_counted_by_recording(tmp_path):
    """WFDB files say their sampling rate, so that a longer recording has more windows."""
    durations_s = {"a": 5, "b": 4, "c": 12, "d": 31, "e": 400}
    files = []
    for seed, (ecg_id, seconds) in enumerate(durations_s.items()):
        wfdb.wrsamp(
            ecg_id,
            fs=100,
            units=["mV"] * 12,
            sig_name=list(LEADS),
            p_signal=noise(seed, n=100 * seconds).T.astype(np.float64),
            fmt=["16"] * 12,
            write_dir=str(tmp_path),
        )
        files.append((ecg_id, str(tmp_path / f"{ecg_id}.hea")))
    write_records(files, tmp_path / "r.parquet", 1.0)
    tensor, statuses = str(tmp_path / "t.npy"), str(tmp_path / "t.tsv")
    assert prepare_records(str(tmp_path / "r.parquet"), tensor, statuses, "ecgfm") == 89
    assert {row.ecg_id: row.rows for row in read_statuses(statuses)} == {"a": 1, "b": 0, "c": 2, "d": 6, "e": 80}
    assert np.load(tensor, mmap_mode="r").shape == (89, *ecgfm.SHAPE)
    assert [window for _, window in prepared_rows(statuses)] == [0, 0, 1, *range(6), *range(80)]


def test_nothing_usable_is_a_calibration_that_changes_nothing_and_cannot_be_frozen(shard, tmp_path):
    records = shard({"nan": noise(2) * np.nan})
    calibration = calibrate(tmp_path, [records], PHYSICAL)
    assert (calibration.n, calibration.factor, calibration.regions) == (0, 1.0, ())
    assert clean_records(records, str(tmp_path / "t.npy"), str(tmp_path / "t.tsv"), calibration, PHYSICAL) == 0
    calibration.to_json(tmp_path / "c.json")
    with pytest.raises(CalibrationError, match="made of no recording"):
        frozen_calibration(str(tmp_path / "c.json"), PHYSICAL)
