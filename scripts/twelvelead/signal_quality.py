"""What is doubtful in a recording that can be used: flags for recordings.csv. Whether it can be used says quality.py.

Thresholds without a source are ours: set at the far end of what 284 recordings of CPSC-2018, PTB-XL, CinC-2021 and
CODE-15 show, so that only clear cases are flagged.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twelvelead.ecg import LEADS, Recording, twelve_leads
from twelvelead.limb_leads import (
    BROAD_QRS_S,
    EINTHOVEN_SHARE,
    OPPOSITE,
    SILENT_SHARE,
    breaks_einthoven,
    interchanged_electrodes,
)
from twelvelead.qrs import INDEPENDENT_LEADS, QrsComplexes, find_qrs, runs
from twelvelead.quality import IMPLAUSIBLE_MV, LARGEST_STORED
from twelvelead.recipes.resampling import ASSUMED_DURATION_S

ASSESSED_S = 10.0  # what every recipe reads but those that look at windows
LEAST_S = 2.0
RATES_HZ = (50.0, 20_000.0)

TOO_SMALL_MV = 0.05
FLAT_SHARE = 0.03
FLAT_FOR_S = 2
CLIPPED_FROM_MV = 0.5
CLIPPED_FOR_S = 0.008
CLIPPED_AT_LEAST = 4  # samples; a sharp peak can hold two or three that are equal
CLIPPED_STEP = 0.03
RESTS_FOR_S = 0.3
RESTS_FROM_MV = 1.0
WANDER_BELOW_HZ = 0.5
WANDER_MV = 1.0
QRS_BAND_HZ = (5.0, 25.0)
MAINS_HZ = (50.0, 60.0)
MAINS_MV = 0.03
MAINS_RATIO = 10.0
FAST_PER_MIN, FAST_MEDIAN_HZ = 120.0, 12.0
HIGHEST_MEDIAN_HZ = 20.0
SLOW_PER_MIN, SLOW_QRS_S = 45.0, 0.11
LONGEST_QRS_S = 0.25

POOR_QUALITY = "poor_quality"  # the status of a recording that has a flag which the settings exclude
FLAG_SEPARATOR = "; "

_COARSE_HZ = 200.0
_TYPICAL_MV = 1.5


@dataclass(frozen=True)
class Flag:
    """What is looked for: in short words, and as it is computed, with the source of the criterion."""

    name: str
    meaning: str
    definition: str
    source: str


FLAGS = (
    Flag(
        "unit_doubt",
        "amplitudes that no ECG has in mV",
        f"a lead's swing is above {IMPLAUSIBLE_MV:g} mV (microvolts or counts taken for mV), or the leads' median "
        f"swing below {TOO_SMALL_MV:g} mV (the reverse)",
        "ours",
    ),
    Flag(
        "sampling_rate_doubt",
        "beats far too narrow or too wide for the stated rate, or an impossible one",
        f"a rate outside {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz; or, as if stated too high, a heart rate above "
        f"{FAST_PER_MIN:g}/min with half of the power above {FAST_MEDIAN_HZ:g} Hz, or half above {HIGHEST_MEDIAN_HZ:g} "
        f"Hz; or, as if too low, a rate below {SLOW_PER_MIN:g}/min with QRS activity longer than {SLOW_QRS_S:g} s, or "
        f"QRS activity longer than {LONGEST_QRS_S:g} s",
        "ours",
    ),
    Flag(
        "flat_lead",
        "a lead that does not move while others do",
        f"a lead swings by at most {FLAT_SHARE:.0%} of what the lead with the fourth largest swing does, in at least "
        f"{FLAT_FOR_S} of the recording's seconds; all leads, where they are zero for so long at its ends",
        "the criterion of Langley et al., Comput Cardiol 2011;38:281-284; threshold ours",
    ),
    Flag(
        "saturation",
        "a lead that stays at its highest or lowest value",
        f"a lead stays at its extreme value for {CLIPPED_FOR_S * 1000:g} ms, {CLIPPED_FROM_MV:g} mV or more from its "
        f"median, reached and left by steps of {CLIPPED_STEP:.0%} of its swing; or for {RESTS_FOR_S * 1000:g} ms, "
        f"{RESTS_FROM_MV:g} mV from its median",
        "the criterion of Langley et al., Comput Cardiol 2011;38:281-284; thresholds ours",
    ),
    Flag(
        "baseline_wander",
        "slow waves that exceed the QRS activity",
        f"a lead's power below {WANDER_BELOW_HZ:g} Hz exceeds that from {QRS_BAND_HZ[0]:g} to {QRS_BAND_HZ[1]:g} Hz "
        f"and is that of a sine of {WANDER_MV:g} mV from peak to peak",
        "band: Kligfield et al., Circulation 2007;115:1306-1324; thresholds ours",
    ),
    Flag(
        "mains_interference",
        "a line at 50 or 60 Hz",
        f"the power density within 1 Hz of 50 or 60 Hz is {MAINS_RATIO:g} times that 2 to 5 Hz away, and {MAINS_MV:g} "
        "mV from peak to peak",
        "amplitude: noise IEC 60601-2-25 allows an electrocardiograph; ratio ours",
    ),
    Flag(
        "einthoven_violation",
        "limb leads that are not what I and II make them",
        f"a limb lead differs from what I and II make it by more than {EINTHOVEN_SHARE:.0%} of the limb leads' largest "
        "root mean square",
        "Einthoven's and Goldberger's laws; threshold ours",
    ),
    Flag(
        "limb_lead_reversal",
        "electrodes of the limbs probably exchanged",
        f"RA-LA: the median beat in lead I correlates below {OPPOSITE:g} with that in V6, is mostly negative and its P "
        "wave opposes V6's too; RA-LL: the same of lead II. Of the two the one whose undoing makes I and II agree with "
        f"V6 best; QRS activity above {BROAD_QRS_S:g} s is not judged. RA-RL, LA-RL, arms-legs: lead II, III, I is "
        f"silent (at most {SILENT_SHARE:.0%} of the largest of the three). LA-LL is not looked for: published rules "
        "find it in a fifth of cases or are hardly specific",
        "Batchvarov et al., Europace 2007;9:1081-1090; Jekova et al., Comput Methods Programs Biomed 2016;134:31-41; "
        "on LA-LL J Electrocardiol 2014;47:794-797 and Ohlsson et al., LU TP 99-24; thresholds ours",
    ),
)


def flags_of(recording: Recording) -> tuple[str, ...]:
    """`flags` of a recording whose leads are all there or can be derived."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and has no flags
        return flags(twelve_leads(recording.beginning(ASSESSED_S)), recording.sampling_rate_hz)


def flags(signal_mv: np.ndarray, sampling_rate_hz: float | None) -> tuple[str, ...]:
    """Names from FLAGS in their order, each followed by the leads or the reversal it is about: "flat_lead V1 V2".

    signal_mv  (12, n) in mV in the order of LEADS; of it the first 10 s, but for flat_lead without zeros at its ends
    Without a sampling rate the recording is taken to last 10 s. Nothing is said of values that quality.signal_status
    refuses (NaN, infinite, above LARGEST_STORED), nor of less than 2 s, where all but the stated rate is unknown.
    """
    signal = np.asarray(signal_mv, dtype=np.float32)
    rate_hz = sampling_rate_hz
    if rate_hz is None:
        rate_hz = signal.shape[1] / ASSUMED_DURATION_S
    elif not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        return ("sampling_rate_doubt",)
    assessed = signal[:, : int(ASSESSED_S * rate_hz)]
    signal = _without_padding(assessed)
    if rate_hz < RATES_HZ[0]:
        return ()
    padded_s = (assessed.shape[1] - signal.shape[1]) / rate_hz
    if signal.shape[1] < LEAST_S * rate_hz:
        return (_of_leads("flat_lead", np.ones(len(LEADS), dtype=bool)),) if padded_s >= FLAT_FOR_S else ()
    lowest, highest = signal.min(axis=1), signal.max(axis=1)
    if not (highest.max() <= LARGEST_STORED and lowest.min() >= -LARGEST_STORED):  # nor is NaN
        return ()
    swing = highest - lowest
    if not swing.any():
        return (_of_leads("flat_lead", np.ones(len(LEADS), dtype=bool)),)
    found = {}
    typical_mv = float(np.median(swing[swing > 0]))
    if swing.max() > IMPLAUSIBLE_MV:
        found["unit_doubt"] = "unit_doubt"
    if not TOO_SMALL_MV <= typical_mv <= IMPLAUSIBLE_MV:
        found["unit_doubt"] = "unit_doubt"
        signal = signal * np.float32(_TYPICAL_MV / typical_mv)  # so that the thresholds in mV mean something
    is_flat = _flat(signal, rate_hz) | (padded_s >= FLAT_FOR_S)
    for name, is_in in (("flat_lead", is_flat), ("saturation", _saturated(signal, rate_hz))):
        found[name] = _of_leads(name, is_in)
    found |= _of_coarse_signal(*_coarse(signal, rate_hz))
    return tuple(found[flag.name] for flag in FLAGS if found.get(flag.name))


def flag_name(flag: str) -> str:
    """The name in FLAGS of one that `flags` returned."""
    return flag.split(" ", 1)[0]


def why_excluded(found: Iterable[str], excludes: Collection[str]) -> str:
    """Why a recording with these flags is left out, "" where it is not; `excludes` are names in FLAGS."""
    decisive = [flag for flag in found if flag_name(flag) in excludes]
    return f"left out by preprocessing.quality_excludes: {FLAG_SEPARATOR.join(decisive)}" if decisive else ""


def _of_leads(name: str, is_in: np.ndarray) -> str:
    leads = [lead for lead, there in zip(LEADS, is_in, strict=True) if there]
    return " ".join([name, *leads]) if leads else ""


def _without_padding(signal: np.ndarray) -> np.ndarray:
    if signal.shape[1] == 0 or (signal[:, 0].any() and signal[:, -1].any()):
        return signal
    there = np.flatnonzero(signal.any(axis=0))
    return signal[:, there[0] : there[-1] + 1] if there.size else signal


def _flat(signal: np.ndarray, rate_hz: float) -> np.ndarray:
    seconds, per_second = int(signal.shape[1] / rate_hz), int(rate_hz)
    swings = np.ptp(signal[:, : seconds * per_second].reshape(len(signal), seconds, per_second), axis=-1)
    # A pause quiets all leads at once, so that a lead is measured against the others' same second.
    reference = np.partition(swings, -4, axis=0)[-4]
    return (swings <= FLAT_SHARE * reference).sum(axis=1) >= FLAT_FOR_S


def _saturated(signal: np.ndarray, rate_hz: float) -> np.ndarray:
    least = max(CLIPPED_AT_LEAST, int(np.ceil(CLIPPED_FOR_S * rate_hz)))
    top, bottom = signal.max(axis=1), signal.min(axis=1)
    is_saturated = np.zeros(len(signal), dtype=bool)
    for extreme in (top, bottom):
        at_extreme = signal == extreme[:, None]
        for lead in np.flatnonzero((at_extreme.sum(axis=1) >= least) & (top > bottom)):
            is_saturated[lead] |= _is_clipped(signal[lead], at_extreme[lead], least, RESTS_FOR_S * rate_hz)
    return is_saturated


def _is_clipped(signal: np.ndarray, at_extreme: np.ndarray, least: int, rests: float) -> bool:
    starts, ends = runs(at_extreme)
    length = ends - starts
    extreme = signal[starts[0]]
    from_median = abs(extreme - np.median(signal))
    if from_median >= RESTS_FROM_MV and length.max() >= rests:
        return True
    # A dome of a coarsely stored signal is left by a step of one unit, a clipped wave by that of the wave's flank.
    steps = np.abs(np.stack([signal[np.maximum(starts - 1, 0)], signal[np.minimum(ends, len(signal) - 1)]]) - extreme)
    is_steep = (steps >= CLIPPED_STEP * np.ptp(signal)).all(axis=0)
    return bool(from_median >= CLIPPED_FROM_MV and (is_steep & (length >= least)).any())


def _coarse(signal: np.ndarray, rate_hz: float) -> tuple[np.ndarray, float]:
    """(12, m) means of as many samples as leave 200 Hz or more, about 0, and their rate in Hz."""
    factor = max(1, int(rate_hz / _COARSE_HZ))
    whole = signal.shape[1] // factor * factor
    # numpy's mean over an axis of two is ten times slower.
    coarse = sum(signal[:, first:whole:factor] for first in range(factor)) / np.float32(factor)
    return coarse - coarse.mean(axis=1, keepdims=True), rate_hz / factor


def _of_coarse_signal(coarse: np.ndarray, rate_hz: float) -> dict[str, str]:
    power, frequencies_hz = _power(coarse, rate_hz)
    qrs = find_qrs(coarse, rate_hz)
    found = {
        "baseline_wander": _of_leads("baseline_wander", _wanders(power, frequencies_hz)),
        "mains_interference": _of_leads("mains_interference", _has_mains(power, frequencies_hz)),
        "einthoven_violation": _of_leads("einthoven_violation", breaks_einthoven(coarse)),
    }
    if _rate_is_doubtful(qrs, power, frequencies_hz):
        found["sampling_rate_doubt"] = "sampling_rate_doubt"
    reversal = "" if found["einthoven_violation"] else interchanged_electrodes(coarse, qrs)
    if reversal:
        found["limb_lead_reversal"] = f"limb_lead_reversal {reversal}"
    return found


def _power(coarse: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """(12, bins) power in mV^2 of the signal in a Hann window, adding up to its variance, and frequencies in Hz."""
    m = coarse.shape[1]
    window, scale = _hann(m)
    spectrum = np.fft.rfft(coarse * window)
    power = (spectrum.real**2 + spectrum.imag**2) * scale
    return power, np.arange(power.shape[1]) * (rate_hz / m)


@lru_cache(maxsize=8)  # a batch has few lengths
def _hann(m: int) -> tuple[np.ndarray, np.float32]:
    window = np.hanning(m).astype(np.float32)
    window.flags.writeable = False
    return window, np.float32(2 / (m * (window**2).sum()))


def _between(power: np.ndarray, frequencies_hz: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    first, after = np.searchsorted(frequencies_hz, (from_hz, to_hz))
    return power[:, max(first, 1) : after].sum(axis=1)


def _peak_to_peak_mv(power: np.ndarray) -> np.ndarray:
    return np.sqrt(8 * power)  # of the sine with this power


def _wanders(power: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    wander = _between(power, frequencies_hz, 0, WANDER_BELOW_HZ)
    return (wander > _between(power, frequencies_hz, *QRS_BAND_HZ)) & (_peak_to_peak_mv(wander) >= WANDER_MV)


def _has_mains(power: np.ndarray, frequencies_hz: np.ndarray) -> np.ndarray:
    has_mains = np.zeros(len(power), dtype=bool)
    for mains_hz in MAINS_HZ:
        if mains_hz + 5 > frequencies_hz[-1]:
            continue
        line = _between(power, frequencies_hz, mains_hz - 1, mains_hz + 1)
        below = _between(power, frequencies_hz, mains_hz - 5, mains_hz - 2)
        above = _between(power, frequencies_hz, mains_hz + 2, mains_hz + 5)
        stands_out = line / 2 > MAINS_RATIO * (below + above) / 6
        has_mains |= stands_out & (_peak_to_peak_mv(line) >= MAINS_MV)
    return has_mains


def _rate_is_doubtful(qrs: QrsComplexes, power: np.ndarray, frequencies_hz: np.ndarray) -> bool:
    independent = power[list(INDEPENDENT_LEADS)]
    from_2_hz = np.cumsum(independent[:, np.searchsorted(frequencies_hz, 2.0) :], axis=1)
    below_half = (from_2_hz < from_2_hz[:, -1:] / 2).sum(axis=1)
    median_hz = 2.0 + np.median(below_half) * frequencies_hz[1]
    if median_hz > HIGHEST_MEDIAN_HZ or qrs.duration_s > LONGEST_QRS_S:
        return True
    seems_too_high = qrs.per_min > FAST_PER_MIN and median_hz > FAST_MEDIAN_HZ
    seems_too_low = 0 < qrs.per_min < SLOW_PER_MIN and qrs.duration_s > SLOW_QRS_S
    return bool(seems_too_high or seems_too_low)
