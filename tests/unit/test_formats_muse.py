"""GE MUSE XML against files made here and against the golden inputs decoded with xml.etree."""

import base64
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.errors import LeadMissing, UnreadableFile
from twelvelead.formats import read
from twelvelead.formats.muse import read_muse
from unit.vendor_files import (
    EIGHT_LEADS,
    SHARED,
    TWELVE_LEADS,
    counts,
    muse_lead,
    muse_leads,
    muse_waveform,
    muse_xml,
    plain_muse,
)

GOLDEN = SHARED / "golden" / "preprocess" / "inputs" / "main"
REAL = SHARED / "data" / "ge_muse_xml"


@settings(max_examples=40, deadline=None)
@given(
    signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 60))),
    order=st.permutations(TWELVE_LEADS),
    units_per_bit=st.floats(0.001, 100).map(lambda value: round(value, 4)),
    base=st.integers(100, 1000),
)
def test_round_trip_in_any_lead_order(signal, order, units_per_bit, base):
    leads = muse_leads(signal, tuple(order), LeadAmplitudeUnitsPerBit=str(units_per_bit))
    recording = read_muse(muse_xml(muse_waveform(leads, base=str(base))))
    assert recording.leads == tuple(order)
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, units_per_bit * 1e-3, rtol=1e-12)
    assert recording.sampling_rate_hz == base


def test_fields_of_a_plain_file():
    before = (
        "<MuseInfo><MuseVersion>9.0</MuseVersion></MuseInfo>"
        "<PatientDemographics><PatientLastName>MUSTERMANN</PatientLastName></PatientDemographics>"
        "<TestDemographics><AcquisitionDevice>MAC55</AcquisitionDevice></TestDemographics>"
    )
    signal = counts()
    recording = read_muse(
        muse_xml(muse_waveform(muse_leads(signal[:, :9]), "Median"), muse_waveform(muse_leads(signal)), before=before)
    )
    assert recording.format == "muse_xml"
    assert recording.leads == EIGHT_LEADS
    assert recording.samples.dtype == np.int16
    assert recording.units == "4.88 uV/LSB"
    assert recording.device == "MAC55, MUSE 9.0"
    assert recording.deepecg_reads
    assert "MUSTERMANN" not in repr(recording)


@pytest.mark.parametrize(
    ("base", "exponent", "rate_hz"), [("500", "0", 500.0), ("5", "2", 500.0), ("2500", "-1", 250.0)]
)
def test_rate_is_base_times_power_of_ten(base, exponent, rate_hz):
    waveform = muse_waveform(muse_leads(counts()), base=base, exponent=exponent)
    assert read_muse(muse_xml(waveform)).sampling_rate_hz == pytest.approx(rate_hz)


@pytest.mark.parametrize(
    ("base", "exponent"), [("0", "0"), ("x", "0"), ("500", "x"), ("500", "99999999"), ("nan", "0")]
)
def test_absurd_rate_is_unreadable(base, exponent):
    with pytest.raises(UnreadableFile, match="Sample(Base|Exponent)"):
        read_muse(muse_xml(muse_waveform(muse_leads(counts()), base=base, exponent=exponent)))


def test_waveform_choice():
    long, short = muse_leads(counts(samples=80)), muse_leads(counts(samples=30))
    rhythm_first = read_muse(muse_xml(muse_waveform(short, "RHYTHM"), muse_waveform(long, "Median")))
    assert rhythm_first.samples.shape[1] == 30
    assert not rhythm_first.deepecg_reads
    untyped = read_muse(muse_xml(muse_waveform(short, None), muse_waveform(long, None)))
    assert untyped.samples.shape[1] == 80
    assert untyped.deepecg_reads
    assert not read_muse(muse_xml(muse_waveform(long))).deepecg_reads
    with pytest.raises(UnreadableFile, match="Rhythm"):
        read_muse(muse_xml(muse_waveform(long, "Median")))
    with pytest.raises(UnreadableFile, match="Rhythm"):
        read_muse(muse_xml())


def test_other_leads_are_dropped_and_missing_ones_left_to_the_decoder():
    signal = counts(3)
    recording = read_muse(muse_xml(muse_waveform(muse_leads(signal, ("II", "V3R", "V1")))))
    assert recording.leads == ("II", "V1")
    np.testing.assert_array_equal(recording.samples, signal[[0, 2]])
    with pytest.raises(LeadMissing):
        read_muse(muse_xml(muse_waveform(muse_leads(counts(1), ("V3R",)))))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"WaveFormData": "QUJDR"}, "lead V1: WaveFormData is broken base64"),
        ({"WaveFormData": ""}, "lead V1: WaveFormData holds 0 bytes, expected 80"),
        ({"WaveFormData": base64.b64encode(b"abc").decode()}, "lead V1: WaveFormData holds 3 bytes, expected 80"),
        ({"LeadSampleCountTotal": "39"}, "lead V1: WaveFormData holds 80 bytes, expected 78"),
        ({"LeadSampleCountTotal": "many"}, "LeadSampleCountTotal is not a positive number"),
        ({"LeadSampleSize": "4"}, "lead V1: LeadSampleSize is not 2"),
        ({"LeadAmplitudeUnits": "FURLONGS"}, "lead V1: LeadAmplitudeUnits is unknown"),
        ({"LeadAmplitudeUnitsPerBit": "0"}, "LeadAmplitudeUnitsPerBit is not a positive number"),
        ({"LeadAmplitudeUnitsPerBit": "Mustermann"}, "LeadAmplitudeUnitsPerBit is not a positive number"),
        ({"LeadID": "II"}, "lead II occurs twice"),
    ],
)
def test_broken_lead_is_named(fields, message):
    leads = muse_lead("I", counts()[0]) + muse_lead("II", counts()[1]) + muse_lead("V1", counts()[2], **fields)
    with pytest.raises(UnreadableFile, match=message) as raised:
        read_muse(muse_xml(muse_waveform(leads)))
    assert "Mustermann" not in str(raised.value)


def test_shorter_lead_without_declared_count_is_named():
    leads = muse_lead("I", counts()[0]) + muse_lead("II", counts()[1][:30])
    without_count = leads.replace("LeadSampleCountTotal", "Other")
    with pytest.raises(UnreadableFile, match=r"lead II \(30\) is shorter"):
        read_muse(muse_xml(muse_waveform(without_count)))


def test_millivolts_and_mixed_gains():
    leads = muse_lead("I", counts()[0], LeadAmplitudeUnits="MILLIVOLTS", LeadAmplitudeUnitsPerBit="0.005")
    recording = read_muse(muse_xml(muse_waveform(leads + muse_lead("II", counts()[1]))))
    np.testing.assert_allclose(recording.gain_mv, [0.005, 0.00488])
    assert recording.units == "0.005 mV/LSB, 4.88 uV/LSB"


def statement(text: str, *flags: str) -> str:
    flag_elements = "".join(f"<StmtFlag>{flag}</StmtFlag>" for flag in flags)
    return f"<DiagnosisStatement>{flag_elements}<StmtText>{text}</StmtText></DiagnosisStatement>"


@pytest.mark.parametrize(
    ("diagnosis", "expected"),
    [
        (statement("Sinus rhythm") + statement("Normal ECG"), ("Sinus rhythm", "Normal ECG")),
        (
            statement("Sinus rhythm") + statement("with PVC", "ENDSLINE") + statement("Abnormal", "ENDSLINE", "X"),
            ("Sinus rhythm with PVC", "Abnormal"),
        ),
        (statement("A", "ENDSLINE") + statement("trailing"), ("A", "trailing")),
        (statement("Confirmed by") + statement("MUSTERMANN", "ENDSLINE"), ()),
        ("", ()),
    ],
)
def test_statement_fragments(diagnosis, expected):
    original = f"<OriginalDiagnosis>{statement('older')}</OriginalDiagnosis>"
    before = f"{original}<Diagnosis><Modality>RESTING</Modality>{diagnosis}</Diagnosis>"
    assert read_muse(muse_xml(muse_waveform(muse_leads(counts())), before=before)).statements == expected


def test_original_diagnosis_stands_in_for_an_absent_one():
    before = f"<OriginalDiagnosis>{statement('older')}</OriginalDiagnosis>"
    assert read_muse(muse_xml(muse_waveform(muse_leads(counts())), before=before)).statements == ("older",)


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252", "UTF-8", "UTF-16"])
def test_encoding_as_declared(tmp_path, encoding):
    before = f"<Diagnosis>{statement('Fibrillation auriculaire avérée')}</Diagnosis>"
    path = tmp_path / "ecg"
    path.write_bytes(muse_xml(muse_waveform(muse_leads(counts())), before=before, encoding=encoding))
    assert read(path).statements == ("Fibrillation auriculaire avérée",)


BILLION_LAUGHS = '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'


@pytest.mark.parametrize("before", [b"\n", b"\r\n  ", b"\xef\xbb\xbf"])
def test_what_other_software_puts_before_the_declaration_is_no_matter(tmp_path, before):
    path = tmp_path / "a.xml"
    path.write_bytes(before + plain_muse())
    np.testing.assert_array_equal(read(path).samples, read_muse(plain_muse()).samples)


@pytest.mark.parametrize(
    "declared", [BILLION_LAUGHS, '<!ENTITY c SYSTEM "file:{secret}">', '<!ENTITY % c SYSTEM "{secret}"> %c;']
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_declared_entities_are_refused(tmp_path, declared, encoding):
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    file_content = plain_muse().decode("latin-1").replace("ISO-8859-1", encoding)
    subset = f"<!DOCTYPE RestingECG [{declared.replace('{secret}', str(secret))}]>"
    file_content = file_content.replace('<!DOCTYPE RestingECG SYSTEM "restecg.dtd">', subset)
    path = tmp_path / "ecg.xml"
    path.write_bytes(file_content.replace("<LeadID>I</LeadID>", "<LeadID>I&c;</LeadID>").encode(encoding))
    with pytest.raises(UnreadableFile, match="entities") as raised:
        read(path)
    assert "SECRET" not in str(raised.value)


def test_document_type_is_never_loaded(tmp_path, monkeypatch):
    # Loaded, the DTD beside the file would turn lead I into lead III.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "restecg.dtd").write_text('<!ENTITY lead "III">')
    (tmp_path / "ecg.xml").write_bytes(plain_muse().replace(b"<LeadID>I</LeadID>", b"<LeadID>&lead;</LeadID>"))
    assert read(tmp_path / "ecg.xml").leads == EIGHT_LEADS[1:]


def decoded_plainly(path):
    waveform = ElementTree.parse(path).getroot().findall("Waveform")[1]
    assert waveform.findtext("WaveformType") == "Rhythm"
    return {
        element.findtext("LeadID"): np.frombuffer(base64.b64decode(element.findtext("WaveFormData")), "<i2")
        for element in waveform.findall("LeadData")
    }


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden inputs are not on this machine")
@pytest.mark.parametrize("pattern", ["muse8_5000_000*.xml", "muse12*.xml", "muse8_2500*.xml", "muse8_10000*.xml"])
def test_golden_inputs_as_decoded_with_the_standard_library(pattern):
    files = sorted(GOLDEN.glob(pattern))
    assert files
    for path in files:
        expected, recording = decoded_plainly(path), read(path)
        assert recording.leads == tuple(expected)
        for lead, samples in zip(recording.leads, recording.samples, strict=True):
            np.testing.assert_array_equal(samples, expected[lead])


@pytest.mark.skipif(not REAL.is_dir(), reason="real MUSE exports are not on this machine")
@pytest.mark.parametrize("name", ["braveheart_example1.xml", "braveheart_example2.xml"])
def test_real_exports(name):
    expected, recording = decoded_plainly(REAL / name), read(REAL / name)
    np.testing.assert_array_equal(recording.samples, list(expected.values()))
    assert recording.sampling_rate_hz == 500
    assert recording.duration_s == 10
    np.testing.assert_allclose(recording.gain_mv, 0.00488)


def test_a_huge_number_of_tags_is_refused_unparsed():
    with pytest.raises(UnreadableFile, match="over 1,000,000 tags"):
        read_muse(b"<RestingECG>" + b"<a/>" * 1_000_000 + b"</RestingECG>")
