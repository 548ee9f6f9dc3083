"""A name where a number should be: the message about the file says what is wrong and never repeats what it found."""

import re
import shutil
from collections.abc import Iterator

import pytest

from every_format import PLANTED, VARIANTS, write_every_format
from identity_scan import Wanted
from twelvelead.formats import file_and_member
from twelvelead.records import decode

NAME = PLANTED.family_name.encode()
WANTED = Wanted(PLANTED.strings())
# <Tag>12.5</Tag> and attribute="12.5"
NUMBER_OF = re.compile(rb"""<(?P<tag>[\w:]+)[^<>]*>\s*(?P<text>[\d.]+)\s*<|\b(?P<attribute>\w+)="(?P<value>[\d.]+)\"""")
HEADER_BYTES = 1024
PLACES = 12


def with_a_name_for_a_number(content: bytes) -> Iterator[bytes]:
    """The file with the first number of every XML element and attribute replaced."""
    replaced = set()
    for match in NUMBER_OF.finditer(content):
        which = match["tag"] or match["attribute"]
        if which not in replaced:
            replaced.add(which)
            start, end = match.span("text" if match["tag"] else "value")
            yield content[:start] + NAME + content[end:]


def with_a_name_over_it(content: bytes) -> Iterator[bytes]:
    """The file with the name written over places of the header and of the rest."""
    for first, last in ((0, HEADER_BYTES), (HEADER_BYTES, len(content))):
        for at in range(first, min(last, len(content) - len(NAME)), max(1, (last - first) // PLACES)):
            yield content[:at] + NAME + content[at + len(NAME) :]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_every_format(tmp_path_factory.mktemp("every_format"))


@pytest.mark.parametrize("name", VARIANTS)
def test_no_message_repeats_what_stands_in_the_file(written, tmp_path, name):
    path, member = file_and_member(written[name])
    content = path.read_bytes()
    for beside in path.parent.glob(f"{path.stem}.*"):
        shutil.copy(beside, tmp_path)
    messages = set()
    for damaged in (
        *with_a_name_for_a_number(content),
        *with_a_name_over_it(content),
        content[: len(content) * 6 // 10],
    ):
        (tmp_path / path.name).write_bytes(damaged)
        record = decode("an_ecg", str(tmp_path / path.name) + (f"#{member}" if member else ""))
        messages.add(record.message)
        found = record.recording
        described = "" if found is None else f"{found.format} {found.leads} {found.units}"
        assert WANTED.among(f"{record.message} {record.status} {described}".encode()) == set()
    assert len(messages) > 1, "no damage was noticed"
