"""The configuration: defaults, errors a user can act on, and DeepECG's own keys."""

from pathlib import Path

import pytest

from twelvelead.config import batch_name, load_config, read_yaml
from twelvelead.errors import ConfigError
from twelvelead.registry import Registry
from twelvelead.signal_quality import FLAGS

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = read_yaml(ROOT / "config/schemas/config.schema.yaml")


def load(**config):
    return load_config(config, SCHEMA)


def test_defaults_are_complete_at_every_level():
    settings = load(batches={"a": {"table": "t.csv", "signals": "s"}}, preprocessing={"units": "raw"})
    assert settings["batches"]["a"]["patient_column"] is None
    assert settings["preprocessing"]["units"] == "raw"
    assert settings["preprocessing"]["scale"] == "physical"
    assert settings["shard_size"] == "auto"


def test_every_flag_of_signal_quality_may_exclude_and_is_explained():
    names = [flag.name for flag in FLAGS]
    assert SCHEMA["properties"]["preprocessing"]["properties"]["quality_excludes"]["items"]["enum"] == names
    text = (ROOT / "config/README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| `{name}` |" not in text] == []
    with pytest.raises(ConfigError, match="quality_excludes.*wander"):
        load(preprocessing={"quality_excludes": ["wander"]})


def test_every_key_has_a_description():
    def undescribed(schema, path=""):
        for key, entry in schema.get("properties", {}).items():
            if "description" not in entry:
                yield f"{path}{key}"
            yield from undescribed(entry, f"{path}{key}.")

    assert list(undescribed(SCHEMA)) == []


def test_every_key_is_described_in_the_readme_of_config():
    text = (ROOT / "config/README.md").read_text(encoding="utf-8")
    keys = set(SCHEMA["properties"]) | set(SCHEMA["properties"]["preprocessing"]["properties"])
    assert sorted(key for key in keys if f"`{key}`" not in text) == []


def test_the_shipped_configuration_is_valid_and_has_no_batch():
    settings = load_config(read_yaml(ROOT / "config/config.yaml"), SCHEMA)
    assert settings["batches"] == {}
    assert load_config(read_yaml(ROOT / "config/demo.yaml"), SCHEMA)["batches"].keys() == {"demo"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"resluts": "x"}, "unknown key `resluts`; did you mean `results`?"),
        ({"preprocessing": {"unit": "raw"}}, "unknown key `preprocessing.unit`; did you mean `units`?"),
        ({"batches": {"a": {"table": "x"}}}, "key `batches.a`: `signals` is missing"),
        ({"batches": {"a/b": {"table": "x", "signals": "y"}}}, "expected letters, digits"),
        ({"preprocessing": {"units": "mV"}}, "'mV'; expected one of physical, raw"),
        ({"device": "gpu"}, "expected auto, cpu, cuda, or one device"),
        ({"shard_size": 0}, "key `shard_size` is 0"),
        ({"table": "t.csv"}, "`table` is given without `signals`"),
        (
            {"table": "t.csv", "signals": "s", "batches": {"a": {"table": "t", "signals": "s"}}},
            "`batches` is given too",
        ),
    ],
)
def test_an_error_names_the_key_and_what_was_expected(config, expected):
    with pytest.raises(ConfigError) as error:
        load(**config)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_several_errors_are_all_reported_one_a_line():
    with pytest.raises(ConfigError) as error:
        load(resluts="x", shard_size=-1)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("table", "name"),
    [("a/cohort.csv", "cohort"), ("my cohort é.csv", "my_cohort__"), ("..csv", "batch"), (".", "batch")],
)
def test_a_batch_is_named_after_its_table(table, name):
    assert batch_name(table) == name


@pytest.mark.parametrize(
    ("signals", "name"),
    [("data/code15", "code15"), ("data/challenge-2021-1.0.3/", "challenge-2021-1.0.3"), ("a/../my data", "my_data")],
)
def test_a_batch_of_a_table_made_from_its_folder_is_named_after_the_folder(signals, name):
    assert list(load(table="auto", signals=signals)["batches"]) == [name]


def test_a_batch_of_the_folder_one_is_in_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "ptbxl").mkdir()
    monkeypatch.chdir(tmp_path / "ptbxl")
    [(name, batch)] = load(table="auto", signals=".")["batches"].items()
    assert name == "ptbxl"
    assert batch == {"table": "auto", "signals": ".", "patient_column": None, "split": None, "subset": None}


def test_a_table_cannot_be_made_and_named_at_once():
    with pytest.raises(ConfigError, match="`table: auto` makes the table, but data_path"):
        load(table="auto", signals="s", data_path="t.csv")


def batch_of(**more):
    return load(batches={"a": {"table": "t.csv", "signals": "s", **more}})["batches"]["a"]


def test_splits_have_a_seed_and_subsets_are_text():
    assert batch_of(split={"fractions": {"train": 0.7, "test": 0.3}})["split"]["seed"] == 20
    assert batch_of(split={"fractions": {"a": 0.1, "b": 0.2, "c": 0.7}}, subset=["b"])["subset"] == ["b"]
    assert batch_of(split={"column": "strat_fold"}, subset=[9, 10])["subset"] == ["9", "10"]
    from_command_line = batch_of(split={"fractions": {"train": "0.7"}, "seed": "3"}, subset=["train"])
    assert from_command_line["split"] == {"fractions": {"train": 0.7}, "seed": 3}


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ({"split": {"fraction": {"train": 1}}}, "unknown key `batches.a.split.fraction`; did you mean `fractions`?"),
        ({"split": {}}, "key `batches.a.split`: give either `column` or `fractions`"),
        ({"split": {"column": "x", "fractions": {"train": 1}}}, "give either `column` or `fractions`"),
        ({"split": {"fractions": {"train": 0}}}, "`batches.a.split.fractions.train` is 0; expected more than 0"),
        ({"split": {"fractions": {}}}, "`batches.a.split.fractions` is {}; expected Fractions"),
        ({"split": {"fractions": {"a/b": 1}}}, "is 'a/b'; expected letters, digits"),
        ({"split": {"fractions": {"train": 0.8, "test": 0.3}}}, "fractions` sums to 1.1; expected at most 1"),
        ({"split": {"fractions": {"train": float("nan")}}}, "fractions` sums to nan; expected at most 1"),
        ({"split": "train"}, "`batches.a.split` is 'train'; expected keys and values or nothing"),
        ({"subset": ["train"]}, "`batches.a.subset` is given without `split`"),
        ({"subset": "train"}, "`batches.a.subset` is 'train'; expected a list or nothing"),
        ({"split": {"column": "x"}, "subset": []}, "`batches.a.subset` is []; expected A list of names"),
        ({"split": {"fractions": {"train": 1}}, "subset": ["trian"]}, "the splits train; did you mean `train`?"),
    ],
)
def test_a_split_that_cannot_be_is_an_error(batch, expected):
    with pytest.raises(ConfigError) as error:
        batch_of(**batch)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_heartwise_config_as_deepecg_ships_it(tmp_path):
    (tmp_path / "heartwise.config").write_text(
        "diagnosis_classifier_device: cuda:0\nsignal_processing_device: cuda:0\nbatch_size: 32\n"
        "output_folder: /app/outputs\nhugging_face_api_key_path: /app/api_key.json\nuse_efficientnet: True\n"
        "use_wcr: False\n"
        "data_path: /app/inputs/data_rows_template.csv\nmode: full_run\necg_signals_path: /app/ecg_signals\n"
        "preprocessing_folder: /app/preprocessing\npreprocessing_n_workers: 16\n"
    )
    settings = load(**read_yaml(tmp_path / "heartwise.config"))
    batch = settings["batches"]["data_rows_template"]
    assert batch["table"] == "/app/inputs/data_rows_template.csv"
    assert batch["signals"] == "/app/ecg_signals"
    assert settings["results"] == "/app/outputs"
    assert settings["work"] == "/app/preprocessing"
    assert settings["preprocessing"]["export"] == "base64"
    assert settings["device"] == "cuda:0"
    assert settings["left_out_model_prefixes"] == ["wcr"]


@pytest.mark.parametrize("data_path", ["inputs", "inputs/other.csv"])
def test_csv_file_name_names_the_table_in_data_path(data_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs/mine.csv").touch()
    settings = load(data_path=data_path, csv_file_name="mine.csv", ecg_signals_path="s")
    assert settings["batches"]["mine"]["table"] == "inputs/mine.csv"
    with pytest.raises(ConfigError, match="no table inputs/yours.csv; `csv_file_name` is a path below"):
        load(data_path=data_path, csv_file_name="yours.csv", ecg_signals_path="s")


def test_text_from_the_command_line_becomes_what_the_schema_wants():
    settings = load(statements_from_files="true", preprocessing={"array_unit_mv": "0.00488", "duration_s": "10"})
    assert settings["statements_from_files"] is True
    assert settings["preprocessing"]["array_unit_mv"] == 0.00488
    with pytest.raises(ConfigError, match="'many'; expected"):
        load(report={"ecgs": "many"})


def test_a_folder_as_data_path_asks_for_the_file_name(tmp_path):
    with pytest.raises(ConfigError, match="csv_file_name"):
        load(data_path=str(tmp_path), ecg_signals_path="s")


def test_yaml_that_is_none_is_an_error_with_the_file_name(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("a: [1\nb: 2")
    with pytest.raises(ConfigError, match=r"c\.yaml: is not valid YAML"):
        read_yaml(path)
    path.write_text("- a\n- b")
    with pytest.raises(ConfigError, match="expected keys and values"):
        read_yaml(path)


class TestRegistry:
    def load(self, **config):
        return Registry.load(ROOT, load(**config))

    def test_the_default_model_is_at_hand_without_weights(self, tmp_path):
        registry = self.load(weights=str(tmp_path))
        assert registry.models_of("ecg_machine_diagnosis") == ["openecg_rhythm"]
        assert "run `snakemake fetch_models`" in registry.absent_models_of("afib_5y")["wcr_afib_5y"]

    def test_heartwise_switches_leave_models_out(self):
        registry = self.load(use_wcr=False, data_path="t.csv", ecg_signals_path="s")
        assert registry.absent["wcr_77_classes"] == "left out by use_efficientnet or use_wcr"

    def test_an_unknown_model_or_task_is_an_error_with_a_suggestion(self):
        with pytest.raises(ConfigError, match="did you mean `openecg_rhythm`"):
            self.load(models=["openecg_rythm"])
        with pytest.raises(ConfigError, match="did you mean `afib_5y`"):
            self.load(tasks=["afib_5"])

    def test_a_task_of_the_users_own_is_merged_over_the_shipped_ones(self, tmp_path):
        own = tmp_path / "tasks.yaml"
        own.write_text("af_now: {kind: binary, truth_column: af, file_column: ecg, models: [wcr_afib_5y]}\n")
        assert {"af_now", "lvef_40"} <= self.load(extra_tasks=str(own)).tasks.keys()
        own.write_text("af_now: {kind: binary, truth_column: af, file_column: ecg, models: [wcr_afib]}\n")
        with pytest.raises(ConfigError, match="did you mean `wcr_afib_5y`"):
            self.load(extra_tasks=str(own))
