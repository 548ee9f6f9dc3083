"""The sampling rate of samples whose times are written beside them."""

import numpy as np

_FINEST_DECIMALS = 9
# Drift of sums of a floating-point step; jitter of a clock is larger.
_LARGEST_DRIFT_STEPS = 1e-4
# In decimals: where steps are as small as the last of them, rounding and a missing sample look alike.
_LEAST_STEP_DECIMALS = 1.5
# Fewer numbers may rise in equal steps by chance.
_LEAST_TIMES = 10


@np.errstate(all="ignore")
def uniform_rate_hz(times: np.ndarray, unit_s: float) -> float | None:
    """The rate in Hz of samples taken at `times`, (samples,) of any real type, in units of `unit_s` seconds.

    Steps are taken as equal where times differ from such by no more than their last decimal, as those of 360 Hz rounded
    to ms do; of the rates that fit, the one of fewest decimals is meant. None where the steps are not equal: a gap, a
    time twice, times that go back or are not finite; and for a single time.
    """
    if times.size < 2 or not np.isfinite(times).all():
        return None
    elapsed = (times - times[0]).astype(np.float64)
    mean_step = elapsed[-1] / (times.size - 1)
    # Epochs in floats are coarser than their decimals.
    coarseness = float(4 * np.spacing(np.abs(times[[0, -1]]).max())) if times.dtype.kind == "f" else 0.0
    if not (np.diff(elapsed) > 0).all() or coarseness > mean_step / 2:
        return None
    last_decimal = _last_decimal(elapsed, coarseness)
    rounding = 1.001 * last_decimal if mean_step > _LEAST_STEP_DECIMALS * last_decimal else 0.0
    slack = rounding + max(coarseness, _LARGEST_DRIFT_STEPS * mean_step)
    return _roundest_rate_hz(elapsed, unit_s, slack)


def looks_like_times(numbers: np.ndarray) -> bool:
    """Whether numbers of an unknown meaning, (samples,), rise in equal steps, other than a count of samples does."""
    if numbers.size < _LEAST_TIMES or uniform_rate_hz(numbers, 1.0) is None:
        return False
    return not (np.diff(numbers) == 1).all()


def _last_decimal(elapsed: np.ndarray, coarseness: float) -> float:
    """The largest of 1, 0.1, 0.01 ... that all times are multiples of; 0 where they have more decimals than count."""
    for decimals in range(_FINEST_DECIMALS + 1):
        further_decimals = np.abs(elapsed - np.round(elapsed, decimals)).max()
        if further_decimals <= max(coarseness, 4 * np.spacing(elapsed[-1])):
            return 10.0**-decimals
    return 0.0


def _roundest_rate_hz(elapsed: np.ndarray, unit_s: float, slack: float) -> float | None:
    """The rate of fewest decimals whose times are those elapsed, up to `slack` between any two; None without one."""
    steps = np.arange(elapsed.size)
    lowest, mean, highest = (steps[-1] / ((elapsed[-1] + shift) * unit_s) for shift in (slack, 0.0, -slack))
    rounded = (round(float(mean), decimals) for decimals in range(_FINEST_DECIMALS))
    for rate_hz in (*(rate for rate in rounded if lowest <= rate <= highest), float(mean)):
        if np.ptp(elapsed - steps / (rate_hz * unit_s)) <= slack:
            return rate_hz
    return None
