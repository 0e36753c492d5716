"""What is an image, by name and by content, and how much of anything is taken into memory."""

from __future__ import annotations

import shutil
from typing import BinaryIO

from j4d.bulk.settings import LARGEST_IMAGE
from j4d.images.kinds import HEAD, JPEG_SUFFIXES, is_called_jpeg, kind_of_bytes

__all__ = ["BLOCK", "HEAD", "IN_MEMORY", "JPEG_SUFFIXES", "copy_blocks", "is_called_jpeg", "is_image"]

IN_MEMORY = 4 << 20  # bytes of something that is no image; more is copied piece by piece
BLOCK = 1 << 20


def is_image(name: str, head: bytes, size: int) -> bool:
    """Whether this goes to the transcoder: what begins as a JPEG file does, and what is called one and is damaged.

    head: its first HEAD bytes. size: all of its bytes; files larger than any picture are copied. A whole file of
    another kind that is called JPEG, such as PNG, is copied as such files are.
    """
    if size > LARGEST_IMAGE:
        return False
    kind = kind_of_bytes(head)
    return kind == "JPEG" or (kind is None and is_called_jpeg(name))


def copy_blocks(source: BinaryIO, target: BinaryIO) -> int:
    """Copy the rest of a file; how many bytes that was."""
    before = target.tell()
    shutil.copyfileobj(source, target, BLOCK)
    return target.tell() - before
