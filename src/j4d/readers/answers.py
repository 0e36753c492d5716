"""A model's answers on pictures, and how much of the uncompressed answer is left. The torch side of measuring."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d.errors import DataError, ModelError
from j4d.readers.refusals import refusing

pass

Figures = dict[str, list[float]]  # metric to one figure for each picture


def log_probabilities(model: Model, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """float64 (B, K) on the CPU, from B uint8 RGB pictures (H, W, 3) of one size. Raises ModelError."""
    batch = torch.from_numpy(np.stack(images)).to(_device(model)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        logits = logits_of(model, batch).detach().to("cpu", torch.float64)
    if not torch.isfinite(logits).all():
        raise ModelError("the model returned NaN or infinite logits")
    return torch.log_softmax(logits, dim=1)


def metrics_of(answer: torch.Tensor, clean: torch.Tensor, label: int | None) -> Figures:
    """Figures of B compressed pictures of one original: log-probabilities (B, K) against the original's (1, K).

    agreement and kl = KL(uncompressed answer || compressed answer) always; top1, top5 and cross_entropy with a label;
    losses in nats. Raises DataError for a label that is no class of the model.
    """
    figures = {
        "agreement": answer.argmax(dim=1) == clean.argmax(dim=1),
        "kl": (clean.exp() * (clean - answer)).sum(dim=1).clamp(min=0),
    }
    if label is not None:
        classes = answer.shape[1]
        if label >= classes:
            raise DataError(f"label {label} is outside the model's {classes} classes (0..{classes - 1})")
        top = answer.topk(min(5, classes), dim=1).indices
        figures["top1"] = answer.argmax(dim=1) == label
        figures["top5"] = (top == label).any(dim=1)
        figures["cross_entropy"] = -answer[:, label]
    return {name: value.double().tolist() for name, value in figures.items()}


def _device(model: Model) -> torch.device:
    if isinstance(model, torch.nn.Module):
        for tensor in chain(model.parameters(), model.buffers()):
            return tensor.device
    return torch.device("cpu")


@contextlib.contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Eval mode for the time of the measurement, then every submodule's own mode again."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    training = [module for module in modules if getattr(module, "training", False)]  # frozen scripts have no mode
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextlib.contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """PyTorch on `count` threads meanwhile; None leaves it as it is."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Model = Callable[[Tensor], Tensor]


def name_of(model: object) -> str:
    """What a model is called in messages: its own name, or that of its function or type."""
    return str(getattr(model, "name", "") or getattr(model, "__name__", "") or type(model).__name__)


def logits_of(model: Model, pixels: Tensor) -> Tensor:
    """`model(pixels)`, checked: float (B, K) for pixels (B, 3, H, W). Raises ModelError, whatever the model raises."""
    with refusing(name_of(model), pixels):
        logits: Any = model(pixels)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(pixels):
        got = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(f"the model returned {got}; expected logits of shape ({len(pixels)}, classes)")
    return logits.float()


def probabilities(model: Model, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Class probabilities (N, K) on uint8 RGB images (H, W, 3) of any sizes, one at a time. Raises ModelError."""
    return np.concatenate([log_probabilities(model, [image]).exp().numpy() for image in images])
