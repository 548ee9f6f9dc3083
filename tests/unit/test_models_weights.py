"""The record of a model's weights: what was verified, and who vouches for it."""

import hashlib
import json

import pytest

from twelvelead.errors import ModelError
from twelvelead.models.lockfile import LOCK_NAME
from twelvelead.models.weights import files_of, record, verified_path, weights_sha256, why_not_at_hand

CONTENT = b"weights of a model"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def entry(family="torchscript", **source):
    return {"family": family, "source": source}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net/net.pt").write_bytes(CONTENT)
    (tmp_path / "net/notes.txt").write_bytes(b"not of the model")
    return tmp_path


def test_a_folder_put_there_by_hand_is_locked_and_nobody_vouches_for_it(folder):
    found = record("net", entry(hub="a/net"), folder)
    assert found["files"] == {"net.pt": SHA256}
    assert found["pinned_by"] == "nobody"
    assert found["path"] == str(folder / "net")
    assert weights_sha256(found) == SHA256
    (folder / "net/net.pt").write_bytes(CONTENT + b"!")
    with pytest.raises(ModelError, match=r"net\.pt has sha256 .* expected"):
        record("net", entry(hub="a/net"), folder)


def test_a_hash_in_the_entry_vouches(folder):
    assert record("net", entry(hub="a/net") | {"sha256": SHA256}, folder)["pinned_by"] == "entry"
    with pytest.raises(ModelError, match="expected sha256 000"):
        record("net", entry(hub="a/net") | {"sha256": "0" * 64}, folder)


def test_what_the_hub_gave_is_pinned_by_it(folder):
    files = {"net.pt": {"sha256": SHA256, "size": len(CONTENT)}}
    lock = {"repository": "a/net", "revision": "main", "commit": "c" * 40, "files": files}
    (folder / "net" / LOCK_NAME).write_text(json.dumps(lock))
    found = record("net", entry(hub="a/net"), folder)
    assert (found["pinned_by"], found["commit"]) == ("hub", "c" * 40)
    assert why_not_at_hand("net", entry(hub="a/net"), folder, trusting=False) == ""


def test_a_file_of_the_users_own_gets_no_lock(folder):
    own = entry(path=str(folder / "net/net.pt"))
    assert files_of("mine", own, folder) == [str(folder / "net/net.pt")]
    found = record("mine", own, folder)
    assert found["files"] == {"net.pt": SHA256}
    assert found["path"] == own["source"]["path"]
    assert not (folder / "net" / LOCK_NAME).exists()
    assert record("mine", own | {"sha256": SHA256}, folder)["pinned_by"] == "entry"


def test_a_file_put_beside_locked_ones_is_refused(folder):
    record("net", entry("wcr", hub="a/net"), folder)
    (folder / "net/base_ssl.pt").write_bytes(CONTENT)
    with pytest.raises(ModelError, match=r"base_ssl\.pt is not in model\.lock\.json, which holds net\.pt; remove it"):
        record("net", entry("wcr", hub="a/net"), folder)
    (folder / "net" / LOCK_NAME).unlink()
    assert set(record("net", entry("wcr", hub="a/net"), folder)["files"]) == {"net.pt", "base_ssl.pt"}


def test_a_checkpoint_named_by_its_file_has_the_base_beside_it(folder):
    (folder / "net/base_ssl.pt").write_bytes(CONTENT)
    own = entry("wcr", path=str(folder / "net/net.pt"))
    assert set(record("mine", own, folder)["files"]) == {"net.pt", "base_ssl.pt"}
    assert files_of("mine", own, folder) == [str(folder / "net/net.pt"), str(folder / "net/base_ssl.pt")]
    assert set(record("mine", own | {"family": "torchscript"}, folder)["files"]) == {"net.pt"}


@pytest.mark.parametrize("place", ["net/net.pt", "net"])
def test_what_changed_since_it_was_recorded_is_not_loaded(folder, place):
    found = record("mine", entry(path=str(folder / place)), folder)
    assert verified_path(found) == folder / place
    (folder / "net/net.pt").write_bytes(CONTENT[::-1])
    with pytest.raises(ModelError, match=r"net\.pt has sha256 .* as it was verified; restore it"):
        verified_path(found)


def test_files_of_a_folder_are_the_models_own(folder):
    assert files_of("net", entry(hub="a/net"), folder) == [str(folder / "net/net.pt")]


@pytest.mark.parametrize("family", ["onnx", "wcr", "bert"])
def test_weights_that_are_no_code_need_nobody(folder, family):
    assert why_not_at_hand("net", entry(family, hub="a/net"), folder, trusting=False) == ""
    assert "nobody pinned" in why_not_at_hand("net", entry(hub="a/net"), folder, trusting=False)
    assert why_not_at_hand("net", entry(hub="a/net"), folder, trusting=True) == ""


def test_a_package_ships_what_is_pinned(tmp_path):
    of_package = entry("openecg", package="openecg", file="models/codec_v6_int8.onnx")
    found = record("rhythm", of_package, tmp_path)
    assert found["pinned_by"] == "package"
    assert found["path"] == "models/codec_v6_int8.onnx"  # another environment has it elsewhere
    assert verified_path(found).is_file()
    with pytest.raises(ModelError, match="as it was verified"):
        verified_path(found | {"files": {found["path"]: "0" * 64}})
    with pytest.raises(ModelError, match="run make setup to get the pinned version"):
        record("rhythm", of_package | {"sha256": "0" * 64}, tmp_path)
    with pytest.raises(ModelError, match="ships no"):
        record("rhythm", entry("openecg", package="openecg", file="models/no.onnx"), tmp_path)


FILES = ["net.pt", "net.yaml"]


@pytest.fixture
def repository(folder):
    """A whole repository in the model's folder: the model's checkpoint, and others that are not its."""
    (folder / "net/pretrained.pt").write_bytes(b"another model")
    (folder / "net/other.yaml").write_bytes(b"its configuration")
    return folder


@pytest.mark.parametrize("linked", [False, True])
def test_only_the_files_that_the_source_names_are_the_models(repository, linked):
    if linked:
        (repository / "net").rename(repository / "elsewhere")
        (repository / "net").symlink_to(repository / "elsewhere")
    named = entry("ecgfm", hub="a/net", files=FILES)
    assert files_of("net", named, repository) == [str(repository / "net/net.pt")]
    assert why_not_at_hand("net", named, repository, trusting=False) == ""
    found = record("net", named, repository)
    assert found["files"] == {"net.pt": SHA256}
    assert weights_sha256(found) == SHA256
    assert verified_path(found) == repository / "net"
    assert record("net", named | {"sha256": SHA256}, repository)["pinned_by"] == "entry"
    assert (repository / "net" / LOCK_NAME).exists() != linked
    (repository / "net/pretrained.pt").write_bytes(b"other weights")
    assert record("net", named, repository) == found


def test_a_linked_folder_serves_several_models(repository):
    for model in ("first", "second"):
        (repository / model).symlink_to(repository / "net")
    first = record("first", entry("ecgfm", hub="a/net", files=FILES), repository)
    second = record("second", entry("ecgfm", hub="a/other", files=["pretrained.pt"]), repository)
    assert (set(first["files"]), set(second["files"])) == ({"net.pt"}, {"pretrained.pt"})


def test_a_configuration_beside_the_weights_is_the_models_where_it_is_there(repository):
    named = entry("ecgfm", path=str(repository / "net"), files=FILES)
    (repository / "net/net.yaml").write_bytes(b"model: {}")
    assert set(record("net", named, repository)["files"]) == set(FILES)
    (repository / "net/net.pt").unlink()
    assert files_of("net", named, repository) == []
    assert "net holds no net.pt; put the model's files there" in why_not_at_hand("net", named, repository, False)
    with pytest.raises(ModelError, match=r"holds none of net\.pt; put the model's files there"):
        record("net", named, repository)
    with pytest.raises(ModelError, match=r"is there but holds none of net\.pt"):
        record("net", entry("ecgfm", hub="a/net", files=FILES), repository)


def test_weights_of_an_unusual_name_are_what_the_patterns_say(folder):
    (folder / "net/net.bin").write_bytes(CONTENT)
    assert record("net", entry("bert", hub="a/net", files=["*.bin"]), folder)["files"] == {"net.bin": SHA256}
