"""The quantizer's kernels for learning on a CPU, in float32 (src/core/learning/soft_kernels.hpp). Coefficients are
(N, 64), tables (64,), natural order, contiguous; results are written or added into the arrays given for them. Shapes
and types are checked (TypeError, ValueError)."""

import numpy as np
import numpy.typing as npt

LEVELS: int

_F32 = npt.NDArray[np.float32]
_F64 = npt.NDArray[np.float64]

def values(
    coefficients: _F32, step: _F32, sharpness: _F32, dead_zone: _F32, out: _F32, hard: bool, threads: int
) -> None:
    """Soft or hard values (N, 64) into `out`."""

def backward_values(
    coefficients: _F32,
    gradient: _F32,
    step: _F32,
    sharpness: _F32,
    dead_zone: _F32,
    d_coefficients: _F32 | None,
    d_step: _F64,
    d_sharpness: _F64 | None,
    d_dead_zone: _F64 | None,
    hard: bool,
    phase: bool,
    threads: int,
) -> None:
    """Gradient of the values: sets d_coefficients (N, 64), adds to d_step, d_sharpness and d_dead_zone (64,)."""

def index_masses(
    coefficients: _F32,
    weights: _F32 | None,
    step: _F32,
    sharpness: _F32,
    dead_zone: _F32,
    out: _F64,
    threads: int,
) -> None:
    """Adds the weighted pmf of |k| to `out` (64, LEVELS)."""

def backward_bits(
    coefficients: _F32,
    weights: _F32 | None,
    lengths: _F32,
    step: _F32,
    sharpness: _F32,
    dead_zone: _F32,
    d_coefficients: _F32 | None,
    d_step: _F64,
    d_sharpness: _F64 | None,
    d_dead_zone: _F64 | None,
    threads: int,
) -> None:
    """Gradient of the bits under code lengths (64, LEVELS): sets d_coefficients, adds to the others."""
