"""The place of each picture on the ladder, chosen by a model that is asked about its files: `Choice`.

What compression does to a model's answer differs from picture to picture far more than anything that can be told
without the model. A judge (`j4d.judge`) is shown the picture's file at places all along the ladder, and the place with
the least KL + lambda * bits per pixel is taken, KL being that of the judge's answer against the one on the picture
itself. One lambda for all pictures makes the most of the bytes of all of them together. The lambda for each point of a
ladder, at which learning pictures have together the rate that the ladder would give them, is learned (`j4d.adapt`) and
kept in the profile, since a picture on its own cannot tell it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from j4d import codec
from j4d.decoding import orientation_of, upright
from j4d.errors import ParameterError, ProfileError
from j4d.exif import UPRIGHT
from j4d.interpolation import REACH, Ladder
from j4d.parameters import EncodingParameters, finite_number
from j4d.size import at_most
from j4d.transcode import OpenedJPEG, Transcoder

if TYPE_CHECKING:
    from j4d.judge import EncoderJudge, PictureJudge

GAP = 0.25  # in log rate, the most between two places at which a picture's files are looked at

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Choice:
    """What a judge needs to choose along one ladder.

    judge: what the judge was called. fingerprint: of its weights. lambdas: what a bit per pixel is worth at each point
    of the ladder, nats per bpp. Raises ProfileError.
    """

    judge: str
    fingerprint: str
    lambdas: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("judge", "fingerprint"):
            if not isinstance(getattr(self, name), str):
                raise ProfileError(f"choice {name}: {getattr(self, name)!r} is not text")
        values = tuple(finite_number(value, "choice lambda", ProfileError) for value in self.lambdas)
        object.__setattr__(self, "lambdas", values)

    def lagrangian(self, ladder: Ladder, log_rate: float) -> float:
        """Nats per bpp where the ladder is asked for `log_rate`; log-linear between points."""
        return math.exp(float(np.interp(log_rate, ladder.log_rates, np.log(self.lambdas))))


def places_of(ladder: Ladder) -> list[float]:
    """The log rates at which files are looked at: the points, REACH beyond both ends, and others GAP apart or less."""
    marks = [ladder.log_rates[0] - REACH, *ladder.log_rates, ladder.log_rates[-1] + REACH]
    places = [marks[0]]
    for low, high in pairwise(marks):
        parts = math.ceil((high - low) / GAP - 1e-9)
        places += [low + (high - low) * part / parts for part in range(1, parts)] + [high]
    return places


@dataclass(frozen=True)
class Look:
    """A picture's file at one place. bpp: actual bits per pixel. loss: what it does to the judge's answer, nats."""

    parameters: EncodingParameters
    data: bytes
    bpp: float
    loss: Callable[[], float]


def chosen(looks: Iterable[Look], lagrangian: float) -> Look:
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


def lambda_for(bpp: Array, loss: Array, wanted: float) -> float:
    """The lambda, nats per bpp, at which pictures that choose have a mean rate of `wanted` bits per pixel.

    bpp, loss: (places, pictures). As near as it comes where no choice has that rate; from 1e-6 to 1e6.
    """
    low, high = math.log(1e-6), math.log(1e6)
    each = np.arange(bpp.shape[1])
    for _ in range(60):
        middle = (low + high) / 2
        rate = float(bpp[np.argmin(loss + math.exp(middle) * bpp, axis=0), each].mean())
        low, high = (middle, high) if rate > wanted else (low, middle)
    return math.exp((low + high) / 2)


def looks(ladder: Ladder, picture: Pixels | bytes | OpenedJPEG, judge: EncoderJudge, **reading: Any) -> Iterator[Look]:
    """A picture's files at `places_of` the ladder, in order.

    picture: uint8 pixels (H, W, 3), looked at as they are stored, or a JPEG file that is to be transcoded; then reading
    is of `transcode`, how the file is read, and the judge sees it upright. Raises ImageError, CodecError, ModelError.
    """
    if isinstance(picture, np.ndarray) and ladder.longest_side is not None:
        picture = at_most(codec.check_image(picture, ladder.parameters[0].sampling), ladder.longest_side)
    sampling = reading.pop("sampling", "keep")
    source = OpenedJPEG(picture, **reading) if isinstance(picture, bytes) else picture
    asked = None
    for place in places_of(ladder):
        parameters = ladder.at(place)
        if isinstance(source, OpenedJPEG):
            data = Transcoder(parameters, strip=True, never_grow=False, sampling=sampling).one(source).data
        else:
            data = codec.encode(source, parameters)
        if asked is None:  # only now: a file that cannot be transcoded is told so, not that it cannot be decoded
            orientation = orientation_of(source.data) if isinstance(source, OpenedJPEG) else UPRIGHT
            clean = upright(codec.decode(source.data), orientation) if isinstance(source, OpenedJPEG) else source
            asked = judge.of_picture(clean)
        bpp = 8 * len(data) / (clean.shape[0] * clean.shape[1])
        yield Look(parameters, data, bpp, partial(_loss, asked, data, orientation))


def _loss(asked: PictureJudge, data: bytes, orientation: int) -> float:
    return asked.loss(upright(codec.decode(data), orientation))
