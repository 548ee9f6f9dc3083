"""Preprocessing against the outputs of DeepECG_Docker itself, read by a reader of this test's own."""

import base64
import functools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from twelvelead.recipes import mains
from twelvelead.recipes.deepecg import FREQUENCIES_HZ, calibrate, clean, magnitude_spectrum
from twelvelead.recipes.resampling import to_rate

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
GOLDEN = SHARED / "golden" / "preprocess"
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden outputs of DeepECG_Docker are not at ../shared")

CASES = ["main", "dummy_xml", "dummy_npy", "flat", "mixed"]
LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


class Case(NamedTuple):
    batch: dict
    signals: np.ndarray
    expected: np.ndarray


def read_raw(path: Path) -> np.ndarray:
    """(12, n) float32 stored values of a GE MUSE or CardioSoft XML, or of an array."""
    if path.suffix.lower() == ".npy":
        array = np.load(path).squeeze()
        return (array if array.shape[0] == 12 else array.T).astype(np.float32)
    root = ET.parse(path).getroot()
    if root.tag == "CardiologyXML":
        leads = {wave.get("lead"): np.fromstring(wave.text, sep=",") for wave in root.findall("StripData/WaveformData")}
    else:
        leads = {
            lead.findtext("LeadID"): np.frombuffer(base64.b64decode(lead.findtext("WaveFormData")), "<i2").astype(float)
            for lead in root.findall("Waveform")[1].findall("LeadData")
        }
    one, two = leads["I"], leads["II"]
    derived = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return np.array([(derived | leads)[lead] for lead in LEADS], dtype=np.float32)


def batch_of(case: str) -> dict:
    return json.loads((GOLDEN / "outputs" / case / "intermediates.json").read_text())["batches"][0]


@functools.cache
def load(case: str) -> Case:
    batch = batch_of(case)
    inputs = {path.stem: path for path in (GOLDEN / "inputs" / case).rglob("*.*")}
    outputs = [GOLDEN / "outputs" / case / "preprocessing" / name for name in batch["order"]]
    signals = np.array([to_rate(read_raw(inputs[path.stem]), None, 250) for path in outputs])
    expected = [np.frombuffer(base64.b64decode(path.read_text()), "<f4").reshape(2500, 12).T for path in outputs]
    return Case(batch, signals, np.array(expected))


def as_lists(value: object) -> object:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("case", CASES)
def test_outputs(case):
    _, signals, expected = load(case)
    calibration = calibrate(magnitude_spectrum(signals).sum(axis=0), len(signals), "batch", "raw", "decimate")
    cleaned = clean(signals, calibration)
    error = np.abs(cleaned - expected).max(axis=(1, 2))
    assert (error <= 2e-6 * np.abs(expected).max(axis=(1, 2))).all()


@pytest.mark.parametrize("case", CASES)
def test_calibration(case):
    batch, signals, _ = load(case)
    spectra = magnitude_spectrum(signals)
    calibration = calibrate(spectra.sum(axis=0), len(signals), "batch", "raw", "decimate")
    assert calibration.average_power == pytest.approx(batch["avg_power"], rel=1e-6)
    assert calibration.factor == pytest.approx(batch["factor"], rel=1e-6)
    mean_lead_i = spectra[:, 0, :-1].mean(axis=0) * calibration.factor
    np.testing.assert_allclose(mean_lead_i, batch["mean_spectrum_lead0"], rtol=0, atol=1e-6 * mean_lead_i.max())
    assert as_lists(calibration.regions) == batch["peak_ranges"]
    if batch["peak_ranges"]:
        assert as_lists(calibration.crossings) == batch["crossings"]
        assert as_lists(calibration.ranges) == batch["widened_set_iteration_order"]


def test_crossings_of_files_with_one_name():
    batch = batch_of("collision")
    signals = np.array(
        [to_rate(read_raw(GOLDEN / "inputs/collision" / folder / "same_name.xml"), None, 250) for folder in "ab"]
    )
    calibration = calibrate(magnitude_spectrum(signals).sum(axis=0), 2, "batch", "raw", "decimate")
    assert as_lists(calibration.crossings) == batch["crossings"]
    assert as_lists(calibration.ranges) == batch["widened_set_iteration_order"]


@pytest.mark.parametrize("case", [*CASES, "collision", "odd_length_alone"])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_regions_of_the_reference_spectrum(case, precision):
    batch = batch_of(case)
    n_samples = batch["shape"][1]
    frequencies_hz = np.fft.rfftfreq(n_samples, 1 / 250)[:-1]
    peaks = mains.find_peak_bins(np.array(batch["mean_spectrum_lead0"], dtype=precision), frequencies_hz)
    assert as_lists(mains.merge_regions(frequencies_hz[peaks])) == batch["peak_ranges"]


def test_a_flat_file_counts_and_stays_flat():
    batch, signals, expected = load("flat")
    flat = batch["order"].index("flat.base64")
    assert not expected[flat].any()
    spectra = magnitude_spectrum(signals)
    cleaned = clean(signals, calibrate(spectra.sum(axis=0), len(signals), "batch", "raw", "decimate"))
    assert not cleaned[flat].any()
    without = calibrate(spectra.sum(axis=0), len(signals) - 1, "batch", "raw", "decimate")
    assert without.factor != pytest.approx(batch["factor"], rel=0.1)


def test_frequencies_are_the_reference_frequencies():
    assert FREQUENCIES_HZ.tolist() == np.fft.fftfreq(2500, 1 / 250)[:1250].tolist()
