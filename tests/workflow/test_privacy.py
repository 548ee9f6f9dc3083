"""A run over files of every format that are full of names, and a table that is: none of it comes out anywhere."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from every_format import PLANTED, VARIANTS, write_every_format
from identity_scan import Wanted
from twelvelead.formats import FORMAT_NAMES
from twelvelead.records import decode
from workflow.running import Outcome, environment, run

# Statements that no phrase table knows. What is common is shown, with its number; the others stay where they are.
COMMON = "Zorbulated quokka deflection"
RARE_IN_TABLE = "Wombatoid lambda sign"
RARE_IN_FILES = "Platypus notching of the koppa wave"
UNUSED_IN_FILES = "Echidna pattern of the digamma segment"
NAME_IN_TEXT = "Zwetschgenrichter"
NAME_AS_OUTCOME = "Mirabellenvogt"
# Known to be there, by which the scan is seen to reach all places.
FILE_NAME, OUTPUT_NAME = "philips_xml_xli", "probabilities.csv"

IDENTITY = {*PLANTED.strings(), NAME_AS_OUTCOME}
WANTED = Wanted(
    [*IDENTITY, COMMON, RARE_IN_TABLE, RARE_IN_FILES, UNUSED_IN_FILES, NAME_IN_TEXT, FILE_NAME, OUTPUT_NAME]
)

PATIENTS_OF_SECOND = 4  # one fewer than make an unknown statement common
POSITIONS = 60


@dataclass(frozen=True)
class Finished:
    """A run that ended well."""

    folder: Path
    table: pd.DataFrame
    outcome: Outcome
    found: dict[str, set[str]]  # file -> the strings looked for that stand in its name or bytes

    @property
    def results(self) -> Path:
        return self.folder / "results/every"

    @property
    def work(self) -> Path:
        return self.folder / "work/every"

    def places_of(self, text: str) -> set[str]:
        """The files that hold a text, with stars for the hashes in their names."""
        return {re.sub(r"(cells|shard)-[^/.]+", r"\1-*", name) for name, texts in self.found.items() if text in texts}


@pytest.fixture(scope="module")
def signals(tmp_path_factory) -> Path:
    """Every format twice, of two hearts, and each file cut off and with a name where a number should be."""
    folder = tmp_path_factory.mktemp("every") / "ecg_signals"
    write_every_format(folder / "first", statements=("Normal sinus rhythm", UNUSED_IN_FILES))
    statements = ("Atrial fibrillation", RARE_IN_FILES)
    write_every_format(folder / "second", seed=1, rhythm="atrial_fibrillation", statements=statements)
    for kind in ("truncated", "broken"):
        shutil.copytree(folder / "first", folder / kind)
    for path in (folder / "truncated").iterdir():
        if path.suffix != ".hea":  # its signal file is cut
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    for name, variant in VARIANTS.items():
        break_file(folder / "broken" / f"{name}{variant.suffix}", variant.member)
    return folder


def break_file(path: Path, member: str) -> None:
    """Puts the patient's name in place of a number, or over some bytes, by which the file can be read no more."""
    content, name = path.read_bytes(), PLANTED.family_name.encode()
    numbers = list(re.finditer(rb"(?<=[>\", ;\t\n])\d+(?=[<\", ;\t\n])", content))
    spans = [match.span() for match in numbers[:: len(numbers) // POSITIONS + 1]]
    spans += [(at, at + len(name)) for at in range(16, len(content) - len(name), len(content) // POSITIONS)]
    for start, end in spans:
        path.write_bytes(content[:start] + name + content[end:])
        if decode("x", f"{path}{member}").status == "unreadable":
            return
    raise AssertionError(f"{path.name} can be read with a name at any place")


def table_of_names() -> pd.DataFrame:
    """A row per file; who patients are stands in columns of its own, and two names stand where none belongs."""
    rows = []
    for folder in ("first", "second", "truncated", "broken"):
        for index, (name, variant) in enumerate(VARIANTS.items()):
            patient = index % PATIENTS_OF_SECOND if folder == "second" else index
            rows.append(
                {
                    "mrn": f"{PLANTED.patient_id}-{patient:03d}",
                    "name": PLANTED.full_name,
                    "born": PLANTED.birth_dates["points"],
                    "home": f"{PLANTED.street}, {PLANTED.postal_code} {PLANTED.city}; {PLANTED.phone}; {PLANTED.mail}",
                    "ward": f"{PLANTED.hospital} {PLANTED.department} {PLANTED.room}",
                    "sex": "FM"[patient % 2],
                    "age": str(40 + patient),
                    "ecg_machine_diagnosis": "" if folder == "second" else diagnosis(index),
                    "77_classes_ecg_file_name": f"{folder}/{name}{variant.suffix}{variant.member}",
                    "afib_5y": NAME_AS_OUTCOME if index == 3 else str(index % 2),
                    "afib_ecg_file_name": f"{folder}/{name}{variant.suffix}{variant.member}",
                }
            )
    return pd.DataFrame(rows)


def diagnosis(index: int) -> str:
    """The text of a row; that of `second` is empty, so that the files' own statements stand in."""
    special = {0: RARE_IN_TABLE, 1: f"Seen by {NAME_IN_TEXT}"}.get(index, COMMON if index < 12 else "")
    return "; ".join(text for text in ("Normal sinus rhythm", special) if text)


@pytest.fixture(scope="module")
def finished(signals, tmp_path_factory) -> Finished:
    folder = tmp_path_factory.mktemp("private")
    table = table_of_names()
    table.to_csv(signals.parent / "table.csv", index=False)
    outcome = run(
        folder,
        "full_run",
        "deepecg_layout",
        batches={
            "every": {
                "table": str(signals.parent / "table.csv"),
                "signals": str(signals),
                "patient_column": "mrn",
                "split": {"fractions": {"train": 0.5, "test": 0.5}},
            }
        },
        statements_from_files=True,
        labeler="lexicon",
        run_datetime="20260101_000000",
        evaluation={
            "subgroups": [{"column": "sex"}, {"column": "age", "cut_points": [50, 60]}],
            "replicates": 100,
            "slope_replicates": 100,
        },
    )
    return Finished(folder, table, outcome, WANTED.below(folder))


@pytest.fixture(scope="module")
def recordings(finished) -> pd.DataFrame:
    table = pd.read_csv(finished.results / "recordings.csv", dtype=str, keep_default_na=False)
    return table[table["task"] == "ecg_machine_diagnosis"]


def test_the_run_met_every_format_and_an_error_of_each(recordings):
    whole = recordings[recordings["file"].str.startswith(("first/", "second/"))]
    assert (whole["status"] == "ok").all()
    assert set(whole["format"]) == set(FORMAT_NAMES)
    damaged = recordings[recordings["file"].str.startswith(("truncated/", "broken/"))]
    assert (damaged["status"] == "unreadable").all()
    assert damaged["message"].nunique() > len(FORMAT_NAMES)


def test_no_identity_is_in_any_name_or_byte_that_the_run_left(finished):
    """Results, work, Snakemake's own folder with its log and metadata; what stands in archives and in base64, too."""
    assert {name: texts & IDENTITY for name, texts in finished.found.items() if texts & IDENTITY} == {}
    assert WANTED.among(finished.outcome.text.encode()) & IDENTITY == set()
    scanned = {path.suffix for path in finished.folder.rglob("*") if path.is_file()}
    assert {".parquet", ".csv", ".json", ".npy", ".html", ".svg", ".log", ".tsv"} <= scanned


def test_the_scan_reaches_what_the_run_left(finished):
    assert {
        "results/every/recordings.csv",
        "results/every/report.html",
        "work/every/plan/cells-*.parquet",
        "work/every/records/shard-*.parquet",
    } <= finished.places_of(FILE_NAME)
    assert any(name.startswith(".snakemake/metadata/") for name in finished.places_of(OUTPUT_NAME))
    assert any(name.startswith(".snakemake/log/") for name in finished.places_of(OUTPUT_NAME))


def test_patients_were_told_apart_all_the_same(finished):
    model = finished.results / "ecg_machine_diagnosis/openecg_rhythm"
    evaluation = json.loads((model / "evaluation.json").read_text())
    assert evaluation["independence"] == "intervals are clustered by patient"
    assert 10 < evaluation["patients"] <= len(VARIANTS)
    split_of = pd.read_csv(finished.results / "splits.csv").set_index("file")["split"]
    by_patient = finished.table.set_index("77_classes_ecg_file_name")["mrn"]
    assert set(split_of) == {"train", "test"}
    assert split_of.groupby(by_patient.reindex(split_of.index)).nunique().eq(1).all()


def test_codes_of_patients_are_numbers(finished):
    """Not the ids, and no hash of them that a list of a hospital's ids could be tried on."""
    cells = pd.read_parquet(next(finished.work.glob("plan/cells-*.parquet")))
    of_row = finished.table["mrn"].iloc[cells["row"].to_numpy() - 2].to_numpy()
    assert cells["patient"].dtype.kind == "i"
    assert cells.groupby(of_row)["patient"].nunique().eq(1).all()
    assert set(cells["patient"]) == set(range(len(VARIANTS)))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (
            COMMON,
            {
                "work/every/plan/cells-*.parquet",
                "work/every/labels/ecg_machine_diagnosis/summary.json",
                "results/every/report.html",
            },
        ),
        (RARE_IN_TABLE, {"work/every/plan/cells-*.parquet"}),
        (NAME_IN_TEXT, {"work/every/plan/cells-*.parquet"}),
        (RARE_IN_FILES, {"work/every/records/shard-*.parquet"}),
        (UNUSED_IN_FILES, {"work/every/records/shard-*.parquet"}),
    ],
)
def test_diagnosis_text_stands_where_it_is_documented_and_nowhere_else(finished, text, places):
    """The table's in the plan, the files' in the records; on the page only what five patients have in common."""
    assert finished.places_of(text) == places
    assert text.casefold() not in finished.outcome.text.casefold()


@pytest.fixture(scope="module")
def few(signals, tmp_path_factory) -> Finished:
    """Without statements from files, a file of each kind of reader."""
    folder = tmp_path_factory.mktemp("few")
    table = table_of_names()
    table = table[table["77_classes_ecg_file_name"].str.contains("/(?:muse_xml|scp|dicom|hl7_aecg)[.]")]
    table.to_csv(folder / "table.csv", index=False)
    outcome = run(
        folder,
        "results/few/recordings.csv",
        "work/few/labels/ecg_machine_diagnosis/summary.json",
        batches={"few": {"table": "table.csv", "signals": str(signals), "patient_column": "mrn"}},
        shard_size=100,
        labeler="lexicon",
    )
    (folder / "table.csv").unlink()
    return Finished(folder, table, outcome, WANTED.below(folder))


def test_without_statements_from_files(few):
    assert set().union(*few.found.values()) & IDENTITY == set()
    assert few.places_of(RARE_IN_FILES) == {"work/few/records/shard-*.parquet"}


def twelvelead(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "twelvelead", *map(str, arguments)]
    root = Path(__file__).resolve().parents[2]
    variables = environment() | {"PYTHONPATH": str(root / "scripts")}
    return subprocess.run(command, capture_output=True, timeout=300, env=variables)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_inspect_tells_nobody_who_it_is(signals, tmp_path, options):
    folders = sorted(path for path in signals.iterdir() if path.is_dir())
    files = [
        f"{folder}/{name}{variant.suffix}{variant.member}" for folder in folders for name, variant in VARIANTS.items()
    ]
    pictures = ("--picture", tmp_path / "pictures") if not options else ()
    done = twelvelead("inspect", *files, *options, *pictures)
    assert WANTED.among(done.stdout + done.stderr) & IDENTITY == set()
    assert RARE_IN_FILES.encode() in done.stdout
    if pictures:
        assert len(list((tmp_path / "pictures").iterdir())) >= 2 * len(VARIANTS)
        assert not set().union(*WANTED.below(tmp_path).values()) & IDENTITY


def test_the_table_of_a_folder_tells_nobody_who_it_is(signals, tmp_path):
    done = twelvelead("table", signals, "-o", tmp_path / "table.csv")
    assert not WANTED.below(tmp_path)["table.csv"] & IDENTITY
    assert WANTED.among(done.stdout + done.stderr) & IDENTITY == set()
    assert RARE_IN_FILES in (tmp_path / "table.csv").read_text()
