"""The manifest: what is to be done and what became of every source and every image, in one SQLite file.

SQLite because it is in Python's library, one file, safe against kill -9 at any moment, and read by everything: `sqlite3
target/.j4d/manifest.sqlite "select * from images where status = 'damaged'"` works while the run goes on, thanks to the
write-ahead log. One process writes, the driver of the run. A unit's rows are committed after its outputs have reached
the disk, so the manifest never tells of an output that is not there; an output that it does not tell of is made again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from j4d.bulk.results import Done, Entry, Image, Status
from j4d.bulk.schema import FROM_VERSION_1, SCHEMA, VERSION, odd_run, oddity
from j4d.errors import DataError

_CHANGED = (
    "(written IS NULL OR written <> size OR EXISTS (SELECT 1 FROM images WHERE source = sources.id AND "
    "(bytes_out <> bytes_in OR status IN ('transcoded', 'tolerated'))))"
)
_IMAGE = Image._fields  # columns of these names
STALE = "stale: "  # begins a problem that is not the output's own: it is as it was asked for
_GOOD = f"(problem = '' OR problem LIKE '{STALE}%')"
_TEXT = "CAST(? AS TEXT)"  # names need not be UTF-8: they come and go as bytes


class Manifest:
    """The open manifest of one target. Raises sqlite3.Error where the disk does or it is damaged, DataError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        self._db.execute("PRAGMA trusted_schema = OFF")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version in (1, VERSION) and (odd := oddity(self._db)):
            raise sqlite3.DatabaseError(odd)
        if version == 0 and self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise sqlite3.DatabaseError("its version is 0, and yet there is something in it")
        if version == 0:
            self._db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
        elif version == 1:
            self._db.executescript(f"BEGIN; {FROM_VERSION_1} PRAGMA user_version = {VERSION}; COMMIT")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"a manifest of version {version}, this j4d knows {VERSION}")
        if odd := odd_run(self._run()):
            raise sqlite3.DatabaseError(odd)
        self.plan_number = int(self._run().get("plan", "0"))

    def close(self) -> None:
        self._db.close()

    def begin(self, source: str, settings: dict[str, Any], overwrite: bool) -> None:
        """A run starts. DataError where the target was made from another source or with other settings, unless
        `overwrite`: then everything will be done again."""
        known = self._run()
        if "settings" in known:
            before = {"source": known.get("source"), **json.loads(known["settings"])}
            after = {"source": source, **json.loads(json.dumps(settings))}
            changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
            if changed and not overwrite:
                told = "; ".join(f"{name} {before.get(name)!s:.80}, now {after.get(name)!s:.80}" for name in changed)
                raise DataError(
                    f"the target was made with other settings ({told}); name another target, or --overwrite this one"
                )
        self.plan_number += 1
        with _Transaction(self._db):
            if overwrite:
                self._db.execute("UPDATE sources SET done = 0, verified = 0")
            rows = {"source": source, "settings": json.dumps(settings), "plan": str(self.plan_number)}
            self._db.executemany(
                f"INSERT OR REPLACE INTO run VALUES ({_TEXT}, {_TEXT})",
                [(raw(name), raw(value)) for name, value in rows.items()],
            )

    def plan(
        self, entries: Iterable[Entry], size: Callable[[str], int | None], foreign: Callable[[str], str] | None = None
    ) -> None:
        """Note what is to be done: everything new or changed, and what is not in the target as it was written.

        size: of a file in the target, None where there is none. foreign: what is wrong where the target has a file that
        no run has written and that would be written over; DataError with that.
        """
        with _Transaction(self._db):
            for entry in entries:
                name = raw(entry.name)
                row = self._db.execute(
                    f"SELECT id, size, stamp, refused, done, written FROM sources WHERE name = {_TEXT}", (name,)
                ).fetchone()
                if row is None:
                    if foreign is not None and size(entry.name) is not None:
                        raise DataError(foreign(entry.name))
                    self._db.execute(
                        f"INSERT INTO sources (name, size, stamp, refused, plan) VALUES ({_TEXT}, ?, ?, ?, ?)",
                        (name, entry.size, entry.stamp, entry.refused, self.plan_number),
                    )
                    continue
                same = (entry.size, entry.stamp, entry.refused) == row[1:4]
                done = row[4] == 1 and same and (row[5] is None or size(entry.name) == row[5])
                self._db.execute(
                    "UPDATE sources SET size = ?, stamp = ?, refused = ?, plan = ?, done = ?, "
                    "verified = verified AND ? WHERE id = ?",
                    (entry.size, entry.stamp, entry.refused, self.plan_number, int(done), int(done), row[0]),
                )

    def entries(self, which: Literal["open", "unverified"]) -> Iterator[Entry]:
        """The sources that are to be done, or those done well but not verified, in the order of the plan."""
        unverified = f"done = 1 AND verified = 0 AND written IS NOT NULL AND {_GOOD}"
        where = "done = 0" if which == "open" else unverified
        last = -1
        while True:
            rows = self._db.execute(
                f"SELECT id, name, size, stamp, refused FROM sources WHERE {where} AND id > ? AND plan = ? "
                "ORDER BY id LIMIT 1000",
                (last, self.plan_number),
            ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                yield Entry(*row[1:])

    def record(self, results: Iterable[Done]) -> None:
        """What became of a unit's sources, all at once."""
        with _Transaction(self._db):
            for done in results:
                name = raw(done.entry.name)
                (number,) = self._db.execute(f"SELECT id FROM sources WHERE name = {_TEXT}", (name,)).fetchone()
                state = (int(done.finished), int(done.verified), done.written, done.others, done.other_bytes)
                self._db.execute(
                    "UPDATE sources SET done = ?, verified = ?, written = ?, others = ?, other_bytes = ?, "
                    f"problem = {_TEXT}, aside = {_TEXT}, note = {_TEXT} WHERE id = ?",
                    (*state, raw(done.problem), raw(done.aside), raw(done.note), number),
                )
                self._db.execute("DELETE FROM images WHERE source = ?", (number,))
                self._db.executemany(
                    f"INSERT INTO images (source, position, {', '.join(_IMAGE)}) "
                    f"VALUES (?, ?, {_TEXT}, ?, ?, ?, ?, {_TEXT}, {_TEXT}, {_TEXT})",
                    [
                        (number, i, raw(image.key), *image[1:5], *map(raw, image[5:]))
                        for i, image in enumerate(done.images)
                    ],
                )

    def record_checks(self, results: Iterable[Done]) -> None:
        """Which sources that were done before are verified now; those that are wrong are open again."""
        with _Transaction(self._db):
            self._db.executemany(
                f"UPDATE sources SET verified = ?, done = ?, problem = iif(?, problem, {_TEXT}) WHERE name = {_TEXT}",
                [
                    (int(d.verified), int(d.finished), int(d.verified), raw(d.problem), raw(d.entry.name))
                    for d in results
                ],
            )

    def verify_all(self) -> None:
        """Forget what is verified, so that all of it is verified once more."""
        self._db.execute("UPDATE sources SET verified = 0 WHERE verified <> 0")

    def changed(self, name: str) -> bool:
        """Whether this source is done, and its bytes in the target are others than in the source, or none."""
        row = self._db.execute(
            f"SELECT {_CHANGED} FROM sources WHERE name = {_TEXT} AND done = 1 AND plan = ?",
            (raw(name), self.plan_number),
        ).fetchone()
        return bool(row and row[0])

    def changed_below(self, folder: str, suffixes: tuple[str, ...]) -> str | None:
        """The first source in a folder ("" or "a/b/"), or in those below it, that `changed`; None where none did."""
        like = " OR ".join(f"lower(name) LIKE '%{suffix}'" for suffix in suffixes)
        row = self._db.execute(
            f"SELECT name FROM sources WHERE name >= {_TEXT} AND name < {_TEXT} AND ({like}) AND done = 1 AND plan = ? "
            f"AND {_CHANGED} LIMIT 1",
            (raw(folder), raw(folder) + b"\xff", self.plan_number),
        ).fetchone()
        return row[0] if row else None

    def note_stale(self, names: dict[str, str]) -> None:
        """Which copied sources describe bytes that changed, and of what; an empty reason says that one does not."""
        with _Transaction(self._db):
            self._db.executemany(
                f"UPDATE sources SET problem = {_TEXT} WHERE name = {_TEXT} AND done = 1 AND {_GOOD}",
                [(raw(STALE + reason if reason else ""), raw(name)) for name, reason in names.items()],
            )

    def totals(self) -> dict[str, int]:
        """Counts and bytes over everything that this plan has and that is done, by name.

        image_bytes_in, image_bytes_out: of the images that are in the target; what is in quarantine saves nothing.
        """
        sources, bytes_in, done, written, others, other_bytes = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(done), 0), coalesce(sum(done * written), 0), "
            "coalesce(sum(done * others), 0), coalesce(sum(done * other_bytes), 0) FROM sources WHERE plan = ?",
            (self.plan_number,),
        ).fetchone()
        found = {"sources": sources, "sources_done": done, "bytes_in": bytes_in, "bytes_written": written}
        found |= {"others": others, "other_bytes": other_bytes, "images": 0, "image_bytes_in": 0, "image_bytes_out": 0}
        found |= dict.fromkeys((*get_args(Status), "quarantined"), 0)
        query = (
            "SELECT status, count(*), sum(images.aside <> '' OR bytes_out < min(bytes_in, 1)), "
            "sum(iif(bytes_out > 0, bytes_in, 0)), sum(bytes_out) "
            "FROM images JOIN sources ON source = id WHERE plan = ? AND done = 1 GROUP BY status"
        )
        for status, count, aside, before, after in self._db.execute(query, (self.plan_number,)):
            found[status] = count
            found["images"] += count
            found["quarantined"] += aside
            found["image_bytes_in"] += before
            found["image_bytes_out"] += after
        query = "SELECT count(*) FROM sources WHERE plan {} ?"
        (found["bytes_to_do"],) = self._db.execute(
            "SELECT coalesce(sum(size), 0) FROM sources WHERE plan = ? AND done = 0", (self.plan_number,)
        ).fetchone()
        found["problems"] = self._db.execute(query.format("=") + " AND problem <> ''", (self.plan_number,)).fetchone()[
            0
        ]
        found["gone"] = self._db.execute(
            query.format("<") + " AND written IS NOT NULL", (self.plan_number,)
        ).fetchone()[0]
        found["stale"] = self._db.execute(
            query.format("=") + f" AND problem LIKE '{STALE}%'", (self.plan_number,)
        ).fetchone()[0]
        return found

    def failures(self, limit: int) -> list[tuple[str, str]]:
        """(source or image, reason) of the first `limit` that are not what was asked for."""
        return self._db.execute(
            "SELECT name, problem FROM sources WHERE problem <> '' AND plan = ?1 UNION ALL "
            "SELECT key, status || ': ' || error FROM images JOIN sources ON source = id "
            "WHERE error <> '' AND plan = ?1 AND done = 1 LIMIT ?2",
            (self.plan_number, limit),
        ).fetchall()

    def notes(self, limit: int) -> list[tuple[str, str]]:
        """(source or image, what to know of it) of the first `limit` that are as asked for, but not without a word."""
        return self._db.execute(
            "SELECT name, note FROM sources WHERE note <> '' AND plan = ?1 AND done = 1 UNION ALL "
            "SELECT key, status || ': ' || images.note FROM images JOIN sources ON source = id "
            "WHERE images.note <> '' AND plan = ?1 AND done = 1 LIMIT ?2",
            (self.plan_number, limit),
        ).fetchall()

    def _run(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT name, value FROM run").fetchall())


class _Transaction:
    """All statements of the block, or none."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
