"""Hypothesis strategies for quantized coefficients."""

from __future__ import annotations

import numpy as np

from j4d.jpeg.coefficients import Coefficients, plane_shapes


def coefficients(
    height: int, width: int, sampling: str, seed: int, share: float, spread: int, tables: tuple[int, int] = (1, 255)
) -> Coefficients:
    """Indices of which about `share` are not 0, of magnitudes up to `spread`; DC stays in reach of DC."""
    rng = np.random.default_rng(seed)
    planes = []
    for shape in plane_shapes(height, width, sampling):
        plane = rng.integers(-spread, spread, shape, endpoint=True)
        planes.append(np.where(rng.random(shape) < share, plane, 0).astype(np.int16))
    steps = [rng.choice(tables, (8, 8)).astype(np.int32) for _ in planes]
    return Coefficients(tuple(planes), tuple(steps), sampling, height, width)
