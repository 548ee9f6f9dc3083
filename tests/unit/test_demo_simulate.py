"""The simulated ECGs have the rhythm, the widths and the lead relations they claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.demo import heart
from twelvelead.demo.noise import NO_NOISE, Noise
from twelvelead.demo.simulate import RHYTHMS, fibrillatory_waves, simulate
from twelvelead.demo.statements import LANGUAGES, MISTAKEN_FOR, machine_statements
from twelvelead.ecg import LEADS
from twelvelead.errors import ConfigError

WIDE = {"left_bundle_branch_block", "right_bundle_branch_block", "ventricular_paced"}


def lead(simulated, name):
    return simulated.signal_mv[LEADS.index(name)]


def quiet(rhythm, seed=0, **options):
    return simulate(rhythm, np.random.default_rng(seed), noise=NO_NOISE, **options)


def relative_rr_spread(simulated):
    rr_s = np.diff(simulated.r_peaks_s)
    return rr_s.std() / rr_s.mean()


def around_beat(simulated, beat, before_s, after_s):
    rate_hz = simulated.sampling_rate_hz
    at = simulated.r_peaks_s[beat]
    return slice(round((at - before_s) * rate_hz), round((at + after_s) * rate_hz))


@settings(max_examples=15, deadline=None)
@given(
    rhythm=st.sampled_from(RHYTHMS),
    seed=st.integers(0, 2**32 - 1),
    noise=st.sampled_from([NO_NOISE, Noise(0.05, 0.3, 0.2)]),
)
def test_einthoven_and_goldberger_hold_with_and_without_noise(rhythm, seed, noise):
    simulated = simulate(rhythm, np.random.default_rng(seed), noise=noise)
    lead_i, lead_ii, lead_iii, avr, avl, avf = simulated.signal_mv[:6]
    assert simulated.signal_mv.shape == (12, 5000)
    assert simulated.signal_mv.dtype == np.float32
    assert np.isfinite(simulated.signal_mv).all()
    np.testing.assert_array_equal(lead_iii, lead_ii - lead_i)
    rounding = 4 * np.spacing(np.abs(simulated.signal_mv).max())
    np.testing.assert_allclose(avr + avl + avf, 0, atol=rounding)
    np.testing.assert_allclose(lead_i + lead_iii, lead_ii, atol=rounding)
    np.testing.assert_allclose(avl, (lead_i - lead_iii) / 2, atol=rounding)


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_amplitudes_are_those_of_people(rhythm):
    for seed in range(5):
        swing_mv = np.ptp(quiet(rhythm, seed).signal_mv, axis=1)
        assert 0.5 < swing_mv.max() < 5.5
        assert swing_mv.min() > 0.05


def test_rr_intervals_are_irregular_in_atrial_fibrillation_only():
    for seed in range(12):
        assert relative_rr_spread(quiet("atrial_fibrillation", seed)) > 0.1
        assert relative_rr_spread(quiet("sinus", seed)) < 0.08
        assert relative_rr_spread(quiet("ventricular_paced", seed)) < 0.005


@pytest.mark.parametrize("rate_bpm", [40, 75, 140])
def test_the_rate_asked_for_is_the_rate_made(rate_bpm):
    simulated = quiet("sinus", heart_rate_bpm=rate_bpm)
    assert simulated.heart_rate_bpm == pytest.approx(rate_bpm, rel=0.05)
    assert len(simulated.r_peaks_s) == pytest.approx(rate_bpm / 6, abs=1.5)


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_r_peaks_are_where_the_signal_is_steep_and_large(rhythm):
    simulated = quiet(rhythm)
    strength_mv = np.abs(simulated.signal_mv).max(axis=0)
    at_peaks = [strength_mv[around_beat(simulated, beat, 0.02, 0.02)].max() for beat in range(1, 5)]
    assert min(at_peaks) > 2.5 * np.median(strength_mv)


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_qrs_is_wide_where_conduction_is_slow(rhythm):
    for seed in range(5):
        duration_s = quiet(rhythm, seed).qrs_duration_s
        assert 0.120 <= duration_s <= 0.190 if rhythm in WIDE else 0.070 <= duration_s < 0.110


def test_first_degree_block_has_a_p_wave_and_a_long_pr_interval():
    simulated = quiet("first_degree_av_block", 3)
    assert simulated.pr_interval_s > 0.2
    # Expected place of P: its peak is 50 ms after its onset, its onset one PR interval before the QRS onset.
    p_peak_s = simulated.pr_interval_s - 0.050 + simulated.qrs_duration_s / 2
    p_wave = lead(simulated, "II")[around_beat(simulated, 2, p_peak_s + 0.05, -p_peak_s + 0.05)]
    baseline = lead(simulated, "II")[around_beat(simulated, 2, 0.10, -0.06)]
    assert p_wave.max() - np.median(baseline) > 0.05
    assert quiet("sinus", 3).pr_interval_s < 0.2
    assert quiet("atrial_fibrillation", 3).pr_interval_s is None


def test_left_bundle_branch_block_is_negative_in_v1_and_broad_in_v6():
    simulated = quiet("left_bundle_branch_block", 1)
    qrs = around_beat(simulated, 2, 0.08, 0.08)
    v1, v6 = lead(simulated, "V1")[qrs], lead(simulated, "V6")[qrs]
    assert v1.min() < -0.5
    assert v1.max() < 0.15  # QS: no r worth the name
    assert v6.max() > 0.4
    assert v6.min() > -0.1  # no q, no S
    after = around_beat(simulated, 2, -0.15, 0.45)
    assert lead(simulated, "V1")[after].max() > 0.2 > -0.1 > lead(simulated, "V6")[after].min()  # discordant T


def test_right_bundle_branch_block_has_a_late_r_in_v1_and_s_in_i_and_v6():
    simulated = quiet("right_bundle_branch_block", 1)
    late = around_beat(simulated, 2, -0.03, 0.09)
    assert lead(simulated, "V1")[late].max() > 0.3
    assert lead(simulated, "I")[late].min() < -0.1
    assert lead(simulated, "V6")[late].min() < -0.2


def test_pacing_spikes_are_a_few_milliseconds_wide_and_before_every_qrs():
    simulated = quiet("ventricular_paced", 4)
    steps_mv = np.abs(np.diff(lead(simulated, "II")))
    spikes = np.flatnonzero(steps_mv > 0.2)
    gaps_s = np.diff(spikes) / simulated.sampling_rate_hz
    np.testing.assert_allclose(gaps_s[gaps_s > 0.1], 60 / simulated.heart_rate_bpm, atol=0.01)
    assert gaps_s[gaps_s < 0.1].max(initial=0) <= 0.006
    assert 1 + (gaps_s > 0.1).sum() == pytest.approx(len(simulated.r_peaks_s), abs=1)


def test_premature_beats_come_early_and_are_followed_by_a_compensatory_pause():
    simulated = quiet("premature_ventricular_complexes", 5)
    rr_s = np.diff(simulated.r_peaks_s)
    usual_s = np.median(rr_s)
    premature = np.flatnonzero(simulated.ectopic)
    assert len(premature) >= 2
    for beat in premature:
        if 0 < beat < len(rr_s):
            assert rr_s[beat - 1] < 0.8 * usual_s
            assert rr_s[beat] > 1.2 * usual_s
            assert rr_s[beat - 1] + rr_s[beat] == pytest.approx(2 * usual_s, rel=0.12)
    assert not quiet("sinus").ectopic.any()


def test_fibrillatory_waves_lie_in_4_to_9_hz_and_are_strongest_in_v1():
    f_waves = heart.DOWER @ fibrillatory_waves(np.arange(5000) / 500, np.random.default_rng(2))
    power = np.abs(np.fft.rfft(f_waves)) ** 2
    frequency_hz = np.fft.rfftfreq(f_waves.shape[1], 1 / 500)
    band = (frequency_hz >= 4) & (frequency_hz <= 9)
    assert power[:, band].sum() > 0.8 * power.sum()
    rms_mv = f_waves.std(axis=1)
    assert heart.RECORDED_LEADS[int(rms_mv.argmax())] in ("V1", "V2")
    assert 0.01 < rms_mv[2] < 0.15


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_hum_is_at_the_frequency_of_the_site(mains_hz):
    options = {"muscle_mv": 0.0, "drift_mv": 0.0, "mains_hz": mains_hz}
    clean = simulate("sinus", np.random.default_rng(7), noise=Noise(mains_mv=0.0, **options)).signal_mv
    hum = simulate("sinus", np.random.default_rng(7), noise=Noise(mains_mv=0.05, **options)).signal_mv - clean
    spectrum = np.abs(np.fft.rfft(hum[7]))
    assert np.fft.rfftfreq(5000, 1 / 500)[spectrum.argmax()] == mains_hz


def test_baseline_drift_is_below_half_a_hertz():
    options = {"muscle_mv": 0.0, "mains_mv": 0.0}
    clean = simulate("sinus", np.random.default_rng(7), noise=Noise(drift_mv=0.0, **options)).signal_mv
    drift = simulate("sinus", np.random.default_rng(7), noise=Noise(drift_mv=0.3, **options)).signal_mv - clean
    power = np.abs(np.fft.rfft(drift[1] * np.hanning(5000))) ** 2
    assert power[np.fft.rfftfreq(5000, 1 / 500) <= 0.6].sum() > 0.99 * power.sum()
    assert 0.1 < drift[1].std() < 0.9


def test_the_same_seed_gives_the_same_ecg_and_another_seed_another():
    first, again, other = (simulate("sinus", np.random.default_rng(seed)) for seed in (9, 9, 10))
    np.testing.assert_array_equal(first.signal_mv, again.signal_mv)
    assert np.abs(first.signal_mv - other.signal_mv).max() > 0.1


def test_other_rates_and_durations():
    simulated = quiet("sinus", sampling_rate_hz=250.0, duration_s=6.0)
    assert simulated.signal_mv.shape == (12, 1500)
    np.testing.assert_allclose(
        simulated.signal_mv[1, :1500], quiet("sinus", duration_s=6.0).signal_mv[1, ::2], atol=1e-5
    )


def test_an_unknown_rhythm_is_an_error_that_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"'flutter'.*sinus"):
        quiet("flutter")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_statements_say_the_rhythm_and_end_in_a_conclusion(rhythm, language):
    simulated = quiet(rhythm, heart_rate_bpm=75)
    plain = machine_statements(simulated, language, np.random.default_rng(0), hedging=0)
    hedged = machine_statements(simulated, language, np.random.default_rng(0), hedging=1)
    mistaken = machine_statements(simulated, language, np.random.default_rng(0), mistaken=True, hedging=0)
    assert "ECG" in plain[-1]
    assert len(hedged) == len(plain) + 1
    assert mistaken[:-1] != plain[:-1]
    assert MISTAKEN_FOR[rhythm] != rhythm
    for statement in (*plain, *hedged):
        assert statement.encode("iso-8859-1").decode("iso-8859-1") == statement


def test_statements_name_the_rate():
    expected = {45: "Sinus bradycardia", 75: "Normal sinus rhythm", 125: "Sinus tachycardia"}
    for rate_bpm, statement in expected.items():
        simulated = quiet("sinus", heart_rate_bpm=rate_bpm)
        assert machine_statements(simulated, "en", np.random.default_rng(0), hedging=0)[0] == statement
    fast = quiet("atrial_fibrillation", heart_rate_bpm=150)
    assert "rapid" in machine_statements(fast, "en", np.random.default_rng(0))[0]
    assert "rapide" in machine_statements(fast, "fr", np.random.default_rng(0))[0]
