"""NAME=SPEC names a model in every command, and each says and records how the model is shown its pictures."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
import torch
from command_line import photograph, place, succeeds
from PIL import Image
from torch import nn

from j4d.cli import run
from j4d.errors import ModelError
from j4d.evaluation.results import Evaluation
from j4d.evaluation.stored import StoredResult
from j4d.profile.profile import Profile
from j4d.readers.loading import load_model
from j4d.readers.preprocessing import Preprocess
from j4d.readers.vision import VisionModel
from j4d.support.specifications import display_name, split_name

__all__ = ["place"]  # a fixture

UNSCALED = "mine: photographs as stored, no resize, no crop, no normalisation; set --resize and --crop to change that\n"
SCALED = "mine: resize 40 bilinear, crop 32, no normalisation\n"


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("mine=net.py:load?name=a", "mine", "net.py:load?name=a"),
        ("Mobile Net v1.0=timm:x", "Mobile Net v1.0", "timm:x"),
        ("net.py:load?name=a", None, "net.py:load?name=a"),
        ("package.module:load?a=b", None, "package.module:load?a=b"),
        ("timm:x", None, "timm:x"),
    ],
)
def test_a_name_stands_before_the_spec(text: str, name: str | None, spec: str) -> None:
    assert split_name(text) == (name, spec) and display_name(text) == (name or spec)


def test_a_file_may_have_an_equals_sign_in_its_name(place: Path) -> None:
    (place / "a=b.ts").write_bytes(b"")
    assert split_name("a=b.ts") == (None, "a=b.ts")
    with pytest.raises(ModelError, match=r"a=b\.ts: not a TorchScript file"):
        load_model("a=b.ts")


def prepared(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that must succeed says of models."""
    assert run([str(argument) for argument in arguments]) == 0
    lines = capsys.readouterr().err.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("mine"))


LEARN = ["learn", "-i", "photos", "-o", "new.json", "--points", 1, "--steps", 1, "--batch-size", 4, "-q"]
EVALUATE = ["evaluate", "-i", "photos", "-p", "profile.json", "-o", "report", "--default-jpeg", "10,50,90", "-q"]


def test_learning_names_and_records_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepared(capsys, *LEARN, "-m", "mine=model.py:Net") == UNSCALED
    source = Profile.load("new.json").provenance
    assert source.model == "mine"
    assert source.settings["preprocessing"] == ("photographs as stored, no resize, no crop, no normalisation",)


def test_evaluation_names_and_records_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--resize", 40, "--crop", 32, "--bootstrap", 20, "--jobs", 2]
    assert prepared(capsys, *EVALUATE, *options, "-m", "mine=model.py:Net") == SCALED, "once, not by every worker"
    record = json.loads(Path("report/evaluation.json").read_text())["record"]
    assert (record["model"], record["model_name"]) == ("model.py:Net", "mine")
    assert record["preprocessing"] == "resize 40 bilinear, crop 32, no normalisation"


def test_results_of_earlier_versions_are_still_read(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    succeeds(capsys, *EVALUATE, "--bootstrap", 20, "--jobs", 1, "-m", "model.py:Net")
    stored = json.loads(Path("report/evaluation.json").read_text())
    del stored["record"]["preprocessing"]
    Path("report/evaluation.json").write_text(json.dumps(stored))
    evaluation = Evaluation.load("report/evaluation.json")
    assert "preprocessing" not in evaluation.record and StoredResult.of(evaluation).record["model"] == "model.py:Net"
    succeeds(capsys, "report", "report/evaluation.json", "-o", "page.html")


def test_judges_are_named_in_every_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(4, 20):
        Image.fromarray(photograph(i)).save(f"photos/{i:02}.png")
    (place / "jpegs").mkdir()
    for i in range(2):
        Image.fromarray(photograph(i)).save(f"jpegs/{i}.jpg", quality=95)
    mine = "mine=model.py:Net"
    assert prepared(capsys, "judge", "profile.json", "-m", mine, "-i", "photos", "-o", "taught.json", "-q") == UNSCALED
    assert [choice.judge for choice in Profile.load("taught.json").choices] == ["mine"]
    asked = ["-p", "taught.json", "--quality", 40, "--judge", mine]
    assert prepared(capsys, "encode", "photos/0.png", "-o", "a.jpg", *asked) == UNSCALED
    assert prepared(capsys, "transcode", "jpegs/0.jpg", "-o", "b.jpg", *asked) == UNSCALED
    assert prepared(capsys, "transcode", "jpegs", "out", *asked) == UNSCALED
    assert run(["transcode", "jpegs", "out2", "--quality", "40", "--dry-run", "-m", mine]) == 0
    told = capsys.readouterr()
    assert "mine: same answer on" in told.out and told.err == UNSCALED


@pytest.mark.parametrize(
    ("preprocess", "text"),
    [
        (Preprocess(), "photographs as stored, no resize, no crop, no normalisation"),
        (Preprocess(crop=9), "no resize, crop 9, no normalisation"),
        (
            Preprocess(resize=(10, 12), interpolation="bicubic", mean=[1, 2, 3], std=4),
            "resize 10 x 12 bicubic, no crop, mean 1,2,3, std 4 of 0..255",
        ),
    ],
)
def test_preprocessing_is_one_line(preprocess: Preprocess, text: str) -> None:
    assert str(preprocess) == text
    assert VisionModel(nn.Identity(), preprocess, name="net").preparation.startswith(f"net: {text}")


def test_what_a_library_downloads_is_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "ran"

    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, (f"__import__('pathlib').Path({str(marker)!r}).touch()",)

    torch.save(Runs(), tmp_path / "weights.bin")
    timm = types.ModuleType("timm")
    timm.create_model = lambda name, pretrained: torch.load(tmp_path / "weights.bin", weights_only=False)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ModelError, match="model 'timm:a' cannot be made: Weights only load failed"):
        load_model("timm:a")
    assert not marker.exists()
