"""What every rule's script does around its work: one thread for linear algebra, and a log that says what went wrong."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Before numpy is imported: many jobs share the cores, and sums must not depend on how many threads there are.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from twelvelead.errors import TwelveleadError  # noqa: E402

log = logging.getLogger("twelvelead")


@contextmanager
def logged(snakemake) -> Iterator[logging.Logger]:
    """Runs a script's work with its rule's log open; an error a user can mend is logged without a traceback."""
    handler = logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    log.setLevel(logging.INFO)
    try:
        yield log
    except TwelveleadError as error:
        log.error("%s", error)
        handler.flush()
        sys.exit(1)
    except Exception:
        log.exception("rule %s failed", snakemake.rule)
        handler.flush()
        sys.exit(1)
