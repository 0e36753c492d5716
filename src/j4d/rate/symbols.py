"""The symbols of a baseline JPEG scan, expected and differentiable: what its Huffman coder spends bits on.

An AC index that is not zero is coded as one symbol for the run of zeros before it (0..15) and the size of its magnitude
(the number of bits of |k|), then `size` extra bits for sign and magnitude. Sixteen zeros before an index have a symbol
of their own, and so has the end of a block whose last index is zero. The difference of neighbouring DC indices is coded
by its size. (ITU-T T.81, F.1.2.)

Given the probability of each size at each frequency, and indices that are independent, the expected number of each
symbol in a block is a sum over pairs of positions along the zigzag: j the last index before z that is not zero,

    E[runs of r before size s] = sum_z sum_{j: z - 1 - j = r} P(k_j != 0) prod_{j < i < z} P(k_i = 0) P(size_z = s),

with position 0 always in the place of an index that is not zero. Indices of one block are far from independent, those
of blocks that are equally busy nearly are: `j4d.rate.activity` sorts blocks by that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from j4d import _core
from j4d.jpeg.tables import ZIGZAG
from j4d.simulation.quantizer import Window, chunks, index_limit

AC_SIZES = 11  # 0..10: magnitudes to 1023
DC_SIZES = 12  # differences to 2047
SYMBOLS = 256  # a symbol is a byte: run in the upper half, size in the lower
END_OF_BLOCK, ZERO_RUN = 0x00, 0xF0
_LONGEST_CODE = 16
_TABLE_BYTES = 17  # of a Huffman table in a file: class and number, codes of each length; then its symbols
_RESOLUTION = 8  # expected counts become whole ones in eighths, for the code that they ask for
_LEAST = 1e-12  # a probability of zero, where its logarithm is asked


def sizes(indices: Tensor) -> Tensor:
    """Bits of |k|: 0 for 0, 1 for 1, 2 for 2 and 3, ...; float indices of any shape, int64 of the same."""
    return torch.frexp(indices.abs())[1].long()


class _SizePmf(torch.autograd.Function):
    """P(size = s | c) of samples; the derivatives are those of a window's mean, as in `j4d.simulation.entropy`."""

    @staticmethod
    def forward(
        ctx: Any, samples: Tensor, frequency: Tensor, step: Tensor, sharpness: Tensor, dead_zone: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(samples, frequency, step, sharpness, dead_zone)
        result = samples.new_zeros(len(samples), AC_SIZES)
        for c, f, out in chunks(samples, frequency, result):
            window = _window(c, f, step, sharpness, dead_zone)[0]
            for size, weight in zip(_window_sizes(window), window.weights, strict=True):
                out.scatter_add_(1, size[:, None], weight[:, None])
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        samples, frequency, step, sharpness, dead_zone = ctx.saved_tensors
        d_step, d_sharpness, d_dead_zone = step.new_zeros(3, 64)
        for c, f, g in chunks(samples, frequency, gradient):
            window, kappa, zone = _window(c, f, step, sharpness, dead_zone)
            values = [g.gather(1, size[:, None])[:, 0] for size in _window_sizes(window)]
            d_step.index_add_(0, f, window.covariance(values).mul_(-2 * kappa).mul_(window.magnitude))
            if ctx.needs_input_grad[3]:
                d_sharpness.index_add_(0, f, -window.covariance(values, window.energies(zone)))
            if ctx.needs_input_grad[4]:
                absolute = [k.abs() for k in window.indices()]
                d_dead_zone.index_add_(0, f, window.covariance(values, absolute).mul_(-2 * kappa))
        return (
            None,
            None,
            d_step.view(8, 8) / step,
            d_sharpness.view(8, 8).sum_to_size(sharpness.shape) if ctx.needs_input_grad[3] else None,
            d_dead_zone.view(8, 8) if ctx.needs_input_grad[4] else None,
        )


def _window(
    samples: Tensor, frequency: Tensor, step: Tensor, sharpness: Tensor, dead_zone: Tensor | None
) -> tuple[Window, Tensor, Tensor | None]:
    """The window of samples, and sharpness and dead zone of each."""
    q, limit = (table.reshape(64)[frequency] for table in (step, index_limit(step)))
    kappa = sharpness if sharpness.dim() == 0 else sharpness.reshape(64)[frequency]
    zone = None if dead_zone is None else dead_zone.reshape(64)[frequency]
    return Window(samples, q, kappa, zone, limit), kappa, zone


def _window_sizes(window: Window) -> list[Tensor]:
    return [sizes(k).clamp_(max=AC_SIZES - 1) for k in window.indices()]


def size_pmf(
    samples: Tensor, frequency: Tensor, step: Tensor, sharpness: Tensor | float, dead_zone: Tensor | None = None
) -> Tensor:
    """P(size = s | c) under the probabilistic quantizer, (n, AC_SIZES); differentiable in the encoding parameters.

    samples: AC coefficients (n,), frequency: of each, 1..63 in natural order. step, dead_zone (8, 8); sharpness kappa,
    a scalar or (8, 8).
    """
    kappa = torch.as_tensor(sharpness, dtype=samples.dtype, device=samples.device)
    return _SizePmf.apply(samples, frequency, step, kappa, dead_zone)  # type: ignore[no-any-return,no-untyped-call]


def difference_size_pmf(differences: Tensor, dc_step: Tensor) -> Tensor:
    """P(size = s) of the differences of DC indices, (n, DC_SIZES), where coefficients differ by `differences` (n,).

    The phase of the quantizer's grid is taken as uniform, as in `j4d.simulation.entropy.difference_bits`.
    """
    u = (differences.abs() / dc_step).clamp(max=2047)
    lower = u.detach().floor()
    high = u - lower
    columns = [sizes(level).clamp_(max=DC_SIZES - 1) for level in (lower, lower + 1)]
    masses = torch.stack((1 - high, high), 1)
    return u.new_zeros(len(u), DC_SIZES).scatter_add(1, torch.stack(columns, 1), masses)


@cache
def _runs() -> Tensor:
    """(63, 63, 17): for position z and the index j before it that is not zero, 1 in the column of the run that is left
    after symbols of sixteen zeros, and the number of those in column 16."""
    z, j = np.arange(1, 64)[:, None], np.arange(63)
    run = np.where(j < z, z - 1 - j, 0)
    table = np.zeros((63, 63, 17))
    np.put_along_axis(table, (run % 16)[..., None], 1, 2)
    table[..., 16] = run // 16
    return torch.from_numpy(table * (j < z)[..., None])


def block_symbols(pmf: Tensor) -> Tensor:
    """Expected number of each symbol in a block's AC indices, (G, SYMBOLS).

    pmf: (G, 63, AC_SIZES), the probability of each size at each AC frequency in zigzag order, for G kinds of blocks.
    """
    zero, sized = pmf[..., 0], pmf[..., 1:]
    nonzero = sized.sum(2)
    logs = F.pad(zero.double().clamp_min(_LEAST).log().cumsum(1), (1, 0))  # (G, 64): of all zeros up to a position
    before = F.pad(nonzero, (1, 0), value=1.0)[:, :63]
    later = torch.ones(63, 63, dtype=torch.bool, device=pmf.device).triu(1)  # j >= z
    exponents = (logs[:, :63].T[:, :, None] - logs[None, :, :63]).to(pmf.dtype).masked_fill(later[:, None], -torch.inf)
    last = before * exponents.exp()  # (z, G, j): the last index before z that is not zero is the one at j
    runs = torch.bmm(last, _runs().to(pmf)).transpose(0, 1)  # (G, z, 17)
    counts = torch.bmm(runs[..., :16].transpose(1, 2), sized)
    symbols = F.pad(counts, (1, 16 - AC_SIZES)).reshape(-1, SYMBOLS)
    special = symbols.new_zeros(2, SYMBOLS)
    special[0, END_OF_BLOCK] = special[1, ZERO_RUN] = 1
    zero_runs = (runs[..., 16] * nonzero).sum(1)
    return symbols + torch.stack((1 - nonzero[:, -1], zero_runs), 1) @ special


def ac_symbols(indices: NDArray[np.int16]) -> NDArray[np.float64]:
    """How often each symbol occurs in the AC indices of blocks, (N, 8, 8) in natural order: (SYMBOLS,)."""
    blocks = indices.reshape(-1, 64)[:, ZIGZAG].astype(np.int64)
    blocks[:, 0] = 1  # DC, where the first run begins
    row, place = np.nonzero(blocks)
    before = np.roll(place, 1)
    ac = place > 0
    run, magnitude = (place - before - 1)[ac], np.abs(blocks[row[ac], place[ac]])
    counts = np.bincount(run % 16 << 4 | np.frexp(magnitude)[1], minlength=SYMBOLS).astype(np.float64)
    counts[ZERO_RUN] += (run // 16).sum()
    counts[END_OF_BLOCK] += (blocks[:, 63] == 0).sum()
    return counts


def extra_bits(counts: Tensor) -> Tensor:
    """Bits after the codes of symbols that occur `counts` times, (..., SYMBOLS) to (...): sizes."""
    return counts @ (torch.arange(SYMBOLS, dtype=counts.dtype, device=counts.device) % 16)


def code_lengths(counts: Tensor) -> Tensor:
    """Lengths of the Huffman codes that files hold where symbols occur `counts` times, (N, SYMBOLS) both.

    A symbol too rare for a code, less than once in sixteen files, has the longest.
    """
    lengths = np.full(counts.shape, _LONGEST_CODE, np.uint8)
    for row, whole in zip(lengths, (counts.detach() * _RESOLUTION).round_().cpu().numpy(), strict=True):
        if not whole.any():
            whole[int(counts.detach().sum(0).argmax())] = 1
        found = np.frombuffer(_core.code_lengths(whole.astype(np.uint64)), np.uint8)
        np.copyto(row, found, where=found > 0)
    return torch.from_numpy(lengths).to(counts)


def table_bits(counts: Tensor) -> Tensor:
    """Expected bits of a Huffman table in the header, (N, SYMBOLS) to (N,): a byte for each symbol that occurs."""
    return 8 * (_TABLE_BYTES + (1 - torch.exp(-counts)).sum(1))


def coded(users: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(bits of codes, bits of the tables in the header), (N,) each, of N files with optimal Huffman codes.

    users: expected counts (N, SYMBOLS) of luma, and of chroma where there is chroma; they share a code where the file
    is smaller so. What a symbol costs is its code's length, and so is the derivative: at an optimum, a change of the
    code itself changes nothing.
    """
    codes = torch.stack([(c * code_lengths(c)).sum(1) for c in users]).sum(0)
    tables = torch.stack([table_bits(c) for c in users]).sum(0)
    if len(users) == 1:
        return codes, tables
    both = users[0] + users[1]
    shared, shared_table = (both * code_lengths(both)).sum(1), table_bits(both)
    share = shared + shared_table <= codes + tables
    return torch.where(share, shared, codes), torch.where(share, shared_table, tables)


def fixed_header_bytes(components: int, quantization_tables: int) -> int:
    """Bytes around the scan of a baseline file as `j4d.encode` writes it, but for its Huffman tables.

    Start and end of image, DQT, SOF0, DHT's marker and length, SOS.
    """
    return 4 + (4 + 65 * quantization_tables) + (10 + 3 * components) + 4 + (8 + 2 * components)
