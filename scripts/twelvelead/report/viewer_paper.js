/* From a packed signal to ECG paper as SVG, to scale. viewer.py puts this file before viewer.js, into one function. */

const LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
const LAYOUTS = {
  "3x4": [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"], ["II"]],
  "12x1": LEADS.map((lead) => [lead]),
};
// As ecg_paper.py draws it: 10 s of paper behind a margin that holds the calibration pulse.
const MM_PER_S = 25, MM_PER_MV = 10, DURATION_S = 10, MARGIN_MM = 10, HEADER_MM = 5, FOOTER_MM = 10;
const WIDTH_MM = MARGIN_MM + DURATION_S * MM_PER_S;
const LEAST_REACH_MM = { "3x4": 10, "12x1": 7.5 }, MOST_REACH_MM = 20;
// The font size of .ecg-name in viewer.css.
const NAME_MM = 3.4;

/** Lead name to {mv: Float64Array about the median, NaN where missing, low, high}. */
function unpack(signal) {
  const bytes = Uint8Array.from(atob(signal.leads), (character) => character.charCodeAt(0));
  const leads = {};
  let at = 0;
  for (const lead of LEADS) {
    const mv = new Float64Array(signal.samples);
    let steps = 0, low = Infinity, high = -Infinity;
    for (let index = 0; index < mv.length; index++) {
      let code = 0, weight = 1, byte;
      do {
        byte = bytes[at++];
        code += (byte & 0x7f) * weight;
        weight *= 0x80;
      } while (byte & 0x80);
      if (code === 0) {
        mv[index] = NaN;
        continue;
      }
      steps += code % 2 ? (code - 1) / 2 : -code / 2;
      mv[index] = steps * signal.step_uv / 1000;
      low = Math.min(low, mv[index]);
      high = Math.max(high, mv[index]);
    }
    leads[lead] = { mv, low, high };
  }
  return leads;
}

/** Lanes from top to bottom, each {baseline, pieces}, the tops of `strips` strips below them (viewer_attention.js), the
    paper's height, a multiple of 5 mm, and in s where the columns begin and the last ends. Columns share what there is
    of a recording shorter than the paper: of fixed ones the last would stay blank. */
function layOut(leads, rateHz, layout, strips) {
  const least = LEAST_REACH_MM[layout];
  const reach = (mm) => Math.min(Math.max(mm, least), MOST_REACH_MM);
  const samples = Math.min(leads.I.mv.length || Infinity, DURATION_S * rateHz);
  const count = LAYOUTS[layout][0].length;
  const bounds = Array.from({ length: count + 1 }, (_, column) => column * samples / count / rateHz);
  let bottom = HEADER_MM;
  const lanes = LAYOUTS[layout].map((names) => {
    const pieces = names.map((lead, column) => {
      const first = Math.ceil(column * samples / names.length);
      const mv = leads[lead].mv.subarray(first, Math.ceil((column + 1) * samples / names.length));
      return { lead, first, mv, x: MARGIN_MM + first / rateHz * MM_PER_S, ...extremes(mv) };
    });
    const above = reach(MM_PER_MV * Math.max(...pieces.map((piece) => piece.high)));
    const below = reach(-MM_PER_MV * Math.min(...pieces.map((piece) => piece.low)));
    const baseline = upTo5(bottom + above);
    bottom = baseline + below;
    return { baseline, pieces };
  });
  const tops = Array.from({ length: strips }, (_, index) => upTo5(bottom) + index * STRIP_MM);
  return { lanes, tops, bounds, height: upTo5(bottom + FOOTER_MM) + strips * STRIP_MM };
}

function extremes(mv) {
  let low = 0, high = 0;
  for (const value of mv) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

const upTo5 = (mm) => Math.ceil(mm / 5 - 1e-9) * 5;
const short = (value) => String(Math.round(value * 100) / 100);

const maker = (namespace) => (name, attributes, ...children) => {
  const made = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const svgElement = maker("http://www.w3.org/2000/svg"), element = maker("http://www.w3.org/1999/xhtml");

function grid(height) {
  const lines = ["", ""];
  for (let x = 0; x <= WIDTH_MM; x++) lines[x % 5 ? 0 : 1] += `M${x} 0v${height}`;
  for (let y = 0; y <= height; y++) lines[y % 5 ? 0 : 1] += `M0 ${y}h${WIDTH_MM}`;
  return [
    svgElement("rect", { class: "ecg-ground", width: WIDTH_MM, height }),
    svgElement("path", { class: "ecg-thin", d: lines[0] }),
    svgElement("path", { class: "ecg-thick", d: lines[1] }),
  ];
}

/** A path through a piece's samples; a missing sample ends the line, a sample between two missing ones is a dot. */
function trace(piece, baseline, rateHz) {
  let d = "", drawing = false;
  piece.mv.forEach((value, index) => {
    if (Number.isNaN(value)) {
      drawing = false;
      return;
    }
    d += `${drawing ? "L" : "M"}${short(piece.x + index / rateHz * MM_PER_S)} ${short(baseline - value * MM_PER_MV)}`;
    if (!drawing) d += "h0";
    drawing = true;
  });
  return svgElement("path", { d, "data-lead": piece.lead });
}

/** Where a lead's name hides the least of any trace: above its beginning, or a little further along, up or down. */
function placeName(piece, baseline, lanes, rateHz) {
  const width = piece.lead.length * 0.66 * NAME_MM;
  const room = Math.min(14, piece.mv.length / rateHz * MM_PER_S - width);
  let best = null;
  for (const y of [baseline - 6.2, baseline - 8.4, baseline - 4.2, baseline + 6.6, baseline + 8.8]) {
    for (let x = piece.x + 1.2; x < piece.x + Math.max(room, 2); x += 2.2) {
      const box = { left: x - 0.4, right: x + width, top: y - 3.4, bottom: y + 1.2 };
      const detour = Math.abs(y - baseline + 6.2) + (x - piece.x);
      const cost = 100 * hidden(box, lanes, rateHz) + detour;
      if (!best || cost < best.cost) best = { x, y, cost };
    }
  }
  return best;
}

/** How many of the lines between neighbouring samples run through a box. */
function hidden(box, lanes, rateHz) {
  let count = 0;
  for (const { baseline, pieces } of lanes) {
    for (const { x, mv } of pieces) {
      const first = Math.max(0, Math.floor((box.left - x) * rateHz / MM_PER_S));
      const last = Math.min(mv.length - 1, Math.ceil((box.right - x) * rateHz / MM_PER_S));
      for (let index = first; index < last; index++) {
        const from = baseline - mv[index] * MM_PER_MV, to = baseline - mv[index + 1] * MM_PER_MV;
        if (Math.max(from, to) > box.top && Math.min(from, to) < box.bottom) count++;
      }
    }
  }
  return count;
}

function drawLane({ baseline, pieces }, lanes, rateHz) {
  const pulse = `M1.5 ${baseline}h1v${-MM_PER_MV}h${0.2 * MM_PER_S}v${MM_PER_MV}h1`;
  const traces = svgElement(
    "g",
    { class: "ecg-trace", fill: "none", "stroke-linejoin": "round", "stroke-linecap": "round" },
    svgElement("path", { class: "ecg-pulse", d: pulse }),
  );
  const names = svgElement("g", { class: "ecg-name" });
  for (const piece of pieces) {
    traces.append(trace(piece, baseline, rateHz));
    if (piece.x > MARGIN_MM) traces.append(svgElement("path", { d: `M${piece.x} ${baseline - 3}v6` }));
    const { x, y } = placeName(piece, baseline, lanes, rateHz);
    names.append(svgElement("text", { x, y }, piece.lead));
  }
  return [traces, names];
}

/** Which stretch of time each column shows, above it; nothing where the columns are the usual 2.5 s. */
function drawStretches({ bounds }) {
  if (!sharesOut(bounds)) return [];
  const words = bounds.slice(1).map((end, column) => `${short(bounds[column])}–${short(end)} s`);
  const longest = Math.max(...words.map((text) => text.length));
  const size = Math.min(NAME_MM, bounds[1] * MM_PER_S / (longest * 0.6));
  return [svgElement("g", { class: "ecg-name", style: `--name: ${size}px` }, ...words.map((text, column) =>
    svgElement("text", { x: MARGIN_MM + bounds[column] * MM_PER_S, y: HEADER_MM - 2 }, text)))];
}

/** Whether there are columns, and of a recording that is shorter than the paper. */
const sharesOut = (bounds) => bounds.length > 2 && bounds.at(-1) < DURATION_S;

/** What the paper cannot show: leads that leave it, and leads without a sample. */
function shortcomings(leads, { lanes, height }) {
  const leaving = new Map(), empty = LEADS.filter((lead) => leads[lead].high < leads[lead].low);
  for (const { baseline, pieces } of lanes) {
    for (const { lead, low, high } of pieces) {
      if (high * MM_PER_MV > baseline || -low * MM_PER_MV > height - baseline) {
        leaving.set(lead, `${lead} (${low.toFixed(1)} to ${high.toFixed(1)} mV)`);
      }
    }
  }
  return [
    leaving.size ? `Leaves the paper: ${[...leaving.values()].join(", ")}.` : "",
    empty.length ? `No samples: ${empty.join(", ")}.` : "",
  ].filter(Boolean).join(" ");
}
