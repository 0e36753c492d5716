"""Parameters tried on real files: which of several a point of the ladder should begin with.

Three choices are made so. Where to start: sensitivities predict well at high rates and at stored size; the point before
or ready-made tables, default JPEG's or some of mozjpeg's, may be better at low ones. And how readily indices round to
zero, the dead zone of all AC frequencies: a gradient opens it too far, as it sees half of what zeroing an index costs,
and the entropies of single frequencies do not know that isolated ones cost a run code each (docs/recipe.md). And, once
a point is learned, whether a trellis that chooses the indices of a block jointly does better than its dead zone, and
how much it may move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from j4d.jpeg.parameters import EncodingParameters, Quantization, Trellis
from j4d.learning.budget import fewer
from j4d.learning.optimizer import Optimizer
from j4d.learning.validation import FileEvaluator
from j4d.profile.ladder import with_scaled_steps
from j4d.simulation.module import SimulatedJPEG
from j4d.support import ranks

PROBE = 1.1  # steps scaled to a rate smaller by this factor tell what a bit is worth
_SLOPE = 1.3  # - d log(step) / d log(rate), to find a rate
_TRIES, _NEAR = 5, 0.002  # and how often, and how near in log rate


def with_dead_zone(parameters: EncodingParameters, dead_zone: float) -> EncodingParameters:
    """The same with this dead zone, in steps, for all AC frequencies of luma and chroma; 0 is none."""
    zones = np.full((8, 8), dead_zone)
    zones[0, 0] = 0
    both = zones if dead_zone else None
    return parameters.with_dead_zones(both, both)


def evaluator_of(optimizer: Optimizer) -> FileEvaluator:
    """A judge over some of the learning pictures."""
    images = optimizer.images
    count = fewer(optimizer.recipe.trial_pictures, optimizer.pixels)
    some = images.subset(range(0, len(images), max(1, len(images) // count)))
    spectrum = optimizer.spectrum if len(some) == len(images) == optimizer.spectrum.images else None
    sampling = optimizer.spectrum.sampling
    models, answers = [task.model for task in optimizer.tasks], optimizer.tasks[0].answers
    return FileEvaluator(
        models, some, answers, optimizer.rate_model, sampling, optimizer.device, optimizer.objective, spectrum
    )


def best_of(
    optimizer: Optimizer, judge: FileEvaluator, candidates: Sequence[EncodingParameters], bpp: float
) -> EncodingParameters:
    """The one of `candidates` with the least task loss at the estimated rate `bpp`, on the judge's pictures.

    Steps are scaled to the rate for each. Actual rates still differ a little; what that is worth in loss is measured by
    scaling the steps of the first. Returns the candidate as it was given.
    """
    if len(candidates) == 1:
        return candidates[0]

    def met(parameters: EncodingParameters, rate: float) -> EncodingParameters:
        jpeg = SimulatedJPEG(parameters).to(optimizer.device)
        optimizer.meet(jpeg, rate)
        return jpeg.encoding_parameters()

    found = [judge.means(met(parameters, bpp)) for parameters in candidates]
    return candidates[least(found, judge.means(met(candidates[0], bpp / PROBE)))]


def with_trellis(parameters: EncodingParameters, trellis: Trellis) -> EncodingParameters:
    """The same with a trellis in place of dead zones and random draws."""
    luma, chroma = (Quantization(each.steps) for each in parameters.quantizations)
    return EncodingParameters(luma, chroma, parameters.sampling, trellis=trellis)


def best_trellis(
    judge: FileEvaluator, parameters: EncodingParameters, trellises: Sequence[Trellis]
) -> EncodingParameters:
    """`parameters`, or them with one of the trellises: the least task loss at equal actual rate.

    A trellis takes bits away; its steps are scaled so that the judge's pictures have the rate that they have now.
    """
    if not trellises:
        return parameters
    bpp = judge.rate(parameters)
    candidates = [parameters, *(at_rate(judge, with_trellis(parameters, trellis), bpp) for trellis in trellises)]
    found = [judge.means(candidate) for candidate in candidates]
    return candidates[least(found, judge.means(at_rate(judge, parameters, bpp / PROBE)))]


def at_rate(judge: FileEvaluator, parameters: EncodingParameters, bpp: float) -> EncodingParameters:
    """The parameters with their steps scaled to this actual rate, as near as whole steps within 1..255 come to it."""
    factor, best, error = 1.0, parameters, math.inf
    for _ in range(_TRIES):
        candidate = with_scaled_steps(parameters, factor)
        off = math.log(judge.rate(candidate) / bpp)
        if abs(off) < error:
            best, error = candidate, abs(off)
        if abs(off) < _NEAR:
            break
        factor *= math.exp(_SLOPE * off)
    return best


def least(found: Sequence[tuple[float, float]], probe: tuple[float, float]) -> int:
    """The number of the (loss, rate) that is best; `probe`, the first at a smaller rate, tells what a bit is worth."""
    worth = max((probe[0] - found[0][0]) / max(found[0][1] - probe[1], 1e-9), 0.0)  # nats per bpp
    return ranks.agreed(int(np.argmin([loss + worth * rate for loss, rate in found])))
