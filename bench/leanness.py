"""How near files come to their least size: beside Pillow's, one by one, and beside the entropy of their own symbols.

Part of bench/codec.py, which prints what is here.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rivals import Task, pillow

from j4d.jpeg import encoding
from j4d.jpeg.coefficients import Coefficients
from j4d.jpeg.markers import header_bytes
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.tables import ZIGZAG

LEAN_HEADER = 2 + 134 + 19 + 14 + 2  # SOI, two quantization tables, frame, scan, EOI


def excess_bytes(images: Sequence[np.ndarray], qualities: Sequence[int]) -> list[int]:
    """How much larger each file is than Pillow's optimized one, which has the same indices.

    Stuffing is chance, so that now and then a file is larger though its bits are fewer.
    """
    excess = []
    for sampling in ("4:4:4", "4:2:0"):
        for quality in qualities:
            nearest = EncodingParameters.from_quality(quality, sampling)
            theirs = pillow(Task(images, nearest, quality, Path()), optimize=True)
            excess += [len(encoding.encode(image, nearest)) - len(theirs(i)) for i, image in enumerate(images)]
    return excess


def entropy_bits(counts: np.ndarray) -> float:
    counts = counts[counts > 0]
    return float((counts * np.log2(counts.sum() / counts)).sum())


def ideal_bytes(coefficients: Coefficients) -> float:
    """Entropy of the symbols, DC and AC of luma and of chroma apart, their extra bits, and lean headers."""
    counts = np.zeros((4, 256))
    extra = 0
    for component, plane in enumerate(coefficients.planes):
        chroma = 2 * (component > 0)
        blocks = plane.reshape(-1, 64)[:, ZIGZAG].astype(int)
        sizes = np.ceil(np.log2(np.abs(np.diff(blocks[:, 0], prepend=0)) + 1)).astype(int)
        np.add.at(counts[chroma], sizes, 1)
        extra += sizes.sum()
        block, place = np.nonzero(blocks[:, 1:])
        place += 1
        before = np.where(np.diff(block, prepend=-1) != 0, 0, np.roll(place, 1))
        runs = place - before - 1
        sizes = np.ceil(np.log2(np.abs(blocks[block, place]) + 1)).astype(int)
        np.add.at(counts[chroma + 1], (runs % 16) * 16 + sizes, 1)
        counts[chroma + 1, 0xF0] += (runs // 16).sum()
        counts[chroma + 1, 0] += (blocks[:, 63] == 0).sum()
        extra += sizes.sum()
    return (sum(map(entropy_bits, counts)) + extra) / 8 + LEAN_HEADER


def small_files(images: Sequence[np.ndarray], quality: int = 8, sampling: str = "4:4:4") -> None:
    """Prints how far files go from Pillow's to the ideal."""
    nearest = EncodingParameters.from_quality(quality, sampling)
    task = Task(images, nearest, quality, Path())
    encoders = {
        "Pillow optimize=True": pillow(task, optimize=True),
        "j4d": lambda i: encoding.encode(images[i], nearest),
        "Pillow progressive": pillow(task, optimize=True, progressive=True),
        "j4d progressive": lambda i: encoding.encode(images[i], nearest, progressive=True),
    }
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    ideal = sum(map(ideal_bytes, task.quantized))
    first = 0
    print(f"\n{len(images)} photographs of 224 x 224, quality {quality}, {sampling}\n")
    print(
        "| | bpp | against Pillow optimized | of the way to the ideal | header |\n| --- | ---: | ---: | ---: | ---: |"
    )
    for row, encode in encoders.items():
        files = [encode(i) for i in range(len(images))]
        total = sum(map(len, files))
        first = first or total
        print(
            f"| {row} | {8 * total / pixels:.4f} | {100 * (total / first - 1):+.1f} % "
            f"| {100 * (first - total) / (first - ideal):.0f} % "
            f"| {statistics.mean(map(header_bytes, files)):.0f} |"
        )
    print(f"| ideal | {8 * ideal / pixels:.4f} | {100 * (ideal / first - 1):+.1f} % | 100 % | {LEAN_HEADER} |")
