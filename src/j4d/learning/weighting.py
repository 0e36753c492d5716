"""Weights of the trellis that know the model: how much its loss rises when an index of a frequency is off by a step.

For small errors that is s q^2, with s the model's sensitivity (`j4d.learning.start`): E[(dL/du)^2] for u = c / q, up to
a factor. Tables that were learned make it nearly the same for all frequencies that cost bits, hand-made ones do not. A
power between 0, all alike, and 1 trusts the squares less: at low rates errors are not small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from j4d.jpeg.coefficients import quantize
from j4d.jpeg.parameters import LEAST_WEIGHT, MOST_WEIGHT, EncodingParameters
from j4d.learning.start import sensitivity
from j4d.learning.validation import FileEvaluator

Table = NDArray[np.float64]


class StepSensitivity:
    """Of the judge's models on its pictures as `parameters` encode them; the weighted mean over models.

    by_step: (2, 8, 8), rise of the loss per squared step, nats, luma and chroma. nonzero: (2, 8, 8), how many indices
    of each frequency are not 0 in the pictures.
    """

    def __init__(self, judge: FileEvaluator, parameters: EncodingParameters) -> None:
        found = [sensitivity(judge.images, task, parameters, device=judge.device).numpy() for task in judge.tasks]
        mean = np.tensordot(judge.objective.weights, np.stack(found), 1)
        self.by_step: Table = mean * np.square(np.stack([parameters.luma, parameters.chroma]).astype(np.float64))
        self.nonzero = np.zeros((2, 8, 8), np.int64)
        for image in judge.images:
            planes = quantize(image, parameters, effort=0).planes
            for component, plane in enumerate(planes):
                self.nonzero[min(component, 1)] += np.count_nonzero(plane, (0, 1))

    def weights(self, power: float = 1.0) -> tuple[Table, Table]:
        """Of luma and chroma, (8, 8): the power of `by_step` over its mean over AC indices that are not 0.

        So a trellis of the same mu is about as strong as without weights.
        """
        raised = self.by_step**power
        counts = self.nonzero.astype(np.float64)
        counts[:, 0, 0] = 0
        mean = (raised * counts).sum() / max(float(counts.sum()), 1e-30)
        luma, chroma = (raised / mean if mean > 0 else np.ones((2, 8, 8))).clip(LEAST_WEIGHT, MOST_WEIGHT)
        return luma, chroma
