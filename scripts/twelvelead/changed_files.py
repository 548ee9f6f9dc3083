"""Files that vanish or change between the plan and the job that reads them."""

import os
from pathlib import Path

from twelvelead.atomic import write_text
from twelvelead.errors import TwelveleadError
from twelvelead.formats import file_and_member
from twelvelead.shards import read_listed
from twelvelead.signal_files import size_and_time

AGAIN = ".again"  # behind a plan's name: its files are to be decoded anew, although the plan may not change


class FolderGone(TwelveleadError):
    """A folder with ECGs is not there any more, as when a disk is unmounted."""


def check_folder(path: str | Path) -> None:
    """Raises FolderGone where not only this file of the plan is gone, but its folder, or everything in it.

    A file that a person moved away is one missing ECG; a disk that went away must not empty the results of a batch.
    """
    folder = file_and_member(Path(path))[0].parent
    try:
        with os.scandir(folder) as entries:
            if any(True for _ in entries):
                return
        found = "is empty now"
    except OSError as error:
        found = f"cannot be read now ({error.strerror})"
    raise FolderGone(
        f"folder {folder} had ECGs when the run was planned and {found}; bring it back (is the disk mounted?) and run "
        "the same command again, or just run it again where the ECGs are gone for good"
    )


def count_changed(plan: str | Path) -> int:
    """How many files of a shard's plan are not as it lists them any more."""
    return sum(size_and_time(file.path) != (file.size, file.mtime_ns) for file in read_listed(plan))


def decode_again_next_time(plan: str | Path) -> None:
    """Lets the next start of a run plan this shard under another name, so that its files are decoded anew.

    Without it a file that was away for a moment would stay missing: it comes back as it was, and the plan with it.
    """
    write_text(f"{plan}{AGAIN}", "")
