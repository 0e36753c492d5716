"""How much the task loss depends on each DCT frequency, at the uncompressed pictures: what three rivals build on.

With L the cross-entropy of a picture's label, or of the class that the model itself gives where there is none, and c
its DCT coefficients: the mean of |dL/dc| (GRACE) and of (dL/dc)^2 (OptS) for each frequency of luma and of chroma.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from j4d.errors import ModelError
from j4d.readers.answers import Model, logits_of
from j4d.rivals.rates import spread
from j4d.rivals.registry import Learning
from j4d.simulation.transform import coefficients_to_pixels, pixels_to_coefficients

PICTURES = 512  # behind the means; evenly spread where there are more

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frequencies:
    """Means over blocks and pictures, float64 (2, 8, 8) each: luma, and chroma with its two components pooled.

    gradient: of |dL/dc|. sensitivity: of (dL/dc)^2. magnitude: of |c|; and peak, the greatest |c|. L in nats, c on the
    orthonormal scale.
    """

    gradient: Table
    sensitivity: Table
    magnitude: Table
    peak: Table


def frequencies(learning: Learning, sampling: str) -> Frequencies:
    """The means of the learning pictures at the sampling; see `Frequencies`."""
    return learning.once(("frequencies", sampling), lambda: _measure_frequencies(learning, sampling))


def _measure_frequencies(learning: Learning, sampling: str) -> Frequencies:
    """Measured at the originals, one picture at a time. Raises ModelError where the model gives no gradient."""
    sums, peak, blocks = np.zeros((3, 2, 8, 8)), np.zeros((2, 8, 8)), np.zeros((2, 1, 1))
    images = spread(learning.images, PICTURES)
    with evaluating(learning.model):
        for number, image in enumerate(images):
            pixels = as_batch([image], learning.model)
            planes = [plane.requires_grad_() for plane in pixels_to_coefficients(pixels, sampling)]
            logits = logits_of(learning.model, coefficients_to_pixels(planes, sampling, *image.shape[:2], exact=False))
            if not logits.requires_grad:
                raise ModelError("the model's logits carry no gradient to its pixels; it must be differentiable")
            label = None if images.labels is None else images.labels[number : number + 1]
            gradients = torch.autograd.grad(losses(logits, logits, label).sum(), planes)
            for component, (c, g) in enumerate(zip(planes, gradients, strict=True)):
                table = min(component, 1)
                for total, values in zip(sums, (g.abs(), g.square(), c.detach().abs()), strict=True):
                    total[table] += values.double().sum((0, 1, 2)).cpu().numpy()
                peak[table] = np.maximum(peak[table], c.detach().abs().amax((0, 1, 2)).cpu().numpy())
                blocks[table] += c[..., 0, 0].numel()
    gradient, sensitivity, magnitude = sums / np.maximum(blocks, 1)
    return Frequencies(gradient, sensitivity, magnitude, peak)


def losses(logits: torch.Tensor, clean: torch.Tensor, labels: NDArray[np.int64] | None) -> torch.Tensor:
    """Cross-entropy (B,) in nats of `logits` (B, K), with the labels, or with the classes that `clean` logits give."""
    target = clean.detach().argmax(1) if labels is None else torch.from_numpy(labels.copy()).to(logits.device)
    return F.cross_entropy(logits, target, reduction="none")


def as_batch(images: Sequence[NDArray[np.uint8]], model: Model) -> torch.Tensor:
    """Images of one size as float (B, 3, H, W) in 0..255, on the model's device."""
    tensors = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    device = next((tensor.device for tensor in tensors), None)
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float()


@contextlib.contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Eval mode for a while; afterwards every part is as it was."""
    parts = [part for part in model.modules() if part.training] if isinstance(model, torch.nn.Module) else []
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part in parts:
            part.training = True
