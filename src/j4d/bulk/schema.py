"""The tables of the manifest, their version, and what an older one needs to become it."""

from __future__ import annotations

import json
import sqlite3

VERSION = 2
SCHEMA = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,      -- bytes
    stamp TEXT NOT NULL,        -- modification time or entity tag: with the size, the source's fingerprint
    refused TEXT NOT NULL,
    plan INTEGER NOT NULL,      -- the run that saw it last
    done INTEGER NOT NULL DEFAULT 0,
    verified INTEGER NOT NULL DEFAULT 0,
    written INTEGER,            -- bytes of the output, NULL where there is none
    others INTEGER NOT NULL DEFAULT 0,       -- files, members or values that are no JPEG images
    other_bytes INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '',
    aside TEXT NOT NULL DEFAULT '',          -- the whole source's file in .j4d/quarantine
    note TEXT NOT NULL DEFAULT ''            -- something to know that is no problem
);
CREATE INDEX sources_open ON sources (done, verified, id);
CREATE TABLE images (
    source INTEGER NOT NULL REFERENCES sources (id),
    position INTEGER NOT NULL,  -- within the source
    key TEXT NOT NULL,
    digest BLOB NOT NULL,       -- XXH3-128 of the image's bytes in the source
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    status TEXT NOT NULL,       -- transcoded, kept, tolerated, left, unsupported, damaged
    error TEXT NOT NULL,
    aside TEXT NOT NULL DEFAULT '',          -- its file in .j4d/quarantine
    note TEXT NOT NULL DEFAULT '',           -- something to know that is no error
    PRIMARY KEY (source, position)
) WITHOUT ROWID;
CREATE INDEX images_failed ON images (status) WHERE error <> '';
CREATE INDEX images_noted ON images (status) WHERE note <> '';
"""
FROM_VERSION_1 = (
    "".join(
        f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT '';"
        for table in ("sources", "images")
        for column in ("aside", "note")
    )
    + "CREATE INDEX images_noted ON images (status) WHERE note <> '';"
)
_COLUMNS = {  # of version 1; what came later is added
    "run": {"name", "value"},
    "sources": {
        *("id", "name", "size", "stamp", "refused", "plan", "done", "verified", "written", "others", "other_bytes"),
        "problem",
    },
    "images": {"source", "position", "key", "digest", "bytes_in", "bytes_out", "status", "error"},
}
_TABLES = {("table", name) for name in ("run", "sources", "images")}


def oddity(db: sqlite3.Connection) -> str:
    """Why a database of this version is no manifest of ours, empty where it may be. Raises sqlite3.Error."""
    found = {tuple(row) for row in db.execute("SELECT type, name FROM sqlite_master")}
    if not found >= _TABLES:
        return "its tables are not those of a manifest"
    for table, columns in _COLUMNS.items():
        if not {row[1] for row in db.execute(f"PRAGMA table_info({table})")} >= columns:
            return f"its table {table} lacks columns"
    return "it has triggers, which no manifest has" if any(kind == "trigger" for kind, _ in found) else ""


def odd_run(run: dict[str, str]) -> str:
    """Why the table `run` of a manifest is none of ours, empty where it may be."""
    try:
        plan, settings = int(run.get("plan", "0")), json.loads(run.get("settings", "{}"))
    except (ValueError, TypeError, RecursionError) as error:
        return f"table run: {error}"
    if not 0 <= plan < 1 << 62 or not isinstance(settings, dict):
        return "table run: a plan or settings that no run has written"
    return ""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is no manifest, or not as it was written, rather than that the disk or another process fails."""
    kinds = (sqlite3.DatabaseError, sqlite3.IntegrityError)
    return type(error) in kinds or "no such" in str(error) or "has no column" in str(error) or "duplicate" in str(error)
