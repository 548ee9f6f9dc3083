"""ROC and precision-recall figures, read back from their SVG."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from twelvelead.report.figures import (
    LEFT,
    MOST_CURVES,
    PLOT,
    TOP,
    curve,
    precision_recall_figure,
    roc_figure,
    select_curves,
)

SVG = "{http://www.w3.org/2000/svg}"


def example(ecgs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = (random.random(ecgs) < 0.2).astype(float)
    return truth, random.standard_normal(ecgs) + 1.2 * truth


def drawn_line(svg: str) -> np.ndarray:
    """(points, 2) of the figure's first curve, in the units of its axes."""
    group = next(g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if "curve" in g.get("class", ""))
    points = []
    x = y = 0.0
    for command, numbers in re.findall(r"([Mlhv])([^Mlhv]*)", group.find(f"{SVG}path").get("d")):
        values = [float(value) for value in re.findall(r"-?\d*\.?\d+", numbers)]
        if command == "M":
            x, y = values
        else:
            x += values[0] if command in "lh" else 0
            y += values[-1] if command in "lv" else 0
        points.append((x, y))
    at = np.array(points)
    return np.stack([(at[:, 0] - LEFT) / PLOT, 1 - (at[:, 1] - TOP) / PLOT], axis=1)


@pytest.mark.parametrize("ecgs", [12, 300, 60_000])
def test_the_area_under_the_drawn_line_is_the_area_in_the_legend(ecgs):
    truth, score = example(ecgs, seed=4)
    one = curve(truth, score, "Afib")
    assert one.auroc == pytest.approx(roc_auc_score(truth, score))
    assert one.average_precision == pytest.approx(average_precision_score(truth, score))
    roc = drawn_line(roc_figure([one], "ROC"))
    precision_recall = drawn_line(precision_recall_figure([one], "PR"))
    assert np.trapezoid(roc[:, 1], roc[:, 0]) == pytest.approx(one.auroc, abs=4e-3)
    assert np.trapezoid(precision_recall[:, 1], precision_recall[:, 0]) == pytest.approx(
        one.average_precision, abs=4e-3
    )
    assert roc[0] == pytest.approx([0, 0], abs=1e-3)
    assert roc[-1] == pytest.approx([1, 1], abs=1e-3)


def test_a_curve_of_many_ecgs_stays_small():
    truth, score = example(200_000)
    one = curve(truth, score, "Afib")
    assert len(roc_figure([one], "ROC")) < 12_000
    assert len(precision_recall_figure([one], "PR")) < 25_000


def test_the_legend_gives_area_and_counts_and_names_are_escaped():
    truth, score = example(300)
    one = curve(truth, score, 'a < b & "c" that is far too long for the room a legend has')
    root = ElementTree.fromstring(roc_figure([one], "ROC of <x>"))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert f"{one.auroc:.3f}" in texts
    assert f"{int(truth.sum())} / 300" in texts
    assert any(text.startswith('a < b & "c" that') and text.endswith("…") for text in texts)
    assert root.find(f"{SVG}title").text == "ROC of <x>"
    assert one.label in root.find(f"{SVG}desc").text


def test_a_pattern_has_one_colour_in_both_figures():
    labels = ["first", "second", "third"]
    columns = [example(200, seed) for seed in (1, 2, 3)]
    # The second has the most positives, and the areas rank differently in the two figures.
    curves = select_curves(
        np.stack([truth for truth, _ in columns], axis=1), np.stack([score for _, score in columns], axis=1), labels
    )

    def colours(svg: str) -> dict[str, str]:
        groups = [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if "curve" in g.get("class", "")]
        return {group.find(f"{SVG}title").text: group.get("stroke") for group in groups}

    assert colours(roc_figure(curves, "")) == colours(precision_recall_figure(curves, ""))
    assert len(set(colours(roc_figure(curves, "")).values())) == 3


def test_curves_are_of_patterns_with_both_classes_and_the_most_positives():
    random = np.random.default_rng(0)
    columns = MOST_CURVES + 5
    truth = (random.random((400, columns)) < np.linspace(0.05, 0.6, columns)).astype(float)
    truth[:, 0], truth[:, 1] = 1, 0
    truth[::3, 4] = np.nan
    probability = random.random((400, columns))
    probability[:, 5] = np.nan
    curves = select_curves(truth, probability, [str(column) for column in range(columns)])
    assert len(curves) == MOST_CURVES
    assert [one.positives for one in curves] == sorted((one.positives for one in curves), reverse=True)
    assert not {"0", "1", "5"} & {one.label for one in curves}
    everything = select_curves(truth, probability, [str(column) for column in range(columns)], limit=99)
    assert next(one for one in everything if one.label == "4").n == np.isfinite(truth[:, 4]).sum()


def test_no_pattern_with_both_classes_gives_no_curve():
    assert select_curves(np.ones((4, 2)), np.zeros((4, 2)), ["a", "b"]) == ()
