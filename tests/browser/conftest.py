"""One browser for the tests of a module."""

import pytest

from browser.devtools import Page


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    page = Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()
