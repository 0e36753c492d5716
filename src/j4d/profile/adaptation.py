"""Another place on the ladder for each picture: busy and large pictures take coarser steps, calm and small ones finer.

With one table for all, a picture's share of the bytes is set by how busy it is, but what compression does to a model's
answer is not: busy pictures cost many bits for the same loss. So a picture that at some reference parameters takes r
times the bits per pixel of the average one goes down the ladder by a share `by_bpp` of log r; 0 is the same table for
all, 1 would be the same rate for all. Likewise `by_side` for the shorter side, since models scale pictures to one size
before they look, and errors of a large one average out. Both are learned from the model's answers on learning pictures
(`j4d.learning.adaptation`). Where pictures are stored smaller, both figures are those of the picture as stored, so that
two that are stored alike are encoded alike, whatever size they had. The model is not needed to encode, and the files
are ordinary JPEG.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d.errors import ProfileError
from j4d.jpeg.arguments import check_pixels
from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import finite_number
from j4d.jpeg.size import at_most
from j4d.jpeg.transcoding import OpenedJPEG, Transcoder
from j4d.profile.ladder import REACH, Ladder


@dataclass(frozen=True)
class Adaptation:
    """How far along the ladder a picture is moved.

    reference: the point of the ladder that all pictures are compared at. bpp, side: geometric means over the learning
    pictures of the actual bits per pixel there and of the shorter side, pixels. by_bpp, by_side: d log(rate) /
    d log(the picture's own over the mean), 0..2, the move being against it. offsets: one per point of the ladder, what
    is added to the log rate so that the learning pictures have together the rate they would have without adaptation.
    Raises ProfileError.
    """

    reference: int
    bpp: float
    side: float
    by_bpp: float
    by_side: float
    offsets: tuple[float, ...]

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "offsets", tuple(self.offsets))
        for name in ("bpp", "side"):
            put(self, name, finite_number(getattr(self, name), f"adaptation {name}", ProfileError))
        for name in ("by_bpp", "by_side"):
            put(self, name, finite_number(getattr(self, name), f"adaptation {name}", ProfileError, zero=True))
            if getattr(self, name) > 2:
                raise ProfileError(f"adaptation {name} {getattr(self, name)} is outside 0..2")
        count = len(self.offsets)
        whole = isinstance(self.reference, (int, np.integer)) and not isinstance(self.reference, bool)
        if not whole or not 0 <= self.reference < count:
            raise ProfileError(f"adaptation reference {self.reference!r} is not a point 0..{count - 1}")
        for offset in self.offsets:
            numeric = isinstance(offset, (int, float)) and not isinstance(offset, bool)
            if not numeric or not abs(offset) <= 2 * REACH:
                raise ProfileError(f"adaptation offset {offset!r} is not a number within +-{2 * REACH:g}")

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; the constructor takes them back."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values}

    def move(self, bpp: float, side: float) -> float:
        """By how much a picture leaves its place, in log rate before the offset.

        bpp: actual bits per pixel at the reference. side: pixels.
        """
        return -self.by_bpp * math.log(bpp / self.bpp) - self.by_side * math.log(side / self.side)

    def adapted_log_rate(self, ladder: Ladder, log_rate: float, bpp: float, side: float) -> float:
        """Where on the ladder this picture goes when the ladder is asked for `log_rate`; within REACH of its ends."""
        offset = float(np.interp(log_rate, ladder.log_rates, self.offsets))
        low, high = ladder.log_rates[0] - REACH, ladder.log_rates[-1] + REACH
        return min(max(log_rate + offset + self.move(bpp, side), low), high)

    def complexity(
        self, ladder: Ladder, picture: NDArray[np.uint8] | bytes | OpenedJPEG, **reading: Any
    ) -> tuple[float, int]:
        """(actual bits per pixel at the reference, shorter side) of pixels as they are stored, or of a JPEG file as
        transcoding sees it.

        reading: of `Transcoder`, how the file is read. Raises ImageError for pixels that cannot be encoded, CodecError
        for a file that cannot be transcoded.
        """
        reference = ladder.parameters[self.reference]
        if isinstance(picture, np.ndarray):
            if reference.longest_side is not None:
                picture = at_most(check_pixels(picture, reference.sampling), reference.longest_side)
            data = encode(picture, reference, deterministic=True)
            height, width = picture.shape[:2]
        else:
            found = Transcoder(reference, deterministic=True, strip=True, never_grow=False, **reading).one(picture)
            data, height, width = found.data, found.height, found.width
        return 8 * len(data) / (height * width), min(height, width)
