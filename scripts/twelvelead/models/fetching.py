"""Weights from the Hugging Face Hub: one commit, every file checked against its hash, resumed after an interruption.

Files arrive in `weights/.fetching/<model>/<commit>/`, which becomes `weights/<model>/` by one rename when all of them
are there and right, so a folder of weights is never incomplete.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, get_hf_file_metadata, get_token, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # the transport's base class; the client has changed its transport before
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from twelvelead.atomic import NotWritten
from twelvelead.errors import ConfigError, ModelError
from twelvelead.models.lockfile import (
    WEIGHT_PATTERNS,
    LockedFile,
    LockedModel,
    check_pins,
    is_at_hand,
    load_locked,
    lock_of,
    matching_files,
    needed_files,
    write_lock,
)

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
API_KEY_NAMES = ("HUGGING_FACE_API_KEY", "huggingface_api_key")  # DeepECG's code and DeepECG's README
LIBRARY = "twelvelead"
INFO_TIMEOUT_S = 30
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class _Source:
    name: str
    repository: str
    revision: str
    endpoint: str
    token: str | None = field(repr=False)

    @property
    def page(self) -> str:
        return f"{self.endpoint}/{self.repository}"


@dataclass(frozen=True)
class _RemoteFile:
    """etag is the sha256 of a large file and git's object hash of a small one."""

    name: str
    url: str
    etag: str | None
    size: int | None


def fetch_all(
    entries: Mapping[str, Mapping], weights: Path, token: str | None
) -> tuple[dict[str, LockedModel], dict[str, ModelError]]:
    """Models at hand, and for the others why not; one model's error does not keep the rest from being fetched.

    Entries without a hub repository are passed over.
    """
    locked, errors = {}, {}
    for name, entry in entries.items():
        if "hub" not in entry["source"]:
            continue
        try:
            locked[name] = fetch_model(name, entry, weights, token)
        except ModelError as error:
            errors[name] = error
    return locked, errors


def fetch_model(name: str, entry: Mapping, weights: Path, token: str | None) -> LockedModel:
    """The model in `weights/<name>/`, fetched if it is not there yet; what is there is verified without a request.

    entry  of the registry; its source gives hub, and optionally revision (default main) and files (patterns)
    Raises ModelError with one sentence that says what to do, ConfigError for HF_ENDPOINT.
    """
    folder = weights / name
    if is_at_hand(folder):
        return load_locked(name, entry, weights)
    repository, revision = entry["source"]["hub"], entry["source"].get("revision", "main")
    source = _Source(name, repository, revision, _endpoint(), token)
    if constants.is_offline_mode():
        raise ModelError(
            f"{name}: no weights in {folder}/, and HF_HUB_OFFLINE forbids fetching them from {source.page}; "
            "unset HF_HUB_OFFLINE, or copy the folder from a machine that has it"
        )
    arriving = weights / ".fetching" / name
    with _in_one_sentence(source, weights):
        arriving.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(arriving.with_name(f"{name}.lock")):
            if not is_at_hand(folder):
                return _fetch(source, entry, folder, arriving)
    return load_locked(name, entry, weights)


def find_token(api_key_path: str | None) -> str | None:
    """The user's hub token, or None: from the environment, else the file api_key.json, else the hub's stored login.

    Raises ConfigError for an api_key.json that is there but cannot be used. No message contains a token.
    """
    for variable in TOKEN_VARIABLES:
        if token := os.environ.get(variable, "").strip():
            return _usable(token, f"environment variable {variable}")
    if api_key_path is not None and Path(api_key_path).is_file() and (token := _read_api_key(Path(api_key_path))):
        return _usable(token, api_key_path)
    token = get_token()
    return None if token is None else _usable(token, "the hub's stored login")


def _read_api_key(path: Path) -> str:
    expected = f'expected {{"{API_KEY_NAMES[0]}": "hf_..."}}; correct or remove it'
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(f"{path} cannot be read as JSON, {expected}") from None
    found = [keys[name] for name in API_KEY_NAMES if name in keys] if isinstance(keys, dict) else []
    if not found or not isinstance(found[0], str):
        raise ConfigError(f"{path} has neither {' nor '.join(API_KEY_NAMES)} with a text, {expected}")
    return found[0].strip()


def _usable(token: str, origin: str) -> str:
    # Sent as a header: the transport's own error for a bad one would quote it.
    if not re.fullmatch(r"[!-~]+", token):
        raise ConfigError(f"the token of {origin} contains blanks or characters that no token has; copy it again")
    return token


def _endpoint() -> str:
    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a malformed address or port
        usable = False
    if not usable:
        raise ConfigError(
            f"HF_ENDPOINT is {endpoint!r}, expected an address such as https://huggingface.co; correct it"
        )
    return endpoint


def _fetch(source: _Source, entry: Mapping, folder: Path, arriving: Path) -> LockedModel:
    commit, files = _list_files(source, entry["source"].get("files"))
    headers = build_hf_headers(token=source.token or False, library_name=LIBRARY)
    remote_files = [_look_up(source, file, commit) for file in files]
    staging = arriving / commit
    staging.mkdir(exist_ok=True)
    _check_space(source, remote_files, staging)
    received = {remote.name: _receive(source, remote, staging, headers) for remote in remote_files}
    locked = LockedModel(source.name, folder, source.repository, source.revision, commit, received)
    check_pins(locked, entry)
    write_lock(locked, staging)
    os.rename(staging, folder)
    shutil.rmtree(arriving, ignore_errors=True)
    return locked


def _list_files(source: _Source, patterns: list[str] | None) -> tuple[str, list[str]]:
    """The commit that the revision stands for now, and the files of it that the model needs."""
    hub = HfApi(endpoint=source.endpoint, token=source.token or False, library_name=LIBRARY)
    repository = hub.model_info(source.repository, revision=source.revision, timeout=INFO_TIMEOUT_S)
    if repository.sha is None or re.fullmatch(r"[0-9a-f]{40}", repository.sha) is None:
        raise ValueError("no commit in the answer")
    present = [sibling.rfilename for sibling in repository.siblings or []]
    files = needed_files(present, patterns)
    unmet = [pattern for pattern in patterns or [] if not matching_files(files, [pattern])]
    if unmet or not files:
        raise ModelError(
            f"{source.name}: {source.repository} at commit {repository.sha} has no file for "
            f"{', '.join(unmet or WEIGHT_PATTERNS)}, only {', '.join(sorted(present)) or 'none at all'}; "
            "correct `files` of the model's source"
        )
    return repository.sha, files


def _look_up(source: _Source, file: str, commit: str) -> _RemoteFile:
    url = hf_hub_url(source.repository, file, revision=commit, endpoint=source.endpoint)
    metadata = get_hf_file_metadata(
        url, token=source.token or False, library_name=LIBRARY, endpoint=source.endpoint, retry_on_errors=True
    )
    return _RemoteFile(file, url, metadata.etag, metadata.size)


def _check_space(source: _Source, remote_files: list[_RemoteFile], staging: Path) -> None:
    there = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    needed = sum(remote.size or 0 for remote in remote_files) - there
    free = shutil.disk_usage(staging).free
    if needed > free:
        raise ModelError(
            f"{source.name}: {source.repository} needs {needed / 1e6:.1f} MB more in {staging.parents[2]}/, where "
            f"{free / 1e6:.1f} MB are free; free space or set `weights` to a folder on another disk, and run again"
        )


def _receive(source: _Source, remote: _RemoteFile, staging: Path, headers: dict[str, str]) -> LockedFile:
    """Downloads a file, from where an earlier attempt ended, and compares it with the hub's hash."""
    target = staging / remote.name
    partial = target.with_name(f"{target.name}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # of an earlier attempt: read again like the others
        os.replace(target, partial)
    if partial.exists() and (remote.size is None or partial.stat().st_size > remote.size):
        partial.unlink()
    # The client's own hf_hub_download starts a file anew after each interruption.
    with partial.open("ab") as content:
        http_get(
            remote.url,
            content,
            resume_size=partial.stat().st_size,
            headers=headers,
            expected_size=remote.size,
            displayed_filename=remote.name,
        )
    locked = lock_of(partial)
    found = locked.sha256 if remote.etag is None or len(remote.etag) != 40 else _git_hash(partial)
    if remote.etag is not None and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", remote.etag) and found != remote.etag:
        partial.unlink()
        kind = "sha256" if len(remote.etag) == 64 else "git hash"
        raise ModelError(
            f"{source.name}: {remote.name} arrived from {source.repository} with {kind} {found}, expected "
            f"{remote.etag} as the hub states; it was damaged on the way and removed, run again to fetch it anew"
        )
    os.replace(partial, target)
    return locked


def _git_hash(path: Path) -> str:
    """The hash that git gives a file's content (sha1 over "blob <size>\\0" and the content)."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def _in_one_sentence(source: _Source, weights: Path) -> Iterator[None]:
    try:
        yield
    except NotWritten as error:
        raise ModelError(f"{source.name}: {error}") from None
    except (HfHubHTTPError, HTTPError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        # The client raises the last three on an answer of another shape than the hub's.
        # Neither its text nor its traceback: they can quote signed addresses.
        raise ModelError(f"{source.name}: {_sentence(error, source, weights)}") from None


def _sentence(error: Exception, source: _Source, weights: Path) -> str:
    if isinstance(error, HfHubHTTPError):
        return _refusal(error, source)
    if isinstance(error, HFValidationError):
        return f"`hub` is {source.repository!r}, expected <organisation>/<repository>; correct the model's entry"
    if isinstance(error, HTTPError) or (isinstance(error, OSError) and error.errno is None):
        return (
            f"the connection to {source.endpoint} failed or broke off ({type(error).__name__}); check the network, "
            "HF_ENDPOINT and proxy settings, and run again: what has arrived is kept"
        )
    if isinstance(error, OSError):
        if error.errno in FULL_DISK:
            return (
                f"no space left in {weights}/ ({os.strerror(error.errno)}); free space or set `weights` to a folder "
                "on another disk, and run again: what has arrived is kept"
            )
        return (
            f"{error.filename or weights} cannot be read or written ({os.strerror(error.errno)}); correct its "
            "permissions, or set `weights` to another folder"
        )
    return f"{source.endpoint} does not answer like a Hugging Face Hub; check HF_ENDPOINT and proxy settings"


def _refusal(error: HfHubHTTPError, source: _Source) -> str:
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        if source.token is None:
            return (
                f"{source.repository} is gated and no token was found; ask for access at {source.page}, then set "
                "HF_TOKEN, run `hf auth login`, or put the token into api_key.json (hugging_face_api_key_path)"
            )
        return (
            f"{source.repository} is gated and your token's account has no access yet; ask for it at {source.page}, "
            "wait until it is granted, and run again"
        )
    if status == 401 and source.token is not None:
        return (
            f"the hub refuses your token (401) for {source.repository}; make a new one with read access at "
            f"{source.endpoint}/settings/tokens and replace the one in HF_TOKEN, api_key.json or `hf auth login`"
        )
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{source.repository} has no revision {source.revision}; correct `revision` of the model's source, "
            f"see {source.page}/commits/main"
        )
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        with_token = "it is private and no token was found" if source.token is None else "your token cannot see it"
        return (
            f"{source.repository} was not found: it does not exist or {with_token}; correct `hub` of the model's "
            "source, or use a token of an account that can open its page"
        )
    if status == 403:
        return (
            f"your token may not read {source.repository} (403); at {source.endpoint}/settings/tokens allow it to "
            "read gated repositories, or make one with read access"
        )
    return f"the hub answered with status {status} for {source.repository}; run again later: what has arrived is kept"
