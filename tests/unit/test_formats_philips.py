"""Philips XML against files made here, from the XML schemas of 1.03 and 1.04 and the notes on XLI in philips_xli.py."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import Recording
from twelvelead.errors import LeadMissing, SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats.philips import read_philips
from unit.philips_files import (
    END_CODE,
    attributes_104,
    chunk,
    encoded,
    half,
    lzw_packed,
    made_103,
    made_104,
    packed_codes,
    philips_xml,
    xli,
    xli_chunk,
)
from unit.vendor_files import EIGHT_LEADS, TWELVE_LEADS, counts


def ecg_like(n_samples: int, seed: int = 0) -> np.ndarray:
    """(12, n_samples) int16 that obeys Einthoven's and Goldberger's equations but for rounding and noise."""
    random = np.random.default_rng(seed)
    eight = np.cumsum(random.integers(-9, 10, (8, n_samples)), axis=1)
    i, ii = eight[:2]
    limbs = np.stack((i, ii, ii - i, -half(i + ii), i - half(ii), ii - half(i)))
    limbs[2:] += random.integers(-1, 2, (4, n_samples))
    return np.concatenate((limbs, eight[2:])).astype(np.int16)


def calibration_mark(before: int = 50, height: int = 200) -> np.ndarray:
    return np.tile(np.concatenate((np.zeros(before), np.full(100, height), np.zeros(50))), (12, 1)).astype(np.int16)


@settings(max_examples=60, deadline=None)
@given(signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 60))))
def test_round_trip_of_any_16_bit_samples(signal):
    for content in (made_104(signal), made_103(signal)):
        recording = read_philips(content)
        assert recording.leads == TWELVE_LEADS
        assert recording.samples.dtype == np.int16
        np.testing.assert_array_equal(recording.samples, signal)


@pytest.mark.parametrize("n_samples", [3000, 5000])
def test_round_trip_when_the_lzw_table_is_full(n_samples):
    noise = counts(12, n_samples)
    np.testing.assert_array_equal(read_philips(made_104(noise)).samples, noise)
    ecg = ecg_like(n_samples)
    np.testing.assert_array_equal(read_philips(made_103(ecg)).samples, ecg)


@pytest.mark.parametrize("value", [0, 1, -32768, 32767])
def test_round_trip_of_constant_leads(value):
    # Runs are what uses a code before it is learnt.
    signal = np.full((12, 4000), value, dtype=np.int16)
    np.testing.assert_array_equal(read_philips(made_104(signal)).samples, signal)


@settings(max_examples=30, deadline=None)
@given(signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 40))), separator=st.sampled_from([" ", "\n "]))
def test_round_trip_without_compression(signal, separator):
    n_samples = signal.shape[1]
    plain = separator.join(map(str, signal.ravel()))
    recording = read_philips(philips_xml(plain, attributes_104(n_samples, dataencoding="Plain", compression=None)))
    np.testing.assert_array_equal(recording.samples, signal)
    stored = encoded(signal.astype("<i2").tobytes())
    recording = read_philips(philips_xml(stored, attributes_104(n_samples, compression=None)))
    np.testing.assert_array_equal(recording.samples, signal)
    unsigned = read_philips(philips_xml(stored, attributes_104(n_samples, compression=None, signalsigned="False")))
    np.testing.assert_array_equal(unsigned.samples, signal.view(np.uint16))


def test_compressflag_false_means_uncompressed():
    signal = counts(12)
    attributes = attributes_104(40, compression=None, compressflag="False", compressmethod="XLI")
    recording = read_philips(philips_xml(encoded(signal.tobytes()), attributes))
    np.testing.assert_array_equal(recording.samples, signal)


def test_fields_of_104():
    statements = (
        "<interpretation><mdsignatureline>Confirmed by Dr MUSTERMANN</mdsignatureline>"
        "<severity>- ABNORMAL ECG -</severity>"
        "<statement><leftstatement>Sinus  rhythm</leftstatement>\n"
        "<rightstatement>V-rate 50-99</rightstatement></statement>"
        "<statement><leftstatement>Early transition</leftstatement><rightstatement/></statement>"
        "<statement><leftstatement/><rightstatement/></statement>"
        "<statement><leftstatement>Confirmed by</leftstatement><rightstatement>MUSTERMANN</rightstatement></statement>"
        "</interpretation><interpretation><statement><leftstatement>older</leftstatement></statement></interpretation>"
    )
    signal = counts(12)
    content = philips_xml(encoded(xli(signal)), attributes_104(40, signaloffset=10), interpretations=statements)
    recording = read_philips(content)
    assert recording.format == "philips_xml"
    assert recording.sampling_rate_hz == 500
    assert recording.units == "5 uV/LSB"
    np.testing.assert_allclose(recording.gain_mv, 0.005)
    np.testing.assert_allclose(recording.offset_mv, -0.05)
    assert recording.statements == ("Sinus rhythm", "Early transition")
    assert recording.device == "Philips Medical Products PageWriter TC"
    assert not recording.deepecg_reads


def test_fields_of_103():
    recording = read_philips(made_103(counts(12), signalresolution="2.5"))
    assert recording.sampling_rate_hz == 500
    assert recording.units == "2.5 uV/LSB"
    assert recording.offset_mv is None
    assert recording.device == "HeartstartMRx"
    assert recording.statements == ()


def test_attributes_win_over_signalcharacteristics():
    characteristics = "<samplingrate>1000</samplingrate><resolution>1</resolution>"
    content = philips_xml(encoded(xli(counts(12))), attributes_104(40), characteristics=characteristics)
    recording = read_philips(content)
    assert (recording.sampling_rate_hz, recording.units) == (500, "5 uV/LSB")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "ISO-8859-1"])
def test_encoding_as_declared(encoding):
    interpretations = (
        "<interpretation><statement><leftstatement>Fibrillation avérée</leftstatement></statement></interpretation>"
    )
    content = philips_xml(
        encoded(xli(counts(12))), attributes_104(40), interpretations=interpretations, encoding=encoding
    )
    assert read_philips(content).statements == ("Fibrillation avérée",)


def test_channels_beyond_the_leads_are_left_alone():
    signal = ecg_like(700)
    unused = np.zeros((4, 700), dtype=np.int16)
    compressed = xli(signal) + b"".join(xli_chunk(row) for row in unused)
    np.testing.assert_array_equal(read_philips(philips_xml(encoded(compressed), attributes_104(700))).samples, signal)
    plain = " ".join(map(str, np.concatenate((signal, unused)).ravel()))
    attributes = attributes_104(700, dataencoding="Plain", compression=None)
    np.testing.assert_array_equal(read_philips(philips_xml(plain, attributes)).samples, signal)


def test_other_leads_are_dropped():
    leads = (*TWELVE_LEADS, "V3R", "V7", "-aVR", "Id")
    signal = np.concatenate((ecg_like(40), counts(4)))
    recording = read_philips(made_104(signal, leads))
    assert recording.leads == TWELVE_LEADS
    np.testing.assert_array_equal(recording.samples, signal[:12])


def test_leads_without_differences_come_in_any_order():
    leads = ("V6", "II", "I", "i", "C2")
    signal = counts(5)
    recording = read_philips(made_104(signal, leads))
    assert recording.leads == ("V6", "II", "I", "V2")
    np.testing.assert_array_equal(recording.samples, signal[[0, 1, 2, 4]])
    assert read_philips(made_104(counts(8), EIGHT_LEADS)).leads == EIGHT_LEADS
    with pytest.raises(LeadMissing):
        read_philips(made_104(counts(2), ("V3R", "PLETH")))


def test_limb_leads_in_an_unusual_order_are_refused():
    with pytest.raises(UnsupportedFormat, match="unusual order"):
        read_philips(made_104(counts(12), ("II", "I", *TWELVE_LEADS[2:])))
    with pytest.raises(UnsupportedFormat, match="unusual order"):
        read_philips(made_104(counts(3), ("I", "II", "III")))


@pytest.mark.parametrize("before", [1, 50, 350])
@pytest.mark.parametrize("n_ecg", [1, 600, 5300])
def test_calibration_mark_is_cut_wherever_it_begins(before, n_ecg):
    ecg = ecg_like(n_ecg) + np.int16(1000)
    content = made_104(np.concatenate((ecg, calibration_mark(before)), axis=1))
    np.testing.assert_array_equal(read_philips(content).samples, ecg)


def test_calibration_mark_around_a_zero_that_is_not_0():
    ecg = ecg_like(600) + np.int16(2000)
    signal = np.concatenate((ecg, calibration_mark() + np.int16(77)), axis=1)
    np.testing.assert_array_equal(read_philips(made_104(signal, signaloffset=77)).samples, ecg)
    np.testing.assert_array_equal(read_philips(made_104(signal)).samples, signal)


@pytest.mark.parametrize("resolution", [1, 2.5, 4.88])
def test_calibration_mark_is_1_mv_in_any_resolution(resolution):
    ecg = ecg_like(600) + np.int16(2000)
    signal = np.concatenate((ecg, calibration_mark(height=round(1000 / resolution))), axis=1)
    np.testing.assert_array_equal(read_philips(made_104(signal, resolution=resolution)).samples, ecg)


def one_lead_without_mark(signal: np.ndarray) -> None:
    signal[11, 5350:5450] = 0


def mark_of_half_a_millivolt(signal: np.ndarray) -> None:
    signal[:, 5350:5450] = 100


def stairs(signal: np.ndarray) -> None:
    signal[:, 5400:5450] = 100


def negative_mark(signal: np.ndarray) -> None:
    signal[:, 5350:5450] *= -1


def no_mark(signal: np.ndarray) -> None:
    signal[:, 5300:] = 0


def spike(signal: np.ndarray) -> None:
    signal[:, 5370:5450] = 0


def no_zero_before(signal: np.ndarray) -> None:
    signal[:, 5300:5350] = ecg_like(50) + np.int16(1000)


def ecg_after_the_mark(signal: np.ndarray) -> None:
    signal[:, -3:] = ecg_like(3) + np.int16(30)


@pytest.mark.parametrize(
    "change",
    [
        one_lead_without_mark,
        mark_of_half_a_millivolt,
        stairs,
        negative_mark,
        no_mark,
        spike,
        no_zero_before,
        ecg_after_the_mark,
    ],
)
def test_what_is_no_calibration_mark_is_not_cut(change):
    signal = np.concatenate((ecg_like(5300) + np.int16(1000), calibration_mark()), axis=1)
    change(signal)
    np.testing.assert_array_equal(read_philips(made_104(signal)).samples, signal)


def test_no_more_than_a_second_is_cut():
    signal = np.concatenate((np.zeros((12, 1000), dtype=np.int16), calibration_mark()), axis=1)
    assert read_philips(made_104(signal)).duration_s == pytest.approx((1200 - 500) / 500)
    with pytest.raises(UnreadableFile, match="calibration mark and no ECG"):
        read_philips(made_104(calibration_mark()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leadlabels": "I II"}, "names 2 leads, numberofleads says 12"),
        ({"numberofleads": "many"}, "numberofleads is not a positive number"),
        ({"leadlabels": "I " * 1000, "numberofleads": 1000}, "names 1000 leads"),
        ({"leadlabels": None}, "leadlabels nor an acquisitiontype"),
        ({"durationperchannel": None}, "durationperchannel is absent"),
        ({"durationperchannel": "0"}, "durationperchannel is not a positive number"),
        ({"durationperchannel": "nan"}, "durationperchannel is not a positive number"),
        ({"durationperchannel": "1e308"}, "durationperchannel gives"),
        ({"durationperchannel": "2147483647"}, "durationperchannel gives"),
        ({"durationperchannel": "1"}, "durationperchannel gives"),
        ({"durationperchannel": "82"}, "channel 1 of 12 does not hold the 41 samples"),
        ({"samplespersecond": None}, "samplingrate is absent"),
        ({"samplespersecond": "-500"}, "samplingrate is not a positive number"),
        ({"samplespersecond": "1e300"}, "sampling rate of an ECG"),
        ({"resolution": "0"}, "resolution is not a positive number"),
        ({"resolution": "-5"}, "resolution is not a positive number"),
        ({"resolution": "inf"}, "resolution is not a positive number"),
        ({"resolution": "1e-320"}, "resolution gives"),
        ({"resolution": "1e300"}, "resolution gives"),
        ({"signaloffset": "Mustermann"}, "signaloffset is not a whole number"),
        ({"signaloffset": "1e999"}, "signaloffset is not a whole number"),
        ({"leadlabels": " ".join(["I", *TWELVE_LEADS[1:11], "V5"])}, "lead V5 occurs twice"),
    ],
)
def test_broken_description_is_named(changes, message):
    with pytest.raises(UnreadableFile, match=message) as raised:
        read_philips(made_104(counts(12), **changes))
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataencoding": "Hex", "compression": None}, "neither Base64 nor Plain"),
        ({"dataencoding": None, "compression": None}, "neither Base64 nor Plain"),
        ({"dataencoding": "Plain"}, "another compression than XLI"),
        ({"compression": "Huffman"}, "another compression than XLI"),
        ({"compression": None, "compressflag": "True"}, "another compression than XLI"),
        ({"compression": None, "bitspersample": 32}, "bitspersample 16"),
    ],
)
def test_other_encodings_are_refused(changes, message):
    with pytest.raises(UnsupportedFormat, match=message):
        read_philips(made_104(counts(12), **changes))


@pytest.mark.parametrize(
    ("document_type", "version", "message"),
    [
        ("MortaraECG", "1.03", "documenttype"),
        ("", "1.03", "documenttype"),
        ("SierraECG", "1.05", "version 1.05"),
        ("PhilipsECG", "1.040", "version 1.040"),
        ("PhilipsECG", "Mustermann", "an unknown version"),
        ("PhilipsECG", "", "an unknown version"),
    ],
)
def test_other_versions_are_refused(document_type, version, message):
    content = philips_xml("", attributes_104(40), version=version, document_type=document_type)
    with pytest.raises(UnsupportedFormat, match=message) as raised:
        read_philips(content)
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize("version", ["1.03", "1.04", "1.04.01", "1.04.02"])
def test_versions_that_are_read(version):
    signal = counts(12)
    content = philips_xml(encoded(xli(signal)), attributes_104(40), version=version)
    np.testing.assert_array_equal(read_philips(content).samples, signal)


def test_a_set_of_leads_that_is_not_standard_is_refused():
    with pytest.raises(UnreadableFile, match="STD-12 or 10-WIRE"):
        read_philips(made_103(counts(12), acquisition="EASI"))
    assert read_philips(made_103(counts(12), acquisition="10-WIRE")).leads == TWELVE_LEADS


def test_no_waveforms():
    with pytest.raises(UnreadableFile, match="no parsedwaveforms"):
        read_philips(made_104(counts(12)).replace(b"parsedwaveforms", b"unparsedwaveforms"))


@pytest.mark.parametrize(
    ("compressed", "message"),
    [
        (b"", "end before channel 1 of 12"),
        (xli_chunk(counts(1)[0]), "end before channel 2 of 12"),
        (chunk(b"abc", size=2**31 - 1), "declares 2147483647 bytes of XLI data, 3 are there"),
        (chunk(b"abc", size=-1), "declares -1 bytes"),
        (chunk(b""), "declares 0 bytes"),
        (chunk(lzw_packed(bytes(80)), code=2), "of kind 2, expected 1"),
        (chunk(packed_codes([END_CODE])), "does not begin as XLI data do"),
        (chunk(b"a"), "does not begin as XLI data do"),
        (chunk(packed_codes([300])), "does not begin as XLI data do"),
        (chunk(packed_codes([7, 258])), "undefined XLI code"),
        (chunk(packed_codes([7, 8, END_CODE])), "does not hold the 40 samples"),
    ],
)
def test_broken_xli_is_named(compressed, message):
    with pytest.raises(UnreadableFile, match=message):
        read_philips(philips_xml(encoded(compressed), attributes_104(40)))


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("QUJDR", {}, "broken base64"),
        ("QUJD=QUJD", {}, "broken base64"),
        ("QUJD\u00e9", {}, "broken base64"),
        ("Mustermann!", {}, "broken base64"),
        ("QUJD", {"compression": None}, "3 bytes, half a sample too many"),
        ("QUJDRA==", {"compression": None}, "holds 2 samples, expected 12 leads of 40"),
        ("", {"dataencoding": "Plain", "compression": None}, "empty"),
        ("1 2 x", {"dataencoding": "Plain", "compression": None}, "not all whole numbers"),
        ("1 2.5", {"dataencoding": "Plain", "compression": None}, "not all whole numbers"),
        ("1 - 2", {"dataencoding": "Plain", "compression": None}, "not all whole numbers"),
        ("1 nan", {"dataencoding": "Plain", "compression": None}, "not all whole numbers"),
        ("9" * 30, {"dataencoding": "Plain", "compression": None}, "not all whole numbers"),
        ("1 2 3", {"dataencoding": "Plain", "compression": None}, "holds 3 samples, expected 12 leads of 40"),
        ("7 " * 481, {"dataencoding": "Plain", "compression": None}, "holds 481 samples"),
    ],
)
def test_broken_samples_are_named(text, changes, message):
    with pytest.raises(UnreadableFile, match=message) as raised:
        read_philips(philips_xml(text, attributes_104(40, **changes)))
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize("n_samples", [5000, 33_000_000])
def test_a_bomb_of_codes_is_counted_and_not_unpacked(n_samples):
    # 767 codes learn strings of up to 768 bytes, and the rest repeats the longest: 60 MB from 0.1 MB.
    compressed = chunk(packed_codes([7, *range(256, 1023)]) + packed_codes([1022] * 4) * 20_000)
    content = philips_xml(encoded(compressed), attributes_104(n_samples, ("V1",)))
    tracemalloc.start()
    with pytest.raises(UnreadableFile, match=f"does not hold the {n_samples} samples"):
        read_philips(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


def test_entities_are_refused():
    content = made_104(counts(12)).replace(b"<restingecgdata", b'<!DOCTYPE r [<!ENTITY a "x">]><restingecgdata', 1)
    with pytest.raises(UnreadableFile, match="entities"):
        read_philips(content)


def test_no_identity_in_recordings_and_messages():
    planted = ("MUSTERMANN", "Erika", "12345678", "1951-02-03", "Musterstrasse", "SN99", "Klinikum", "Dr Nachname")
    patient = (
        "<patient><generalpatientdata><patientid>12345678</patientid><name><lastname>MUSTERMANN</lastname>"
        "<firstname>Erika</firstname></name><age><dateofbirth>1951-02-03</dateofbirth></age>"
        "<address>Musterstrasse</address></generalpatientdata></patient>"
    )
    machine = (
        '<machine machineid="SN99" detaildescription="Philips Medical Products:860315:SN99">PageWriter TC</machine>'
        "<acquirer><operator>Dr Nachname</operator><institutionname>Klinikum</institutionname></acquirer>"
    )
    interpretations = (
        "<interpretation><confirmingclinician>Dr Nachname</confirmingclinician>"
        "<mdsignatureline>Confirmed by: MUSTERMANN</mdsignatureline><statement><leftstatement>Sinus rhythm"
        "</leftstatement><rightstatement>Reviewed by Dr Nachname</rightstatement></statement></interpretation>"
    )
    attributes = attributes_104(40, modifiedby="Dr Nachname")
    content = philips_xml(
        encoded(xli(counts(12))), attributes, patient=patient, machine=machine, interpretations=interpretations
    )
    recording = read_philips(content)
    assert recording.statements == ("Sinus rhythm",)
    told = [repr(recording)]
    for end in range(0, len(content), 53):
        with pytest.raises(SignalError) as raised:
            read_philips(content[:end])
        told.append(str(raised.value))
    assert not [name for name in planted for text in told if name in text]


def outcome_of(content: bytes) -> Recording | SignalError:
    try:
        return read_philips(content)
    except SignalError as error:
        return error


def check_outcome(content: bytes) -> None:
    outcome = outcome_of(content)
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
        assert len(str(outcome)) < 300
        return
    rows, n_samples = outcome.samples.shape
    assert rows == len(outcome.leads) == len(set(outcome.leads)) == len(outcome.gain_mv)
    assert n_samples > 0
    assert np.isfinite(outcome.gain_mv).all()
    assert outcome.samples.dtype in (np.int16, np.int32, np.float32)


INTACT = made_104(ecg_like(60))
INTACT_XLI = xli(ecg_like(60))


def test_truncated_anywhere():
    for end in range(0, len(INTACT), 7):
        with pytest.raises(SignalError):
            read_philips(INTACT[:end])
    for end in range(len(INTACT_XLI)):
        with pytest.raises(UnreadableFile):
            read_philips(philips_xml(encoded(INTACT_XLI[:end]), attributes_104(60)))


DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(damage=DAMAGE)
def test_damaged_file_is_read_or_refused(damage):
    damaged = bytearray(INTACT)
    for where, value in damage:
        damaged[int(where * (len(damaged) - 1))] = value
    check_outcome(bytes(damaged))


@settings(max_examples=150, deadline=None)
@given(damage=DAMAGE)
def test_damaged_xli_is_read_or_refused(damage):
    damaged = bytearray(INTACT_XLI)
    for where, value in damage:
        damaged[int(where * (len(damaged) - 1))] = value
    check_outcome(philips_xml(encoded(bytes(damaged)), attributes_104(60)))


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(sorted(attributes_104(60)) + ["signaloffset", "compressflag"]),
    value=st.one_of(st.integers().map(str), st.floats().map(str), st.text("IVaRF 0123.-e", max_size=20)),
)
def test_any_value_of_an_attribute_is_read_or_refused(name, value):
    check_outcome(philips_xml(encoded(INTACT_XLI), attributes_104(60, **{name: value})))
