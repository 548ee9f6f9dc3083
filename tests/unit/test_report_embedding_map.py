"""The page with the map of a model's embeddings."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from twelvelead.embeddings import MapSummary
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

SUMMARY = MapSummary(100, 0, 100, 0, 12, (0.5, 0.25))


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


def test_what_was_left_out_is_counted():
    points, _ = example(59)
    page = render_map("cohort", "ECG-FM", points, MapSummary(59, 1, 117, 3, 12, (0.5, 0.25)), [], 8)
    assert "not finite: 3 of 120" in page
    assert "no other window: 1 of 60" in page


def test_without_a_map_the_page_says_why():
    points, scored = example(2)
    points[["pc1", "pc2"]] = np.nan
    summary = MapSummary(2, 0, 5, 0, 12, reason="a map needs at least 3 recordings")
    page = render_map("cohort", "ECG-FM", points, summary, [TaskTruth("Task", "0 or 1", scored, ["AF"])], 8)
    assert "The map is not drawn: a map needs at least 3 recordings." in html.fromstring(page).text_content()
    assert not html.fromstring(page).findall(".//svg")


def test_three_recordings_on_a_line_are_drawn():
    points = pd.DataFrame({"ecg_id": ["a", "b", "c"], "pc1": [-8 / 3, -2 / 3, 10 / 3], "pc2": 0.0})
    scored = pd.DataFrame({"ecg_id": ["c", "a"], "truth/A": [1.0, np.nan]})
    summary = MapSummary(3, 0, 3, 0, 4, (1.0, 0.0))
    panel = panels(render_map("cohort", "ECG-FM", points, summary, [TaskTruth("T", "0 or 1", scored, ["A"])], 8))[0]
    assert [dots(panel, style) for style in ("with", "without", "unknown")] == [1, 0, 1]


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
