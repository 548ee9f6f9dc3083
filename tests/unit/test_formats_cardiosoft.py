"""GE CardioSoft XML against files made here and against the golden inputs decoded with xml.etree."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.errors import LeadMissing, UnreadableFile, UnsupportedFormat
from twelvelead.formats import read
from twelvelead.formats.cardiosoft import read_cardiosoft
from unit.vendor_files import EIGHT_LEADS, SHARED, TWELVE_LEADS, cardiosoft_xml, comma_rows, counts

GOLDEN = SHARED / "golden" / "preprocess" / "inputs"


@settings(max_examples=40, deadline=None)
@given(
    signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 60))),
    order=st.permutations(TWELVE_LEADS),
    separator=st.sampled_from([",", ", ", ",\n\t\t\t"]),
)
def test_round_trip_in_any_lead_order(signal, order, separator):
    rows = {lead: separator.join(map(str, row)) for lead, row in zip(order, signal, strict=True)}
    recording = read_cardiosoft(cardiosoft_xml(rows, count=signal.shape[1]))
    assert recording.leads == tuple(order)
    assert recording.samples.dtype == np.int16
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, 0.005)
    assert recording.sampling_rate_hz == 500
    assert recording.deepecg_reads


def test_fields_of_a_plain_file():
    before = (
        "<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.71</SoftwareVer></DeviceInfo></ClinicalInfo>"
        "<PatientInfo><Name><FamilyName>MUSTERMANN</FamilyName></Name></PatientInfo><Interpretation><Diagnosis>"
        "<DiagnosisText>Normal sinus rhythm</DiagnosisText><DiagnosisText>Normal ECG</DiagnosisText>"
        "</Diagnosis></Interpretation>"
    )
    recording = read_cardiosoft(cardiosoft_xml(comma_rows(counts(8), EIGHT_LEADS), before=before))
    assert recording.format == "cardiosoft_xml"
    assert recording.leads == EIGHT_LEADS
    assert recording.statements == ("Normal sinus rhythm", "Normal ECG")
    assert recording.device == "CardioSoft V6.71"
    assert recording.units == "5 uV/LSB"
    assert "MUSTERMANN" not in repr(recording)


def test_nan_is_kept():
    rows = comma_rows(counts(12)) | {"V4": "1,nan,-3," + ",".join("0" * 37)}
    samples = read_cardiosoft(cardiosoft_xml(rows)).samples
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples[9, :3], [1, np.nan, -3])
    assert np.isnan(samples).sum() == 1


@pytest.mark.parametrize("value", ["", " ", "-", "+", "x", "1 2", "1_000", "0x10", "Mustermann", "1;2", "--1"])
@pytest.mark.parametrize("position", [0, 20, 39])
def test_junk_in_a_lead_is_unreadable_and_never_a_number(value, position):
    values = ["7"] * 40
    values[position] = value
    with pytest.raises(UnreadableFile, match="lead V2: WaveformData is not all numbers") as raised:
        read_cardiosoft(cardiosoft_xml(comma_rows(counts(12)) | {"V2": ",".join(values)}))
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(32767, np.int16), (-32769, np.int32), (2**31, np.float32), (10**30, np.float32), (1.5, np.float32)],
)
def test_samples_take_the_narrowest_type(value, dtype):
    samples = read_cardiosoft(cardiosoft_xml({"I": f"1,{value},3", "II": "4,5,6"})).samples
    assert samples.dtype == dtype
    np.testing.assert_allclose(samples, [[1, float(value), 3], [4, 5, 6]], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": {"I": "", "II": "1,2"}}, "lead I: WaveformData is empty"),
        ({"rows": {"I": "1", "II": "1,2"}}, r"lead I \(1\) is shorter"),
        ({"rows": {"I": "1,2", "Lead I": "1,2"}}, "lead I occurs twice"),
        ({"rows": {"I": "1,2"}, "count": 3}, "ChannelSampleCountTotal says 3"),
        ({"rows": {"I": "1,2"}, "units": "bananas"}, "Resolution"),
        ({"rows": {"I": "1,2"}, "named": False, "order": "I, II"}, "LeadOrder lists 2"),
    ],
)
def test_broken_strip(options, message):
    with pytest.raises(UnreadableFile, match=message):
        read_cardiosoft(cardiosoft_xml(**options))


def test_no_strip_and_no_standard_lead():
    with pytest.raises(UnreadableFile, match="no StripData"):
        read_cardiosoft(b"<CardiologyXML/>")
    with pytest.raises(LeadMissing):
        read_cardiosoft(cardiosoft_xml({"X": "1,2"}))


def test_lead_order_names_leads_without_attribute():
    rows = comma_rows(counts(12))
    unnamed, named = read_cardiosoft(cardiosoft_xml(rows, named=False)), read_cardiosoft(cardiosoft_xml(rows))
    assert unnamed.leads == named.leads == TWELVE_LEADS
    np.testing.assert_array_equal(unnamed.samples, named.samples)


def test_deepecg_needs_lead_order_and_eight_leads():
    rows = comma_rows(counts(12))
    assert not read_cardiosoft(cardiosoft_xml(rows, order="")).deepecg_reads
    del rows["V3"]
    assert not read_cardiosoft(cardiosoft_xml(rows)).deepecg_reads


@pytest.mark.parametrize("encoding", ["ISO8859-1", "iso8859-1", "ISO-8859-1", "UTF-8", "windows-1252"])
@pytest.mark.parametrize("text", ["Sinusrhythmus", "P-H\u00f6he \u00fcber 0,2 mV"])
def test_encoding_as_declared(encoding, text):
    before = f"<Interpretation><Diagnosis><DiagnosisText>{text}</DiagnosisText></Diagnosis></Interpretation>"
    content = cardiosoft_xml({"I": "1,2"}, before=before).decode("latin-1")
    recording = read_cardiosoft(content.replace("ISO8859-1", encoding).encode(encoding))
    assert recording.statements == (text,)


def test_entities_are_refused(tmp_path):
    path = tmp_path / "ecg.xml"
    subset = b'<!DOCTYPE CardiologyXML [<!ENTITY a "1,2">]><CardiologyXML>'
    path.write_bytes(cardiosoft_xml({"I": "&a;"}).replace(b"<CardiologyXML>", subset))
    with pytest.raises(UnreadableFile, match="entities"):
        read(path)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden inputs are not on this machine")
@pytest.mark.parametrize(
    "pattern",
    ["main/clsa12_2500_*.xml", "main/clsa12_5000_000*.xml", "main/clsa8*.xml", "dummy_xml/*.xml", "nan*/nan*.xml"],
)
def test_golden_inputs_as_decoded_with_the_standard_library(pattern):
    files = sorted(GOLDEN.glob(pattern))
    assert files
    for path in files:
        elements = ElementTree.parse(path).getroot().findall("StripData/WaveformData")
        recording = read(path)
        assert recording.leads == tuple(element.get("lead") for element in elements)
        expected = [[float(value) for value in element.text.split(",")] for element in elements]
        np.testing.assert_array_equal(recording.samples, np.array(expected))
        assert recording.samples.dtype == (np.float32 if path.name.startswith("nan") else np.int16)


def test_another_xml_is_not_cardiosoft(tmp_path):
    path = tmp_path / "ecg.xml"
    path.write_bytes(cardiosoft_xml({"I": "1,2"}).replace(b"CardiologyXML", b"CardiologyABC"))
    with pytest.raises(UnsupportedFormat, match="root element CardiologyABC"):
        read(path)
