"""Pixels to JPEG bytes: one picture (`encode`), or many on native threads (`encode_many`).

    >>> data = encode(image, EncodingParameters.from_quality(50))         # uint8 (H, W, 3) -> bytes
    >>> files = encode_many(images, EncodingParameters.from_quality(50))  # one bytes object or error per image

What `encode` writes is an ordinary baseline or progressive JPEG file that every decoder reads. The arithmetic is
native (`j4d._core`); this module checks the user's values and puts the steps together. No PyTorch here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d import _core
from j4d.errors import CodecError, ImageError, ParameterError
from j4d.jpeg.arguments import FACTORS, check_seed, file_options, quantizers, stored_pixels, trellis_of
from j4d.jpeg.effort import with_effort
from j4d.jpeg.parameters import EncodingParameters
from j4d.support.cores import thread_count


def encode(
    image: npt.NDArray[np.uint8],
    parameters: EncodingParameters,
    *,
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

    longest_side: pixels, in place of the parameters'; a larger picture is stored smaller. Same arguments, same bytes.
    `seed`, `deterministic` and `effort` choose the indices (see `quantize`), the rest the file around them (see
    `write_coefficients`). Raises ImageError, ParameterError, CodecError.
    """
    parameters = with_effort(parameters, effort)
    steps, dead_zones, sharpness = quantizers(parameters, deterministic)
    if longest_side is not None:
        parameters = replace(parameters, longest_side=longest_side)
    pixels = stored_pixels(image, parameters)
    options = {**trellis_of(parameters), **file_options(progressive, jfif, icc, exif, xmp, restart_interval)}
    return _core.encode(pixels, steps, dead_zones, sharpness, FACTORS[parameters.sampling], check_seed(seed), **options)


def encode_many(
    images: Iterable[npt.NDArray[np.uint8]],
    parameters: EncodingParameters,
    *,
    seed: int | Sequence[int] = 0,
    threads: int | None = None,
    deterministic: bool = False,
    effort: int | None = None,
    progressive: bool = False,
    jfif: bool = False,
    icc: bytes | None = None,
    restart_interval: int = 0,
) -> list[bytes | ImageError | CodecError]:
    """Encode images as `encode` does, on `threads` native threads; None for as many as there are processors.

    Returns one result per image, in order: its file, or the error that `encode` would have raised, so that a bad image
    does not hurt the others. seed: one for all images (each file is then that of `encode(image, parameters,
    seed=seed)`, wherever the image stands in the batch), or a sequence with one per image. The other settings are
    `encode`'s. Raises ParameterError and CodecError for settings that are wrong for all.
    """
    batch = list(images)
    seeds = _seeds(seed, len(batch))
    count = thread_count(threads)
    parameters = with_effort(parameters, effort)
    steps, dead_zones, sharpness = quantizers(parameters, deterministic)
    options = {**trellis_of(parameters), **file_options(progressive, jfif, icc, None, None, restart_interval)}
    results: list[bytes | ImageError | CodecError] = []
    pixels = []
    for image in batch:
        checked = _checked(image, parameters)
        if isinstance(checked, ImageError):
            results.append(checked)
        else:
            results.append(b"")
            pixels.append(checked)
    good = [i for i, result in enumerate(results) if isinstance(result, bytes)]
    factors = FACTORS[parameters.sampling]
    kept = [seeds[i] for i in good]
    files = _core.encode_many(pixels, steps, dead_zones, sharpness, factors, kept, count, **options)
    for i, file in zip(good, files, strict=True):
        results[i] = file if isinstance(file, bytes) else CodecError(f"this image makes no JPEG file: {file}")
    return results


def _checked(image: Any, parameters: EncodingParameters) -> npt.NDArray[np.uint8] | ImageError:
    try:
        return stored_pixels(image, parameters)
    except ImageError as error:
        return error


def _seeds(seed: Any, count: int) -> list[int]:
    if isinstance(seed, (int, np.integer)):
        return [check_seed(seed)] * count
    if not isinstance(seed, (Sequence, np.ndarray)) or isinstance(seed, (str, bytes)) or len(seed) != count:
        raise ParameterError(f"seeds {seed!r}: expected one integer, or {count} of them, one per image")
    return [check_seed(value) for value in seed]
