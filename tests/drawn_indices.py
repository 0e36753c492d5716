"""The draw of indices, as plain formulas."""

from __future__ import annotations

import numpy as np

IS_DC = np.arange(64).reshape(8, 8) == 0


def limit(u: np.ndarray, dead_zone: float | np.ndarray) -> np.ndarray:
    """The deterministic limit as src/core/indices/quantize.hpp states it."""
    magnitude = np.maximum(0, np.floor(np.abs(u) + (0.5 - dead_zone)))
    return np.clip(np.where(u < 0, -magnitude, magnitude), np.where(IS_DC, -1024, -1023), 1023).astype(int)


def law(u: np.ndarray, dead_zone: float, sharpness: float, uniform: np.ndarray) -> np.ndarray:
    """The index at which the cumulative pmf over the five indices around the likeliest passes `uniform`."""
    k = limit(u, dead_zone)[..., None] + np.arange(-2, 3)
    legal = (np.where(IS_DC, -1024, -1023)[..., None] <= k) & (k <= 1023)
    energy = np.where(legal, (u[..., None] - k) ** 2 + 2 * dead_zone * np.abs(k), np.inf)
    weight = np.exp(-sharpness * (energy - energy.min(-1, keepdims=True)))
    probability = weight / weight.sum(-1, keepdims=True)
    passed = np.cumsum(probability, -1)
    first = (uniform[..., None] < passed) & (probability > 0)
    last = 4 - np.argmax(probability[..., ::-1] > 0, -1)
    return np.take_along_axis(k, np.where(first.any(-1), first.argmax(-1), last)[..., None], -1)[..., 0]


def halves(seed: int, component: int, blocks: int, part: int) -> np.ndarray:
    """(blocks, 64): Philox4x32-7 of (block, component, frequency / 8, part), 16 bits for each frequency."""
    mask = np.uint64(2**32 - 1)
    block, octet = np.meshgrid(np.arange(blocks, dtype=np.uint64), np.arange(8, dtype=np.uint64), indexing="ij")
    c = [block, np.full_like(block, component), octet, np.full_like(block, part)]
    key = [np.uint64(seed % 2**32), np.uint64(seed >> 32)]
    for _ in range(7):
        left, right = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        shift = np.uint64(32)
        c = [(right >> shift) ^ c[1] ^ key[0], right & mask, (left >> shift) ^ c[3] ^ key[1], left & mask]
        key = [(key[0] + np.uint64(0x9E3779B9)) & mask, (key[1] + np.uint64(0xBB67AE85)) & mask]
    pairs = np.stack(c, -1)
    return np.stack([pairs & np.uint64(0xFFFF), pairs >> np.uint64(16)], -1).reshape(blocks, 64)


def uniforms(seed: int, component: int, blocks: int) -> np.ndarray:
    """(blocks, 8, 8): the words of 32 bits, of which part 0 makes the upper half, as numbers in 0..1."""
    upper, lower = (halves(seed, component, blocks, part).astype(float) for part in (0, 1))
    return (upper * 2**16 + lower + 0.5).reshape(blocks, 8, 8) / 2**32
