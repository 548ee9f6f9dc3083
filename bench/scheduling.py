"""What Snakemake itself costs in a run of many jobs: `python bench/scheduling.py --rows 1000 --shard-size 5`.

The recordings are links to one file. The scheduler's CPU time is that of the process that schedules, without its jobs;
its metadata is what the run leaves below .snakemake. Written to bench/scheduling.json.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from planning import ROOT, SNAKEMAKE, jobs_of, write_batch

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def run(folder: Path, shard_size: str) -> dict:
    """Wall and CPU seconds, jobs, the peak memory of the scheduler, and the metadata of one run."""
    config = ["--config", "table=table.csv", "signals=ecgs", f"shard_size={shard_size}"]
    profile = ["--workflow-profile", ROOT / "profiles/default"]
    command = [SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--cores", "2", *profile, *config]
    started = time.monotonic()
    with open(folder / "printed.txt", "w", encoding="utf-8") as printed:
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        own_s, peak_mb = 0.0, 0.0
        while process.poll() is None:
            own_s, peak_mb = _own(process.pid) or (own_s, peak_mb)
            time.sleep(0.2)
    seconds = time.monotonic() - started
    said = (folder / "printed.txt").read_text(encoding="utf-8")
    if process.returncode:
        raise RuntimeError(said[-2000:])
    jobs = jobs_of(said)
    kept = [path for path in (folder / ".snakemake").rglob("*") if path.is_file()]
    return {
        "jobs": jobs,
        "seconds": round(seconds, 1),
        "scheduler_cpu_seconds": round(own_s, 1),
        "scheduler_peak_mb": round(peak_mb),
        "metadata_files": len(kept),
        "metadata_mb": round(sum(path.stat().st_size for path in kept) / 1e6, 1),
    }


def _own(pid: int) -> tuple[float, float] | None:
    """CPU seconds and peak MB of a process, its children not counted; None once it has ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    peak = [line for line in status.splitlines() if line.startswith("VmHWM")]
    # proc(5): utime and stime are fields 14 and 15; the split begins after field 2.
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S, int(peak[0].split()[1]) / 1024 if peak else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--shard-size", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_batch(Path(folder), arguments.rows)
        measured = {"rows": arguments.rows, "shard_size": arguments.shard_size}
        measured |= run(Path(folder), arguments.shard_size)
    (ROOT / "bench/scheduling.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
