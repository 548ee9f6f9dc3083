"""Damage of HDF5 and Parquet files, most of it written by the libraries themselves so that it goes deep."""

import io
import random
import struct

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faults.damage import bomb, hostile_word

_ROWS, _SAMPLES, _LEADS = 3, 4096, 12


def hdf5_length_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A dimension of a data set or of its chunks, wherever it is stored."""
    width = rng.choice((4, 8))
    number = rng.choice((_SAMPLES, _LEADS, _ROWS, 1, 2))
    places = _places(content, number.to_bytes(width, "little"))
    if not places:
        return None
    at = rng.choice(places)
    return content[:at] + hostile_word(rng, width) + content[at + width :]


def _places(content: bytes, wanted: bytes, most: int = 200) -> list[int]:
    found, at = [], content.find(wanted)
    while at >= 0 and len(found) < most:
        found.append(at)
        at = content.find(wanted, at + 1)
    return found


def hdf5_structure_flipped(content: bytes, rng: random.Random) -> bytes | None:
    """A byte near a signature of HDF5's own structures: trees, heaps, object headers, messages."""
    signatures = (
        b"\x89HDF",
        b"TREE",
        b"HEAP",
        b"SNOD",
        b"OHDR",
        b"OCHK",
        b"FRHP",
        b"BTHD",
        b"GCOL",
        b"FADB",
        b"tracings",
        b"exam_id",
    )
    places = [at for signature in signatures for at in _places(content, signature, 20)]
    if not places:
        return None
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = min(len(damaged) - 1, rng.choice(places) + rng.randrange(96))
        damaged[at] = rng.choice((0, 0xFF, 0x7F, 0x80, damaged[at] ^ 1 << rng.randrange(8)))
    return bytes(damaged)


def _layouts(exam_ids: np.ndarray):
    """Name -> a function that fills an HDF5 file as no one should."""
    signal = np.zeros((len(exam_ids), _SAMPLES, _LEADS), "f4")

    def chunk_bomb(file):
        file["exam_id"] = exam_ids
        tracings = file.create_dataset("tracings", signal.shape, "f4", chunks=(1, _SAMPLES, _LEADS), compression="gzip")
        for row in range(len(exam_ids)):
            tracings.id.write_direct_chunk((row, 0, 0), bomb(15))

    def huge_chunks(file):
        file["exam_id"] = exam_ids
        file.create_dataset(
            "tracings", signal.shape, "f4", chunks=(2000, _SAMPLES, _LEADS), maxshape=(None, None, None)
        )

    def huge_shape(file):
        file.create_dataset("exam_id", (2**40,), "i8", chunks=(1024,))
        file.create_dataset("tracings", (2**40, _SAMPLES, _LEADS), "f4", chunks=(1, _SAMPLES, _LEADS))

    def many_ids(file):
        file.create_dataset("exam_id", (2**20,), "i8", chunks=(16,), compression="gzip")
        file.create_dataset("tracings", (2**20, _SAMPLES, _LEADS), "f4", chunks=(1, _SAMPLES, _LEADS))

    def tiny_chunks(file):
        file["exam_id"] = exam_ids
        file.create_dataset("tracings", data=signal, chunks=(1, 8, 1), compression="gzip")

    def external_link(file):
        file["exam_id"] = exam_ids
        file["tracings"] = h5py.ExternalLink("/etc/passwd", "/x")

    def link_to_itself(file):
        file["exam_id"] = exam_ids
        file["tracings"] = h5py.SoftLink("/tracings")

    def external_storage(file):
        file["exam_id"] = exam_ids
        file.create_dataset("tracings", signal.shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])

    def virtual(file):
        file["exam_id"] = exam_ids
        layout = h5py.VirtualLayout(signal.shape, "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", signal.shape)
        file.create_virtual_dataset("tracings", layout)

    def text_as_samples(file):
        file["exam_id"] = exam_ids
        file["tracings"] = np.full((len(exam_ids), 2), b"x" * 1000)

    def objects(file):
        file["exam_id"] = exam_ids
        file.create_dataset("tracings", (len(exam_ids),), h5py.vlen_dtype(np.float32))

    def groups(file):
        file.create_group("exam_id")
        file.create_group("tracings")

    def lzf(file):
        file["exam_id"] = exam_ids
        file.create_dataset("tracings", data=signal, compression="lzf", fletcher32=True)

    def nan_samples(file):
        file["exam_id"] = exam_ids
        file["tracings"] = np.full_like(signal, np.nan)

    def empty_spaces(file):
        file["exam_id"] = h5py.Empty("i8")
        file["tracings"] = h5py.Empty("f4")

    def scalars(file):
        file["exam_id"], file["tracings"] = 1, 1.0

    def floats_as_ids(file):
        file["exam_id"], file["tracings"] = exam_ids.astype("f8"), signal

    def same_ids(file):
        file["exam_id"], file["tracings"] = np.full_like(exam_ids, exam_ids[0]), signal

    def many_objects(file):
        file["exam_id"] = exam_ids
        for number in range(5000):
            file.create_group(f"group{number}")

    return (
        chunk_bomb,
        huge_chunks,
        huge_shape,
        many_ids,
        tiny_chunks,
        external_link,
        link_to_itself,
        external_storage,
    ) + (
        *(virtual, text_as_samples, objects, groups, lzf, nan_samples, empty_spaces, scalars, floats_as_ids, same_ids),
        many_objects,
    )


def hdf5_written_otherwise(content: bytes, rng: random.Random) -> bytes | None:
    """Bombs in chunks, links elsewhere, foreign storage, other types, a trillion rows."""
    with h5py.File(io.BytesIO(content), "r") as file:
        exam_ids = file["exam_id"][:]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        rng.choice(_layouts(exam_ids))(file)
    return stream.getvalue()


def parquet_footer_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """Bytes of the footer, where rows, offsets, sizes and encodings are declared."""
    size = int.from_bytes(content[-8:-4], "little")
    start = len(content) - 8 - size
    if not 4 <= start < len(content):
        return None
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        damaged[start + rng.randrange(size)] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256)))
    return bytes(damaged)


def parquet_footer_length_made_hostile(content: bytes, rng: random.Random) -> bytes:
    length = rng.choice((0, 1, len(content), len(content) - 12, 2**31 - 1, 2**31, 2**32 - 1))
    return content[:-8] + struct.pack("<I", length) + content[-4:]


def parquet_page_header_made_hostile(content: bytes, rng: random.Random) -> bytes:
    """Pages start with a header in variable-length numbers: their sizes become anything."""
    at = 4 + rng.randrange(40) if rng.random() < 0.5 else rng.randrange(len(content))
    varint = rng.choice(
        (b"\xff\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x10", b"\xff" * 10, b"\0")
    )
    return content[:at] + varint + content[at + len(varint) :]


def parquet_written_otherwise(content: bytes, rng: random.Random) -> bytes | None:
    """Columns of other types, 30 million rows packed into nothing, one row a group, a thousand columns."""
    table = pq.read_table(io.BytesIO(content))
    leads = [name for name in table.column_names if pa.types.is_floating(table.schema.field(name).type)]
    leads = leads or table.column_names
    few = table.slice(0, 50)
    long_run = pa.array(np.zeros(rng.choice((2_000_000, 30_000_000)), "f4"))
    tables = (
        lambda: pa.table(dict.fromkeys(leads, long_run)),
        lambda: pa.table(dict.fromkeys(leads[:2], long_run)),
        lambda: pa.table({name: table[name].cast(pa.string()) for name in table.column_names}),
        lambda: pa.table({name: few[name].to_pylist() and pa.array([[1.0]] * 50) for name in leads}),
        lambda: pa.table({name: pa.nulls(50) for name in leads}),
        lambda: pa.table({name: pa.array([True] * 50) for name in leads}),
        lambda: pa.table({name: pa.array([float("nan")] * 5000) for name in leads}),
        lambda: pa.table({name: pa.array([2**63 - 1] * 5000) for name in leads}),
        lambda: pa.table({name: table[name].dictionary_encode() for name in leads}),
        lambda: pa.table([few[name] for name in leads] * 2, names=leads * 2),
        lambda: few.select(leads).append_column("x", pa.array(["y" * 1_000_000] * 50)),
        lambda: pa.table({**{name: few[name] for name in leads}, **{f"c{n}": few[leads[0]] for n in range(3000)}}),
        lambda: table.select(leads).slice(0, 0),
        lambda: table.rename_columns([f"{name}\U0001f600" for name in table.column_names]),
        lambda: table.append_column("time", pa.array(range(table.num_rows), pa.decimal128(38, 0))),
        lambda: table.append_column("time", pa.array([2**62] * table.num_rows, pa.timestamp("us"))),
    )
    stream = io.BytesIO()
    compression = rng.choice(("none", "snappy", "gzip", "zstd", "brotli", "lz4"))
    written = rng.choice(tables)()
    group = rng.choice((None, None, max(1, written.num_rows // 500)))
    pq.write_table(written, stream, compression=compression, row_group_size=group)
    return stream.getvalue()


HDF5 = (hdf5_length_made_hostile, hdf5_structure_flipped, hdf5_written_otherwise)
PARQUET = (
    parquet_footer_made_hostile,
    parquet_footer_length_made_hostile,
    parquet_page_header_made_hostile,
    parquet_written_otherwise,
)
