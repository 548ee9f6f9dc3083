"""A figure of this package as an SVG file: the styles that the page has for it go inside."""

import re
from functools import cache
from html import unescape
from pathlib import Path

from twelvelead.report.plot_frame import STRONG_LETTER, wrapped
from twelvelead.report.svg import element, number, text

_HEAD = re.compile(r'<svg ([^>]*)viewBox="([^"]+)"([^>]*)>(<title>(.*?)</title><desc>.*?</desc>)', re.DOTALL)
_MARGIN, _TITLE_LINE = 10.0, 20.0
_TITLE_LETTER = STRONG_LETTER * 14 / 12


@cache
def stylesheet() -> str:
    """figures.css: what every figure of this package needs, in the page as in a file."""
    return (Path(__file__).parent / "figures.css").read_text(encoding="utf-8")


def standalone(svg: str) -> str:
    """A figure as an SVG file: with its styles, its size, an opaque ground and its title written above it.

    Raises ValueError for anything but a drawing of this package.
    """
    head = _HEAD.match(svg)
    if not head:
        raise ValueError(f"expected a figure made by svg.drawing, found {svg[:60]!r}")
    before, view_box, after, named, title = head.groups()
    left, top, width, height = (float(edge) for edge in view_box.split())
    lines = wrapped(unescape(title), width, _TITLE_LETTER) if title else []
    above = _MARGIN + _TITLE_LINE * len(lines)
    title_lines = [
        text(line, left, top - above + _MARGIN + _TITLE_LINE * (at + 0.5), class_="title")
        for at, line in enumerate(lines)
    ]
    left, top, width, height = left - _MARGIN, top - above, width + 2 * _MARGIN, height + above + _MARGIN
    box = " ".join(number(edge) for edge in (left, top, width, height))
    return (
        f'<svg {before}viewBox="{box}" width="{number(width)}" height="{number(height)}"{after}>{named}'
        + f"<style>{stylesheet()}</style>"
        + element("rect", x=left, y=top, width=width, height=height, class_="ground")
        + "".join(title_lines)
        + svg[head.end() :]
        + "\n"
    )
