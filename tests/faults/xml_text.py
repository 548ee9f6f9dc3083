"""The text of an XML file, and where its parts are."""

import functools
import random
import re
from collections.abc import Callable

ROOT = re.compile(r"<([A-Za-z_][\w:.-]*)(?:\s[^>]*)?>")
DECLARATION = re.compile(r"<\?xml[^>]*\?>")
ELEMENT = re.compile(r"<(?P<tag>[A-Za-z_][\w:.-]*)(?:\s[^<>]*)?>")

TextEdit = Callable[[str, random.Random], str | None]


def xml(edit: TextEdit):
    """A damage that edits the text of a file, in UTF-16 where it begins so, else byte for byte."""

    @functools.wraps(edit)
    def damage(content: bytes, rng: random.Random) -> bytes | None:
        utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        edited = edit(content.decode("utf-16" if utf_16 else "latin-1", "replace"), rng)
        if edited is None or utf_16:
            return edited and edited.encode("utf-16", "surrogatepass")
        return edited.encode("latin-1", "xmlcharrefreplace")

    return damage
