"""Weights from a hub on loopback: what is fetched and locked, every way it fails, and that it resumes."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import constants

from twelvelead.errors import ConfigError, ModelError
from twelvelead.models import fetching
from twelvelead.models.fetching import fetch_all, fetch_model, find_token
from twelvelead.models.lockfile import (
    LOCK_NAME,
    LockedFile,
    load_locked,
    lock_existing,
    needed_files,
    read_lock,
    unpinned_files,
    write_lock,
)
from unit.hub_server import HubServer

WEIGHTS = bytes(range(256)) * 8192
CONFIG = b'{"hidden_size": 8}'
COMMIT = "a" * 40
NAME = "wcr_afib_5y"
REPOSITORY = "heartwise/wcr_afib_5y"
ENTRY = {"source": {"hub": REPOSITORY}}
TOKEN = "hf_secretsecretsecret"
SCRIPTS = Path(fetching.__file__).parents[2]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        server.add(REPOSITORY, {"model.pt": WEIGHTS, "config.json": CONFIG, "README.md": b"read me", "train.py": b"x"})
        yield server


def failure(entry=ENTRY, weights=None, token=None) -> str:
    """The sentence that fetching ends with, after checking what holds for every one of them."""
    with pytest.raises(ModelError) as caught:
        fetch_model(NAME, entry, weights, token)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith((NAME, str(weights)))
    assert TOKEN not in sentence
    assert caught.value.__cause__ is None
    return sentence


def test_fetches_what_a_model_needs_and_locks_it(hub, tmp_path):
    locked = fetch_model(NAME, ENTRY, tmp_path, None)
    assert locked.files == {
        "config.json": LockedFile(sha256(CONFIG), len(CONFIG)),
        "model.pt": LockedFile(sha256(WEIGHTS), len(WEIGHTS)),
    }
    assert (locked.repository, locked.revision, locked.commit) == (REPOSITORY, "main", COMMIT)
    assert locked.path("model.pt").read_bytes() == WEIGHTS
    assert sorted(path.name for path in (tmp_path / NAME).iterdir()) == ["config.json", "model.lock.json", "model.pt"]
    assert json.loads((tmp_path / NAME / LOCK_NAME).read_text())["commit"] == COMMIT
    assert not (tmp_path / ".fetching" / NAME).exists()


def test_second_call_asks_nothing(hub, tmp_path):
    first = fetch_model(NAME, ENTRY, tmp_path, None)
    hub.requests.clear()
    assert fetch_model(NAME, ENTRY, tmp_path, None) == first
    assert hub.requests == []


@pytest.mark.parametrize("revision", ["v1.0", "b" * 40])
def test_pinned_revision_is_the_one_fetched(hub, tmp_path, revision):
    repository = hub.repositories[REPOSITORY]
    repository.commits["b" * 40] = {"model.pt": b"older"}
    repository.refs["v1.0"] = "b" * 40
    locked = fetch_model(NAME, {"source": {"hub": REPOSITORY, "revision": revision}}, tmp_path, None)
    assert (locked.commit, locked.path("model.pt").read_bytes()) == ("b" * 40, b"older")


def test_changed_revision_is_not_answered_with_the_old_files(hub, tmp_path):
    fetch_model(NAME, ENTRY, tmp_path, None)
    sentence = failure({"source": {"hub": REPOSITORY, "revision": "c" * 40}}, tmp_path)
    assert f"holds commit {COMMIT}" in sentence
    assert f"revision {'c' * 40}" in sentence


def test_files_of_the_entry_choose(hub, tmp_path):
    hub.repositories[REPOSITORY].commits[COMMIT]["onnx/model.onnx"] = b"graph"
    entry = {"source": {"hub": REPOSITORY, "files": ["onnx/*.onnx", "train.py"]}}
    assert sorted(fetch_model(NAME, entry, tmp_path, None).files) == ["onnx/model.onnx", "train.py"]


def test_file_that_the_repository_lacks(hub, tmp_path):
    sentence = failure({"source": {"hub": REPOSITORY, "files": ["best.pt"]}}, tmp_path)
    assert "has no file for best.pt, only README.md, config.json, model.pt, train.py" in sentence


def test_token_reaches_the_hub_but_neither_its_storage_nor_a_file(hub, tmp_path, caplog, capfd):
    hub.add(REPOSITORY, {"model.pt": WEIGHTS}, gated=True, allowed=(TOKEN,))
    fetch_model(NAME, ENTRY, tmp_path, TOKEN)
    of_storage = [request for request in hub.requests if request.path.startswith("/storage/")]
    assert [request.token for request in of_storage] == [None]
    assert {request.token for request in hub.requests if request not in of_storage} == {TOKEN}
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN not in caplog.text + "".join(capfd.readouterr())


def test_no_token_but_the_one_given_is_sent(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch_model(NAME, ENTRY, tmp_path, None)
    assert {request.token for request in hub.requests} == {None}


@pytest.mark.parametrize(
    ("access", "token", "expected"),
    [
        ({"gated": True}, None, "is gated and no token was found; ask for access at http"),
        ({"gated": True, "known": (TOKEN,)}, TOKEN, "your token's account has no access yet; ask for it at http"),
        ({"gated": True}, TOKEN, "the hub refuses your token (401)"),
        ({"gated": True, "limited": (TOKEN,)}, TOKEN, "your token may not read heartwise/wcr_afib_5y (403)"),
        ({"private": True}, None, "does not exist or it is private and no token was found"),
        ({"private": True, "known": (TOKEN,)}, TOKEN, "does not exist or your token cannot see it"),
    ],
)
def test_refused_access(hub, tmp_path, access, token, expected):
    hub.add(REPOSITORY, {"model.pt": WEIGHTS}, **access)
    assert expected in failure(weights=tmp_path, token=token)
    assert hub.asked("GET", "model.pt") == []


@pytest.mark.parametrize("token", [None, TOKEN])
def test_repository_that_does_not_exist(hub, tmp_path, token):
    sentence = failure({"source": {"hub": "heartwise/nothing"}}, tmp_path, token)
    assert "heartwise/nothing was not found: it does not exist" in sentence


def test_name_that_no_repository_has(hub, tmp_path):
    assert "expected <organisation>/<repository>" in failure({"source": {"hub": "a/b/c"}}, tmp_path)


def test_revision_that_does_not_exist(hub, tmp_path):
    sentence = failure({"source": {"hub": REPOSITORY, "revision": "v9"}}, tmp_path)
    assert f"{REPOSITORY} has no revision v9" in sentence


def test_busy_hub(hub, tmp_path):
    hub.busy = True
    assert "answered with status 503" in failure(weights=tmp_path)


def test_unreachable_hub(monkeypatch, tmp_path):
    with HubServer() as server:
        closed = server.endpoint
    monkeypatch.setenv("HF_ENDPOINT", closed)
    assert f"the connection to {closed} failed or broke off (ConnectError)" in failure(weights=tmp_path)


@pytest.mark.parametrize("error", [TypeError, AttributeError, KeyError])
def test_an_answer_of_another_shape_than_the_hubs(hub, tmp_path, monkeypatch, error):
    def misread(*_, **__):
        raise error("'list' object has no attribute 'get'")

    monkeypatch.setattr(fetching.HfApi, "model_info", misread)
    assert "does not answer like a Hugging Face Hub" in failure(weights=tmp_path)


@pytest.mark.parametrize("endpoint", ["huggingface.co", "http://[hub", "http://hub:99999"])
def test_unusable_endpoint(monkeypatch, tmp_path, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(ConfigError, match="HF_ENDPOINT is .*expected an address such as"):
        fetch_model(NAME, ENTRY, tmp_path, None)


def test_cut_download_looks_absent_and_resumes_where_it_ended(hub, tmp_path):
    large = WEIGHTS * 6
    repository = hub.add(REPOSITORY, {"model.pt": large, "config.json": CONFIG})
    repository.cut["model.pt"] = 11_000_000
    assert "run again: what has arrived is kept" in failure(weights=tmp_path)
    assert not (tmp_path / NAME).exists()
    assert list(tmp_path.rglob("model.pt")) == []
    (partial,) = tmp_path.rglob("model.pt.partial")
    arrived = partial.stat().st_size
    assert arrived == constants.DOWNLOAD_CHUNK_SIZE  # the client writes whole chunks

    repository.cut.clear()
    hub.requests.clear()
    assert fetch_model(NAME, ENTRY, tmp_path, None).files["model.pt"].sha256 == sha256(large)
    assert {request.range for request in hub.asked("GET", "model.pt")} == {f"bytes={arrived}-"}
    assert hub.asked("GET", "config.json") == []


@pytest.mark.parametrize(
    ("file", "stated"), [("model.pt", f"expected {sha256(WEIGHTS)}"), ("config.json", "with git hash")]
)
def test_damage_at_equal_length_is_noticed_and_fetched_anew(hub, tmp_path, file, stated):
    hub.repositories[REPOSITORY].damaged = {file}
    sentence = failure(weights=tmp_path)
    assert f"{file} arrived from {REPOSITORY} with" in sentence
    assert stated in sentence
    assert not (tmp_path / NAME).exists()
    hub.repositories[REPOSITORY].damaged = set()
    assert fetch_model(NAME, ENTRY, tmp_path, None).path(file).stat().st_size > 0


def test_two_runs_at_once_download_once(hub, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: fetch_model(NAME, ENTRY, tmp_path, None), range(2))
    assert first == second
    assert len(hub.asked("GET", "storage/heartwise/wcr_afib_5y/" + COMMIT + "/model.pt")) == 1


def test_complete_file_of_a_killed_attempt_is_not_asked_for_again(hub, tmp_path):
    staging = tmp_path / ".fetching" / NAME / COMMIT
    staging.mkdir(parents=True)
    (staging / "model.pt.partial").write_bytes(WEIGHTS)
    assert fetch_model(NAME, ENTRY, tmp_path, None).path("model.pt").read_bytes() == WEIGHTS
    assert hub.asked("GET", "model.pt") == []


def test_damaged_part_of_an_earlier_attempt(hub, tmp_path):
    staging = tmp_path / ".fetching" / NAME / COMMIT
    staging.mkdir(parents=True)
    (staging / "model.pt.partial").write_bytes(b"x" * 1000)
    assert "it was damaged on the way and removed" in failure(weights=tmp_path)
    (staging / "model.pt.partial").write_bytes(b"x" * (len(WEIGHTS) + 1))
    assert fetch_model(NAME, ENTRY, tmp_path, None).path("model.pt").read_bytes() == WEIGHTS


LIMITED = """
import resource, sys
from pathlib import Path
from twelvelead.models.fetching import fetch_model
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    fetch_model(sys.argv[1], {"source": {"hub": sys.argv[2]}}, Path(sys.argv[3]), None)
except Exception as error:
    print(type(error).__name__, error)
"""


def run_python(program: str, *arguments: object, before=(), **environment: str) -> str:
    done = subprocess.run(
        [*before, sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def test_disk_that_fills_during_the_download(hub, tmp_path):
    printed = run_python(LIMITED, NAME, REPOSITORY, tmp_path)
    assert printed.startswith(f"ModelError {NAME}: no space left in {tmp_path}/ ({os.strerror(errno.EFBIG)})")
    assert not (tmp_path / NAME).exists()
    hub.requests.clear()
    fetch_model(NAME, ENTRY, tmp_path, None)
    assert [request.range for request in hub.asked("GET", "model.pt")] == ["bytes=500000-"] * 2


ON_A_SMALL_DISK = """
import subprocess, sys
from pathlib import Path
from twelvelead.errors import ModelError
from twelvelead.models import fetching
weights = Path(sys.argv[3])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", weights], check=True)
def attempt():
    try:
        fetching.fetch_model(sys.argv[1], {"source": {"hub": sys.argv[2]}}, weights, None)
    except Exception as error:
        print(type(error).__name__, error)
attempt()
def other_program_takes_the_space(*_):
    pass
fetching._check_space = other_program_takes_the_space
attempt()
"""


def test_disk_that_is_too_small(hub, tmp_path):
    own_mounts = ["unshare", "-Urm"]
    if subprocess.run([*own_mounts, "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    before, during = run_python(ON_A_SMALL_DISK, NAME, REPOSITORY, tmp_path, before=own_mounts).splitlines()
    assert "needs 2.1 MB more in" in before
    assert "1.0 MB are free; free space or set `weights`" in before
    assert during.startswith(f"ModelError {NAME}: no space left in {tmp_path}/ ({os.strerror(errno.ENOSPC)})")


OFFLINE = """
import sys
from pathlib import Path
from twelvelead.models.fetching import fetch_model
try:
    print(fetch_model(sys.argv[1], {"source": {"hub": sys.argv[2]}}, Path(sys.argv[3]), None).commit)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_offline(hub, tmp_path):
    printed = run_python(OFFLINE, NAME, REPOSITORY, tmp_path, HF_HUB_OFFLINE="1")
    assert printed.startswith(f"ModelError {NAME}: no weights in {tmp_path / NAME}/, and HF_HUB_OFFLINE forbids")
    fetch_model(NAME, ENTRY, tmp_path, None)
    hub.requests.clear()
    assert run_python(OFFLINE, NAME, REPOSITORY, tmp_path, HF_HUB_OFFLINE="1") == f"{COMMIT}\n"
    assert hub.requests == []


def test_folder_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "weights").write_text("a file where the folder should be")
    assert "cannot be read or written (Not a directory)" in failure(weights=tmp_path / "weights")


def test_the_other_models_go_on(hub, tmp_path):
    hub.add("heartwise/closed", {"model.pt": WEIGHTS}, gated=True)
    entries = {
        "closed": {"source": {"hub": "heartwise/closed"}},
        NAME: ENTRY,
        "shipped": {"source": {"package": "openecg", "file": "x"}},
    }
    locked, errors = fetch_all(entries, tmp_path, None)
    assert list(locked) == [NAME]
    assert list(errors) == ["closed"]
    assert "is gated" in str(errors["closed"])


def test_a_file_that_cannot_be_read_keeps_no_other_model(hub, tmp_path, own_folder, monkeypatch):
    hub.add("heartwise/other", {"model.pt": WEIGHTS})
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "wcr_afib_5y.pt":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    locked, errors = fetch_all({NAME: ENTRY, "other": {"source": {"hub": "heartwise/other"}}}, tmp_path, None)
    assert list(locked) == ["other"]
    expected = (
        f"{own_folder / 'wcr_afib_5y.pt'} cannot be read (Permission denied); restore it or correct its permissions"
    )
    assert str(errors[NAME]) == expected


def test_changed_file_is_refused(hub, tmp_path):
    locked = fetch_model(NAME, ENTRY, tmp_path, None)
    changed = WEIGHTS[:-1] + b"?"
    locked.path("model.pt").write_bytes(changed)
    sentence = failure(weights=tmp_path)
    assert f"model.pt has sha256 {sha256(changed)}" in sentence
    assert f"expected {sha256(WEIGHTS)}" in sentence
    assert f"remove {tmp_path / NAME}/ and run" in sentence
    locked.path("model.pt").unlink()
    assert f"model.pt is missing, expected sha256 {sha256(WEIGHTS)}" in failure(weights=tmp_path)


@pytest.mark.parametrize("pins", [sha256(WEIGHTS), {"model.pt": sha256(WEIGHTS), "config.json": sha256(CONFIG)}])
def test_pinned_hashes_that_hold(hub, tmp_path, pins):
    assert fetch_model(NAME, ENTRY | {"sha256": pins}, tmp_path, None).commit == COMMIT


@pytest.mark.parametrize("pins", ["0" * 64, {"config.json": "0" * 64}, {"absent.pt": "0" * 64}])
def test_pinned_hashes_that_do_not_hold(hub, tmp_path, pins):
    sentence = failure(ENTRY | {"sha256": pins}, tmp_path)
    assert f"expected sha256 {'0' * 64}" in sentence
    assert f"of {REPOSITORY} at commit {COMMIT}" in sentence
    assert not (tmp_path / NAME).exists()


def test_one_hash_for_two_weight_files(hub, tmp_path):
    hub.repositories[REPOSITORY].commits[COMMIT]["base_ssl.pt"] = b"pretrained"
    assert "2 weight files (base_ssl.pt, model.pt)" in failure(ENTRY | {"sha256": "0" * 64}, tmp_path)


@pytest.fixture
def own_folder(tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "wcr_afib_5y.pt").write_bytes(b"own")
    (folder / "notes.txt").write_text("where they came from")
    return folder


def test_own_folder_is_used_without_a_request(hub, tmp_path, own_folder):
    locked = fetch_model(NAME, ENTRY, tmp_path, None)
    assert (locked.repository, locked.commit, list(locked.files)) == (None, None, ["wcr_afib_5y.pt"])
    assert read_lock(NAME, own_folder) == locked
    assert hub.requests == []
    (own_folder / "wcr_afib_5y.pt").write_bytes(b"new")
    assert f"remove {own_folder / LOCK_NAME} if it was changed on purpose" in failure(weights=tmp_path)


def test_own_files_are_pinned_by_the_entry_alone(tmp_path, own_folder):
    assert unpinned_files(load_locked(NAME, ENTRY, tmp_path), ENTRY) == ["wcr_afib_5y.pt"]
    pinned = ENTRY | {"sha256": sha256(b"own")}
    assert unpinned_files(load_locked(NAME, pinned, tmp_path), pinned) == []


def test_fetched_files_are_pinned_by_the_hub(hub, tmp_path):
    assert unpinned_files(fetch_model(NAME, ENTRY, tmp_path, None), ENTRY) == []


def test_own_folder_that_cannot_be_written(tmp_path, own_folder):
    mounted = """
import subprocess, sys
from pathlib import Path
from twelvelead.models.lockfile import load_locked
subprocess.run(["mount", "--bind", "-o", "ro", sys.argv[2], sys.argv[2]], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", sys.argv[2]], check=True)
print(*load_locked(sys.argv[1], {"source": {}}, Path(sys.argv[2])).files)
"""
    own_mounts = ["unshare", "-Urm"]
    if subprocess.run([*own_mounts, "mount", "--bind", tmp_path, tmp_path], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a folder read-only")
    assert run_python(mounted, NAME, tmp_path, before=own_mounts) == "wcr_afib_5y.pt\n"
    assert not (own_folder / LOCK_NAME).exists()


def test_folder_without_weights(tmp_path, own_folder):
    (own_folder / "wcr_afib_5y.pt").unlink()
    assert "is there but holds none of *.pt, *.safetensors, *.onnx" in failure(weights=tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(ModelError, match="no weights in .*run `snakemake fetch_models`"):
        load_locked(NAME, ENTRY, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"files": {}}',
        '{"repository": null, "revision": null, "commit": null, "files": {}}',
        '{"repository": null, "revision": null, "commit": null, "files": {"a.pt": {"sha256": "00", "size": 1}}}',
        '{"repository": 1, "revision": null, "commit": null, "files": {"a.pt": {"sha256": "%s", "size": 1}}}'
        % ("0" * 64),
        '{"repository": null, "revision": null, "commit": null, "files": {"../a.pt": {"sha256": "%s", "size": 1}}}'
        % ("0" * 64),
    ],
)
def test_malformed_lock(tmp_path, own_folder, text):
    (own_folder / LOCK_NAME).write_text(text)
    with pytest.raises(ModelError, match="is not a lock as fetch_models writes it; remove it"):
        load_locked(NAME, ENTRY, tmp_path)


def test_lock_survives_writing_and_reading(tmp_path, own_folder):
    locked = lock_existing(NAME, ENTRY, own_folder)
    copy = shutil.copytree(own_folder, tmp_path / "copy")
    write_lock(locked, copy)
    assert read_lock(NAME, copy).files == locked.files


def test_file_outside_the_lock_has_no_path(tmp_path, own_folder):
    with pytest.raises(ModelError, match="notes.txt is not in .*which holds wcr_afib_5y.pt"):
        load_locked(NAME, ENTRY, tmp_path).path("notes.txt")


def test_hostile_names_are_never_needed():
    assert needed_files(["../a.pt", "/a.pt", ".git/a.pt", "a\\..\\b.pt", "sub/a.pt", "a.pt"], None) == ["a.pt"]
    assert needed_files(["../a.pt", LOCK_NAME], ["../*.pt", "*.json"]) == []


@pytest.fixture
def no_token(monkeypatch, tmp_path):
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "login"))
    return tmp_path


@pytest.mark.parametrize("key", ["HUGGING_FACE_API_KEY", "huggingface_api_key"])
def test_token_of_api_key_json(no_token, key):
    path = no_token / "api_key.json"
    path.write_text(json.dumps({key: f"{TOKEN}\n"}))
    assert find_token(str(path)) == TOKEN


def test_order_in_which_a_token_is_sought(no_token, monkeypatch):
    path = no_token / "api_key.json"
    assert find_token(str(path)) is None
    (no_token / "login").write_text("hf_login")
    assert find_token(str(path)) == "hf_login"
    path.write_text('{"HUGGING_FACE_API_KEY": "hf_file"}')
    assert find_token(str(path)) == "hf_file"
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_older_variable")
    assert find_token(str(path)) == "hf_older_variable"
    monkeypatch.setenv("HF_TOKEN", "hf_variable")
    assert find_token(str(path)) == "hf_variable"


@pytest.mark.parametrize("text", ["{", "[]", f'{{"token": "{TOKEN}"}}', f'"{TOKEN}"', '{"huggingface_api_key": 1}'])
def test_api_key_json_that_cannot_be_used(no_token, text):
    path = no_token / "api_key.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="api_key.json .*expected .*correct or remove it") as caught:
        find_token(str(path))
    assert TOKEN not in str(caught.value)


def test_token_that_no_header_can_carry(no_token, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\n{TOKEN}")
    with pytest.raises(ConfigError, match="environment variable HF_TOKEN contains blanks") as caught:
        find_token(None)
    assert TOKEN not in str(caught.value)
    failure(weights=no_token, token=f"{TOKEN}\n{TOKEN}")
