"""The quantized coefficients of a JPEG file: from pixels, from a file, into a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from j4d import _core
from j4d.errors import CodecError
from j4d.jpeg.arguments import (
    FACTORS,
    MAX_PIXELS,
    MAX_SCANS,
    check_bytes,
    check_pixels,
    check_seed,
    file_options,
    quantizers,
    stored_pixels,
    trellis_of,
)
from j4d.jpeg.effort import with_effort
from j4d.jpeg.parameters import MAX_SIDE, EncodingParameters, check_sampling
from j4d.jpeg.tables import check_table

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
    pixels = check_pixels(image, check_sampling(sampling))
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
    first. seed: 0..2^64 - 1. effort: 0, 1 or 2, see `j4d.jpeg.effort`. Raises ImageError, ParameterError.
    """
    parameters = with_effort(parameters, effort)
    steps = quantizers(parameters, deterministic)[0]
    pixels = stored_pixels(image, parameters)
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
