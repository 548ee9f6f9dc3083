"""Models and tasks as the configuration declares them, and which models are at hand for a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from twelvelead.config import check, did_you_mean, read_yaml, with_defaults
from twelvelead.errors import ConfigError
from twelvelead.models import FAMILIES


@dataclass(frozen=True)
class Registry:
    """models and tasks by name; absent says, for every model that cannot run now, what is missing and what to do."""

    models: dict[str, dict]
    tasks: dict[str, dict]
    absent: dict[str, str]

    @classmethod
    def load(cls, root: Path, settings: Mapping) -> "Registry":
        """The shipped tables with the user's own merged over them. Raises ConfigError for an entry that cannot be."""
        models = _merged(root, "models", settings["extra_models"])
        tasks = _merged(root, "tasks", settings["extra_tasks"])
        for name, task in tasks.items():
            for model in task["models"]:
                if model not in models:
                    raise ConfigError(
                        f"task `{name}` names model `{model}`, which is not declared{did_you_mean(model, models)}"
                    )
        _check_names(settings["models"], models, "models")
        _check_names(settings["tasks"], tasks, "tasks")
        absent = {}
        for name, model in models.items():
            reason = _left_out(name, settings) or _missing(name, model, Path(settings["weights"]))
            if reason:
                absent[name] = reason
        return cls(models, tasks, absent)

    def models_of(self, task: str) -> list[str]:
        """Models at hand for a task, in the order its entry gives them."""
        return [model for model in self.tasks[task]["models"] if model not in self.absent]

    def absent_models_of(self, task: str) -> dict[str, str]:
        """Models that could answer a task but are not at hand, with the reason."""
        return {model: self.absent[model] for model in self.tasks[task]["models"] if model in self.absent}


def _merged(root: Path, kind: str, extra: str | None) -> dict[str, dict]:
    schema = read_yaml(root / f"config/schemas/{kind}.schema.yaml")
    entries = read_yaml(root / f"config/{kind}.yaml")
    check(entries, schema, f"config/{kind}.yaml")
    if extra is not None:
        own = read_yaml(extra)
        check(own, schema, extra)
        for entry in own.values():
            if "mapping" in entry:  # named from the file it stands in
                entry["mapping"] = str(Path(extra).resolve().parent / entry["mapping"])
        entries |= own
    return with_defaults(entries, schema)


def _check_names(wanted: str | list[str], known: Mapping, key: str) -> None:
    for name in [] if wanted == "auto" else wanted:
        if name not in known:
            raise ConfigError(
                f"configuration: `{key}` names `{name}`, which is unknown{did_you_mean(name, known)}; "
                f"known are {', '.join(known)}"
            )


def _left_out(name: str, settings: Mapping) -> str:
    if any(name.startswith(prefix) for prefix in settings["left_out_model_prefixes"]):
        return "left out by use_efficientnet or use_wcr"
    if settings["models"] != "auto" and name not in settings["models"]:
        return "not among `models` of the configuration"
    return ""


def _missing(name: str, model: Mapping, weights: Path) -> str:
    package = model["source"].get("package")
    if package is not None and find_spec(package) is None:
        return f"the Python package {package} is not installed; run make setup"
    if model["family"] not in FAMILIES:
        return f"this version cannot load models of family {model['family']} yet"
    if package is None and not (weights / name).is_dir():
        return f"its weights are not in {weights / name}/; they are {model['source']['hub']} on the Hugging Face Hub"
    return ""
