"""Whole data sets: every JPEG image of a folder, of tar shards or of Parquet files made smaller, nothing lost.

    >>> from j4d.bulk import Settings, source_of, target_of, transcode_data_set
    >>> settings = Settings(Profile.builtin("universal"), {"quality": 40})
    >>> summary = transcode_data_set(source_of(["photos/"]), target_of("small/"), settings)

`j4d transcode SRC DST` is this on the command line; docs/datasets.md says what it survives. No PyTorch here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j4d.support.lazy import lazy

if TYPE_CHECKING:
    from j4d.bulk.locate import is_data_set as is_data_set
    from j4d.bulk.locate import source_of as source_of
    from j4d.bulk.locate import target_of as target_of
    from j4d.bulk.run import Summary as Summary
    from j4d.bulk.run import transcode_data_set as transcode_data_set
    from j4d.bulk.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "locate": ("is_data_set", "source_of", "target_of"),
        "run": ("Summary", "transcode_data_set"),
        "settings": ("Settings",),
    },
)
