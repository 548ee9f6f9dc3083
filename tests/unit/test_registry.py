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


def test_ecg_fms_models_know_how_windows_become_a_recording():
    models = load().models
    for name, n_labels, by_max in (("ecgfm_physionet2021", 26, 3), ("ecgfm_mimic_iv_ecg", 17, 5)):
        entry = models[name]
        assert len(entry["labels"]) == len(entry["aggregations"]) == n_labels
        assert entry["aggregations"].count("max") == by_max
        assert set(entry["aggregations"]) == {"mean", "max"}
        assert [Path(file).suffix for file in entry["source"]["files"]] == [".pt", ".yaml"]
    physionet = models["ecgfm_physionet2021"]
    aggregation = dict(zip(physionet["labels"], physionet["aggregations"], strict=True))
    assert (aggregation["PVC|VPB"], aggregation["AF"]) == ("max", "mean")
    assert not any("aggregations" in entry for entry in models.values() if entry["family"] != "ecgfm")


def test_labels_without_aggregations_are_aggregated_by_their_mean(own, tmp_path):
    (tmp_path / "plain.csv").write_text("label\na\nb\n")
    ecgfm = {"family": "ecgfm", "source": {"path": "net.onnx"}, "recipe": "ecgfm"}
    models = load(**own({"list": {**ecgfm, "labels": ["a"]}, "table": {**ecgfm, "labels": "plain.csv"}})).models
    assert (models["list"]["aggregations"], models["table"]["aggregations"]) == (["mean"], ["mean", "mean"])
    (tmp_path / "plain.csv").write_text("label,aggregation\na,max\n")
    with pytest.raises(ConfigError, match=r"plain\.csv: no column aggregation_source"):
        load(**own({"table": {**ecgfm, "labels": "plain.csv"}}))


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
        (
            {**NET, "recipe": "ecgfm"},
            "family onnx with recipe ecgfm, expected recipe ecgfm for family ecgfm and for no",
        ),
        ({**NET, "family": "ecgfm"}, "family ecgfm with recipe deepecg, expected recipe ecgfm for family ecgfm"),
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
        (
            ["Afib", "Aflutte"],
            "patterns",
            r"output 'Aflutte' of model `net` is no pattern of .*77\.csv; did you mean `Atrial flutter`.*a `mapping`$",
        ),
    ],
)
def test_a_task_and_the_outputs_of_its_models_must_fit(own, labels, kind, message):
    task = {"kind": kind, "truth_column": "t", "file_column": "f", "models": ["net"]}
    with pytest.raises(ConfigError, match=message):
        load(**own({"net": {**NET, "labels": labels}}, {"mine": task}))


def test_a_model_of_patterns_answers_no_binary_task(own):
    task = {"kind": "binary", "truth_column": "t", "file_column": "f", "models": ["openecg_rhythm"]}
    with pytest.raises(ConfigError, match="`openecg_rhythm` has 4 outputs; it needs one"):
        load(**own({}, {"mine": task}))


def test_a_labeler_answers_no_task(own):
    task = {"kind": "patterns", "truth_column": "t", "file_column": "f", "models": [BERT_LABELERS[0]]}
    with pytest.raises(ConfigError, match="which reads texts; set `labeler: Bert"):
        load(**own({}, {"mine": task}))


class TestUnansweredTasks:
    BINARY = {"kind": "binary", "truth_column": "t", "file_column": "f"}

    def reasons(self, config, *tasks):
        settings = load_config(config, SCHEMA)
        return Registry.load(ROOT, settings).unanswered(tasks, settings)

    def test_tasks_whose_weights_can_be_fetched_share_a_line(self, own):
        config = own()
        found = self.reasons(config, "ecg_machine_diagnosis", "lvef_50", "afib_5y")
        [(reason, tasks)] = found.items()
        assert tasks == ["lvef_50", "afib_5y"]
        assert "`snakemake fetch_models`" in reason
        assert "token" in reason
        assert "### Getting the weights" in (ROOT / "README.md").read_text()
        put_weights(config, "wcr_afib_5y")
        assert self.reasons(config, "lvef_50", "afib_5y") == {reason: ["lvef_50"]}

    def test_fetching_is_not_advised_where_it_does_not_help(self, own):
        config = own(
            {"net": {**NET, "family": "torchscript"}, "gone": {**NET, "source": {"path": "gone.onnx"}}},
            {
                "unpinned": {**self.BINARY, "models": ["net"]},
                "gone": {**self.BINARY, "models": ["gone"]},
                "nobodys": {**self.BINARY, "models": []},
            },
        )
        found = {task: reason for reason, (task,) in self.reasons(config, "unpinned", "gone", "nobodys").items()}
        assert "nobody pinned its hash" in found["unpinned"]
        assert "correct `source: {path: ...}`" in found["gone"]
        assert found["nobodys"] == "`models` of its entry is empty; name some there"
        chosen = self.reasons({**config, "models": ["openecg_rhythm"]}, "lvef_40", "lvef_50")
        assert chosen == {"not among `models` of the configuration": ["lvef_40", "lvef_50"]}


class TestMultilabelTasks:
    TASK = {"kind": "multilabel", "file_column": "f", "labels": ["AF", "1dAVb"], "models": ["net"]}
    CODED = {**TASK, "truth_column": "t", "codes": "codes.csv"}
    MAPPED = {**TASK, "mappings": {"net": "net.csv"}}
    NET_COLUMNS = "output,target,members,quality,source\n"

    @pytest.fixture
    def mine(self, own, tmp_path):
        """Loads a registry with a task `mine`, a model `net` and the tables that they name, each beside the YAML."""

        def load_mine(task, outputs=("AF", "1dAVb"), **tables):
            for name, content in tables.items():
                (tmp_path / f"{name}.csv").write_text(content)
            return load(**own({"net": {**NET, "labels": list(outputs)}}, {"mine": task}))

        return load_mine

    def test_the_shipped_ones_are_complete(self):
        registry = load()
        physionet, code15, tutorial = (registry.tasks[name] for name in ("physionet2021", "code15", "code15_tutorial"))
        assert physionet["labels"] == registry.models["ecgfm_physionet2021"]["labels"]
        assert len(physionet["labels"]) == 26
        assert physionet["truth_column"] == "snomed"
        assert physionet["codes"]["713427006"] == physionet["codes"]["59118001"] == "CRBBB|RBBB"
        assert code15["labels"] == ["1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"]
        assert not {"truth_column", "codes"} & code15.keys()
        assert tutorial["labels"] == code15["labels"][1:]
        assert {task["file_column"] for task in (physionet, code15, tutorial)} == {"file_name"}
        assert [name for name, task in registry.tasks.items() if not task["auto"]] == ["code15_tutorial"]

    @pytest.mark.parametrize(
        ("task", "model", "table"),
        [
            ("physionet2021", "ecgfm_physionet2021", None),
            ("physionet2021", "openecg_rhythm", "openecg_rhythm_to_physionet2021"),
            ("code15", "wcr_77_classes", "deepecg77_to_code15"),
            ("ecg_machine_diagnosis", "openecg_rhythm", "openecg_rhythm"),
            ("ecg_machine_diagnosis", "ecgfm_mimic_iv_ecg", "ecgfm_mimic_iv_ecg_to_deepecg77"),
            ("ecg_machine_diagnosis", "wcr_77_classes", None),
            ("lvef_40", "wcr_lvef_equal_under_40", None),
        ],
    )
    def test_mappings_of_a_task_come_before_the_models_own(self, task, model, table):
        assert load().mapping_of(task, model) == (table and f"config/labels/{table}.csv")

    def test_tables_are_named_from_the_yaml_file_they_stand_in(self, mine, tmp_path):
        registry = mine(
            {**self.CODED, **self.MAPPED, "labels": "names.csv"},
            ["x", "y"],
            names="label,why\nAF,a\n1dAVb,b\n",
            codes="snomed,label\n1,AF\n2,AF\n",
            net=f"{self.NET_COLUMNS}x,AF,AF,close,\ny,any,AF|1dAVb,broader,\n",
        )
        assert registry.tasks["mine"]["labels"] == ["AF", "1dAVb"]
        assert registry.tasks["mine"]["codes"] == {"1": "AF", "2": "AF"}
        assert registry.mapping_of("mine", "net") == str(tmp_path / "net.csv")

    def test_a_model_of_the_tasks_labels_needs_no_mapping(self, mine):
        assert mine(self.TASK, ["1dAVb"]).mapping_of("mine", "net") is None
        with pytest.raises(ConfigError, match="output 'AFL' of model `net` is no label of the task; did you mean `AF`"):
            mine(self.TASK, ["AFL"])
        with pytest.raises(ConfigError, match="output 'afib' of model `openecg_rhythm` is no label.* `mappings`"):
            mine({**self.TASK, "models": ["openecg_rhythm"]})

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"labels": None}, "`labels` is missing; kind multilabel needs"),
            ({"labels": []}, "key `mine.labels`"),
            ({"labels": ["AF", "AF"]}, "key `mine.labels`"),
            ({"truth_column": "t"}, "`codes` is missing, .* what the codes in `t` stand for"),
            ({"codes": "codes.csv"}, "`codes` is given without `truth_column`"),
            ({"mappings": {"nett": "net.csv"}}, "`mappings` names `nett`, .*; did you mean `net`"),
            ({"mappings": {"net": "absent.csv"}}, r"absent\.csv: cannot be read"),
            ({"kind": "binary", "labels": None}, "`truth_column` is missing; kind binary needs"),
            ({"kind": "patterns", "labels": None}, "`truth_column` is missing; kind patterns needs"),
            ({"kind": "binary", "truth_column": "t"}, "`labels` means nothing to kind binary; remove it"),
            ({"kind": "binary", "labels": None, "mappings": {"net": "a"}}, "`mappings` means nothing to kind binary"),
            ({"kind": "multi"}, "key `mine.kind` .* expected one of patterns, binary, multilabel"),
            ({"lables": ["a"]}, "unknown key `mine.lables`; did you mean `labels`"),
        ],
    )
    def test_a_wrong_entry_is_an_error_of_one_line(self, mine, change, message):
        task = {key: value for key, value in {**self.TASK, **change}.items() if value is not None}
        with pytest.raises(ConfigError, match=message) as error:
            mine(task)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ("1,AF\n1,AF", "line 3: code 1 is there twice"),
            ("1,AFf", "line 2: 'AFf' is no label of the task; did you mean `AF`"),
            ("1|2,AF", r"line 2: snomed is '1\|2', expected one code"),
            (",AF", "line 2: snomed is ''"),
            ("", "no rows below the header"),
        ],
    )
    def test_codes_that_cannot_be_are_refused(self, mine, rows, message):
        with pytest.raises(ConfigError, match=rf"codes\.csv.*{message}"):
            mine(self.CODED, codes=f"snomed,label\n{rows}\n")

    @pytest.mark.parametrize(
        ("rows", "message"), [("AF\nAF", "line 3: label 'AF' is empty or there twice"), ("", "no rows below")]
    )
    def test_labels_that_cannot_be_are_refused(self, mine, rows, message):
        with pytest.raises(ConfigError, match=rf"names\.csv.*{message}"):
            mine({**self.TASK, "labels": "names.csv"}, names=f"label\n{rows}\n")

    @pytest.mark.parametrize("quality", ["broader", "approximate"])
    def test_a_broad_output_is_never_scored_as_a_narrow_label(self, mine, quality):
        with pytest.raises(ConfigError, match=rf"net\.csv: .* to 'AF': quality is {quality}, .* a name of its own"):
            mine(self.MAPPED, net=f"{self.NET_COLUMNS}AF,AF,AF,{quality},\n")
        mine(self.MAPPED, net=f"{self.NET_COLUMNS}AF,AF (by AF or flutter),AF,{quality},\n")

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("AFL,AF,AF", "no such output; did you mean `AF`"),
            ("AF,any,AF|2dAVb", "member '2dAVb' is no label of the task; did you mean `1dAVb`"),
            ("AF,AF,1dAVb", "expected 'AF' alone"),
        ],
    )
    def test_a_mapping_fits_outputs_and_labels(self, mine, row, message):
        with pytest.raises(ConfigError, match=rf"net\.csv: mapping of output .*{message}"):
            mine(self.MAPPED, net=f"{self.NET_COLUMNS}{row},exact,\n")

    def test_a_mapping_to_patterns_fits_them_and_may_be_broad(self, mine):
        task = {"kind": "patterns", "truth_column": "t", "file_column": "f", "models": ["net"]}
        task["mappings"] = {"net": "net.csv"}
        assert "labels" not in mine(task, net=f"{self.NET_COLUMNS}AF,Afib,Afib,broader,\n").tasks["mine"]
        with pytest.raises(
            ConfigError, match=r"net\.csv: .* member 'AFib' is no label of the task; did you mean `Afib`"
        ):
            mine(task, net=f"{self.NET_COLUMNS}AF,AFib,AFib,exact,\n")


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
    assert len(load().to_fetch(complete)) == 12
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
