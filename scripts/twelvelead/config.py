"""The configuration of a run: validated against its schema, defaults filled in, DeepECG's keys translated."""

import difflib
import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import jsonschema
import yaml

from twelvelead.errors import ConfigError

HEARTWISE_KEYS = (
    "data_path",
    "csv_file_name",
    "ecg_signals_path",
    "output_folder",
    "preprocessing_folder",
    "use_efficientnet",
    "use_wcr",
    "diagnosis_classifier_device",
    "signal_processing_device",
    "batch_size",
    "preprocessing_n_workers",
)
LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
TYPE_NAMES = {"null": "nothing", "object": "keys and values", "array": "a list", "integer": "a whole number"}
AUTO_TABLE = "auto"  # a batch's table is made from its folder of signals, see twelvelead.sources
MODEL_NAME_PREFIX_OF_SWITCH = {"use_efficientnet": "efficientnetv2", "use_wcr": "wcr"}


def read_yaml(path: Path | str) -> dict:
    """The mapping in a YAML file. Raises ConfigError when it cannot be read or is no mapping."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds a {type(content).__name__}, expected keys and values")
    return content


def load_config(config: Mapping, schema: Mapping) -> dict:
    """The complete configuration: `config` validated by `schema`, every default filled in, one way to name a batch.

    DeepECG's heartwise.config keys and the pair `table`, `signals` become the only entry of `batches`.
    Raises ConfigError with one line per problem.
    """
    config = _typed(config, schema)
    check(config, schema, "configuration")
    complete = with_defaults(config, schema)
    left_out: list[str] = []
    heartwise = {key: config[key] for key in HEARTWISE_KEYS if key in config}
    if heartwise:
        left_out = _translate_heartwise(complete, heartwise, config, schema)
        check(complete, schema, "configuration")
    complete["left_out_model_prefixes"] = left_out
    table, signals = complete.pop("table"), complete.pop("signals")
    if table is not None or signals is not None:
        complete["batches"] = _only_batch(table, signals, complete["batches"], schema["properties"]["batches"])
    for name, batch in complete["batches"].items():
        complete["batches"][name] = _with_checked_split(name, batch)
    return complete


def _only_batch(table: str | None, signals: str | None, batches: Mapping, schema: Mapping) -> dict[str, dict]:
    if batches:
        raise ConfigError(
            "configuration: `table` and `signals` define the only batch, but `batches` is given too; remove one of them"
        )
    if table is None or signals is None:
        given, absent = ("signals", "table") if table is None else ("table", "signals")
        raise ConfigError(f"configuration: `{given}` is given without `{absent}`; give both")
    batch = with_defaults({"table": table, "signals": signals}, schema["additionalProperties"])
    return {batch_name(table, signals): batch}


def batch_name(table: str, signals: str = ".") -> str:
    """A batch's name, safe as a folder name, made of its table's file name or, for table auto, of its folder's name."""
    named_after = Path(os.path.abspath(signals)).name if table == AUTO_TABLE else Path(table).stem
    safe = "".join(
        character if character.isascii() and (character.isalnum() or character in "._-") else "_"
        for character in named_after
    )
    return safe.lstrip("._-") or "batch"


def _with_checked_split(name: str, batch: Mapping) -> dict:
    """The batch with its subset's names as text. Raises ConfigError where `split` and `subset` do not fit."""
    split, where = batch["split"], f"configuration: key `batches.{name}"
    fractions = split and split.get("fractions")
    if split is not None:
        if (split.get("column") is None) == (fractions is None):
            raise ConfigError(f"{where}.split`: give either `column` or `fractions`")
        # Not "more than", which NaN is not.
        if fractions is not None and not sum(fractions.values()) <= 1 + 1e-9:
            raise ConfigError(f"{where}.split.fractions` sums to {sum(fractions.values()):g}; expected at most 1")
    if batch["subset"] is None:
        return dict(batch)
    subset = [str(split_name) for split_name in batch["subset"]]
    if split is None:
        raise ConfigError(f"{where}.subset` is given without `split`; give the column or the fractions of the splits")
    unknown = [split_name for split_name in subset if fractions is not None and split_name not in fractions]
    if unknown:
        raise ConfigError(
            f"{where}.subset` names `{unknown[0]}`, which is none of the splits {', '.join(fractions)}"
            f"{did_you_mean(unknown[0], fractions)}"
        )
    return {**batch, "subset": subset}


def check(instance: Mapping, schema: Mapping, what: str) -> None:
    """Raises ConfigError with every violation of `schema`, one a line, each with a suggestion where there is one."""
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(instance), key=lambda error: [str(step) for step in error.absolute_path])
    if errors:
        raise ConfigError("\n".join(_explain(error, what) for error in errors))


def with_defaults(instance: Mapping, schema: Mapping) -> dict:
    """A deep copy of `instance` with the schema's defaults for every key that is absent, at every level."""
    complete = deepcopy(dict(instance))
    for key, subschema in schema.get("properties", {}).items():
        if key not in complete and "default" in subschema:
            complete[key] = deepcopy(subschema["default"])
        if isinstance(complete.get(key), dict):
            complete[key] = with_defaults(complete[key], subschema)
    entry_schema = schema.get("additionalProperties")
    if isinstance(entry_schema, Mapping):
        for key in complete.keys() - schema.get("properties", {}).keys():
            if isinstance(complete[key], dict):
                complete[key] = with_defaults(complete[key], entry_schema)
    return complete


def did_you_mean(word: str, known) -> str:
    """A suggestion to append to an error message; empty when nothing known is close."""
    close = difflib.get_close_matches(str(word), [str(name) for name in known], n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def _explain(error: jsonschema.ValidationError, what: str) -> str:
    path = ".".join(str(step) for step in error.absolute_path)
    where = f"{what}: key `{path}`" if path else what
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        prefix = f"{path}." if path else ""
        everything = "; known are " + ", ".join(sorted(known))
        return "\n".join(
            f"{what}: unknown key `{prefix}{key}`{did_you_mean(key, known) or everything}" for key in unknown
        )
    if error.validator == "required":
        absent = [key for key in error.validator_value if key not in error.instance]
        meaning = error.schema["properties"][absent[0]].get("description", "")
        return f"{where}: `{'`, `'.join(absent)}` is missing; {meaning}"
    found = "nothing" if error.instance is None else repr(error.instance)
    return f"{where} is {found}; expected {_expectation(error)}"


def _expectation(error: jsonschema.ValidationError) -> str:
    if error.validator == "enum":
        return "one of " + ", ".join(str(value) for value in error.validator_value)
    if error.validator in LIMITS:
        return f"{LIMITS[error.validator]} {error.validator_value} ({error.schema.get('description', 'a number')})"
    if error.validator == "const":
        return str(error.validator_value)
    if error.validator == "type":
        types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return " or ".join(TYPE_NAMES.get(name, f"a {name}") for name in types)
    if error.validator == "pattern" and "description" not in error.schema:
        return "letters, digits, '.', '_' and '-', with a letter or digit first"
    return error.schema.get("description") or error.message


def _typed(instance: Mapping, schema: Mapping) -> dict:
    """A copy with text as the boolean or number that the schema wants: the command line gives nested values as text."""
    converted = {}
    for key, value in instance.items():
        subschema = schema.get("properties", {}).get(key) or schema.get("additionalProperties") or {}
        if isinstance(value, Mapping):
            value = _typed(value, subschema)
        elif isinstance(value, str) and (
            subschema.get("type") in ("boolean", "integer", "number") or "const" in subschema
        ):
            read = yaml.safe_load(value.lower())
            value = read if isinstance(read, bool | int | float) else value
        converted[key] = value
    return converted


def _translate_heartwise(complete: dict, heartwise: dict, given: Mapping, schema: Mapping) -> list[str]:
    """Puts the values of DeepECG's keys where this workflow expects them; returns the prefixes of models left out."""
    for key in HEARTWISE_KEYS:
        complete.pop(key, None)
    default_of = {key: entry.get("default") for key, entry in schema["properties"].items()}
    same_as = {
        "output_folder": "results",
        "preprocessing_folder": "work",
        "ecg_signals_path": "signals",
        "signal_processing_device": "device",
    }
    for heartwise_key, key in same_as.items():
        unset = given.get(key) in (None, default_of[key])  # the shipped config.yaml repeats some defaults
        if heartwise_key in heartwise and unset:
            complete[key] = heartwise[heartwise_key]
    if "preprocessing_folder" in heartwise and "export" not in given.get("preprocessing", {}):
        complete["preprocessing"]["export"] = "base64"
    if "data_path" in heartwise or "csv_file_name" in heartwise:
        if given.get("table") == AUTO_TABLE:
            raise ConfigError(
                "configuration: `table: auto` makes the table, but data_path or csv_file_name names one; remove either"
            )
        complete["table"] = _heartwise_table(heartwise)
    return [prefix for switch, prefix in MODEL_NAME_PREFIX_OF_SWITCH.items() if heartwise.get(switch) is False]


def _heartwise_table(heartwise: dict) -> str:
    location = Path(heartwise.get("data_path", "."))
    file_name = heartwise.get("csv_file_name")
    if file_name is None:
        if location.is_dir():
            raise ConfigError(
                f"configuration: `data_path` is the folder {location}; name the table in it with `csv_file_name`, "
                "for example --config csv_file_name=cohort.csv"
            )
        return str(location)
    folder = location if location.is_dir() or location.suffix == "" else location.parent
    table = folder / file_name
    if folder.is_dir() and not table.exists():
        raise ConfigError(
            f"configuration: there is no table {table}; `csv_file_name` is a path below `data_path`, {folder}"
        )
    return str(table)
