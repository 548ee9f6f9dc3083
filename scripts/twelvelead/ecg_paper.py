"""A 12-lead ECG laid out on millimetre paper: 3 rows of 4 leads and lead II as rhythm strip; ecg_picture.py draws it.

Paper speed 25 mm/s and gain 10 mm/mV with a 1 mV calibration pulse are the standard settings of the resting ECG
(AHA/ACC/HRS recommendations for the standardization of the electrocardiogram, part I, Circulation 2007;115:1306).
The page's viewer draws the same paper in the browser (report/viewer_paper.js).
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.report.svg import number

MM_PER_S = 25.0
MM_PER_MV = 10.0
DURATION_S = 10.0
ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",))
COLUMNS = 4

MARGIN_MM = 10.0  # on the left, for the calibration pulse
WIDTH_MM = MARGIN_MM + DURATION_S * MM_PER_S
PULSE_MV, PULSE_S = 1.0, 0.2
LEAST_REACH_MM = 10.0
# Beyond this a lane overlaps its neighbours, as on real paper; what leaves the paper is said below it.
MOST_REACH_MM = 20.0
HEADER_MM, FOOTER_MM = 10.0, 6.0
TITLE_MM, NAME_MM, NOTE_MM = 3.4, 3.4, 3.0  # heights of letters
SMALLEST_MM = 1.5
LONGEST_TITLE, LONGEST_NOTE = 110, 140  # characters that fit on a line of these sizes
NOTE_LINE_MM = 4.0
DOT_MM = 0.02  # length of a lone sample

PENS = ("thin", "thick", "pulse", "border", "trace")  # of the grid, and of ink; in the order of drawing


@dataclass(frozen=True)
class Line:
    """A line of one of PENS: points (n, 2) in mm from the paper's top left corner; a row of NaN lifts the pen."""

    pen: str
    points_mm: np.ndarray
    lead: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text that begins at (x_mm, y_mm), in letters of size_mm."""

    words: str
    x_mm: float
    y_mm: float
    size_mm: float


@dataclass(frozen=True)
class Paper:
    """A drawing WIDTH_MM wide; `description` says in words what is drawn and what the paper could not show."""

    title: str
    description: str
    height_mm: float
    lines: tuple[Line, ...]
    words: tuple[Words, ...]


@dataclass(frozen=True)
class _Piece:
    """A lead's samples in a column: (k,) in mV about the lead's median.

    column_s  when the column begins
    first_s   time of the first sample, if there is one
    """

    lead: str
    column_s: float
    first_s: float
    signal_mv: np.ndarray

    def values(self) -> np.ndarray:
        return self.signal_mv[np.isfinite(self.signal_mv)]


def lay_out(
    signal_mv: np.ndarray,
    sampling_rate_hz: float,
    title: str = "12-lead ECG",
    notes: Sequence[str] = (),
    recorded_s: float | None = None,
) -> Paper:
    """The first 10 s of signal_mv (12, samples), in mV in the order of ecg.LEADS.

    Each lead is drawn about its median, since a resting ECG has no absolute zero. Samples that are not finite are gaps.
    A lane is as high as its leads need. Columns share what there is of a recording shorter than 10 s: of fixed ones the
    last would stay blank. The foot says so, and what reaches beyond the paper, after `notes`, which are sentences.

    recorded_s  how long the recording is where signal_mv holds only its beginning
    Raises ValueError for another shape or rate.
    """
    signal_mv, rate_hz = np.asarray(signal_mv), float(sampling_rate_hz)
    if signal_mv.ndim != 2 or len(signal_mv) != len(LEADS) or not signal_mv.size or not 0 < rate_hz < math.inf:
        raise ValueError(f"shape {signal_mv.shape} at {rate_hz} Hz; expected (12, samples) at a positive rate")
    n_shown = min(signal_mv.shape[1], DURATION_S * rate_hz)
    shown_s = n_shown / rate_hz
    shown = signal_mv[:, : math.ceil(n_shown)]
    centred = {lead: _about_its_median(samples) for lead, samples in zip(LEADS, shown, strict=True)}
    lanes = [_lane(row, centred, n_shown, rate_hz) for row in ROWS]
    baselines_mm, bottom_mm = _baselines(lanes)
    scale = f"25 mm/s, 10 mm/mV, {number(rate_hz)} Hz; each lead about its median."
    remarks = [
        scale,
        *notes,
        _stretch(recorded_s or signal_mv.shape[1] / rate_hz),
        *_unshown(lanes, baselines_mm, bottom_mm),
    ]
    foot = textwrap.wrap(" ".join(filter(None, remarks)), LONGEST_NOTE)
    height_mm = _up_to_5(bottom_mm + FOOTER_MM + NOTE_LINE_MM * len(foot))
    traces = [
        Line("trace", _points_mm(piece, baseline_mm, height_mm, rate_hz), piece.lead)
        for lane, baseline_mm in zip(lanes, baselines_mm, strict=True)
        for piece in lane
    ]
    furniture = (*_grid(height_mm), *_pulses(baselines_mm), *_borders(lanes, baselines_mm))
    title = title if len(title) <= LONGEST_TITLE else f"…{title[1 - LONGEST_TITLE :]}"
    words = (
        Words(title, MARGIN_MM, 4.6, TITLE_MM),
        *_column_times(shown_s),
        *_names(lanes, baselines_mm, traces),
        *_foot_lines(foot, height_mm),
    )
    description = f"Twelve leads in 3 rows of 4, and lead II as rhythm strip. {' '.join(foot)}"
    return Paper(title, description, height_mm, (*furniture, *traces), words)


def _about_its_median(lead_mv: np.ndarray) -> np.ndarray:
    """Float64, with NaN for what float32, the precision of a Recording, cannot hold."""
    finite = np.abs(lead_mv) <= np.finfo(np.float32).max
    lead_mv = np.where(finite, lead_mv, np.nan).astype(np.float64)
    return lead_mv - (np.median(lead_mv[finite]) if finite.any() else 0.0)


def _lane(row: tuple[str, ...], centred: dict[str, np.ndarray], n_shown: float, rate_hz: float) -> list[_Piece]:
    pieces = []
    for column, lead in enumerate(row):
        first, last = (math.ceil(at * n_shown / len(row)) for at in (column, column + 1))
        column_s = column * n_shown / len(row) / rate_hz
        pieces.append(_Piece(lead, column_s, first / rate_hz, centred[lead][first:last]))
    return pieces


def _baselines(lanes: list[list[_Piece]]) -> tuple[list[float], float]:
    """Baselines on thick grid lines, and where the last lane ends, in mm from the top."""
    baselines_mm, bottom_mm = [], HEADER_MM
    for lane in lanes:
        values = np.concatenate([piece.values() for piece in lane])
        above, below = (values.max() * MM_PER_MV, -values.min() * MM_PER_MV) if values.size else (0.0, 0.0)
        above, below = (min(max(float(reach), LEAST_REACH_MM), MOST_REACH_MM) for reach in (above, below))
        baselines_mm.append(_up_to_5(bottom_mm + above))
        bottom_mm = baselines_mm[-1] + below
    return baselines_mm, bottom_mm


def _up_to_5(mm: float) -> float:
    return math.ceil(mm / 5 - 1e-9) * 5.0


def _stretch(seconds: float) -> str:
    if seconds > DURATION_S:
        return f"First {DURATION_S:g} s of {number(seconds)} s."
    return f"{seconds:.3g} s in columns of {seconds / COLUMNS:.3g} s." if seconds < DURATION_S else ""


def _unshown(lanes: list[list[_Piece]], baselines_mm: list[float], bottom_mm: float) -> Iterator[str]:
    """What the paper cannot show: leads that leave it, and leads without a sample."""
    leaving, empty = {}, set()
    for lane, baseline_mm in zip(lanes, baselines_mm, strict=True):
        for piece in lane:
            values = piece.values()
            if not values.size:
                empty.add(piece.lead)
            elif (
                values.max() * MM_PER_MV > baseline_mm
                or -values.min() * MM_PER_MV > bottom_mm - baseline_mm + FOOTER_MM
            ):
                leaving[piece.lead] = f"{piece.lead} ({values.min():.3g} to {values.max():.3g} mV)"
    if leaving:
        yield f"Leaves the paper: {', '.join(leaving.values())}."
    if empty:
        yield f"Nothing to draw: {', '.join(sorted(empty, key=LEADS.index))}."


def _points_mm(piece: _Piece, baseline_mm: float, height_mm: float, rate_hz: float) -> np.ndarray:
    x = MARGIN_MM + (piece.first_s + np.arange(len(piece.signal_mv)) / rate_hz) * MM_PER_S
    # Far beyond the paper all is one, and no drawing program must take 1e38 mm.
    y = np.clip(baseline_mm - piece.signal_mv * MM_PER_MV, -height_mm, 2 * height_mm)
    x = np.where(np.isnan(y), np.nan, x)
    present = np.concatenate(([False], np.isfinite(y), [False]))
    alone = np.flatnonzero(present[1:-1] & ~present[:-2] & ~present[2:])
    # A sample between two missing ones would not be drawn: it becomes a dot.
    return np.stack([np.insert(x, alone + 1, x[alone] + DOT_MM), np.insert(y, alone + 1, y[alone])], axis=1)


def _grid(height_mm: float) -> Iterator[Line]:
    for pen, is_of_pen in (("thin", lambda at: at % 5 != 0), ("thick", lambda at: at % 5 == 0)):
        down = [((x, 0), (x, height_mm)) for x in filter(is_of_pen, range(round(WIDTH_MM) + 1))]
        across = [((0, y), (WIDTH_MM, y)) for y in filter(is_of_pen, range(round(height_mm) + 1))]
        points = [point for ends in down + across for point in (*ends, (np.nan, np.nan))]
        yield Line(pen, np.array(points, dtype=np.float64))


def _pulses(baselines_mm: list[float]) -> Iterator[Line]:
    left, right = MARGIN_MM / 4, MARGIN_MM / 4 + PULSE_S * MM_PER_S
    for baseline_mm in baselines_mm:
        top = baseline_mm - PULSE_MV * MM_PER_MV
        shape = [(left - 1, baseline_mm), (left, baseline_mm), (left, top), (right, top)]
        yield Line("pulse", np.array([*shape, (right, baseline_mm), (right + 1, baseline_mm)]))


def _borders(lanes: list[list[_Piece]], baselines_mm: list[float]) -> Iterator[Line]:
    for lane, baseline_mm in zip(lanes, baselines_mm, strict=True):
        for piece in lane[1:]:
            x = MARGIN_MM + piece.column_s * MM_PER_S
            yield Line("border", np.array([(x, baseline_mm - 3), (x, baseline_mm + 3)]))


def _column_times(seconds: float) -> Iterator[Words]:
    """Which stretch of time each column shows, above it; nothing where the columns are the usual 2.5 s."""
    if seconds >= DURATION_S:
        return
    bounds = [seconds * column / COLUMNS for column in range(COLUMNS + 1)]
    spelt = [f"{start:.3g}–{end:.3g} s" for start, end in zip(bounds, bounds[1:], strict=False)]
    size_mm = min(NAME_MM, bounds[1] * MM_PER_S / (max(map(len, spelt)) * 0.66))
    if size_mm < SMALLEST_MM:
        return
    for start, words in zip(bounds, spelt, strict=False):
        yield Words(words, MARGIN_MM + start * MM_PER_S, HEADER_MM - 1, size_mm)


def _foot_lines(foot: list[str], height_mm: float) -> Iterator[Words]:
    for below, words in enumerate(reversed(foot)):
        yield Words(words, MARGIN_MM / 4, height_mm - 2.2 - NOTE_LINE_MM * below, NOTE_MM)


def _names(lanes: list[list[_Piece]], baselines_mm: list[float], traces: list[Line]) -> Iterator[Words]:
    for lane, baseline_mm in zip(lanes, baselines_mm, strict=True):
        for piece in lane:
            x_mm = MARGIN_MM + piece.column_s * MM_PER_S + 1.2
            yield Words(piece.lead, *_clear_place(piece.lead, x_mm, baseline_mm, traces), NAME_MM)


def _clear_place(name: str, x_mm: float, baseline_mm: float, traces: list[Line]) -> tuple[float, float]:
    """Where a lead's name hides the least of any trace: above its beginning, or a little further along, up or down."""
    width = 0.66 * NAME_MM * len(name)
    places = [(above, 2.2 * along) for above in (6.2, 8.4, 4.2, -6.6, -8.8) for along in range(6)]
    best = (math.inf, x_mm, baseline_mm - 6.2)
    for above, along in sorted(places, key=_detour):
        x, y = x_mm + along, baseline_mm - above
        hidden = sum(_crossings(line.points_mm, x - 0.4, x + width, y - NAME_MM, y + 1.2) for line in traces)
        best = min(best, (hidden, x, y), key=lambda place: place[0])
        if not hidden:
            break
    return best[1:]


def _detour(place: tuple[float, float]) -> float:
    above, along = place
    return abs(above - 6.2) + along


def _crossings(points_mm: np.ndarray, left: float, right: float, top: float, bottom: float) -> int:
    """How many of the steps between neighbouring points run through a box."""
    x, y = points_mm.T
    near = (x >= left) & (x <= right)
    y = y[near]
    return int(((np.maximum(y[:-1], y[1:]) > top) & (np.minimum(y[:-1], y[1:]) < bottom)).sum())
