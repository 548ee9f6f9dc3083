"""Mortara ELI XML against files made here: values, what is refused, damage, and what must not leave the file."""

import base64
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import LEADS, Recording, twelve_leads
from twelvelead.errors import LeadMissing, SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats import read, sniff
from twelvelead.formats.mortara import read_mortara
from unit.mortara_files import STATEMENTS, mortara_xml
from unit.vendor_files import EIGHT_LEADS, TWELVE_LEADS, counts

PLANTED = ("mustermann", "erika", "zenobia", "4711", "1947", "hauptweg", "walburga", "99812", "florian", "r12")


@settings(max_examples=40, deadline=None)
@given(
    signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 60))),
    order=st.permutations(TWELVE_LEADS),
    encoding=st.sampled_from(["UTF-8", "ISO-8859-1", "UTF-16"]),
)
def test_round_trip_in_any_lead_order(signal, order, encoding):
    recording = read_mortara(mortara_xml(signal, tuple(order), encoding=encoding))
    assert recording.leads == tuple(order)
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, 1 / 400)
    assert recording.sampling_rate_hz == 500


def test_fields_of_a_plain_file():
    recording = read_mortara(mortara_xml(counts(12)))
    assert recording.format == "mortara_xml"
    assert recording.units == "400 LSB/mV"
    assert recording.statements == STATEMENTS
    assert recording.device == "Mortara Instrument, Inc., ELI250c, V2.0.4.0"
    assert recording.duration_s == 40 / 500
    assert not recording.deepecg_reads


def test_samples_are_little_endian_and_signed():
    row = base64.b64encode(bytes([0x01, 0x00, 0xFF, 0xFF, 0x00, 0x80, 0x90, 0x01])).decode()
    content = mortara_xml(np.zeros((1, 4)), ("I",), of_lead={"I": {"DATA": row}})
    recording = read_mortara(content)
    np.testing.assert_array_equal(recording.samples, [[1, -1, -32768, 400]])
    np.testing.assert_allclose(recording.samples[0] * recording.gain_mv[0], [0.0025, -0.0025, -81.92, 1.0])


def test_each_lead_has_its_own_units_per_mv():
    content = mortara_xml(counts(8), EIGHT_LEADS, of_lead={"V1": {"UNITS_PER_MV": "1000"}})
    recording = read_mortara(content)
    np.testing.assert_allclose(recording.gain_mv, [1 / 400, 1 / 400, 1 / 1000, *[1 / 400] * 5])
    assert recording.units == "400 LSB/mV, 1000 LSB/mV"


@pytest.mark.parametrize(
    "names",
    [
        ("DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"),
        ("I", "II", "III", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6"),
    ],
)
def test_other_spellings_of_leads(names):
    assert read_mortara(mortara_xml(counts(12), names)).leads == LEADS


def test_limb_leads_are_derived_and_other_leads_left_out():
    signal = counts(9)
    recording = read_mortara(mortara_xml(signal, (*EIGHT_LEADS, "V4R")))
    assert recording.leads == EIGHT_LEADS
    np.testing.assert_allclose(twelve_leads(recording)[2], (signal[1] * 0.0025 - signal[0] * 0.0025), atol=1e-5)


def test_attributes_that_never_vary_may_be_absent():
    absent = dict.fromkeys(("OFFSET", "BITS", "FORMAT", "ENCODING", "DURATION"))
    np.testing.assert_array_equal(read_mortara(mortara_xml(counts(12), declared=absent)).samples, counts(12))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"BITS": "8"}, "lead V2: BITS is not 16"),
        ({"FORMAT": "UNSIGNED"}, "lead V2: FORMAT is not SIGNED"),
        ({"ENCODING": "HEX"}, "lead V2: ENCODING is not BASE64"),
        # 2.5 s columns, if OFFSET is a time, or a shifted baseline: not to be guessed.
        ({"OFFSET": "2500"}, "lead V2: OFFSET is not 0"),
        ({"OFFSET": "-1"}, "lead V2: OFFSET is not 0"),
    ],
)
def test_what_no_public_description_covers_is_unsupported(declared, message):
    with pytest.raises(UnsupportedFormat, match=message):
        read_mortara(mortara_xml(counts(12), of_lead={"V2": declared}))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"DATA": "####"}, "lead V2: DATA is broken base64"),
        ({"DATA": "AAAA=AAA"}, "lead V2: DATA is broken base64"),
        ({"DATA": "ü"}, "lead V2: DATA is broken base64"),
        ({"DATA": ""}, "lead V2: DATA holds 0 bytes, expected 40 samples of 2"),
        ({"DATA": "AAA=", "DURATION": "1.5"}, "lead V2: DATA holds 2 bytes, expected 1.5 samples"),
        ({"DATA": "AAAA", "DURATION": None}, "lead V2: DATA holds 3 bytes, expected 1 samples"),
        ({"DATA": "AAA=", "DURATION": None}, r"lead V2 \(1\) is shorter than the others \(40"),
        ({"DURATION": "2000000000"}, "lead V2: DATA holds 80 bytes, expected 2e\\+09 samples"),
        ({"DURATION": "0"}, "lead V2: DURATION is not a positive number"),
        ({"OFFSET": "x"}, "lead V2: OFFSET is not a number"),
        ({"UNITS_PER_MV": None}, "lead V2: UNITS_PER_MV is absent"),
        ({"UNITS_PER_MV": "0"}, "lead V2: UNITS_PER_MV is not a positive number"),
        ({"UNITS_PER_MV": "-400"}, "lead V2: UNITS_PER_MV is not a positive number"),
        ({"UNITS_PER_MV": "nan"}, "lead V2: UNITS_PER_MV is not a positive number"),
        ({"UNITS_PER_MV": "1e-320"}, "UNITS_PER_MV gives inf uV a count"),
        ({"UNITS_PER_MV": "1e9"}, "UNITS_PER_MV gives 1e-06 uV a count"),
        ({"SAMPLE_FREQ": "0"}, "lead V2: SAMPLE_FREQ is not a positive number"),
        ({"SAMPLE_FREQ": "250"}, r"different rates, 500 Hz \(lead I\), 250 Hz \(lead V2\)"),
        ({"NAME": "V1"}, "lead V1 occurs twice"),
    ],
)
def test_broken_channel(declared, message):
    with pytest.raises(UnreadableFile, match=message):
        read_mortara(mortara_xml(counts(12), of_lead={"V2": declared}))


def test_absurd_rate():
    with pytest.raises(UnreadableFile, match="SAMPLE_FREQ gives 0.5 Hz"):
        read_mortara(mortara_xml(counts(12), declared={"SAMPLE_FREQ": "0.5"}))


def test_no_standard_lead_and_other_xml_of_that_root():
    with pytest.raises(LeadMissing):
        read_mortara(mortara_xml(counts(2), ("X", "Y")))
    with pytest.raises(UnsupportedFormat, match="no CHANNEL"):
        read_mortara(b"<ECG><Patient>MUSTERMANN</Patient></ECG>")


def test_names_among_the_statements_are_left_out():
    statements = ("SINUS RHYTHM", "Confirmed by MUSTERMANN, ERIKA", "UNCONFIRMED REPORT")
    assert read_mortara(mortara_xml(counts(12), statements=statements)).statements == (
        "SINUS RHYTHM",
        "UNCONFIRMED REPORT",
    )


def test_the_file_is_told_by_its_content(tmp_path):
    content = mortara_xml(counts(12))
    assert sniff(content[:1024], tmp_path / "a.dat") == "mortara_xml"
    path = tmp_path / "a.dat"
    path.write_bytes(content)
    assert read(path).format == "mortara_xml"


def test_nobody_is_named():
    shown = repr(read_mortara(mortara_xml(counts(12)))).casefold()
    assert not [planted for planted in PLANTED if planted in shown]


@pytest.mark.parametrize(
    "bomb",
    [
        b'<!DOCTYPE ECG [<!ENTITY a "x"><!ENTITY b "&a;&a;">]>',
        b'<!DOCTYPE ECG [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_entities_are_refused(bomb):
    content = mortara_xml(counts(12)).replace(b"<ECG ", bomb + b"<ECG ", 1)
    with pytest.raises(UnreadableFile, match="entities"):
        read_mortara(content)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.floats(0, 1.5),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    swap=st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 200)),
)
def test_damage_only_raises_signal_errors_without_names(tmp_path, cut, flips, swap):
    damaged = bytearray(mortara_xml(counts(12)))
    last = len(damaged) - 1
    first, second, length = int(swap[0] * last), int(swap[1] * last), swap[2]
    damaged[first : first + length], damaged[second : second + length] = (
        damaged[second : second + length],
        damaged[first : first + length],
    )
    for where, value in flips:
        damaged[int(where * (len(damaged) - 1))] = value
    path = tmp_path / "a.xml"
    path.write_bytes(bytes(damaged[: int(cut * len(damaged))]))
    outcome = outcome_of(path)
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
        assert not [planted for planted in PLANTED if planted in str(outcome).casefold()]
    else:
        assert outcome.samples.shape[0] == len(outcome.leads) == len(set(outcome.leads))
        assert np.isfinite(outcome.gain_mv).all()
        assert (outcome.gain_mv > 0).all()


def outcome_of(path: Path) -> Recording | SignalError:
    try:
        return read(path)
    except SignalError as error:
        return error
