"""XML that attacks its reader: entities, nesting, and more of everything than a file should have."""

import random
import re

from faults.damage import LARGEST_FILE, once
from faults.xml_text import DECLARATION, ELEMENT, ROOT, xml

_DOCUMENT_TYPE = re.compile(r"<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>", re.DOTALL)


def _with_document_type(text: str, subset: str, external: str = "", body: str = "") -> str | None:
    """The XML with this document type in the place of its own, and `body` as the first child of its root."""
    root = ROOT.search(text)
    if root is None:
        return None
    with_body = text[: root.end()] + body + text[root.end() :]
    declared = f"<!DOCTYPE {root[1]} {external}{f'[{subset}]' if subset else ''}>"
    without = _DOCUMENT_TYPE.sub("", with_body, count=1)
    root = ROOT.search(without)
    return without[: root.start()] + declared + without[root.start() :]


def _laughs(levels: int = 9) -> str:
    entities = ['<!ENTITY laugh0 "ha">']
    entities += [f'<!ENTITY laugh{n} "{f"&laugh{n - 1};" * 10}">' for n in range(1, levels + 1)]
    return "".join(entities)


@once
@xml
def billion_laughs(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, _laughs(), body="<x>&laugh9;</x>")


@once
@xml
def billion_laughs_in_an_attribute(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, _laughs(), body='<x y="&laugh9;"/>')


@once
@xml
def quadratic_blowup(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, f'<!ENTITY long "{"x" * 100_000}">', body=f"<x>{'&long;' * 50_000}</x>")


@once
@xml
def recursive_entities(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, '<!ENTITY a "&b;"><!ENTITY b "&a;">', body="<x>&a;</x>")


@once
@xml
def external_entity_of_a_file(text: str, rng: random.Random) -> str | None:
    edited = _with_document_type(text, '<!ENTITY file SYSTEM "file:///etc/passwd">', body="<x>&file;</x>")
    # In the place of statements and device names, which reach the outputs.
    return edited and re.sub(r"(<(?:StmtText|DiagnosisText|leftstatement|MuseVersion)>)[^<]*", r"\1&file;", edited)


@once
@xml
def external_entity_of_an_address(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, '<!ENTITY page SYSTEM "http://127.0.0.1:9/x">', body="<x>&page;</x>")


@once
@xml
def parameter_entity(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, '<!ENTITY % file SYSTEM "file:///etc/passwd"> %file;')


@once
@xml
def external_subset_of_a_file(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, "", external='SYSTEM "file:///etc/passwd"')


@once
@xml
def external_subset_of_an_address(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, "", external='PUBLIC "-//X//X" "http://127.0.0.1:9/x.dtd"')


@once
@xml
def external_subset_of_a_device(text: str, rng: random.Random) -> str | None:
    return _with_document_type(text, "", external='SYSTEM "file:///dev/zero"')


@once
@xml
def inclusion_of_a_file(text: str, rng: random.Random) -> str | None:
    body = '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
    return _with_document_type(text, "", body=body)


@xml
def entities_in_another_encoding(text: str, rng: random.Random) -> str | None:
    """Encodings in which a search of the bytes for the declaration of an entity finds nothing."""
    bombed = _with_document_type(text, _laughs(), body='<x y="&laugh9;">&laugh9;</x>')
    encoding = rng.choice(("utf-7", "cp037", "utf-32", "utf-16-le", "utf-16-be", "hz"))
    if bombed is None:
        return None
    declared = f'<?xml version="1.0" encoding="{"IBM037" if encoding == "cp037" else encoding.upper()}"?>'
    recoded = DECLARATION.sub("", bombed, count=1).lstrip("\ufeff\xef\xbb\xbf \r\n")
    return (declared + recoded).encode(encoding, "xmlcharrefreplace").decode("latin-1")


@once
@xml
def entities_behind_a_long_comment(text: str, rng: random.Random) -> str | None:
    bombed = _with_document_type(text, _laughs(), body="<x>&laugh9;</x>")
    return bombed and bombed.replace("<!DOCTYPE", f"<!--{'x' * 100_000}--><!DOCTYPE", 1)


@xml
def deep_nesting(text: str, rng: random.Random) -> str | None:
    """100,000 levels, in the root or in the place of a value, closed again or not."""
    name = rng.choice(("x", "LeadData", "component", "a:b", "ecg"))
    levels = 100_000
    nested = f"<{name}>" * levels + rng.choice((f"</{name}>" * levels, ""))
    starts = [match.end() for match in ELEMENT.finditer(text[:50_000])]
    at = rng.choice(starts) if starts else 0
    return text[:at] + nested + text[at:]


@xml
def moderate_nesting(text: str, rng: random.Random) -> str | None:
    """Just below what parsers refuse by themselves."""
    levels = rng.choice((200, 254, 255, 256, 2000))
    starts = [match.end() for match in ELEMENT.finditer(text[:50_000])]
    at = rng.choice(starts) if starts else 0
    return text[:at] + "<x>" * levels + "</x>" * levels + text[at:]


@xml
def many_attributes(text: str, rng: random.Random) -> str | None:
    attributes = "".join(f' a{number}="1"' for number in range(rng.choice((100_000, 900_000, 1_100_000))))
    return _in_first_tag(text, attributes)


@xml
def many_namespaces(text: str, rng: random.Random) -> str | None:
    return _in_first_tag(
        text, "".join(f' xmlns:n{number}="u{number}"' for number in range(rng.choice((2_000, 50_000))))
    )


def _in_first_tag(text: str, attributes: str) -> str | None:
    root = ROOT.search(text)
    if root is None:
        return None
    at = root.start(1) + len(root[1])
    return text[:at] + attributes + text[at:]


@xml
def many_elements(text: str, rng: random.Random) -> str | None:
    """Elements that a reader may look for, near the number at which files are refused."""
    names = ("x", "Waveform", "LeadData", "WaveformData", "component", "statement", "annotation", "CHANNEL", "channel")
    name = rng.choice(names)
    root = ROOT.search(text)
    if root is None:
        return None
    return text[: root.end()] + f"<{name}/>" * rng.choice((300_000, 980_000, 1_100_000)) + text[root.end() :]


@xml
def many_copies_of_an_element(text: str, rng: random.Random) -> str | None:
    """A leaf as often as a file may have tags: statements, codes, annotations."""
    leaves = list(re.finditer(r"<([A-Za-z_][\w:.-]*)(?:\s[^<>]*)?(?:/>|>[^<]{0,100}</\1>)", text))
    if not leaves:
        return None
    leaf = rng.choice(leaves)
    times = min(900_000 // (leaf[0].count("<") + leaf[0].count("=")), (LARGEST_FILE - len(text)) // len(leaf[0]))
    return text[: leaf.end()] + leaf[0] * max(times, 2) + text[leaf.end() :]


@xml
def huge_text(text: str, rng: random.Random) -> str | None:
    starts = [match.end() for match in ELEMENT.finditer(text)]
    if not starts:
        return None
    at = rng.choice(starts)
    return text[:at] + rng.choice("x1A \U0001f600") * rng.choice((200_000, 9_000_000, 20_000_000)) + text[at:]


@xml
def huge_name(text: str, rng: random.Random) -> str | None:
    root = ROOT.search(text)
    return root and text[: root.end()] + f"<{'x' * rng.choice((1000, 60_000, 20_000_000))}/>" + text[root.end() :]


@xml
def comments_and_instructions(text: str, rng: random.Random) -> str | None:
    starts = [match.end() for match in ELEMENT.finditer(text)]
    if not starts:
        return None
    at = rng.choice(starts)
    piece = rng.choice(
        ("<!-- -->", "<?x y?>", "<![CDATA[]]>", "<![CDATA[<x>]]>", "&#0;", "&#xD800;", "&amp;", "&nothing;", "\0")
    )
    return text[:at] + piece * rng.choice((1, 50, 200_000)) + text[at:]


BOMBS = (
    billion_laughs,
    billion_laughs_in_an_attribute,
    quadratic_blowup,
    recursive_entities,
    external_entity_of_a_file,
    external_entity_of_an_address,
    parameter_entity,
    external_subset_of_a_file,
    external_subset_of_an_address,
    external_subset_of_a_device,
    inclusion_of_a_file,
    entities_in_another_encoding,
    entities_behind_a_long_comment,
    deep_nesting,
    moderate_nesting,
    many_attributes,
    many_namespaces,
    many_elements,
    many_copies_of_an_element,
    huge_text,
    huge_name,
    comments_and_instructions,
)
