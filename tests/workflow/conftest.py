"""A small cohort in every format, and one full run over it that many tests look at."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from twelvelead.demo.cohort import write_cohort
from workflow.running import Outcome, run


@dataclass(frozen=True)
class Finished:
    """A run that ended well: its folder, its batch's results and what it printed."""

    folder: Path
    results: Path
    outcome: Outcome


def pytest_collection_modifyitems(items):
    for item in items:
        if "workflow" in item.path.parts:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory) -> Path:
    """A folder with table.csv and ecg_signals: 24 simulated ECGs, a real one, and the usual faults."""
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, n=24, seed=3)
    return folder


def batch_of(cohort: Path, **more) -> dict:
    return {"small": {"table": str(cohort / "table.csv"), "signals": str(cohort / "ecg_signals"), **more}}


@pytest.fixture(scope="session")
def finished(cohort, tmp_path_factory) -> Finished:
    """full_run of the cohort."""
    folder = tmp_path_factory.mktemp("finished")
    outcome = run(folder, batches=batch_of(cohort, patient_column="patient"), statements_from_files=True)
    return Finished(folder, folder / "results/small", outcome)
