"""Vision models as j4d sees them: frozen, with their own preprocessing inside, from stored pixels to logits.

`VisionModel` takes float RGB (B, 3, H, W) in 0..255 at the stored size and returns (B, K) logits; gradients reach the
pixels. `load_model` makes one from a spec on the command line; where nets come from is `j4d.readers.sources`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from j4d.errors import ModelError
from j4d.readers.preprocessing import Preprocess
from j4d.readers.refusals import refusing


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
