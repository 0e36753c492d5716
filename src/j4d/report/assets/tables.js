// Quantization tables as heat maps: learned steps beside Annex K's, at the operating point of a slider.

function wireTables(article, view) {
  const section = article.querySelector("[data-tables]");
  if (!section) return;
  const slider = section.querySelector("[data-point]");
  const profile = section.querySelector("[data-profile]");
  const draw = () => {
    const table = view.tables[profile ? Number(profile.value) : 0];
    slider.max = table.points.length - 1;
    const point = table.points[Number(slider.value)];
    describe(slider, `${point.label}, actual ${number(point.bpp, 3)} bpp`);
    const learned = (part) =>
      heatmap(`Learned, ${part}`, point[part], point[`annex_${part}`], point[`${part}_zone`], "Annex K");
    const annex = (part) =>
      heatmap(`Annex K at quality ${point.quality}, ${part}`, point[`annex_${part}`], point[part], null, "learned");
    const parts = point.sampling === "gray" ? ["luma"] : ["luma", "chroma"];
    const maps = parts.flatMap((part) => [learned(part), annex(part)]);
    section.querySelector(".heatmaps").replaceChildren(...maps);
    section.querySelector("[data-zones]").textContent = zoneText(point, parts);
  };
  slider.addEventListener("input", draw);
  profile?.addEventListener("change", draw);
  draw();
}

/** Say what a slider's value means, beside it and to a screen reader. */
function describe(slider, text) {
  slider.setAttribute("aria-valuetext", text);
  slider.parentElement.querySelector("output").textContent = text;
}

function zoneText(point, parts) {
  const texts = parts.map((part) => point[`${part}_zone_text`]);
  const same = texts.every((one) => one === texts[0]);
  const named = (part, i) => `${part[0].toUpperCase()}${part.slice(1)}: ${texts[i]}`;
  const zones = same ? texts[0] : parts.map(named).join(" ");
  const zoned = parts.some((part) => point[`${part}_zone`]);
  const bars = zoned ? " The bar in a cell shows it: a full one is half a step." : "";
  const drawn = point.sharpness === null ? "" : ` The index is drawn at random with sharpness ${point.sharpness}.`;
  return `Sampling ${point.sampling}. ${zones}${bars}${drawn}`;
}

/** One table of 64 steps: a grid with one tab stop, walked with the arrow keys. */
function heatmap(title, steps, others, zones, other) {
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7];
  const head = numbers.map((v) => element("th", { scope: "col" }, String(v)));
  const cells = steps.map((step, i) => heatmapCell(step, zones ? zones[i] : 0));
  cells[0].tabIndex = 0;
  const name = (u) => element("th", { scope: "row" }, String(u));
  const rows = numbers.map((u) => element("tr", {}, name(u), ...cells.slice(8 * u, 8 * u + 8)));
  const corner = element("td", { class: "corner" });
  const table = element(
    "table",
    { class: "heatmap", role: "grid", "aria-readonly": "true" },
    element("caption", {}, title),
    element("thead", {}, element("tr", {}, corner, ...head)),
    element("tbody", {}, ...rows),
  );
  const show = (cell) => {
    const i = cells.indexOf(cell);
    if (i < 0) return hideTip();
    const found = [["step", String(steps[i])], [`${other} there`, String(others[i])]];
    if (zones) found.push(["dead zone", `${zones[i]} of a step`]);
    showTip(frequencyName(Math.floor(i / 8), i % 8), found, cell.getBoundingClientRect());
  };
  table.addEventListener("pointerover", (event) => show(event.target.closest("td")));
  table.addEventListener("pointerleave", hideTip);
  table.addEventListener("focusin", (event) => show(event.target));
  table.addEventListener("focusout", hideTip);
  table.addEventListener("keydown", (event) => walk(event, cells));
  return table;
}

/** A cell; where its text turns from black to white, and back in the dark, both have a contrast of 4.5 : 1 or more. */
function heatmapCell(step, zone) {
  const t = Math.log(step) / Math.log(255);
  const cell = element("td", { tabindex: -1 }, String(step));
  cell.style.setProperty("--t", t.toFixed(3));
  cell.style.setProperty("--on-light", t > 0.67 ? "#fff" : "#000");
  cell.style.setProperty("--on-dark", t > 0.505 ? "#000" : "#fff");
  if (zone) {
    const bar = element("span", { class: "zone", "aria-hidden": "true" });
    bar.style.setProperty("--d", String(2 * zone));
    cell.append(bar);
  }
  return cell;
}

const frequencyName = (u, v) =>
  u + v === 0 ? "DC, the mean of a block" : `vertical frequency ${u}, horizontal ${v} (half cycles per block)`;

function walk(event, cells) {
  const from = cells.indexOf(event.target);
  const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
  if (from < 0 || !move) return;
  event.preventDefault();
  const to = from + move;
  const wraps = Math.abs(move) === 1 && Math.floor(to / 8) !== Math.floor(from / 8);
  if (to < 0 || to > 63 || wraps) return;
  cells[from].tabIndex = -1;
  cells[to].tabIndex = 0;
  cells[to].focus();
}
