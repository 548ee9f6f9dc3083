"""The report page in a real browser: tables sort, the viewer draws, nothing is asked of the network."""

import numpy as np
import pytest

from browser.devtools import Page, chromium
from report_batch import CATEGORIES_PATH, PATTERNS_PATH, settings, small_batch
from report_label_batch import label_batch
from twelvelead.report.gather import page_content
from twelvelead.report.page import render_page

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium, chrome or chromium-browser on the PATH")

METRICS = "document.querySelector('table.metrics[data-sortable]')"
COLUMN = f"[...{METRICS}.tBodies[0].rows].map((row) => row.cells[%d].dataset.v ?? row.cells[%d].textContent.trim())"
HEADINGS = f"[...{METRICS}.tHead.rows[1].cells].map((one) => one.textContent.trim())"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    content = page_content(small_batch(folder), settings(), PATTERNS_PATH, CATEGORIES_PATH)
    (folder / "report.html").write_text(render_page(content), encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module")
def file_of_labels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    content = page_content(label_batch(folder), settings(), PATTERNS_PATH, CATEGORIES_PATH)
    (folder / "report.html").write_text(render_page(content), encoding="utf-8")
    return folder / "report.html"


@pytest.fixture
def page(browser, file):
    """The page as it opens; whatever the test does, there must be no console error and no request to a network."""
    browser.prefer(prefers_color_scheme="light")
    browser.resize(1300, 900)
    browser.problems.clear()
    browser.open(file)
    yield browser
    assert browser.problems == []


def column(page: Page, name: str) -> list[str]:
    at = page.run(HEADINGS).index(name)
    return page.run(COLUMN % (at, at))


def state(page: Page, name: str) -> str:
    at = page.run(HEADINGS).index(name)
    return page.run(f"{METRICS}.tHead.rows[1].cells[{at}].getAttribute('aria-sort')")


def press(page: Page, name: str) -> None:
    """Presses a heading's button by keyboard."""
    at = page.run(HEADINGS).index(name)
    page.run(f"{METRICS}.tHead.rows[1].cells[{at}].querySelector('button').focus()")
    page.key(" ")


def numbers(values: list[str]) -> list[float]:
    return [float(value) for value in values if value]


def test_a_table_sorts_by_numbers_and_by_names(page):
    as_written = column(page, "Label")
    assert len(as_written) == 3
    assert state(page, "AUROC") == "none"
    press(page, "AUROC")
    assert state(page, "AUROC") == "descending"
    assert numbers(column(page, "AUROC")) == sorted(numbers(column(page, "AUROC")), reverse=True)
    press(page, "AUROC")
    assert state(page, "AUROC") == "ascending"
    assert numbers(column(page, "AUROC")) == sorted(numbers(column(page, "AUROC")))
    press(page, "Label")
    assert (state(page, "AUROC"), state(page, "Label")) == ("none", "ascending")
    assert [name[:4] for name in column(page, "Label")] == ["<scr", "Afib", "Left"]
    press(page, "Label")
    press(page, "Label")
    assert state(page, "Label") == "none"
    assert column(page, "Label") == as_written


def test_empty_cells_come_last_both_ways(page):
    page.run(f"{METRICS}.tBodies[0].rows[0].cells[4].dataset.v = ''")
    for _ in range(2):
        press(page, "AUROC")
        assert column(page, "AUROC")[-1] == ""


def test_a_mouse_sorts_too(page):
    page.click("table.metrics[data-sortable] thead tr:last-child th:first-child button")
    assert state(page, "Label") == "ascending"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_viewer_draws(page, scheme):
    page.prefer(prefers_color_scheme=scheme)
    page.run("document.querySelector('#ecgs').scrollIntoView({behavior: 'instant'})")
    assert page.run("document.querySelectorAll('[data-part=stage] [data-lead]').length") == 13
    assert "called" in page.run("document.querySelector('[data-part=caption]').innerText")
    x, y, width, height = (round(edge) for edge in page.box("[data-part=stage] svg"))
    paper = page.screenshot()[max(y, 0) : y + height, x : x + width].mean(axis=2)
    ground = np.median(paper)
    assert (np.abs(paper - ground) > 100).sum() > 2000
    assert (ground > 200) == (scheme == "light")


def test_hostile_text_stays_text(page):
    assert page.run("document.querySelectorAll('script').length") == 2
    assert "<script>alert('x')</script>" in page.run("document.querySelector('h1').innerText")
    assert page.run("[...document.querySelectorAll('[data-part=ecg] option')].length") > 0


@pytest.mark.parametrize("width", [400, 900, 1600])
def test_the_page_is_no_wider_than_its_window(page, width):
    page.resize(width, 900)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), [(420, "light"), (1300, "dark")])
def test_tables_of_labels_fit_and_sort(browser, file_of_labels, width, scheme):
    browser.prefer(prefers_color_scheme=scheme)
    browser.resize(width, 900)
    browser.problems.clear()
    browser.open(file_of_labels)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") <= width
    names = "[...document.querySelectorAll('.metrics tbody th')].map((one) => one.getBoundingClientRect().width)"
    assert max(browser.run(names)) < 0.6 * width  # a name beside which its figures can be read
    ranking = "document.querySelector('[aria-label^=Ranking] table')"
    browser.run(f"{ranking}.tHead.rows[0].cells[5].querySelector('button').click()")
    shares = browser.run(f"[...{ranking}.tBodies[0].rows].map((row) => Number(row.cells[5].dataset.v))")
    assert shares == sorted(shares, reverse=True)
    assert browser.problems == []


def test_every_link_leads_somewhere(page):
    links = page.run("[...document.querySelectorAll('a')].map((one) => one.getAttribute('href'))")
    assert links
    assert all(page.run(f"!!document.getElementById({link[1:]!r})") for link in links)


def test_a_contents_policy_keeps_other_scripts_out(page):
    page.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 1'}))"
    )
    assert page.run("window.hacked === undefined")
    assert any("Content Security Policy" in problem for problem in page.problems)
    page.problems.clear()


def test_print_keeps_the_paper_s_scale(page):
    # Letter in landscape less the margins of @page; with anything wider a browser shrinks every page, the ECGs too.
    page.prefer("print")
    page.resize(round((279.4 - 2 * 9) / 25.4 * 96), 900)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.run("document.documentElement.scrollWidth") <= page.run("innerWidth")
    stage = page.run("document.querySelector('[data-part=stage] svg').getBoundingClientRect().width")
    assert stage == pytest.approx(260 / 25.4 * 96, abs=1)
