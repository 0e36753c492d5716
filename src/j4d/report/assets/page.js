// Puts the page together: one measurement at a time, the theme, the copy buttons.

function wireChooser() {
  const chooser = document.getElementById("measurement");
  if (!chooser) return;
  const articles = [...document.querySelectorAll("[data-measurement]")];
  const show = () => {
    hideTip();
    for (const article of articles) article.hidden = article.dataset.measurement !== chooser.value;
    document.title = `j4d report: ${data.views[Number(chooser.value)].title}`;
  };
  chooser.addEventListener("change", show);
  show();
}

function wireTheme() {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const say = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    say();
  });
  system.addEventListener("change", say);
  say();
}

/** Copy the text of a command; where the browser forbids it, select the text instead. */
function wireCopying() {
  const said = document.getElementById("said");
  for (const button of document.querySelectorAll("[data-copy]")) {
    const text = button.parentElement.querySelector("code");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        said.textContent = "Copied the command.";
        button.firstChild.data = "Copied";
      } catch {
        getSelection().selectAllChildren(text);
        said.textContent = "The command is selected; copy it with the keyboard.";
        button.firstChild.data = "Selected";
      }
    });
  }
}

for (const holder of document.querySelectorAll(".swatch")) holder.append(swatch(Number(holder.dataset.style)));
data.views.forEach((view, i) => {
  const article = document.querySelector(`[data-measurement="${i}"]`);
  wireCurves(article, view);
  wireTables(article, view);
  wirePhotographs(article, view);
  wireRates(article, view);
});
wireChooser();
wireTheme();
wireCopying();
