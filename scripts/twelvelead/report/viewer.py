"""The ECG viewer of the report page: compact signals, and the markup that viewer.js brings to life.

Signals. Each lead is taken about its median (a resting ECG has no absolute zero) and rounded to steps of 2.5 uV,
which is 0.025 mm on paper at 10 mm/mV and about half the 4.88 uV that GE's files count in. A lead is then a run of
differences between neighbouring samples, which are small: 0 is a missing sample, d >= 0 becomes 2 d + 1 and d < 0
becomes -2 d, each written in as few bytes of 7 bits as it needs, lowest first, the eighth bit saying that more follow
(zigzag and LEB128, as in Protocol Buffers). The twelve leads follow each other, in base64. Nothing but the rounding
is lost.

Saliency. One byte a value, in base64: 0 where there is none, else 1 + 254 v / m rounded, where m is the largest value
of that model in what is shown of the ECG. That is true to within m / 508.
"""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twelvelead.ecg import LEADS
from twelvelead.report.svg import printable

MOST_SECONDS = 10.0
STEP_UV = 2.5
# A signal that is no ECG (counts taken for mV, say) gets coarser steps instead of an overflow; the page states them.
MOST_STEPS = 2**24
LEVELS = 254  # of saliency above 0: with it and "none", a byte


@dataclass(frozen=True)
class ViewerSaliency:
    """Where a model's last layer looked, along the time axis of an ECG from its first sample on.

    model    its title
    frame_s  seconds that each value stands for; saliency.along_time gives it and the values
    values   (frames,) of 0 or more, NaN where there is none
    """

    model: str
    frame_s: float
    values: np.ndarray


@dataclass(frozen=True)
class ViewerEcg:
    """An ECG to look at, or why there is none.

    ecg_id            as in the tables; shown where it differs from the title
    signal_mv         (12, samples) in mV in the order of ecg.LEADS, NaN where a sample is missing; None: no signal
    sampling_rate_hz  positive; not used without a signal
    truth             what is held to be true of it, in words
    predictions       (label, probability); NaN where the model gave none
    reason            why it was excluded; "" where it was not
    saliency          of each model that has one, in the order to show them
    """

    ecg_id: str
    title: str
    caption: str
    signal_mv: np.ndarray | None
    sampling_rate_hz: float
    truth: tuple[str, ...] = ()
    predictions: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    saliency: tuple[ViewerSaliency, ...] = ()


@dataclass(frozen=True)
class ViewerGroup:
    """A list of ECGs to go through; `ecgs` are positions in what viewer_html is given, in the order to show them."""

    title: str
    ecgs: tuple[int, ...]


def viewer_html(ecgs: Sequence[ViewerEcg], groups: Sequence[ViewerGroup]) -> str:
    """HTML fragment of the viewer: markup and, as JSON, the first 10 s of every ECG. The same bytes for the same input.

    The page must also hold style.css, viewer_css() and, anywhere, a script of viewer_js(). One viewer a page. An ECG of
    10 s takes about 40 kB at 250 Hz and 80 kB at 500 Hz.
    Raises ValueError for a signal of another shape or rate and for a group that names an ECG that is not there.
    """
    for group in groups:
        for position in group.ecgs:
            if not 0 <= position < len(ecgs):
                raise ValueError(f"group {group.title!r} names ECG {position}, but there are {len(ecgs)}")
    content = {
        "ecgs": [_ecg_entry(ecg) for ecg in ecgs],
        "groups": [{"title": printable(group.title), "ecgs": list(group.ecgs)} for group in groups],
    }
    return _MARKUP.replace("CONTENT", _json_for_html(content))


def viewer_css() -> str:
    """The viewer's style; its colours are the variables of style.css."""
    return (Path(__file__).parent / "viewer.css").read_text(encoding="utf-8")


def viewer_js() -> str:
    """The viewer's script, for one <script> anywhere on the page; its names are its own."""
    names = ("viewer_paper.js", "viewer_attention.js", "viewer.js")
    parts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in names]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def _ecg_entry(ecg: ViewerEcg) -> dict:
    entry = {
        "id": printable(ecg.ecg_id),
        "title": printable(ecg.title),
        "caption": printable(ecg.caption),
        "reason": printable(ecg.reason),
        "truth": [printable(words) for words in ecg.truth],
        "predictions": [(printable(label), _probability(probability)) for label, probability in ecg.predictions],
        "signal": None if ecg.signal_mv is None else _signal_entry(ecg),
    }
    strips = [_saliency_entry(ecg.ecg_id, saliency) for saliency in ecg.saliency] if entry["signal"] else []
    if any(strips):
        entry["saliency"] = list(filter(None, strips))
    return entry


def _probability(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _signal_entry(ecg: ViewerEcg) -> dict:
    signal_mv, rate_hz = np.asarray(ecg.signal_mv), float(ecg.sampling_rate_hz)
    if signal_mv.ndim != 2 or len(signal_mv) != len(LEADS) or not 0 < rate_hz < math.inf:
        raise ValueError(
            f"ECG {ecg.ecg_id}: shape {signal_mv.shape} at {rate_hz} Hz; expected (12, samples) at a positive rate"
        )
    shown = signal_mv[:, : math.ceil(MOST_SECONDS * rate_hz)]
    centred = np.stack([_about_its_median(lead) for lead in shown])
    largest_mv = float(np.nanmax(np.abs(centred), initial=0.0))
    step_uv = max(STEP_UV, 1000 * largest_mv / MOST_STEPS)
    return {
        "rate_hz": rate_hz,
        "seconds": signal_mv.shape[1] / rate_hz,
        "samples": shown.shape[1],
        "step_uv": step_uv,
        "leads": base64.b64encode(b"".join(_packed(lead / (step_uv / 1000)) for lead in centred)).decode("ascii"),
    }


def _saliency_entry(ecg_id: str, saliency: ViewerSaliency) -> dict | None:
    """None where there is no value in the seconds that are shown."""
    values, frame_s = np.asarray(saliency.values, dtype=np.float64), float(saliency.frame_s)
    present = np.isfinite(values)
    if values.ndim != 1 or not 0 < frame_s < math.inf or (values[present] < 0).any():
        raise ValueError(
            f"ECG {ecg_id}: saliency of shape {values.shape}, {frame_s} s a value, from {np.min(values, initial=0):g}; "
            "expected (frames,) of 0 or more and a positive time"
        )
    n_shown = math.ceil(round(MOST_SECONDS / frame_s, 6))
    values, present = values[:n_shown], present[:n_shown]
    if not present.any():
        return None
    largest = values[present].max()
    levels = np.zeros(len(values), dtype=np.uint8)
    levels[present] = 1 + np.rint(LEVELS * (values[present] / (largest or 1.0)))
    return {
        "model": printable(saliency.model),
        "frame_s": frame_s,
        "largest": float(largest),
        "levels": base64.b64encode(levels.tobytes()).decode("ascii"),
    }


def _about_its_median(lead_mv: np.ndarray) -> np.ndarray:
    """`lead_mv` minus the median of its finite samples, with everything else NaN."""
    # What float32, the precision of a Recording, cannot hold is as little a voltage as infinity is.
    finite = np.abs(lead_mv) <= np.finfo(np.float32).max
    lead_mv = np.where(finite, lead_mv, np.nan).astype(np.float64)
    return lead_mv - (np.median(lead_mv[finite]) if finite.any() else 0.0)


def _packed(steps: np.ndarray) -> bytes:
    """`steps` (samples,), NaN where missing, rounded, as the module's docstring says."""
    present = np.isfinite(steps)
    differences = np.diff(np.rint(steps[present]).astype(np.int64), prepend=0)
    codes = np.zeros(len(steps), dtype=np.int64)
    codes[present] = np.where(differences >= 0, 2 * differences + 1, -2 * differences)
    shifts = 7 * np.arange(4)  # 28 bits hold the largest difference, 2 * MOST_STEPS
    rest = codes[:, None] >> shifts
    groups = (rest & 0x7F) | np.where(rest >= 0x80, 0x80, 0)
    needed = (rest > 0) | (shifts == 0)
    return groups[needed].astype(np.uint8).tobytes()


def _json_for_html(content: dict) -> str:
    """JSON that no text in it can turn into markup: ASCII only, so no U+2028 either, and without <, > and &."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


_MARKUP = """\
<div class="viewer" id="ecg-viewer">
<noscript><p class="note">The ECGs of this page are drawn by its own script; allow scripts to see them.</p></noscript>
<div data-part="viewer" hidden>
<div class="viewer-bar" role="group" aria-label="Choose an ECG">
<label>List <select data-part="group"></select></label>
<label>ECG <select data-part="ecg"></select></label>
<button type="button" data-do="previous">Previous</button>
<span data-part="position"></span>
<button type="button" data-do="next">Next</button>
</div>
<h3 data-part="title" tabindex="-1"></h3>
<p class="viewer-caption" data-part="caption"></p>
<p class="viewer-reason" data-part="reason"></p>
<div data-part="drawn">
<div class="viewer-bar viewer-tools" role="group" aria-label="Paper">
<span class="viewer-pair"><button type="button" data-do="3x4" aria-pressed="true">3 × 4</button>\
<button type="button" data-do="12x1" aria-pressed="false">12 × 1</button></span>
<span class="viewer-pair"><button type="button" data-do="measure" aria-pressed="true">Measure</button>\
<button type="button" data-do="move" aria-pressed="false">Move</button></span>
<span class="viewer-pair"><button type="button" data-do="zoom-out" aria-label="Zoom out">−</button>\
<button type="button" data-do="fit" aria-label="Whole paper">1.0 ×</button>\
<button type="button" data-do="zoom-in" aria-label="Zoom in">+</button></span>
<button type="button" data-do="attention" aria-pressed="true" hidden>Attention</button>
<output class="viewer-measure" data-part="measure"></output>
</div>
<div class="viewer-stage" data-part="stage" tabindex="0" role="application" aria-label="ECG paper with callipers"
 aria-describedby="ecg-viewer-keys"></div>
<p class="note viewer-scale"><span data-part="scale"></span> <span class="viewer-screen" data-part="pixel"></span></p>
<div data-part="attention" hidden>
<p class="note viewer-scale"><span class="viewer-shades" aria-hidden="true"></span><span data-part="legend"></span></p>
<p class="note viewer-attended viewer-screen" data-part="attended"></p>
</div>
</div>
<div class="viewer-answers" data-part="answers"></div>
<details class="viewer-help">
<summary>Pointer and keys</summary>
<p id="ecg-viewer-keys">Drag over the paper to measure; drag an end of the callipers to correct it. With focus on the
paper, arrow keys move one end by 0.1 mm (4 ms or 0.01 mV), with Shift by 1 mm (40 ms or 0.1 mV); Enter changes to the
other end; Escape takes the callipers off. Zoom with + and −, or Ctrl and the wheel; 0 shows the whole paper. Drag
with Shift, or choose Move (V), to move an enlarged paper by pointer or arrow keys; M goes back to measuring. N and P
are next and previous, L changes the layout.<span data-part="keys" hidden> A shows or hides attention; its value is read
under the pointer, or under the end of the callipers that the keys move.</span></p>
</details>
<p class="viewer-spoken" role="status" data-part="spoken"></p>
</div>
<script type="application/json" data-part="content">CONTENT</script>
</div>
"""
