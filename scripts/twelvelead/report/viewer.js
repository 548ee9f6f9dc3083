/* The ECG viewer of the report page: lists of ECGs, zoom and callipers on the paper that viewer_paper.js draws.
   viewer.py writes the markup, packs the signals and puts the files into one function. Text from the report only
   ever becomes a text node or an attribute, never markup. For tests and the console: window.twelveleadViewer. */

const MOST_ZOOM = 16, ZOOM_STEP = 1.25, FINE_MM = 0.1, COARSE_MM = 1;
const USUAL_PX_PER_MM = 4;
const WHOLE = { x: 0, y: 0, zoom: 1 };
const GRAB_PX = 10, LEAST_DRAG_PX = 3;
// No ventricular rate is higher; a shorter interval is a duration, not a cycle.
const MOST_BPM = 400;

let root, stage, ecgs, groups;
// The list shown, the ECG's place in it, how its leads are laid out, and what dragging does: "measure" or "move".
let group = 0, place = 0, layout = "3x4", tool = "measure";
// Whether strips of attention are drawn where the ECG has any.
let attention = true;
// What is on the paper: {leads, saliencies, paper, svg, overlay, fit: its first zoom}; null where there is no signal.
let drawn = null;
// The part of the paper in view; the callipers' two ends in mm of paper, or null; and the end that keys move.
let view = { ...WHOLE }, ends = null, active = 1;
// The point of the paper under the pointer, unless the callipers were used since it moved.
let pointed = null;
// {begun, measures, apply(event)} while a button is held down.
let drag = null;
let printing = false;

const part = (name) => root.querySelector(`[data-part="${name}"]`);
const button = (name) => root.querySelector(`[data-do="${name}"]`);
const current = () => ecgs[groups[group]?.ecgs[place]];

function setText(name, text) {
  part(name).textContent = text;
}

function fillGroups() {
  part("group").replaceChildren(...groups.map((one, index) => {
    const option = element("option", { value: index }, `${one.title} (${one.ecgs.length})`);
    option.disabled = !one.ecgs.length;
    return option;
  }));
}

function fillEcgs() {
  const positions = groups[group]?.ecgs ?? [];
  part("ecg").replaceChildren(...positions.map((position, index) =>
    element("option", { value: index }, `${index + 1}. ${ecgs[position].title}`)));
}

function show(newGroup, newPlace) {
  if (newGroup !== group || !part("ecg").options.length) {
    group = newGroup;
    fillEcgs();
  }
  place = newPlace;
  const ecg = current(), count = groups[group]?.ecgs.length ?? 0;
  part("group").value = group;
  part("ecg").value = place;
  setText("position", count ? `${place + 1} of ${count}` : "no ECG");
  button("previous").setAttribute("aria-disabled", place <= 0);
  button("next").setAttribute("aria-disabled", place >= count - 1);
  setText("title", ecg?.title ?? "No ECG is kept on this page");
  setText("caption", ecg ? captionOf(ecg) : "");
  setText("reason", ecg?.reason ? `Excluded: ${ecg.reason}` : ecg && !ecg.signal ? "No signal on this page." : "");
  part("answers").replaceChildren(...(ecg ? answers(ecg) : []));
  drawn = ends = drag = pointed = null;
  // Focus must not be lost with a paper that goes away, or the key that brought us here would not lead back.
  const held = document.activeElement;
  if (held === stage && !ecg?.signal) part("title").focus();
  part("drawn").hidden = !ecg?.signal;
  if (ecg?.signal) draw();
  if (held === part("title") && ecg?.signal) stage.focus();
}

const captionOf = ({ id, title, caption }) => [caption, id === title ? "" : `ECG ${id}`].filter(Boolean).join(" · ");

function step(by) {
  const next = place + by;
  if (next < 0 || next >= (groups[group]?.ecgs.length ?? 0)) return;
  show(group, next);
  announceEcg();
}

function announceEcg() {
  const ecg = current();
  if (ecg) setText("spoken", `ECG ${place + 1} of ${groups[group].ecgs.length}: ${ecg.title}. ${ecg.caption}`);
}

// Many patterns are rare, and 0.000 would look like a model that says never.
function inWords(probability) {
  if (probability === null) return "–";
  return probability > 0 && probability < 0.0005 ? "< 0.001" : probability.toFixed(3);
}

function answers({ truth, predictions }) {
  const blocks = [];
  if (truth.length) {
    const list = element("ul", {}, ...truth.map((words) => element("li", {}, words)));
    blocks.push(element("div", {}, element("h4", {}, "Truth"), list));
  }
  if (predictions.length) {
    const rows = predictions.map(([label, probability]) => {
      const cell = element("td", { class: "bar" }, inWords(probability));
      cell.style.setProperty("--at", probability ?? 0);
      return element("tr", {}, element("th", { scope: "row" }, label), cell);
    });
    const head = element("thead", {}, element("tr", {},
      element("th", { scope: "col" }, "Label"), element("th", { scope: "col", class: "n" }, "Probability")));
    const table = element("table", { "aria-label": "Predictions" }, head, element("tbody", {}, ...rows));
    blocks.push(element("div", {}, element("h4", {}, "Predictions"), table));
  }
  return blocks;
}

function draw() {
  const ecg = current(), { signal } = ecg;
  const leads = drawn?.leads ?? unpack(signal);
  const saliencies = attention ? (ecg.saliency ?? []).map(unpackSaliency) : [];
  const paper = layOut(leads, signal.rate_hz, layout, saliencies.length);
  const kept = signal.seconds > DURATION_S ? ` First ${DURATION_S} s of ${short(signal.seconds)} s.`
    : sharesOut(paper.bounds) ? ` ${short(signal.seconds)} s in columns of ${short(paper.bounds[1])} s.` : "";
  const scale = `25 mm/s, 10 mm/mV, ${short(signal.rate_hz)} Hz; each lead about its median, ` +
    `in steps of ${short(signal.step_uv)} µV.${kept} ${shortcomings(leads, paper)}`.trimEnd();
  setText("scale", scale);
  showLegend(ecg, saliencies);
  const overlay = svgElement("g", {});
  const svg = svgElement(
    "svg",
    {
      role: "img", "aria-label": [`${ecg.title}. ${ecg.caption} ${scale}`, ...saliencies.map(inWordsOf)].join(" "),
      preserveAspectRatio: "xMinYMin", "font-family": "system-ui, sans-serif",
    },
    ...grid(paper.height),
    ...saliencies.map((saliency, index) => drawStrip(saliency, paper.tops[index])),
    ...paper.lanes.flatMap((lane) => drawLane(lane, paper.lanes, signal.rate_hz)),
    ...drawStretches(paper),
    svgElement("text", { class: "ecg-name", x: 2.5, y: paper.height - 2.2 }, "25 mm/s, 10 mm/mV"),
    overlay,
  );
  drawn = { leads, saliencies, paper, svg, overlay, fit: 1 };
  stage.replaceChildren(svg);
  fitStage();
  look();
}

function showLegend({ saliency }, saliencies) {
  button("attention").hidden = part("keys").hidden = !saliency;
  part("attention").hidden = !saliencies.length;
  setText("legend", saliencies.length ? legendOf(saliencies) : "");
}

/** The strips lie below the traces, so that what is in view and the callipers can stay where they are. */
function toggleAttention() {
  if (!current().saliency) return;
  const { x, y, zoom } = view, enlarged = zoom > drawn.fit;
  attention = !attention;
  draw();
  view = enlarged ? { x, y, zoom } : { ...view, x };
  look();
  setText("spoken", attention ? "Attention shown" : "Attention hidden");
}

/** Shows the part of the paper that `view` says, kept within the paper; a hidden stage waits for its size. */
function look() {
  if (printing || !stage.clientWidth) return;
  const { svg, paper } = drawn, { width, height } = span();
  view.x = clamp(view.x, WIDTH_MM - width);
  view.y = clamp(view.y, paper.height - height);
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${width} ${height}`);
  // Beyond the usual size, lines and names grow less than the paper does: an enlarged wave can be measured finer.
  svg.style.setProperty("--thin", Math.min(1, (pxPerMm() / USUAL_PX_PER_MM) ** -0.6));
  setPressed();
  button("fit").textContent = `${view.zoom.toFixed(1)} ×`;
  setText("pixel", `One pixel of this screen is ${(1000 / MM_PER_S / pxPerMm()).toFixed(1)} ms and ` +
    `${(1 / MM_PER_MV / pxPerMm()).toFixed(3)} mV.`);
  drawCallipers();
}

/** Print shows the whole paper, to scale, whatever part of it is enlarged on the screen. */
function lookAtAll() {
  printing = true;
  drawn.svg.setAttribute("viewBox", `0 0 ${WIDTH_MM} ${drawn.paper.height}`);
  drawn.svg.style.setProperty("--thin", 1);
}

/** Size of the part in view, in mm. The stage has the paper's shape, but is higher on a narrow screen. */
function span() {
  const { width, height } = stage.getBoundingClientRect();
  return { width: WIDTH_MM / view.zoom, height: WIDTH_MM / view.zoom * height / width };
}

/** Fits the stage to a new paper: all of it in view, or on a narrow screen all of its height. */
function fitStage() {
  stage.style.aspectRatio = `${WIDTH_MM} / ${drawn.paper.height}`;
  view = { ...WHOLE };
  const filling = span().height / drawn.paper.height;
  view.zoom = drawn.fit = filling > 1.01 ? filling : 1;
}

const clamp = (value, most) => Math.max(Math.min(value, most), 0);
const pxPerMm = () => stage.getBoundingClientRect().width * view.zoom / WIDTH_MM;

function setPressed() {
  for (const name of ["3x4", "12x1"]) button(name).setAttribute("aria-pressed", layout === name);
  for (const name of ["measure", "move"]) button(name).setAttribute("aria-pressed", tool === name);
  button("attention").setAttribute("aria-pressed", attention);
  stage.classList.toggle("moving", tool === "move");
}

function toPaper(clientX, clientY) {
  const box = drawn.svg.getBoundingClientRect(), perMm = pxPerMm();
  return { x: view.x + (clientX - box.left) / perMm, y: view.y + (clientY - box.top) / perMm };
}

function toClient({ x, y }) {
  const box = drawn.svg.getBoundingClientRect(), perMm = pxPerMm();
  return { x: box.left + (x - view.x) * perMm, y: box.top + (y - view.y) * perMm };
}

/** Zooms by `factor`; `fixed`, a point on the paper in mm, stays where it is on the screen. */
function zoom(factor, fixed = middle()) {
  const old = view.zoom;
  view.zoom = Math.min(Math.max(old * factor, 1), MOST_ZOOM);
  view.x = fixed.x - (fixed.x - view.x) * old / view.zoom;
  view.y = fixed.y - (fixed.y - view.y) * old / view.zoom;
  look();
}

/** The middle of the callipers where it is in view, else of what is in view. */
function middle() {
  const { width, height } = span();
  if (ends) {
    const x = (ends[0].x + ends[1].x) / 2, y = (ends[0].y + ends[1].y) / 2;
    if (x >= view.x && x <= view.x + width && y >= view.y && y <= view.y + height) return { x, y };
  }
  return { x: view.x + width / 2, y: view.y + Math.min(height, drawn.paper.height) / 2 };
}

function setLayout(name) {
  layout = name;
  ends = drag = null;
  draw();
}

function setTool(name) {
  tool = name;
  setPressed();
}

/** {ms, mv, bpm} from the earlier to the later end; mv is positive where the later end is higher; null without. */
function measure() {
  if (!ends) return null;
  const [from, to] = ends[0].x <= ends[1].x ? ends : [ends[1], ends[0]];
  const ms = (to.x - from.x) / MM_PER_S * 1000;
  return { ms, mv: (from.y - to.y) / MM_PER_MV, bpm: ms > 0 ? 60000 / ms : null };
}

function reading() {
  const { ms, mv, bpm } = measure();
  const rate = bpm !== null && bpm <= MOST_BPM ? `${Math.round(bpm)} bpm` : "– bpm";
  const signed = (Math.round(mv * 100) / 100 || 0).toFixed(2).replace("-", "−");
  return `${Math.round(ms)} ms · ${signed} mV · ${rate}`;
}

function showMeasure() {
  setText("measure", ends ? reading() : "");
  const point = pointed ?? ends?.[active];
  setText("attended", point ? attended(point) : "");
}

/** The values of the strips above or below a point of the paper. */
const attended = ({ x }) => attendedAt(drawn.saliencies, (x - MARGIN_MM) / MM_PER_S);

const spokenReading = () => [reading(), attended(ends[active])].filter(Boolean).join(". ");

function drawCallipers() {
  showMeasure();
  if (!ends) {
    drawn.overlay.replaceChildren();
    return;
  }
  const mmPerPx = 1 / pxPerMm(), [a, b] = ends;
  const left = Math.min(a.x, b.x), top = Math.min(a.y, b.y);
  const width = Math.abs(a.x - b.x), height = Math.abs(a.y - b.y), tail = 7 * mmPerPx;
  const text = reading(), size = 13 * mmPerPx, room = text.length * 0.56 * size;
  const lines = `M${a.x} 0V${drawn.paper.height}M${b.x} 0V${drawn.paper.height}` +
    `M${left - tail} ${a.y}h${width + 2 * tail}M${left - tail} ${b.y}h${width + 2 * tail}`;
  drawn.overlay.replaceChildren(
    svgElement("rect", { class: "viewer-between", x: left, y: top, width, height }),
    svgElement("path", { class: "viewer-ends", d: lines, "stroke-width": 1.2 * mmPerPx }),
    ...ends.map((end, index) => svgElement("circle", {
      class: index === active ? "viewer-end active" : "viewer-end",
      cx: end.x, cy: end.y, r: 3.5 * mmPerPx, "stroke-width": 1.5 * mmPerPx,
    })),
    svgElement("text", {
      class: "viewer-reading", "font-size": size, "stroke-width": 4 * mmPerPx,
      x: Math.min(left + width + tail, view.x + span().width - room - tail),
      y: Math.max(top - 6 * mmPerPx, view.y + size),
    }, text),
  );
}

function onPaper({ x, y }) {
  return { x: clamp(x, WIDTH_MM), y: clamp(y, drawn.paper.height) };
}

/** Moves the active end; the first call puts callipers of 200 ms into the middle of the view. */
function nudge(dx, dy) {
  if (ends) {
    ends[active] = onPaper({ x: ends[active].x + dx, y: ends[active].y + dy });
  } else {
    const { x, y } = middle();
    ends = [{ x, y }, { x: x + 5, y }];
    active = 1;
  }
  pointed = null;
  const { x, y } = ends[active], { width, height } = span();
  view.x = Math.min(Math.max(view.x, x - width), x);
  view.y = Math.min(Math.max(view.y, y - height), y);
  look();
  setText("spoken", spokenReading());
}

function startPan(event) {
  const from = { ...view }, perMm = pxPerMm();
  return (now) => {
    view.x = from.x - (now.clientX - event.clientX) / perMm;
    view.y = from.y - (now.clientY - event.clientY) / perMm;
    look();
  };
}

function startMeasure(event) {
  const near = (ends ?? []).map((end) => {
    const at = toClient(end);
    return Math.hypot(at.x - event.clientX, at.y - event.clientY);
  });
  const grabbed = near.length && Math.min(...near) <= GRAB_PX ? near.indexOf(Math.min(...near)) : null;
  const from = toPaper(event.clientX, event.clientY);
  return (now) => {
    // A click that hardly moves only gives the paper focus: it must not replace a measure.
    if (grabbed === null && !drag.begun &&
      Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) < LEAST_DRAG_PX) return;
    if (grabbed === null && !drag.begun) ends = [onPaper(from), onPaper(from)];
    drag.begun = true;
    pointed = null;
    active = grabbed ?? 1;
    ends[active] = onPaper(toPaper(now.clientX, now.clientY));
    drawCallipers();
  };
}

const actions = {
  previous: () => step(-1),
  next: () => step(1),
  "3x4": () => drawn && setLayout("3x4"),
  "12x1": () => drawn && setLayout("12x1"),
  layout: () => drawn && setLayout(layout === "3x4" ? "12x1" : "3x4"),
  measure: () => setTool("measure"),
  move: () => setTool("move"),
  "zoom-in": () => drawn && zoom(ZOOM_STEP),
  "zoom-out": () => drawn && zoom(1 / ZOOM_STEP),
  fit: () => drawn && zoom(0),
  attention: () => drawn && toggleAttention(),
};
const keys = {
  n: "next", p: "previous", l: "layout", m: "measure", v: "move", a: "attention",
  "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "fit",
};
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function stageKey({ key, shiftKey }) {
  if (arrows[key] && tool === "move") {
    view.x += arrows[key][0] * 5;
    view.y += arrows[key][1] * 5;
    look();
  } else if (arrows[key]) {
    const mm = shiftKey ? COARSE_MM : FINE_MM;
    nudge(arrows[key][0] * mm, arrows[key][1] * mm);
  } else if (key === "Enter" && ends) {
    active = 1 - active;
    pointed = null;
    drawCallipers();
    setText("spoken", active ? "Second end" : "First end");
  } else if (key === "Escape" && ends) {
    ends = null;
    drawCallipers();
    setText("spoken", "Callipers off");
  } else return false;
  return true;
}

function listen() {
  stage.addEventListener("pointerdown", (event) => {
    if (!drawn || event.button > 1) return;
    const pans = tool === "move" || event.shiftKey || event.button === 1;
    if (event.button === 1) event.preventDefault();
    drag = { begun: false, measures: !pans, apply: pans ? startPan(event) : startMeasure(event) };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    drag?.apply(event);
    if (!drawn || drag) return;
    pointed = toPaper(event.clientX, event.clientY);
    showMeasure();
  });
  stage.addEventListener("pointerleave", () => {
    pointed = null;
    if (drawn) showMeasure();
  });
  stage.addEventListener("pointerup", () => {
    if (drag?.begun && drag.measures) setText("spoken", spokenReading());
    drag = null;
  });
  stage.addEventListener("pointercancel", () => { drag = null; });
  stage.addEventListener("wheel", (event) => {
    if (!drawn || !event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.002), toPaper(event.clientX, event.clientY));
  }, { passive: false });
  root.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) actions[name]();
  });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    if (event.target === stage && drawn && stageKey(event)) event.preventDefault();
    else if (Object.hasOwn(keys, event.key.toLowerCase())) {
      event.preventDefault();
      actions[keys[event.key.toLowerCase()]]();
    }
  });
  part("group").addEventListener("change", (event) => { show(Number(event.target.value), 0); announceEcg(); });
  part("ecg").addEventListener("change", (event) => { show(group, Number(event.target.value)); announceEcg(); });
  new ResizeObserver(() => drawn && look()).observe(stage);
  window.addEventListener("beforeprint", () => drawn && lookAtAll());
  window.addEventListener("afterprint", () => {
    printing = false;
    if (drawn) look();
  });
}

function start() {
  root = document.getElementById("ecg-viewer");
  if (!root) return;
  stage = part("stage");
  ({ ecgs, groups } = JSON.parse(part("content").textContent));
  listen();
  part("viewer").hidden = false;
  fillGroups();
  show(Math.max(0, groups.findIndex((one) => one.ecgs.length)), 0);
  window.twelveleadViewer = {
    /** Position of the ECG shown among all ECGs, or undefined. */
    ecg: () => groups[group]?.ecgs[place],
    /** What the callipers read: {ms, mv, bpm}, or null. */
    measure,
    /** Copies of the zoom {x, y, zoom} and of the callipers' ends [{x, y}, {x, y}] in mm, or null. */
    view: () => ({ ...view }),
    ends: () => ends?.map((end) => ({ ...end })) ?? null,
    /** mV of a lead as unpacked, NaN where missing. */
    samples: (lead) => Array.from(drawn.leads[lead].mv),
    /** Where a lead begins in a lane (3 is the rhythm strip): {x, y} of 0 mV in mm of paper. */
    origin: (lead, lane) => {
      const { baseline, pieces } = drawn.paper.lanes[lane];
      return { x: pieces.find((piece) => piece.lead === lead).x, y: baseline };
    },
    /** The models whose attention is drawn, and of each where its strip is, in mm of paper. */
    strips: () => drawn.saliencies.map(({ model }, index) => (
      { model, top: drawn.paper.tops[index] + SHADES_FROM_MM, height: SHADES_MM }
    )),
    /** A point of the paper in mm to pixels of the window, and back. */
    toClient,
    toPaper,
  };
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
