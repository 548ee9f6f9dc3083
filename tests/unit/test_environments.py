"""Conda environments have the pinned versions, and every rule's has what its script imports."""

import ast
import re
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from container_files import pairs
from workflow.running import ROOT

ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
ENVIRONMENT_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["channels", "dependencies"],
    "properties": {
        "channels": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "dependencies": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "string", "pattern": r"^[a-z0-9_.-]+(=[0-9.]+)?$"},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["pip"],
                        "properties": {
                            "pip": {"type": "array", "items": {"type": "string", "pattern": "^[^= ]+==[^= ]+$"}}
                        },
                    },
                ]
            },
        },
    },
}


def requirements() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return pairs([line.replace("==", "=") for line in lines if "==" in line])


def pip_packages(path: Path) -> dict[str, str]:
    return pairs([line.replace("==", "=") for line in yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]])


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_have_the_pinned_versions(path):
    environment = yaml.safe_load(path.read_text())
    jsonschema.validate(environment, ENVIRONMENT_SCHEMA)
    assert environment["dependencies"][:2] == ["python=3.11", "pip"]
    assert pip_packages(path).items() <= requirements().items()


def rules_with_scripts() -> dict[str, tuple[str, str | None]]:
    """Name of every rule that runs a script -> the script, and its conda environment or None."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"^(?=rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            script = re.search(r'^    script:\s+"\.\./(\S+)"', block, re.MULTILINE)
            conda = re.search(r'^    conda:\s+"\.\./(\S+)"', block, re.MULTILINE)
            if script:
                found[re.match(r"rule (\w+)", block)[1]] = (script[1], conda and conda[1])
    return found


def imported_packages(script: Path) -> set[str]:
    """Top-level names of the installed packages that a script may import, through the library too, lazily or not."""
    packages, seen, waiting = set(), set(), [script]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in imported_modules(path):
            if module.startswith("twelvelead"):
                waiting += library_files(module)
            elif module.partition(".")[0] not in sys.stdlib_module_names:
                packages.add(module.partition(".")[0])
    return packages


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            prefix = node.args[0].values[0].value  # import_module(f"twelvelead.formats.{name}"): any of the folder
            modules |= {f"{prefix}{file.stem}" for file in (ROOT / "scripts" / prefix.replace(".", "/")).glob("*.py")}
    return modules


def library_files(module: str) -> list[Path]:
    """The file of a module of the library and those of the packages above it; of a name in a module, that module's."""
    places = [ROOT / "scripts" / Path(*module.split(".")[: depth + 1]) for depth in range(module.count(".") + 1)]
    candidates = [place / "__init__.py" for place in places] + [place.with_suffix(".py") for place in places]
    return [path for path in candidates if path.is_file()]


DISTRIBUTIONS = {"yaml": "PyYAML", "jinja2": "Jinja2", "markupsafe": None}  # None: comes with another one


def test_every_rule_finds_what_it_imports_in_its_environment():
    rules = rules_with_scripts()
    assert len(rules) > 20
    for rule, (script, conda) in rules.items():
        if rule == "provenance":  # it tells what is installed, so it stays with the main process
            assert conda is None
            continue
        assert conda is not None, f"rule {rule} has no conda environment"
        needed = {DISTRIBUTIONS.get(name, name) for name in imported_packages(ROOT / script)} - {None}
        assert needed <= pip_packages(ROOT / conda).keys(), f"{rule}: {conda}"
