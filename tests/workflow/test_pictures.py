"""The pictures in resources/ show the workflow as it is: `make dag` draws them anew."""

import re
from html import unescape

import pytest

from workflow.running import ROOT, snakemake


@pytest.fixture(scope="module")
def two_files(tmp_path_factory):
    """The batch that the Makefile draws."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "ecgs").mkdir()
    for name in ("a.xml", "b.xml"):
        (folder / "ecgs" / name).touch()
    (folder / "two.csv").write_text("ecg_machine_diagnosis,77_classes_ecg_file_name\nAF,a.xml\nSinus rhythm,b.xml\n")
    return folder


@pytest.mark.parametrize(("option", "picture"), [("--rulegraph", "rulegraph.svg"), ("--dag", "dag.svg")])
def test_a_picture_has_the_boxes_of_today(option, picture, two_files):
    outcome = snakemake(two_files, option, "--config", "table=two.csv", "signals=ecgs")
    boxes = re.findall(r'\d+\[label = "([^"]*)"', outcome.text)
    assert len(boxes) > 10, outcome.text
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", (ROOT / "resources" / picture).read_text())
    assert sorted(map(unescape, drawn)) == sorted(line for box in boxes for line in box.split("\\n"))
