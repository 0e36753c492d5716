"""A store that is a local folder behind a URL of its own (`store:///a/b`), so that the code for remote places runs.

`file://` URLs are local folders to j4d. Run as a program, this is `j4d` that knows `store://`.
"""

from __future__ import annotations

import fsspec
from fsspec.implementations.local import LocalFileSystem


class Store(LocalFileSystem):  # type: ignore[misc]
    """fsspec's local files under another name: no object store, so outputs are uploaded and moved."""

    protocol = "store"

    @classmethod
    def _strip_protocol(cls, path: object) -> str:
        return str(LocalFileSystem._strip_protocol(str(path).removeprefix("store://")))


fsspec.register_implementation("store", Store, clobber=True)

if __name__ == "__main__":
    from j4d.cli import main

    main()
