"""`learn`: from a frozen model and some pictures to a `Profile`, a ladder of encoding parameters with its provenance.

A ladder climbs from small to large rate. Each point starts from the tables that the model's sensitivities suggest for
its rate or from the point before, whichever real files do better with, and with the dead zone that they do best with;
it is learned from there by gradient, and takes a trellis in place of the dead zone where files do better so. A part of
the pictures is held out: it stops a point whose held-out objective gets worse, and gives the figures recorded beside
each point, measured on real files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d.errors import DataError, ModelError, ParameterError
from j4d.images.image_set import ImageSet
from j4d.jpeg.effort import with_effort
from j4d.jpeg.parameters import EncodingParameters, check_longest_side
from j4d.learning.budget import fewer
from j4d.learning.checkpoint import Checkpoint
from j4d.learning.finish import finish_profile
from j4d.learning.objective import Objective
from j4d.learning.optimizer import Optimizer, Progress
from j4d.learning.progress import LadderProgress
from j4d.learning.recipe import Recipe
from j4d.learning.selection import best_of, best_trellis, evaluator_of, with_dead_zone
from j4d.learning.start import carry, ready_made
from j4d.learning.task import Classification
from j4d.learning.validation import EarlyStop, FileEvaluator
from j4d.profile.profile import Profile
from j4d.profile.provenance import PROTOCOLS
from j4d.rate.goals import ladder_goals, per_given_pixel, per_stored_pixel
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.readers.answers import Model
from j4d.readers.encoder_judge import names_of
from j4d.readers.fingerprints import joint_fingerprint
from j4d.readers.frozen import Frozen
from j4d.simulation.module import SimulatedJPEG
from j4d.support import ranks

RATE_IMAGES = 512  # pictures behind the spectrum; the rate of more differs by well under a percent
ADAPTATION_IMAGES = 256  # pictures that tell how far busy and large ones may go down the ladder
FIT_IMAGES = 64  # pictures encoded to fit the rate model
FIT_QUALITIES = (5, 8, 12, 18, 27, 40, 60, 80, 92)  # of default JPEG, for the rate model that steers the learning
CHECKS = 4  # held-out checks per point
FIRST_LAMBDA = 2.0  # nats per bpp; steered from there
LAMBDA_FALL = (
    2.8  # lambda falls with this power of the rate: seen for SqueezeNet and MobileNet-v1 between 0.2 and 1 bpp
)


def learn(
    model: Model | Sequence[Model],
    images: ImageSet | Sequence[NDArray[np.uint8]],
    labels: Sequence[int] | NDArray[np.int64] | None = None,
    *,
    sampling: str = "4:2:0",
    longest_side: int | None = None,
    points: int = 8,
    rates: Sequence[float] | None = None,
    lambdas: Sequence[float] | None = None,
    answers: float | None = None,
    weights: Sequence[float] | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    protocol: str = "stored-size",
    checkpoint: str | PathLike[str] | None = None,
    progress: bool = True,
    name: str = "learned",
    model_name: str | None = None,
    **options: Any,
) -> Profile:
    """Learn a ladder of JPEG encoding parameters for a frozen model.

    model: callable from float (B, 3, H, W) RGB 0..255 at stored size to logits (B, K), its own resize and
    normalisation inside and differentiable; an nn.Module runs in eval mode with its parameters frozen. A list or tuple
    of models shares one profile, learned for the mean of their losses, with `weights` where they are given, or for the
    one that fares worst (combine="worst"); labels are then the same for all. images: uint8 (H, W, 3), any sizes.
    labels: one class per image, by default the ImageSet's; without any, the model's own answers on the uncompressed
    pictures are what must survive. answers: weight of those answers beside the labels, 0..1.

    longest_side: pixels; larger pictures are scaled down to it before they are encoded, while learning and by the
    profile (`EncodingParameters.longest_side`). Rates and lambdas are per pixel of the pictures as given all the same,
    and the figures recorded beside a point compare with the model's answers on those.

    points: operating points, spread evenly in log rate over default JPEG's range. rates: instead, target rates in
    estimated bits per pixel. lambdas: instead, fixed trade-offs in nats per bpp. options: fields of
    `Recipe` (steps, batch_size, learning_rate, forward, sharpness, ...). checkpoint: a file that keeps finished points;
    if it exists and belongs to the same run, learning goes on from it. Ctrl-C ends the run with the points that are
    done, if there is one. The same seed gives the same profile.

    Inside `j4d.support.ranks.joined()` several processes share the work, each calling this with the same arguments: the
    profile is the one that a single process learns, but for rounding (and the draws of a "sampled" forward). Each
    returns it; rank 0 alone shows progress and writes the checkpoint. Ctrl-C then ends all; what is done is in the
    checkpoint.

    Raises DataError, ModelError, ParameterError with what to change.
    """
    recipe = Recipe(**{**(recipe.to_json() if recipe else {}), **_known(options)})
    image_set = images if isinstance(images, ImageSet) else ImageSet.from_arrays(list(images))
    classes = image_set.labels if labels is None else np.asarray(labels)
    if classes is not None and len(classes) != len(image_set):
        raise DataError(f"{len(classes)} labels for {len(image_set)} images; give one per image")
    if protocol not in PROTOCOLS:
        raise ParameterError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    if seed < 0:
        raise ParameterError(f"seed {seed} is below 0")
    image_set = replace(image_set, labels=classes)
    check_longest_side(longest_side)
    held_out, train = image_set.split(round(recipe.holdout * len(image_set)), seed=seed)
    if not len(train):
        raise DataError(f"{image_set.name}: no images left to learn from")
    train, stored = train.at_most(longest_side), held_out.at_most(longest_side)
    share = train.share_kept()
    train = _in_memory(train)

    models = tuple(model) if isinstance(model, (list, tuple)) else (model,)
    if not models:
        raise ModelError("no model to learn for; give one or more")
    Objective(len(models), weights, recipe.combine)  # weights that do not fit are told now, not after the preparations

    with Frozen(models) as device, LadderProgress(progress and ranks.rank() == 0, recipe.steps) as display:
        numbers = None if train.labels is None else train.labels.tolist()
        tasks = [Classification(m, numbers, answers, recipe.precision) for m in models]
        some = train.subset(range(0, len(train), max(1, len(train) // RATE_IMAGES)))
        spectrum = Spectrum.of(some, sampling)
        few = some.subset(range(0, len(some), max(1, len(some) // FIT_IMAGES)))
        few_spectrum = spectrum if len(few) == len(some) else Spectrum.of(few, sampling)
        default = [EncodingParameters.from_quality(q, sampling) for q in FIT_QUALITIES]
        rate_model = RateModel(kind=recipe.rate)
        if recipe.calibrate:
            rate_model = ranks.agreed(RateModel.fit(few_spectrum, few, default, recipe.rate))
        goals = ranks.agreed(ladder_goals(spectrum, rate_model, points, *per_stored_pixel(share, rates, lambdas)))
        run: dict[str, Any] = {
            "model": model_name or names_of(models),
            "model_fingerprint": joint_fingerprint(models),
            "data_fingerprint": image_set.fingerprint,
            "image_count": len(image_set),
            "protocol": protocol,
            "sampling": sampling,
            "forward": recipe.forward,
            "seed": seed,
            "settings": {
                **recipe.to_json(),
                "answers": tasks[0].answers,
                "labels": _digest(classes),
                "goals": per_given_pixel(share, goals),
            },
        }
        if weights is not None:
            run["settings"]["weights"] = list(weights)
        if longest_side is not None:
            run["settings"] |= {"longest_side": longest_side, "pixels_kept": share}
        pictures_a_step = fewer(recipe.batch_size, spectrum.pixels / spectrum.images)
        if pictures_a_step < recipe.batch_size:
            run["settings"]["pictures_a_step"] = pictures_a_step
        optimizer = Optimizer(train, tasks, spectrum, rate_model, recipe, seed=seed, device=device, weights=weights)
        kept = _opened(checkpoint, run)
        judge = FileEvaluator(models, stored, answers, rate_model, sampling, device, optimizer.objective)
        trial = evaluator_of(optimizer)
        display.share = share
        interrupted = False
        try:
            for index in range(len(kept.points), len(goals)):
                display.start(index, len(goals))
                kept.add(*ranks.agreed(_point(optimizer, judge, trial, kept, goals, index, display)))
                display.end()
        except KeyboardInterrupt:
            if not kept.points or ranks.size() > 1:
                raise
            interrupted = True
        display.finish("measuring")
        settings = {**run.pop("settings"), "interrupted": interrupted}
        prepared = [str(preprocess) for m in models if (preprocess := getattr(m, "preprocess", None)) is not None]
        if prepared:
            settings["preprocessing"] = prepared
        step = max(1, len(image_set) // ADAPTATION_IMAGES)
        pictures = (
            _in_memory(image_set.subset(range(0, len(image_set), step)).at_most(longest_side)) if recipe.adapt else None
        )
        provenance = {**run, "settings": settings}
        points_kept = [(replace(found, longest_side=longest_side), value) for found, value in kept.points]
        profile = finish_profile(
            name, points_kept, few, few_spectrum, spectrum, models, held_out, pictures, provenance, share
        )
        return ranks.agreed(profile)


def _opened(path: str | PathLike[str] | None, run: dict[str, Any]) -> Checkpoint:
    """Rank 0's checkpoint; the others have its points, and no file. DataError where they were given other work."""
    theirs = ranks.agreed(run)
    different = sorted(name for name in run if run[name] != theirs[name])
    if different:
        raise DataError(f"rank {ranks.rank()} has other {' and '.join(different)} than rank 0; give all the same")
    kept = Checkpoint.open(path if ranks.rank() == 0 else None, run)
    kept.points = ranks.agreed(kept.points)
    return kept


def _digest(labels: NDArray[np.int64] | None) -> str | None:
    """Hexadecimal sha256 of the labels, so that a run with other labels is another run."""
    return None if labels is None else hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


def _known(options: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(options) - set(Recipe().to_json()))
    if unknown:
        raise ParameterError(f"unknown option {unknown[0]!r}; known are {', '.join(Recipe().to_json())}")
    return options


def _in_memory(images: ImageSet, limit: int = 2 << 30) -> ImageSet:
    """The set with its pictures decoded once, where they take less than `limit` bytes."""
    arrays: list[NDArray[np.uint8]] = []
    size = 0
    for image in images:
        arrays.append(image)
        size += image.nbytes
        if size > limit:
            return images
    return replace(images, arrays=tuple(arrays))


def _point(
    optimizer: Optimizer,
    judge: FileEvaluator,
    trial: FileEvaluator,
    kept: Checkpoint,
    goals: list[dict[str, float]],
    index: int,
    display: LadderProgress,
) -> tuple[EncodingParameters, float]:
    """Learn one point of the ladder; returns its parameters and lambda.

    judge: of held-out pictures, for stopping early. trial: of learning pictures, for what to begin with.
    """
    recipe, goal = optimizer.recipe, goals[index]
    quality = int(goal["quality"])
    default = EncodingParameters.from_quality(quality, optimizer.spectrum.sampling)
    bpp = goal.get("bpp") or optimizer.rate_model.bpp(optimizer.spectrum, default)
    starts = []
    searched = recipe.start in ("best", "sensitivity")
    if searched or not kept.points:
        starts.append(optimizer.start(default, bpp, index))
    if kept.points:
        before = EncodingParameters.from_quality(int(goals[index - 1]["quality"]), default.sampling)
        starts.append(carry(with_effort(kept.points[-1][0], 1), before, default))
    if searched:
        starts.extend(ready_made(optimizer.allocation, recipe.start, default, quality, bpp))
    start = best_of(optimizer, trial, starts, bpp)
    if not recipe.learn_dead_zone:
        start = best_of(optimizer, trial, [with_dead_zone(start, zone) for zone in recipe.dead_zones], bpp)
    jpeg = SimulatedJPEG(
        start,
        forward=recipe.forward,
        gradient=recipe.gradient,
        hard_dc=recipe.hard_dc,
        sharpness=recipe.sharpness,
        learn_sharpness=recipe.learn_sharpness,
        learn_dead_zone=recipe.learn_dead_zone,
    ).to(optimizer.device)
    target = _met(optimizer, trial, jpeg, goal)
    lagrangian, trust = goal.get("lambda", FIRST_LAMBDA), 100.0
    if kept.points and "bpp" in goal:
        lagrangian = kept.points[-1][1] * (goals[index - 1]["bpp"] / goal["bpp"]) ** LAMBDA_FALL
        trust = 3.0
    last = Progress(0, math.nan, math.nan, lagrangian)
    stop = EarlyStop(judge)
    trellises = () if recipe.forward == "sampled" else recipe.candidate_trellises
    steps = optimizer.run(jpeg, index, lagrangian, target, trust)
    for last in steps:
        display.step(last.step, last.loss, last.bpp)
        if (last.step + 1) % max(1, recipe.steps // CHECKS) == 0 and ranks.agreed(stop.worse(jpeg, last.lagrangian)):
            steps.close()
            return best_trellis(trial, stop.best, trellises), last.lagrangian
    _met(optimizer, trial, jpeg, goal)
    return best_trellis(trial, jpeg.encoding_parameters(), trellises), last.lagrangian


def _met(optimizer: Optimizer, trial: FileEvaluator, jpeg: SimulatedJPEG, goal: dict[str, float]) -> float | None:
    """Scale the steps to the goal's rate, if it has one, as files of these very tables show it.

    Returns the estimate at which files have that rate; the rate model was fitted to default JPEG, and errs a little.
    """
    if "bpp" not in goal:
        return None
    optimizer.meet(jpeg, goal["bpp"])
    target = goal["bpp"] / trial.rate_error(jpeg.encoding_parameters())
    optimizer.meet(jpeg, target)
    return target
