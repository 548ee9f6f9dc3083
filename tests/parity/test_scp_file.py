"""The Mortara recording kept as SCP-ECG and as DICOM: both readers must find the same signal."""

from pathlib import Path

import numpy as np
import pytest

from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.formats.dicom import read_dicom
from twelvelead.formats.scp import read_scp

FILES = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SCP = FILES / "scp" / "ecgtoolkit_Example.scp"
DICOM = FILES / "dicom" / "ecgtoolkit_Example.dcm"
TOLERANCE_MV = 0.01

pytestmark = pytest.mark.skipif(
    not (SCP.is_file() and DICOM.is_file()), reason="the real files are not on this machine"
)


def test_scp_and_dicom_agree():
    scp, dicom = read_scp(SCP.read_bytes()), read_dicom(DICOM.read_bytes())
    assert set(scp.leads) == set(dicom.leads) == set(LEADS)
    assert scp.samples.shape == (12, 5000)
    assert scp.sampling_rate_hz == dicom.sampling_rate_hz == 500
    assert np.abs(twelve_leads(scp) - twelve_leads(dicom)).max() <= TOLERANCE_MV
    # Both files store the same integers.
    assert [scp.samples[scp.leads.index(lead)].tolist() for lead in dicom.leads] == dicom.samples.tolist()


def test_nothing_of_the_patient_is_read():
    recording = read_scp(SCP.read_bytes())
    assert recording.device == "ECGConversion ELI250"
    assert recording.statements == ()
    assert not any(identity in repr(recording) for identity in ("Clark", "SBJ-123", "1953"))
