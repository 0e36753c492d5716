"""Checks of what users pass to encoding and transcoding, and their form for the native core."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.errors import CodecError, ImageError, ParameterError
from j4d.jpeg.markers import segments
from j4d.jpeg.parameters import MAX_SIDE, EncodingParameters
from j4d.jpeg.size import at_most

MAX_PIXELS = 1 << 28  # of a file that is read, checked before memory is taken


MAX_SCANS = 500  # of a progressive file that is read; each costs time over the whole picture


# Components, and luma samples per chroma sample: horizontally, vertically.
FACTORS = {"4:4:4": (3, 1, 1), "4:2:2": (3, 2, 1), "4:2:0": (3, 2, 2), "gray": (1, 1, 1)}


def check_bytes(data: Any) -> bytes:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise CodecError(f"a {type(data).__name__} is no JPEG file; expected its bytes")
    return bytes(data)


def quantizers(
    parameters: Any, deterministic: bool
) -> tuple[list[npt.NDArray[np.int32]], list[npt.NDArray[np.float64]], float]:
    """Steps and dead zones per component, and the sharpness, infinite for the deterministic limit."""
    if not isinstance(parameters, EncodingParameters):
        raise ParameterError(f"a {type(parameters).__name__} is no EncodingParameters; of a profile, take .at(...)")
    none = np.zeros((8, 8))
    count = FACTORS[parameters.sampling][0]
    components = [parameters.luma, parameters.chroma, parameters.chroma][:count]
    zones = [none if each.dead_zone is None else each.dead_zone for each in components]
    sharpness = math.inf if deterministic or parameters.sharpness is None else parameters.sharpness
    return [each.steps for each in components], zones, sharpness


def trellis_of(parameters: EncodingParameters) -> dict[str, Any]:
    """The trellis as `_core` wants it: mu, 0 for none, masking, infinite for none, mu of DC, 0 for none, and weights of
    luma and chroma."""
    even = np.ones((8, 8))
    weights = [even if each.weights is None else each.weights for each in parameters.quantizations]
    trellis = parameters.trellis
    if trellis is None:
        return {"trellis": (0.0, math.inf, 0.0, *weights)}
    masking = math.inf if trellis.masking is None else trellis.masking
    return {"trellis": (trellis.mu, masking, trellis.dc or 0.0, *weights)}


def check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 64:
        raise ParameterError(f"seed {seed!r} is not an integer 0..2^64-1")
    return int(seed)


def file_options(
    progressive: bool, jfif: bool, icc: bytes | None, exif: bytes | None, xmp: bytes | None, restart_interval: Any
) -> dict[str, Any]:
    """What `_core.write` and `_core.encode` want to know of the file around the indices."""
    if isinstance(restart_interval, bool) or not isinstance(restart_interval, (int, np.integer)):
        raise ParameterError(f"restart interval {restart_interval!r} is not an integer")
    if not 0 <= restart_interval <= 65535:
        raise ParameterError(f"restart interval {restart_interval} is outside 0..65535 MCUs")
    markers = segments(icc=icc, exif=exif, xmp=xmp)
    return {"progressive": progressive, "jfif": jfif, "restart_interval": int(restart_interval), "markers": markers}


def stored_pixels(image: Any, parameters: EncodingParameters) -> npt.NDArray[np.uint8]:
    """The image as contiguous (H, W, channels), no larger than the parameters' longest side, or ImageError."""
    return at_most(check_pixels(image, parameters.sampling), parameters.longest_side)


def check_pixels(image: Any, sampling: str) -> npt.NDArray[np.uint8]:
    """The image as contiguous (H, W, channels), or ImageError."""
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image is a {type(image).__name__}, expected a NumPy array uint8 (H, W, 3)")
    gray = sampling == "gray" and image.ndim == 2
    if not gray and (image.ndim != 3 or image.shape[2] != 3):
        also = " or (H, W)" if sampling == "gray" else ""
        raise ImageError(f"image of shape {image.shape}, expected (H, W, 3){also} for sampling {sampling}")
    if image.dtype != np.uint8:
        raise ImageError(f"image of type {image.dtype}, expected uint8 in 0..255")
    height, width = image.shape[:2]
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ImageError(f"image of {width} x {height} pixels, libjpeg writes 1..{MAX_SIDE} a side; cut or scale it")
    return np.ascontiguousarray(image[:, :, None] if gray else image)
