"""The files of a picture along a ladder, and the choice among them that a judge makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from j4d.errors import ParameterError
from j4d.images.reading import orientation_of, upright
from j4d.jpeg import arguments, decoding, encoding
from j4d.jpeg.exif import UPRIGHT
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.size import at_most
from j4d.jpeg.transcoding import OpenedJPEG, Transcoder
from j4d.profile.judge import Judge, PictureJudge
from j4d.profile.ladder import REACH, Ladder

GAP = 0.25  # in log rate, the most between two places at which a picture's files are looked at

Pixels = NDArray[np.uint8]


def candidate_log_rates(ladder: Ladder) -> list[float]:
    """The log rates at which files are looked at: the points, REACH beyond both ends, and others GAP apart or less."""
    marks = [ladder.log_rates[0] - REACH, *ladder.log_rates, ladder.log_rates[-1] + REACH]
    places = [marks[0]]
    for low, high in pairwise(marks):
        parts = math.ceil((high - low) / GAP - 1e-9)
        places += [low + (high - low) * part / parts for part in range(1, parts)] + [high]
    return places


@dataclass(frozen=True)
class Candidate:
    """A picture's file at one place. bpp: actual bits per pixel. loss: what it does to the judge's answer, nats."""

    parameters: EncodingParameters
    data: bytes
    bpp: float
    loss: Callable[[], float]


def cheapest(looks: Iterable[Candidate], lagrangian: float) -> Candidate:
    """The look with the least loss + lagrangian * bpp; of equals, the first.

    looks come from small to large rate and are taken one by one: the search ends at the first whose bits alone cost
    more than the best so far, as a loss is at least 0.
    """
    best, least = None, math.inf
    for look in looks:
        if lagrangian * look.bpp >= least:
            break
        cost = look.loss() + lagrangian * look.bpp
        if best is None or cost < least:
            best, least = look, cost
    if best is None:
        raise ParameterError("nothing to choose from: there are no looks")
    return best


def candidates(
    ladder: Ladder, picture: Pixels | bytes | OpenedJPEG, judge: Judge, **reading: Any
) -> Iterator[Candidate]:
    """A picture's files at `candidate_log_rates` the ladder, in order.

    picture: uint8 pixels (H, W, 3), looked at as they are stored, or a JPEG file that is to be transcoded; then reading
    is of `transcode`, how the file is read, and the judge sees it upright. Raises ImageError, CodecError, ModelError.
    """
    if isinstance(picture, np.ndarray) and ladder.longest_side is not None:
        picture = at_most(arguments.check_pixels(picture, ladder.parameters[0].sampling), ladder.longest_side)
    sampling = reading.pop("sampling", "keep")
    source = OpenedJPEG(picture, **reading) if isinstance(picture, bytes) else picture
    asked = None
    for place in candidate_log_rates(ladder):
        parameters = ladder.at(place)
        if isinstance(source, OpenedJPEG):
            data = Transcoder(parameters, strip=True, never_grow=False, sampling=sampling).one(source).data
        else:
            data = encoding.encode(source, parameters)
        if asked is None:  # only now: a file that cannot be transcoded is told so, not that it cannot be decoded
            orientation = orientation_of(source.data) if isinstance(source, OpenedJPEG) else UPRIGHT
            clean = upright(decoding.decode(source.data), orientation) if isinstance(source, OpenedJPEG) else source
            asked = judge.of_picture(clean)
        bpp = 8 * len(data) / (clean.shape[0] * clean.shape[1])
        yield Candidate(parameters, data, bpp, partial(_loss, asked, data, orientation))


def _loss(asked: PictureJudge, data: bytes, orientation: int) -> float:
    return asked.loss(upright(decoding.decode(data), orientation))
