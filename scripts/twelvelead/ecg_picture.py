"""A recording's picture: an ECG on paper as an SVG or a PNG file, both printed to scale."""

import io
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from twelvelead.atomic import replacing
from twelvelead.ecg import Recording, missing_leads, twelve_leads
from twelvelead.ecg_paper import DURATION_S, PENS, WIDTH_MM, Paper, lay_out
from twelvelead.errors import TwelveleadError
from twelvelead.recipes.resampling import ASSUMED_DURATION_S
from twelvelead.report.svg import drawing, element, number, printable, text
from twelvelead.signal_files import ecg_ids, find_files

GROUND, INK = "#fffdfb", "#17181c"
# Colour and width in mm of each of PENS; the colours are those of the page's paper (report/style.css).
STROKES = {"thin": ("#f6d5cf", 0.1), "thick": ("#e9a69b", 0.2)} | dict.fromkeys(
    ("pulse", "border", "trace"), (INK, 0.3)
)
HALO_MM = 0.8  # of ground around letters
# SVG coordinates are whole multiples of this: 2 uV, a quarter of a 300 dpi printer's dot.
STEP_MM = 0.02
PNG_PX_PER_MM = 10
PICTURE_SUFFIXES = (".svg", ".png")


def picture_files(paths: Sequence[str], picture: str) -> dict[str, Path]:
    """The picture of each path: `picture` itself, an .svg or .png, or <ecg_id>.svg in the folder `picture`.

    Raises TwelveleadError for another kind of file, and for one file where several are to be drawn.
    """
    suffix = os.path.splitext(picture)[1].lower()
    if suffix and not picture.endswith("/") and not os.path.isdir(picture):
        if suffix not in PICTURE_SUFFIXES:
            raise TwelveleadError(f"the picture {picture} ends in {suffix}; name a file in .svg or .png, or a folder")
        if len(paths) > 1:
            raise TwelveleadError(f"{picture} is one picture, but there are {len(paths)} files; name a folder for them")
        return dict.fromkeys(paths, Path(picture))
    absolute = {path: os.path.abspath(path) for path in paths}
    common = os.path.commonpath([os.path.dirname(path) for path in absolute.values()])
    names = {path: os.path.relpath(below, common) for path, below in absolute.items()}
    ids = ecg_ids(find_files(list(names.values()), Path(common)).values())
    return {path: Path(picture, f"{ids[name]}.svg") for path, name in names.items()}


def draw(recording: Recording, title: str, destination: Path) -> str:
    """Draws the first 10 s of a recording into an .svg or .png file; TwelveleadError where it cannot be written."""
    drawn = recording_paper(recording, title)
    content = as_png(drawn) if destination.suffix.lower() == ".png" else as_svg(drawn).encode()
    try:
        with replacing(destination) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise TwelveleadError(f"the picture {destination} cannot be written: {error.strerror}") from error
    return str(destination)


def recording_paper(recording: Recording, title: str) -> Paper:
    """The first 10 s on paper; leads that are neither there nor derivable stay blank, which its foot says."""
    rate_hz, notes = recording.sampling_rate_hz, []
    if not is_rate(rate_hz):
        rate_hz = recording.samples.shape[1] / ASSUMED_DURATION_S
        notes.append(f"No sampling rate in the file: drawn as {ASSUMED_DURATION_S} s.")
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is a gap
        signal_mv = twelve_leads(_completed(recording.beginning(DURATION_S)))
    return lay_out(signal_mv, rate_hz, title, notes, recorded_s=recording.samples.shape[1] / rate_hz)


def as_svg(paper: Paper) -> str:
    """The paper as a standalone SVG that is printed to scale; its unit is the mm."""
    strokes = []
    for pen in PENS:
        colour, width_mm = STROKES[pen]
        paths = (
            element("path", d=_path(line.points_mm), data_lead=line.lead or None)
            for line in paper.lines
            if line.pen == pen
        )
        ink = {"fill": "none", "stroke": colour, "stroke_width": width_mm / STEP_MM}
        ends = {"stroke_linejoin": "round", "stroke_linecap": "round"}
        strokes.append(element("g", *paths, class_=f"ecg-{pen}", transform=f"scale({STEP_MM})", **ink, **ends))
    words = (text(line.words, line.x_mm, line.y_mm, font_size=number(line.size_mm)) for line in paper.words)
    halo = {"stroke": GROUND, "stroke_width": HALO_MM, "paint_order": "stroke"}
    ground = element("rect", class_="ecg-ground", width=WIDTH_MM, height=paper.height_mm, fill=GROUND)
    return drawing(
        ground,
        *strokes,
        element("g", *words, class_="ecg-name", fill=INK, font_weight="600", **halo),
        view_box=(0, 0, WIDTH_MM, paper.height_mm),
        title=paper.title,
        description=paper.description,
        class_="ecg-paper",
        width=f"{number(WIDTH_MM)}mm",
        height=f"{number(paper.height_mm)}mm",
        font_family='system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif',
    )


def as_png(paper: Paper) -> bytes:
    """The paper as PNG that states its resolution, PNG_PX_PER_MM, and so is printed to scale too."""
    # matplotlib takes most of a second to import, and SVG does without.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    inches, points = 1 / 25.4, 72 / 25.4
    figure = Figure(figsize=(WIDTH_MM * inches, paper.height_mm * inches), dpi=PNG_PX_PER_MM / inches, facecolor=GROUND)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH_MM), ylim=(paper.height_mm, 0), autoscale_on=False)
    axes.set_axis_off()
    for pen in PENS:
        colour, width_mm = STROKES[pen]
        stroke = {"color": colour, "linewidth": width_mm * points, "solid_joinstyle": "round"}
        for line in paper.lines:
            if line.pen == pen:
                axes.plot(*line.points_mm.T, solid_capstyle="round", **stroke)
    letters = {"color": INK, "parse_math": False, "zorder": 3}
    letters["path_effects"] = [withStroke(linewidth=HALO_MM * points, foreground=GROUND)]
    for line in paper.words:
        axes.text(line.x_mm, line.y_mm, printable(line.words), fontsize=line.size_mm * points, **letters)
    image = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a name in letters its font lacks
        FigureCanvasAgg(figure).print_png(image, metadata={"Software": None})
    return image.getvalue()


def is_rate(rate_hz: float | None) -> bool:
    """Whether a recording's sampling rate is given and can be one."""
    return rate_hz is not None and 0 < rate_hz < math.inf


def _completed(recording: Recording) -> Recording:
    """With the leads that are not to be had, as NaN, so that all twelve can be made."""
    absent = missing_leads(recording.leads)
    if not absent:
        return recording
    nothing = np.full((len(absent), recording.samples.shape[1]), np.nan, dtype=np.float32)
    zeros = np.zeros(len(absent))
    return replace(
        recording,
        leads=(*recording.leads, *absent),
        samples=np.concatenate([recording.samples, nothing]),
        gain_mv=np.concatenate([recording.gain_mv, zeros + 1]),
        offset_mv=None if recording.offset_mv is None else np.concatenate([recording.offset_mv, zeros]),
    )


def _path(points_mm: np.ndarray) -> str:
    """In steps of STEP_MM: positions are rounded before their differences are taken, so that rounding never adds up."""
    steps = np.rint(points_mm / STEP_MM)
    present = np.concatenate(([False], np.isfinite(steps).all(axis=1), [False]))
    starts = np.flatnonzero(present[1:-1] & ~present[:-2])
    ends = np.flatnonzero(present[1:-1] & ~present[2:]) + 1
    parts = []
    for start, end in zip(starts, ends, strict=True):
        run = steps[start:end].astype(np.int64)
        moves = (f"{dx} {dy}" if dy >= 0 else f"{dx}{dy}" for dx, dy in np.diff(run, axis=0).tolist())
        parts.append(f"M{run[0, 0]} {run[0, 1]}l{' '.join(moves)}")
    return "".join(parts)
