"""The files a table names: where they are, what a change of them is seen by, and the ids they go by."""

import functools
import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

MAX_HEADER_BYTES = 65_536
MAX_ID_LENGTH = 180  # leaves room for suffixes in a file name of at most 255 bytes
MEMBER_MARK = "#"
HDF5_EXTENSIONS = (".hdf5", ".h5")

_UNCHANGED = re.compile(r"[A-Za-z0-9.-]+(?:_[A-Za-z0-9.-]+)*")


@dataclass(frozen=True, slots=True)
class SignalFile:
    """A file the table names: where it is, and its size and time so that a change of it changes the plan.

    Of a recording in an HDF5 file (`exams_part3.hdf5#1234567`) size and time are the HDF5 file's.
    """

    name: str  # path below the signal folder as the table gives it, normalised
    path: str
    size: int = 0
    mtime_ns: int = 0
    problem: tuple[str, str] | None = None  # status and message
    member: str | None = None  # what stands behind the # of a recording in an HDF5 file, without leading zeros

    @property
    def found_name(self) -> str:
        """The name in one way, however the table gives it, so that a recording has one id.

        A WFDB record goes by its header, a member of an HDF5 file by its number without leading zeros.
        """
        if self.member is not None:
            return f"{self._file_of_member}{MEMBER_MARK}{self.member}"
        stem, extension = os.path.splitext(self.name)
        if not self.path.endswith(".hea") or extension == ".hea":
            return self.name
        return (stem if extension in (".dat", ".mat") else self.name) + ".hea"

    @property
    def short_name(self) -> str:
        """The name without extension; a member stands below its HDF5 file as a file does below its folder."""
        if self.member is not None:
            return f"{os.path.splitext(self._file_of_member)[0]}/{self.member}"
        return os.path.splitext(self.found_name)[0]

    @property
    def _file_of_member(self) -> str:
        return self.name[: self.name.rindex(MEMBER_MARK)]


def find_files(names: Sequence[str], signals: Path) -> dict[str, SignalFile]:
    """Looks every named file up; a WFDB record may be named without its .hea.

    An HDF5 file is looked up once, however many of its members are named.
    """
    folder = str(signals)
    container_of = functools.cache(lambda name: _container(os.path.join(folder, name)))
    holds_marked = functools.cache(lambda below: _holds_marked_names(os.path.join(folder, below)))

    def found(name: str) -> SignalFile:
        file_name, mark, member = name.rpartition(MEMBER_MARK)
        below, _, last = file_name.rpartition("/")
        if not mark or "/" in member or not last:
            return _find_file(name, folder)
        if holds_marked(below):  # a file whose own name holds the mark comes first, as in formats.read
            whole = _find_file(name, folder)
            if whole.problem is None or whole.problem[0] != "missing":
                return whole
        container = container_of(file_name)
        return _find_file(name, folder) if container is None else _member(name, member, container)

    return {name: found(name) for name in names}


def _container(path: str) -> SignalFile | None:
    """The file that members are named of; None where there is none and the name does not say that it is HDF5."""
    try:
        found = os.stat(path)
        is_file = stat.S_ISREG(found.st_mode)
    except (OSError, ValueError):
        is_file = False
    if is_file:
        return SignalFile("", path, found.st_size, found.st_mtime_ns)
    problem = ("missing", "the HDF5 file before # is not in the signal folder")
    return SignalFile("", path, problem=problem) if path.endswith(HDF5_EXTENSIONS) else None


def _member(name: str, member: str, container: SignalFile) -> SignalFile:
    """One recording of an HDF5 file; where the file is missing, too, so that its id is the one it will have then."""
    if member.isascii() and member.isdecimal():
        member = member.lstrip("0") or "0"
    path = f"{container.path}{MEMBER_MARK}{member}"
    return SignalFile(name, path, container.size, container.mtime_ns, container.problem, member)


def _holds_marked_names(folder: str) -> bool:
    """Whether a folder has files with the mark in their own names: listed once, not asked for every member."""
    try:
        with os.scandir(folder) as entries:
            return any(MEMBER_MARK in entry.name for entry in entries)
    except (OSError, ValueError):
        return False


def _find_file(name: str, signals: str) -> SignalFile:
    path = os.path.join(signals, name)
    stem, extension = os.path.splitext(path)
    if extension in (".dat", ".mat") and os.path.basename(path) in _signal_files(stem + ".hea"):
        path = stem + ".hea"  # a record's signal file stands for the record
    for candidate in (path, path + ".hea"):
        try:
            found = os.stat(candidate)
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(found.st_mode):
            return SignalFile(name, candidate, *_size_and_time(candidate, found))
        if candidate == path and not os.path.exists(path + ".hea"):
            return SignalFile(name, path, problem=("refused", "this is not a regular file; expected an ECG file"))
    missing = "no such file in the signal folder" + (
        "; write / for the backslashes in its name" if "\\" in name else ""
    )
    return SignalFile(name, path, problem=("missing", missing))


def size_and_time(path: str) -> tuple[int, int] | None:
    """What `find_files` found of a file, or of the HDF5 file of a member, as it is now; None where it is gone."""
    for candidate in (path, path.rpartition(MEMBER_MARK)[0]):
        try:
            return _size_and_time(candidate, os.stat(candidate))
        except (OSError, ValueError):
            continue
    return None


def _size_and_time(path: str, found: os.stat_result) -> tuple[int, int]:
    """Of the file, or of all parts of a WFDB record: a new .dat beside an old .hea is a changed recording."""
    size, mtime_ns = found.st_size, found.st_mtime_ns
    if path.endswith(".hea"):
        for part in _signal_files(path):
            try:
                of_part = os.stat(os.path.join(os.path.dirname(path), part))
            except (OSError, ValueError):
                continue
            size, mtime_ns = size + of_part.st_size, max(mtime_ns, of_part.st_mtime_ns)
    return size, mtime_ns


def _signal_files(header: str) -> set[str]:
    """Names of the signal files that a WFDB header gives: the first word of each line after the record line."""
    try:
        with open(header, encoding="latin-1") as text:
            lines = [line for line in text.read(MAX_HEADER_BYTES).splitlines() if line.strip() and line[0] != "#"]
    except OSError:
        return set()
    return {line.split()[0] for line in lines[1:]}


def ecg_ids(files: Collection[SignalFile]) -> dict[str, str]:
    """An id for every named file: its path without extension, "/" as "__", unsafe characters percent-encoded.

    Where two files would share one, both keep their extension. Ids are unique and safe as file names.
    """
    found: dict[str, str] = {}
    chosen: dict[str, str] = {}
    for file in files:
        found[file.name] = found_name = file.found_name
        chosen[found_name] = _safe(file.short_name)
    # Again and again: the whole name `x.xml` of one file may be the short name of `x.xml.npy`.
    while len(set(chosen.values())) < len(chosen):
        sharing = Counter(chosen.values())
        chosen = {name: _safe(name) if sharing[ecg_id] > 1 else ecg_id for name, ecg_id in chosen.items()}
    return {given: chosen[name] for given, name in found.items()}


def _safe(name: str) -> str:
    """Different names give different ids: "__" stands for "/", so "_" beside another or beside "/" is encoded."""
    folder, slash, last = name.rpartition("/")
    # A last part that stays as it is leaves only its folder to encode, which it shares with thousands of files.
    encoded = _encoded(folder + slash) + last if _UNCHANGED.fullmatch(last) else _encoded(name)
    if encoded.startswith((".", "-")):  # a hidden file, or what looks like an option
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) > MAX_ID_LENGTH:
        digest = hashlib.blake2b(encoded.encode(), digest_size=8).hexdigest()
        encoded = f"{encoded[: MAX_ID_LENGTH - 17]}-{digest}"
    return encoded


@functools.lru_cache(maxsize=1024)
def _encoded(name: str) -> str:
    encoded = quote(re.sub(r"_(?=[_/])|(?<=[_/])_", "\0", name), safe="/\0").replace("~", "%7E")
    return encoded.replace("\0", "%5F").replace("/", "__")
