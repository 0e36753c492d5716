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
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from j4d import builtin, ranks
from j4d.calibration import RateModel
from j4d.effort import with_effort
from j4d.images import ImageSet
from j4d.interpolation import REACH
from j4d.parameters import EncodingParameters
from j4d.presets import preset_parameters
from j4d.quantizer import SHARPNESS_RANGE, nearest
from j4d.refusals import NO_GRADIENT, refusing
from j4d.spectrum import Spectrum
from j4d.tasks import Classification, name_of
from j4d.transform import coefficients_to_pixels, pixels_to_coefficients

Start = Literal["best", "sensitivity", "annex-k", "flat"]
STARTS: tuple[Start, ...] = ("best", "sensitivity", "annex-k", "flat")
PRESETS = (3, 4, 6)  # of mozjpeg's tables, among the ready-made ones: Robidoux, PSNR-HVS-M, Watson
PICTURES = 256  # behind a sensitivity
_STEPS = np.unique(np.rint(np.geomspace(1, 255, 128)).astype(np.int32))  # tried by an Allocation
_AT_DC = torch.arange(64).view(8, 8) == 0
_ROUNDS = 6  # in which symbols' bits are told apart by frequency
_SHARPNESS = 8.0  # at which slopes are taken: at great sharpness those of fine steps vanish
_EXCHANGES = (0.2, 5.0)
_NO_SLOPE = 1e-6  # of all bits: a frequency whose marginal moves by less is left as it was


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
    steps = [_on(device, t) for t in (parameters.luma, parameters.chroma)]
    zones = [None if t is None else _on(device, t) for t in (parameters.luma_dead_zone, parameters.chroma_dead_zone)]
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


class Allocation:
    """Steps that minimise sum_f s_f D_f(q_f) + lambda R_f(q_f), each frequency's best found by trying them all.

    R_f is the entropy of the frequency's marginal, times what its bits count in files. By a rate model of marginals
    that is one number for all AC frequencies. A symbol's bits belong to several frequencies; where files are estimated
    from symbols, a bit of f's marginal counts what the estimate moves by when it moves, at the steps found the round
    before.
    """

    def __init__(self, spectrum: Spectrum, rate_model: RateModel) -> None:
        self.spectrum, self.rate_model = spectrum, rate_model

    @cached_property
    def _tried(self) -> tuple[Tensor, Tensor]:
        """Squared error and bits, (steps, tables, 8, 8) each, of the whole set."""
        errors, bits = [], []
        for step in _STEPS.tolist():
            steps = [torch.full((8, 8), float(step))] * self.spectrum.tables
            errors.append(torch.stack(self.spectrum.squared_error(steps)))
            bits.append(self._marginal_bits(steps, SHARPNESS_RANGE[1]))
        return torch.stack(errors).double(), torch.stack(bits).double()

    def _marginal_bits(self, steps: Sequence[Tensor], sharpness: float) -> Tensor:
        """Entropies (tables, 8, 8), that of the differences at DC."""
        tables = self.spectrum.bits(steps, sharpness)
        return torch.stack([torch.where(_AT_DC, t.dc, t.ac) for t in tables])

    def steps(self, weights: Tensor, bpp: float) -> tuple[np.ndarray, np.ndarray]:
        """Tables of luma and chroma, (8, 8) int32, at the estimated rate `bpp`; weights: a `sensitivity`."""
        errors, bits = self._tried
        cost = errors * weights[: errors.shape[1]]
        wanted = bpp * self.spectrum.pixels - self.rate_model.fixed(self.spectrum)
        counted = torch.where(_AT_DC, self.rate_model.dc, self.rate_model.ac).expand(bits.shape[1:]).double()
        choice = _cheapest(cost, bits * counted, wanted)
        for _ in range(_ROUNDS if self.rate_model.kind == "symbols" else 0):
            tables = _STEPS[choice.numpy()]
            parameters = EncodingParameters(tables[0], tables[-1], self.spectrum.sampling)
            excess = (self.rate_model.bpp(self.spectrum, parameters) - bpp) * self.spectrum.pixels
            counted = (counted * self._exchange(tables)).sqrt()
            now = (bits * counted).gather(0, choice[None]).sum()
            choice = _cheapest(cost, bits * counted, float(now) - excess)
        tables = _STEPS[choice.numpy()]
        return tables[0], tables[-1]

    def _exchange(self, tables: np.ndarray) -> Tensor:
        """Estimated bits of files per bit of the marginal of each frequency, at `tables` (tables, 8, 8); as they."""
        steps = [torch.from_numpy(t.astype(np.float32)).requires_grad_() for t in tables]
        files = self.rate_model.whole(self.spectrum, steps, _SHARPNESS) * self.spectrum.pixels
        marginal = self._marginal_bits(steps, _SHARPNESS).sum()
        of_files, of_marginal = (
            torch.stack([g * s for g, s in zip(torch.autograd.grad(x, steps), steps, strict=True)]).detach().double()
            for x in (files, marginal)
        )
        least = _NO_SLOPE * float(marginal.detach())
        return ((least - of_files) / (least - of_marginal).clamp_min(least)).clamp(*_EXCHANGES)


def _cheapest(cost: Tensor, bits: Tensor, wanted: float) -> Tensor:
    """Which of the steps, (tables, 8, 8), costs least where all take `wanted` bits; both are (steps, tables, 8, 8)."""
    low, high = math.log(1e-12), math.log(1e12)  # lambda, in loss per bit
    choice = cost.argmin(0)
    for _ in range(60):
        middle = (low + high) / 2
        choice = (cost + math.exp(middle) * bits).argmin(0)
        if float(bits.gather(0, choice[None]).sum()) > wanted:
            low = middle
        else:
            high = middle
    return choice


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
        level = np.full((8, 8), round(math.exp(float(np.log(default.luma).mean()))), np.int32)
        return EncodingParameters(level, level, default.sampling)
    shares = weights or [1 / len(tasks)] * len(tasks)
    found = [sensitivity(images, task, default, seed=seed, device=device) for task in tasks]
    mean = torch.stack([table * share for table, share in zip(found, shares, strict=True)]).sum(0)
    return EncodingParameters(*allocation.steps(mean, bpp), default.sampling)


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
    ladder = builtin.nearest_to(sampling).ladder

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
