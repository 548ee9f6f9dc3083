"""NumPy files against numpy.load and DeepECG's base64 against its golden output."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import LEADS
from twelvelead.errors import UnreadableFile
from twelvelead.formats import read
from twelvelead.formats.arrays import read_deepecg_base64, read_npy
from unit.vendor_files import SHARED, npy

GOLDEN = SHARED / "golden" / "preprocess"


@settings(max_examples=60, deadline=None)
@given(
    signal=st.integers(13, 30).flatmap(
        lambda length: hnp.arrays(
            st.sampled_from(["<f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", "<i2", ">i2", "<u2", "<i4"]), (12, length)
        )
    ),
    layout=st.sampled_from(["leads first", "samples first", "trailing axis", "fortran"]),
)
def test_every_layout_gives_the_same_leads(signal, layout):
    stored = {
        "leads first": signal,
        "samples first": signal.T,
        "trailing axis": signal[..., None],
        "fortran": np.asfortranarray(signal),
    }[layout]
    recording = read_npy(npy(stored))
    assert recording.samples.flags.c_contiguous
    assert recording.samples.dtype in (np.int16, np.int32, np.float32)
    with np.errstate(over="ignore"):
        expected = signal.astype(np.float32) if signal.dtype.kind == "f" else signal
    np.testing.assert_array_equal(recording.samples, expected)


def test_fields():
    recording = read_npy(npy(np.ones((40, 12))))
    assert recording.format == "npy"
    assert recording.leads == LEADS
    assert recording.sampling_rate_hz is None
    assert recording.duration_s is None
    assert recording.units == "assumed mV"
    assert recording.deepecg_reads
    np.testing.assert_array_equal(recording.gain_mv, np.ones(12))


@pytest.mark.parametrize("shape", [(12, 12), (8, 40), (40,), (12,), (12, 0), (0, 12), (2, 12, 40), (1, 12, 40), ()])
def test_shapes_that_are_no_12_lead_ecg(shape):
    with pytest.raises(UnreadableFile, match=r"array of shape \(.*expected \(12, samples\) or \(samples, 12\)"):
        read_npy(npy(np.zeros(shape)))


@pytest.mark.parametrize("dtype", [bool, complex, "S4", "U4", "datetime64[s]", [("I", "f4")]])
def test_types_that_are_no_real_numbers(dtype):
    with pytest.raises(UnreadableFile, match="expected real numbers"):
        read_npy(npy(np.zeros((12, 40), dtype=dtype)))


class Exploding:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


def test_pickles_are_not_run():
    stream = io.BytesIO()
    np.save(stream, np.full((12, 40), Exploding(), dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFile, match="nothing pickled"):
        read_npy(stream.getvalue())


def test_claimed_size_is_checked_before_anything_is_allocated():
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (12, 10**15)})
    with pytest.raises(UnreadableFile, match="its header says"):
        read_npy(stream.getvalue() + b"\0" * 96)
    for broken in (npy(np.ones((12, 40)))[:-1], npy(np.ones((12, 40)))[:60], b"\x93NUMPY\x09\x00"):
        with pytest.raises(UnreadableFile, match="NumPy|header says"):
            read_npy(broken)


def test_deepecg_base64_is_float32_samples_by_leads():
    signal = np.random.default_rng(0).normal(size=(2500, 12)).astype("<f4")
    recording = read_deepecg_base64(base64.b64encode(signal.tobytes()) + b"\n")
    assert recording.leads == LEADS
    assert recording.sampling_rate_hz == 250
    assert recording.deepecg_reads
    np.testing.assert_array_equal(recording.samples, signal.T)


@pytest.mark.parametrize("kept", [159_999, 159_996, 80_000])
def test_truncated_base64(tmp_path, kept):
    path = tmp_path / "ecg.base64"
    path.write_bytes(base64.b64encode(bytes(120_000))[:kept])
    with pytest.raises(UnreadableFile, match="base64"):
        read(path)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden outputs are not on this machine")
def test_golden_files(tmp_path):
    path = GOLDEN / "outputs" / "main" / "preprocessing" / "muse8_5000_0000.base64"
    expected = np.frombuffer(base64.b64decode(path.read_text()), "<f4").reshape(2500, 12)
    np.testing.assert_array_equal(read(path).samples, expected.T)
    dummy = GOLDEN / "inputs" / "dummy_npy" / "dummy_ecg.npy"
    np.testing.assert_array_equal(read(dummy).samples, np.load(dummy).astype(np.float32))
