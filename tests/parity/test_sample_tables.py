"""Real recordings written as tables of samples by pandas, and as wfdb reads them from the original."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.formats import read

FILES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ptbxl_wfdb"
RECORDS = sorted(FILES.glob("*.hea"))[:20]

pytestmark = pytest.mark.skipif(not RECORDS, reason="the PTB-XL recordings are not on this machine")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_ptb_xl_in_tables_of_samples(tmp_path, kind):
    for header in RECORDS:
        original = wfdb.rdrecord(str(header.with_suffix("")))
        table = pd.DataFrame(original.p_signal, columns=[f"{name}_mV" for name in original.sig_name])
        table.insert(0, "time_s", np.arange(len(table)) / original.fs)
        path = tmp_path / f"{header.stem}.{kind}"
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
        recording = read(path)
        assert recording.sampling_rate_hz == original.fs
        order = [[name.upper() for name in original.sig_name].index(lead.upper()) for lead in LEADS]
        np.testing.assert_allclose(twelve_leads(recording), original.p_signal[:, order].T, rtol=0, atol=1e-6)
