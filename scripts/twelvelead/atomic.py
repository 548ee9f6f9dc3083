"""Files that are either whole or not there: written under a name of their own, then renamed."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside `path`, unique to this attempt, and renames it to `path` when the block ends well.

    Two attempts at the same file, one of them an orphan of a killed run, never write into the same file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:180]}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Writes UTF-8 text with "\\n" line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_once(folder: Path, prefix: str, suffix: str, content: bytes) -> Path:
    """Writes `<prefix><hash of content><suffix>` unless it is there already; returns its path."""
    digest = hashlib.blake2b(content, digest_size=6).hexdigest()
    path = folder / f"{prefix}{digest}{suffix}"
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return path
