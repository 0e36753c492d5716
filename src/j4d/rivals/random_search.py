"""Sorted random search (Li, De Sa, Sampson 2020): draw tables whose steps grow along the zigzag, keep the best.

The paper draws 64 steps evenly from a range, sorts them into zigzag order, measures accuracy and size for each table,
and keeps the front. Here each draw has a range of its own, the table (one for luma and chroma) is scaled to one of the
target rates, and of the draws for a rate the one with the least cross-entropy on the learning pictures is kept.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from j4d.errors import ParameterError
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.tables import MAX_STEP, ZIGZAG
from j4d.readers.answers import logits_of
from j4d.rivals.fitted import FittedJPEG
from j4d.rivals.gradients import as_batch, evaluating, losses
from j4d.rivals.rates import RateLadder, scaled_tables, spread
from j4d.rivals.registry import Learning, Request

EVALUATIONS = 240  # of a table on all pictures
PICTURES = 128  # that a table is tried on
_BATCH = 16


def sorted_table(rng: np.random.Generator) -> NDArray[np.float64]:
    """(8, 8): 64 whole steps drawn evenly between two ends, themselves drawn evenly from 1..255, sorted in zigzag."""
    low, high = np.sort(rng.integers(1, MAX_STEP + 1, 2))
    table = np.empty(64)
    table[ZIGZAG] = np.sort(rng.integers(low, high + 1, 64))
    return table.reshape(8, 8)


class _Trial:
    """Mean cross-entropy of files on some learning pictures."""

    def __init__(self, learning: Learning) -> None:
        self.model = learning.model
        images = spread(learning.images, PICTURES)
        sizes: dict[tuple[int, ...], list[int]] = {}
        arrays = list(images)
        for number, image in enumerate(arrays):
            sizes.setdefault(image.shape, []).append(number)
        self.batches = [same[i : i + _BATCH] for same in sizes.values() for i in range(0, len(same), _BATCH)]
        self.images = ImageSet.from_arrays(arrays, images.labels)
        self.clean = [self._logits([arrays[i] for i in batch]) for batch in self.batches]

    def _logits(self, images: list[NDArray[np.uint8]]) -> torch.Tensor:
        with torch.inference_mode(), evaluating(self.model):
            return logits_of(self.model, as_batch(images, self.model))

    def loss(self, parameters: EncodingParameters) -> float:
        total = 0.0
        for batch, clean in zip(self.batches, self.clean, strict=True):
            coded = [decoding.decode(encoding.encode(self.images[i], parameters, deterministic=True)) for i in batch]
            labels = None if self.images.labels is None else self.images.labels[batch]
            total += float(losses(self._logits(coded), clean, labels).sum())
        return total / len(self.images)


def make(request: Request, evaluations: int = EVALUATIONS) -> FittedJPEG:
    ladder, trial = RateLadder.of(request), _Trial(request.learned_from)
    if evaluations < len(ladder.rates):
        raise ParameterError(f"evaluations {evaluations} is below the {len(ladder.rates)} rates, each needs one")
    points: list[EncodingParameters] = []
    estimates: list[float] = []
    kept: list[float] = []
    for number, bpp in enumerate(ladder.rates):
        rng = np.random.default_rng([request.learned_from.seed, number])
        draws = evaluations // len(ladder.rates) + (number < evaluations % len(ladder.rates))
        tried = []
        for _ in range(draws):
            table = sorted_table(rng)
            _, parameters = ladder.solve(scaled_tables(table, table), bpp, 1e-3, 1e3)
            tried.append((trial.loss(parameters), parameters))
        loss, parameters = min(tried, key=lambda pair: pair[0])
        expected = ladder.estimate(parameters) * ladder.ratio(parameters, 0.0)
        if not estimates or expected > estimates[-1]:
            points.append(parameters)
            estimates.append(expected)
            kept.append(loss)
    constants = {"evaluations": evaluations, "seed": request.learned_from.seed, "loss": kept}
    return FittedJPEG(request.name, points, estimates, constants, name="sorted random search")


from_config = FittedJPEG.from_config
