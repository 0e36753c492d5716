"""JPEG as an `nn.Module`: pixels in, decoded pixels and estimated bits per pixel out, differentiable in the encoding
parameters (and in the pixels).

    >>> jpeg = SimulatedJPEG(EncodingParameters.from_quality(50))
    >>> decoded, bpp = jpeg(pixels)            # (B, 3, H, W) in 0..255 -> the same shape, a scalar
    >>> (task_loss(model(decoded)) + 2.0 * bpp).backward()
    >>> jpeg.encoding_parameters()             # integer tables, ready for `j4d.encode`

With `forward="hard"` the decoded pixels are, to the last bit, those that libjpeg-turbo decodes from the file that
`j4d.encode(..., deterministic=True)` writes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from j4d.errors import ImageError, ParameterError
from j4d.jpeg.parameters import EncodingParameters, Quantization
from j4d.simulation.entropy import batch_bits
from j4d.simulation.quantizer import FORWARDS, GRADIENTS, SHARPNESS_RANGE, Forward, Gradient, quantize
from j4d.simulation.transform import coefficients_to_pixels, pixels_to_coefficients

DEAD_ZONE_LIMIT = 0.5
DEAD_ZONE_GRID = 1024  # learned dead zones are multiples of 1/1024: every threshold is then exact in float32
HARD_SHARPNESS = 20.0  # stands for a sharpness of None in gradients and marginals
_ROUNDING = 1e-6  # relative error of exp(log(step)) in float32, with room


class SimulatedJPEG(nn.Module):
    """A differentiable JPEG codec with learnable encoding parameters.

    parameters: where to start. forward: "hard" (nearest index), "soft" (mean of the pmf) or "sampled" (an index drawn
    from the pmf). gradient: "phase" or "exact", both of the soft value, see `j4d.simulation.quantizer`. sharpness:
    kappa, overrides the parameters'. learn_sharpness, learn_dead_zone: whether those receive gradients; steps always
    do.

    Learnable tensors: log_steps (2, 8, 8), natural logarithm of the steps of luma and chroma; dead_zone (2, 8, 8), in
    steps, those of DC without a gradient because DC is coded as differences; log_sharpness, a scalar. Raises
    ParameterError.
    """

    def __init__(
        self,
        parameters: EncodingParameters,
        *,
        forward: Forward = "hard",
        gradient: Gradient = "phase",
        sharpness: float | None = None,
        learn_sharpness: bool = False,
        learn_dead_zone: bool = False,
        hard_dc: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if forward not in FORWARDS:
            raise ParameterError(f"forward {forward!r} is not one of {', '.join(FORWARDS)}")
        if gradient not in GRADIENTS:
            raise ParameterError(f"gradient {gradient!r} is not one of {', '.join(GRADIENTS)}")
        if parameters.longest_side is not None:
            raise ParameterError(
                f"longest side {parameters.longest_side}: the simulator scales no pictures; give it scaled ones "
                "(`j4d.jpeg.size.at_most`) and parameters without"
            )
        kappa = parameters.sharpness if sharpness is None else sharpness
        kappa = HARD_SHARPNESS if kappa is None else kappa
        low, high = SHARPNESS_RANGE
        if not low <= kappa <= high:
            raise ParameterError(f"sharpness {kappa} is outside {low:g}..{high:g}")
        self.sampling = parameters.sampling
        self.mode: Forward = forward
        self.gradient: Gradient = gradient
        self.hard_dc = hard_dc and forward == "soft"
        self.generator = generator
        steps = np.stack((parameters.luma.steps, parameters.chroma.steps)).astype(np.float32)
        zones = [z if z is not None else np.zeros((8, 8)) for z in _dead_zones(parameters)]
        self.uses_dead_zone = learn_dead_zone or any(z.any() for z in zones)
        self.log_steps = nn.Parameter(torch.from_numpy(steps).log())
        self.dead_zone = nn.Parameter(torch.from_numpy(np.stack(zones).astype(np.float32)), learn_dead_zone)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(kappa)), learn_sharpness)

    @property
    def steps(self) -> Tensor:
        """(2, 8, 8) real steps of luma and chroma, within 1..255; whole where they are whole but for rounding."""
        # clamped a rounding error outside the range, so that a step of exactly 1 or 255 keeps its gradient
        steps = self.log_steps.clamp(-_ROUNDING, math.log(255) + _ROUNDING).exp()
        excess = (steps - steps.round()).detach()
        return steps - torch.where(excess.abs() < 2 * _ROUNDING * steps, excess, 0.0)

    @property
    def sharpness(self) -> Tensor:
        """Kappa, a scalar tensor within the range that float32 holds."""
        return self.log_sharpness.exp().clamp(*SHARPNESS_RANGE)

    @property
    def dead_zones(self) -> list[Tensor | None]:
        """(8, 8) dead zone of luma and of chroma; None where there is none."""
        if not self.uses_dead_zone:
            return [None, None]
        zones = self.dead_zone.clamp(0, DEAD_ZONE_LIMIT)
        return list(torch.where(_is_dc(zones), zones.detach(), zones))

    def decoded(self, planes: list[Tensor], height: int, width: int) -> Tensor:
        """Coefficient planes (B, By, Bx, 8, 8), one per component, to the pixels (B, 3, height, width) decoded."""
        steps, zones, kappa = self.steps, self.dead_zones, self.sharpness
        values = []
        for component, plane in enumerate(planes):
            table = min(component, 1)
            step, zone = steps[table].to(plane.dtype), zones[table]
            forms: dict[str, Any] = {"forward": self.mode, "gradient": self.gradient, "generator": self.generator}
            value = quantize(plane, step, kappa, zone, **forms)
            if self.hard_dc:
                hard = quantize(plane, step, kappa, zone, **{**forms, "forward": "hard"})
                value = torch.where(_is_dc(step), hard, value)
            values.append(value)
        return coefficients_to_pixels(values, self.sampling, height, width, exact=self.mode != "soft")

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) RGB in 0..255 to (decoded pixels of that shape, estimated bits per pixel, a scalar).

        The estimate is the entropy of the batch's own marginals (`j4d.simulation.entropy`), without headers.
        """
        if pixels.dim() != 4 or pixels.shape[1] != 3 or not pixels.is_floating_point() or 0 in pixels.shape:
            raise ImageError(f"pixels of shape {tuple(pixels.shape)}, {pixels.dtype}: expected float (B, 3, H, W)")
        height, width = pixels.shape[-2:]
        with torch.autocast(pixels.device.type, enabled=False):
            pixels = pixels if pixels.dtype == torch.float64 else pixels.float()
            exact = self.mode != "soft"
            planes = pixels_to_coefficients(pixels, self.sampling, exact=exact)
            decoded = self.decoded(planes, height, width)
            on_grid = exact and not (pixels.requires_grad or torch.compiler.is_compiling())
            parameters = (list(self.steps), self.sharpness, self.dead_zones)
            tables = batch_bits(planes, self.sampling, *parameters, on_grid=on_grid)
            bits = torch.stack([t.total for t in tables]).sum()
            return decoded, bits / (len(pixels) * height * width)

    @torch.no_grad()
    def encoding_parameters(self) -> EncodingParameters:
        """The parameters as they go into a file: steps rounded to integers, dead zones to multiples of 1/1024.

        Sharpness is None (the deterministic limit) unless the forward is "sampled".
        """
        luma, chroma = self.steps.round().int().cpu().numpy().astype(np.int32)
        luma_zone = chroma_zone = None
        if self.uses_dead_zone:
            both = self.dead_zone.clamp(0, DEAD_ZONE_LIMIT).double().cpu().numpy()
            luma_zone, chroma_zone = (both * DEAD_ZONE_GRID).round() / DEAD_ZONE_GRID
        sharpness = round(float(self.sharpness), 4) if self.mode == "sampled" else None
        return EncodingParameters(
            Quantization(luma, luma_zone), Quantization(chroma, chroma_zone), self.sampling, sharpness
        )


def _dead_zones(parameters: EncodingParameters) -> tuple[np.ndarray | None, np.ndarray | None]:
    return parameters.luma.dead_zone, parameters.chroma.dead_zone


def _is_dc(zones: Tensor) -> Tensor:
    return torch.arange(64, device=zones.device).view(8, 8) == 0
