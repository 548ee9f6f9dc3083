"""Plans: ids, shards and what a change of the table or of a file touches."""

import hashlib
import os
import posixpath
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import TableError
from twelvelead.plan import make_plan, newest_index, read_plan
from twelvelead.shards import buckets, ecg_hash, hash_bits, read_listing
from twelvelead.signal_files import SignalFile, ecg_ids, find_files
from twelvelead.sources import table_of_source

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


def plan(folder, shard_size="auto", tasks=TASKS, **more):
    settings = {"table": str(folder / "t.csv"), "signals": str(folder / "ecgs"), "patient_column": None, **more}
    return read_plan(make_plan("b", settings, tasks, "auto", shard_size, folder / "plan"))


def listed(made):
    return [ecg_id for shard in made.shards for ecg_id, _ in read_listing(shard.plan)]


def cells_of_plan(made):
    return pd.read_parquet(made.cells)


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


CLASHING = st.lists(st.text("a_/.%x#", min_size=1, max_size=6), unique=True, max_size=10)
NAMES = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=250),
    unique=True,
    max_size=8,
)


def as_file(name):
    """A member of an HDF5 file where the name may be one's, as find_files has it."""
    file_name, _, member = name.rpartition("#")
    is_member = posixpath.basename(file_name) and "/" not in member and not member.startswith("0")
    return SignalFile(name, name, member=member if is_member else None)


@settings(max_examples=200, deadline=None)
@given(NAMES | CLASHING)
def test_ids_are_unique_and_safe_as_file_names(names):
    names = sorted({posixpath.normpath(name) for name in names if name.strip("/.")})
    names = [name for name in names if not name.startswith(("/", "../")) and name != ".."]
    ids = ecg_ids([as_file(name) for name in names])
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
    write_batch(tmp_path, ["a.xml"], missing=["none.xml", "sub"])
    (tmp_path / "ecgs/sub").mkdir()
    made = plan(tmp_path)
    cells = pd.read_parquet(made.cells).set_index("file")
    assert cells["status"].to_dict() == {"a.xml": "", "none.xml": "missing", "sub": "refused"}
    assert made.tasks == {"t": {"files": 1, "truths": 1}}
    assert listed(made) == ["a"]


def test_a_wfdb_record_named_with_and_without_its_header_is_one_file(tmp_path):
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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "1,a.xml\n0,d/b.xml\n1,a.xml\n",
            "names [(]2[)] is below {ecgs}, e.g. a.xml [(]no such file in the signal folder[)]",
        ),
        ("1,d\\a.xml\n", "[(]1[)].*write / for the backslashes in its name"),
        ("1,/a.xml\n1,exams_part0.hdf5#12\n", "[(]1[)].*exams_part0.hdf5#12 [(]the HDF5 file before #"),
        ('1,"a\nb.xml"\n', "e.g. a b.xml"),
    ],
)
def test_a_folder_without_any_of_the_files_is_no_batch_of_missing_files(tmp_path, rows, message):
    (tmp_path / "ecgs/other").mkdir(parents=True)
    (tmp_path / "t.csv").write_text("y,f\n" + rows)
    with pytest.raises(TableError, match=message.format(ecgs=tmp_path / "ecgs")) as error:
        plan(tmp_path)
    assert str(error.value).startswith(f"batch b: none of the files that {tmp_path}/t.csv names")
    assert "check `signals` (is the disk mounted?) or the file column" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "plan").exists()


@pytest.mark.parametrize(
    ("rows", "statuses"),
    [
        ("1,/a.xml\n1,../b.xml\n", ["refused", "refused"]),
        ("1,sub\n1,a.xml\n", ["refused", "missing"]),
        ("1,here.xml\n1,a.xml\n", ["", "missing"]),
    ],
)
def test_where_one_thing_is_there_or_none_is_looked_for_missing_is_a_status(tmp_path, rows, statuses):
    write_batch(tmp_path, ["here.xml", "sub/c.xml"])
    (tmp_path / "t.csv").write_text("y,f\n" + rows)
    assert cells_of_plan(plan(tmp_path))["status"].tolist() == statuses


def test_file_names_with_tabs_and_newlines_survive_the_listing(tmp_path):
    write_batch(tmp_path, [])
    (tmp_path / "ecgs/a\tb\nc.xml").touch()
    (tmp_path / "t.csv").write_text('y,f\n1,"a\tb\nc.xml"\n')
    made = plan(tmp_path)
    [(ecg_id, path)] = read_listing(made.shards[0].plan)
    assert ecg_id == "a%09b%0Ac"
    assert path == str(tmp_path / "ecgs/a\tb\nc.xml")
    assert hash_bits(ecg_hash(ecg_id)).startswith(made.shards[0].prefix)


def write_members(folder, members, absent=()):
    """Empty HDF5 files, for a plan opens none, and a table that names their members."""
    (folder / "ecgs").mkdir(exist_ok=True)
    for name in {member.partition("#")[0] for member in members} - set(absent):
        (folder / "ecgs" / name).touch()
    (folder / "t.csv").write_text("y,f\n" + "".join(f"1,{member}\n" for member in members))


def test_members_of_hdf5_files_have_ids_of_their_own(tmp_path):
    write_members(tmp_path, ["exams_part3.hdf5#17", "exams_part3.hdf5#4", "exams_part10.hdf5#17"])
    made = plan(tmp_path)
    assert sorted(listed(made)) == ["exams_part10__17", "exams_part3__17", "exams_part3__4"]
    paths = {path for shard in made.shards for _, path in read_listing(shard.plan)}
    assert f"{tmp_path}/ecgs/exams_part3.hdf5#17" in paths


def test_members_of_an_absent_file_are_missing_and_keep_their_ids(tmp_path):
    members = ["p1.hdf5#5", "p1.hdf5#6", "p2.hdf5#5"]
    write_members(tmp_path, members, absent=["p1.hdf5"])
    cells = cells_of_plan(plan(tmp_path))
    assert cells["status"].tolist() == ["missing", "missing", ""]
    assert set(cells["message"][:2]) == {"the HDF5 file before # is not in the signal folder"}
    (tmp_path / "ecgs/p1.hdf5").touch()
    assert cells_of_plan(plan(tmp_path))["ecg_id"].tolist() == cells["ecg_id"].tolist() == ["p1__5", "p1__6", "p2__5"]


def test_a_member_and_a_file_that_would_share_an_id_keep_their_whole_names(tmp_path):
    write_members(tmp_path, ["p.hdf5#5", "p.h5#5"])
    write_batch(tmp_path, ["p/5.xml", "p.hdf5#5", "p.h5#6"])
    os.remove(tmp_path / "ecgs/p.hdf5#5")
    os.remove(tmp_path / "ecgs/p.h5#6")
    assert cells_of_plan(plan(tmp_path))["ecg_id"].tolist() == ["p__5.xml", "p.hdf5%235", "p__6"]


def test_a_file_whose_own_name_holds_the_mark_is_no_member(tmp_path):
    write_batch(tmp_path, ["a.npy", "a.npy#1", "rec#2.hea"])
    (tmp_path / "t.csv").write_text("y,f\n1,a.npy#1\n1,rec#2\n1,a.npy#3\n")
    made = plan(tmp_path)
    assert cells_of_plan(made)["ecg_id"].tolist() == ["a", "rec%232", "a__3"]
    paths = dict(line for shard in made.shards for line in read_listing(shard.plan))
    assert paths["a"] == f"{tmp_path}/ecgs/a.npy#1"
    assert paths["rec%232"] == f"{tmp_path}/ecgs/rec#2.hea"


def test_a_member_named_in_two_ways_is_one_recording(tmp_path):
    write_members(tmp_path, ["p.hdf5#0017", "p.hdf5#17"])
    made = plan(tmp_path)
    assert cells_of_plan(made)["status"].tolist() == ["", "duplicate"]
    assert read_listing(made.shards[0].plan) == [("p__17", f"{tmp_path}/ecgs/p.hdf5#17")]


def test_a_changed_hdf5_file_changes_the_plans_of_its_members_alone(tmp_path):
    write_members(tmp_path, ["p.hdf5#1", "p.hdf5#2", "q.hdf5#1"])
    before = plan(tmp_path)
    (tmp_path / "ecgs/p.hdf5").write_bytes(b"changed")
    changed = {new.name for old, new in zip(before.shards, plan(tmp_path).shards, strict=True) if old.plan != new.plan}
    assert changed == {"p__1", "p__2"}


def test_an_hdf5_file_is_looked_up_once_for_all_its_members(tmp_path, monkeypatch):
    write_members(tmp_path, ["p.hdf5#0"])
    looked_up = []
    real_stat = os.stat
    monkeypatch.setattr(
        os, "stat", lambda path, *more, **named: looked_up.append(path) or real_stat(path, *more, **named)
    )
    files = find_files([f"{part}.hdf5#{i}" for i in range(100) for part in ("p", "absent")], tmp_path / "ecgs")
    assert sorted(map(str, looked_up)) == [f"{tmp_path}/ecgs/absent.hdf5", f"{tmp_path}/ecgs/p.hdf5"]
    assert sum(file.problem is None for file in files.values()) == 100


SPLIT = {"fractions": {"train": 0.5, "test": 0.25}, "seed": 3}


@pytest.fixture
def cohort(tmp_path):
    """80 files of 40 patients; every tenth is not there."""
    names = [f"d/e{i}.xml" for i in range(80)]
    write_batch(tmp_path, names)
    table = pd.DataFrame({"y": 1, "f": names, "person": [f"DOE{i // 2}" for i in range(80)]})
    table["fold"] = ["train", "test", "", "valid"] * 20
    table.to_csv(tmp_path / "t.csv", index=False)
    for name in names[::10]:
        os.remove(tmp_path / "ecgs" / name)
    return tmp_path


def test_rows_outside_the_subset_are_in_no_shard_and_never_missing(cohort):
    everything = plan(cohort, patient_column="person", split=SPLIT)
    made = plan(cohort, patient_column="person", split=SPLIT, subset=["test"])
    cells, all_cells = cells_of_plan(made), cells_of_plan(everything)
    pd.testing.assert_frame_equal(cells[["ecg_id", "split"]], all_cells[["ecg_id", "split"]])
    assert all_cells["split"].value_counts().to_dict() == {"train": 40, "test": 20, "": 20}
    chosen = cells["split"] == "test"
    assert set(cells.loc[~chosen, "status"]) == {"not_selected"}
    assert set(cells.loc[~chosen, "message"]) == {
        "split train; the batch's subset is test",
        "in no split; the batch's subset is test",
    }
    pd.testing.assert_series_equal(cells.loc[chosen, "status"], all_cells.loc[chosen, "status"])
    found = chosen & (cells["status"] == "")
    assert sorted(listed(made)) == sorted(cells.loc[found, "ecg_id"])
    assert made.tasks == {"t": {"files": found.sum(), "truths": found.sum()}}
    assert 0 < found.sum() < 20


def test_a_subset_of_which_no_file_is_there_is_an_error(cohort):
    table = pd.read_csv(cohort / "t.csv")
    for name in table.loc[table["fold"] == "test", "f"]:
        (cohort / "ecgs" / name).unlink(missing_ok=True)
    with pytest.raises(TableError, match=r"t\.csv names for subset test \(20\) is below"):
        plan(cohort, split={"column": "fold"}, subset=["test"])
    found = cells_of_plan(plan(cohort, split={"column": "fold"}, subset=["train"]))
    assert set(found.loc[found["split"] == "test", "status"]) == {"not_selected"}


def test_all_files_of_a_patient_are_in_one_split(cohort):
    cells = cells_of_plan(plan(cohort, patient_column="person", split=SPLIT))
    assert set(cells.groupby("patient")["split"].nunique()) == {1}
    assert not cells.astype(str).apply(lambda column: column.str.contains("DOE")).any(axis=None)


def test_shuffled_rows_give_the_same_splits_and_shards(cohort):
    before = plan(cohort, patient_column="person", split=SPLIT, subset=["train"])
    table = pd.read_csv(cohort / "t.csv", dtype=str)
    table.sample(frac=1, random_state=5).to_csv(cohort / "t.csv", index=False)
    after = plan(cohort, patient_column="person", split=SPLIT, subset=["train"])
    assert [shard.plan for shard in after.shards] == [shard.plan for shard in before.shards]
    key = ["file", "ecg_id", "split", "status"]
    first, second = (cells_of_plan(made)[key].sort_values("file", ignore_index=True) for made in (before, after))
    pd.testing.assert_frame_equal(first, second)


def test_a_column_can_hold_the_splits(cohort):
    cells = cells_of_plan(plan(cohort, split={"column": "fold"}, subset=["train", "valid"]))
    assert cells["split"].tolist() == ["train", "test", "", "valid"] * 20
    assert ((cells["status"] == "not_selected") == ~cells["split"].isin(["train", "valid"])).all()


def test_a_recording_is_in_one_split_however_the_table_spells_it(tmp_path):
    write_batch(tmp_path, [f"r{number}.hea" for number in range(30)])
    rows = "".join(f"1,r{number}.hea\n1,r{number}\n" for number in range(30))
    (tmp_path / "t.csv").write_text("y,f\n" + rows)
    cells = cells_of_plan(plan(tmp_path, split={"fractions": {"train": 0.5, "test": 0.5}, "seed": 1}))
    assert (cells.groupby("ecg_id")["split"].nunique() == 1).all()
    assert cells["split"].value_counts().to_dict() == {"train": 30, "test": 30}


def test_a_file_of_two_splits_stays_where_it_is_selected(tmp_path):
    write_batch(tmp_path, ["a.xml"])
    (tmp_path / "t.csv").write_text("y,f,fold\n1,a.xml,train\n0,a.xml,test\n1,/a.xml,train\n")
    made = plan(tmp_path, split={"column": "fold"}, subset=["test"])
    cells = cells_of_plan(made)
    assert cells["status"].tolist() == ["not_selected", "", "refused"]
    assert cells["truth_status"].tolist() == ["ok", "ok", "ok"]
    assert listed(made) == ["a"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"split": {"column": "fould"}}, "no column `fould` .*did you mean `fold`"),
        ({"split": {"column": "fold"}, "subset": ["tset"]}, "split `tset`.*the rows' splits are test, train, valid"),
        ({"split": {"column": "f"}, "subset": ["x"]}, "the rows' splits are 80 different ones$"),
        ({"split": {"column": "person"}, "patient_column": "person"}, "split: column `person` tells patients apart"),
        ({"patient_column": "persn"}, "no column `persn`.*did you mean `person`"),
    ],
)
def test_a_split_that_cannot_be_is_one_clear_line(cohort, more, message):
    with pytest.raises(TableError, match=message) as error:
        plan(cohort, **more)
    assert "\n" not in str(error.value)
    assert "DOE" not in str(error.value)


LABELS = ["1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"]
CODE15 = {"code15": {"kind": "multilabel", "file_column": "file_name", "labels": LABELS, "auto": True}}


@pytest.fixture
def code15(tmp_path):
    """exams.csv and parts in CODE-15's layout; a plan that opened a part would fail."""
    random = np.random.default_rng(0)
    exams = pd.DataFrame({"exam_id": random.permutation(500_000)[:60] + 1})
    for label in LABELS:
        exams[label] = random.random(60) < 0.3
    exams["patient_id"] = 900_000 + np.arange(60) // 2
    exams["fold"] = np.arange(60) % 3
    exams["trace_file"] = [f"exams_part{i % 3}.hdf5" for i in range(60)]
    (tmp_path / "ecgs").mkdir()
    exams.to_csv(tmp_path / "ecgs/exams.csv", index=False)
    for part in range(2):
        (tmp_path / f"ecgs/exams_part{part}.hdf5").touch()
    return tmp_path, exams


def test_a_table_made_from_the_folder(code15):
    folder, exams = code15
    made = plan(folder, tasks=CODE15, table="auto")
    cells = cells_of_plan(made)
    assert made.tasks == {"code15": {"files": 40, "truths": 40}}
    assert cells["status"].tolist() == ["", "", "missing"] * 20
    assert cells["truth"].tolist() == ["".join(str(int(value)) for value in row) for row in exams[LABELS].to_numpy()]
    assert cells.groupby("patient").size().tolist() == [2] * 30  # clustered, without being told to
    assert not cells.astype(str).apply(lambda column: column.str.startswith("9000")).any(axis=None)
    table = table_of_source(folder / "ecgs").to_csv(index=False, lineterminator="\n")
    assert made.table_sha256 == hashlib.sha256(table.encode()).hexdigest()


def test_a_table_made_from_the_folder_has_columns_for_splits_and_subgroups(code15):
    folder, exams = code15
    settings = {"table": "auto", "signals": str(folder / "ecgs"), "split": {"column": "fold"}, "subset": ["1"]}
    made = read_plan(make_plan("b", settings, CODE15, "auto", "auto", folder / "plan", [{"column": "ST"}]))
    cells = cells_of_plan(made)
    assert (cells["status"] == "").tolist() == (exams["fold"] == 1).tolist()
    assert cells["group/ST"].tolist() == [str(int(value)) for value in exams["ST"]]
    with pytest.raises(TableError, match="evaluation.subgroups: column `patient_id` tells patients apart"):
        make_plan("b", settings, CODE15, "auto", "auto", folder / "plan", [{"column": "patient_id"}])


def test_shuffled_exams_give_the_same_ids_splits_and_shards(code15):
    folder, exams = code15
    before = plan(folder, tasks=CODE15, table="auto", split=SPLIT)
    exams.sample(frac=1, random_state=1).to_csv(folder / "ecgs/exams.csv", index=False)
    after = plan(folder, tasks=CODE15, table="auto", split=SPLIT)
    assert [shard.plan for shard in after.shards] == [shard.plan for shard in before.shards]
    key = ["file", "ecg_id", "split", "patient", "truth"]
    first, second = (cells_of_plan(made)[key].sort_values("file", ignore_index=True) for made in (before, after))
    pd.testing.assert_frame_equal(first, second)


def test_a_new_exam_touches_one_shard(code15):
    folder, exams = code15
    before = plan(folder, 10, CODE15, table="auto")
    new = exams.iloc[:1].assign(exam_id=600_000)
    pd.concat([exams, new]).to_csv(folder / "ecgs/exams.csv", index=False)
    after = plan(folder, 10, CODE15, table="auto")
    assert len({shard.plan for shard in before.shards} - {shard.plan for shard in after.shards}) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signals": "nowhere"}, "batch b: the signal folder nowhere does not exist"),
        ({"patient_column": "person"}, "the table made from .*no column `person` .patient_column.*it has file_name"),
        ({"tasks": TASKS}, "the table made from .*no column names ECG files; expected one of `f`"),
    ],
)
def test_a_table_that_cannot_be_made_as_asked_is_one_clear_line(code15, change, message):
    with pytest.raises(TableError, match=message):
        plan(code15[0], **{"tasks": CODE15, "table": "auto"} | change)


def test_a_folder_of_no_known_data_set_is_one_clear_line(tmp_path):
    write_batch(tmp_path, ["a.xml"])
    with pytest.raises(TableError, match="`table: auto` makes no table of .*found 1 .xml.*twelvelead table"):
        plan(tmp_path, table="auto")
