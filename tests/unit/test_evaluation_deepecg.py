"""DeepECG's metrics against scikit-learn, against brute force, and where something is unknown."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score, roc_curve

from twelvelead.errors import TableError
from twelvelead.evaluation.deepecg_metrics import (
    BINARY_METRICS,
    NOT_PREDICTED,
    Metrics,
    binary_metrics,
    multilabel_metrics,
)
from twelvelead.evaluation.tables import write_metrics_csv, write_metrics_json

NAN = float("nan")


def by_scikit_learn(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    false_positive_rate, sensitivity, thresholds = roc_curve(truth, probability)
    threshold = thresholds[np.argmax(sensitivity - false_positive_rate)]
    called = probability >= threshold
    return {
        "auc": roc_auc_score(truth, probability),
        "auprc": average_precision_score(truth, probability),
        "f1": f1_score(truth, called, zero_division=0),
        "accuracy": accuracy_score(truth, called),
        "threshold": threshold,
        "prevalence_gt %": 100 * truth.mean(),
        "prevalence_pred %": 100 * called.mean(),
    }


def by_counting_pairs(truth: np.ndarray, probability: np.ndarray) -> float:
    positive, negative = probability[truth == 1], probability[truth == 0]
    difference = positive[:, None] - negative[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


both_classes = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n).filter(lambda truth: 0 < sum(truth) < len(truth)),
        st.lists(st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1, width=32)), min_size=n, max_size=n),
    )
)


@settings(max_examples=120, deadline=None)
@given(both_classes)
def test_binary_metrics_agree_with_scikit_learn_and_with_counting_pairs(case):
    truth, probability = np.array(case[0]), np.array(case[1])
    values = binary_metrics(truth, probability).values["results"]
    expected = by_scikit_learn(truth, probability)
    assert values["auc"] == pytest.approx(by_counting_pairs(truth, probability), abs=1e-12)
    for name in BINARY_METRICS:
        if math.isfinite(expected[name]):
            assert values[name] == pytest.approx(expected[name], abs=1e-12), name
        else:
            assert values[name] is None


@settings(max_examples=40, deadline=None)
@given(both_classes, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_bit(case, random):
    rows = list(zip(*case, strict=True))
    first = binary_metrics(*map(np.array, zip(*rows, strict=True)))
    random.shuffle(rows)
    assert binary_metrics(*map(np.array, zip(*rows, strict=True))) == first


@settings(max_examples=40, deadline=None)
@given(both_classes, st.integers(1, 20))
def test_rows_with_unknown_truth_or_without_prediction_change_nothing(case, extra):
    truth, probability = np.array(case[0]), np.array(case[1])
    with_gaps = binary_metrics(
        np.concatenate([truth, np.full(extra, NAN), [1.0]]), np.concatenate([probability, np.full(extra, 0.7), [NAN]])
    )
    assert with_gaps.values == binary_metrics(truth, probability).values
    n, positives = len(truth), int(truth.sum())
    assert with_gaps.counts["results"] == {"n": n, "positives": positives, "unknown": extra, "not_predicted": 1}


def four_patterns(seed: int = 0, ecgs: int = 80) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = (random.random((ecgs, 4)) < [0.5, 0.2, 0.4, 0.3]).astype(float)
    return truth, np.round(0.3 * truth + 0.7 * random.random((ecgs, 4)), 2)


PATTERNS = ("Afib", "Bradycardia", "LBBB", "any rhythm")
CATEGORIES = {"Rhythm": ("Afib", "Bradycardia"), "Conduction": ("LBBB", "Afib")}


def test_categories_are_means_over_patterns_and_metrics_of_all_their_cells():
    truth, probability = four_patterns()
    values = multilabel_metrics(truth, probability, PATTERNS, CATEGORIES).values
    assert list(values) == ["Rhythm", "Conduction", *PATTERNS]
    assert values["Conduction"]["macro_auc"] == pytest.approx((values["LBBB"]["auc"] + values["Afib"]["auc"]) / 2)
    micro = by_scikit_learn(truth[:, :2].ravel(), probability[:, :2].ravel())
    for name, expected in {
        "micro_auc": micro["auc"],
        "micro_auprc": micro["auprc"],
        "micro_f1": micro["accuracy"],
        "threshold": micro["threshold"],
        "prevalence_gt %": micro["prevalence_gt %"],
        "prevalence_pred %": micro["prevalence_pred %"],
    }.items():
        assert values["Rhythm"][name] == pytest.approx(expected, abs=1e-12), name


def test_a_pattern_the_model_does_not_predict_enters_no_category():
    truth, probability = four_patterns()
    probability[:, 1] = NAN
    metrics = multilabel_metrics(truth, probability, PATTERNS, CATEGORIES)
    alone = multilabel_metrics(truth[:, :1], probability[:, :1], ["Afib"], {"Rhythm": ["Afib"]})
    assert metrics.values["Rhythm"] == alone.values["Rhythm"]
    assert metrics.counts["Rhythm"]["patterns_not_predicted"] == 1
    assert metrics.counts["Bradycardia"]["n"] == 0
    assert set(metrics.values["Bradycardia"].values()) == {None}
    assert set(metrics.reasons["Bradycardia"].values()) == {NOT_PREDICTED}


def test_a_category_no_pattern_of_which_is_predicted_says_so():
    truth, probability = four_patterns()
    probability[:, :2] = NAN
    metrics = multilabel_metrics(truth, probability, PATTERNS, CATEGORIES)
    assert set(metrics.values["Rhythm"].values()) == {None}
    assert set(metrics.reasons["Rhythm"].values()) == {"the model predicts no pattern of this category"}


def test_unknown_truth_costs_its_own_label_only():
    truth, probability = four_patterns()
    known = multilabel_metrics(truth, probability, PATTERNS, CATEGORIES)
    truth[:30, 1] = NAN
    metrics = multilabel_metrics(truth, probability, PATTERNS, CATEGORIES)
    assert metrics.values["Afib"] == known.values["Afib"]
    assert metrics.values["LBBB"] == known.values["LBBB"]
    assert metrics.counts["Bradycardia"]["unknown"] == 30
    assert metrics.counts["Rhythm"]["n"] == 80 + 50
    known_cells = ~np.isnan(truth[:, :2])
    expected = by_scikit_learn(truth[:, :2][known_cells], probability[:, :2][known_cells])
    assert metrics.values["Rhythm"]["micro_auc"] == pytest.approx(expected["auc"], abs=1e-12)


def test_a_pattern_without_negative_keeps_auprc_and_says_why_the_rest_is_missing():
    metrics = binary_metrics(np.ones(5), np.linspace(0.1, 0.9, 5))
    assert metrics.values["results"] == {
        "auc": None,
        "auprc": 1.0,
        "f1": None,
        "threshold": None,
        "prevalence_gt %": 100.0,
        "prevalence_pred %": None,
    }
    assert set(metrics.reasons["results"].values()) == {"no negative among the 5 evaluated"}


def test_a_ranking_no_better_than_chance_has_no_threshold():
    metrics = binary_metrics(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.1, 0.2, 0.8, 0.9]))
    assert metrics.values["results"]["threshold"] is None
    assert metrics.values["results"]["f1"] == 0.0
    assert list(metrics.reasons["results"]) == ["threshold"]


@pytest.mark.parametrize("ecgs", [0, 1])
def test_fewer_than_two_ecgs_have_no_metrics_but_reasons(ecgs):
    truth, probability = four_patterns(ecgs=ecgs)
    for metrics in (
        multilabel_metrics(truth, probability, PATTERNS, CATEGORIES),
        binary_metrics(truth[:, 0], probability[:, 0]),
    ):
        assert metrics.values == {}
        assert all("at least 2" in reason for of_key in metrics.reasons.values() for reason in of_key.values())
        assert metrics.reasons


@pytest.mark.parametrize(
    ("truth", "probability", "patterns", "categories", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), ["a", "b"], {}, "shape"),
        (np.zeros((3, 2)), np.zeros((3, 2)), ["a", "a"], {}, "distinct"),
        (np.zeros((3, 2)), np.zeros((3, 2)), ["a", "b"], {"c": ["d"]}, "names d"),
        (np.zeros((3, 2)), np.zeros((3, 2)), ["a", "b"], {"a": ["b"]}, "a category and a pattern"),
        (np.full((3, 2), 2.0), np.zeros((3, 2)), ["a", "b"], {}, "such as 2; expected 0, 1 or empty"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_so(truth, probability, patterns, categories, message):
    with pytest.raises(TableError, match=message):
        multilabel_metrics(truth, probability, patterns, categories)


def test_files_have_null_and_empty_cells_and_no_leftovers(tmp_path):
    metrics = Metrics(
        {"A": {"macro_auc": None, "threshold": 0.25}, "é, b": {"auc": 1 / 3, "threshold": None}},
        {"A": {}, "é, b": {}},
        {},
    )
    write_metrics_json(metrics, tmp_path / "out" / "metrics.json")
    write_metrics_csv(metrics, tmp_path / "out" / "metrics.csv")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8")) == metrics.values
    assert (tmp_path / "out" / "metrics.csv").read_text(encoding="utf-8") == (
        f'Key,auc,macro_auc,threshold\nA,,,0.25\n"é, b",{1 / 3!r},,\n'
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.csv", "metrics.json"]


def test_nan_is_refused_and_the_earlier_file_stays(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_metrics_json(Metrics({"A": {"auc": NAN}}, {}, {}), path)
    assert path.read_text() == "{}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]
