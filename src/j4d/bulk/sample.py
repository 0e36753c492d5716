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
from typing import Any, Protocol

from j4d.bulk import shards, table_rows, tables
from j4d.bulk.content import HEAD, is_image
from j4d.bulk.job import kind_of
from j4d.bulk.pipeline import Part
from j4d.bulk.results import Entry, Image
from j4d.bulk.settings import Settings
from j4d.bulk.storage import Source
from j4d.errors import DataError
from j4d.evaluation.accuracy import Accuracy
from j4d.images.labels import LABEL_FILE_LIMIT, label_of, label_rows

LABELS = "labels.csv"  # in the source: columns file, label
SOURCES = 1000  # looked into at most


@dataclass(frozen=True)
class Forecast:
    """saved: share of the images' bytes, 0..1; error: its standard error over the sample. seconds: of one core for
    the whole set, where its bytes are all images'. accuracy: of a model on the sample, where one was given."""

    images: int
    saved: float
    error: float
    failed: int
    bytes_in: int
    seconds: float
    accuracy: Accuracy | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "accuracy": self.accuracy.to_json() if self.accuracy else None}

    def __str__(self) -> str:
        return (
            f"{self.images} images sampled  {100 * self.saved:.1f} +- {100 * self.error:.1f} % saved  "
            f"{self.failed} not transcoded  {self.bytes_in} bytes in all, about {self.seconds:.0f} s of one core"
            + (f"\n{self.accuracy}" if self.accuracy else "")
        )


class Check(Protocol):
    """What is shown the sampled images before and after; `j4d.evaluation.spot_check.SpotCheck` is one."""

    def see(self, key: str, source: bytes, output: bytes | None) -> None: ...

    def accuracy(self, seed: int) -> Accuracy | None: ...


def predict(source: Source, settings: Settings, count: int, check: Check | None = None) -> Forecast:
    """Transcode up to `count` images from sources drawn with the settings' seed.

    Args:
        source: The data set.
        settings: How its images are transcoded.
        count: How many images at most.
        check: A model that compares its answers before and after.

    Raises:
        DataError: There is no image, or a label does not fit the model.
        ModelError: The model of the check fails.
    """
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
    for part in _parts(chosen, source, share):
        if len(found) >= count:
            break
        assert isinstance(part.data, bytes)
        began = time.perf_counter()
        try:
            recoded = recode(part.key, part.data)
        except DataError:
            continue  # the run itself will tell
        spent += time.perf_counter() - began
        found.append(recoded.image)
        if check is not None:
            check.see(part.key, part.data, recoded.data)
    if not found:
        raise DataError(f"{source.root}: no JPEG images found in {len(chosen)} of its files")
    ratio, error = _ratio([image for image in found if image.bytes_out])
    read = sum(image.bytes_in for image in found)
    failed = sum(bool(image.error) for image in found)
    told = check.accuracy(settings.seed) if check is not None else None
    return Forecast(len(found), 1 - ratio, error, failed, total, spent * total / max(read, 1), told)


def labels_of(source: Source) -> dict[str, int]:
    """Class numbers by the files' names, from labels.csv in the source; empty where there is none. DataError."""
    try:
        with source.open(LABELS) as file:
            data = file.read(LABEL_FILE_LIMIT + 1)
    except OSError:
        return {}
    name = f"{source.root}/{LABELS}"
    return {row["file"]: label_of(name, row["file"], row["label"]) for row in label_rows(data, name)}


def _ratio(images: list[Image]) -> tuple[float, float]:
    """Bytes out over bytes in of all that are written, and its standard error; 1 and 0 where there are none."""
    before, after = (sum(getattr(image, name) for image in images) for name in ("bytes_in", "bytes_out"))
    if not before:
        return 1.0, 0.0
    ratio = after / before
    spread = [image.bytes_out - ratio * image.bytes_in for image in images]
    return ratio, math.sqrt(fmean(d * d for d in spread) / len(images)) / (before / len(images))


def _parts(entries: list[Entry], source: Source, share: int) -> Iterator[Part[Any]]:
    """The first `share` images of each; sources that cannot be read are passed over, the run itself will tell."""
    for entry in entries:
        try:
            yield from islice(_images(entry, source), share)
        except (DataError, OSError):
            continue


def _images(entry: Entry, source: Source) -> Iterator[Part[Any]]:
    with source.open(entry.name) as file:
        kind = kind_of(entry.name)
        if kind == "shard":
            yield from (part for part in shards.parts(file, entry.name) if part.image)
        elif kind == "table":
            parquet = table_rows.opened(file)
            if parquet.metadata.num_row_groups:
                yield from _of_table(entry.name, table_rows.Rows(parquet, file, 0))
        elif is_image(entry.name, file.read(HEAD), entry.size):
            file.seek(0)
            yield Part(entry, entry.name, file.read(), image=True)


def _of_table(name: str, rows: table_rows.Rows) -> Iterator[Part[Any]]:
    """The images of a row group, some rows at a time."""
    place = tables.places(0)
    while (some := rows.some()) is not None:
        parts: list[Part[Any]] = []

        def keep(column: str, found: Any, paths: Any, nullable: bool, into: list[Part[Any]] = parts) -> Any:
            every = tables.value_parts(f"{name}/{column}", place(column, len(found)), found, paths)
            into.extend(part for part in every if part.image)
            return found

        table_rows.rebuilt(some, keep)
        yield from parts
