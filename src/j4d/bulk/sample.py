"""A dry run: some images of a data set transcoded in memory, and what that says of all. Nothing is written."""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from statistics import fmean
from typing import Any

from j4d.bulk import shards, tables
from j4d.bulk.content import is_image
from j4d.bulk.pipeline import Part
from j4d.bulk.place import Source
from j4d.bulk.results import Entry, Image
from j4d.bulk.settings import Settings
from j4d.bulk.work import kind_of
from j4d.errors import DataError

SOURCES = 1000  # looked into at most


@dataclass(frozen=True)
class Forecast:
    """saved: share of the images' bytes, 0..1; error: its standard error over the sample. seconds: of one core for
    the whole set, where its bytes are all images'."""

    images: int
    saved: float
    error: float
    failed: int
    bytes_in: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.images} images sampled  {100 * self.saved:.1f} +- {100 * self.error:.1f} % saved  "
            f"{self.failed} not transcoded  {self.bytes_in} bytes in all, about {self.seconds:.0f} s of one core"
        )


def predict(source: Source, settings: Settings, count: int) -> Forecast:
    """Transcode up to `count` images from sources drawn with the settings' seed. DataError where there is none."""
    recode = settings.recoder()
    rng = random.Random(settings.seed)
    total = 0

    def drawn() -> Iterator[tuple[float, Entry]]:
        nonlocal total
        for entry in source.entries():
            total += entry.size
            if not entry.refused:
                yield rng.random(), entry

    chosen = [entry for _, entry in heapq.nsmallest(max(SOURCES, count), drawn(), key=lambda pair: pair[0])]
    found: list[Image] = []
    spent = 0.0
    share = max(1, math.ceil(count / max(1, len(chosen))))
    for entry in chosen:
        if len(found) >= count:
            break
        try:
            for part in islice(_images(entry, source), share):
                began = time.perf_counter()
                assert isinstance(part.data, bytes)
                found.append(recode(part.key, part.data).image)
                spent += time.perf_counter() - began
        except (DataError, OSError):
            continue  # the run itself will tell
    if not found:
        raise DataError(f"{source.root}: no JPEG images found in {len(chosen)} of its files")
    before, after = (sum(getattr(image, name) for image in found) for name in ("bytes_in", "bytes_out"))
    ratio = after / before
    spread = [image.bytes_out - ratio * image.bytes_in for image in found]
    error = math.sqrt(fmean(d * d for d in spread) / len(found)) / (before / len(found))
    failed = sum(bool(image.error) for image in found)
    return Forecast(len(found), 1 - ratio, error, failed, total, spent * total / before)


def _images(entry: Entry, source: Source) -> Iterator[Part[Any]]:
    with source.open(entry.name) as file:
        kind = kind_of(entry.name)
        if kind == "shard":
            yield from (part for part in shards.parts(file, entry.name) if part.image)
        elif kind == "table":
            parquet = tables.opened(file)
            if parquet.metadata.num_row_groups:
                parts: list[Part[Any]] = []

                def keep(column: str, found: Any, paths: Any) -> Any:
                    parts.extend(p for p in tables.value_parts(f"{entry.name}/{column}", 0, found, paths) if p.image)
                    return found

                tables.rebuilt(tables.read_group(parquet, 0), keep)
                yield from parts
        elif is_image(entry.name, file.read(3), entry.size):
            file.seek(0)
            yield Part(entry, entry.name, file.read(), image=True)
