"""Vision models as j4d sees them: frozen, with their own preprocessing inside, from stored pixels to logits.

`VisionModel` takes float RGB (B, 3, H, W) in 0..255 at the stored size and returns (B, K) logits; gradients reach the
pixels. `load_model` makes one from a spec on the command line; where nets come from is `j4d.model_sources`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from j4d.errors import ModelError
from j4d.refusals import RefusalError, refusing
from j4d.specs import named
from j4d.tensor_bytes import tensor_bytes

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


class VisionModel(nn.Module):
    """A frozen classifier from stored pixels to logits: float (B, 3, H, W) RGB in 0..255 to (B, K).

    The network is set to eval mode and stays there; its parameters take no gradient. channels_last: hand it pictures
    in channels-last memory order, about twice as fast for convolutions on a CPU; a network that calls `view` on
    feature maps cannot have it. Raises ModelError where the output is not a float (B, K) tensor, and where the network
    raises anything.
    """

    def __init__(
        self, net: nn.Module, preprocess: Preprocess | None = None, *, name: str = "", channels_last: bool = False
    ) -> None:
        super().__init__()
        if not isinstance(net, nn.Module):
            raise ModelError(f"{name or 'model'}: {type(net).__name__} is not a torch.nn.Module")
        self.name = name or type(net).__name__
        self.channels_last = channels_last
        self.preprocess = (preprocess or Preprocess()).eval()
        self.net = net
        if channels_last:
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        try:
            net.eval()
        except NotImplementedError:  # programs of torch.export have one mode, that of their export
            net.training = False
        self.training = False
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> VisionModel:
        """Nothing: a vision model stays in eval mode."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point():
            raise ModelError(f"{self.name}: input {x.dtype} of shape {tuple(x.shape)}, expected float (B, 3, H, W)")
        x = self.preprocess(x)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with refusing(self.name, x):
            output = self.net(x)
        return self._check(output, x.shape[0])

    @property
    def preparation(self) -> str:
        """One line: the model's name and its preprocessing, and what to set where there is none."""
        unscaled = self.preprocess.resize is None and self.preprocess.crop is None
        return f"{self.name}: {self.preprocess}" + ("; set --resize and --crop to change that" if unscaled else "")

    def _check(self, output: Any, batch: int) -> Tensor:
        if isinstance(output, Tensor):
            if output.ndim == 2 and len(output) == batch and output.shape[1] >= 2 and output.is_floating_point():
                return output
            came = f"{output.dtype} of shape {tuple(output.shape)}"
        elif isinstance(output, Mapping):
            came = f"a {type(output).__name__} with keys {', '.join(map(repr, list(output)[:4]))}"
        else:
            came = f"a {type(output).__name__}" + (f" of {len(output)}" if isinstance(output, (tuple, list)) else "")
        raise ModelError(
            f"{self.name} returned {came}; expected float logits of shape ({batch}, K), K >= 2: "
            "wrap it in a module that returns the logits alone"
        )


def fingerprint(model: nn.Module) -> str:
    """Hexadecimal sha256 of a model's state dict: names, types, shapes and values, in order of name."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not isinstance(value, Tensor):  # extra state of a module's own
            digest.update(f"{name} {type(value).__name__}\n".encode())
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(tensor_bytes(value))
    return digest.hexdigest()


def weighty(models: Sequence[object]) -> bool:
    """Whether all are nn.Modules with weights, so that a fingerprint tells them from others."""
    return all(isinstance(model, nn.Module) and len(model.state_dict()) > 0 for model in models)


def joint_fingerprint(models: Sequence[object]) -> str:
    """The fingerprint of the model; of several, the sha256 of theirs. Empty where one is no nn.Module."""
    prints = [fingerprint(model) if isinstance(model, nn.Module) else "" for model in models]
    return prints[0] if len(prints) == 1 or not all(prints) else hashlib.sha256("".join(prints).encode()).hexdigest()


def load_model(
    spec: str,
    *,
    resize: Size | None = None,
    crop: Size | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    interpolation: str | None = None,
) -> VisionModel:
    """Make a vision model from a spec.

    - `package.module:callable` or `path/to/file.py:callable`, with keyword arguments after `?` as in
      `zoo.py:load?name=resnet&width=64`; it returns a torch.nn.Module, or (module, input size)
    - a path to a TorchScript file, or to a torch.export program (.pt2)
    - `timm:NAME`, `torchvision:NAME`, `hf:NAME`: pretrained, with their own preprocessing; `demo:efficientnet-lite0`

    `NAME=SPEC` gives it another name than its spec. The first form runs your own Python, and the libraries may run
    what they download (SECURITY.md). The keyword arguments replace the source's preprocessing, one by one (see
    `Preprocess`). Where the input size is known the model is tried once. Raises ModelError, saying what came and what
    is expected.
    """
    from j4d.model_sources import find

    name, spec = named(spec)
    net, settings = find(spec)
    given = {"resize": resize, "crop": crop, "mean": mean, "std": std, "interpolation": interpolation}
    preprocess = Preprocess(**{**settings, **{key: value for key, value in given.items() if value is not None}})
    size = preprocess.output_size
    if size is None:
        return VisionModel(net, preprocess, name=name or spec)
    failure = None
    for layout in (torch.channels_last, torch.contiguous_format):
        try:
            with refusing(name or spec, None):
                net.to(memory_format=layout)  # type: ignore[call-overload]
            model = VisionModel(net, preprocess, name=name or spec, channels_last=layout is torch.channels_last)
            with torch.no_grad():
                model(torch.full((2, 3, *size), 128.0))
            return model
        except RefusalError as error:  # whatever a network raises, such as `view` on channels-last features
            failure = error
    assert failure is not None  # both layouts were tried
    raise ModelError(f"{spec} fails on two images of {size[0]}x{size[1]}: {failure.said}") from failure.__cause__
