"""Codecs as evaluation sees them: a ladder of settings, and four verbs as in numcodecs.

A codec is one small object with `encode`, `decode`, `get_config` and `from_config` (`j4d.codecs.protocol`). Its
configuration is JSON, so that every measured file can be made again. A rival (`j4d.rivals`) is one more class of this
shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j4d.support.lazy import lazy

if TYPE_CHECKING:
    from j4d.codecs.cache import EncodeCache as EncodeCache
    from j4d.codecs.chosen import ChosenJPEG as ChosenJPEG
    from j4d.codecs.default import DefaultJPEG as DefaultJPEG
    from j4d.codecs.learned import LearnedJPEG as LearnedJPEG
    from j4d.codecs.protocol import Codec as Codec

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "cache": ("EncodeCache",),
        "chosen": ("ChosenJPEG",),
        "default": ("DefaultJPEG",),
        "learned": ("LearnedJPEG",),
        "protocol": ("Codec",),
    },
)
