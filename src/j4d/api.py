"""Encoding and transcoding as users call them: with parameters, or with a quality along a built-in profile.

>>> data = encode(image, quality=40)          # uint8 (H, W, 3) -> bytes
>>> smaller = transcode(data, quality=20)     # bytes -> bytes
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.errors import ParameterError
from j4d.jpeg import encoding
from j4d.jpeg.arguments import MAX_PIXELS, check_pixels
from j4d.jpeg.parameters import EncodingParameters, check_longest_side
from j4d.jpeg.size import at_most
from j4d.jpeg.strip import Keep
from j4d.jpeg.transcoding import MAX_MEMORY, OpenedJPEG, Sampling, Transcoder
from j4d.profile.builtin import DEFAULT
from j4d.profile.profile import Profile


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
        if check_longest_side(longest_side) is not None:
            image = at_most(check_pixels(image, "4:2:0"), longest_side)
        parameters = _parameters_for(image, parameters, quality)
    return encoding.encode(
        image,
        parameters,
        longest_side=longest_side,
        seed=seed,
        deterministic=deterministic,
        effort=effort,
        progressive=progressive,
        jfif=jfif,
        icc=icc,
        exif=exif,
        xmp=xmp,
        restart_interval=restart_interval,
    )


def transcode(
    data: bytes,
    parameters: EncodingParameters | None = None,
    *,
    quality: float | None = None,
    seed: int = 0,
    deterministic: bool = False,
    effort: int | None = None,
    progressive: bool = False,
    sampling: Sampling = "keep",
    strip: bool = False,
    keep: Iterable[Keep] = (),
    never_grow: bool = True,
    tolerate_damage: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_memory: int = MAX_MEMORY,
) -> bytes:
    """Quantize the coefficients of a JPEG file anew. Same arguments, same bytes.

    parameters, or quality: 0..100 along the built-in profile "universal", as for `encode`.

    The source may be baseline, extended or progressive, Huffman or arithmetic coded, with any sampling factors; YCbCr,
    gray or RGB. Gray and RGB stay what they are and take the luma table throughout. Kept is all that stands beside the
    picture: application segments (JFIF, Exif with its orientation, XMP, ICC, IPTC and whatever else) and comments, byte
    for byte and in order, and what follows the picture: further pictures, films, data. An index of pictures (MPF) and
    offsets in Exif and XMP that lead behind the picture are made anew; where that cannot be done, the source is
    returned. Bytes between segments, and zeros behind a scan, go.

    seed, deterministic, effort: the indices, as in `encode`, but that an AC coefficient half way between two indices,
    which is common among those of a file, goes to the one nearer zero: as close, and fewer bits. progressive: write a
    progressive file. sampling: "keep" the source's, or take the one of `parameters`: luma still never leaves the
    coefficients, chroma is decoded, resampled and encoded. strip: leave out all that stands beside the picture; keep:
    but "orientation", "copyright" or both. never_grow: where the picture is not smaller, return the source (with
    `strip` without what stands beside it). tolerate_damage: go on where libjpeg warns of damage; what is missing
    becomes gray. max_pixels: limit on height x width; max_memory: limit in bytes on what the picture will take
    (`memory_of`); both checked before memory is taken.

    Raises CodecError for damage and limits, UnsupportedError (a CodecError) for CMYK, YCCK, 12-bit, lossless and
    hierarchical files, ParameterError.
    """
    source: bytes | OpenedJPEG = data
    if parameters is None or quality is not None:
        source = OpenedJPEG(data, tolerate_damage=tolerate_damage, max_pixels=max_pixels, max_memory=max_memory)
        parameters = _parameters_for(source, parameters, quality, sampling=sampling)
    transcoder = Transcoder(
        parameters,
        seed=seed,
        deterministic=deterministic,
        effort=effort,
        progressive=progressive,
        sampling=sampling,
        strip=strip,
        keep=keep,
        never_grow=never_grow,
        tolerate_damage=tolerate_damage,
        max_pixels=max_pixels,
        max_memory=max_memory,
    )
    return transcoder.one(source).data


def _parameters_for(
    picture: Any, parameters: EncodingParameters | None, quality: float | None, **reading: Any
) -> EncodingParameters:
    """`parameters`, or without them those of the default profile at `quality` for this picture.

    Args:
        picture: As for `Profile.adapted`.
        parameters: Exactly one of `parameters` and `quality` is given.
        quality: 0..100 along the ladder.
        reading: As for `Profile.adapted`.

    Raises:
        ParameterError: Both or neither of the two are given.
        ProfileError: The quality is outside 0..100.
        ImageError: Pixels that cannot be encoded.
        CodecError: A file that cannot be transcoded.
    """
    if (parameters is None) == (quality is None):
        got = "neither" if quality is None else "both"
        raise ParameterError(f"give either parameters or quality=0..100, along the built-in {DEFAULT}; got {got}")
    if parameters is not None:
        return parameters
    profile = Profile.builtin(DEFAULT)
    if not isinstance(picture, (bytes, OpenedJPEG)):
        picture = check_pixels(picture, profile.provenance.sampling)
    return profile.adapted(picture, quality=quality, **reading)
