"""Participant flow as inline SVG, in the manner of STARD's diagram: who came, who was excluded and why, who is left."""

from collections.abc import Sequence
from dataclasses import dataclass

from twelvelead.report.plot_frame import LETTER, STRONG_LETTER, wrapped
from twelvelead.report.svg import drawing, element, number, text

WIDTH, NARROW, BOX, ASIDE_X, MARGIN = 760.0, 460.0, 330.0, 400.0, 2.0
MIDDLE = MARGIN + BOX / 2
LINE, PADDING, LEAST_GAP, AROUND_ASIDE = 17.0, 10.0, 34.0, 12.0


@dataclass(frozen=True)
class FlowStep:
    """A box, and what is excluded between it and the next one: (reason, count) pairs; None is a count nobody knows."""

    title: str
    count: int | None
    exclusions: tuple[tuple[str, int | None], ...] = ()


@dataclass(frozen=True)
class _Line:
    words: str
    class_: str | None = None
    indent: float = 0.0


def flow_diagram(*, title: str, steps: Sequence[FlowStep], outcomes: Sequence[tuple[str, int | None]] = ()) -> str:
    """SVG of the steps from top to bottom, with their exclusions beside them; `outcomes` part the last step.

    Raises ValueError where a step less its exclusions is not the next step, or the outcomes do not add up to the last
    step: ECGs would have been dropped in silence.
    """
    _check(steps, outcomes)
    parts, y = [], MARGIN
    for at, step in enumerate(steps):
        box, bottom = _box([_Line(_counted(step.title, step.count), "strong")], MARGIN, y, BOX)
        parts.append(box)
        y = bottom
        if at == len(steps) - 1:
            break
        after = bottom + LEAST_GAP
        if step.exclusions:
            aside, aside_bottom = _excluded(step.exclusions, bottom + AROUND_ASIDE)
            parts.append(aside)
            after = aside_bottom + AROUND_ASIDE
        parts.append(_arrow((MIDDLE, bottom), (MIDDLE, after)))
        y = after
    if steps and outcomes:
        parted, y = _outcomes(outcomes, y)
        parts.append(parted)
    wide = any(step.exclusions for step in steps)
    return drawing(
        *(parts or [text("No steps", MARGIN, 16)]),
        view_box=(0, 0, WIDTH if wide else NARROW, max(y, 20) + MARGIN),
        title=title,
        description=_in_words(steps, outcomes),
        class_="figure wide" if wide else "figure",
    )


def _check(steps: Sequence[FlowStep], outcomes: Sequence[tuple[str, int | None]]) -> None:
    for at, step in enumerate(steps):
        excluded = [count for _, count in step.exclusions]
        following = steps[at + 1].count if at + 1 < len(steps) else None
        if excluded and at + 1 == len(steps):
            raise ValueError(f"the last step {step.title!r} has exclusions; expected a step with what is left")
        if None not in (step.count, following, *excluded) and step.count - sum(excluded) != following:
            raise ValueError(
                f"{step.title!r} has {step.count} and excludes {sum(excluded)}, but {steps[at + 1].title!r} has "
                f"{following}; expected {step.count - sum(excluded)}"
            )
    counts = [count for _, count in outcomes]
    if steps and counts and None not in (steps[-1].count, *counts) and sum(counts) != steps[-1].count:
        raise ValueError(f"{steps[-1].title!r} has {steps[-1].count}, but its outcomes add up to {sum(counts)}")


def _counted(words: str, count: int | None) -> str:
    # A count stays with its "n =" where a line is broken.
    return f"{words} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{'not known' if count is None else f'{count:,}'})"


def _box(content: Sequence[_Line], x: float, y: float, width: float, class_: str = "box") -> tuple[str, float]:
    """A box as high as its wrapped lines, and its lower edge."""
    lines = [
        _Line(words, one.class_, one.indent * (2 if broken else 1))
        for one in content
        for broken, words in enumerate(
            wrapped(one.words, width - 2 * PADDING - 2 * one.indent, STRONG_LETTER if one.class_ else LETTER)
        )
    ]
    height = 2 * PADDING + LINE * len(lines) - 3
    frame = element("rect", x=x, y=y, width=width, height=height, rx=4, class_=class_)
    words = (
        text(one.words, x + PADDING + one.indent, y + PADDING + 11 + LINE * at, class_=one.class_)
        for at, one in enumerate(lines)
    )
    return element("g", frame, *words), y + height


def _excluded(exclusions: Sequence[tuple[str, int | None]], top: float) -> tuple[str, float]:
    counts = [count for _, count in exclusions]
    head = _Line(_counted("Excluded", None if None in counts else sum(counts)), "strong")
    reasons = [_Line(_counted(reason, count), indent=8) for reason, count in exclusions]
    box, bottom = _box([head, *reasons], ASIDE_X, top, WIDTH - MARGIN - ASIDE_X, "box left-out")
    middle = (top + bottom) / 2
    return box + _arrow((MIDDLE, middle), (ASIDE_X, middle)), bottom


def _outcomes(outcomes: Sequence[tuple[str, int | None]], top: float) -> tuple[str, float]:
    """Boxes side by side below the last step, as wide as it is together."""
    gap = 10.0
    width = (BOX - gap * (len(outcomes) - 1)) / len(outcomes)
    fork, box_top = top + LEAST_GAP / 2, top + LEAST_GAP
    parts = [element("path", class_="arrow", d=_through((MIDDLE, top), (MIDDLE, fork)))]
    bottom = box_top
    for at, (name, count) in enumerate(outcomes):
        x = MARGIN + at * (width + gap)
        to = x + width / 2
        box, box_bottom = _box([_Line(_counted(name, count))], x, box_top, width)
        parts += [_arrow((MIDDLE, fork), (to, fork), (to, box_top)), box]
        bottom = max(bottom, box_bottom)
    return "".join(parts), bottom


def _arrow(*points: tuple[float, float]) -> str:
    """Lines through the points and a head at the last: a shape of its own, as a marker would need an id in the page."""
    (before_x, _), (x, y) = points[-2:]
    head = "l-4 -7h8z" if before_x == x else "l-7 -4v8z"
    return element("path", class_="arrow", d=_through(*points)) + element(
        "path", class_="arrow-head", d=f"M{number(x)} {number(y)}{head}"
    )


def _through(*points: tuple[float, float]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def _in_words(steps: Sequence[FlowStep], outcomes: Sequence[tuple[str, int | None]]) -> str:
    said = []
    for step in steps:
        said.append(_counted(step.title, step.count))
        if step.exclusions:
            said.append("excluded: " + ", ".join(_counted(reason, count) for reason, count in step.exclusions))
    if outcomes:
        said.append("of them " + ", ".join(_counted(name, count) for name, count in outcomes))
    return "Participant flow. " + "; ".join(said)
