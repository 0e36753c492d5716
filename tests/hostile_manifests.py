"""Manifests that nobody vouches for, made from a seed: damaged files, rows that no run wrote, things in their place.

`attack_manifest(folder, seed)` makes a target with a run, spoils what is ours in it, and runs again, then once more
with `overwrite`; it gives what is wrong.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import data_sets
from bulk_claims import PARAMETERS, Finding, differences, outside, where

from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.errors import J4DError

Kind = Callable[[random.Random, Path], None]
VALUES: list[object] = [
    None,
    -1,
    0,
    1,
    2**31,
    2**63 - 1,
    -(2**63),
    1e300,
    float("inf"),
    "",
    "../../x.jpg",
    "/etc/x.jpg",
]
VALUES += [
    ".j4d/lock",
    "a.jpg",
    "x" * 10**6,
    b"",
    b"\xff\xfe",
    "\udce9".encode("utf-8", "surrogateescape"),
    "nan",
    "{}",
]
SETTINGS = ["", "[]", "1", "null", '{"a":', "{}", '{"j4d": 1}', "[" * 50000, '"' + "x" * 10**6 + '"', "\ud800"]
PLANS = ["", "-1", "nan", "9" * 30, "9" * 5000, "1.5", "0x1", "٣", "1\n"]
TABLES = {
    "sources": [
        "id",
        "name",
        "size",
        "stamp",
        "refused",
        "plan",
        "done",
        "verified",
        "written",
        "others",
        "other_bytes",
        "problem",
        "aside",
        "note",
    ],
    "images": ["source", "position", "key", "digest", "bytes_in", "bytes_out", "status", "error", "aside", "note"],
    "run": ["name", "value"],
}


def flipped(rng: random.Random, path: Path) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 5, 100])):
        data[rng.randrange(rng.choice([100, len(data)]))] = rng.randrange(256)
    path.write_bytes(data)


def cut(rng: random.Random, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.choice([0, 1, 50, 100, 4096, rng.randrange(len(data))])])


def noise(rng: random.Random, path: Path) -> None:
    path.write_bytes(rng.choice([rng.randbytes(5000), b"SQLite format 3\0" + rng.randbytes(5000), b"{}", bytes(8192)]))


def zeroed(rng: random.Random, path: Path) -> None:
    data = bytearray(path.read_bytes())
    page = rng.randrange(len(data) // 4096) * 4096
    data[page : page + 4096] = bytes(4096)
    path.write_bytes(data)


def odd_cell(rng: random.Random, path: Path) -> None:
    with Opened(path) as db:
        for _ in range(rng.choice([1, 1, 4])):
            table = rng.choice(list(TABLES))
            column = rng.choice(TABLES[table])
            rows = rng.choice(["", " WHERE id % 2", " WHERE id = 1"]) if table == "sources" else ""
            with suppress(sqlite3.Error):
                db.execute(f"UPDATE {table} SET {column} = ?{rows}", (rng.choice(VALUES),))


def odd_rows(rng: random.Random, path: Path) -> None:
    names = ["../../x.jpg", "/etc/x.jpg", ".j4d/lock", "..", "a.jpg/x.jpg", "", "\0", "z" * 5000, "new.jpg", "0.tar"]
    with Opened(path) as db:
        for _ in range(rng.randint(1, 5)):
            row = [rng.choice(names), *(rng.choice([0, 1, 5, -1]) for _ in range(5))]
            with suppress(sqlite3.Error):
                db.execute(
                    "INSERT INTO sources (name, size, stamp, refused, plan, done, verified, written) "
                    "VALUES (?, ?, '', '', ?, ?, ?, ?)",
                    row,
                )
            with suppress(sqlite3.Error):
                db.execute(
                    "INSERT INTO images VALUES (?, ?, ?, x'00', ?, ?, 'damaged', 'no', ?, '')",
                    (rng.choice([1, 999]), rng.randrange(99), rng.choice(names), row[1], row[2], rng.choice(names)),
                )
        if rng.random() < 0.3:
            db.execute(f"DELETE FROM {rng.choice(list(TABLES))} WHERE random() % 2")


def odd_run(rng: random.Random, path: Path) -> None:
    with Opened(path) as db:
        name = rng.choice(["settings", "plan", "source"])
        value = rng.choice({"settings": SETTINGS, "plan": PLANS}.get(name, [str(v) for v in VALUES]))
        db.execute(
            "UPDATE run SET value = CAST(? AS TEXT) WHERE name = ?", (value.encode("utf-8", "surrogatepass"), name)
        )


def odd_schema(rng: random.Random, path: Path) -> None:
    with Opened(path) as db:
        db.executescript(
            rng.choice(
                [
                    "DROP TABLE images",
                    "DROP TABLE run",
                    "DROP INDEX sources_open",
                    "ALTER TABLE sources ADD COLUMN x",
                    "ALTER TABLE sources RENAME COLUMN written TO x",
                    "ALTER TABLE images RENAME TO i; CREATE VIEW images AS SELECT * FROM i",
                    "CREATE TRIGGER t AFTER UPDATE ON run BEGIN DELETE FROM sources; END",
                    "CREATE TRIGGER t AFTER UPDATE ON sources BEGIN UPDATE sources SET done = 1, written = 0; END",
                    "CREATE TRIGGER t BEFORE INSERT ON images BEGIN SELECT RAISE(ABORT, 'no'); END",
                    "CREATE TRIGGER t AFTER UPDATE ON run BEGIN UPDATE run SET value = value + 1; END",
                    "CREATE TABLE other (x); INSERT INTO other VALUES (1)",
                    "PRAGMA user_version = 0",
                    "PRAGMA user_version = 1",
                    "PRAGMA user_version = 99",
                    "PRAGMA user_version = -1",
                    "PRAGMA journal_mode = DELETE",
                    "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM",
                    "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = FULL; VACUUM",
                    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE x (x)'",
                    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 2",
                    "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'sources'",
                ]
            )
        )


def beside(rng: random.Random, path: Path) -> None:
    """Files that SQLite takes for parts of it."""
    for ending in rng.sample(["-wal", "-shm", "-journal"], rng.randint(1, 2)):
        path.with_name(path.name + ending).write_bytes(
            rng.choice([b"", rng.randbytes(4096), b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + rng.randbytes(4096)])
        )


def in_its_place(rng: random.Random, path: Path) -> None:
    """A folder, a pipe, a file without permissions, where a file or folder of ours is."""
    ours = path.with_name(rng.choice(["manifest.sqlite", "lock", "quarantine", "tmp"]))
    if rng.random() < 0.15:
        ours = path.parent
    shutil.rmtree(ours) if ours.is_dir() else ours.unlink(missing_ok=True)
    how = rng.randrange(4)
    if how == 0:
        (ours / "x").mkdir(parents=True)
    elif how == 1:
        os.mkfifo(ours)
    elif how == 2:
        ours.write_bytes(b"precious")
    else:
        ours.touch(0)


KINDS: tuple[Kind, ...] = (flipped, cut, noise, zeroed, odd_cell, odd_rows, odd_run, odd_schema, beside, in_its_place)


class Opened:
    """The manifest, committed and closed at the end of the block."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> sqlite3.Connection:
        return self._db

    def __exit__(self, *_: object) -> None:
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()


def attack_manifest(folder: Path, seed: int) -> list[Finding]:
    rng = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    what = f"manifest ({kind.__name__} {seed})"
    source, target = folder / "source", folder / "work/deep/er/out"
    data_sets.write(
        folder, {name: b"precious" for name in ("x.jpg", "work/x.jpg", "work/deep/x.jpg", "work/deep/er/x.jpg")}
    )
    data_sets.mixed(source, 4)
    settings = Settings(parameters=PARAMETERS, on_error="quarantine")

    def run(overwrite: bool) -> list[Finding]:
        before = outside(folder, target)
        found = []
        try:
            transcode_data_set(
                source_of([str(source)]),
                target_of(str(target)),
                settings,
                threads=1,
                overwrite=overwrite,
                verify=rng.random() < 0.3,
            )
        except (J4DError, OSError) as error:
            if "\n" in str(error):
                found.append(Finding("count", what, f"more than one line: {error!s:.200}"))
            if overwrite and kind is not in_its_place:
                found.append(
                    Finding("stuck", what, f"overwrite does not mend it: {type(error).__name__}: {error!s:.200}")
                )
        except Exception as error:
            found.append(Finding("internal", what, f"{type(error).__name__}: {error!s:.200} {where(error)}"))
        found += [Finding("outside", what, f"{name} changed") for name in differences(before, outside(folder, target))]
        return found

    run(False)
    whole = data_sets.tree(target)
    manifest = target / ".j4d/manifest.sqlite"
    if rng.random() < 0.3:  # as after a run that was killed
        for name in rng.sample(sorted(whole), len(whole) // 2):
            (target / name).unlink()
        with Opened(manifest) as db:
            db.execute("UPDATE sources SET done = 0 WHERE id % 2")
    kind(rng, manifest)
    found = run(False) + run(True)
    if kind is not in_its_place and not found and data_sets.tree(target) != whole:
        names = differences(whole, data_sets.tree(target))
        found.append(Finding("lost", what, f"overwrite does not give the target of a first run: {names[:5]}"))
    return found
