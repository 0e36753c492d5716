"""Soft-decision quantization: for each block the indices with the least weighted error + lambda x bits.

Yang and Wang (2009) choose run lengths, indices and Huffman codes together; here as there the best path through a
block's 63 AC positions is found exactly for given code lengths, and the lengths follow from the chosen indices, a few
times over. A path goes from one nonzero index to the next; candidates are the nearest index and the one below. All
blocks take a step at once, so that NumPy suffices. DC keeps its nearest index.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from j4d import codec
from j4d.codec import Coefficients
from j4d.parameters import EncodingParameters
from j4d.tables import ZIGZAG

ROUNDS = 2  # of code lengths
_LONGEST = 16.0  # bits of a Huffman code
_SIZES = np.zeros(2048, np.intp)  # bits of a magnitude
for _bits in range(1, 12):
    _SIZES[1 << (_bits - 1) : 1 << _bits] = _bits

Indices = NDArray[np.int32]
Lengths = NDArray[np.float32]


def quantize(
    image: NDArray[np.uint8],
    parameters: EncodingParameters,
    weights: NDArray[np.float64],
    lagrangian: float,
) -> Coefficients:
    """The indices to write. weights: (2, 8, 8), the price of a squared error of a coefficient; lagrangian: of a bit."""
    nearest = codec.quantize(image, parameters, deterministic=True)
    exact = codec.forward_dct(image, parameters.sampling)
    planes = [plane.copy() for plane in nearest.planes]
    for table, members in enumerate(([0], [1, 2])):
        members = [member for member in members if member < len(planes)]
        if not members:
            continue
        c = np.concatenate([exact[m].reshape(-1, 64)[:, ZIGZAG] for m in members]) / 8.0
        k = np.concatenate([planes[m].reshape(-1, 64)[:, ZIGZAG] for m in members]).astype(np.int32)
        step, weight = (np.asarray(t).reshape(64)[ZIGZAG] for t in (nearest.tables[members[0]], weights[table]))
        chosen = soft_indices(c, k, step.astype(np.float64), weight, lagrangian)
        natural = np.empty_like(chosen)
        natural[:, ZIGZAG] = chosen
        start = 0
        for m in members:
            count = planes[m].shape[0] * planes[m].shape[1]
            planes[m] = natural[start : start + count].reshape(planes[m].shape).astype(np.int16)
            start += count
    return replace(nearest, planes=tuple(planes))


def soft_indices(
    c: NDArray[np.float64], nearest: Indices, step: NDArray[np.float64], weight: NDArray[np.float64], lagrangian: float
) -> Indices:
    """Indices (N, 64) in zigzag order from coefficients and nearest indices (N, 64), steps and weights (64,)."""
    chosen = nearest
    for _ in range(ROUNDS):
        chosen = best_path(c, nearest, step, weight, lagrangian, code_lengths(chosen))
    return chosen


def code_lengths(indices: Indices) -> Lengths:
    """Bits of an ideal code for each AC symbol (run << 4 | size) of indices (N, 64) in zigzag order; 16 for unused."""
    counts = np.zeros(256)
    block, position = np.nonzero(indices[:, 1:])
    before = np.concatenate(([-1], position[:-1]))
    before[np.concatenate(([True], block[1:] != block[:-1]))] = -1
    run = position - before - 1
    size = _SIZES[np.abs(indices[:, 1:][block, position])]
    np.add.at(counts, (run & 15) << 4 | size, 1)
    counts[0xF0] += (run >> 4).sum()
    counts[0x00] += (indices[:, 63] == 0).sum()
    lengths = np.full(256, _LONGEST)
    used = counts > 0
    lengths[used] = np.minimum(np.log2(counts.sum() / counts[used]), _LONGEST)
    return lengths.astype(np.float32)


def best_path(
    c: NDArray[np.float64],
    nearest: Indices,
    step: NDArray[np.float64],
    weight: NDArray[np.float64],
    lagrangian: float,
    lengths: Lengths,
) -> Indices:
    """For each block the indices of least cost when the code lengths are given; DC stays as it is."""
    count = len(c)
    runs = np.arange(63)
    price = np.full((12, 63), np.inf, np.float32)  # of a nonzero index: by its size and the run before it
    for size in range(1, 12):
        bits = (runs >> 4) * lengths[0xF0] + lengths[(runs & 15) << 4 | size] + size
        price[size] = lagrangian * bits
    # cost[:, i]: the best path whose last nonzero index is at i, against all zeros; 0 stands for none
    cost = np.full((count, 64), np.inf, np.float32)
    cost[:, 0] = 0
    previous = np.zeros((count, 64), np.int8)
    index = np.zeros((count, 64), np.int32)
    magnitude = np.abs(nearest)
    for i in range(1, 64):
        for lower in (0, 1):
            blocks = np.flatnonzero(magnitude[:, i] > lower)
            if not len(blocks):
                continue
            k, exact = magnitude[blocks, i] - lower, np.abs(c[blocks, i])
            saved = weight[i] * (np.square(exact - k * step[i]) - np.square(exact))
            path = cost[blocks, :i]
            path += price[_SIZES[k], :i][:, ::-1]
            best = path.argmin(1)
            total = (path[np.arange(len(blocks)), best] + saved).astype(np.float32)
            better = total < cost[blocks, i]
            where = blocks[better]
            cost[where, i], previous[where, i], index[where, i] = total[better], best[better], k[better]
    cost[:, :63] += lagrangian * lengths[0x00]
    last = cost.argmin(1)
    result = np.zeros_like(nearest)
    result[:, 0] = nearest[:, 0]
    blocks = np.flatnonzero(last)
    at = last[blocks]
    while len(blocks):
        result[blocks, at] = index[blocks, at] * np.sign(nearest[blocks, at])
        at = previous[blocks, at].astype(np.intp)
        blocks, at = blocks[at > 0], at[at > 0]
    return result
