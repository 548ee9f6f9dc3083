"""Plain arrays: NumPy's .npy files and the base64 text that DeepECG writes."""

import binascii
import io
import math

import numpy as np

from twelvelead.ecg import LEADS, Recording
from twelvelead.errors import UnreadableFile
from twelvelead.formats.leads import as_recording_samples

# DeepECG writes float32 (2500, 12), C order, at 250 Hz.
DEEPECG_SHAPE = (2500, 12)
DEEPECG_RATE_HZ = 250.0
DEEPECG_BYTES = math.prod(DEEPECG_SHAPE) * 4
_ASSUMED_UNITS = "assumed mV"


def read_npy(content: bytes) -> Recording:
    """An array (12, n) or (n, 12), leads in the order of LEADS, assumed to be in mV; trailing axes of 1 are dropped.

    Raises UnreadableFile for other shapes, for types other than real numbers and for a truncated file.
    """
    return _recording("npy", _npy_array(content), None)


def read_deepecg_base64(content: bytes) -> Recording:
    """DeepECG's preprocessed signal: base64 text of float32 (2500, 12), assumed to be in mV, at 250 Hz.

    Raises UnreadableFile when the text does not decode to exactly that many bytes.
    """
    try:
        stored = binascii.a2b_base64(content)
    except ValueError:
        raise UnreadableFile("base64 text is broken; it is probably truncated, write it again") from None
    if len(stored) != DEEPECG_BYTES:
        raise UnreadableFile(
            f"base64 text decodes to {len(stored)} bytes; expected {DEEPECG_BYTES} (float32, 2500 samples x 12 leads)"
        )
    return _recording("deepecg_base64", np.frombuffer(stored, dtype="<f4").reshape(DEEPECG_SHAPE), DEEPECG_RATE_HZ)


def _recording(name: str, signal: np.ndarray, sampling_rate_hz: float | None) -> Recording:
    return Recording(
        format=name,
        leads=LEADS,
        samples=np.ascontiguousarray(as_recording_samples(_leads_first(signal))),
        gain_mv=np.ones(len(LEADS)),
        sampling_rate_hz=sampling_rate_hz,
        units=_ASSUMED_UNITS,
        deepecg_reads=True,
    )


def _npy_array(content: bytes) -> np.ndarray:
    # np.load allocates what the header claims before it looks at the content, and can run pickles.
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran_order, dtype = read_header(stream)
    except Exception:  # the header is a Python literal, and NumPy lets every error of its parsing through
        raise UnreadableFile("the header of the NumPy file is broken; save the array again with numpy.save") from None
    if dtype.hasobject or dtype.kind not in "iuf":
        raise UnreadableFile(f"array of type {dtype.kind!r}; expected real numbers (float or int), nothing pickled")
    body = content[stream.tell() :]
    expected_bytes = math.prod(shape) * dtype.itemsize
    if len(body) != expected_bytes:
        raise UnreadableFile(f"array of {len(body)} bytes, its header says {expected_bytes}; the file is damaged")
    return np.frombuffer(body, dtype=dtype).reshape(shape, order="F" if fortran_order else "C")


def _leads_first(signal: np.ndarray) -> np.ndarray:
    shape = signal.shape
    while signal.ndim > 2 and signal.shape[-1] == 1:
        signal = signal[..., 0]
    is_lead_axis = [length == len(LEADS) for length in signal.shape]
    if signal.ndim != 2 or sum(is_lead_axis) != 1 or signal.size == 0:
        raise UnreadableFile(
            f"array of shape {shape}; expected (12, samples) or (samples, 12) with leads {', '.join(LEADS)}"
        )
    return signal if is_lead_axis[0] else signal.T
