/* Strips of attention under the traces: for each model, where its last layer looked. viewer.py packs the values and
   puts this file between viewer_paper.js and viewer.js, into one function. */

// What a strip takes of the paper, and in it, from its top: its name's line, then the strip itself.
const STRIP_MM = 10, SHADES_FROM_MM = 5, SHADES_MM = 4;
const LEVELS = 254;

/** {model, frameS, largest, levels: Uint8Array of 0 for none, else 1 + LEVELS times the part of the largest value}. */
function unpackSaliency({ model, frame_s: frameS, largest, levels }) {
  return { model, frameS, largest, levels: Uint8Array.from(atob(levels), (character) => character.charCodeAt(0)) };
}

/** Part of the largest value, 0 to 1, at a time from the beginning; null where there is none. */
function partAt({ frameS, levels }, seconds) {
  const level = levels[Math.floor(seconds / frameS)];
  return level ? (level - 1) / LEVELS : null;
}

/** Stretches [{first, end, level}] of neighbours that `same` holds to be alike. */
function stretches(levels, same) {
  const found = [];
  levels.forEach((level, index) => {
    const last = found.at(-1);
    if (last && same(last.level, level)) last.end = index + 1;
    else found.push({ first: index, end: index + 1, level });
  });
  return found.filter((stretch) => stretch.level);
}

/** One strip. The shade's opacity is the value: on sRGB's scale equal steps of it look about equal, on any paper. */
function drawStrip({ model, frameS, largest, levels }, top) {
  const x = (index) => Math.min(MARGIN_MM + index * frameS * MM_PER_S, WIDTH_MM);
  const box = ({ first, end }) => (
    { x: x(first), y: top + SHADES_FROM_MM, width: x(end) - x(first), height: SHADES_MM }
  );
  const read = stretches(levels, (one, other) => !one === !other);
  const shades = stretches(levels, (one, other) => one === other);
  return svgElement(
    "g",
    {},
    svgElement("g", { class: "ecg-name" },
      svgElement("text", { x: MARGIN_MM, y: top + SHADES_FROM_MM - 1 },
        `Attention of ${model}, 0 to ${threeDigits(largest)}`)),
    ...read.map((stretch) => svgElement("rect", { class: "ecg-ground", ...box(stretch) })),
    svgElement("g", { class: "viewer-shade", "shape-rendering": "crispEdges" }, ...shades.map((stretch) =>
      svgElement("rect", { ...box(stretch), "fill-opacity": (stretch.level - 1) / LEVELS }))),
    ...read.map((stretch) => svgElement("rect", { class: "viewer-read", ...box(stretch) })),
  );
}

/** What the strips show, for the note under the paper. */
function legendOf(saliencies) {
  const names = saliencies.map(({ model }) => model).join(" and ");
  return `Attention of ${names}: where the last layer looked; not an explanation of the diagnosis. The shade goes ` +
    `from 0 to the largest value in this ECG in ${LEVELS} equal steps; in a strip of one shade no moment stands out, ` +
    "and there is no shade where the model read nothing. The value of a moment is the largest weight that it gives " +
    "to any one moment of its window, averaged over heads.";
}

/** A strip in words, for who cannot see it. */
function inWordsOf({ model, frameS, largest, levels }) {
  const seconds = levels.indexOf(Math.max(...levels)) * frameS;
  return `Attention of ${model}: largest, ${threeDigits(largest)}, at ${seconds.toFixed(2)} s.`;
}

/** The values at a time from the beginning, in words; "" beyond the strips. */
function attendedAt(saliencies, seconds) {
  const found = saliencies.map((saliency) => [saliency, seconds < 0 ? null : partAt(saliency, seconds)]);
  if (found.every(([, part]) => part === null)) return "";
  const values = found.map(([{ model, largest }, part]) => part === null ? `${model} –`
    : `${model} ${threeDigits(part * largest)} (${Math.round(100 * part)} % of its largest)`);
  return `Attention at ${seconds.toFixed(2)} s: ${values.join(", ")}`;
}

const threeDigits = (value) => String(Number(value.toPrecision(3)));
