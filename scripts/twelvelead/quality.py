"""Whether a decoded recording can be used at all, in the words of recordings.csv."""

import numpy as np

from twelvelead.ecg import Recording, missing_leads

# No surface ECG reaches this; arrays in microvolts or ADC counts taken for mV do.
IMPLAUSIBLE_MV = 50.0
# Above what a 32-bit converter counts; such values are damage, and their squares would overflow.
LARGEST_STORED = 1e10


def signal_status(recording: Recording) -> tuple[str, str]:
    """(status, message): ok, unreadable, lead_missing, not_finite or flat; an `ok` may carry a warning as message."""
    rate_hz = recording.sampling_rate_hz
    if rate_hz is not None and not (np.isfinite(rate_hz) and rate_hz > 0):
        return "unreadable", f"the sampling rate is {rate_hz:g} Hz, expected a positive number"
    absent = missing_leads(recording.leads)
    if absent:
        there = ", ".join(recording.leads) or "none"
        return "lead_missing", f"no lead {', '.join(absent)}; found {there}, expected I, II and V1 to V6 at least"
    if recording.samples.dtype.kind == "f":
        finite = np.isfinite(recording.samples).all(axis=1)
        broken = [lead for lead, is_finite in zip(recording.leads, finite, strict=True) if not is_finite]
        if broken:
            return "not_finite", f"lead {', '.join(broken)} holds NaN or infinite samples"
        largest = float(np.abs(recording.samples).max())
        if largest > LARGEST_STORED:
            return "unreadable", f"sample values reach {largest:.1g}, no ECG's do; the file is damaged"
    swing_mv = largest_swing_mv(recording)
    if swing_mv == 0:
        return "flat", "every lead is constant"
    if swing_mv <= IMPLAUSIBLE_MV:
        return "ok", ""
    hint = "; set preprocessing.array_unit_mv" if recording.has_no_unit else ""
    return "ok", f"warning: a lead swings by {swing_mv:.0f} mV, no ECG does; check the units{hint}"


def largest_swing_mv(recording: Recording) -> float:
    """Difference of the highest and lowest value of the lead in which it is largest, in mV."""
    lowest, highest = recording.samples.min(axis=1), recording.samples.max(axis=1)
    return float(np.max((highest.astype(np.float64) - lowest) * np.abs(recording.gain_mv)))
