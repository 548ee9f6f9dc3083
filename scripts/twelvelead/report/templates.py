"""Templates of pages, which lie in this folder: what is put into one is escaped, and a missing value is an error."""

from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from twelvelead.report.svg import printable

FOLDER = Path(__file__).parent


def template(name: str, filters: Mapping[str, Callable[..., str]] | None = None) -> Template:
    """The template of a file in FOLDER.

    filters  what it may call beside Jinja's own filters and `count`, an integer with its thousands apart
    Text that HTML cannot hold is spelt out (svg.printable). Rendering raises jinja2.UndefinedError for a missing value.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {"count": lambda value: f"{value:,}", **(filters or {})}
    return environment.get_template(name)
