"""Choose the indices of a learned profile anew, and add a point below its first.

    python tools/renew_profile.py universal-420 mixed -o universal.json \
        -m MobileNet-v1="$J4D_DATA/zoo.py:load?name=mobilenet_v1_1.0_224" -m ... \
        --judge MobileNet-v2="$J4D_DATA/zoo.py:load?name=mobilenet_v2_1.0_224_qat" --below 0.1

The steps of the points stay but for a factor, so this takes a fraction of the time that learning takes. At each point
the trellis is tried that real files of learning pictures do best with at the point's rate, the DC choice always with
it; the last stays as it is: with a trellis too, single files near the top would not grow from one quality to the next.
The new point has the steps of the first, scaled, and a stronger trellis, since steps end at 255; its masking is that of
the first, so that files grow smoothly between the two. `-m` are the models
that the profile was learned for, in their order; adaptation is learned for them anew, and what they need as judges,
together and each, with those of `--judge`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from j4d import Profile, load_images, load_model
from j4d.errors import J4DError, ModelError
from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import Trellis
from j4d.learning.adaptation import LadderFigures, fit_adaptation, fit_choice, measure_ladder
from j4d.learning.recipe import Recipe
from j4d.learning.selection import PROBE, at_rate, least, with_trellis
from j4d.learning.trellises import choose_trellis
from j4d.learning.validation import FileEvaluator
from j4d.profile import lookup
from j4d.profile.profile import OperatingPoint
from j4d.rate.model import RateModel
from j4d.readers.answers import Model
from j4d.readers.fingerprints import joint_fingerprint
from j4d.readers.frozen import Frozen
from j4d.support.frozen import Json

STRONG = ((15.0, None), (8.0, None))  # trellises that only low rates want
BELOW = (30.0, 15.0, 8.0, 4.0)  # mu of a point below the first
OUTDATED = ("retried", "plain_points", "points_left_out")  # settings that tell how the points were
PICTURES = 96  # as `Recipe.trial_pictures`

console = Console(stderr=True)
Named = dict[str, Model]


def points_anew(judge: FileEvaluator, points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
    """All but the last with the trellis that does best."""
    trellises = Recipe(trellises=(*STRONG, *Recipe.trellises)).candidate_trellises
    found = []
    for point in points[:-1]:
        found.append(choose_trellis(judge, point, trellises))
        console.print(f"{point.estimated_bpp:.3f} bpp: {found[-1].parameters.trellis}")
    return [*found, points[-1]]


def below(judge: FileEvaluator, first: OperatingPoint, bpp: float) -> OperatingPoint:
    """A point for the estimated rate `bpp` with the steps of `first`, scaled."""
    start, rate = first.parameters, judge.rate(first.parameters) * bpp / first.estimated_bpp
    masking = None if start.trellis is None else start.trellis.masking
    candidates = [at_rate(judge, with_trellis(start, Trellis(mu, masking, Recipe.dc_trellis)), rate) for mu in BELOW]
    found = [judge.means(candidate) for candidate in candidates]
    for mu, (loss, actual) in zip(BELOW, found, strict=True):
        console.print(f"below, mu {mu:g}: loss {loss:.3f} at {actual:.4f} bpp, {rate:.4f} wanted")
    best = least(found, judge.means(at_rate(judge, candidates[0], rate / PROBE)))
    estimate = first.estimated_bpp * found[best][1] / judge.rate(first.parameters)
    return OperatingPoint(candidates[best], estimate)


def renewed(profile: Profile, models: Named, judges: Named, images: ImageSet, bpp: float | None) -> Profile:
    """The profile with indices chosen anew, adaptation and judges learned anew, and a point for the rate `bpp`."""
    seen = list(models.values())
    if joint_fingerprint(seen) != profile.provenance.model_fingerprint:
        raise ModelError(f"{profile.name} was learned for {profile.provenance.model}, not for {', '.join(models)}")
    with Frozen([*seen, *judges.values()]) as device:
        some = images.subset(range(0, len(images), max(1, len(images) // PICTURES)))
        judge = FileEvaluator(seen, some, None, RateModel(), profile.provenance.sampling, device)
        points = points_anew(judge, profile.points)
        if bpp is not None:
            points.insert(0, below(judge, points[0], bpp))
        changed = replace(profile, points=tuple(points), adaptation=None, choices=())
        ladder = changed.ladder
        by_name = {}
        for name, model in {**models, **judges}.items():
            console.print(f"moves: {name}")
            by_name[name] = measure_ladder(ladder, [model], images)
    together = mean([by_name[name] for name in models])
    adaptation, gain = fit_adaptation(ladder, together) or (None, 0.0)
    choices = [fit_choice(ladder, together, seen, " + ".join(models))] if len(models) > 1 else []
    choices += [fit_choice(ladder, by_name[name], [model], name) for name, model in {**models, **judges}.items()]
    said: dict[str, Json] = {
        "renewed": Recipe(trellises=(*STRONG, *Recipe.trellises)).to_json()["trellises"],
        "dc_trellis": Recipe.dc_trellis,
        "points_below": int(bpp is not None),
        "adaptation_gain": gain,
    }
    settings = {name: value for name, value in profile.provenance.settings.items() if name not in OUTDATED}
    provenance = replace(profile.provenance, settings={**settings, **said})
    kept = tuple(choice for choice in choices if choice is not None)
    return replace(changed, provenance=provenance, adaptation=adaptation, choices=kept)


def mean(measured: Sequence[LadderFigures]) -> LadderFigures:
    return replace(measured[0], loss=np.mean([of_one.loss for of_one in measured], 0))


def named(text: str) -> tuple[str, Model]:
    name, _, spec = text.partition("=")
    return name, load_model(spec)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile")
    parser.add_argument("images", help="what it was learned from")
    parser.add_argument("-m", "--model", action="append", required=True, metavar="NAME=MODEL")
    parser.add_argument("--judge", action="append", default=[], metavar="NAME=MODEL")
    parser.add_argument("--below", type=float, metavar="BPP")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        models, judges = (dict(map(named, texts)) for texts in (arguments.model, arguments.judge))
        profile = lookup.find(arguments.profile)
        renewed(profile, models, judges, load_images(arguments.images), arguments.below).save(arguments.output)
    except J4DError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
