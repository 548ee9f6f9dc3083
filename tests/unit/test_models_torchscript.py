"""Modules are scripted and saved here, the hostile one too; nothing is stood in for."""

import hashlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from twelvelead.errors import ConfigError, ModelError
from twelvelead.models import torchscript
from twelvelead.models.torchscript import load

pytestmark = [
    pytest.mark.filterwarnings("ignore:TorchScript files are code"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]

OUTPUTS = ["afib", "flutter", "block"]


class Network(torch.nn.Module):
    """Convolutions, batch norm and dropout, which .eval() changes, and a linear head with sums over its inputs."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv1d(12, 16, 7, stride=4)
        self.norm = torch.nn.BatchNorm1d(16)
        self.dropout = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(32, 3)

    def forward(self, x):
        x = torch.nn.functional.silu(self.norm(self.convolution(x)))
        return self.head(self.dropout(torch.cat([x.mean(-1), x.amax(-1)], 1)))


class Payload(torch.nn.Module):
    """Makes a file when it is loaded: aten::from_file with shared=True creates one of the size asked for."""

    def __init__(self, target: str):
        super().__init__()
        self.target = target
        self.mapped = torch.zeros(1)

    @torch.jit.export
    def __getstate__(self):
        return self.target, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.target = state[0]
        self.training = state[1]
        # Kept, or TorchScript would take the call for one without effect and leave it out.
        self.mapped = torch.from_file(self.target, shared=True, size=4)

    def forward(self, x):
        return x.mean(dim=[1, 2])


class Filling(torch.nn.Module):
    """Fails on more than two ECGs in the words that the interpreter uses for an operator's OutOfMemoryError."""

    def forward(self, x):
        if x.size(0) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return x.mean(dim=-1)[:, :3]


class LongSum(torch.nn.Module):
    """A sum of 240,000 values: PyTorch shares it out between its threads, and other numbers of them round otherwise."""

    def forward(self, x):
        return x.repeat(1, 8, 1).sum(dim=[1, 2])


class IsInference(torch.nn.Module):
    def forward(self, x):
        return torch.full((x.size(0),), float(x.is_inference()))


class Pair(torch.nn.Module):
    def forward(self, x):
        return x.mean(-1), x.amax(-1)


def save(module, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.script(module).save(str(file))
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network()


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    """(file, sha256) of the network as it was saved in training mode, which is what some published files are in."""
    file = tmp_path_factory.mktemp("weights") / "network" / "network.pt"
    return file, save(network.train(), file)


def settings(sha256=None, **others):
    return {"outputs": OUTPUTS, "sha256": sha256, "batch_size": 4, "threads": 1, **others}


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).standard_normal((11, 12, 2500)).astype(np.float32)


@pytest.fixture
def model(saved):
    return load(saved[0], "cpu", settings(saved[1]))


def test_probabilities_are_the_scaled_networks_in_evaluation_mode(network, saved, batch):
    expected = torch.sigmoid(network.eval()(torch.from_numpy(batch) * 0.5)).detach().numpy()
    model = load(saved[0].parent, "cpu", settings(saved[1], input_scale=0.5))
    assert model.outputs == tuple(OUTPUTS)
    found = model.predict(batch)
    assert found.shape == (11, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_activation_the_logits_come_back(network, saved, batch):
    expected = network.eval()(torch.from_numpy(batch)).detach().numpy()
    found = load(saved[0], "cpu", settings(saved[1], activation="none")).predict(batch)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found < 0).any()


def test_an_ecgs_bytes_depend_neither_on_its_batch_nor_on_its_place_nor_on_the_call(model, batch):
    together = model.predict(batch)
    order = np.random.default_rng(1).permutation(len(batch))
    assert model.predict(batch[order]).tobytes() == together[order].tobytes()
    for row in range(len(batch)):
        assert model.predict(batch[row : row + 1]).tobytes() == together[row : row + 1].tobytes()
    assert model.predict(batch).tobytes() == together.tobytes()


def test_an_ecgs_bytes_do_not_depend_on_threads(saved, tmp_path, batch):
    sha256 = save(LongSum(), tmp_path / "sum.pt")
    by_threads = []
    for threads in (1, 2, 3, 8):
        network = load(saved[0], "cpu", settings(saved[1], batch_size=2, threads=threads))
        long_sum = settings(sha256, outputs=["sum"], batch_size=1, threads=threads, activation="none")
        sums = load(tmp_path / "sum.pt", "cpu", long_sum).predict(batch)
        by_threads.append(network.predict(batch).tobytes() + sums.tobytes())
    assert len(set(by_threads)) == 1


def test_probabilities_at_the_end_of_a_block_do_not_depend_on_that(tmp_path, batch):
    """4 times 14 values are not whole vectors, and torch.sigmoid computes the rest by other instructions."""

    class Samples(torch.nn.Module):
        def forward(self, x):
            return x[:, 0, :14].contiguous()

    outputs = [f"sample_{index}" for index in range(14)]
    sha256 = save(Samples(), tmp_path / "samples.pt")
    model = load(tmp_path / "samples.pt", "cpu", settings(sha256, outputs=outputs, input_scale=3))
    signals = np.concatenate([np.roll(batch, shift, axis=2) for shift in range(0, 280, 14)])
    together = model.predict(signals)
    for first in (1, 2, 3):
        assert model.predict(signals[first:]).tobytes() == together[first:].tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_pytorchs_state_is_as_before(tmp_path, batch, threads):
    sha256 = save(IsInference(), tmp_path / "mode.pt")
    of_mode = settings(sha256, outputs=["mode"], threads=threads, activation="none", batch_size=1)
    model = load(tmp_path / "mode.pt", "cpu", of_mode)
    before = torch_state()
    torch.set_num_threads(2)
    try:
        assert (model.predict(batch) == 1).all()
        assert torch_state() == {**before, "threads": 2, "threads_of_a_new_thread": 2}
    finally:
        torch.set_num_threads(before["threads"])


def torch_state():
    with ThreadPoolExecutor(1) as pool:
        of_a_new_thread = pool.submit(torch.get_num_threads).result()
    return {
        "threads": torch.get_num_threads(),
        "threads_of_a_new_thread": of_a_new_thread,
        "inference": torch.is_inference_mode_enabled(),
        "optimised": torch._C._get_graph_executor_optimize(),
        "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
        "deterministic": torch.backends.cudnn.deterministic,
    }


def test_memory_mapped_signals(model, batch, tmp_path):
    np.save(tmp_path / "shard.npy", batch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mapped = model.predict(np.load(tmp_path / "shard.npy", mmap_mode="r"))
    assert mapped.tobytes() == model.predict(batch).tobytes()


def test_no_ecgs_no_rows(model):
    assert model.predict(np.empty((0, 12, 2500), dtype=np.float32)).shape == (0, 3)


def test_nan_stays_in_its_row(model, batch):
    broken = batch.copy()
    broken[3, 5, 100] = np.nan
    found = model.predict(broken)
    assert np.isnan(found[3]).all()
    others = np.delete(np.arange(len(batch)), 3)
    assert found[others].tobytes() == model.predict(batch)[others].tobytes()


@pytest.mark.parametrize("shape", [(2, 2500, 12), (12, 2500), (2, 12, 5000)])
def test_another_shape_is_refused(model, shape):
    with pytest.raises(ModelError, match=r"expected \(n, 12, 2500\); prepare it with recipe deepecg"):
        model.predict(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_outputs_must_be_right(saved, batch, threads):
    model = load(saved[0], "cpu", settings(saved[1], outputs=["one", "two"], threads=threads))
    with pytest.raises(ModelError, match=r"returned shape \(4, 3\) for 4 ECGs, expected \(4, 2\); make `labels`"):
        model.predict(batch)


def test_one_output_may_come_without_its_axis(tmp_path, batch):
    class Mean(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=[1, 2])

    sha256 = save(Mean(), tmp_path / "mean.pt")
    found = load(tmp_path / "mean.pt", "cpu", settings(sha256, outputs=["mean"], activation="none")).predict(batch)
    np.testing.assert_allclose(found[:, 0], batch.mean(axis=(1, 2)), atol=1e-6)


def test_a_model_that_returns_a_pair_is_refused(tmp_path, batch):
    model = load(tmp_path / "pair.pt", "cpu", settings(save(Pair(), tmp_path / "pair.pt")))
    with pytest.raises(ModelError, match="returned a tuple, expected one tensor"):
        model.predict(batch)


def test_a_model_of_other_leads_says_so(tmp_path, batch):
    sha256 = save(torch.nn.Sequential(torch.nn.Conv1d(8, 3, 7)), tmp_path / "eight_leads.pt")
    model = load(tmp_path / "eight_leads.pt", "cpu", settings(sha256))
    with pytest.raises(ModelError, match=r"fails on input of shape \(4, 12, 2500\) .*is it a model of 12 leads"):
        model.predict(batch)


@pytest.mark.parametrize("threads", [1, 3])
def test_out_of_memory_halves_the_batch_and_later_calls_start_there(tmp_path, batch, threads):
    sha256 = save(Filling(), tmp_path / "filling.pt")
    model = load(tmp_path / "filling.pt", "cpu", settings(sha256, batch_size=8, activation="none", threads=threads))
    with pytest.warns(UserWarning, match="did not fit") as caught:
        found = model.predict(batch)
    assert [str(entry.message)[-1] for entry in caught] == ["4", "2"]
    np.testing.assert_allclose(found, batch.mean(axis=2)[:, :3], atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.predict(batch).tobytes() == found.tobytes()


def test_a_file_that_nobody_pinned_is_refused_and_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    file = tmp_path / "payload.pt"
    sha256 = save(Payload(str(trace)), file)
    trace.unlink(missing_ok=True)
    with pytest.raises(ModelError, match=f"`sha256: {sha256}` for the model, or `trust_local_weights: true`"):
        load(file, "cpu", settings(outputs=["x"]))
    with pytest.raises(ModelError, match=f"sha256 is {sha256}, expected the pinned {'0' * 64}"):
        load(file, "cpu", settings("0" * 64, outputs=["x"], trust_local_weights=True))
    assert not trace.exists()
    with pytest.warns(UserWarning, match=f"runs unpinned, by trust_local_weights; sha256 {sha256}"):
        load(file, "cpu", settings(outputs=["x"], trust_local_weights=True))
    assert trace.exists(), "the payload is harmless, and this test proves nothing"


def test_one_changed_byte_is_refused(saved, tmp_path):
    content = bytearray(saved[0].read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.pt").write_bytes(content)
    with pytest.raises(ModelError, match="expected the pinned"):
        load(tmp_path / "changed.pt", "cpu", settings(saved[1]))


@pytest.mark.filterwarnings("default:TorchScript files are code")
def test_that_it_is_code_is_said_once(saved):
    torchscript._warn_that_it_is_code.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            load(saved[0], "cpu", settings(saved[1]))
    assert [str(entry.message)[:27] for entry in caught] == ["TorchScript files are code:"]


def test_not_torchscript(tmp_path):
    (tmp_path / "text.pt").write_bytes(b"not found\n")
    sha256 = hashlib.sha256(b"not found\n").hexdigest()
    with pytest.raises(ModelError, match="cannot read it as TorchScript .*fetch or export it again"):
        load(tmp_path / "text.pt", "cpu", settings(sha256))


def test_a_plain_checkpoint_is_not_unpickled(tmp_path):
    """torch.load would run it; torch.jit.load refuses an archive without code."""
    trace = tmp_path / "trace"

    class Pickled:
        def __reduce__(self):
            return Path.touch, (trace,)

    torch.save(Pickled(), tmp_path / "checkpoint.pt")
    sha256 = hashlib.sha256((tmp_path / "checkpoint.pt").read_bytes()).hexdigest()
    with pytest.raises(ModelError, match="cannot read it as TorchScript"):
        load(tmp_path / "checkpoint.pt", "cpu", settings(sha256))
    assert not trace.exists()


def test_the_folder_must_hold_one_model(saved, tmp_path):
    with pytest.raises(ModelError, match="expected one .pt file in this folder, found none"):
        load(tmp_path, "cpu", settings(saved[1]))
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(saved[0].read_bytes())
    with pytest.raises(ModelError, match="found a.pt, b.pt"):
        load(tmp_path, "cpu", settings(saved[1]))
    with pytest.raises(ModelError, match="no such file or folder"):
        load(tmp_path / "absent", "cpu", settings(saved[1]))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outputs", []),
        ("outputs", "afib"),
        ("outputs", None),
        ("outputs", ["afib", "afib"]),
        ("outputs", [1, 2]),
        ("outputs", 3),
        ("input_scale", 0),
        ("input_scale", "large"),
        ("input_scale", float("nan")),
        ("activation", "softmax"),
        ("batch_size", 0),
        ("batch_size", 2.0),
        ("threads", True),
        ("sha256", "abc"),
        ("trust_local_weights", "yes"),
    ],
)
def test_wrong_settings_name_the_key(saved, key, value):
    with pytest.raises(ConfigError, match=f"family torchscript: {key} is .*, expected"):
        load(saved[0], "cpu", {**settings(saved[1]), key: value})


def test_wrong_device(saved):
    for name in ("gpu", "meta", "cuda:x"):
        with pytest.raises(ConfigError, match="expected cpu, cuda or cuda:N"):
            load(saved[0], name, settings(saved[1]))
    with pytest.raises(ModelError, match="PyTorch sees .* CUDA devices here"):
        load(saved[0], f"cuda:{torch.cuda.device_count()}", settings(saved[1]))
