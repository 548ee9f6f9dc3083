"""A model's weights as its files give them, and the same converted."""

import argparse
import json
from importlib import import_module
from pathlib import Path

import pytest
import torch

from twelvelead.config import load_config, read_yaml
from twelvelead.errors import ModelError
from twelvelead.models.converted_checkpoint import convert, read_weights, sha256
from twelvelead.models.weights import files_of, record, why_not_at_hand
from twelvelead.registry import Registry, family_settings
from unit.checkpoint_files import CONFIG, save

ROOT = Path(__file__).resolve().parents[2]
ECG_FM = ROOT.parent / "shared/golden/ecg_fm"


def test_the_pretrained_configuration_decides_the_encoder(tmp_path):
    save(tmp_path / "wcr.pt")
    assert read_weights(tmp_path).model_config["encoder_attention_heads"] == 4
    base = {"_name": "wav2vec2_cmsc", "encoder_attention_heads": 8, "num_labels": 99}
    save(tmp_path / "base_ssl.pt", base)
    assert read_weights(tmp_path).model_config == {**CONFIG, "encoder_attention_heads": 8}
    save(tmp_path / "wcr.pt", {**CONFIG, "no_pretrained_weights": True})
    assert read_weights(tmp_path / "wcr.pt").model_config["encoder_attention_heads"] == 4


def test_conversion_is_repeatable_hashed_and_verified(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    save(folder / "wcr.pt", argparse.Namespace(**CONFIG), torch.float16)
    save(folder / "base_ssl.pt", {"encoder_attention_heads": 8})
    first, second = (convert(folder, tmp_path / name / "wcr.safetensors") for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".json").read_bytes() == second.with_suffix(".json").read_bytes()
    described = json.loads(first.with_suffix(".json").read_text())
    assert described["source_sha256"] == {name: sha256(folder / name) for name in ("wcr.pt", "base_ssl.pt")}
    converted, original = read_weights(first), read_weights(folder)
    assert converted.model_config == original.model_config
    assert converted.model_config["encoder_attention_heads"] == 8
    for name, tensor in original.tensors.items():
        assert converted.tensors[name].shape == tensor.shape
        assert torch.equal(converted.tensors[name].read(), tensor.read())
    before = first.stat().st_mtime_ns
    verified = described["source_sha256"]
    assert convert(folder, first, verified).stat().st_mtime_ns == before
    for others in ({"wcr.pt": verified["wcr.pt"]}, verified | {"wcr.pt": "0" * 64}):
        with pytest.raises(ModelError, match=r"(base_ssl|wcr)\.pt has sha256 .* as it was verified"):
            convert(folder, tmp_path / "other/wcr.safetensors", others)
    save(folder / "wcr.pt", {**CONFIG, "num_labels": 5})
    assert read_weights(convert(folder, first)).model_config["num_labels"] == 5
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)
    with pytest.raises(ModelError, match="convert it again"):
        read_weights(first)


def test_the_checkpoint_that_was_verified_is_converted_among_those_of_a_folder(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    wanted, other = save(folder / "finetuned.pt"), save(folder / "pretrained.pt", {**CONFIG, "num_labels": 9})
    for path, n_labels in ((wanted, 3), (other, 9)):
        verified = {path.name: sha256(path), "model.yaml": "0" * 64}
        converted = convert(folder, tmp_path / f"{path.stem}.safetensors", verified)
        assert read_weights(converted).model_config["num_labels"] == n_labels
        assert json.loads(converted.with_suffix(".json").read_text())["source_sha256"] == {path.name: sha256(path)}
    for both in (None, {path.name: sha256(path) for path in (wanted, other)}):
        with pytest.raises(ModelError, match=r"has finetuned\.pt, pretrained\.pt, expected one finetuned \.pt"):
            convert(folder, tmp_path / "both.safetensors", both)


@pytest.mark.skipif(not ECG_FM.is_dir(), reason="needs the golden files of ECG-FM")
def test_ecg_fms_repository_serves_as_a_weights_folder(tmp_path):
    registry = Registry.load(ROOT, load_config({}, read_yaml(ROOT / "config/schemas/config.schema.yaml")))
    entry = registry.models["ecgfm_physionet2021"]
    (tmp_path / "ecgfm_physionet2021").symlink_to(ECG_FM)
    assert why_not_at_hand("ecgfm_physionet2021", entry, tmp_path, trusting=False) == ""
    assert set(files_of("ecgfm_physionet2021", entry, tmp_path)) == {
        str(tmp_path / "ecgfm_physionet2021" / file) for file in entry["source"]["files"]
    }
    recorded = record("ecgfm_physionet2021", entry, tmp_path)
    converted = convert(recorded["path"], tmp_path / "converted.safetensors", recorded["files"])
    model = import_module("twelvelead.models.ecgfm").load(converted, "cpu", family_settings(entry))
    assert list(model.outputs) == entry["labels"]


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="no such file or folder"):
        read_weights(tmp_path / "absent")
    with pytest.raises(ModelError, match="no .pt file other than base_ssl.pt"):
        read_weights(tmp_path)
    torch.save({"model": {"a": torch.ones(1)}}, tmp_path / "a.pt")
    with pytest.raises(ModelError, match="has model, expected tensors under 'model' and configuration"):
        read_weights(tmp_path)
    save(tmp_path / "a.pt", model={"a": torch.ones(2, dtype=torch.int64)})
    with pytest.raises(ModelError, match=r"'a' is torch.int64 \(2,\)"):
        read_weights(tmp_path)
    save(tmp_path / "b.pt")
    with pytest.raises(ModelError, match="a.pt, b.pt"):
        read_weights(tmp_path)
