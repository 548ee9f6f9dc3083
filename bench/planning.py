"""How long a dry run of very many ECGs takes: `python bench/planning.py --rows 1000000`.

The recordings are links to one file, which planning does not open. Written to bench/planning.json.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from twelvelead.demo.cohort import write_cohort

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
PER_FOLDER = 1000


def write_batch(folder: Path, rows: int) -> None:
    """A table of `rows` ECGs with a statement each, and as many links to one recording, 1,000 a folder."""
    write_cohort(folder / "one", n=20, seed=1)
    recording = next(path for path in sorted((folder / "one/ecg_signals").rglob("*.xml")))
    with open(folder / "table.csv", "w", encoding="utf-8") as table:
        table.write("77_classes_ecg_file_name,ecg_machine_diagnosis\n")
        for number in range(rows):
            name = f"{number // PER_FOLDER:04d}/{number:07d}.xml"
            if number % PER_FOLDER == 0:
                (folder / "ecgs" / name).parent.mkdir(parents=True)
            os.symlink(recording, folder / "ecgs" / name)
            table.write(f"{name},{'Sinus rhythm' if number % 3 else 'Atrial fibrillation'}\n")


def dry_run(folder: Path) -> dict:
    """Wall seconds, peak memory and jobs of `snakemake -n`."""
    config = ["--config", "table=table.csv", "signals=ecgs"]
    command = [SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--cores", "2", "-n", *config]
    started = time.monotonic()
    with open(folder / "printed.txt", "w", encoding="utf-8") as printed:
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    said = (folder / "printed.txt").read_text(encoding="utf-8")
    if status:
        raise RuntimeError(said[-2000:])
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "jobs": jobs_of(said),
    }


def jobs_of(said: str) -> int:
    """The number of jobs in what Snakemake prints before it starts."""
    return int(re.search(r"^total\s+(\d+)$", said, re.MULTILINE)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        write_batch(Path(folder), rows)
        measured = {"rows": rows, "first": dry_run(Path(folder)), "again": dry_run(Path(folder))}
    (ROOT / "bench/planning.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
