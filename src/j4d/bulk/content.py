"""What is an image, by name and by content, and how much of anything is taken into memory."""

from __future__ import annotations

import shutil
from typing import BinaryIO

from j4d.bulk.settings import LARGEST_IMAGE

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
_START = b"\xff\xd8\xff"  # the start of the image, and the next marker
IN_MEMORY = 4 << 20  # bytes of something that is no image; more is copied piece by piece
BLOCK = 1 << 20


def is_image(name: str, head: bytes, size: int) -> bool:
    """Whether this goes to the transcoder: what begins as a JPEG file does, and what is merely called one.

    head: its first bytes. size: all of its bytes; files larger than any picture are copied.
    """
    if size > LARGEST_IMAGE:
        return False
    return head.startswith(_START) or name.lower().endswith(JPEG_SUFFIXES)


def copy_blocks(source: BinaryIO, target: BinaryIO) -> int:
    """Copy the rest of a file; how many bytes that was."""
    before = target.tell()
    shutil.copyfileobj(source, target, BLOCK)
    return target.tell() - before
