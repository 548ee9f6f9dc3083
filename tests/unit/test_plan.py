"""Plans: ids, shards and what a change of the table or of a file touches."""

import os
import posixpath
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import TableError
from twelvelead.plan import SignalFile, ecg_ids, make_plan, newest_index, read_plan
from twelvelead.shards import buckets, ecg_hash, hash_bits, read_listing

TASKS = {"t": {"kind": "binary", "truth_column": "y", "file_column": "f"}}


def write_batch(folder, names, missing=()):
    (folder / "ecgs").mkdir(exist_ok=True)
    for name in names:
        path = folder / "ecgs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch()
    rows = "".join(f"1,{name}\n" for name in (*names, *missing))
    (folder / "t.csv").write_text("y,f\n" + rows)


def plan(folder, shard_size="auto"):
    settings = {"table": str(folder / "t.csv"), "signals": str(folder / "ecgs"), "patient_column": None}
    return read_plan(make_plan("b", settings, TASKS, "auto", shard_size, folder / "plan"))


def listed(made):
    return [ecg_id for shard in made.shards for ecg_id, _ in read_listing(shard.plan)]


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["a.xml"], ["a"]),
        (["a/x.xml", "b/x.xml"], ["a__x", "b__x"]),
        (["a/x.xml", "a/x.npy"], ["a__x.xml", "a__x.npy"]),
        (["a/x.xml", "a__x.xml"], ["a__x", "a%5F%5Fx"]),
        (["a/_b.xml", "a_/b.xml"], ["a__%5Fb", "a%5F__b"]),
        (["x.xml", "x.npy", "x.xml.npy"], ["x.xml", "x.npy", "x.xml.npy"]),
        (["name.with.dots.v1.xml"], ["name.with.dots.v1"]),
        (["é b.xml", "{x}.xml", "-o.xml"], ["%C3%A9%20b", "%7Bx%7D", "%2Do"]),
    ],
)
def test_ids(names, ids):
    assert list(ecg_ids([SignalFile(name, name) for name in names]).values()) == ids


CLASHING = st.lists(st.text("a_/.%x", min_size=1, max_size=6), unique=True, max_size=10)
NAMES = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=250),
    unique=True,
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(NAMES | CLASHING)
def test_ids_are_unique_and_safe_as_file_names(names):
    names = sorted({posixpath.normpath(name) for name in names if name.strip("/.")})
    names = [name for name in names if not name.startswith(("/", "../")) and name != ".."]
    ids = ecg_ids([SignalFile(name, name) for name in names])
    assert len(set(ids.values())) == len(names)
    for ecg_id in ids.values():
        assert re.fullmatch(r"[A-Za-z0-9._%-]+", ecg_id)
        assert not ecg_id.startswith((".", "-"))
        assert len(ecg_id) <= 200


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=80), st.integers(1, 30))
def test_buckets_hold_everything_once_and_are_not_too_full(hashes, capacity):
    bits = sorted(hash_bits(value) for value in hashes)
    prefixes = buckets(bits, capacity)
    members = [[one for one in bits if one.startswith(prefix)] for prefix in prefixes]
    assert [one for group in members for one in group] == bits
    assert max(len(group) for group in members) <= capacity


def test_a_small_batch_has_a_shard_per_file_named_by_it(tmp_path):
    write_batch(tmp_path, ["a.xml", "b.xml"])
    made = plan(tmp_path)
    assert sorted(shard.name for shard in made.shards) == ["a", "b"]
    assert made.shard_of("a").name == "a"
    assert made.shard_of("zzz") is None


def test_shards_are_buckets_that_a_new_row_hardly_touches(tmp_path):
    names = [f"e{i}.xml" for i in range(40)]
    write_batch(tmp_path, names)
    before = plan(tmp_path, shard_size=10)
    assert sorted(listed(before)) == sorted(name[:-4] for name in names)
    assert all(before.shard_of(ecg_id).n for ecg_id in listed(before))
    write_batch(tmp_path, [*names, "new.xml"])
    after = plan(tmp_path, shard_size=10)
    old_plans, new_plans = ({shard.plan for shard in made.shards} for made in (before, after))
    assert len(new_plans - old_plans) <= 2  # one, or two when the bucket was full and was halved
    assert len(new_plans & old_plans) >= len(old_plans) - 1


def test_the_order_of_rows_changes_no_shard(tmp_path):
    names = [f"e{i}.xml" for i in range(30)]
    write_batch(tmp_path, names)
    before = plan(tmp_path, shard_size=8)
    write_batch(tmp_path, names[::-1])
    assert [shard.plan for shard in plan(tmp_path, shard_size=8).shards] == [shard.plan for shard in before.shards]


def test_a_changed_file_changes_the_plan_of_its_shard_alone(tmp_path):
    names = [f"e{i}.xml" for i in range(30)]
    write_batch(tmp_path, names)
    before = plan(tmp_path, shard_size=8)
    (tmp_path / "ecgs/e3.xml").write_text("changed")
    after = plan(tmp_path, shard_size=8)
    changed = [new.name for old, new in zip(before.shards, after.shards, strict=True) if old.plan != new.plan]
    assert changed == [after.shard_of("e3").name]


def test_a_new_signal_file_beside_an_old_header_is_a_change(tmp_path):
    write_batch(tmp_path, ["r.hea"])
    (tmp_path / "ecgs/r.hea").write_text("r 1 500 5000\nother.dat 16 200 16 0 0 0 0 I\n")
    (tmp_path / "ecgs/other.dat").write_bytes(b"1")
    before = plan(tmp_path).shards[0].plan
    (tmp_path / "ecgs/other.dat").write_bytes(b"12")
    assert plan(tmp_path).shards[0].plan != before


def test_planning_again_writes_nothing_anew(tmp_path):
    write_batch(tmp_path, ["a.xml", "b.xml"])
    plan(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "plan").glob("[!i]*")}
    plan(tmp_path)
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "plan").glob("[!i]*")}
    assert newest_index(tmp_path / "plan").name.startswith("index-")


def test_missing_files_and_folders_are_statuses(tmp_path):
    import pandas as pd

    write_batch(tmp_path, ["a.xml"], missing=["none.xml", "sub"])
    (tmp_path / "ecgs/sub").mkdir()
    made = plan(tmp_path)
    cells = pd.read_parquet(made.cells).set_index("file")
    assert cells["status"].to_dict() == {"a.xml": "", "none.xml": "missing", "sub": "refused"}
    assert made.tasks == {"t": {"files": 1, "truths": 1}}
    assert listed(made) == ["a"]


def test_a_wfdb_record_named_with_and_without_its_header_is_one_file(tmp_path):
    import pandas as pd

    write_batch(tmp_path, ["rec.hea"])
    (tmp_path / "ecgs/rec.hea").write_text("rec 1 500 5000\nrec.mat 16 200 16 0 0 0 0 I\n")
    (tmp_path / "ecgs/rec.mat").touch()
    (tmp_path / "t.csv").write_text("y,f\n1,rec\n1,rec.hea\n1,rec.mat\n")
    made = plan(tmp_path)
    cells = pd.read_parquet(made.cells)
    assert cells["status"].tolist() == ["", "duplicate", "duplicate"]
    assert set(cells["ecg_id"]) == {"rec"}
    assert listed(made) == ["rec"]


@pytest.mark.parametrize("fault", ["no folder", "no names"])
def test_a_batch_that_cannot_be_planned_is_one_clear_line(tmp_path, fault):
    write_batch(tmp_path, ["a.xml"])
    if fault == "no folder":
        os.rename(tmp_path / "ecgs", tmp_path / "other")
    else:
        (tmp_path / "t.csv").write_text("y,f\n1,\n0,\n")
    with pytest.raises(TableError) as error:
        plan(tmp_path)
    assert "\n" not in str(error.value)


def test_file_names_with_tabs_and_newlines_survive_the_listing(tmp_path):
    write_batch(tmp_path, [])
    (tmp_path / "ecgs/a\tb\nc.xml").touch()
    (tmp_path / "t.csv").write_text('y,f\n1,"a\tb\nc.xml"\n')
    made = plan(tmp_path)
    [(ecg_id, path)] = read_listing(made.shards[0].plan)
    assert ecg_id == "a%09b%0Ac"
    assert path == str(tmp_path / "ecgs/a\tb\nc.xml")
    assert hash_bits(ecg_hash(ecg_id)).startswith(made.shards[0].prefix)
