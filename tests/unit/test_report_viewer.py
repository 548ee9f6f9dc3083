"""What the viewer's markup carries: signals that unpack again, text that stays text, the same bytes every time."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lxml import html

from twelvelead.demo.simulate import simulate
from twelvelead.report.viewer import ViewerEcg, ViewerGroup, ViewerSaliency, viewer_css, viewer_html, viewer_js

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 \u2029 & ' \" <img src=x onerror=alert(2)> é漢 \x00 \udcff"
STEP_MV = 0.0025


def ecg(signal_mv: np.ndarray | None, rate_hz: float = 500.0, **changes) -> ViewerEcg:
    return replace(ViewerEcg("ward/1", "1.xml", "a caption", signal_mv, rate_hz), **changes)


def content(ecgs, groups=()) -> dict:
    (script,) = html.fragment_fromstring(viewer_html(ecgs, groups)).xpath(".//script")
    assert script.get("type") == "application/json"
    return json.loads(script.text)


def unpacked(signal: dict) -> np.ndarray:
    """(12, samples) in mV by the docstring of viewer.py, byte by byte."""
    packed = iter(base64.b64decode(signal["leads"], validate=True))
    leads = []
    for _ in range(12):
        lead, steps = [], 0
        for _ in range(signal["samples"]):
            code = shift = 0
            while True:
                byte = next(packed)
                code |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            if code:
                steps += (code - 1) // 2 if code % 2 else -code // 2
            lead.append(steps * signal["step_uv"] / 1000 if code else np.nan)
        leads.append(lead)
    assert not list(packed), "bytes are left over"
    return np.array(leads)


SIGNALS = hnp.arrays(
    np.float32,
    st.tuples(st.just(12), st.integers(1, 40)),
    elements=st.one_of(st.floats(-12, 12, width=32), st.sampled_from([np.nan, np.inf, -np.inf, 0.0]).map(np.float32)),
)


@given(SIGNALS)
@settings(max_examples=60, deadline=None)
def test_a_signal_comes_back_about_its_median_within_half_a_step_and_gaps_stay_gaps(signal_mv):
    found = unpacked(content([ecg(signal_mv)])["ecgs"][0]["signal"])
    for lead, lead_mv in zip(found, signal_mv.astype(np.float64), strict=True):
        present = np.isfinite(lead_mv)
        np.testing.assert_array_equal(np.isfinite(lead), present)
        if present.any():
            expected = lead_mv[present] - np.median(lead_mv[present])
            assert np.abs(lead[present] - expected).max() <= STEP_MV / 2 + 1e-9


def test_a_signal_that_is_no_ecg_gets_coarser_steps_that_the_page_can_state():
    counts = np.zeros((12, 1000))
    counts[:, 400:] = 1e9
    counts[:, 500], counts[3, 600] = -1e9, 1e300
    signal = content([ecg(counts)])["ecgs"][0]["signal"]
    assert signal["step_uv"] > 1000 * STEP_MV
    found = unpacked(signal)
    np.testing.assert_allclose(found[0] - found[0, 400], counts[0] - counts[0, 400], atol=signal["step_uv"] / 1000)
    assert np.isnan(found[3, 600])


@pytest.mark.parametrize(("rate_hz", "most_kb"), [(250.0, 50), (500.0, 90)])
def test_an_ecg_of_ten_seconds_is_small(rate_hz, most_kb):
    sizes = [
        len(
            viewer_html(
                [ecg(simulate(rhythm, np.random.default_rng(2), sampling_rate_hz=rate_hz).signal_mv, rate_hz)], []
            )
        )
        for rhythm in ("sinus", "atrial_fibrillation", "left_bundle_branch_block")
    ]
    assert max(sizes) - len(viewer_html([], [])) < 1000 * most_kb


def test_only_the_first_ten_seconds_are_kept_and_the_whole_duration_is_told():
    long = np.random.default_rng(0).normal(size=(12, 360 * 25))
    signal = content([ecg(long, 360.0)])["ecgs"][0]["signal"]
    assert (signal["samples"], signal["seconds"], signal["rate_hz"]) == (3600, 25.0, 360.0)


def test_text_can_neither_leave_the_json_nor_be_lost():
    hostile = ecg(
        None,
        ecg_id=HOSTILE,
        title=HOSTILE,
        caption=HOSTILE,
        reason=HOSTILE,
        truth=(HOSTILE,),
        predictions=((HOSTILE, 0.5),),
    )
    fragment = viewer_html([hostile], [ViewerGroup(HOSTILE, (0,))])
    carried = fragment.partition('data-part="content">')[2].removesuffix("</script>\n</div>\n")
    assert carried.isascii()
    assert not set("<>&") & set(carried)
    found = json.loads(carried)
    shown = HOSTILE.replace("\x00", "\\x00").replace("\udcff", "\\xff")
    entry = found["ecgs"][0]
    assert [entry[key] for key in ("id", "title", "caption", "reason")] == [shown] * 4
    assert entry["truth"] == [shown]
    assert entry["predictions"] == [[shown, 0.5]]
    assert found["groups"] == [{"title": shown, "ecgs": [0]}]
    fragment.encode("utf-8")


def test_what_is_missing_is_null():
    entry = content([ecg(None, np.nan, predictions=(("Afib", np.nan), ("LBBB", 0.1234567)))])["ecgs"][0]
    assert entry["signal"] is None
    assert entry["predictions"] == [["Afib", None], ["LBBB", 0.123457]]


def test_the_same_input_gives_the_same_bytes():
    signal_mv = simulate("sinus", np.random.default_rng(0)).signal_mv
    first, second = (viewer_html([ecg(signal_mv.copy())], [ViewerGroup("First", (0,))]) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("signal_mv", "rate_hz"),
    [(np.zeros((8, 10)), 500.0), (np.zeros(12), 500.0), (np.zeros((12, 10)), 0.0), (np.zeros((12, 10)), np.nan)],
)
def test_another_shape_or_rate_is_refused(signal_mv, rate_hz):
    with pytest.raises(ValueError, match=r"ECG ward/1: shape .* expected \(12, samples\) at a positive rate"):
        viewer_html([ecg(signal_mv, rate_hz)], [])


@pytest.mark.parametrize("position", [-1, 1])
def test_a_group_of_an_ecg_that_is_not_there_is_refused(position):
    with pytest.raises(ValueError, match=f"group 'Excluded' names ECG {position}, but there are 1"):
        viewer_html([ecg(None)], [ViewerGroup("Excluded", (position,))])


def test_no_samples_at_all_is_a_signal_of_no_samples():
    assert content([ecg(np.empty((12, 0)))])["ecgs"][0]["signal"]["samples"] == 0


SALIENCY = hnp.arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.one_of(st.floats(0, 1, width=32), st.sampled_from([np.nan, np.inf]).map(np.float32)),
)


def levels(strip: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(strip["levels"], validate=True), dtype=np.uint8).astype(float)


@given(SALIENCY)
@settings(max_examples=60, deadline=None)
def test_saliency_comes_back_within_half_a_step_of_its_largest_value_and_gaps_stay_gaps(values):
    shown = ecg(np.zeros((12, 10)), saliency=(ViewerSaliency("ECG-FM", 0.008, values),))
    entry, present = content([shown])["ecgs"][0], np.isfinite(values)
    if not present.any():
        assert "saliency" not in entry
        return
    (strip,) = entry["saliency"]
    assert (strip["model"], strip["frame_s"], strip["largest"]) == ("ECG-FM", 0.008, values[present].max())
    np.testing.assert_array_equal(levels(strip) > 0, present)
    found = (levels(strip)[present] - 1) / 254 * strip["largest"]
    assert np.abs(found - values[present]).max() <= strip["largest"] / 508 * (1 + 1e-9)


@pytest.mark.parametrize(("frame_s", "kept"), [(0.008, 1250), (0.00799805, 1251), (1.0, 10)])
def test_only_the_first_ten_seconds_of_saliency_are_kept_and_set_the_scale(frame_s, kept):
    values = np.full(4000, 0.25)
    values[kept:] = 1
    shown = ecg(np.zeros((12, 10)), saliency=(ViewerSaliency("ECG-FM", frame_s, values),))
    (strip,) = content([shown])["ecgs"][0]["saliency"]
    assert (len(levels(strip)), strip["largest"]) == (kept, 0.25)


def test_strips_are_in_order_and_one_without_a_value_is_left_out():
    of_models = [("<b>", [0.5]), ("nothing", [np.nan]), ("second", [0.0])]
    strips = tuple(ViewerSaliency(model, 0.008, np.array(values)) for model, values in of_models)
    found = content([ecg(np.zeros((12, 10)), saliency=strips)])["ecgs"][0]["saliency"]
    assert [(strip["model"], levels(strip).tolist()) for strip in found] == [("<b>", [255]), ("second", [1])]


def test_without_saliency_nothing_is_said_of_it():
    plain, nothing = ecg(np.zeros((12, 10))), ViewerSaliency("ECG-FM", 0.008, np.array([np.nan]))
    assert "saliency" not in viewer_html([plain], []).partition('data-part="content">')[2]
    assert viewer_html([replace(plain, saliency=(nothing,))], []) == viewer_html([plain], [])
    no_signal = ecg(None, saliency=(ViewerSaliency("ECG-FM", 0.008, np.ones(3)),))
    assert viewer_html([no_signal], []) == viewer_html([ecg(None)], [])


@pytest.mark.parametrize(
    ("frame_s", "values"),
    [(0.0, np.ones(3)), (np.nan, np.ones(3)), (0.008, np.ones((2, 3))), (0.008, np.array([1, -0.1]))],
)
def test_saliency_that_is_none_is_refused(frame_s, values):
    with pytest.raises(ValueError, match=r"ECG ward/1: saliency of shape .* expected \(frames,\) of 0 or more"):
        viewer_html([ecg(np.zeros((12, 10)), saliency=(ViewerSaliency("ECG-FM", frame_s, values),))], [])


def test_markup_script_and_style_fit_a_strict_content_security_policy():
    fragment = html.fragment_fromstring(viewer_html([], []))
    attributes = {name for element in fragment.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {"style", "src", "href"}
    script = viewer_js()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|fetch|XMLHttp", script
    )
    assert set(re.findall(r"https?://[^\"']+", script + viewer_css())) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xhtml",
    }
    assert "</" not in script
    assert "url(" not in viewer_css()


def test_every_part_and_button_that_the_script_names_is_in_the_markup():
    fragment, script = html.fragment_fromstring(viewer_html([], [])), viewer_js()
    parts = set(re.findall(r'(?:part|setText)\("(\w+)"', script))
    assert parts <= set(fragment.xpath(".//@data-part"))
    buttons = set(fragment.xpath(".//@data-do"))
    actions = set(
        re.findall(r'^  "?([\w-]+)"?: \(\) => ', script.partition("const actions")[2].partition("};")[0], re.M)
    )
    assert buttons
    assert buttons <= actions
