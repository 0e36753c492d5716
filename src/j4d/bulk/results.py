"""What the parts of a data set are called, and what is told of each when it is done: plain values that can be pickled.

A *source* is one file of the data set: a picture, a tar shard, a Parquet file or anything else. A *unit* is what one
worker does at a time: a shard, a Parquet file, or some dozens of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Status = Literal["transcoded", "kept", "tolerated", "left", "unsupported", "damaged"]


@dataclass(frozen=True)
class Entry:
    """A source as it is listed. name: below the root, with slashes. size: bytes. stamp: changes when the file does.

    refused: why it is not read, such as a link that leads out of the data set.
    """

    name: str
    size: int
    stamp: str
    refused: str = ""


class Image(NamedTuple):
    """An image's row in the manifest. key: unique in the data set but for equal names within one tar file.

    digest: XXH3-128 of its bytes in the source. bytes_out: 0 where it is in quarantine. status: kept where it would not
    get smaller, tolerated where it was transcoded although it is damaged, left where it is as it was since something
    beside the picture could not be kept. error: why it is not what was asked for, else empty. aside: its file in
    quarantine. note: something to know that is no error, such as why it is tolerated or left.
    """

    key: str
    digest: bytes
    bytes_in: int
    bytes_out: int
    status: Status
    error: str
    aside: str = ""
    note: str = ""


@dataclass(frozen=True)
class Done:
    """What became of one source.

    written: bytes in the target, None where nothing is written. problem: why the source as a whole is not what was
    asked for, else empty. finished: whether a rerun leaves it alone. others, other_bytes: what was copied because it is
    no JPEG image: files, tar members, values. aside: the whole source's file in quarantine. note: something to know of
    the source that is no problem.
    """

    entry: Entry
    written: int | None
    images: tuple[Image, ...] = ()
    others: int = 0
    other_bytes: int = 0
    problem: str = ""
    finished: bool = True
    verified: bool = False
    aside: str = ""
    note: str = ""


@dataclass(frozen=True)
class Unit:
    """Sources that one worker does in one go. check: they are written already and are only verified."""

    entries: tuple[Entry, ...]
    check: bool = False
