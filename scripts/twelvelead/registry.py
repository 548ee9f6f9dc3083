"""Models and tasks as the configuration declares them, and which models are at hand for a run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from twelvelead.config import check, did_you_mean, read_yaml, with_defaults
from twelvelead.errors import ConfigError, ModelError
from twelvelead.labels.patterns import read_patterns, read_rows
from twelvelead.models import FAMILIES
from twelvelead.models.lockfile import is_at_hand
from twelvelead.models.weights import why_not_at_hand
from twelvelead.recipes import WINDOWED
from twelvelead.registry_tasks import PATTERNS, check_task, resolve_task
from twelvelead.windows import LabelAggregation, read_aggregations

LEXICON = "lexicon"
# The labelers that `labeler: auto` takes, and `bert` stands for: the first one at hand. DeepECG uses the first.
BERT_LABELERS = ("Bert_diagnosis2classification_En_Fr", "Bert_diagnosis2classification")
TO_FETCH = "run `snakemake fetch_models`; gated models need a token (README.md, Getting the weights)"
COMMON_KEYS = ("title", "family", "source", "sha256", "settings", "thresholds", "licence")


@dataclass(frozen=True)
class Registry:
    """models and tasks by name; absent says, for every model that cannot run now, what is missing and what to do.

    labeler  "lexicon", or the model that turns machine statements into patterns; absent only where it was asked for
    """

    models: dict[str, dict]
    tasks: dict[str, dict]
    absent: dict[str, str]
    labeler: str

    @classmethod
    def load(cls, root: Path, settings: Mapping) -> "Registry":
        """The shipped tables with the user's own merged over them. Raises ConfigError for an entry that cannot be."""
        patterns = read_patterns(root / PATTERNS).names
        models = {
            name: _resolved(name, entry, root)
            for name, entry in _merged(root, "models", settings["extra_models"]).items()
        }
        tasks = {
            name: resolve_task(name, entry, root)
            for name, entry in _merged(root, "tasks", settings["extra_tasks"]).items()
        }
        for name, task in tasks.items():
            check_task(name, task, models, patterns, root)
        _check_names(settings["models"], models, "models")
        _check_names(settings["tasks"], tasks, "tasks")
        absent = {}
        for name, entry in models.items():
            reason = _left_out(name, entry, settings) or _missing(name, entry, settings)
            if reason:
                absent[name] = reason
        return cls(models, tasks, absent, _labeler(settings["labeler"], models, absent))

    def models_of(self, task: str) -> list[str]:
        """Models at hand for a task, in the order its entry gives them."""
        return [model for model in self.tasks[task]["models"] if model not in self.absent]

    def absent_models_of(self, task: str) -> dict[str, str]:
        """Models that could answer a task but are not at hand, with the reason."""
        return {model: self.absent[model] for model in self.tasks[task]["models"] if model in self.absent}

    def mapping_of(self, task: str, model: str) -> str | None:
        """The table from a model's outputs to what a task asks for, relative to the repository's root or absolute.

        None where the outputs are what it asks for.
        """
        # A model's own mapping is one to patterns.
        own = self.models[model].get("mapping") if self.tasks[task]["kind"] == "patterns" else None
        return self.tasks[task]["mappings"].get(model, own)

    def check_labeler(self) -> None:
        """Raises ConfigError where the labeler that was asked for is not at hand: only a job that needs it fails."""
        if self.labeler in self.absent:
            raise ConfigError(
                f"configuration: `labeler` is {self.labeler}, but {self.absent[self.labeler]}; "
                "or set `labeler: lexicon`"
            )

    def worth_a_warning(self, settings: Mapping) -> dict[str, str]:
        """Absent models that a user may expect to run: named in `models`, with weights at hand, or of a path of theirs.

        Each with the reason.
        """
        named = [] if settings["models"] == "auto" else settings["models"]
        return {
            name: reason
            for name, reason in self.absent.items()
            if name in named
            or (
                reason == _missing(name, self.models[name], settings)
                and _is_expected(name, self.models[name], settings)
            )
        }

    def unanswered(self, tasks: Iterable[str], settings: Mapping) -> dict[str, list[str]]:
        """Those of the tasks that no model at hand answers, by the reason, which says what to do."""
        found: dict[str, list[str]] = {}
        for task in tasks:
            if not self.models_of(task):
                found.setdefault(self._why_unanswered(task, settings), []).append(task)
        return found

    def _why_unanswered(self, task: str, settings: Mapping) -> str:
        absent = self.absent_models_of(task)
        if any(_can_be_fetched(name, self.models[name], settings) for name in absent):
            return TO_FETCH
        return next(iter(absent.values()), "`models` of its entry is empty; name some there")

    def to_fetch(self, settings: Mapping) -> list[str]:
        """Models with a hub repository that a run with these settings may use: all, or those it names."""
        names = [name for name, entry in self.models.items() if "hub" in entry["source"]]
        if settings["models"] == "auto":
            return [name for name in names if not _left_out(name, self.models[name], settings)]
        wanted = {*settings["models"], *_labeler_names(settings["labeler"])[:1]}
        return [name for name in names if name in wanted]


def family_settings(entry: Mapping) -> dict:
    """What a family's `load` is given of an entry whose labels and order have been read."""
    keys = ("input_scale", "activation", "batch_size", "output_order")
    given = {key: entry[key] for key in keys if key in entry}
    outputs = {"outputs": entry["labels"]} if "labels" in entry else {}
    return {**entry["settings"], **outputs, **given}


def _merged(root: Path, kind: str, extra: str | None) -> dict[str, dict]:
    schema = read_yaml(root / f"config/schemas/{kind}.schema.yaml")
    entries = read_yaml(root / f"config/{kind}.yaml")
    check(entries, schema, f"config/{kind}.yaml")
    if extra is not None:
        own = read_yaml(extra)
        check(own, schema, extra)
        for entry in own.values():
            _name_from(Path(extra).resolve().parent, entry)
        entries |= own
    return with_defaults(entries, schema)


def _name_from(folder: Path, entry: dict) -> None:
    """Makes the files that an entry of the user's names, relative to the YAML file it stands in, absolute."""
    for key in ("mapping", "labels", "codes"):
        if isinstance(entry.get(key), str):
            entry[key] = str(folder / entry[key])
    if "mappings" in entry:
        entry["mappings"] = {model: str(folder / path) for model, path in entry["mappings"].items()}
    if "thresholds" in entry:
        entry["thresholds"]["table"] = str(folder / entry["thresholds"]["table"])
    if "path" in entry.get("source", {}):
        entry["source"]["path"] = str(folder / entry["source"]["path"])


def _resolved(name: str, entry: dict, root: Path) -> dict:
    """The entry with the names of its outputs and their order read from its table. Raises ConfigError."""
    family = FAMILIES.get(entry["family"])
    if family is None:
        raise ConfigError(
            f"model `{name}`: no family {entry['family']}{did_you_mean(entry['family'], FAMILIES)}; known are "
            f"{', '.join(FAMILIES)}"
        )
    keys = (*COMMON_KEYS, *family.keys, *(("recipe", "mapping") if family.reads == "signals" else ()))
    for key in entry:
        if key not in keys:
            raise ConfigError(
                f"model `{name}`: `{key}` means nothing to family {entry['family']}, which has "
                f"{', '.join(keys)}; remove it"
            )
    for key in entry["settings"]:
        if key not in family.settings:
            known = ", ".join(family.settings) or "none"
            raise ConfigError(
                f"model `{name}`: unknown setting `{key}`{did_you_mean(key, family.settings)}; family "
                f"{entry['family']} has {known}"
            )
    needed = [key for key in ("recipe", "labels") if key in keys and key not in entry]
    if needed:
        raise ConfigError(f"model `{name}`: `{'`, `'.join(needed)}` is missing; family {entry['family']} needs it")
    if family.windowed != (entry.get("recipe") in WINDOWED):
        windowed = ", ".join(known for known, other in FAMILIES.items() if other.windowed)
        raise ConfigError(
            f"model `{name}`: family {entry['family']} with recipe {entry['recipe']}, expected recipe "
            f"{', '.join(WINDOWED)} for family {windowed} and for no other: it makes several windows of a recording, "
            "whose predictions only this family puts together; correct one of them"
        )
    resolved = dict(entry)
    if "labels" in entry:
        resolved["labels"] = _labels(name, entry["labels"], root)
    if family.windowed:
        aggregations = _aggregations(name, entry["labels"], root)
        resolved["aggregations"] = [label.aggregation for label in aggregations]
        resolved["aggregation_sources"] = [label.source for label in aggregations]
    if isinstance(entry.get("output_order"), str):
        resolved["output_order"] = _order(name, entry, root)
    order = resolved.get("output_order")
    if order is not None and (len(order) != len(resolved["labels"]) or len(set(order)) < len(order)):
        raise ConfigError(
            f"model `{name}`: output_order is {str(order)[:80]}, expected {len(resolved['labels'])} different "
            "positions, one for each of `labels`"
        )
    return resolved


def _labels(name: str, labels: str | list[str], root: Path) -> list[str]:
    if not isinstance(labels, str):
        return labels
    rows = read_rows(root / labels, ())
    column = next((column for column in ("pattern", "label") if rows and column in rows[0][1]), None)
    if column is None:
        raise ConfigError(f"model `{name}`: {labels} has no column `pattern` or `label` with names of outputs; add it")
    return [row[column] for _, row in rows]


def _aggregations(name: str, labels: str | list[str], root: Path) -> Sequence[LabelAggregation]:
    """How each label's probabilities in windows become the recording's; by their mean where no table says it."""
    if isinstance(labels, str) and "aggregation" in next(iter(read_rows(root / labels, ())), (0, ()))[1]:
        return read_aggregations(root / labels)
    return [LabelAggregation(label, "mean", "ours") for label in _labels(name, labels, root)]


def _order(name: str, entry: Mapping, root: Path) -> list[int]:
    column, labels = entry["output_order"], entry["labels"]
    if not isinstance(labels, str):
        raise ConfigError(f"model `{name}`: output_order is {column!r}, expected a list, since labels is one")
    try:
        return [int(row[column]) for _, row in read_rows(root / labels, (column,))]
    except ValueError as error:
        raise ConfigError(f"model `{name}`: column {column} of {labels} must hold whole numbers ({error})") from None


def _check_names(wanted: str | list[str], known: Mapping, key: str) -> None:
    for name in [] if wanted == "auto" else wanted:
        if name not in known:
            raise ConfigError(
                f"configuration: `{key}` names `{name}`, which is unknown{did_you_mean(name, known)}; "
                f"known are {', '.join(known)}"
            )


def _left_out(name: str, entry: Mapping, settings: Mapping) -> str:
    if any(name.startswith(prefix) for prefix in settings["left_out_model_prefixes"]):
        return "left out by use_efficientnet or use_wcr"
    reads_signals = FAMILIES[entry["family"]].reads == "signals"
    if reads_signals and settings["models"] != "auto" and name not in settings["models"]:
        return "not among `models` of the configuration"
    return ""


def _is_expected(name: str, entry: Mapping, settings: Mapping) -> bool:
    try:
        return "path" in entry["source"] or is_at_hand(Path(settings["weights"]) / name)
    except ModelError:  # a folder that cannot be read
        return True


def _can_be_fetched(name: str, entry: Mapping, settings: Mapping) -> bool:
    wanted = "hub" in entry["source"] and not _left_out(name, entry, settings)
    return wanted and not _is_expected(name, entry, settings)


def _missing(name: str, entry: Mapping, settings: Mapping) -> str:
    package = entry["source"].get("package")
    if package is not None and find_spec(package) is None:
        return f"the Python package {package} is not installed; run make setup"
    return why_not_at_hand(name, entry, Path(settings["weights"]), settings["trust_local_weights"])


def _labeler_names(labeler: str) -> tuple[str, ...]:
    if labeler == LEXICON:
        return ()
    return BERT_LABELERS if labeler in ("auto", "bert") else (labeler,)


def _labeler(labeler: str, models: Mapping[str, Mapping], absent: Mapping[str, str]) -> str:
    """The lexicon or the model that `labeler` stands for, be it at hand or not. Raises ConfigError for another name."""
    if labeler not in ("auto", "bert", LEXICON):
        texts = [name for name, entry in models.items() if FAMILIES[entry["family"]].reads == "texts"]
        if labeler not in texts:
            known = ["auto", LEXICON, "bert", *texts]
            raise ConfigError(
                f"configuration: `labeler` is {labeler}{did_you_mean(labeler, known)}; expected one of "
                f"{', '.join(known)}"
            )
    names = _labeler_names(labeler)
    at_hand = [name for name in names if name in models and name not in absent]
    if at_hand:
        return at_hand[0]
    return LEXICON if labeler in ("auto", LEXICON) else names[0]
