"""ECGs that vanish or change between the plan and the job that reads them."""

import os
import shutil

import pytest

from twelvelead.changed_files import FolderGone, check_folder, count_changed, decode_again_next_time
from twelvelead.records import decode
from twelvelead.shards import listing, read_listing
from twelvelead.signal_files import find_files, size_and_time


@pytest.fixture
def signals(tmp_path):
    folder = tmp_path / "ecgs"
    folder.mkdir()
    for name in ("a.xml", "b.xml", "r.hea", "r.dat", "p.hdf5"):
        (folder / name).write_text(f"{name} 1 500 5000\nr.dat\n")
    return folder


def plan_of(signals, names):
    found = find_files(names, signals)
    members = [(name, file.path, file.size, file.mtime_ns) for name, file in found.items()]
    plan = signals.parent / "shard.tsv"
    plan.write_bytes(listing(members))
    return plan


def test_files_are_compared_with_what_the_plan_lists(signals):
    names = ["a.xml", "b.xml", "r", "p.hdf5#17"]
    plan = plan_of(signals, names)
    assert count_changed(plan) == 0
    (signals / "a.xml").unlink()
    (signals / "r.dat").write_text("another signal")  # of a WFDB record named by its header
    assert count_changed(plan) == 2
    os.utime(signals / "p.hdf5", ns=(1, 1))
    assert count_changed(plan) == 3
    assert size_and_time(str(signals / "a.xml")) is None


def test_one_ecg_that_vanishes_is_missing_and_a_folder_that_does_stops_the_job(signals):
    (signals / "a.xml").unlink()
    assert decode("a", str(signals / "a.xml")).status == "missing"
    shutil.rmtree(signals)
    expected = r"ecgs had ECGs when the run was planned and cannot be read now \(No such file"
    with pytest.raises(FolderGone, match=expected):
        decode("a", str(signals / "a.xml"))
    signals.mkdir()  # what an unmounted disk leaves
    with pytest.raises(FolderGone, match=r"is empty now; bring it back \(is the disk mounted\?\)"):
        check_folder(signals / "p.hdf5#17")


def test_a_marked_plan_lists_the_same_files_under_another_name(signals, tmp_path):
    from twelvelead.plan import _plan_of_shard

    content = plan_of(signals, ["a.xml", "b.xml"]).read_bytes()
    plans = [_plan_of_shard(tmp_path / "plan", "shard-all", content)]
    for _ in range(2):
        decode_again_next_time(plans[-1])
        plans.append(_plan_of_shard(tmp_path / "plan", "shard-all", content))
        assert _plan_of_shard(tmp_path / "plan", "shard-all", content) == plans[-1]
    assert len(set(plans)) == 3
    assert len({tuple(read_listing(plan)) for plan in plans}) == 1
    assert count_changed(plans[-1]) == 0
