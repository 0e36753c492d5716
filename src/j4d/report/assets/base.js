// What every part of the page uses: elements, numbers, the tooltip. Text only ever goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");

/** An HTML element: attributes by name, children as elements or text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** An SVG element. */
function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const number = (value, digits) => value.toFixed(digits).replace("-", "\u2212");
const signed = (value, digits) => (value > 0 ? "+" : "") + number(value, digits);
const percent = (value, digits = 1) => `${number(100 * value, digits)}\u202f%`;

/** A metric's [value, low, high] as text: shares in percent, losses in nats. */
function figure(metric, [value, low, high]) {
  const form = metric.share ? (x) => number(100 * x, 1) : (x) => number(x, 3);
  return `${form(value)}${metric.share ? "\u202f%" : " nats"} [${form(low)}, ${form(high)}]`;
}

const bpp = ([value, low, high]) => `${number(value, 3)} bpp [${number(low, 3)}, ${number(high, 3)}]`;

/** Show rows of [name, value] under a title, beside `anchor` (a DOMRect) and inside the window. */
function showTip(title, rows, anchor) {
  const body = rows.map(([name, value]) => element("tr", {}, element("td", {}, name), element("td", {}, value)));
  tip.replaceChildren(element("strong", {}, title), element("table", { role: "presentation" }, ...body));
  tip.hidden = false;
  const width = document.documentElement.clientWidth;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(anchor.left + anchor.width / 2 - box.width / 2, 8), width - box.width - 8);
  const above = anchor.top - box.height - 10;
  const top = above > 4 ? above : anchor.bottom + 10;
  tip.style.left = `${left + window.scrollX}px`;
  tip.style.top = `${top + window.scrollY}px`;
}

function hideTip() {
  tip.hidden = true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
