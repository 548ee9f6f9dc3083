"""Damage of arrays: NumPy headers and pickles, MATLAB elements, base64 text, tables of samples as text."""

import random
import struct
import zlib

from faults.damage import LARGEST_FILE, bomb, once
from faults.text_damage import HOSTILE_NUMBERS

# os._exit(66): whoever runs it dies, which the campaign sees.
PICKLE_THAT_ENDS_THE_PROCESS = b"cos\n_exit\n(I66\ntR."
_NPY_HEADERS = (
    "{'descr': '|O', 'fortran_order': False, 'shape': (12, 5000), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 1099511627776), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2147483647, 2147483647), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 536870911), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-12, 5000), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-12, -5000), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 0), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 12), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 5000.0), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, True), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, None), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 60000, }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % ("1," * 100 + "12, 5000"),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 5000%s), }" % (", 1" * 30),
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 5000%s), }" % (", 1" * 3000),
    "{'descr': '<f4', 'fortran_order': 2, 'shape': (12, 5000), }",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (12, 5000), }",
    "{'descr': '>f4', 'fortran_order': False, 'shape': (12, 5000), }",
    "{'descr': '<c8', 'fortran_order': False, 'shape': (12, 5000), }",
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (12, 2500), }",
    "{'descr': '|S1000000000', 'fortran_order': False, 'shape': (12, 5000), }",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (12, 5000), }",
    "{'descr': '<f2', 'fortran_order': False, 'shape': (12, 10000), }",
    "{'descr': '<f16', 'fortran_order': False, 'shape': (12, 1250), }",
    "{'descr': '|b1', 'fortran_order': False, 'shape': (12, 20000), }",
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (12, 5000), }",
    "{'descr': ('<f4', (1000000, 1000000)), 'fortran_order': False, 'shape': (12, 5000), }",
    "{'descr': ('<f4', (12, 5000)), 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f4', 'shape': (12, 5000), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 5000), 'more': 1, }",
    "__import__('os')._exit(66)",
    "[" * 3000 + "]" * 3000,
    "(" * 60_000,
    "-" * 50_000 + "1",
    "{" + "'a':1," * 9000 + "}",
    "'" + "x" * 60_000,
    "{'descr': '<f4', 'fortran_order': False, 'shape': (12, %s), }" % ("9" * 9000),
)


def npy_header_replaced(content: bytes, rng: random.Random) -> bytes | None:
    """Shapes of 2 GB, types that hold pickles, Python that must not be run; in versions 1, 2, 3 and none."""
    if content[:6] != b"\x93NUMPY":
        return None
    header = rng.choice(_NPY_HEADERS)
    version = rng.choice((1, 1, 1, 2, 3, 9))
    length = len(header) + 1 if rng.random() < 0.9 else rng.choice((0, 65_535, 2**31 - 1, 2**32 - 1))
    size = struct.pack("<H", length & 0xFFFF) if version == 1 else struct.pack("<I", length)
    body = content[10 + int.from_bytes(content[8:10], "little") :]
    if "|O" in header:
        body = PICKLE_THAT_ENDS_THE_PROCESS
    return b"\x93NUMPY" + bytes((version, 0)) + size + header.encode() + b"\n" + body


def npy_values_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """NaN, infinities and the largest numbers among the samples, or in all of them."""
    if content[:6] != b"\x93NUMPY":
        return None
    start = 10 + int.from_bytes(content[8:10], "little")
    value = struct.pack("<f", rng.choice((float("nan"), float("inf"), float("-inf"), 3.4e38, 1e-45, 1e11)))
    at = start + rng.randrange((len(content) - start) // 4) * 4
    times = rng.choice((1, 100, (len(content) - at) // 4))
    return content[:at] + value * times + content[at + 4 * times :]


@once
def npy_of_the_largest_size(content: bytes, rng: random.Random) -> bytes | None:
    if content[:6] != b"\x93NUMPY":
        return None
    samples = (LARGEST_FILE - 128) // 12
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({samples}, 12), }}".ljust(117) + "\n"
    return (
        b"\x93NUMPY\x01\0"
        + struct.pack("<H", len(header))
        + header.encode()
        + bytes(range(256)) * (samples * 12 // 256)
        + bytes(samples * 12 % 256)
    )


def mat_word_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """Sizes, kinds and dimensions, which stand in words of 32 bits."""
    words = (len(content) - 128) // 4
    if words < 1:
        return None
    at = 128 + 4 * rng.randrange(min(words, 40 if rng.random() < 0.7 else words))
    numbers = (0, 1, 3, 4, 8, 9, 14, 15, 17, 0x10001, 0x40001, 0xFFFF0001, 2**31 - 1, 2**31, 2**32 - 8, 2**32 - 1)
    return content[:at] + struct.pack("<I", rng.choice(numbers)) + content[at + 4 :]


def mat_compressed_bomb(content: bytes, rng: random.Random) -> bytes:
    """Elements that inflate to 1.5 GB, bare or behind the header of the array that is wanted."""
    name = rng.choice((b"feats\0\0\0", b"val\0\0\0\0\0", b"other\0\0\0"))
    size = rng.choice((60_000_000, 2**31 - 1, 2**32 - 100))
    columns = size // 96
    array = struct.pack("<IIIIII", 14, size, 6, 8, 6, 0) + struct.pack("<IIiiII", 5, 8, 12, columns, 1, 5) + name
    array += struct.pack("<II", 9, (size - 64) & 0xFFFFFFFF)
    compressor = zlib.compressobj(1)
    head = compressor.compress(array)
    body = b"".join(compressor.compress(bytes(2**20)) for _ in range(256))
    stored = rng.choice((head + body + compressor.flush(), bomb(15)))
    return content[:128] + struct.pack("<II", 15, len(stored)) + stored


def mat_many_elements(content: bytes, rng: random.Random) -> bytes:
    """Empty variables before the others, up to the largest size."""
    small = zlib.compress(struct.pack("<II", 14, 0))
    compressed = struct.pack("<II", 15, len(small)) + small
    element = rng.choice((struct.pack("<II", 14, 0), compressed))
    times = rng.choice((1000, (LARGEST_FILE - len(content)) // len(element)))
    return content[:128] + element * times + content[128:]


def base64_text_damaged(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return rng.choice(
        (
            content[:at] + b"!" + content[at + 1 :],
            content[:at] + b"=" + content[at:],
            content[:at] + content[at + 1 :],
            content[:at] + b"\r\n" * 1000 + content[at:],
            content.replace(b"+", b"-").replace(b"/", b"_"),
            content.rstrip(b"=\n"),
            content + content,
            b"A" * LARGEST_FILE,
            b"=" * len(content),
            b"f/A" * (len(content) // 3),
        )
    )


def cell_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A cell of a table: no number, one of a megabyte, quotes that never end."""
    lines = content.split(b"\n", 400)
    delimiter = b";" if b";" in lines[0] else b","
    row = rng.randrange(min(300, len(lines)))
    cells = lines[row].split(delimiter)
    hostile = rng.choice(
        (*HOSTILE_NUMBERS, '"', '"""', "x" * 1_000_000, "1" * 1_000_000, '"a\nb"', "=1+1", "\0", "#N/A", "null")
    )
    cells[rng.randrange(len(cells))] = hostile.encode()
    lines[row] = delimiter.join(cells)
    return b"\n".join(lines)


def columns_made_hostile(content: bytes, rng: random.Random) -> bytes | None:
    """A million columns, none, one twice, other delimiters and units."""
    header, _, rows = content.partition(b"\n")
    delimiter = b";" if b";" in header else b","
    names = header.split(delimiter)
    choices = (
        header + delimiter + delimiter.join(b"c%d" % number for number in range(1_000_000)),
        header + delimiter * 1000,
        header + delimiter + b"I,II",
        delimiter.join([*names[:-1], names[1]]),
        delimiter.join(name + b"_Pa" for name in names),
        delimiter.join(name + b" (" for name in names),
        delimiter.join(reversed(names)),
        header.replace(delimiter, b"\t"),
        header.upper(),
        b'"' + header,
        b"",
        b"I" * 20_000 + header,
    )
    return rng.choice(choices) + b"\n" + rows


@once
def table_without_rows(content: bytes, rng: random.Random) -> bytes:
    return content.partition(b"\n")[0] + b"\n"


def table_of_many_columns(content: bytes, rng: random.Random) -> bytes:
    """10,000 columns in each of 3,000 rows, the leads among them."""
    names = b"I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"
    width = rng.choice((1000, 2500))
    header = names + b"".join(b",%d" % number for number in range(width))
    return header + b"\n" + (b",".join([b"0.1"] * (12 + width)) + b"\n") * (60_000_000 // (4 * width))


NPY = (npy_header_replaced, npy_values_made_hostile, npy_of_the_largest_size)
MAT = (mat_word_made_hostile, mat_compressed_bomb, mat_many_elements)
BASE64 = (base64_text_damaged,)
CSV = (cell_made_hostile, columns_made_hostile, table_without_rows, table_of_many_columns)
