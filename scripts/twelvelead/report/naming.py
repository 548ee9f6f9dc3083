"""What files and ECGs are called on the page: by their names, or by their row in the table."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Naming:
    """With `hide` neither a file's name nor its ecg_id, which is made of its path, reaches the page."""

    hide: bool = False

    def title(self, row: int, file: str) -> str:
        return f"Row {row}" if self.hide else file

    def file(self, row: int, file: str) -> str:
        return f"row {row}" if self.hide else file

    def ecg_id(self, row: int, ecg_id: str) -> str:
        return f"row {row}" if self.hide else ecg_id

    def message(self, row: int, file: str, message: str) -> str:
        """`message` without the name of the file, of the parts of its record, and the path as it is in ids.

        The stem alone stays: of a file `400.mat`, or `truncated.edf`, it is a word of the message's own.
        """
        if not self.hide:
            return message
        path = PurePosixPath(file)
        identifier = str(path.with_suffix("")).replace("/", "__") if path.name else ""
        names = [re.escape(name) for name in (file, path.name) if name]
        names += [re.escape(identifier)] if "__" in identifier else []
        names += [re.escape(path.stem) + r"\.[A-Za-z]\w*"] if path.stem else []
        for name in names:
            message = re.sub(rf"(?<![\w.]){name}(?!\w|\.\d)", f"row {row}", message)
        return message
