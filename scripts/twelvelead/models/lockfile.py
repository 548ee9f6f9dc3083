"""What is in a model's weights folder: sha256 and size of every file a model needs, kept in its model.lock.json.

Nothing here makes a request. A file of the kinds that loaders open has to be in the lock, whoever put it there.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from twelvelead.atomic import NotWritten, write_text
from twelvelead.errors import ModelError

LOCK_NAME = "model.lock.json"
WEIGHT_PATTERNS = ("*.pt", "*.safetensors", "*.onnx")
NEEDED_PATTERNS = (
    *WEIGHT_PATTERNS,
    "*.safetensors.index.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LockedFile:
    """sha256 in lower-case hexadecimal; size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class LockedModel:
    """A weights folder and the files in it that belong to the model, by their path below the folder.

    repository  hub repository the files came from; None for files that a person put there
    revision    what was asked of the hub, a branch, tag or commit; commit is what it stood for then
    """

    name: str
    folder: Path
    repository: str | None
    revision: str | None
    commit: str | None
    files: Mapping[str, LockedFile]

    def path(self, file: str) -> Path:
        """Where a locked file is. Raises ModelError for a file that the lock does not name."""
        if file not in self.files:
            raise ModelError(
                f"{self.name}: {file} is not in {self.folder / LOCK_NAME}, which holds {', '.join(self.files)}; "
                f"add the file and remove {LOCK_NAME}, or correct `files` of the model's source"
            )
        return self.folder / file

    def matching(self, *patterns: str) -> list[str]:
        """Locked files whose name fits a pattern such as *.pt, sorted."""
        return matching_files(self.files, patterns)


def load_locked(name: str, entry: Mapping, weights: Path) -> LockedModel:
    """The model in `weights/<name>/`, every file of it verified; a folder without a lock is locked as it is.

    Raises ModelError for an absent folder, and for a file that is absent, other than the lock or the entry says, or not
    in the lock.
    """
    folder = weights / name
    if not is_at_hand(folder):
        raise ModelError(
            f"{name}: no weights in {folder}/; run `snakemake fetch_models`, or put the model's files there"
        )
    with _readable(folder):
        if not (folder / LOCK_NAME).exists():
            return lock_existing(name, entry, folder)
        locked = read_lock(name, folder)
        _check_source(locked, entry)
        check_pins(locked, entry)
        verify(locked)
        _check_nothing_else(locked, entry)
    return locked


def is_at_hand(folder: Path) -> bool:
    """Whether a weights folder is there with anything in it; fetching never leaves one that is incomplete.

    Raises ModelError for a folder that cannot be read.
    """
    with _readable(folder):
        return folder.is_dir() and any(folder.iterdir())


def lock_existing(name: str, entry: Mapping, folder: Path) -> LockedModel:
    """Locks the files that a person put into `folder`, in DeepECG's layout; repository, revision and commit are None.

    A folder that is a link, which may serve other models too, and one that cannot be written to get no lock: every call
    takes their files as they are then.
    Raises ModelError for a folder without weights and for a file that is not the one pinned by the entry.
    """
    patterns = entry["source"].get("files")
    files = present_files(folder, patterns)
    if not files:
        raise ModelError(
            f"{name}: {folder}/ is there but holds none of {', '.join(weight_patterns(patterns))}; "
            "put the model's files there, or remove the folder and run `snakemake fetch_models`"
        )
    locked = LockedModel(name, folder, None, None, None, {file: lock_of(folder / file) for file in files})
    check_pins(locked, entry)
    if not folder.is_symlink():
        with suppress(OSError, NotWritten):
            write_lock(locked, folder)
    return locked


def present_files(folder: Path, patterns: Sequence[str] | None) -> list[str]:
    """The files in a folder that a model needs, as needed_files says, by their path below it.

    None without weights among them, whatever else is there.
    """
    below = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = needed_files(below, patterns)
    return files if matching_files(files, weight_patterns(patterns)) else []


def weight_patterns(patterns: Sequence[str] | None) -> Sequence[str]:
    """Those of a model's patterns that name weights, all where none has a known extension; None stands for any weights.

    Weights are what a model cannot do without; a configuration beside them may be absent.
    """
    if patterns is None:
        return WEIGHT_PATTERNS
    extensions = tuple(pattern.removeprefix("*") for pattern in WEIGHT_PATTERNS)
    return [pattern for pattern in patterns if pattern.endswith(extensions)] or patterns


def lock_of(path: Path) -> LockedFile:
    """sha256 and size of a file as it is. Raises ModelError for one that cannot be read."""
    with _readable(path), path.open("rb") as content:
        return LockedFile(hashlib.file_digest(content, "sha256").hexdigest(), path.stat().st_size)


def needed_files(files: Iterable[str], patterns: Sequence[str] | None) -> list[str]:
    """The files of a repository or folder that a model needs, sorted; none when there are no weights among them.

    patterns  of the model's entry; None for weights, configuration and tokenizer at the top level
    """
    safe = [file for file in files if _is_inside(file) and file != LOCK_NAME and not file.startswith(".")]
    if patterns is not None:
        return matching_files(safe, patterns)
    return matching_files(safe, NEEDED_PATTERNS) if matching_files(safe, WEIGHT_PATTERNS) else []


def matching_files(files: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Files that fit a pattern, sorted. A `*` does not reach into folders."""
    return sorted(
        file
        for file in files
        if any(fnmatchcase(file, pattern) and file.count("/") == pattern.count("/") for pattern in patterns)
    )


def read_lock(name: str, folder: Path) -> LockedModel:
    """The lock of a weights folder, not yet compared with its files. Raises ModelError when it is malformed."""
    path = folder / LOCK_NAME
    try:
        lock = json.loads(path.read_bytes())
        files = {file: LockedFile(entry["sha256"], entry["size"]) for file, entry in lock["files"].items()}
        origin = [lock["repository"], lock["revision"], lock["commit"]]
        well_formed = bool(files) and all(value is None or isinstance(value, str) for value in origin)
        for file, locked in files.items():
            well_formed &= _is_inside(file) and SHA256.fullmatch(locked.sha256) is not None
    except (ValueError, TypeError, KeyError, AttributeError):
        well_formed = False
    if not well_formed:
        raise ModelError(
            f"{path} is not a lock as fetch_models writes it; remove it to lock the files that are there, "
            f"or remove {folder}/ and run `snakemake fetch_models`"
        )
    return LockedModel(name, folder, *origin, files)


def write_lock(locked: LockedModel, folder: Path) -> None:
    """Writes model.lock.json into `folder`, whole or not at all."""
    lock = {
        "repository": locked.repository,
        "revision": locked.revision,
        "commit": locked.commit,
        "files": {file: asdict(entry) for file, entry in sorted(locked.files.items())},
    }
    write_text(folder / LOCK_NAME, json.dumps(lock, indent=2) + "\n")


def verify(locked: LockedModel) -> None:
    """Reads every file of the model. Raises ModelError naming the first that is absent or not as it was locked."""
    if locked.repository is None:
        remedy = f"restore the file, or remove {locked.folder / LOCK_NAME} if it was changed on purpose"
    else:
        remedy = f"remove {locked.folder}/ and run `snakemake fetch_models` to fetch it again"
    for file, expected in locked.files.items():
        path = locked.folder / file
        if not path.is_file():
            raise ModelError(f"{path} is missing, expected sha256 {expected.sha256} ({LOCK_NAME}); {remedy}")
        found = lock_of(path)
        if found != expected:
            raise ModelError(
                f"{path} has sha256 {found.sha256} ({found.size} bytes), expected {expected.sha256} "
                f"({expected.size} bytes, {LOCK_NAME}); {remedy}"
            )


def _check_nothing_else(locked: LockedModel, entry: Mapping) -> None:
    """Raises ModelError for a file that a loader would open and that was put there after the others were locked."""
    files = [file for file in present_files(locked.folder, entry["source"].get("files")) if file not in locked.files]
    if files:
        remedy = (
            f"or remove {locked.folder / LOCK_NAME} if the file belongs to the model"
            if locked.repository is None
            else f"or remove {locked.folder}/ and run `snakemake fetch_models`"
        )
        raise ModelError(
            f"{locked.folder / files[0]} is not in {LOCK_NAME}, which holds {', '.join(locked.files)}; remove it, "
            f"{remedy}"
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"{error.filename or path} cannot be read ({error.strerror}); restore it or correct its permissions"
        ) from error


def check_pins(locked: LockedModel, entry: Mapping) -> None:
    """Raises ModelError when a hash of the model's entry is not that of the locked file."""
    for file, expected in _pins(locked, entry).items():
        found = locked.files[file].sha256 if file in locked.files else None
        if found != expected:
            state = "is not among the model's files" if found is None else f"has sha256 {found}"
            came_from = "" if locked.repository is None else f" of {locked.repository} at commit {locked.commit}"
            raise ModelError(
                f"{locked.name}: {file}{came_from} {state}, expected sha256 {expected} (`sha256` of the model's "
                f"entry); use the version that was pinned, or correct the entry if the other one is meant"
            )


def unpinned_files(locked: LockedModel, entry: Mapping) -> list[str]:
    """Files for which nobody vouches: put there by a person, and without a hash in the model's entry."""
    if locked.repository is not None:
        return []
    return sorted(set(locked.files) - set(_pins(locked, entry)))


def _pins(locked: LockedModel, entry: Mapping) -> dict[str, str]:
    pins = entry.get("sha256", {})
    if isinstance(pins, Mapping):
        return dict(pins)
    weights = locked.matching(*WEIGHT_PATTERNS)
    if len(weights) != 1:
        raise ModelError(
            f"{locked.name}: `sha256` of the model's entry is one hash, but it has {len(weights)} weight files "
            f"({', '.join(weights)}); give a table of file name and hash"
        )
    return {weights[0]: pins}


def _check_source(locked: LockedModel, entry: Mapping) -> None:
    if locked.repository is None:
        return
    source = entry["source"]
    remedy = f"remove {locked.folder}/ and run `snakemake fetch_models`, or correct the entry"
    if source.get("hub", locked.repository) != locked.repository:
        raise ModelError(
            f"{locked.name}: {locked.folder}/ was fetched from {locked.repository}, but the model's entry "
            f"says {source['hub']}; {remedy}"
        )
    revision = source.get("revision")
    if revision not in (None, locked.revision, locked.commit):
        raise ModelError(
            f"{locked.name}: {locked.folder}/ holds commit {locked.commit} (asked for as {locked.revision}), but "
            f"the model's entry says revision {revision}; {remedy}"
        )


def _is_inside(file: str) -> bool:
    parts = PurePosixPath(file)
    return bool(file) and not parts.is_absolute() and ".." not in parts.parts and "\\" not in file
