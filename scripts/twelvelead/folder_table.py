"""A DeepECG table made from a folder of ECG files: what its DICOM script had to be edited for, for every format."""

import csv
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twelvelead import formats
from twelvelead.atomic import replacing
from twelvelead.errors import SignalError, TableError, UnsupportedFormat
from twelvelead.formats.sniffing import HDF5_SIGNATURE, starts_with

COLUMNS = ("ecg_machine_diagnosis", "77_classes_ecg_file_name")


@dataclass(frozen=True)
class FolderCounts:
    """ecgs: rows of the table; with_statements: of them, with a machine statement; skipped: other files, and why."""

    ecgs: int
    with_statements: int
    skipped: tuple[str, ...]


def table_of_folder(folder: Path | str, destination: Path | str) -> FolderCounts:
    """Writes a row per ECG file below `folder`, by name; a broken ECG gets its row too, so that a run reports it.

    Files of no known format are left out, and so are the signal files of WFDB records, which their .hea stands for.
    Raises TableError when the folder is not there or holds no ECG, and when `destination` is not a CSV's name.
    """
    folder = Path(folder)
    if Path(destination).suffix.lower() == ".parquet":
        raise TableError(f"{destination}: the table is written as CSV; give it a name that ends in .csv")
    if not folder.is_dir():
        raise TableError(f"{folder}: there is no such folder")
    ecgs = with_statements = 0
    skipped: list[str] = []
    with replacing(destination) as temporary, open(temporary, "w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in itertools.chain.from_iterable(_recordings(folder, name) for name in files_below(folder)):
            try:
                statements = formats.read(folder / name).statements
            except UnsupportedFormat as error:
                skipped.append(f"{name}: {error}")
                continue
            except SignalError:
                statements = ()
            writer.writerow(("; ".join(statements), name))
            ecgs += 1
            with_statements += bool(statements)
        if not ecgs:
            raise TableError(f"{folder}: holds no ECG file of a known format, among {len(skipped)} files")
    return FolderCounts(ecgs, with_statements, tuple(skipped))


def files_below(folder: Path) -> Iterator[str]:
    """Paths below the folder, sorted, with "/" between the parts, without hidden files and WFDB's signal files."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        present = set(names)
        for name in sorted(names):
            stem, extension = os.path.splitext(name)
            if extension in (".dat", ".mat") and f"{stem}.hea" in present or name.startswith("."):
                continue
            yield Path(place, name).relative_to(folder).as_posix()


def _recordings(folder: Path, name: str) -> list[str]:
    """The members of an HDF5 file of recordings, as a table names them; any other file itself."""
    if not starts_with(folder / name, HDF5_SIGNATURE):
        return [name]
    # h5py takes long to import, and most folders hold no HDF5.
    from twelvelead.formats.hdf5 import ExamFile, member_name

    try:
        with ExamFile(folder / name) as exams:
            return [member_name(name, member) for member in exams.members().tolist()]
    except SignalError:
        return [name]  # which reading it then explains
