"""JPEG bytes in and out: encode pixels with `EncodingParameters`, decode, and read or write the quantized
coefficients themselves.

    >>> data = encode(image, EncodingParameters.from_quality(50))   # uint8 (H, W, 3) -> bytes
    >>> decode(data).shape == image.shape
    True

What `encode` writes is an ordinary baseline or progressive JPEG file that every decoder reads. The arithmetic is
native (`j4d._core`); this module checks the user's values and puts the steps together. No PyTorch here.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d import _core
from j4d.effort import with_effort
from j4d.errors import CodecError, ImageError, ParameterError
from j4d.markers import segments
from j4d.parameters import MAX_SIDE, EncodingParameters, check_longest_side, check_sampling
from j4d.size import at_most
from j4d.tables import check_table

MAX_PIXELS = 1 << 28  # of a file that is read, checked before memory is taken
# What Pillow raises from damaged headers.
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, struct.error)
MAX_SCANS = 500  # of a progressive file that is read; each costs time over the whole picture

# Components, and luma samples per chroma sample: horizontally, vertically.
FACTORS = {"4:4:4": (3, 1, 1), "4:2:2": (3, 2, 1), "4:2:0": (3, 2, 2), "gray": (1, 1, 1)}
_SAMPLING = {factors: sampling for sampling, factors in FACTORS.items()}

Indices = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """What a JPEG file holds, undone to the quantized coefficients; natural order throughout.

    planes: int16 indices, (By, Bx, 8, 8) per component (Y, or Y, Cb, Cr), only blocks that hold picture.
    tables: (8, 8) int32 steps, one per plane. sampling: one of SAMPLINGS. height, width: pixels.
    Raises CodecError where these do not fit each other, ParameterError for an unknown sampling.
    """

    planes: tuple[Indices, ...]
    tables: tuple[npt.NDArray[np.int32], ...]
    sampling: str
    height: int
    width: int

    def __post_init__(self) -> None:
        shapes = plane_shapes(self.height, self.width, self.sampling)
        got = tuple(plane.shape for plane in self.planes)
        if got != shapes:
            raise CodecError(
                f"planes of shapes {got} for {self.width} x {self.height} pixels at {self.sampling}, expected {shapes}"
            )
        if any(plane.dtype != np.int16 for plane in self.planes):
            raise CodecError(f"planes of types {[str(plane.dtype) for plane in self.planes]}, expected int16")
        if len(self.tables) != len(self.planes):
            raise CodecError(f"{len(self.tables)} tables for {len(self.planes)} planes, expected one per plane")


def plane_shapes(height: int, width: int, sampling: str) -> tuple[tuple[int, int, int, int], ...]:
    """The shape (By, Bx, 8, 8) of each component's plane. Raises CodecError outside 1..65500 pixels."""
    components, horizontal, vertical = FACTORS[check_sampling(sampling)]
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise CodecError(f"size {width} x {height} is outside 1..{MAX_SIDE} pixels, libjpeg's limit")
    luma = (-(-height // 8), -(-width // 8), 8, 8)
    chroma = (-(-height // (8 * vertical)), -(-width // (8 * horizontal)), 8, 8)
    return (luma, chroma, chroma)[:components]


def forward_dct(image: npt.NDArray[np.uint8], sampling: str) -> tuple[Indices, ...]:
    """Colour transform, downsampling and integer DCT of libjpeg-turbo's default ("islow") path, bit for bit.

    image: uint8 (H, W, 3) RGB; also (H, W) for sampling "gray". Returns one int16 array (By, Bx, 8, 8) per
    component in natural order, 8 x the orthonormal coefficient. Raises ImageError, ParameterError.
    """
    pixels = check_image(image, check_sampling(sampling))
    return tuple(_core.forward_dct(pixels, FACTORS[sampling]))


def quantize(
    image: npt.NDArray[np.uint8],
    parameters: EncodingParameters,
    *,
    seed: int = 0,
    deterministic: bool = False,
    effort: int | None = None,
) -> Coefficients:
    """The quantized coefficients that `encode` writes.

    With u = c / q, index k is drawn with probability proportional to exp(-sharpness ((u - k)^2 + 2 d |k|)), d the
    dead zone, over the five indices around the likeliest; the draw is a pure function of (seed, component, block,
    frequency). Where `deterministic` is set or the parameters' sharpness is None, the index is the limit of great
    sharpness, k = sign(u) max(0, floor(|u| + 1/2 - d)), which for d = 0 is libjpeg's rounding. With a trellis the
    indices of each block are then chosen together (see `EncodingParameters`), by the code lengths that the whole
    picture has before; `deterministic` says nothing of it. A picture beyond the parameters' longest side is scaled down
    first. seed: 0..2^64 - 1. effort: 0, 1 or 2, see `j4d.effort`. Raises ImageError, ParameterError.
    """
    parameters = with_effort(parameters, effort)
    steps = quantizers(parameters, deterministic)[0]
    pixels = as_stored(image, parameters)
    coefficients = tuple(_core.forward_dct(pixels, FACTORS[parameters.sampling]))
    planes = quantize_planes(coefficients, parameters, seed=check_seed(seed), deterministic=deterministic)
    return Coefficients(planes, tuple(steps), parameters.sampling, pixels.shape[0], pixels.shape[1])


def quantize_planes(
    coefficients: tuple[Indices, ...], parameters: EncodingParameters, *, seed: int = 0, deterministic: bool = False
) -> tuple[Indices, ...]:
    """`quantize` of 8 x coefficients as `forward_dct` has them, int16 (By, Bx, 8, 8) per component."""
    steps, dead_zones, sharpness = quantizers(parameters, deterministic)
    if parameters.trellis is not None:
        factors = FACTORS[parameters.sampling]
        return tuple(_core.quantize_jointly(list(coefficients), steps, dead_zones, factors, **trellis_of(parameters)))
    return tuple(
        _core.quantize(plane, steps[i], dead_zones[i], sharpness, seed, i) for i, plane in enumerate(coefficients)
    )


def encode(
    image: npt.NDArray[np.uint8],
    parameters: EncodingParameters | None = None,
    *,
    quality: float | None = None,
    longest_side: int | None = None,
    seed: int = 0,
    deterministic: bool = False,
    effort: int | None = None,
    progressive: bool = False,
    jfif: bool = False,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    restart_interval: int = 0,
) -> bytes:
    """Encode uint8 pixels, (H, W, 3) RGB, to a JPEG file; (H, W) too where the sampling is "gray".

    parameters, or quality: 0..100 along the built-in profile "universal" at 4:2:0, the picture moved along its ladder
    as `Profile.adapted` does. longest_side: pixels, in place of the parameters'; a larger picture is stored smaller,
    and moved along the ladder as it is stored. Same arguments, same bytes. `seed`, `deterministic` and `effort` choose
    the indices (see `quantize`), the rest the file around them (see `write_coefficients`). Raises ImageError,
    ParameterError, ProfileError, CodecError.
    """
    if parameters is None or quality is not None:
        from j4d.builtin import parameters_for  # which stands above this module, and is not needed with parameters

        if check_longest_side(longest_side) is not None:
            image = at_most(check_image(image, "4:2:0"), longest_side)
        parameters = parameters_for(image, parameters, quality)
    parameters = with_effort(parameters, effort)
    steps, dead_zones, sharpness = quantizers(parameters, deterministic)
    if longest_side is not None:
        parameters = replace(parameters, longest_side=longest_side)
    pixels = as_stored(image, parameters)
    options = {**trellis_of(parameters), **file_options(progressive, jfif, icc, exif, xmp, restart_interval)}
    return _core.encode(pixels, steps, dead_zones, sharpness, FACTORS[parameters.sampling], check_seed(seed), **options)


def write_coefficients(
    coefficients: Coefficients,
    *,
    progressive: bool = False,
    jfif: bool = False,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    restart_interval: int = 0,
) -> bytes:
    """Write quantized coefficients to a JPEG file, with Huffman codes optimized for them.

    progressive: the smallest of a few scripts of scans, which takes several times as long. jfif: write the 18-byte
    JFIF header, which no decoder needs.
    icc, exif, xmp: metadata to embed. restart_interval: MCUs between restart markers, 0 for none, up to 65535.
    Raises CodecError where an index is outside what baseline Huffman codes hold (AC -1023..1023, difference of
    neighbouring DC -2047..2047) or metadata do not fit, ParameterError for a wrong table or restart interval.
    """
    options = file_options(progressive, jfif, icc, exif, xmp, restart_interval)
    try:
        return _core.write(
            [np.ascontiguousarray(plane) for plane in coefficients.planes],
            [check_table(table, f"component {i}") for i, table in enumerate(coefficients.tables)],
            FACTORS[coefficients.sampling],
            coefficients.height,
            coefficients.width,
            **options,
        )
    except _core.JpegError as error:
        raise CodecError(f"these coefficients make no JPEG file: {error}") from None


def read_coefficients(data: bytes) -> Coefficients:
    """Read the quantized coefficients of a JPEG file: YCbCr at 4:4:4, 4:2:2 or 4:2:0, or gray; 8 bits a sample.

    Raises CodecError where a coefficient is not as it was written, where the file is of another kind, or is larger
    than 2^28 pixels.
    """
    try:
        planes, tables, factors, height, width = _core.read(
            check_bytes(data), max_pixels=MAX_PIXELS, max_scans=MAX_SCANS
        )
    except _core.JpegError as error:
        raise CodecError(f"cannot read this JPEG file: {error}") from None
    return Coefficients(planes, tables, _SAMPLING[factors], height, width)


def decode(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a JPEG file with Pillow's libjpeg-turbo to uint8 (H, W, 3) RGB, orientation as stored; gray is repeated.

    Raises CodecError where the file ends before its picture does, is no RGB, YCbCr or gray JPEG, or is larger than
    2^28 pixels.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        with JpegImageFile(io.BytesIO(check_bytes(data))) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise CodecError(f"the picture has {width} x {height} pixels, more than the limit of {MAX_PIXELS}")
            if picture.mode not in ("RGB", "L"):
                raise CodecError(f"the picture is of mode {picture.mode}; only RGB, YCbCr and gray are handled")
            return np.array(picture.convert("RGB"))
    except CodecError:
        raise
    except PILLOW_ERRORS as error:
        raise CodecError(f"cannot decode this JPEG file: {error}") from None


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
    given = (parameters.luma_dead_zone, parameters.chroma_dead_zone)
    luma_zone, chroma_zone = (none if zone is None else zone for zone in given)
    count = FACTORS[parameters.sampling][0]
    steps = [parameters.luma, parameters.chroma, parameters.chroma][:count]
    sharpness = math.inf if deterministic or parameters.sharpness is None else parameters.sharpness
    return steps, [luma_zone, chroma_zone, chroma_zone][:count], sharpness


def trellis_of(parameters: EncodingParameters) -> dict[str, Any]:
    """The trellis as `_core` wants it: mu, 0 for none, masking, infinite for none, mu of DC, 0 for none, and weights of
    luma and chroma."""
    masking = math.inf if parameters.masking is None else parameters.masking
    even = np.ones((8, 8))
    luma, chroma = (even if w is None else w for w in (parameters.luma_weights, parameters.chroma_weights))
    return {"trellis": (parameters.trellis or 0.0, masking, parameters.dc_trellis or 0.0, luma, chroma)}


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


def as_stored(image: Any, parameters: EncodingParameters) -> npt.NDArray[np.uint8]:
    """The image as contiguous (H, W, channels), no larger than the parameters' longest side, or ImageError."""
    return at_most(check_image(image, parameters.sampling), parameters.longest_side)


def check_image(image: Any, sampling: str) -> npt.NDArray[np.uint8]:
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
