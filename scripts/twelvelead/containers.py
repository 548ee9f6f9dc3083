"""Which container image the jobs run in, and which folders they must see there."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from twelvelead.errors import ConfigError

_URI = re.compile(r"^[a-z][a-z0-9+.-]*://")


def find_image(container: str, root: Path) -> str:
    """The URI `container`, or the path of the file it names, seen from the working folder or from `root`.

    The path is relative to the working folder where the image lies below that, else absolute.
    Raises ConfigError where there is no such file, and for a blank in the path, which Snakemake takes in no image.
    """
    if _URI.match(container):
        return container
    for folder in (Path(), root):
        if (folder / container).exists():  # a file, or a folder in which an image lies unpacked
            path = (folder / container).absolute()
            below = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
            if re.search(r"\s", below):
                raise ConfigError(
                    f"configuration: the path of `container`, {below}, has a blank in it, which Snakemake does not "
                    "take; move the image, or link it, to a path without one"
                )
            return below
    raise ConfigError(
        f"configuration: `container` is {container}, but there is no such file; build it with `make image` (needs "
        "Apptainer), give the path or URI of an image, or run without --use-singularity / --sdm apptainer"
    )


def folders_outside(paths: Iterable[Path], working_folder: Path) -> list[str]:
    """Folders that jobs need and that a container does not show by itself: of each path, and of what it links to.

    A file stands for its folder; what does not exist yet for the closest folder above it. Without those that lie below
    another one or below `working_folder`. Raises ConfigError where only the root folder is above, which stays hidden.
    """
    seen = [working_folder.resolve(), working_folder.absolute()]
    folders = set()
    for path in paths:
        for place in (path.absolute(), path.resolve()):
            while not place.is_dir():
                place = place.parent
            if place == Path("/"):
                raise ConfigError(
                    f"configuration: {path} is named and nothing of it exists, so a container cannot be shown it; make "
                    "its folder, or correct the path"
                )
            folders.add(place)
    for folder in sorted(folders):  # a folder comes before what is below it
        if not any(folder.is_relative_to(other) for other in seen):
            seen.append(folder)
    return [str(folder) for folder in seen[2:]]


def with_options(given: str, options: Iterable[str]) -> str:
    """Options of Apptainer as one string: the given ones and, once each, those of `options` that are not among them.

    A second module of one workflow is given what the first one added.
    """
    words = shlex.split(given)
    missing = []
    for option in options:
        own = shlex.split(option)
        if not any(words[start : start + len(own)] == own for start in range(len(words))):
            missing.append(option)
            words += own
    return " ".join(filter(None, [given, *missing]))
