"""The gradient of a batch's task losses with respect to the encoding parameters, one model after another.

The models look at the same simulated JPEG. Each in turn adds its gradient to that of the decoded pixels, and its
activations are gone before the next one runs; then one backward pass takes the pixels' gradient through the JPEG. So
memory holds what the largest model needs, and the JPEG is simulated once a picture, however many models there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d.errors import ModelError
from j4d.images.image_set import ImageSet
from j4d.learning.budget import at_once
from j4d.learning.task import Classification
from j4d.readers.answers import name_of
from j4d.readers.refusals import NO_GRADIENT, refusing
from j4d.simulation.module import SimulatedJPEG
from j4d.simulation.transform import pixels_to_coefficients
from j4d.support import ranks

MICRO_BATCH = 8  # pictures of ordinary size a forward pass; bounds memory, changes the result by rounding alone

Key = tuple[int, bool]  # number of a picture, and whether it is mirrored


def batch_backward(
    jpeg: SimulatedJPEG,
    images: ImageSet,
    batch: Sequence[Key],
    tasks: Sequence[Classification],
    slopes: Sequence[float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put the gradient of sum_m slope_m (mean loss of model m) into the learnable parameters of `jpeg`.

    Returns the mean losses and what compression added to them, (models,) each, nats. Several ranks share the batch and
    all get the gradient and the losses of the whole.
    """
    learnable = [p for p in jpeg.parameters() if p.requires_grad]
    for parameter in learnable:
        parameter.grad = torch.zeros_like(parameter)
    if ranks.size() == 1:
        sums = _backward(jpeg, images, batch, tasks, [slope / len(batch) for slope in slopes])
    else:
        # neighbours in number, so that a rank meets the same pictures again, whose answers it has kept
        own = list(ranks.share(sorted(batch)))
        sums = _backward(jpeg, images, own, tasks, [slope / len(batch) for slope in slopes])
        values = [p.grad.double().cpu().flatten() for p in learnable if p.grad is not None]
        values.append(torch.from_numpy(sums).flatten())
        parts = torch.split(ranks.total(torch.cat(values)), [len(v) for v in values])
        for parameter, part in zip(learnable, parts[:-1], strict=True):
            parameter.grad = part.view_as(parameter).to(parameter)
        sums = parts[-1].view(2, -1).numpy()
    losses, rises = sums / len(batch)
    return losses, rises


def _backward(
    jpeg: SimulatedJPEG,
    images: ImageSet,
    batch: Sequence[Key],
    tasks: Sequence[Classification],
    slopes: Sequence[float],
) -> NDArray[np.float64]:
    """Add the gradient; sums of losses and rises, (2, models)."""
    device = jpeg.log_steps.device
    sizes: dict[tuple[int, ...], list[tuple[Key, NDArray[np.uint8]]]] = {}
    for number, flip in batch:
        image = images[number]
        sizes.setdefault(image.shape, []).append(((number, flip), image[:, ::-1] if flip else image))
    sums = np.zeros((2, len(tasks)))
    for (height, width, _), members in sizes.items():
        together = at_once(MICRO_BATCH, height * width)
        for start in range(0, len(members), together):
            part = members[start : start + together]
            pixels = torch.from_numpy(np.stack([image for _, image in part])).to(device).permute(0, 3, 1, 2).float()
            keys = [key for key, _ in part]
            decoded = jpeg.decoded(pixels_to_coefficients(pixels, jpeg.sampling), height, width)
            seen = decoded.detach().requires_grad_()
            for place, (task, slope) in enumerate(zip(tasks, slopes, strict=True)):
                sums[:, place] += _backward_model(task, pixels, seen, keys, slope)
            decoded.backward(seen.grad)  # type: ignore[no-untyped-call]
    return sums


def _backward_model(
    task: Classification, pixels: Tensor, seen: Tensor, keys: Sequence[Key], slope: float
) -> tuple[float, float]:
    """Add the gradient of `slope` times one model's losses to that of the pixels `seen`; sums of losses and rises.

    A function of its own, so that nothing of one model is left when the next one runs.
    """
    answer, numbers = task.answer(pixels, keys), [number for number, _ in keys]
    logits = task.logits(seen)
    if not logits.requires_grad:
        raise ModelError("the model's logits carry no gradient to its pixels; it must be differentiable")
    losses = task.loss(logits, answer, numbers)
    with refusing(name_of(task.model), pixels, NO_GRADIENT):
        (losses.sum() * slope).backward()  # type: ignore[no-untyped-call]
    losses = losses.detach()
    return float(losses.sum()), float(task.rises(losses, answer, numbers).sum())
