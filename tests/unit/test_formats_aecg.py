"""HL7 aECG against files made here from the HL7 aECG Implementation Guide (final, 21 March 2005)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import Recording, twelve_leads
from twelvelead.errors import LeadMissing, SignalError, UnreadableFile
from twelvelead.formats.aecg import read_aecg
from unit.aecg_files import (
    NAMESPACE,
    PERSON,
    aecg,
    annotation,
    annotation_set,
    lead_code,
    lead_sequence,
    plain,
    rows,
    sequence_set,
    series,
    time_sequence,
)
from unit.vendor_files import TWELVE_LEADS, counts


def statements_of(*annotation_sets: str) -> tuple[str, ...]:
    return read_aecg(aecg(series(sequence_set(rows(counts(12))), after="".join(annotation_sets)))).statements


@settings(max_examples=40, deadline=None)
@given(
    signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 60))),
    order=st.permutations(TWELVE_LEADS),
    separator=st.sampled_from([" ", "\n", "\t ", "\r\n        "]),
    margin=st.sampled_from(["", " ", "\n\t"]),
)
def test_round_trip_in_any_lead_order(signal, order, separator, margin):
    digits_of = {code: margin + digits + margin for code, digits in rows(signal, tuple(order), separator).items()}
    recording = read_aecg(aecg(series(sequence_set(digits_of))))
    assert recording.leads == tuple(order)
    assert recording.samples.dtype == np.int16
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, 0.0025, rtol=1e-12)
    assert recording.offset_mv is None
    assert recording.sampling_rate_hz == 500


def test_fields_of_a_plain_file():
    author = (
        "<author><seriesAuthor><manufacturedSeriesDevice><id extension='SN-4711'/>"
        "<manufacturerModelName>ELI250</manufacturerModelName></manufacturedSeriesDevice>"
        "<manufacturerOrganization><name>Mortara Instrument, Inc.</name></manufacturerOrganization>"
        "</seriesAuthor></author>"
    )
    recording = read_aecg(aecg(series(sequence_set(rows(counts(12))), before=author)))
    assert recording.format == "hl7_aecg"
    assert recording.leads == TWELVE_LEADS
    assert recording.units == "2.5 uV/LSB"
    assert recording.device == "Mortara Instrument, Inc. ELI250"
    assert recording.statements == ()
    assert not recording.deepecg_reads
    assert "4711" not in repr(recording)


@pytest.mark.parametrize(
    "namespace",
    [NAMESPACE, NAMESPACE.replace("urn:hl7-org:v3", "urn:other"), NAMESPACE.replace(' xmlns="urn:hl7-org:v3"', "")],
)
def test_any_namespace_or_none(namespace):
    signal = counts(12)
    content = aecg(series(sequence_set(rows(signal))), namespace=namespace)
    np.testing.assert_array_equal(read_aecg(content).samples, signal)


def test_prefixed_elements():
    signal = counts(12)
    content = plain(signal).decode().replace('xmlns="', 'xmlns:hl7="').replace("</", "<|").replace("<?", "?")
    content = content.replace("<!", "!").replace("<|", "</hl7:")
    prefixed = "".join(f"<hl7:{part}" if part[0].isalpha() else f"<{part}" for part in content.split("<")[1:])
    np.testing.assert_array_equal(read_aecg(prefixed.encode()).samples, signal)


@pytest.mark.parametrize(
    ("scale", "origin", "gain_mv", "offset_mv", "units"),
    [
        ('value="2.5" unit="uV"', 'value="0" unit="uV"', 2.5e-3, None, "2.5 uV/LSB"),
        ('value="2.5" unit="&#xb5;V"', "", 2.5e-3, None, "2.5 \u00b5V/LSB"),
        ('value="2.5" unit="&#x3bc;V"', "", 2.5e-3, None, "2.5 \u03bcV/LSB"),
        ('value="0.005" unit="mV"', 'value="-1.5" unit="mV"', 5e-3, -1.5, "0.005 mV/LSB from -1.5 mV"),
        ('value="1000" unit="nV"', 'value="250" unit="uV"', 1e-3, 0.25, "1000 nV/LSB from 250 uV"),
        ('value="5E-6" unit="V"', 'value="3"', 5e-3, 3000.0, "5e-06 V/LSB from 3 V"),
    ],
)
def test_scale_and_origin_as_declared(scale, origin, gain_mv, offset_mv, units):
    signal = counts(12)
    recording = read_aecg(plain(signal, scale=scale, origin=origin or 'value="0"'))
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, gain_mv, rtol=1e-12)
    if offset_mv is None:
        assert recording.offset_mv is None
    else:
        np.testing.assert_allclose(recording.offset_mv, offset_mv, rtol=1e-12)
    assert recording.units == units
    expected_mv = signal * gain_mv + (offset_mv or 0)
    np.testing.assert_allclose(twelve_leads(recording), expected_mv, rtol=1e-5, atol=1e-6)


def test_each_lead_has_its_own_scale():
    signal = counts(2)
    first, second = rows(signal, ("I", "II")).items()
    leads = lead_sequence(*first) + lead_sequence(*second, scale='value="0.01" unit="mV"')
    recording = read_aecg(aecg(series(sequence_set({}, time_sequence() + leads))))
    np.testing.assert_allclose(recording.gain_mv, [0.0025, 0.01], rtol=1e-12)
    assert recording.units == "2.5 uV/LSB, 0.01 mV/LSB"


@pytest.mark.parametrize(
    ("increment", "rate_hz"),
    [
        ('value="0.002" unit="s"', 500.0),
        ('value="0.001" unit="s"', 1000.0),
        ('value="2" unit="ms"', 500.0),
        ('value="2000" unit="us"', 500.0),
        ('value="1.953125" unit="ms"', 512.0),
        ('value="4E-3" unit="s"', 250.0),
        ('value="0.00390625" unit="s"', 256.0),
        ('value="3.3333333" unit="ms"', 1e10 / 33333333),
    ],
)
def test_rate_is_the_inverse_of_the_increment_exactly(increment, rate_hz):
    assert read_aecg(plain(time=time_sequence(increment))).sampling_rate_hz == rate_hz


@given(rate_hz=st.integers(10, 5000).filter(lambda rate: 10**9 % rate == 0))
@settings(max_examples=40, deadline=None)
def test_whole_rates_have_no_float_noise(rate_hz):
    increment = f'value="{10**9 // rate_hz / 10**9:.9f}" unit="s"'
    assert read_aecg(plain(time=time_sequence(increment))).sampling_rate_hz == rate_hz


def test_relative_time():
    time = time_sequence('value="4" unit="ms"', code="TIME_RELATIVE", kind="GLIST_PQ")
    assert read_aecg(plain(time=time)).sampling_rate_hz == 250


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("", "0 different sampling rates"),
        (time_sequence() + time_sequence('value="0.004" unit="s"'), "2 different sampling rates"),
        (time_sequence('value="0.002"'), "unit of increment is unknown or absent"),
        (time_sequence('value="0.002" unit="Mustermann"'), "unit of increment is unknown or absent"),
        (time_sequence('unit="s"'), "increment is absent"),
        (time_sequence('value="0" unit="s"'), "increment is not a positive number"),
        (time_sequence('value="-0.002" unit="s"'), "increment is not a positive number"),
        (time_sequence('value="nan" unit="s"'), "increment is not a positive number"),
        (time_sequence('value="inf" unit="s"'), "increment is not a positive number"),
        (time_sequence('value="Mustermann" unit="s"'), "increment is not a positive number"),
        (time_sequence('value="1e-320" unit="us"'), "increment gives inf Hz"),
        (time_sequence('value="2" unit="s"'), "increment gives 0.5 Hz"),
    ],
)
def test_broken_time_axis(time, message):
    with pytest.raises(UnreadableFile, match=message) as raised:
        read_aecg(plain(time=time))
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize(
    ("quantities", "message"),
    [
        ({"scale": ""}, "lead I: scale is not a number or absent"),
        ({"scale": 'value="Mustermann" unit="uV"'}, "lead I: scale is not a number or absent"),
        ({"scale": 'value="nan" unit="uV"'}, "lead I: scale is not a number or absent"),
        ({"scale": 'value="inf" unit="uV"'}, "lead I: scale is not a number or absent"),
        ({"scale": 'value="0" unit="uV"'}, "lead I: scale is not above 0"),
        ({"scale": 'value="-2.5" unit="uV"'}, "lead I: scale is not above 0"),
        ({"scale": 'value="1e-320" unit="nV"'}, "lead I: scale is not above 0"),
        ({"scale": 'value="2.5"'}, "lead I: the unit of scale is unknown or absent"),
        ({"scale": 'value="2.5" unit="MV"'}, "lead I: the unit of scale is unknown or absent"),
        ({"scale": 'value="2.5" unit="Mustermann"'}, "lead I: the unit of scale is unknown or absent"),
        ({"origin": 'value="x" unit="uV"'}, "lead I: origin is not a number or absent"),
        ({"origin": 'value="0" unit="mmHg"'}, "lead I: the unit of origin is unknown"),
    ],
)
def test_broken_scale_or_origin_names_the_lead(quantities, message):
    with pytest.raises(UnreadableFile, match=message) as raised:
        read_aecg(plain(**quantities))
    assert "Mustermann" not in str(raised.value)


def with_digits(lead: str, digits: str) -> bytes:
    return aecg(series(sequence_set(rows(counts(12, 3)) | {lead_code(lead): digits})))


@pytest.mark.parametrize(
    "digits",
    [
        "1 2 x",
        "1,2,3",
        "1 - 3",
        "1 2 -",
        "- 1 2",
        "1 --2 3",
        "1-2 3",
        "1 +-2 3",
        "1_0 2 3",
        "0x1 2 3",
        "1 2 nan",
        "1 . 2",
    ]
    + ["1 2 3 Mustermann", "1;2;3", "1 2 \u0663", "1.2.3 4 5", "1e 2 3", "1 2 inf", "1 2 3-", "1. 2. 3.e"],
)
def test_junk_among_the_digits_is_unreadable_and_never_a_number(digits):
    with pytest.raises(UnreadableFile, match="lead V2: digits are not all numbers") as raised:
        read_aecg(with_digits("V2", digits))
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize(
    ("digits", "expected", "dtype"),
    [
        ("-0 007 -12", [0, 7, -12], np.int16),
        ("32767 -32768 0", [32767, -32768, 0], np.int16),
        ("32768 1 2", [32768, 1, 2], np.int32),
        ("2147483647 -2147483648 0", [2147483647, -2147483648, 0], np.int32),
        ("2147483648 1 2", [2147483648, 1, 2], np.float32),
        ("999999999999999999 1 2", [999999999999999999, 1, 2], np.float32),
        ("99999999999999999999 -1 2", [99999999999999999999, -1, 2], np.float32),
        ("1.5 -2 .25", [1.5, -2, 0.25], np.float32),
        ("+1 2e1 -3.E-1", [1, 20, -0.3], np.float32),
    ],
)
def test_samples_take_the_narrowest_type_that_holds_them(digits, expected, dtype):
    samples = read_aecg(with_digits("V2", digits)).samples
    assert samples.dtype == dtype
    np.testing.assert_allclose(samples[TWELVE_LEADS.index("V2")], np.array(expected, dtype=np.float64), rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(st.integers(-(10**18) + 1, 10**18 - 1), min_size=1, max_size=30))
def test_whole_numbers_of_any_length(numbers):
    samples = read_aecg(aecg(series(sequence_set({"MDC_ECG_LEAD_I": " ".join(map(str, numbers))})))).samples
    if samples.dtype == np.float32:
        np.testing.assert_array_equal(samples[0], np.array(numbers, dtype=np.int64).astype(np.float32))
    else:
        assert samples[0].tolist() == numbers


def test_comments_within_the_digits_cut_nothing_off():
    np.testing.assert_array_equal(
        read_aecg(with_digits("V2", "1 <!-- here and --> -2 <?there it goes?>3")).samples[7], [1, -2, 3]
    )


def test_leads_of_unequal_length_and_without_samples():
    with pytest.raises(UnreadableFile, match=r"lead V2 \(2\) is shorter"):
        read_aecg(with_digits("V2", "1 2"))
    with pytest.raises(UnreadableFile, match=r"lead V2 \(0\) is shorter"):
        read_aecg(with_digits("V2", "  "))
    with pytest.raises(UnreadableFile, match="no samples"):
        read_aecg(aecg(series(sequence_set({"MDC_ECG_LEAD_I": ""}))))


def test_lead_codes_in_any_case_and_other_leads_left_out():
    codes = ("mdc_ecg_lead_i", "MDC_ECG_LEAD_aVR", "MDC_ECG_LEAD_AVRneg", "MDC_ECG_LEAD_V3R", "MORTARA_ECG_LEAD_TEA")
    signal = counts(5)
    digits_of = {code: " ".join(map(str, row)) for code, row in zip(codes, signal, strict=True)}
    recording = read_aecg(aecg(series(sequence_set(digits_of))))
    assert recording.leads == ("I", "aVR")
    np.testing.assert_array_equal(recording.samples, signal[:2])


def test_calculated_limb_leads_stand_in_and_reconstructed_leads_do_not():
    signal = counts(5)
    codes = ("MDC_ECG_LEAD_daVR", "MDC_ECG_LEAD_dIII", "MDC_ECG_LEAD_III", "MDC_ECG_LEAD_dI", "MDC_ECG_LEAD_dV1")
    digits_of = {code: " ".join(map(str, row)) for code, row in zip(codes, signal, strict=True)}
    recording = read_aecg(aecg(series(sequence_set(digits_of))))
    assert recording.leads == ("III", "aVR")
    np.testing.assert_array_equal(recording.samples, signal[[2, 0]])


def test_no_standard_lead_and_a_lead_twice():
    with pytest.raises(LeadMissing, match="none of the 12 standard leads"):
        read_aecg(aecg(series(sequence_set({"MDC_ECG_LEAD_X": "1 2"}))))
    with pytest.raises(UnreadableFile, match="lead aVL occurs twice"):
        read_aecg(aecg(series(sequence_set({"MDC_ECG_LEAD_AVL": "1 2", "MDC_ECG_LEAD_aVL": "1 2"}))))


def test_rhythm_is_read_and_not_the_representative_beat():
    rhythm, beat = counts(12, 40), counts(12, 90, seed=1)
    derived = sequence_set(rows(beat))
    derivation = f'<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>{derived}</derivedSeries></derivation>'
    beat_series = series(sequence_set(rows(beat)), code="REPRESENTATIVE_BEAT")
    within = aecg(series(sequence_set(rows(rhythm)), after=derivation))
    beside = aecg(beat_series, series(sequence_set(rows(rhythm))))
    uncoded = aecg(beat_series, series(sequence_set(rows(rhythm)), code=None))
    for content in (within, beside, uncoded):
        np.testing.assert_array_equal(read_aecg(content).samples, rhythm)
    with pytest.raises(UnreadableFile, match="none of 1 series is of code RHYTHM"):
        read_aecg(aecg(beat_series))
    with pytest.raises(UnreadableFile, match="none of 0 series"):
        read_aecg(aecg())
    with pytest.raises(UnreadableFile, match="no sequenceSet"):
        read_aecg(aecg(series()))


def test_of_several_sequence_sets_the_longest_with_twelve_leads_is_read():
    short, long, later = counts(12, 20), counts(12, 50, seed=1), counts(12, 50, seed=2)
    one_lead = sequence_set({"MDC_ECG_LEAD_II": "1 " * 200})
    sets = (sequence_set(rows(short)), one_lead, sequence_set(rows(long)), sequence_set(rows(later)))
    np.testing.assert_array_equal(read_aecg(aecg(series(*sets))).samples, long)
    np.testing.assert_array_equal(read_aecg(aecg(*map(series, sets))).samples, long)
    # 20 samples at 100 Hz last longer than 50 at 500 Hz.
    slow = sequence_set(rows(short), time_sequence('value="10" unit="ms"'))
    np.testing.assert_array_equal(read_aecg(aecg(series(sets[2], slow))).samples, short)


def test_leads_recorded_one_after_another_are_no_twelve_lead_recording():
    signal = counts(12)
    quarters = [sequence_set(rows(signal[at : at + 3], TWELVE_LEADS[at : at + 3])) for at in range(0, 12, 3)]
    with pytest.raises(LeadMissing, match="spread over 4 sequence sets"):
        read_aecg(aecg(series(*quarters)))
    fewer = read_aecg(aecg(series(quarters[1], sequence_set(rows(signal[:4], TWELVE_LEADS[:4])))))
    assert fewer.leads == TWELVE_LEADS[:4]


def test_statements_are_interpretation_statements_and_summary():
    interpretation = annotation(
        "MDC_ECG_INTERPRETATION",
        inner=annotation("MDC_ECG_INTERPRETATION_STATEMENT", "  Sinus\trhythm ")
        + annotation("MDC_ECG_INTERPRETATION_STATEMENT", "Left axis deviation")
        + annotation("MDC_ECG_INTERPRETATION_STATEMENT", "Sinus rhythm")
        + annotation("MDC_ECG_INTERPRETATION_COMMENT", "seen by MUSTERMANN")
        + annotation("MDC_ECG_INTERPRETATION_SUMMARY", "Abnormal ECG"),
    )
    rhythm = annotation("MDC_ECG_RHY", "Another rhythm")
    expected = ("Sinus rhythm", "Left axis deviation", "Abnormal ECG")
    assert statements_of(annotation_set(rhythm, interpretation)) == expected
    derivation = f"<derivation><derivedSeries>{annotation_set(interpretation)}</derivedSeries></derivation>"
    assert statements_of(annotation_set(rhythm), derivation) == expected
    assert statements_of(annotation_set(annotation("MDC_ECG_INTERPRETATION", "Normal ECG"))) == ("Normal ECG",)
    coded = (
        '<component><annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT"/><value displayName="AF"/></annotation>'
    )
    assert statements_of(annotation_set(f"{coded}</component>")) == ("AF",)


def test_a_machine_s_statements_go_before_a_person_s():
    machine = annotation_set(annotation("MDC_ECG_INTERPRETATION_STATEMENT", "Sinus rhythm"))
    person = annotation_set(annotation("MDC_ECG_INTERPRETATION_STATEMENT", "Atrial fibrillation"), author=PERSON)
    assert statements_of(person, machine) == ("Sinus rhythm",)
    assert statements_of(person) == ("Atrial fibrillation",)


def test_no_identity_leaves_the_file():
    planted = ("MUSTERMANN", "PID-4711", "19530508", "Hauptstrasse 7", "Dr. House")
    subject = (
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        '<id root="1.2" extension="PID-4711"/><subjectDemographicPerson><name>MUSTERMANN</name>'
        '<addr>Hauptstrasse 7</addr><birthTime value="19530508"/></subjectDemographicPerson></trialSubject></subject>'
        "</subjectAssignment></componentOf></timepointEvent></componentOf>"
        "<pertainsTo><subjectFindingComment><text>MUSTERMANN felt dizzy</text></subjectFindingComment></pertainsTo>"
    )
    performer = "<secondaryPerformer><seriesPerformer><id extension='PID-4711'/><assignedPerson><name>Dr. House</name>"
    performer += "</assignedPerson></seriesPerformer></secondaryPerformer>"
    interpretation = annotation_set(
        annotation("MDC_ECG_INTERPRETATION_STATEMENT", "Normal ECG\nConfirmed by Dr. House"),
        annotation("MDC_ECG_INTERPRETATION_COMMENT", "MUSTERMANN, Hauptstrasse 7"),
    )
    one = series(sequence_set(rows(counts(12))), before=performer, after=interpretation)
    content = aecg(one, before=subject)
    recording = read_aecg(content)
    assert recording.statements == ("Normal ECG",)
    assert not any(name in repr(recording) for name in planted)
    for broken in (
        content.replace(b"RHYTHM", b"MUSTERMANN"),
        content.replace(b'unit="s"', b'unit="PID-4711"'),
        content.replace(b'value="2.5" unit="uV"', b'value="19530508" unit="MUSTERMANN"'),
        content.replace(b"<digits>", b"<digits>MUSTERMANN ", 1),
        content.replace(b"MDC_ECG_LEAD_V1", b"MUSTERMANN").replace(b"MDC_ECG_LEAD_", b"MUSTERMANN_"),
        content.replace(b"</series>", b"</MUSTERMANN>"),
    ):
        with pytest.raises(SignalError) as raised:
            read_aecg(broken)
        assert not any(name in str(raised.value) for name in planted)


def test_entities_are_refused():
    subset = b'<!DOCTYPE AnnotatedECG [<!ENTITY a "1 2 3">]><AnnotatedECG'
    content = with_digits("V2", "&a;").replace(b"<AnnotatedECG", subset)
    with pytest.raises(UnreadableFile, match="entities"):
        read_aecg(content)


def outcome_of(content: bytes) -> Recording | SignalError:
    try:
        return read_aecg(content)
    except SignalError as error:
        return error


INTACT = aecg(
    series(
        sequence_set(rows(counts(12, 8)), origin='value="-3" unit="mV"'),
        after=annotation_set(annotation("MDC_ECG_INTERPRETATION_STATEMENT", "Normal ECG")),
    )
)


@pytest.mark.parametrize("kept", range(0, len(INTACT), 41))
def test_a_truncated_file_is_unreadable(kept):
    assert isinstance(outcome_of(INTACT[:kept]), UnreadableFile)


@settings(max_examples=150, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, len(INTACT) - 1), st.integers(0, 255)), max_size=5),
    cut=st.tuples(st.integers(0, len(INTACT)), st.integers(0, 200)),
    spliced=st.sampled_from([b"", b"-", b"9" * 400, b" nan ", b"1e999 ", b"<a>" * 300, b"\0", b"\xff\xfe", b"&#0;"]),
)
def test_damage_only_raises_signal_errors(flips, cut, spliced):
    damaged = bytearray(INTACT)
    for position, value in flips:
        damaged[position] = value
    start, length = cut
    damaged[start : start + length] = spliced
    outcome = outcome_of(bytes(damaged))
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
        assert outcome.status in ("unreadable", "lead_missing")
    else:
        lead_count, sample_count = outcome.samples.shape
        assert lead_count == len(outcome.leads) == len(set(outcome.leads)) == len(outcome.gain_mv)
        assert sample_count > 0
        assert np.isfinite(outcome.gain_mv).all()
        assert (outcome.gain_mv > 0).all()
        assert 10 <= outcome.sampling_rate_hz <= 100_000
        assert outcome.samples.dtype in (np.int16, np.int32, np.float32)
