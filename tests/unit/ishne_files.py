"""ISHNE Holter files made for tests from the standard's table of the header."""

import struct

import numpy as np

ABSENT = -9


def crc_ccitt(block: bytes) -> int:
    """Polynomial 0x1021 from 0xFFFF, bit by bit."""
    remainder = 0xFFFF
    for byte in block:
        remainder ^= byte << 8
        for _ in range(8):
            remainder = (remainder << 1) ^ (0x1021 if remainder & 0x8000 else 0)
            remainder &= 0xFFFF
    return remainder


def ishne(samples: np.ndarray, codes=None, resolutions=None, checksum: int | None = None, **fields) -> bytes:
    """A file of (leads, samples) int16; `fields` replaces numbers of the header and what it says of the patient."""
    codes = list(range(5, 5 + len(samples))) if codes is None else codes
    resolutions = [2500] * len(samples) if resolutions is None else resolutions
    variable = fields.get("variable", b"Ordered by Dr. Brinkmann, St. Elsewhere\0")
    names = [fields.get(*field) for field in (("first_name", b"Erika"), ("last_name", b"Mustermann"))]

    def twelve(numbers):
        return [*numbers, *[ABSENT] * (12 - len(numbers))]

    header = struct.pack("<iiii", len(variable), fields.get("sample_count", samples.shape[1]), 522, 522 + len(variable))
    header = header[:12] + struct.pack("<i", fields.get("ecg_at", 522 + len(variable)))
    header += struct.pack("<h40s40s20s", 1, *names, fields.get("patient_id", b"MRN-4711"))
    header += struct.pack("<hh12h", 2, 1, *fields.get("birth", (2, 5, 1951)), 2, 3, 2002, 3, 3, 2002, 10, 11, 12)
    header += struct.pack("<h", fields.get("lead_count", len(samples)))
    header += struct.pack("<12h12h12h", *twelve(codes), *twelve([1] * len(samples)), *twelve(resolutions))
    header += struct.pack("<h40sh", 0, fields.get("recorder", b"digital SN-0042"), fields.get("rate", 200))
    header += struct.pack(
        "<80s80s88s", b"", fields.get("owner", b"Property of St. Elsewhere"), fields.get("reserved", b"")
    )
    header += variable
    checksum = crc_ccitt(header) if checksum is None else checksum
    return b"ISHNE1.0" + struct.pack("<H", checksum) + header + samples.astype("<i2").tobytes(order="F")
