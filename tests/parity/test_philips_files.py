"""Real Philips exports: what their own measurements and the laws of the limb leads say of the decoded samples."""

import base64
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import find_peaks

from twelvelead.ecg import LEADS, Recording
from twelvelead.errors import UnsupportedFormat
from twelvelead.formats.philips import read_philips
from twelvelead.formats.xml_tree import parse_xml

FILES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "philips_xml"
HEARTSTART_103 = "1_03_129DYPRG.XML"
PAGEWRITER_104 = "1_04_01_2020-5-18_15-48-11.xml"
REAL = (HEARTSTART_103, PAGEWRITER_104)

pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the real Philips files (../shared) are not on this machine")


def recording_of(name: str) -> Recording:
    return read_philips((FILES / name).read_bytes())


def counts_of(name: str) -> np.ndarray:
    return recording_of(name).samples.astype(np.int64)


def signal_uv(name: str) -> np.ndarray:
    recording = recording_of(name)
    return recording.samples * recording.gain_mv[:, None] * 1e3


def half(whole: np.ndarray) -> np.ndarray:
    return np.trunc(whole / 2).astype(np.int64)


def beats_of(signal: np.ndarray) -> np.ndarray:
    """Sample numbers of the QRS complexes that lie wholly within the recording."""
    size = np.abs(signal - np.median(signal, axis=1, keepdims=True)).sum(axis=0)
    peaks, _ = find_peaks(size, height=0.5 * size.max(), distance=200)
    return peaks[(peaks >= 100) & (peaks < signal.shape[1] - 100)]


@pytest.mark.parametrize(
    ("name", "n_samples", "device", "first_statement"),
    [
        (HEARTSTART_103, 5264, "HeartstartMRx", "Sinus bradycardia"),
        (PAGEWRITER_104, 5300, "Philips Medical Products PageWriter TC", "Sinus rhythm"),
    ],
)
def test_fields(name, n_samples, device, first_statement):
    recording = recording_of(name)
    assert recording.leads == LEADS
    assert recording.samples.shape == (12, n_samples)
    assert recording.samples.dtype == np.int16
    assert recording.sampling_rate_hz == 500
    assert recording.units == "5 uV/LSB"
    assert recording.device == device
    assert recording.statements[0] == first_statement


@pytest.mark.parametrize("name", ["invalid-doc-type.xml", "invalid-doc-version.xml"])
def test_other_document_types_and_versions_are_refused(name):
    with pytest.raises(UnsupportedFormat):
        recording_of(name)


@pytest.mark.parametrize("name", REAL)
def test_the_calibration_mark_is_cut_and_the_ecg_is_not(name):
    """Up to its last sample each lead goes on without a jump; a mark left in would be a step of 200 counts."""
    counts = counts_of(name)
    assert np.abs(np.diff(counts[:, -100:], axis=1)).max() < 30
    assert (np.ptp(counts[:, -20:], axis=1) > 0).sum() >= 8
    assert not (counts[:, -20:] == 0).all(axis=0).any()


def test_beats_go_on_past_10_s():
    """Which is why the recording is not simply cut there: in both files the last QRS complex is after 10 s."""
    for name in REAL:
        signal = signal_uv(name)
        size = np.abs(np.diff(signal, axis=1)).sum(axis=0)
        beats, _ = find_peaks(size, height=0.5 * size.max(), distance=200)
        intervals = np.diff(beats)
        assert beats[-1] > 5000
        assert np.ptp(intervals) < 0.1 * np.median(intervals)


def test_einthoven_and_goldberger_hold_exactly_in_the_pagewriter_file():
    """In this device III is II - I, and the augmented leads are computed from I and II by division of whole numbers."""
    i, ii, iii, avr, avl, avf = counts_of(PAGEWRITER_104)[:6]
    np.testing.assert_array_equal(iii, ii - i)
    np.testing.assert_array_equal(avr, -half(i + ii))
    np.testing.assert_array_equal(avl, i - half(ii))
    np.testing.assert_array_equal(avf, ii - half(i))


def test_einthoven_and_goldberger_hold_within_rounding_in_the_heartstart_file():
    """This device rounds every lead by itself: up to 2 counts in III, up to 1.5 in the others, and no bias."""
    i, ii, iii, avr, avl, avf = counts_of(HEARTSTART_103)[:6]
    assert np.abs(ii - i - iii).max() <= 2
    for error in (2 * avr + i + ii, 2 * avl - i + iii, 2 * avf - ii - iii):
        assert np.abs(error).max() <= 3
        assert (np.abs(error) <= 2).mean() > 0.99


@pytest.mark.parametrize("name", REAL)
def test_qrs_amplitudes_are_those_that_the_device_measured(name):
    """Peak to peak within 5 % of qrsppk (uV), in all leads or all but one (aVF of the HeartStart leaves out a wave)."""
    signal = signal_uv(name)
    beats = beats_of(signal)
    found = {
        lead: np.median([np.ptp(row[beat - 60 : beat + 60]) for beat in beats])
        for lead, row in zip(LEADS, signal, strict=True)
    }
    root = parse_xml((FILES / name).read_bytes())
    measured = {
        element.get("leadname"): float(element.findtext("{*}qrsppk"))
        for element in root.iterfind(".//{*}leadmeasurement")
    }
    assert measured.keys() == set(LEADS)
    assert sum(abs(found[lead] - measured[lead]) < 0.05 * measured[lead] for lead in LEADS) >= 11


def test_the_devices_mean_beats_are_found_in_the_signal():
    signal = dict(zip(LEADS, signal_uv(PAGEWRITER_104), strict=True))
    root = parse_xml((FILES / PAGEWRITER_104).read_bytes())
    repbeats = root.findall(".//{*}repbeat")
    assert len(repbeats) == 12
    for repbeat in repbeats:
        stored = np.frombuffer(base64.b64decode(repbeat.findtext("{*}waveform")), dtype="<i2")
        beat = stored[::2] - stored[::2].mean()  # 1000 Hz, 1 uV
        windows = np.lib.stride_tricks.sliding_window_view(signal[repbeat.get("leadname")], beat.size)
        windows = windows - windows.mean(axis=1, keepdims=True)
        correlation = windows @ beat / np.linalg.norm(windows, axis=1) / np.linalg.norm(beat)
        best = correlation.argmax()
        assert correlation[best] > 0.96
        assert windows[best] @ beat / (beat @ beat) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", REAL)
def test_samples_are_those_of_the_sierraecg_package(name):
    """All equal, but for augmented leads where sierraecg rounds the half of a negative sum down and not towards 0."""
    sierraecg = pytest.importorskip("sierraecg", reason="the package sierraecg is not installed")
    counts = counts_of(name)
    theirs = {lead.label: lead.samples[: counts.shape[1]] for lead in sierraecg.read_file(str(FILES / name)).leads}
    assert tuple(theirs) == LEADS
    expected = np.array(list(theirs.values()), dtype=np.int64)
    i, ii, iii = expected[:3]
    for row, total, sign in ((3, i + ii, 1), (4, i - iii, -1), (5, ii + iii, -1)):
        expected[row] -= sign * ((total < 0) & (total % 2 == 1))
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("name", REAL)
def test_nothing_but_maker_and_model_of_the_header(name):
    told = repr(recording_of(name))
    root = parse_xml((FILES / name).read_bytes())
    private = ["patientid", "documentname", "institutionname", "facilityname", "dateofbirth"]
    values = {(element.text or "").strip() for tag in private for element in root.iterfind(f".//{{*}}{tag}")}
    values.add(root.find(".//{*}machine").get("machineid"))
    values = {value for value in values if len(value) > 3}
    assert values
    assert not [value for value in values if value in told]
