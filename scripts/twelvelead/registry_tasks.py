"""Entries of tasks.yaml: their labels and codes read from tables, and whether their models' outputs fit them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from twelvelead.config import did_you_mean
from twelvelead.errors import ConfigError
from twelvelead.labels.patterns import read_rows
from twelvelead.models import FAMILIES
from twelvelead.models.mapping import check_names, check_no_broad_label, read_mapping

PATTERNS = "config/labels/deepecg77.csv"
# Which of the keys that not every kind has mean something to a kind.
KEYS_OF_KIND = {"patterns": ("mappings",), "binary": (), "multilabel": ("labels", "codes", "mappings")}
SEPARATORS = "|,;"  # between the codes in a cell of a table


def resolve_task(name: str, task: Mapping, root: Path) -> dict:
    """The entry with its labels as a list and its codes as {code: label}, where it has them. Raises ConfigError."""
    kind = task["kind"]
    for key in KEYS_OF_KIND["multilabel"]:
        if task.get(key) and key not in KEYS_OF_KIND[kind]:
            raise ConfigError(f"task `{name}`: `{key}` means nothing to kind {kind}; remove it, or correct `kind`")
    if kind != "multilabel":
        if "truth_column" not in task:
            raise ConfigError(
                f"task `{name}`: `truth_column` is missing; kind {kind} needs the column of the table that holds the "
                "truth, only kind multilabel can do without"
            )
        return dict(task)
    _check_keys_of_labels(name, task)
    resolved = dict(task)
    if isinstance(task["labels"], str):
        resolved["labels"] = _read_labels(root / task["labels"])
    if "codes" in task:
        resolved["codes"] = _read_codes(root / task["codes"], resolved["labels"])
    return resolved


def check_task(name: str, task: Mapping, models: Mapping[str, Mapping], patterns: Sequence[str], root: Path) -> None:
    """Raises ConfigError where a model cannot answer the task.

    task      as resolve_task gives it
    models    resolved entries of models.yaml
    patterns  of PATTERNS, what a task of that kind asks for
    """
    for model in task["models"]:
        if model not in models:
            raise ConfigError(
                f"task `{name}` names model `{model}`, which is not declared{did_you_mean(model, models)}"
            )
        if FAMILIES[models[model]["family"]].reads != "signals":
            raise ConfigError(f"task `{name}` names model `{model}`, which reads texts; set `labeler: {model}` instead")
    for model in task["mappings"]:
        if model not in task["models"]:
            raise ConfigError(
                f"task `{name}`: `mappings` names `{model}`, which is not among `models` of the task"
                f"{did_you_mean(model, task['models'])}"
            )
    for model in task["models"]:
        entry = models[model]
        outputs = entry.get("labels") or FAMILIES[entry["family"]].outputs
        if task["kind"] == "binary":
            _check_single(name, model, outputs)
        elif model in task["mappings"]:
            labels = patterns if task["kind"] == "patterns" else task["labels"]
            _check_mapping(task, outputs, labels, root / task["mappings"][model])
        elif task["kind"] == "multilabel":
            remedy = "name a table from its outputs to labels under `mappings`"
            _check_outputs(name, model, outputs, task["labels"], "label of the task", remedy)
        elif "mapping" not in entry:
            remedy = "give the model a `mapping`"
            _check_outputs(name, model, outputs, patterns, f"pattern of {PATTERNS}", remedy)


def _check_keys_of_labels(name: str, task: Mapping) -> None:
    if "labels" not in task:
        raise ConfigError(
            f"task `{name}`: `labels` is missing; kind multilabel needs a list of them, or a CSV file with a column "
            "`label`"
        )
    if "truth_column" in task and "codes" not in task:
        raise ConfigError(
            f"task `{name}`: `codes` is missing, a CSV file with columns snomed and label that says what the codes in "
            f"`{task['truth_column']}` stand for; add it, or remove `truth_column` where every label is a column"
        )
    if "codes" in task and "truth_column" not in task:
        raise ConfigError(
            f"task `{name}`: `codes` is given without `truth_column`, the column that holds codes; add it, or remove "
            "`codes` where every label is a column"
        )


def _read_labels(path: Path) -> list[str]:
    labels: list[str] = []
    for line, row in read_rows(path, ("label",)):
        if not row["label"] or row["label"] in labels:
            raise ConfigError(
                f"{path}, line {line}: label {row['label']!r} is empty or there twice; give each its own row"
            )
        labels.append(row["label"])
    if not labels:
        raise ConfigError(f"{path}: no rows below the header, expected one per label; add them")
    return labels


def _read_codes(path: Path, labels: Sequence[str]) -> dict[str, str]:
    codes: dict[str, str] = {}
    for line, row in read_rows(path, ("snomed", "label")):
        code, label = row["snomed"], row["label"]
        if not code or any(separator in code for separator in SEPARATORS):
            raise ConfigError(
                f"{path}, line {line}: snomed is {code!r}, expected one code without {' '.join(SEPARATORS)}, which "
                "separate codes; give each its own row"
            )
        if code in codes:
            raise ConfigError(f"{path}, line {line}: code {code} is there twice, expected one label for it; remove one")
        if label not in labels:
            raise ConfigError(
                f"{path}, line {line}: {label!r} is no label of the task{did_you_mean(label, labels)}; correct it, or "
                "remove the row: other codes are other diagnoses"
            )
        codes[code] = label
    if not codes:
        raise ConfigError(f"{path}: no rows below the header, expected one per code; add them")
    return codes


def _check_single(name: str, model: str, outputs: Sequence[str]) -> None:
    if len(outputs) != 1:
        raise ConfigError(f"task `{name}` is 0 or 1, but model `{model}` has {len(outputs)} outputs; it needs one")


def _check_mapping(task: Mapping, outputs: Sequence[str], labels: Sequence[str], path: Path) -> None:
    mapping = read_mapping(path)
    try:
        check_names(mapping, outputs, labels)
        if task["kind"] == "multilabel":
            check_no_broad_label(mapping, labels)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _check_outputs(
    name: str, model: str, outputs: Sequence[str], expected: Sequence[str], meaning: str, remedy: str
) -> None:
    """Raises ConfigError for an output that is not among the `expected`, each of which is a `meaning` in words."""
    foreign = next((output for output in outputs if output not in expected), None)
    if foreign is not None:
        raise ConfigError(
            f"task `{name}`: output {foreign!r} of model `{model}` is no {meaning}{did_you_mean(foreign, expected)}; "
            f"{remedy}"
        )
