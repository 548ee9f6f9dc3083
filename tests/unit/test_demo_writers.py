"""What the demo writes is read back here by independent means: ElementTree and base64, pydicom, wfdb, numpy."""

import base64
import csv
import hashlib
import re
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pydicom
import pytest
import wfdb

from twelvelead.demo.cohort import COLUMNS, SITES, write_cohort
from twelvelead.demo.heart import RECORDED_LEADS
from twelvelead.demo.quantise import counts
from twelvelead.demo.simulate import RHYTHMS, simulate
from twelvelead.demo.write_arrays import write_npy, write_wfdb
from twelvelead.demo.write_cardiosoft import write_cardiosoft
from twelvelead.demo.write_dicom import write_dicom
from twelvelead.demo.write_muse import write_muse
from twelvelead.ecg import LEADS
from twelvelead.errors import ConfigError

FRENCH = ("Bloc AV du 1er degré", "Extrasystoles fréquentes & Q < R", "ECG anormal")
ENGLISH = ("Atrial fibrillation", "Abnormal ECG")
SAYS_SO = {
    "sinus": "^(?!.*fibrillation)",
    "atrial_fibrillation": "fibrillation",
    "first_degree_av_block": "1st degree|1er degré",
    "left_bundle_branch_block": "left bundle|branche gauche",
    "right_bundle_branch_block": "right bundle|branche droit",
    "ventricular_paced": "paced|entraîné",
    "premature_ventricular_complexes": "premature|extrasystoles",
}
FLOAT32_STEP = 1e-6
SIZE = 20


@pytest.fixture(scope="module")
def simulated():
    return simulate("ventricular_paced", np.random.default_rng(3))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    table = write_cohort(folder, n=SIZE, seed=20)
    with table.open(encoding="utf-8", newline="") as handle:
        return folder, list(csv.DictReader(handle))


def limb_leads_agree(signal_mv, within_mv):
    lead_i, lead_ii, lead_iii, avr, avl, avf = signal_mv[:6]
    np.testing.assert_allclose(lead_iii, lead_ii - lead_i, atol=within_mv)
    np.testing.assert_allclose(avr, -(lead_i + lead_ii) / 2, atol=within_mv)
    np.testing.assert_allclose(avl, lead_i - lead_ii / 2, atol=within_mv)
    np.testing.assert_allclose(avf, lead_ii - lead_i / 2, atol=within_mv)


def test_muse_holds_the_signal_within_half_a_count_and_the_statements(tmp_path, simulated):
    write_muse(tmp_path / "a.xml", simulated, FRENCH)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    median, rhythm = root.findall("Waveform")
    assert (median.findtext("WaveformType"), rhythm.findtext("WaveformType")) == ("Median", "Rhythm")
    assert [lead.findtext("LeadID") for lead in rhythm.findall("LeadData")] == list(RECORDED_LEADS)
    assert rhythm.findtext("SampleBase") == "500"
    for lead in rhythm.findall("LeadData"):
        raw = base64.b64decode(lead.findtext("WaveFormData"))
        assert int(lead.findtext("LeadDataCRC32")) == zlib.crc32(raw)
        assert int(lead.findtext("LeadByteCountTotal")) == len(raw) == 10000
        read_mv = np.frombuffer(raw, "<i2") * float(lead.findtext("LeadAmplitudeUnitsPerBit")) / 1000
        written_mv = simulated.signal_mv[LEADS.index(lead.findtext("LeadID"))]
        np.testing.assert_allclose(read_mv, written_mv, atol=0.00488 / 2 + FLOAT32_STEP)
    assert [element.text for element in root.findall("Diagnosis/DiagnosisStatement/StmtText")] == list(FRENCH)
    assert b'<!DOCTYPE RestingECG SYSTEM "restecg.dtd">' in (tmp_path / "a.xml").read_bytes()


def test_muse_median_beat_is_the_beat_of_the_rhythm(tmp_path):
    simulated = simulate("sinus", np.random.default_rng(1))
    write_muse(tmp_path / "a.xml", simulated, ENGLISH)
    median = ElementTree.parse(tmp_path / "a.xml").getroot().find("Waveform")
    lead = median.findall("LeadData")[1]
    beat_mv = np.frombuffer(base64.b64decode(lead.findtext("WaveFormData")), "<i2") * 0.00488
    assert beat_mv.size == 600
    first = round(simulated.r_peaks_s[2] * 500) - 240
    assert np.corrcoef(beat_mv[150:450], simulated.signal_mv[1, first + 150 : first + 450])[0, 1] > 0.95


def test_cardiosoft_holds_twelve_leads_within_half_a_count(tmp_path, simulated):
    write_cardiosoft(tmp_path / "a.xml", simulated, FRENCH)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    strip = root.find("StripData")
    read_mv = np.array(
        [[int(text) for text in lead.text.split(",")] for lead in strip.findall("WaveformData")], dtype=float
    )
    read_mv *= float(strip.findtext("Resolution")) / 1000
    assert [lead.get("lead") for lead in strip.findall("WaveformData")] == list(LEADS)
    assert root.findtext("RestingECGMeasurements/MeasurementTable/LeadOrder") == ", ".join(LEADS)
    np.testing.assert_allclose(read_mv, simulated.signal_mv, atol=0.0025 + FLOAT32_STEP)
    limb_leads_agree(read_mv, within_mv=0.005 + FLOAT32_STEP)
    assert [element.text for element in root.findall("Interpretation/Diagnosis/DiagnosisText")] == list(FRENCH)


def test_dicom_holds_the_signal_within_half_a_count_and_the_statements(tmp_path, simulated):
    write_dicom(tmp_path / "a.dcm", simulated, ENGLISH)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID.name == "12-lead ECG Waveform Storage"
    np.testing.assert_allclose(dataset.waveform_array(0).T / 1000, simulated.signal_mv, atol=0.00125 + FLOAT32_STEP)
    limb_leads_agree(dataset.waveform_array(0).T / 1000, within_mv=0.0025 + FLOAT32_STEP)
    assert dataset.WaveformSequence[0].SamplingFrequency == 500
    codes = [
        channel.ChannelSourceSequence[0].CodeValue for channel in dataset.WaveformSequence[0].ChannelDefinitionSequence
    ]
    assert codes[:3] == ["2:1", "2:2", "2:61"]
    assert [item.UnformattedTextValue for item in dataset.WaveformAnnotationSequence] == list(ENGLISH)


def test_dicom_names_nobody(tmp_path, simulated):
    write_dicom(tmp_path / "a.dcm", simulated, ENGLISH)
    patient = {
        element.keyword: str(element.value) for element in pydicom.dcmread(tmp_path / "a.dcm").group_dataset(0x10)
    }
    assert set(patient.values()) == {"DEMO", ""}


def test_wfdb_holds_the_signal_within_half_a_microvolt_and_the_statements(tmp_path, simulated):
    write_wfdb(tmp_path / "a.hea", simulated, ENGLISH)
    record = wfdb.rdrecord(str(tmp_path / "a"))
    assert record.sig_name == list(LEADS)
    assert record.fs == 500
    assert set(record.units) == {"mV"}
    np.testing.assert_allclose(record.p_signal.T, simulated.signal_mv, atol=0.0005 + FLOAT32_STEP)
    limb_leads_agree(record.p_signal.T, within_mv=0.001 + FLOAT32_STEP)
    assert record.comments == [f"Dx: {statement}" for statement in ENGLISH]


@pytest.mark.parametrize("leads_first", [True, False])
def test_npy_holds_the_signal(tmp_path, simulated, leads_first):
    write_npy(tmp_path / "a.npy", simulated, leads_first=leads_first)
    read_mv = np.load(tmp_path / "a.npy")
    assert read_mv.dtype == np.float32
    np.testing.assert_array_equal(read_mv if leads_first else read_mv.T, simulated.signal_mv)


def test_counts_are_clipped_at_the_ends_of_the_range():
    assert counts(np.array([-1000.0, 0.0024, 0.0026, 1000.0]), 5).tolist() == [-32768, 0, 1, 32767]


def test_every_row_and_rhythm_is_there(cohort):
    folder, rows = cohort
    assert len(rows) == SIZE + 6
    assert tuple(rows[0]) == COLUMNS
    assert {row["simulated_rhythm"] for row in rows} == {*RHYTHMS, ""}
    assert rows[-1] == rows[0]
    absent = [row for row in rows if not (folder / "ecg_signals" / row["77_classes_ecg_file_name"]).is_file()]
    assert len(absent) == 1
    empty = [row for row in rows if not row["ecg_machine_diagnosis"]]
    assert [row["simulated_rhythm"] for row in empty] == ["sinus"]
    assert {row["site"] for row in rows} == set(SITES)


def test_one_machine_statement_in_twenty_recordings_is_wrong(cohort):
    _, rows = cohort
    wrong = [
        row["77_classes_ecg_file_name"]
        for row in rows[:SIZE]
        if row["ecg_machine_diagnosis"]
        and not re.search(SAYS_SO[row["simulated_rhythm"]], row["ecg_machine_diagnosis"], re.IGNORECASE)
    ]
    assert len(wrong) == 1


def test_faulty_files_are_faulty_in_the_way_they_should(cohort):
    folder, rows = cohort
    missing, cut_off, with_nan, short = (
        folder / "ecg_signals" / row["77_classes_ecg_file_name"] for row in rows[SIZE : SIZE + 4]
    )
    assert not missing.exists()
    with pytest.raises(ElementTree.ParseError):
        ElementTree.parse(cut_off)
    leads = {lead.get("lead"): lead.text for lead in ElementTree.parse(with_nan).findall("StripData/WaveformData")}
    assert leads["V2"].count("NaN") == 500
    assert sum(text.count("NaN") for text in leads.values()) == 500
    assert wfdb.rdheader(str(short.with_suffix(""))).sig_len == 3000
    real = pydicom.dcmread(folder / "ecg_signals" / rows[SIZE + 4]["77_classes_ecg_file_name"])
    assert real.WaveformSequence[0].NumberOfWaveformSamples == 10000


def test_follow_up_leaves_out_those_who_fibrillate(cohort):
    _, rows = cohort
    followed = [row for row in rows if row["afib_ecg_file_name"]]
    assert {row["afib_5y"] for row in followed} <= {"0", "1"}
    assert all(row["afib_ecg_file_name"] == row["77_classes_ecg_file_name"] for row in followed)
    fibrillating = {row["patient"] for row in rows if row["simulated_rhythm"] == "atrial_fibrillation"}
    assert followed
    assert not fibrillating & {row["patient"] for row in followed}


def test_the_same_seed_gives_the_same_bytes_and_replaces_what_was_there(cohort, tmp_path):
    folder, _ = cohort
    write_cohort(tmp_path, n=SIZE, seed=21)
    other = _digests(tmp_path)
    write_cohort(tmp_path, n=SIZE, seed=20)
    assert _digests(tmp_path) == _digests(folder)
    assert _digests(tmp_path) != other
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ecg_signals", "table.csv"]


def _digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_of_real_ecgs_is_not_replaced(tmp_path):
    (tmp_path / "ecg_signals").mkdir()
    (tmp_path / "ecg_signals" / "a.xml").write_text("real")
    with pytest.raises(ConfigError, match="move it away"):
        write_cohort(tmp_path, n=8)
    assert (tmp_path / "ecg_signals" / "a.xml").read_text() == "real"
    assert not (tmp_path / "table.csv").exists()


def test_a_cohort_smaller_than_the_rhythms_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="ask for 7"):
        write_cohort(tmp_path, n=5)
    assert not list(tmp_path.iterdir())


def test_simulated_xml_names_nobody_but_demo(cohort):
    folder, _ = cohort
    for path in (folder / "ecg_signals").rglob("*.xml"):
        text = path.read_text(encoding="iso-8859-1")
        assert re.findall(r"<(?:PID|PatientID)>([^<]*)<", text) == ["DEMO"]
        assert not re.search(r"<(\w*Name|DateofBirth|BirthDateTime|PatientAge|Gender)\b", text)
