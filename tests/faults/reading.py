"""Reads mutated files in a process of their own, within limits of time and memory."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from planted_identity import PLANTED

# Processor time, so that a busy machine is no hang; what blocks without using any is killed by the clock.
MOST_CPU_S = 5.0
MOST_WALL_S = 30.0
MOST_MB = 1024.0
# Memory that a large file leaves behind in its process is not the next file's.
_FRESH_PROCESS_ABOVE_MB = 400.0
_POLL_S = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
_TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """How a file ended; `problem` is empty where nothing is wrong with that."""

    status: str
    message: str = ""
    format: str = ""
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    digest: str = ""
    problem: str = ""


@dataclass
class Reader:
    """A process that reads files one by one, started again when one of them ends it; a context manager."""

    folder: Path
    _process: subprocess.Popen | None = field(default=None, init=False)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self._stop()

    def read(self, path: str) -> Outcome:
        """The outcome of one file; a crash, a hang and too much memory are outcomes with a problem."""
        process = self._process or self._start()
        process.stdin.write(json.dumps(path) + "\n")
        process.stdin.flush()
        started_s, cpu_before_s = time.monotonic(), _cpu_s(process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not selector.select(_POLL_S):
                if excess := _excess(process.pid, started_s, cpu_before_s):
                    self._stop()
                    return Outcome(*excess)
        line = process.stdout.readline()
        if not line:
            return self._crashed()
        outcome = Outcome(**json.loads(line))
        if _resident_mb(process.pid) > _FRESH_PROCESS_ABOVE_MB:
            self._stop()
        if outcome.cpu_s > MOST_CPU_S or outcome.peak_mb > MOST_MB:
            return Outcome("hang" if outcome.cpu_s > MOST_CPU_S else "memory", problem=str(outcome)[:300])
        return outcome

    def _start(self) -> subprocess.Popen:
        self.folder.mkdir(parents=True, exist_ok=True)
        errors = (self.folder / "stderr").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.reader_process", str(self.folder / "record"), json.dumps(PLANTED.strings())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{_TESTS}{os.pathsep}{_TESTS.parent / 'scripts'}"},
            start_new_session=True,
        )
        errors.close()
        if not self._process.stdout.readline():
            raise RuntimeError(f"the reading process does not start: {(self.folder / 'stderr').read_text()[-2000:]}")
        return self._process

    def _crashed(self) -> Outcome:
        status = self._process.wait()
        self._stop()
        reason = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return Outcome("crash", problem=f"the reading process ended: {reason}")

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None


def _excess(pid: int, started_s: float, cpu_before_s: float) -> dict | tuple | None:
    """(status, message, format, CPU seconds, MB, digest, problem) of a file that goes beyond a limit, else None."""
    cpu_s, wall_s, mb = _cpu_s(pid) - cpu_before_s, time.monotonic() - started_s, _resident_mb(pid)
    if cpu_s > MOST_CPU_S or wall_s > MOST_WALL_S:
        return "hang", "", "", cpu_s, mb, "", f"killed after {cpu_s:.1f} s of processor time, {wall_s:.1f} s in all"
    if mb > MOST_MB:
        return "memory", "", "", cpu_s, mb, "", f"killed at {mb:.0f} MB"
    return None


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB
