"""Claims about who is measured: rivals fitted once for each model, profiles on all, the command line over both."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from measured_toys import IMAGES, LABELS, Net
from PIL import Image
from profiles import default_profile, provenance

from j4d.cli import run
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import ParameterError
from j4d.evaluation.contenders import Contenders, add_rivals, rival_names
from j4d.evaluation.grid import GridModel
from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile.adaptation import Adaptation
from j4d.profile.profile import Profile

LEARN = ImageSet.from_arrays(IMAGES, LABELS, name="learn")
MODEL = """
from measured_toys import Net
def first(): return Net(seed=1)
def second(): return Net(seed=2)
"""


@dataclass(frozen=True)
class Learning:
    model: Any
    images: ImageSet
    seed: int = 0


@pytest.fixture
def rivals(monkeypatch):
    """A module with the interface of j4d.rivals: one that is fixed, one that learns, one that cannot run."""
    module = ModuleType("j4d.rivals")
    module.fitted = []

    def make(name, *, sampling, learning=None, rates=None, points=12, top=60):
        if name == "plain":
            return DefaultJPEG([30, top], sampling=sampling, name="plain")
        quality = 20 + int(10 * abs(float(learning.model(np_batch()).mean().detach())))
        module.fitted.append((name, len(learning.images), learning.seed))
        ladder = [EncodingParameters.from_quality(min(quality + 5 * i, top), sampling) for i in range(points)]
        return LearnedJPEG(ladder, name="learns")

    def from_config(config):
        return (DefaultJPEG if config["id"] == DefaultJPEG.id else LearnedJPEG).from_config(config)

    def np_batch():
        import torch

        return torch.from_numpy(IMAGES[0].copy()).permute(2, 0, 1)[None].float()

    module.Learning, module.make, module.from_config = Learning, make, from_config
    module.names = lambda: ("default-jpeg", "plain", "learner", "absent")
    module.learns = lambda name: name == "learner"
    module.missing = lambda name: "absent needs a package" if name == "absent" else None
    monkeypatch.setattr("j4d.evaluation.contenders.rivals", module)
    return module


def contenders(models, names=("plain", "learner"), **options):
    made = Contenders()
    add_rivals(made, names, sampling="4:2:0", models=models, points=3, **{"learning": LEARN, **options})
    return made


def configs(made):
    return [(entry.codec.get_config(), entry.models) for entry in made.entries]


def test_a_rival_that_learns_is_fitted_for_each_model_and_measured_on_it_alone(rivals):
    made = contenders([GridModel.given(Net(seed=1)), GridModel.given(Net(seed=2))])
    assert [(entry.codec.name, entry.models) for entry in made.entries] == [
        ("plain", None), ("learns", frozenset([0])), ("learns", frozenset([1])),
    ]  # fmt: skip
    assert len(rivals.fitted) == 2
    assert made.roles["learns"]["role"] == "rival"


def test_a_fit_is_made_once_and_again_for_whatever_else_it_is_made_from(rivals, tmp_path):
    models = [GridModel.given(Net(seed=1))]
    first = configs(contenders(models, cache=tmp_path))
    assert configs(contenders([GridModel.given(Net(seed=1))], cache=tmp_path)) == first
    assert len(rivals.fitted) == 1
    for options in ({"learning": LEARN.subset(range(4))}, {"seed": 3}, {"points": 4}, {"sampling": "4:4:4"}):
        before = len(rivals.fitted)
        made = Contenders()
        arguments = {"sampling": "4:2:0", "models": models, "points": 3, "learning": LEARN, "cache": tmp_path}
        add_rivals(made, ["learner"], **{**arguments, **options})
        assert len(rivals.fitted) == before + 1, options
    contenders([GridModel.given(Net(seed=2))], cache=tmp_path)
    assert len(rivals.fitted) == 6
    contenders(models)
    assert len(rivals.fitted) == 7, "without a cache there is nothing to remember"


def test_all_rivals_are_those_that_can_run_here_but_for_the_reference(rivals):
    assert rival_names(["all"]) == (["plain", "learner"], ["absent needs a package"])
    assert rival_names(["plain", "all", "plain"])[0] == ["plain", "learner"]
    with pytest.raises(ParameterError, match="absent needs a package"):
        rival_names(["absent"])
    with pytest.raises(ParameterError, match="--learn-images"):
        contenders([GridModel.given(Net())], learning=None)


def test_a_rival_has_its_own_options_behind_its_name(rivals, tmp_path):
    asked, _ = rival_names(["plain?top=70", "learner?top=25", "learner?top=25"])
    assert asked == ["plain?top=70", "learner?top=25"]
    models = [GridModel.given(Net(seed=1))]
    plain, learner = contenders(models, asked, cache=tmp_path).entries
    assert plain.codec.get_config()["qualities"] == [30, 70]
    assert learner.codec.get_config() != contenders(models, ["learner"], cache=tmp_path).entries[0].codec.get_config()
    contenders(models, asked, cache=tmp_path)
    assert len(rivals.fitted) == 2, "a fit with other options is another one, and kept as well"
    with pytest.raises(ParameterError, match=r"--rival plain\?70: '70' after the \? is not name=value"):
        rival_names(["plain?70"])
    with pytest.raises(ParameterError, match=r"--rival plain\?top=high: '<=?' not supported"):
        contenders(models, ["plain?top=high"])
    with pytest.raises(ParameterError, match=r"--rival learner and --rival learner\?top=25 in one run"):
        rival_names(["learner", "learner?top=25"])


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "train"):
        (tmp_path / folder).mkdir()
        for i in range(6):
            picture = np.random.default_rng(i + len(folder)).integers(0, 256, (24, 32, 3), np.uint8)
            Image.fromarray(picture).save(f"{folder}/{i}.png")
        rows = "\n".join(f"{i}.png,{i},{'ab'[i % 2]}" for i in range(6))
        (tmp_path / folder / "labels.csv").write_text(f"file,label,split\n{rows}\n")
    (tmp_path / "models.py").write_text(MODEL)
    for name in ("first", "second"):
        source = provenance(model_fingerprint=str(GridModel.from_spec(f"models.py:{name}").record["model_fingerprint"]))
        Profile(f"for {name}", default_profile().points, source).save(f"{name}.json")
    monkeypatch.setattr("j4d.evaluation.plots.png", lambda figure: b"a picture")  # drawing takes longer than all else
    return tmp_path


BASE = ["evaluate", "-m", "one=models.py:first", "-m", "models.py:second", "-p", "first.json", "-p", "second.json",
        "--default-jpeg", "10,30,60,90", "--bootstrap", "10", "--jobs", "1", "-q"]  # fmt: skip


def test_one_command_measures_everything_on_everything_and_sums_up(place, rivals, capsys):
    arguments = [*BASE, "-i", "photos:a", "-i", "photos:b", "--rival", "all", "--learn-images", "train:a",
                 "--points", "3", "-o", "report"]  # fmt: skip
    assert run(arguments) == 0, capsys.readouterr().err
    captured = capsys.readouterr()
    assert "left out: absent needs a package" in captured.err and "BD-rate" in captured.out
    folders = sorted(path.name for path in (place / "report").iterdir() if path.is_dir())
    assert folders == [f"{m}-photos_{s}-stored-size" for m in ("models.py_second", "one") for s in "ab"]
    record = json.loads((place / f"report/{folders[2]}/evaluation.json").read_text())
    assert [codec["name"] for codec in record["codecs"]] == [
        "default JPEG", "for first", "for second", "plain", "learns",
    ]  # fmt: skip
    assert record["record"]["model_name"] == "one" and record["record"]["data"] == "photos/a"
    results = json.loads((place / "report/summary.json").read_text())["results"]
    own = [[codec["name"] for codec in result["codecs"] if codec["own"]] for result in results]
    assert own == [["for first"], ["for second"]] * 2
    assert rivals.fitted == [("learner", 3, 0)] * 2


def test_profiles_that_adapt_are_measured_so_or_not_or_both(place, rivals, capsys):
    adapting = Profile.load("first.json")
    replace(adapting, adaptation=Adaptation(1, 1.0, 24.0, 0.5, 0.5, (0.0,) * 4)).save("first.json")
    for choice, expected in (
        ("yes", {"for first": True, "for second": False}),
        ("no", {"for first": False, "for second": False}),
        ("both", {"for first": True, "for first, not adapted": False, "for second": False}),
    ):
        assert run([*BASE, "-i", "photos:a", "--adapt", choice, "-o", choice]) == 0, capsys.readouterr().err
        record = json.loads((place / choice / "one-photos_a-stored-size/evaluation.json").read_text())
        adapted = {codec["name"]: "adaptation" in codec["config"] for codec in record["codecs"][1:]}
        assert adapted == expected


def test_the_cache_is_in_the_folder_that_is_named_or_nowhere(place, rivals, capsys):
    assert run([*BASE, "-i", "photos", "-o", "report", "--cache", "kept"]) == 0, capsys.readouterr().err
    assert (place / "kept/measurements-1.sqlite").is_file()
    (place / "kept/measurements-1.sqlite").write_bytes(b"x" * 5000)
    assert run([*BASE, "-i", "photos", "-o", "other", "--cache", "kept"]) == 2
    assert "--no-cache" in capsys.readouterr().err
    assert run([*BASE, "-i", "photos", "-o", "other", "--cache", "kept", "--no-cache"]) == 0


def test_learning_from_what_is_measured_is_warned_of(place, rivals, capsys):
    arguments = [*BASE, "--rival", "learner", "--points", "2", "-i", "photos:a", "-o", "report"]
    assert run([*arguments, "--learn-images", "photos"]) == 0, capsys.readouterr().err
    assert "learn from 3 of the images" in capsys.readouterr().err


def test_profiles_of_two_protocols_need_the_protocol_said(place, rivals, capsys):
    other = provenance(protocol="model-size")
    Profile("model size", default_profile().points, other).save("other.json")
    arguments = [*BASE, "-p", "other.json", "-i", "photos", "-o", "report"]
    assert run(arguments) == 2
    assert "--protocol" in capsys.readouterr().err
    assert run([*arguments, "--protocol", "model-size"]) == 0, capsys.readouterr().err
