"""What a result was made with, so that it can be made again and defended."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from twelvelead import __version__

PACKAGES = (
    "snakemake", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "lxml", "pydicom", "wfdb", "onnxruntime",
    "openecg", "torch", "transformers", "huggingface_hub", "matplotlib",
)  # fmt: skip


def provenance(batch: Mapping, settings: Mapping, models: Mapping, recordings: pd.DataFrame, table_sha256: str) -> dict:
    """Versions, settings, the table's hash, the models with their hashes, counts of every fate, and the time."""
    counts = {
        task: {"status": of_task["status"].value_counts().to_dict(), "truth": of_task["truth"].value_counts().to_dict()}
        for task, of_task in recordings.groupby("task")
    }
    return {
        "twelvelead": __version__,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(),
        "table": {"path": batch["table"], "sha256": table_sha256, "signals": batch["signals"]},
        "settings": dict(settings),
        "models": dict(models),
        "counts": counts,
    }


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that results may depend on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
