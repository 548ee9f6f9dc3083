"""The workflow's own preprocessing, files in and files out, against what DeepECG_Docker made of the same files."""

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow.running import run

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared/golden/preprocess"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GOLDEN.is_dir(), reason="the reference's golden outputs are not beside this repository"),
]

# Relative to the largest value of an array. DeepECG's own outputs moved by 1e-6 between two runs.
TOLERANCE = 2e-6


def preprocess(folder, case, names=None, **settings):
    """recordings.csv and cleaned signals by stem, of all files of a golden case."""
    inputs = GOLDEN / "inputs" / case
    names = names or sorted(path.relative_to(inputs).as_posix() for path in inputs.rglob("*") if path.is_file())
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"77_classes_ecg_file_name": names}).to_csv(folder / "t.csv", index=False)
    batches = {"b": {"table": "t.csv", "signals": str(inputs)}}
    run(folder, "preprocessing", batches=batches, preprocessing={"units": "raw", "scale": "batch", **settings})
    signals = {path.stem: np.load(path) for path in (folder / "results/b/preprocessing/signals").glob("*.npy")}
    return pd.read_csv(folder / "results/b/recordings.csv", keep_default_na=False), signals


def reference(case):
    outputs = (GOLDEN / "outputs" / case / "preprocessing").iterdir()
    return {path.stem: np.frombuffer(base64.b64decode(path.read_bytes()), "<f4").reshape(2500, 12) for path in outputs}


@pytest.mark.parametrize("case", ["main", "dummy_xml", "dummy_npy", "flat"])
def test_every_array_equals_the_references(case, tmp_path):
    """The whole input folder goes in, the fifteen broken files of `main` with it."""
    recordings, signals = preprocess(tmp_path, case)
    expected = reference(case)
    assert expected.keys() <= signals.keys()
    # A MUSE file with its rhythm waveform alone, which DeepECG cannot read, is the one we have beyond it.
    assert signals.keys() - expected.keys() <= {"bad_single_waveform"}
    for stem, array in expected.items():
        largest = np.abs(array).max()
        assert np.abs(signals[stem] - array).max() <= TOLERANCE * largest, stem
    bad = recordings[~recordings["ecg_id"].isin(signals)]
    assert (bad["message"] != "").all()


BAD_ONE = {
    "missing_V3": ("no_V3.xml", "lead_missing"),
    "nan_lead_I": ("nan_in_I.xml", "not_finite"),
    "nan_lead_V4": ("nan_in_V4.xml", "not_finite"),
}


@pytest.mark.parametrize("case", BAD_ONE)
def test_one_bad_file_changes_no_other_files_result(case, tmp_path):
    """In the reference it turned the mains filter, or the whole batch, into NaN."""
    name, status = BAD_ONE[case]
    recordings, signals = preprocess(tmp_path / "with", case)
    of_bad = recordings.set_index("file").loc[name]
    assert of_bad["status"] == status
    assert of_bad["message"]
    others = [file for file in recordings["file"] if file != name]
    _, without = preprocess(tmp_path / "without", case, others)
    assert signals.keys() == without.keys() == {Path(file).stem for file in others}
    for stem, array in without.items():
        assert np.isfinite(array).all()
        assert array.tobytes() == signals[stem].tobytes(), stem


def test_lengths_formats_and_names_that_broke_the_reference(tmp_path):
    """5,500 samples, an array beside XML, and two files of one name in two folders are all usable here."""
    for case, ids in {
        "odd_length": {"len5500", "muse8_5000_0000", "muse8_5000_0001", "muse8_5000_0002"},
        "mixed": {"z", "muse8_5000_0000", "muse8_5000_0001", "muse8_5000_0002"},
        "collision": {"a__same_name", "b__same_name"},
    }.items():
        recordings, signals = preprocess(tmp_path / case, case)
        assert set(recordings["status"]) == {"ok"}, case
        assert signals.keys() == ids
        assert all(array.shape == (2500, 12) for array in signals.values())
