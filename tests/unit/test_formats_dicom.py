"""DICOM waveforms against pydicom's own multiplex_array."""

import warnings

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.errors import LeadMissing, UnreadableFile, UnsupportedFormat
from twelvelead.formats import read
from twelvelead.formats.dicom import read_dicom
from unit.vendor_files import (
    SHARED,
    TWELVE_LEADS,
    counts,
    dicom_channel,
    dicom_code,
    dicom_file,
    dicom_group,
    mdc_channels,
)

MORTARA = SHARED / "data" / "dicom" / "ecgtoolkit_Example.dcm"


def physical_uv(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path).waveform_array(0).T


def test_real_12_lead_of_pydicom():
    path = get_testdata_file("waveform_ecg.dcm")
    recording = read(path)
    assert recording.leads == LEADS
    assert recording.sampling_rate_hz == 1000
    assert recording.samples.dtype == np.int16
    assert recording.statements == ("RITMO SINUSALE", "ECG NORMALE")
    assert recording.device == "Mortara Instrument, Inc. el250"
    assert recording.units == "1.25 uV"
    np.testing.assert_allclose(twelve_leads(recording) * 1e3, physical_uv(path), rtol=1e-5, atol=1e-3)


@pytest.mark.skipif(not MORTARA.is_file(), reason="the DICOM example is not on this machine")
def test_real_12_lead_whose_padding_value_is_0_keeps_its_zeros(caplog, capfd):
    recording = read(MORTARA)
    assert recording.samples.dtype == np.int16
    np.testing.assert_allclose(twelve_leads(recording) * 1e3, physical_uv(MORTARA), rtol=1e-5, atol=1e-3)
    assert recording.statements == ()
    output = caplog.text + "".join(capfd.readouterr()) + repr(recording)
    assert not any(identity in output for identity in ("Clark", "SBJ-123", "1953"))


@pytest.mark.parametrize(
    ("dtype", "interpretation", "stored_as"),
    [
        ("i1", "SB", np.int16),
        ("u1", "UB", np.int16),
        ("<i2", "SS", np.int16),
        ("<u2", "US", np.int32),
        ("<i4", "SL", np.int32),
        ("<u4", "UL", np.float32),
    ],
)
def test_sample_encodings(dtype, interpretation, stored_as):
    limits = np.iinfo(dtype)
    signal = np.linspace(limits.min, limits.max, 12 * 20).astype(dtype).reshape(20, 12)
    recording = read_dicom(dicom_file(dicom_group(signal, mdc_channels(), interpretation)))
    assert recording.leads == TWELVE_LEADS
    assert recording.samples.dtype == stored_as
    np.testing.assert_allclose(recording.samples, signal.T.astype(np.float64), rtol=1e-6)


def test_big_endian_transfer_syntax():
    signal = counts(12).T.astype(">i2")
    recording = read_dicom(dicom_file(dicom_group(signal, mdc_channels(), "SS"), transfer_syntax=ExplicitVRBigEndian))
    np.testing.assert_array_equal(recording.samples, signal.T)


def test_companded_samples_are_unsupported():
    group = dicom_group(np.zeros((20, 12), dtype="u1"), mdc_channels(), "MB")
    with pytest.raises(UnsupportedFormat, match="DICOM samples of 8 bits"):
        read_dicom(dicom_file(group))


@pytest.mark.parametrize(("unit", "unit_mv"), [("uV", 1e-3), ("mV", 1.0), ("V", 1e3)])
def test_scale_is_sensitivity_times_correction_plus_baseline(unit, unit_mv):
    channel = dicom_channel(
        dicom_code("2:1", "MDC"), "0.5", unit, ChannelSensitivityCorrectionFactor="1.5", ChannelBaseline="-8"
    )
    recording = read_dicom(dicom_file(dicom_group(counts(1).T, [channel], "SS")))
    np.testing.assert_allclose(recording.gain_mv, 0.75 * unit_mv)
    np.testing.assert_allclose(recording.offset_mv, -8 * unit_mv)
    assert recording.units == f"0.75 {unit}"


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("channel", [{"unit": "mm[Hg]"}, {"sensitivity": "0"}, {"sensitivity": "inf"}])
def test_channel_without_scale_is_unreadable(channel):
    group = dicom_group(counts(1).T, [dicom_channel(dicom_code("2:1", "MDC"), **channel)], "SS")
    with pytest.raises(UnreadableFile, match="lead I: channel sensitivity"):
        read_dicom(dicom_file(group))


@pytest.mark.parametrize(
    ("code", "scheme", "meaning", "lead"),
    [
        ("2:62", "MDC", "", "aVR"),
        ("5.6.3-9-8", "SCPECG", "Lead V6", "V6"),
        ("MDC_ECG_LEAD_III", "MDC", "", "III"),
        ("X1", "99LOCAL", "Lead I (Einthoven)", "I"),
        ("131390", "MDC", "MDC_ECG_LEAD_AVF", "aVF"),
    ],
)
def test_lead_codes(code, scheme, meaning, lead):
    channels = [dicom_channel(dicom_code(code, scheme, meaning)), dicom_channel(dicom_code("2:86", "MDC", "Lead -aVR"))]
    signal = counts(2)
    recording = read_dicom(dicom_file(dicom_group(signal.T, channels, "SS")))
    assert recording.leads == (lead,)
    np.testing.assert_array_equal(recording.samples, signal[:1])


def test_rhythm_group_is_original_complete_and_longest():
    derived = dicom_group(counts(12, 90).T, mdc_channels(), "SS", WaveformOriginality="DERIVED")
    single_lead = dicom_group(counts(1, 80).T, mdc_channels()[1:2], "SS")
    short, long = (dicom_group(counts(12, length).T, mdc_channels(), "SS") for length in (30, 60))
    recording = read_dicom(dicom_file(derived, single_lead, short, long))
    assert recording.samples.shape == (12, 60)
    with pytest.raises(UnreadableFile, match="all derived"):
        read_dicom(dicom_file(derived))


def test_padding_becomes_nan():
    signal = counts(12).astype("<i2")
    signal[3, 5] = -32768
    padding = np.array([-32768], "<i2").tobytes()
    group = dicom_group(signal.T, mdc_channels(), "SS")
    group.add_new("WaveformPaddingValue", "OW", padding)
    samples = read_dicom(dicom_file(group)).samples
    assert samples.dtype == np.float32
    assert np.argwhere(np.isnan(samples)).tolist() == [[3, 5]]


def test_broken_groups():
    signal = counts(12).T
    claims_more = dicom_group(signal, mdc_channels(), "SS", NumberOfWaveformSamples=4_000_000_000)
    with pytest.raises(UnreadableFile, match="the file is truncated"):
        read_dicom(dicom_file(claims_more))
    with pytest.raises(UnreadableFile, match="more or fewer channels"):
        read_dicom(dicom_file(dicom_group(signal, mdc_channels()[:11], "SS")))
    with pytest.raises(UnreadableFile, match="lead II occurs twice"):
        read_dicom(dicom_file(dicom_group(signal[:, :2], mdc_channels()[1:2] * 2, "SS")))
    with pytest.raises(LeadMissing):
        read_dicom(dicom_file(dicom_group(signal[:, :1], [dicom_channel(dicom_code("2:86", "MDC"))], "SS")))
    with pytest.raises(UnreadableFile, match="SamplingFrequency"):
        read_dicom(dicom_file(dicom_group(signal, mdc_channels(), "SS", SamplingFrequency="0.5")))
    with pytest.raises(UnsupportedFormat, match="without waveforms"):
        read_dicom(dicom_file())


def test_deflated_transfer_syntax_is_not_inflated():
    file_content = dicom_file(
        dicom_group(counts(12).T, mdc_channels(), "SS"), transfer_syntax=DeflatedExplicitVRLittleEndian
    )
    assert len(file_content) < 2000
    with pytest.raises(UnsupportedFormat, match="deflated"):
        read_dicom(file_content)


def annotation(**fields) -> Dataset:
    item = Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def test_only_interpretations_become_statements():
    interpretation = dicom_code("x", "99LOCAL", "Interpretation")
    annotations = (
        annotation(UnformattedTextValue="Sinus rhythm"),
        annotation(UnformattedTextValue="Confirmed by MUSTERMANN"),
        annotation(ConceptNameCodeSequence=dicom_code("y", "99LOCAL", "Patient note"), UnformattedTextValue="Erika"),
        annotation(ConceptNameCodeSequence=interpretation, UnformattedTextValue="Left bundle branch block"),
        annotation(ConceptNameCodeSequence=interpretation, ConceptCodeSequence=dicom_code("z", "SCT", "Normal ECG")),
        annotation(ConceptNameCodeSequence=dicom_code("w", "SCT", "Atrial fibrillation")),
        annotation(ConceptNameCodeSequence=dicom_code("5.13.5-7", "SCPECG", "PR Interval"), NumericValue="148"),
        annotation(ConceptNameCodeSequence=dicom_code("5.10.3-1", "SCPECG", "P onset"), ReferencedSamplePositions=[5]),
    )
    recording = read_dicom(dicom_file(dicom_group(counts(12).T, mdc_channels(), "SS"), annotations=annotations))
    assert recording.statements == ("Sinus rhythm", "Left bundle branch block", "Normal ECG", "Atrial fibrillation")
    assert "Erika" not in repr(recording)


@settings(max_examples=20, deadline=None)
@given(signal=st.integers(0, 2**16), correction=st.floats(0.5, 2).map(lambda value: round(value, 3)))
def test_agrees_with_pydicom(signal, correction):
    channels = mdc_channels()
    for channel in channels:
        channel.ChannelSensitivityCorrectionFactor = str(correction)
        channel.ChannelBaseline = "3.5"
    group = dicom_group(counts(12, seed=signal).T, channels, "SS")
    dataset = Dataset()
    dataset.WaveformSequence = [group]
    expected_uv = pydicom.waveforms.multiplex_array(dataset, 0, as_raw=False).T
    np.testing.assert_allclose(twelve_leads(read_dicom(dicom_file(group))) * 1e3, expected_uv, rtol=1e-4, atol=1e-2)
