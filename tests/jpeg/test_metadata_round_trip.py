"""What exiftool reads in a camera's file, it reads in what `j4d.transcode` makes of it, and what points points right.

`bench/attack.py metadata` does the same with a hundred files at a time.
"""

from __future__ import annotations

from pathlib import Path

import camera_files
import numpy as np
import pytest
from camera_files import EXIFTOOL
from metadata_changes import QUALITY_30, changes
from PIL import Image

from j4d.jpeg.transcoding import Transcoder


@pytest.mark.skipif(EXIFTOOL is None, reason="needs exiftool (libimage-exiftool-perl in Debian)")
def test_metadata_of_cameras_survive(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    pictures = [Image.fromarray(pixels) for pixels in photographs.values()]
    for picture in pictures:
        picture.thumbnail((200, 200))
    files = camera_files.files(tmp_path / "camera", 0, len(camera_files.MAKERS) // 2, pictures)
    found, left = changes(files)
    assert found == []
    assert len(left) <= len(files) // 5, left


MINOLTA = camera_files.MAKERS[[make for make, *_ in camera_files.MAKERS].index("KONICA MINOLTA")]
PREVIEW_START, PREVIEW_LENGTH, STRIP_OFFSETS, STRIP_LENGTHS = 0x88, 0x89, 0x111, 0x117


def pointing_behind(maker_note: bool, base: bytes, trailer: bytes) -> tuple[bytes, int]:
    """A file with `trailer` and Exif that points there, and where its TIFF structure begins."""
    tiff = camera_files.Tiff("<")

    def made(offset: int) -> bytes:
        start, length = (PREVIEW_START, PREVIEW_LENGTH) if maker_note else (STRIP_OFFSETS, STRIP_LENGTHS)
        entries = [(start, 4, tiff.pack("I", offset)), (length, 4, tiff.pack("I", len(trailer)))]
        body = tiff.head + tiff.directory(entries, 8)
        if maker_note:
            size, inner = len(body) - 8, len(body)
            exif = tiff.directory([(0x9000, 7, b"0232"), (0x927C, 7, bytes(4))], inner)
            place = exif.index(tiff.pack("HH", 0x927C, 7))
            body += exif[: place + 4] + tiff.pack("II", size, 8) + exif[place + 12 :]
            first = len(body)
            told = [(0x10F, 2, MINOLTA[0].encode() + b"\0"), (0x110, 2, MINOLTA[1].encode() + b"\0")]
            body += tiff.directory([*told, (0x8769, 4, tiff.pack("I", inner))], first)
            body = body[:4] + tiff.pack("I", first) + body[8:]
        return base[:2] + camera_files.segment(0xE1, b"Exif\0\0" + body) + base[2:]

    return made(len(made(0)) - 12) + trailer, 12


@pytest.mark.parametrize(
    ("maker_note", "head"),
    [
        pytest.param(True, b"\xff\xd8\xff", id="preview"),
        # Cameras by Minolta write a wrong first byte (exiftool's Minolta.pm, PreviewImage).
        pytest.param(True, b"\0\xd8\xff", id="preview with a wrong first byte"),
        pytest.param(False, b"data of no picture", id="strips"),
    ],
)
def test_what_exif_points_to_behind_the_picture_is_there_or_the_file_is_left(maker_note: bool, head: bytes) -> None:
    trailer = head + bytes(range(200))
    source, tiff = pointing_behind(
        maker_note, camera_files._jpeg(Image.effect_noise((99, 70), 50), quality=95), trailer
    )
    done = Transcoder(QUALITY_30).one(source)
    number = (source.index(trailer) - tiff).to_bytes(4, "little")
    place = source.index(number)
    if done.data != source:
        offset = int.from_bytes(done.data[place : place + 4], "little")
        assert done.data[tiff + offset :] == trailer
