"""A 2 x 2 confusion matrix as inline SVG: truth down, prediction across, counts and their share of the row."""

from twelvelead.report.plot_frame import STRONG_LETTER, percent, three_digits, wrapped
from twelvelead.report.svg import drawing, element, text

WIDTH, SIDE, CELL_WIDTH, CELL_HEIGHT, HEAD = 460.0, 116.0, 166.0, 92.0, 62.0
# The strongest tint is weak enough that text on it keeps its contrast on a light and on a dark ground.
STRONGEST_TINT = 0.3


def confusion_matrix(
    *,
    title: str,
    tp: int | None,
    fp: int | None,
    fn: int | None,
    tn: int | None,
    threshold: float | None,
    kind: str = "",
    truth_name: str = "Truth",
) -> str:
    """SVG of the counts at `threshold`, each with its share of its row: sensitivity and specificity on the diagonal.

    kind        where the threshold comes from, such as "Youden, fitted on these data"
    truth_name  "Pseudo-label" where the truth comes from a labeler
    """
    cut_off = "no threshold" if threshold is None else f"threshold {three_digits(threshold)}"
    above, below = ("", "") if threshold is None else (f"≥ {three_digits(threshold)}", f"< {three_digits(threshold)}")
    lines = wrapped(f"At {cut_off}{': ' + kind if kind else ''}" if threshold is not None else kind or cut_off, WIDTH)
    top = 20 + 16 * len(lines) + HEAD - 16
    rows = (("positive", (("true positives", tp, 0), ("false negatives", fn, 1))),
            ("negative", (("false positives", fp, 1), ("true negatives", tn, 0))))  # fmt: skip
    parts = [text(line, 4, 18 + 16 * at) for at, line in enumerate(lines)]
    parts += [
        _column_head(at, name, end, top) for at, (name, end) in enumerate((("positive", above), ("negative", below)))
    ]
    for at, (name, cells) in enumerate(rows):
        counts = [count for _, count, _ in cells]
        total = None if None in counts else sum(counts)
        y = top + at * CELL_HEIGHT
        parts.append(_row_head(truth_name, name, total, y))
        parts += [_cell(SIDE + place * CELL_WIDTH, y, *cell, total) for place, cell in enumerate(cells)]
    return drawing(
        *parts,
        view_box=(0, 0, WIDTH, top + 2 * CELL_HEIGHT + 8),
        title=title,
        description=f"Confusion matrix, {' '.join(lines)}. "
        + "; ".join(f"{name} {_count(count)}" for _, cells in rows for name, count, _ in cells),
        class_="figure",
    )


def _count(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _column_head(at: int, name: str, threshold: str, top: float) -> str:
    x = SIDE + (at + 0.5) * CELL_WIDTH
    return text(f"Predicted {name}", x, top - 24, text_anchor="middle", class_="strong") + (
        text(threshold, x, top - 8, text_anchor="middle", class_="quiet") if threshold else ""
    )


def _row_head(truth_name: str, name: str, total: int | None, y: float) -> str:
    lines = [*wrapped(truth_name, SIDE - 12, STRONG_LETTER), name]
    middle = y + CELL_HEIGHT / 2 - 8 * len(lines) + 4
    words = [text(line, 4, middle + 16 * at, class_="strong") for at, line in enumerate(lines)]
    size = text(f"n = {_count(total)}", 4, middle + 16 * len(lines), class_="quiet")
    return "".join(words) + size


def _cell(x: float, y: float, name: str, count: int | None, colour: int, total: int | None) -> str:
    middle = x + CELL_WIDTH / 2
    share = count / total if count is not None and total else 0.0
    tint = element(
        "rect", x=x, y=y, width=CELL_WIDTH, height=CELL_HEIGHT, class_="cell", fill_opacity=STRONGEST_TINT * share
    )
    share_text = "–" if count is None or total is None else percent(count, total)
    return element("g", tint, class_=f"colour-{colour}") + element(
        "g",
        text(_count(count), middle, y + 38, class_="large"),
        text(share_text, middle, y + 58),
        text(name, middle, y + 76, class_="small"),
        text_anchor="middle",
    )
