"""What became of every table cell that names a file: recordings.csv, missing_files.csv, DeepECG's two reports."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from twelvelead.atomic import replacing
from twelvelead.recipes.resampling import ASSUMED_DURATION_S, shortage
from twelvelead.records import SUMMARY_COLUMNS, read_columns
from twelvelead.signal_quality import FLAG_SEPARATOR, FLAGS, POOR_QUALITY, flag_name, why_excluded
from twelvelead.table import NOT_SELECTED

RECORDING_COLUMNS = [
    "row",
    "task",
    "file",
    "ecg_id",
    "format",
    "status",
    "truth",
    "message",
    "too_short_for",
    "quality",
]
_OF_FILE = ["format", "too_short_for", "quality"]  # columns that a cell has of its file
RECIPE_SEPARATOR = "; "  # between the names in a cell of too_short_for
# DeepECG's names of the XML shapes it knows; other formats are reported under their own.
DEEPECG_FORMAT_NAMES = {"muse_xml": "MHI", "cardiosoft_xml": "CLSA", "npy": "NPY", "dicom": "DICOM", "wfdb": "WFDB"}


def fates(
    cells: pd.DataFrame,
    records: pd.DataFrame,
    needed_s: Mapping[str, float],
    tasks_with_statements: Collection[str] = (),
    with_statements: Collection[str] = (),
) -> pd.DataFrame:
    """One row per cell with the columns RECORDING_COLUMNS, in the order of the table.

    cells     the plan's cells
    records   read_summaries of the batch
    needed_s  seconds of signal that each recipe in use needs
    tasks_with_statements, with_statements   tasks whose empty truth is filled from the file, files that have some
    A cell has the status of its file. One too short for every recipe is too_short; too_short_for names the recipes for
    which it is, and its message says so.
    A cell that is not selected says nothing of its file, which is not decoded unless another row names it too.
    """
    records = _with_short_ones(records, needed_s)
    merged = cells.merge(records, on="ecg_id", how="left", suffixes=("", "_of_file"), validate="many_to_one")
    undecided = merged["status"] == ""
    merged.loc[undecided, "status"] = merged.loc[undecided, "status_of_file"]
    of_file = merged[["message_of_file", *_OF_FILE]].fillna("")
    of_file[merged["status"] == NOT_SELECTED] = ""
    merged[_OF_FILE] = of_file[_OF_FILE]
    merged["message"] = [
        _joined(cell, file) for cell, file in zip(merged["message"], of_file["message_of_file"], strict=True)
    ]
    merged["truth"] = merged["truth_status"]
    filled = merged["task"].isin(tasks_with_statements) & merged["ecg_id"].isin(with_statements)
    merged.loc[filled & (merged["truth"] == "missing"), "truth"] = "ok"
    return merged.sort_values(["row", "task"], kind="stable")[RECORDING_COLUMNS]


def _with_short_ones(records: pd.DataFrame, needed_s: Mapping[str, float]) -> pd.DataFrame:
    """The records with too_short_for, which their message says too, and with too_short where that is every recipe."""
    records = records.assign(too_short_for="")
    usable = records["status"] == "ok"
    rates_hz = [None if np.isnan(rate_hz) else rate_hz for rate_hz in records.loc[usable, "sampling_rate_hz"]]
    lengths = list(zip(records.loc[usable, "n_samples"], rates_hz, strict=True))
    # A batch has few lengths and many recordings.
    lacking = {length: _lacking(*length, needed_s) for length in set(lengths)}
    found = [lacking[length] for length in lengths]
    messages = zip(records.loc[usable, "message"], found, strict=True)
    records.loc[usable, "message"] = [_joined(message, lack) for message, (lack, _) in messages]
    records.loc[usable, "too_short_for"] = [RECIPE_SEPARATOR.join(short_for) for _, short_for in found]
    for_all = [bool(short_for) and len(short_for) == len(needed_s) for _, short_for in found]
    records.loc[usable, "status"] = np.where(for_all, "too_short", "ok")
    return records


def _lacking(n_samples: float, rate_hz: float | None, needed_s: Mapping[str, float]) -> tuple[str, list[str]]:
    """(what a recording lacks in words, "" for nothing; the recipes that it is too short for)."""
    # Without a sampling rate every recipe takes a recording to last 10 s, however much of it the recipe needs.
    least_s = ASSUMED_DURATION_S if rate_hz is None else 0
    lacking = {recipe: shortage(int(n_samples), rate_hz, max(seconds, least_s)) for recipe, seconds in needed_s.items()}
    short_for = [recipe for recipe, lack in lacking.items() if lack]
    if not short_for:
        return "", []
    return f"{lacking[short_for[0]]} by recipe {', '.join(short_for)}", short_for


def _joined(*messages: str) -> str:
    return "; ".join(message for message in messages if message)


def read_summaries(records: Sequence[str], quality_excludes: Collection[str] = ()) -> pd.DataFrame:
    """What the batch's records say of every file, without the signals; `quality` is text.

    quality_excludes  names of flags; a recording with one of them has status poor_quality
    """
    found = read_columns(records, SUMMARY_COLUMNS).to_pandas()
    # Most recordings have no flag, and of the others many have the same.
    flags = [tuple(of_file) for of_file in found["quality"]]
    words = {of_file: FLAG_SEPARATOR.join(of_file) for of_file in set(flags)}
    reasons = {of_file: why_excluded(of_file, quality_excludes) for of_file in words}
    found["quality"] = [words[of_file] for of_file in flags]
    why = pd.Series([reasons[of_file] for of_file in flags], dtype=object, index=found.index)
    excluded = why != ""
    found.loc[excluded, "status"] = POOR_QUALITY
    earlier = found.loc[excluded, "message"]
    found.loc[excluded, "message"] = [_joined(*both) for both in zip(why[excluded], earlier, strict=True)]
    return found


def flag_counts(recordings: pd.DataFrame) -> dict[str, int]:
    """Name of every flag of signal quality that occurs -> how many ECGs have it, in the order of FLAGS."""
    flagged = recordings.loc[recordings["quality"] != "", ["ecg_id", "quality"]].drop_duplicates("ecg_id")
    names = Counter(name for flags in flagged["quality"] for name in map(flag_name, flags.split(FLAG_SEPARATOR)))
    return {flag.name: names[flag.name] for flag in FLAGS if names[flag.name]}


def files_with_statements(records: Sequence[str]) -> set[str]:
    """ecg_ids of the files in which machine statements were found."""
    found = read_columns(records, ["ecg_id", "statements"]).to_pylist()
    return {row["ecg_id"] for row in found if row["statements"]}


def write_csv(table: pd.DataFrame, path: str) -> None:
    """CSV with "\\n" line ends, whole or not at all."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def usable_and_others(recordings: Path | str) -> str:
    """How many table cells of a recordings.csv are usable, and what became of the others, the most frequent first.

    Like "298 of 300 table cells with an ECG are usable; 1 missing, 1 unreadable".
    """
    statuses = pd.read_csv(recordings, usecols=["status"], dtype="category", keep_default_na=False)["status"]
    counts = statuses.value_counts().to_dict()
    others = sorted((-count, status) for status, count in counts.items() if status != "ok")
    listed = ", ".join(f"{-count:,} {status}" for count, status in others)
    usable = f"{counts.get('ok', 0):,} of {len(statuses):,} table cells with an ECG are usable"
    return f"{usable}; {listed}" if others else usable


def missing_files(recordings: pd.DataFrame) -> pd.DataFrame:
    """Row, task and name of every file that is not in the signal folder."""
    return recordings.loc[recordings["status"] == "missing", ["row", "task", "file"]]


def preprocessing_reports(
    records: pd.DataFrame, needed_s: float, flat_is_success: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """DeepECG's detailed and summary report on the files the deepecg recipe was given.

    needed_s         seconds of signal that the recipe needs
    flat_is_success  whether flat recordings are cleaned too, as DeepECG does
    """
    records = _with_short_ones(records[records["status"] != "missing"], {"deepecg": needed_s}).sort_values("ecg_id")
    failed = ~records["status"].isin(["ok", "flat"] if flat_is_success else ["ok"])
    reasons = [
        _reason(status, message) if fails else ""
        for fails, status, message in zip(failed, records["status"], records["message"], strict=True)
    ]
    detailed = pd.DataFrame(
        {
            "file_id": records["ecg_id"],
            "xml_type": records["format"]
            .fillna("")
            .map(lambda name: DEEPECG_FORMAT_NAMES.get(name, name or "Unknown")),
            "status": failed.map({True: "Failed", False: "Success"}),
            "message": reasons,
        }
    )
    kinds = detailed["xml_type"].value_counts().sort_index()
    counts = [
        ("Total Files", len(detailed)),
        ("Successful Files", int((~failed).sum())),
        ("Failed Files", int(failed.sum())),
    ]
    counts += [(f"XML Type: {kind}", count) for kind, count in kinds.items()]
    return detailed, pd.DataFrame(counts, columns=["Metric", "Value"])


def _reason(status: str, message: str) -> str:
    return f"{status}: {message}" if message else status
