"""The same bytes for any number of cores and size of shards; in another order of rows, the same rows."""

import pandas as pd

from workflow.conftest import batch_of
from workflow.running import run, tree

# Rows are numbered as in the table, and what stands first in the table stands first on the page.
FOLLOW_THE_TABLE = {"recordings.csv", "missing_files.csv", "report.html"}


def test_cores_and_shards_change_no_byte(finished, cohort, tmp_path):
    batches = batch_of(cohort, patient_column="patient")
    run(tmp_path, cores=1, batches=batches, statements_from_files=True, shard_size=5)
    assert len(list((tmp_path / "work/small/records").glob("*.parquet"))) > 4
    found, expected = tree(tmp_path / "results"), tree(finished.folder / "results")
    assert [name for name in expected if found.get(name) != expected[name]] == []
    assert found.keys() == expected.keys()


def test_the_order_of_rows_changes_no_result(finished, cohort, tmp_path):
    table = pd.read_csv(cohort / "table.csv", dtype=str, keep_default_na=False)
    shuffled = table.iloc[:-1].sample(frac=1, random_state=1)  # the duplicate stays last, so that it is the duplicate
    pd.concat([shuffled, table.iloc[-1:]]).to_csv(tmp_path / "table.csv", index=False)
    batches = batch_of(cohort, patient_column="patient")
    batches["small"]["table"] = str(tmp_path / "table.csv")
    run(tmp_path, batches=batches, statements_from_files=True)
    found, expected = tree(tmp_path / "results/small"), tree(finished.results)
    assert found.keys() == expected.keys()
    differing = [name for name in expected if found[name] != expected[name] and name not in FOLLOW_THE_TABLE]
    assert [name for name in differing if not name.endswith(".csv")] == []
    for name in differing:
        assert sorted(found[name].splitlines()) == sorted(expected[name].splitlines()), name
    for name in ("recordings.csv", "missing_files.csv"):
        by_file = [_without_row(folder / name) for folder in (tmp_path / "results/small", finished.results)]
        pd.testing.assert_frame_equal(*by_file)


def _without_row(table) -> pd.DataFrame:
    """By file and task; a duplicate's message names the row that it repeats."""
    read = pd.read_csv(table, dtype=str, keep_default_na=False).drop(columns="row")
    if "message" in read:
        read["message"] = read["message"].str.replace(r"row \d+", "row", regex=True)
    return read.sort_values(list(read.columns)).reset_index(drop=True)
