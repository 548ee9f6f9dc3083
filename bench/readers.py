"""The benchmark of the readers: files a second of CPU time on one core, for every format.

Files made here hold 10 s of twelve leads at 500 Hz, as exports do, and less around them than some: a real MUSE export
has a median beat and measurements, a real aECG annotations. Real recordings are measured too where they are at hand.
CPU time is that of this process with its threads, so that other programs on the machine count little; ways that are
compared take turns, so that what slows one slows the other, and their ratio is the median of the rounds'.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from other_readers import OTHERS
from twelvelead import formats
from twelvelead.errors import SignalError
from twelvelead.records import write_records

ROOT = Path(__file__).resolve().parents[1]
REAL_RECORDINGS = ROOT.parent / "shared/data"
# folder -> the files in it that are ECGs
REAL_FILES = {
    "ge_muse_xml": "*.xml",
    "cardiosoft_xml": "*.xml",
    "philips_xml": "1_*",
    "hl7_aecg_xml": "*.xml",
    "scp": "*.scp",
    "dicom": "*.dcm",
    "ptbxl_wfdb": "*.hea",
    "cinc2021_wfdb": "*.hea",
    "code15_mat": "*.mat",
}
MOST_REAL_FILES = 10  # of a folder
FILES_OF_A_JOB = 20
# name of a way -> (what it runs, files that one run reads)
Ways = Mapping[str, tuple[Callable[[], object], int]]
# Files a second a core that a reader shall reach where the library allows.
AIMS = {"muse_xml": 300, "cardiosoft_xml": 150, "hl7_aecg": 100, "dicom": 100}


def measure(variants: Sequence[str] | None = None, rounds: int = 5, seconds: float = 0.2) -> list[dict]:
    """A row per way to write an ECG, and per folder of real recordings: files per CPU second of

    read    twelvelead.formats.read alone
    job     what the decode job does: the same, the checks of the signal, and its rows of Parquet
    other   another reader of the same files, with the ratio of `read` to it

    variants  some of the ways to write; None for all, and for the real recordings
    seconds   of CPU time that each way is measured for in a round, at least
    """
    sys.path.insert(0, str(ROOT / "tests"))
    from every_format import write_every_format  # the tests' own files, so that each variant that is read is measured

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        written = write_every_format(Path(scratch) / "ecgs")
        groups = {name: [path] for name, path in written.items() if variants is None or name in variants}
        groups |= real_recordings() if variants is None else {}
        for name, paths in groups.items():
            rows.append({"files": name, **_row(paths, Path(scratch), rounds, seconds)})
    return rows


def real_recordings() -> dict[str, list[Path]]:
    """The first files of each folder of real recordings that is there."""
    found = {f"real: {name}": sorted((REAL_RECORDINGS / name).glob(glob)) for name, glob in REAL_FILES.items()}
    return {name: paths[:MOST_REAL_FILES] for name, paths in found.items() if paths}


def _row(paths: Sequence[Path], scratch: Path, rounds: int, seconds: float) -> dict:
    recording = formats.read(paths[0])
    shard = [(f"ecg_{number}", str(paths[number % len(paths)])) for number in range(FILES_OF_A_JOB)]
    ways = {
        "read": (lambda: [formats.read(path) for path in paths], len(paths)),
        "job": (lambda: write_records(shard, scratch / "records.parquet", 1.0), len(shard)),
    }
    other, read_by_other = OTHERS.get(recording.format, ("", None))
    if read_by_other is not None and _reads(read_by_other, paths):
        ways["other"] = (lambda: [read_by_other(path) for path in paths], len(paths))
    rates = rates_in_turns(ways, rounds, seconds)
    row = {
        "format": recording.format,
        "kB": round(statistics.mean(_size(path) for path in paths) / 1000),
        "read_per_s": _rounded(rates["read"]),
        "job_per_s": _rounded(rates["job"]),
        "aim_per_s": AIMS.get(recording.format),
    }
    if other and "other" not in ways:
        row["other"] = f"{other} does not read it"
    elif other:
        ratios = [ours / theirs for ours, theirs in zip(rates["read"], rates["other"], strict=True)]
        row |= {
            "other": other,
            "other_per_s": _rounded(rates["other"]),
            "ratio": round(statistics.median(ratios), 2),
            "ratios": [round(ratio, 2) for ratio in ratios],
        }
    return row


def _reads(read_by_other: Callable[[Path], np.ndarray], paths: Sequence[Path]) -> bool:
    """Whether the other reader can read these files at all, as many samples as ours."""
    try:
        # Some have the limb leads that ours would derive, or leads that are not among the twelve, hence one lead's.
        return all(read_by_other(path).shape[1] >= formats.read(path).samples.shape[1] for path in paths)
    except SignalError:
        raise
    except Exception:
        return False


def _size(path: Path) -> int:
    """Bytes of a file; of a WFDB record, whose signal file lies beside its header, of both."""
    path, _ = formats.file_and_member(path)
    beside = path.parent.glob(f"{path.stem}.*") if path.suffix == ".hea" else [path]
    return sum(file.stat().st_size for file in beside)


def rates_in_turns(ways: Ways, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Files per CPU second of each way, one figure a round, after one run that is not counted."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for run, _ in ways.values():
        run()
    for round_ in range(rounds):
        for way in list(ways)[:: -1 if round_ % 2 else 1]:
            run, n_files = ways[way]
            rates[way].append(n_files / _cpu_seconds(run, seconds))
    return rates


def _cpu_seconds(run: Callable[[], object], seconds: float) -> float:
    """Mean CPU seconds of a run, of as many as take `seconds`."""
    start, runs = time.process_time(), 0
    while (taken := time.process_time() - start) < seconds or not runs:
        run()
        runs += 1
    return taken / runs


def _rounded(rates: Sequence[float]) -> int:
    return round(statistics.median(rates))


def table(rows: Sequence[Mapping]) -> str:
    """What measure returns, as Markdown."""
    head = "| files | kB | read, files/s | aim | decode job, files/s | other reader | files/s | ratio (rounds) |"
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *map(line, rows)])


def line(row: Mapping) -> str:
    cells = [row["files"], row["kB"], row["read_per_s"], row["aim_per_s"] or "", row["job_per_s"]]
    rounds = ", ".join(map(str, row.get("ratios", ())))
    cells += [row.get("other", "none"), row.get("other_per_s", ""), f"{row['ratio']} ({rounds})" if rounds else ""]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    print(table(measure()))
