"""`Judge`: what choosing an operating point asks of a model; `j4d.readers.encoder_judge` has one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class PictureJudge(Protocol):
    """Holds the answer on one picture."""

    def loss(self, compressed: NDArray[np.uint8]) -> float:
        """Divergence of the answer on compressed pixels, uint8 (H, W, 3), from that on the picture; nats, >= 0."""
        ...


class Judge(Protocol):
    """One model or several, which a profile knows by the fingerprint of their weights."""

    @property
    def name(self) -> str:
        """What errors and profiles call it."""
        ...

    @property
    def specs(self) -> tuple[str, ...]:
        """The specifications it was loaded from, empty where it was made of models."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of the weights."""
        ...

    def of_picture(self, picture: NDArray[np.uint8]) -> PictureJudge:
        """The judge of what compression does to this picture, uint8 (H, W, 3)."""
        ...
