"""`Job`: what a worker needs to process a part of a data set."""

from __future__ import annotations

from dataclasses import dataclass

from j4d.bulk import shards, tables
from j4d.bulk.settings import Settings
from j4d.bulk.storage import Source, Target


@dataclass(frozen=True)
class Job:
    """What all units of a run share; can be pickled. verify: read every output back and compare."""

    source: Source
    target: Target
    settings: Settings
    verify: bool = False


def kind_of(name: str) -> str:
    """How a source of this name is read: as a "shard", a "table", or a "file" like any other."""
    lower = name.lower()
    return "shard" if lower.endswith(shards.SUFFIXES) else "table" if lower.endswith(tables.SUFFIXES) else "file"
