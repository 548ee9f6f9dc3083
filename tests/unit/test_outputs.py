"""Folders that cannot be written are found before any work."""

import os

import pytest

from twelvelead.atomic import NotWritten
from twelvelead.outputs import check_room, check_writable


def test_folders_are_made_and_left_empty(tmp_path):
    check_writable([tmp_path / "results", tmp_path / "results/batch"])
    check_room([tmp_path / "results/batch"])
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["results", "results/batch"]


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(NotWritten, match=r"^folder .*results/b cannot be written: a file is where a folder has to be"):
        check_writable([tmp_path / "results/b"])
    check_room([tmp_path / "results/b"])  # which says nothing of what is not there


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else(tmp_path):
    (tmp_path / "results").mkdir(mode=0o500)
    with pytest.raises(NotWritten, match="this account may not write there"):
        check_writable([tmp_path / "results"])
    check_room([tmp_path / "results"])
