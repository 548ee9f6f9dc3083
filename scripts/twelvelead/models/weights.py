"""Where a model's weights are, whether they may be used, and the record of what was used.

The record is what inference jobs depend on: other weights make another record, and so another run of the model.
"""

import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from twelvelead.errors import ModelError
from twelvelead.models import FAMILIES
from twelvelead.models.lockfile import (
    LOCK_NAME,
    LockedModel,
    check_pins,
    is_at_hand,
    load_locked,
    lock_of,
    present_files,
    read_lock,
    unpinned_files,
    weight_patterns,
)

# Read with a checkpoint that it lies beside; see models.converted_checkpoint.
BASE_CHECKPOINT = "base_ssl.pt"


def why_not_at_hand(name: str, entry: Mapping, weights: Path, trusting: bool) -> str:
    """Why a model cannot run and what to do, empty where it can; looks for files and opens none but its lock."""
    try:
        return _why_not_at_hand(name, entry, weights, trusting)
    except ModelError as error:
        return str(error)


def _why_not_at_hand(name: str, entry: Mapping, weights: Path, trusting: bool) -> str:
    source = entry["source"]
    if "package" in source:
        return ""
    folder = weights / name
    if "path" in source and not os.path.exists(source["path"]):
        return f"there is no {source['path']}; correct `source: {{path: ...}}` of its entry"
    if "hub" in source and not is_at_hand(folder):
        return (
            f"its weights are not in {folder}/; run `snakemake fetch_models` (they are {source['hub']} on the Hugging "
            "Face Hub), or put them there"
        )
    if not files_of(name, entry, weights):
        wanted = ", ".join(weight_patterns(source["files"])) if "files" in source else "weights"
        return f"{source.get('path') or folder} holds no {wanted}; put the model's files there, or remove the folder"
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
    folder, files = _own_files(place, entry)
    return [str(folder / file) for file in files]


def record(name: str, entry: Mapping, weights: Path) -> dict:
    """Verifies every file of a model against its lock and the hashes of its entry, and says what they are.

    Returns path (what the family loads, in the installed `package` where one is named), files (name -> sha256), where
    they came from (repository, revision, commit; None for a user's own), and pinned_by: who vouches for the hashes,
    "entry", "hub", "package", or "nobody".
    Raises ModelError.
    """
    source = entry["source"]
    if "package" in source:
        files = {source["file"]: lock_of(_in_package(entry)).sha256}
        return _record(name, source["file"], files, "entry" if "sha256" in entry else "package", entry)
    locked = _local(name, entry) if "path" in source else load_locked(name, entry, weights)
    by = "hub" if locked.repository is not None else "nobody" if unpinned_files(locked, entry) else "entry"
    path = source.get("path", locked.folder)
    of_lock = {key: getattr(locked, key) for key in ("repository", "revision", "commit")}
    return _record(name, path, {file: entry.sha256 for file, entry in locked.files.items()}, by, entry) | of_lock


def verified_path(recorded: Mapping) -> Path:
    """What the family loads, when it still is what was recorded.

    Raises ModelError for a file that has changed since, or is gone.
    """
    path = Path(recorded["path"])
    if recorded.get("package") is not None:  # recorded without its folder: another environment has it elsewhere
        path = Path(str(resources.files(recorded["package"]).joinpath(path)))
    for name, expected in recorded["files"].items():
        file = path / name if path.is_dir() else path.with_name(Path(name).name)
        found = lock_of(file).sha256
        if found != expected:
            raise ModelError(
                f"{file} has sha256 {found}, expected {expected} as it was verified; restore it, or, if the change was "
                f"meant, remove models/{recorded['model']}/weights.json in the folder `work` and run again"
            )
    return path


def weights_sha256(recorded: Mapping) -> str | None:
    """The hash of the model's only weights file, None where there are several."""
    hashes = [hash_ for file, hash_ in recorded["files"].items() if Path(file).suffix in (".pt", ".onnx")]
    return hashes[0] if len(hashes) == 1 else None


def _record(name: str, path: str | Path, files: Mapping[str, str], by: str, entry: Mapping) -> dict:
    return {
        "model": name,
        "family": entry["family"],
        "path": str(path),
        "package": entry["source"].get("package"),
        "files": dict(files),
        "repository": None,
        "revision": None,
        "commit": None,
        "pinned_by": by,
    }


def _is_from_hub(name: str, folder: Path) -> bool:
    try:
        return (folder / LOCK_NAME).is_file() and read_lock(name, folder).repository is not None
    except (ModelError, OSError):
        return True  # the job that verifies the files says what is wrong with the lock


def _own_files(place: Path, entry: Mapping) -> tuple[Path, list[str]]:
    """A model's folder and the names of its files in it; `place` is the folder, or the one file that is named."""
    if not place.is_file():
        return place, present_files(place, entry["source"].get("files"))
    base = place.with_name(BASE_CHECKPOINT)
    with_base = FAMILIES[entry["family"]].converted and base != place and base.is_file()
    return place.parent, [place.name, *([BASE_CHECKPOINT] if with_base else [])]


def _local(name: str, entry: Mapping) -> LockedModel:
    """A user's own file or folder, which gets no lock: it is its owner's to change."""
    place = Path(entry["source"]["path"])
    folder, files = _own_files(place, entry)
    if not files:
        wanted = ", ".join(weight_patterns(entry["source"].get("files")))
        raise ModelError(f"{name}: {place}/ holds none of {wanted}; put the model's files there")
    locked = LockedModel(name, folder, None, None, None, {file: lock_of(folder / file) for file in files})
    check_pins(locked, entry)
    return locked


def _in_package(entry: Mapping) -> Path:
    package, file = entry["source"]["package"], entry["source"]["file"]
    path = Path(str(resources.files(package).joinpath(file)))
    if not path.is_file():
        raise ModelError(f"{package} ships no {file}; run make setup to get the pinned version")
    found = lock_of(path).sha256
    if entry.get("sha256", found) != found:
        raise ModelError(
            f"{file} of package {package} has sha256 {found}, expected {entry['sha256']}; run make setup to get the "
            "pinned version"
        )
    return path


def read_record(path: str | Path) -> dict:
    """What `record` returned, from its file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
