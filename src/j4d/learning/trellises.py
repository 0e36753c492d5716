"""Trellises tried on the points of a profile that is there already, without learning it again.

>>> better = retried(Profile.load("profile.json"), model, images)
>>> better.save("profile.json")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import Trellis
from j4d.learning.adaptation import fit_ladder
from j4d.learning.recipe import Recipe
from j4d.learning.selection import best_trellis
from j4d.learning.validation import FileEvaluator
from j4d.profile.profile import OperatingPoint, Profile
from j4d.rate.model import RateModel
from j4d.readers.answers import Model
from j4d.readers.frozen import Frozen
from j4d.support.frozen import Json


def choose_trellises(
    profile: Profile,
    model: Model | Sequence[Model],
    images: ImageSet | Sequence[NDArray[np.uint8]],
    *,
    trellises: Sequence[Trellis] = Recipe.trellises,
    dc_trellis: float | None = Recipe.dc_trellis,
    pictures: int = 96,
    answers: float | None = None,
) -> Profile:
    """The profile with the trellis at each point that real files of `pictures` of the images do best with.

    dc_trellis: of all of them, see `Trellis`. model, images, answers: as for `learn`; learning pictures, not
    those that anything is judged on. Steps are scaled so that the actual rate stays; the estimate of a changed point
    moves as the files did, and what was measured of it is forgotten. Points that draw their indices stay. Adaptation
    and choices are learned anew where the profile had any, on all images and for these models.
    Raises ProfileError where the ladder would no longer climb, ParameterError for what no trellis is.
    """
    recipe = Recipe(trellises=tuple(trellises), dc_trellis=dc_trellis)
    candidates = recipe.candidate_trellises
    models = tuple(model) if isinstance(model, (list, tuple)) else (model,)
    everything = images if isinstance(images, ImageSet) else ImageSet.from_arrays(list(images))
    some = everything.subset(range(0, len(everything), max(1, len(everything) // pictures)))
    with Frozen(models) as device:
        some = some.at_most(profile.longest_side)
        judge = FileEvaluator(models, some, answers, RateModel(), profile.provenance.sampling, device)
        points = tuple(choose_trellis(judge, point, candidates) for point in profile.points)
        told: dict[str, Json] = {"retried": recipe.to_json()["trellises"], "dc_trellis": dc_trellis}
        settings: dict[str, Json] = {**profile.provenance.settings, **told}
        changed = replace(profile, points=points, provenance=replace(profile.provenance, settings=settings))
        if changed.points == profile.points:
            return changed
        changed = replace(changed, adaptation=None, choices=())
        if profile.adaptation is None and not profile.choices:
            return changed
        adaptation, choices, gain = fit_ladder(changed.ladder, models, everything)
    if adaptation is not None:
        settings = {**settings, "adaptation_gain": gain}
    provenance = replace(changed.provenance, settings=settings)
    return replace(changed, adaptation=adaptation, choices=choices, provenance=provenance)


def choose_trellis(judge: FileEvaluator, point: OperatingPoint, trellises: Sequence[Trellis]) -> OperatingPoint:
    """The point with the trellis of these, or as it is, that does best on the judge's files; see `choose_trellises`."""
    if point.parameters.sharpness is not None:
        return point
    before = replace(point.parameters, longest_side=None)  # the judge's pictures are scaled already
    best = best_trellis(judge, before, trellises)
    if best == before:
        return point
    estimate = point.estimated_bpp * judge.rate(best) / judge.rate(before)
    best = replace(best, longest_side=point.parameters.longest_side)
    return replace(point, parameters=best, estimated_bpp=estimate, measured={})
