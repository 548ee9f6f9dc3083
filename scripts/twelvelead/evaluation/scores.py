"""What is judged, and how: truth and predictions, thresholds, settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twelvelead.evaluation.calibration import LEAST_EVENTS


@dataclass(frozen=True)
class EvaluationSettings:
    """replicates of the bootstrap (slope_replicates of calibration slope, intercept and ECE), and its seed.

    least_positives          positives, and negatives, that a label needs to be evaluated
    threshold_probabilities  (lowest, highest) of the decision curve
    level                    of every interval
    """

    replicates: int = 1000
    slope_replicates: int = 200
    seed: int = 20
    least_positives: int = 10
    threshold_probabilities: tuple[float, float] = (0.01, 0.5)
    level: float = 0.95
    workers: int = 1

    @property
    def least_events(self) -> int:
        """Of each class, for calibration: fewer leave a slope to chance."""
        return max(self.least_positives, LEAST_EVENTS)


@dataclass(frozen=True, eq=False)
class ThresholdSet:
    """One threshold per label, NaN for none, from one source.

    kind     "published", "given" (by the user) or "fitted" (on these very ECGs)
    reasons  why a label has none; note: what a reader must know of all of them
    """

    name: str
    kind: str
    values: np.ndarray
    reasons: tuple[str, ...]
    note: str = ""

    def of_labels(self, positions: Sequence[int]) -> "ThresholdSet":
        """The same for some of the labels."""
        reasons = tuple(self.reasons[position] for position in positions)
        return replace(self, values=self.values[list(positions)], reasons=reasons)


@dataclass(frozen=True, eq=False)
class Scores:
    """Truth and predictions of one model on one task; rows are ECGs in the order of their ids.

    truth        (n, labels): 1, 0, NaN where unknown
    probability  (n, labels): NaN where not predicted
    clusters     (n,) patient codes, or None where ECGs are taken as independent
    """

    labels: tuple[str, ...]
    truth: np.ndarray
    probability: np.ndarray
    clusters: np.ndarray | None = None

    def of_labels(self, positions: Sequence[int]) -> "Scores":
        """The same ECGs with some of the labels."""
        chosen = list(positions)
        names = tuple(self.labels[position] for position in chosen)
        return replace(self, labels=names, truth=self.truth[:, chosen], probability=self.probability[:, chosen])

    def of_rows(self, rows: np.ndarray) -> "Scores":
        """Some of the ECGs."""
        clusters = None if self.clusters is None else self.clusters[rows]
        return replace(self, truth=self.truth[rows], probability=self.probability[rows], clusters=clusters)


def usable_rows(scores: Scores, position: int) -> np.ndarray:
    """(n,) bool: ECGs with known truth and a prediction for the label."""
    return ~np.isnan(scores.truth[:, position]) & np.isfinite(scores.probability[:, position])


def usable(scores: Scores, position: int) -> tuple[np.ndarray, np.ndarray]:
    """(truth, probability) of the ECGs that have both for the label."""
    rows = usable_rows(scores, position)
    return scores.truth[rows, position], scores.probability[rows, position]


def counts_of(scores: Scores, position: int) -> dict[str, int]:
    """n (known truth and a prediction), of them positives and negatives; unknown and not_predicted make up the rest."""
    truth, probability = scores.truth[:, position], scores.probability[:, position]
    known, predicted = ~np.isnan(truth), np.isfinite(probability)
    positives = int((truth[known & predicted] == 1).sum())
    n = int((known & predicted).sum())
    return {
        "n": n,
        "positives": positives,
        "negatives": n - positives,
        "unknown": int((~known).sum()),
        "not_predicted": int((known & ~predicted).sum()),
    }


def of_one_patient(scores: Scores, position: int) -> bool:
    """Whether patients are told apart and all of the label's ECGs are of one of them."""
    clusters = scores.clusters
    return clusters is not None and len(np.unique(clusters[usable_rows(scores, position)])) < 2
