"""Pictures as the torch side takes them, and parameters that share nothing with Annex K."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from j4d.jpeg import encoding
from j4d.jpeg.parameters import EncodingParameters, Quantization

GRID = 1024  # dead zones in multiples of 1/GRID are exact in float32


def batch(*images: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) images of one size as float32 (B, 3, H, W) in 0..255."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()


def crops(images: Sequence[np.ndarray], height: int, width: int, count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` crops of (height, width), from the images in turn, at random places."""
    rng = np.random.default_rng(seed)
    result = []
    for i in range(count):
        image = images[i % len(images)]
        top, left = (
            int(rng.integers(0, size - need + 1)) for size, need in zip(image.shape[:2], (height, width), strict=True)
        )
        result.append(image[top : top + height, left : left + width])
    return result


def whole_file_bpp(images: Sequence[np.ndarray], parameters: EncodingParameters) -> float:
    """Actual bits per pixel of all images together."""
    sizes = [8 * len(encoding.encode(image, parameters)) for image in images]
    return sum(sizes) / sum(image.shape[0] * image.shape[1] for image in images)


def noisy(images: Sequence[np.ndarray], deviation: float = 12) -> list[np.ndarray]:
    """The images with noise: bits go to all frequencies, and whoever looks at the low ones alone has many to spare."""
    rng = np.random.default_rng(0)
    return [np.clip(image + rng.normal(0, deviation, image.shape), 0, 255).astype(np.uint8) for image in images]


def random_parameters(rng: np.random.Generator, sampling: str, *, dead_zones: bool) -> EncodingParameters:
    """Tables of any steps, small ones as likely as large ones, and dead zones between 0 and 1/2."""
    luma, chroma = np.exp(rng.uniform(0, np.log(255), (2, 8, 8))).round().astype(np.int32)
    zones = rng.integers(0, GRID // 2 + 1, (2, 8, 8)) / GRID if dead_zones else (None, None)
    return EncodingParameters(*map(Quantization, (luma, chroma), zones), sampling)
