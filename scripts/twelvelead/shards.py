"""How the files of a batch are cut into shards: by a hash of their id, so that a new row touches one shard."""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HASH_BITS = 64
ANEW = b"#\n"  # a line of a plan that lists the same files again; an ecg_id never begins so


class Listed(NamedTuple):
    """A file of a shard as it was when the run was planned."""

    ecg_id: str
    path: str
    size: int
    mtime_ns: int


def ecg_hash(ecg_id: str) -> int:
    """64 bits that place a file in the hash order; they depend on nothing but its id."""
    return int.from_bytes(hashlib.blake2b(ecg_id.encode(), digest_size=HASH_BITS // 8).digest(), "big")


def hash_bits(value: int) -> str:
    return f"{value:0{HASH_BITS}b}"


def buckets(bits: Sequence[str], capacity: int, prefix: str = "") -> list[str]:
    """Prefixes that cut sorted hashes into buckets of at most `capacity`; only buckets that are too full are halved."""
    if not bits:
        return []
    if len(bits) <= capacity or len(prefix) == HASH_BITS:
        return [prefix]
    ones = bisect_left(bits, prefix + "1")
    return buckets(bits[:ones], capacity, prefix + "0") + buckets(bits[ones:], capacity, prefix + "1")


def listing(members: Sequence[tuple[str, str, int, int]]) -> bytes:
    """A shard's plan: a line per file with ecg_id, path, size and mtime_ns, so that a changed file changes the plan.

    The path is JSON, since a file name may hold a tab or a newline.
    """
    quoted = json.JSONEncoder().encode
    lines = [f"{ecg_id}\t{quoted(path)}\t{size}\t{mtime_ns}\n" for ecg_id, path, size, mtime_ns in members]
    return "".join(lines).encode()


def read_listed(path: Path | str) -> list[Listed]:
    """The files of a shard, in the order of their hashes."""
    with open(path, encoding="utf-8") as lines:
        columns = (line.rstrip("\n").split("\t") for line in lines if not line.startswith("#"))
        return [Listed(ecg_id, json.loads(quoted), int(size), int(mtime)) for ecg_id, quoted, size, mtime in columns]


def read_listing(path: Path | str) -> list[tuple[str, str]]:
    """(ecg_id, path) of the files of a shard, in the order of their hashes."""
    return [(file.ecg_id, file.path) for file in read_listed(path)]
