"""The probabilistic quantizer and its entropy the slow way: every index, in NumPy, straight from the formulas."""

from __future__ import annotations

import numpy as np

REACH = 40  # indices on either side of zero; the tests stay well inside


def pmf(u: np.ndarray, sharpness: np.ndarray | float, dead_zone: np.ndarray | float = 0.0) -> np.ndarray:
    """P(k | u) for k = -REACH .. REACH on a new last axis; u, sharpness, dead_zone broadcast."""
    k = np.arange(-REACH, REACH + 1)
    u, sharpness, dead_zone = (np.asarray(x, np.float64)[..., None] for x in (u, sharpness, dead_zone))
    energy = sharpness * ((u - k) ** 2 + 2 * dead_zone * np.abs(k))
    weight = np.exp(energy.min(-1, keepdims=True) - energy)
    return weight / weight.sum(-1, keepdims=True)


def mean_index(u: np.ndarray, sharpness: np.ndarray | float, dead_zone: np.ndarray | float = 0.0) -> np.ndarray:
    """E[k | u]."""
    return pmf(u, sharpness, dead_zone) @ np.arange(-REACH, REACH + 1)


def entropy(histogram: np.ndarray) -> np.ndarray:
    """Bits per symbol along the last axis."""
    p = histogram / histogram.sum(-1, keepdims=True)
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)


def index_bits(
    samples: np.ndarray,
    step: np.ndarray,
    sharpness: np.ndarray | float,
    dead_zone: np.ndarray | float = 0.0,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Bits (8, 8) that the samples (N, 8, 8) take: entropy of |k| under the marginal, and a sign for each k != 0."""
    weights = np.ones_like(samples) if weights is None else weights
    marginal = (pmf(samples / step, sharpness, dead_zone) * weights[..., None]).sum(0)
    magnitude = np.concatenate((marginal[..., REACH:][..., :1], (marginal + marginal[..., ::-1])[..., REACH + 1 :]), -1)
    return entropy(magnitude) * magnitude.sum(-1) + magnitude[..., 1:].sum(-1)
