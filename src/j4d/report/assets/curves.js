// The two charts of a measurement: a metric over the actual rate, and how far the estimate is from the actual rate.

const RATE_TITLE = "actual rate, bits per pixel (log scale)";

/** The curves, their controls and the comparison beside them. */
function wireCurves(article, view) {
  const holder = article.querySelector("[data-curves] .plot");
  const chosen = () => article.querySelector(".metric input:checked").value;
  const boxes = [...article.querySelectorAll(".codecs input:not([data-bands])")];
  const bands = article.querySelector("[data-bands]");
  const draw = () => drawChart(holder, curveSpec(view, chosen(), boxes.map((box) => box.checked), bands.checked));
  const choose = () => {
    for (const part of article.querySelectorAll(".bd [data-metric]")) part.hidden = part.dataset.metric !== chosen();
    draw();
  };
  for (const input of article.querySelectorAll(".metric input")) input.addEventListener("change", choose);
  for (const box of [...boxes, bands]) box.addEventListener("change", draw);
  choose();
  drawAtWidth(holder, draw);
}

function curveSpec(view, name, visible, bands) {
  const metric = view.metrics.find((one) => one.id === name);
  const series = view.codecs.map((codec, i) => ({
    style: codec.style,
    learned: codec.learned,
    visible: visible[i],
    band: bands,
    points: codec.points.map((point) => curvePoint(codec, point, metric)),
  }));
  const values = series.flatMap((s) => s.points.map((p) => p.y));
  const clean = view.uncompressed[name];
  const yLog = !metric.share && Math.min(...values) > 0;
  const ends = yLog ? values : series.flatMap((s) => s.points.flatMap((p) => [p.low, p.high]));
  if (clean[0] > 0 || !yLog) ends.push(clean[0]);
  let yDomain = domain(ends, yLog, 0.06);
  if (metric.share) yDomain = [Math.max(yDomain[0], 0), Math.min(yDomain[1], 1.02)];
  const better = metric.higher ? "higher is better" : `nats${yLog ? ", log scale" : ""}, lower is better`;
  return {
    label: `${metric.long} over the actual rate, ${view.title}`,
    xTitle: RATE_TITLE,
    yTitle: `${metric.long} (${better})`,
    yLog,
    yDomain,
    yText: metric.share ? (v) => percent(v, 0) : (v) => String(Number(v.toPrecision(3))),
    dotted: clean[0] > 0 || !yLog ? { value: clean[0] } : null,
    within: null,
    series,
  };
}

function curvePoint(codec, point, metric) {
  const [y, low, high] = point.metrics[metric.id];
  const rows = [["actual rate", bpp(point.bpp)]];
  if (point.estimated !== null) rows.push(["estimated rate", `${number(point.estimated, 3)} bpp`]);
  rows.push([metric.label, figure(metric, point.metrics[metric.id])]);
  return { x: point.bpp[0], y, low, high, title: `${codec.name}, ${point.setting}`, rows };
}

/** Estimated against actual rate; the section stays hidden where nothing was estimated. */
function wireRates(article, view) {
  const section = article.querySelector("[data-rates]");
  const series = view.codecs.filter((codec) => codec.shown).map(rateSeries).filter((s) => s.points.length);
  if (!series.length) return;
  section.hidden = false;
  const holder = section.querySelector(".plot");
  const ends = series.flatMap((s) => s.points.flatMap((p) => [p.low, p.high])).concat(-5, 5);
  const spec = {
    label: `Difference of the estimated from the actual rate, ${view.title}`,
    xTitle: RATE_TITLE,
    yTitle: "estimated rate against actual rate, %",
    yLog: false,
    yDomain: domain(ends, false, 0.05),
    yText: (v) => signed(v, 0),
    dotted: { value: 0 },
    within: [-3, 3],
    series,
  };
  drawAtWidth(holder, () => drawChart(holder, spec));
  section.querySelector(".rates-table").replaceChildren(rateTable(series));
}

function rateSeries(codec) {
  const points = codec.points
    .filter((point) => point.estimated !== null)
    .map((point) => {
      const [y, high, low] = point.bpp.map((actual) => 100 * (point.estimated / actual - 1));
      const rows = [["actual rate", bpp(point.bpp)], ["estimated rate", `${number(point.estimated, 3)} bpp`]];
      rows.push(["difference", `${signed(y, 1)}\u202f% [${signed(low, 1)}, ${signed(high, 1)}]`]);
      const cells = [point.setting, number(point.estimated, 3), number(point.bpp[0], 3), `${signed(y, 1)}\u202f%`];
      return { x: point.bpp[0], y, low, high, title: `${codec.name}, ${point.setting}`, rows, cells };
    });
  const { name, style, learned } = codec;
  return { name, style, learned, visible: true, band: false, whiskers: true, points };
}

function rateTable(series) {
  const names = ["point", "estimated bpp", "actual bpp", "difference"];
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  const line = (p) => element("tr", {}, ...p.cells.map((cell) => element("td", {}, cell)));
  const bodies = series.map((s) => {
    const title = element("th", { colspan: names.length, scope: "rowgroup" }, s.name);
    return element("tbody", {}, element("tr", {}, title), ...s.points.map(line));
  });
  return element("table", { class: "figures" }, element("thead", {}, head), ...bodies);
}
