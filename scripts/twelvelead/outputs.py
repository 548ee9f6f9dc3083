"""What is checked of the disks that a run writes to: at its start, and where it has failed."""

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from twelvelead.atomic import FULL, NotWritten, why_not_written

# Snakemake's locks and records of a job, and the job's log, need some room; without it Snakemake ends in a traceback.
LEAST_ROOM = 1 << 20  # bytes


def check_writable(folders: Iterable[Path | str]) -> None:
    """Raises NotWritten for a folder that no file can be written in, by writing one; makes folders that are absent.

    Permissions alone would not say: root may write anywhere but on a disk that is mounted read-only.
    """
    for folder in map(Path, folders):
        _try_to_write(folder, b"\n")


def check_room(folders: Iterable[Path | str]) -> None:
    """Raises NotWritten for a folder on a disk that is full. Folders that are absent, or read-only, are no concern."""
    for folder in map(Path, folders):
        if not folder.is_dir():
            continue
        try:
            _try_to_write(folder, bytes(LEAST_ROOM))
        except NotWritten as error:
            if error.errno in FULL:
                raise


def _try_to_write(folder: Path, content: bytes) -> None:
    trial = folder / f".{uuid.uuid4().hex[:12]}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(content)
    except OSError as error:
        found = why_not_written(f"folder {folder}", error, (folder, trial, *folder.parents))
        if found is None:
            raise
        raise found from error
    finally:
        with suppress(OSError):
            os.unlink(trial)
