"""evaluation.json against other implementations, and what it says where a figure cannot be given."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from twelvelead.errors import TableError
from twelvelead.evaluation.evaluation import NOT_PREDICTED, ONE_PATIENT, evaluate
from twelvelead.evaluation.scores import EvaluationSettings, Scores, ThresholdSet

SETTINGS = EvaluationSettings(replicates=200, slope_replicates=100, seed=4)
LABELS = ("common", "rare", "unpredicted", "partly known")


def scores(n=400, clusters=None, seed=0):
    random = np.random.default_rng(seed)
    truth = (random.random((n, 4)) < [0.4, 0.01, 0.3, 0.3]).astype(float)
    truth[:3, 1], truth[3:, 1] = 1, 0
    probability = 1 / (1 + np.exp(-(random.normal(size=(n, 4)) + 1.5 * truth - 1)))
    probability[:, 2] = np.nan
    truth[random.random(n) < 0.5, 3] = np.nan
    return Scores(LABELS, truth, probability.astype(np.float32), clusters)


def fixed(value=0.5, kind="given"):
    return ThresholdSet("mine", kind, np.full(4, value), ("",) * 4)


def usable(found: Scores, position):
    rows = ~np.isnan(found.truth[:, position])
    return found.truth[rows, position].astype(int), found.probability[rows, position]


@pytest.fixture(scope="module")
def judged():
    return evaluate(scores(), [fixed()], {"Both": LABELS, "None": ("rare",)}, {}, SETTINGS)


def test_it_is_plain_json_without_nan(judged):
    assert json.loads(json.dumps(judged, allow_nan=False)) == judged


@pytest.mark.parametrize(("label", "position"), [("common", 0), ("partly known", 3)])
def test_figures_are_those_of_other_implementations(judged, label, position):
    truth, probability = usable(scores(), position)
    found = judged["labels"][label]
    assert found["n"] == len(truth)
    assert found["n"] + found["unknown"] == 400
    assert found["auroc"]["value"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)
    assert found["auprc"]["value"] == pytest.approx(average_precision_score(truth, probability), abs=1e-12)
    assert found["brier"]["value"] == pytest.approx(brier_score_loss(truth, probability.astype(float)), abs=1e-12)
    for metric in ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece"):
        assert found[metric]["low"] < found[metric]["high"]
    assert found["auroc"]["low"] < found["auroc"]["value"] < found["auroc"]["high"]
    assert found["auroc"]["method"] == "DeLong"
    at = next(point for point in found["operating_points"] if point["set"] == "mine")
    tn, fp, fn, tp = confusion_matrix(truth, probability >= 0.5).ravel()
    counts = [at[name] for name in ("true_negatives", "false_positives", "false_negatives", "true_positives")]
    assert counts == [tn, fp, fn, tp]
    low, high = proportion_confint(tp, tp + fn, method="wilson")
    assert (at["sensitivity"]["low"], at["sensitivity"]["high"]) == pytest.approx((low, high), abs=1e-12)
    assert at["f1"]["low"] < at["f1"]["value"] < at["f1"]["high"]
    assert sum(found["distribution"]["positives"]) == found["positives"]
    assert sum(found["calibration_plot"]["n"]) == found["n"]


def test_every_label_is_evaluated_or_listed_with_a_reason(judged):
    assert set(judged["labels"]) | set(judged["not_evaluable"]) == set(LABELS)
    assert judged["not_evaluable"]["unpredicted"]["reason"] == NOT_PREDICTED
    assert judged["not_evaluable"]["rare"]["reason"].startswith("3 positives and 397 negatives; at least 10")


def test_fitted_thresholds_are_marked_as_such(judged):
    kinds = {point["set"]: point["kind"] for point in judged["labels"]["common"]["operating_points"]}
    assert kinds == {"mine": "given", "youden": "fitted", "f1": "fitted"}
    notes = {of_set["name"]: of_set["note"] for of_set in judged["threshold_sets"]}
    assert "fitted on these very ECGs" in notes["youden"]


def test_what_a_model_does_not_predict_never_enters_a_category(judged):
    both = judged["categories"]["Both"]
    assert (both["labels"], both["evaluable"], both["not_predicted"]) == (4, 2, 1)
    values = [judged["labels"][label]["auroc"]["value"] for label in ("common", "partly known")]
    assert both["macro_auroc"]["value"] == pytest.approx(np.mean(values))
    assert judged["categories"]["None"]["macro_auroc"]["value"] is None


def test_several_ecgs_of_a_patient_widen_the_intervals():
    one = scores(100)
    six = Scores(LABELS, np.repeat(one.truth, 6, axis=0), np.repeat(one.probability, 6, axis=0))
    patients = np.repeat(np.arange(100), 6)
    alone = evaluate(six, [fixed()], {}, {}, SETTINGS)
    together = evaluate(Scores(LABELS, six.truth, six.probability, patients), [fixed()], {}, {}, SETTINGS)
    assert together["patients"] == 100
    assert alone["independence"] == "assumed"
    for metric in ("auroc", "auprc", "brier", "calibration_slope"):
        width = [found["labels"]["common"][metric] for found in (alone, together)]
        assert width[1]["high"] - width[1]["low"] > 1.8 * (width[0]["high"] - width[0]["low"])
    points = [found["labels"]["common"]["operating_points"][0]["sensitivity"] for found in (alone, together)]
    assert points[1]["high"] - points[1]["low"] > 1.8 * (points[0]["high"] - points[0]["low"])
    assert together["labels"]["common"]["auroc"]["method"] == "Obuchowski"


def test_perfect_separation_gives_no_interval_that_is_a_point():
    truth = np.repeat([1.0, 0.0], 20)[:, np.newaxis]
    perfect = Scores(("x",), truth, (truth * 0.6 + 0.2).astype(np.float32), np.repeat(np.arange(20), 2))
    found = evaluate(perfect, [], {}, {}, SETTINGS)["labels"]["x"]
    assert found["auroc"]["method"] == "Newcombe 5"
    assert found["auprc"]["low"] is None
    assert "same value" in found["auprc"]["reason"]
    sensitivity = found["operating_points"][0]["sensitivity"]
    low, high = proportion_confint(10, 10, method="wilson")  # 20 positives of 10 patients
    assert (sensitivity["low"], sensitivity["high"]) == pytest.approx((low, high))
    assert sensitivity["method"] == "Wilson, by patient"


def test_ecgs_of_one_patient_are_not_evaluable():
    found = evaluate(scores(clusters=np.zeros(400, int)), [], {}, {}, SETTINGS)
    assert found["labels"] == {}
    assert found["not_evaluable"]["common"]["reason"] == ONE_PATIENT


def test_a_label_whose_ecgs_are_of_one_patient_is_not_evaluable():
    found = scores(clusters=np.maximum(np.arange(400), 99))
    truth = found.truth.copy()
    truth[100:, 0] = np.nan
    judged = evaluate(Scores(LABELS, truth, found.probability, found.clusters), [], {}, {}, SETTINGS)
    assert judged["not_evaluable"]["common"]["reason"] == ONE_PATIENT
    assert "partly known" in judged["labels"]


def test_a_truth_that_is_neither_is_an_error_in_a_label_that_is_not_evaluated_too():
    found = scores()
    truth = found.truth.copy()
    truth[7, 1] = 2
    with pytest.raises(TableError, match="1 values such as 2"):
        evaluate(Scores(LABELS, truth, found.probability), [], {}, {}, SETTINGS)


def test_a_label_of_unknown_truth_that_is_not_predicted_is_called_so():
    found = scores()
    judged = evaluate(Scores(LABELS, found.truth * np.nan, found.probability), [], {"Both": LABELS}, {}, SETTINGS)
    assert judged["not_evaluable"]["unpredicted"]["reason"] == NOT_PREDICTED
    assert judged["not_evaluable"]["common"]["reason"] != NOT_PREDICTED
    assert judged["categories"]["Both"]["not_predicted"] == 1


def test_the_number_of_workers_changes_nothing(judged):
    again = evaluate(
        scores(),
        [fixed()],
        {"Both": LABELS, "None": ("rare",)},
        {},
        EvaluationSettings(replicates=200, slope_replicates=100, seed=4, workers=3),
    )
    assert again == judged


class TestSubgroups:
    def groups(self, sizes):
        return {"sex": np.array([name for name, size in sizes.items() for _ in range(size)])}

    def test_each_group_has_the_figures_of_its_own_ecgs(self):
        all_ecgs = scores()
        groups = self.groups({"F": 150, "M": 200, "": 50})
        found = evaluate(all_ecgs, [fixed()], {}, groups, SETTINGS)["subgroups"]["sex"]
        assert list(found["groups"]) == ["F", "M"]
        assert found["unknown"] == 50
        truth, probability = all_ecgs.truth[:150, 0], all_ecgs.probability[:150, 0]
        of_group = found["groups"]["F"]["labels"]["common"]
        assert of_group["auroc"]["value"] == pytest.approx(roc_auc_score(truth, probability))
        assert "calibration_plot" not in of_group

    def test_small_groups_are_suppressed_and_not_left_over(self):
        found = evaluate(scores(), [], {}, self.groups({"F": 190, "M": 205, "X": 5}), SETTINGS)["subgroups"]["sex"]
        assert list(found["groups"]) == ["M"]  # X alone could be counted from the rest
        assert found["suppressed_groups"] == 2

    @pytest.mark.parametrize(
        ("sizes", "shown"),
        [
            ({"F": 190, "M": 201, "X": 8, "Y": 1}, {"M"}),  # 9 would be left over
            ({"F": 190, "M": 190, "X": 11, "Y": 8, "Z": 1}, {"F", "M"}),
            ({"F": 190, "M": 205, "": 5}, {"F", "M"}),
            ({"F": 190, "M": 200, "X": 5, "": 5}, {"M"}),
            ({"F": 190, "M": 190, "": 20}, {"F", "M"}),
            ({"F": 399, "M": 1}, set()),
        ],
    )
    def test_what_is_left_over_is_never_one_group_or_a_small_cell(self, sizes, shown):
        found = evaluate(scores(), [], {}, self.groups(sizes), SETTINGS)["subgroups"]["sex"]
        assert set(found["groups"]) == shown

    def test_a_label_of_one_patient_in_a_group_is_suppressed_there(self):
        judged = scores(clusters=np.maximum(np.arange(400) - 100, 0))
        groups = {"site": np.repeat(["A", "B", "C"], [100, 150, 150])}
        found = evaluate(judged, [], {}, groups, SETTINGS)["subgroups"]["site"]["groups"]
        assert "suppressed" in found["A"]["labels"]["common"]

    def test_a_label_with_few_positives_in_a_group_is_suppressed_there(self):
        sizes = {"A": 12, "B": 100, "C": 130, "D": 158}
        found = evaluate(scores(), [], {}, self.groups(sizes), SETTINGS)["subgroups"]["sex"]
        shown = ["auroc" in found["groups"][group]["labels"]["common"] for group in "ABCD"]
        assert shown == [False, False, True, True]  # B too: A's counts would be left over
        assert list(found["groups"]["A"]["labels"]["common"]) == ["suppressed"]
