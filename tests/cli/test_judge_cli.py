"""Claims about judges on the command line: taught by `j4d judge`, asked by encode, transcode and evaluate."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import MODEL, fails, photograph, place, succeeds
from PIL import Image

from j4d.cli import run
from j4d.jpeg import encoding
from j4d.learning.adaptation import FEWEST_PICTURES
from j4d.profile.profile import Profile
from j4d.readers.encoder_judge import EncoderJudge
from j4d.readers.loading import load_model

__all__ = ["place"]  # a fixture


def cmyk() -> bytes:
    out = io.BytesIO()
    Image.new("CMYK", (40, 40), (10, 200, 30, 5)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def taught(place: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    for i in range(4, FEWEST_PICTURES):
        Image.fromarray(photograph(i)).save(f"photos/{i:02}.png")
    told = succeeds(
        capsys,
        "judge",
        "profile.json",
        "-m",
        "model.py:Net",
        "-i",
        "photos",
        "-o",
        "taught.json",
        "--name",
        "net",
        "-q",
    )
    assert told == "wrote taught.json; default knows net\n"
    return place


def test_encode_asks_the_judge(taught: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("-p", "taught.json", "--quality", 40, "--judge", "model.py:Net")
    succeeds(capsys, "encode", "photos", "-o", "encoded", *options)
    profile, judge = Profile.load("taught.json"), EncoderJudge(load_model("model.py:Net"))
    for i in range(4):
        expected = encoding.encode(photograph(i), profile.chosen(photograph(i), judge, quality=40))
        assert (taught / f"encoded/{i}.jpg").read_bytes() == expected
    assert len({(taught / f"encoded/{i}.jpg").read_bytes()[:200] for i in range(4)}) > 1, "not all at one place"


def test_transcode_asks_the_judge_on_any_number_of_threads(taught: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = []
    for i in range(4):
        sources.append(taught / f"{i}.jpg")
        Image.fromarray(photograph(i)).save(sources[-1], quality=95)
    for threads in (1, 3):
        options = ("-p", "taught.json", "--bpp", 1.5, "--judge", "model.py:Net", "--threads", threads)
        succeeds(capsys, "transcode", *sources, "-o", f"out{threads}", *options)
    assert [(taught / f"out1/{i}.jpg").read_bytes() for i in range(4)] == [
        (taught / f"out3/{i}.jpg").read_bytes() for i in range(4)
    ]


@pytest.mark.parametrize(("judge", "name"), [("own", "the model"), ("model.py:Net", "model.py:Net")])
def test_evaluate_measures_the_choice_beside_the_profile(
    judge: str, name: str, taught: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    succeeds(
        capsys, "evaluate", "-m", "model.py:Net", "-i", "photos", "-p", "taught.json", "--judge", judge, "-o", "report",
        "--default-jpeg", "10,50,90", "--bootstrap", 20, "--jobs", 2, "-q",
    )  # fmt: skip
    evaluation = json.loads((taught / "report/evaluation.json").read_text())
    plain, chosen = evaluation["codecs"][1:]
    assert chosen["name"] == f"default, chosen by {name}"
    costs = {c["name"]: np.mean(c["metrics"]["kl"], 1) for c in (plain, chosen)}
    middle = len(chosen["settings"]) // 2
    assert costs[chosen["name"]][middle] < costs[plain["name"]][middle]
    assert "default, chosen by" in (taught / "report/summary.md").read_text()
    succeeds(capsys, "report", "report/evaluation.json", "-o", "page.html")


def test_mistakes_with_judges_are_one_line(taught: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (taught / "other.py").write_text(MODEL.replace("manual_seed(0)", "manual_seed(1)"))
    encode = ["encode", "photos/0.png", "-o", "a.jpg", "--quality", 40]
    told = fails(capsys, taught, *encode, "-p", "taught.json", "--judge", "other.py:Net")
    assert "does not know the judge other.py:Net (known: net)" in told and "j4d judge" in told
    assert "choose one" in fails(capsys, taught, *encode, "-p", "taught.json", "--judge", "model.py:Net", "--no-adapt")
    assert "--judge needs a profile" in fails(
        capsys, taught, "encode", "photos/0.png", "-o", "a.jpg", "--jpeg-quality", 40, "--judge", "model.py:Net"
    )
    few = ["judge", "profile.json", "-m", "model.py:Net", "-i", "photos", "--limit", 3, "-o", "x.json", "-q"]
    assert f"3 images; give {FEWEST_PICTURES} or more" in fails(capsys, taught, *few)
    evaluate = ["evaluate", "-m", "model.py:Net", "-i", "photos", "-p", "profile.json", "-o", "report", "-q"]
    assert "known: none" in fails(capsys, taught, *evaluate, "--judge", "own")
    both = fails(capsys, taught, *evaluate, "--judge", "own", "--judge", "model.py:Net")
    assert "give it without others" in both


def test_a_data_set_asks_the_judge_as_single_files_do(taught: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (taught / "source").mkdir()
    for i in range(3):
        Image.fromarray(photograph(i)).save(taught / f"source/{i}.jpg", quality=95)
    options = ("-p", "taught.json", "--quality", 30, "--judge", "model.py:Net")
    succeeds(capsys, "transcode", "source", "target", *options)
    succeeds(capsys, "transcode", *sorted((taught / "source").glob("*.jpg")), "-o", "single", *options)
    for i in range(3):
        assert (taught / f"target/{i}.jpg").read_bytes() == (taught / f"single/{i}.jpg").read_bytes()
    assert "adapt" in fails(capsys, taught, "transcode", "source", "again", *options, "--no-adapt")
    (taught / "source/cmyk.jpg").write_bytes(cmyk())
    assert run(["transcode", "source", "target", *map(str, options)]) == 3
    assert "cmyk.jpg: unsupported" in capsys.readouterr().err
