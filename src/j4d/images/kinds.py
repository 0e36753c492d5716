"""Kinds of image files: by their first bytes, and by what they are called. The one list of both."""

from __future__ import annotations

HEAD = 32  # bytes that are enough
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
IMAGE_SUFFIXES = (
    *JPEG_SUFFIXES,
    *(".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".heic", ".heif", ".avif", ".jxl"),
)
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"),
}
_ANY_HEIF = (b"mif1", b"msf1")  # says less than the brands that follow it
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
}


def is_called_jpeg(name: str) -> bool:
    return name.lower().endswith(JPEG_SUFFIXES)


def is_called_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def kind_of_bytes(head: bytes) -> str | None:
    """The kind of a file by its first 32 bytes, or None where it is no image file that is known.

    One of JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, JPEG XL.
    """
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and head[6:10] == bytes(4) and len(head) >= 18:
        return "BMP"
    if head[4:8] == b"ftyp":
        return _of_brands([head[8:12], *(head[i : i + 4] for i in range(16, len(head) - 3, 4))])
    return None


def _of_brands(brands: list[bytes]) -> str | None:
    """Of a file in ISO's container: its main brand, then those that it is compatible with."""
    if brands[0] in _ANY_HEIF:
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "HEIC")
    return _BRANDS.get(brands[0])
