"""What stands where a table says that a file is: no file, a file that cannot be read, changes, or has a strange name.

A place is a context manager (seed, folder, rng) that gives the path to be read, or None where it does not apply.
"""

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.damage import LARGEST_FILE, once
from faults.seeds import Seed

HOSTILE_NAMES = (
    "\U0001f600 heart \U0001fac0",
    "e\u0301cg\u0308",
    "\u202eecg\u202c",
    "\u05d0\u05d1\u05d2",
    "line\nbreak",
    "tab\tand\rreturn",
    "inv\udcffalid",
    "n" * 200,
    "-rf",
    " spaces ",
    "quote\"'`$(x)",
    "a#b",
    "per%20cent",
    "comma,semi;colon",
    "back\\slash",
    "..dots..",
    "{wildcard}",
    "*?[a]",
)
_MEMBERS = (
    "#",
    "#0",
    "#-1",
    "#999999",
    "#1e5",
    "#" + "9" * 19,
    "#\uff11",
    "#1#2",
    "##",
    "# 1",
    "#nan",
    "#" + "1" * 200,
)


def write_seed(seed: Seed, folder: Path, content: bytes | None = None, name: str | None = None) -> str:
    """The seed's files in `folder`, with other content and under another name where given; what a table would name."""
    content = seed.damaged.read_bytes() if content is None else content
    for companion in seed.companions:
        (folder / companion.name).write_bytes(companion.read_bytes())
    path = folder / (seed.damaged.name if name is None else name)
    path.write_bytes(content)
    return str(path) + seed.member if seed.format != "wfdb_signals" else str(folder / seed.named.name)


def _instead(seed: Seed, folder: Path) -> Path:
    """Where the damaged file would be, with its companions written and itself not."""
    write_seed(seed, folder)
    path = folder / seed.damaged.name
    path.unlink()
    return path


def _to_read(seed: Seed, path: Path) -> str:
    return str(path.with_name(seed.named.name)) if seed.format == "wfdb_signals" else f"{path}{seed.member}"


@once
@contextmanager
def folder_in_its_place(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    path = _instead(seed, folder)
    path.mkdir()
    yield _to_read(seed, path)


@once
@contextmanager
def named_pipe(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    path = _instead(seed, folder)
    os.mkfifo(path)
    yield _to_read(seed, path)


@once
@contextmanager
def socket_in_its_place(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    path = _instead(seed, folder)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{opened}/{path.name}")  # a socket's own path has at most 107 bytes
            yield _to_read(seed, path)
    finally:
        os.close(opened)


@contextmanager
def symbolic_link(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    """To itself, to nothing, to a device, to a folder, to a file that is no ECG."""
    path = _instead(seed, folder)
    path.symlink_to(rng.choice((path.name, "nothing", "/dev/zero", "/dev/null", "..", "/etc/passwd")))
    yield _to_read(seed, path)


@once
@contextmanager
def not_permitted(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    """To no one but the superuser, who may read it."""
    named = write_seed(seed, folder)
    (folder / seed.damaged.name).chmod(0)
    yield named


@once
@contextmanager
def vanished(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    yield _to_read(seed, _instead(seed, folder))


@once
@contextmanager
def slash_behind(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    yield f"{write_seed(seed, folder)}/"


@contextmanager
def impossible_name(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    """Names that no file can have: a zero byte, more than 255 bytes, more than 4096 in all, none."""
    name = rng.choice(("nul\0byte", "n" * 300, "n" * 5000, "\U0001f600" * 100, "..", "."))
    yield f"{folder}/{name}{seed.member}"


@contextmanager
def hostile_name(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str | None]:
    """The intact file under a name that shells, tables and terminals stumble over: it must be read as before."""
    if seed.format == "wfdb_signals":
        yield None
        return
    yield write_seed(seed, folder, name=rng.choice(HOSTILE_NAMES) + seed.damaged.suffix)


@contextmanager
def other_extension(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str | None]:
    if seed.format == "wfdb_signals":
        yield None
        return
    yield write_seed(
        seed, folder, name="file" + rng.choice((".xml", ".dcm", ".hea", ".dat", ".mat", ".npy", ".txt", ""))
    )


@contextmanager
def larger_than_any_ecg(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    """Holes on the disk behind the content: just over the limit, 2 GB, 1 TB."""
    named = write_seed(seed, folder)
    os.truncate(folder / seed.damaged.name, rng.choice((LARGEST_FILE + 1, 2 * 2**30, 2**40)))
    yield named


@contextmanager
def still_being_written(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str]:
    """A file that another program writes on while it is read."""
    content = seed.damaged.read_bytes()
    start = rng.randrange(len(content))
    named = write_seed(seed, folder, content[:start])
    finished = threading.Event()

    def write_on() -> None:
        with (folder / seed.damaged.name).open("ab", buffering=0) as file:
            for at in range(start, len(content), 4096):
                if finished.wait(0.0005):
                    return
                file.write(content[at : at + 4096])

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        yield named
    finally:
        finished.set()
        writer.join()


@contextmanager
def member_made_hostile(seed: Seed, folder: Path, rng: random.Random) -> Iterator[str | None]:
    """What follows the # of a recording in an HDF5 file; other files have no members at all."""
    if seed.format == "wfdb_signals":
        yield None
        return
    yield write_seed(seed, folder).removesuffix(seed.member) + rng.choice((*_MEMBERS, ""))


PLACES = (
    folder_in_its_place,
    named_pipe,
    socket_in_its_place,
    symbolic_link,
    not_permitted,
    vanished,
    slash_behind,
    impossible_name,
    hostile_name,
    other_extension,
    larger_than_any_ecg,
    still_being_written,
    member_made_hostile,
)
