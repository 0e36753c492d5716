"""Many pictures at once: `encode_many` spreads them over native threads.

    >>> files = encode_many(images, EncodingParameters.from_quality(50))   # one bytes object or error per image

What an image becomes depends on nothing but the image, the parameters and its seed: not on the number of threads, its
place in the batch or its neighbours. No PyTorch here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d import _core, codec
from j4d.effort import with_effort
from j4d.errors import CodecError, ImageError, ParameterError
from j4d.parameters import EncodingParameters

MAX_THREADS = 1024


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
    quantizers = codec.quantizers(parameters, deterministic)
    around = codec.file_options(progressive, jfif, icc, None, None, restart_interval)
    options = {**codec.trellis_of(parameters), **around}
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
    factors = codec.FACTORS[parameters.sampling]
    files = _core.encode_many(pixels, *quantizers, factors, [seeds[i] for i in good], count, **options)
    for i, file in zip(good, files, strict=True):
        results[i] = file if isinstance(file, bytes) else CodecError(f"this image makes no JPEG file: {file}")
    return results


def thread_count(threads: Any) -> int:
    """Threads to use: `threads` checked, or for None one per processor that this process may use."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or not 1 <= threads <= MAX_THREADS:
        raise ParameterError(f"threads {threads!r} is not an integer 1..{MAX_THREADS}")
    return int(threads)


def _checked(image: Any, parameters: EncodingParameters) -> npt.NDArray[np.uint8] | ImageError:
    try:
        return codec.as_stored(image, parameters)
    except ImageError as error:
        return error


def _seeds(seed: Any, count: int) -> list[int]:
    if isinstance(seed, (int, np.integer)):
        return [codec.check_seed(seed)] * count
    if not isinstance(seed, (Sequence, np.ndarray)) or isinstance(seed, (str, bytes)) or len(seed) != count:
        raise ParameterError(f"seeds {seed!r}: expected one integer, or {count} of them, one per image")
    return [codec.check_seed(value) for value in seed]
