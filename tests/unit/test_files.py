"""Files the workflow writes: whole or not there, tensors of unknown length, exported signals."""

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.atomic import Superseded, replacing, write_once, write_text
from twelvelead.errors import SignalError
from twelvelead.export import export_one, export_shard, remove_stale
from twelvelead.tensors import RowStatus, TensorWriter, prepared_ids, read_statuses, write_statuses


def test_a_failed_attempt_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("orphan_ends", ["before", "after"])
def test_an_orphan_never_replaces_what_a_newer_attempt_wrote(tmp_path, orphan_ends):
    path = tmp_path / "a"
    orphan, newer = replacing(path), replacing(path)
    old = orphan.__enter__()
    old.write_text("old")
    new = newer.__enter__()
    new.write_text("new")
    assert old != new

    def end_orphan():
        with pytest.raises(Superseded, match="a newer attempt"):
            orphan.__exit__(None, None, None)

    if orphan_ends == "before":
        end_orphan()
    newer.__exit__(None, None, None)
    if orphan_ends == "after":
        end_orphan()
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_new_attempt_removes_what_a_killed_one_left(tmp_path):
    killed = replacing(tmp_path / "a")
    killed.__enter__().write_text("half")
    assert len(list(tmp_path.iterdir())) == 2  # the half and the claim
    write_text(tmp_path / "a", "whole")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_write_once_names_a_file_by_its_content(tmp_path):
    first = write_once(tmp_path, "p-", ".txt", b"one")
    assert write_once(tmp_path, "p-", ".txt", b"one") == first
    assert write_once(tmp_path, "p-", ".txt", b"two") != first
    assert first.read_bytes() == b"one"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 7), max_size=6))
def test_a_tensor_of_unknown_length_is_a_plain_npy(tmp_path_factory, block_sizes):
    path = tmp_path_factory.mktemp("tensor") / "t.npy"
    blocks = [np.random.default_rng(n).normal(size=(n, 3, 4)).astype(np.float32) for n in block_sizes]
    writer = TensorWriter(path, (3, 4))
    for block in blocks:
        writer.append(block)
    writer.close()
    expected = np.concatenate(blocks) if blocks else np.empty((0, 3, 4), np.float32)
    np.testing.assert_array_equal(np.load(path), expected)


def test_a_block_of_another_shape_is_refused(tmp_path):
    writer = TensorWriter(tmp_path / "t.npy", (3, 4))
    with pytest.raises(ValueError, match="expected"):
        writer.append(np.zeros((1, 4, 3), np.float32))
    writer.close()


def test_statuses_survive_awkward_messages(tmp_path):
    rows = [RowStatus("a", "ok"), RowStatus("b", "too_short", 'tab\t, quote ", new\nline'), RowStatus("c", "ok")]
    write_statuses(tmp_path / "s.tsv", rows)
    assert list(read_statuses(tmp_path / "s.tsv")) == rows
    assert prepared_ids(tmp_path / "s.tsv") == ["a", "c"]


class TestExport:
    @pytest.fixture
    def prepared(self, tmp_path):
        signals = np.random.default_rng(0).normal(size=(2, 12, 2500)).astype(np.float32)
        np.save(tmp_path / "t.npy", signals)
        rows = [RowStatus("a", "ok"), RowStatus("b", "too_short", "6 s"), RowStatus("c", "ok")]
        write_statuses(tmp_path / "t.tsv", rows)
        return tmp_path, signals

    def test_npy_is_time_by_lead(self, prepared):
        folder, signals = prepared
        done = folder / "done.txt"
        assert export_shard(str(folder / "t.npy"), str(folder / "t.tsv"), str(folder / "out"), "npy", str(done)) == 2
        assert done.read_text() == "a.npy\nc.npy\n"
        np.testing.assert_array_equal(np.load(folder / "out/c.npy"), signals[1].T)

    def test_base64_is_deepecgs(self, prepared):
        folder, signals = prepared
        export_shard(str(folder / "t.npy"), str(folder / "t.tsv"), str(folder / "out"), "base64", str(folder / "d"))
        stored = base64.b64decode((folder / "out/a.base64").read_text())
        np.testing.assert_array_equal(np.frombuffer(stored, "<f4").reshape(2500, 12), signals[0].T)

    def test_signals_of_an_earlier_run_go_and_one_asked_for_by_name_stays(self, prepared):
        folder, _ = prepared
        export_shard(str(folder / "t.npy"), str(folder / "t.tsv"), str(folder / "out"), "base64", str(folder / "d"))
        for name in ("gone.base64", "gone.npy", "a.npy", "c.d.npy"):
            (folder / "out" / name).touch()
        assert remove_stale([str(folder / "d")], str(folder / "out"), str(folder / "all")) == (2, 3)
        assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.base64", "a.npy", "c.base64"]

    def test_one_signal_or_the_reason_why_there_is_none(self, prepared):
        folder, signals = prepared
        paths = str(folder / "t.npy"), str(folder / "t.tsv")
        export_one(*paths, "c", str(folder / "c.npy"))
        np.testing.assert_array_equal(np.load(folder / "c.npy"), signals[1].T)
        with pytest.raises(SignalError, match="b has no cleaned signal: too_short, 6 s"):
            export_one(*paths, "b", str(folder / "b.npy"))
        with pytest.raises(SignalError, match="not an ECG of this batch"):
            export_one(*paths, "z", str(folder / "z.npy"))
