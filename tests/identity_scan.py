"""Looks for strings in everything that a run leaves: names and bytes of files, and what is packed inside of them."""

import base64
import binascii
import gzip
import html
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_DEEPEST = 4  # a picture in a page in an archive, and one more


class Wanted:
    """Strings as they may be spelled in bytes: in any case, in the usual encodings, escaped for JSON, HTML and URLs."""

    def __init__(self, strings: Iterable[str]):
        self._spellings = {string: _spellings(string) for string in strings}

    def among(self, content: bytes, depth: int = 0) -> set[str]:
        """Those of the strings that stand in `content`, or in what is compressed or encoded within it."""
        folded = content.lower()
        found = {string for string, spelled in self._spellings.items() if any(text in folded for text in spelled)}
        if depth < _DEEPEST:
            for unpacked in _unpacked(content):
                found |= self.among(unpacked, depth + 1)
        return found

    def below(self, folder: Path) -> dict[str, set[str]]:
        """Path of a file or folder below `folder` -> the strings in its name, its bytes or where it links to."""
        found = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            here = self.among(path.name.encode())
            if path.is_symlink():
                here |= self.among(str(path.readlink()).encode())
            if path.is_file():
                here |= self.among(path.read_bytes())
            if here:
                found[name] = here
        return found


def _spellings(string: str) -> set[bytes]:
    cased = {string, string.lower(), string.upper()}
    escaped = {
        escape(text)
        for text in cased
        for escape in (str, html.escape, quote, lambda text: json.dumps(text)[1:-1], _as_character_references)
    }
    spelled = {text.encode(code).lower() for text in escaped for code in ("utf-8", "utf-16-le", "utf-32-le")}
    spelled |= {text.encode("latin-1").lower() for text in escaped if all(ord(letter) < 256 for letter in text)}
    # Without the last zeros, so that big-endian text is found, too.
    return {text.rstrip(b"\0") for text in spelled}


def _as_character_references(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode()


def _unpacked(content: bytes) -> Iterator[bytes]:
    """The contents of an archive, a compressed stream, a Parquet file's columns, base64 within text."""
    if content.startswith(b"PAR1"):
        yield _parquet_as_arrow(content)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content[:1] == b"\x78" and len(content) > 2:
        try:
            yield zlib.decompressobj().decompress(content)
        except zlib.error:
            return
    else:
        yield from map(_from_base64, _BASE64.findall(content))


def _parquet_as_arrow(content: bytes) -> bytes:
    """The table as Arrow writes it uncompressed, its metadata included."""
    table = pq.read_table(pa.BufferReader(content))
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue() + repr(pq.ParquetFile(pa.BufferReader(content)).metadata.metadata).encode()


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/")) + b"==")
    except binascii.Error:
        return b""
