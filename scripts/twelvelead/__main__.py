"""The command `twelvelead`: small tools beside the workflow."""

import argparse
import sys

from twelvelead import __version__
from twelvelead.errors import TwelveleadError

SHOWN_LEFT_OUT = 10  # files that are no ECG are named up to here


def main(arguments: list[str] | None = None) -> int:
    """Runs one sub-command; returns the exit status: 0, or 1 after an error the user can mend."""
    parser = argparse.ArgumentParser(prog="twelvelead", description=__doc__)
    parser.add_argument("--version", action="version", version=f"twelvelead {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser(
        "table",
        help="make a table from a folder of ECG files",
        description="Writes a table in DeepECG's format: the ECG files below FOLDER and their machine statements.",
    )
    table.add_argument("folder", metavar="FOLDER", help="folder of ECG files, searched with its sub-folders")
    table.add_argument("-o", "--output", metavar="T.csv", required=True, help="table to write")
    chosen = parser.parse_args(arguments)
    try:
        return _table(chosen.folder, chosen.output)
    except TwelveleadError as error:
        print(f"twelvelead {chosen.command}: {error}", file=sys.stderr)
        return 1


def _table(folder: str, output: str) -> int:
    from twelvelead.folder_table import table_of_folder

    counts = table_of_folder(folder, output)
    print(f"{output}: {counts.ecgs} ECGs, {counts.with_statements} of them with machine statements")
    for left_out in counts.skipped[:SHOWN_LEFT_OUT]:
        print(f"left out: {left_out}")
    if len(counts.skipped) > SHOWN_LEFT_OUT:
        print(f"left out: {len(counts.skipped) - SHOWN_LEFT_OUT} more files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
