"""SCP-ECG against files made here from the standard, its own worked example and damaged copies of both."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import Recording
from twelvelead.errors import LeadMissing, SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats.scp import read_scp
from twelvelead.formats.scp_huffman import decode, default_codebook, undo_differences
from unit.scp_files import (
    PLANTED,
    TWELVE_CODES,
    TWO_TABLES,
    Scp,
    beat_section,
    coded,
    coded_in_two_tables,
    crc,
    decimate,
    decimated,
    device_tag,
    lead_section,
    patient_section,
    plain,
    record,
    scp_file,
    signal_section,
    statement_section,
    table_section,
    without_reference_beat,
)

LEADS = tuple(TWELVE_CODES)
RNG = np.random.default_rng(20240229)


def waves(leads: int = 12, samples: int = 200) -> np.ndarray:
    time = np.arange(samples) / 50
    slow = 300 * np.sin(time[None, :] + np.arange(leads)[:, None])
    return np.rint(slow + RNG.normal(0, 5, (leads, samples))).astype(np.int16)


WAVES = waves()


def bodies(scp: Scp) -> dict[int, bytes]:
    """The sections of a file with the default table, to be changed one by one."""
    return {
        1: patient_section(device_tag()),
        2: struct.pack("<H", 19999),
        3: lead_section(scp),
        6: signal_section(5000, 2000, 2, 0, tuple(coded(lead, 2) for lead in scp.signal)),
        8: statement_section([b"Sinus rhythm\0"]),
    }


def test_worked_example_of_the_standard():
    # Annex C of prEN 1064: second differences of 28 samples in the default table, as corrected in PixelMed's decoder.
    stored = bytes.fromhex("FF837FE0E6F1536559B65B964B9600")
    values, left_over = decode(stored, 28, default_codebook())
    samples = [
        13,
        14,
        15,
        14,
        16,
        18,
        19,
        20,
        22,
        22,
        23,
        23,
        23,
        22,
        22,
        20,
        17,
        15,
        12,
        8,
        6,
        3,
        1,
        0,
        -2,
        -2,
        -3,
        -3,
    ]
    assert undo_differences(values, 2).tolist() == samples
    assert left_over < 8


@settings(max_examples=60, deadline=None)
@given(
    signal=hnp.arrays(np.int16, st.tuples(st.just(12), st.integers(1, 60))),
    difference=st.integers(0, 2),
    has_table=st.booleans(),
    first=st.integers(1, 5000),
    unit_nv=st.integers(1, 65535),
    interval_us=st.integers(200, 20000),
    order=st.permutations(LEADS),
)
def test_round_trip(signal, difference, has_table, first, unit_nv, interval_us, order):
    tables = struct.pack("<H", 19999) if has_table else None
    codes = tuple(TWELVE_CODES[lead] for lead in order)
    recording = read_scp(scp_file(Scp(signal, codes, unit_nv, interval_us, difference, first, tables)))
    assert recording.leads == tuple(order)
    np.testing.assert_array_equal(recording.samples, signal)
    np.testing.assert_allclose(recording.gain_mv, unit_nv * 1e-6, rtol=1e-12)
    assert recording.sampling_rate_hz == pytest.approx(1e6 / interval_us)


def test_fields_of_a_plain_file():
    recording = read_scp(scp_file(Scp(waves(), unit_nv=2500, device=device_tag())))
    assert recording.format == "scp"
    assert recording.samples.dtype == np.int16
    assert recording.units == "2.5 uV/LSB"
    assert recording.sampling_rate_hz == 500
    assert recording.offset_mv is None
    assert recording.device == "Mortara ELI250"
    assert recording.statements == ()


@settings(max_examples=40, deadline=None)
@given(
    signal=hnp.arrays(np.int16, st.tuples(st.just(3), st.integers(1, 50)), elements=st.integers(-1, 1)),
    seed=st.integers(0, 99),
)
def test_own_tables_that_switch(signal, seed):
    rng = np.random.default_rng(seed)
    large = rng.random(signal.shape) < 0.3
    signal = np.where(large, rng.choice([300, -2048, 2047, 5, 20000, -32768], signal.shape), signal).astype(np.int16)
    stored = tuple(coded_in_two_tables(lead) for lead in signal)
    scp = Scp(signal, codes=(1, 2, 3), difference=0, tables=table_section(TWO_TABLES), stored=stored)
    np.testing.assert_array_equal(read_scp(scp_file(scp)).samples, signal)


def test_no_table_means_plain_integers():
    signal = waves()
    scp = Scp(signal, tables=struct.pack("<H", 0), difference=1, stored=tuple(plain(lead, 1) for lead in signal))
    np.testing.assert_array_equal(read_scp(scp_file(scp)).samples, signal)


def test_other_leads_are_passed_over():
    signal = waves(4)
    recording = read_scp(scp_file(Scp(signal, codes=(16, 2, 65, 3))))
    assert recording.leads == ("II", "V1")
    np.testing.assert_array_equal(recording.samples, signal[[1, 3]])


def test_leads_that_cannot_be_used():
    signal = waves(2)
    with pytest.raises(LeadMissing):
        read_scp(scp_file(Scp(signal, codes=(16, 17))))
    with pytest.raises(UnreadableFile, match="lead II occurs twice"):
        read_scp(scp_file(Scp(signal, codes=(2, 2))))
    two_times = struct.pack("<BB", 2, 0x08) + struct.pack("<IIB", 1, 200, 1) + struct.pack("<IIB", 201, 400, 2)
    with pytest.raises(UnsupportedFormat, match="lead II has samples 201 to 400, lead I 1 to 200"):
        read_scp(scp_file(Scp(signal, codes=(1, 2), extra_sections=((3, two_times),))))


BEAT = np.rint(100 * np.hanning(40)[None, :] * np.linspace(0.5, 2, 12)[:, None]).astype(int)
# (type, first, fiducial, last): within the beat, of another type, beyond the beat's both ends, across the record's ends
BEATS = [(0, 5, 20, 35), (1, 50, 60, 70), (0, 60, 90, 130), (0, 150, 170, 190), (0, 195, 210, 230)]


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize(("first", "unit_nv"), [(1, 5000), (1, 1000), (3, 2500)])
def test_reference_beat_is_added_again(first, unit_nv, has_table):
    tables = struct.pack("<H", 19999) if has_table else None
    scp = Scp(waves(), unit_nv=unit_nv, first=first, tables=tables)
    recording = read_scp(scp_file(without_reference_beat(scp, BEAT, 21, BEATS, 5000)))
    np.testing.assert_array_equal(recording.samples, scp.signal)
    np.testing.assert_allclose(recording.gain_mv, unit_nv * 1e-6)


def test_finer_unit_of_the_reference_beat_becomes_the_unit():
    scp = without_reference_beat(Scp(np.zeros((12, 60), dtype=int), unit_nv=5000), BEAT, 21, [(0, 11, 31, 50)], 5000)
    beat = signal_section(2000, 2000, 1, 0, tuple(coded(lead, 1) for lead in BEAT))
    recording = read_scp(scp_file(replace(scp, extra_sections=(scp.extra_sections[0], (5, beat)))))
    np.testing.assert_allclose(recording.gain_mv, 1e-3)
    # A residual of minus the beat at 5 uV, and the beat at 2 uV.
    np.testing.assert_array_equal(recording.samples[:, 10:50], BEAT * (2 - 5))


def test_beats_that_overlap_endlessly_are_refused():
    scp = Scp(np.zeros((12, 60), dtype=int))
    with pytest.raises(UnreadableFile, match="beats of section 4 overlap"):
        read_scp(scp_file(without_reference_beat(scp, BEAT, 21, [(0, 1, 21, 60)] * 100, 5000)))
    without_length = beat_section(1, 1, [(0, 1, 1, 60)], [(0, 0)])
    scp = without_reference_beat(scp, BEAT, 21, BEATS, 5000)
    with pytest.raises(UnreadableFile, match="reference beat of 1 ms"):
        read_scp(scp_file(replace(scp, extra_sections=((4, without_length), scp.extra_sections[1]))))


def interpolated(stored: list[int], first: int, count: int, protected: list[tuple[int, int]], factor: int) -> list[int]:
    """What `decimate` left, sample by sample: half a group held at both ends of a stretch and lines in between."""
    is_protected = [any(start <= n <= end for start, end in protected) for n in range(first, first + count)]
    signal: list[float] = []
    while len(signal) < count:
        kind = is_protected[len(signal)]
        length = next((n for n in range(count - len(signal)) if is_protected[len(signal) + n] != kind), None)
        length = count - len(signal) if length is None else length
        groups = 0 if kind else length // factor
        means, stored = stored[:groups], stored[groups:]
        if means:
            signal += [means[0]] * (factor // 2)
            for left, right in zip(means[:-1], means[1:], strict=True):
                signal += [left + (right - left) * step / factor for step in range(factor)]
            signal += [means[-1]] * (factor - factor // 2)
        rest = length - groups * factor
        signal, stored = signal + stored[:rest], stored[rest:]
    return [round(value) for value in signal]


@settings(max_examples=60, deadline=None)
@given(
    edges=st.lists(st.integers(1, 160), unique=True, max_size=8).filter(lambda edges: len(edges) % 2 == 0),
    factor=st.sampled_from([2, 4]),
    first=st.sampled_from([1, 9]),
    has_table=st.booleans(),
)
def test_bimodal_compression(edges, factor, first, has_table):
    edges = sorted(edges)
    protected = [(start, end - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    tables = struct.pack("<H", 19999) if has_table else None
    scp = Scp(waves(2, 150), codes=(1, 2), first=first, tables=tables)
    recording = read_scp(scp_file(decimated(scp, protected, factor)))
    assert recording.sampling_rate_hz == 500
    expected = [
        interpolated(decimate(lead, first, protected, factor), first, 150, protected, factor) for lead in scp.signal
    ]
    np.testing.assert_array_equal(recording.samples, expected)
    for start, end in protected:
        whole = slice(max(start - first, 0), max(end + 1 - first, 0))
        np.testing.assert_array_equal(recording.samples[:, whole], scp.signal[:, whole])


def test_bimodal_compression_of_what_a_reference_beat_leaves():
    protected, beats = [(21, 44), (101, 124)], [(0, 13, 33, 52), (0, 93, 113, 132)]
    scp = Scp(np.zeros((12, 160), dtype=int))
    for _, first, _, last in beats:
        scp.signal[:, first - 1 : last] += BEAT
    thin = decimated(Scp(np.zeros((12, 160), dtype=int)), protected, 4)
    sections = (
        (4, beat_section(80, 21, beats, protected)),
        (5, signal_section(5000, 2000, 1, 0, tuple(coded(lead, 1) for lead in BEAT))),
    )
    recording = read_scp(scp_file(replace(thin, flags=0x65, extra_sections=sections)))
    np.testing.assert_array_equal(recording.samples, scp.signal)
    assert recording.sampling_rate_hz == 500


def test_compressions_that_do_not_fit_together_are_refused():
    scp = decimated(Scp(waves(2, 160), codes=(1, 2)), [(41, 60)], 4)
    with pytest.raises(UnreadableFile, match="a lead stores more samples, expected 55"):
        read_scp(scp_file(replace(scp, stored=tuple(coded(lead, 2) for lead in scp.signal))))
    with pytest.raises(UnreadableFile, match="bits of a lead end at"):
        read_scp(scp_file(replace(scp, stored=tuple(lead[:20] for lead in scp.stored))))
    with pytest.raises(UnsupportedFormat, match="8000 us per sample .* of 2000 us, not bimodal"):
        read_scp(scp_file(replace(scp, bimodal=0, flags=0x65)))
    with pytest.raises(UnsupportedFormat, match="7000 us"):
        read_scp(scp_file(replace(scp, interval_us=7000)))
    with pytest.raises(UnreadableFile, match="no section 5"):
        read_scp(scp_file(replace(scp, extra_sections=scp.extra_sections[:1])))
    overlapping = beat_section(8, 1, [(1, 0, 0, 0)] * 2, [(41, 60), (50, 70)])
    with pytest.raises(UnreadableFile, match="protected areas of section 4 overlap"):
        read_scp(scp_file(replace(scp, extra_sections=((4, overlapping), scp.extra_sections[1]))))
    without_areas = beat_section(8, 1, [(1, 0, 0, 0)], [])
    with pytest.raises(UnreadableFile, match="section 4 holds 20 bytes, expected at least 28"):
        read_scp(scp_file(replace(scp, extra_sections=((4, without_areas), scp.extra_sections[1]))))


def test_version_3_has_no_bimodal_byte():
    signal = waves()
    np.testing.assert_array_equal(read_scp(scp_file(Scp(signal, bimodal=1, protocol=30))).samples, signal)
    with pytest.raises(UnreadableFile, match="no section 5"):
        read_scp(scp_file(Scp(signal, bimodal=1, protocol=21)))


def place(content: bytes, number: int) -> int:
    """Where a section begins."""
    return struct.unpack_from("<I", content, 22 + 10 * number + 6)[0] - 1


def changed(content: bytes, position: int, new: bytes) -> bytes:
    return content[:position] + new + content[position + len(new) :]


def test_wrong_crc_is_unreadable_and_says_so():
    content = scp_file(Scp(waves()))
    damaged = changed(content, place(content, 6) + 100, bytes([content[place(content, 6) + 100] ^ 1]))
    with pytest.raises(UnreadableFile, match="CRC of the record and of section 6 are wrong"):
        read_scp(damaged)
    for unset in (b"\0\0", b"\xff\xff"):
        with pytest.raises(UnreadableFile, match="CRC of the record and of section 6"):
            read_scp(changed(damaged, 0, unset))


def test_blanked_patient_section_under_an_old_record_crc_is_read_without_device():
    content = scp_file(Scp(waves(), device=device_tag()))
    size = len(patient_section(device_tag()))
    blanked = changed(content, place(content, 1) + 16, bytes(size))
    recording = read_scp(blanked)
    np.testing.assert_array_equal(recording.samples, read_scp(content).samples)
    assert recording.device == ""


@pytest.mark.parametrize("unset", [b"\0\0", b"\xff\xff"])
def test_file_without_any_crc_is_read(unset):
    content = scp_file(Scp(waves()))
    without = changed(content, 0, unset)
    for number in (0, 1, 2, 3, 6):
        without = changed(without, place(content, number), unset)
    np.testing.assert_array_equal(read_scp(without).samples, read_scp(content).samples)


@pytest.mark.parametrize(
    ("language", "text", "stored"),
    [
        (0, "Sinusrhythmus", b"Sinusrhythmus\0"),
        (1, "Schenkelblock für QRS", "Schenkelblock für QRS\0".encode("latin-1")),
        (0x37, "Синусовый ритм", "Синусовый ритм\0".encode()),
        (0x07, "洞性心律", "洞性心律\0".encode("utf-16-le")),
    ],
)
def test_statements_in_their_encoding(language, text, stored):
    statements = statement_section([stored, b"\0\0", stored])
    scp = Scp(waves(), device=device_tag(language=language), extra_sections=((8, statements),))
    assert read_scp(scp_file(scp)).statements == (text,)


def test_statements_of_both_sections():
    words = statement_section([b"Sinus rhythm\0", b"Confirmed by Dr. Seltsam\0", b"Left axis  deviation"])
    coded_statements = statement_section([b"\x01NSR\0", b"\x02Low voltage\0", b"\x02Sinus rhythm\0", b"\x031AND2\0"])
    recording = read_scp(scp_file(Scp(waves(), extra_sections=((8, words), (11, coded_statements)))))
    assert recording.statements == ("Sinus rhythm", "Left axis deviation", "Low voltage")


def test_statements_cut_short_leave_the_rest():
    words = statement_section([b"Sinus rhythm\0", b"Left axis deviation"])[:-6]
    assert read_scp(scp_file(Scp(waves(), extra_sections=((8, words),)))).statements == (
        "Sinus rhythm",
        "Left axis dev",
    )
    assert read_scp(scp_file(Scp(waves(), extra_sections=((8, b"\0\0"),)))).statements == ()


@pytest.mark.parametrize(
    ("tag", "device"),
    [
        (device_tag(17, b"AT-102"), "Schiller AT-102"),
        (device_tag(255, b"ELI250", maker_text=b"ECG  Works"), "ECG Works ELI250"),
        (device_tag(255, b"ELI\0\0\0"), "ELI"),
        (device_tag(99, b"\0\x01\x02 \t\0"), ""),
        (device_tag(255)[:40], "ELI250"),
        (device_tag(8)[:20], "Mortara ELI250"),
        (device_tag(8)[:13], ""),
        (b"", ""),
    ],
)
def test_device_is_maker_and_model(tag, device):
    assert read_scp(scp_file(Scp(waves(), device=tag))).device == device


def test_planted_identity_is_nowhere():
    content = scp_file(Scp(waves(), device=device_tag(255, maker_text=b"Maker")))
    assert all(name.encode() in content for name in PLANTED)
    outputs = [repr(read_scp(content))]
    for end in range(0, len(content), 97):
        with pytest.raises(SignalError) as raised:
            read_scp(content[:end])
        outputs.append(str(raised.value))
    assert not any(name in output for name in PLANTED for output in outputs)


@pytest.mark.parametrize(
    ("number", "body", "error", "message"),
    [
        (2, b"\x01", UnreadableFile, "section 2 holds 2 bytes, expected at least 4"),
        (2, struct.pack("<H", 2), UnreadableFile, "section 2 holds 2 bytes, expected at least 4"),
        (2, struct.pack("<HH", 1, 9999), UnreadableFile, "expected at least 89995"),
        (2, struct.pack("<H", 19998), UnsupportedFormat, "declares 19998 Huffman tables"),
        (2, table_section(({"0": (1, 0, 0), "0" * 17: (1, 1, 0)},)), UnsupportedFormat, "prefix beyond 1 to 16"),
        (2, table_section(({"": (1, 0, 4)},)), UnsupportedFormat, "prefix beyond 1 to 16"),
        (2, table_section(({"0": (1, 0, 17)},)), UnsupportedFormat, "amplitude beyond 16"),
        (2, table_section(({"0": (1, 3, 8)},)), UnsupportedFormat, "both a base value and an amplitude"),
        (2, table_section(({"1": (1, 0, 0), "10": (1, 1, 0)},)), UnreadableFile, "begins with another one"),
        (2, table_section(({"1": (0, 2, 0), "0": (1, 0, 0)},)), UnreadableFile, "leads to table 2 of 1"),
        (
            2,
            table_section(({"1": (0, -1, 0), "0": (1, 0, 0)},)),
            UnreadableFile,
            "no Huffman code after sample 0 of 200",
        ),
        (2, table_section(({"0": (1, 0, 0)},)), UnreadableFile, "no Huffman code after sample 0 of 200"),
        (2, table_section(({}, {})), UnreadableFile, "no Huffman code after sample 0 of 200"),
        (3, struct.pack("<BB", 0, 0), LeadMissing, "none of the 12"),
        (3, struct.pack("<BB", 12, 0), UnreadableFile, "section 3 holds 2 bytes, expected at least 110"),
        (3, struct.pack("<BBIIB", 1, 0, 200, 1, 1), UnreadableFile, "leads of samples 200 to 1"),
        (3, struct.pack("<BBIIB", 1, 0, 1, 2**32 - 1, 1), UnreadableFile, "leads of samples 1 to 4294967295"),
        (3, struct.pack("<BBIIB", 1, 0, 1, 500_000, 1), UnreadableFile, "too few for 500000 samples"),
        (6, signal_section(0, 2000, 2, 0, ()), UnreadableFile, "section 6 gives 0 nV"),
        (6, signal_section(5000, 0, 2, 0, ()), UnreadableFile, "0 us per sample"),
        (6, signal_section(5000, 2000, 3, 0, ()), UnreadableFile, "differences of order 3"),
        (6, signal_section(5000, 2000, 2, 0, ()), UnreadableFile, "section 6 holds 6 bytes, expected at least 30"),
        (6, struct.pack("<HHBB12H", 5000, 2000, 2, 0, *[65535] * 12), UnreadableFile, "expected at least 786450"),
        (6, signal_section(5000, 5, 2, 0, (b"\0" * 40,) * 12), UnreadableFile, "the sample interval gives 200000 Hz"),
        (
            6,
            signal_section(5000, 2000, 2, 0, (b"\xff" * 40,) * 12),
            UnreadableFile,
            "bits of a lead end at sample 13 of 200",
        ),
        (6, signal_section(5000, 2000, 2, 0, (b"",) * 12), UnreadableFile, "stores 0 bytes, too few for 200"),
    ],
)
def test_broken_section_is_named(number, body, error, message):
    with pytest.raises(error, match=message):
        read_scp(record({**bodies(Scp(waves())), number: body}))


def test_endless_changes_of_table_are_refused():
    scp = Scp(waves(2, 30), codes=(1, 2), tables=table_section(({"0": (0, 2, 0)}, {"0": (0, 1, 0)})))
    with pytest.raises(UnreadableFile, match="changes its Huffman table over"):
        read_scp(scp_file(replace(scp, stored=(bytes(100),) * 2)))


def test_missing_sections_and_long_term_recordings():
    for number in (3, 6):
        with pytest.raises(UnreadableFile, match=f"no section {number}"):
            read_scp(record({key: body for key, body in bodies(Scp(waves())).items() if key != number}))
    with pytest.raises(UnsupportedFormat, match="long-term recording"):
        read_scp(record({3: lead_section(Scp(waves())), 12: bytes(100)}))


def test_record_that_contradicts_itself():
    content = record(bodies(Scp(waves())))
    for damaged, message in (
        (content[:20], "file of 20 bytes is too short"),
        (content[:-1], "but the file ends after"),
        (changed(content, 2, struct.pack("<I", 2**31)), "record of 2147483648 bytes"),
        (changed(content, 10, struct.pack("<I", 2**31)), "section 0 is not where"),
        (changed(content, 8, b"\x05"), "section 0 is not where"),
    ):
        with pytest.raises(UnreadableFile, match=message):
            read_scp(damaged)
    padded = content + bytes(9 * 2**20)
    np.testing.assert_array_equal(read_scp(padded).samples, read_scp(content).samples)
    with pytest.raises(UnreadableFile, match="at most 8 MiB"):
        read_scp(changed(padded, 2, struct.pack("<I", len(padded))))


def test_pointer_to_another_section():
    content = record(bodies(Scp(waves())))
    pointer_of_6 = 22 + 10 * 6 + 6
    for position in (0, place(content, 3) + 1, len(content), 2**32 - 1):
        damaged = changed(content, pointer_of_6, struct.pack("<I", position))
        damaged = changed(damaged, 6, struct.pack("<H", crc(damaged[8 : 6 + 136])))
        with pytest.raises(UnreadableFile, match="section 6 is not where the table of sections places it"):
            read_scp(damaged)


def test_truncated_anywhere_is_unreadable():
    content = scp_file(Scp(waves(2, 30), codes=(1, 2)))
    for end in range(len(content)):
        with pytest.raises(UnreadableFile):
            read_scp(content[:end])


def all_sections() -> dict[int, bytes]:
    scp = decimated(Scp(waves(), flags=0x65), [(41, 60), (101, 120)], 4)
    beats = beat_section(80, 21, [(0, 31, 51, 70), (0, 91, 111, 130)], [(41, 60), (101, 120)])
    return {
        **bodies(scp),
        2: table_section(TWO_TABLES),
        4: beats,
        5: signal_section(5000, 2000, 0, 0, tuple(coded_in_two_tables(lead) for lead in BEAT)),
        6: signal_section(5000, 8000, 0, 1, tuple(coded_in_two_tables(lead[:80]) for lead in scp.signal)),
        11: statement_section([b"\x02Low voltage\0"]),
    }


def recording_or_error(content: bytes) -> Recording | SignalError:
    try:
        return read_scp(content)
    except SignalError as error:
        return error


@settings(max_examples=200, deadline=None)
@given(
    which=st.sampled_from([bodies(Scp(waves())), all_sections()]),
    number=st.sampled_from([1, 2, 3, 4, 5, 6, 8, 11]),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    keep=st.one_of(st.none(), st.integers(0, 300)),
)
def test_any_change_under_right_crcs_gives_a_recording_or_a_signal_error(which, number, changes, keep):
    body = bytearray(which.get(number, b"\0" * 40)[:keep])
    for position, value in changes:
        if body:
            body[position % len(body)] = value
    outcome = recording_or_error(record({**which, number: bytes(body)}))
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
        assert not any(name in str(outcome) for name in PLANTED)
    else:
        assert outcome.samples.shape[0] == len(outcome.leads)


@settings(max_examples=200, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), min_size=1, max_size=8))
def test_flipped_bits_never_change_the_signal_silently(flips):
    content = record(bodies(Scp(WAVES)))
    damaged = bytearray(content)
    for position, bit in flips:
        damaged[position % len(damaged)] ^= 1 << bit
    outcome = recording_or_error(bytes(damaged))
    if isinstance(outcome, Recording):
        np.testing.assert_array_equal(outcome.samples, WAVES)
