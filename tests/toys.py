"""Small frozen models for tests of learning: quick on one thread, and with answers that compression changes.

J4D_TOY_SEED=1 (or any number) gives all of them other weights. A test that then fails asserted more than must hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from j4d.simulation.transform import pixels_to_coefficients

SEED = 1000 * int(os.environ.get("J4D_TOY_SEED", "0"))


class Toy(nn.Module):
    """Two convolutions, a dropout that only training mode uses, and a head; the same weights for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(SEED + seed)
            self.layers = nn.Sequential(nn.Conv2d(3, 12, 4, 3), nn.Tanh(), nn.Conv2d(12, 16, 3, 2), nn.Tanh())
            self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(16 * 4, 6))
            with torch.no_grad():
                self.layers[0].weight *= 4
                self.head[1].weight *= 40

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.layers(pixels / 255 - 0.5)
        logits: Tensor = self.head(nn.functional.adaptive_avg_pool2d(features, 2).flatten(1))
        return logits


class Frequencies(nn.Module):
    """Sees nothing but some luma frequencies, given as (row, column), and every step of those matters a little.

    Logits are 2 sin(random projections of the coefficients): answers never saturate, and the divergence of two answers
    grows with the square of the coefficients' errors, about 0.3 nats for errors of 6 levels.
    """

    def __init__(self, frequencies: Iterable[tuple[int, int]], blocks: int = 16, classes: int = 16) -> None:
        super().__init__()
        self.rows, self.columns = (list(x) for x in zip(*frequencies, strict=True))
        shape = (blocks, blocks, len(self.rows), classes)
        self.register_buffer("weights", torch.randn(shape, generator=torch.Generator().manual_seed(SEED + 1)))

    def forward(self, pixels: Tensor) -> Tensor:
        (plane,) = pixels_to_coefficients(pixels, "gray", exact=False)
        seen = plane[..., self.rows, self.columns]
        weights = self.weights[: seen.shape[1], : seen.shape[2]]
        scale = 0.09 / (seen[0].numel()) ** 0.5
        return 2 * torch.sin(torch.einsum("bijf,ijfk->bk", seen, weights) * scale)
