"""What the page takes from evaluation.json: thresholds in use, subgroups, lists of ECGs, names, SVG files."""

import numpy as np
import pandas as pd
import pytest
from lxml import etree

from report_batch import CATEGORIES_PATH, ECGS, HOSTILE, LABELS, PATTERNS_PATH, TASKS, small_batch
from twelvelead.ecg import LEADS, Recording
from twelvelead.report.figure_folder import folders_with_figures, write_figures
from twelvelead.report.label_rows import chosen_point, threshold_in_use
from twelvelead.report.naming import Naming
from twelvelead.report.participant_flow import participant_flow
from twelvelead.report.reporting_guideline import guideline_items
from twelvelead.report.subgroup_tables import subgroups
from twelvelead.report.viewer_lists import EcgList, Judged, Listed, _drawn, _prefixes, _says, ecg_lists, share_out
from twelvelead.scoring import read_categories


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return small_batch(tmp_path_factory.mktemp("batch"))


def point(kind, threshold, name="x", reason=""):
    return {"set": name, "kind": kind, "threshold": threshold, "reason": reason}


def test_given_thresholds_come_before_published_ones_and_fitted_ones_last():
    points = [point("published", 0.3), point("given", 0.2), point("fitted", 0.1)]
    assert chosen_point(points)["threshold"] == 0.2
    assert chosen_point([points[2], points[0]])["threshold"] == 0.3
    assert chosen_point([point("given", None), points[2]])["kind"] == "fitted"
    assert threshold_in_use([point("fitted", None, reason="one class")]).reason == "one class"


def test_subgroups_with_few_ecgs_have_no_counts(found):
    evaluation = found.evaluations["lvef_40", "net_a"]
    (of_sex,) = subgroups(evaluation, ["results"], "LVEF")
    assert {row.group for row in of_sex.rows} == {"all", "f", HOSTILE}
    assert all(row.sensitivity.value is not None for row in of_sex.rows)  # at the published threshold
    few = {"n": ECGS // 2, "labels": {"results": {"suppressed": "fewer than 10 positives or negatives"}}}
    groups = evaluation["subgroups"]["sex"]["groups"] | {"below 50": few}
    changed = evaluation | {"subgroups": {"sex": {"unknown": None, "suppressed_groups": 1, "groups": groups}}}
    (shown,) = subgroups(changed, ["results"], "LVEF")
    assert "below 50" not in {row.group for row in shown.rows}
    assert "suppressed (fewer than 10 positives or negatives)" in shown.figure.svg
    assert shown.notes[0].startswith("below 50: 45 ECGs")
    assert any("1 group is not shown" in note for note in shown.notes)


def test_a_label_hidden_in_every_group_has_the_reasons_of_the_evaluation(found):
    evaluation = found.evaluations["ecg_machine_diagnosis", "net_a"]
    groups = evaluation["subgroups"]["sex"]["groups"]
    small, counted = {"suppressed": "fewer than 10 positives"}, {"suppressed": "to be counted from the others"}
    hidden = {
        name: of_group | {"labels": of_group["labels"] | {"Afib": reason}}
        for (name, of_group), reason in zip(groups.items(), (small, counted), strict=True)
    }
    changed = evaluation | {"subgroups": {"sex": evaluation["subgroups"]["sex"] | {"groups": hidden}}}
    (shown,) = subgroups(changed, ["Afib", "Left bundle branch block"], "77")
    assert {row.label for row in shown.rows} == {"Left bundle branch block"}
    (said,) = (note for note in shown.notes if note.startswith("No figures in any group: Afib. The reason: "))
    reasons = said.removesuffix(".").partition("reason: ")[2].split("; ")
    assert sorted(reasons) == ["fewer than 10 positives", "to be counted from the others"]
    nothing = {"unknown": None, "suppressed_groups": 2, "groups": {}}
    (none,) = subgroups(evaluation | {"subgroups": {"sex": nothing}}, ["Afib"], "77")
    assert none.notes == ("2 groups are not shown: fewer than 10 ECGs, or what would reveal the size of such a group.",)


def test_sensitivity_of_groups_needs_a_threshold_fixed_beforehand(found):
    evaluation = found.evaluations["lvef_40", f"{HOSTILE}_b"]
    (of_sex,) = subgroups(evaluation, ["results"], "LVEF")
    assert all(row.sensitivity.value is None for row in of_sex.rows)
    assert any("no threshold was fixed beforehand" in note for note in of_sex.notes)


def test_lists_take_turns_and_embed_each_ecg_once():
    lists = [EcgList("a", tuple(map(Listed, "pqr"))), EcgList("b", tuple(map(Listed, "pst")))]
    chosen, taken = share_out(lists, 3)
    assert chosen == ["p", "q", "s"]
    assert taken == [["p", "q"], ["p", "s"]]
    assert share_out(lists, 0) == ([], [[], []])
    assert set(share_out(lists, 99)[0]) == set("pqrst")


def test_the_most_confident_error_comes_first(found):
    judged = Judged(found.recordings, found.scored, found.evaluations, {}, TASKS)
    lists = {one.title: one for one in ecg_lists(judged, 1, 100)}
    wrong = lists[f"Most confident wrong: {TASKS['lvef_40']['title']}"]
    table = found.scored["lvef_40", "net_a"].set_index("ecg_id")
    worst = table.loc[wrong.ecgs[0].ecg]
    share = np.where(table["truth/results"] == 0, (table["probability/results"] - 0.6) / 0.4, np.nan)
    missed = np.where(table["truth/results"] == 1, (0.6 - table["probability/results"]) / 0.6, np.nan)
    largest = np.nanmax([np.nanmax(share), np.nanmax(missed)])
    own = (worst["probability/results"] - 0.6) / 0.4 if worst["truth/results"] == 0 else None
    own = (0.6 - worst["probability/results"]) / 0.6 if own is None else own
    assert own == pytest.approx(largest)


def test_of_several_tasks_every_label_says_whose_it_is(found):
    twice = {"first": {"title": "Six labels", "kind": "multilabel", "labels": ["AF", "1dAVb"]}}
    twice["second"] = twice["first"] | {"title": "Other six"}
    table = found.scored["lvef_40", "net_a"][["row", "file", "ecg_id"]].assign(
        **{"truth/AF": 0.0, "truth/1dAVb": 1.0, "probability/AF": 0.25, "probability/1dAVb": 0.5}
    )
    none = table.assign(**{"truth/1dAVb": 0.0}).iloc[:-1]
    alone, both = table["ecg_id"].iloc[-1], table["ecg_id"].iloc[0]
    scored = {("first", "net"): table, ("second", "net"): none, ("lvef_40", "net"): found.scored["lvef_40", "net_a"]}
    judged = Judged(found.recordings, scored, {}, {}, TASKS | twice)
    predictions, truth = _says(judged, both, _prefixes(judged, both))
    assert [label for label, _ in predictions] == [
        *("Six labels: net: 1dAVb", "Six labels: net: AF", "Other six: net: 1dAVb", "Other six: net: AF"),
        f"net: {TASKS['lvef_40']['title']}",
    ]
    assert truth == ["Six labels: 1dAVb", "Other six: none of the labels"]
    one_task = Judged(found.recordings, {run: scored[run] for run in list(scored)[:2]}, {}, {}, TASKS | twice)
    predictions, truth = _says(one_task, alone, _prefixes(one_task, alone))
    assert ([label for label, _ in predictions], truth) == (["net: 1dAVb", "net: AF"], ["1dAVb"])


def test_the_flow_counts_statements_that_said_nothing(found):
    recordings = found.recordings[found.recordings["task"] == "ecg_machine_diagnosis"]
    table = found.scored["ecg_machine_diagnosis", "net_a"].copy()
    truths = [f"truth/{label}" for label in LABELS]
    table.loc[10:14, truths] = np.nan
    svg = participant_flow(recordings, [table], "patterns", "T").svg
    assert "statements in which nothing was recognised" in svg
    assert f"evaluated (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{ECGS - 7})" in svg
    nobody = participant_flow(recordings, [], "patterns", "T").svg
    assert "no model was at hand" in nobody
    none = participant_flow(recordings.iloc[:0], [], "patterns", "T").svg
    assert "<svg" in none


def test_a_name_is_hidden_wherever_a_message_has_it():
    naming = Naming(hide=True)
    message = "Doe^John 1.xml ends at byte 12 of ward__Doe^John 1, see /mnt/ward/Doe^John 1.xml"
    hidden = naming.message(12, "ward/Doe^John 1.xml", message)
    assert hidden == "row 12 ends at byte 12 of row 12, see /mnt/row 12"
    assert naming.title(12, "x") == "Row 12"
    assert Naming().message(12, "a.xml", "a.xml is bad") == "a.xml is bad"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("a/2.xml", "2.5 s of 12 leads; expected 10 s"),
        ("truncated.edf", "it is truncated, copy it again"),
        ("400.mat", "7.335 s at 400 Hz"),
        ("I.csv", "no lead V6; found I, II, III"),
    ],
)
def test_a_file_that_is_called_like_a_word_does_not_eat_the_message(file, message):
    assert Naming(hide=True).message(3, file, message) == message


def test_the_parts_of_a_record_are_hidden_too():
    hidden = Naming(hide=True).message(3, "ward/Doe.hea", "signal file Doe.dat is missing")
    assert hidden == "signal file row 3 is missing"


def recording(leads=LEADS, rate_hz=500.0, n=5000, **changes):
    whole = {"format": "x", "samples": np.arange(len(leads) * n, dtype=np.int32).reshape(len(leads), n)}
    whole |= {"gain_mv": np.full(len(leads), 0.001), "sampling_rate_hz": rate_hz, "units": "uV"}
    return Recording(leads=tuple(leads), **(whole | changes))


def test_what_was_recorded_is_drawn_however_incomplete():
    signal_mv, rate_hz = _drawn(recording())
    assert (signal_mv.shape, rate_hz) == ((12, 2500), 250)
    signal_mv, rate_hz = _drawn(recording(["II", "V1"], 300.0, 900))
    assert (signal_mv.shape, rate_hz) == ((12, 900), 300.0)
    assert np.isfinite(signal_mv).all(axis=1).tolist() == [lead in ("II", "V1") for lead in LEADS]
    np.testing.assert_allclose(signal_mv[1], np.arange(900) * 0.001, rtol=1e-5)
    assert _drawn(recording(["X", "Y"]))[0] is None
    assert _drawn(recording(rate_hz=None))[1] == 250
    gaps = np.ones((12, 5000), dtype=np.float32)
    gaps[3, 7] = np.nan
    assert _drawn(recording(samples=gaps))[1] == 500


def test_figures_are_written_as_svg_files(found, tmp_path):
    evaluation = found.evaluations["ecg_machine_diagnosis", "net_a"]
    categories = read_categories(PATTERNS_PATH, CATEGORIES_PATH)
    table = found.scored["ecg_machine_diagnosis", "net_a"]
    count = write_figures(str(tmp_path / "figures"), evaluation, table, categories, "77", 99)
    files = sorted(tmp_path.rglob("*.svg"))
    assert len(files) == count == 3 + 3 * 4
    assert {file.parent.name for file in files} == {
        "labels",
        "Afib",
        "Left-bundle-branch-block",
        "script-alert-x-script",
    }
    assert all(etree.parse(file).getroot().tag == "{http://www.w3.org/2000/svg}svg" for file in files)
    nothing = pd.DataFrame({"row": [], "file": [], "ecg_id": []})
    assert write_figures(str(tmp_path / "none"), evaluation | {"labels": {}}, nothing, categories, "77", 9) == 0
    assert (tmp_path / "none").is_dir()


def test_folders_without_a_figure_are_not_named(tmp_path):
    folders = [tmp_path / "georgia" / task / "net/figures" for task in ("empty", "full")]
    (folders[0]).mkdir(parents=True)
    (folders[1] / "labels").mkdir(parents=True)
    assert folders_with_figures(map(str, folders)) == ["full/net/figures/"]


def test_every_guideline_item_says_who_answers_it():
    items = guideline_items()
    assert {one.answered for one in items} == {"on this page", "in part", "authors"}
    assert all(one.words or one.places for one in items if one.answered != "authors")
