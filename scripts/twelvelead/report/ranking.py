"""How a model ranks the positives of a label that has too few ECGs of a class for an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from twelvelead.assembly import matrices
from twelvelead.evaluation.evaluation import NOT_PREDICTED

MOST_RANKS = 20


@dataclass(frozen=True)
class RankedLabel:
    """Where the positives of a label stand among its ECGs.

    n      ECGs with known truth and a probability; ranks: of the positives in words, 1 is the highest probability
    in_order, pairs  pairs of a positive and a negative, and those in the right order, a tie as half a pair
    """

    name: str
    n: int
    positives: int
    ranks: str
    in_order: float
    pairs: int

    @property
    def share(self) -> float:
        """The share of pairs in the right order, which is the AUROC (Hanley and McNeil, Radiology 1982;143:29-36)."""
        return self.in_order / self.pairs


def rankings(evaluation: Mapping, scored: pd.DataFrame) -> tuple[RankedLabel, ...]:
    """The labels of `evaluation` that have too few positives or negatives to be evaluated, but some of both."""
    least = evaluation["settings"]["least_positives"]
    few = [
        label
        for label, entry in evaluation["not_evaluable"].items()
        if entry["reason"] != NOT_PREDICTED and 0 < min(entry["positives"], entry["negatives"]) < least
    ]
    truth, probability = matrices(scored, few)
    ranked = (ranked_label(label, truth[:, at], probability[:, at]) for at, label in enumerate(few))
    return tuple(one for one in ranked if one is not None)


def not_ranked(evaluation: Mapping) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(what is wanting, the labels that cannot be ranked for want of it); not those that the model does not predict."""
    wanting: dict[str, list[str]] = {}
    for label, entry in evaluation["not_evaluable"].items():
        if entry["reason"] != NOT_PREDICTED and not min(entry["positives"], entry["negatives"]):
            classes = [name for name in ("positive", "negative") if not entry[f"{name}s"]]
            wanting.setdefault(" or ".join(classes), []).append(label)
    return tuple((classes, tuple(labels)) for classes, labels in wanting.items())


def ranked_label(name: str, truth: np.ndarray, probability: np.ndarray) -> RankedLabel | None:
    """The ranking of one label; None where its ECGs are all positive or all negative.

    truth, probability  (ecgs,), NaN where unknown; such an ECG is not ranked
    """
    known = np.isfinite(truth) & np.isfinite(probability)
    positive = truth[known] == 1
    n, positives = len(positive), int(positive.sum())
    pairs = positives * (n - positives)
    if not pairs:
        return None
    ranks = np.sort(rankdata(-probability[known])[positive])
    # The ranks of k positives add up to k(k+1)/2 where all stand first; each pair in the wrong order adds 1, a tie 0.5.
    in_order = pairs - (float(ranks.sum()) - positives * (positives + 1) / 2)
    return RankedLabel(name, n, positives, _in_words(ranks, n), in_order, pairs)


def _in_words(ranks: Sequence[float], n: int) -> str:
    """ "1, 2.5, 7 of 10"; of many the median and the range. `ranks` are in ascending order."""
    if len(ranks) <= MOST_RANKS:
        return f"{', '.join(_rank(rank) for rank in ranks)} of {n:,}"
    return f"median {_rank(float(np.median(ranks)))} ({_rank(ranks[0])} to {_rank(ranks[-1])}) of {n:,}"


def _rank(rank: float) -> str:
    return f"{rank:,.10g}"
