"""Map functions that make the JPEG images of a data set smaller while it streams by, bytes in and bytes out.

They do what `j4d transcode SRC DST` does to the same image: the same function, the same rule for what is an image, and
the same key, from which the seed of its random draws comes, so the bytes are equal. What they do not do is what needs
a whole data set: a manifest, resuming, verifying. The keys of `j4d transcode` are told in docs/datasets.md; where a
library does not hand on what they are made of, the parameters below say so.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from j4d.bulk.content import is_image
from j4d.bulk.settings import Recoded, Settings
from j4d.bulk.tables import value_parts
from j4d.errors import DataError


@dataclass(frozen=True)
class _Recoding:
    """settings: how images are transcoded. Can be pickled, for workers of any kind."""

    settings: Settings

    @cached_property
    def _recode(self) -> Callable[[str, bytes], Recoded]:
        return self.settings.recoder()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_recode"}


@dataclass(frozen=True)
class RecodeSample(_Recoding):
    """A WebDataset sample with its images transcoded; to be mapped before anything is decoded.

        >>> webdataset.WebDataset(urls).map(RecodeSample(Settings(profile, {"quality": 40})))

    The key of an image is the shard's name and the member's, which is `__key__`, a dot and the field: `root` is what is
    cut from the front of `__url__` to make the shard's name, by default everything but the last part, as for shards
    that lie in one folder. A sample without `__url__` is taken as files of a folder. WebDataset makes the fields' names
    lower case; for a member `X.JPG` the key differs from `j4d transcode`'s, and so do the bytes if the profile's
    quantizer draws. Fields that are no JPEG images, or not bytes, stay the same objects.
    """

    root: str | None = None

    def __call__(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """The sample with smaller images; one put in quarantine is left out. Raises DataError."""
        if "__key__" not in sample:
            raise DataError(f"a sample with {', '.join(map(str, sample))} has no __key__; map over WebDataset samples")
        shard = self._shard(str(sample["__url__"])) + "/" if "__url__" in sample else ""
        result = {}
        for field, value in sample.items():
            member = f"{sample['__key__']}.{field}"
            if isinstance(value, bytes) and is_image(member, value[:3], len(value)) and not field.startswith("__"):
                value = self._recode(shard + member, value).data
                if value is None:
                    continue
            result[field] = value
        return result

    def _shard(self, url: str) -> str:
        place = url.replace(os.sep, "/")
        if self.root is None:
            return posixpath.basename(place)
        root = self.root.replace(os.sep, "/").rstrip("/") + "/"
        if not place.startswith(root):
            raise DataError(f"{url}: not below the root {self.root}")
        return place[len(root) :]


@dataclass(frozen=True)
class RecodeRow(_Recoding):
    """A row of a Hugging Face data set with one image column transcoded, for `map(..., with_indices=True)`.

        >>> rows = rows.cast_column("image", datasets.Image(decode=False))
        >>> rows.map(RecodeRow(Settings(profile, {"quality": 40})), with_indices=True)

    column: of {"bytes": ..., "path": ...} values, as `Image(decode=False)` gives them, or of bytes. Values that are no
    JPEG images stay, and so do those whose bytes are not there but in the file that `path` names. file: the Parquet
    file's name below the source, for the key, which with the column and the row's number makes the bytes of
    `j4d transcode` if the rows are those of that one file, in order. Takes batches (`batched=True`) as well.
    """

    column: str = "image"
    file: str = ""

    def __call__(self, row: Mapping[str, Any], index: int | Sequence[int]) -> dict[str, Any]:
        """The column's new value, or values; null where the image was put in quarantine. Raises DataError."""
        if self.column not in row:
            raise DataError(f"no column {self.column!r} in this row; there are {', '.join(map(str, row))}")
        value = row[self.column]
        if isinstance(index, Sequence):
            return {self.column: [self._value(one, i) for one, i in zip(value, index, strict=True)]}
        return {self.column: self._value(value, index)}

    def _value(self, value: Any, index: int) -> Any:
        if value is None:
            return None
        if isinstance(value, bytes):
            return self._bytes(self.column, value, None, index)
        if not isinstance(value, Mapping) or "bytes" not in value:
            raise DataError(
                f"column {self.column!r} holds {type(value).__name__}, expected bytes or {{'bytes', 'path'}}; "
                "cast it to datasets.Image(decode=False)"
            )
        return {**value, "bytes": self._bytes(f"{self.column}.bytes", value["bytes"], value.get("path"), index)}

    def _bytes(self, column: str, data: bytes | None, path: str | None, index: int) -> bytes | None:
        (part,) = value_parts(f"{self.file}/{column}" if self.file else column, index, [data], [path])
        return self._recode(part.key, data).data if part.image and data is not None else data
