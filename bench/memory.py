"""Peak memory of an inference job by its number of ECGs: predict_chunk, in a process of its own."""

import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import torch

from twelvelead.inference import predict_chunk
from twelvelead.models import torchscript
from twelvelead.tensors import RowStatus, TensorWriter, write_statuses

ROWS_PER_SHARD = 1000
ROWS_AT_ONCE = 100
OUTPUTS = ["A", "B", "C"]
MODEL = "small.pt"


class _SmallNetwork(torch.nn.Module):
    """Far cheaper than any ECG model, so that reading the shards is what the job does."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv1d(12, 8, 25, stride=25)
        self.head = torch.nn.Linear(8, len(OUTPUTS))

    def forward(self, x):
        return self.head(torch.relu(self.convolution(x)).mean(dim=-1))


def peaks(folder: Path, sizes: Sequence[int]) -> list[dict]:
    """Per number of ECGs the job's peak memory in MB, in all and without the pages of files that are mapped into it."""
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.script(_SmallNetwork().eval()).save(folder / MODEL)
    results = []
    for size in sizes:
        cohort = folder / f"cohort_{size}"
        _write_shards(cohort, size)
        job = subprocess.Popen([sys.executable, __file__, str(folder / MODEL), str(cohort)], stderr=subprocess.PIPE)
        resident_mb, private_mb = _watch(job)
        _, error = job.communicate()
        if job.returncode:
            sys.exit(error.decode())
        results.append({"ecgs": size, "peak_mb": resident_mb, "peak_without_files_mb": private_mb})
        for file in cohort.iterdir():
            file.unlink()
    return results


def _write_shards(folder: Path, size: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for start in range(0, size, ROWS_PER_SHARD):
        rows = range(start, min(start + ROWS_PER_SHARD, size))
        writer = TensorWriter(folder / f"{start:06d}.npy", (12, 2500))
        for first in range(rows.start, rows.stop, ROWS_AT_ONCE):
            block = (min(ROWS_AT_ONCE, rows.stop - first), 12, 2500)
            writer.append(rng.standard_normal(block, dtype=np.float32))
        writer.close()
        write_statuses(folder / f"{start:06d}.tsv", [RowStatus(f"e{row:06d}", "ok") for row in rows])


def _watch(job: subprocess.Popen) -> tuple[int, int]:
    """(resident, resident without shared and file pages) at their highest, in MB, sampled every 10 ms."""
    resident = private = 0
    process = psutil.Process(job.pid)
    while job.poll() is None:
        try:
            now = process.memory_info()
        except psutil.NoSuchProcess:
            break
        resident = max(resident, now.rss)
        private = max(private, now.rss - now.shared)
        time.sleep(0.01)
    return round(resident / 2**20), round(private / 2**20)


def _predict(model_file: str, cohort: Path) -> None:
    settings = {"outputs": OUTPUTS, "threads": 2, "trust_local_weights": True}
    model = torchscript.load(model_file, "cpu", settings)
    tensors = sorted(str(file) for file in cohort.glob("*.npy"))
    statuses = [file.removesuffix(".npy") + ".tsv" for file in tensors]
    predict_chunk(model, tensors, statuses, cohort / "predictions.parquet")


if __name__ == "__main__":
    _predict(sys.argv[1], Path(sys.argv[2]))
