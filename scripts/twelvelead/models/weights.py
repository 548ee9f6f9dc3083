"""Where a model's weights are, whether they may be used, and the record of what was used.

The record is what inference jobs depend on: other weights make another record, and so another run of the model.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from twelvelead.errors import ModelError
from twelvelead.models import FAMILIES
from twelvelead.models.lockfile import (
    LOCK_NAME,
    WEIGHT_PATTERNS,
    LockedModel,
    check_pins,
    is_at_hand,
    load_locked,
    lock_of,
    needed_files,
    read_lock,
    unpinned_files,
)


def why_not_at_hand(name: str, entry: Mapping, weights: Path, trusting: bool) -> str:
    """Why a model cannot run and what to do, empty where it can; looks for files and opens none but its lock."""
    source = entry["source"]
    if "package" in source:
        return ""
    folder = weights / name
    if "path" in source and not Path(source["path"]).exists():
        return f"there is no {source['path']}; correct `source: {{path: ...}}` of its entry"
    if "hub" in source and not is_at_hand(folder):
        return (
            f"its weights are not in {folder}/; run `snakemake fetch_models` (they are {source['hub']} on the Hugging "
            "Face Hub), or put them there"
        )
    if FAMILIES[entry["family"]].is_code and not trusting and "sha256" not in entry and not _is_from_hub(name, folder):
        return (
            f"the file in {source.get('path') or folder} is TorchScript, which is code, and nobody pinned its hash; "
            "give `sha256` in the model's entry (extra_models), or set `trust_local_weights: true` if you trust it"
        )
    return ""


def files_of(name: str, entry: Mapping, weights: Path) -> list[str]:
    """Paths of the files that a model's results depend on, for Snakemake; none for those inside a package."""
    source = entry["source"]
    if "package" in source:
        return []
    place = Path(source["path"]) if "path" in source else weights / name
    if place.is_file():
        return [str(place)]
    return [str(place / file) for file in _present(place, source.get("files"))]


def record(name: str, entry: Mapping, weights: Path) -> dict:
    """Verifies every file of a model against its lock and the hashes of its entry, and says what they are.

    Returns path (what the family loads), files (name -> sha256), where they came from (repository, revision, commit;
    None for a user's own), and pinned_by: who vouches for the hashes, "entry", "hub", "package", or "nobody".
    Raises ModelError.
    """
    source = entry["source"]
    if "package" in source:
        path = _in_package(entry)
        files = {source["file"]: hashlib.sha256(path.read_bytes()).hexdigest()}
        return _record(name, path, files, "entry" if "sha256" in entry else "package", entry)
    locked = _local(name, entry) if "path" in source else load_locked(name, entry, weights)
    by = "hub" if locked.repository is not None else "nobody" if unpinned_files(locked, entry) else "entry"
    path = Path(source["path"]) if "path" in source else locked.folder
    of_lock = {key: getattr(locked, key) for key in ("repository", "revision", "commit")}
    return _record(name, path, {file: entry.sha256 for file, entry in locked.files.items()}, by, entry) | of_lock


def weights_sha256(recorded: Mapping) -> str | None:
    """The hash of the model's only weights file, None where there are several."""
    hashes = [hash_ for file, hash_ in recorded["files"].items() if Path(file).suffix in (".pt", ".onnx")]
    return hashes[0] if len(hashes) == 1 else None


def _record(name: str, path: Path, files: Mapping[str, str], by: str, entry: Mapping) -> dict:
    return {
        "model": name,
        "family": entry["family"],
        "path": str(path),
        "files": dict(files),
        "repository": None,
        "revision": None,
        "commit": None,
        "pinned_by": by,
    }


def _is_from_hub(name: str, folder: Path) -> bool:
    if not (folder / LOCK_NAME).is_file():
        return False
    try:
        return read_lock(name, folder).repository is not None
    except (ModelError, OSError):
        return True  # the job that verifies the files says what is wrong with the lock


def _present(folder: Path, patterns: list[str] | None) -> list[str]:
    return needed_files((path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()), patterns)


def _local(name: str, entry: Mapping) -> LockedModel:
    """A user's own file or folder, which gets no lock: it is its owner's to change."""
    place = Path(entry["source"]["path"])
    folder, files = (place.parent, [place.name]) if place.is_file() else (place, _present(place, None))
    if not files:
        raise ModelError(f"{name}: {place}/ holds none of {', '.join(WEIGHT_PATTERNS)}; put the model's files there")
    locked = LockedModel(name, folder, None, None, None, {file: lock_of(folder / file) for file in files})
    check_pins(locked, entry)
    return locked


def _in_package(entry: Mapping) -> Path:
    package, file = entry["source"]["package"], entry["source"]["file"]
    path = Path(str(resources.files(package).joinpath(file)))
    if not path.is_file():
        raise ModelError(f"{package} ships no {file}; run make setup to get the pinned version")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if entry.get("sha256", found) != found:
        raise ModelError(
            f"{file} of package {package} has sha256 {found}, expected {entry['sha256']}; run make setup to get the "
            "pinned version"
        )
    return path


def read_record(path: str | Path) -> dict:
    """What `record` returned, from its file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
