"""A file's bytes, within the size that a reader may assume."""

import errno
import stat
from pathlib import Path

from twelvelead.errors import UnreadableFile

# A 10 s export of 12 leads is 0.1 to 1 MB; 64 MiB hold 46 minutes of 12 leads at 1000 Hz and 16 bit. Anything
# larger is no resting ECG, and one file must not take a job's memory.
MAX_FILE_BYTES = 64 * 1024 * 1024

# The disk, the network or this process is at fault, not the file: the job fails and can be run again.
TRANSIENT_ERRORS = {errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT}


def read_bytes(path: Path) -> bytes:
    """The whole content of a regular file; raises UnreadableFile when it is absent, unreadable or too large."""
    try:
        status = path.stat()
        # Opening a named pipe would block the job for good, so the kind is asked before.
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFile("a folder or device, not a file; expected an ECG file")
        if status.st_size > MAX_FILE_BYTES:
            raise UnreadableFile(
                f"file is {status.st_size / 2**20:.0f} MiB; expected a resting ECG of at most "
                f"{MAX_FILE_BYTES // 2**20} MiB"
            )
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        if error.errno in TRANSIENT_ERRORS:
            raise
        raise UnreadableFile(f"file cannot be opened: {error.strerror or type(error).__name__}") from None
    except ValueError:
        raise UnreadableFile("file cannot be opened: its name holds a zero byte") from None
