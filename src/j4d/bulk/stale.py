"""Files of a data set that describe the bytes of others: indices, checksums. They are copied, and go stale with them.

Nothing that a reader might rely on is left to fail without a word: where the described file's bytes changed, the copy
is listed. What it says is only read where its name says that it is such a file.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator

from j4d.bulk import shards, tables
from j4d.bulk.content import JPEG_SUFFIXES
from j4d.bulk.manifest import Manifest
from j4d.bulk.results import Entry
from j4d.bulk.storage import Source

LARGEST = 64 << 20  # bytes of a list that is read
_INDEX = (".idx", ".index")  # of an archive, with or without the archive's suffix: DALI, WebDataset, wids
_SUM = re.compile(r"\.(md5|sha1|sha224|sha256|sha384|sha512|b2|b3|crc32)(sums?)?$", re.IGNORECASE)
_SUMS = re.compile(
    r"(^|[._-])(md5|sha\d+|b2|b3|checks?)sums?([._-].*)?$|^checksums?([._-].*)?$|\.sfv$|^manifest-(md5|sha\d+)\.txt$",
    re.IGNORECASE,
)
_SHARD_LIST = re.compile(r"(index|wids.*|.*shard.*|.*index)\.json$", re.IGNORECASE)  # wids: {"shardlist": [...]}
_NEVER = (*JPEG_SUFFIXES, ".png", ".webp", *shards.SUFFIXES, *tables.SUFFIXES)  # nearly always
_LINE = re.compile(r"^\\?(?:[A-Z0-9-]+ \((?P<bsd>.+)\) = )?[0-9A-Fa-f]{8,128}(?:[ \t]+\*?(?P<gnu>.+))?$")


def describes(name: str) -> bool:
    """Whether a file of this name may describe the bytes of others."""
    if name.lower().endswith(_NEVER):
        return False
    last = posixpath.basename(name)
    return (
        last.lower().endswith(_INDEX)
        or last == "_metadata"
        or any(pattern.search(last) for pattern in (_SUM, _SUMS, _SHARD_LIST))
    )


def found(entries: Iterable[Entry], source: Source, manifest: Manifest) -> dict[str, str]:
    """Of each of these files, what it describes that changed; an empty text where nothing did."""
    told = {}
    for entry in entries:
        changed = _changed(entry, source, manifest)
        told[entry.name] = f"describes the bytes of {changed}, which changed" if changed else ""
    return told


def _changed(entry: Entry, source: Source, manifest: Manifest) -> str | None:
    folder, last = posixpath.split(entry.name)
    if last == "_metadata":
        return manifest.changed_below(f"{folder}/" if folder else "", tables.SUFFIXES)
    return next((name for name in _described(entry, source) if manifest.changed(name)), None)


def _described(entry: Entry, source: Source) -> Iterator[str]:
    """Names of sources that this file may describe."""
    folder, last = posixpath.split(entry.name)
    stem, suffix = posixpath.splitext(entry.name)
    if suffix.lower() in _INDEX:
        yield stem
        yield from (stem + archive for archive in shards.SUFFIXES)
        return
    if _SUM.search(last):
        yield stem
    if entry.size <= LARGEST and (_SUM.search(last) or _SUMS.search(last) or _SHARD_LIST.search(last)):
        try:
            with source.open(entry.name) as file:
                text = file.read(LARGEST).decode("utf-8", "surrogateescape")
        except OSError:
            return
        listed = _shards_of(text) if _SHARD_LIST.search(last) else _lines_of(text)
        yield from (posixpath.normpath(posixpath.join(folder, name)) for name in listed)


def _lines_of(text: str) -> Iterator[str]:
    """The names in a list of checksums, as md5sum and its kin write them, or a name and a number as in .sfv."""
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match and (name := match["bsd"] or match["gnu"]):
            yield name
        elif re.search(r"\s[0-9A-Fa-f]{8}$", line):
            yield line.rsplit(None, 1)[0]


def _shards_of(text: str) -> Iterator[str]:
    """The archives in a list of shards that tells their sizes or checksums."""
    try:
        listed = json.loads(text).get("shardlist", [])
    except (ValueError, AttributeError, RecursionError):
        return
    for shard in listed if isinstance(listed, list) else ():
        if isinstance(shard, dict) and isinstance(shard.get("url"), str) and {"filesize", "md5sum"} & shard.keys():
            yield shard["url"]
