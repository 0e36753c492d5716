"""The size at which pictures are stored: scaled down to a longest side before they are encoded, never up.

    >>> stored_size(3000, 4000, 408)
    (306, 408)
    >>> at_most(picture, 408)   # uint8 (3000, 4000, 3) -> (306, 408, 3)

A model looks at a few hundred pixels a side; whatever a picture has beyond them costs bytes and is thrown away by the
model's own resize. No PyTorch here. What it saves and what is lost: docs/size.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image


def stored_size(height: int, width: int, longest_side: int | None) -> tuple[int, int]:
    """(height, width) in pixels, at least 1 each, of a picture whose sides may be no longer than `longest_side`.

    The shorter side is the nearest whole number of pixels, halves up. None: as it is.
    """
    longest = max(height, width)
    if longest_side is None or longest <= longest_side:
        return height, width
    scaled = (max(1, (2 * side * longest_side + longest) // (2 * longest)) for side in (height, width))
    return next(scaled), next(scaled)


def at_most(picture: npt.NDArray[np.uint8], longest_side: int | None) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, 3), (H, W, 1) or (H, W) scaled to `stored_size`; the same object where that is its size.

    By Pillow's Lanczos filter, whose support grows with the scale, so that nothing aliases; in integers, so that the
    same Pillow gives the same pixels.
    """
    if longest_side is None:
        return picture
    height, width = picture.shape[:2]
    size = stored_size(height, width, longest_side)
    if size == (height, width):
        return picture
    flat = picture[:, :, 0] if picture.shape[2:] == (1,) else picture
    scaled = Image.fromarray(flat).resize(size[::-1], Image.Resampling.LANCZOS)
    return np.array(scaled).reshape(*size, *picture.shape[2:])


def share_kept(sizes: Sequence[tuple[int, int]], longest_side: int | None) -> float:
    """Pixels of pictures as stored over their own, all of them together; sizes: (height, width) of each."""
    stored = (stored_size(*size, longest_side) for size in sizes)
    return sum(height * width for height, width in stored) / sum(height * width for height, width in sizes)
