"""Claims about the report page as a file: what it says, that it is one file, and that names in it do nothing."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from command_line import without_preparation
from PIL import Image
from report_pages import evaluation, profile, result, smooth

from j4d.cli import run
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError
from j4d.evaluation import bd
from j4d.evaluation.results import Comparison, Evaluation
from j4d.jpeg.parameters import EncodingParameters, Trellis
from j4d.jpeg.presets import nearest_quality
from j4d.profile.adaptation import Adaptation
from j4d.report.page import render_page
from j4d.report.page_data import view, whisker
from j4d.report.page_text import dead_zone_text, headline, indices_text, meaning, model_label
from j4d.support.printable import printable

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\u2028"


class Document(HTMLParser):
    """Tags with their attributes, and the text of each script and style."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        last = self.tags[-1][0] if self.tags else ""
        if self.cdata_elem:
            self.inside.append((last, text))
        else:
            self.text += text

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def data(self):
        return json.loads(self.inside[1][1])


def test_the_same_input_gives_the_same_bytes():
    assert render_page([evaluation()], command="x") == render_page([evaluation()], command="x")
    code = "import sys; sys.path.insert(0, 'tests'); from report_pages import evaluation as e;"
    code += "from j4d.report.page import render_page as r; import hashlib; print(hashlib.sha256(r([e()])).hexdigest())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == hashlib.sha256(render_page([evaluation()])).hexdigest()


def test_the_policy_allows_this_style_and_this_script_and_nothing_else():
    document = Document(render_page([evaluation()]))
    policy = next(a["content"] for a in document.attributes("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy
    (style_tag, style), _, (script_tag, script) = document.inside
    assert (style_tag, script_tag) == ("style", "script")
    for directive, text in ("style-src", style), ("script-src", script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_nothing_on_the_page_points_outside():
    page = render_page([evaluation(extra=3)], profiles={"ladder.json": profile()}, command="j4d report")
    for tag, attributes in Document(page).tags:
        for name in ("src", "href", "action", "srcset", "data"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), (tag, attributes)
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    allowed = {b"http://www.w3.org/2000/svg"}
    assert set(re.findall(rb"https?://[^\s\"'<)]*", page)) <= allowed


def test_names_in_files_are_text_wherever_they_stand():
    hostile = evaluation(name=HOSTILE, model=HOSTILE, record={HOSTILE: HOSTILE, "data": HOSTILE, "protocol": HOSTILE})
    innocent = evaluation(name="n", model="n", record={"n": "n", "data": "n", "protocol": "n"})
    made, plain = Document(render_page([hostile], command=HOSTILE)), Document(render_page([innocent], command="n"))
    assert [tag for tag, _ in made.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(a) for _, a in made.tags] == [sorted(a) for _, a in plain.tags]
    assert made.data()["views"][0]["codecs"][1]["name"] == printable(HOSTILE)
    assert printable(HOSTILE) in made.text and "49" not in made.data()["views"][0]["codecs"][1]["name"]


def test_curves_without_a_common_range_are_said_to_have_none():
    one = evaluation()
    flat = dataclasses.replace(one.codecs[1], metrics={k: np.zeros_like(v) for k, v in one.codecs[1].metrics.items()})
    assert "No common range" in render_page([dataclasses.replace(one, codecs=(one.codecs[0], flat))]).decode()


def test_figures_that_are_not_finite_are_refused_and_unknown_estimates_left_out():
    one = evaluation()
    broken = one.codecs[1].metrics["kl"].copy()
    broken[0, 0] = float("nan")
    wrong = dataclasses.replace(one.codecs[1], metrics={**one.codecs[1].metrics, "kl": broken})
    with pytest.raises(DataError, match="kl of 'ladder' is not finite"):
        render_page([dataclasses.replace(one, codecs=(one.codecs[0], wrong))])
    vague = dataclasses.replace(one.codecs[1], estimated_bpp=(float("nan"), None, 1.0, 2.0))
    shown = Document(render_page([dataclasses.replace(one, codecs=(one.codecs[0], vague))])).data()
    assert [p["estimated"] for p in shown["views"][0]["codecs"][1]["points"]] == [None, None, 1.0, 2.0]


def test_curves_are_those_of_the_evaluation_ordered_by_rate():
    one = evaluation()
    shown = Document(render_page([one])).data()["views"][0]["codecs"]
    for measured, drawn in zip(one.codecs, shown, strict=True):
        points = one.points(measured)
        assert [p["bpp"][0] for p in drawn["points"]] == pytest.approx([p.bpp.value for p in points], rel=1e-5)
        for metric in ("top1", "agreement", "cross_entropy", "kl"):
            spans = [(p.metrics[metric].value, p.metrics[metric].low, p.metrics[metric].high) for p in points]
            assert [p["metrics"][metric] for p in drawn["points"]] == pytest.approx(np.array(spans), rel=1e-5)
    assert [p["setting"] for p in shown[0]["points"]][:2] == ["quality 5", "quality 10"]
    assert [p["setting"] for p in shown[1]["points"]][:2] == ["point 0", "point 1"]


def test_of_many_codecs_the_plot_begins_with_the_reference_the_headlines_and_those_that_save_most():
    shares = {
        "default JPEG": 1.0,
        "learned": 0.99,
        "learned too": 0.4,
        **{f"rival {i}": 0.5 + i / 20 for i in range(9)},
    }
    metrics = evaluation().codecs[0].metrics
    base = evaluation()
    made = dataclasses.replace(
        base,
        codecs=tuple(
            dataclasses.replace(
                base.codecs[0], name=name, bytes=(base.codecs[0].bytes * share).astype(np.int64), metrics=metrics,
                config=base.codecs[1].config if "learned" in name else {"id": "other"},
            )
            for name, share in shares.items()
        ),
    )  # fmt: skip
    shown = [codec["name"] for codec in view(made, {})["codecs"] if codec["shown"]]
    assert shown == ["default JPEG", "learned", *(f"rival {i}" for i in range(6))]
    page = render_page([made]).decode()
    assert page.count('value="8" checked') == 1 and 'value="2" checked' not in page and 'value="9" autocomplete' in page
    assert all(codec["shown"] for codec in view(base, {})["codecs"])


def test_tables_stand_beside_annex_k_of_the_nearest_quality():
    points = view(evaluation(), {})["tables"][0]["points"]
    for shown, point in zip(points, profile().points, strict=True):
        assert shown["luma"] == point.parameters.luma.steps.ravel().tolist()
        assert shown["quality"] == nearest_quality(point.parameters)
        assert shown["annex_chroma"] == EncodingParameters.from_quality(shown["quality"]).chroma.steps.ravel().tolist()
    assert points[0]["luma_zone"][:2] == [0, 0.12] and points[1]["luma_zone"] is None


def comparison(value, low, high, metric="top1", defined=1.0):
    nothing = bd.Interval(float("nan"), float("nan"), float("nan"))
    return Comparison("ours", "theirs", metric, bd.Interval(value, low, high, defined), nothing, nothing, 0.0, ())


@pytest.mark.parametrize(
    ("found", "title", "words"),
    [
        (comparison(-13.44, -24.2, -0.1), "13.4\u202f% fewer bytes", ["86.6 GB", "between 75.8 and 99.9 GB."]),
        (comparison(5.0, 1.0, 9.0), "5.0\u202f% more bytes", ["105.0 GB", "between 101.0 and 109.0 GB."]),
        (comparison(-3.0, -9.0, 2.0), "3.0\u202f% fewer bytes", ["on these 50 photographs it is not certain"]),
        (comparison(0.02, -1, 1), "As many bytes", ["100.0 GB"]),
        (comparison(float("nan"), float("nan"), float("nan")), "No common range", ["never give the same top-1"]),
        (comparison(-3.0, -9.0, -2.0, defined=0.5), "3.0\u202f% fewer bytes", ["50% of the resampled sets"]),
    ],
)
def test_the_headline_says_in_plain_words_what_the_interval_allows(found, title, words):
    assert headline(found) == title
    text = " ".join(meaning(found, 50))
    assert all(word in text for word in words), text
    sure = found.bd_rate.high < 0 or found.bd_rate.low > 0
    assert ("not certain" in text) == (not sure and np.isfinite(found.bd_rate.value))


def test_accuracy_makes_the_headline_even_where_a_loss_gains_more():
    shown = view(evaluation(share=0.8), {})["headline"]
    assert shown["metric"] == "top-1 accuracy" and shown["codec"] == "ladder"
    assert [figure["label"] for figure in shown["figures"]] == [
        "at equal top-1 accuracy",
        "at equal cross-entropy",
        "at equal KL divergence",
    ]


def test_a_single_codec_makes_a_page_without_comparison():
    one = evaluation()
    page = render_page([dataclasses.replace(one, codecs=one.codecs[:1])]).decode()
    assert "nothing to compare it with" in page and "data-tables" not in Document(page.encode()).text


def test_a_whisker_keeps_the_order_of_its_ends():
    drawn = whisker(bd.Interval(-10, -20, -5), (-25, 5))
    assert drawn["low"] < drawn["value"] < drawn["high"] < drawn["zero"]
    assert whisker(bd.Interval(float("nan"), 0, 0), (-1, 1)) is None


def test_dead_zones_in_words():
    assert dead_zone_text(None).startswith("No dead zone")
    assert "0.12 steps on AC frequencies, none on DC: a coefficient becomes zero below 0.62" in dead_zone_text(
        [0, *[0.12] * 63]
    )
    assert indices_text(None, None) == dead_zone_text(None)
    assert indices_text(None, Trellis(30.0)).endswith("a squared step is worth 30 bits.")
    assert "half of that where the block's AC coefficients have a norm of 302" in indices_text(
        None, Trellis(30.0, 302.0)
    )
    assert "from block to block, a squared step being worth 8 bits." in indices_text(None, Trellis(30.0, dc=8.0))


@pytest.mark.parametrize(
    ("spec", "name"),
    [("/a/zoo.py:load?name=net&width=3", "net"), ("timm:resnet18", "resnet18"), ("pkg.mod:build", "pkg.mod:build")],
)
def test_a_model_is_called_by_its_short_name(spec, name):
    assert model_label({"model": spec}) == name


MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(int(seed))
        self.weight = torch.nn.Parameter(torch.randn(5, 48, generator=generator) / 30)

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x - 128, 4).flatten(1) @ self.weight.T
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an evaluation of a small model, its profile and photographs."""
    from j4d.readers.fingerprints import fingerprint
    from j4d.readers.loading import load_model

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.fromarray(smooth(i)).save(f"photos/{i}.png")
    profile().save("profile.json")
    own = fingerprint(load_model("model.py:Net"))
    for name, record in ("evaluation", {"model_fingerprint": own}), ("other", {"model_fingerprint": "00"}):
        (tmp_path / f"{name}.json").write_text(json.dumps(evaluation(record=record).to_json()))
    return tmp_path


def test_the_command_writes_the_page_and_the_command_that_makes_it_again(place, capsys):
    words = ["report", "other.json", "evaluation.json", "--profile", "profile.json", "--model", "model.py:Net"]
    words += ["--images", "photos", "--out", "page.html"]
    assert run(words) == 0
    page = (place / "page.html").read_bytes()
    assert f"wrote page.html, {len(page)} bytes" in capsys.readouterr().out
    document = Document(page)
    assert f"j4d {' '.join(words)}" in document.text
    views = document.data()["views"]
    assert "photographs" not in views[0] and len(views[1]["photographs"]["photographs"]) == 3
    assert views[0]["learning"][0]["path"] == "profile.json"
    assert run(words) == 0
    assert (place / "page.html").read_bytes() == page


def test_help_teaches_by_example(capsys):
    assert run(["report", "--help"]) == 0
    assert "j4d report report/evaluation.json -o page.html" in capsys.readouterr().out


def test_the_command_to_measure_again_names_what_the_record_holds():
    words = view(evaluation(), {"my profile.json": profile()})["command"]
    assert "--images photos --split test" in words and "--profile 'my profile.json'" in words
    assert "--default-jpeg 5,10,20,40,60,80 --sampling 4:2:0" in words
    assert "--profile PROFILE.json" in view(evaluation(), {})["command"]


def test_the_command_to_measure_again_tells_points_between_and_adaptation():
    adapting = dataclasses.replace(profile(), adaptation=Adaptation(1, 1.0, 375.0, 0.5, 0.5, (0.0,) * 4))
    kinds = {name: {"name": name, "adapt": name == "adapted"} for name in ("adapted", "fixed")}
    codecs = {name: LearnedJPEG(adapting, at_least=10, **options) for name, options in kinds.items()}
    results = {n: result(n, c.get_config(), c.settings, 0.8, 7) for n, c in codecs.items()}
    default = evaluation().codecs[0]
    for measured, words in ((["adapted"], ""), (["fixed"], " --adapt no"), (["fixed", "adapted"], " --adapt both")):
        made = dataclasses.replace(evaluation(), codecs=(default, *(results[name] for name in measured)))
        shown = view(made, {"p.json": adapting})
        assert f"--profile p.json{words} --protocol" in shown["command"]
        (told,) = (value for name, value in shown["learning"][0]["rows"] if name == "adaptation")
        assert told.startswith("A picture gives up 29 % of its rate for twice the bits")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing.json"], "missing.json: No such file or directory"),
        (["profile.json"], "not an evaluation"),
        (["evaluation.json", "-m", "model.py:Net"], "--model without --images"),
        (["evaluation.json", "-i", "photos"], "--images without --model"),
        (["evaluation.json", "-m", "model.py:Net?seed=1", "-i", "photos"], "not those of any model evaluated"),
        (["evaluation.json", "-m", "model.py:Net", "-i", "empty"], "no such folder"),
        (["evaluation.json", "-p", "stranger.json"], "not measured in any"),
        (["evaluation.json", "--photographs", "13"], "--photographs"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_old_page(arguments, reason, place, capsys):
    stranger = dataclasses.replace(profile(), points=profile().points[1:])
    stranger.save("stranger.json")
    (place / "page.html").write_text("old")
    assert run(["report", *arguments, "-o", "page.html"]) == 2
    error = without_preparation(capsys.readouterr().err)
    assert error.startswith("j4d: error: ") and error.count("\n") == 1 and reason in error
    assert (place / "page.html").read_text() == "old"


def test_a_page_without_photographs_loads_no_torch(place):
    code = "import sys; from j4d.cli import run; r = run(['report', 'evaluation.json', '-o', 'p.html']);"
    code += "sys.exit(r or ('torch' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=place).returncode == 0


def test_an_empty_evaluation_makes_no_page():
    empty = Evaluation(np.zeros(0, np.int64), {}, (), {})
    for wrong in ([], [empty]):
        with pytest.raises(DataError):
            render_page(wrong)
