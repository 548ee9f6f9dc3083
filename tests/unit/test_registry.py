"""Entries of models.yaml: what a user may write, and what a mistake is answered with."""

from pathlib import Path

import pytest
import yaml

from twelvelead.config import load_config, read_yaml
from twelvelead.errors import ConfigError
from twelvelead.models import FAMILIES
from twelvelead.registry import BERT_LABELERS, Registry, family_settings

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = read_yaml(ROOT / "config/schemas/config.schema.yaml")
NET = {"family": "onnx", "source": {"path": "net.onnx"}, "recipe": "deepecg", "labels": ["positive"]}


def load(**config) -> Registry:
    return Registry.load(ROOT, load_config(config, SCHEMA))


@pytest.fixture
def own(tmp_path):
    """Writes a models.yaml and a tasks.yaml of the user's; returns the settings that name them."""

    def write(models=None, tasks=None):
        (tmp_path / "models.yaml").write_text(yaml.safe_dump(models or {}))
        (tmp_path / "tasks.yaml").write_text(yaml.safe_dump(tasks or {}))
        (tmp_path / "net.onnx").write_bytes(b"")
        extra = {"extra_models": str(tmp_path / "models.yaml"), "extra_tasks": str(tmp_path / "tasks.yaml")}
        return {"weights": str(tmp_path / "weights"), **extra}

    return write


def put_weights(settings, model, file="model.pt"):
    folder = Path(settings["weights"]) / model
    folder.mkdir(parents=True)
    (folder / file).write_bytes(b"weights")
    return folder


def test_the_ten_published_models_are_declared():
    models = load().models
    published = [name for name, entry in models.items() if entry["source"].get("hub", "").startswith("heartwise/")]
    assert len(published) == 10
    assert all(models[name]["source"]["hub"] == f"heartwise/{name}" for name in published)
    assert len(models["efficientnetv2_77_classes"]["labels"]) == 77
    assert models["efficientnetv2_lvef_under_50"]["input_scale"] == pytest.approx(1 / 0.0048)
    assert sorted(models["wcr_77_classes"]["output_order"]) == list(range(77))
    assert "input_scale" not in models["wcr_77_classes"]
    assert set(BERT_LABELERS) < set(published)


def test_a_family_gets_outputs_order_and_scale():
    models = load().models
    settings = family_settings(models["wcr_77_classes"])
    assert settings["outputs"][:2] == ["Sinusal", "Regular"]
    assert settings["output_order"][:2] == [15, 23]
    assert family_settings(models["openecg_rhythm"]) == {}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**NET, "family": "onx"}, "no family onx; did you mean `onnx`"),
        ({**NET, "settings": {"layot": "ntl"}}, "unknown setting `layot`; did you mean `layout`"),
        ({**NET, "output_order": [0]}, "`output_order` means nothing to family onnx"),
        ({"family": "onnx", "source": {"path": "net.onnx"}}, "`recipe`, `labels` is missing"),
        ({**NET, "labels": "table.csv"}, r"table\.csv"),
        ({**NET, "lables": ["a"]}, "did you mean `net.labels`|unknown key `net.lables`"),
        ({**NET, "source": {"path": "net.onnx", "hub": "a/b"}}, "source"),
        ({**NET, "family": "wcr", "output_order": [0, 1]}, r"output_order is \[0, 1\], expected 1 different positions"),
    ],
)
def test_a_wrong_entry_is_an_error_that_says_what_was_expected(own, entry, message):
    with pytest.raises(ConfigError, match=message):
        load(**own({"net": entry}))


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        (["a", "b"], "binary", "has 2 outputs; it needs one"),
        (["Afib", "Aflutte"], "patterns", "output 'Aflutte' of model `net` is no pattern"),
    ],
)
def test_a_task_and_the_outputs_of_its_models_must_fit(own, labels, kind, message):
    task = {"kind": kind, "truth_column": "t", "file_column": "f", "models": ["net"]}
    with pytest.raises(ConfigError, match=message):
        load(**own({"net": {**NET, "labels": labels}}, {"mine": task}))


def test_a_model_of_patterns_answers_no_binary_task(own):
    task = {"kind": "binary", "truth_column": "t", "file_column": "f", "models": ["openecg_rhythm"]}
    with pytest.raises(ConfigError, match="`openecg_rhythm` has several outputs; it needs one"):
        load(**own({}, {"mine": task}))


def test_a_labeler_answers_no_task(own):
    task = {"kind": "patterns", "truth_column": "t", "file_column": "f", "models": [BERT_LABELERS[0]]}
    with pytest.raises(ConfigError, match="which reads texts; set `labeler: Bert"):
        load(**own({}, {"mine": task}))


def test_files_are_named_from_the_yaml_file_they_stand_in(own, tmp_path):
    registry = load(**own({"net": NET}))
    assert registry.models["net"]["source"]["path"] == str(tmp_path / "net.onnx")
    assert "net" not in registry.absent
    settings = own({"net": NET})
    (tmp_path / "net.onnx").unlink()
    assert "there is no " in load(**settings).absent["net"]
    assert set(load(**settings).worth_a_warning(load_config(settings, SCHEMA))) == {"net"}


def test_torchscript_in_the_weights_folder_needs_somebody_who_vouches_for_it(own):
    settings = own()
    put_weights(settings, "efficientnetv2_afib_5y")
    registry = load(**settings)
    assert "nobody pinned its hash" in registry.absent["efficientnetv2_afib_5y"]
    complete = load_config(settings, SCHEMA)
    assert set(registry.worth_a_warning(complete)) == {"efficientnetv2_afib_5y"}
    assert "efficientnetv2_afib_5y" not in load(**settings, trust_local_weights=True).absent


def test_a_folder_that_cannot_be_read_stops_nothing(own, monkeypatch):
    settings = own()
    folder = put_weights(settings, "wcr_afib_5y")
    iterate = Path.iterdir

    def refuse(path):
        if path == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return iterate(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    registry = load(**settings)
    assert "cannot be read (Permission denied); restore it or correct its permissions" in registry.absent["wcr_afib_5y"]
    assert set(registry.worth_a_warning(load_config(settings, SCHEMA))) == {"wcr_afib_5y"}


def test_a_checkpoint_that_is_only_read_needs_no_trust(own):
    settings = own()
    put_weights(settings, "wcr_afib_5y")
    assert "wcr_afib_5y" not in load(**settings).absent


def test_a_named_model_that_is_absent_is_worth_a_warning(own):
    settings = own() | {"models": ["wcr_afib_5y"]}
    assert set(load(**settings).worth_a_warning(load_config(settings, SCHEMA))) == {"wcr_afib_5y"}


class TestLabeler:
    def test_auto_takes_bert_where_its_weights_are(self, own):
        settings = own()
        assert load(**settings).labeler == "lexicon"
        put_weights(settings, BERT_LABELERS[1], "model.safetensors")
        assert load(**settings).labeler == BERT_LABELERS[1]
        put_weights(settings, BERT_LABELERS[0], "model.safetensors")
        assert load(**settings).labeler == load(**settings, labeler="bert").labeler == BERT_LABELERS[0]
        assert load(**settings, labeler=BERT_LABELERS[1]).labeler == BERT_LABELERS[1]
        assert load(**settings, labeler="lexicon").labeler == "lexicon"

    def test_models_named_for_signals_do_not_take_the_labeler_away(self, own):
        settings = own() | {"models": ["openecg_rhythm"]}
        put_weights(settings, BERT_LABELERS[0], "model.safetensors")
        assert load(**settings).labeler == BERT_LABELERS[0]

    @pytest.mark.parametrize("labeler", ["bert", BERT_LABELERS[0]])
    def test_one_that_is_asked_for_must_be_there_for_the_job_that_needs_it(self, own, labeler):
        registry = load(**own(), labeler=labeler)  # fetch_models has to start
        assert registry.labeler == BERT_LABELERS[0]
        with pytest.raises(ConfigError, match="run `snakemake fetch_models`.*or set `labeler: lexicon`"):
            registry.check_labeler()
        assert load(**own()).check_labeler() is None

    def test_a_model_of_signals_is_none(self):
        with pytest.raises(ConfigError, match="expected one of auto, lexicon, bert, Bert"):
            load(labeler="wcr_77_classes")


def test_what_to_fetch():
    complete = load_config({}, SCHEMA)
    assert len(load().to_fetch(complete)) == 10
    named = load_config({"models": ["wcr_afib_5y", "openecg_rhythm"]}, SCHEMA)
    assert load().to_fetch(named) == ["wcr_afib_5y", BERT_LABELERS[0]]
    without = load_config({"models": ["wcr_afib_5y"], "labeler": "lexicon"}, SCHEMA)
    assert load().to_fetch(without) == ["wcr_afib_5y"]
    deepecg = load_config({"use_wcr": False, "data_path": "t.csv", "ecg_signals_path": "s"}, SCHEMA)
    assert not any(name.startswith("wcr") for name in load().to_fetch(deepecg))


def test_every_family_has_its_module():
    folder = ROOT / "scripts/twelvelead"
    for name, family in FAMILIES.items():
        assert (folder / ("models" if family.reads == "signals" else "labels") / f"{name}.py").is_file()
