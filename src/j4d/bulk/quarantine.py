"""The quarantine of a target: images, shards and tables that are put aside, under names of ours.

Names inside data never become paths. A file in quarantine is called by a digest of where it came from and what is in
it, with a short safe rest of its name for people to read; the manifest tells which is which. A unit that is done again
writes the same names, and two different files never have the same one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re

from j4d.bulk.content import BLOCK, copy_blocks
from j4d.bulk.results import Done, Entry, Image
from j4d.bulk.storage import QUARANTINE, Create, Source, Target, mode_of

LONGEST_REST = 40  # characters of the source's name, suffix included
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,7}){1,2}$", re.IGNORECASE)


def aside_name(source: str, position: int, key: str, content: bytes) -> str:
    """The name of a file in quarantine: 32 hexadecimal digits, a hyphen, and at most 40 of A-Z a-z 0-9 . _ -

    position: of the image within its source, 0 for a whole source. key: whose last part, made safe, ends the name.
    content: a digest of the bytes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for field in (_raw(source), str(position).encode(), _raw(key), content):
        digest.update(len(field).to_bytes(8, "little") + field)
    return f"{digest.hexdigest()}-{safe_rest(key)}"


def safe_rest(name: str) -> str:
    """What of the last part of a path may stand in a file name anywhere: its end where it is long, maybe cut."""
    last = _UNSAFE.sub("_", re.split(r"[/\\]", name)[-1]).strip("._-") or "file"
    if len(last) <= LONGEST_REST:
        return last
    found = _SUFFIX.search(last)
    suffix = found[0] if found else ""
    return last[: LONGEST_REST - len(suffix)].rstrip("._-") + suffix


def put_image(create: Create, source: str, position: int, image: Image, data: bytes, suffix: str = "") -> Image:
    """Write an image's bytes to quarantine; its row with the file's name in it.

    create: of the target, or of its `together`. position: the image's number within its source, as in the manifest.
    suffix: of the file, where the key has none. Raises OSError.
    """
    name = aside_name(source, position, image.key + suffix, hashlib.blake2b(data).digest())
    with create(f"{QUARANTINE}/{name}") as out:
        out.write(data)
    return image._replace(aside=name)


def put_source(entry: Entry, source: Source, target: Target, problem: str) -> Done:
    """Copy a whole shard or table to quarantine. Raises OSError."""
    with source.open(entry.name) as file:
        digest = hashlib.blake2b()
        while block := file.read(BLOCK):
            digest.update(block)
        file.seek(0)
        name = aside_name(entry.name, 0, entry.name, digest.digest())
        with target.create(f"{QUARANTINE}/{name}", mode_of(file)) as out:
            copy_blocks(file, out)
    return dataclasses.replace(Done(entry, None, problem=problem), aside=name)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
