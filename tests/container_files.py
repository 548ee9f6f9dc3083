"""Reads containers/Dockerfile and containers/twelvelead.def far enough to compare them."""

import re
import shlex

SECTION = re.compile(r"^%(\w+)\s*$")


def rendered(definition: str, **arguments: str) -> str:
    """The definition with its {{ ARGUMENTS }} filled in: by `arguments`, else by its own defaults."""
    values = pairs(sections(definition)["arguments"]) | arguments
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: values[found[1]], definition)


def sections(definition: str) -> dict[str, list[str]]:
    """Lines that say something, stripped, by section; those above the first one are the header."""
    found = {"header": []}
    section = "header"
    for line in definition.splitlines():
        if match := SECTION.match(line):
            section = match[1]
            found[section] = []
        elif line.strip() and not line.lstrip().startswith("#"):
            found[section].append(line.strip())
    return found


def pairs(lines: list[str]) -> dict[str, str]:
    """NAME=value lines, with or without `export`."""
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, argument) in order. Raises ValueError for a line that is no instruction Docker has."""
    found = []
    for line in dockerfile.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, argument = line.partition(" ")
        if name not in ("ARG", "FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "CMD"):
            raise ValueError(f"no instruction used here: {line}")
        found.append((name, argument.strip()))
    return found


def arguments_of(dockerfile: str, instruction: str) -> list[str]:
    return [argument for name, argument in instructions(dockerfile) if name == instruction]


def copies(dockerfile: str) -> list[list[str]]:
    """[source, destination] of every COPY."""
    return [shlex.split(argument) for argument in arguments_of(dockerfile, "COPY")]
