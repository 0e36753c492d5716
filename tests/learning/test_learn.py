"""Learning: it learns what the model looks at, meets the rates asked for, and the same run gives the same profile."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pictures import batch, crops
from rich.console import Console
from torch import Tensor, nn
from toys import Frequencies, Toy

from j4d import Profile, SimulatedJPEG, evaluate, learn
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError, J4DError, ModelError, ParameterError
from j4d.images.image_set import ImageSet
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import quantize
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.learning.optimizer import Optimizer
from j4d.learning.progress import LadderProgress
from j4d.learning.recipe import Recipe
from j4d.learning.task import Classification
from j4d.learning.validation import EarlyStop
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.readers.fingerprints import fingerprint

ALL = [(row, column) for row in range(5) for column in range(5)]
QUICK: dict[str, Any] = {
    **{"lambdas": (4.0, 0.5), "steps": 4, "batch_size": 4, "progress": False},
    **{"start": "annex-k", "dead_zones": (0.0,), "trellises": ()},  # the model runs for the steps alone
}


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 48, 64, 14)


@pytest.fixture(scope="module")
def large_images(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 96, 96, 20)


@pytest.fixture(scope="module")
def whole_run(images: list[np.ndarray]) -> Profile:
    return learn(Toy(), images, **QUICK)


@contextlib.contextmanager
def called(model: nn.Module, *, interrupt_at: int | None = None) -> Iterator[list[bool]]:
    """The model's calls while this is open, True for those that a gradient goes through; Ctrl-C at one of those."""
    calls: list[bool] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls.append(inputs[0].requires_grad)
        if inputs[0].requires_grad and sum(calls) == interrupt_at:
            raise KeyboardInterrupt

    handle = model.register_forward_pre_hook(note)
    try:
        yield calls
    finally:
        handle.remove()


def luma(profile: Profile, point: int = 0) -> np.ndarray:
    return profile.points[point].parameters.luma.steps


# What is learned


@pytest.mark.parametrize("transposed", [False, True])
def test_steps_grow_where_the_model_does_not_look(transposed: bool, large_images: list[np.ndarray]) -> None:
    """A model of luma's two lowest horizontal frequencies keeps those and nothing else; then the vertical ones."""
    seen = [(1, 0), (2, 0)] if transposed else [(0, 1), (0, 2)]
    options = {"steps": 40, "batch_size": 8, "learning_rate": 0.1, "smoothness": 0.0, "holdout": 0.0, "trellises": ()}
    profile = learn(Frequencies(seen), large_images, lambdas=[0.5], progress=False, **options)
    learned = profile.points[0].parameters
    start = EncodingParameters.from_quality(int(profile.provenance.settings["goals"][0]["quality"]))
    spent = []
    for parameters in (learned, start):
        blocks = [quantize(image, parameters).planes[0].reshape(-1, 8, 8) for image in large_images]
        used = (np.concatenate(blocks) != 0).sum(0)
        here = sum(int(used[frequency]) for frequency in seen)
        spent.append((here, int(used.sum() - used[0, 0] - here)))
    assert spent[0][0] > 1.5 * spent[1][0] and spent[0][1] < 0.8 * spent[1][1], "nonzero indices, seen and unseen"
    table, before = ((p.luma.steps.T if transposed else p.luma.steps).astype(float) for p in (learned, start))
    assert 0.6 < before[0, 1] / before[1, 0] < 1.7, "default JPEG treats both directions alike"
    assert table[0, 1:3].max() * 1.5 < table[1:3, 0].min()
    assert table[0, 1:3].max() < before[0, 1:3].min() and table[1:3, 0].min() > before[1:3, 0].max()
    assert np.median(table) > 240 and np.median(learned.chroma.steps) > 240


def test_learned_tables_do_better_than_default_ones_at_the_same_rate(large_images: list[np.ndarray]) -> None:
    model = Frequencies([(0, column) for column in range(4)])
    learned = learn(model, large_images, rates=[0.5], steps=25, batch_size=8, progress=False)
    result = evaluate(
        model, large_images, codecs=[DefaultJPEG((5, 8, 12, 18, 25, 35)), LearnedJPEG(learned)], progress=False
    )
    default, ours = (result.bpp(c).mean(1) for c in result.codecs), result.codecs[1].metrics["kl"].mean()
    bpp, at = next(default), float(result.bpp(result.codecs[1]).mean())
    assert bpp[0] < at < bpp[-1]
    assert ours < 0.8 * np.interp(at, bpp, result.codecs[0].metrics["kl"].mean(1))


def test_target_rates_are_met(large_images: list[np.ndarray]) -> None:
    rates = (0.6, 1.1, 1.6)  # above, the steps are so small that whole ones leave gaps between rates
    options = {"steps": 24, "batch_size": 8, "holdout": 0.0, "progress": False}
    profile = learn(Frequencies(ALL), large_images, rates=rates, **options)
    actual = evaluate(Frequencies(ALL), large_images, codecs=[LearnedJPEG(profile)], progress=False)
    assert actual.bpp(actual.codecs[0]).mean(1) == pytest.approx(rates, rel=0.04)
    assert [point.estimated_bpp for point in profile.points] == pytest.approx(rates, rel=0.06)


@pytest.mark.parametrize("forward", ["hard", "soft", "sampled"])
def test_a_larger_lambda_gives_a_smaller_rate(forward: str, large_images: list[np.ndarray]) -> None:
    options = {"steps": 10, "batch_size": 6, "forward": forward, "progress": False}
    profile = learn(Frequencies(ALL), large_images, lambdas=(0.05, 5.0, 0.5), **options)
    assert [point.lagrangian for point in profile.points] == [5.0, 0.5, 0.05]
    bpp = [point.measured["actual_bpp"] for point in profile.points]
    kl = [point.measured["kl"] for point in profile.points]
    assert bpp == sorted(bpp) and bpp[-1] > 2 * bpp[0]
    assert kl == sorted(kl, reverse=True)
    assert profile.provenance.forward == forward
    sharpness = {point.parameters.sharpness for point in profile.points}
    assert (None in sharpness) == (forward != "sampled")


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_sampling_and_pictures_of_any_sizes_are_learned_from(
    sampling: str, photographs: dict[str, np.ndarray]
) -> None:
    images = [photographs["coffee"][: 40 + 5 * (i % 3), 30 * i : 30 * i + 50 + 7 * (i % 2)] for i in range(10)]
    profile = learn(Frequencies(ALL), images, sampling=sampling, **QUICK)
    assert {point.parameters.sampling for point in profile.points} == {profile.provenance.sampling} == {sampling}
    assert not np.array_equal(luma(profile, 0), luma(profile, -1))


def test_the_figures_of_a_point_are_those_of_its_files(images: list[np.ndarray], whole_run: Profile) -> None:
    settings = whole_run.provenance.settings
    held_out, _ = ImageSet.from_arrays(images).split(settings["held_out"], seed=0)
    assert len(held_out) == 2
    for point in whole_run.points:
        bpp = [8 * len(encoding.encode(image, point.parameters)) / (48 * 64) for image in held_out]
        assert point.measured["actual_bpp"] == pytest.approx(np.mean(bpp))
        assert set(point.measured) >= {"kl", "agreement"} and "top1" not in point.measured


def test_labels_are_learned_from_and_measured(images: list[np.ndarray]) -> None:
    labels = np.arange(len(images)) % 6
    without, with_labels, only = (
        learn(Toy(), images, given, answers=answers, **QUICK)
        for given, answers in ((None, None), (labels, None), (labels, 0.0))
    )
    assert all({"top1", "top5", "cross_entropy"} <= set(point.measured) for point in with_labels.points)
    assert [profile.provenance.settings["answers"] for profile in (without, with_labels, only)] == [1.0, 0.5, 0.0]
    assert len({luma(profile).tobytes() for profile in (without, with_labels, only)}) == 3
    image_set = ImageSet.from_arrays(images, labels)
    assert learn(Toy(), image_set, answers=0.0, **QUICK).points == only.points, "an ImageSet brings its labels"


def test_one_profile_is_learned_for_several_models(large_images: list[np.ndarray]) -> None:
    """What one model alone looks at keeps small steps only while that model has a say."""
    low, high = Frequencies([(0, 1), (1, 0)]), Frequencies([(4, 4), (4, 3)])
    options = {**QUICK, "lambdas": None, "rates": [0.8], "steps": 30, "batch_size": 8, "smoothness": 0.0}
    alone, both = (luma(learn(models, large_images, **options)) for models in ([low], [low, high]))
    assert both[4, 4] < 0.7 * alone[4, 4] and both[7, 7] > both[4, 4]
    assert np.array_equal(luma(learn([low, low], large_images, **options)), alone)


def test_a_profile_for_several_models_names_them_and_holds_the_mean_of_their_figures(images: list[np.ndarray]) -> None:
    first, second = Toy(), Frequencies(ALL)
    profile = learn([first, second], images, **QUICK)
    assert profile.provenance.model == "Toy + Frequencies"
    assert profile.provenance.model_fingerprint not in ("", fingerprint(first), fingerprint(second))
    held_out, _ = ImageSet.from_arrays(images).split(2, seed=0)
    points = [point.parameters for point in profile.points]
    each = [evaluate(m, held_out, codecs=[LearnedJPEG(points)], bootstrap=1, progress=False) for m in (first, second)]
    wanted = np.mean([e.codecs[0].metrics["kl"].mean(1) for e in each], axis=0)
    assert [point.measured["kl"] for point in profile.points] == pytest.approx(wanted.tolist())


def test_a_profile_says_where_it_comes_from(images: list[np.ndarray], whole_run: Profile, tmp_path: Path) -> None:
    provenance = whole_run.provenance
    assert provenance.model_fingerprint == fingerprint(Toy()) and provenance.model == "Toy"
    assert provenance.data_fingerprint == ImageSet.from_arrays(images).fingerprint
    assert (provenance.image_count, provenance.seed, provenance.protocol) == (14, 0, "stored-size")
    assert provenance.settings["steps"] == 4 and provenance.settings["interrupted"] is False
    whole_run.save(tmp_path / "profile.json")
    assert Profile.load(tmp_path / "profile.json") == whole_run


def test_one_picture_is_enough(images: list[np.ndarray]) -> None:
    profile = learn(Toy(), images[:1], **QUICK)
    assert profile.provenance.settings["held_out"] == 0 and all(not point.measured for point in profile.points)


@pytest.mark.parametrize("flip", [True, False])
def test_pictures_are_mirrored_at_random_unless_told_not_to(flip: bool, images: list[np.ndarray]) -> None:
    model, seen = Toy(), []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    learn(model, images, **{**QUICK, "flip": flip, "holdout": 0.0, "steps": 8})
    uncompressed = {pixels.numpy().tobytes() for pixels in seen if len(pixels) == 1}
    upright, mirrored = ({batch(x).numpy().tobytes() for x in (f(i) for i in images)} for f in (np.array, np.fliplr))
    assert uncompressed & upright
    assert bool(uncompressed & mirrored) == flip and uncompressed <= upright | mirrored


def test_a_point_is_the_mean_of_the_last_half_of_its_steps(images: list[np.ndarray]) -> None:
    image_set, model = ImageSet.from_arrays(images), Toy().eval()
    spectrum, recipe = Spectrum.of(images, "4:2:0"), Recipe(steps=7, batch_size=4)
    optimizer = Optimizer(image_set, [Classification(model)], spectrum, RateModel(), recipe)
    jpeg = SimulatedJPEG(EncodingParameters.from_quality(40))
    course = [jpeg.log_steps.detach().clone() for _ in optimizer.run(jpeg, 0, 0.5, None)]
    assert len(course) == 7 and not torch.equal(course[-1], course[-2])
    torch.testing.assert_close(jpeg.log_steps.detach(), torch.stack(course[3:]).mean(0))


# The same again


def test_the_same_seed_gives_the_same_profile_and_another_another(images: list[np.ndarray], whole_run: Profile) -> None:
    torch.manual_seed(123)  # the global generator plays no part
    assert learn(Toy(), images, **QUICK).points == whole_run.points
    # all pictures learned from, so that the seed decides over their order and flips alone
    first, second = (learn(Toy(), images, seed=seed, holdout=0.0, **QUICK) for seed in (0, 1))
    assert first.points != second.points


@pytest.mark.parametrize("forward", ["soft", "sampled"])
def test_the_other_forwards_repeat_too(forward: str, images: list[np.ndarray]) -> None:
    first, second = (learn(Toy(), images, forward=forward, **QUICK) for _ in range(2))
    assert first.points == second.points


REPEAT = """
import sys, numpy, torch
from toys import Toy
from j4d import learn
images = list(numpy.load(sys.argv[1]))
profile = learn(Toy(), images, lambdas=[1.0], steps=4, batch_size=8, progress=False)
print(torch.get_num_threads(), repr(profile.points))
"""


def test_the_number_of_threads_does_not_change_the_profile(large_images: list[np.ndarray], tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", large_images)
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(Path(__file__).parents[1])}
    results = {}
    for threads in ("1", "2"):
        command = [sys.executable, "-c", REPEAT, str(tmp_path / "images.npy")]
        output = subprocess.check_output(command, env={**environment, "OMP_NUM_THREADS": threads}, text=True)
        used, results[threads] = output.split(" ", 1)
        assert used == threads
    assert "EncodingParameters" in results["1"] and results["1"] == results["2"]


@pytest.mark.parametrize("forward", ["hard", "sampled"])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    forward: str, images: list[np.ndarray], tmp_path: Path
) -> None:
    options = {**QUICK, "lambdas": (4.0, 1.0, 0.25), "forward": forward}
    whole = learn(Toy(), images, **options)
    model, path = Toy(), tmp_path / "run.json"
    with called(model, interrupt_at=6):
        part = learn(model, images, checkpoint=path, **options)
    assert part.provenance.settings["interrupted"] is True
    assert [point.parameters for point in part.points] == [whole.points[0].parameters]
    with called(model) as calls:
        resumed = learn(model, images, checkpoint=path, **options)
    assert sum(calls) == 8, "two points of four steps were left"
    assert resumed.points == whole.points and resumed.provenance.settings["interrupted"] is False
    with called(model) as calls:
        assert learn(model, images, checkpoint=path, **options).points == whole.points
    assert sum(calls) == 0, "nothing was left to learn"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"steps": 5}, "settings"),
        ({"sampling": "4:4:4"}, "sampling"),
        ({"model": Toy(seed=1)}, "model_fingerprint"),
        ({"images": 1}, "data_fingerprint"),
        ({"labels": [0] * 13 + [1]}, "settings"),
        ({"labels": [0] * 14}, None),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(
    change: dict[str, Any], named: str | None, images: list[np.ndarray], tmp_path: Path
) -> None:
    options = {"model": Toy(), "images": images, "labels": [0] * 14, "checkpoint": tmp_path / "run.json", **QUICK}
    with called(options["model"], interrupt_at=5):
        learn(**options)
    if "images" in change:
        change = {"images": [*images[:-1], images[0]]}
    if named is None:
        assert len(learn(**{**options, **change}).points) == 2
    else:
        with pytest.raises(DataError, match=f"belongs to another run .*{named}.* differ"):
            learn(**{**options, **change})


# Stopping


def test_ctrl_c_keeps_finished_points(images: list[np.ndarray], whole_run: Profile) -> None:
    model = Toy()
    with called(model, interrupt_at=7):
        profile = learn(model, images, **QUICK)
    assert [point.parameters for point in profile.points] == [whole_run.points[0].parameters]
    # a picture's files make up a batch, whose size shows in the last bits
    assert profile.points[0].measured == pytest.approx(whole_run.points[0].measured, rel=1e-5)


def test_ctrl_c_before_the_first_point_is_ctrl_c(images: list[np.ndarray], tmp_path: Path) -> None:
    model = Toy().train()
    with called(model, interrupt_at=2), pytest.raises(KeyboardInterrupt):
        learn(model, images, checkpoint=tmp_path / "run.json", **QUICK)
    assert not (tmp_path / "run.json").exists() and model.training


class _Backwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class Misleading(Frequencies):
    """Its gradient points the wrong way: every step of learning makes its answers worse."""

    def forward(self, pixels: Tensor) -> Tensor:
        return super().forward(_Backwards.apply(pixels))


def test_a_point_that_gets_worse_on_held_out_pictures_is_stopped_and_its_best_kept(
    large_images: list[np.ndarray],
) -> None:
    options = {**QUICK, "steps": 24, "learning_rate": 0.3}
    del options["lambdas"]
    steps, kl = {}, {}
    for kind, holdout in ((Misleading, 0.4), (Frequencies, 0.4), (Misleading, 0.0)):
        model = kind(ALL)
        with called(model) as calls:
            profile = learn(model, large_images, lambdas=(1.0, 1e-3), holdout=holdout, **options)
        steps[kind, holdout] = sum(calls)
        pixels = batch(*large_images)
        with torch.no_grad():
            decoded = SimulatedJPEG(profile.points[-1].parameters)(pixels)[0]
            clean, compressed = (model(x).log_softmax(1) for x in (pixels, decoded))
        kl[kind, holdout] = float((clean.exp() * (clean - compressed)).sum(1).mean())
    assert steps[Misleading, 0.4] < steps[Frequencies, 0.4] and steps[Misleading, 0.0] == 48
    assert kl[Misleading, 0.4] < kl[Misleading, 0.0] / 2


def test_held_out_points_are_compared_at_the_same_lambda() -> None:
    """Lambda moves while a target rate is met; that alone must neither stop a point nor keep it going."""
    noise = np.random.default_rng(0).normal(0, 0.1, 20)

    def stops(losses: tuple[float, float], rates: tuple[float, float], lambdas: tuple[float, float]) -> bool:
        at = iter(zip(losses, rates, strict=True))
        judge: Any = SimpleNamespace(images=range(20), spectrum=None)

        def judged(parameters: EncodingParameters) -> np.ndarray:
            loss, rate = next(at)
            judge.rate_model = SimpleNamespace(bpp=lambda *_: rate)
            return loss + noise * loss

        judge.losses = judged
        stop, jpeg = EarlyStop(judge), SimulatedJPEG(EncodingParameters.from_quality(50))
        assert not stop.worse(jpeg, lambdas[0])
        return stop.worse(jpeg, lambdas[1])

    assert not stops((1.0, 1.0), (1.0, 1.0), (1.0, 5.0)), "nothing but lambda rose"
    assert stops((1.0, 1.5), (1.0, 1.0), (5.0, 1.0)), "the loss rose while lambda fell"
    assert stops((1.0, 0.9), (1.0, 1.5), (1.0, 1.0)) and not stops((1.0, 0.9), (1.0, 1.05), (1.0, 1.0))


# The model is left as it was


def test_the_model_is_frozen_in_eval_mode_and_then_as_it_was(images: list[np.ndarray]) -> None:
    model = Toy().train()
    model.layers[2].eval()
    model.head[1].bias.requires_grad_(False)
    modes, before = [m.training for m in model.modules()], fingerprint(model)
    seen: list[bool] = []

    def note(module: nn.Module, *_: object) -> None:
        seen.append(any(m.training for m in module.modules()) or any(p.requires_grad for p in module.parameters()))

    model.register_forward_pre_hook(note)
    learn(model, images, **QUICK)
    assert seen and not any(seen)
    assert [m.training for m in model.modules()] == modes
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["head.1.bias"]
    assert fingerprint(model) == before and all(p.grad is None for p in model.parameters())


def test_the_model_is_as_it_was_after_an_error_too(images: list[np.ndarray]) -> None:
    model = Toy().train()
    with pytest.raises(DataError):
        learn(model, images, [99] * len(images), **QUICK)
    assert model.training and all(p.requires_grad for p in model.parameters())


# What is refused


class Odd(nn.Module):
    """Answers as its function says."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, pixels: Tensor) -> Any:
        return self.answer(pixels)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: {"logits": x.mean((2, 3))}, r"returned dict; expected logits of shape \(1, classes\)"),
        (lambda x: x, r"returned a tensor of shape \(1, 3, 48, 64\)"),
        (lambda x: x.mean((2, 3)) * float("nan"), "NaN or infinite"),
        (lambda x: x.detach().mean((2, 3)), "no gradient"),
        (lambda x: x.mean((2, 3)).argmax(1), r"returned a tensor of shape \(1,\)"),
    ],
)
def test_a_model_that_cannot_be_learned_for_is_refused(answer: Any, message: str, images: list[np.ndarray]) -> None:
    with pytest.raises(ModelError, match=message):
        learn(Odd(answer), images, **QUICK)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": [0, 1]}, DataError, "2 labels for 14 images"),
        ({"labels": [9] * 14}, DataError, "label 9 is outside the model's 6 classes"),
        ({"labels": [0.5] * 14}, DataError, "expected one integer"),
        ({"images": []}, DataError, "no images"),
        ({"images": [np.zeros((8, 8), np.uint8)]}, J4DError, "expected uint8 RGB"),
        ({"steps": 0}, ParameterError, "steps 0 is outside 1"),
        ({"batch_size": 0}, ParameterError, "batch_size 0"),
        ({"learning_rate": float("nan")}, ParameterError, "learning_rate nan"),
        ({"sharpness": 0.1}, ParameterError, "sharpness 0.1"),
        ({"forward": "soften"}, ParameterError, "forward 'soften' is not one of"),
        ({"holdout": 0.9}, ParameterError, "holdout 0.9"),
        ({"setps": 10}, ParameterError, "unknown option 'setps'; known are steps"),
        ({"rates": [0.5]}, ParameterError, "rates or lambdas, not both"),
        ({"lambdas": []}, ParameterError, "lambda list"),
        ({"lambdas": [1.0, -1.0]}, ParameterError, "lambda -1.0"),
        ({"lambdas": None, "rates": [0.0]}, ParameterError, "rate 0.0"),
        ({"lambdas": None, "rates": [float("inf")]}, ParameterError, "rate inf"),
        ({"lambdas": None, "points": 0}, ParameterError, "points 0 is below 1"),
        ({"answers": 2.0}, ParameterError, r"answers 2.0 is outside 0\.\.1"),
        ({"answers": 0.5}, ParameterError, "there are none"),
        ({"sampling": "4:1:1"}, ParameterError, "4:1:1"),
        ({"protocol": "thumbnail"}, J4DError, "thumbnail"),
    ],
)
def test_a_mistake_is_named_before_anything_is_learned(
    options: dict[str, Any], error: type[Exception], message: str, images: list[np.ndarray], tmp_path: Path
) -> None:
    model = Toy()
    with called(model) as calls, pytest.raises(error, match=message):
        learn(**{"model": model, "images": images, "checkpoint": tmp_path / "run.json", **QUICK, **options})
    assert sum(calls) <= 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"learning_rate": 2.0},
        {"smoothness": -1.0},
        {"gradient": "soft"},
        {"start": "zero"},
        {"dead_zones": (0.0, 0.7)},
        {"dead_zones": ()},
    ],
)
def test_a_recipe_is_checked_when_it_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(options)).replace("_", ".")):
        Recipe(**options)


# The display


def test_in_a_log_each_finished_point_is_a_line(images: list[np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    learn(Toy(), images, **{**QUICK, "progress": True})
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 2
    for number, line in enumerate(err.splitlines(), 1):
        assert line.startswith(f"point {number}/2  estimated ") and " bpp  loss " in line and line.endswith(" s")


def test_nothing_is_displayed_where_that_is_asked_for(
    images: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    learn(Toy(), images, **{**QUICK, "progress": False})
    assert capsys.readouterr() == ("", "")


def test_in_a_terminal_points_rate_and_loss_are_displayed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        "j4d.learning.progress.safe_console",
        lambda **_: Console(file=text, force_terminal=True, width=120, color_system=None),
    )
    with LadderProgress(True, 10) as display:
        display.start(1, 3)
        display.step(4, loss=0.5, bpp=1.25)
        display.step(5, loss=1.0, bpp=1.25)
        display.display.refresh()
        task = display.display.tasks[0]
    assert "point 2/3" in text.getvalue() and "1.250 bpp" in text.getvalue()
    assert (task.completed, task.total) == (16, 30)
