"""Measurements kept from one run to the next: a small SQLite file of content keys and JSON values.

What is measured again under the same key costs nothing, an interrupted run goes on where it stopped, and two
processes may use the file at once (write-ahead log; an entry appears whole or not at all). Values are read as JSON
within a size limit and checked by who asked for them, so a damaged or hostile file costs at most its entries. Past
`LIMIT_BYTES` the older half of the entries goes when the file is next opened.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from j4d.errors import DataError

FILE_NAME = "measurements-1.sqlite"  # the number is that of the layout
LIMIT_BYTES = 1 << 30  # an entry takes about 1 kB: a codec's whole ladder on one image with one model
VALUE_LIMIT = 1 << 20  # characters
WAIT_SECONDS = 60  # for another process's writing


class Measurements:
    """JSON values by key, in a file of the given folder, which is made where it is missing. Raises DataError."""

    def __init__(self, folder: str | os.PathLike[str], *, limit: int = LIMIT_BYTES) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE_NAME
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
            self._share()
            for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "synchronous=NORMAL"):
                self._file.execute(f"PRAGMA {pragma}")
            self._file.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self._trim(limit)
        except OSError as error:
            raise DataError(f"{self.folder}: no cache can be kept here: {error.strerror or error}") from None
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def get(self, key: str) -> Any:
        """The value under `key`, None where there is none or it is not JSON. Raises DataError."""
        query = "SELECT value FROM entries WHERE key = ? AND typeof(value) = 'text' AND length(value) <= ?"
        try:
            row = self._file.execute(query, (key, VALUE_LIMIT)).fetchone()
            return None if row is None else json.loads(row[0])
        except (ValueError, RecursionError):
            return None
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key` in place of any other. Raises DataError."""
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        try:
            self._file.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (key, text))
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        self._file.close()

    def _share(self) -> None:
        """Switch to the write-ahead log. SQLite does not wait for another user who is just doing the same."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._file.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(0.01)

    def _trim(self, limit: int) -> None:
        pages, free, size = (
            self._file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size > limit:  # freed pages are used again, so that the file does not grow
            half = "(SELECT rowid FROM entries ORDER BY rowid LIMIT (SELECT count(*) / 2 + 1 FROM entries))"
            self._file.execute(f"DELETE FROM entries WHERE rowid IN {half}")

    def _unusable(self, error: sqlite3.Error) -> DataError:
        return DataError(f"{self.path}: not usable as a cache: {error}; remove the file, or do without (--no-cache)")


def default_folder() -> Path:
    """Where caches of this user live on this system; J4D_CACHE names another folder."""
    named = os.environ.get("J4D_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("j4d")
