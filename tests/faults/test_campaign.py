"""A sample of the fault campaign (`make faults` reads all of it), and that it would see the faults it looks for."""

import json
import os
import signal

import pytest

from faults import campaign as faults_campaign
from faults.campaign import Campaign, as_json, as_table
from faults.reader_process import problem_of
from faults.reading import Reader
from faults.seeds import write_seeds
from faults.workflow_faults import workflow_faults
from planted_identity import PLANTED
from twelvelead.records import Record

SAMPLE = 600


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return write_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def sample(seeds, tmp_path_factory):
    campaign = Campaign(seeds, SAMPLE)
    campaign.run(tmp_path_factory.mktemp("sample"), jobs=1)
    return campaign


def test_no_mutated_file_fails(sample):
    assert sample.failures == []
    assert sum(tally.statuses.total() for tally in sample.tallies.values()) == SAMPLE
    assert sample.intact_reads >= SAMPLE // 25


def test_the_sample_holds_every_format_and_most_mutations(sample, seeds):
    assert sample.tallies.keys() == seeds.keys()
    assert len(sample.mutations) > 80
    statuses = sum((tally.statuses for tally in sample.tallies.values()), start=type(sample.mutations)())
    assert {"ok", "unreadable", "unsupported", "missing", "lead_missing"} <= statuses.keys()


def test_the_table_adds_up(sample):
    lines = as_table(sample).splitlines()
    assert len(lines) == len(sample.tallies) + 2
    assert lines[0].split()[:2] == ["files", "ok"]
    assert lines[-1].split()[:2] == ["all", str(SAMPLE)]
    assert json.loads(json.dumps(as_json(sample)))["files"] == SAMPLE


@pytest.fixture
def reader(tmp_path):
    with Reader(tmp_path / "reader") as reader:
        yield reader


def test_a_crash_is_seen_and_the_next_file_is_read(reader, seeds, monkeypatch):
    path = str(seeds["npy"].named)
    assert reader.read(path).status == "ok"
    os.kill(reader._process.pid, signal.SIGSEGV)
    assert reader.read(path).problem == "the reading process ended: SIGSEGV"
    assert reader.read(path).status == "ok"


def test_a_hang_and_too_much_memory_are_seen(reader, seeds, monkeypatch):
    path = str(seeds["npy"].named)
    reader.read(path)
    os.kill(reader._process.pid, signal.SIGSTOP)
    monkeypatch.setattr("faults.reading.MOST_WALL_S", 0.2)
    assert reader.read(path).status == "hang"
    monkeypatch.setattr("faults.reading.MOST_WALL_S", 30.0)
    monkeypatch.setattr("faults.reading.MOST_MB", 1.0)
    assert reader.read(path).status == "memory"


@pytest.mark.parametrize(
    ("status", "message", "problem"),
    [
        ("unreadable", "", "no reason"),
        ("unreadable", "two\nlines", "not one printable line"),
        ("unreadable", "x" * 401, "401 characters"),
        ("unreadable", f"lead of {PLANTED.family_name} is broken", "quotes the patient"),
        ("unreadable", "no lead root:x:0:0 found", "another file"),
        ("perhaps", "why", "none of those documented"),
        ("unreadable", "file is empty", None),
    ],
)
def test_what_a_message_may_not_be(status, message, problem):
    found = problem_of(Record("file", status, message, None), PLANTED.strings())
    assert (problem in found) if problem else found == ""


def test_a_case_can_be_read_again_alone(capsys):
    assert faults_campaign.main(["--only", "npy", "truncated_anywhere", "3"]) == 0
    assert "unreadable" in capsys.readouterr().out
    assert faults_campaign.main(["--only", "npy", "no such mutation", "3"]) == 2


@pytest.mark.slow
def test_mutated_files_change_nothing_for_the_good_ones_of_a_run(seeds, tmp_path):
    counts = workflow_faults(tmp_path, seeds, n_mutated=40, cores=2, ecgs=(1,))
    assert counts.failures == []
    assert counts.mutated == counts.statuses.total() == 40
    assert len(counts.statuses) >= 3
