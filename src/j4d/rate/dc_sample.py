"""DC of some images of a set: what choosing DC indices from block to block takes from the set's files.

A DC index is coded by its difference from the one before in its file, and chosen by what that costs: whole files are
drawn, and nothing of them but DC is needed. (`j4d.rate.block_sample` asks single blocks what a trellis takes from AC.)
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from j4d.jpeg.coefficients import Indices, quantize_planes
from j4d.jpeg.parameters import EncodingParameters
from j4d.rate.symbols import SYMBOLS, coded, extra_bits, sizes
from j4d.simulation.entropy import dc_differences
from j4d.support import ranks

FILES = 64  # 0.6 MB where pictures are 500 x 375

DC = tuple[NDArray[np.int16], ...]  # 8 x the coefficients (By, Bx) of each component


class DCSampler:
    """Looks at images one by one. Each has a number that depends on it alone, and those of the least are drawn."""

    def __init__(self) -> None:
        self._drawn: list[tuple[int, DC]] = []

    def add(self, planes: Sequence[Indices]) -> None:
        """planes: 8 x the coefficients of one image, (By, Bx, 8, 8) per component."""
        dc = tuple(np.ascontiguousarray(plane[..., 0, 0]) for plane in planes)
        self._drawn = _least([*self._drawn, (zlib.crc32(b"".join(plane.tobytes() for plane in dc)), dc)])

    def sample(self) -> DCSample:
        """Of the images of all ranks."""
        every = _least([drawn for own in ranks.gathered([self._drawn]) for drawn in own])
        return DCSample([dc for _, dc in every])


def _least(drawn: list[tuple[int, DC]]) -> list[tuple[int, DC]]:
    return sorted(drawn, key=lambda each: each[0])[:FILES]


class DCSample:
    """DC of some images of a set."""

    def __init__(self, files: Sequence[DC]) -> None:
        self.files = files

    def share(self, parameters: EncodingParameters) -> float:
        """Bits of DC symbols with the parameters' choice of DC indices over those without; 1 where there is none."""
        if parameters.trellis is None or parameters.trellis.dc is None:
            return 1.0
        return self._bits(parameters) / self._bits(replace(parameters, trellis=replace(parameters.trellis, dc=None)))

    def _bits(self, parameters: EncodingParameters) -> float:
        counts = torch.zeros(2, len(self.files), SYMBOLS, dtype=torch.float64)  # of luma and chroma
        for number, file in enumerate(self.files):
            planes = tuple(np.zeros((*dc.shape, 8, 8), np.int16) for dc in file)
            for plane, dc in zip(planes, file, strict=True):
                plane[..., 0, 0] = dc
            for component, plane in enumerate(quantize_planes(planes, parameters, deterministic=True)):
                differences = dc_differences(torch.from_numpy(plane)[None].float(), parameters.sampling, component)
                counts[min(component, 1), number] += torch.bincount(sizes(differences), minlength=SYMBOLS)
        users = [*counts] if counts[1].any() else [counts[0]]
        return float(extra_bits(counts).sum() + coded(users)[0].sum())
