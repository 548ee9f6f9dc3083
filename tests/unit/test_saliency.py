"""Saliency of windows: a table that comes back as it went in, read where it is wanted, at the time it belongs to."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead import saliency
from twelvelead.errors import ModelError, TooShort
from twelvelead.recipes import ecgfm
from twelvelead.saliency import FRAMES, along_time, find_saliency, write_saliency


def write_chunk(path, windows: list[tuple[str, int]], values: np.ndarray):
    """A chunk as the network's jobs leave it."""
    ids, numbers = zip(*windows, strict=True) if windows else ((), ())
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).ravel()), values.shape[1])
    columns = {"ecg_id": pa.array(ids, pa.string()), "window": pa.array(numbers, pa.int32()), "saliency": lists}
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def chunks(tmp_path):
    """(paths of three chunks, the second empty; ecg_id -> (windows, 156) that they hold)."""
    random = np.random.default_rng(3)
    windows = {f"ward__{number}": 1 + number % 3 for number in range(9)}
    expected = {ecg_id: random.random((count, FRAMES), dtype=np.float32) for ecg_id, count in windows.items()}
    paths = []
    for index, ids in enumerate((list(windows)[:5], [], list(windows)[5:])):
        rows = [(ecg_id, window) for ecg_id in ids for window in range(windows[ecg_id])]
        values = np.concatenate([expected[ecg_id] for ecg_id in ids]) if ids else np.empty((0, FRAMES))
        paths.append(write_chunk(tmp_path / f"{index}.parquet", rows, values))
    return paths, expected


def test_the_table_has_every_window_of_the_chunks_in_order_and_when_it_begins(chunks, tmp_path, monkeypatch):
    monkeypatch.setattr(saliency, "ROWS_PER_GROUP", 4)
    paths, expected = chunks
    n = write_saliency(paths, tmp_path / "model.parquet")
    table = pq.read_table(tmp_path / "model.parquet")
    assert table.column_names == ["ecg_id", "window", "start_s", "saliency"]
    assert n == table.num_rows == sum(len(values) for values in expected.values())
    wanted = [(ecg_id, window) for ecg_id, values in expected.items() for window in range(len(values))]
    assert list(zip(*(table.column(name).to_pylist() for name in ("ecg_id", "window")), strict=True)) == wanted
    assert table.column("start_s").to_pylist() == [5.0 * window for _, window in wanted]
    assert table.schema.field("saliency").type == pa.list_(pa.float32(), FRAMES)
    found = table.column("saliency").combine_chunks().flatten().to_numpy().reshape(-1, FRAMES)
    np.testing.assert_array_equal(found, np.concatenate(list(expected.values())))
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_recordings_come_back_whole_although_row_groups_cut_them(chunks, tmp_path, monkeypatch):
    monkeypatch.setattr(saliency, "ROWS_PER_GROUP", 2)
    paths, expected = chunks
    write_saliency(paths, tmp_path / "model.parquet")
    found = find_saliency(tmp_path / "model.parquet", [*expected, "of another batch"])
    assert found.keys() == expected.keys()
    for ecg_id, values in expected.items():
        assert found[ecg_id].dtype == np.float32
        np.testing.assert_array_equal(found[ecg_id], values)


def test_only_row_groups_with_a_wanted_recording_are_read(chunks, tmp_path, monkeypatch):
    monkeypatch.setattr(saliency, "ROWS_PER_GROUP", 2)
    write_saliency(chunks[0], tmp_path / "model.parquet")
    read = []

    class Watched(pq.ParquetFile):
        def read_row_group(self, group, columns):
            if "saliency" in columns:
                read.append(group)
            return super().read_row_group(group, columns=columns)

    monkeypatch.setattr(saliency.pq, "ParquetFile", Watched)
    assert list(find_saliency(tmp_path / "model.parquet", {"ward__4"})) == ["ward__4"]
    assert read == [3, 4]  # its two windows are rows 7 and 8
    assert find_saliency(tmp_path / "model.parquet", []) == {}
    assert read == [3, 4]


def test_a_window_that_is_not_in_the_table_is_nan(tmp_path):
    values = np.ones((2, FRAMES))
    chunk = write_chunk(tmp_path / "chunk.parquet", [("a", 2), ("a", 0)], values * [[2], [1]])
    write_saliency([chunk], tmp_path / "model.parquet")
    found = find_saliency(tmp_path / "model.parquet", ["a"])["a"]
    np.testing.assert_array_equal(found[:, 0], np.float32([1, np.nan, 2]))


def test_no_chunks_make_a_table_of_no_rows(tmp_path):
    assert write_saliency([], tmp_path / "model.parquet") == 0
    assert find_saliency(tmp_path / "model.parquet", ["a"]) == {}


def test_another_number_of_frames_is_refused_and_leaves_no_table(tmp_path):
    chunk = write_chunk(tmp_path / "chunk.parquet", [("a", 0)], np.ones((1, 78)))
    with pytest.raises(ModelError, match=r"chunk.parquet: saliency is .*\[78\].*, expected 156 float32 a window"):
        write_saliency([chunk], tmp_path / "model.parquet")
    assert not (tmp_path / "model.parquet").exists()


@given(st.sampled_from([None, 100.0, 257.0, 360.0, 400.0, 500.0, 977.0, 1000.0]), st.floats(10.02, 23))
@settings(max_examples=40, deadline=None)
def test_a_frame_begins_when_the_recipe_says_it_does(rate_hz, seconds):
    n = round(seconds * (rate_hz or 400))
    last_s = (n - 1) / (rate_hz or n / 10)
    time_s = np.tile(np.linspace(0, last_s, n), (12, 1))
    windows = ecgfm.prepare(time_s, rate_hz)[:, 0].astype(np.float64)
    # Standardised, a time is a (t - last_s / 2), and the first sample is at 0: so the samples tell their times.
    seen_s = (1 - windows / windows[0, 0]) * last_s / 2
    value_s, values = along_time(seen_s[:, : 16 * FRAMES : 16].astype(np.float32), n, rate_hz)
    begins = np.arange(len(windows))[:, None] * 625 + np.arange(FRAMES) * 4
    np.testing.assert_allclose(value_s * begins.ravel(), values[begins.ravel()], atol=1e-5)


def test_values_of_a_window_are_its_frames_and_a_gap_of_four_samples():
    found = np.arange(2 * FRAMES, dtype=np.float32).reshape(2, FRAMES)
    value_s, values = along_time(found, 5000, 500.0)
    assert value_s == pytest.approx(0.008)
    by_window = values.reshape(2, 625)
    assert np.isnan(by_window[:, 624]).all()
    np.testing.assert_array_equal(by_window[:, :624].reshape(2, FRAMES, 4), np.repeat(found, 4).reshape(2, FRAMES, 4))


@pytest.mark.parametrize("shape", [(156,), (2, 78)])
def test_saliency_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"saliency of shape .*, expected \(windows, 156\)"):
        along_time(np.zeros(shape), 5000, 500.0)


def test_saliency_of_a_recording_without_a_window_is_refused():
    with pytest.raises(TooShort, match="2499 samples at 500 Hz"):
        along_time(np.zeros((1, FRAMES)), 2499, 500.0)
