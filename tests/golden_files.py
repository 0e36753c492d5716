"""The golden files: fixtures of encoded bytes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from changes import changed

from j4d.api import transcode
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import Coefficients, plane_shapes, write_coefficients
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters, Quantization

FIXTURES = Path(__file__).parent / "fixtures"


SEED = 2**40 + 17


def picture() -> np.ndarray:
    y, x = np.indices((37, 51))
    return np.stack([4 * x + 2 * y, x * y // 3, 160 * (x > 20) + (x * x + 3 * y) % 23], -1).astype(np.uint8)


def nearest(sampling: str) -> EncodingParameters:
    return EncodingParameters.from_quality(45, sampling)


def sampled(sampling: str) -> EncodingParameters:
    base = nearest(sampling)
    zones = np.linspace(0, 0.3, 64).reshape(8, 8)
    return EncodingParameters(
        Quantization(base.luma.steps, zones), Quantization(base.chroma.steps, zones / 2), sampling, 6.0
    )


def jointly(sampling: str) -> EncodingParameters:
    return changed(nearest(sampling), trellis=6.0, masking=250.0)


def indices(sampling: str) -> Coefficients:
    """Indices of all magnitudes, most of them 0, by integer arithmetic; steps of 1 and 255 among the others."""
    planes = []
    for component, shape in enumerate(plane_shapes(45, 70, sampling)):
        n = np.arange(np.prod(shape)) * 2654435761 + component
        magnitude = (1 << (n >> 9) % 11) - 1 - (n >> 20) % 2
        plane = np.where((n >> 13) % 7 == 0, np.maximum(magnitude, 0), 0) * np.where((n >> 17) % 2, 1, -1)
        planes.append(plane.reshape(shape).astype(np.int16))
    steps = (1 + 4 * np.arange(64, dtype=np.int32)).reshape(8, 8)
    tables = (steps, steps.T.copy(), 256 - steps)[: len(planes)]
    return Coefficients(tuple(planes), tables, sampling, 45, 70)


CASES = {
    f"{s.replace(':', '_')}-{kind}": make
    for s in SAMPLINGS
    for kind, make in {
        "nearest": partial(encoding.encode, picture(), nearest(s)),
        "sampled": partial(encoding.encode, picture(), sampled(s), seed=SEED),
        "jointly": partial(encoding.encode, picture(), jointly(s)),
        "indices": partial(write_coefficients, indices(s)),
    }.items()
} | {
    "4_2_0-progressive": partial(encoding.encode, picture(), sampled("4:2:0"), seed=SEED, progressive=True),
    "4_2_2-restart": partial(write_coefficients, indices("4:2:2"), restart_interval=3, jfif=True),
    "4_2_0-transcoded": lambda: transcode((FIXTURES / "arithmetic.jpg").read_bytes(), jointly("4:2:0"), strip=True),
    "gray-restart": partial(encoding.encode, picture(), sampled("gray"), seed=SEED, restart_interval=4),
}


NAMES = list(CASES)


def golden(name: str) -> bytes:
    return CASES[name]()
