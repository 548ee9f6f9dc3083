"""Flags of doubtful signals: on simulated recordings, on real ones, and on both spoilt on purpose."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead import formats
from twelvelead.demo.simulate import simulate
from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.limb_leads import interchanged_electrodes
from twelvelead.qrs import find_qrs
from twelvelead.signal_quality import FLAGS, flag_name, flags

RATE_HZ = 500.0
NAMES = [flag.name for flag in FLAGS]
RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the real recordings are not at ../shared/data")


@lru_cache
def sinus(rate_hz: float = RATE_HZ, rhythm: str = "sinus", seed: int = 3) -> np.ndarray:
    signal = simulate(rhythm, np.random.default_rng(seed), sampling_rate_hz=rate_hz).signal_mv
    signal.flags.writeable = False
    return signal


def with_sine(signal: np.ndarray, lead: str, frequency_hz: float, amplitude_mv: float) -> np.ndarray:
    spoilt = signal.copy()
    spoilt[LEADS.index(lead)] += amplitude_mv * np.sin(2 * np.pi * frequency_hz * np.arange(signal.shape[1]) / RATE_HZ)
    return spoilt


def interchanged(signal: np.ndarray, electrodes: str) -> np.ndarray:
    """The recording as it would be with two limb electrodes interchanged; the legs are at one potential.

    From the limb's potentials against Wilson's terminal, which moves when a leg's takes the place of an arm's.
    """
    right_arm, left_arm, leg = signal[3:6] * np.float32(2 / 3)
    measured = {
        "RA-LA": (left_arm, right_arm, leg),
        "RA-LL": (leg, left_arm, right_arm),
        "LA-LL": (right_arm, leg, left_arm),
        "RA-RL": (leg, left_arm, leg),
        "LA-RL": (right_arm, leg, leg),
        "arms-legs": (leg, leg, left_arm),
    }[electrodes]
    terminal = sum(measured) / 3
    ra, la, ll = measured
    limb = [la - ra, ll - ra, ll - la, *(1.5 * (potential - terminal) for potential in measured)]
    return np.concatenate([limb, signal[6:] - terminal]).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [100.0, 250.0, 257.3, 400.0, 500.0, 1000.0])
def test_a_clean_recording_has_no_flags_at_any_rate(rate_hz):
    assert flags(sinus(rate_hz), rate_hz) == ()


@pytest.mark.parametrize("rhythm", ["atrial_fibrillation", "left_bundle_branch_block", "right_bundle_branch_block"])
def test_an_abnormal_heart_is_no_fault_of_the_recording(rhythm):
    assert flags(sinus(rhythm=rhythm), RATE_HZ) == ()


def test_without_a_sampling_rate_the_recording_lasts_ten_seconds():
    spoilt = with_sine(sinus(), "V2", 50.0, 0.1)
    assert flags(spoilt, None) == flags(spoilt, RATE_HZ) == ("mains_interference V2",)


def test_a_dead_lead_is_named():
    spoilt = sinus().copy()
    spoilt[LEADS.index("V3")] = 0.2
    spoilt[LEADS.index("V5"), 3500:] = 0
    assert flags(spoilt, RATE_HZ) == ("flat_lead V3 V5",)


def test_every_lead_constant():
    assert flags(np.ones((12, 5000), dtype=np.float32), RATE_HZ) == ("flat_lead " + " ".join(LEADS),)


def test_a_pause_of_the_heart_is_not_a_flat_lead():
    paused = sinus().copy()
    paused[:, 1500:3000] = np.random.default_rng(0).normal(0, 0.002, (12, 1500))
    assert "flat_lead" not in map(flag_name, flags(paused, RATE_HZ))


def test_clipped_waves_are_saturation_and_rounded_ones_are_not():
    signal = sinus()
    strongest = LEADS[int(np.argmax(signal.max(axis=1)))]
    row = LEADS.index(strongest)
    clipped = signal.copy()
    clipped[row] = np.minimum(clipped[row], 0.7 * clipped[row].max())
    assert flags(clipped, RATE_HZ) == (f"saturation {strongest}",)
    domes = np.sin(2 * np.pi * 0.8 * np.arange(5000) / RATE_HZ).astype(np.float32)
    coarsely_stored = signal.copy()
    coarsely_stored[LEADS.index("V3")] = np.round(0.9 * domes / 0.01) * np.float32(0.01)
    assert (coarsely_stored[LEADS.index("V3")] == np.float32(0.9)).sum() > 20
    assert flags(coarsely_stored, RATE_HZ) == ()


def test_a_lead_that_rests_at_the_end_of_its_range_is_saturated():
    spoilt = sinus().copy()
    lead = spoilt[LEADS.index("V1")]
    lead[2000:2100] += np.linspace(0, 5, 100)  # too slow for a step
    lead[2100:2400] = lead.max()
    assert "saturation V1" in flags(spoilt, RATE_HZ)


@pytest.mark.parametrize("frequency_hz", [0.15, 0.3, 0.4])
def test_baseline_wander_is_named_from_one_millivolt_on(frequency_hz):
    assert flags(with_sine(sinus(), "V2", frequency_hz, 1.0), RATE_HZ) == ("baseline_wander V2",)
    assert flags(with_sine(sinus(), "V2", frequency_hz, 0.25), RATE_HZ) == ()


def test_wander_that_the_qrs_dwarfs_is_none():
    spoilt = sinus().copy()
    spoilt[LEADS.index("V2")] *= 6
    assert flags(with_sine(spoilt, "V2", 0.3, 1.0), RATE_HZ) == ()


@pytest.mark.parametrize("frequency_hz", [49.6, 50.0, 60.0, 60.4])
def test_mains_interference_is_named_where_it_can_be_seen(frequency_hz):
    assert flags(with_sine(sinus(), "V2", frequency_hz, 0.05), RATE_HZ) == ("mains_interference V2",)
    assert flags(with_sine(sinus(), "V2", frequency_hz, 0.005), RATE_HZ) == ()


def test_noise_of_all_frequencies_is_not_mains():
    noisy = sinus() + np.random.default_rng(1).normal(0, 0.2, (12, 5000)).astype(np.float32)
    assert "mains_interference" not in map(flag_name, flags(noisy, RATE_HZ))


@pytest.mark.parametrize("factor", [1000.0, 1 / 0.0048, 0.001])
def test_a_wrong_unit_is_the_only_flag_it_causes(factor):
    assert flags(sinus() * np.float32(factor), RATE_HZ) == ("unit_doubt",)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_sampling_rate_four_times_off(factor):
    assert "sampling_rate_doubt" in flags(sinus(), RATE_HZ * factor)


@pytest.mark.parametrize("rate_hz", [0.0, -500.0, 0.5, 1e6, float("nan"), float("inf")])
def test_a_sampling_rate_no_electrocardiograph_has(rate_hz):
    assert flags(sinus(), rate_hz) == ("sampling_rate_doubt",)


@pytest.mark.parametrize("electrodes", ["RA-LA", "RA-LL", "RA-RL", "LA-RL", "arms-legs"])
def test_interchanged_electrodes_are_named(electrodes):
    found = flags(interchanged(sinus(), electrodes), RATE_HZ)
    assert found[-1] == f"limb_lead_reversal {electrodes}"


def test_lost_limb_leads_are_no_reversal():
    spoilt = sinus().copy()
    spoilt[:6] = 0
    assert flags(spoilt, RATE_HZ) == ("flat_lead I II III aVR aVL aVF",)


def test_left_arm_and_leg_are_left_alone():
    assert flags(interchanged(sinus(), "LA-LL"), RATE_HZ) == ()


@pytest.mark.parametrize("seed", range(3, 8))
def test_a_pacemakers_axis_is_not_a_reversal(seed):
    assert flags(sinus(rhythm="ventricular_paced", seed=seed), RATE_HZ) == ()


def test_a_right_axis_with_upright_p_waves_is_not_a_reversal():
    signal = sinus().copy()
    qrs = find_qrs(signal, RATE_HZ).positions
    lead_i, lead_ii = signal[0], signal[1]
    for position in qrs:  # QRS and T wave of I turned over, P wave kept
        around = slice(max(position - 40, 0), position + 220)
        lead_i[around] *= -1
    signal[2:6] = lead_ii - lead_i, -(lead_i + lead_ii) / 2, lead_i - lead_ii / 2, lead_ii - lead_i / 2
    assert "limb_lead_reversal" not in map(flag_name, flags(signal, RATE_HZ))


def test_a_mislabelled_limb_lead_breaks_einthovens_law():
    spoilt = sinus().copy()
    spoilt[LEADS.index("aVR")] *= -1
    assert flags(spoilt, RATE_HZ) == ("einthoven_violation aVR",)


@pytest.mark.parametrize(("zeros", "found"), [(900, ()), (1100, ("flat_lead " + " ".join(LEADS),))])
def test_zeros_at_the_ends_are_no_part_of_the_recording_and_a_flag_where_they_last(zeros, found):
    padded = np.zeros((12, 7000), dtype=np.float32)
    padded[:, zeros:5000] = sinus()[:, : 5000 - zeros] + 1
    assert flags(sinus()[:, : 5000 - zeros], RATE_HZ) == ()
    assert flags(padded, RATE_HZ) == found


def test_a_recording_of_little_more_than_zeros_is_flat():
    padded = np.zeros((12, 5000), dtype=np.float32)
    padded[:, 2000:2750] = sinus()[:, :750] + 1
    assert flags(padded, RATE_HZ) == ("flat_lead " + " ".join(LEADS),)


@pytest.mark.parametrize("lead", ["I", "V1"])
def test_one_lead_a_thousand_times_too_large_is_a_doubt_about_units(lead):
    spoilt = sinus().copy()
    spoilt[LEADS.index(lead)] *= 1000
    assert "unit_doubt" in flags(spoilt, RATE_HZ)


def test_only_the_first_ten_seconds_count():
    spoilt = np.concatenate([sinus(), np.zeros((12, 5000), dtype=np.float32)], axis=1)
    spoilt[LEADS.index("V4"), 5000:] = 30
    assert flags(spoilt, RATE_HZ) == ()


def test_flags_come_in_their_order_whatever_the_faults():
    spoilt = with_sine(with_sine(sinus(), "V2", 0.2, 1.5), "V2", 60.0, 0.1)
    spoilt[LEADS.index("V4")] = 0
    spoilt[LEADS.index("aVF")] *= -1
    found = flags(spoilt * np.float32(1000), RATE_HZ)
    assert [flag_name(flag) for flag in found] == [
        "unit_doubt",
        "flat_lead",
        "baseline_wander",
        "mains_interference",
        "einthoven_violation",
    ]
    assert found == tuple(sorted(found, key=lambda flag: NAMES.index(flag_name(flag))))


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(0.9, 1.1), fault=st.sampled_from(["none", "RA-LA", "RA-RL", "mains", "wander", "flat"]))
def test_a_small_change_of_gain_changes_no_flag(gain, fault):
    signal = {
        "none": lambda: sinus(),
        "RA-LA": lambda: interchanged(sinus(), "RA-LA"),
        "RA-RL": lambda: interchanged(sinus(), "RA-RL"),
        "mains": lambda: with_sine(sinus(), "V2", 50, 0.1),
        "wander": lambda: with_sine(sinus(), "V2", 0.3, 1),
        "flat": lambda: sinus() * np.r_[np.ones(10), 0, 1][:, None].astype(np.float32),
    }[fault]()
    assert flags(signal * np.float32(gain), RATE_HZ) == flags(signal, RATE_HZ)


_ODD_VALUES = st.sampled_from([0.0, 1e-30, 1.0, -5.0, 1e6, 1e9, 1e30, float("nan"), float("inf"), -float("inf")])


@pytest.mark.filterwarnings("error::RuntimeWarning")
@settings(max_examples=150, deadline=None)
@given(
    n=st.one_of(st.integers(0, 40), st.integers(40, 3000)),
    rate_hz=st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(20, 2000)),
    fills=st.lists(_ODD_VALUES, min_size=12, max_size=12),
    noise=st.sampled_from([0.0, 1e-6, 0.5]),
    strange=st.lists(st.tuples(st.integers(0, 11), st.floats(0, 1, exclude_max=True), _ODD_VALUES), max_size=4),
)
def test_no_signal_raises(n, rate_hz, fills, noise, strange):
    signal = np.float32(fills)[:, None] + np.random.default_rng(n).normal(0, noise, (12, n)).astype(np.float32)
    for lead, place, value in strange:
        if n:
            signal[lead, int(place * n)] = value
    found = flags(signal, rate_hz)
    order = [NAMES.index(flag_name(flag)) for flag in found]
    assert order == sorted(set(order))


@pytest.mark.parametrize("per_min", [45, 75, 150])
def test_qrs_complexes_are_where_they_were_simulated(per_min):
    simulated = simulate("sinus", np.random.default_rng(5), heart_rate_bpm=per_min)
    found = find_qrs(simulated.signal_mv, simulated.sampling_rate_hz)
    expected = simulated.r_peaks_s[(simulated.r_peaks_s > 0.1) & (simulated.r_peaks_s < 9.9)]
    distance_s = np.abs(expected[:, None] - found.positions / simulated.sampling_rate_hz).min(axis=1)
    assert distance_s.max() < 0.05
    assert len(expected) <= len(found.positions) <= len(expected) + 2
    assert found.per_min == pytest.approx(simulated.heart_rate_bpm, rel=0.05)


def test_no_complexes_no_reversal():
    flat = np.zeros((12, 2500), dtype=np.float32)
    found = find_qrs(flat, 250.0)
    assert found.per_min == 0
    assert interchanged_electrodes(flat, found) == ""


@lru_cache
def real_recordings() -> tuple[tuple[str, np.ndarray, float], ...]:
    """Every third of CPSC-2018's and PTB-XL's recordings and all of CinC-2021's, for the time it takes to read them."""
    paths = [path for folder in ("cpsc2018_wfdb", "ptbxl_wfdb") for path in sorted((RECORDINGS / folder).glob("*.hea"))]
    paths = paths[::3] + sorted((RECORDINGS / "cinc2021_wfdb").glob("*.hea"))
    read = [(f"{path.parent.name}/{path.stem}", formats.read(path)) for path in paths]
    return tuple((name, twelve_leads(recording), recording.sampling_rate_hz) for name, recording in read)


def normal_recordings() -> set[str]:
    cpsc = pd.read_csv(RECORDINGS / "cpsc2018_labels.csv")
    ptbxl = pd.read_csv(RECORDINGS / "ptbxl_labels.csv")
    return set(cpsc.loc[cpsc["dx"] == "Normal", "record"]) | set(ptbxl.loc[ptbxl["super_class:NORM"] == 1, "record"])


@real
@pytest.mark.parametrize("electrodes", ["RA-LA", "RA-LL"])
def test_reversals_of_real_normal_recordings_are_found(electrodes):
    normal = normal_recordings()
    found = [
        flags(interchanged(signal, electrodes), rate_hz)
        for name, signal, rate_hz in real_recordings()
        if name in normal
    ]
    named = [f"limb_lead_reversal {electrodes}" in each for each in found]
    assert len(named) >= 25
    assert np.mean(named) >= 0.95


@real
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_most_sampling_rates_that_are_twice_off_are_doubted(factor):
    found = [flags(signal, rate_hz * factor) for _, signal, rate_hz in real_recordings()]
    assert np.mean(["sampling_rate_doubt" in each for each in found]) > 0.5


@real
def test_real_recordings_raise_few_flags():
    found = {name: flags(signal, rate_hz) for name, signal, rate_hz in real_recordings()}
    named = [flag_name(flag) for each in found.values() for flag in each]
    for never in ("limb_lead_reversal", "einthoven_violation", "sampling_rate_doubt", "unit_doubt", "saturation"):
        assert never not in named
    assert named.count("baseline_wander") <= 0.15 * len(found)
    assert found["cinc2021_wfdb/JS20008"][0] == "flat_lead V2 V4 V6"
    assert found["cinc2021_wfdb/JS20011"] == ("mains_interference II III aVR aVL aVF V1 V3 V4 V5 V6",)


@real
@pytest.mark.parametrize("exam", ["code_15_358121", "code_15_438277"])
def test_leads_that_differ_for_an_instant_keep_einthovens_law(exam):
    recording = formats.read(RECORDINGS / "code15_mat" / f"{exam}.mat")
    signal = twelve_leads(recording)
    assert np.abs(signal[2] - (signal[1] - signal[0])).max() > 0.1
    assert "einthoven_violation" not in map(flag_name, flags(signal, recording.sampling_rate_hz))
