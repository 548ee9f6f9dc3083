"""Which device a job computes on, and that no other job of this machine computes on the same GPU at the same time."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

POLL_S = 0.5
LEASES = "twelvelead-devices"


@contextmanager
def leased_device(device: str, on_gpu: bool, folder: Path | None = None) -> Iterator[str]:
    """The device to compute on, such as cpu or cuda:1, held until the context ends.

    device  auto (a GPU where there is one), cpu, cuda (any GPU), or one such as cuda:1
    on_gpu  False for a family that computes on the CPU whatever `device` says
    folder  of the locks; the machine's temporary folder unless given

    Several jobs of one run may find the same GPU. A lock named after the GPU's UUID is held while it computes, so the
    next job takes another one, or waits. The kernel releases the lock of a job that was killed. Where a cluster gives
    every job GPUs of its own, nobody else holds their locks.
    """
    if device == "cpu" or not on_gpu:
        yield "cpu"
        return
    import torch  # only where a GPU may be used: it takes seconds

    if device == "auto" and not torch.cuda.is_available():
        yield "cpu"
        return
    uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    candidates = {f"cuda:{index}": uuid for index, uuid in enumerate(uuids)}
    if device.startswith("cuda:"):
        candidates = {name: uuid for name, uuid in candidates.items() if name == device}
    if not candidates:
        yield device  # whoever loads the model says that it is not there
        return
    with one_of(candidates, folder or _lock_folder()) as name:
        yield name


@contextmanager
def one_of(candidates: Mapping[str, str], folder: Path) -> Iterator[str]:
    """The first of `candidates` (name -> what tells it apart) that no other process holds; waits until one is free."""
    folder.mkdir(parents=True, exist_ok=True)
    name, lock = _acquire([(name, FileLock(folder / f"{key}.lock")) for name, key in candidates.items()])
    try:
        yield name
    finally:
        lock.release()


def _acquire(locks: Sequence[tuple[str, FileLock]]) -> tuple[str, FileLock]:
    while True:
        for name, lock in locks:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return name, lock
        time.sleep(POLL_S)


def _lock_folder() -> Path:
    """Of this user: a lock file that another one made could not be opened."""
    return Path(tempfile.gettempdir()) / f"{LEASES}-{os.getuid()}"
