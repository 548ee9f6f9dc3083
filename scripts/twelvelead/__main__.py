"""The command `twelvelead`: small tools beside the workflow."""

import argparse
import json
import os
import sys
from pathlib import Path

from twelvelead import __version__
from twelvelead.errors import TableError, TwelveleadError


def main(arguments: list[str] | None = None) -> int:
    """Runs one sub-command; returns the exit status: 0, or 1 after an error the user can mend."""
    parser = argparse.ArgumentParser(prog="twelvelead", description=__doc__)
    parser.add_argument("--version", action="version", version=f"twelvelead {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    look = commands.add_parser(
        "inspect",
        help="say what ECG files are, and draw them",
        description="For each FILE: format, sampling rate, leads, units, device, machine statements, quality, recipes.",
    )
    look.add_argument("files", metavar="FILE", nargs="+", help="ECG file, file.hdf5#id, or folder of ECG files")
    look.add_argument("--json", action="store_true", help="an object per file, each on its line")
    look.add_argument("--picture", metavar="OUT", help="draw the ECG into OUT.svg or OUT.png, or each into a folder")
    table = commands.add_parser(
        "table",
        help="make a table from a folder of ECG files",
        description="Writes a table in DeepECG's format: the ECG files below FOLDER and their machine statements.",
    )
    table.add_argument("folder", metavar="FOLDER", help="folder of ECG files, searched with its sub-folders")
    table.add_argument("-o", "--output", metavar="T.csv", required=True, help="table to write")
    table.add_argument(
        "--force", action="store_true", help="write over a table that is there, and what was typed into it"
    )
    judge = commands.add_parser(
        "evaluate",
        help="judge predictions from two files",
        description="Metrics with intervals of PREDICTED against TRUTH: .npy arrays (n, labels), or CSV files with a "
        "column per label, the same in both, matched by a column file_name or id where there is one.",
    )
    judge.add_argument("truth", metavar="TRUTH", help="1, 0, or nothing where unknown")
    judge.add_argument("predicted", metavar="PREDICTED", help="probabilities")
    judge.add_argument("--json", action="store_true", help="everything, as JSON")
    judge.add_argument("--replicates", type=int, default=1000, help="of the bootstrap (default 1000)")
    thresholds = commands.add_parser(
        "thresholds",
        help="find thresholds on a probabilities.csv",
        description="Per pattern the thresholds that are best by Youden's J and by F1 on these very ECGs, binarised "
        "tables, and with several models a table that joins them. The thresholds file fits evaluation.thresholds.",
    )
    thresholds.add_argument("probabilities", metavar="PROBABILITIES", nargs="+", help="probabilities.csv of a model")
    thresholds.add_argument("-o", "--output", metavar="FOLDER", required=True, help="folder to write into")
    chosen = parser.parse_args(arguments)
    run = {"inspect": _inspect, "table": _table, "evaluate": _evaluate, "thresholds": _thresholds}[chosen.command]
    try:
        return run(chosen)
    except TwelveleadError as error:
        print(f"twelvelead {chosen.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # head, say, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit does not fail again
        return 1


def _inspect(chosen: argparse.Namespace) -> int:
    from twelvelead.inspection import Unreadable, inspect_files

    unreadable = 0
    for found in inspect_files(chosen.files, chosen.picture):
        print(found.as_json() if chosen.json else found.as_text())
        unreadable += isinstance(found, Unreadable)
    return 1 if unreadable else 0


def _table(chosen: argparse.Namespace) -> int:
    from twelvelead.folder_table import table_of_folder

    if os.path.exists(chosen.output) and not chosen.force:
        raise TableError(f"{chosen.output} is there already; give another name, or --force to write over it")
    counts = table_of_folder(chosen.folder, chosen.output)
    print(f"{chosen.output}: {counts.ecgs} ECGs, {counts.with_statements} of them with machine statements")
    for left_out in counts.skipped:
        print(f"left out: {left_out}")
    return 0


def _evaluate(chosen: argparse.Namespace) -> int:
    from twelvelead.evaluation.evaluation import evaluate
    from twelvelead.evaluation.matrices import as_table, read_scores
    from twelvelead.evaluation.scores import EvaluationSettings

    scores = read_scores(chosen.truth, chosen.predicted)
    settings = EvaluationSettings(replicates=chosen.replicates, least_positives=1, workers=os.cpu_count() or 1)
    found = evaluate(scores, [], {}, {}, settings)
    print(json.dumps(found, indent=1, allow_nan=False) if chosen.json else "\n".join(as_table(found)))
    return 0


def _thresholds(chosen: argparse.Namespace) -> int:
    from twelvelead.evaluation.threshold_command import write_thresholds

    for path in write_thresholds(chosen.probabilities, Path(chosen.output)):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
