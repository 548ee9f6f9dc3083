"""DICOM waveforms against pydicom's own multiplex_array."""

import warnings

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts
from pydicom.uid import ExplicitVRBigEndian

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
        ("<i8", "SV", np.float32),
        ("<u8", "UV", np.float32),
    ],
)
def test_sample_encodings(dtype, interpretation, stored_as):
    limits = np.iinfo(dtype)
    signal = np.linspace(limits.min // 2, limits.max // 2, 12 * 20).astype(dtype).reshape(20, 12)
    signal[0, :2] = limits.min, limits.max
    recording = read_dicom(dicom_file(dicom_group(signal, mdc_channels(), interpretation)))
    assert recording.leads == TWELVE_LEADS
    assert recording.samples.dtype == stored_as
    np.testing.assert_allclose(recording.samples, signal.T.astype(np.float64), rtol=1e-6)


def test_big_endian_transfer_syntax():
    signal = counts(12).T.astype(">i2")
    recording = read_dicom(dicom_file(dicom_group(signal, mdc_channels(), "SS"), transfer_syntax=ExplicitVRBigEndian))
    np.testing.assert_array_equal(recording.samples, signal.T)


@pytest.mark.parametrize(
    ("interpretation", "found"), [("MB", "mu-law companded"), ("AB", "A-law companded"), ("SS", "of 8 bits")]
)
def test_companded_and_unknown_samples_are_unsupported(interpretation, found):
    group = dicom_group(np.zeros((20, 12), dtype="u1"), mdc_channels(), interpretation)
    with pytest.raises(UnsupportedFormat, match=f"DICOM samples {found}; expected linear"):
        read_dicom(dicom_file(group))


@pytest.mark.parametrize(("unit", "unit_mv"), [("nV", 1e-6), ("uV", 1e-3), ("mV", 1.0), ("V", 1e3)])
def test_scale_is_sensitivity_times_correction_plus_baseline(unit, unit_mv):
    channel = dicom_channel(
        dicom_code("2:1", "MDC"), "0.5", unit, ChannelSensitivityCorrectionFactor="1.5", ChannelBaseline="-8"
    )
    recording = read_dicom(dicom_file(dicom_group(counts(1).T, [channel], "SS")))
    np.testing.assert_allclose(recording.gain_mv, 0.75 * unit_mv)
    np.testing.assert_allclose(recording.offset_mv, -8 * unit_mv)
    assert recording.units == f"0.75 {unit}"


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize(
    "channel",
    [
        {"unit": "mm[Hg]"},
        {"unit": ""},
        {"sensitivity": "0"},
        {"sensitivity": "inf"},
        {"sensitivity": ""},
        {"ChannelSensitivityCorrectionFactor": "0"},
        {"ChannelBaseline": "nan"},
    ],
)
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
        ("X2", "99LOCAL", "aVL, augmented voltage, left", "aVL"),
    ],
)
def test_lead_codes(code, scheme, meaning, lead):
    channels = [dicom_channel(dicom_code(code, scheme, meaning)), dicom_channel(dicom_code("2:86", "MDC", "Lead -aVR"))]
    signal = counts(2)
    recording = read_dicom(dicom_file(dicom_group(signal.T, channels, "SS")))
    assert recording.leads == (lead,)
    np.testing.assert_array_equal(recording.samples, signal[:1])


@pytest.mark.parametrize("meaning", ["V4, right", "I, inverted", "Lead V1, posterior", "V2, V3"])
def test_a_meaning_that_goes_on_is_another_lead(meaning):
    channel = dicom_channel(dicom_code("X1", "99LOCAL", meaning))
    with pytest.raises(LeadMissing):
        read_dicom(dicom_file(dicom_group(counts(1).T, [channel], "SS")))


@pytest.mark.filterwarnings("ignore:Failed to encode value")
def test_every_lead_of_cid_3001_by_its_code_and_by_its_meaning_alone():
    found = {}
    for codes in concepts["MDC"].values():
        for code, (meaning, contexts) in codes.items():
            if 3001 not in contexts:
                continue
            for channel in (dicom_code(code, "MDC"), dicom_code("X", "99LOCAL", meaning)):
                try:
                    leads = read_dicom(dicom_file(dicom_group(counts(1).T, [dicom_channel(channel)], "SS"))).leads
                except LeadMissing:
                    leads = (None,)
                found.setdefault(leads[0], []).append(code)
    assert len(found.pop(None)) > 160
    numbers = (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)
    assert found == {lead: [f"2:{number}"] * 2 for lead, number in zip(LEADS, numbers, strict=True)}


@pytest.mark.parametrize(("code", "lead"), [("", "V2"), ("2:0", "V2"), ("2:86", None), ("99X", None)])
def test_the_label_names_a_channel_whose_source_is_unspecified(code, lead):
    channel = dicom_channel(dicom_code(code, "MDC"), ChannelLabel="V2")
    file_content = dicom_file(dicom_group(counts(1).T, [channel], "SS"))
    if lead is None:
        with pytest.raises(LeadMissing):
            read_dicom(file_content)
    else:
        assert read_dicom(file_content).leads == (lead,)


def columns(offsets_ms: tuple[str | None, ...], lengths: tuple[int, ...] = (50, 50, 50, 50)) -> list[Dataset]:
    """Four groups of three leads as carts write the columns of a printed ECG."""
    groups = []
    for column, (offset_ms, length) in enumerate(zip(offsets_ms, lengths, strict=True)):
        channels = mdc_channels()[3 * column : 3 * column + 3]
        fields = {} if offset_ms is None else {"MultiplexGroupTimeOffset": offset_ms}
        groups.append(dicom_group(counts(3, length, seed=column).T, channels, "SS", **fields))
    return groups


def test_groups_of_one_time_are_joined():
    recording = read_dicom(dicom_file(*columns(("0", "0", "0", "0"))))
    assert recording.leads == LEADS
    np.testing.assert_array_equal(
        recording.samples, np.concatenate([counts(3, 50, seed=column) for column in range(4)])
    )
    assert len(recording.gain_mv) == 12
    repeated = dicom_group(counts(1, 50, seed=9).T, mdc_channels()[1:2], "SS", MultiplexGroupTimeOffset="0")
    with_rhythm = read_dicom(dicom_file(*columns(("0", "0", "0", "0")), repeated))
    np.testing.assert_array_equal(with_rhythm.samples, recording.samples)


@pytest.mark.parametrize(
    "groups",
    [
        columns(("0", "2500", "5000", "7500")),
        columns((None, None, None, None)),
        columns(("0", "0", "0", "0"), (50, 50, 50, 49)),
    ],
)
def test_leads_that_were_not_recorded_at_one_time_are_refused(groups):
    rhythm = dicom_group(counts(1, 200).T, mdc_channels()[1:2], "SS", MultiplexGroupTimeOffset="0")
    with pytest.raises(UnsupportedFormat, match=r"in 5 groups not recorded at one time"):
        read_dicom(dicom_file(*groups, rhythm))


def test_groups_of_other_rates_and_of_other_signals_are_left_aside():
    fast = dicom_group(counts(12, 60).T, mdc_channels(), "SS", SamplingFrequency="1000")
    slow = dicom_group(counts(12, 40, seed=1).T, mdc_channels(), "SS", SamplingFrequency="250")
    breath = dicom_group(counts(1, 9).T, [dicom_channel(dicom_code("2:0", "MDC"))], "SS", SamplingFrequency="1")
    recording = read_dicom(dicom_file(breath, fast, slow))
    assert recording.sampling_rate_hz == 250
    np.testing.assert_array_equal(recording.samples, counts(12, 40, seed=1))


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
    with pytest.raises(UnreadableFile, match="holds 960 bytes, expected 96000000000"):
        read_dicom(dicom_file(claims_more))
    claims_less = dicom_group(signal, mdc_channels(), "SS", NumberOfWaveformSamples=39)
    with pytest.raises(UnreadableFile, match="holds 960 bytes, expected 936"):
        read_dicom(dicom_file(claims_less))
    with pytest.raises(UnreadableFile, match="more or fewer channels"):
        read_dicom(dicom_file(dicom_group(signal, mdc_channels()[:11], "SS")))
    with pytest.raises(UnreadableFile, match="lead II occurs twice"):
        read_dicom(dicom_file(dicom_group(signal[:, :2], mdc_channels()[1:2] * 2, "SS")))
    with pytest.raises(LeadMissing):
        read_dicom(dicom_file(dicom_group(signal[:, :1], [dicom_channel(dicom_code("2:86", "MDC"))], "SS")))
    with pytest.raises(UnreadableFile, match="SamplingFrequency"):
        read_dicom(dicom_file(dicom_group(signal, mdc_channels(), "SS", SamplingFrequency="0.5")))
    with pytest.raises(UnreadableFile, match="SamplingFrequency is no number"):
        read_dicom(dicom_file(dicom_group(signal, mdc_channels(), "SS")).replace(b"500 ", b"5o0 "))
    with pytest.raises(UnreadableFile, match="without a waveform"):
        read_dicom(dicom_file())
    with pytest.raises(UnsupportedFormat, match="without waveforms"):
        read_dicom(dicom_file().replace(b"1.2.840.10008.5.1.4.1.1.9.1.1", b"1.2.840.10008.5.1.4.1.1.7.1.1"))


def test_odd_bytes_are_padded_to_even():
    signal = counts(1, 41).astype("i1")
    np.testing.assert_array_equal(
        read_dicom(dicom_file(dicom_group(signal.T, mdc_channels()[:1], "SB"))).samples, signal
    )


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
        annotation(ConceptNameCodeSequence=dicom_code("y", "99LOCAL"), UnformattedTextValue="Erika"),
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
