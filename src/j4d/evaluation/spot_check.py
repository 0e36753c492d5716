"""`SpotCheck`: what transcoding does to the answers of a model on a few sampled images, for a dry run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from j4d.errors import ImageError
from j4d.evaluation.accuracy import Accuracy, wilson
from j4d.evaluation.bd import interval, resample_weights
from j4d.images.reading import decode_image
from j4d.readers.answers import evaluating, log_probabilities, metrics_of
from j4d.readers.vision import VisionModel

RESAMPLES = 1000


class SpotCheck:
    """A model that is shown sampled images before and after. labels: class numbers by key."""

    def __init__(self, model: VisionModel, labels: Mapping[str, int]) -> None:
        self._model, self._labels = model, labels
        self._agreed: list[bool] = []
        self._right: list[tuple[float, float]] = []

    def see(self, key: str, source: bytes, output: bytes | None) -> None:
        """One image, upright, before and after. Passed over: one that is left out, or that cannot be decoded.

        Raises DataError for a label that is no class of the model, ModelError.
        """
        if output is None:
            return
        try:
            before, after = decode_image(source, key), decode_image(output, key)
        except ImageError:
            return
        with evaluating(self._model):
            clean, answer = (log_probabilities(self._model, [pixels]) for pixels in (before, after))
        label = self._labels.get(key)
        figures = metrics_of(answer, clean, label)
        self._agreed.append(bool(figures["agreement"][0]))
        if label is not None:
            self._right.append((metrics_of(clean, clean, label)["top1"][0], figures["top1"][0]))

    def accuracy(self, seed: int) -> Accuracy | None:
        """What was seen, or None where nothing was. seed: of the bootstrap."""
        if not self._agreed:
            return None
        agreement = wilson(sum(self._agreed), len(self._agreed))
        if not self._right:
            return Accuracy(self._model.name, len(self._agreed), agreement)
        right = np.array(self._right)
        count, gained = len(right), right[:, 1] - right[:, 0]
        before, after = (wilson(int(each), count) for each in right.sum(0))
        change = interval(float(gained.mean()), resample_weights(count, RESAMPLES, seed) @ gained)
        return Accuracy(self._model.name, len(self._agreed), agreement, count, before, after, change)
