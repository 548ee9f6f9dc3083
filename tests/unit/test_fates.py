"""The fate of every cell, from the plan's view of the table and the records' view of the files."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twelvelead.fates import (
    RECORDING_COLUMNS,
    fates,
    flag_counts,
    missing_files,
    preprocessing_reports,
    read_summaries,
    usable_and_others,
    write_csv,
)
from twelvelead.records import SCHEMA, SUMMARY_COLUMNS
from twelvelead.report.statuses import SIGNAL_STATUSES

NEEDED_S = {"deepecg": 10.0, "ecgfm": 5.0}


def cells(*rows):
    columns = ["row", "task", "file", "ecg_id", "status", "truth_status", "message"]
    return pd.DataFrame(rows, columns=columns)


def records(*rows):
    columns = ["ecg_id", "status", "message", "format", "sampling_rate_hz", "n_samples", "quality"]
    return pd.DataFrame([(*row, "") if len(row) < len(columns) else row for row in rows], columns=columns)


def test_a_cell_has_its_files_status_and_both_messages():
    found = fates(
        cells(
            (2, "t", "a.xml", "a", "", "ok", ""),
            (3, "t", "b.xml", "b", "", "invalid", "y is 'x'; expected 0 or 1"),
            (4, "t", "c.xml", "c", "missing", "ok", "no such file"),
            (5, "t", "a.xml", "a", "duplicate", "ok", "the same file as row 2"),
        ),
        records(("a", "ok", "", "npy", np.nan, 5000), ("b", "unreadable", "broken", None, np.nan, np.nan)),
        NEEDED_S,
    ).set_index("row")
    assert found["status"].to_dict() == {2: "ok", 3: "unreadable", 4: "missing", 5: "duplicate"}
    assert found["truth"].to_dict() == {2: "ok", 3: "invalid", 4: "ok", 5: "ok"}
    assert found.loc[3, "message"] == "y is 'x'; expected 0 or 1; broken"
    assert found["format"].to_dict() == {2: "npy", 3: "", 4: "", 5: "npy"}
    assert missing_files(found.reset_index())["file"].tolist() == ["c.xml"]


def test_a_cell_that_is_not_selected_stays_so_whatever_is_known_of_its_file():
    reason = "split train; the batch's subset is test"
    found = fates(
        cells(
            (2, "t", "a.xml", "a", "not_selected", "ok", reason),
            (3, "t", "a.xml", "a", "", "ok", ""),
            (4, "t", "b.xml", "b", "not_selected", "missing", reason),
        ),
        records(("a", "unreadable", "broken", "npy", np.nan, np.nan)),
        NEEDED_S,
    ).set_index("row")
    assert found["status"].to_dict() == {2: "not_selected", 3: "unreadable", 4: "not_selected"}
    assert found["message"].to_dict() == {2: reason, 3: "broken", 4: reason}
    assert found["format"].to_dict() == {2: "", 3: "npy", 4: ""}
    assert list(found.reset_index().columns) == RECORDING_COLUMNS
    assert missing_files(found.reset_index()).empty
    assert "not_selected" in SIGNAL_STATUSES


def test_too_short_is_a_status_only_where_no_recipe_can_use_the_file():
    found = fates(
        cells(*[(row, "t", f"{row}", f"{row}", "", "ok", "") for row in range(2, 7)]),
        records(
            ("2", "ok", "", "wfdb", 500.0, 5000),
            ("3", "ok", "", "wfdb", 500.0, 3000),
            ("4", "ok", "", "wfdb", 500.0, 2000),
            ("5", "ok", "", "npy", np.nan, 2499),
            ("6", "flat", "every lead is constant", "npy", np.nan, 100),
        ),
        NEEDED_S,
    ).set_index("row")
    assert found["status"].to_dict() == {2: "ok", 3: "ok", 4: "too_short", 5: "too_short", 6: "flat"}
    assert found["too_short_for"].to_dict() == {2: "", 3: "deepecg", 4: "deepecg; ecgfm", 5: "deepecg; ecgfm", 6: ""}
    assert found.loc[3, "message"] == "6 s at 500 Hz, needed the first 10 s by recipe deepecg"
    assert "recipe deepecg, ecgfm" in found.loc[4, "message"]


def test_what_a_file_is_too_short_for_is_said_of_every_cell_that_has_to_do_with_it():
    found = fates(
        cells(
            (2, "t", "a.xml", "a", "", "ok", ""),
            (3, "t", "a.xml", "a", "duplicate", "ok", "the same file as row 2"),
            (4, "t", "a.xml", "a", "not_selected", "ok", "split train"),
            (5, "t", "b.xml", "b", "missing", "ok", "no such file"),
        ),
        records(("a", "ok", "by recipe ecgfm, as its author wrote", "wfdb", 500.0, 3000)),
        NEEDED_S,
    )
    assert found["too_short_for"].tolist() == ["deepecg", "deepecg", "", ""]
    assert found["status"].tolist() == ["ok", "duplicate", "not_selected", "missing"]


def test_without_a_recipe_nothing_is_too_short():
    found = fates(cells((2, "t", "a", "a", "", "ok", "")), records(("a", "ok", "", "wfdb", 500.0, 3)), {})
    assert found.loc[0, ["status", "message", "too_short_for"]].tolist() == ["ok", "", ""]


@pytest.mark.parametrize(
    ("statuses", "line"),
    [
        (["ok", "unreadable", "ok", "missing"], "2 of 4 table cells with an ECG are usable; 1 missing, 1 unreadable"),
        (["flat", "too_short", "too_short"], "0 of 3 table cells with an ECG are usable; 2 too_short, 1 flat"),
        (["ok"] * 3, "3 of 3 table cells with an ECG are usable"),
    ],
)
def test_a_line_says_how_many_cells_are_usable_and_why_others_are_not(tmp_path, statuses, line):
    given = cells(*[(row, "t", f'a\n"{row}".xml', f"{row}", "", "ok", "ok") for row in range(2, 2 + len(statuses))])
    found = fates(
        given, records(*[(f"{row}", status, "", "npy", np.nan, 5000) for row, status in enumerate(statuses, 2)]), {}
    )
    write_csv(found, tmp_path / "recordings.csv")
    assert usable_and_others(tmp_path / "recordings.csv") == line


def test_deepecgs_reports():
    detailed, summary = preprocessing_reports(
        records(
            ("b", "ok", "", "cardiosoft_xml", 500.0, 3000),
            ("a", "ok", "", "muse_xml", 500.0, 5000),
            ("c", "unreadable", "broken", None, np.nan, np.nan),
            ("d", "missing", "vanished", None, np.nan, np.nan),
            ("e", "flat", "every lead is constant", "npy", np.nan, 5000),
        ),
        needed_s=10.0,
        flat_is_success=False,
    )
    assert detailed.to_numpy().tolist() == [
        ["a", "MHI", "Success", ""],
        ["b", "CLSA", "Failed", "too_short: 6 s at 500 Hz, needed the first 10 s by recipe deepecg"],
        ["c", "Unknown", "Failed", "unreadable: broken"],
        ["e", "NPY", "Failed", "flat: every lead is constant"],
    ]
    assert summary["Metric"].tolist() == [
        "Total Files",
        "Successful Files",
        "Failed Files",
        "XML Type: CLSA",
        "XML Type: MHI",
        "XML Type: NPY",
        "XML Type: Unknown",
    ]
    assert summary["Value"].tolist() == [4, 1, 3, 1, 1, 1, 1]


@pytest.fixture
def flagged(tmp_path):
    """Records, without their signals: no flag, one, two, and a recording that is not assessed."""
    kept = pa.schema([SCHEMA.field(name) for name in SUMMARY_COLUMNS])
    found = [
        ("good", "ok", "", []),
        ("clipped", "ok", "", ["saturation V1 V2"]),
        ("both", "ok", "warning: a lead swings by 90 mV", ["unit_doubt", "saturation I"]),
        ("flat", "flat", "every lead is constant", []),
    ]
    rows = [dict(zip(("ecg_id", "status", "message", "quality"), row, strict=True)) for row in found]
    pq.write_table(pa.Table.from_pylist(rows, schema=kept), tmp_path / "records.parquet")
    return [str(tmp_path / "records.parquet")]


def test_flags_exclude_nothing_unless_the_settings_say_so(flagged):
    found = read_summaries(flagged).set_index("ecg_id")
    assert found["status"].to_dict() == {"good": "ok", "clipped": "ok", "both": "ok", "flat": "flat"}
    assert found["quality"].to_dict() == {
        "good": "",
        "clipped": "saturation V1 V2",
        "both": "unit_doubt; saturation I",
        "flat": "",
    }


def test_a_flag_that_the_settings_name_excludes_and_is_named_in_the_message(flagged):
    found = read_summaries(flagged, ["unit_doubt", "flat_lead"]).set_index("ecg_id")
    assert found["status"].to_dict() == {"good": "ok", "clipped": "ok", "both": "poor_quality", "flat": "flat"}
    left_out = "left out by preprocessing.quality_excludes: unit_doubt"
    assert found.loc["both", "message"] == f"{left_out}; warning: a lead swings by 90 mV"
    assert found.loc["clipped", "message"] == ""


def test_an_ecg_counts_once_for_each_of_its_flags(flagged):
    rows = [(2, "t", "both"), (3, "u", "both"), (4, "t", "clipped"), (5, "t", "good")]
    of_cells = cells(*((row, task, f"{ecg}.npy", ecg, "", "ok", "") for row, task, ecg in rows))
    assert flag_counts(fates(of_cells, read_summaries(flagged), {})) == {"unit_doubt": 1, "saturation": 2}
