"""What every page's template does with what is put into it."""

import pytest
from jinja2 import UndefinedError
from lxml import html

from twelvelead.embeddings import MapSummary
from twelvelead.report.templates import template

NO_MAP = MapSummary(recordings=1234, windows=0, recordings_left_out=0, windows_left_out=0, dimensions=0, reason="none")
VALUES = {"batch": "<b>\x07", "model": "AF & more", "style": "", "summary": NO_MAP, "tasks": ()}


def test_what_is_put_in_is_escaped_and_printable():
    tree = html.fromstring(template("embedding_map.html.j2").render(VALUES))
    assert tree.find(".//h1").text == "AF & more, <b>\\x07"
    assert not tree.findall(".//b")
    assert tree.find(".//dl/div/dd").text == "1,234"


def test_a_pages_own_filters_come_on_top():
    page = template("embedding_map.html.j2", {"count": lambda value: f"{value} in all"}).render(VALUES)
    assert "1234 in all" in page


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="'model' is undefined"):
        template("embedding_map.html.j2").render({"batch": "cohort"})
