"""Aggregation of windows against its definition, and the shipped tables of labels."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.errors import ConfigError
from twelvelead.models.mapping import read_mapping, to_patterns
from twelvelead.windows import aggregate, index_recordings, read_aggregations

LABELS = Path(__file__).resolve().parents[2] / "config" / "labels"
CODE15 = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
PROBABILITY = st.floats(0, 1, width=32)


@st.composite
def windows(draw, elements=PROBABILITY):
    """probabilities (n, labels) float32, recordings (n,), their number, aggregations."""
    n_recordings, n_labels = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    n = draw(st.integers(0, 25))
    probabilities = draw(hnp.arrays(np.float32, (n, n_labels), elements=elements))
    recordings = draw(hnp.arrays(np.int64, n, elements=st.integers(0, n_recordings - 1)))
    aggregations = draw(st.lists(st.sampled_from(["mean", "max"]), min_size=n_labels, max_size=n_labels))
    return probabilities, recordings, n_recordings, aggregations


@settings(max_examples=100, deadline=None)
@given(windows())
def test_aggregation_follows_the_definition(case):
    probabilities, recordings, n_recordings, aggregations = case
    found = aggregate(*case)
    assert found.dtype == np.float64
    assert found.shape == (n_recordings, len(aggregations))
    for recording in range(n_recordings):
        for label, aggregation in enumerate(aggregations):
            values = probabilities[recordings == recording, label].astype(float).tolist()
            if not values:
                assert np.isnan(found[recording, label])
            elif aggregation == "max":
                assert found[recording, label] == max(values)
            else:
                assert found[recording, label] == pytest.approx(math.fsum(values) / len(values), rel=1e-14, abs=0)


@settings(max_examples=100, deadline=None)
@given(windows(st.one_of(PROBABILITY, st.just(np.nan))), st.randoms(use_true_random=False))
def test_the_order_of_windows_changes_no_bit(case, random):
    probabilities, recordings, n_recordings, aggregations = case
    shuffled = list(range(len(recordings)))
    random.shuffle(shuffled)
    again = aggregate(probabilities[shuffled], recordings[shuffled], n_recordings, aggregations)
    assert again.tobytes() == aggregate(*case).tobytes()


@pytest.mark.parametrize("aggregation", ["mean", "max"])
def test_a_recording_among_others_has_the_bytes_it_has_alone(aggregation):
    random = np.random.default_rng(0)
    counts = random.integers(1, 40, 200)
    recordings = random.permutation(np.repeat(np.arange(200), counts))
    probabilities = random.random((len(recordings), 3), dtype=np.float32)
    together = aggregate(probabilities, recordings, 200, [aggregation] * 3)
    for recording in range(200):
        own = probabilities[recordings == recording]
        alone = aggregate(own[:, :1], np.zeros(len(own), dtype=np.int64), 1, [aggregation])
        assert alone.tobytes() == together[recording, :1].tobytes()


def test_a_window_without_a_probability_makes_its_recording_nan_for_that_label():
    probabilities = np.array([[0.2, 0.4], [np.nan, 0.6], [0.9, 0.8]], dtype=np.float32)
    for aggregation in ("mean", "max"):
        found = aggregate(probabilities, np.array([0, 0, 1]), 2, [aggregation, aggregation])
        np.testing.assert_array_equal(np.isnan(found), [[True, False], [False, False]])


def test_one_window_is_the_recording():
    probabilities = np.random.default_rng(1).random((30, 2), dtype=np.float32)
    np.testing.assert_array_equal(aggregate(probabilities, np.arange(30), 30, ["mean", "max"]), probabilities)


@pytest.mark.parametrize(
    ("shape", "recordings", "aggregations", "message"),
    [
        ((3, 2), [0, 0, 1], ["mean"], r"shape \(3, 2\), expected \(3, 1\)"),
        ((2, 1), [0, 0, 1], ["mean"], r"shape \(2, 1\), expected \(3, 1\)"),
        ((3, 1), [0, 0, 1], ["median"], "aggregation is 'median', expected mean or max"),
        ((3, 1), [0, 0, 2], ["mean"], "recordings are 0 to 2, expected positions of 0 to 1"),
        ((3, 1), [-1, 0, 1], ["mean"], "recordings are -1 to 1"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(shape, recordings, aggregations, message):
    with pytest.raises(ValueError, match=message):
        aggregate(np.zeros(shape), np.array(recordings), 2, aggregations)


def test_rows_of_a_recording_are_found_wherever_they_stand():
    ids, recordings = index_recordings(["b", "a", "b", "c", "a"])
    assert ids == ["b", "a", "c"]
    np.testing.assert_array_equal(recordings, [0, 1, 0, 2, 1])
    ids, recordings = index_recordings([])
    assert (ids, recordings.tolist(), recordings.dtype) == ([], [], np.int64)
    assert aggregate(np.empty((0, 2)), recordings, 0, ["mean", "max"]).shape == (0, 2)


def test_labels_of_physionet_2021_in_the_order_of_the_models_outputs():
    rows = read_aggregations(LABELS / "ecgfm_physionet2021.csv")
    assert "; ".join(row.label for row in rows) == (
        "AF; AFL; BBB; Brady; CLBBB|LBBB; CRBBB|RBBB; IAVB; IRBBB; LAD; LAnFB; LPR; LQRSV; LQT; NSIVCB; NSR; "
        "PAC|SVPB; PR; PRWP; PVC|VPB; QAb; RAD; SA; SB; STach; TAb; TInv"
    )
    assert {row.label for row in rows if row.aggregation == "max"} == {"PAC|SVPB", "PVC|VPB", "PR"}
    assert {row.source for row in rows} == {"ours"}


def test_labels_of_mimic_iv_ecg_in_the_order_of_the_models_outputs():
    rows = read_aggregations(LABELS / "ecgfm_mimic_iv_ecg.csv")
    assert "; ".join(row.label for row in rows) == (
        "Poor data quality; Sinus rhythm; Premature ventricular contraction; Tachycardia; Ventricular tachycardia; "
        "Supraventricular tachycardia with aberrancy; Atrial fibrillation; Atrial flutter; Bradycardia; "
        "Accessory pathway conduction; Atrioventricular block; 1st degree atrioventricular block; "
        "Bifascicular block; Right bundle branch block; Left bundle branch block; Infarction; Electronic pacemaker"
    )
    assert {row.label for row in rows if row.aggregation == "max"} == {
        "Poor data quality",
        "Premature ventricular contraction",
        "Ventricular tachycardia",
        "Supraventricular tachycardia with aberrancy",
        "Electronic pacemaker",
    }
    assert {row.source for row in rows} == {"published"}


@pytest.mark.parametrize(
    ("mapping", "labels", "unscored"),
    [
        ("ecgfm_physionet2021_to_code15", "ecgfm_physionet2021", set()),
        ("ecgfm_physionet2021_to_code15_tutorial", "ecgfm_physionet2021", {"1dAVb"}),
        # Tachycardia and Bradycardia are of any origin, so nothing of MIMIC's answers for CODE-15's sinus rhythms; its
        # bundle branch blocks count incomplete ones.
        ("ecgfm_mimic_iv_ecg_to_code15", "ecgfm_mimic_iv_ecg", {"SB", "ST", "RBBB", "LBBB"}),
    ],
)
def test_mappings_to_code15_score_no_broad_label_as_a_narrow_one(mapping, labels, unscored):
    rows = read_mapping(LABELS / f"{mapping}.csv")
    outputs = [row.label for row in read_aggregations(LABELS / f"{labels}.csv")]
    probabilities = np.random.default_rng(0).random((2, len(outputs)), dtype=np.float32)
    columns, values = to_patterns(probabilities, outputs, rows, CODE15)
    assert columns[: len(CODE15)] == list(CODE15)
    assert {column for column, value in zip(columns, values[0], strict=True) if np.isnan(value)} == unscored
    as_labels = [row for row in rows if row.target in CODE15]
    assert {row.quality for row in as_labels} <= {"exact", "close"}
    assert not {row.output for row in as_labels} & {
        *("Atrioventricular block", "Accessory pathway conduction", "Infarction", "Tachycardia", "Bradycardia"),
        *("BBB", "IRBBB", "Brady", "LPR"),
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("AF,median,ours", "line 2: aggregation is 'median', expected mean or max"),
        ("AF,mean,mine", "line 2: aggregation_source is 'mine', expected published or ours"),
        ("AF,mean,ours\nAF,max,ours", "line 3: label 'AF' is empty or there twice"),
        (",mean,ours", "line 2: label '' is empty"),
        ("", "no rows below the header"),
    ],
)
def test_tables_of_labels_that_cannot_be_are_refused(tmp_path, rows, message):
    path = tmp_path / "labels.csv"
    path.write_text(f"label,aggregation,aggregation_source\n{rows}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_aggregations(path)
