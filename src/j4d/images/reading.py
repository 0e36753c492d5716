"""Image files to pixels: uint8 RGB, upright, nothing hidden made visible, and the colour profile that belongs to them.

Files are untrusted: a size limit before decoding, a short list of formats, and any fault of a file is an ImageError
with its name. Metadata never decides whether a picture can be read: of Exif and XMP the orientation alone is looked at,
by code of our own (`j4d.jpeg.exif`), and JPEG and TIFF files are handed to Pillow without the rest
(`j4d.images.essentials`).
"""

from __future__ import annotations

import importlib
import io
import os
import re
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from j4d.errors import ImageError, ParameterError
from j4d.images import colour_profiles, essentials
from j4d.images.kinds import HEAD, kind_of_bytes
from j4d.jpeg import exif
from j4d.jpeg.markers import APP1, XMP_HEAD, header_segments
from j4d.support.files import read_limited

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
PIXEL_LIMIT = 2**27  # per image; below the 1.79e8 at which Pillow itself refuses to open a file
FILE_LIMIT = 1 << 30  # bytes; no picture within the limits is larger
WHITE = (255, 255, 255)

# Formats that Pillow reads in some builds, or with a plugin: its name of the format, the plugin's package and module.
_MAYBE = {
    "HEIC": ("HEIF", "pillow-heif", "pillow_heif"),
    "AVIF": ("AVIF", "pillow-heif or Pillow 11.3", "pillow_heif"),
    "JPEG XL": ("JXL", "pillow-jxl-plugin", "pillow_jxl"),
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEENTH = 1 << 12  # of the range of 16 bits
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])\s*[\"'<]")
_HEADER = 1 << 18  # bytes at a file's start that are enough for most headers

RGBImage = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Colours = Literal["stored", "described", "srgb"]  # profiles passed over, kept where they describe RGB, or applied


@dataclass(frozen=True, eq=False)
class Picture:
    """An image file decoded. pixels: uint8 RGB (H, W, 3), upright. icc: the profile that describes them; None where
    they are sRGB, or nothing says what they are. notes: what somebody who looks at the result should know, a line each.
    """

    pixels: RGBImage
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def read_image(path: str | os.PathLike[str]) -> RGBImage:
    """Decode an image file to uint8 RGB (H, W, 3), upright.

    Gray and palette become RGB, transparency is composited on white, CMYK is converted, 16-bit gray keeps its upper
    byte, of several frames the first is read. Colour profiles are not applied. Raises ImageError.
    """
    return decode_image(_bytes_of(path), os.fspath(path))


def decode_image(data: bytes, name: str) -> RGBImage:
    """`read_image` of a file's bytes; name: what errors call it. Raises ImageError."""
    return _picture(data, name, WHITE, "stored").pixels


def read_picture(path: str | os.PathLike[str], *, background: Colour = WHITE, to_srgb: bool = False) -> Picture:
    """`read_image` with the profile of its colours, and notes. background: what shows through transparent pixels.

    A profile of gray, CMYK or Lab could not describe RGB pixels, so it is applied: the pixels are sRGB. to_srgb: so are
    they with any profile. Both relative colorimetric, with black point compensation. Raises ImageError.
    """
    name = os.fspath(path)
    return decode_picture(_bytes_of(path), name, background=background, to_srgb=to_srgb)


def decode_picture(data: bytes, name: str, *, background: Colour = WHITE, to_srgb: bool = False) -> Picture:
    """`read_picture` of a file's bytes; name: what errors call it. Raises ImageError."""
    return _picture(data, name, background, "srgb" if to_srgb else "described")


def _picture(data: bytes, name: str, background: Colour, colours: Colours) -> Picture:
    image = _opened(data, name)
    try:
        return _decoded(image, data, background, colours)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except Exception as error:  # Pillow's readers raise a dozen types on damaged bytes
        raise ImageError(f"{name}: cannot be decoded: {str(error) or type(error).__name__}") from None
    finally:
        image.close()


def check_header(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width) of an image file, before its orientation is applied, by its header alone. Raises ImageError."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            start = file.read(_HEADER)
            if kind_of_bytes(start[:HEAD]) != "JPEG":
                file.seek(0)
                with _opened_by_pillow(file, start, name) as image:  # reads no more than it needs
                    return image.height, image.width
            if len(start) == _HEADER and not _holds_header(start):
                start += file.read(FILE_LIMIT)
    except OSError as error:
        raise ImageError(f"{name}: cannot be opened: {error.strerror or error}") from None
    with _opened(start, name) as image:
        return image.height, image.width


def profile_of(data: bytes, name: str) -> bytes | None:
    """The ICC profile that describes the RGB pixels of an image file; None where none does. Raises ImageError."""
    with _opened(data, name) as image:
        icc = colour_profiles.profile_in(image)
    try:
        return None if icc is None else colour_profiles.describing_rgb(icc)
    except ImageError:  # of the profile
        return None


def colour_of(text: str, option: str) -> Colour:
    """A colour by name, as #rrggbb or as R,G,B in 0..255. Raises ParameterError."""
    numbers = re.fullmatch(r"(\d{1,3}),(\d{1,3}),(\d{1,3})", text.replace(" ", ""))
    try:
        found = tuple(map(int, numbers.groups())) if numbers else ImageColor.getrgb(text)
    except ValueError:
        found = ()
    if len(found) != 3 or max(found) > 255:
        raise ParameterError(f"{option} {text!r} is no colour: a name such as white, #rrggbb, or R,G,B in 0..255")
    return found[0], found[1], found[2]


def orientation_of(data: bytes) -> int:
    """1..8 of a JPEG file: Exif's, else XMP's, else 1, upright. Nothing is raised."""
    found, packet = exif.UPRIGHT, b""
    for segment in header_segments(data):
        if segment.code == APP1:
            payload = segment.payload(data)
            if payload.startswith(exif.HEAD):
                return exif.orientation(payload)
            packet = packet or (payload if payload.startswith(XMP_HEAD) else b"")
    stated = _XMP_ORIENTATION.search(packet)
    return int(stated[1]) if stated else found


def upright(pixels: RGBImage, orientation: int) -> RGBImage:
    """Pixels (H, W, 3) turned as an orientation of 1..8 asks."""
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.array(Image.fromarray(pixels).transpose(turn))


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    try:
        data = read_limited(path, FILE_LIMIT)
    except OSError as error:
        raise ImageError(f"{os.fspath(path)}: cannot be opened: {error.strerror or error}") from None
    if data is None:
        raise ImageError(f"{os.fspath(path)}: larger than {FILE_LIMIT} bytes, which no picture within the limits is")
    return data


def _holds_header(start: bytes) -> bool:
    """Whether these first bytes of a JPEG file go up to its first scan, so that they are enough to know its size."""
    end = max((segment.start + segment.size for segment in header_segments(start)), default=0)
    return start[end : end + 2] == b"\xff\xda"


def _opened(data: bytes, name: str) -> Image.Image:
    """The image, header only. Raises ImageError."""
    if kind_of_bytes(data[:HEAD]) == "TIFF":
        data = essentials.of_tiff(data)
    return _opened_by_pillow(io.BytesIO(data), data, name)


def _opened_by_pillow(file: BinaryIO, start: bytes, name: str) -> Image.Image:
    """The image in a file, header only. start: its first bytes, of a JPEG file all of them. Raises ImageError."""
    kind = kind_of_bytes(start[:HEAD])
    try:
        if kind == "JPEG":
            image: Image.Image = JpegImageFile(io.BytesIO(essentials.of_jpeg(start)))
        else:
            image = Image.open(file, formats=(*FORMATS, *_more_formats(kind)))
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: more than {PIXEL_LIMIT} pixels, the limit; scale it down") from None
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not an image ({', '.join(FORMATS)} are read); remove it") from None
    except Exception as error:  # Pillow's readers raise a dozen types on damaged bytes
        raise ImageError(f"{name}: cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if image.width * image.height > PIXEL_LIMIT:
        image.close()
        raise ImageError(f"{name}: {image.width}x{image.height} is more than {PIXEL_LIMIT} pixels; scale it down")
    return image


def _more_formats(kind: str | None) -> tuple[str, ...]:
    """Pillow's name of a format that not every Pillow reads. ImageError where this one does not."""
    if kind not in _MAYBE:
        return ()
    name, package, module = _MAYBE[kind]
    Image.init()
    if name not in Image.OPEN:
        try:
            plugin = importlib.import_module(module)
            if module == "pillow_heif":
                plugin.register_heif_opener()
        except ImportError:
            pass
    if name not in Image.OPEN:
        raise ImageError(f"a {kind} file, which this Pillow does not read; pip install {package}")
    return (name,)


def _decoded(image: Image.Image, data: bytes, background: Colour, colours: Colours) -> Picture:
    notes: list[str] = []
    icc = None if colours == "stored" else colour_profiles.profile_in(image)
    orientation = _orientation(image, data)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = _upper_byte(image, notes)
    if image.mode in ("I", "F"):
        raise ImageError(f"mode {image.mode} has more than 8 bits per sample; convert it to 8 bits")
    if icc is not None:
        image, icc = colour_profiles.applied(image, icc, colours == "srgb", notes)
    rgb = _composited(image, background)
    turn = _TURNS.get(orientation)
    return Picture(np.array(rgb if turn is None else rgb.transpose(turn)), icc, tuple(notes))


def _orientation(image: Image.Image, data: bytes) -> int:
    if image.format == "JPEG":
        return orientation_of(data)
    if image.format == "TIFF":
        return exif.UPRIGHT  # Pillow turns it while it decodes
    block = image.info.get("exif")
    text = image.info.get("Raw profile type exif")  # ImageMagick's way for PNG: two lines of header, then hexadecimal
    if not block and isinstance(text, str):
        try:
            block = bytes.fromhex("".join(text.split("\n")[3:]))
        except ValueError:
            block = None
    if isinstance(block, bytes) and exif.ORIENTATION in exif.values(block):
        return exif.orientation(block)
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    packet = packet.encode(errors="replace") if isinstance(packet, str) else packet
    stated = _XMP_ORIENTATION.search(packet) if isinstance(packet, bytes) else None
    return int(stated[1]) if stated else exif.UPRIGHT


def _upper_byte(image: Image.Image, notes: list[str]) -> Image.Image:
    """16-bit gray as 8-bit gray, transparent where a colour key says so."""
    samples = np.asarray(image).astype(np.int64)
    largest = int(samples.max(initial=0))
    if 0 < largest < _SIXTEENTH:
        notes.append(f"its 16-bit samples end at {largest} of 65535, so it comes out almost black; scale them up first")
    gray = Image.fromarray((samples.clip(0, 65535) >> 8).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        alpha = Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8))
        return Image.merge("LA", (gray, alpha))
    return gray


def _composited(image: Image.Image, background: Colour) -> Image.Image:
    """RGB; what shines through is the background."""
    if not colour_profiles.has_alpha(image):
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (*background, 255)), rgba).convert("RGB")
