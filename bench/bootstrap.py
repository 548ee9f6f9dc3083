"""The bootstrap of the evaluation against a plain scikit-learn loop, on random data with ties."""

import time

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from twelvelead.evaluation.bootstrap import Resamples, metric_replicates

LOOPED = 6  # label-replicates that the loop is timed on; all of them take most of an hour


def measure(rows: int = 100_000, labels: int = 77, replicates: int = 1000, workers: int = 2) -> dict:
    """Seconds for AUROC, AUPRC and Brier of every label and replicate, ours whole, the loop's extrapolated."""
    random = np.random.default_rng(0)
    truth = (random.random((rows, labels)) < random.uniform(0.005, 0.4, labels)).astype(np.float64)
    logit = random.normal(size=(rows, labels)) + truth - 2
    probability = np.round(1 / (1 + np.exp(-logit)), 4)  # rounded, so that scores are tied
    resamples = Resamples(rows, replicates, seed=0)
    start = time.perf_counter()
    found = metric_replicates(truth, probability, resamples, workers)
    ours_s = time.perf_counter() - start
    start = time.perf_counter()
    largest = 0.0
    for label in range(LOOPED):
        counts = resamples.counts(label, label + 1)[0]
        drawn = np.repeat(np.arange(rows), counts)
        of_label = truth[drawn, label], probability[drawn, label]
        looped = roc_auc_score(*of_label), average_precision_score(*of_label), brier_score_loss(*of_label)
        replicate = (found.auroc[label, label], found.auprc[label, label], found.brier[label, label])
        largest = max(largest, *np.abs(np.subtract(looped, replicate)))
    loop_s = (time.perf_counter() - start) / LOOPED * labels * replicates
    return {
        "rows": rows,
        "labels": labels,
        "replicates": replicates,
        "seconds": round(ours_s, 1),
        "scikit_learn_loop_s": round(loop_s),
        "ratio": round(loop_s / ours_s),
        "largest_difference": float(largest),
    }


if __name__ == "__main__":
    print(measure())
