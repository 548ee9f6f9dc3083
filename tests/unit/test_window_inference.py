"""Windows of prepared shards through a small network, and a recording's probabilities from what was written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from twelvelead import inference
from twelvelead.errors import ModelError
from twelvelead.inference import blocks
from twelvelead.models import ecgfm
from twelvelead.tensors import RowStatus, TensorWriter, prepared_ids, prepared_rows, read_statuses, write_statuses
from twelvelead.window_inference import aggregate_windows, predict_windows, saliency_of_windows
from twelvelead.windows import probabilities, read_aggregations
from unit.random_ecgfm import CONFIG, OUTPUTS, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT.parent / "shared" / "golden" / "ecg_fm" / "physionet_finetuned.pt"
EMBEDDING = pa.list_(pa.float32(), CONFIG["encoder_embed_dim"])
COUNTS = [[2, 1, 5], [], [3], [0, 1, 4, 0, 2]]  # windows of every recording of every shard; 0 is one that is not ok


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = write_checkpoint(tmp_path_factory.mktemp("ecgfm") / "physionet_finetuned.pt")
    return ecgfm.load(path, "cpu", {"outputs": OUTPUTS})


def write_shards(folder, counts, shape=(12, 2500)):
    """Shards of recordings with so many random windows each; (tensors, statuses, all windows)."""
    random = np.random.default_rng(0)
    tensors, statuses, windows = [], [], []
    for shard, of_shard in enumerate(counts):
        tensors.append(str(folder / f"{shard}.npy"))
        statuses.append(str(folder / f"{shard}.tsv"))
        writer = TensorWriter(tensors[-1], shape)
        rows = []
        for number, count in enumerate(of_shard):
            status = ("ok", "") if count else ("too_short", "4 s")
            rows.append(RowStatus(f"s{shard}r{number}", *status, rows=count))
            windows.append(random.standard_normal((count, *shape), dtype=np.float32))
            writer.append(windows[-1])
        writer.close()
        write_statuses(statuses[-1], rows)
    return tensors, statuses, np.concatenate([np.empty((0, *shape), np.float32), *windows])


def rows_of(counts):
    return [
        (f"s{shard}r{number}", window)
        for shard, of_shard in enumerate(counts)
        for number, count in enumerate(of_shard)
        for window in range(count)
    ]


def as_array(column):
    return np.stack(column.to_pylist()).astype(np.float32)


def test_statuses_say_whose_the_rows_of_a_tensor_are(tmp_path):
    rows = [RowStatus("b", "ok", rows=3), RowStatus("x", "too_short", "4 s"), RowStatus("a", "ok")]
    write_statuses(tmp_path / "s.tsv", rows)
    assert (tmp_path / "s.tsv").read_text(encoding="utf-8").splitlines() == [
        "ecg_id\tstatus\tmessage\trows",
        "b\tok\t\t3",
        "x\ttoo_short\t4 s\t0",
        "a\tok\t\t1",
    ]
    assert list(read_statuses(tmp_path / "s.tsv")) == rows
    assert list(prepared_rows(tmp_path / "s.tsv")) == [("b", 0), ("b", 1), ("b", 2), ("a", 0)]
    assert prepared_ids(tmp_path / "s.tsv") == ["b", "a"]


@pytest.mark.parametrize(("status", "rows"), [("ok", 0), ("flat", 1), ("ok", -1)])
def test_a_status_that_its_rows_belie_is_refused(status, rows):
    with pytest.raises(ValueError, match=f"status {status} with {rows} rows"):
        RowStatus("a", status, rows=rows)


def test_statuses_without_a_number_of_rows_have_one_a_file(tmp_path):
    (tmp_path / "s.tsv").write_text("ecg_id\tstatus\tmessage\na\tok\t\nb\tflat\twhy\n", encoding="utf-8")
    assert list(prepared_rows(tmp_path / "s.tsv")) == [("a", 0)]


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=4), size=st.integers(1, 9))
def test_blocks_hold_every_window_once_in_order_whatever_the_shards(tmp_path_factory, counts, size):
    tensors, statuses, windows = write_shards(tmp_path_factory.mktemp("shards"), counts, (2, 3))
    found = list(blocks(tensors, statuses, size))
    assert [row for rows, _ in found for row in rows] == rows_of(counts)
    assert all(len(rows) == len(signals) == size for rows, signals in found[:-1])
    assert b"".join(signals.tobytes() for _, signals in found) == windows.tobytes()


@pytest.mark.parametrize("block", [1, 4, 256])
def test_windows_and_embeddings_are_the_models(model, tmp_path, monkeypatch, block):
    monkeypatch.setattr("twelvelead.window_inference.BLOCK", block)
    tensors, statuses, windows = write_shards(tmp_path, COUNTS)
    n = predict_windows(model, tensors, statuses, tmp_path / "w.parquet", tmp_path / "e.parquet")
    logits, embeddings = pq.read_table(tmp_path / "w.parquet"), pq.read_table(tmp_path / "e.parquet")
    assert n == len(logits) == len(embeddings) == 18
    assert logits.schema.names == ["ecg_id", "window", *OUTPUTS]
    assert logits.schema.field("window").type == pa.int32()
    assert embeddings.schema.field("embedding").type == EMBEDDING
    for table in (logits, embeddings):
        keys = zip(table.column("ecg_id").to_pylist(), table.column("window").to_pylist(), strict=True)
        assert list(keys) == rows_of(COUNTS)
    found = np.column_stack([logits.column(output).to_numpy() for output in OUTPUTS])
    assert found.tobytes() == model.logits(windows).tobytes()
    assert probabilities(found).tobytes() == model.predict(windows).tobytes()
    assert as_array(embeddings.column("embedding")).tobytes() == model.embedding(windows).tobytes()


def test_saliency_is_the_models(model, tmp_path):
    tensors, statuses, windows = write_shards(tmp_path, COUNTS)
    assert saliency_of_windows(model, tensors, statuses, tmp_path / "s.parquet") == 18
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.schema.field("saliency").type == pa.list_(pa.float32(), 156)
    assert table.column("window").to_pylist() == [window for _, window in rows_of(COUNTS)]
    assert as_array(table.column("saliency")).tobytes() == model.saliency(windows).tobytes()


def test_a_chunk_without_windows_has_files_without_rows(model, tmp_path):
    tensors, statuses, _ = write_shards(tmp_path, [[0, 0], []])
    windows, embeddings, saliency, predictions = (tmp_path / f"{name}.parquet" for name in "wesp")
    assert predict_windows(model, tensors, statuses, windows, embeddings) == 0
    assert saliency_of_windows(model, tensors, statuses, saliency) == 0
    assert aggregate_windows(windows, OUTPUTS, ["mean"] * 3, predictions) == 0
    assert pq.read_schema(predictions).names == ["ecg_id", *OUTPUTS]
    assert pq.read_schema(embeddings).field("embedding").type == EMBEDDING
    assert [len(pq.read_table(path)) for path in (windows, embeddings, saliency, predictions)] == [0] * 4


def test_a_model_that_fails_leaves_no_file(model, tmp_path):
    tensors, statuses, _ = write_shards(tmp_path, [[2, 3]], (4, 5000))
    with pytest.raises(ModelError, match="prepare it with recipe ecgfm"):
        predict_windows(model, tensors, statuses, tmp_path / "w.parquet", tmp_path / "e.parquet")
    assert not list(tmp_path.glob("*.parquet"))


def brute_force(table, aggregations):
    """ecg_id -> probability of every output, by pandas."""
    table = table.assign(**{name: expit(table[name].astype(np.float64)) for name in aggregations})
    groups = table.groupby("ecg_id", sort=False)
    return pd.DataFrame(
        {name: groups[name].agg(lambda p, how=how: getattr(p, how)(skipna=False)) for name, how in aggregations.items()}
    )


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(1, 12), max_size=8),
    row_group=st.integers(1, 7),
    ways=st.lists(st.sampled_from(["mean", "max"]), min_size=2, max_size=2),
    seed=st.integers(0, 2**32 - 1),
)
def test_recordings_are_what_pandas_makes_of_their_windows(tmp_path_factory, counts, row_group, ways, seed):
    folder = tmp_path_factory.mktemp("windows")
    rows = rows_of([counts])
    logits = np.random.default_rng(seed).normal(0, 4, (len(rows), 2)).astype(np.float32)
    logits[np.random.default_rng(seed).random(len(rows)) < 0.05] = np.nan
    names = ["AF", "CRBBB|RBBB"]
    table = pd.DataFrame({"ecg_id": pd.Series([ecg_id for ecg_id, _ in rows], dtype=object), "window": 0})
    table["window"] = np.array([window for _, window in rows], dtype=np.int32)
    table[names] = logits
    schema = pa.schema([("ecg_id", pa.string()), ("window", pa.int32()), *((name, pa.float32()) for name in names)])
    pq.write_table(pa.Table.from_pandas(table, schema), folder / "w.parquet", row_group_size=row_group)
    n = aggregate_windows(folder / "w.parquet", names, ways, folder / "p.parquet")
    assert pq.read_schema(folder / "p.parquet").field("AF").type == pa.float32()
    found = pq.read_table(folder / "p.parquet").to_pandas()
    assert n == len(counts)
    assert found["ecg_id"].tolist() == [f"s0r{number}" for number in range(n)]
    if n:
        expected = brute_force(table, dict(zip(names, ways, strict=True)))
        np.testing.assert_allclose(found[names].to_numpy(), expected.to_numpy(), rtol=2e-7, atol=1e-30)


def test_row_groups_change_no_bit(model, tmp_path, monkeypatch):
    tensors, statuses, _ = write_shards(tmp_path, COUNTS)
    tables = []
    for block in (1, 3, 256):
        monkeypatch.setattr("twelvelead.window_inference.BLOCK", block)
        predict_windows(model, tensors, statuses, tmp_path / "w.parquet", tmp_path / "e.parquet")
        aggregate_windows(tmp_path / "w.parquet", OUTPUTS, ["mean", "max", "mean"], tmp_path / "p.parquet")
        tables.append(pq.read_table(tmp_path / "p.parquet"))
    assert tables[0].column("ecg_id").to_pylist() == [
        *("s0r0", "s0r1", "s0r2", "s2r0", "s3r1", "s3r2", "s3r4"),
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_a_recording_of_one_window_has_the_windows_probabilities(model, tmp_path):
    tensors, statuses, windows = write_shards(tmp_path, [[1, 1, 1, 1]])
    predict_windows(model, tensors, statuses, tmp_path / "w.parquet", tmp_path / "e.parquet")
    aggregate_windows(tmp_path / "w.parquet", OUTPUTS, ["mean", "max", "mean"], tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")
    found = np.column_stack([table.column(output).to_numpy() for output in OUTPUTS])
    assert found.tobytes() == model.predict(windows).tobytes()


@pytest.mark.skipif(not GOLDEN.is_file(), reason="golden ECG-FM models are not at ../shared")
def test_a_published_layout_from_shards_to_recordings(tmp_path):
    rows = read_aggregations(ROOT / "config" / "labels" / "ecgfm_physionet2021.csv")
    outputs, ways = [row.label for row in rows], [row.aggregation for row in rows]
    weights = {"family": "ecgfm", "pinned_by": "nobody", "model": "ecgfm_physionet2021"}
    model = inference.load_model({"outputs": outputs, "precision": "float16"}, weights, str(GOLDEN), "cpu", threads=2)
    tensors, statuses, windows = write_shards(tmp_path, [[1, 2], [3]])
    assert predict_windows(model, tensors, statuses, tmp_path / "w.parquet", tmp_path / "e.parquet") == 6
    assert aggregate_windows(tmp_path / "w.parquet", outputs, ways, tmp_path / "p.parquet") == 3
    found = pq.read_table(tmp_path / "p.parquet").to_pandas().set_index("ecg_id")
    of_windows = pd.DataFrame(model.predict(windows), columns=outputs)
    assert of_windows.to_numpy().std() > 0.01
    for ecg_id, of_recording in of_windows.groupby(["s0r0", "s0r1", "s0r1", *["s1r0"] * 3]):
        for output, how in zip(outputs, ways, strict=True):
            expected = getattr(of_recording[output].astype(np.float64), how)()
            assert found.loc[ecg_id, output] == pytest.approx(expected, rel=1e-7)
