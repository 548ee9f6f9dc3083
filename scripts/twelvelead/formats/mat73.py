"""MATLAB files of version 7.3: HDF5 behind 512 bytes of header, every array with its dimensions in reverse order.

MATLAB marks each array with its class, by which text and others that HDF5 stores as numbers are told from numbers.
"""

import io
import math

import h5py
import numpy as np

from twelvelead.errors import UnreadableFile
from twelvelead.formats.content import MAX_FILE_BYTES
from twelvelead.formats.hdf5 import as_signal_error
from twelvelead.formats.hdf5_rows import own_dataset, read_rows

_NUMERIC_CLASSES = {"double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}


def numbers_73(content: bytes, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The `wanted` among the file's variables, by name, in MATLAB's own order of dimensions; nothing else is read.

    Raises UnreadableFile for a damaged file and where one of them is no array of real numbers in two dimensions.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            there = [name for name in wanted if file.get(name, getlink=True) is not None]
            return {name: _numbers(file, name) for name in there}
    except Exception as error:
        raise as_signal_error(error) from None


def _numbers(file: h5py.File, name: str) -> np.ndarray:
    dataset = own_dataset(file, name, kinds="iuf")
    matlab_class = dataset.attrs.get("MATLAB_class", b"")
    if not isinstance(matlab_class, bytes) or matlab_class.decode("latin-1") not in _NUMERIC_CLASSES:
        raise UnreadableFile(f"`{name}` is no array of real numbers; expected float or integer numbers")
    if len(dataset.shape) != 2 or "MATLAB_empty" in dataset.attrs:
        raise UnreadableFile(f"`{name}` is empty or not of 2 dimensions; expected (12, samples), or one number")
    # An array that was never written takes no room in the file, whatever its shape.
    if math.prod(dataset.shape) * dataset.dtype.itemsize > MAX_FILE_BYTES:
        raise UnreadableFile(
            f"`{name}` has shape {dataset.shape[::-1]}; expected a resting ECG of at most {MAX_FILE_BYTES // 2**20} MiB"
        )
    return read_rows(dataset, 0, dataset.shape[0]).T
