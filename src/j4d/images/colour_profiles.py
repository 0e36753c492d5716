"""ICC profiles: whether one describes the RGB pixels that a picture becomes, and what is done where it does not.

A profile says what colours the numbers of one colour space mean. Beside pixels of another space it would be wrong: it
is applied before they become RGB, or left out with a note. Profiles come out of files: a damaged one costs a note or an
ImageError, never more. Conversions are relative colorimetric, with black point compensation.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from j4d.errors import ImageError

LIMIT = 4 << 20  # bytes of a profile that is looked at
_BLACK_POINT_COMPENSATION = cast("ImageCms.Flags", 0x2000)  # of lcms2; Pillow has a name for it from 10.1 on
_SPACES = {"1": "GRAY", "L": "GRAY", "LA": "GRAY", "La": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}  # of modes; else RGB


def profile_in(image: Image.Image) -> bytes | None:
    """The profile of an opened image file as it stands there; None where there is none, or more than LIMIT bytes."""
    icc = image.info.get("icc_profile")
    return icc if isinstance(icc, bytes) and 0 < len(icc) <= LIMIT else None


def has_alpha(image: Image.Image) -> bool:
    """Whether pixels may be transparent, by a channel, a palette or a colour key."""
    return "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La")


def applied(image: Image.Image, icc: bytes, to_srgb: bool, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """The image and the profile of the RGB pixels that it will become, None for sRGB.

    A profile of RGB stays; one of gray, CMYK or Lab is applied, and with `to_srgb` any is. One that cannot be used is
    left out with a note, or with `to_srgb` an ImageError.
    """
    space, own = _space(icc), _SPACES.get(image.mode, "RGB")
    if own == "GRAY" and space == "RGB":  # against the rules and common; its neutral colours are what is meant
        image, own = image.convert("RGBA" if has_alpha(image) else "RGB"), "RGB"
    try:
        if space != own:
            raise ImageError(f"its ICC profile is of {space}, its pixels are {own}")
        if to_srgb or own != "RGB":
            return _in_srgb(image, icc), None
        return image, describing_rgb(icc)
    except ImageError as error:
        if to_srgb:
            raise ImageError(f"{error}; it cannot be converted to sRGB, leave --to-srgb out") from None
        notes.append(f"{error}; it is left out")
        return image, None


def describing_rgb(icc: bytes) -> bytes | None:
    """The profile where it describes RGB pixels and says more than sRGB does.

    Raises ImageError where it cannot be used; None where it is of another space.
    """
    return None if _space(icc) != "RGB" or _is_srgb(icc) else icc


def _space(icc: bytes) -> str:
    """GRAY, RGB, CMYK, Lab and others (ICC.1, 7.2.6)."""
    return icc[16:20].decode("latin-1").strip() if icc[36:40] == b"acsp" else "no known colour space"


@lru_cache(maxsize=8)
def _is_srgb(icc: bytes) -> bool:
    """Whether the profile changes no colour by more than a level: then it only says what is meant without one."""
    levels = np.array([0, 32, 64, 96, 128, 160, 192, 224, 255], np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3)
    converted = np.asarray(_in_srgb(Image.fromarray(cube), icc), np.int16)
    return bool(np.abs(converted - cube).max() <= 1)


def _in_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """The image in sRGB, with its transparency. ImageError where the profile cannot be used."""
    gray = image.mode in ("1", "L", "LA", "La")
    alpha = None
    if has_alpha(image):
        rgba = image.convert("RGBA")
        alpha, image = rgba.getchannel("A"), rgba
    if gray or image.mode not in ("RGB", "CMYK", "LAB"):
        image = image.convert("L" if gray else "RGB")
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=_BLACK_POINT_COMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ImageError(f"its ICC profile is damaged ({error})") from None
    assert converted is not None
    if alpha is not None:
        converted.putalpha(alpha)
    return converted
