"""The quantizer's native kernels over tensors: the same arithmetic as `j4d.simulation.quantizer` and
`j4d.simulation.entropy`, one pass each.

They serve float32 blocks on a CPU outside the compiler (`serves`); everything else takes the tensor operations of those
modules. Sums over blocks are taken in double precision, in parts that depend on the number of blocks alone: the result
is the same on any number of threads.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d import _soft

LEVELS = _soft.LEVELS


def serves(coefficients: Tensor, *tables: Tensor | None) -> bool:
    """Whether the kernels take these: coefficients (..., 8, 8) and (8, 8) or scalar tables."""
    if coefficients.device.type != "cpu" or torch.compiler.is_compiling() or not coefficients.numel():
        return False
    given = (coefficients, *(t for t in tables if t is not None))
    return coefficients.shape[-2:] == (8, 8) and all(t.dtype == torch.float32 for t in given)


class Table:
    """Step, sharpness and dead zone of the 64 frequencies as the kernels want them."""

    def __init__(self, step: Tensor, sharpness: Tensor, dead_zone: Tensor | None) -> None:
        zone = torch.zeros(()) if dead_zone is None else dead_zone
        self.rows = (_row(step), _row(sharpness), _row(zone))

    def values(self, coefficients: Tensor, *, hard: bool) -> Tensor:
        """q E[k], or q k for the nearest k, of coefficients (..., 8, 8)."""
        blocks = _rows(coefficients)
        out = np.empty_like(blocks)
        _soft.values(blocks, *self.rows, out, hard, torch.get_num_threads())
        return torch.from_numpy(out).view(coefficients.shape)

    def backward_values(
        self, coefficients: Tensor, gradient: Tensor, *, hard: bool, phase: bool, planes: bool, more: bool
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """Gradients to coefficients (None unless `planes`), step, sharpness, dead zone; the last two only if `more`."""
        blocks = _rows(coefficients)
        d_blocks, sums = np.empty_like(blocks) if planes else None, np.zeros((3, 64))
        kappa, zone = (sums[1], sums[2]) if more else (None, None)
        threads = torch.get_num_threads()
        _soft.backward_values(blocks, _rows(gradient), *self.rows, d_blocks, sums[0], kappa, zone, hard, phase, threads)
        return _planes(d_blocks, coefficients), *_tables(sums)

    def index_masses(self, coefficients: Tensor, weights: Tensor | None) -> Tensor:
        """Sum of the pmf of |k| over the blocks, each coefficient `weights` times: (64, LEVELS) float64."""
        masses = np.zeros((64, LEVELS))
        weight_rows = None if weights is None else _rows(weights)
        _soft.index_masses(_rows(coefficients), weight_rows, *self.rows, masses, torch.get_num_threads())
        return torch.from_numpy(masses)

    def backward_bits(
        self, coefficients: Tensor, weights: Tensor | None, lengths: Tensor, *, planes: bool, more: bool
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """Gradients of the bits of all indices, `lengths` (64, LEVELS) bits each; as `backward_values` returns them."""
        blocks = _rows(coefficients)
        d_blocks, sums = np.empty_like(blocks) if planes else None, np.zeros((3, 64))
        kappa, zone = (sums[1], sums[2]) if more else (None, None)
        weight_rows = None if weights is None else _rows(weights)
        bits = lengths.contiguous().numpy()
        _soft.backward_bits(
            blocks, weight_rows, bits, *self.rows, d_blocks, sums[0], kappa, zone, torch.get_num_threads()
        )
        return _planes(d_blocks, coefficients), *_tables(sums)


def _row(table: Tensor) -> NDArray[np.float32]:
    """An (8, 8) table or a scalar for every frequency, (64,)."""
    row: NDArray[np.float32] = table.detach().expand(8, 8).reshape(64).contiguous().numpy()
    return row


def _rows(blocks: Tensor) -> NDArray[np.float32]:
    """(..., 8, 8) as contiguous (N, 64), without a copy where it lies so already."""
    rows: NDArray[np.float32] = blocks.detach().reshape(-1, 64).contiguous().numpy()
    return rows


def _planes(blocks: NDArray[np.float32] | None, like: Tensor) -> Tensor | None:
    return None if blocks is None else torch.from_numpy(blocks).view(like.shape)


def _tables(sums: NDArray[np.float64]) -> tuple[Tensor, Tensor, Tensor]:
    step, sharpness, dead_zone = torch.from_numpy(sums.astype(np.float32)).view(3, 8, 8)
    return step, sharpness, dead_zone
