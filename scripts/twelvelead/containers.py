"""Which container image the jobs run in, and which folders they must see there."""

import re
from collections.abc import Iterable
from pathlib import Path

from twelvelead.errors import ConfigError

_URI = re.compile(r"^[a-z][a-z0-9+.-]*://")


def find_image(container: str, root: Path) -> str:
    """The URI `container`, or the absolute path of the file it names, seen from the working folder or from `root`.

    Raises ConfigError where there is no such file.
    """
    if _URI.match(container):
        return container
    for folder in (Path(), root):
        if (folder / container).exists():  # a file, or a folder in which an image lies unpacked
            return str((folder / container).absolute())
    raise ConfigError(
        f"configuration: `container` is {container}, but there is no such file; build it with `make image`, give the "
        "path or URI of an image, or run without --use-singularity / --sdm apptainer"
    )


def folders_outside(paths: Iterable[Path], working_folder: Path) -> list[str]:
    """Folders that jobs need and that a container does not show by itself: of each path, and of what it links to.

    A file stands for its folder; what does not exist yet for the closest folder above it. Without the root folder, and
    those that lie below another one or below `working_folder`.
    """
    seen = [working_folder.resolve(), working_folder.absolute()]
    folders = set()
    for path in paths:
        for place in (path.absolute(), path.resolve()):
            while not place.is_dir():
                place = place.parent
            folders.add(place)
    for folder in sorted(folders - {Path("/")}):  # a folder comes before what is below it
        if not any(folder.is_relative_to(other) for other in seen):
            seen.append(folder)
    return [str(folder) for folder in seen[2:]]
