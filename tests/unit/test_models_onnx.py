"""Graphs are written here, field by field of onnx.proto, because the onnx package is not among the requirements."""

import hashlib

import numpy as np
import pytest
from scipy.special import expit

from twelvelead.errors import ConfigError, ModelError
from twelvelead.models.onnx import load

OUTPUTS = ["afib", "flutter", "block"]
FLOAT = 1  # TensorProto.DataType
WEIGHTS = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)


def varint(number):
    digits = []
    while True:
        digits.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(digits)


def field(number, value):
    """A field of a protocol buffer: a whole number as varint, anything else with its length before it."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor_type(name, shape, kind=FLOAT):
    axes = [field(1, field(1, axis) if isinstance(axis, int) else field(2, axis)) for axis in shape]
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, b"".join(axes))))


def graph_file(file, shape, time_axis=2, kind=FLOAT, weights=None):
    """Mean over time, then a matrix product: opset 13, where ReduceMean has its axes as an attribute."""
    axes = field(1, "axes") + field(8, time_axis) + field(20, 7)
    keep = field(1, "keepdims") + field(3, 0) + field(20, 2)
    cast = (
        field(1, "ecg")
        + field(2, "single")
        + field(4, "Cast")
        + field(5, field(1, "to") + field(3, FLOAT) + field(20, 2))
    )
    mean = field(1, "single") + field(2, "mean") + field(4, "ReduceMean") + field(5, axes) + field(5, keep)
    product = field(1, "mean") + field(1, "weights") + field(2, "logits") + field(4, "MatMul")
    initial = (
        field(1, 12) + field(1, 3) + field(2, FLOAT) + field(8, "weights") + (weights or field(9, WEIGHTS.tobytes()))
    )
    graph = field(1, cast) + field(1, mean) + field(1, product) + field(2, "rhythm") + field(5, initial)
    graph += field(11, tensor_type("ecg", shape, kind)) + field(12, tensor_type("logits", (shape[0], 3)))
    file.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13)))
    return file


def settings(**others):
    return {"outputs": OUTPUTS, "batch_size": 4, "threads": 1, **others}


@pytest.fixture(scope="module")
def batch():
    signals = np.random.default_rng(1).standard_normal((10, 12, 2500)).astype(np.float32)
    return signals + np.linspace(-1, 1, 12, dtype=np.float32)[:, np.newaxis]


def logits(batch, scale=1.0):
    return (scale * batch.astype(float)).mean(axis=2) @ WEIGHTS


@pytest.mark.parametrize("layout", ["nlt", "ntl"])
def test_probabilities_in_both_layouts(tmp_path, batch, layout):
    shape, time_axis = (("n", 12, 2500), 2) if layout == "nlt" else (("n", 2500, 12), 1)
    graph_file(tmp_path / "rhythm.onnx", shape, time_axis)
    model = load(tmp_path, "cpu", settings(layout=layout, input_scale=2.5))
    assert model.outputs == tuple(OUTPUTS)
    found = model.predict(batch)
    assert found.shape == (10, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expit(logits(batch, 2.5)), atol=1e-6)


def test_without_activation_the_logits_come_back(tmp_path, batch):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 12, 2500))
    found = load(file, "cpu", settings(activation="none")).predict(batch)
    np.testing.assert_allclose(found, logits(batch), atol=1e-5)
    assert (found < 0).any()


@pytest.mark.parametrize(
    "shape", [("n", 12, 2500), ("n", 12, "time"), ("n", "leads", "time"), (1, 12, 2500), (3, 12, 2500)]
)
def test_an_ecgs_bytes_do_not_depend_on_its_batch(tmp_path, batch, shape):
    """Also where the graph fixes its batch to a size other than that of the settings."""
    model = load(graph_file(tmp_path / "rhythm.onnx", shape), "cpu", settings())
    together = model.predict(batch)
    np.testing.assert_allclose(together, expit(logits(batch)), atol=1e-6)
    assert model.predict(batch[::-1]).tobytes() == together[::-1].tobytes()
    for row in range(len(batch)):
        assert model.predict(batch[row : row + 1]).tobytes() == together[row : row + 1].tobytes()


@pytest.mark.parametrize("shape", [("n", 12, 2500), (3, 12, 2500)])
def test_an_ecgs_bytes_do_not_depend_on_threads(tmp_path, batch, shape):
    file = graph_file(tmp_path / "rhythm.onnx", shape)
    by_threads = []
    for threads in (1, 2, 3, 8):
        model = load(file, "cpu", settings(batch_size=1, threads=threads))
        assert model._session.get_session_options().intra_op_num_threads == 1
        by_threads.append(model.predict(batch).tobytes())
    assert len(set(by_threads)) == 1


def test_no_ecgs_no_rows_and_nan_stays_in_its_row(tmp_path, batch):
    model = load(graph_file(tmp_path / "rhythm.onnx", ("n", 12, 2500)), "cpu", settings())
    assert model.predict(batch[:0]).shape == (0, 3)
    broken = batch.copy()
    broken[2, 0, 0] = np.inf
    assert np.isnan(model.predict(broken)).any(axis=1).tolist() == [row == 2 for row in range(10)]


def test_a_pinned_hash_must_match(tmp_path, batch):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 12, 2500))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert load(file, "cpu", settings(sha256=sha256)).predict(batch).shape == (10, 3)
    with pytest.raises(ModelError, match=f"sha256 is {sha256}, expected the pinned {'0' * 64}"):
        load(file, "cpu", settings(sha256="0" * 64))


def test_the_wrong_layout_is_found_before_anything_runs(tmp_path):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 2500, 12), time_axis=1)
    with pytest.raises(ModelError, match=r"expected \(n, 12, 2500\) with layout nlt; set `layout`"):
        load(file, "cpu", settings())


def test_a_graph_of_another_duration_is_refused(tmp_path):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 12, 5000))
    with pytest.raises(ModelError, match="export the model for 12 leads and 2500 samples"):
        load(file, "cpu", settings())


@pytest.mark.parametrize("threads", [1, 3])
def test_a_graph_that_fails_says_on_what(tmp_path, batch, threads):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", "leads", "time"))
    model = load(file, "cpu", settings(layout="ntl", threads=threads))
    with pytest.raises(ModelError, match=r"fails on input of shape \(4, 2500, 12\) .*does `layout` say"):
        model.predict(batch)


def test_the_number_of_outputs_must_be_right(tmp_path, batch):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 12, 2500))
    with pytest.raises(ModelError, match=r"returned shape \(4, 3\) for 4 ECGs, expected \(4, 2\)"):
        load(file, "cpu", settings(outputs=["one", "two"])).predict(batch)


def test_weights_outside_the_file_are_refused(tmp_path, monkeypatch):
    """They would not be covered by the pinned hash, and be looked for wherever the process happens to run."""
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    location = field(13, field(1, "location") + field(2, "weights.bin")) + field(14, 1)
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 12, 2500), weights=location)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="weights in the same file"):
        load(file, "cpu", settings())


def test_not_onnx(tmp_path):
    (tmp_path / "text.onnx").write_bytes(b"not found\n")
    with pytest.raises(ModelError, match="onnxruntime cannot load it .*expected an ONNX model"):
        load(tmp_path / "text.onnx", "cpu", settings())
    with pytest.raises(ModelError, match="no such file or folder"):
        load(tmp_path / "absent.onnx", "cpu", settings())


def test_double_precision_input_is_refused(tmp_path):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 12, 2500), kind=11)
    with pytest.raises(ModelError, match=r"inputs are ecg tensor\(double\), expected a single tensor\(float\)"):
        load(file, "cpu", settings())


def test_wrong_settings_name_the_key(tmp_path):
    file = graph_file(tmp_path / "rhythm.onnx", ("n", 12, 2500))
    with pytest.raises(ConfigError, match="family onnx: layout is 'tnl', expected nlt"):
        load(file, "cpu", settings(layout="tnl"))
    with pytest.raises(ConfigError, match="family onnx: outputs is None"):
        load(file, "cpu", {"batch_size": 4})
