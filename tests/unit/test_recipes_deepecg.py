"""DeepECG's preprocessing against its rules written out plainly, and what a frozen calibration promises."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twelvelead.errors import CalibrationError
from twelvelead.recipes import mains
from twelvelead.recipes.calibration import Calibration
from twelvelead.recipes.deepecg import (
    FREQUENCIES_HZ,
    N_BINS,
    N_SAMPLES,
    REFERENCE_POWER,
    SAMPLING_RATE_HZ,
    calibrate,
    clean,
    magnitude_spectrum,
)

TIME_S = np.arange(N_SAMPLES) / SAMPLING_RATE_HZ


def ecg_like(n: int, seed: int = 0, mains_hz: float | None = None, mains_mv: float = 0.1) -> np.ndarray:
    """(n, 12, 2500) float32: beats, white noise and, where asked, a mains sine with a phase of its own on each lead."""
    random = np.random.default_rng(seed)
    period_s = random.uniform(0.6, 1.1, size=(n, 1, 1))
    since_beat_s = TIME_S % period_s - 0.3
    beats = np.exp(-((since_beat_s / 0.012) ** 2)) + 0.3 * np.exp(-(((since_beat_s - 0.25) / 0.05) ** 2))
    signals = beats * random.uniform(-1, 1.5, size=(n, 12, 1)) + random.normal(scale=0.01, size=(n, 12, N_SAMPLES))
    if mains_hz is not None:
        phase = random.uniform(0, 2 * np.pi, size=(n, 12, 1))
        signals += mains_mv * np.sin(2 * np.pi * mains_hz * TIME_S + phase)
    return signals.astype(np.float32)


def calibration_of(signals: np.ndarray, scale: str = "physical") -> Calibration:
    return calibrate(magnitude_spectrum(signals).sum(axis=0), len(signals), scale, "physical", "decimate")


def peaks_by_definition(magnitude: np.ndarray, frequencies_hz: np.ndarray) -> list[int]:
    """The reference's rule as it is stated: every window, every bin in it, every bin found before."""
    first = int(np.flatnonzero(frequencies_hz >= 20)[0])
    width = int(5 / (frequencies_hz[1] - frequencies_hz[0]))
    found: list[int] = []
    for start in range(first, len(magnitude) - width + 1):
        window = magnitude[start : start + width]
        mean, sd = window.mean(), window.std()
        # More than 3.25 SD are needed in any case, which spares most bins the look at the harmonics.
        for candidate in start + np.flatnonzero(window > mean + 3.25 * sd):
            frequency_hz = frequencies_hz[candidate]
            is_harmonic = any(
                np.isclose(frequency_hz, multiple * frequencies_hz[earlier], rtol=0.05)
                for earlier in set(found)
                for multiple in (2, 3, 4)
            )
            if magnitude[candidate] > mean + (5 * 0.65 if is_harmonic else 5) * sd:
                found.append(int(candidate))
    return found


def flattened_by_definition(signal: np.ndarray, ranges: tuple[mains.Range, ...]) -> np.ndarray:
    """One lead: lines between the original magnitudes, phases kept, both halves of the full transform."""
    spectrum = np.fft.fft(signal.astype(np.float64))
    magnitude, phase = np.abs(spectrum), np.angle(spectrum)
    for low_hz, high_hz in ranges:
        inside = np.flatnonzero((low_hz <= FREQUENCIES_HZ) & (high_hz >= FREQUENCIES_HZ))
        if len(inside) > 1:
            line = np.interp(inside, inside[[0, -1]], magnitude[inside[[0, -1]]])
            spectrum[inside] = line * np.exp(1j * phase[inside])
            spectrum[-inside] = line * np.exp(1j * phase[-inside])
    return np.fft.ifft(spectrum).real


PEAKS = st.lists(
    st.tuples(st.one_of(st.integers(190, 1249), st.sampled_from([250, 500, 501, 525, 750, 1000])), st.floats(1, 60)),
    max_size=12,
)


@given(PEAKS, st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 3.0]))
@settings(max_examples=20, deadline=None)
def test_peaks_equal_the_definition(peaks, seed, roughness):
    magnitude = 10 + roughness * np.abs(np.random.default_rng(seed).normal(size=len(FREQUENCIES_HZ)))
    for position, height in peaks:
        magnitude[position] += height
    assert mains.find_peak_bins(magnitude, FREQUENCIES_HZ).tolist() == peaks_by_definition(magnitude, FREQUENCIES_HZ)


def test_a_weak_harmonic_is_found_only_beside_its_fundamental():
    random = np.random.default_rng(5)
    magnitude = 10 + random.uniform(-1, 1, size=len(FREQUENCIES_HZ))
    magnitude[1000] += 2.6
    assert 1000 not in mains.find_peak_bins(magnitude, FREQUENCIES_HZ)
    magnitude[500] += 50
    assert 1000 in mains.find_peak_bins(magnitude, FREQUENCIES_HZ)


def test_a_harmonic_can_be_found_beside_another_harmonic():
    magnitude = 10 + np.random.default_rng(5).uniform(-1, 1, size=len(FREQUENCIES_HZ))
    magnitude[[410, 1230]] += 2.6  # 1230 is three times 410, and six times 205
    assert mains.find_peak_bins(magnitude, FREQUENCIES_HZ).size == 0
    magnitude[205] += 50
    assert set(mains.find_peak_bins(magnitude, FREQUENCIES_HZ).tolist()) == {205, 410, 1230}
    assert set(peaks_by_definition(magnitude, FREQUENCIES_HZ)) == {205, 410, 1230}


def test_no_peaks_in_silence():
    assert mains.find_peak_bins(np.zeros(len(FREQUENCIES_HZ)), FREQUENCIES_HZ).size == 0
    assert mains.merge_regions(FREQUENCIES_HZ[:0]) == ()
    assert mains.crossings(np.zeros(len(FREQUENCIES_HZ)), FREQUENCIES_HZ, ()) == ()


def test_merging_splits_only_at_a_step_up_of_more_than_1_hz():
    assert mains.merge_regions(np.array([60.0, 60.5, 61.0, 70.0, 70.1])) == ((60.0, 61.0), (70.0, 70.1))
    assert mains.merge_regions(np.array([63.0, 60.0, 63.0, 60.0, 63.0, 60.0])) == ((63.0, 60.0),)


def test_region_ends_stand_in_where_nothing_crosses():
    silence = np.zeros(len(FREQUENCIES_HZ))
    assert mains.crossings(silence, FREQUENCIES_HZ, ((60.0, 60.4),)) == ((60.0, 60.4),)


@given(
    st.integers(0, 2**32 - 1), st.integers(12, 300), st.sampled_from([0.1, 0.2, 0.5]), st.integers(0, 3), st.booleans()
)
@settings(max_examples=40, deadline=None)
def test_lowess_equals_statsmodels(seed, n, fraction, iterations, has_outliers):
    reference = pytest.importorskip("statsmodels.nonparametric.smoothers_lowess").lowess
    random = np.random.default_rng(seed)
    values = 5 + np.cumsum(random.normal(size=n))
    if has_outliers:
        values[random.integers(0, n, size=3)] += 100
    expected = reference(values, np.arange(n, dtype=float), frac=fraction, it=iterations, return_sorted=False)
    found = mains.lowess(values, fraction, robustness_iterations=iterations)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(values).max())


def test_running_median_equals_scipys():
    from scipy.signal import medfilt

    values = np.random.default_rng(2).normal(size=101)
    assert mains.running_median(values, 5).tolist() == medfilt(values, 5).tolist()


def test_magnitude_spectrum_is_that_of_a_full_transform():
    signals = ecg_like(3)
    expected = np.abs(np.fft.fft(signals.astype(np.float64)))[..., :N_BINS]
    np.testing.assert_allclose(magnitude_spectrum(signals), expected, rtol=0, atol=1e-6 * expected.max())


RANGES = st.lists(
    st.tuples(st.integers(180, 1260), st.integers(-5, 60)).map(lambda ends: (ends[0] * 0.1, (ends[0] + ends[1]) * 0.1)),
    max_size=5,
).map(tuple)


@example(ranges=((),) * 11 + (((60.0, 63.6),),), seed=1)
@example(ranges=(((59.0, 61.0), (60.5, 63.0)), ((60.5, 63.0), (59.0, 61.0))) + ((),) * 10, seed=2)
@given(st.lists(RANGES, min_size=12, max_size=12).map(tuple), st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_clean_equals_the_definition_overlapping_ranges_included(ranges, seed):
    signals = ecg_like(2, seed, mains_hz=60)
    cleaned = clean(signals, replace(calibration_of(signals), factor=2.0, ranges=ranges))
    for ecg, expected_of in zip(cleaned, 2 * signals, strict=True):
        for lead in range(12):
            expected = flattened_by_definition(expected_of[lead], ranges[lead])
            # A line that starts on the mains peak lends its magnitude to the phases of tiny bins, which float32 blurs.
            np.testing.assert_allclose(ecg[lead], expected, rtol=0, atol=2e-5 * np.abs(expected_of).max())


def test_one_ecg_is_the_same_bytes_in_any_company():
    signals = ecg_like(150, mains_hz=60)
    calibration = calibration_of(signals)
    assert calibration.regions
    in_batch, spectra = clean(signals, calibration), magnitude_spectrum(signals)
    for row in (0, 1, 63, 64, 149):
        assert clean(signals[row : row + 1], calibration).tobytes() == in_batch[row].tobytes()
        assert magnitude_spectrum(signals[row : row + 1]).tobytes() == spectra[row].tobytes()
    assert clean(signals[37:111], calibration).tobytes() == in_batch[37:111].tobytes()
    others = ecg_like(150, seed=9)
    others[70] = signals[20]
    assert clean(others, calibration)[70].tobytes() == in_batch[20].tobytes()


def test_a_mains_free_signal_is_unchanged_at_physical_scale():
    signals = ecg_like(50)
    calibration = calibration_of(signals)
    assert calibration.regions == ()
    assert clean(signals, calibration).tobytes() == signals.tobytes()


def power_db(signals: np.ndarray, low_hz: float, high_hz: float) -> float:
    inside = slice(*np.searchsorted(FREQUENCIES_HZ, [low_hz, high_hz]))
    return 10 * np.log10((np.abs(np.fft.rfft(signals))[..., inside] ** 2).mean())


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_noise_is_removed_and_the_rest_kept(mains_hz):
    signals = ecg_like(50, mains_hz=mains_hz)
    cleaned = clean(signals, calibration_of(signals))
    around = (mains_hz - 0.05, mains_hz + 0.05)
    assert power_db(signals, *around) - power_db(cleaned, *around) > 20
    assert abs(power_db(signals, 0, 45) - power_db(cleaned, 0, 45)) < 0.01
    assert np.abs(cleaned - ecg_like(50)).std() < 0.1 * np.abs(signals - ecg_like(50)).std()


def test_a_flat_ecg_stays_flat_and_a_flat_lead_has_no_nan():
    signals = ecg_like(10, mains_hz=60)
    signals[3] = 0
    signals[4, 7] = 0
    cleaned = clean(signals, calibration_of(signals, "batch"))
    assert np.isfinite(cleaned).all()
    assert not cleaned[3].any()
    assert not cleaned[4, 7].any()
    assert cleaned[4, 6].any()


def test_batch_scale_brings_lead_i_to_the_reference_power():
    signals = ecg_like(20)
    calibration = calibration_of(signals, "batch")
    cleaned = clean(signals, calibration)
    assert np.abs(np.fft.fft(cleaned[:, 0])).mean() == pytest.approx(REFERENCE_POWER, rel=1e-5)
    assert calibration.average_power == pytest.approx(np.abs(np.fft.fft(signals[:, 0])).mean(), rel=1e-6)


def test_regions_do_not_depend_on_the_scale():
    signals = ecg_like(20, mains_hz=60)
    physical, batch = calibration_of(signals), calibration_of(signals, "batch")
    assert physical.factor == 1.0 != batch.factor
    assert physical.regions == batch.regions != ()
    assert physical.ranges == batch.ranges


def test_nothing_to_calibrate_on():
    with pytest.raises(CalibrationError, match="no usable file"):
        calibrate(np.zeros((12, N_BINS)), 0, "physical", "physical", "decimate")
    with pytest.raises(CalibrationError, match="lead I is flat in all 4 files"):
        calibrate(np.zeros((12, N_BINS)), 4, "batch", "raw", "decimate")
    assert calibrate(np.zeros((12, N_BINS)), 4, "physical", "physical", "decimate").regions == ()


@pytest.mark.parametrize("shape", [(12, 2500), (1, 2500, 12), (1, 12, 2499)])
def test_wrong_shapes_are_refused(shape):
    signals = np.zeros(shape, dtype=np.float32)
    with pytest.raises(ValueError, match="expected"):
        magnitude_spectrum(signals)
    with pytest.raises(ValueError, match="expected"):
        clean(signals, calibration_of(ecg_like(1)))


def test_calibration_survives_its_file(tmp_path):
    calibration = calibration_of(ecg_like(5, mains_hz=60), "batch")
    calibration.to_json(tmp_path / "calibration.json")
    assert Calibration.from_json(tmp_path / "calibration.json") == calibration
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("factor", "1.0", "factor is '1.0', expected a finite number above 0"),
        ("factor", 0, "factor is 0, expected a finite number above 0"),
        ("factor", float("nan"), "factor is nan"),
        ("average_power", None, "average_power is None"),
        ("n", -1, "n is -1, expected the number of files"),
        ("n", True, "n is True"),
        ("scale", "site", "scale is 'site', expected physical or batch"),
        ("units", ["raw"], "expected physical or raw"),
        ("resampling", None, "expected decimate or polyphase"),
        ("regions", 60, "regions is 60, expected a list"),
        ("regions", [[60]], "regions holds"),
        ("regions", [[60, float("inf")]], "both finite"),
        ("ranges", [[]] * 11, "ranges has 11 entries, expected 12"),
        ("crossings", {}, "crossings has no list entries"),
        ("ranges", [[]] * 11 + [[["59", "61"]]], "ranges of lead V6 holds"),
    ],
)
def test_a_wrong_calibration_file_says_what_is_wrong(tmp_path, key, value, message):
    path = tmp_path / "calibration.json"
    calibration_of(ecg_like(2)).to_json(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(CalibrationError, match=message) as error:
        Calibration.from_json(path)
    assert "\n" not in str(error.value)


def test_calibration_files_that_are_none(tmp_path):
    path = tmp_path / "calibration.json"
    with pytest.raises(CalibrationError, match="cannot be read"):
        Calibration.from_json(path)
    path.write_text("{")
    with pytest.raises(CalibrationError, match="not JSON"):
        Calibration.from_json(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CalibrationError, match="not JSON"):
        Calibration.from_json(path)
    path.write_text("[]")
    with pytest.raises(CalibrationError, match="found a JSON list"):
        Calibration.from_json(path)
    path.write_text('{"factor": 1}')
    with pytest.raises(CalibrationError, match="no scale, units, resampling, n, "):
        Calibration.from_json(path)


def test_a_frozen_calibration_refuses_other_settings():
    calibration = calibration_of(ecg_like(2))
    same = {"scale": "physical", "units": "physical", "resampling": "decimate", "duration_s": 10}
    calibration.check(same)
    for key, other in {"scale": "batch", "units": "raw", "resampling": "polyphase"}.items():
        with pytest.raises(CalibrationError, match=rf"made with {key}: {same[key]}.*says {key}: {other}"):
            calibration.check(same | {key: other})
