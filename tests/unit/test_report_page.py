"""The report page: complete, self-contained, escaped, the same bytes every time."""

import re
from dataclasses import replace

import numpy as np
import pytest
from lxml import html

from twelvelead.evaluation.deepecg_metrics import binary_metrics, multilabel_metrics
from twelvelead.report.content import (
    CellCounts,
    EcgDrawing,
    FileProblem,
    MissingModel,
    PageContent,
    PredictionsOnly,
    TaskSection,
    UnknownStatement,
    evaluated_binary,
    evaluated_multilabel,
)
from twelvelead.report.page import render_page

HOSTILE = "<script>alert('x')</script>\"&é漢\x00\udcff.xml"
PATTERNS = ("Afib", "Brugada", "LBBB", "any block", "all there")
CATEGORIES = {"Rhythm": ("Afib", "Brugada"), "Conduction": ("LBBB",)}


def multilabel_model():
    random = np.random.default_rng(0)
    truth = (random.random((60, 5)) < 0.4).astype(float)
    truth[:, 1], truth[:, 4] = 0, 1
    probability = random.random((60, 5))
    probability[:, 2] = np.nan
    metrics = multilabel_metrics(truth, probability, PATTERNS, CATEGORIES)
    return evaluated_multilabel("openecg_rhythm", metrics, truth, probability, PATTERNS, CATEGORIES), metrics


def binary_model():
    truth, probability = np.array([0, 1, 0, 1, 1.0]), np.array([0.1, 0.8, 0.3, 0.2, 0.9])
    return evaluated_binary("net_lvef_40", binary_metrics(truth, probability), truth, probability, "LVEF ≤ 40 %")


def content(**changes) -> PageContent:
    whole = PageContent(
        batch="cohort <2019>",
        cells=(
            CellCounts("ecg_machine_diagnosis", 1063, {"ok": 1000, "missing": 60, "flat": 3}, {"ok": 1063}),
            CellCounts("lvef_40", 5, {"ok": 5}, {"ok": 4, "invalid": 1}),
        ),
        problems=tuple(
            FileProblem(row, "lvef_40", f"ward/{row}.xml", "missing", f"no file ward/{row}.xml at {row} mm")
            for row in range(2, 65)
        ),
        notes=("Truth is a pseudo-label: lexicon",),
        unknown_statements=(UnknownStatement("UNDETERMINED <RHYTHM>", 31),),
        tasks=(
            TaskSection(
                "ecg_machine_diagnosis",
                "Machine diagnosis",
                evaluated=(multilabel_model()[0],),
                missing_models=(MissingModel("wcr_77_classes", "base_ssl.pt is not there", "make fetch_models"),),
            ),
            TaskSection("lvef_40", "LVEF", evaluated=(binary_model(),)),
            TaskSection(
                "afib_5y", "AF", predictions_only=(PredictionsOnly("net_afib", 77, "no truth column afib_5y"),)
            ),
        ),
        ecgs=(EcgDrawing("ward__7", 7, "WFDB of ward__7", np.zeros((12, 2500)), 250.0, (("Afib", 0.91),)),),
        provenance=(("Models", (("openecg_rhythm", "sha256 1f3b"),)),),
    )
    return replace(whole, **changes)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.document_fromstring(page).text_content())


def test_the_statuses_add_up_on_the_page():
    text = words(render_page(content()))
    assert "1,000 + 60 + 3 = 1,063" in text
    assert "4 + 1 = 5" in text


def test_statuses_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="1063 cells name a file, but 1062 have a signal status"):
        CellCounts("x", 1063, {"ok": 1062}, {"ok": 1063})


def test_the_first_50_problems_are_listed_and_the_rest_counted():
    text = words(render_page(content()))
    assert "ward/51.xml" in text
    assert "ward/52.xml" not in text
    assert "and 13 more, see recordings.csv" in text
    assert "more, see" not in words(render_page(content(problems=content().problems[:50])))


def test_metrics_are_shown_with_their_counts_and_reasons():
    model, metrics = multilabel_model()
    page = html.document_fromstring(render_page(content()))
    table = page.xpath("//table[contains(@class, 'metrics')]")[0]

    def cells(pattern: str) -> list[str]:
        row = table.xpath(f".//tr[th[normalize-space(text())='{pattern}']]")[0]
        return [cell.text_content().strip() for cell in row.xpath("./td")]

    values = metrics.values["Afib"]
    assert cells("Afib")[:5] == ["60", str(metrics.counts["Afib"]["positives"])] + [
        f"{values[name]:.3f}" for name in ("auc", "auprc", "f1")
    ]
    assert cells("Brugada") == ["60", "0", "no positive among the 60 evaluated"]
    assert cells("all there")[:5] == ["60", "60", "–", "1.000", "–"]
    text = words(render_page(content()))
    assert "all thereno negative among the 60 evaluated" in text
    assert "The model does not predict this pattern: LBBB" in text
    assert "Unions and others" in text
    assert {one.label for one in model.curves} == {"Afib", "any block"}


def test_what_is_missing_comes_with_what_to_do():
    text = words(render_page(content()))
    for expected in (
        "base_ssl.pt is not there",
        "make fetch_models",
        "no truth column afib_5y",
        "UNDETERMINED <RHYTHM>",
    ):
        assert expected in text


def test_an_empty_batch_is_a_page_too():
    text = words(render_page(PageContent("empty", ())))
    assert "No table cell names a file." in text


def test_one_ecg_gives_a_section_that_says_why_there_are_no_metrics():
    truth, probability = np.ones((1, 1)), np.full((1, 1), 0.5)
    metrics = multilabel_metrics(truth, probability, ["Afib"], {"Rhythm": ["Afib"]})
    model = evaluated_multilabel("net", metrics, truth, probability, ["Afib"], {"Rhythm": ["Afib"]})
    text = words(render_page(content(tasks=(TaskSection("t", "T", evaluated=(model,)),))))
    assert "1 ECG: metrics need at least 2" in text


def test_nothing_is_loaded_and_nothing_runs():
    page = html.document_fromstring(render_page(content()))
    assert not page.xpath("//script | //iframe | //object | //img | //link[not(starts-with(@href, 'data:'))]")
    assert all(link.startswith(("#", "data:")) for link in page.xpath("//@href | //@src"))
    style = page.xpath("//style")[0].text_content()
    assert "url(" not in style
    assert "@import" not in style


def test_what_a_user_supplies_is_escaped_everywhere():
    hostile = content(
        batch=HOSTILE,
        problems=(FileProblem(2, HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
        unknown_statements=(UnknownStatement(HOSTILE, 1),),
        tasks=(
            TaskSection(
                HOSTILE,
                HOSTILE,
                HOSTILE,
                (replace(binary_model(), model=HOSTILE, notes=(HOSTILE,)),),
                (PredictionsOnly(HOSTILE, 1, HOSTILE),),
                (MissingModel(HOSTILE, HOSTILE, HOSTILE),),
            ),
        ),
        ecgs=(EcgDrawing(HOSTILE, 2, HOSTILE, np.zeros((12, 500)), 250.0, ((HOSTILE, 0.5),)),),
        provenance=((HOSTILE, ((HOSTILE, HOSTILE),)),),
    )
    page = render_page(hostile)
    assert "<script" not in page
    assert "\x00" not in page
    shown = words(page)
    assert "<script>alert('x')</script>\"&é漢\\x00\\xff.xml" in shown
    assert page.encode("utf-8").decode("utf-8") == page


def test_file_names_can_be_hidden():
    problem = FileProblem(
        12, "lvef_40", "ward/Doe^John 1.xml", "unreadable", "Doe^John 1.xml ends at byte 12 of ward__Doe^John 1"
    )
    ecg = replace(content().ecgs[0], ecg_id="ward__Doe^John 1", caption="ward__Doe^John 1, WFDB")
    hidden = content(problems=(problem,), ecgs=(ecg,), hide_file_names=True)
    page = render_page(hidden)
    assert "Doe" not in page
    assert "row 12 ends at byte 12 of row 12" in words(page)
    assert "row 7, WFDB" in words(page)
    assert "Doe^John" in render_page(replace(hidden, hide_file_names=False))


def test_a_short_file_name_does_not_eat_the_message():
    problem = FileProblem(3, "lvef_40", "a/2.xml", "too_short", "2.5 s of 12 leads; expected 10 s")
    assert "2.5 s of 12 leads; expected 10 s" in words(render_page(content(problems=(problem,), hide_file_names=True)))


def test_the_same_content_gives_the_same_bytes():
    assert render_page(content()) == render_page(content())


def test_headings_tables_and_drawings_can_be_read_aloud():
    page = html.document_fromstring(render_page(content()))
    levels = [int(heading.tag[1]) for heading in page.xpath("//h1 | //h2 | //h3 | //h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(header.get("scope") for header in page.xpath("//th"))
    drawings = page.xpath("//*[local-name()='svg']")
    assert len(drawings) == 5
    assert all(one.xpath("./*[local-name()='title']") and one.xpath("./*[local-name()='desc']") for one in drawings)
    identifiers = page.xpath("//@id")
    assert len(identifiers) == len(set(identifiers))
    assert {link[1:] for link in page.xpath("//nav//@href")} <= set(identifiers)
