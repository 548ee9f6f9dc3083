"""Installing packages while another process of the tests may do so too."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_installation_at_a_time() -> Iterator[None]:
    """apt-get fails while another one holds its lists, instead of waiting."""
    with open(Path(tempfile.gettempdir()) / "twelvelead-apt.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
