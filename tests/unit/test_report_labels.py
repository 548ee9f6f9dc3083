"""The page of a multilabel task: label tables, exclusions per model, rankings, models of windows, saliency."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lxml import etree, html

from report_batch import CATEGORIES_PATH, PATTERNS_PATH, settings
from report_label_batch import (
    BROADER,
    COMMON,
    ENTRY,
    LABELS,
    LEFT_OUT,
    LONG,
    MODELS,
    RARE,
    RHYTHM,
    SHORT,
    TASK,
    TINY,
    UNION,
    WINDOWS,
    WITHOUT_CODE,
    file_of,
    label_batch,
)
from twelvelead.evaluation.classification import classification as classify
from twelvelead.fates import fates
from twelvelead.report.coverage import coverages, differences
from twelvelead.report.figure_folder import write_figures
from twelvelead.report.gather import page_content
from twelvelead.report.label_classes import classification, label_counts
from twelvelead.report.page import render_page
from twelvelead.report.participant_flow import participant_flow
from twelvelead.report.windows_note import windows_note

USABLE = len(LONG) + len(SHORT)
ALL = USABLE + len(TINY) + len(LEFT_OUT)
N = "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return label_batch(tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="module")
def content(found):
    return page_content(found, settings(), PATTERNS_PATH, CATEGORIES_PATH)


@pytest.fixture(scope="module")
def page(content):
    return render_page(content)


@pytest.fixture
def section(content):
    return content.tasks[0]


@pytest.fixture
def of_model(section):
    return {model.model: model for model in section.evaluated}


def words(page: str) -> str:
    document = html.document_fromstring(page)
    for one in document.xpath("//script | //style"):
        one.drop_tree()
    return re.sub(r"\s+", " ", document.text_content())


def embedded(page: str) -> dict:
    document = html.document_fromstring(page)
    return json.loads(document.xpath("//script[@type='application/json']")[0].text_content())


def rows_of(page: str, region: str) -> list[list[str]]:
    table = html.document_fromstring(page).xpath(f"//*[@aria-label='{region}']//tbody/tr")
    return [[re.sub(r"\s+", " ", cell.text_content()).strip() for cell in row] for row in table]


def test_where_the_truth_comes_from_is_said(found, section):
    assert section.truth_note == (
        "Truth: the SNOMED CT codes of column snomed; codes that are none of the labels' count as other diagnoses. "
        f"No code stands for {WITHOUT_CODE}: the truth is unknown there."
    )
    columns = {key: value for key, value in ENTRY.items() if key not in ("truth_column", "codes")}
    changed = page_content(replace(found, tasks={TASK: columns}), settings(), PATTERNS_PATH, CATEGORIES_PATH)
    assert changed.tasks[0].truth_note.startswith("Truth is the table's 0 or 1 per label.")


def test_a_model_says_how_many_ecgs_are_too_short_for_it_alone(of_model, page):
    every = f"{len(TINY)} more are too short for every recipe of the batch"
    assert of_model[WINDOWS].coverage == f"{USABLE} of {USABLE} usable ECGs; {every}; ecgfm needs 5 s"
    assert of_model[RHYTHM].coverage == (
        f"{len(LONG)} of {USABLE} usable ECGs; {len(SHORT)} excluded: too short for recipe openecg, which needs 10 s; "
        f"{every}; openecg needs 10 s"
    )
    assert f"Predicts {of_model[RHYTHM].coverage}." in words(page)


def test_the_reason_for_an_exclusion_is_taken_from_the_recording():
    cells = pd.DataFrame({"row": [2, 3, 4], "task": "t", "file": ["a", "b", "c"], "ecg_id": ["a", "b", "c"]})
    cells = cells.assign(status="", message="", truth_status="ok")
    records = pd.DataFrame({"ecg_id": ["a", "b", "c"], "status": "ok", "message": ["", "warning: 9 mV", ""]})
    records = records.assign(format="mat", n_samples=[5000, 3650, 5000], sampling_rate_hz=500.0, quality="")
    recordings = fates(cells, records, {"deepecg": 10.0, "ecgfm": 5.0})
    models = {"net": {"recipe": "deepecg"}, "windows": {"recipe": "ecgfm"}}
    first, second = coverages(recordings, {"net": cells[:1], "windows": cells}, models)
    assert (first.predicted, first.too_short, first.refused) == (1, 1, 1)
    assert first.in_words == (
        "1 of 3 usable ECGs; 1 excluded: too short for recipe deepecg, which needs 10 s; "
        "1 excluded: recipe deepecg could not prepare them"
    )
    assert second.in_words == "3 of 3 usable ECGs"
    assert differences([first, second]).startswith("The models do not predict the same ECGs. net: 1 of 3")
    assert differences([second, second]) == ""


def test_the_flow_has_the_subset_and_the_models_differences(section):
    flow = section.flow
    said = etree.fromstring(flow.svg).findtext("{*}desc")
    assert f"not in the batch's subset ({N}{len(LEFT_OUT)})" in said
    assert f"Predicted by at least one model ({N}{USABLE})" in said
    assert re.search(rf"of them With a label \({N}\d+\), With none \({N}\d+\)", said)
    assert f"{RHYTHM}: {len(LONG)} of {USABLE} usable ECGs" in flow.caption


def test_the_flow_of_one_model_names_those_too_short_for_it(found):
    svg = participant_flow(found.recordings, [found.scored[TASK, RHYTHM]], "multilabel", "T").svg
    said = etree.fromstring(svg).findtext("{*}desc")
    assert f"Usable ECGs ({N}{USABLE}); excluded: too short for every model ({N}{len(SHORT)})" in said


def test_what_the_user_left_out_is_no_problem(content, page):
    assert {problem.row for problem in content.problems} == set(TINY)
    (cells,) = content.cells
    assert cells.signal["not_selected"] == cells.truth["not_selected"] == len(LEFT_OUT)
    assert f"{ALL} {ALL - len(LEFT_OUT)} in the subset" in words(page)
    assert f"{100 * USABLE / (ALL - len(LEFT_OUT)):.1f} %" in words(page)
    viewer = embedded(page)
    excluded = next(group for group in viewer["groups"] if group["title"] == "Excluded")
    assert {viewer["ecgs"][at]["title"] for at in excluded["ecgs"]} == {file_of(row) for row in TINY}


def test_rare_labels_are_ranked(found, of_model, page):
    assert [row.name for row in of_model[WINDOWS].ranking] == [label for label in LABELS if label in RARE]
    assert [row.name for row in of_model[RHYTHM].ranking] == ["any AV block"]
    shown = rows_of(page, f"Ranking by {RHYTHM}")
    (row,) = of_model[RHYTHM].ranking
    assert shown == [
        ["any AV block", row.ranks, "4", "60", f"{row.in_order:g} of {row.pairs}", f"{row.share:.3f}"],
    ]
    assert "So few ECGs prove nothing" in words(page)
    assert words(page).count(f"Not ranked, without a positive or negative: {WITHOUT_CODE}.") == 1
    assert of_model[RHYTHM].not_ranked == ()
    table = found.scored[TASK, RHYTHM].sort_values("probability/any AV block", ascending=False, ignore_index=True)
    places = table.index[table["truth/any AV block"] == 1] + 1
    assert row.ranks == f"{', '.join(map(str, places))} of {len(LONG)}"


def test_calls_at_one_threshold_are_those_of_classification_json(found, page):
    at_half = found.classifications[TASK, WINDOWS]
    shown = {row[0]: row[1:] for row in rows_of(page, f"Calls of {WINDOWS} at 0.5")}
    assert list(shown) == list(LABELS)
    for label in (*COMMON, *RARE):
        entry = at_half["labels"][label]
        keys = ("prevalence", "recall", "specificity", "precision", "npv", "f1", "accuracy")
        assert shown[label] == [str(entry["n"]), str(entry["positives"]), *(f"{entry[key]:.3f}" for key in keys)]
    assert shown[WITHOUT_CODE][:2] == ["0", "0"]
    assert all(cell.startswith("–") for cell in shown[WITHOUT_CODE][2:])
    match = at_half["exact_match"]
    assert f"{match['matches']} (exact match, {match['accuracy']:.3f})" in words(page)
    # The rhythm codec predicts none of the labels themselves, so it has no table of calls.
    assert rows_of(page, f"Calls of {RHYTHM} at 0.5") == []
    reason = found.classifications[TASK, RHYTHM]["exact_match"]["reason"]
    assert f"Exact matches cannot be counted: {reason}." in words(page)


def test_recordings_that_were_not_compared_are_counted():
    truth = np.array([[1.0, 0], [0, np.nan], [1, 0]])
    columns = {f"truth/{label}": truth[:, at] for at, label in enumerate("ab")}
    columns |= {f"probability/{label}": np.float32([0.9, 0.2, 0.4]) for label in "ab"}
    said = classification(classify(pd.DataFrame(columns), list("ab"), 0.5)).exact_match
    assert said.startswith("Of 2 ECGs with known truth for every one of 2 labels")
    assert said.endswith("1 more ECG cannot be compared: a label's truth or probability is missing.")


def test_how_often_a_label_occurs_is_shown(found, page):
    counted = found.label_tables[TASK].set_index("label")
    shown = {row[0]: row[1:] for row in rows_of(page, f"Labels of {ENTRY['title']}")}
    for label in (*COMMON, *RARE):
        of_label = counted.loc[label]
        expected = [of_label["known"], of_label["positives"]]
        assert shown[label] == [*(f"{int(n)}" for n in expected), f"{of_label['percent']:.1f}", "0"]
    assert shown[WITHOUT_CODE] == ["0", "0", "– the truth is known of no ECG", str(USABLE)]
    assert label_counts(found.label_tables[TASK].iloc[:0]) == ()


def test_a_model_of_windows_says_how_they_become_one(of_model):
    assert of_model[RHYTHM].windows == ""
    assert of_model[WINDOWS].windows == (
        "Reads windows of 5 s that do not overlap, and no remainder shorter than that; the probability of an ECG is, "
        "label by label, the mean (the maximum for PAC|SVPB) over its windows."
    )
    every = MODELS[WINDOWS] | {"aggregations": ["max"] * len(LABELS), "aggregation_sources": ["ours"] * len(LABELS)}
    assert windows_note(every).endswith(
        "the maximum over its windows. Which of them a label takes is our choice, since none was published for the "
        "model."
    )


def test_models_are_compared_label_by_label(section):
    drawn = "".join(etree.fromstring(section.overview.svg).itertext())
    for name in (*COMMON, BROADER, UNION[:30]):
        assert name in drawn
    assert drawn.index("CRBBB|RBBB") < drawn.index(BROADER)


def test_an_ecg_says_which_labels_it_has(found, page):
    viewer = embedded(page)
    truth = found.scored[TASK, WINDOWS].set_index("file")
    for ecg in viewer["ecgs"]:
        if ecg["title"] not in truth.index:
            continue
        positive = [label for label in LABELS if truth.loc[ecg["title"], f"truth/{label}"] == 1]
        assert ecg["truth"] == (positive or ["none of the labels"])
    wrong = next(group for group in viewer["groups"] if group["title"] == "Most confident wrong")
    assert "but the truth is" in viewer["ecgs"][wrong["ecgs"][0]]["caption"]


def test_saliency_is_with_the_ecgs_that_have_some(found, page):
    ecgs = embedded(page)["ecgs"]
    assert {ecg["title"] for ecg in ecgs if "saliency" not in ecg} == {file_of(row) for row in TINY}
    assert all(ecg["saliency"][0]["model"] == MODELS[WINDOWS]["title"] for ecg in ecgs if "saliency" in ecg)
    without = page_content(replace(found, saliency={}), settings(), PATTERNS_PATH, CATEGORIES_PATH)
    assert not any("saliency" in ecg for ecg in embedded(render_page(without))["ecgs"])


def test_predictions_without_truth_say_what_the_model_read(found):
    changed = replace(found, evaluations={}, metrics={}, comparisons={}, classifications={}, label_tables={})
    text = words(render_page(page_content(changed, settings(), PATTERNS_PATH, CATEGORIES_PATH)))
    assert f"{len(LONG)} of {USABLE} usable ECGs; {len(SHORT)} excluded: too short for recipe openecg" in text
    assert "Reads windows of 5 s" in text
    assert "the table gives no truth for these ECGs" in text


def test_the_page_is_well_formed(page):
    document = html.document_fromstring(page)
    identifiers = document.xpath("//@id")
    assert len(identifiers) == len(set(identifiers))
    for table in document.xpath("//table[@data-sortable]"):
        columns = len(table.xpath("./thead/tr")[-1])
        assert {len(row) for row in table.xpath("./tbody/tr")} <= {columns}
    assert not re.search(r"\b(nan|NaN|None|inf|Infinity|undefined|null)\b", words(page))


def test_figures_of_labels_are_written_as_files(found, tmp_path):
    evaluation, table = found.evaluations[TASK, WINDOWS], found.scored[TASK, WINDOWS]
    count = write_figures(str(tmp_path), evaluation, table, {"All labels": LABELS}, ENTRY["title"], 99)
    files = sorted(tmp_path.rglob("*.svg"))
    assert len(files) == count == 3 + 4 * len(COMMON)
    assert {file.parent.name for file in files} == {"labels", "AF", "CRBBB-RBBB", "SB"}
    assert "All labels" not in (tmp_path / "labels/forest.svg").read_text(encoding="utf-8")
