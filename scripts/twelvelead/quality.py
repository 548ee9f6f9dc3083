"""Whether a decoded recording can be used at all, in the words of recordings.csv."""

import numpy as np

from twelvelead.ecg import Recording, missing_leads

# No surface ECG reaches this; arrays in microvolts or ADC counts taken for mV do.
IMPLAUSIBLE_MV = 50.0


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
    lowest, highest = recording.samples.min(axis=1), recording.samples.max(axis=1)
    if (lowest == highest).all():
        return "flat", "every lead is constant"
    return "ok", _doubt_about_units(recording, lowest, highest)


def _doubt_about_units(recording: Recording, lowest: np.ndarray, highest: np.ndarray) -> str:
    swing_mv = float(np.max((highest.astype(np.float64) - lowest) * np.abs(recording.gain_mv)))
    if swing_mv <= IMPLAUSIBLE_MV:
        return ""
    hint = "; set preprocessing.array_unit_mv" if recording.format == "npy" else ""
    return f"warning: a lead swings by {swing_mv:.0f} mV, no ECG does; check the units{hint}"
