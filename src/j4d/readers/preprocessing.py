"""`Preprocess`: what stands between stored pixels and a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from j4d.errors import ModelError

Size = int | tuple[int, int]


def _size(value: Any, name: str) -> Size | None:
    """An integer or (height, width), each at least 1; None stays None."""
    if value is None or (type(value) is int and value >= 1):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(type(v) is int and v >= 1 for v in value):
        return value[0], value[1]
    raise ModelError(f"{name} {value!r} is not a size: a whole number of pixels, or (height, width)")


def _size_text(size: Size) -> str:
    return str(size) if isinstance(size, int) else f"{size[0]} x {size[1]}"


class Preprocess(nn.Module):
    """What stands between stored pixels and a network: resize, centre crop, normalise; differentiable.

    resize: the shorter side (the longer becomes int(resize * longer / shorter)), or (height, width), antialiased
    "bilinear" or "bicubic" (then clamped to 0..255). crop: a centred square or (height, width), zero-padded where the
    picture is smaller. Sizes and offsets are torchvision's (`Resize`, `CenterCrop`), on unrounded floats.
    mean, std: in units of 0..255, one number or three. A picture that has the crop's size already passes untouched,
    so that ready crops are not cropped again. Raises ModelError.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        resize: Size | None = None,
        crop: Size | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        interpolation: str = "bilinear",
    ) -> None:
        super().__init__()
        if interpolation not in ("bilinear", "bicubic"):
            raise ModelError(f"interpolation {interpolation!r} is not one of bilinear, bicubic")
        self.interpolation = interpolation
        self.normalises = mean is not None or std is not None
        self.resize, self.crop = _size(resize, "resize"), _size(crop, "crop")
        self.register_buffer("mean", self._channels(0.0 if mean is None else mean, "mean"))
        self.register_buffer("std", self._channels(1.0 if std is None else std, "std"))
        if not bool((self.std > 0).all()):
            raise ModelError(f"std {std!r} has a value that is not above 0")

    @staticmethod
    def _channels(value: Any, name: str) -> Tensor:
        try:
            tensor = torch.as_tensor(value, dtype=torch.float32).reshape(-1, 1, 1)
        except (TypeError, ValueError, RuntimeError):
            raise ModelError(f"{name} {value!r} is not one number or three") from None
        if tensor.shape[0] not in (1, 3) or not bool(tensor.isfinite().all()):
            raise ModelError(f"{name} {value!r} is not one number or three")
        return tensor

    @property
    def output_size(self) -> tuple[int, int] | None:
        """(height, width) of what comes out, or None where it follows the picture."""
        if self.crop is not None:
            return (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
        return self.resize if isinstance(self.resize, tuple) else None

    def __str__(self) -> str:
        """One line for people: what is done to a photograph before the network sees it."""
        if self.resize is None and self.crop is None:
            size = "photographs as stored, no resize, no crop"
        else:
            resize = "no resize" if self.resize is None else f"resize {_size_text(self.resize)} {self.interpolation}"
            size = f"{resize}, {'no crop' if self.crop is None else f'crop {_size_text(self.crop)}'}"
        if not self.normalises:
            return f"{size}, no normalisation"
        mean, std = (",".join(f"{value:g}" for value in t.flatten().tolist()) for t in (self.mean, self.std))
        return f"{size}, mean {mean}, std {std} of 0..255"

    def extra_repr(self) -> str:
        return f"resize={self.resize}, crop={self.crop}, interpolation={self.interpolation}"

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) != self.output_size:
            x = self._crop(self._resize(x))
        return (x - self.mean) / self.std if self.normalises else x

    def _resize(self, x: Tensor) -> Tensor:
        if self.resize is None:
            return x
        height, width = x.shape[-2:]
        if isinstance(self.resize, int):
            short, long = sorted((height, width))
            other = int(self.resize * long / short)
            size = (self.resize, other) if height <= width else (other, self.resize)
        else:
            size = self.resize
        if size == (height, width):
            return x
        x = F.interpolate(x, size, mode=self.interpolation, align_corners=False, antialias=True)
        return x.clamp(0, 255) if self.interpolation == "bicubic" else x

    def _crop(self, x: Tensor) -> Tensor:
        if self.crop is None:
            return x
        height, width = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
        below, right = max(height - x.shape[-2], 0), max(width - x.shape[-1], 0)
        if below or right:
            x = F.pad(x, [right // 2, (right + 1) // 2, below // 2, (below + 1) // 2])
        top, left = round((x.shape[-2] - height) / 2), round((x.shape[-1] - width) / 2)
        return x[..., top : top + height, left : left + width]
