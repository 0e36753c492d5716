"""How readily indices round to zero: the dead zone of all AC frequencies, chosen on real files.

A gradient opens dead zones too far, as it sees half of what zeroing an index costs, and the entropies of single
frequencies do not know that isolated ones cost a run code each (docs/recipe.md). One number can be tried out instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from j4d.heldout import Judge
from j4d.optimize import Optimizer
from j4d.parameters import EncodingParameters
from j4d.simulate import SimulatedJPEG

PICTURES = 96  # that a dead zone is tried on
_PROBE = 1.1  # steps scaled by this tell what a bit is worth


def with_dead_zone(parameters: EncodingParameters, dead_zone: float) -> EncodingParameters:
    """The same with this dead zone, in steps, for all AC frequencies of luma and chroma; larger ones stay."""

    def widened(before: np.ndarray | None) -> np.ndarray | None:
        zones = np.maximum(dead_zone, 0.0 if before is None else before) * np.ones((8, 8))
        zones[0, 0] = 0
        return zones if zones.any() else None

    luma, chroma = parameters.luma_dead_zone, parameters.chroma_dead_zone
    return replace(parameters, luma_dead_zone=widened(luma), chroma_dead_zone=widened(chroma))


def best_dead_zone(
    optimizer: Optimizer, judge: Judge, parameters: EncodingParameters, bpp: float, choices: Sequence[float]
) -> float:
    """The one of `choices` with the least task loss at the estimated rate `bpp`, on the judge's pictures.

    Steps are scaled to the rate for each. Actual rates still differ a little; what that is worth in loss is measured by
    scaling the steps of one choice.
    """
    if len(choices) == 1:
        return choices[0]

    def met(dead_zone: float, rate: float) -> EncodingParameters:
        jpeg = SimulatedJPEG(with_dead_zone(parameters, dead_zone), beyond=True).to(optimizer.device)
        optimizer.meet(jpeg, rate)
        return jpeg.encoding_parameters()

    found = [judge.measured(met(dead_zone, bpp)) for dead_zone in choices]
    loss, rate = judge.measured(met(choices[0], bpp / _PROBE))
    worth = max((loss - found[0][0]) / max(found[0][1] - rate, 1e-9), 0.0)  # nats per bpp
    return choices[int(np.argmin([loss + worth * rate for loss, rate in found]))]


def judge_of(optimizer: Optimizer) -> Judge:
    """A judge over some of the learning pictures."""
    images = optimizer.images
    some = images.subset(range(0, len(images), max(1, len(images) // PICTURES)))
    sampling = optimizer.spectrum.sampling
    return Judge(optimizer.model, some, optimizer.task.answers, optimizer.rate_model, sampling, optimizer.device)
