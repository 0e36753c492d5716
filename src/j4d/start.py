"""Where a ladder starts: default JPEG's tables, flat ones, or those that an inverse sensitivity suggests."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from j4d.optimize import Optimizer
from j4d.parameters import EncodingParameters
from j4d.tasks import logits_of
from j4d.transform import coefficients_to_pixels, pixels_to_coefficients

_PICTURES = 64  # behind a sensitivity


def first_steps(optimizer: Optimizer, start: str, default: EncodingParameters) -> EncodingParameters:
    """Tables to begin with, at about the rate of `default` (scaled by the caller): annex-k returns it as it is.

    flat: one step for everything. sensitivity: step proportional to 1/sqrt(E[(dL/dc)^2]), the high-rate optimum for a
    loss that is quadratic in the coefficients.
    """
    if start == "annex-k":
        return default
    shape = torch.ones(2, 8, 8) if start == "flat" else _sensitivity(optimizer, default.sampling).rsqrt()
    level = math.exp(float(np.log(default.luma).mean())) / math.exp(float(shape[0].log().mean()))
    luma, chroma = (shape * level).round().clamp(1, 255).numpy().astype(np.int32)
    return EncodingParameters(luma, chroma, default.sampling)


def _sensitivity(optimizer: Optimizer, sampling: str) -> Tensor:
    """E[(dL/dc)^2] over blocks per table and frequency, (2, 8, 8), at the uncompressed pictures."""
    total, blocks = torch.zeros(2, 8, 8), torch.ones(2, 1, 1)
    for number in range(0, len(optimizer.images), max(1, len(optimizer.images) // _PICTURES)):
        image = optimizer.images[number]
        pixels = torch.from_numpy(image.copy()).to(optimizer.device).permute(2, 0, 1)[None].float()
        planes = [p.requires_grad_() for p in pixels_to_coefficients(pixels, sampling)]
        decoded = coefficients_to_pixels(planes, sampling, *image.shape[:2], exact=False)
        answer = optimizer.task.answer(pixels, [(number, False)])
        loss = optimizer.task.loss(logits_of(optimizer.model, decoded), answer, [number]).sum()
        for component, gradient in enumerate(torch.autograd.grad(loss, planes)):
            total[min(component, 1)] += gradient.square().sum((0, 1, 2)).cpu()
            blocks[min(component, 1)] += gradient[..., 0, 0].numel()
    return (total / blocks).clamp_min(1e-20)
