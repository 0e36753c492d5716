"""`Allocation`: the steps that a sensitivity asks for at a given rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from j4d.jpeg.parameters import EncodingParameters, Quantization
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.simulation.quantizer import SHARPNESS_RANGE

_STEPS = np.unique(np.rint(np.geomspace(1, 255, 128)).astype(np.int32))  # tried by an Allocation


_AT_DC = torch.arange(64).view(8, 8) == 0


_ROUNDS = 6  # in which symbols' bits are told apart by frequency


_SHARPNESS = 8.0  # at which slopes are taken: at great sharpness those of fine steps vanish


_EXCHANGES = (0.2, 5.0)


_NO_SLOPE = 1e-6  # of all bits: a frequency whose marginal moves by less is left as it was


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
            luma, chroma = Quantization(tables[0]), Quantization(tables[-1])
            parameters = EncodingParameters(luma, chroma, self.spectrum.sampling)
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
