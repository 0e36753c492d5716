"""Claims about the report page in a browser: every control works, nothing is loaded, everybody can use it.

Runs in the machine's own Chromium through Playwright, and is skipped, with the reason, where either is missing.
"""

from __future__ import annotations

import base64
import io
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from report_pages import evaluation, profile

from j4d.images.image_set import ImageSet
from j4d.report.page import render_page
from j4d.report.page_photographs import photographs

playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH (Debian: apt install chromium)")

HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
PATIENCE = 120_000  # milliseconds until a wait is given up, on machines with much else to do
QUIET = ["--disable-quic", "--disable-sync", "--no-first-run"]  # a browser that asks nobody anything
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


def ask(images):
    p = np.full((len(images), 4), 0.1)
    for row, image in zip(p, images, strict=True):
        row[int(image.mean()) // 64] = 0.7
    return p


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A page of two evaluations, the first with photographs, rivals and hostile names."""
    rng = np.random.default_rng(0)
    arrays = [np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(3)]
    images = ImageSet.from_arrays(arrays, [0, 1, 2], name=HOSTILE)
    one = evaluation(name=HOSTILE, extra=2)
    shown = photographs(one, images, ask, [HOSTILE, "dog", "cat", "ship"])
    other = evaluation(model="zoo:other", share=1.1)
    page = render_page([one, other], profiles={"p.json": profile()}, photographs={0: shown}, command="j4d report <x>")
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(page)
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def opened(browser, page_file):
    """Open the page with given settings; afterwards nothing may have been logged, thrown or requested."""

    @contextmanager
    def open_page(viewport=DESK, **settings):
        context = browser.new_context(viewport=viewport, **settings)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        faults, requests = [], []
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_file.as_uri())
        page.wait_for_selector("[data-curves] .point")
        yield page
        assert faults == []
        assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
        assert page.title().startswith("j4d report: ")
        context.close()

    return open_page


def widths(page):
    return page.evaluate("[document.documentElement.scrollWidth, innerWidth]")


def ground(page):
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def test_every_control_changes_what_it_says(opened):
    with opened() as page:
        article = page.locator("article:not([hidden])")
        curves = article.locator("[data-curves]")
        points = curves.locator(".point")
        assert points.count() == 6 + 4 + 2 + 2

        # metric
        before = curves.locator("svg").get_attribute("aria-label")
        for name, label in [("agreement", "agreement"), ("cross-entropy", "cross-entropy"), ("KL", "KL divergence")]:
            article.get_by_role("radio", name=name, exact=True).check(force=True)
            assert label in curves.locator("svg").get_attribute("aria-label") != before
            assert (
                article.locator(".bd [data-metric]:visible caption")
                .first.inner_text()
                .startswith(f"Bytes at equal {label}")
            )
        # codecs and intervals
        boxes = article.locator(".codecs input")
        bands = curves.locator(".band")
        assert bands.count() == 4
        boxes.nth(0).uncheck()
        assert points.count() == 4 + 2 + 2 and bands.count() == 3
        boxes.last.uncheck()
        assert bands.count() == 0
        for i in range(1, 4):
            boxes.nth(i).uncheck()
        assert points.count() == 0 and "No codec is shown." in curves.inner_text()
        for i in range(5):
            boxes.nth(i).check()
        assert points.count() == 14
        # tables
        cell = article.locator(".heatmap td").nth(1)
        slider = article.locator("[data-point]")
        for place, point in enumerate(profile().points):
            slider.fill(str(place))
            assert cell.inner_text() == str(point.parameters.luma.steps[0, 0])
            assert f"point {place}" in slider.get_attribute("aria-valuetext")
        assert article.locator(".heatmap .zone").count() == 0
        slider.fill("0")
        assert article.locator(".heatmap .zone").count() == 2 * 63
        assert "0.12 steps on AC" in article.locator("[data-zones]").inner_text()
        # photographs
        image = article.locator(".pair img").first
        level = article.locator("[data-level]")
        seen = set()
        for place in range(4):
            level.fill(str(place))
            seen.add(image.get_attribute("src"))
            assert image.evaluate("i => i.decode().then(() => [i.naturalWidth, i.naturalHeight])") == [64, 48]
        assert len(seen) >= 3
        split = article.locator(".pair input").first
        split.fill("20")
        assert "20 percent default JPEG" in split.get_attribute("aria-valuetext")
        assert "0.2" in article.locator(".pair").first.evaluate("p => p.style.getPropertyValue('--split')")
        # details, the other measurement, theme
        for summary in article.locator("summary:visible").all():
            summary.click()
        assert article.locator(".alternative tbody tr").count() == 14
        page.get_by_label("Model and protocol").select_option("1")
        assert "other" in page.locator("article:not([hidden]) .kicker").inner_text()
        assert "more bytes" in page.locator("h1:visible").inner_text() and "other" in page.title()
        assert page.locator("article:not([hidden]) [data-curves] .point").count() == 10


def test_left_of_the_line_is_default_jpeg_and_right_of_it_the_learned_file(opened):
    with opened() as page:
        page.locator("[data-level]").fill("0")
        version = page.evaluate("JSON.parse(data.textContent).views[0].photographs.photographs[0].versions[0]")
        pair = page.locator(".pair").first
        for i, (side, colour) in enumerate([("default", (255, 0, 0)), ("learned", (0, 0, 255))]):
            image = pair.locator("img").nth(i)
            assert image.get_attribute("src").endswith("," + version[side]["file"])
            flat = io.BytesIO()
            Image.new("RGB", (64, 48), colour).save(flat, "PNG")
            source = "data:image/png;base64," + base64.b64encode(flat.getvalue()).decode()
            image.evaluate("(i, source) => { i.src = source; return i.decode(); }", source)
        pair.locator("input").fill("30")
        seen = np.asarray(Image.open(io.BytesIO(pair.screenshot())).convert("RGB"))
        line = round(0.3 * seen.shape[1])
        assert (seen[10:-10, 10 : line - 30] == (255, 0, 0)).all() and (
            seen[10:-10, line + 30 : -10] == (0, 0, 255)
        ).all()


def test_points_answer_to_pointer_and_keyboard(opened):
    with opened() as page:
        tip = page.locator("#tip")
        points = page.locator("article:not([hidden]) [data-curves] .point")
        assert tip.is_hidden()
        assert page.locator("article:not([hidden]) [data-curves] .point[tabindex='0']").count() == 1
        points.nth(7).hover()
        text = tip.inner_text()
        for part in ("point 1", "actual rate", "bpp [", "estimated rate", "top-1"):
            assert part in text
        page.mouse.move(1, 1)
        assert tip.is_hidden()

        page.locator("article:not([hidden]) [data-bands]").focus()
        page.keyboard.press("Tab")
        said = lambda: page.evaluate("document.activeElement.getAttribute('aria-label')")  # noqa: E731
        assert "default JPEG, quality 5, actual rate" in said() and "quality 5" in tip.inner_text()
        page.keyboard.press("ArrowRight")
        assert "quality 10" in said()
        page.keyboard.press("ArrowDown")
        assert "point" in said() and "estimated rate" in said()
        page.keyboard.press("End")
        assert "point 3" in said()
        page.keyboard.press("Escape")
        assert tip.is_hidden()
        page.keyboard.press("ArrowUp")
        assert "default JPEG" in said()
        page.keyboard.press("Tab")  # one stop for the whole plot
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_cells_of_the_tables_answer_to_pointer_and_keyboard(opened):
    with opened() as page:
        page.locator("[data-point]").first.fill("0")
        table = page.locator("article:not([hidden]) .heatmap").first
        table.locator("tbody td").nth(8 * 2 + 3).hover()
        tip = page.locator("#tip").inner_text()
        luma = profile().points[0].parameters.luma.steps
        assert "vertical frequency 2, horizontal 3" in tip and str(luma[2, 3]) in tip and "0.12 of a step" in tip
        table.locator("tbody td").first.focus()
        for key in (
            "ArrowDown",
            "ArrowRight",
            "ArrowRight",
            "ArrowLeft",
            "ArrowUp",
            "ArrowUp",
            "ArrowLeft",
            "ArrowLeft",
        ):
            page.keyboard.press(key)
        assert "DC" in page.locator("#tip").inner_text()
        assert table.locator("td[tabindex='0']").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_the_button_is_pressed(opened, scheme):
    with opened(color_scheme=scheme) as page:
        button = page.get_by_role("button", name="Dark theme")
        own = ground(page)
        assert (sum(map(int, own[4:-1].split(","))) < 200) == (scheme == "dark")
        assert button.get_attribute("aria-pressed") == str(scheme == "dark").lower()
        button.click()
        assert ground(page) != own and button.get_attribute("aria-pressed") == str(scheme != "dark").lower()
        button.click()
        assert ground(page) == own


def test_a_phone_scrolls_in_one_direction_only(opened):
    with opened(PHONE, has_touch=True) as page:
        for measurement in "0", "1":
            page.get_by_label("Model and protocol").select_option(measurement)
            for summary in page.locator("summary:visible").all():
                summary.click()
            scrolled, inner = widths(page)
            assert scrolled <= inner == 360
        page.locator("article:not([hidden]) [data-curves] .point").last.tap()
        box = page.locator("#tip").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
        assert widths(page)[0] <= 360


def test_the_chart_follows_the_width_of_the_window(opened):
    with opened() as page:
        wide = page.locator("[data-curves] svg").first.bounding_box()["width"]
        page.set_viewport_size(PHONE)
        playwright.expect(page.locator("[data-curves] svg").first).to_have_attribute("height", "280")
        assert page.locator("[data-curves] svg").first.bounding_box()["width"] < wide / 1.5


def test_copy_puts_the_whole_command_on_the_clipboard(opened):
    with opened(permissions=["clipboard-read", "clipboard-write"]) as page:
        page.get_by_role("button", name="make this page again").click()
        playwright.expect(page.locator("#said")).to_have_text("Copied the command.")
        assert page.evaluate("navigator.clipboard.readText()") == "j4d report <x>"
    with opened() as page:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        page.get_by_role("button", name="make this page again").click()
        playwright.expect(page.locator("#said")).to_have_text("The command is selected; copy it with the keyboard.")
        assert page.evaluate("getSelection().toString()") == "j4d report <x>"


def test_the_policy_stops_what_a_name_could_smuggle_in(browser, page_file):
    """Even where escaping were to fail: a script, a handler, a style and a request added to the page do nothing."""
    context = browser.new_context()
    page = context.new_page()
    failures = []
    page.on("requestfailed", lambda request: failures.append(request.failure))
    page.on("requestfinished", lambda request: failures.append(request.url))
    page.goto(page_file.as_uri())
    failures.clear()
    page.evaluate("""() => {
      const add = (name, set) => document.body.append(Object.assign(document.createElement(name), set));
      add("script", { textContent: "document.title = 'taken'" });
      document.body.insertAdjacentHTML("beforeend", 
        "<img src='https://example.org/x.png'><b onclick=\\"document.title = 'taken'\\">");
      document.body.lastElementChild.click();
      return fetch("https://example.org/").catch(() => 0);
    }""")
    assert page.title().startswith("j4d report: ")
    assert failures and set(failures) == {"csp"}
    context.close()


def test_without_scripts_the_figures_are_still_there(browser, page_file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("article").count() == 2
    assert (
        page.locator("noscript").first.is_visible() and page.get_by_text("at equal top-1 accuracy").first.is_visible()
    )
    assert page.locator(".alternative tbody tr").count() == 14 + 10
    context.close()


@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_axe_finds_nothing_to_complain_of(opened, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with opened(viewport, color_scheme=scheme) as page:
        for summary in page.locator("summary:visible").all():
            summary.click()
        found = axe.Axe().run(page)
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in found.response["violations"]] == []


def test_colours_of_the_curves_stand_out_from_their_ground(opened):
    """At least 3 : 1 (WCAG 1.4.11), and every pair of codecs differs in marker or in dash as well as in colour."""

    def luminance(colour):
        channels = [int(c) / 255 for c in colour[4:-1].split(",")[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for scheme in "light", "dark":
        with opened(color_scheme=scheme) as page:
            colours = page.evaluate("""[0, 1, 2, 3, 4, 5, 6, 7].map((i) => {
              const box = document.body.appendChild(document.createElement("i"));
              box.className = `s${i}`;
              box.style.color = "var(--c)";
              return getComputedStyle(box).color;
            })""")
            own = luminance(ground(page))
            assert len(set(colours)) == 8
            for colour in colours:
                low, high = sorted([own, luminance(colour)])
                assert (high + 0.05) / (low + 0.05) >= 3, (scheme, colour)
            looks = page.locator("article:not([hidden]) .codecs .swatch svg").evaluate_all(
                """all => all.map((one) => one.querySelector("path").getAttribute("d") +
                  one.querySelector("line").getAttribute("stroke-dasharray"))"""
            )
            assert len(set(looks)) == 4
