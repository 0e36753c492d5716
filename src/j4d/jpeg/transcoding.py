"""JPEG bytes to smaller JPEG bytes without going through pixels.

    >>> parameters = Profile.load("profile.json").at(bpp=0.5)
    >>> data = transcode(data, parameters)            # bytes -> bytes
    >>> results = transcode_many(datas, parameters)   # each bytes, or the CodecError that file ended in

A file's coefficients are read, quantized anew with the steps, the dead zones and the sharpness of `parameters`, and
written with Huffman codes made for them. The picture keeps its size, so that parameters with a longest side are
refused, and its sampling unless the parameters' is asked for. All that stands beside the picture in the file is kept.
The arithmetic is native (`j4d._core`). No PyTorch here.
What quantizing twice costs is in docs/transcoding.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from j4d import _core
from j4d.errors import CodecError, ParameterError, UnsupportedError
from j4d.jpeg.arguments import FACTORS, MAX_PIXELS, MAX_SCANS, check_bytes, check_seed, trellis_of
from j4d.jpeg.effort import with_effort
from j4d.jpeg.markers import without_colour_profile
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.strip import Keep, check_keep, dropped, stripped, with_surviving
from j4d.jpeg.trailer import LeftError, with_trailer
from j4d.support.cores import thread_count

MAX_MEMORY = 3 << 30  # bytes that one picture may take, checked before memory is taken
MAX_MARKERS = 4096  # segments of a file that is read
_TIE = 1e-6  # steps; coefficients on a grid of whole steps are ties or lie farther than this from one

Sampling = Literal["keep", "parameters"]


@dataclass(frozen=True)
class Transcoded:
    """A transcoded file. height, width: pixels. copied: it is the source, because the result was not smaller, or since
    something beside the picture could not be kept, which `left` then names.

    damage: what was tolerated. notes: what is odd in the source and does no harm. dropped: what `strip` took out.
    """

    data: bytes
    height: int
    width: int
    copied: bool
    left: str = ""
    damage: str = ""
    notes: tuple[str, ...] = ()
    dropped: str = ""


def transcode_many(
    datas: Iterable[bytes], parameters: EncodingParameters, *, threads: int | None = None, **options: Any
) -> list[bytes | CodecError]:
    """`transcode` over a pool of native threads: one result per file, in order.

    A file that cannot be transcoded has the CodecError that `transcode` would raise as its result; the others are not
    touched by it. threads: None for one per processor that this process may use. options: those of `transcode`. The
    bytes do not depend on the number of threads. All of the files and results are in memory at once, and one picture's
    coefficients (3 bytes a pixel at 4:2:0) per thread. Raises ParameterError.
    """
    results = Transcoder(parameters, **options).many(datas, threads=threads)
    return [result if isinstance(result, CodecError) else result.data for result in results]


class OpenedJPEG:
    """A JPEG file that is read once and transcoded more than once, as where its place on a ladder is looked for.

    tolerate_damage, max_pixels, max_memory: as for `transcode`; a `Transcoder`'s own are not asked again. Holds the
    file's coefficients, 3 bytes a pixel at 4:2:0. Raises CodecError, UnsupportedError, ParameterError.
    """

    def __init__(
        self,
        data: bytes,
        *,
        tolerate_damage: bool = False,
        max_pixels: int = MAX_PIXELS,
        max_memory: int = MAX_MEMORY,
    ) -> None:
        self.data = check_bytes(data)
        limits = _limits(max_pixels, max_memory)
        with _told():
            self.core = _core.Opened(self.data, tolerate_damage=bool(tolerate_damage), limits=limits)


class Transcoder:
    """Checked settings of `transcode` for many files; results that tell more than the bytes. Raises ParameterError."""

    def __init__(
        self,
        parameters: EncodingParameters,
        *,
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
    ) -> None:
        if not isinstance(parameters, EncodingParameters):
            raise ParameterError(f"a {type(parameters).__name__} is no EncodingParameters; of a profile, take .at(...)")
        check_keeps_size(parameters)
        if sampling not in get_args(Sampling):
            raise ParameterError(f"sampling {sampling!r} is not one of {', '.join(get_args(Sampling))}")
        parameters = with_effort(parameters, effort)
        zones = (each.dead_zone for each in parameters.quantizations)
        sharpness = math.inf if deterministic or parameters.sharpness is None else parameters.sharpness
        luma_dead_zones, chroma_dead_zones = (_widened(zone, ties=math.isinf(sharpness)) for zone in zones)
        self._strip, self._never_grow = bool(strip), bool(never_grow)
        self._to_gray = sampling == "parameters" and parameters.sampling == "gray"
        self._keep = check_keep(keep, self._strip)
        self._core = _core.Transcoder(
            luma=parameters.luma.steps,
            chroma=parameters.chroma.steps,
            luma_dead_zones=luma_dead_zones,
            chroma_dead_zones=chroma_dead_zones,
            sharpness=sharpness,
            seed=check_seed(seed),
            sampling=None if sampling == "keep" else FACTORS[parameters.sampling],
            progressive=bool(progressive),
            strip=self._strip,
            tolerate_damage=bool(tolerate_damage),
            limits=_limits(max_pixels, max_memory),
            **trellis_of(parameters),
        )

    def one(self, data: bytes | OpenedJPEG) -> Transcoded:
        """Transcode one file. Raises CodecError, UnsupportedError."""
        if isinstance(data, OpenedJPEG):
            with _told():
                return self._finish(data.data, *self._core.opened(data.core))
        source = check_bytes(data)
        with _told():
            return self._finish(source, *self._core.one(source))

    def many(self, datas: Iterable[bytes], *, threads: int | None = None) -> list[Transcoded | CodecError]:
        """Transcode files on native threads: results in order, a CodecError in the place of a file that failed."""
        count = thread_count(threads)
        results: list[Transcoded | CodecError] = []
        sources: list[bytes] = []
        failed: dict[int, CodecError] = {}
        for index, data in enumerate(datas):
            try:
                sources.append(check_bytes(data))
            except CodecError as error:
                failed[index] = error
                sources.append(b"")
        for index, (source, outcome) in enumerate(zip(sources, self._core.many(sources, count), strict=True)):
            if index in failed:
                results.append(failed[index])
            elif len(outcome) == 2:
                results.append(_codec_error(*outcome))
            else:
                results.append(self._finish(source, *outcome))
        return results

    def _finish(
        self, source: bytes, data: bytes, height: int, width: int, end: int, notes: list[str], damage: str
    ) -> Transcoded:
        """What is written. end: of the picture in the source, in bytes."""
        told: dict[str, Any] = {"damage": damage, "notes": tuple(notes)}
        if self._strip:
            told["dropped"] = dropped(source, end)
            data = with_surviving(data, source, self._keep)
            copy = stripped(source, self._keep) if self._never_grow else None
            if copy is not None and len(data) >= len(copy):
                return Transcoded(copy, height, width, copied=True, **told)
            return Transcoded(data, height, width, copied=False, **told)
        if self._to_gray and (bare := without_colour_profile(data)) is not None:
            data, told["notes"] = bare, (*notes, "its ICC profile, of RGB, does not describe gray and is left out")
        if self._never_grow and len(data) >= end:
            return Transcoded(source, height, width, copied=True, **told)
        if end < len(source):
            try:
                data = with_trailer(data, source, end)
            except LeftError as error:
                return Transcoded(source, height, width, copied=True, left=str(error), **told)
        return Transcoded(data, height, width, copied=False, **told)


class MemoryGate:
    """What pictures that are transcoded at the same time may take together. Each waits its turn.

    max_memory: bytes; a file that needs more is let in at once, since `Transcoder` with this limit refuses it.
    """

    def __init__(self, max_memory: int) -> None:
        self._core = _core.MemoryGate(max_memory)

    @contextmanager
    def admit(self, data: bytes) -> Iterator[None]:
        """Begins when there is room for the JPEG file."""
        taken = self._core.enter(data)
        try:
            yield
        finally:
            self._core.leave(taken)


def check_keeps_size(parameters: EncodingParameters) -> None:
    """Raise ParameterError where the parameters have a longest side: coefficients cannot be scaled."""
    if parameters.longest_side is not None:
        raise ParameterError(
            f"these parameters store pictures at a longest side of {parameters.longest_side} pixels, but transcoding "
            "never decodes, so sizes stay; decode and encode instead (`j4d encode` reads JPEG files too)"
        )


def _widened(dead_zone: NDArray[np.float64] | None, *, ties: bool) -> NDArray[np.float64]:
    """The dead zone, (8, 8); with `ties` a hair wider for AC, so that a tie goes to the index nearer zero."""
    zone = np.zeros((8, 8)) if dead_zone is None else np.array(dead_zone)
    if ties:
        zone.flat[1:] = np.minimum(zone.flat[1:] + _TIE, 0.5)
    return zone


@contextmanager
def _told() -> Iterator[None]:
    """The core's errors as CodecError."""
    try:
        yield
    except _core.JpegError as error:
        raise _codec_error(str(error), isinstance(error, _core.UnsupportedError)) from None
    except MemoryError:
        raise _codec_error("there is not enough memory for its picture", False) from None


def _codec_error(reason: str, unsupported: bool) -> CodecError:
    if unsupported:
        return UnsupportedError(f"this kind of JPEG file is not transcoded: {reason}")
    return CodecError(f"cannot transcode this JPEG file: {reason}")


def _limits(max_pixels: Any, max_memory: Any) -> tuple[int, int, int, int]:
    """The core's limits on pixels, bytes of memory, scans and segments. Raises ParameterError."""
    for name, value, most in (("max_pixels", max_pixels, 2**32), ("max_memory", max_memory, 2**50)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= most:
            raise ParameterError(f"{name} {value!r} is not an integer 1..{most}")
    return int(max_pixels), int(max_memory), MAX_SCANS, MAX_MARKERS
