"""Checkpoints: what is read, what is refused, and that nothing in them runs."""

import argparse
import builtins
import contextlib
import enum
import functools
import io
import operator
import os
import pathlib
import pickle
import sys
import types
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import ModelError
from twelvelead.models import inert_pickle
from twelvelead.models.checkpoint import read_checkpoint
from twelvelead.models.converted_checkpoint import convert, read_weights
from twelvelead.models.inert_pickle import PlainObject, TensorRecord
from unit.checkpoint_files import CONFIG, save


class Reduced:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced

    def __call__(self):
        """Only callables may stand first in what __reduce__ gives."""


def payloads(marker):
    touch = f"touch {marker}"
    write = f"open({str(marker)!r}, 'w')"
    inner = io.BytesIO()
    torch.save(Reduced(os.system, touch), inner)
    namespace = argparse.Namespace(encoder_layers=Reduced(os.system, touch))
    return {
        "system": ("posix.system", Reduced(os.system, touch)),
        "eval": ("__builtin__.eval", Reduced(eval, write)),
        "exec": ("__builtin__.exec", Reduced(exec, write)),
        "open": (".open", Reduced(open, str(marker), "w")),
        "getattr": (
            "__builtin__.getattr",
            Reduced(Reduced(getattr, Reduced(builtins.__import__, "os"), "system"), touch),
        ),
        "import": ("__builtin__.__import__", Reduced(builtins.__import__, "os")),
        "partial": ("functools.partial", Reduced(functools.partial(open, str(marker), "w"))),
        "storage": ("torch.storage._load_from_bytes", Reduced(torch.storage._load_from_bytes, inner.getvalue())),
        "methodcaller": ("operator.methodcaller", Reduced(operator.methodcaller("touch"), pathlib.PosixPath(marker))),
        "in a namespace": ("posix.system", namespace),
        "as a key": ("posix.system", {"outer": [{"inner": (Reduced(os.system, touch),)}]}),
        "in a set's list": ("posix.system", [{1}, [Reduced(os.system, touch)]]),
    }


PAYLOADS = list(payloads("marker"))


@pytest.mark.parametrize("place", ["cfg", "model", "extra_state", "base_ssl"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_poisoned_checkpoint_is_refused_and_does_not_run(tmp_path, payload, place):
    marker = tmp_path / "ran"
    named, poison = payloads(marker)[payload]
    path = tmp_path / "m" / "model.pt"
    path.parent.mkdir()
    if place == "model":
        save(path, model={"a.weight": torch.ones(1), "poison": poison})
    elif place == "extra_state":
        save(path, extra_state=poison)
    else:
        save(path if place == "cfg" else save(path).with_name("base_ssl.pt"), {**CONFIG, "poison": poison})
    with pytest.raises(ModelError, match="refused, its pickle names") as refusal:
        read_weights(path.parent)
    assert named in str(refusal.value)
    with pytest.raises(ModelError, match="refused"):
        convert(path.parent, tmp_path / "converted.safetensors")
    assert not marker.exists()
    assert not (tmp_path / "converted.safetensors").exists()


@pytest.mark.parametrize("payload", [name for name in PAYLOADS if name != "import"])
def test_the_payloads_would_run_where_pickle_is_trusted(tmp_path, payload):
    marker = tmp_path / "ran"
    path = save(tmp_path / "model.pt", {"poison": payloads(marker)[payload][1]})
    with contextlib.suppress(Exception):
        torch.load(path, weights_only=False)
    assert marker.exists()


def test_neither_the_environment_nor_another_library_opens_the_door(tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    path = save(tmp_path / "model.pt", {**CONFIG, "poison": Reduced(os.system, f"touch {marker}")})
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ModelError, match=r"posix\.system"):
        read_checkpoint(path)
    with torch.serialization.safe_globals([os.system]), pytest.raises(ModelError, match=r"posix\.system"):
        read_checkpoint(path)
    assert not marker.exists()


def test_an_older_file_than_zip_is_refused_when_poisoned_and_read_when_not(tmp_path):
    marker = tmp_path / "ran"
    content = {"cfg": {"model": CONFIG}, "model": {"a": torch.ones(2)}}
    torch.save(content, tmp_path / "plain.pt", _use_new_zipfile_serialization=False)
    assert read_checkpoint(tmp_path / "plain.pt").tensors["a"].read().tolist() == [1, 1]
    content["extra_state"] = Reduced(os.system, f"touch {marker}")
    torch.save(content, tmp_path / "poisoned.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match="posix.system"):
        read_checkpoint(tmp_path / "poisoned.pt")
    assert not marker.exists()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("plain", [True, False])
def test_tensors_come_as_float32_by_either_reader(tmp_path, dtype, plain, monkeypatch):
    path = save(tmp_path / "model.pt", CONFIG if plain else argparse.Namespace(**CONFIG), dtype)
    inert_reads = []
    load = inert_pickle.load
    monkeypatch.setattr(inert_pickle, "load", lambda *given: inert_reads.append(given) or load(*given))
    checkpoint = read_checkpoint(path)
    assert len(inert_reads) == (0 if plain else 1)
    assert checkpoint.model_config == CONFIG
    assert checkpoint.tensors["a.weight"].shape == (3, 2)
    tensor = checkpoint.tensors["a.weight"].read()
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert tensor.tolist() == [[0, 3], [1, 4], [2, 5]]


def omegaconf_like(config):
    """A configuration pickled as omegaconf's DictConfig is: nodes with a parent that is the dictionary itself."""
    dict_config = type("DictConfig", (), {"__module__": "omegaconf.dictconfig"})
    any_node = type("AnyNode", (), {"__module__": "omegaconf.nodes"})
    made = dict_config()
    nodes = {}
    for key, value in config.items():
        nodes[key] = any_node()
        nodes[key].__dict__.update(_val=value, _parent=made, _metadata=None)
    made.__dict__.update(_content=nodes, _parent=None, _metadata=None)
    return made, {
        "omegaconf": {},
        "omegaconf.dictconfig": {"DictConfig": dict_config},
        "omegaconf.nodes": {"AnyNode": any_node},
    }


class Selection(enum.Enum):
    __module__ = "fairseq_signals.dataclass.constants"
    STATIC = "static"


def test_plain_classes_in_a_configuration_become_plain_values(tmp_path, monkeypatch):
    made, modules = omegaconf_like({**CONFIG, "path": pathlib.PosixPath("/mnt/x.pt"), "mask": Selection.STATIC})
    modules |= {"fairseq_signals": {}, "fairseq_signals.dataclass": {}}
    modules["fairseq_signals.dataclass.constants"] = {"Selection": Selection}
    with monkeypatch.context() as patched:
        for name, content in modules.items():
            module = types.ModuleType(name)
            vars(module).update(content)
            patched.setitem(sys.modules, name, module)
        save(tmp_path / "model.pt", made)
    assert "omegaconf.dictconfig" not in sys.modules
    found = read_checkpoint(tmp_path / "model.pt").model_config
    assert found == {**CONFIG, "path": "/mnt/x.pt", "mask": "static"}


def test_arguments_of_an_older_version_serve_as_configuration(tmp_path):
    save(tmp_path / "model.pt", cfg=None, args=argparse.Namespace(**CONFIG))
    assert read_checkpoint(tmp_path / "model.pt").model_config == CONFIG


def rewritten(path, change):
    """The checkpoint with entries of its zip changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(entries).items():
            archive.writestr(name, content)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_damaged_files_are_named(tmp_path):
    path = save(tmp_path / "model.pt", argparse.Namespace(**CONFIG))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="model.pt: refused, torch cannot read it"):
        read_checkpoint(path)
    path.write_bytes(whole)
    rewritten(
        path, lambda entries: {name: content[:4] if "data/0" in name else content for name, content in entries.items()}
    )
    with pytest.raises(ModelError, match="storage 0 is damaged"):
        read_checkpoint(path).tensors["a.weight"].read()
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="fetch it again"):
        read_checkpoint(path)
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path)
    with pytest.raises(ModelError, match="TorchScript archive"):
        read_checkpoint(path)


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path):
    for config in (CONFIG, argparse.Namespace(**CONFIG)):
        path = save(tmp_path / "a.pt", config, model={"a": torch.ones(1).expand(1000, 1000)})
        with pytest.raises(ModelError, match="expected a whole tensor"):
            read_checkpoint(path)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
        | st.tuples(inner, inner, inner, inner)
        | st.tuples(inner)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(PLAIN, st.sampled_from([2, 3, 4, 5]))
def test_plain_values_are_read_as_pickle_reads_them(value, protocol):
    found = inert_pickle.load(pickle.dumps({"value": value}, protocol), "x")
    if protocol > 2:  # before, bytes were pickled as a call of _codecs.encode
        assert found == {"value": value}


def test_protocols_0_and_1_give_namespaces_too():
    for protocol in range(6):
        found = inert_pickle.load(pickle.dumps(argparse.Namespace(heads=8, text="é"), protocol), "x")
        assert isinstance(found, PlainObject)
        assert found.name == "argparse.Namespace"
        assert found.state == {"heads": 8, "text": "é"}


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from(b"(.0]}tlRb\x81\x93cQ\x85\x86N\x94su)K\x01"), max_size=30).map(bytes)
)
def test_any_bytes_end_in_plain_values_or_a_model_error(content):
    with contextlib.suppress(ModelError):
        inert_pickle.load(content, "x")


def test_opcodes_without_a_use_are_refused():
    with pytest.raises(ModelError, match="its pickle uses INST"):
        inert_pickle.load(b"(S'touch x'\nios\nsystem\n.", "x")
    with pytest.raises(ModelError, match="its pickle uses OBJ"):
        inert_pickle.load(b"(cbuiltins\nint\nK\x01o.", "x")


def test_a_class_is_never_a_target_of_state():
    content = b"\x80\x02cargparse\nNamespace\n}b."
    with pytest.raises(ModelError, match="state is set on a Name"):
        inert_pickle.load(content, "x")


def test_a_tensor_is_recorded_not_made():
    tensor = inert_pickle.load(
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89NtR.",
        "x",
    )
    assert tensor == TensorRecord("float32", "0", 6, 0, (2, 3), (3, 1))
