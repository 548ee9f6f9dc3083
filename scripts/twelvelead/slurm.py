"""What is checked before a run submits jobs to SLURM: mistakes that its executor plugin answers by waiting for ever.

Of snakemake-executor-plugin-slurm 2.8.0: jobs of an array rule that were not all chosen in one round are lost, and so
is a group that fails before sbatch is called.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from twelvelead.config import check, read_yaml
from twelvelead.errors import ConfigError

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo")
ANSWER_S = 60
FREE_RATE = 100_000  # jobs a timespan; a lower rate may split what is ready at once


def check_run(workflow, partitions_schema: Mapping) -> None:
    """Raises ConfigError for a run of Snakemake that would wait for ever; nothing for one that does not use SLURM."""
    settings = workflow.executor_settings
    if not type(settings).__module__.startswith("snakemake_executor_plugin_slurm"):
        return
    if settings.array_jobs and (limit := limit_of_a_round(workflow)):
        raise ConfigError(
            f"`{limit}` with `slurm-array-jobs` would wait for ever; take one of them out (docs/cluster.md)"
        )
    if settings.partition_config:
        path = Path(settings.partition_config)
        check(read_yaml(path), partitions_schema, str(path))
    check_reachable()


def limit_of_a_round(workflow) -> str | None:
    """The option that may keep the scheduler from choosing all jobs that are ready at once, or None."""
    rate = workflow.scheduling_settings.max_jobs_per_timespan
    shared = [name for name in workflow.global_resources if re.match("mem|disk", name)]
    if workflow.nodes != sys.maxsize:
        return "jobs"
    if workflow.scheduling_settings.subsample:
        return "scheduler-subsample"
    if rate and rate.max_jobs < FREE_RATE:
        return "max-jobs-per-timespan"
    if any(not workflow.resource_scopes.is_local(name) for name in shared):
        return "resources"
    return None


def check_reachable() -> None:
    """Raises ConfigError where SLURM's commands are not there or its controller does not answer."""
    missing = [command for command in COMMANDS if shutil.which(command) is None]
    if missing:
        raise ConfigError(
            f"SLURM's command {missing[0]} is not on the PATH; start the run on a login node, or without profiles/slurm"
        )
    try:
        asked = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, timeout=ANSWER_S)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"SLURM's controller does not answer: sinfo ran for {ANSWER_S} s") from None
    if asked.returncode:
        reason = (asked.stderr.strip() or f"exit status {asked.returncode}").splitlines()[-1]
        raise ConfigError(f"SLURM's controller does not answer: {reason}")
