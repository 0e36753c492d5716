"""j4d inside other people's pipelines: a transform of pictures, and map functions for the bytes of data sets.

    >>> degrade = JPEG("universal", quality=(20, 90))   # a callable for training; picture in, same kind out
    >>> RecodeSample(Settings(profile, {"quality": 40}))(sample)   # WebDataset: JPEG bytes in, smaller ones out

None of them needs torch, torchvision, webdataset or datasets to be imported; docs/pipelines.md shows each in its place.
"""

from j4d.transforms.jpeg import JPEG
from j4d.transforms.recode import RecodeRow, RecodeSample

__all__ = ["JPEG", "RecodeRow", "RecodeSample"]
