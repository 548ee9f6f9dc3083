from pathlib import Path

import pytest

from twelvelead.containers import find_image, folders_outside, with_options
from twelvelead.errors import ConfigError


@pytest.mark.parametrize("uri", ["docker://site/image:1", "oras://site/image@sha256:0", "https://site/image.sif"])
def test_a_uri_is_left_to_apptainer(uri, tmp_path):
    assert find_image(uri, tmp_path) == uri


def test_a_path_counts_from_the_working_folder_then_from_the_checkout(tmp_path, monkeypatch):
    root, here = tmp_path / "root", tmp_path / "here"
    for folder in (root, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    (root / "image.sif").touch()
    assert find_image("image.sif", root) == str(root / "image.sif")
    (here / "image.sif").touch()
    assert find_image("image.sif", root) == "image.sif"
    assert find_image(str(here / "image.sif"), root) == "image.sif"
    assert find_image(str(root / "image.sif"), root) == str(root / "image.sif")


def test_an_absent_file_is_an_error_that_names_what_to_do(tmp_path):
    with pytest.raises(
        ConfigError, match="`container` is a/b.sif, but there is no such file; build it with `make image`"
    ):
        find_image("a/b.sif", tmp_path)


def test_folders_outside_the_working_folder_are_named_once(tmp_path):
    here, archive = tmp_path / "here", tmp_path / "archive"
    (here / "work").mkdir(parents=True)
    (archive / "signals").mkdir(parents=True)
    (archive / "table.csv").touch()
    paths = [here, here / "work", archive / "signals", archive / "table.csv", archive / "not/yet/there"]
    assert folders_outside(paths, here) == [str(archive)]


def test_what_a_link_points_to_is_shown_too(tmp_path):
    here, archive = tmp_path / "here", tmp_path / "archive"
    here.mkdir()
    archive.mkdir()
    (here / "signals").symlink_to(archive)
    assert folders_outside([here / "signals"], here) == [str(archive)]


def test_the_root_folder_would_hide_the_image(tmp_path):
    with pytest.raises(ConfigError, match="/not/there/yet is named and nothing of it exists"):
        folders_outside([Path("/not/there/yet")], tmp_path)


def test_a_blank_above_the_working_folder_is_no_matter(tmp_path, monkeypatch):
    here = tmp_path / "my ecgs"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "image.sif").touch()
    assert find_image("image.sif", tmp_path) == "image.sif"
    (tmp_path / "my image.sif").touch()
    with pytest.raises(ConfigError, match="my image.sif, has a blank in it"):
        find_image("my image.sif", tmp_path)


def test_options_are_compared_whole():
    given = "--bind /archive/ecg2 --no-home"
    assert with_options(given, ["--bind /archive/ecg", "--bind /archive/ecg2", "--nv"]) == (
        "--bind /archive/ecg2 --no-home --bind /archive/ecg --nv"
    )
    assert with_options("", ["--bind '/a b'", "--bind '/a b'"]) == "--bind '/a b'"
    assert with_options("--bind '/a b'", ["--bind '/a b'"]) == "--bind '/a b'"
