"""The demo's cohort: simulated ECGs as six sites would export them, and the table that goes with them."""

import csv
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.data import get_testdata_file

from twelvelead.demo.noise import Noise
from twelvelead.demo.simulate import RHYTHMS, Simulated, simulate
from twelvelead.demo.statements import machine_statements
from twelvelead.demo.write_arrays import write_npy, write_wfdb
from twelvelead.demo.write_cardiosoft import write_cardiosoft
from twelvelead.demo.write_dicom import write_dicom
from twelvelead.demo.write_muse import write_muse
from twelvelead.errors import ConfigError

SIGNALS = "ecg_signals"
TABLE = "table.csv"
COLUMNS = (
    "patient",
    "site",
    "sex",
    "age",
    "simulated_rhythm",
    "ecg_machine_diagnosis",
    "77_classes_ecg_file_name",
    "afib_5y",
    "afib_ecg_file_name",
)
# A folder of signals is only ever replaced when this file says that it came from here.
_MARKER = ".simulated"

Writer = Callable[[Path, Simulated, tuple[str, ...]], None]


@dataclass(frozen=True)
class Site:
    """Where ECGs come from: how files are written, the language of statements, and the mains."""

    suffix: str
    write: Writer
    language: str
    mains_hz: float
    mains_mv: float


def _npy_leads_first(path: Path, simulated: Simulated, statements: tuple[str, ...]) -> None:
    write_npy(path, simulated, leads_first=True)


def _npy_leads_last(path: Path, simulated: Simulated, statements: tuple[str, ...]) -> None:
    write_npy(path, simulated, leads_first=False)


SITES = {
    "site_a": Site(".xml", write_muse, "en", mains_hz=60, mains_mv=0.006),
    "site_b": Site(".xml", write_muse, "fr", mains_hz=60, mains_mv=0.012),
    "site_c": Site(".xml", write_cardiosoft, "fr", mains_hz=50, mains_mv=0.010),
    "site_d": Site(".dcm", write_dicom, "en", mains_hz=50, mains_mv=0.004),
    "site_e": Site(".hea", write_wfdb, "en", mains_hz=50, mains_mv=0.006),
    "site_f": Site(".npy", _npy_leads_first, "fr", mains_hz=50, mains_mv=0.003),
    "site_g": Site(".npy", _npy_leads_last, "fr", mains_hz=50, mains_mv=0.003),
}
FOLLOW_UP_SITES = ("site_a", "site_b")
# Twenty recordings in turn: five of site_a, five of site_b, three of site_c and so on.
_SITE_ORDER = tuple(f"site_{letter}" for letter in "abcadbeacbfadbcaebdg")

RHYTHM_SHARES = {
    "sinus": 0.43,
    "atrial_fibrillation": 0.17,
    "first_degree_av_block": 0.10,
    "left_bundle_branch_block": 0.08,
    "right_bundle_branch_block": 0.08,
    "ventricular_paced": 0.06,
    "premature_ventricular_complexes": 0.08,
}
MISTAKEN_SHARE = 0.03  # how often the machine takes a rhythm for another


def write_cohort(folder: Path | str, n: int = 120, seed: int = 20) -> Path:
    """Writes `n` simulated ECGs to <folder>/ecg_signals and <folder>/table.csv; returns the table's path.

    Six more rows show what real cohorts hold: a file that is missing, one cut off, one with NaN samples, one of
    6 s, pydicom's real 12-lead recording, and a row that is there twice; one diagnosis is empty. The same `n` and
    `seed` give the same bytes. The folder of signals is renamed into place whole, then the table.
    Raises ConfigError when <folder>/ecg_signals exists and was not written by this function.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    signals, table = folder / SIGNALS, folder / TABLE
    if signals.exists() and not (signals / _MARKER).is_file():
        raise ConfigError(
            f"{signals} holds no simulated cohort that could be replaced; move it away or choose another folder"
        )
    attempt = Path(tempfile.mkdtemp(prefix=".demo-", dir=folder))
    try:
        rows = _write_signals(attempt / SIGNALS, n, seed)
        _write_table(attempt / TABLE, rows)
        table.unlink(missing_ok=True)  # a table must never point into a folder of another attempt
        if signals.exists():
            os.rename(signals, attempt / "replaced")
        os.rename(attempt / SIGNALS, signals)
        os.replace(attempt / TABLE, table)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
    return table


def _write_signals(signals: Path, n: int, seed: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    rhythms = rng.permutation(_rhythms(n))
    mistaken = set(rng.choice(n, size=max(1, round(MISTAKEN_SHARE * n)), replace=False).tolist())
    for site in SITES:
        (signals / site).mkdir(parents=True)
    (signals / _MARKER).write_text("simulated by twelvelead.demo.cohort; replaced on the next run\n", encoding="ascii")
    rows: list[dict[str, str]] = []
    for index, rhythm in enumerate(rhythms):
        own_rng = np.random.default_rng((seed, index))
        name = _SITE_ORDER[index % len(_SITE_ORDER)]
        # Every eighth ECG is the second one of the patient before.
        previous = rows[-1] if index % 8 == 7 else None
        simulated = _at_site(SITES[name], str(rhythm), own_rng)
        statements = machine_statements(simulated, SITES[name].language, own_rng, mistaken=index in mistaken)
        file_name = f"{name}/ecg_{index + 1:04d}{SITES[name].suffix}"
        SITES[name].write(signals / file_name, simulated, statements)
        rows.append(_row(file_name, simulated, statements, _patient(index, simulated, previous, own_rng)))
    _follow_up(rows, rng)
    without_truth = next(row for row in reversed(rows) if row["simulated_rhythm"] == "sinus")
    without_truth["ecg_machine_diagnosis"] = ""
    return [*rows, *_faulty_files(signals, n, seed), _real_recording(signals), dict(rows[0])]


def _rhythms(n: int) -> list[str]:
    """n rhythms in RHYTHM_SHARES, at least one of each; sinus takes what rounding leaves."""
    others = {rhythm: max(1, round(share * n)) for rhythm, share in RHYTHM_SHARES.items() if rhythm != "sinus"}
    sinus = n - sum(others.values())
    if sinus < 1:
        raise ConfigError(
            f"a cohort of {n} recordings cannot hold {len(RHYTHMS)} rhythms; ask for {len(RHYTHMS)} at least"
        )
    return ["sinus"] * sinus + [rhythm for rhythm, count in others.items() for _ in range(count)]


def _at_site(site: Site, rhythm: str, rng: np.random.Generator, duration_s: float = 10.0) -> Simulated:
    """A recording with the site's mains; one in twenty is of a shivering patient."""
    restlessness = rng.lognormal(0, 0.45) * (5.0 if rng.random() < 0.05 else 1.0)
    noise = Noise(
        muscle_mv=0.008 * restlessness,
        drift_mv=0.04 * rng.lognormal(0, 0.6),
        mains_mv=site.mains_mv,
        mains_hz=site.mains_hz,
    )
    # Every rate from 40 to 140 per minute, most of them ordinary.
    rate_bpm = float(np.clip(rng.normal(74, 20), 40, 140)) if rhythm == "sinus" else None
    return simulate(rhythm, rng, heart_rate_bpm=rate_bpm, noise=noise, duration_s=duration_s)


def _patient(
    index: int, simulated: Simulated, previous: dict[str, str] | None, rng: np.random.Generator
) -> dict[str, str]:
    if previous is not None:
        return {key: previous[key] for key in ("patient", "sex", "age")}
    elderly = simulated.rhythm in ("atrial_fibrillation", "ventricular_paced", "first_degree_av_block")
    age = float(np.clip(rng.normal(74 if elderly else 59, 9 if elderly else 15), 18, 97))
    return {"patient": f"P{index + 1:03d}", "sex": "FM"[int(rng.random() < 0.52)], "age": str(round(age))}


def _row(file_name: str, simulated: Simulated, statements: tuple[str, ...], patient: dict[str, str]) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {
        **patient,
        "site": file_name.split("/")[0],
        "simulated_rhythm": simulated.rhythm,
        "ecg_machine_diagnosis": "; ".join(statements),
        "77_classes_ecg_file_name": file_name,
    }


def _follow_up(rows: list[dict[str, str]], rng: np.random.Generator) -> None:
    """Fills in incident atrial fibrillation for two sites; who has it already cannot develop it."""
    fibrillating = {row["patient"] for row in rows if row["simulated_rhythm"] == "atrial_fibrillation"}
    developed: dict[str, bool] = {}
    for row in rows:
        if row["site"] in FOLLOW_UP_SITES and row["patient"] not in fibrillating:
            risk = 0.5 / (1 + math.exp((68 - int(row["age"])) / 8))
            outcome = developed.setdefault(row["patient"], bool(rng.random() < risk))
            row |= {"afib_5y": str(int(outcome)), "afib_ecg_file_name": row["77_classes_ecg_file_name"]}


def _faulty_files(signals: Path, n: int, seed: int) -> list[dict[str, str]]:
    """A file named and not written, one cut off, one with NaN samples, one of 6 s."""
    rows = []
    for number, site in enumerate(("site_a", "site_a", "site_c", "site_e"), start=n):
        rng = np.random.default_rng((seed, number))
        simulated = _at_site(SITES[site], "sinus", rng, duration_s=6.0 if site == "site_e" else 10.0)
        if site == "site_c":
            signal_mv = simulated.signal_mv.copy()
            signal_mv[7, 2000:2500] = np.nan  # V2 came off for a second
            simulated = replace(simulated, signal_mv=signal_mv)
        statements = machine_statements(simulated, SITES[site].language, rng)
        file_name = f"{site}/ecg_{number + 1:04d}{SITES[site].suffix}"
        if number > n:
            SITES[site].write(signals / file_name, simulated, statements)
        if number == n + 1:
            content = (signals / file_name).read_bytes()
            (signals / file_name).write_bytes(content[: len(content) * 3 // 5])
        rows.append(_row(file_name, simulated, statements, _patient(number, simulated, None, rng)))
    return rows


def _real_recording(signals: Path) -> dict[str, str]:
    """The public 12-lead recording that comes with pydicom, 1000 Hz, copied as it is."""
    source = get_testdata_file("waveform_ecg.dcm", download=False)
    if source is None:
        raise ConfigError("pydicom's own 12-lead file waveform_ecg.dcm is not installed; expected pydicom 3 from PyPI")
    file_name = "site_d/waveform_ecg.dcm"
    shutil.copyfile(source, signals / file_name)
    # Its own two statements, "RITMO SINUSALE" and "ECG NORMALE", in English.
    row = dict.fromkeys(COLUMNS, "") | {"patient": "P999", "site": "site_d"}
    return row | {"ecg_machine_diagnosis": "Sinus rhythm; Normal ECG", "77_classes_ecg_file_name": file_name}


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        table = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
