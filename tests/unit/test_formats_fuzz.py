"""Damaged files of every format: only the library's own errors may come out, with one-line messages."""

import base64

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twelvelead.ecg import Recording
from twelvelead.errors import SignalError
from twelvelead.formats import read
from unit.vendor_files import (
    cardiosoft_xml,
    comma_rows,
    counts,
    dicom_file,
    dicom_group,
    mdc_channels,
    npy,
    plain_muse,
    wfdb_header,
)

INTACT = {
    "muse_xml": plain_muse(),
    "cardiosoft_xml": cardiosoft_xml(comma_rows(counts(12))),
    "npy": npy(np.ones((12, 40), dtype=np.float32)),
    "deepecg_base64": base64.b64encode(bytes(120_000)),
    "dicom": dicom_file(dicom_group(counts(12).T, mdc_channels(), "SS")),
    "wfdb": wfdb_header("record.dat", 40, comments="#Dx: AF\n").encode(),
}


def outcome_of(path) -> Recording | SignalError:
    try:
        return read(path)
    except SignalError as error:
        return error


@pytest.mark.parametrize("name", sorted(INTACT))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4))
def test_damage_only_raises_signal_errors(tmp_path, name, position, flips):
    (tmp_path / "record.dat").write_bytes(counts(12).T.tobytes())
    damaged = bytearray(INTACT[name])
    for where, value in flips:
        damaged[int(where * (len(damaged) - 1))] = value
    # Half of the examples are cut, the other half only altered.
    kept = int(position * 2 * len(damaged)) if position < 0.5 else len(damaged)
    path = tmp_path / "record.hea"
    path.write_bytes(bytes(damaged[:kept]))
    outcome = outcome_of(path)
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
        assert outcome.status in ("unreadable", "unsupported", "lead_missing")
    else:
        rows, length = outcome.samples.shape
        assert rows == len(outcome.leads) == len(set(outcome.leads)) == len(outcome.gain_mv)
        assert length > 0
        assert np.isfinite(outcome.gain_mv).all()
        assert outcome.samples.dtype in (np.int16, np.int32, np.float32)


@pytest.mark.parametrize("name", sorted(INTACT))
def test_the_intact_files_are_read(tmp_path, name):
    (tmp_path / "record.dat").write_bytes(counts(12).T.tobytes())
    path = tmp_path / "record.hea"
    path.write_bytes(INTACT[name])
    assert read(path).format == name
