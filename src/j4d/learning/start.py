"""Where a point of the ladder starts: ready-made tables, flat ones, or those that the model's sensitivity asks for.

The last is a design of its own. For small errors the KL between the model's answers before and after JPEG is
1/2 sum_f s_f D_f, with s_f the Fisher information of a coefficient of frequency f and D_f the squared error there; the
spectrum knows D_f and the bits R_f of every step, so the best steps for a rate follow frequency by frequency
(`Allocation`), without any noise but that of s_f. Learning goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d.images.image_set import ImageSet
from j4d.jpeg.effort import with_effort
from j4d.jpeg.parameters import EncodingParameters, Quantization
from j4d.jpeg.presets import preset_parameters
from j4d.learning.allocation import Allocation
from j4d.learning.task import Classification
from j4d.profile import lookup
from j4d.profile.ladder import REACH
from j4d.readers.answers import name_of
from j4d.readers.refusals import NO_GRADIENT, refusing
from j4d.simulation.quantizer import nearest
from j4d.simulation.transform import coefficients_to_pixels, pixels_to_coefficients
from j4d.support import ranks

Start = Literal["best", "sensitivity", "annex-k", "flat"]
STARTS: tuple[Start, ...] = ("best", "sensitivity", "annex-k", "flat")
PRESETS = (3, 4, 6)  # of mozjpeg's tables, among the ready-made ones: Robidoux, PSNR-HVS-M, Watson
PICTURES = 256  # behind a sensitivity


def sensitivity(
    images: ImageSet,
    task: Classification,
    parameters: EncodingParameters,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Rise of the KL of the task's model's answers per squared error of a coefficient, nats: (2, 8, 8), luma, chroma.

    Half the Fisher information, averaged over blocks and pictures, at the pictures as `parameters` encode them in their
    deterministic limit: at low rates it differs from that of the originals, and predicts better. device: the model's.
    """
    generator = torch.Generator()
    steps = [_on(device, t) for t in (parameters.luma.steps, parameters.chroma.steps)]
    zones = [None if t is None else _on(device, t) for t in (parameters.luma.dead_zone, parameters.chroma.dead_zone)]
    sums: Tensor = torch.zeros(2, 2, 8, 8, dtype=torch.float64)
    for number in ranks.share(range(0, len(images), max(1, len(images) // PICTURES))):
        image = images[number]
        generator.manual_seed((seed * 1_000_003 + number) % 2**63)  # whatever rank has it, a picture has its draw
        pixels = torch.from_numpy(image.copy()).to(device).permute(2, 0, 1)[None].float()
        planes = pixels_to_coefficients(pixels, parameters.sampling)
        tables = [min(component, 1) for component in range(len(planes))]
        coded = [
            (nearest(p, steps[t], zones[t]) * steps[t]).requires_grad_() for p, t in zip(planes, tables, strict=True)
        ]
        decoded = coefficients_to_pixels(coded, parameters.sampling, *image.shape[:2], exact=False)
        loss = task.drawn(task.logits(decoded), generator).sum()
        with refusing(name_of(task.model), pixels, NO_GRADIENT):
            gradients = torch.autograd.grad(loss, coded)
        for table, gradient in zip(tables, gradients, strict=True):
            sums[0, table] += gradient.square().sum((0, 1, 2)).double().cpu()
            sums[1, table] += gradient[..., 0, 0].numel()
    total, blocks = ranks.total(sums)
    found: Tensor = (total / blocks.clamp_min(1) / 2).clamp_min(1e-20)
    return found


def _on(device: torch.device | str, table: np.ndarray) -> Tensor:
    return torch.from_numpy(table.astype(np.float32)).to(device)


def first_parameters(
    images: ImageSet,
    tasks: Sequence[Classification],
    allocation: Allocation,
    start: Start,
    default: EncodingParameters,
    bpp: float,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    weights: Sequence[float] | None = None,
) -> EncodingParameters:
    """Tables to begin with at about `bpp`, estimated. annex-k: `default`, default JPEG at that rate. flat: one step for
    all, as large as the default's on average. Else what sensitivity asks for, see the module's text; the mean over
    tasks, with `weights`, which add up to 1, where they are given.
    """
    if start == "annex-k":
        return default
    if start == "flat":
        level = np.full((8, 8), round(math.exp(float(np.log(default.luma.steps).mean()))), np.int32)
        return EncodingParameters(Quantization(level), Quantization(level), default.sampling)
    shares = weights or [1 / len(tasks)] * len(tasks)
    found = [sensitivity(images, task, default, seed=seed, device=device) for task in tasks]
    mean = torch.stack([table * share for table, share in zip(found, shares, strict=True)]).sum(0)
    luma, chroma = map(Quantization, allocation.steps(mean, bpp))
    return EncodingParameters(luma, chroma, default.sampling)


def ready_made(
    allocation: Allocation, start: Start, default: EncodingParameters, quality: int, bpp: float
) -> list[EncodingParameters]:
    """Tables that others made, at about `bpp`, estimated: those worth trying beside what sensitivity asks for.

    `default`, default JPEG's at its quality `quality`, and some of mozjpeg's; for the start "best" also the place on
    the built-in profile's ladder that has this rate on these pictures. It was learned for several models at once, so
    there is less noise in it than a single model and a few photographs leave.
    """
    found = [default, *(preset_parameters(preset, quality, default.sampling) for preset in PRESETS)]
    if start == "best":
        found.append(_built_in(allocation, default.sampling, bpp))
    return found


def _built_in(allocation: Allocation, sampling: str, bpp: float) -> EncodingParameters:
    """The built-in profile at this estimated rate of the allocation's pictures, without a trellis."""
    ladder = lookup.nearest_to(sampling).ladder

    def at(log_rate: float) -> EncodingParameters:
        return replace(with_effort(ladder.at(log_rate), 1), sampling=sampling)

    low, high = ladder.log_rates[0] - REACH, ladder.log_rates[-1] + REACH
    for _ in range(12):
        middle = (low + high) / 2
        if allocation.rate_model.bpp(allocation.spectrum, at(middle)) < bpp:
            low = middle
        else:
            high = middle
    return at((low + high) / 2)


def carry(learned: EncodingParameters, before: EncodingParameters, now: EncodingParameters) -> EncodingParameters:
    """The learned point, moved as default JPEG's tables move from `before` to `now`; the rest stays."""

    def move(a: NDArray[np.int32], b: NDArray[np.int32], c: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.rint(a * (c / b)).clip(1, 255).astype(np.int32)

    return replace(
        learned,
        luma=replace(learned.luma, steps=move(learned.luma.steps, before.luma.steps, now.luma.steps)),
        chroma=replace(learned.chroma, steps=move(learned.chroma.steps, before.chroma.steps, now.chroma.steps)),
        sampling=now.sampling,
    )
