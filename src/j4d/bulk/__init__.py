"""Whole data sets: every JPEG image of a folder, of tar shards or of Parquet files made smaller, nothing lost.

    >>> from j4d.bulk import Settings, source_of, target_of, transcode_data_set
    >>> settings = Settings(Profile.builtin("universal"), {"quality": 40})
    >>> summary = transcode_data_set(source_of(["photos/"]), target_of("small/"), settings)

`j4d transcode SRC DST` is this on the command line; docs/datasets.md says what it survives. No PyTorch here.
"""

from j4d.bulk.locate import is_data_set, source_of, target_of
from j4d.bulk.run import Summary, transcode_data_set
from j4d.bulk.settings import Settings

__all__ = ["Settings", "Summary", "is_data_set", "source_of", "target_of", "transcode_data_set"]
