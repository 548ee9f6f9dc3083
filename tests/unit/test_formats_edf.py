"""EDF and EDF+: files written here from the standard and by edfio, compared with wfdb, which reads them by itself."""

from dataclasses import replace

import edfio
import numpy as np
import pytest
import wfdb.io.convert.edf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.errors import LeadMissing, SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats.edf import read_edf
from twelvelead.formats.lead_labels import lead_of_label
from unit.edf_files import Signal, annotations, edf, starts
from unit.vendor_files import TWELVE_LEADS, counts


def twelve(records: int = 2, samples: int = 20, names: tuple[str, ...] = TWELVE_LEADS) -> list[Signal]:
    stored = counts(len(names), records * samples).reshape(len(names), records, samples)
    return [Signal(f"ECG {name}", rows) for name, rows in zip(names, stored, strict=True)]


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(10, 40)),
    order=st.permutations(TWELVE_LEADS),
    other_samples=st.integers(0, 15),
    seed=st.integers(0, 99),
)
def test_round_trip(shape, order, other_samples, seed):
    stored = np.random.default_rng(seed).integers(-(2**15), 2**15, shape).astype(np.int16)
    signals = [Signal(f"ECG {name}", rows) for name, rows in zip(order, stored, strict=False)]
    signals.insert(seed % (len(signals) + 1), Signal("Resp chest", np.ones((shape[1], other_samples)), "degC"))
    recording = read_edf(edf(signals))
    assert recording.leads == tuple(order[: shape[0]])
    assert recording.samples.dtype == np.int16
    np.testing.assert_array_equal(recording.samples, stored.reshape(shape[0], -1))
    assert recording.sampling_rate_hz == shape[2]


def test_fields():
    recording = read_edf(edf(twelve(2, 500)))
    assert recording.format == "edf"
    assert recording.leads == TWELVE_LEADS
    assert recording.sampling_rate_hz == 500
    assert recording.duration_s == 2
    assert recording.units == "0.1 uV/LSB"
    assert recording.statements == ()
    assert recording.device == ""
    np.testing.assert_allclose(recording.gain_mv, 1e-4, rtol=1e-12)


@pytest.mark.parametrize("dimension", ["uV", "mV"])
@pytest.mark.parametrize("with_annotations", [False, True])
def test_files_of_edfio_hold_what_it_was_given(dimension, with_annotations):
    signal_mv = np.random.default_rng(0).normal(scale=0.5, size=(12, 5000))
    scale = {"uV": 1000, "mV": 1}[dimension]
    signals = [
        edfio.EdfSignal(values * scale, 500, label=f"ECG {lead}", physical_dimension=dimension)
        for lead, values in zip(TWELVE_LEADS, signal_mv, strict=True)
    ]
    noted = [edfio.EdfAnnotation(1.0, None, "ectopic beat")] if with_annotations else None
    recording = read_edf(edfio.Edf(signals, annotations=noted).to_bytes())
    assert recording.leads == TWELVE_LEADS
    assert recording.sampling_rate_hz == 500
    read_mv = recording.samples * recording.gain_mv[:, None] + recording.offset_mv[:, None]
    one_step_mv = np.ptp(signal_mv, axis=1).max() / 65535
    np.testing.assert_allclose(read_mv, signal_mv, atol=1.01 * one_step_mv)


@pytest.mark.parametrize("dimension", ["uV", "mV", "V"])
def test_wfdb_reads_the_same(tmp_path, dimension):
    scale = {"uV": 1000, "mV": 1, "V": 0.001}[dimension]
    physical = (f"{-5 * scale:g}", f"{7 * scale:g}")
    signals = [replace(signal, dimension=dimension, physical=physical) for signal in twelve(3, 50)]
    path = tmp_path / "ecg.edf"
    path.write_bytes(edf(signals))
    expected = wfdb.io.convert.edf.read_edf(str(path))
    recording = read_edf(path.read_bytes())
    assert recording.sampling_rate_hz == expected.fs
    counts_of_wfdb = expected.p_signal * np.array(expected.adc_gain) + np.array(expected.baseline)
    np.testing.assert_array_equal(recording.samples, np.round(counts_of_wfdb).T)
    signal_mv = recording.samples * recording.gain_mv[:, None] + recording.offset_mv[:, None]
    # wfdb's baseline is a whole number of counts, up to 2 off where 0 mV is none.
    assert np.abs(signal_mv - expected.p_signal.T / scale).max() <= 2 * recording.gain_mv.max()


@pytest.mark.parametrize(
    ("dimension", "physical", "digital", "gain_mv", "offset_mv", "units"),
    [
        ("uV", ("-3276.8", "3276.7"), ("-32768", "32767"), 1e-4, 0, "0.1 uV/LSB"),
        ("mV", ("-5", "5"), ("-2048", "2047"), 10 / 4095, 10 / 4095 * 2048 - 5, "0.002442 uV/LSB"),
        ("V", ("0", "1e-2"), ("0", "1000"), 1e-2, 0, "1e-05 V/LSB"),
        ("nV", ("-1E6", "1E6"), ("-1000", "1000"), 1e-3, 0, "1000 nV/LSB"),
        ("\xb5V", ("-1000", "1000"), ("-1000", "1000"), 1e-3, 0, "1 uV/LSB"),
        ("\xc2\xb5V", ("100", "300"), ("-100", "100"), 1e-3, 0.2, "1 uV/LSB"),
        ("uV", ("1000", "-1000"), ("-1000", "1000"), -1e-3, 0, "-1 uV/LSB"),
    ],
)
def test_scale(dimension, physical, digital, gain_mv, offset_mv, units):
    recording = read_edf(edf([Signal("I", counts(1)[:, :20], dimension, physical, digital)]))
    np.testing.assert_allclose(recording.gain_mv, gain_mv, rtol=1e-12)
    np.testing.assert_allclose(0 if recording.offset_mv is None else recording.offset_mv, offset_mv, atol=1e-12)
    assert recording.units == units.replace("0.002442 uV", "0.002442 mV")


@pytest.mark.parametrize(
    ("label", "lead"),
    [
        ("ECG I", "I"),
        ("EKG-V1", "V1"),
        ("II", "II"),
        ("Lead aVR", "aVR"),
        ("ECG Lead AVL", "aVL"),
        ("ecg_v6", "V6"),
        ("ECG: V2", "V2"),
        ("EKG - aVF", "aVF"),
        ("ECG -aVR", None),
        ("ECG--aVR", None),
        ("-aVR", None),
        ("ECG", None),
        ("ECG V4R", None),
        ("ECG X", None),
        ("EEG V1", None),
        ("ECGV1", None),
        ("EDF Annotations", None),
    ],
)
def test_labels(label, lead):
    assert lead_of_label(label) == lead


@pytest.mark.parametrize(
    ("seconds", "rate_hz"), [("0.04", 500), ("0.08", 250), ("1.5", 40 / 3), ("2", 10), ("2.", 10), (".5", 40)]
)
def test_rate_is_samples_over_the_duration_of_a_record(seconds, rate_hz):
    assert read_edf(edf(twelve(), seconds)).sampling_rate_hz == rate_hz


def test_other_rates_of_other_signals_do_not_matter():
    recording = read_edf(edf([*twelve(2, 20), Signal("Temp", np.ones((2, 1)), "degC")]))
    np.testing.assert_array_equal(recording.samples, counts(12, 40))


def test_continuous_files_with_annotations():
    recording = read_edf(edf([*twelve(), starts("0", "1")], kind="EDF+C"))
    np.testing.assert_array_equal(recording.samples, counts(12, 40))
    assert recording.statements == ()


@pytest.mark.parametrize("times", [("0", "1"), ("17.25", "18.25"), ("0.30000000000000004", "1.3")])
@pytest.mark.parametrize("first", [True, False])
def test_discontinuous_files_without_a_gap_are_read(times, first):
    signals = [starts(*times), *twelve()] if first else [*twelve(), starts(*times)]
    np.testing.assert_array_equal(read_edf(edf(signals, kind="EDF+D")).samples, counts(12, 40))


@pytest.mark.parametrize("times", [("0", "1.03"), ("0", "0"), ("5", "4"), ("5", "60"), ("1", "1.9")])
def test_gaps_are_refused(times):
    with pytest.raises(UnsupportedFormat, match=r"EDF\+D interrupted before data record 2; .* export each part"):
        read_edf(edf([*twelve(), starts(*times)], kind="EDF+D"))


def test_discontinuous_files_that_do_not_say_when():
    with pytest.raises(UnsupportedFormat, match="cannot be placed in time"):
        read_edf(edf(twelve(), kind="EDF+D"))
    with pytest.raises(UnreadableFile, match="data record 2 of an EDF.D file does not say when it starts"):
        read_edf(edf([*twelve(), annotations([b"+0\x14\x14\0", b"Mustermann"])], kind="EDF+D"))


def test_unknown_number_of_records_is_that_of_the_file():
    content = edf(twelve(3), count="-1")
    assert read_edf(content).samples.shape == (12, 60)
    assert read_edf(content[:-100]).samples.shape == (12, 40)
    with pytest.raises(UnreadableFile, match="no samples"):
        read_edf(content[: 256 * 13])


def test_what_follows_the_declared_records_is_left_alone():
    np.testing.assert_array_equal(read_edf(edf(twelve()) + b"trailer").samples, counts(12, 40))


def changed(index: int, **fields) -> list[Signal]:
    signals = twelve()
    signals[index] = replace(signals[index], **fields)
    return signals


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (
            edf(changed(6, dimension="")),
            UnreadableFile,
            "lead V1: physical dimension is empty, so it is not",
        ),
        (edf(changed(6, dimension="mmHg")), UnreadableFile, "lead V1: physical dimension is no voltage"),
        (edf(changed(6, physical=("1", "1"))), UnreadableFile, "lead V1: physical or digital range .* is empty"),
        (edf(changed(6, digital=("5", "5"))), UnreadableFile, "lead V1: physical or digital range .* is empty"),
        (edf(changed(6, digital=("9", "5"))), UnreadableFile, "lead V1: physical or digital range .* is empty"),
        (edf(changed(6, digital=("0", "99999"))), UnreadableFile, "lead V1: physical or digital range"),
        (edf(changed(6, digital=("0", "1.5"))), UnreadableFile, "digital range is no whole number"),
        (edf(changed(6, physical=("nan", "1"))), UnreadableFile, "lead V1: physical range is no number"),
        (edf(changed(6, physical=("-inf", "inf"))), UnreadableFile, "lead V1: physical range is no number"),
        (edf(changed(6, physical=("1_0", "1"))), UnreadableFile, "lead V1: physical range is no number"),
        (edf(changed(6, physical=("", "1"))), UnreadableFile, "lead V1: physical range is absent"),
        (edf(changed(6, physical=("-9e307", "9e307"))), UnreadableFile, "lead V1: physical range .* is no ECG's"),
        (edf(changed(6, physical=("0", "1e-323"))), UnreadableFile, "lead V1: physical range .* is no ECG's"),
        (edf(changed(6, physical=("0", "1e999"))), UnreadableFile, "lead V1: physical range is no number"),
        (edf(changed(6, label="ECG I")), UnreadableFile, "lead I occurs twice"),
        (edf(changed(6, samples=np.ones((2, 10)))), UnreadableFile, "lead V1 has 10 samples .* lead I 20; .* one samp"),
        (edf(twelve(names=("V3R", "X"))), LeadMissing, "none of the 12 standard leads"),
        (edf(twelve(), "0"), UnreadableFile, "without a duration"),
        (edf(twelve(), "-1"), UnreadableFile, "without a duration"),
        (edf(twelve(), "nan"), UnreadableFile, "without a duration"),
        (edf(twelve(), "99999999"), UnreadableFile, "the EDF header gives 2e-07 Hz"),
        (edf(twelve(), "0.000001"), UnreadableFile, "the EDF header gives 2e.07 Hz"),
        (edf([Signal("I", np.ones((2, 0)))]), UnreadableFile, "without samples"),
        (edf([Signal("I", np.ones((2, 0))), Signal("SpO2", np.ones((2, 1)))]), UnreadableFile, "no samples"),
        (edf(twelve(), count="0"), UnreadableFile, "no samples"),
        (edf(twelve(), count="3"), UnreadableFile, "holds 2 of the 3 data records"),
        (edf(twelve(), count="99999999"), UnreadableFile, "holds 2 of the 99999999 data records"),
        (edf(twelve(), count="many"), UnreadableFile, "number of data records is no whole number"),
        (edf(twelve(), signal_count="9999"), UnreadableFile, "9999 signals, which does not fit"),
        (edf(twelve(), signal_count="0"), UnreadableFile, "0 signals, which does not fit"),
        (edf(twelve(), header_bytes=""), UnreadableFile, "number of bytes in the header is absent"),
        (edf(twelve())[:1000], UnreadableFile, "its header alone has 3328; it is truncated"),
        (edf(twelve())[:200], UnreadableFile, "number of signals is absent"),
    ],
)
def test_broken_files_are_named(content, error, message):
    with pytest.raises(error, match=message) as raised:
        read_edf(content)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


def test_nobody_is_named():
    planted = ("Mustermann", "MRN-4711", "1951", "Brinkmann", "Serial99", "2002")
    content = edf([*twelve(), starts("0", "1")], kind="EDF+D")
    texts = [repr(read_edf(content)), *(str(outcome_of(content[:kept])) for kept in range(0, len(content), 40))]
    texts.append(str(outcome_of(edf(changed(6, dimension="Muster"), signal_count="Must"))))
    texts.append(str(outcome_of(edf(changed(6, dimension="Muster", physical=("Muster", "MRN-4711"))))))
    for name in (*planted, "Must"):
        assert not any(name in text for text in texts)


def outcome_of(content: bytes):
    try:
        return read_edf(content)
    except SignalError as error:
        return error


def test_truncated_at_every_place():
    content = edf([*twelve(2, 10), starts("0", "1")], kind="EDF+D")
    assert read_edf(content).samples.shape == (12, 20)
    for kept in range(len(content)):
        assert isinstance(outcome_of(content[:kept]), SignalError)


@settings(max_examples=200, deadline=None)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.floats(0.5, 1),
    plus=st.booleans(),
)
def test_damage_only_raises_signal_errors(flips, kept, plus):
    signals = [Signal("ECG I", counts(1)), starts("0")]
    damaged = bytearray(edf(signals, "0.1", kind="EDF+D" if plus else ""))
    for where, value in flips:
        damaged[int(where * (len(damaged) - 1))] = value
    outcome = outcome_of(bytes(damaged[: int(kept * len(damaged)) if kept > 0.75 else len(damaged)]))
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
    else:
        assert outcome.samples.shape[0] == len(outcome.leads) == len(outcome.gain_mv)
        assert outcome.samples.size > 0
        assert np.isfinite(outcome.gain_mv).all()
        assert outcome.gain_mv.all()


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.integers(0, 40)), st.sampled_from([8, 168, 184, 236, 244, 252, 256, 272, 352]))
def test_header_fields_of_any_bytes(noise, position):
    content = bytearray(edf(twelve(1, 10)[:1]))
    content[position : position + noise.size] = noise.tobytes()
    outcome = outcome_of(bytes(content))
    assert isinstance(outcome, SignalError) or outcome.samples.size > 0
