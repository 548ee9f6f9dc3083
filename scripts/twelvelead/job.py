"""What every rule's script does around its work: one thread for linear algebra, and a log that says what went wrong."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Before numpy is imported: many jobs share the cores, and sums must not depend on how many threads there are.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from twelvelead.atomic import NotWritten, why_not_written  # noqa: E402
from twelvelead.errors import TwelveleadError  # noqa: E402

log = logging.getLogger("twelvelead")


class _RuleLog(logging.FileHandler):
    """A rule's log. A line that finds no room in it is lost: the log is no result, and says so itself where it can."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass


@contextmanager
def logged(snakemake) -> Iterator[logging.Logger]:
    """Runs a script's work with its rule's log open; an error a user can mend is logged without a traceback.

    What the machine refuses (room on a disk, memory, permission) is said on standard error too: a full disk takes no
    log.
    """
    try:
        _open(snakemake.log[0])
    except NotWritten as error:
        _say(snakemake, str(error))
        sys.exit(1)
    try:
        yield log
    except NotWritten as error:
        log.error("%s", error)
        _say(snakemake, str(error))
    except TwelveleadError as error:
        log.error("%s", error)
    except MemoryError:
        message = _out_of_memory(snakemake)
        log.error("%s", message)
        _say(snakemake, message)
    except Exception as error:
        found = why_not_written(error.filename or "a file", error) if isinstance(error, OSError) else None
        log.exception("rule %s failed", snakemake.rule)
        if found is not None:
            _say(snakemake, str(found))
    else:
        return
    sys.exit(1)


def _open(path: str) -> None:
    """Opens the rule's log, which takes each line at once. Raises NotWritten."""
    try:
        handler = _RuleLog(path, mode="w", encoding="utf-8")
    except OSError as error:
        found = why_not_written(path, error, (os.path.abspath(path),))
        if found is None:
            raise
        raise found from error
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    log.setLevel(logging.INFO)


def _out_of_memory(snakemake) -> str:
    given = snakemake.resources.get("mem_mb")
    of_given = f" (it was planned with {given} MB)" if given else ""
    return f"out of memory{of_given}; run with fewer --cores, with a smaller `shard_size`, or on a larger machine"


def _say(snakemake, message: str) -> None:
    print(f"Error in rule {snakemake.rule}: {message}", file=sys.stderr, flush=True)
