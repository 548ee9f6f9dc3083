"""SVG as text: elements with escaped content, numbers as short as they can be."""

from xml.sax.saxutils import escape, quoteattr

NAMESPACE = "http://www.w3.org/2000/svg"


def number(value: float, decimals: int = 2) -> str:
    """`value` with at most `decimals` decimals, without trailing zeros; -0 is 0."""
    text = f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, /, *children: str, **attributes: object) -> str:
    """An element; children are SVG already, attribute values are escaped, `class_` and `stroke_width` are respelt."""
    spelt = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(number(value) if isinstance(value, float) else str(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{spelt}>{''.join(children)}</{name}>" if children else f"<{name}{spelt}/>"


def text(content: str, x: float, y: float, **attributes: object) -> str:
    """A line of text at (x, y)."""
    return element("text", escape(printable(content)), x=float(x), y=float(y), **attributes)


def drawing(
    *children: str, view_box: tuple[float, float, float, float], title: str, description: str, **attributes: object
) -> str:
    """A standalone SVG, also valid inside HTML, that a screen reader announces as `title` and `description`."""
    return (
        f'<svg xmlns="{NAMESPACE}" viewBox="{" ".join(number(edge) for edge in view_box)}" role="img"'
        + "".join(f" {key.rstrip('_')}={quoteattr(str(value))}" for key, value in attributes.items())
        + ">"
        + element("title", escape(printable(title)))
        + element("desc", escape(printable(description)))
        + "".join(children)
        + "</svg>"
    )


def printable(content: str) -> str:
    """`content` with what neither XML nor UTF-8 can hold (control characters, lone surrogates) spelt out as \\xNN."""
    return "".join(character if _allowed(character) else _spelt_out(character) for character in content)


def _allowed(character: str) -> bool:
    code = ord(character)
    return character in "\t\n\r" or (code >= 0x20 and not 0x7F <= code <= 0x9F and not _unencodable(code))


def _unencodable(code: int) -> bool:
    return 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF)


def _spelt_out(character: str) -> str:
    code = ord(character)
    # surrogateescape: how Python reads a file name's byte that is not UTF-8
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\x{code:02x}"
