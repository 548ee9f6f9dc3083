"""ECG paper, read back from the layout, the SVG and the PNG: true to scale, and nothing left out in silence."""

import re
import struct
import warnings
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import LEADS, Recording
from twelvelead.ecg_paper import MARGIN_MM, WIDTH_MM, Paper, lay_out
from twelvelead.ecg_picture import as_png, as_svg, recording_paper

SVG = "{http://www.w3.org/2000/svg}"
DRAWN_ORDER = ("I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II")


def strokes(svg: str, pen: str) -> list[tuple[str, np.ndarray]]:
    """(lead, (points, 2) in mm) of every path of a pen; a row of NaN where the pen is lifted."""
    found = []
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class") == f"ecg-{pen}":
            scale = float(re.fullmatch(r"scale\(([\d.]+)\)", group.get("transform"))[1])
            found += [(path.get("data-lead"), points(path.get("d")) * scale) for path in group.iter(f"{SVG}path")]
    return found


def points(d: str) -> np.ndarray:
    """Of a path of runs like "M3 4l1-2 0 5", in its own unit."""
    runs = []
    for run in re.findall(r"M[^M]+", d):
        start, _, moves = run[1:].partition("l")
        numbers = [int(value) for part in (start, moves) for value in re.findall(r"-?\d+", part)]
        runs += [np.cumsum(np.reshape(numbers, (-1, 2)), axis=0), [[np.nan, np.nan]]]
    return np.concatenate(runs[:-1]) if runs else np.empty((0, 2))


def rhythm(svg: str) -> np.ndarray:
    lead, drawn = strokes(svg, "trace")[-1]
    assert lead == "II"
    return drawn


def foot(paper: Paper) -> str:
    return " ".join(words.words for words in paper.words if words.y_mm > paper.height_mm - 12)


@pytest.mark.parametrize("sampling_rate_hz", [250.0, 500.0, 360.0])
def test_one_millivolt_for_one_second_is_10_mm_by_25_mm(sampling_rate_hz):
    signal = np.zeros((12, int(10 * sampling_rate_hz)))
    signal[1, int(3 * sampling_rate_hz) : int(4 * sampling_rate_hz)] = 1.0
    drawn = rhythm(as_svg(lay_out(signal, sampling_rate_hz)))
    assert np.ptp(drawn[:, 1]) == pytest.approx(10.0, abs=0.02)
    raised = drawn[drawn[:, 1] < drawn[:, 1].max() - 5]
    assert raised[0, 0] == pytest.approx(MARGIN_MM + 75, abs=0.02)
    after = drawn[drawn[:, 0] > raised[-1, 0]][0]
    assert after[0] - raised[0, 0] == pytest.approx(25.0, abs=0.02)


def test_every_lane_has_a_calibration_pulse_of_one_millivolt_and_a_fifth_of_a_second():
    pulses = strokes(as_svg(lay_out(np.zeros((12, 2500)), 250.0)), "pulse")
    assert len(pulses) == 4
    for _, pulse in pulses:
        assert np.ptp(pulse[:, 1]) == pytest.approx(10.0)
        assert np.ptp(pulse[pulse[:, 1] == pulse[:, 1].min()][:, 0]) == pytest.approx(5.0)
        assert pulse[:, 0].max() <= MARGIN_MM


def test_the_grid_is_of_1_mm_with_a_thicker_line_every_5_mm():
    paper = lay_out(np.zeros((12, 2500)), 250.0)
    root = ElementTree.fromstring(as_svg(paper))
    thin, thick = ([drawn for _, drawn in strokes(as_svg(paper), pen)] for pen in ("thin", "thick"))
    down = [{x for x, y in lines[0] if y == 0} for lines in (thin, thick)]
    assert down[1] == set(np.arange(0, 261, 5))
    assert down[0] | down[1] == set(np.arange(0, 261))
    widths = {group.get("class"): float(group.get("stroke-width")) for group in root.iter(f"{SVG}g")}
    assert widths["ecg-thin"] < widths["ecg-thick"] < widths["ecg-trace"]


def test_the_drawing_is_in_millimetres():
    root = ElementTree.fromstring(as_svg(lay_out(np.zeros((12, 2500)), 250.0, title='ECG <1> & "2"')))
    _, _, width, height = map(float, root.get("viewBox").split())
    assert (root.get("width"), root.get("height")) == (f"{width:g}mm", f"{height:g}mm")
    assert width == WIDTH_MM == 260
    assert root.find(f"{SVG}title").text == 'ECG <1> & "2"'
    assert "25 mm/s" in root.find(f"{SVG}desc").text
    assert set(LEADS) <= {text.text for text in root.iter(f"{SVG}text")}


def test_every_lead_is_drawn_in_its_own_column_and_time():
    signal = np.broadcast_to(np.arange(2500) / 5000, (12, 2500))
    drawn = strokes(as_svg(lay_out(signal, 250.0)), "trace")
    assert tuple(lead for lead, _ in drawn) == DRAWN_ORDER
    starts = [trace[0, 0] - MARGIN_MM for _, trace in drawn]
    assert starts == pytest.approx([0, 62.5, 125, 187.5] * 3 + [0])
    assert all(len(trace) == 625 for _, trace in drawn[:12])
    # A ramp tells the time: the fourth column is the last quarter of it, about the median of the whole.
    fourth, whole = drawn[3][1][:, 1], drawn[12][1][:, 1]
    assert fourth[0] - fourth[-1] == pytest.approx(624 / 5000 * 10, abs=0.03)
    assert whole[0] - whole[-1] == pytest.approx(2499 / 5000 * 10, abs=0.03)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([250.0, 300.0, 500.0]), st.floats(0.05, 0.5))
def test_the_drawing_can_be_read_back_within_its_resolution(seed, sampling_rate_hz, amplitude_mv):
    signal = amplitude_mv * np.random.default_rng(seed).standard_normal((12, int(10 * sampling_rate_hz)))
    drawn = rhythm(as_svg(lay_out(signal, sampling_rate_hz)))
    expected = signal[1] - np.median(signal[1])
    zero = drawn[0, 1] + expected[0] * 10
    assert np.abs((drawn[:, 0] - MARGIN_MM) / 25 - np.arange(signal.shape[1]) / sampling_rate_hz).max() <= 0.011 / 25
    assert np.abs((zero - drawn[:, 1]) / 10 - expected).max() <= 0.0021


def test_missing_samples_are_a_gap_and_a_lone_one_is_a_dot():
    signal = np.zeros((12, 2500))
    signal[1, 1000:1100] = np.nan
    signal[1, 1050] = 0.1
    signal[11] = np.nan
    paper = lay_out(signal, 250.0)
    drawn = rhythm(as_svg(paper))
    assert np.isnan(drawn[:, 0]).sum() == 2
    assert np.isfinite(drawn[:, 0]).sum() == 2402
    assert len(dict(strokes(as_svg(paper), "trace"))["V6"]) == 0
    assert "Nothing to draw: V6." in foot(paper)


def test_a_short_recording_is_shared_out_among_the_columns():
    paper = lay_out(np.zeros((12, 1000)), 250.0)
    drawn = strokes(as_svg(paper), "trace")
    assert drawn[-1][1][-1, 0] == pytest.approx(MARGIN_MM + 999 / 250 * 25, abs=0.02)
    assert [trace[0, 0] - MARGIN_MM for _, trace in drawn[:4]] == pytest.approx([0, 25, 50, 75])
    assert "4 s in columns of 1 s." in foot(paper)
    assert "3–4 s" in [words.words for words in paper.words]


def test_of_a_day_the_first_10_s_are_drawn_and_that_is_said():
    day = Recording(
        "edf", ("I", "II"), np.zeros((2, 24 * 3600 * 100), dtype=np.int16), np.full(2, 0.001), 100.0, "1 uV"
    )
    paper = recording_paper(day, "day.edf")
    assert "First 10 s of 86400 s." in foot(paper)
    assert rhythm(as_svg(paper))[-1, 0] == pytest.approx(MARGIN_MM + 999 / 100 * 25, abs=0.02)
    assert "Nothing to draw: V1, V2, V3, V4, V5, V6." in foot(paper)


def test_what_leaves_the_paper_is_said():
    signal = np.zeros((12, 2500))
    signal[6, 1250:1600] = np.linspace(0, 40, 350)
    assert "Leaves the paper" not in foot(lay_out(np.zeros((12, 2500)), 250.0))
    assert "Leaves the paper: V1 (0 to 40 mV)." in foot(lay_out(signal, 250.0))


def test_a_lead_without_offset_is_drawn_about_its_median():
    signal = np.random.default_rng(1).standard_normal((12, 2500)) / 10
    assert as_svg(lay_out(signal + 8, 250.0)) == as_svg(lay_out(signal, 250.0))


def test_names_keep_clear_of_the_traces():
    signal = np.zeros((12, 2500))
    signal[:, ::3] = 0.75  # covers the usual place of every name
    names = [words for words in lay_out(signal, 250.0).words if words.words in LEADS]
    assert len(names) == 13
    lanes = sorted({words.y_mm for words in names})
    usual = sorted({words.y_mm for words in lay_out(np.zeros((12, 2500)), 250.0).words if words.words in LEADS})
    assert len(lanes) == 4
    assert not set(lanes) & set(usual)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.just(12), st.integers(1, 30)),
        elements=st.one_of(st.floats(-5, 5), st.floats(allow_nan=True, allow_infinity=True), st.just(0.0)),
    ),
    st.one_of(st.sampled_from([0.5, 1.0, 100.0, 500.0]), st.floats(1e-300, 1e308)),
    st.text(max_size=150),
)
def test_no_signal_is_too_odd_to_draw(signal_mv, sampling_rate_hz, title):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paper = lay_out(signal_mv, sampling_rate_hz, title)
        svg = as_svg(paper)
    assert tuple(lead for lead, _ in strokes(svg, "trace")) == DRAWN_ORDER
    assert len(svg) < 60_000
    assert 0 < paper.height_mm <= 250
    for _, drawn in strokes(svg, "trace") + strokes(svg, "border"):
        assert np.nanmax(np.abs(drawn), initial=0) <= 600


@pytest.mark.parametrize("signal_mv", [np.full((12, 1), np.nan), np.full((12, 1), 1e30), np.zeros((12, 1)) + [[3]]])
def test_a_png_is_drawn_of_odd_signals_too(signal_mv):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_png(lay_out(signal_mv, 500.0, "心 $x_1$ \udcff")).startswith(b"\x89PNG")


def test_a_png_is_to_scale_and_holds_the_traces():
    signal = np.zeros((12, 2500))
    signal[1, ::50] = 0.5
    paper = lay_out(signal, 250.0)
    chunks = png_chunks(as_png(paper))
    width, height = struct.unpack(">II", chunks["IHDR"][:8])
    assert (width, height) == (2600, paper.height_mm * 10)
    assert struct.unpack(">IIB", chunks["pHYs"]) == (10_000, 10_000, 1)  # pixels a metre
    assert as_png(paper) != as_png(lay_out(np.zeros((12, 2500)), 250.0))
    assert as_png(paper) == as_png(paper)


def png_chunks(png: bytes) -> dict[str, bytes]:
    chunks, at = {}, 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + content) == struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0]
        chunks[kind.decode()] = content
        at += 12 + size
    return chunks


def test_a_drawing_is_small_and_the_same_every_time():
    signal = np.random.default_rng(1).standard_normal((12, 2500)) / 5
    assert as_svg(lay_out(signal, 250.0)) == as_svg(lay_out(signal.copy(), 250.0))
    assert len(as_svg(lay_out(signal, 250.0))) < 80_000


@pytest.mark.parametrize(
    ("shape", "sampling_rate_hz"), [((2500, 12), 250), ((12, 0), 250), ((12, 9), 0), ((12, 9), np.nan)]
)
def test_another_shape_or_rate_is_an_error(shape, sampling_rate_hz):
    with pytest.raises(ValueError, match="expected \\(12, samples\\) at a positive rate"):
        lay_out(np.zeros(shape), sampling_rate_hz)
