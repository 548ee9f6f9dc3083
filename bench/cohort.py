"""The benchmark's recordings: MUSE exports with mains noise, each with samples of its own."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from twelvelead.demo.simulate import simulate
from twelvelead.demo.write_muse import write_muse

DISTINCT_HEARTS = 24


def write_muse_cohort(folder: Path, n_files: int, n_rows: int | None = None, seed: int = 1) -> Path:
    """Writes n_files exports (8 leads x 5,000 samples) and a table of n_rows; returns the table's path.

    Rows beyond n_files are hard links to the same files under other names.
    """
    rng = np.random.default_rng(seed)
    hearts = [simulate("sinus", rng) for _ in range(min(DISTINCT_HEARTS, n_files))]
    signals = folder / "ecg_signals"
    signals.mkdir(parents=True)
    time_s = np.arange(hearts[0].signal_mv.shape[1]) / 500
    for number in range(n_files):
        heart = hearts[number % len(hearts)]
        mains = 0.03 * rng.random() * np.sin(2 * np.pi * 60 * time_s + rng.uniform(0, 2 * np.pi))
        noise = rng.normal(0, 0.01, heart.signal_mv.shape)
        moved = (np.roll(heart.signal_mv, rng.integers(5000), axis=1) + mains + noise).astype(np.float32)
        write_muse(signals / f"e{number:06d}.xml", replace(heart, signal_mv=moved), ("Sinus rhythm",))
    n_rows = n_rows or n_files
    for number in range(n_files, n_rows):
        os.link(signals / f"e{number % n_files:06d}.xml", signals / f"e{number:06d}.xml")
    table = folder / f"muse_{n_rows}.csv"
    rows = "".join(f"Sinus rhythm,e{number:06d}.xml\n" for number in range(n_rows))
    table.write_text("ecg_machine_diagnosis,77_classes_ecg_file_name\n" + rows)
    return table
