"""A process that reads one file after the other as a decoding job does, and says how each ended.

Reads paths as lines of JSON, answers in lines of JSON. What a file does to this process shows in the one that started
it: a crash as its end, a hang as silence.
"""

import ctypes
import hashlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from twelvelead.records import Record, read_records, write_records

# Beginnings of /etc/passwd, which external entities, links and storage of the mutated files point to.
_FOREIGN = ("root:", "/bin/bash", "/bin/sh", "nologin")
_OUTCOMES = {"ok", "missing", "unreadable", "unsupported", "lead_missing", "not_finite", "flat", "excluded"}
_LONGEST_MESSAGE = 400


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    destination = Path(sys.argv[1])
    secrets = tuple(json.loads(sys.argv[2]))
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        _answer(answers, _outcome(json.loads(line), destination, secrets))


def _answer(answers, content: dict) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def _outcome(path: str, destination: Path, secrets: tuple[str, ...]) -> dict:
    _reset_peak()
    started_s = time.process_time()
    try:
        write_records([("file", path)], destination, 1.0)
        record = next(read_records(destination))
    except Exception as error:
        return {"status": "exception", "message": "", "problem": f"{type(error).__name__}: {error}"[:300]}
    return {
        "status": record.status,
        "message": record.message,
        "format": record.recording.format if record.recording else "",
        "cpu_s": time.process_time() - started_s,
        "peak_mb": _peak_mb(),
        "digest": hashlib.sha256(destination.read_bytes()).hexdigest(),
        "problem": problem_of(record, secrets),
    }


def problem_of(record: Record, secrets: tuple[str, ...] = ()) -> str:
    """What is wrong with the way a file ended; empty where it ended as it should."""
    message = record.message
    if record.status not in _OUTCOMES:
        return f"status {record.status} is none of those documented"
    if record.status != "ok" and not message.strip():
        return "no reason given"
    if len(message.splitlines()) > 1 or not message.isprintable():
        return f"the message is not one printable line: {message!r}"
    if len(message) > _LONGEST_MESSAGE:
        return f"the message has {len(message)} characters"
    if leaked := [secret for secret in secrets if secret.casefold() in message.casefold()]:
        return f"the message quotes the patient: {leaked[0]}"
    found = record.recording
    texts = [message] if found is None else [message, found.units, found.device, *found.leads, *found.statements]
    if any(piece in text for text in texts for piece in _FOREIGN):
        return "holds what stands in another file"
    return "" if found is None else _inconsistency(record)


def _inconsistency(record: Record) -> str:
    found = record.recording
    rows, length = found.samples.shape
    if not rows == len(found.leads) == len(set(found.leads)) == len(found.gain_mv) or length < 1:
        return f"{rows} rows of {length} samples, {len(found.leads)} leads, {len(found.gain_mv)} gains"
    if found.samples.dtype not in (np.int16, np.int32, np.float32):
        return f"samples of type {found.samples.dtype}"
    if not np.isfinite(found.gain_mv).all() or (found.offset_mv is not None and not np.isfinite(found.offset_mv).all()):
        return "a gain or offset is not finite"
    if record.status == "ok" and not np.isfinite(found.samples.astype(np.float64)).all():
        return "samples that are not finite passed as ok"
    return ""


def _reset_peak() -> None:
    # Memory that a large file leaves behind is not the next one's.
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    # Refused in some containers: the peak is then that of all files so far, which is no less.
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
