"""The ECG paper, read back from its SVG: true to scale, nothing cut in silence."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.ecg import LEADS
from twelvelead.report.ecg_paper import MARGIN_MM, WIDTH_MM, draw

SVG = "{http://www.w3.org/2000/svg}"
STEP = re.compile(r"([Mlhv])|(-?\d+)")


def points_mm(path: ElementTree.Element, scale: float) -> np.ndarray:
    """(points, 2) of a path of M, l, h and v, in mm; a new M starts a row of NaN."""
    points, numbers, command = [], [], ""
    x = y = 0
    for letter, value in STEP.findall(path.get("d")):
        if letter:
            command, numbers = letter, []
            continue
        numbers.append(int(value))
        if command in "hv":
            x, y = (x + numbers[0], y) if command == "h" else (x, y + numbers[0])
        elif len(numbers) < 2:
            continue
        elif command == "M":
            if points:
                points.append((np.nan, np.nan))
            x, y = numbers
        else:
            x, y = x + numbers[0], y + numbers[1]
        points.append((x, y))
        numbers = []
    return np.array(points, dtype=float) * scale


def traces(svg: str) -> list[tuple[str, np.ndarray]]:
    found = []
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        scale = re.fullmatch(r"scale\(([\d.]+)\)", group.get("transform", ""))
        if scale:
            found += [
                (path.get("data-lead") or path.get("class"), points_mm(path, float(scale[1])))
                for path in group.iter(f"{SVG}path")
            ]
    return found


@pytest.mark.parametrize("sampling_rate_hz", [250.0, 500.0, 360.0])
def test_one_millivolt_for_one_second_is_10_mm_by_25_mm(sampling_rate_hz):
    signal = np.zeros((12, int(10 * sampling_rate_hz)))
    start, end = int(3 * sampling_rate_hz), int(4 * sampling_rate_hz)
    signal[1, start:end] = 1.0
    rhythm = [points for lead, points in traces(draw(signal, sampling_rate_hz)) if lead == "II"][-1]
    raised = rhythm[rhythm[:, 1] < rhythm[:, 1].max() - 5]
    assert rhythm[:, 1].max() - rhythm[:, 1].min() == pytest.approx(10.0, abs=0.02)
    assert raised[0, 0] == pytest.approx(MARGIN_MM + 75, abs=0.02)
    after = rhythm[rhythm[:, 0] > raised[-1, 0]][0]
    assert after[0] - raised[0, 0] == pytest.approx(25.0, abs=0.02)


def test_the_calibration_pulse_is_one_millivolt_and_a_fifth_of_a_second():
    pulse = next(points for lead, points in traces(draw(np.zeros((12, 2500)), 250.0)) if lead == "ecg-pulse")
    assert np.ptp(pulse[:, 1]) == pytest.approx(10.0)
    top = pulse[pulse[:, 1] == pulse[:, 1].min()]
    assert np.ptp(top[:, 0]) == pytest.approx(5.0)


def test_the_paper_is_in_millimetres():
    root = ElementTree.fromstring(draw(np.zeros((12, 2500)), 250.0, title='ECG <1> & "2"'))
    _, _, width, height = map(float, root.get("viewBox").split())
    assert (root.get("width"), root.get("height")) == (f"{width:g}mm", f"{height:g}mm")
    assert width == WIDTH_MM == 260
    assert root.find(f"{SVG}title").text == 'ECG <1> & "2"'
    assert "25 mm/s" in root.find(f"{SVG}desc").text
    assert set(LEADS) <= {text.text for text in root.iter(f"{SVG}text")}


def test_every_lead_is_drawn_in_its_own_column_and_time():
    drawn = [(lead, points) for lead, points in traces(draw(np.zeros((12, 2500)), 250.0)) if lead in LEADS]
    assert [lead for lead, _ in drawn] == [
        "I",
        "aVR",
        "V1",
        "V4",
        "II",
        "aVL",
        "V2",
        "V5",
        "III",
        "aVF",
        "V3",
        "V6",
        "II",
    ]
    starts = [points[0, 0] - MARGIN_MM for _, points in drawn]
    assert starts == pytest.approx([0, 62.5, 125, 187.5] * 3 + [0])
    assert all(len(points) == 625 for _, points in drawn[:12])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([250.0, 300.0, 500.0]), st.floats(0.05, 3))
def test_the_drawing_can_be_read_back_within_its_resolution(seed, sampling_rate_hz, amplitude_mv):
    random = np.random.default_rng(seed)
    signal = amplitude_mv * random.standard_normal((12, int(10 * sampling_rate_hz)))
    rhythm = [points for lead, points in traces(draw(signal, sampling_rate_hz)) if lead == "II"][-1]
    expected = signal[1] - np.median(signal[1])
    time_s = (rhythm[:, 0] - MARGIN_MM) / 25
    offset = rhythm[0, 1] + expected[0] * 10
    assert np.abs(time_s - np.arange(signal.shape[1]) / sampling_rate_hz).max() <= 0.011 / 25
    assert np.abs((offset - rhythm[:, 1]) / 10 - expected).max() <= 0.0021


def test_missing_samples_are_a_gap():
    signal = np.zeros((12, 2500))
    signal[1, 1000:1100] = np.nan
    signal[11] = np.nan
    drawn = traces(draw(signal, 250.0))
    rhythm = [points for lead, points in drawn if lead == "II"][-1]
    assert np.isnan(rhythm[:, 0]).sum() == 1
    assert np.isfinite(rhythm[:, 0]).sum() == 2400
    assert len(next(points for lead, points in drawn if lead == "V6")) == 0


def test_a_short_signal_ends_where_it_ends():
    rhythm = [points for lead, points in traces(draw(np.zeros((12, 1000)), 250.0)) if lead == "II"][-1]
    assert rhythm[-1, 0] == pytest.approx(MARGIN_MM + 999 / 250 * 25)


def test_what_leaves_the_paper_is_said():
    signal = np.zeros((12, 2500))
    signal[6, 700:2000] = np.linspace(0, 40, 1300)
    within, beyond = draw(np.zeros((12, 2500)), 250.0), draw(signal, 250.0)
    assert "Leaves the paper" not in within
    assert beyond.count("Leaves the paper: V1 (") == 2


def test_a_drawing_is_small_and_the_same_every_time():
    signal = np.random.default_rng(1).standard_normal((12, 2500))
    assert draw(signal, 250.0) == draw(signal.copy(), 250.0)
    assert len(draw(signal, 250.0)) < 80_000


def test_another_shape_or_rate_is_an_error():
    with pytest.raises(ValueError, match="expected \\(12, samples\\)"):
        draw(np.zeros((2500, 12)), 250.0)
    with pytest.raises(ValueError, match="positive rate"):
        draw(np.zeros((12, 2500)), 0)
