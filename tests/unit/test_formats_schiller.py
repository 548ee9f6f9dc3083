"""Schiller SEMA XML against files made here: values, what is refused, damage, and what must not leave the file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import LEADS, Recording
from twelvelead.errors import LeadMissing, SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats import read, sniff
from twelvelead.formats.schiller import read_schiller
from unit.schiller_files import ROOT, USUAL, schiller_xml, wavedata
from unit.vendor_files import EIGHT_LEADS, TWELVE_LEADS, counts

PLANTED = ("mustermann", "erika", "4711", "1947", "hauptweg", "walburga", "99812", "florian", "klagt")


@settings(max_examples=40, deadline=None)
@given(
    signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 60))),
    order=st.permutations(TWELVE_LEADS),
    separator=st.sampled_from([",", ", ", ",\n\t"]),
    end=st.sampled_from(["", ",", " ,\n"]),
    encoding=st.sampled_from(["UTF-8", "UTF-16"]),
)
def test_round_trip_in_any_lead_order(signal, order, separator, end, encoding):
    rows = {name: separator.join(map(str, row.tolist())) + end for name, row in zip(order, signal, strict=True)}
    recording = read_schiller(schiller_xml(signal, tuple(order), rows=rows, encoding=encoding))
    assert recording.leads == tuple(order)
    assert recording.samples.dtype == np.int16
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, 0.005)
    assert recording.sampling_rate_hz == 500


def test_fields_of_a_plain_file():
    recording = read_schiller(schiller_xml(counts(12)))
    assert recording.format == "schiller_xml"
    assert recording.units == "5 uV/LSB"
    assert recording.device == "SCHILLER AG, AT-102, 3.5"
    # textdata may be the machine's or a physician's; nothing public tells which.
    assert recording.statements == ()
    assert not recording.deepecg_reads


@pytest.mark.parametrize(
    ("units", "unitperbit", "gain_mv", "written"),
    [
        ("uV", "4.88", 0.00488, "4.88 uV/LSB"),
        ("UV", "1", 0.001, "1 uV/LSB"),
        ("µV", "5", 0.005, "5 uV/LSB"),
        ("mV", "0.005", 0.005, "0.005 mV/LSB"),
    ],
)
def test_units(units, unitperbit, gain_mv, written):
    recording = read_schiller(schiller_xml(counts(12), declared={"units": units, "unitperbit": unitperbit}))
    np.testing.assert_allclose(recording.gain_mv, gain_mv)
    assert recording.units == written


def test_spellings_of_leads_and_leads_that_are_no_standard_lead():
    names = ("DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6", "V4R")
    assert read_schiller(schiller_xml(counts(13), names)).leads == LEADS
    assert read_schiller(schiller_xml(counts(8), EIGHT_LEADS)).leads == EIGHT_LEADS
    with pytest.raises(LeadMissing):
        read_schiller(schiller_xml(counts(2), ("X", "Y")))


def test_what_may_be_absent_and_another_name_of_the_type():
    declared = {"exponent": None, "samplecount": None, "type": "ecg_rhythm"}
    np.testing.assert_array_equal(read_schiller(schiller_xml(counts(12), declared=declared)).samples, counts(12))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"datastype": "BASE64"}, "lead I: datastype is not COMMASEPARATE"),
        ({"datastype": None}, "lead I: datastype is not COMMASEPARATE"),
        ({"exponent": "3"}, "exponent is not 1"),
        ({"exponent": "0"}, "exponent is not 1"),
    ],
)
def test_what_no_public_description_covers_is_unsupported(declared, message):
    with pytest.raises(UnsupportedFormat, match=message):
        read_schiller(schiller_xml(counts(12), declared=declared))


def test_several_rhythms_are_not_guessed_at():
    second = wavedata({"I": "1,2"}, USUAL, "2")
    with pytest.raises(UnsupportedFormat, match="2 wavedata of type ECG_RHYTHMS"):
        read_schiller(schiller_xml(counts(12), before_waves=second))
    with pytest.raises(UnreadableFile, match="none of 2 wavedata is of type ECG_RHYTHMS"):
        read_schiller(schiller_xml(counts(12), declared={"type": "ECG_TRENDS"}))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"units": "V"}, "yres/units is unknown"),
        ({"units": None}, "yres/units is unknown"),
        ({"unitperbit": None}, "unitperbit is absent"),
        ({"unitperbit": "-5"}, "unitperbit is not a positive number"),
        ({"unitperbit": "4,88"}, "unitperbit is not a positive number"),
        ({"unitperbit": "1e300"}, "unitperbit gives 1e\\+300 uV a count"),
        ({"rate": "0"}, "samplerate/value is not a positive number"),
        ({"rate": "nan"}, "samplerate/value is not a positive number"),
        ({"rate": "1e7"}, "samplerate gives 1e\\+07 Hz"),
        ({"samplecount": "41"}, "lead I: data holds 40 samples, samplecount says 41"),
        ({"samplecount": "2000000000"}, "samplecount says 2e\\+09"),
        ({"samplecount": "Mustermann"}, "lead I: samplecount is not a positive number"),
    ],
)
def test_broken_header(declared, message):
    with pytest.raises(UnreadableFile, match=message) as raised:
        read_schiller(schiller_xml(counts(12), declared=declared))
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    ["", " ", "1,,2", ",1", "1,2,,", "-", "1 2", "1_000,2", "0x10", "1.5,2", "nan,1", "Mustermann", "9" * 19, ","],
)
def test_junk_in_a_lead_is_unreadable_and_never_a_number(text):
    with pytest.raises(UnreadableFile, match="lead V2: data is (not all whole numbers|empty)") as raised:
        read_schiller(schiller_xml(counts(12), declared={"samplecount": None}, rows={"V2": text}))
    assert "Mustermann" not in str(raised.value)


def test_leads_of_different_length():
    with pytest.raises(UnreadableFile, match=r"lead V2 \(3\) is shorter than the others \(40"):
        read_schiller(schiller_xml(counts(12), declared={"samplecount": None}, rows={"V2": "1,2,3"}))


def test_a_long_row_of_digits_takes_no_time():
    with pytest.raises(UnreadableFile, match="not all whole numbers"):
        read_schiller(schiller_xml(counts(12), declared={"samplecount": None}, rows={"V2": "1, " * 200_000 + "x"}))


def test_the_file_is_told_by_its_content(tmp_path):
    content = schiller_xml(counts(12))
    assert sniff(content[:1024], tmp_path / "a.dat") == "schiller_xml"
    path = tmp_path / "a.dat"
    path.write_bytes(content)
    assert read(path).format == "schiller_xml"


def test_nobody_is_named():
    shown = repr(read_schiller(schiller_xml(counts(12)))).casefold()
    assert not [planted for planted in PLANTED if planted in shown]


def test_entities_are_refused():
    root = f"<{ROOT}>".encode()
    bomb = b'<!DOCTYPE x [<!ENTITY a "1,2"><!ENTITY b "&a;&a;">]>' + root
    with pytest.raises(UnreadableFile, match="entities"):
        read_schiller(schiller_xml(counts(12)).replace(root, bomb, 1))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.floats(0, 1.5),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    swap=st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 200)),
)
def test_damage_only_raises_signal_errors_without_names(tmp_path, cut, flips, swap):
    damaged = bytearray(schiller_xml(counts(12)))
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
