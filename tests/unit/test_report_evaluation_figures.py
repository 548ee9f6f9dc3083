"""The figures of an evaluation, read back from their SVG: values against the figure's own tick labels."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from twelvelead.report.confusion_matrix import confusion_matrix
from twelvelead.report.evaluation_figures import calibration_plot, decision_curve_plot
from twelvelead.report.figure_file import standalone, stylesheet
from twelvelead.report.flow_diagram import FlowStep, flow_diagram
from twelvelead.report.forest_plot import SUPPRESSED, ForestRow, forest_plot
from twelvelead.report.plot_frame import cut_below, ticks
from twelvelead.report.probability_figure import probability_distributions

SVG = "{http://www.w3.org/2000/svg}"
MEAN = [0.05, 0.22, 0.41, 0.73]
OBSERVED = [0.02, 0.30, 0.38, 0.81]
LOW, HIGH = [0.00, 0.22, 0.30, 0.72], [0.06, 0.39, 0.47, 0.88]
EDGES = np.linspace(0, 1, 11)
POSITIVES, NEGATIVES = [1, 0, 2, 3, 4, 5, 5, 10, 10, 10], [500, 200, 100, 50, 50, 40, 30, 20, 10, 0]
THRESHOLDS = np.linspace(0.02, 0.6, 30)
PREVALENCE = 0.2
TREAT_ALL = PREVALENCE - (1 - PREVALENCE) * THRESHOLDS / (1 - THRESHOLDS)
MODEL = 0.18 - 0.2 * THRESHOLDS
ROWS = [
    ForestRow("All ECGs", 0.871, 0.858, 0.884, "2,152 / 42,203"),
    ForestRow("female", 0.80, 0.70, 0.88, "63 / 20,841", group="Sex"),
    ForestRow("male", 0.92, None, None, "12 / 355", group="Sex"),
    ForestRow("C", None, None, None, "– / –", SUPPRESSED, group="Site"),
]
STEPS = [
    FlowStep("Table cells that name a file", 1300, (("the file is not there", 12), ("every lead is constant", 88))),
    FlowStep("ECGs with a usable signal", 1200, (("no truth", 200),)),
    FlowStep("ECGs analysed", 1000),
]
OUTCOMES = (("Positive", 100), ("Negative", 900))


def calibration(title="Calibration", **changed):
    shown = {
        "mean_predicted": MEAN,
        "observed": OBSERVED,
        "low": LOW,
        "high": HIGH,
        "n_per_bin": [250, 250, 251, 249],
        "curve_x": np.array([0.01, 0.5, 0.9]),
        "curve_y": np.array([0.02, 0.45, 0.95]),
        "summary": ["ECE 0.031 (0.022 to 0.041)"],
        "histogram_edges": EDGES,
        "positives_per_bin": POSITIVES,
        "negatives_per_bin": NEGATIVES,
    }
    return calibration_plot(title=title, **(shown | changed))


def decision(title="Decision curves", **changed):
    shown = {"threshold_probabilities": THRESHOLDS, "models": {"wcr": MODEL}, "treat_all": TREAT_ALL}
    return decision_curve_plot(title=title, **(shown | changed))


def distributions(title="Distributions", **changed):
    shown = {"edges": EDGES, "positives": POSITIVES, "negatives": NEGATIVES, "thresholds": (("Youden", 0.35),)}
    return probability_distributions(title=title, **(shown | changed))


def confusion(title="Confusion", **changed):
    shown = {"tp": 132, "fp": 1204, "fn": 20, "tn": 34847, "threshold": 0.0312, "kind": "Youden"}
    return confusion_matrix(title=title, **(shown | changed))


def forest(title="Forest", **changed):
    return forest_plot(title=title, **({"rows": ROWS, "reference": 0.871, "label_heading": "Subgroup"} | changed))


def flow(title="Flow", **changed):
    return flow_diagram(title=title, **({"steps": STEPS, "outcomes": OUTCOMES} | changed))


FIGURES = [calibration, decision, distributions, confusion, forest, flow]


def parsed(svg):
    return etree.fromstring(svg.encode())


def with_class(root, name, tag="*"):
    return [one for one in root.iter(f"{SVG}{tag}") if name in (one.get("class") or "").split()]


def written(root):
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def numbers_in(path):
    return np.array([float(each) for each in re.findall(r"-?\d+\.?\d*", path)])


def scales(root):
    """(x from position, y from position) by the tick labels, a straight line through each axis's; None without one."""
    along, up = {}, {}
    for group in with_class(root, "ticks"):
        for one in group:
            axis = along if one.get("text-anchor") == "middle" else up
            value = float(one.text.replace("\N{MINUS SIGN}", "-"))
            axis[value] = float(one.get("x")) if axis is along else float(one.get("y")) - 4
    return tuple(
        np.poly1d(np.polyfit(list(axis.values()), list(axis), 1)) if len(axis) > 1 else None for axis in (along, up)
    )


@pytest.mark.parametrize("end", [1, 0.1])
def test_calibration_points_intervals_and_curve_lie_at_their_values(end):
    scaled = {"mean_predicted": MEAN, "observed": OBSERVED, "low": LOW, "high": HIGH, "curve_x": [0.01, 0.5, 0.9]}
    scaled = {name: np.multiply(values, end) for name, values in scaled.items()}
    curve_y = np.array([0.02, 0.45, 0.95]) * end
    root = parsed(calibration(**scaled, curve_y=curve_y, histogram_edges=EDGES * end))
    x, y = scales(root)
    points = with_class(root, "point")
    assert len(points) == 4
    for point, mean, observed, low, high in zip(points, *(list(scaled.values())[:4]), strict=True):
        dot, whisker = point.find(f"{SVG}circle"), point.find(f"{SVG}path")
        assert x(float(dot.get("cx"))) == pytest.approx(mean, abs=end / 500)
        assert y(float(dot.get("cy"))) == pytest.approx(observed, abs=end / 500)
        _, bottom, top = numbers_in(whisker.get("d"))[:3]
        assert (y(bottom), y(top)) == pytest.approx((low, high), abs=end / 500)
    line = numbers_in(with_class(root, "line")[0].get("d")).reshape(-1, 2)
    assert x(line[:, 0]) == pytest.approx(scaled["curve_x"], abs=end / 500)
    assert y(line[:, 1]) == pytest.approx(curve_y, abs=end / 500)
    assert "ECE 0.031 (0.022 to 0.041)" in written(root)
    assert any("4 bins of 249 to 251 ECGs" in line for line in written(root))


def test_ideal_calibration_is_the_diagonal():
    root = parsed(calibration())
    x, y = scales(root)
    line = numbers_in(with_class(root, "reference")[0].get("d")).reshape(-1, 2)
    assert x(line[:, 0]) == pytest.approx(y(line[:, 1]), abs=2e-3)
    assert x(line[:, 0]) == pytest.approx([0, 1], abs=2e-3)


@pytest.mark.parametrize("figure", [calibration, distributions])
def test_bars_are_shares_of_their_class_positives_up_negatives_down(figure):
    root = parsed(figure())
    bars = [one for one in with_class(root, "share") if one.get("x") != "0"]  # 0: the legend's
    up, down = ([one for one in bars if one.getparent().get("class") == colour] for colour in ("colour-1", "colour-0"))
    per_share = []
    for own, counts in ((up, POSITIVES), (down, NEGATIVES)):
        filled = np.array([count for count in counts if count])
        assert len(own) == len(filled)
        per_share += list(np.array([float(one.get("height")) for one in own]) / (filled / filled.sum()))
    assert np.array(per_share) == pytest.approx(per_share[0], rel=0.03)
    feet = [float(one.get("y")) + float(one.get("height")) for one in up] + [float(one.get("y")) for one in down]
    assert np.ptp(feet) < 0.03


def test_distributions_scale_is_in_percent_of_the_class():
    root = parsed(distributions())
    highest = max(with_class(root, "share"), key=lambda one: float(one.get("height")))
    below = [one for one in with_class(root, "ticks")[0] if one.get("text-anchor") == "end"]
    at = {float(one.text): float(one.get("y")) - 4 for one in below if float(one.get("y")) >= float(highest.get("y"))}
    per_pixel = (max(at) - min(at)) / (at[max(at)] - at[min(at)])
    assert float(highest.get("height")) * per_pixel == pytest.approx(50.0, abs=0.1)


@pytest.mark.parametrize("log_odds", [False, True])
def test_thresholds_stand_at_their_probability_and_their_letters_apart(log_odds):
    given_thresholds = [("published, transported", 0.3), ("fitted", 0.301), ("by the user", 0.29), ("none", None)]
    edges = np.linspace(0.001, 0.999, 11)
    root = parsed(distributions(edges=edges, thresholds=given_thresholds, log_odds=log_odds))
    below = [one for one in with_class(root, "ticks")[0] if one.get("text-anchor") == "middle"]
    along = {float(one.text): float(one.get("x")) for one in below}
    values, positions = np.array(list(along)), np.array(list(along.values()))
    if log_odds:
        values = np.log(values / (1 - values))
    axis = np.poly1d(np.polyfit(positions, values, 1))
    expected = {"A": 0.3, "B": 0.301, "C": 0.29}
    tags = with_class(root, "tagged")
    assert {one.find(f"{SVG}text").text for one in tags} == set(expected)
    centres = []
    for one in tags:
        x = numbers_in(one.find(f"{SVG}path").get("d"))[0]
        read = 1 / (1 + np.exp(-axis(x))) if log_odds else axis(x)
        assert read == pytest.approx(expected[one.find(f"{SVG}text").text], abs=2e-3)
        circle = one.find(f"{SVG}circle")
        centres.append((float(circle.get("cx")), float(circle.get("cy"))))
    gaps = [np.hypot(a[0] - b[0], a[1] - b[1]) for at, a in enumerate(centres) for b in centres[:at]]
    assert min(gaps) >= 16
    assert "none: none" in written(root)
    assert "by the user: 0.29" in written(root)


def test_decision_curves_lie_at_their_values_and_treat_all_ends_below_zero():
    root = parsed(decision(models={"wcr": MODEL, "other": MODEL / 2}))
    x, y = scales(root)
    lines = [one for one in with_class(root, "line") if one.getparent().find(f"{SVG}title") is not None]
    assert [one.getparent().find(f"{SVG}title").text for one in lines] == ["wcr", "other"]
    for one, values in zip(lines, (MODEL, MODEL / 2), strict=True):
        drawn = numbers_in(one.get("d")).reshape(-1, 2)
        assert x(drawn[:, 0]) == pytest.approx(THRESHOLDS, abs=2e-3)
        assert y(drawn[:, 1]) == pytest.approx(values, abs=1e-3)
    assert len({(one.getparent().get("class"), one.get("stroke-dasharray")) for one in lines}) == 2
    assert lines[0].get("stroke-dasharray") != lines[1].get("stroke-dasharray")
    treat_all = numbers_in(with_class(root, "treat-all")[0].get("d")).reshape(-1, 2)
    frame = with_class(root, "frame")[0]
    bottom = float(frame.get("y")) + float(frame.get("height"))
    assert treat_all[:, 1].max() == pytest.approx(bottom, abs=0.02)
    assert -0.1 < y(bottom) < 0
    end = x(treat_all[-1, 0])
    assert np.interp(end, THRESHOLDS, TREAT_ALL) == pytest.approx(y(bottom), abs=2e-3)
    none = numbers_in(with_class(root, "reference")[0].get("d")).reshape(-1, 2)
    assert y(none[:, 1]) == pytest.approx([0, 0], abs=1e-6)


def test_a_harmful_model_is_cut_off_where_treating_all_is():
    root = parsed(decision(models={"harmful": MODEL - 2 * THRESHOLDS}))
    frame = with_class(root, "frame")[0]
    bottom = float(frame.get("y")) + float(frame.get("height"))
    for name in ("line", "treat-all"):
        drawn = numbers_in(with_class(root, name, "path")[0].get("d")).reshape(-1, 2)
        assert drawn[:, 1].max() == pytest.approx(bottom, abs=0.02)


def test_a_confusion_matrix_has_truth_down_prediction_across_and_shares_of_rows():
    root = parsed(confusion(truth_name="Pseudo-label"))
    at = {"".join(one.itertext()): (float(one.get("x")), float(one.get("y"))) for one in root.iter(f"{SVG}text")}
    assert at["132"][1] == at["20"][1] < at["1,204"][1] == at["34,847"][1]
    assert at["132"][0] == at["1,204"][0] == at["Predicted positive"][0]
    assert at["20"][0] == at["34,847"][0] == at["Predicted negative"][0]
    assert {"86.8 %", "13.2 %", "3.3 %", "96.7 %", "n = 152", "n = 36,051"} <= set(at)
    assert "At threshold 0.0312: Youden" in at
    assert any(one.startswith("Pseudo-label") for one in at)


def test_a_confusion_matrix_without_positives_or_threshold_says_so():
    shown = written(parsed(confusion(tp=0, fn=0)))
    assert "n = 0" in shown
    assert shown.count("–") == 2
    unknown = written(parsed(confusion(tp=None, fp=None, fn=None, tn=None, threshold=None, kind="")))
    assert "no threshold" in unknown
    assert unknown.count("–") == 8


def test_forest_rows_lie_at_their_values_and_suppressed_ones_say_so():
    root = parsed(forest())
    x, _ = scales(root)
    rows = with_class(root, "entry")
    assert len(rows) == 4
    for row, shown in zip(ROWS, rows, strict=True):
        squares, lines = shown.findall(f".//{SVG}rect"), shown.findall(f".//{SVG}path")
        assert len(squares) == (row.value is not None)
        if squares:
            assert x(float(squares[0].get("x")) + 4) == pytest.approx(row.value, abs=1e-3)
        if row.low is None:
            assert not lines
        else:
            left, _, right = numbers_in(lines[0].get("d"))
            assert (x(left), x(right)) == pytest.approx((row.low, row.high), abs=1e-3)
    assert "0.871 (0.858 to 0.884)" in written(root)
    assert SUPPRESSED in written(root)
    assert x(numbers_in(with_class(root, "reference")[0].get("d"))[0]) == pytest.approx(0.871, abs=1e-3)
    headings = with_class(root, "strong")
    assert [one.text for one in headings] == ["Sex", "Site"]
    lines = sorted(float(one.get("y")) for one in [*headings, *(row.find(f"{SVG}text") for row in rows)])
    assert np.diff(lines).min() > 14


def test_differences_have_signs_and_intervals_that_leave_the_axis_an_arrow_head():
    rows = [ForestRow("a", 0.01, -0.2, 0.04), ForestRow("b", -0.3, -0.4, -0.2), ForestRow("c", float("nan"), 0, 0)]
    root = parsed(forest(rows=rows, reference=0, axis_from=-0.1, axis_to=0.1, measure="Difference of AUROC"))
    shown = with_class(root, "entry")
    assert "+0.010 (\N{MINUS SIGN}0.200 to +0.040)" in written(root)
    assert len(with_class(shown[0], "dot", "path")) == 1
    assert not shown[1].findall(f".//{SVG}rect")
    assert "not evaluable" in written(root)
    assert sum(len(row.findall(f".//{SVG}rect")) for row in shown) == 1


def test_long_forest_columns_do_not_overlap_and_stay_within_the_drawing():
    rows = [ForestRow("x" * 60, 0.8, 0.7, 0.9, "1,234,567 / 12,345,678", group="g" * 50)]
    root = parsed(forest(rows=rows))
    row = with_class(root, "entry")[0]
    label, n, values = row.findall(f"{SVG}text")
    assert row.find(f"{SVG}title").text.startswith("x" * 60)
    width = float(root.get("viewBox").split()[2])
    letter = 6
    assert float(label.get("x")) + letter * len(label.text) < float(n.get("x")) - letter * len(n.text)
    assert float(values.get("x")) + letter * len(values.text) < width


def test_a_flow_diagram_names_every_count_and_its_arrows_reach_the_boxes():
    root = parsed(flow())
    said = " ".join(written(root)).replace("\N{NO-BREAK SPACE}", " ")
    for part in ("name a file (n = 1,300)", "Excluded (n = 100)", "constant (n = 88)", "Excluded (n = 200)",
                 "analysed (n = 1,000)", "Positive (n = 100)", "Negative (n = 900)"):  # fmt: skip
        assert part in said
    boxes = [[float(one.get(side)) for side in ("x", "y", "width", "height")] for one in with_class(root, "box")]
    assert len(boxes) == 7
    ends = [numbers_in(one.get("d"))[:2] for one in with_class(root, "arrow-head")]
    on_top = [any(x < ex < x + w and ey == pytest.approx(y, abs=0.02) for x, y, w, _ in boxes) for ex, ey in ends]
    on_side = [any(ex == pytest.approx(x, abs=0.02) and y < ey < y + h for x, y, _, h in boxes) for ex, ey in ends]
    assert all(top or side for top, side in zip(on_top, on_side, strict=True))
    assert (sum(on_top), sum(on_side)) == (4, 2)
    for at, (x, y, w, h) in enumerate(boxes):
        assert all(x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y for x2, y2, w2, h2 in boxes[:at])


def test_a_flow_diagram_that_loses_ecgs_is_refused():
    with pytest.raises(ValueError, match="has 1300 and excludes 100, but .* has 1199; expected 1200"):
        flow(steps=[STEPS[0], FlowStep("ECGs with a usable signal", 1199)], outcomes=())
    with pytest.raises(ValueError, match="has 1000, but its outcomes add up to 999"):
        flow(outcomes=(("Positive", 99), ("Negative", 900)))
    with pytest.raises(ValueError, match="the last step"):
        flow(steps=STEPS[:2], outcomes=())
    assert "not known" in flow(steps=[FlowStep("a", None, (("b", None),)), FlowStep("c", 3)], outcomes=())


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_well_formed_has_a_description_and_no_ids_or_colours_of_its_own(figure):
    svg = figure()
    root = parsed(svg)
    assert root.get("role") == "img"
    assert len(root.find(f"{SVG}desc").text) > 40
    for one in root.iter():
        assert not {"id", "style", "fill", "stroke", "font-family"} & set(one.attrib)
    known = set(re.findall(r"\.([a-z][a-z0-9-]*)", stylesheet())) | {"entry", "point", "tagged"}
    assert {name for one in root.iter() for name in (one.get("class") or "").split()} <= known
    assert not re.search(r"\bnan\b|\binf\b", svg)


@pytest.mark.parametrize("figure", FIGURES)
def test_the_same_values_give_the_same_bytes(figure):
    assert figure() == figure()
    assert standalone(figure()) == standalone(figure())


def test_lists_and_arrays_of_any_number_give_the_same_bytes():
    assert calibration() == calibration(mean_predicted=np.array(MEAN), positives_per_bin=np.array(POSITIVES))
    assert decision(threshold_probabilities=THRESHOLDS.tolist(), models={"wcr": MODEL.tolist()}) == decision()


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("title", ['</title><script>alert("1")</script> & <x>', "bell \x07 and \udcff", ""])
def test_hostile_titles_are_text(figure, title):
    for svg in (figure(title=title), standalone(figure(title=title))):
        root = parsed(svg)
        shown = root.find(f"{SVG}title").text or ""
        assert shown == title.replace("\x07", "\\x07").replace("\udcff", "\\xff")
        assert root.find(f".//{SVG}script") is None


def test_hostile_names_are_text():
    name = "<b>&amp;]]>\x00"
    for svg in (
        decision(models={name: MODEL}),
        distributions(thresholds=((name, 0.5),)),
        confusion(kind=name, truth_name=name),
        forest(rows=[ForestRow(name, 0.5, 0.4, 0.6, name, group=name)], measure=name, label_heading=name),
        flow(steps=[FlowStep(name, 1)], outcomes=((name, 1),)),
        calibration(summary=[name]),
        calibration(mean_predicted=None, reason=name),
    ):
        assert "<b>&amp;]]>\\x00" in parsed(standalone(svg)).find(f"{SVG}desc").text + " ".join(written(parsed(svg)))


def test_without_values_a_figure_gives_the_reason():
    none = {"mean_predicted": None, "observed": None, "low": None, "high": None, "n_per_bin": None}
    reason = "4 positives; calibration needs at least 10"
    nothing = [
        calibration_plot(title="", mean_predicted=None, observed=None, reason=reason),
        calibration(**none, reason=reason),
        decision_curve_plot(title="", threshold_probabilities=None, models={"wcr": None}, reason=reason),
        decision(models={"wcr": None}, treat_all=None, reason=reason),
        probability_distributions(title="", edges=None, positives=None, negatives=None, reason=reason),
        distributions(positives=[0] * 10, negatives=None, reason=reason),
    ]
    for svg in nothing:
        assert reason in " ".join(written(parsed(svg)))
    assert "No rows" in written(parsed(forest(rows=[])))
    assert "No steps" in written(parsed(flow(steps=[], outcomes=())))


def test_what_is_missing_is_left_out():
    assert len(with_class(parsed(calibration(observed=[0.02, None, float("nan"), 0.81])), "point")) == 2
    bare = parsed(calibration(low=None, high=None, n_per_bin=None, curve_x=None, curve_y=None, histogram_edges=None))
    assert not with_class(bare, "whisker") + with_class(bare, "line") + with_class(bare, "share")
    assert len(with_class(bare, "point")) == 4
    holes = MODEL.tolist()
    holes[5] = None
    line = with_class(parsed(decision(models={"wcr": holes, "none": None})), "line")[0].get("d")
    assert line.count("M") == 2
    assert len(numbers_in(line)) == 2 * (len(THRESHOLDS) - 1)
    only_negatives = with_class(parsed(distributions(positives=None)), "share")
    assert {one.getparent().get("class") for one in only_negatives if one.get("x") != "0"} == {"colour-0"}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_file_of_its_own_has_its_styles_its_title_and_all_of_the_drawing(figure):
    inline, alone = parsed(figure(title="A title")), parsed(standalone(figure(title="A title")))
    assert alone.find(f"{SVG}style").text == stylesheet()
    assert with_class(alone, "title")[0].text == "A title"
    inner, outer = ([float(edge) for edge in root.get("viewBox").split()] for root in (inline, alone))
    assert outer[0] <= inner[0]
    assert outer[1] < inner[1]
    assert outer[0] + outer[2] >= inner[0] + inner[2]
    assert outer[1] + outer[3] >= inner[1] + inner[3]
    assert (alone.get("width"), alone.get("height")) == tuple(alone.get("viewBox").split()[2:])
    ground = with_class(alone, "ground")[0]
    assert [float(ground.get(side)) for side in ("x", "y", "width", "height")] == outer
    assert set(written(inline)) <= set(written(alone))
    assert inner[1] > float(with_class(alone, "title")[0].get("y")) > outer[1] + 10


def test_only_a_drawing_becomes_a_file():
    with pytest.raises(ValueError, match="expected a figure made by svg.drawing"):
        standalone("<p>no figure</p>")


def test_no_line_of_text_leaves_the_drawing():
    long = " ".join(["a long description of a threshold"] * 6)
    letter = 5  # narrower than any font at 11 units on average: what fails here is wide by far
    for svg in (
        calibration(summary=[long]),
        calibration(mean_predicted=None, reason=long),
        distributions(thresholds=((long, 0.5),)),
        decision(models={long: MODEL}),
        confusion(kind=long),
        flow(steps=[FlowStep(long, 2, ((long, 1),)), FlowStep("left", 1)], outcomes=((long, 1),)),
    ):
        root = parsed(svg)
        _, _, width, height = (float(edge) for edge in root.get("viewBox").split())
        for one in root.iter(f"{SVG}text"):
            if one.get("transform") or "text-anchor" in one.attrib:
                continue
            assert float(one.get("x")) + letter * len(one.text or "") <= width
            assert float(one.get("y")) <= height


@settings(max_examples=60, deadline=None)
@given(low=st.floats(-5, 5), span=st.floats(1e-3, 50), most=st.integers(6, 9))
def test_ticks_are_few_round_and_within(low, span, most):
    at = ticks(low, low + span, most)
    assert 2 <= len(at) <= most
    assert low - 1e-6 * span <= at[0] <= at[-1] <= low + span * (1 + 1e-6)
    step = at[1] - at[0]
    mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - each) for each in (1, 2, 5)) < 1e-6
    assert at == pytest.approx([round(each / step) * step for each in at], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(heights=st.lists(st.one_of(st.floats(-3, 3), st.none()), min_size=2, max_size=12))
def test_a_line_cut_below_keeps_its_points_and_ends_at_the_cut(heights):
    y = np.array(heights, dtype=float)
    x = np.arange(len(y), dtype=float)
    cut_x, cut_y = cut_below(x, y, -1.0)
    kept = np.isfinite(cut_y)
    assert (cut_y[kept] >= -1).all()
    above = {(a, b) for a, b in zip(x, y, strict=True) if b >= -1}
    assert above <= set(zip(cut_x[kept], cut_y[kept], strict=True))
    for a, b in set(zip(cut_x[kept], cut_y[kept], strict=True)) - above:
        assert b == -1
        assert np.interp(a, x, y) == pytest.approx(-1, abs=1e-9)
