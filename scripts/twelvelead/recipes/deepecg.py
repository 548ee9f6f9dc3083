"""DeepECG's preprocessing: 12 leads, 10 s at 250 Hz, scaled, mains noise flattened in the spectrum.

The arithmetic is that of github.com/HeartWise-AI/DeepECG_Docker; what it learns from a batch is a Calibration here, so
that a batch needs no more than the sum of its files' spectra, and later files can be prepared with an earlier one.
Transforms are scipy.fft's: unlike matrix products, their bytes depend neither on how many ECGs share a call nor on
the number of threads.
"""

import numpy as np
import scipy.fft

from twelvelead import __version__
from twelvelead.ecg import LEADS
from twelvelead.errors import CalibrationError
from twelvelead.recipes.calibration import Calibration
from twelvelead.recipes.mains import Range, crossings, find_peak_bins, merge_regions, ranges_to_flatten

SAMPLING_RATE_HZ = 250
N_SAMPLES = 2500
N_BINS = N_SAMPLES // 2 + 1
# Without the Nyquist frequency, which DeepECG counts among the negative ones.
FREQUENCIES_HZ = np.fft.rfftfreq(N_SAMPLES, 1 / SAMPLING_RATE_HZ)[:-1]
# Mean |FFT| of lead I over PTB-XL in mV: PTBXL_POWER_RATIO of DeepECG_Docker.
REFERENCE_POWER = 3.003154
ECGS_PER_BLOCK = 64


def magnitude_spectrum(signals: np.ndarray) -> np.ndarray:
    """(n, 12, 1251) float64 |FFT| at 0 to 125 Hz of (n, 12, 2500) signals, in their units; to be summed over files."""
    _check_shape(signals)
    spectrum = np.empty((*signals.shape[:-1], N_BINS))
    for start in range(0, len(signals), ECGS_PER_BLOCK):
        block = np.asarray(signals[start : start + ECGS_PER_BLOCK], dtype=np.float32)
        transformed = scipy.fft.rfft(block)
        # np.abs picks its instructions by processor; these operations are exactly rounded and so the same everywhere.
        squared = transformed.real * transformed.real
        squared += transformed.imag * transformed.imag
        spectrum[start : start + ECGS_PER_BLOCK] = np.sqrt(squared, out=squared)
    return spectrum


def calibrate(magnitude_sum: np.ndarray, n: int, scale: str, units: str, resampling: str) -> Calibration:
    """The scale factor and mains regions of a batch of n files, from the sum (12, 1251) of their magnitude spectra.

    With scale "batch" the factor brings the mean magnitude of lead I to PTB-XL's, as in DeepECG; with "physical" it
    is 1.
    Raises CalibrationError where there is no file, or nothing but flat lines to scale by.
    """
    if n == 0:
        raise CalibrationError(
            "no usable file to calibrate on; see recordings.csv for why, "
            "or name an earlier calibration.json as `calibration:`"
        )
    mean = magnitude_sum / n
    average_power = _two_sided_mean(mean[0])
    if scale == "physical":
        factor = 1.0
    elif average_power > 0:
        factor = REFERENCE_POWER / average_power
    else:
        raise CalibrationError(
            f"lead I is flat in all {n} files, so scale: batch has nothing to scale by; "
            "use scale: physical, or an earlier calibration.json as `calibration:`"
        )
    scaled = mean[:, :-1] * factor
    regions = merge_regions(FREQUENCIES_HZ[find_peak_bins(scaled[0], FREQUENCIES_HZ)])
    lead_crossings = tuple(crossings(lead, FREQUENCIES_HZ, regions) for lead in scaled)
    return Calibration(
        factor=factor,
        scale=scale,
        units=units,
        resampling=resampling,
        n=n,
        regions=regions,
        ranges=tuple(ranges_to_flatten(of_lead) for of_lead in lead_crossings),
        crossings=lead_crossings,
        average_power=average_power,
        version=__version__,
    )


def clean(signals: np.ndarray, calibration: Calibration) -> np.ndarray:
    """(n, 12, 2500) float32 signals times the calibration's factor, their spectra flattened in its ranges.

    Within a range the magnitudes become a straight line between those of its first and last bin; phases stay. An ECG's
    bytes do not depend on the others in the call.
    """
    _check_shape(signals)
    factor = np.float32(calibration.factor)
    lines = [_lines(ranges) for ranges in calibration.ranges]
    has_lines = any(bins.size for bins, *_ in lines)
    cleaned = np.empty(signals.shape, dtype=np.float32)
    for start in range(0, len(signals), ECGS_PER_BLOCK):
        block = cleaned[start : start + ECGS_PER_BLOCK]
        np.multiply(signals[start : start + ECGS_PER_BLOCK], factor, out=block, casting="same_kind")
        if has_lines:
            block += scipy.fft.irfft(_change(scipy.fft.rfft(block), lines), N_SAMPLES)
    return cleaned


def _lines(ranges: tuple[Range, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The bins to flatten, and for each the line's first bin, its last, and how far along the line the bin is (0 to 1).

    DeepECG draws every line between the original magnitudes, so where ranges overlap the last one applied holds.
    """
    line_of_bin: dict[int, tuple[int, int]] = {}
    for low_hz, high_hz in ranges:
        first = int(np.searchsorted(FREQUENCIES_HZ, low_hz, side="left"))
        last = int(np.searchsorted(FREQUENCIES_HZ, high_hz, side="right")) - 1
        if first < last:
            line_of_bin.update(dict.fromkeys(range(first, last + 1), (first, last)))
    bins = np.array(sorted(line_of_bin), dtype=np.intp)
    ends = np.array([line_of_bin[flattened] for flattened in bins.tolist()], dtype=np.intp).reshape(-1, 2)
    first, last = ends.T
    return bins, first, last, (bins - first) / (last - first)


def _change(spectrum: np.ndarray, lines: list[tuple[np.ndarray, ...]]) -> np.ndarray:
    """What flattening adds to a spectrum (n, 12, 1251); zero outside the lines."""
    change = np.zeros_like(spectrum)
    for lead, (bins, first, last, position) in enumerate(lines):
        before = spectrum[:, lead, bins]
        magnitude = _magnitude(before)
        at_first, at_last = _magnitude(spectrum[:, lead, first]), _magnitude(spectrum[:, lead, last])
        line = at_first + (at_last - at_first) * position
        # A bin without magnitude has no phase; DeepECG takes 0, so that all of the line is real.
        has_phase = magnitude > 0
        growth = line / np.where(has_phase, magnitude, 1) - 1
        change.real[:, lead, bins] = np.where(has_phase, before.real * growth, line)
        change.imag[:, lead, bins] = before.imag * growth
    return change


def _magnitude(spectrum: np.ndarray) -> np.ndarray:
    # np.abs picks its instructions by processor; these operations are exactly rounded and so the same everywhere.
    real, imaginary = spectrum.real.astype(np.float64), spectrum.imag.astype(np.float64)
    return np.sqrt(real * real + imaginary * imaginary)


def _two_sided_mean(magnitude: np.ndarray) -> float:
    """Mean over all 2500 bins of the full transform; all but 0 Hz and the Nyquist frequency stand there twice."""
    return float((magnitude[0] + 2 * magnitude[1:-1].sum() + magnitude[-1]) / N_SAMPLES)


def _check_shape(signals: np.ndarray) -> None:
    if signals.ndim != 3 or signals.shape[1:] != (len(LEADS), N_SAMPLES):
        raise ValueError(f"signals of shape {signals.shape}, expected (n, {len(LEADS)}, {N_SAMPLES})")
