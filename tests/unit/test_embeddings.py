"""Embeddings in one file, their principal components against scikit-learn's, and the page with the map."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html
from sklearn.decomposition import PCA

from twelvelead import embeddings
from twelvelead.embeddings import MapSummary, collect_embeddings, principal_components, read_map, write_map
from twelvelead.report.embedding_map import (
    MOST_POINTS,
    UNKNOWN,
    WITH,
    WITHOUT,
    TaskTruth,
    drawn_sample,
    map_frame,
    read_task,
    render_map,
)

WIDTH = 12
SUMMARY = MapSummary(100, 0, 100, 0, WIDTH, (0.5, 0.25))


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
    page = render_map("cohort", "ECG-FM", points, summary, [], 8)
    assert f"not finite: {len(first) + 1} of {len(ids):,}" in page
    assert "no other window: 1 of 60" in page


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
def test_without_a_map_the_page_says_why(tmp_path, windows, reason):
    ids = [f"ecg{at}" for at in range(len(windows))]
    chunk = write_chunk(tmp_path / "chunk.parquet", ids, windows.astype(np.float32))
    _, points, summary, _ = mapped(tmp_path, [chunk])
    assert reason in summary.reason
    assert points["ecg_id"].tolist() == ids
    assert points[["pc1", "pc2"]].isna().all(axis=None)
    assert json.loads((tmp_path / "map.json").read_text())["explained_variance_ratio"] == []
    scored = pd.DataFrame({"ecg_id": ids, "truth/A": np.ones(len(ids))})
    page = render_map("cohort", "ECG-FM", points, summary, [TaskTruth("Task", "0 or 1", scored, ["A"])], 8)
    assert f"The map is not drawn: {summary.reason}." in html.fromstring(page).text_content()
    assert not html.fromstring(page).findall(".//svg")


def test_three_recordings_on_a_line_are_drawn(tmp_path):
    windows = np.outer([0.0, 1.0, 3.0], np.ones(4)).astype(np.float32)
    _, points, summary, _ = mapped(tmp_path, [write_chunk(tmp_path / "chunk.parquet", ["a", "b", "c"], windows)])
    np.testing.assert_allclose(points["pc1"], 2 * (np.array([0, 1, 3]) - 4 / 3), rtol=1e-6)
    np.testing.assert_allclose(points["pc2"], 0, atol=1e-9)
    assert summary.explained_variance_ratio[0] == pytest.approx(1)
    scored = pd.DataFrame({"ecg_id": ["c", "a"], "truth/A": [1.0, np.nan]})
    panel = panels(render_map("cohort", "ECG-FM", points, summary, [TaskTruth("T", "0 or 1", scored, ["A"])], 8))[0]
    assert [dots(panel, style) for style in ("with", "without", "unknown")] == [1, 0, 1]


def panels(page):
    return html.fromstring(page).xpath("//figure")


def dots(panel, style):
    """How many points of a class a panel has."""
    paths = panel.xpath(f".//svg[contains(@class, 'map')]//path[contains(concat(' ', @class, ' '), ' {style} ')]")
    return sum(path.get("d").count("h0") for path in paths)


def example(recordings=1000, labels=("RBBB", "AF"), seed=2):
    """(points, scored): places in a normal cloud; label i is there in a share of 0.4 / (i + 1), a tenth unknown."""
    random = np.random.default_rng(seed)
    ids = [f"secret-name-{at}" for at in range(recordings)]
    points = pd.DataFrame({"ecg_id": ids, "pc1": random.normal(size=recordings), "pc2": random.normal(size=recordings)})
    scored = pd.DataFrame({"ecg_id": ids})
    for at, label in enumerate(labels):
        truth = (random.random(recordings) < 0.4 / (at + 1)).astype(np.float32)
        scored[f"truth/{label}"] = np.where(random.random(recordings) < 0.1, np.nan, truth)
    return points, scored


def test_a_panel_shows_every_recording_of_its_task_by_its_truth():
    points, scored = example(600)
    scored = scored[::-1][:500]  # in the table's order, and not all recordings are of this task
    page = render_map("cohort", "ECG-FM", points, SUMMARY, [TaskTruth("Task", "0 or 1", scored, ["RBBB", "AF"])], 8)
    for panel, label in zip(panels(page), ("RBBB", "AF"), strict=True):
        truth = scored[f"truth/{label}"]
        counts = {"with": (truth == 1).sum(), "without": (truth == 0).sum(), "unknown": truth.isna().sum()}
        for style, count in counts.items():
            assert count * 0.97 <= dots(panel, style) <= count  # points on one place are one
        words = panel.find("figcaption").text_content()
        assert f"{label} (n = 500)" in words
        assert f"{counts['with']:,} with the label" in words
        assert "drawn" not in words
    assert "PC 1 (50.0 % of variance)" in page
    assert "PC 2 (25.0 % of variance)" in page
    assert "25.0 % of the variance lies in directions that it does not show" in " ".join(page.split())


def test_points_stand_where_the_axes_say():
    points, scored = example(50)
    page = render_map("cohort", "ECG-FM", points, SUMMARY, [TaskTruth("Task", "0 or 1", scored, ["RBBB"])], 8)
    frame = map_frame(points[["pc1", "pc2"]].to_numpy())
    path = (
        panels(page)[0]
        .xpath(".//svg[contains(@class, 'figure map')]/path[contains(@class, 'with colour')]")[0]
        .get("d")
    )
    drawn = np.array([[float(number) for number in one.split()] for one in re.findall(r"M([\d. ]+)h0", path)])
    x = frame.x_from + (drawn[:, 0] - frame.left) / frame.width * (frame.x_to - frame.x_from)
    y = frame.y_to - (drawn[:, 1] - frame.top) / frame.height * (frame.y_to - frame.y_from)
    expected = points.loc[(scored["truth/RBBB"] == 1).to_numpy(), ["pc1", "pc2"]].sort_values("pc1").to_numpy()
    order = np.argsort(x)
    np.testing.assert_allclose(np.stack([x[order], y[order]], axis=1), expected, atol=0.05)


@given(
    at=st.lists(st.tuples(*[st.floats(-1e6, 1e6).map(lambda value: round(value, 3))] * 2), min_size=2, unique=True),
)
@settings(max_examples=50, deadline=None)
def test_a_unit_is_as_long_on_both_axes(at):
    at = np.array(at)
    frame = map_frame(at)
    unit = frame.width / (frame.x_to - frame.x_from)
    assert unit == pytest.approx(frame.height / (frame.y_to - frame.y_from), rel=1e-6)
    assert 0.49 * frame.width <= frame.height <= 1.11 * frame.width
    assert (frame.x(at[:, 0]) >= frame.left).all()
    assert (frame.x(at[:, 0]) <= frame.left + frame.width).all()
    assert (frame.y(at[:, 1]) >= frame.top).all()
    assert (frame.y(at[:, 1]) <= frame.bottom).all()


@pytest.mark.parametrize(
    ("factor", "name"), [(1e-7, "in 10⁻⁹ ("), (1e-3, "in 10⁻³ ("), (1e4, "in 10³ ("), (1, "PC 1 (")]
)
def test_ticks_are_short_whatever_the_size_of_an_embedding(factor, name):
    points, scored = example(60)
    points[["pc1", "pc2"]] *= factor * 2 / points[["pc1", "pc2"]].abs().to_numpy().max()
    page = render_map("cohort", "ECG-FM", points, SUMMARY, [TaskTruth("Task", "0 or 1", scored, ["RBBB"])], 8)
    assert name in page
    texts = html.fromstring(page).xpath("//g[@class='ticks']/text/text()")
    assert len(texts) >= 4
    assert max(map(len, texts)) <= 4


SIZES = st.fixed_dictionaries({UNKNOWN: st.integers(0, 400), WITHOUT: st.integers(0, 400), WITH: st.integers(0, 400)})


@given(sizes=SIZES, limit=st.integers(1, 500))
@settings(max_examples=80, deadline=None)
def test_a_panel_draws_what_fits_and_rare_labels_first(sizes, limit):
    drawn = drawn_sample(sizes, limit)
    assert all(0 <= drawn[key] <= sizes[key] for key in sizes)
    assert sum(drawn.values()) <= limit
    if sum(sizes.values()) <= limit:
        assert drawn == sizes
    else:
        assert sum(drawn.values()) > limit - len(sizes)
        assert drawn[WITH] >= min(sizes[WITH], limit // 2)


def test_a_large_batch_is_thinned_and_says_so():
    points, scored = example(20_000, ("common", "none"))
    scored["truth/rare"] = (np.arange(20_000) % 400 == 0).astype(np.float32)
    scored["truth/none"] = 0.0
    tasks = [TaskTruth("Task", "0 or 1", scored, ["none", "rare", "common"])]
    page = render_map("cohort", "ECG-FM", points, SUMMARY, tasks, 8)
    common, rare = panels(page)
    assert dots(rare, "with") == 50
    assert 0.9 * MOST_POINTS < dots(rare, "with") + dots(rare, "without") <= MOST_POINTS
    words = " ".join(rare.find("figcaption").text_content().split())
    assert "rare (n = 20,000)" in words
    assert "50 with the label 19,950 without, 3,950 drawn" in words
    assert "A panel that does not draw every recording says how many of each class it draws" in page
    assert page == render_map("cohort", "ECG-FM", points, SUMMARY, tasks, 8)
    first = render_map("cohort", "ECG-FM", points, SUMMARY, tasks, 1)
    assert len(panels(first)) == 1
    assert "The 1 of 2 labels with the most positives." in first


def test_the_page_stays_small_with_as_many_labels_as_the_settings_allow():
    labels = [f"label {at}" for at in range(77)]
    points, scored = example(6000, labels)
    tasks = [TaskTruth(title, "0 or 1", scored, labels) for title in ("first", "second", "third")]
    page = render_map("cohort", "ECG-FM", points, SUMMARY, tasks, 77)
    assert len(panels(page)) == 231
    assert len(page.encode()) < 2_000_000


def test_a_task_without_truth_has_one_panel_without_colours():
    points, scored = example(100, ("results",))
    scored["truth/results"] = np.nan
    page = render_map(
        "cohort", "ECG-FM", points, SUMMARY, [TaskTruth("AF in 5 years", "0 or 1", scored, ["results"])], 8
    )
    (panel,) = panels(page)
    assert (dots(panel, "with"), dots(panel, "without")) == (0, 100)
    assert "AF in 5 years (n = 100)" in panel.find("figcaption").text_content()
    assert "the points have no colours" in page


def test_the_page_holds_no_names_and_needs_no_network():
    points, scored = example(50)
    page = render_map("cohort", "ECG-FM", points, SUMMARY, [TaskTruth("Task", "0 or 1", scored, ["AF"])], 8)
    assert "secret-name" not in page
    assert "<script" not in page
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
    references = html.fromstring(page).xpath("//@src | //@href | //@action | //@data")
    assert [one for one in references if not one.startswith(("data:", "#"))] == []
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", ["AF <b>&| \"x\" 'y'", "</svg><script>alert(1)</script>", "CRBBB|RBBB & more"])
def test_names_are_escaped(name):
    points, scored = example(60, (name,))
    page = render_map(name, name, points, SUMMARY, [TaskTruth(name, "0 or 1", scored, [name])], 8)
    tree = html.fromstring(page)
    assert not tree.findall(".//script")
    assert not tree.findall(".//b")
    (panel,) = panels(page)
    assert panel.find("figcaption/strong").text == name
    assert panel.xpath(".//svg/title")[0].text == name
    assert tree.find(".//h2[@id='task-1']").text == name


def test_only_a_tasks_own_labels_are_read_as_such(tmp_path):
    _, scored = example(30, ("AF", "AF (as AF or flutter)"))
    path = tmp_path / "code15" / "model.parquet"
    path.parent.mkdir()
    scored.assign(row=1, file="x.hea", **{"probability/AF": 0.5}).to_parquet(path, index=False)
    task = read_task(path, {"kind": "multilabel", "title": "CODE-15", "labels": ["AF"]})
    assert (task.title, list(task.labels)) == ("CODE-15", ["AF"])
    assert task.scored.columns.tolist() == ["ecg_id", "truth/AF", "truth/AF (as AF or flutter)"]
    assert list(read_task(path, {"kind": "patterns"}).labels) == ["AF", "AF (as AF or flutter)"]
    assert read_task(path, {"kind": "patterns"}).title == "code15"
