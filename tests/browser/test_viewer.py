"""The ECG viewer in a real browser: drawn to scale, measured right, driven by mouse and keys, silent on the console."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import twelvelead.report
from browser.devtools import CTRL, SHIFT, Page, chromium
from twelvelead.demo.simulate import RHYTHMS, simulate
from twelvelead.ecg import LEADS
from twelvelead.report.viewer import ViewerEcg, ViewerGroup, ViewerSaliency, viewer_css, viewer_html, viewer_js
from twelvelead.saliency import along_time

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium, chrome or chromium-browser on the PATH")

RATE_HZ = 500.0
# A stage of 1040 pixels makes a millimetre of paper 4 of them, or 8 where a pixel of CSS is two of the screen.
STAGE_PX, SCALE = 1040, 2
PX_PER_MM = STAGE_PX * SCALE // 260
HOSTILE = "</script><b id=hacked>bold</b><img src=x onerror='window.hacked=1'>.xml"
DRAWN_LEADS = "[...document.querySelectorAll('[data-part=stage] [data-lead]')]"


def calibration() -> np.ndarray:
    """1 mV for 1 s, from 1 s after the start of every column of 2.5 s, in every lead."""
    time_s = np.arange(round(10 * RATE_HZ)) / RATE_HZ % 2.5
    return np.tile(((time_s >= 1) & (time_s < 2)).astype(float), (12, 1))


def gaps() -> np.ndarray:
    random = np.random.default_rng(5)
    signal_mv = random.normal(scale=0.3, size=(12, 4000)).cumsum(axis=1) % 3 - 1.5
    signal_mv[1, 1000:2000], signal_mv[3, 5], signal_mv[7] = np.nan, np.inf, np.nan
    return signal_mv


def crowded() -> np.ndarray:
    """A narrow wave of 1.5 mV exactly where the name of V4 would stand."""
    signal_mv = np.zeros((12, 5000))
    signal_mv[LEADS.index("V4"), round(7.6 * RATE_HZ) : round(7.68 * RATE_HZ)] = 1.5
    return signal_mv


def two_beats() -> np.ndarray:
    """(2, 156) attention of half the largest everywhere but in two frames: the 50th and, of window 1, the 101st."""
    found = np.full((2, 156), 0.1)
    found[0, 50], found[1, 101] = 0.2, 0
    return found


def short_ecg(seconds: float) -> np.ndarray:
    """1 mV in every lead in the second half of every quarter of the recording."""
    quarter = np.arange(round(seconds * RATE_HZ)) / RATE_HZ % (seconds / 4)
    return np.tile((quarter >= seconds / 8).astype(float), (12, 1))


ATTENTION = (
    ViewerSaliency("First", *along_time(two_beats(), 5000, RATE_HZ)),
    ViewerSaliency(HOSTILE, *along_time(two_beats()[:1] / 2, 5000, RATE_HZ)),
)
ECGS = (
    ViewerEcg("cal", "Calibration", "1 mV for 1 s.", calibration(), RATE_HZ, ("Afib",), (("net: Afib", 0.25),)),
    ViewerEcg("gaps", "Gaps", "8 s long.", gaps(), RATE_HZ, predictions=(("net: Afib", float("nan")),)),
    ViewerEcg(HOSTILE, HOSTILE, HOSTILE, None, float("nan"), (HOSTILE,), ((HOSTILE, 1.0),), f"unreadable: {HOSTILE}"),
    ViewerEcg("crowded", "Crowded", "", crowded(), RATE_HZ),
    *(
        ViewerEcg(rhythm, rhythm, "", simulate(rhythm, np.random.default_rng(4)).signal_mv, RATE_HZ)
        for rhythm in RHYTHMS
    ),
)
EXCLUDED, FIRST, ATTENDED, SHORT = 2, 3, 4, 5
SHORT_S = (7.3, 5.0, 1.0)
GROUPS = (
    ViewerGroup("Most confident wrong", (0, 1)),
    ViewerGroup("Models disagree", ()),
    ViewerGroup("Excluded", (0, 2, 3)),
    ViewerGroup("First of the table", tuple(range(len(ECGS)))),
    ViewerGroup("With attention", (len(ECGS), len(ECGS) + 1, 0)),
    ViewerGroup("Short", tuple(range(len(ECGS) + 2, len(ECGS) + 2 + len(SHORT_S)))),
)
WITH_ATTENTION = tuple(
    ViewerEcg(f"{n} models", f"{n} models", "", calibration(), RATE_HZ, saliency=ATTENTION[:n]) for n in (1, 2)
)


SHORT_ECGS = tuple(
    ViewerEcg(f"{seconds} s", f"{seconds} s", "", short_ecg(seconds), RATE_HZ, saliency=ATTENTION[1:])
    for seconds in SHORT_S
)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with page.html: the report's style, the viewer, and a policy that forbids all but this very script."""
    folder = tmp_path_factory.mktemp("viewer")
    style = (Path(twelvelead.report.__file__).parent / "style.css").read_text(encoding="utf-8") + viewer_css()
    digest = base64.b64encode(hashlib.sha256(viewer_js().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    ecgs = viewer_html(ECGS + WITH_ATTENTION + SHORT_ECGS, GROUPS)
    body = f"<h2>ECGs</h2>{ecgs}</section></main><script>{viewer_js()}</script>"
    (folder / "page.html").write_text(
        f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Viewer</title>
<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,">
<style>{style} main {{ max-width: none }} [data-part="drawn"] {{ max-width: {STAGE_PX}px }}</style></head>
<body><main><section>{body}</body></html>""",
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def page(browser, files):
    """The viewer as it opens, on its first ECG; whatever the test does, the console must stay empty."""
    browser.prefer(prefers_color_scheme="light")
    browser.resize(1200, 1000, SCALE)
    browser.problems.clear()
    browser.open(files / "page.html")
    yield browser
    assert browser.problems == []


def viewer(page: Page, call: str):
    return page.run(f"window.twelveleadViewer.{call}")


def text(page: Page, part: str) -> str:
    return page.run(f"document.querySelector('[data-part=\"{part}\"]').innerText")


def choose(page: Page, group: int, place: int = 0) -> None:
    for part, value in (("group", group), ("ecg", place)):
        page.run(
            f"(() => {{ const list = document.querySelector('select[data-part={part}]'); list.value = {value};"
            "list.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )


def focus(page: Page) -> None:
    page.run("document.querySelector('[data-part=stage]').focus()")


def paper(page: Page) -> np.ndarray:
    """(height, width) brightness of the paper, PX_PER_MM pixels to the millimetre where it is not enlarged."""
    x, y, width, height = (round(edge * SCALE) for edge in page.box("[data-part=stage] svg"))
    return page.screenshot()[y : y + height, x : x + width].mean(axis=2)


def at(page: Page, x_mm: float, y_mm: float) -> tuple[float, float]:
    """A point of the whole paper in pixels of the window, from the drawing's box alone."""
    x, y, width, _ = page.box("[data-part=stage] svg")
    return x + x_mm * width / 260, y + y_mm * width / 260


def rhythm_edges(brightness: np.ndarray) -> tuple[np.ndarray, float, float]:
    """From pixels alone, in mm: x of the up- and downstrokes of the lowest lane, y of its 0 and of its 1 mV."""
    ink = brightness < 110
    high, low = _runs(ink.sum(axis=1) > 60 * PX_PER_MM)[-2:]
    edges = _runs(ink[round((low + high) / 2)])
    return edges / PX_PER_MM, low / PX_PER_MM, high / PX_PER_MM


def _runs(flags: np.ndarray) -> np.ndarray:
    """Middles of the runs of True, in pixels from the left edge of the first."""
    change = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(int)))
    return change.reshape(-1, 2).mean(axis=1)


def test_the_grid_is_millimetre_paper_with_thick_lines_every_5_mm(page):
    header = 255 - paper(page)[2 * PX_PER_MM : 4 * PX_PER_MM, :].astype(float)
    # Between two thin lines across: only the lines down remain.
    darkness = header[PX_PER_MM // 2 - 1 : PX_PER_MM // 2 + 1].mean(axis=0)
    for mm in range(1, 260):
        around = darkness[mm * PX_PER_MM - PX_PER_MM // 2 : mm * PX_PER_MM + PX_PER_MM // 2]
        assert abs(np.argmax(around) - PX_PER_MM / 2 + 0.5) <= 1.5, f"no line at {mm} mm"
    lines = np.array([darkness[mm * PX_PER_MM - 1 : mm * PX_PER_MM + 1].max() for mm in range(1, 260)])
    thick = np.arange(1, 260) % 5 == 0
    assert lines[thick].min() > lines[~thick].max()


def test_the_trace_is_drawn_at_25_mm_a_second_and_10_mm_a_millivolt(page):
    edges, zero_mm, one_mm = rhythm_edges(paper(page))
    pulse, signal = edges[:2], edges[2:]
    np.testing.assert_allclose(np.diff(pulse), 5, atol=1 / PX_PER_MM)  # 200 ms
    expected = 10 + 25 * np.array([1, 2, 3.5, 4.5, 6, 7, 8.5, 9.5])
    np.testing.assert_allclose(signal, expected, atol=1.5 / PX_PER_MM)
    assert zero_mm - one_mm == pytest.approx(10, abs=1 / PX_PER_MM)


@pytest.mark.parametrize("zoom", [0, 3])
def test_callipers_dragged_along_the_pixels_of_1_mv_and_1_s_measure_just_that(page, zoom):
    edges, zero_mm, one_mm = rhythm_edges(paper(page))
    start, end = at(page, edges[2], zero_mm), at(page, edges[3], one_mm)
    if zoom:
        before = [viewer(page, f"toPaper({x}, {y})") for x, y in (start, end)]
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        page.mouse("mouseWheel", *middle, deltaX=0, deltaY=-500, modifiers=CTRL)
        start, end = ((here["x"], here["y"]) for here in (viewer(page, f"toClient({json.dumps(p)})") for p in before))
    page.drag(start, end)
    measured = viewer(page, "measure()")
    pixel_mm = 260 / STAGE_PX
    assert measured["ms"] == pytest.approx(1000, abs=pixel_mm * 40)
    assert measured["mv"] == pytest.approx(1, abs=pixel_mm * 0.1)
    assert measured["bpm"] == pytest.approx(60, abs=1)
    shown = text(page, "measure")
    assert shown == f"{measured['ms']:.0f} ms · {measured['mv']:.2f} mV · {measured['bpm']:.0f} bpm"
    assert text(page, "spoken") == shown


def test_an_end_of_the_callipers_can_be_dragged_and_a_click_leaves_them(page):
    page.drag(at(page, 60, 20), at(page, 85, 30))
    page.drag(at(page, 85, 30), at(page, 110, 10))
    assert viewer(page, "measure()") == {
        "ms": pytest.approx(2000, abs=1),
        "mv": pytest.approx(1, abs=0.01),
        "bpm": pytest.approx(30, abs=0.1),
    }
    page.drag(at(page, 200, 60), at(page, 200, 60))
    assert viewer(page, "measure()")["ms"] == pytest.approx(2000, abs=1)


def test_callipers_by_keyboard(page):
    focus(page)
    page.key("ArrowRight")
    assert text(page, "spoken") == "200 ms · 0.00 mV · 300 bpm"
    page.key("ArrowRight", SHIFT, times=20)
    page.key("ArrowUp", SHIFT, times=10)
    assert text(page, "spoken") == text(page, "measure") == "1000 ms · 1.00 mV · 60 bpm"
    page.key("Enter")
    page.key("ArrowRight", times=5)
    page.key("ArrowDown")
    assert viewer(page, "measure()") == {
        "ms": pytest.approx(980),
        "mv": pytest.approx(1.01),
        "bpm": pytest.approx(60000 / 980),
    }
    page.key("Escape")
    assert viewer(page, "measure()") is None
    assert text(page, "measure") == ""


def test_an_interval_shorter_than_any_cycle_has_no_rate(page):
    page.drag(at(page, 60, 20), at(page, 62.5, 20))
    assert text(page, "measure") == "100 ms · 0.00 mV · – bpm"


def test_measured_backwards_the_voltage_still_goes_from_the_earlier_to_the_later_end(page):
    page.drag(at(page, 85, 30), at(page, 60, 20))
    assert viewer(page, "measure()")["mv"] == pytest.approx(-1, abs=0.01)
    assert text(page, "measure").startswith("1000 ms · −1.00 mV")


def test_next_and_previous_by_button_and_by_key_stop_at_the_ends(page):
    assert (viewer(page, "ecg()"), text(page, "position")) == (0, "1 of 2")
    page.click("[data-do=next]")
    assert (viewer(page, "ecg()"), text(page, "position"), text(page, "title")) == (1, "2 of 2", "Gaps")
    assert text(page, "spoken") == "ECG 2 of 2: Gaps. 8 s long."
    page.click("[data-do=next]")
    assert viewer(page, "ecg()") == 1
    focus(page)
    page.key("p")
    page.key("p")
    assert viewer(page, "ecg()") == 0
    page.key("n")
    assert viewer(page, "ecg()") == 1


def test_letters_are_the_selects_own_while_one_has_focus(page):
    page.run("document.querySelector('select[data-part=group]').focus()")
    page.key("n")
    assert viewer(page, "ecg()") == 0


def test_every_list_can_be_chosen_and_an_empty_one_cannot(page):
    options = page.run(
        "[...document.querySelectorAll('select[data-part=group] option')].map((one) => [one.text, one.disabled])"
    )
    assert options == [
        ["Most confident wrong (2)", False],
        ["Models disagree (0)", True],
        ["Excluded (3)", False],
        [f"First of the table ({len(ECGS)})", False],
        ["With attention (3)", False],
        [f"Short ({len(SHORT_S)})", False],
    ]
    choose(page, FIRST, 3)
    assert (viewer(page, "ecg()"), text(page, "title")) == (3, "Crowded")


def test_an_ecg_comes_with_its_truth_and_predictions(page):
    assert " ".join(text(page, "answers").split()) == "Truth Afib Predictions Label Probability net: Afib 0.250"
    page.click("[data-do=next]")
    assert text(page, "answers").split()[-3:] == ["net:", "Afib", "–"]


def test_an_excluded_file_shows_its_reason_as_plain_text_and_the_keys_lead_back(page):
    choose(page, EXCLUDED, 0)
    focus(page)
    page.key("n")
    assert text(page, "reason") == f"Excluded: unreadable: {HOSTILE}"
    assert text(page, "title") == HOSTILE
    assert HOSTILE in text(page, "answers")
    assert page.run("document.querySelector('[data-part=stage]').checkVisibility()") is False
    assert page.run("[typeof window.hacked, document.getElementById('hacked')]") == ["undefined", None]
    page.key("p")
    assert viewer(page, "ecg()") == 0
    assert page.run("document.activeElement.dataset.part") == "stage"


def test_the_browser_unpacks_what_python_packed_and_leaves_gaps_blank(page):
    page.click("[data-do=next]")
    signal_mv = np.where(np.isfinite(gaps()), gaps(), np.nan)
    found = np.array([viewer(page, f"samples('{lead}')") for lead in LEADS], dtype=float)
    expected = signal_mv - np.array(
        [[np.median(lead[np.isfinite(lead)]) if lead[0] == lead[0] else 0] for lead in signal_mv]
    )
    np.testing.assert_allclose(found, expected, atol=0.00125 + 1e-9)
    paths = page.run(f"{DRAWN_LEADS}.map((one) => [one.dataset.lead, one.getAttribute('d')])")
    rhythm = [len(stretch.split("L")) for stretch in paths[-1][1].split("M")[1:]]
    assert paths[-1][0] == "II"
    assert rhythm == [1000, 2000]
    assert "No samples: V2." in text(page, "scale")
    assert "2.5 µV" in text(page, "scale")


def test_zoom_by_buttons_keys_and_wheel_keeps_the_measure_and_the_place(page):
    page.drag(at(page, 60, 20), at(page, 85, 30))
    before = viewer(page, "measure()")
    page.click("[data-do=zoom-in]")
    focus(page)
    page.key("+")
    page.key("-")
    assert viewer(page, "view()")["zoom"] == pytest.approx(1.25)
    spot = at(page, 200, 60)
    there = viewer(page, f"toPaper({spot[0]}, {spot[1]})")
    page.mouse("mouseWheel", *spot, deltaX=0, deltaY=-300, modifiers=CTRL)
    assert viewer(page, "view()")["zoom"] > 1.5
    assert viewer(page, f"toPaper({spot[0]}, {spot[1]})") == pytest.approx(
        there, abs=0.1
    )  # wheel events come in whole pixels
    assert viewer(page, "measure()") == before
    page.key("0")
    assert viewer(page, "view()") == {"x": 0, "y": 0, "zoom": 1}
    page.mouse("mouseWheel", *spot, deltaX=0, deltaY=-300)
    assert viewer(page, "view()")["zoom"] == 1


def test_an_enlarged_paper_moves_by_shift_and_drag_by_the_move_tool_and_by_arrows(page):
    focus(page)
    for _ in range(4):
        page.key("+")
    x, y, width, height = page.box("[data-part=stage]")
    start, end = (x + width / 2, y + height / 2), (x + width / 2 - 104, y + height / 2)
    before = viewer(page, "view()")
    page.drag(start, end, SHIFT)
    moved = viewer(page, "view()")
    assert moved["x"] - before["x"] == pytest.approx(26 / before["zoom"], rel=1e-3)
    page.click("[data-do=move]")
    page.drag(end, start)
    assert viewer(page, "view()")["x"] == pytest.approx(before["x"], abs=1e-6)
    focus(page)
    page.key("ArrowRight")
    assert viewer(page, "view()")["x"] == pytest.approx(before["x"] + 5)
    assert viewer(page, "measure()") is None
    page.drag(start, (start[0] + 5000, start[1] + 5000))
    assert (viewer(page, "view()")["x"], viewer(page, "view()")["y"]) == (0, 0)


def test_twelve_rows_of_ten_seconds(page):
    page.click("[data-do='12x1']")
    assert page.run("document.querySelector('[data-do=\"12x1\"]').ariaPressed") == "true"
    leads = page.run(f"{DRAWN_LEADS}.map((one) => one.dataset.lead)")
    assert leads == list(LEADS)
    assert all(viewer(page, f"origin('{lead}', {row})")["x"] == 10 for row, lead in enumerate(LEADS))
    focus(page)
    page.key("l")
    leads = page.run(f"{DRAWN_LEADS}.map((one) => one.dataset.lead)")
    assert leads == ["I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]


def drawn_points(page: Page) -> list[tuple[str, np.ndarray]]:
    """(lead, (points, 2) of its path in mm of paper) in the order drawn."""
    paths = page.run(f"{DRAWN_LEADS}.map((one) => [one.dataset.lead, one.getAttribute('d')])")
    points = [(lead, re.findall(r"[ML]([-.\d]+) ([-.\d]+)", path)) for lead, path in paths]
    return [(lead, np.array(of_lead, dtype=float)) for lead, of_lead in points]


@pytest.mark.parametrize("place", range(len(SHORT_S)))
def test_columns_share_the_whole_of_a_short_recording(page, place):
    choose(page, SHORT, place)
    seconds, drawn = SHORT_S[place], drawn_points(page)
    assert sorted(lead for lead, _ in drawn[:12]) == sorted(LEADS)
    for at_place, (lead, points) in enumerate(drawn[:12]):
        column, lane = at_place % 4, at_place // 4
        start, end = 10 + 25 * seconds * np.array([column, column + 1]) / 4
        assert (points[0, 0], points[-1, 0]) == (pytest.approx(start, abs=0.06), pytest.approx(end, abs=0.06)), lead
        up = points[:, 1] < viewer(page, f"origin('{lead}', {lane})")["y"] - 5
        np.testing.assert_allclose([points[up, 0].min(), points[up, 0].max()], [(start + end) / 2, end], atol=0.06)
    rhythm = drawn[12][1]
    np.testing.assert_allclose(rhythm[:, 0], 10 + 25 * np.arange(len(rhythm)) / RATE_HZ, atol=0.006)
    assert len(rhythm) == round(seconds * RATE_HZ)


@pytest.mark.parametrize(
    ("place", "stretches", "said"),
    [
        (0, ["0–1.83 s", "1.83–3.65 s", "3.65–5.48 s", "5.48–7.3 s"], "7.3 s in columns of 1.83 s."),
        (1, ["0–1.25 s", "1.25–2.5 s", "2.5–3.75 s", "3.75–5 s"], "5 s in columns of 1.25 s."),
        (2, ["0–0.25 s", "0.25–0.5 s", "0.5–0.75 s", "0.75–1 s"], "1 s in columns of 0.25 s."),
    ],
)
def test_columns_of_a_short_recording_say_which_stretch_of_time_they_show(page, place, stretches, said):
    choose(page, SHORT, place)
    assert said in text(page, "scale")
    boxes = page.run(
        "[...document.querySelectorAll('[data-part=stage] text')].filter((one) => /–.* s$/.test(one.textContent))"
        ".map((one) => [one.textContent, one.getBBox().x, one.getBBox().x + one.getBBox().width])"
    )
    assert [box[0] for box in boxes] == stretches
    bounds_mm = 10 + 25 * SHORT_S[place] * np.arange(5) / 4
    for (_, left, right), start, end in zip(boxes, bounds_mm, bounds_mm[1:], strict=False):
        assert start - 0.1 <= left < right <= end
    page.click("[data-do='12x1']")
    assert said not in text(page, "scale")
    choose(page, FIRST, 0)
    page.click("[data-do='3x4']")
    assert "columns" not in text(page, "scale")


@pytest.mark.parametrize("place", [0, 1])
def test_callipers_and_attention_of_a_short_recording_are_on_the_time_of_every_lane(page, place):
    choose(page, SHORT, place)
    up_s, end_s = SHORT_S[place] * 7 / 8, SHORT_S[place]
    v6, rhythm = viewer(page, "origin('V6', 2)"), viewer(page, "origin('II', 3)")
    edges = _runs(paper(page)[round((rhythm["y"] - 5) * PX_PER_MM)] < 110) / PX_PER_MM
    assert edges[-1] == pytest.approx(10 + 25 * up_s, abs=1 / PX_PER_MM)
    page.drag(at(page, edges[-1], v6["y"]), at(page, 10 + 25 * end_s, v6["y"] - 10))
    assert v6["x"] == pytest.approx(10 + 25 * SHORT_S[place] * 3 / 4, abs=0.06)
    assert rhythm["x"] == 10
    assert viewer(page, "measure()") == {
        "ms": pytest.approx(1000 * (end_s - up_s), abs=10),
        "mv": pytest.approx(1, abs=0.03),
        "bpm": pytest.approx(60 / (end_s - up_s), abs=1),
    }
    # The strip's largest value is in its frame 50, whichever column stands above it.
    page.mouse("mouseMoved", *at(page, 10 + 25 * 50.5 * 0.032, 20))
    assert text(page, "attended").startswith(f"Attention at 1.62 s: {HOSTILE} 0.1 (100 %")
    ink = shades(page, 0)
    before, frame = ((10 + 25 * 0.032 * frame) * PX_PER_MM for frame in (np.array([40, 49]), np.array([50, 51])))
    most, faint = (ink[round(low) + 2 : round(high) - 2].mean() for low, high in (frame, before))
    assert faint - most > 50


def covering(page: Page) -> list[str]:
    """The leads whose drawn names lie over a sample of any trace."""
    names = page.run(
        "[...document.querySelectorAll('[data-part=stage] .ecg-name text')].map((one) => {"
        "const box = one.getBBox(); return [one.textContent, box.x, box.y, box.width, box.height]; })"
    )
    paths = page.run(f"{DRAWN_LEADS}.map((one) => one.getAttribute('d'))")
    points = np.array([point for path in paths for point in re.findall(r"[ML]([-.\d]+) ([-.\d]+)", path)], dtype=float)
    found = []
    for name, left, top, width, height in names:
        # The line box of a font is higher than its capitals, which fill about this part of it.
        over = np.array([left, top + 0.3 * height]) < points, points < np.array([left + width, top + 0.8 * height])
        if np.all(over, axis=(0, 2)).any():
            found.append(name)
    return found


def test_a_name_makes_way_for_a_wave(page):
    choose(page, FIRST, 3)
    assert covering(page) == []


@pytest.mark.parametrize("layout", ["3x4", "12x1"])
def test_names_cover_no_trace_of_the_usual_rhythms(page, layout):
    page.click(f"[data-do='{layout}']")
    for place in range(4, len(ECGS)):
        choose(page, FIRST, place)
        assert covering(page) == [], ECGS[place].title


def shown(page: Page, selector: str) -> bool:
    return page.run(f"document.querySelector({json.dumps(selector)}).checkVisibility()")


def shades(page: Page, index: int) -> np.ndarray:
    """(pixels of the paper's width,) brightness along the middle of a strip, between the thin lines of its frame."""
    strip = viewer(page, "strips()")[index]
    middle = round((strip["top"] + strip["height"] / 2) * PX_PER_MM)
    return paper(page)[middle - 4 : middle + 4].mean(axis=0)


@pytest.mark.parametrize("layout", ["3x4", "12x1"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_attention_is_drawn_where_its_frames_are_on_the_time_axis(page, layout, scheme):
    page.prefer(prefers_color_scheme=scheme)
    page.resize(1200, 1600, SCALE)
    choose(page, ATTENDED)
    page.click(f"[data-do='{layout}']")
    ink = shades(page, 0) if scheme == "light" else -shades(page, 0)
    bounds_mm = 10 + 25 * (np.array([[0, 0], [50, 51], [156, 156], [101, 102]]) * 0.032 + [[0], [0], [0], [5]])
    (_, first), frame, (end, _), blank = bounds_mm * PX_PER_MM
    inner = [slice(round(low) + 2, round(high) - 2) for low, high in (frame, blank, (first, frame[0]), (frame[1], end))]
    most, none, before, after = (ink[part].mean() for part in inner)
    assert before == pytest.approx(after, abs=1)
    # 0, half and all of the largest value are equally far apart, to the eye as on the screen.
    assert before - most == pytest.approx(none - before, abs=2)
    assert none - most > 120
    strongest = np.flatnonzero(ink < (most + before) / 2)
    np.testing.assert_allclose([strongest[0], strongest[-1] + 1], frame, atol=1.5)
    inside = np.arange(round(5.2 * 25 * PX_PER_MM), round(9.8 * 25 * PX_PER_MM)) + 10 * PX_PER_MM
    faintest = inside[ink[inside] > (none + before) / 2]
    np.testing.assert_allclose([faintest[0], faintest[-1] + 1], blank, atol=1.5)


def test_each_model_has_a_strip_and_what_it_did_not_read_stays_paper(page):
    choose(page, ATTENDED, 1)
    first, second = viewer(page, "strips()")
    assert (first["model"], second["model"]) == ("First", HOSTILE)
    assert second["top"] - first["top"] == 10
    edge = round((10 + 5 * 25) * PX_PER_MM)
    beyond = shades(page, 1)[edge + 10 : edge + 1000]
    plain = paper(page)[2 * PX_PER_MM : 3 * PX_PER_MM, edge + 10 : edge + 1000].mean(axis=0)
    assert np.median(beyond) == pytest.approx(np.median(plain), abs=3)
    assert np.median(shades(page, 1)[edge - 500 : edge - 10]) < np.median(plain) - 50
    assert page.run("[typeof window.hacked, document.getElementById('hacked')]") == ["undefined", None]


def test_the_legend_says_what_attention_is_and_is_not(page):
    choose(page, ATTENDED, 1)
    legend = text(page, "legend")
    assert legend.startswith(
        f"Attention of First and {HOSTILE}: where the last layer looked; not an explanation of the diagnosis."
    )
    assert "from 0 to the largest value in this ECG in 254 equal steps" in legend
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    (image,) = (node["name"]["value"] for node in nodes if node["role"]["value"] == "image" and not node["ignored"])
    assert f"Attention of First: largest, 0.2, at 1.60 s. Attention of {HOSTILE}: largest, 0.1, at 1.60 s." in image
    names = page.run("[...document.querySelectorAll('[data-part=stage] .ecg-name text')].map((one) => one.textContent)")
    assert "Attention of First, 0 to 0.2" in names


def test_attention_goes_and_comes_by_button_and_key_and_moves_nothing_else(page):
    choose(page, ATTENDED)
    page.drag(at(page, 60, 20), at(page, 85, 30))
    page.click("[data-do=zoom-in]")
    before = viewer(page, "view()"), viewer(page, "measure()"), viewer(page, "origin('II', 3)")
    page.click("[data-do=attention]")
    assert page.run("document.querySelector('[data-do=attention]').ariaPressed") == "false"
    assert (viewer(page, "strips()"), shown(page, "[data-part=attention]")) == ([], False)
    assert text(page, "spoken") == "Attention hidden"
    assert (viewer(page, "view()"), viewer(page, "measure()"), viewer(page, "origin('II', 3)")) == before
    page.key("n")
    assert viewer(page, "strips()") == []
    focus(page)
    page.key("a")
    assert len(viewer(page, "strips()")) == 2
    assert text(page, "spoken") == "Attention shown"
    assert shown(page, "[data-part=attention]")


def test_an_ecg_without_attention_has_neither_button_nor_legend_nor_key(page):
    choose(page, ATTENDED, 2)
    assert [shown(page, part) for part in ("[data-do=attention]", "[data-part=attention]")] == [False, False]
    height = page.box("[data-part=stage]")[3]
    focus(page)
    page.key("a")
    assert text(page, "spoken").startswith("ECG 3 of 3")
    page.key("p")
    assert len(viewer(page, "strips()")) == 2
    assert page.box("[data-part=stage]")[3] - height == pytest.approx(20 * STAGE_PX / 260)


def test_attention_is_read_under_the_pointer_and_under_the_callipers(page):
    choose(page, ATTENDED)
    page.mouse("mouseMoved", *at(page, 10 + 25 * 50.5 * 0.032, 20))
    assert text(page, "attended") == "Attention at 1.62 s: First 0.2 (100 % of its largest)"
    page.mouse("mouseWheel", *at(page, 10 + 25 * 50.5 * 0.032, 20), deltaX=0, deltaY=-300, modifiers=CTRL)
    assert text(page, "attended").startswith("Attention at 1.62 s")
    focus(page)
    page.key("0")
    page.mouse("mouseMoved", *at(page, 5, 20))
    assert text(page, "attended") == ""
    page.drag(at(page, 60, 20), at(page, 10 + 25 * (5 + 101.5 * 0.032), 20))
    page.mouse("mouseMoved", 1, 1)
    assert text(page, "attended") == "Attention at 8.25 s: First 0 (0 % of its largest)"
    assert text(page, "spoken") == f"{text(page, 'measure')}. {text(page, 'attended')}"
    focus(page)
    page.key("ArrowRight", SHIFT)
    assert text(page, "spoken").endswith(". Attention at 8.29 s: First 0.1 (50 % of its largest)")


def test_dark_mode_is_light_ink_on_dark_paper(page):
    light = paper(page)
    page.prefer(prefers_color_scheme="dark")
    dark = paper(page)
    assert np.median(light) > 200 > 60 > np.median(dark)
    np.testing.assert_array_equal(_runs((light < 110).any(axis=0))[:2], _runs((dark > 150).any(axis=0))[:2])


def test_a_screen_reader_finds_the_picture_its_caption_and_the_controls(page):
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]}
    images = [name for role, name in named if role == "image"]
    assert images == [
        "Calibration. 1 mV for 1 s. 25 mm/s, 10 mm/mV, 500 Hz; each lead about its median, in steps of 2.5 µV."
    ]
    assert {
        ("application", "ECG paper with callipers"),
        ("heading", "Calibration"),
        ("button", "Zoom in"),
        ("button", "Whole paper"),
        ("table", "Predictions"),
        ("combobox", "List"),
    } <= named
    assert any(role == "status" for role, _ in named)


def test_tab_reaches_the_paper_and_focus_can_be_seen(page):
    for _ in range(30):
        page.key("Tab")
        if page.run("document.activeElement.dataset.part") == "stage":
            break
    assert page.run("getComputedStyle(document.querySelector('[data-part=stage]')).outlineStyle") == "solid"


def test_print_is_the_whole_paper_to_scale_whatever_was_enlarged(page):
    choose(page, ATTENDED)
    focus(page)
    page.key("+", times=4)
    page.key("ArrowRight")
    enlarged = viewer(page, "view()")
    page.run(
        "window.addEventListener('beforeprint', () => {"
        "window.printed = document.querySelector('[data-part=stage] svg').getAttribute('viewBox'); })"
    )
    assert page.pdf().startswith(b"%PDF")
    assert page.run("window.printed").startswith("0 0 260 ")
    assert viewer(page, "view()") == enlarged
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    page.prefer("print")
    width_mm, box = page.run(
        "(() => { const svg = document.querySelector('[data-part=stage] svg');"
        "return [svg.getBoundingClientRect().width * 25.4 / 96, svg.getAttribute('viewBox')]; })()"
    )
    assert width_mm == pytest.approx(260, abs=0.1)
    assert box.startswith("0 0 260 ")
    printed = {part: shown(page, part) for part in (".viewer-tools", "[data-part=attended]", "[data-part=legend]")}
    assert list(printed.values()) == [False, False, True]
    page.prefer()
    page.run("window.dispatchEvent(new Event('afterprint'))")
    assert viewer(page, "view()") == enlarged
    assert page.run("document.querySelector('[data-part=stage] svg').getAttribute('viewBox')") != box


def test_on_a_narrow_screen_the_paper_fills_its_height_and_nothing_overflows(page):
    page.resize(390, 900)
    choose(page, FIRST, 0)
    _, _, width, height = page.box("[data-part=stage]")
    assert (height, width) == (300, pytest.approx(300, abs=45))
    assert viewer(page, "view()")["zoom"] > 2
    assert page.run("document.documentElement.scrollWidth") <= 390
    choose(page, ATTENDED)
    focus(page)
    for drawn in (1, 0, 1):
        assert len(viewer(page, "strips()")) == drawn
        bottom = page.run("document.querySelector('[data-part=stage] .ecg-thick').getBoundingClientRect().bottom")
        assert bottom == pytest.approx(sum(page.box("[data-part=stage]")[1::2]), abs=1)
        assert page.run("document.documentElement.scrollWidth") <= 390
        page.key("a")


def test_a_viewer_without_an_ecg_says_so(page, files):
    empty = (files / "page.html").read_text(encoding="utf-8")
    start, end = empty.index('<div class="viewer"'), empty.index("</section></main>")
    (files / "empty.html").write_text(empty[:start] + viewer_html([], []) + empty[end:], encoding="utf-8")
    page.open(files / "empty.html")
    assert text(page, "title") == "No ECG is kept on this page"
    page.run("document.querySelector('[data-do=next]').click()")
    page.run("document.querySelector('[data-do=zoom-in]').click()")
