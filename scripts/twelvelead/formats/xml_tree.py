"""XML of unknown origin, parsed without loading or expanding anything."""

import math
import re

from lxml import etree

from twelvelead.errors import UnreadableFile

_ENTITY_DECLARATION = re.compile(rb"<!ENTITY")
_CARDIOSOFT_ENCODING = re.compile(rb"""\s*<\?xml [^>]{0,100}?encoding\s*=\s*["']ISO8859-1["']""", re.IGNORECASE)
# Real exports have up to 4,400. A million take 0.15 GiB and 0.3 s; what 64 MiB can hold would take 2 GiB.
_MOST_TAGS = 1_000_000


def parse_xml(content: bytes) -> etree._Element:
    """The root element; raises UnreadableFile for XML that is malformed, huge or declares entities.

    A document type with an external identifier, as every MUSE file has it, is tolerated and never loaded.
    """
    # Looked for before parsing (zero bytes dropped, so UTF-16 too): a declared entity costs nothing that way.
    has_zeros = b"\0" in content[:64]
    if _ENTITY_DECLARATION.search(content.translate(None, b"\0") if has_zeros else content):
        raise _declares_entities()
    if len(content) > _MOST_TAGS and content.count(b"<") + content.count(b"=") > _MOST_TAGS:
        raise UnreadableFile(f"XML with over {_MOST_TAGS:,} tags and attributes, as no ECG export has; export it again")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        encoding=None if has_zeros else _quickest_encoding(content),
    )
    try:
        # Exports that were pasted or wrapped by other software begin with a blank line, which XML does not allow.
        root = etree.fromstring(content if has_zeros else content.lstrip(), parser)
    except etree.XMLSyntaxError as error:
        # The parser's own message can quote the file, and with it a name.
        raise UnreadableFile(
            f"XML is broken at line {error.lineno}; the file is truncated or was edited, export it again"
        ) from None
    document_type = root.getroottree().docinfo.internalDTD
    if document_type is not None and next(document_type.iterentities(), None) is not None:
        raise _declares_entities()
    return root


def _quickest_encoding(content: bytes) -> str | None:
    """The encoding to parse a file without zeros in, to the same text as the declared one; None for that itself.

    libxml2 knows ISO-8859-1, but takes four to six times as long through the converter that CardioSoft's name for it,
    ISO8859-1, leads to. ASCII is the same in every encoding without zeros.
    """
    if content.isascii():
        return "utf-8"
    return "iso-8859-1" if _CARDIOSOFT_ENCODING.match(content) else None


def positive_number(element: etree._Element, path: str) -> float:
    """The number in the text at `path` below `element`; raises UnreadableFile unless it is finite and above 0."""
    return as_positive(element.findtext(path), path)


def as_positive(text: str | None, name: str) -> float:
    """`text` as a number; raises UnreadableFile, naming `name`, unless it is finite and above 0."""
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not (0 < number < math.inf):
        raise UnreadableFile(f"{name} is {'not a positive number' if text else 'absent'}; expected a positive number")
    return number


def short_text(element: etree._Element, path: str) -> str:
    """The text at `path`, white space collapsed and at most 60 characters; empty where it is absent."""
    return " ".join((element.findtext(path) or "").split())[:60]


def _declares_entities() -> UnreadableFile:
    return UnreadableFile("XML declares entities, which no ECG export needs; refused as unsafe")
