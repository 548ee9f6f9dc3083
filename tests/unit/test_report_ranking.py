"""Rankings of labels with few ECGs, against scipy's ranks and scikit-learn's AUROC."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from twelvelead.evaluation.evaluation import evaluate
from twelvelead.evaluation.scores import EvaluationSettings
from twelvelead.report.ranking import MOST_RANKS, not_ranked, ranked_label, rankings
from twelvelead.scoring import scores_of


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])), max_size=18))
def test_ranks_and_share_are_those_of_scipy_and_scikit_learn(ecgs):
    truth, probability = np.array(ecgs, dtype=np.float64).reshape(-1, 2).T
    ranked = ranked_label("AF", truth, probability)
    if len(set(truth)) < 2:
        assert ranked is None
        return
    ranks = sorted(rankdata(-probability)[truth == 1])
    assert ranked.ranks == f"{', '.join(f'{rank:g}' for rank in ranks)} of {len(truth)}"
    assert ranked.share == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)
    assert ranked.pairs == (truth == 1).sum() * (truth == 0).sum()


def test_the_highest_probability_is_first_and_ties_share_their_mean_rank():
    ranked = ranked_label("AF", np.array([1, 0, 1, 0, 1, 0]), np.array([0.9, 0.4, 0.7, 0.4, 0.4, 0.1]))
    assert ranked.ranks == "1, 2, 4 of 6"
    assert (ranked.n, ranked.positives, ranked.in_order, ranked.pairs) == (6, 3, 8.0, 9)


def test_what_is_unknown_is_not_ranked():
    ranked = ranked_label("AF", np.array([1, 0, np.nan, 0, 1]), np.array([0.3, 0.2, 0.9, np.nan, np.nan]))
    assert (ranked.n, ranked.positives, ranked.ranks) == (2, 1, "1 of 2")


def test_many_positives_have_their_median_rank_and_range():
    truth = np.array([1.0] * (MOST_RANKS + 1) + [0.0])
    ranked = ranked_label("SB", truth, np.linspace(0.9, 0.1, len(truth)))
    assert ranked.ranks == f"median 11 (1 to {MOST_RANKS + 1}) of {MOST_RANKS + 2}"
    assert ranked.share == 1


def test_labels_with_few_of_a_class_are_ranked_and_no_others():
    n, random = 40, np.random.default_rng(0)
    truth = {
        "enough": np.arange(n) % 2,
        "few positives": np.arange(n) < 3,
        "few negatives": np.arange(n) >= 3,
        "no positive": np.zeros(n),
        "none either": np.zeros(n),
        "no negative": np.ones(n),
        "unknown": np.full(n, np.nan),
        "not predicted": np.arange(n) < 3,
    }
    probability = {label: random.random(n).astype(np.float32) for label in truth}
    probability["not predicted"][:] = np.nan
    columns = {f"truth/{label}": values.astype(float) for label, values in truth.items()}
    columns |= {f"probability/{label}": values for label, values in probability.items()}
    scored = pd.DataFrame({"patient": np.full(n, -1)} | columns)
    evaluation = evaluate(scores_of(scored), [], {}, {}, EvaluationSettings(replicates=100, slope_replicates=100))
    assert not_ranked(evaluation) == (
        ("positive", ("no positive", "none either")),
        ("negative", ("no negative",)),
        ("positive or negative", ("unknown",)),
    )
    ranked = rankings(evaluation, scored)
    assert [one.name for one in ranked] == ["few positives", "few negatives"]
    for one in ranked:
        expected = roc_auc_score(scored[f"truth/{one.name}"], scored[f"probability/{one.name}"])
        assert one.share == pytest.approx(expected, abs=1e-12)
