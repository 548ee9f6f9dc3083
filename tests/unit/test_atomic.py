"""Files that are whole or not there, and what is said when they cannot be written."""

import errno
import os
import resource
from contextlib import contextmanager

import pytest

from twelvelead import atomic
from twelvelead.atomic import NotWritten, Superseded, replacing, why_not_written, write_once, write_text


@contextmanager
def files_of_at_most(size):
    """A limit that every account has: writing beyond it fails in the middle of a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_was_cut_short_leaves_the_earlier_one_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.csv", "earlier\n")
    with files_of_at_most(1000), pytest.raises(NotWritten, match=r"a\.csv cannot be written: .*run the same command"):
        write_text(tmp_path / "a.csv", "x" * 5000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "earlier\n"


def test_no_claim_is_left_where_not_even_that_can_be_written(tmp_path):
    with files_of_at_most(0), pytest.raises(NotWritten):
        write_text(tmp_path / "a.csv", "x")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_was_cut_short_is_not_there(tmp_path):
    with files_of_at_most(1000), pytest.raises(NotWritten, match="cannot be written"):
        write_once(tmp_path / "plan", "shard-", ".tsv", b"x" * 5000)
    assert list((tmp_path / "plan").iterdir()) == []
    path = write_once(tmp_path / "plan", "shard-", ".tsv", b"x" * 5000)
    assert path.read_bytes() == b"x" * 5000


def test_a_file_where_a_folder_has_to_be(tmp_path):
    (tmp_path / "results").write_text("")
    for path in (tmp_path / "results/a.csv", tmp_path / "results/b/a.csv"):
        with pytest.raises(NotWritten, match="a file is where a folder has to be"):
            write_text(path, "x")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left on its disk"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "its disk is read-only"),
    ],
)
def test_what_only_writing_fails_with_is_about_the_file_being_written(tmp_path, number, words):
    with (
        pytest.raises(NotWritten, match=rf"a\.csv cannot be written: {words}") as raised,
        replacing(tmp_path / "a.csv"),
    ):
        raise OSError(number, os.strerror(number))
    assert raised.value.errno == number


def test_an_input_that_may_not_be_read_is_not_taken_for_an_output(tmp_path):
    with pytest.raises(PermissionError), replacing(tmp_path / "a.csv"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "input.xml"))
    assert why_not_written("a.csv", OSError("1000 requested and 0 written")) is None
    assert "may not write there" in str(why_not_written("a.csv", PermissionError(errno.EACCES, "", "a.csv")))


def write_old_and_a_later_attempt(orphan, path):
    orphan.write_text("old")
    write_text(path, "new")


def test_an_orphan_never_replaces_what_a_later_attempt_wrote(tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(Superseded), replacing(path) as orphan:
        write_old_and_a_later_attempt(orphan, path)
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["a.csv"]


def test_a_later_attempt_removes_what_a_dead_one_left(tmp_path):
    (tmp_path / ".a.csv.0123456789ab.tmp").write_text("half")
    (tmp_path / ".a.csv.claim").write_text(".a.csv.0123456789ab.tmp")
    write_text(tmp_path / "a.csv", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv"}
    assert atomic._claimed_by(tmp_path / ".a.csv.claim") == ""
