"""DeepN-JPEG (Liu et al., DAC 2018): a step for each frequency from its standard deviation over the learning pictures.

Frequencies that vary much are taken to matter much. By their standard deviation s they fall into three groups, and the
step is linear in s within each: 255 for a frequency that never varies, 60 at the upper end T1 of the high frequencies,
20 at the upper end T2 of the middle ones, never below 5. For ImageNet the paper has T1 = 20 and T2 = 60.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from j4d.images.image_set import ImageSet
from j4d.jpeg.coefficients import forward_dct
from j4d.rivals.fitted import FittedJPEG
from j4d.rivals.rates import RateLadder, scaled_tables, spread
from j4d.rivals.registry import Request

PICTURES = 512
LOW, MIDDLE = 6, 28  # of the 64 frequencies in order of falling deviation: 1..6 are low, 7..28 middle, the rest high
_AT_ZERO, _AT_T1, _AT_T2, _LEAST = 255.0, 60.0, 20.0, 5.0


@dataclass(frozen=True)
class Mapping:
    """Step = a - k1 s up to t1, b - k2 s up to t2, c - k3 s above, never below `least`; the defaults are the paper's.

    The paper's c = 240 makes the step jump from 20 back to 60 just above t2; `fitted` has it continuous.
    """

    a: float = 255.0
    b: float = 80.0
    c: float = 240.0
    t1: float = 20.0
    t2: float = 60.0
    k1: float = 9.75
    k2: float = 1.0
    k3: float = 3.0
    least: float = _LEAST

    @classmethod
    def fitted(cls, deviations: NDArray[np.float64]) -> Mapping:
        """With the groups' ends half-way between neighbours in `deviations`, of luma's 64 frequencies."""
        ordered = np.sort(deviations, axis=None)[::-1]
        t2, t1 = (float(ordered[n - 1 : n + 1].mean()) for n in (LOW, MIDDLE))
        k1, k2, k3 = (_AT_ZERO - _AT_T1) / t1, (_AT_T1 - _AT_T2) / (t2 - t1), cls.k3
        return cls(_AT_ZERO, _AT_T1 + k2 * t1, _AT_T2 + k3 * t2, t1, t2, k1, k2, k3)

    def steps(self, deviations: ArrayLike) -> NDArray[np.float64]:
        """Real-valued steps for standard deviations of any shape."""
        s = np.asarray(deviations, np.float64)
        high, middle, low = self.a - self.k1 * s, self.b - self.k2 * s, self.c - self.k3 * s
        return np.maximum(np.where(s <= self.t1, high, np.where(s <= self.t2, middle, low)), self.least)


def deviations(images: ImageSet, sampling: str) -> NDArray[np.float64]:
    """Standard deviation of each coefficient over all blocks: (2, 8, 8), luma, and chroma's two components pooled."""
    sums, blocks = np.zeros((2, 2, 8, 8)), np.zeros((2, 1, 1))
    for image in spread(images, PICTURES):
        for component, plane in enumerate(forward_dct(image, sampling)):
            table, coefficients = min(component, 1), plane / 8.0
            sums[0, table] += coefficients.sum((0, 1))
            sums[1, table] += np.square(coefficients).sum((0, 1))
            blocks[table] += plane.shape[0] * plane.shape[1]
    mean, square = sums / np.maximum(blocks, 1)
    found: NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, 0))
    return found


def make(request: Request) -> FittedJPEG:
    found = deviations(request.learned_from.images, request.sampling)
    mapping = Mapping.fitted(found[0])
    rungs = RateLadder.of(request).climb(scaled_tables(*mapping.steps(found)), 1e-3, 1e3)
    return FittedJPEG(
        request.name,
        [rung.parameters for rung in rungs],
        [rung.bpp for rung in rungs],
        {"deviations": found.tolist(), "mapping": asdict(mapping), "factor": [rung.knob for rung in rungs]},
        name="DeepN-JPEG",
    )


from_config = FittedJPEG.from_config
