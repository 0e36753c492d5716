// A chart over a logarithmic rate axis, drawn as SVG at the width it has: curves with bands or whiskers, markers that
// can be hovered or walked with the arrow keys, one tab stop for all of them.

const MARKERS = [
  "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
  "M-4.2 -4.2H4.2V4.2H-4.2Z",
  "M0 -5.6L5.6 0L0 5.6L-5.6 0Z",
  "M0 -5.4L5.2 4.2H-5.2Z",
  "M0 5.4L5.2 -4.2H-5.2Z",
  "M-1.7 -5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",
];
const DASHES = ["", "", "7 4", "2 3", "9 3 2 3"];
const COLOURS = 8;

const marker = (style) => MARKERS[style % MARKERS.length];
const dash = (style) => DASHES[(style + Math.floor(style / COLOURS)) % DASHES.length];
const colour = (style) => `s${style % COLOURS}`;

/** A short piece of a curve with its marker, for a legend. */
function swatch(style) {
  const ends = { x1: 1, y1: 8, x2: 33, y2: 8 };
  const line = drawing("line", { ...ends, stroke: "var(--c)", "stroke-width": 2, "stroke-dasharray": dash(style) });
  const shape = drawing("path", { d: marker(style), transform: "translate(17 8)", fill: "var(--c)" });
  return drawing("svg", { viewBox: "0 0 34 16", class: colour(style), "aria-hidden": "true" }, line, shape);
}

/** Ticks of a logarithmic axis over [low, high], `pixels` long: labels `room` or more apart, and all for the grid. */
function logTicks(low, high, pixels, room) {
  const all = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
    for (let m = 1; m < 10; m++) all.push(Number(`${m}e${e}`));
  const inside = all.filter((tick) => tick >= low && tick <= high);
  const leading = (tick) => Number(tick.toExponential(0)[0]);
  for (const kept of [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const labels = inside.filter((tick) => kept.includes(leading(tick)));
    const gaps = labels.slice(1).map((tick, i) => (pixels * Math.log(tick / labels[i])) / Math.log(high / low));
    if (Math.min(...gaps, Infinity) >= room) return { labels, grid: inside };
  }
  return { labels: inside.slice(0, 1), grid: inside };
}

/** Ticks of a linear axis over [low, high], about `most` of them at round steps. */
function linearTicks(low, high, most) {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(i * step);
  return { labels: ticks, grid: ticks };
}

const scaleOf = (log, [low, high], [from, to]) => {
  const f = log ? Math.log : (x) => x;
  return (value) => from + ((f(value) - f(low)) / (f(high) - f(low))) * (to - from);
};

function domain(values, log, padding) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = log ? [low / 1.5, high * 1.5] : [low - 0.5, high + 0.5];
  if (log) return [low * (low / high) ** padding, high * (high / low) ** padding];
  return [low - padding * (high - low), high + padding * (high - low)];
}

/**
 * Draw into `holder`. spec: label, xTitle, yTitle, yLog, yDomain, yText(value), dotted ({value} or null), within
 * ([low, high] or null), series: [{style, learned, visible, band, whiskers, points: [{x, y, low, high, title, rows}]}];
 * learned ones lie on top.
 */
function drawChart(holder, spec) {
  hideTip();
  const width = Math.max(holder.clientWidth, 240);
  const height = Math.round(Math.min(Math.max(width * 0.62, 280), 460));
  const area = { left: 46, right: width - 12, top: 30, bottom: height - 46 };
  const xs = spec.series.flatMap((s) => s.points.map((p) => p.x));
  const xDomain = domain(xs, true, 0.05);
  const x = scaleOf(true, xDomain, [area.left, area.right]);
  const y = scaleOf(spec.yLog, spec.yDomain, [area.bottom, area.top]);
  const positive = (value) => (spec.yLog ? Math.max(value, spec.yDomain[0]) : value);
  const inside = (value) => Math.min(Math.max(y(positive(value)), area.top), area.bottom);
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group", "aria-label": spec.label });
  svg.append(...axes(spec, area, x, y, xDomain, width, height));
  if (spec.within) {
    const [low, high] = spec.within.map(inside);
    const size = { x: area.left, y: high, width: area.right - area.left, height: low - high };
    svg.append(drawing("rect", { class: "within", ...size }));
  }
  if (spec.dotted) {
    const at = inside(spec.dotted.value);
    svg.append(drawing("line", { class: "uncompressed", x1: area.left, x2: area.right, y1: at, y2: at }));
  }
  const cross = drawing("path", { class: "cross", fill: "none" });
  svg.append(cross);
  const shown = spec.series.filter((s) => s.visible && s.points.length);
  const drawn = [...shown].sort((a, b) => Number(a.learned) - Number(b.learned));
  for (const s of drawn) if (s.band) svg.append(band(s, x, inside));
  for (const s of drawn) svg.append(...lines(s, x, inside));
  const marks = shown.map((s) => s.points.map((p) => mark(s, p, x(p.x), inside(p.y))));
  svg.append(...marks.flat().map((m) => m.node));
  const middle = { x: width / 2, y: height / 2, "text-anchor": "middle" };
  if (!shown.length) svg.append(drawing("text", middle, "No codec is shown."));
  const frame = element("div", {}, svg); // Chromium makes a tab stop of an SVG that itself listens to focus
  listen(frame, svg, marks, cross, area);
  holder.replaceChildren(frame);
}

function axes(spec, area, x, y, xDomain, width, height) {
  const parts = [];
  const add = (name, attributes, ...text) => parts.push(drawing(name, attributes, ...text));
  const xTicks = logTicks(...xDomain, area.right - area.left, 28);
  for (const tick of xTicks.grid)
    add("line", { class: "grid", x1: x(tick), x2: x(tick), y1: area.top, y2: area.bottom });
  for (const tick of xTicks.labels)
    add("text", { x: x(tick), y: area.bottom + 17, "text-anchor": "middle" }, String(tick));
  const tall = area.bottom - area.top;
  const yTicks = spec.yLog ? logTicks(...spec.yDomain, tall, 22) : linearTicks(...spec.yDomain, tall / 44);
  for (const tick of yTicks.labels) {
    add("line", { class: "grid", x1: area.left, x2: area.right, y1: y(tick), y2: y(tick) });
    add("text", { x: area.left - 8, y: y(tick) + 4, "text-anchor": "end" }, spec.yText(tick));
  }
  add("line", { class: "axis", x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom });
  add("text", { class: "title", x: 0, y: 14 }, spec.yTitle);
  add("text", { class: "title", x: width - 12, y: height - 8, "text-anchor": "end" }, spec.xTitle);
  return parts;
}

function band(series, x, y) {
  const up = series.points.map((p) => `${x(p.x)} ${y(p.high)}`);
  const down = series.points.map((p) => `${x(p.x)} ${y(p.low)}`).reverse();
  return drawing("path", { class: `band ${colour(series.style)}`, d: `M${[...up, ...down].join("L")}Z` });
}

function lines(series, x, y) {
  const path = `M${series.points.map((p) => `${x(p.x)} ${y(p.y)}`).join("L")}`;
  const kind = `curve ${colour(series.style)}${series.learned ? " learned" : ""}`;
  const parts = [drawing("path", { class: kind, d: path, "stroke-dasharray": dash(series.style) })];
  for (const p of series.whiskers ? series.points : []) {
    const ends = { x1: x(p.x), x2: x(p.x), y1: y(p.low), y2: y(p.high) };
    parts.push(drawing("line", { class: `whiskers ${colour(series.style)}`, ...ends }));
  }
  return parts;
}

/** One marker: focusable, named for those who do not see it. */
function mark(series, point, px, py) {
  const said = [point.title, ...point.rows.map(([name, value]) => `${name} ${value}`)].join(", ");
  const place = { class: `point ${colour(series.style)}`, transform: `translate(${px} ${py})` };
  const node = drawing(
    "g",
    { ...place, role: "img", tabindex: -1, "aria-label": said },
    drawing("circle", { class: "ring", r: 10 }),
    drawing("path", { d: marker(series.style) }),
  );
  return { node, point, px, py };
}

function listen(frame, svg, marks, cross, area) {
  const all = marks.flat();
  if (!all.length) return;
  all[0].node.setAttribute("tabindex", 0);
  let active = null;
  const leave = () => {
    active?.node.classList.remove("active");
    active = null;
    cross.removeAttribute("d");
    hideTip();
  };
  const enter = (m) => {
    if (m === active) return;
    leave();
    active = m;
    m.node.classList.add("active");
    cross.setAttribute("d", `M${area.left} ${m.py}H${m.px}V${area.bottom}`);
    showTip(m.point.title, m.point.rows, m.node.getBoundingClientRect());
  };
  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const distance = (m) => Math.hypot(m.px - (event.clientX - box.left), m.py - (event.clientY - box.top));
    const best = all.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    return distance(best) < 36 ? best : null;
  };
  const follow = (event) => {
    const near = nearest(event);
    if (near) enter(near);
    else leave();
  };
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  svg.addEventListener("pointerleave", leave);
  frame.addEventListener("focusout", leave);
  frame.addEventListener("focusin", (event) => {
    const m = all.find((one) => one.node === event.target);
    if (!m) return;
    for (const other of all) other.node.setAttribute("tabindex", other === m ? 0 : -1);
    enter(m);
  });
  frame.addEventListener("keydown", (event) => {
    const row = marks.findIndex((series) => series.some((m) => m.node === event.target));
    if (row < 0) return;
    const column = marks[row].findIndex((m) => m.node === event.target);
    const next = neighbour(marks, row, column, event.key);
    if (!next) return;
    event.preventDefault();
    next.node.focus();
  });
}

/** The marker that an arrow key leads to: along the curve, or to the nearest rate of the next curve. */
function neighbour(marks, row, column, key) {
  const series = marks[row];
  if (key === "ArrowRight") return series[Math.min(column + 1, series.length - 1)];
  if (key === "ArrowLeft") return series[Math.max(column - 1, 0)];
  if (key === "Home") return series[0];
  if (key === "End") return series[series.length - 1];
  if (key !== "ArrowUp" && key !== "ArrowDown") return null;
  const other = marks[(row + (key === "ArrowDown" ? 1 : marks.length - 1)) % marks.length];
  const distance = (m) => Math.abs(m.px - series[column].px);
  return other.reduce((a, b) => (distance(b) < distance(a) ? b : a));
}

/** Call `draw` now and whenever the holder's width changes. */
function drawAtWidth(holder, draw) {
  let width = 0;
  new ResizeObserver(() => {
    if (holder.clientWidth && holder.clientWidth !== width) {
      width = holder.clientWidth;
      draw();
    }
  }).observe(holder);
}
