"""ISHNE Holter files against files written here from the standard's table of the header."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import LeadMissing, SignalError, UnreadableFile
from twelvelead.formats.ishne import read_ishne
from unit.ishne_files import crc_ccitt, ishne
from unit.vendor_files import TWELVE_LEADS, counts

CODES = {lead: number for number, lead in enumerate(TWELVE_LEADS, 5)}
PLANTED = ("Erika", "Mustermann", "MRN-4711", "1951", "SN-0042", "Brinkmann", "St. Elsewhere")


def outcome_of(content: bytes):
    try:
        return read_ishne(content)
    except SignalError as error:
        return error


def test_the_header_has_the_size_of_the_standard():
    assert ishne(counts(3)).index(b"Ordered by") == 522
    assert crc_ccitt(b"123456789") == 0x29B1  # the check value of CRC-16/CCITT-FALSE


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(TWELVE_LEADS),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 30)),
    together=st.booleans(),
    seed=st.integers(0, 99),
)
def test_round_trip(order, shape, together, seed):
    generator = np.random.default_rng(seed)
    signal = generator.integers(-(2**15), 2**15, shape).astype(np.int16)
    resolutions = generator.integers(1, 2**15, shape[0]).tolist()
    leads = order[: shape[0]]
    sample_count = signal.size if together else shape[1]
    recording = read_ishne(ishne(signal, [CODES[lead] for lead in leads], resolutions, sample_count=sample_count))
    assert recording.leads == tuple(leads)
    assert recording.samples.dtype == np.int16
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, np.array(resolutions) * 1e-6, rtol=1e-12)


def test_fields():
    recording = read_ishne(ishne(counts(12), rate=1000))
    assert recording.format == "ishne"
    assert recording.leads == TWELVE_LEADS
    assert recording.sampling_rate_hz == 1000
    assert recording.units == "2500 nV/LSB"
    assert recording.offset_mv is None
    assert recording.statements == ()
    assert recording.device == ""


def test_other_leads_are_left_out():
    signal = counts(5)
    recording = read_ishne(ishne(signal, [1, 6, 17, 11, 4], [0, 1000, 0, 5000, 0]))
    assert recording.leads == ("II", "V1")
    np.testing.assert_array_equal(recording.samples, signal[[1, 3]])
    assert recording.units == "1000 nV/LSB, 5000 nV/LSB"
    with pytest.raises(LeadMissing, match="none of the 12 standard leads"):
        read_ishne(ishne(counts(3), [0, 1, 2]))


def test_a_long_recording_is_not_copied():
    content = ishne(np.zeros((12, 500_000), dtype=np.int16))
    tracemalloc.start()
    try:
        recording = read_ishne(content)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert recording.duration_s == 2500
    assert np.shares_memory(recording.samples, np.frombuffer(content, np.uint8))


def test_a_header_without_a_checksum_is_taken_as_it_is():
    np.testing.assert_array_equal(read_ishne(ishne(counts(12), checksum=0)).samples, counts(12))


def test_a_header_that_was_changed_is_not_believed():
    content = ishne(counts(12))
    for renamed in (content.replace(b"Erika", b"Anon "), content.replace(b"Dr. Brinkmann", b"Dr. Anonymous")):
        with pytest.raises(UnreadableFile, match="checksum of the ISHNE header does not fit .* names out; .* to 0"):
            read_ishne(renamed)
    without_names = bytearray(content.replace(b"Erika", b"Anon "))
    without_names[8:10] = b"\0\0"
    np.testing.assert_array_equal(read_ishne(bytes(without_names)).samples, counts(12))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ishne(counts(12))[:521], "521 bytes, its header alone has 522; it is truncated"),
        (ishne(counts(12))[:540], "the ECG starts outside the file"),
        (ishne(counts(12), ecg_at=-1), "the ECG starts outside the file"),
        (ishne(counts(12), ecg_at=2**31 - 1), "the ECG starts outside the file"),
        (ishne(counts(12), checksum=0)[:-2], "holds 479 samples of 12 leads, its header says 40; copy it again"),
        (ishne(counts(12), sample_count=2**31 - 1), "its header says 2147483647"),
        (ishne(counts(12), sample_count=0), "its header says 0"),
        (ishne(counts(12), sample_count=-40), "its header says -40"),
        (ishne(counts(12), sample_count=39), "its header says 39"),
        (ishne(counts(12)[:, :0], sample_count=0), "holds 0 samples"),
        (ishne(counts(12), lead_count=0), "header of 0 leads"),
        (ishne(counts(12), lead_count=13), "header of 13 leads"),
        (ishne(counts(12), lead_count=-1), "header of -1 leads"),
        (ishne(counts(12), lead_count=7, sample_count=480), "holds 480 samples of 7 leads"),
        (ishne(counts(3), [5, 6, 5]), "lead I occurs twice"),
        (ishne(counts(3), resolutions=[2500, 0, 2500]), "lead II: amplitude resolution is 0 nV"),
        (ishne(counts(3), resolutions=[2500, -9, 2500]), "lead II: amplitude resolution is -9 nV"),
        (ishne(counts(12), rate=0), "the ISHNE header gives 0 Hz"),
        (ishne(counts(12), rate=-200), "the ISHNE header gives -200 Hz"),
    ],
)
def test_broken_files_are_named(content, message):
    with pytest.raises(UnreadableFile, match=message) as raised:
        read_ishne(content)
    assert "\n" not in str(raised.value)


def test_nobody_is_named():
    content = ishne(counts(12))
    texts = [repr(read_ishne(content)), *(str(outcome_of(content[:kept])) for kept in range(0, len(content), 7))]
    texts += [str(outcome_of(content[:at] + b"\xff\x7f" + content[at + 2 :])) for at in range(10, 522, 2)]
    for name in PLANTED:
        assert not any(name in text for text in texts)


def test_truncated_at_every_place():
    content = ishne(counts(3, 10))
    assert read_ishne(content).samples.shape == (3, 10)
    for kept in range(len(content)):
        assert isinstance(outcome_of(content[:kept]), SignalError)


@settings(max_examples=200, deadline=None)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.floats(0.5, 1),
    fits=st.booleans(),
)
def test_damage_only_raises_signal_errors(flips, kept, fits):
    damaged = bytearray(ishne(counts(12)))
    for where, value in flips:
        damaged[int(where * (len(damaged) - 1))] = value
    if not fits:
        damaged[8:10] = b"\0\0"  # or else the checksum finds most of it
    outcome = outcome_of(bytes(damaged[: int(kept * len(damaged)) if kept > 0.75 else len(damaged)]))
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
    else:
        assert outcome.samples.shape[0] == len(outcome.leads) == len(outcome.gain_mv)
        assert outcome.samples.size > 0
        assert (outcome.gain_mv > 0).all()
