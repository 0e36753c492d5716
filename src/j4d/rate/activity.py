"""Blocks sorted by how busy they are, and what the files of a set of images then hold, symbol by symbol.

Within a block indices are far from independent: where one is large, so are others, and zeros come in long runs. Among
blocks with about the same activity they nearly are. So coefficients are counted apart for each class of blocks, a class
for every octave of the sum of magnitudes at low frequencies and at high ones, thrice for how few of the high ones hold
that sum (few do where the picture has been a JPEG file before); symbols are expected class by class
(`j4d.rate.symbols`), and a file's are those of the classes of its blocks. Huffman codes belong to files, of which busy
and quiet ones differ: files are gathered in groups of their like, and each group has the codes of its mean file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from j4d.jpeg.tables import ZIGZAG
from j4d.rate.symbols import (
    END_OF_BLOCK,
    SYMBOLS,
    block_symbols,
    coded,
    difference_size_pmf,
    extra_bits,
    fixed_header_bytes,
    size_pmf,
)
from j4d.simulation.entropy import dc_differences, scan_order
from j4d.support import ranks

_OCTAVES = 13
_SPREADS = (0.2, 0.4)  # bounds of L1^2 / (n L2^2) of the high frequencies: 1 where all are alike, 1/n where it is one
CLASSES = _OCTAVES**2 * (len(_SPREADS) + 1)
_NEAR = 2.5  # frequencies nearer to DC than this are the low ones
_SMALLEST = 0.25  # added to a sum of magnitudes before its octave is taken; those below 2 are one class
_FEWEST = 0.001  # of all blocks are in a class
_AT_ONCE = 32  # planes, before their cells become one list
_MOST_CELLS = 1 << 24  # of large planes, 64 MB
_GROUPS = 16  # of files at most
_BINS = ((0.125, 16.0), (0.25, 48.0), (0.5, 128.0), (1.0, 256.0), (4.0, 2080.0))  # width, up to this magnitude


def _edges() -> Tensor:
    starts = (0.0, *(stop for _, stop in _BINS))
    lower = [torch.arange(start, stop, width) for start, (width, stop) in zip(starts, _BINS, strict=False)]
    return torch.cat(lower)[1:]


def bins_on_grid(edges: Tensor) -> Tensor:
    """The bin of each magnitude 0, 1/8, 2/8, ... below 2**13, as of int16 coefficients and their differences.

    edges: where bins but the first begin, multiples of 1/8. islow's coefficients lie on that grid, and looking a bin up
    takes a fraction of the time of a search.
    """
    return torch.bucketize(torch.arange(1 << 16) / 8, edges - 0.0625, right=True)


def block_classes(blocks: Tensor) -> Tensor:
    """Class of each block of coefficients (N, 64), natural order: (N,) in 0..CLASSES - 1."""
    distance = torch.from_numpy(np.hypot(*np.mgrid[:8, :8]).reshape(64))
    magnitudes = blocks.abs()
    octaves = []
    for band in ((distance > 0) & (distance < _NEAR), distance >= _NEAR):
        total = magnitudes[:, band].sum(1) + _SMALLEST
        octaves.append((torch.frexp(total)[1].long() - 1).clamp_(0, _OCTAVES - 1))
    high = magnitudes[:, distance >= _NEAR]
    spread = (high.sum(1).square() / (high.shape[1] * high.square().sum(1)).clamp_min(_SMALLEST)).contiguous()
    sparse = torch.bucketize(spread, torch.tensor(_SPREADS))
    return (octaves[0] * _OCTAVES + octaves[1]) * (len(_SPREADS) + 1) + sparse


class ClassHistogram:
    """Counts of magnitudes for each class of blocks: of DC differences (frequency 0) and of the 63 AC frequencies.

    Few of the many cells are ever used: those that are, (frequency x bins + bin) x CLASSES + class, are kept in order.
    """

    def __init__(self) -> None:
        edges = _edges()
        self.places, self.bins = bins_on_grid(edges), len(edges) + 1
        self.cells, self.counts = np.zeros(0, np.int32), np.zeros(0, np.int64)
        self.sums = torch.zeros(64 * self.bins, dtype=torch.float64)  # of the magnitudes in a bin, all classes
        self._new: list[NDArray[np.int32]] = []

    def add(self, frequencies: Tensor, magnitudes: Tensor, classes: Tensor) -> None:
        """magnitudes (N, F), multiples of 1/8, at `frequencies` (F,), of blocks of `classes` (N,)."""
        place = self.places[(magnitudes * 8).long()] + frequencies * self.bins
        self.sums += torch.bincount(place.view(-1), magnitudes.double().view(-1), len(self.sums))
        self._new.append((place * CLASSES + classes[:, None]).view(-1).int().numpy())
        if len(self._new) >= _AT_ONCE or sum(map(len, self._new)) >= _MOST_CELLS:
            self._count()

    def _count(self) -> None:
        new = np.unique(np.concatenate(self._new), return_counts=True)
        self.cells, self.counts = _added([(self.cells, self.counts), new])
        self._new = []

    def pool(self) -> None:
        """Add those of the other ranks."""
        if self._new:
            self._count()
        self.cells, self.counts = _added(ranks.gathered([(self.cells, self.counts)]))
        self.sums = ranks.total(self.sums)


Counts = tuple[NDArray[np.int32], NDArray[np.int64]]


def _added(parts: Sequence[Counts]) -> Counts:
    """Cells in order, each once, and the sums of their counts."""
    cells, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    first = np.flatnonzero(np.diff(cells, prepend=-1))
    return cells[first], np.add.reduceat(counts[order], first) if len(first) else counts


@dataclass(frozen=True)
class FileBits:
    """Bits of the files of a set of images, scalar tensors: AC and DC symbols with their extra bits, and headers."""

    ac: Tensor
    dc: Tensor
    header: Tensor


def _merged(blocks: Tensor) -> Tensor:
    """Numbers (CLASSES,) from 0 that neighbouring classes share until each has _FEWEST of `blocks` (CLASSES,)."""
    fewest, number, held = _FEWEST * float(blocks.sum()), 0, 0.0
    numbers = []
    for count in blocks.tolist():
        if held >= fewest and count:
            number, held = number + 1, 0.0
        numbers.append(number)
        held += count
    return torch.tensor(numbers)


class _TableSymbols:
    """One quantization table's blocks: bins of magnitudes with their weights in each class, and classes of files."""

    def __init__(self, histogram: ClassHistogram, blocks: Tensor, scanned: Tensor) -> None:
        """blocks, scanned: of each class in each group's mean file, (groups, CLASSES) both. Those scanned hold blocks
        that only fill up the last MCUs, too, in the class of the block that they repeat the DC of."""
        cells, counts = torch.from_numpy(histogram.cells).long(), torch.from_numpy(histogram.counts).double()
        place, classes = cells // CLASSES, cells % CLASSES
        first = place // histogram.bins == 1  # a frequency that every block has
        numbers = _merged(torch.bincount(classes[first], counts[first], CLASSES))
        merged = F.one_hot(numbers).double()  # (CLASSES, n)
        used, row = torch.unique(place, return_inverse=True)
        weights = merged.new_zeros(len(used), merged.shape[1]).index_put_((row, numbers[classes]), counts, True)
        self.frequency = used // histogram.bins
        self.magnitudes = (histogram.sums[used] / weights.sum(1)).float()
        self.weights = weights.float()
        self.rows = torch.bincount(self.frequency, minlength=64).tolist()
        self.differences, self.blocks = (weights[self.frequency == row].sum(0) for row in (0, 1))
        self.ac_classes, self.dc_classes = blocks @ merged, scanned @ merged
        self.padding = (scanned - blocks).sum(1)

    def symbols(self, step: Tensor, sharpness: Tensor | float, dead_zone: Tensor | None) -> tuple[Tensor, Tensor]:
        """Expected counts of AC and of DC symbols in each group's mean file, (groups, SYMBOLS) float64 each."""
        differences = self.rows[0]
        weights, magnitudes = self.weights.to(step), self.magnitudes.to(step)
        blocks, ac_classes, dc_classes, of_class = (
            t.to(step.device) for t in (self.blocks, self.ac_classes, self.dc_classes, self.differences)
        )
        frequency = self.frequency[differences:].to(step.device)
        pmf = size_pmf(magnitudes[differences:], frequency, step, sharpness, dead_zone)
        parts = zip(torch.split(weights[differences:], self.rows[1:]), torch.split(pmf, self.rows[1:]), strict=True)
        masses = torch.stack([w.T @ p for w, p in parts])  # (63, classes, sizes)
        zigzag = torch.from_numpy(ZIGZAG[1:].astype(np.int64) - 1).to(step.device)
        of_blocks = block_symbols((masses / blocks.to(step.dtype)[:, None])[zigzag].transpose(0, 1)).double()
        ends = F.pad(self.padding.to(step.device)[:, None], (END_OF_BLOCK, SYMBOLS - END_OF_BLOCK - 1))
        dc = weights[:differences].T @ difference_size_pmf(magnitudes[:differences], step[0, 0])
        dc = dc.double() / of_class.clamp_min(1)[:, None]
        return ac_classes @ of_blocks + ends, F.pad(dc_classes @ dc, (0, SYMBOLS - dc.shape[1]))


class SymbolCounter:
    """Looks at images one by one; what all ranks have seen is a `SymbolSpectrum`."""

    def __init__(self, sampling: str) -> None:
        self.sampling, self.components = sampling, 1 if sampling == "gray" else 3
        self.histograms = [ClassHistogram() for _ in range(1 if sampling == "gray" else 2)]
        self.files: list[Tensor] = []

    def add(self, planes: Sequence[Tensor]) -> None:
        """planes: the coefficients of one image, (By, Bx, 8, 8) per component."""
        file = torch.zeros(len(self.histograms), 2, CLASSES, dtype=torch.int32)
        for component, plane in enumerate(planes):
            table, blocks = min(component, 1), plane.reshape(-1, 64)
            classes = block_classes(blocks)
            scanned = scan_order(classes.view(1, *plane.shape[:2]), self.sampling, component)[0]
            differences = dc_differences(plane[None], self.sampling, component)
            self.histograms[table].add(torch.arange(1, 64), blocks[:, 1:].abs(), classes)
            self.histograms[table].add(torch.zeros(1, dtype=torch.int64), differences.abs()[:, None], scanned)
            for row, of_blocks in enumerate((classes, scanned)):
                file[table, row] += torch.bincount(of_blocks, minlength=CLASSES).int()
        self.files.append(file)

    def spectrum(self) -> SymbolSpectrum:
        """Of the images of all ranks; there is one."""
        files = torch.stack(ranks.gathered(self.files)).double()
        classes = torch.arange(CLASSES) // (len(_SPREADS) + 1)
        octaves = (classes // _OCTAVES + classes % _OCTAVES).double()
        busy = files[:, 0, 0] @ octaves / files[:, 0, 0].sum(1)
        groups = np.array_split(np.argsort(busy.numpy(), kind="stable"), min(_GROUPS, len(files)))
        mean = torch.stack([files[torch.from_numpy(group)].mean(0) for group in groups])
        tables = []
        for table, histogram in enumerate(self.histograms):
            histogram.pool()
            tables.append(_TableSymbols(histogram, *mean[:, table].unbind(1)))
        return SymbolSpectrum(self.components, tables, groups)


class SymbolSpectrum:
    """What a `Spectrum` keeps so that the symbols of all files follow from the encoding parameters alone."""

    def __init__(self, components: int, tables: Sequence[_TableSymbols], groups: Sequence[NDArray[np.int64]]) -> None:
        """groups: numbers of the files in each."""
        self.components, self.tables, self.groups = components, tables, groups
        self.files = torch.tensor([float(len(group)) for group in groups]).double()

    def bits(self, steps: Sequence[Tensor], sharpness: Tensor | float, dead_zones: Sequence[Tensor | None]) -> FileBits:
        """Bits of the files of the whole set, differentiable in the encoding parameters; (8, 8) per table."""
        counts = [table.symbols(steps[t], sharpness, dead_zones[t]) for t, table in enumerate(self.tables)]
        files, sums, headers = self.files.to(steps[0].device), [], []
        for users in zip(*counts, strict=True):  # AC, DC
            codes, tables = coded(list(users))
            extra = torch.stack([extra_bits(c) for c in users]).sum(0)
            sums.append((files * (codes + extra)).sum())
            headers.append((files * tables).sum())
        same = len(steps) == 1 or torch.equal(steps[0], steps[1])
        fixed = 8 * fixed_header_bytes(self.components, 1 if same or len(self.tables) == 1 else 2)
        header = headers[0] + headers[1] + fixed * files.sum()
        return FileBits(*(x.to(steps[0].dtype) for x in (*sums, header)))
