"""The readers' benchmark in one short round: it measures what is read, beside a reader of the same samples."""

import sys
from pathlib import Path

import numpy as np
import pytest

from every_format import write_every_format
from twelvelead import formats

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import other_readers  # noqa: E402
import readers  # noqa: E402


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_every_format(tmp_path_factory.mktemp("every_format"))


def test_rows_of_the_table():
    rows = readers.measure(["muse_xml", "wfdb16", "ishne", "hdf5_member"], rounds=3, seconds=0.001)
    assert [row["format"] for row in rows] == ["muse_xml", "wfdb", "ishne", "code15_hdf5"]
    assert all(row["read_per_s"] > 0 and row["job_per_s"] > 0 for row in rows)
    assert [row["aim_per_s"] for row in rows] == [300, None, None, None]
    assert rows[1]["kB"] == 121  # the signal file, too
    assert [len(row.get("ratios", ())) for row in rows] == [3, 3, 0, 3]
    assert {line.count("|") for line in readers.table(rows).splitlines()} == {9}


@pytest.mark.parametrize(
    "variant",
    ["muse_xml", "cardiosoft_xml", "hl7_aecg", "dicom", "edf", "wfdb16", "wfdb_mat", "mat_code15", "hdf5_member"]
    + ["csv", "csv_semicolon", "parquet", "npy"],
)
def test_the_other_reader_reads_the_same_signal(written, variant):
    recording = formats.read(written[variant])
    _, read_by_other = other_readers.OTHERS[recording.format]
    ours, theirs = recording.samples.astype(np.float64), read_by_other(written[variant]).astype(np.float64)
    before = np.flatnonzero(theirs.any(axis=0))[0] if variant == "hdf5_member" else 0
    theirs = theirs[:, before : before + ours.shape[1]]
    for lead in ours:
        # Among theirs may be columns that are no leads, and their unit may be another.
        assert max(np.corrcoef(lead, row)[0, 1] for row in theirs if row.any()) > 0.999


def test_what_another_reader_cannot_read_is_said(written, tmp_path):
    row = readers._row([written["philips_xml_xli"]], tmp_path, rounds=1, seconds=0.001)
    assert row["other"] == "sierraecg does not read it"
    assert "ratio" not in row
