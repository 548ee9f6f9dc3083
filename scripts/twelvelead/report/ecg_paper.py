"""A 12-lead ECG on millimetre paper, as SVG, to scale: 3 rows of 4 leads and lead II as the rhythm strip.

Paper speed 25 mm/s and gain 10 mm/mV with a 1 mV calibration pulse are the standard settings of the resting ECG
(AHA/ACCF/HRS recommendations for the standardization of the electrocardiogram, part I, Circulation 2007;115:1306).
"""

import math
from dataclasses import dataclass

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.report.svg import drawing, element, number, text

MM_PER_S = 25.0
MM_PER_MV = 10.0
DURATION_S = 10.0
COLUMN_S = 2.5
ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM_LEAD = "II"

MARGIN_MM = 10.0
WIDTH_MM = MARGIN_MM + DURATION_S * MM_PER_S
PULSE_MV, PULSE_S = 1.0, 0.2
LEAST_LANE_MM = 20.0
# Beyond this a lane overlaps its neighbours, as on real paper; beyond the paper's edge the drawing says so.
MOST_REACH_MM = 20.0
HEADER_MM, FOOTER_MM = 5.0, 10.0
# Traces are whole multiples of this, in a group scaled by it: 2 uV, a quarter of a 300 dpi printer's dot.
STEP_MM = 0.02


@dataclass(frozen=True)
class _Piece:
    """One lead in one lane: samples (k,) in mV about the lead's median, drawn from x_mm on."""

    lead: str
    x_mm: float
    signal_mv: np.ndarray


def draw(signal_mv: np.ndarray, sampling_rate_hz: float, title: str = "12-lead ECG", note: str = "") -> str:
    """SVG of the first 10 s of signal_mv (12, samples), in mV in the order of ecg.LEADS; 260 mm wide in print.

    Each lead is drawn about its median, since a resting ECG has no absolute zero. Missing samples (NaN) are gaps.
    A lane is as high as its leads need. What reaches further than the paper is named under the drawing.
    Raises ValueError for another shape or rate.
    """
    signal_mv = np.asarray(signal_mv, dtype=np.float64)
    if signal_mv.ndim != 2 or len(signal_mv) != len(LEADS) or not sampling_rate_hz > 0:
        raise ValueError(f"shape {signal_mv.shape} at {sampling_rate_hz} Hz; expected (12, samples) at a positive rate")
    lanes = _lanes(signal_mv[:, : round(DURATION_S * sampling_rate_hz)], sampling_rate_hz)
    baselines_mm, height_mm = _baselines(lanes)
    beyond = _beyond_the_paper(lanes, baselines_mm, height_mm)
    body = [_grid(height_mm)]
    for lane, baseline_mm in zip(lanes, baselines_mm, strict=True):
        body.append(_lane(lane, baseline_mm, sampling_rate_hz))
    body.append(_footer(height_mm, sampling_rate_hz, beyond, note))
    seconds = number(min(signal_mv.shape[1] / sampling_rate_hz, DURATION_S))
    description = f"Twelve leads, {seconds} s, and lead II as rhythm strip; 25 mm/s, 10 mm/mV. {beyond}".strip()
    return drawing(
        *body,
        view_box=(0, 0, WIDTH_MM, height_mm),
        title=title,
        description=description,
        class_="ecg-paper",
        width=f"{number(WIDTH_MM)}mm",
        height=f"{number(height_mm)}mm",
        font_family="system-ui, sans-serif",
    )


def _lanes(signal_mv: np.ndarray, sampling_rate_hz: float) -> list[list[_Piece]]:
    centred = {lead: _about_its_median(signal_mv[row]) for row, lead in enumerate(LEADS)}
    lanes = []
    for row in ROWS:
        lane = []
        for column, lead in enumerate(row):
            first = math.ceil(column * COLUMN_S * sampling_rate_hz)
            last = math.ceil((column + 1) * COLUMN_S * sampling_rate_hz)
            x_mm = MARGIN_MM + first / sampling_rate_hz * MM_PER_S
            lane.append(_Piece(lead, x_mm, centred[lead][first:last]))
        lanes.append(lane)
    return [*lanes, [_Piece(RHYTHM_LEAD, MARGIN_MM, centred[RHYTHM_LEAD])]]


def _about_its_median(lead_mv: np.ndarray) -> np.ndarray:
    finite = lead_mv[np.isfinite(lead_mv)]
    return lead_mv - (np.median(finite) if finite.size else 0.0)


def _reach_mm(lane: list[_Piece]) -> tuple[float, float]:
    """How far a lane goes above and below its baseline; at least the calibration pulse and room for the names."""
    values = np.concatenate([piece.signal_mv for piece in lane])
    values = values[np.isfinite(values)] * MM_PER_MV
    above, below = (float(values.max()), float(-values.min())) if values.size else (0.0, 0.0)
    half = LEAST_LANE_MM / 2
    return min(max(above, half), MOST_REACH_MM), min(max(below, half), MOST_REACH_MM)


def _baselines(lanes: list[list[_Piece]]) -> tuple[list[float], float]:
    """Baselines on thick grid lines, in mm from the top, and the height of the paper, a multiple of 5 mm."""
    baselines_mm, bottom_mm = [], HEADER_MM
    for lane in lanes:
        above, below = _reach_mm(lane)
        baselines_mm.append(_up_to_5(bottom_mm + above))
        bottom_mm = baselines_mm[-1] + below
    return baselines_mm, _up_to_5(bottom_mm + FOOTER_MM)


def _up_to_5(mm: float) -> float:
    return math.ceil(mm / 5 - 1e-9) * 5.0


def _beyond_the_paper(lanes: list[list[_Piece]], baselines_mm: list[float], height_mm: float) -> str:
    beyond = {}
    for lane, baseline_mm in zip(lanes, baselines_mm, strict=True):
        for piece in lane:
            values = piece.signal_mv[np.isfinite(piece.signal_mv)]
            if values.size and (
                values.max() * MM_PER_MV > baseline_mm or -values.min() * MM_PER_MV > height_mm - baseline_mm
            ):
                beyond[piece.lead] = f"{piece.lead} ({values.min():.1f} to {values.max():.1f} mV)"
    return f"Leaves the paper: {', '.join(beyond.values())}." if beyond else ""


def _grid(height_mm: float) -> str:
    lines = {"thin": "", "thick": ""}
    for x in range(round(WIDTH_MM) + 1):
        lines["thin" if x % 5 else "thick"] += f"M{x} 0v{number(height_mm)}"
    for y in range(round(height_mm) + 1):
        lines["thin" if y % 5 else "thick"] += f"M0 {y}h{number(WIDTH_MM)}"
    return (
        element("rect", class_="ecg-ground", width=WIDTH_MM, height=height_mm, fill="#fffdfb")
        + element("path", class_="ecg-thin", d=lines["thin"], stroke="#f6d5cf", stroke_width="0.1", fill="none")
        + element("path", class_="ecg-thick", d=lines["thick"], stroke="#e9a69b", stroke_width="0.2", fill="none")
    )


def _lane(lane: list[_Piece], baseline_mm: float, sampling_rate_hz: float) -> str:
    base = round(baseline_mm / STEP_MM)
    pulse_x, pulse_w, pulse_h = (round(mm / STEP_MM) for mm in (2.5, PULSE_S * MM_PER_S, PULSE_MV * MM_PER_MV))
    lead_in = round(1 / STEP_MM)
    pulse = f"M{pulse_x - lead_in} {base}h{lead_in}v{-pulse_h}h{pulse_w}v{pulse_h}h{lead_in}"
    traces = [element("path", class_="ecg-pulse", d=pulse)]
    names = []
    for piece in lane:
        traces.append(element("path", d=_trace(piece, base, sampling_rate_hz), data_lead=piece.lead))
        if piece.x_mm > MARGIN_MM:
            traces.append(element("path", class_="ecg-border", d=f"M{round(piece.x_mm / STEP_MM)} {base - 150}v300"))
        names.append(text(piece.lead, piece.x_mm + 1.2, baseline_mm - 6.2))
    return element(
        "g",
        *traces,
        class_="ecg-trace",
        transform=f"scale({STEP_MM})",
        fill="none",
        stroke="#17181c",
        stroke_width=number(0.3 / STEP_MM),
        stroke_linejoin="round",
    ) + element(
        "g",
        *names,
        class_="ecg-name",
        font_size="3.4",
        font_weight="600",
        fill="#17181c",
        stroke="#fffdfb",
        stroke_width="0.8",
        paint_order="stroke",
    )


def _trace(piece: _Piece, base: int, sampling_rate_hz: float) -> str:
    """Path of a piece in steps of STEP_MM: absolute positions rounded first, so that rounding never adds up."""
    x = np.rint((piece.x_mm + np.arange(len(piece.signal_mv)) / sampling_rate_hz * MM_PER_S) / STEP_MM)
    y = np.rint(base - piece.signal_mv * MM_PER_MV / STEP_MM)
    finite = np.isfinite(y)
    starts = np.flatnonzero(finite & ~np.concatenate(([False], finite[:-1])))
    ends = np.flatnonzero(finite & ~np.concatenate((finite[1:], [False]))) + 1
    parts = []
    for start, end in zip(starts, ends, strict=True):
        steps = np.diff(np.stack([x[start:end], y[start:end]], axis=1).astype(np.int64), axis=0)
        joined = " ".join(f"{dx} {dy}" if dy >= 0 else f"{dx}{dy}" for dx, dy in steps.tolist())
        parts.append(f"M{x[start]:.0f} {y[start]:.0f}" + (f"l{joined}" if joined else "h1"))
    return "".join(parts)


def _footer(height_mm: float, sampling_rate_hz: float, beyond: str, note: str) -> str:
    words = f"25 mm/s, 10 mm/mV, {number(sampling_rate_hz)} Hz; each lead about its median"
    return element(
        "g",
        text(". ".join(part.rstrip(".") for part in (words, note, beyond) if part), 2.5, height_mm - 2.2),
        class_="ecg-name",
        font_size="3",
        fill="#17181c",
        stroke="#fffdfb",
        stroke_width="0.8",
        paint_order="stroke",
    )
