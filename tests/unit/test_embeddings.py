"""Embeddings in one file, and their principal components against scikit-learn's."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from twelvelead import embeddings
from twelvelead.embeddings import collect_embeddings, principal_components, read_map, write_map

WIDTH = 12


def random_windows(recordings: int, width: int = WIDTH, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """ecg_id and embedding of each window, one to three a recording, spread unequally over the dimensions."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 4, recordings)
    spread = 10.0 ** np.linspace(1, -1, width)
    rotation = np.linalg.qr(random.normal(size=(width, width)))[0]
    of_recordings = (random.normal(size=(recordings, width)) * spread) @ rotation + random.normal(size=width) * 30
    windows = np.repeat(of_recordings, counts, axis=0) + random.normal(size=(counts.sum(), width)) * 0.1
    ids = np.repeat([f"ecg{at}" for at in range(recordings)], counts).tolist()
    return ids, windows.astype(np.float32)


def write_chunk(path, ids, windows, row_group_size=1000):
    width = windows.shape[1]
    schema = pa.schema([("ecg_id", pa.string()), ("window", pa.int32()), ("embedding", pa.list_(pa.float32(), width))])
    number = pd.Series(ids, dtype=str).groupby(ids, sort=False).cumcount().to_numpy(np.int32) if ids else []
    lists = pa.FixedSizeListArray.from_arrays(pa.array(windows.ravel(), pa.float32()), width)
    columns = [pa.array(ids, pa.string()), pa.array(number, pa.int32()), lists]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, row_group_size=row_group_size)
    return path


def mapped(folder, chunks, group=embeddings.WINDOWS_PER_GROUP):
    """(components, coordinates, summary, bytes of the three files) of chunks, with row groups of about `group`."""
    paths = [folder / name for name in ("all.parquet", "map.csv", "map.json")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "WINDOWS_PER_GROUP", group)
        collect_embeddings(chunks, paths[0])
    found = principal_components(paths[0])
    write_map(paths[0], found, *paths[1:])
    return found, *read_map(*paths[1:]), [path.read_bytes() for path in paths]


def means(ids, windows):
    """(recordings, width) float64 mean of the windows of each recording, in order, and the recordings."""
    table = pd.DataFrame(windows.astype(np.float64)).groupby(np.array(ids), sort=False).mean()
    return table.to_numpy(), table.index.tolist()


def test_components_and_coordinates_are_those_of_scikit_learn(tmp_path):
    ids, windows = random_windows(400)
    found, points, summary, _ = mapped(tmp_path, [write_chunk(tmp_path / "chunk.parquet", ids, windows)], group=64)
    assert pq.ParquetFile(tmp_path / "all.parquet").num_row_groups > 5
    mean, recordings = means(ids, windows)
    reference = PCA(2, svd_solver="full").fit(mean)
    np.testing.assert_allclose(found.mean, reference.mean_, atol=1e-9)
    np.testing.assert_allclose(found.components, reference.components_, atol=1e-6)
    np.testing.assert_allclose(summary.explained_variance_ratio, reference.explained_variance_ratio_, atol=1e-9)
    np.testing.assert_allclose(found.coordinates(mean), reference.transform(mean), atol=1e-6)
    assert points["ecg_id"].tolist() == recordings
    np.testing.assert_allclose(points[["pc1", "pc2"]], reference.transform(mean), rtol=1e-6, atol=1e-6)
    largest = np.abs(found.components).argmax(axis=1)
    assert (found.components[[0, 1], largest] > 0).all()


def test_all_windows_are_in_the_table_in_the_order_of_the_chunks(tmp_path):
    ids, windows = random_windows(50)
    half = ids.index("ecg25")
    chunks = [
        write_chunk(tmp_path / "b.parquet", ids[half:], windows[half:]),
        write_chunk(tmp_path / "a.parquet", ids[:half], windows[:half]),
    ]
    assert collect_embeddings(chunks, tmp_path / "all.parquet") == len(ids)
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), WIDTH)
    assert table.schema.field("window").type == pa.int32()
    assert table["ecg_id"].to_pylist() == ids[half:] + ids[:half]
    np.testing.assert_array_equal(
        np.stack(table["embedding"].to_numpy()), np.concatenate([windows[half:], windows[:half]])
    )
    assert (table.to_pandas().groupby("ecg_id")["window"].diff().dropna() == 1).all()


@given(
    recordings=st.integers(1, 40),
    row_group_size=st.integers(1, 30),
    cut=st.integers(0, 40),
    group=st.integers(1, 25),
)
@settings(max_examples=12, deadline=None)
def test_the_bytes_do_not_depend_on_row_groups_or_chunks(tmp_path_factory, recordings, row_group_size, cut, group):
    folder = tmp_path_factory.mktemp("bytes")
    ids, windows = random_windows(recordings, seed=recordings)
    whole = [write_chunk(folder / "whole.parquet", ids, windows)]
    at = next((place for place, ecg_id in enumerate(ids) if ecg_id == f"ecg{cut}"), len(ids))
    parts = [
        write_chunk(folder / "first.parquet", ids[:at], windows[:at], row_group_size),
        write_chunk(folder / "second.parquet", ids[at:], windows[at:], row_group_size),
    ]
    assert mapped(folder, whole, group)[-1] == mapped(folder, parts, group)[-1]
    with pq.ParquetFile(folder / "all.parquet") as file:
        groups = [set(file.read_row_group(at)["ecg_id"].to_pylist()) for at in range(file.num_row_groups)]
    assert sum(map(len, groups)) == recordings  # no recording is in two


def test_the_order_of_recordings_changes_nothing_but_rounding(tmp_path):
    ids, windows = random_windows(120)
    order = np.random.default_rng(1).permutation(120)
    place = [at for one in order for at in np.flatnonzero(np.array(ids) == f"ecg{one}")]
    straight = mapped(tmp_path, [write_chunk(tmp_path / "one.parquet", ids, windows)], group=32)[1]
    shuffled_ids = [ids[at] for at in place]
    shuffled = mapped(tmp_path, [write_chunk(tmp_path / "two.parquet", shuffled_ids, windows[place])], group=32)[1]
    assert straight["ecg_id"].tolist() != shuffled["ecg_id"].tolist()
    both = straight.merge(shuffled, on="ecg_id", validate="one_to_one")
    np.testing.assert_allclose(both[["pc1_x", "pc2_x"]], both[["pc1_y", "pc2_y"]], rtol=1e-5, atol=1e-5)


def test_windows_that_are_not_finite_are_left_out_and_counted(tmp_path):
    ids, windows = random_windows(60)
    of = {name: np.flatnonzero(np.array(ids) == name) for name in ids}
    first, second = of["ecg3"], next(places for name, places in of.items() if len(places) > 1 and name != "ecg3")
    windows[first] = np.nan
    windows[second[0], 2] = np.inf
    found, points, summary, _ = mapped(tmp_path, [write_chunk(tmp_path / "chunk.parquet", ids, windows)], group=16)
    assert (summary.recordings, summary.recordings_left_out) == (59, 1)
    assert (summary.windows, summary.windows_left_out) == (len(ids) - len(first) - 1, len(first) + 1)
    assert points.loc[points["pc1"].isna() & points["pc2"].isna(), "ecg_id"].tolist() == ["ecg3"]
    assert "\necg3,,\n" in (tmp_path / "map.csv").read_text()
    finite = np.isfinite(windows).all(axis=1)
    mean, recordings = means(np.array(ids)[finite].tolist(), windows[finite])
    np.testing.assert_allclose(found.components, PCA(2, svd_solver="full").fit(mean).components_, atol=1e-6)


@pytest.mark.parametrize(
    ("windows", "reason"),
    [
        (np.empty((0, 4)), "at least 3 recordings with a finite embedding, here are 0"),
        (np.arange(8).reshape(2, 4), "at least 3 recordings with a finite embedding, here are 2"),
        (np.full((5, 4), np.nan), "at least 3 recordings with a finite embedding, here are 0"),
        (np.full((1000, 4), 0.1), "all 1,000 recordings are the same"),
        (np.arange(9).reshape(9, 1), "one dimension"),
    ],
    ids=["none", "two", "not finite", "no variance", "one dimension"],
)
def test_without_a_map_the_summary_says_why(tmp_path, windows, reason):
    ids = [f"ecg{at}" for at in range(len(windows))]
    chunk = write_chunk(tmp_path / "chunk.parquet", ids, windows.astype(np.float32))
    _, points, summary, _ = mapped(tmp_path, [chunk])
    assert reason in summary.reason
    assert points["ecg_id"].tolist() == ids
    assert points[["pc1", "pc2"]].isna().all(axis=None)
    assert json.loads((tmp_path / "map.json").read_text())["explained_variance_ratio"] == []


def test_three_recordings_on_a_line_have_a_map(tmp_path):
    windows = np.outer([0.0, 1.0, 3.0], np.ones(4)).astype(np.float32)
    _, points, summary, _ = mapped(tmp_path, [write_chunk(tmp_path / "chunk.parquet", ["a", "b", "c"], windows)])
    np.testing.assert_allclose(points["pc1"], 2 * (np.array([0, 1, 3]) - 4 / 3), rtol=1e-6)
    np.testing.assert_allclose(points["pc2"], 0, atol=1e-9)
    assert summary.explained_variance_ratio[0] == pytest.approx(1)
