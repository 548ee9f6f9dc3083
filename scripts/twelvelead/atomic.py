"""Files that are either whole or not there: written under a name of their own, then renamed."""

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twelvelead.errors import TwelveleadError

# What only writing fails with, so that whoever raises it the file being written is meant.
_OF_WRITING = {
    errno.ENOSPC: "no space is left on its disk; free some",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file grew larger than its disk allows; use another disk",
    errno.EROFS: "its disk is read-only; mount it writable, or choose another folder",
}
_OF_PERMISSION = {
    errno.EACCES: "this account may not write there; change the permissions, or choose another folder",
    errno.EPERM: "this account may not write there; change the permissions, or choose another folder",
    errno.ENOTDIR: "a file is where a folder has to be; move it away",
    errno.EEXIST: "a file is where a folder has to be; move it away",
}
FULL = (errno.ENOSPC, errno.EDQUOT)


class Superseded(TwelveleadError):
    """A newer attempt at the same file has begun: this one is an orphan of a killed run."""


class NotWritten(TwelveleadError):
    """A file cannot be written: a full or read-only disk, or a folder that is somebody else's.

    errno  of the error that said so
    """

    def __init__(self, path: Path | str, reason: str, number: int):
        super().__init__(f"{path} cannot be written: {reason}, then run the same command again (finished work is kept)")
        self.errno = number


def why_not_written(path: Path | str, error: OSError, own: tuple[Path, ...] = ()) -> NotWritten | None:
    """What to tell the user of an error while `path` was written; None for an error that is not about writing.

    own  further paths that were written to this end: where the system names one of them, permission is about writing
    """
    if error.errno in _OF_WRITING:
        return NotWritten(path, _OF_WRITING[error.errno], error.errno)
    named = {os.fspath(one) for one in (path, *own)}
    if error.errno in _OF_PERMISSION and error.filename is not None and os.fspath(error.filename) in named:
        return NotWritten(path, _OF_PERMISSION[error.errno], error.errno)
    return None


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside `path`, unique to this attempt, and renames it to `path` when the block ends well.

    A small claim file names the attempt that was begun last. A later attempt takes the claim over and removes what a
    dead one left; an orphan finds at its end that the claim is not its own any more and raises Superseded, so that it
    never replaces what is newer.
    Raises NotWritten where the disk is full or read-only, or the folder is somebody else's.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    claim = path.with_name(f".{path.name[:200]}.claim")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _take_over(claim, temporary.name)
        yield temporary
        if _claimed_by(claim) != temporary.name:
            raise Superseded(f"{path}: a newer attempt at this file has begun, this one is given up")
        os.replace(temporary, path)
    except OSError as error:
        found = why_not_written(path, error, (temporary, claim, *path.parents))
        if found is None:
            raise
        raise found from error
    finally:
        # On a read-only disk there is nothing to remove, and what went wrong has been raised already.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        with suppress(OSError):
            if _claimed_by(claim) == temporary.name:
                claim.unlink(missing_ok=True)


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:180]}.{uuid.uuid4().hex[:12]}.tmp")


def _claimed_by(claim: Path) -> str:
    try:
        return claim.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _take_over(claim: Path, name: str) -> None:
    dead = _claimed_by(claim)
    if dead.endswith(".tmp") and "/" not in dead:
        claim.with_name(dead).unlink(missing_ok=True)
    try:
        claim.write_text(name, encoding="utf-8")
    except OSError:
        # Opened and emptied, but not written: it would stay behind as nobody's.
        with suppress(OSError):
            claim.unlink(missing_ok=True)
        raise


def write_text(path: Path | str, text: str) -> None:
    """Writes UTF-8 text with "\\n" line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_once(folder: Path, prefix: str, suffix: str, content: bytes) -> Path:
    """Writes `<prefix><hash of content><suffix>` unless it is there already; returns its path.

    Two processes that plan the same batch at once write the same bytes, so that either may come last.
    Raises NotWritten as `replacing` does.
    """
    digest = hashlib.blake2b(content, digest_size=6).hexdigest()
    path = folder / f"{prefix}{digest}{suffix}"
    if path.exists():
        return path
    temporary = _temporary_beside(path)
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        found = why_not_written(path, error, (temporary, *path.parents))
        if found is None:
            raise
        raise found from error
    return path
