"""Files written by an earlier build, byte for byte: what a seed and a set of parameters give does not change.

After a change of format that is meant, `python tests/test_codec_golden.py` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from j4d import codec
from j4d.parameters import EncodingParameters

FIXTURES = Path(__file__).parent / "fixtures"


def picture() -> np.ndarray:
    y, x = np.indices((37, 51))
    return np.stack([4 * x + 2 * y, x * y // 3, 160 * (x > 20) + (x * x + 3 * y) % 23], -1).astype(np.uint8)


def golden(name: str) -> bytes:
    sampling, kind = name.rsplit("-", 1)
    sampling = sampling.replace("_", ":")
    base = EncodingParameters.from_quality(45, sampling)
    zones = np.linspace(0, 0.3, 64).reshape(8, 8)
    sampled = EncodingParameters(base.luma, base.chroma, sampling, 6.0, zones, zones / 2)
    if kind == "nearest":
        return codec.encode(picture(), base)
    return codec.encode(picture(), sampled, seed=2**40 + 17, progressive=kind == "progressive")


NAMES = [f"{s}-{k}" for s in ("4_4_4", "4_2_2", "4_2_0", "gray") for k in ("nearest", "sampled")] + [
    "4_2_0-progressive"
]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_as_ever(name: str) -> None:
    assert golden(name) == (FIXTURES / f"{name}.jpg").read_bytes()


if __name__ == "__main__":
    for name in NAMES:
        (FIXTURES / f"{name}.jpg").write_bytes(golden(name))
