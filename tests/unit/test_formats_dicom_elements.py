"""DICOM's transfer syntaxes, lengths and nesting: files that pydicom writes, and files that it would choke on."""

import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from twelvelead.ecg import Recording
from twelvelead.errors import SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats.content import MAX_FILE_BYTES
from twelvelead.formats.dicom import read_dicom
from twelvelead.formats.dicom_elements import MAX_STEPS, is_waveform_without_preamble
from unit.vendor_files import counts, dicom_code, dicom_file, dicom_group, mdc_channels

TRANSFER_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
SOP_CLASSES = ("1.1", "1.2", "1.3", "1.4")  # 12-lead, general, ambulatory, general 32-bit ECG
META_BYTES = 128 + 4
ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
OPEN_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
END_OF_ITEM = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
END_OF_SEQUENCE = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
EXPLICIT_META = b"\0" * 128 + b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"
WAVEFORM_SEQUENCE = (0x5400, 0x0100)
OTHER_SEQUENCE = (0x0008, 0x1140)


def sequence(tag: tuple[int, int], body: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HH2s2xL", *tag, b"SQ", len(body) if length is None else length) + body


def open_sequence(tag: tuple[int, int], body: bytes) -> bytes:
    return sequence(tag, body + END_OF_SEQUENCE, 0xFFFFFFFF)


def ecg_file(transfer_syntax: str = ExplicitVRLittleEndian, **fields) -> bytes:
    stored = counts(12).T.astype(">i2" if transfer_syntax == ExplicitVRBigEndian else "<i2")
    return dicom_file(dicom_group(stored, mdc_channels(), "SS", **fields), transfer_syntax=transfer_syntax)


def outcome_of(content: bytes) -> Recording | SignalError:
    try:
        return read_dicom(content)
    except SignalError as error:
        return error


def with_undefined_lengths(dataset: Dataset) -> None:
    for element in dataset:
        if element.VR == "SQ":
            element.value.is_undefined_length = True
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                with_undefined_lengths(item)


@pytest.mark.parametrize("sop_class", SOP_CLASSES)
@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES)
@pytest.mark.parametrize("undefined_lengths", [False, True])
def test_every_transfer_syntax_and_ecg_class(transfer_syntax, sop_class, undefined_lengths):
    stored = counts(12).T.astype(">i2" if transfer_syntax == ExplicitVRBigEndian else "<i2")
    group = dicom_group(stored, mdc_channels(), "SS")
    note = Dataset()
    note.UnformattedTextValue = "Sinus rhythm"
    note.ConceptNameCodeSequence = dicom_code("x", "99LOCAL", "Interpretation")
    if undefined_lengths:
        with_undefined_lengths(group)
        with_undefined_lengths(note)
    file_content = dicom_file(group, annotations=(note,), transfer_syntax=transfer_syntax)
    file_content = file_content.replace(
        b"1.2.840.10008.5.1.4.1.1.9.1.1", b"1.2.840.10008.5.1.4.1.1.9." + sop_class.encode()
    )
    recording = read_dicom(file_content)
    np.testing.assert_array_equal(recording.samples, counts(12))
    assert recording.samples.dtype == np.dtype("=i2")
    assert recording.sampling_rate_hz == 500
    assert recording.statements == ("Sinus rhythm",)


@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES[:3])
@pytest.mark.parametrize("removed", ["preamble", "preamble and meta group"])
def test_files_without_a_preamble_are_recognised_and_read(transfer_syntax, removed):
    file_content = ecg_file(transfer_syntax)[META_BYTES:]
    if removed == "preamble and meta group":
        group_bytes = struct.unpack("<L", file_content[8:12])[0]
        file_content = file_content[12 + group_bytes :]
    assert is_waveform_without_preamble(file_content[:1024])
    np.testing.assert_array_equal(read_dicom(file_content).samples, counts(12))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(200),
        b"Referring to 1.2.840.10008.5.1.4.1.1.9.1.1",
        b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.7\0",
    ],
)
def test_other_content_is_not_taken_for_dicom(head):
    assert not is_waveform_without_preamble(head)


def test_vrs_are_believed_over_the_transfer_syntax():
    explicit = ecg_file().replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x12\x001.2.840.10008.1.2\0")
    np.testing.assert_array_equal(read_dicom(explicit).samples, counts(12))
    implicit = ecg_file(ImplicitVRLittleEndian).replace(
        b"UI\x12\x001.2.840.10008.1.2\0", b"UI\x14\x001.2.840.10008.1.2.1\0"
    )
    np.testing.assert_array_equal(read_dicom(implicit).samples, counts(12))


def test_private_and_unknown_elements_are_passed():
    vendor = struct.pack("<HH2sH4s", 0x0009, 0x0010, b"LO", 4, b"ACME")
    unknown_vr = struct.pack("<HH2s2xL4s", 0x0009, 0x1001, b"ZZ", 4, b"abcd")
    nested_in_implicit_vrs = struct.pack("<HHL4s", 0x0009, 0x1003, 4, b"abcd")
    unknown = struct.pack("<HH2s2xL", 0x0009, 0x1002, b"UN", 0xFFFFFFFF)
    unknown += OPEN_ITEM + nested_in_implicit_vrs + END_OF_ITEM + END_OF_SEQUENCE
    file_content = ecg_file()
    place = file_content.index(b"\x10\x00\x10\x00PN")
    with_private = file_content[:place] + vendor + unknown_vr + unknown + file_content[place:]
    np.testing.assert_array_equal(read_dicom(with_private).samples, counts(12))


@pytest.mark.parametrize(
    ("character_set", "encoding", "text"),
    [
        ("ISO_IR 100", "latin-1", "Vorhofflimmern, möglich"),
        ("ISO_IR 192", "utf-8", "窦性心律"),
        ("ISO_IR 144", "iso8859_5", "Синусовый ритм"),
        ("GB18030", "gb18030", "窦性心律"),
        ("NO SUCH SET", "latin-1", "Rythme irrégulier"),
    ],
)
def test_statements_in_the_character_set_of_the_file(character_set, encoding, text):
    note = Dataset()
    note.add_new("UnformattedTextValue", "ST", "@" * len(text.encode(encoding)))
    written = dicom_file(dicom_group(counts(12).T, mdc_channels(), "SS"), annotations=(note,))
    declared = struct.pack("<HH2sH", 8, 5, b"CS", (len(character_set) + 1) // 2 * 2)
    declared += character_set.encode().ljust((len(character_set) + 1) // 2 * 2)
    start = written.index(b"\x08\x00\x16\x00UI")
    content = written[:start] + declared + written[start:]
    assert read_dicom(content.replace(b"@" * len(text.encode(encoding)), text.encode(encoding))).statements == (text,)


@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES)
def test_truncated_at_every_place(transfer_syntax):
    group = dicom_group(counts(2, 6).T, mdc_channels()[:2], "SS")
    with_undefined_lengths(group)
    content = dicom_file(group, transfer_syntax=transfer_syntax)
    assert read_dicom(content).leads == ("I", "II")
    for kept in range(len(content)):
        with pytest.raises(SignalError) as raised:
            read_dicom(content[:kept])
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("length", [2**31, 0xFFFFFFFE])
def test_huge_declared_lengths(length):
    group = dicom_group(counts(2, 6).T, mdc_channels()[:2], "SS")
    content = dicom_file(group)
    for tag in (b"\x00\x54\x00\x01SQ\0\0", b"\x00\x54\x10\x10OW\0\0", b"\x3a\x00\x00\x02SQ\0\0"):
        at = content.index(tag) + 8
        with pytest.raises(UnreadableFile, match="are left; the file is truncated or damaged"):
            read_dicom(content[:at] + struct.pack("<L", length) + content[at + 4 :])


def peak_bytes_and_seconds(content: bytes) -> tuple[int, float]:
    start = time.process_time()
    with pytest.raises(SignalError):
        read_dicom(content)
    seconds = time.process_time() - start
    tracemalloc.start()
    try:
        with pytest.raises(SignalError):
            read_dicom(content)
        return tracemalloc.get_traced_memory()[1], seconds
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        EXPLICIT_META + sequence(WAVEFORM_SEQUENCE, ITEM * 50_000),
        EXPLICIT_META + open_sequence(OTHER_SEQUENCE, ITEM * 50_000),
        EXPLICIT_META + b"\x08\x00\x05\x00CS\0\0" * 50_000,
        EXPLICIT_META + sequence(WAVEFORM_SEQUENCE, OPEN_ITEM, 0xFFFFFFFF) * 25_000,
    ],
    ids=["items", "skipped items", "elements", "nested"],
)
def test_small_elements_by_the_ten_thousand(content):
    """pydicom takes 1.5 s and 32 MiB for the first of these, of 400 kB."""
    peak, seconds = peak_bytes_and_seconds(content)
    assert peak < 30 * 2**20
    assert seconds < 2


def test_a_file_of_too_many_elements_is_refused():
    with pytest.raises(UnreadableFile, match=f"more than {MAX_STEPS} elements"):
        read_dicom(EXPLICIT_META + open_sequence(OTHER_SEQUENCE, ITEM * MAX_STEPS))


@pytest.mark.parametrize("depth", [1000, 20_000])
def test_sequences_nested_deeply_before_the_waveform(depth):
    nested = sequence(OTHER_SEQUENCE, OPEN_ITEM, 0xFFFFFFFF) * depth + (END_OF_ITEM + END_OF_SEQUENCE) * depth
    content = ecg_file()
    place = content.index(b"\x10\x00\x10\x00PN")
    np.testing.assert_array_equal(read_dicom(content[:place] + nested + content[place:]).samples, counts(12))
    with pytest.raises(SignalError):
        read_dicom(content[:place] + nested[:-8] + content[place:])


def test_a_bomb_in_deflated_syntax_is_not_inflated():
    meta = EXPLICIT_META.replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x16\x001.2.840.10008.1.2.1.99")
    bomb = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = bytes(2**20)
    compressed = b"".join(bomb.compress(block) for _ in range(MAX_FILE_BYTES // 2**20 + 1)) + bomb.flush()
    with pytest.raises(UnreadableFile, match="inflates to more than 64 MiB"):
        read_dicom(meta + compressed)
    with pytest.raises(UnreadableFile, match="damaged"):
        read_dicom(meta + b"\xff" * 64)


def test_no_identity_comes_out():
    file_content = ecg_file()
    place = file_content.index(b"\x00\x54\x00\x01SQ")
    planted = b""
    for tag, vr, value in [
        ((0x0010, 0x0020), b"LO", b"Planted-ID-4711 "),
        ((0x0010, 0x0030), b"DA", b"19530813"),
        ((0x0010, 0x1040), b"LO", b"Planted Street 1"),
        ((0x0018, 0x1000), b"LO", b"Planted-Serial"),
    ]:
        planted += struct.pack("<HH2sH", *tag, vr, len(value)) + value
    file_content = file_content[:place] + planted + file_content[place:]
    assert isinstance(outcome_of(file_content), Recording)
    damaged = [file_content[:kept] for kept in range(0, len(file_content), 7)]
    damaged += [file_content[:at] + b"\x7f" + file_content[at + 1 :] for at in range(0, len(file_content), 11)]
    shown = [repr(outcome_of(content)) for content in [file_content, *damaged]]
    for identity in ("Planted", "4711", "1953", "Mustermann", "Erika"):
        assert not any(identity in text for text in shown)


@settings(max_examples=150, deadline=None)
@given(
    transfer_syntax=st.sampled_from(TRANSFER_SYNTAXES),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.tuples(st.floats(0, 1), st.integers(0, 40)),
)
def test_damage_only_raises_signal_errors(transfer_syntax, flips, cut):
    damaged = bytearray(ecg_file(transfer_syntax, MultiplexGroupTimeOffset="0"))
    for where, value in flips:
        damaged[int(where * (len(damaged) - 1))] = value
    at = int(cut[0] * len(damaged))
    del damaged[at : at + cut[1]]
    outcome = outcome_of(bytes(damaged))
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
        return
    assert outcome.samples.shape[0] == len(outcome.leads) == len(outcome.gain_mv)
    assert outcome.samples.dtype in (np.int16, np.int32, np.float32)
    assert outcome.samples.shape[1] > 0


def test_an_image_is_no_ecg():
    with pytest.raises(UnsupportedFormat, match="without waveforms"):
        read_dicom(EXPLICIT_META + struct.pack("<HH2sH26s", 8, 0x16, b"UI", 26, b"1.2.840.10008.5.1.4.1.1.7\0"))
