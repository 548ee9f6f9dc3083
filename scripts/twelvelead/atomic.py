"""Files that are either whole or not there: written under a name of their own, then renamed."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twelvelead.errors import TwelveleadError


class Superseded(TwelveleadError):
    """A newer attempt at the same file has begun: this one is an orphan of a killed run."""


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside `path`, unique to this attempt, and renames it to `path` when the block ends well.

    A small claim file names the attempt that was begun last. A later attempt takes the claim over and removes what a
    dead one left; an orphan finds at its end that the claim is not its own any more and raises Superseded, so that it
    never replaces what is newer.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:180]}.{uuid.uuid4().hex[:12]}.tmp")
    claim = path.with_name(f".{path.name[:200]}.claim")
    _take_over(claim, temporary.name)
    try:
        yield temporary
        if _claimed_by(claim) != temporary.name:
            raise Superseded(f"{path}: a newer attempt at this file has begun, this one is given up")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        if _claimed_by(claim) == temporary.name:
            claim.unlink(missing_ok=True)


def _claimed_by(claim: Path) -> str:
    try:
        return claim.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _take_over(claim: Path, name: str) -> None:
    dead = _claimed_by(claim)
    if dead.endswith(".tmp") and "/" not in dead:
        claim.with_name(dead).unlink(missing_ok=True)
    claim.write_text(name, encoding="utf-8")


def write_text(path: Path | str, text: str) -> None:
    """Writes UTF-8 text with "\\n" line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_once(folder: Path, prefix: str, suffix: str, content: bytes) -> Path:
    """Writes `<prefix><hash of content><suffix>` unless it is there already; returns its path.

    Two processes that plan the same batch at once write the same bytes, so that either may come last.
    """
    digest = hashlib.blake2b(content, digest_size=6).hexdigest()
    path = folder / f"{prefix}{digest}{suffix}"
    if not path.exists():
        temporary = path.with_name(f".{path.name[:180]}.{uuid.uuid4().hex[:12]}.tmp")
        temporary.write_bytes(content)
        os.replace(temporary, path)
    return path
