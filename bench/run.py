"""The benchmark: `make bench`. Prints tables and writes bench/results.json; it asserts nothing.

Preprocessing: whole runs of the real Snakemake, its start included, on recordings made here; peak memory is of the
largest process. Models: see bench/models.py; the bootstrap: bench/bootstrap.py; the readers: bench/readers.py. A
part that is not run keeps its results in the file.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

import bootstrap
import models
import readers
from cohort import write_muse_cohort

ROOT = Path(__file__).resolve().parents[1]


def peak_memory_mb(process: subprocess.Popen, stop: threading.Event) -> float:
    """Largest resident size any process of the tree reached, sampled every 50 ms."""
    peak = 0
    root = psutil.Process(process.pid)
    while not stop.is_set():
        try:
            members = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for member in members:
            try:
                peak = max(peak, member.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
        stop.wait(0.05)
    return peak / 2**20


def run(folder: Path, table: Path, *targets: str, cores: int) -> dict:
    """One Snakemake run; wall seconds, CPU seconds of all processes, peak memory of the largest."""
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", str(cores), *targets, "--config"]
    command += [f"table={table}", f"signals={table.parent / 'ecg_signals'}", f"results={folder / 'results'}"]
    command += [f"work={folder / 'work'}", "preprocessing={export: none}"]
    before = os.times()
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    stop, peak = threading.Event(), []
    watcher = threading.Thread(target=lambda: peak.append(peak_memory_mb(process, stop)))
    watcher.start()
    _, error = process.communicate()
    wall_s = time.perf_counter() - start
    stop.set()
    watcher.join()
    after = os.times()
    if process.returncode:
        sys.exit(error.decode())
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 1), "peak_mb": round(peak[0])}


def preprocessing(sizes: list[int], repeats: int, cores: int) -> list[dict]:
    """The median run of each number of files, and the same command again."""
    results = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as scratch:
        for size in sizes:
            cohort = Path(scratch) / f"cohort_{size}"
            table = write_muse_cohort(cohort, min(size, 3000), size)
            of_size = repeats if size <= 3000 else 1
            runs = []
            for _ in range(of_size):
                shutil.rmtree(cohort / "work", ignore_errors=True)
                shutil.rmtree(cohort / "results", ignore_errors=True)
                runs.append(run(cohort, table, "preprocessing", cores=cores))
            median = sorted(runs, key=lambda one: one["wall_s"])[len(runs) // 2]
            again = run(cohort, table, "preprocessing", cores=cores)
            results.append({"files": size, "preprocessing": median, "no-op": again})
            print(f"{size:>7} files: preprocessing {median}, run again {again}", flush=True)
            shutil.rmtree(cohort)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=["preprocessing", "models", "bootstrap", "readers"], help="run this part alone"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 3000, 30000], help="numbers of files")
    parser.add_argument("--repeats", type=int, default=3, help="runs per size; the median is shown")
    parser.add_argument("--cores", type=int, default=2, help="of preprocessing; models take 2")
    chosen = parser.parse_args()
    file = ROOT / "bench/results.json"
    results = json.loads(file.read_text()) if file.is_file() else {}
    if isinstance(results, list):  # written before models were measured
        results = {"preprocessing": results}
    if chosen.only in (None, "preprocessing"):
        results["preprocessing"] = preprocessing(chosen.sizes, chosen.repeats, chosen.cores)
    if chosen.only in (None, "models"):
        results["models"] = models.measure()
        print(models.table(results["models"]), flush=True)
    if chosen.only in (None, "bootstrap"):
        results["bootstrap"] = bootstrap.measure()
        print(results["bootstrap"], flush=True)
    if chosen.only in (None, "readers"):
        results["readers"] = readers.measure()
        print(readers.table(results["readers"]), flush=True)
    file.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
