"""How many pictures are looked at where pictures are large.

What learning asks of a picture costs time by the pixel, and what it learns from it does not: a large picture has more
blocks, but still one answer. So of pictures above an ordinary size fewer are drawn, down to a least number. They are
always whole pictures: the model sees them scaled as in life. What the rate needs of them is counted in all of them.
"""

from __future__ import annotations

ORDINARY = 1 << 20  # pixels of a picture; nothing changes up to it
FEWEST = 8  # pictures; the noise of fewer answers is no longer small beside what is chosen by them


def fewer(count: int, pixels: float) -> int:
    """How many of `count` pictures with `pixels` on average are looked at: as many pixels as of ordinary ones, but
    FEWEST at least.
    """
    return count if pixels <= ORDINARY else min(count, max(FEWEST, round(count * ORDINARY / pixels)))


def at_once(count: int, pixels: int) -> int:
    """How many of `count` pictures of `pixels` each go through a model together, so that memory is bounded."""
    return max(1, min(count, count * ORDINARY // pixels))
