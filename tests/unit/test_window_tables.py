"""Tables of windows: in the order of the user's table, joined by id, whatever the chunks and blocks."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from twelvelead.window_tables import outputs_table, write_window_tables

OUTPUTS = ["CRBBB|RBBB", "AF"]
WINDOWS_OF = {"a": 2, "b": 1, "c": 3, "other": 2}


def logit(ecg_id, window, output):
    return np.float32(ord(ecg_id[0]) - ord("b") + 0.1 * window - 0.3 * output)


def all_windows():
    rows = [
        {"ecg_id": ecg_id, "window": window, **{name: logit(ecg_id, window, at) for at, name in enumerate(OUTPUTS)}}
        for ecg_id, n in WINDOWS_OF.items()
        for window in range(n)
    ]
    return pd.DataFrame(rows).astype({"window": np.int32} | dict.fromkeys(OUTPUTS, np.float32))


def write_chunks(folder, windows, sizes):
    """Consecutive rows as files, as inference leaves them."""
    paths = []
    for start, end in zip(np.cumsum([0, *sizes])[:-1], np.cumsum(sizes), strict=True):
        paths.append(str(folder / f"{start}-{end}.parquet"))
        pq.write_table(pa.Table.from_pandas(windows.iloc[start:end], preserve_index=False), paths[-1])
    return paths


CELLS = pd.DataFrame({"file": ["b/1.mat", "c,2.mat", "a 3.mat"], "ecg_id": ["b", "c", "a"]})
EXPECTED = [("b/1.mat", "b", 0), *(("c,2.mat", "c", k) for k in range(3)), *(("a 3.mat", "a", k) for k in range(2))]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(8)), cut=st.integers(0, 8), at_once=st.integers(1, 9))
def test_windows_are_in_the_order_of_the_table_however_inference_left_them(tmp_path, order, cut, at_once):
    paths = write_chunks(tmp_path, all_windows().iloc[order], [cut, 8 - cut])
    assert write_window_tables(CELLS, paths, tmp_path / "w.csv", tmp_path / "l.parquet", at_once) == 6
    logits = pd.read_parquet(tmp_path / "l.parquet")
    assert list(logits.columns) == ["file_name", "ecg_id", "window", *OUTPUTS]
    assert list(logits[["file_name", "ecg_id", "window"]].itertuples(index=False, name=None)) == EXPECTED
    expected = np.array([[logit(ecg_id, window, at) for at in range(2)] for _, ecg_id, window in EXPECTED])
    np.testing.assert_array_equal(logits[OUTPUTS].to_numpy(), expected)
    assert logits.dtypes[["window", *OUTPUTS]].tolist() == [np.int32, np.float32, np.float32]
    shown = pd.read_csv(tmp_path / "w.csv", dtype=dict.fromkeys(OUTPUTS, np.float32))
    assert list(shown.columns) == ["file_name", "window", *OUTPUTS]
    pd.testing.assert_frame_equal(shown[["file_name", "window"]], logits[["file_name", "window"]], check_dtype=False)
    np.testing.assert_array_equal(shown[OUTPUTS].to_numpy(), expit(expected))


def test_bytes_do_not_depend_on_chunks_and_blocks(tmp_path):
    whole = write_chunks(tmp_path, all_windows(), [8])
    parts = write_chunks(tmp_path, all_windows().iloc[::-1], [3, 0, 5])
    write_window_tables(CELLS, whole, tmp_path / "1.csv", tmp_path / "1.parquet")
    write_window_tables(CELLS, parts, tmp_path / "2.csv", tmp_path / "2.parquet", 4)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix not in (".csv", ".parquet")) == []


def test_a_task_without_a_file_has_tables_with_a_header(tmp_path):
    paths = write_chunks(tmp_path, all_windows(), [8])
    assert write_window_tables(CELLS.head(0), paths, tmp_path / "w.csv", tmp_path / "l.parquet") == 0
    assert (tmp_path / "w.csv").read_text() == "file_name,window,CRBBB|RBBB,AF\n"
    assert pq.read_table(tmp_path / "l.parquet").num_rows == 0


def test_windows_that_are_not_numbered_from_0_on_are_refused(tmp_path):
    paths = write_chunks(tmp_path, all_windows().assign(window=np.int32(1)), [8])
    with pytest.raises(ValueError, match="numbered from 0"):
        write_window_tables(CELLS, paths, tmp_path / "w.csv", tmp_path / "l.parquet")


def test_outputs_keep_the_models_names():
    predictions = pd.DataFrame({"ecg_id": ["b", "c", "a"], "CRBBB|RBBB": np.float32([0.5, 0.25, 0.1])})
    assert outputs_table(CELLS, predictions).to_csv(index=False) == (
        'file_name,CRBBB|RBBB\nb/1.mat,0.5\n"c,2.mat",0.25\na 3.mat,0.1\n'
    )
