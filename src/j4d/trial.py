"""Parameters tried on real files: which of several a point of the ladder should begin with.

Two choices are made so. Where to start: sensitivities predict well at high rates and at stored size; the point before
or ready-made tables, default JPEG's or some of mozjpeg's, may be better at low ones. And how readily indices round to
zero, the dead zone of all AC frequencies: a gradient opens it too far, as it sees half of what zeroing an index costs,
and the entropies of single frequencies do not know that isolated ones cost a run code each (docs/recipe.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from j4d import ranks
from j4d.heldout import Judge
from j4d.optimize import Optimizer
from j4d.parameters import EncodingParameters
from j4d.simulate import SimulatedJPEG

_PROBE = 1.1  # steps scaled to a rate smaller by this factor tell what a bit is worth


def with_dead_zone(parameters: EncodingParameters, dead_zone: float) -> EncodingParameters:
    """The same with this dead zone, in steps, for all AC frequencies of luma and chroma; 0 is none."""
    zones = np.full((8, 8), dead_zone)
    zones[0, 0] = 0
    both = zones if dead_zone else None
    return replace(parameters, luma_dead_zone=both, chroma_dead_zone=both)


def judge_of(optimizer: Optimizer) -> Judge:
    """A judge over some of the learning pictures."""
    images = optimizer.images
    some = images.subset(range(0, len(images), max(1, len(images) // optimizer.recipe.trial_pictures)))
    sampling = optimizer.spectrum.sampling
    models, answers = [task.model for task in optimizer.tasks], optimizer.tasks[0].answers
    return Judge(models, some, answers, optimizer.rate_model, sampling, optimizer.device, optimizer.objective)


def best_of(
    optimizer: Optimizer, judge: Judge, candidates: Sequence[EncodingParameters], bpp: float
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

    found = [judge.measured(met(parameters, bpp)) for parameters in candidates]
    loss, rate = judge.measured(met(candidates[0], bpp / _PROBE))
    worth = max((loss - found[0][0]) / max(found[0][1] - rate, 1e-9), 0.0)  # nats per bpp
    return candidates[ranks.agreed(int(np.argmin([loss + worth * rate for loss, rate in found])))]
