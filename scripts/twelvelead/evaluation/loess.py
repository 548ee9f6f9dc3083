"""A local linear smooth of a truth on a probability (Cleveland, JASA 1979; 74:829), without robustness steps."""

import numpy as np


def loess(
    at: np.ndarray,
    probability: np.ndarray,
    total: np.ndarray,
    positives: np.ndarray,
    by_row: np.ndarray,
    neighbours: int,
) -> np.ndarray:
    """Local linear smooth at observed probabilities `at`; by_row (n,) are all rows' probabilities, ascending."""
    neighbours = max(neighbours, 1)
    starts, ends = by_row[: len(by_row) - neighbours + 1], by_row[neighbours - 1 :]
    # The nearest rows are the window whose farther end is nearest; the farther end changes sides where they balance.
    balanced = np.searchsorted(starts + ends, 2 * at)
    smooth = np.empty(len(at))
    for position, (centre, after) in enumerate(zip(at, balanced, strict=True)):
        windows = [window for window in (after - 1, after) if 0 <= window < len(starts)]
        radius = min(max(centre - starts[window], ends[window] - centre) for window in windows)
        first = np.searchsorted(probability, centre - radius)
        near = slice(first, np.searchsorted(probability, centre + radius, side="right"))
        distance = probability[near] - centre
        weight = np.clip(1 - np.abs(distance / radius) ** 3, 0, None) ** 3 if radius > 0 else (distance == 0) * 1.0
        mass, events = weight * total[near], weight * positives[near]
        m0, m1, m2 = mass.sum(), (mass * distance).sum(), (mass * distance**2).sum()
        determinant = m0 * m2 - m1**2
        # The weight may sit on one probability alone, which has a mean and no slope.
        smooth[position] = events.sum() / m0
        if determinant > 1e-12 * m0 * m2:
            smooth[position] = (m2 * events.sum() - m1 * (events * distance).sum()) / determinant
    return smooth
