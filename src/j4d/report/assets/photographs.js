// The same photograph as two files of equal bytes, a slider between them, and what the model answers to each.

function wirePhotographs(article, view) {
  const section = article.querySelector("[data-photographs]");
  if (!section) return;
  const shown = view.photographs;
  const slider = section.querySelector("[data-level]");
  const cards = shown.photographs.map((photograph) => card(shown, photograph));
  section.querySelector(".gallery").replaceChildren(...cards.map((one) => one.node));
  const draw = () => {
    const level = Number(slider.value);
    const point = shown.points[level];
    describe(slider, `${point.label}, actual ${number(point.bpp, 3)} bpp on all of the set`);
    const truth = shown.labelled ? "right" : "true to the uncompressed photograph";
    section.querySelector("[data-tally]").textContent =
      `Of these ${shown.photographs.length} the model's answer is ${truth} on ${point.right.default} ` +
      `as ${shown.reference} and on ${point.right.learned} with ${shown.codec}. That few photographs show what ` +
      `happens, not how often; the curves above count all ${view.images}.`;
    for (const one of cards) one.draw(level);
  };
  slider.addEventListener("input", draw);
  draw();
}

/** A photograph's card: the pair of pictures, and a table of answers that follows the operating point. */
function card(shown, photograph) {
  const alt = `Photograph ${photograph.number}, ${photograph.name}`;
  const left = element("img", { alt: `${alt}, as ${shown.reference}`, decoding: "async" });
  const right = element("img", { alt: `${alt}, with ${shown.codec}`, decoding: "async" });
  const split = element("input", { type: "range", min: 0, max: 100, value: 50, step: 1, autocomplete: "off" });
  const sides = `${shown.reference} on the left and ${shown.codec} on the right`;
  split.setAttribute("aria-label", `${alt}: line between ${sides}`);
  const pair = element("div", { class: "pair" }, left, right, split);
  const place = () => {
    const share = Number(split.value) / 100;
    pair.style.setProperty("--split", `calc(14px + ${share} * (100% - 28px))`);
    split.setAttribute("aria-valuetext", `${split.value} percent ${shown.reference}`);
  };
  split.addEventListener("input", place);
  place();
  const truth = photograph.truth === null ? "" : `, ${photograph.truth}`;
  const title = element("h3", {}, photograph.name, element("span", {}, truth));
  const answers = element("tbody");
  const caption = element("caption", { class: "quiet-text" }, `Answers to ${photograph.name}`);
  const table = element("table", { class: "answers" }, caption, answers);
  const draw = (level) => {
    const version = photograph.versions[level];
    left.src = `data:image/jpeg;base64,${version.default.file}`;
    right.src = `data:image/jpeg;base64,${version.learned.file}`;
    answers.replaceChildren(
      answerRow(`default, quality ${version.quality}`, version.default),
      answerRow("learned", version.learned),
      answerRow("uncompressed", photograph.clean),
    );
  };
  return { node: element("li", {}, pair, title, table), draw };
}

/** codec | right or wrong, class and probability | bytes; the mark is said in words too. */
function answerRow(name, version) {
  const verdict = version.right === null ? [] : [verdictMark(version.right)];
  const answer = element("td", {}, ...verdict, `${version.answer} ${percent(version.probability, 0)}`);
  const row = element("tr", {}, element("th", { scope: "row" }, name), answer);
  if (version.bytes === undefined) answer.colSpan = 2;
  else row.append(element("td", {}, `${version.bytes.toLocaleString("en")} bytes`));
  return row;
}

function verdictMark(right) {
  const sign = element("span", { "aria-hidden": "true" }, right ? "\u2713 " : "\u2717 ");
  const word = element("span", { class: "quiet-text" }, right ? "right: " : "wrong: ");
  return element("span", { class: right ? "right" : "wrong" }, sign, word);
}
