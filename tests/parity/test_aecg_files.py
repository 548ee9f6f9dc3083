"""Real HL7 aECG files, among them a Mortara recording that also exists as DICOM."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.formats.aecg import read_aecg
from twelvelead.formats.dicom import read_dicom

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data"
NAMES = ("Example_aECG.xml", "ecgtoolkit_Example.xml", "subject1_0.xml")

pytestmark = pytest.mark.skipif(
    not (RECORDINGS / "hl7_aecg_xml").is_dir(), reason="no recordings in ../shared/data/hl7_aecg_xml"
)


@pytest.mark.parametrize("name", NAMES)
def test_fields_of_a_real_file(name):
    recording = read_aecg((RECORDINGS / "hl7_aecg_xml" / name).read_bytes())
    assert set(recording.leads) == set(LEADS)
    assert recording.samples.shape == (12, 5000)
    assert recording.samples.dtype == np.int16
    assert recording.sampling_rate_hz == 500
    assert recording.duration_s == 10
    assert recording.units == "2.5 uV/LSB"
    assert recording.device == "Mortara Instrument, Inc. ELI250"
    # These files annotate waves and the rhythm, and interpret nothing.
    assert recording.statements == ()
    # Names of the subject, the technician and the clinic that the files hold.
    assert not any(planted in repr(recording) for planted in ("Clark", "KAB", "JMK", "River City", "19530508"))


@pytest.mark.parametrize("name", NAMES)
def test_samples_as_the_standard_library_reads_them(name):
    path = RECORDINGS / "hl7_aecg_xml" / name
    hl7 = "{urn:hl7-org:v3}"
    sequence_set = ElementTree.parse(path).getroot().find(f"{hl7}component/{hl7}series/{hl7}component/{hl7}sequenceSet")
    expected = [
        [int(number) for number in sequence.findtext(f"{hl7}value/{hl7}digits").split()]
        for sequence in sequence_set.iter(f"{hl7}sequence")
        if sequence.find(f"{hl7}code").get("code").startswith("MDC_ECG_LEAD_")
    ]
    np.testing.assert_array_equal(read_aecg(path.read_bytes()).samples, expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_signal_as_in_dicom(name):
    aecg = read_aecg((RECORDINGS / "hl7_aecg_xml" / name).read_bytes())
    dicom = read_dicom((RECORDINGS / "dicom" / "ecgtoolkit_Example.dcm").read_bytes())
    assert aecg.sampling_rate_hz == dicom.sampling_rate_hz
    np.testing.assert_allclose(twelve_leads(aecg), twelve_leads(dicom), rtol=0, atol=0.01)


def test_limb_leads_obey_einthoven():
    """Within the 2.5 uV to which each lead was rounded on its own, twice."""
    recording = read_aecg((RECORDINGS / "hl7_aecg_xml" / NAMES[0]).read_bytes())
    lead_i, lead_ii, lead_iii = twelve_leads(recording)[:3]
    np.testing.assert_allclose(lead_i + lead_iii, lead_ii, rtol=0, atol=0.005)
