"""Two models side by side: differences, agreement and the ECGs they disagree on."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score, roc_auc_score, roc_curve
from statsmodels.stats.multitest import multipletests

from twelvelead.evaluation.comparison import ComparedModel, compare
from twelvelead.evaluation.scores import EvaluationSettings, Scores, ThresholdSet
from twelvelead.scoring import compare_models

SETTINGS = EvaluationSettings(replicates=200, slope_replicates=100, seed=1)
LABELS = ("a", "b", "c")


def pair(n=300, clusters=None):
    random = np.random.default_rng(5)
    truth = (random.random((n, 3)) < [0.3, 0.5, 0.01]).astype(float)
    truth[:, 2] = 0
    truth[:2, 2] = 1
    models = []
    for name, strength in (("good", 2.0), ("poor", 0.5)):
        probability = 1 / (1 + np.exp(-(random.normal(size=(n, 3)) + strength * truth - 1)))
        if name == "poor":
            probability[:20, 0] = np.nan
        calls = ThresholdSet("t", "given", np.array([0.4, 0.5, 0.5]), ("",) * 3)
        models.append(ComparedModel(name, Scores(LABELS, truth, probability, clusters), [calls]))
    return models


@pytest.fixture(scope="module")
def compared():
    return compare(*pair(), [f"ecg{row}" for row in range(300)], SETTINGS)


def test_differences_are_on_common_rows(compared):
    good, poor = pair()
    truth = good.scores.truth[20:, 0]
    found = compared["labels"]["a"]
    assert found["n"] == 280
    for metric, function in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
        expected = function(truth, good.scores.probability[20:, 0]) - function(truth, poor.scores.probability[20:, 0])
        assert found[metric]["difference"] == pytest.approx(expected, abs=1e-12)
        assert found[metric]["low"] < expected < found[metric]["high"]
    assert compared["labels_not_compared"] == 1
    assert json.loads(json.dumps(compared, allow_nan=False)) == compared


def test_p_values_are_adjusted_by_holm(compared):
    plain = [of_label["auroc"]["p_value"] for of_label in compared["labels"].values()]
    adjusted = [of_label["auroc"]["p_value_holm"] for of_label in compared["labels"].values()]
    np.testing.assert_allclose(adjusted, multipletests(plain, method="holm")[1])


def test_agreement_and_disagreements(compared):
    good, poor = pair()
    a, b = good.scores.probability[:, 1] >= 0.5, poor.scores.probability[:, 1] >= 0.5
    found = compared["labels"]["b"]
    assert found["kappa"]["value"] == pytest.approx(cohen_kappa_score(a, b))
    assert found["disagreements"]["total"] == int((a != b).sum())
    listed = found["disagreements"]["ecgs"]
    gaps = [abs(ecg["good"] - ecg["poor"]) for ecg in listed]
    assert gaps == sorted(gaps, reverse=True)
    row = int(listed[0]["ecg_id"].removeprefix("ecg"))
    assert listed[0]["good"] == good.scores.probability[row, 1]
    assert listed[0]["truth"] == good.scores.truth[row, 1]


def test_several_ecgs_of_a_patient_widen_kappas_interval():
    alone = compare(*pair(), [str(row) for row in range(300)], SETTINGS)["labels"]["b"]["kappa"]
    models = pair(clusters=np.arange(300) // 30)
    together = compare(*models, [str(row) for row in range(300)], SETTINGS)["labels"]["b"]["kappa"]
    assert together["value"] == alone["value"]
    assert (together["low"], together["high"]) != (alone["low"], alone["high"])


def tables():
    random = np.random.default_rng(2)
    truth = (random.random(60) < 0.5).astype(float)
    table = pd.DataFrame({"ecg_id": [f"e{row}" for row in range(60)], "patient": -1, "truth/x": truth})
    first = table.assign(**{"probability/x": np.clip(truth * 0.3 + random.random(60) * 0.7, 0, 1)})
    second = table.assign(**{"probability/x": np.clip(truth * 0.1 + random.random(60) * 0.9, 0, 1)})
    return first, second


def test_models_are_matched_by_ecg_whatever_the_order_of_rows():
    first, second = tables()
    sets = {"m": [], "k": []}
    straight = compare_models({"m": first, "k": second}, sets, SETTINGS)
    shuffled = compare_models({"m": first, "k": second.sample(frac=1, random_state=0)}, sets, SETTINGS)
    assert straight == shuffled
    fewer = compare_models({"m": first, "k": second.drop(index=[3, 4])}, sets, SETTINGS)
    assert fewer[0]["ecgs"] == 58


def test_calls_are_at_given_thresholds_before_published_and_fitted_ones():
    first, second = tables()
    given = ThresholdSet("given", "given", np.array([0.6]), ("",))
    published = ThresholdSet("p", "published", np.array([0.3]), ("",))
    found = compare_models({"m": first, "k": second}, {"m": [published, given], "k": [published]}, SETTINGS)[0]
    assert found["labels"]["x"]["calls"] == [{"kind": "given", "name": "given"}, {"kind": "published", "name": "p"}]
    assert found["calls"]["m"] == [{"kind": "given", "name": "given", "labels": 1}]
    assert found["labels"]["x"]["thresholds"] == [0.6, 0.3]
    fitted = compare_models({"m": first, "k": second}, {"m": [], "k": []}, SETTINGS)[0]
    assert fitted["calls"]["m"] == [{"kind": "fitted", "name": "youden", "labels": 1}]


def test_a_fitted_threshold_never_goes_by_the_name_of_a_fixed_one():
    good, poor = pair()
    given = ThresholdSet("given", "given", np.array([0.4, np.nan, np.nan]), ("", "none", "none"))
    published = ThresholdSet("p", "published", np.array([np.nan, 0.5, np.nan]), ("floor", "", "floor"))
    models = [ComparedModel("good", good.scores, [given, published]), ComparedModel("poor", poor.scores, [given])]
    found = compare(*models, [str(row) for row in range(300)], SETTINGS)
    kinds = {label: [call["kind"] for call in entry["calls"]] for label, entry in found["labels"].items()}
    assert kinds == {"a": ["given", "given"], "b": ["published", "fitted"]}
    rows = ~np.isnan(poor.scores.truth[:, 1])
    ranks = roc_curve(poor.scores.truth[rows, 1], poor.scores.probability[rows, 1])
    assert found["labels"]["b"]["thresholds"] == [0.5, pytest.approx(ranks[2][np.argmax(ranks[1] - ranks[0])])]


def test_a_model_and_itself_have_no_interval_that_is_a_point():
    good, _ = pair(clusters=np.arange(300) // 2)
    twin = ComparedModel("twin", good.scores, good.sets)
    found = compare(good, twin, [str(row) for row in range(300)], SETTINGS)["labels"]["b"]
    for entry in (found["auprc"], found["brier"], found["kappa"]):
        assert entry.get("low") is None
        assert "same value" in entry["reason"]


def test_models_without_a_common_label_are_not_compared():
    first, second = tables()
    other = second.rename(columns={"truth/x": "truth/y", "probability/x": "probability/y"})
    found = compare_models({"m": first, "k": other}, {"m": [], "k": []}, SETTINGS)[0]
    assert found["labels"] == {}
    assert found["reason"]
