"""Rows of an HDF5 data set, read so that no file can make the reader leave it or take more memory than a row needs.

The HDF5 library follows links into other files, reads samples from files a data set names, and inflates a chunk to
whatever its compressed bytes hold. Links and foreign storage are refused here, and compressed chunks are inflated by
zlib up to the size that the data set's chunk shape allows.
"""

import itertools
import math
import zlib

import h5py
import numpy as np

from twelvelead.errors import UnreadableFile, UnsupportedFormat

# One row of 4096 x 12 float64 in the chunks that h5py chooses for 20,000 such rows: 117 MiB.
MAX_ROW_CHUNKS_BYTES = 128 * 1024 * 1024
_REWRITE = "rewrite the file with h5repack -f GZIP=1 -l CHUNK=1x4096x12"
_FILTER_NAMES = {h5py.h5z.FILTER_DEFLATE: "gzip", h5py.h5z.FILTER_SHUFFLE: "shuffle"}


def own_dataset(file: h5py.File, name: str, kinds: str) -> h5py.Dataset:
    """The data set `name` at the file's root, all of whose values lie in this file.

    kinds  NumPy kinds its numbers may have, e.g. "iu".
    Raises UnsupportedFormat where there is none, UnreadableFile for links, foreign storage and other types.
    """
    link = file.get(name, getlink=True)
    if link is None:
        raise UnsupportedFormat(f"an HDF5 file without data set `{name}`; expected `tracings`, as CODE-15 has it")
    if not isinstance(link, h5py.HardLink):
        raise UnreadableFile(f"`{name}` is a link to elsewhere, which is never followed; expected a data set")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise UnreadableFile(f"`{name}` is no data set; expected an array of numbers")
    if dataset.is_virtual or dataset.id.get_create_plist().get_external_count():
        raise UnreadableFile(
            f"the values of `{name}` lie in other files, which are never read; copy them into one file"
        )
    if dataset.dtype.kind not in kinds or dataset.dtype.itemsize > 8:
        raise UnreadableFile(f"`{name}` has type {dataset.dtype.str[:20]}; expected {_kinds_in_words(kinds)}")
    if not isinstance(dataset.shape, tuple) or not dataset.shape:
        raise UnreadableFile(f"`{name}` is a single value; expected one row per recording")
    return dataset


def _kinds_in_words(kinds: str) -> str:
    return {"f": "float numbers", "iu": "whole numbers"}.get(kinds, "numbers")


def read_rows(dataset: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    """(stop - start, ...) values of the rows from `start` to before `stop`.

    Raises UnreadableFile where the chunks in which they lie exceed MAX_ROW_CHUNKS_BYTES, where they are compressed
    by other means than gzip, and where a chunk is damaged.
    """
    bounds = ((start, stop), *((0, length) for length in dataset.shape[1:]))
    if dataset.chunks is None:
        return dataset[start:stop]
    chunk_starts = [
        range(low - low % step, high, step) for (low, high), step in zip(bounds, dataset.chunks, strict=True)
    ]
    n_chunks = math.prod(len(starts) for starts in chunk_starts)
    touched_bytes = n_chunks * math.prod(dataset.chunks) * dataset.dtype.itemsize
    if touched_bytes > MAX_ROW_CHUNKS_BYTES:
        raise UnreadableFile(
            f"`{_name(dataset)}` has chunks of shape {dataset.chunks}, {touched_bytes / 2**20:.0f} MiB at once; "
            f"expected at most {MAX_ROW_CHUNKS_BYTES // 2**20} MiB; {_REWRITE}"
        )
    filters = _filters(dataset)
    if not filters:
        return dataset[start:stop]
    return _assembled(dataset, filters, bounds, itertools.product(*chunk_starts))


def _filters(dataset: h5py.Dataset) -> list[int]:
    """Codes of the filters its chunks went through, in the order of writing."""
    creation = dataset.id.get_create_plist()
    codes = [creation.get_filter(position)[0] for position in range(creation.get_nfilters())]
    for code in codes:
        if code not in _FILTER_NAMES:
            raise UnreadableFile(
                f"`{_name(dataset)}` went through HDF5 filter {code}; expected gzip or none; {_REWRITE}"
            )
    return codes


def _assembled(dataset: h5py.Dataset, filters: list[int], bounds, chunk_starts) -> np.ndarray:
    """The block of the data set within `bounds`, from the chunks that overlap it."""
    lows = np.array([low for low, _ in bounds])
    # Chunks that were never written are zeros, HDF5's default: asking a damaged file for another crashes the library.
    block = np.zeros([high - low for low, high in bounds], dtype=dataset.dtype)
    for chunk_start in chunk_starts:
        chunk = _chunk(dataset, filters, chunk_start)
        if chunk is None:
            continue
        from_ = np.maximum(chunk_start, lows)
        to = np.minimum(np.add(chunk_start, dataset.chunks), [high for _, high in bounds])
        in_block = tuple(slice(*ends) for ends in zip(from_ - lows, to - lows, strict=True))
        in_chunk = tuple(slice(*ends) for ends in zip(from_ - chunk_start, to - chunk_start, strict=True))
        block[in_block] = chunk[in_chunk]
    return block


def _chunk(dataset: h5py.Dataset, filters: list[int], chunk_start: tuple[int, ...]) -> np.ndarray | None:
    """One chunk's values, or None where it was never written."""
    stored = dataset.id.get_chunk_info_by_coord(chunk_start)
    if stored.byte_offset is None:
        return None
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    # gzip adds a few bytes to what it cannot shrink; zlib's own bound is 0.1 % and 12 bytes.
    if stored.size > chunk_bytes + chunk_bytes // 100 + 64:
        raise UnreadableFile(f"a compressed chunk of `{_name(dataset)}` is larger than its values; the file is damaged")
    skipped, content = dataset.id.read_direct_chunk(chunk_start)
    for position, code in reversed(list(enumerate(filters))):
        if skipped >> position & 1:
            continue
        content = _inflate(content, chunk_bytes) if code == h5py.h5z.FILTER_DEFLATE else _unshuffle(content, dataset)
    if len(content) != chunk_bytes:
        raise UnreadableFile(f"a chunk of `{_name(dataset)}` has {len(content)} bytes, not {chunk_bytes}; file damaged")
    return np.frombuffer(content, dataset.dtype).reshape(dataset.chunks)


def _inflate(content: bytes, limit: int) -> bytes:
    try:
        # One byte more than allowed, so that a chunk that is too long is seen to be.
        return zlib.decompressobj().decompress(content, limit + 1)
    except zlib.error:
        raise UnreadableFile("a compressed chunk of the HDF5 file is damaged; copy the file again") from None


def _unshuffle(content: bytes, dataset: h5py.Dataset) -> bytes:
    """Undoes HDF5's shuffle, which puts all first bytes of the values before all second bytes, and so on."""
    size = dataset.dtype.itemsize
    if len(content) % size:
        raise UnreadableFile("a chunk of the HDF5 file does not hold whole values; the file is damaged")
    return np.frombuffer(content, np.uint8).reshape(size, -1).T.tobytes()


def _name(dataset: h5py.Dataset) -> str:
    return dataset.name.rpartition("/")[2]
