"""Small image files with profiles, orientation and transparency."""

from __future__ import annotations

import io
import struct

import numpy as np
import tiny_jpeg
from PIL import Image, ImageCms

MAGENTA = (255, 0, 255)


RED_AT = {6: (0, -1), 3: (-1, -1), 1: (0, 0)}  # where the stored picture's first pixel is seen


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def corner_picture(kind: str = "JPEG", markers: tuple[tuple[int, bytes], ...] = (), **options: object) -> bytes:
    """24 x 16 pixels, black but for a red first block."""
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8] = (255, 0, 0)
    more = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data = saved(Image.fromarray(pixels), kind, **{**more, **options})
    return data[:2] + b"".join(tiny_jpeg.segment(*marker) for marker in markers) + data[2:]


def assert_turned(pixels: np.ndarray, orientation: int) -> None:
    assert pixels.shape == ((24, 16, 3) if orientation >= 5 else (16, 24, 3))
    y, x = RED_AT[orientation]
    assert pixels[y, x, 0] > 200 and pixels[y, x, 1] < 60


def wide_profile() -> bytes:
    """An RGB profile that is not sRGB: sRGB's with red and green exchanged, so that every colour shows it."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(icc[128:132], "big")
    places = {bytes(icc[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i for i in range(count)}
    red, green = (bytes(icc[places[tag] : places[tag] + 8]) for tag in (b"rXYZ", b"gXYZ"))
    icc[places[b"rXYZ"] : places[b"rXYZ"] + 8], icc[places[b"gXYZ"] : places[b"gXYZ"] + 8] = green, red
    return bytes(icc)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def transparent(mode: str) -> bytes:
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[..., :3] = MAGENTA
    rgba[:, 3:] = (0, 128, 0, 255)
    image = Image.fromarray(rgba)
    if mode == "key":
        return saved(image.convert("RGB"), transparency=MAGENTA)
    if mode == "P":
        return saved(image.convert("RGBA").quantize(4))
    if mode == "GIF":
        return saved(image.convert("RGBA"), "GIF")
    if mode == "WebP":
        return saved(image, "WEBP", lossless=True, exact=True)
    return saved(image.convert(mode), "TIFF" if mode == "LA" else "PNG")


def faulty_exif() -> dict[str, tuple[bytes, int]]:
    """Exif blocks that readers stumble over, and the orientation that each says."""
    turned = struct.pack("<HHIHH", 0x112, 3, 1, 6, 0)
    fraction = struct.pack("<HHII", 0x11A, 10, 1, 0x26) + turned + bytes(4) + struct.pack("<ii", -1, 0)
    pointer = turned + struct.pack("<HHI4s", 0x8769, 2, 4, b"abc\0") + bytes(4)
    endless = struct.pack("<HHII", 0x8769, 4, 1, 8) + turned + struct.pack("<I", 8)
    ahead = b"Exif\0\0II*\0\x08\0\0\0\x02\0"
    return {
        "a signed fraction below zero": (ahead + turned + fraction[:12] + fraction[12:], 6),
        "a pointer that is text": (ahead + pointer, 6),
        "a directory that is its own child": (ahead + endless, 6),
        "cut in an entry": (ahead + turned + b"\x0f\x01\x02\0", 6),
        "cut in the head": (b"Exif\0\0II*\0\x08\0", 1),
        "an orientation of 9": (ahead[:-2] + b"\1\0" + struct.pack("<HHIHH", 0x112, 3, 1, 9, 0) + bytes(4), 1),
        "not TIFF": (b"Exif\0\0nothing", 1),
    }
