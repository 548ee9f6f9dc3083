"""Where a batch of ECGs carries mains noise: peaks of a mean spectrum, the regions they form, and how far each reaches.

The rules are DeepECG's (github.com/HeartWise-AI/DeepECG_Docker), found here without its quadratic search.
A spectrum is a vector of magnitudes at `frequencies_hz`, evenly spaced from 0 Hz to below the Nyquist frequency.
"""

import numpy as np

PEAKS_FROM_HZ = 20.0
WINDOW_HZ = 5.0
THRESHOLD_SD = 5.0
HARMONICS = np.array([2.0, 3.0, 4.0])
HARMONIC_THRESHOLD = 0.65
HARMONIC_TOLERANCE = 0.05
HARMONIC_TOLERANCE_HZ = 1e-8
MERGE_WITHIN_HZ = 1.0
TREND_FROM_HZ = 30.0
MEDIAN_BINS = 5
LOWESS_FRACTION = 0.1
WIDEN_HZ = 1.0

Range = tuple[float, float]


def find_peak_bins(mean_magnitude: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    """Bins that stand out of a 5 Hz window sliding from 20 Hz upwards, in the order of discovery, repeats included.

    In a window a bin is a peak above mean + 5 SD, or above mean + 3.25 SD where its frequency is within 5 % of twice,
    three or four times that of a bin found before. A bin is found once for every window in which it is a peak;
    merge_regions needs these repeats.
    """
    first = int(np.searchsorted(frequencies_hz, PEAKS_FROM_HZ))
    width = int(WINDOW_HZ / (frequencies_hz[1] - frequencies_hz[0]))
    tail = np.asarray(mean_magnitude[first:], dtype=np.float64)
    windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(tail, width))
    mean = windows.mean(axis=1, keepdims=True)
    sd = windows.std(axis=1, keepdims=True)
    window, offset = np.nonzero(windows > mean + THRESHOLD_SD * HARMONIC_THRESHOLD * sd)
    bins = first + window + offset
    is_strong = (windows > mean + THRESHOLD_SD * sd)[window, offset]
    # A harmonic lies at least 0.9 x 20 Hz above its fundamental, further than a window reaches, so every window that
    # could show the fundamental has been searched before: going through the bins by frequency decides the same.
    strong_bins = set(bins[is_strong].tolist())
    harmonic_bins = []
    found_hz: list[float] = []
    for candidate in np.unique(bins).tolist():
        is_harmonic = _is_harmonic(frequencies_hz[candidate], found_hz)
        if is_harmonic:
            harmonic_bins.append(candidate)
        if is_harmonic or candidate in strong_bins:
            found_hz.append(frequencies_hz[candidate])
    return bins[is_strong | np.isin(bins, harmonic_bins)]


def _is_harmonic(frequency_hz: float, found_hz: list[float]) -> bool:
    harmonics_hz = np.outer(HARMONICS, found_hz)
    tolerance_hz = HARMONIC_TOLERANCE_HZ + HARMONIC_TOLERANCE * harmonics_hz
    return bool((np.abs(frequency_hz - harmonics_hz) <= tolerance_hz).any())


def merge_regions(peak_frequencies_hz: np.ndarray) -> tuple[Range, ...]:
    """(first, last) frequency of each run of peaks, given in the order of discovery; equal regions once.

    A run ends where the next peak lies more than 1 Hz above; a step down, however far, does not end it, so a region's
    last frequency can be below its first.
    """
    if len(peak_frequencies_hz) == 0:
        return ()
    starts = np.flatnonzero(np.diff(peak_frequencies_hz) > MERGE_WITHIN_HZ) + 1
    first = peak_frequencies_hz[np.r_[0, starts]].tolist()
    last = peak_frequencies_hz[np.r_[starts - 1, -1]].tolist()
    return tuple(dict.fromkeys(zip(first, last, strict=True)))


def crossings(mean_magnitude: np.ndarray, frequencies_hz: np.ndarray, regions: tuple[Range, ...]) -> tuple[Range, ...]:
    """For each region, the frequencies around its middle up to which the spectrum stays on one side of its trend.

    The trend is a LOWESS of the running median from 30 Hz upwards. Where the spectrum does not cross it on one side,
    the region's own end stands in.
    """
    if not regions:
        return ()
    from_bin = int(np.searchsorted(frequencies_hz, TREND_FROM_HZ))
    frequencies_hz = frequencies_hz[from_bin:]
    magnitude = np.asarray(mean_magnitude[from_bin:], dtype=np.float64)
    side = np.sign(magnitude - lowess(running_median(magnitude, MEDIAN_BINS), LOWESS_FRACTION))
    crosses_after = side[:-1] * side[1:] < 0
    found = []
    for first_hz, last_hz in regions:
        middle = int(np.argmin(np.abs(frequencies_hz - (first_hz + last_hz) / 2)))
        below = np.flatnonzero(crosses_after[:middle])
        above = np.flatnonzero(crosses_after[middle:])
        low_hz = float(frequencies_hz[below[-1] + 1]) if below.size else first_hz
        high_hz = float(frequencies_hz[middle + above[0]]) if above.size else last_hz
        found.append((low_hz, high_hz))
    return tuple(found)


def ranges_to_flatten(lead_crossings: tuple[Range, ...]) -> tuple[Range, ...]:
    """The crossings widened by 1 Hz on either side, in the order in which DeepECG flattens them.

    That order is a Python set's. It is the same in every process, because the hash of a float is not salted, and
    matters only where ranges overlap.
    """
    return tuple({(low_hz - WIDEN_HZ, high_hz + WIDEN_HZ) for low_hz, high_hz in lead_crossings})


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """Median of the `width` (odd) values around each; zeros beyond the ends, as in scipy.signal.medfilt."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, width // 2), width)
    return np.median(windows, axis=-1)


def lowess(values: np.ndarray, fraction: float, robustness_iterations: int = 3) -> np.ndarray:
    """Robust locally weighted linear regression of evenly spaced values on their position.

    Each fit uses the nearest int(fraction * n) values. Cleveland, J Am Stat Assoc 1979;74:829-836: tricube weights of
    distance, bisquare weights of residuals. Equals statsmodels' lowess with delta=0, which is not used because
    importing it takes longer than everything else in a calibration.
    """
    n = len(values)
    neighbours = min(max(int(fraction * n + 1e-10), 2), n)
    # Of two equally near values at the ends of a neighbourhood the left one is taken, as in statsmodels.
    starts = np.clip(np.arange(n) - neighbours // 2, 0, n - neighbours)
    members = starts[:, None] + np.arange(neighbours)
    distance = (members - np.arange(n)[:, None]).astype(np.float64)
    radius = np.abs(distance).max(axis=1, keepdims=True)
    tricube = np.clip(1 - (np.abs(distance) / radius) ** 3, 0, None) ** 3
    robustness = np.ones(n)
    for _ in range(robustness_iterations):
        fitted = _local_lines(values, members, distance, tricube * robustness[members])
        robustness = _bisquare(values - fitted)
    return _local_lines(values, members, distance, tricube * robustness[members])


def _local_lines(values: np.ndarray, members: np.ndarray, distance: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least-squares line through each value's neighbours, at the value; the value where they are too few."""
    total = weights.sum(axis=1, keepdims=True)
    is_fitted = (weights > 1e-12).sum(axis=1) >= 2
    weights = weights / np.where(total > 0, total, 1)
    centre = (weights * distance).sum(axis=1, keepdims=True)
    spread = (weights * (distance - centre) ** 2).sum(axis=1)
    mean = (weights * values[members]).sum(axis=1)
    slope = (weights * (distance - centre) * values[members]).sum(axis=1) / np.where(spread > 0, spread, 1)
    return np.where(is_fitted, mean - slope * centre[:, 0], values)


def _bisquare(residuals: np.ndarray) -> np.ndarray:
    size = np.abs(residuals)
    cutoff = 6 * np.median(size)
    if cutoff == 0:
        return (size == 0).astype(np.float64)
    return np.clip(1 - (size / cutoff) ** 2, 0, None) ** 2
