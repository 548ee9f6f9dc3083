"""The report page: complete, self-contained, escaped, the same bytes every time."""

import json
import re
from dataclasses import replace

import pytest
from lxml import html

from report_batch import (
    BROKEN,
    CATEGORIES_PATH,
    CLIPPED,
    ECGS,
    FLAT,
    HOSTILE,
    MISSING,
    PATTERNS_PATH,
    settings,
    small_batch,
)
from twelvelead.report.content import CellCounts, PageContent
from twelvelead.report.gather import page_content
from twelvelead.report.page import render_page
from twelvelead.signal_quality import FLAGS

SEEN = "<script>alert('x')</script>\"&é漢\\x07"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return small_batch(tmp_path_factory.mktemp("batch"))


@pytest.fixture(scope="module")
def content(found):
    return page_content(found, settings(note=HOSTILE), PATTERNS_PATH, CATEGORIES_PATH)


@pytest.fixture(scope="module")
def page(content):
    return render_page(content)


def tree(page: str):
    return html.document_fromstring(page)


def words(page: str) -> str:
    """What a reader sees: without scripts and styles."""
    document = tree(page)
    for one in document.xpath("//script | //style"):
        one.drop_tree()
    return re.sub(r"\s+", " ", document.text_content())


def embedded(page: str) -> dict:
    return json.loads(tree(page).xpath("//script[@type='application/json']")[0].text_content())


def cells(page: str, table: str, label: str) -> list[str]:
    row = tree(page).xpath(f"({table})//tr[th[normalize-space(text())='{label}']]")[0]
    return [re.sub(r"\s+", " ", cell.text_content()).strip() for cell in row.xpath("./td")]


def test_the_statuses_add_up_on_the_page(page):
    total = ECGS + 3
    assert f"{ECGS} + 1 + 1 + 1 = {total}" in words(page)
    flow = tree(page).xpath("//*[local-name()='desc'][starts-with(text(), 'Participant flow')]")[0].text
    assert f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{total}" in flow
    assert "the file is not there" in flow
    assert f"With known truth: evaluated (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{ECGS - 2})" in flow


def test_statuses_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="1063 cells name a file, but 1062 have a signal status"):
        CellCounts("x", 1063, {"ok": 1062}, {"ok": 1063})


def test_a_label_has_its_figures_from_the_evaluation(found, page):
    entry = found.evaluations["ecg_machine_diagnosis", "net_a"]["labels"]["Afib"]
    shown = cells(page, "//table[contains(@class, 'metrics')][1]", "Afib")
    assert shown[0] == "Rhythm Disorders"
    assert shown[1] == str(entry["n"])
    auroc = entry["auroc"]
    assert shown[3].startswith(f"{auroc['value']:.3f}")
    assert shown[3].endswith("Obuchowski")
    assert f"{auroc['low']:.3f}".removeprefix("0") in shown[3]
    at = ("auprc", "brier", "calibration_slope", "calibration_intercept", "ece")
    for cell, key in zip(shown[4:9], at, strict=True):
        assert cell.replace("−", "-").startswith(f"{entry[key]['value']:.3f}")
    point = entry["operating_points"][0]
    assert (point["kind"], shown[9]) == ("published", "0.6published")
    for cell, key in zip(shown[10:], ("sensitivity", "specificity", "ppv", "npv", "f1"), strict=True):
        assert cell.startswith(f"{point[key]['value']:.3f}")


def test_a_threshold_is_always_shown_with_its_kind(page):
    shown = cells(page, "//table[contains(@class, 'metrics')][1]", "Left bundle branch block")
    assert shown[9].endswith("fitted")
    text = words(page)
    assert "sens_spec: rounding floor. So for 2 labels" in text
    assert "Fitted on these very ECGs, so what it gives is optimistic." in text
    assert "Transported." in text


def test_what_could_not_be_evaluated_is_listed_with_its_reason(page):
    text = words(page)
    assert re.search(r"Brugada.{0,80}\d positives and \d+ negatives; at least 10 of each are needed", text)
    assert "The model does not predict: not predicted." in text
    assert "no base_ssl.pt" in text


def test_independence_and_pseudo_labels_are_named(found, page, tmp_path):
    assert "intervals are clustered by patient" in words(page)
    assert "Truth is a pseudo-label" in words(page)
    assert "Pseudo-label" in page
    alone = {run: evaluation | {"patients": None} for run, evaluation in found.evaluations.items()}
    without = page_content(replace(found, evaluations=alone), settings(), PATTERNS_PATH, CATEGORIES_PATH)
    assert "independence assumed" in words(render_page(without))


def test_models_are_compared_with_holm_and_kappa(found, page):
    entry = found.comparisons["lvef_40"]["pairs"][0]["labels"]["results"]
    row = tree(page).xpath("//table[.//th[contains(., 'p, Holm')]]")[-1].xpath(".//tbody/tr")[0]
    shown = [cell.text_content() for cell in row.xpath("./td")]
    assert shown[2].startswith(f"{entry['auroc']['difference']:+.3f}".replace("-", "−"))
    assert shown[7].replace("−", "-").startswith(f"{entry['kappa']['value']:.3f}")
    assert shown[8:] == [str(entry["disagreements"][key]) for key in ("total", "first_right", "second_right")]


def test_figures_are_capped_and_the_rest_is_said(page):
    summaries = [one.text_content() for one in tree(page).xpath("//summary")]
    drawn = [one for one in summaries if "calibration, decision curve" in one]
    assert len(drawn) == 4  # two labels of each of the two models of patterns
    assert "the 2 with the most positives" in words(page)
    kinds = {one.split(":")[0] for one in tree(page).xpath("//*[local-name()='svg']/*[local-name()='title']/text()")}
    assert {"ROC", "Precision-recall", "Calibration", "Decision curve", "Confusion matrix"} <= kinds


def test_few_events_are_said_to_make_delong_too_narrow(page):
    assert "DeLong's interval of the AUROC, and Obuchowski's like it, is too narrow" in words(page)


def test_an_ecg_is_embedded_once_and_no_more_than_asked_for(found, page):
    viewer = embedded(page)
    assert len(viewer["ecgs"]) == 14
    assert len({ecg["title"] for ecg in viewer["ecgs"]}) == 14
    titles = [group["title"].split(":")[0] for group in viewer["groups"]]
    assert set(titles) == {
        "Most confident wrong",
        "Models disagree",
        "Excluded",
        "Doubtful signal",
        "First of the table",
    }
    none = page_content(found, settings(ecgs=0), PATTERNS_PATH, CATEGORIES_PATH)
    assert not tree(render_page(none)).xpath("//*[@id='ecg-viewer']")


def test_excluded_files_come_with_their_reason_and_signal(page):
    viewer = embedded(page)
    excluded = [
        viewer["ecgs"][at] for group in viewer["groups"] if group["title"] == "Excluded" for at in group["ecgs"]
    ]
    by_status = {ecg["reason"].split(":")[0]: ecg for ecg in excluded}
    assert set(by_status) == {"unreadable", "missing", "flat"}
    assert by_status["flat"]["signal"]
    assert by_status["missing"]["signal"] is None
    assert by_status["unreadable"]["signal"] is None


def quality_rows(page):
    """Name of every flag -> what its row says, its short meaning left out."""
    rows = tree(page).xpath("//h3[@id='quality']/following::table[1]/tbody/tr")
    return {row[0].text_content(): [cell.text_content() for cell in row[2:]] for row in rows}


def test_flags_of_signal_quality_are_counted_and_their_ecgs_shown(found, page):
    rows = quality_rows(page)
    assert list(rows) == [flag.name for flag in FLAGS]
    assert rows["saturation"] == ["1", f"{100 / ECGS:.1f}", "no"]
    assert rows["flat_lead"] == ["0", "0.0", "no"]
    assert f"1 of {ECGS} readable ECGs have a flag" in words(page)
    viewer = embedded(page)
    doubtful = next(group for group in viewer["groups"] if group["title"] == "Doubtful signal")
    (ecg,) = (viewer["ecgs"][at] for at in doubtful["ecgs"])
    assert f"Row {CLIPPED} of the table" in ecg["caption"]
    assert "Signal quality: saturation V1 V2; mains_interference I." in ecg["caption"]


def test_flags_that_exclude_are_marked(found):
    chosen = settings() | {"preprocessing": {"units": "physical", "quality_excludes": ["saturation"]}}
    shown = render_page(page_content(found, chosen, PATTERNS_PATH, CATEGORIES_PATH))
    assert [name for name, row in quality_rows(shown).items() if row[2] == "yes"] == ["saturation"]


def test_a_confident_error_says_what_was_called_and_at_which_threshold(page):
    viewer = embedded(page)
    wrong = next(group for group in viewer["groups"] if group["title"].startswith("Most confident wrong: 77"))
    assert re.search(
        r"^Row \d+ of the table, .* 77 ECG patterns: (net_a|.*_b): .*"
        r"called (positive|negative) at [\d.]+ \((published, sens_spec|Youden, fitted on these very ECGs)\), "
        r"but the pseudo-label is (positive|negative)\.",
        viewer["ecgs"][wrong["ecgs"][0]]["caption"],
    )


def test_an_empty_batch_is_a_page_too():
    assert "No table cell names a file." in words(render_page(PageContent("empty", ())))


def test_predictions_without_truth_are_no_metrics(found):
    changed = replace(found, evaluations={}, metrics={}, comparisons={})
    text = words(render_page(page_content(changed, settings(), PATTERNS_PATH, CATEGORIES_PATH)))
    assert "the table gives no truth for these ECGs" in text


def test_nothing_is_loaded_and_only_the_page_s_own_script_may_run(page):
    document = tree(page)
    assert not document.xpath("//iframe | //object | //img | //link[not(starts-with(@href, 'data:'))] | //script[@src]")
    assert len(document.xpath("//script[not(@type)]")) == 1
    policy = document.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none'")
    assert all(link.startswith(("#", "data:")) for link in document.xpath("//@href | //@src"))
    style = document.xpath("//style")[0].text_content()
    assert "url(" not in style
    assert "@import" not in style


def test_what_a_user_supplies_is_escaped_everywhere(page):
    assert "<script>alert" not in page
    assert "\x07" not in page
    text = words(page)
    assert f"{SEEN}\\xff" in text
    for place in ("cohort ", "Doe^John 092", "LVEF ≤ 40 % "):
        assert f"{place}{SEEN}" in text
    assert f"broader match ({SEEN})" in text
    assert f"no base_ssl.pt {SEEN}" in text
    assert page.encode("utf-8").decode("utf-8") == page


def test_file_names_can_be_hidden(found, page):
    for row in (BROKEN, MISSING, FLAT):
        assert f"Doe^John {row:03}" in words(page)
    hidden = render_page(page_content(found, settings(hide_file_names=True), PATTERNS_PATH, CATEGORIES_PATH))
    assert not re.search(r"Doe\^|John|\bward", hidden)
    assert f"row {BROKEN} ends at byte 12" in words(hidden)
    assert {ecg["title"] for ecg in embedded(hidden)["ecgs"]} >= {f"Row {BROKEN}", f"Row {MISSING}"}


def test_no_value_is_printed_as_the_machine_has_it(page):
    assert not re.search(r"\b(nan|NaN|None|inf|Infinity|undefined|null)\b", words(page))


def test_the_same_content_gives_the_same_bytes(content, page):
    assert render_page(content) == page


def test_headings_tables_and_drawings_can_be_read_aloud(page):
    document = tree(page)
    levels = [int(heading.tag[1]) for heading in document.xpath("//h1 | //h2 | //h3 | //h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(header.get("scope") for header in document.xpath("//th"))
    drawings = document.xpath("//*[local-name()='svg']")
    assert all(one.xpath("./*[local-name()='title']") and one.xpath("./*[local-name()='desc']") for one in drawings)
    identifiers = document.xpath("//@id")
    assert len(identifiers) == len(set(identifiers))
    assert {link[1:] for link in document.xpath("//a/@href")} <= set(identifiers)
    for table in document.xpath("//table[@data-sortable]"):
        columns = len(table.xpath("./thead/tr")[-1])
        assert {len(row) for row in table.xpath("./tbody/tr")} == {columns}


def test_tripod_items_point_to_parts_of_the_page(page):
    rows = tree(page).xpath("//section[@aria-labelledby='tripod']//tbody/tr")
    items = [row.xpath("./th")[0].text_content() for row in rows]
    assert len(items) == len(set(items))
    assert {"5a", "8a", "11", "14", "20a", "23a", "27c"} <= set(items)
    flow = next(row for row in rows if row.xpath("./th")[0].text_content() == "20a")
    assert flow.xpath(".//a/@href")[0] == "#files"
