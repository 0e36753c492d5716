"""j4d inside other people's pipelines: a transform of pictures, and map functions for the bytes of data sets.

    >>> degrade = JPEG("universal", quality=(20, 90))   # a callable for training; picture in, same kind out
    >>> RecodeSample(Settings(profile, {"quality": 40}))(sample)   # WebDataset: JPEG bytes in, smaller ones out

None of them needs torch, torchvision, webdataset or datasets to be imported; docs/pipelines.md shows each in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j4d.support.lazy import lazy

if TYPE_CHECKING:
    from j4d.transforms.jpeg import JPEG as JPEG
    from j4d.transforms.recode import RecodeRow as RecodeRow
    from j4d.transforms.recode import RecodeSample as RecodeSample

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "jpeg": ("JPEG",),
        "recode": ("RecodeRow", "RecodeSample"),
    },
)
