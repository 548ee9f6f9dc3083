"""A WFDB record or a bare NumPy array of a simulated ECG."""

from pathlib import Path

import numpy as np
import wfdb

from twelvelead.demo.quantise import counts
from twelvelead.demo.simulate import Simulated
from twelvelead.ecg import LEADS

COUNTS_PER_MV = 1000


def write_wfdb(path: Path, simulated: Simulated, statements: tuple[str, ...]) -> None:
    """Writes `path`, a .hea header with a `Dx: ` comment per statement, and the .dat beside it (format 16, 1 uV)."""
    wfdb.wrsamp(
        path.stem,
        fs=simulated.sampling_rate_hz,
        units=["mV"] * len(LEADS),
        sig_name=list(LEADS),
        d_signal=counts(simulated.signal_mv, 1000 / COUNTS_PER_MV).T,
        fmt=["16"] * len(LEADS),
        adc_gain=[COUNTS_PER_MV] * len(LEADS),
        baseline=[0] * len(LEADS),
        comments=[f"Dx: {statement}" for statement in statements],
        write_dir=str(path.parent),
    )


def write_npy(path: Path, simulated: Simulated, *, leads_first: bool) -> None:
    """Writes `path`, float32 mV without rate or lead names: (12, samples), or (samples, 12) unless `leads_first`."""
    np.save(path, simulated.signal_mv if leads_first else np.ascontiguousarray(simulated.signal_mv.T))
