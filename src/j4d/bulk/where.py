"""Where a place is: which store, and which path in it, so that two of them can be compared."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOCAL = "file"  # the store of local folders
_TELLING = ("host", "port", "fo", "endpoint_url", "account_name", "org", "repo", "share", "base_url")


@dataclass(frozen=True)
class Where:
    """store: the kind of it. path: in it. options: which one of its kind, as far as that is told."""

    store: str
    path: str
    options: Mapping[str, str] = field(default_factory=dict)

    def same_store(self, other: Where) -> bool:
        """Whether nothing tells that they are in different stores."""
        shared = self.options.keys() & other.options.keys()
        return self.store == other.store and all(self.options[name] == other.options[name] for name in shared)


def where_on(system: Any, path: str) -> Where:
    """Of a path on one of fsspec's file systems, looked at through caches and folders that stand for others."""
    from fsspec.implementations.cached import CachingFileSystem
    from fsspec.implementations.dirfs import DirFileSystem

    while isinstance(system, (CachingFileSystem, DirFileSystem)):
        path = f"{system.path}/{path}" if isinstance(system, DirFileSystem) else path
        system = system.fs
    protocols = (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
    if LOCAL in protocols:
        return Where(LOCAL, os.path.realpath(path))
    if "hf" in protocols:
        path = re.sub(r"@[^/]*", "", path)  # the revision
    options = {name: str(system.storage_options[name]) for name in _TELLING if system.storage_options.get(name)}
    return Where(f"{type(system).__module__}.{type(system).__name__}", path, options)
