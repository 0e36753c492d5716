"""Learn how single pictures move along a ladder, from files of learning pictures: an `Adaptation` and a `Choice`.

Every learning picture is encoded all along the ladder, and beyond its ends, and shown to the models: its bytes and its
loss are then known, and any two shares `by_bpp` and `by_side` can be tried without encoding again. Wanted are the two
that cost the fewest bits at equal mean loss, over all points. A few pictures hold most of the loss, so a hundred tell
little of which two these are: PRIOR is kept unless others are clearly better, and nothing is moved unless shares chosen
on some of the pictures cost fewer bits on the others as well. The same figures tell which lambda gives pictures whose
place is chosen by these models themselves a point's rate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from j4d.codecs.cache import EncodeCache
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import DataError, ModelError
from j4d.images.image_set import ImageSet
from j4d.learning.validation import measure_codec
from j4d.profile.adaptation import Adaptation
from j4d.profile.candidates import candidate_log_rates
from j4d.profile.choice import Choice
from j4d.profile.ladder import REACH, Ladder
from j4d.profile.profile import Profile
from j4d.readers.answers import Model
from j4d.readers.encoder_judge import names_of
from j4d.readers.fingerprints import joint_fingerprint, weighty
from j4d.readers.frozen import Frozen

if TYPE_CHECKING:
    pass

EXPONENTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
PRIOR = (0.4, 0.6)  # by_bpp, by_side: three models, 320 pictures, the universal profile (docs/recipe.md, section 7)
CLEAR = 2.0  # standard errors by which other shares must be better
FOLDS = 8
FEWEST_PICTURES = 20
LEAST_LOSS = 1e-8  # nats; less is rounding

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LadderFigures:
    """Actual bits per pixel and mean loss over models, (log rates, images), at `candidate_log_rates`; shorter sides."""

    places: list[float]
    bpp: Array
    loss: Array
    side: Array

    def of(self, pictures: NDArray[np.int64]) -> LadderFigures:
        return LadderFigures(self.places, self.bpp[:, pictures], self.loss[:, pictures], self.side[pictures])

    def means(self, place: float | Array) -> tuple[float, float]:
        """Mean bits per pixel and loss with each picture at its own place, interpolated in between."""
        places = np.clip(np.broadcast_to(place, self.side.shape), self.places[0], self.places[-1])
        high = np.searchsorted(self.places, places).clip(1, len(self.places) - 1)
        grid, each = np.array(self.places), np.arange(len(self.side))
        share = (places - grid[high - 1]) / (grid[high] - grid[high - 1])
        logs = np.log([self.bpp, np.maximum(self.loss, LEAST_LOSS)])  # both are near powers of the estimated rate
        bpp, loss = np.exp((1 - share) * logs[:, high - 1, each] + share * logs[:, high, each]).mean(1)
        return float(bpp), float(loss)

    @cached_property
    def curve(self) -> tuple[Array, Array]:
        """Mean loss, negated, and log bits per pixel with all pictures at one place, from place to place."""
        fine = np.linspace(self.places[0], self.places[-1], 12 * len(self.places))
        rates, losses = np.array([self.means(place) for place in fine]).T
        return -np.minimum.accumulate(losses), np.log(rates)  # more bits never hurt: what wiggles is noise


def fit_ladder(
    ladder: Ladder, models: Sequence[Model], pictures: ImageSet
) -> tuple[Adaptation | None, tuple[Choice, ...], float]:
    """The adaptation of a ladder to pictures and its gain (see `fit`), and the choice with these models as judges."""
    measured = measure_ladder(ladder, models, pictures)
    adaptation, gain = fit_adaptation(ladder, measured) or (None, 0.0)
    choice = fit_choice(ladder, measured, models)
    return adaptation, () if choice is None else (choice,), gain


def calibrate_judge(
    profile: Profile,
    model: Model | Sequence[Model],
    images: ImageSet | Sequence[NDArray[np.uint8]],
    *,
    name: str | None = None,
    progress: bool = False,
) -> Profile:
    """The profile, knowing also the model, or the mean of several, as a judge that may choose pictures' places.

    images: 20 or more like those to come, uint8 (H, W, 3); labels are not looked at. name: what the profile calls the
    judge. One that it knows already is learned anew. Raises DataError for fewer images, ModelError for a model without
    weights.
    """
    models = [*model] if isinstance(model, (list, tuple)) else [cast("Model", model)]
    pictures = images if isinstance(images, ImageSet) else ImageSet.from_arrays(list(images))
    if len(pictures) < FEWEST_PICTURES:
        raise DataError(f"{pictures.name}: {len(pictures)} images; give {FEWEST_PICTURES} or more to learn from")
    with Frozen(models):
        found = fit_choice(profile.ladder, measure_ladder(profile.ladder, models, pictures, progress), models, name)
    if found is None:
        raise ModelError(f"{name or names_of(models)}: no torch.nn.Module with weights, by which it would be known")
    others = (choice for choice in profile.choices if choice.fingerprint != found.fingerprint)
    return replace(profile, choices=(*others, found))


def measure_ladder(
    ladder: Ladder, models: Sequence[Model], pictures: ImageSet, progress: bool = False
) -> LadderFigures:
    """Files of the pictures, as they are stored, all along the ladder, as the models see them.

    The loss is the KL of the models' answers against those on the uncompressed picture; labels would not tell for each
    picture what compression does.
    """
    pictures = pictures.at_most(ladder.longest_side)
    places = candidate_log_rates(ladder)
    codec = LearnedJPEG([ladder.at(place) for place in places])
    losses, files = [], EncodeCache()
    for model in models:
        bpp, metrics = measure_codec(model, pictures, codec, files, progress)
        losses.append(metrics["kl"])
    sides = np.array([min(image.shape[:2]) for image in pictures], dtype=np.float64)
    return LadderFigures(places, bpp, np.mean(losses, 0), sides)


def fit_choice(
    ladder: Ladder, measured: LadderFigures, models: Sequence[Model], name: str | None = None
) -> Choice | None:
    """What these models need as judges: at each point the lambda that gives the pictures its rate together.

    None for models without weights, by which a profile would know them again, or fewer than FEWEST_PICTURES.
    """
    if measured.bpp.shape[1] < FEWEST_PICTURES or not weighty(models):
        return None
    wanted = (measured.bpp[measured.places.index(place)].mean() for place in ladder.log_rates)
    lambdas = tuple(lambda_for(measured.bpp, measured.loss, float(bpp)) for bpp in wanted)
    return Choice(name or names_of(models), joint_fingerprint(models), lambdas)


def fit_adaptation(ladder: Ladder, measured: LadderFigures) -> tuple[Adaptation, float] | None:
    """The adaptation and its gain on pictures it was not chosen on, mean log rate saved at equal loss; or None.

    None where there is no gain, or where there are fewer than FEWEST_PICTURES.
    """
    count = len(measured.side)
    if count < FEWEST_PICTURES:
        return None
    pairs = list(itertools.product(EXPONENTS, EXPONENTS if np.ptp(measured.side) else (0.0,)))
    prior = pairs.index(PRIOR if np.ptp(measured.side) else (PRIOR[0], 0.0))
    part = np.arange(count) % FOLDS
    others = [measured.of(np.flatnonzero(part != fold)) for fold in range(FOLDS)]
    above = np.array([_above(ladder, of_others, pairs, prior) for of_others in others])
    error = np.sqrt((FOLDS - 1) * above.var(0))  # the jackknife's
    gains = []
    for fold in range(FOLDS):
        chosen = _adaptation(ladder, others[fold], *pairs[_clear(above[fold], error, prior)])
        gains.append(_gain(ladder, measured.of(np.flatnonzero(part == fold)), chosen))
    gain = float(np.mean(gains))
    by_bpp, by_side = pairs[_clear(_above(ladder, measured, pairs, prior), error, prior)]
    return (_adaptation(ladder, measured, by_bpp, by_side), gain) if gain > 0 and (by_bpp or by_side) else None


def _above(ladder: Ladder, measured: LadderFigures, pairs: list[tuple[float, float]], prior: int) -> Array:
    """Gain of each pair of shares above that of the pair numbered `prior`."""
    gains = np.array([_gain(ladder, measured, _adaptation(ladder, measured, *pair)) for pair in pairs])
    return cast("Array", gains - gains[prior])


def _clear(above: Array, error: Array, prior: int) -> int:
    """Number of the pair that is better than the prior by the most beyond CLEAR standard errors, or the prior."""
    beyond = above - CLEAR * error
    best = int(beyond.argmax())
    return best if beyond[best] > 0 else prior


def _adaptation(ladder: Ladder, measured: LadderFigures, by_bpp: float, by_side: float) -> Adaptation:
    """With these shares, and the offsets that keep the mean rate at every point."""
    reference = len(ladder.log_rates) // 2
    at = measured.bpp[measured.places.index(ladder.log_rates[reference])]
    bpp, side = (float(np.exp(np.log(values).mean())) for values in (at, measured.side))
    none = (0.0,) * len(ladder.log_rates)
    made = Adaptation(reference, bpp, side, by_bpp, by_side, none)
    moves = _moves(made, at, measured.side)
    offsets = []
    for place in ladder.log_rates:
        wanted, _ = measured.means(place)
        low, high = -2 * REACH, 2 * REACH
        for _ in range(18):
            middle = (low + high) / 2
            low, high = (middle, high) if measured.means(place + middle + moves)[0] < wanted else (low, middle)
        offsets.append((low + high) / 2)
    return Adaptation(reference, bpp, side, by_bpp, by_side, tuple(offsets))


def _moves(adaptation: Adaptation, bpp: Array, side: Array) -> Array:
    return np.array([adaptation.move(b, s) for b, s in zip(bpp, side, strict=True)])


def _gain(ladder: Ladder, measured: LadderFigures, adaptation: Adaptation) -> float:
    """Mean over the points of log(rate without adaptation / rate with it) at equal mean loss."""
    at = measured.bpp[measured.places.index(ladder.log_rates[adaptation.reference])]
    moves = _moves(adaptation, at, measured.side)
    saved = []
    for place, offset in zip(ladder.log_rates, adaptation.offsets, strict=True):
        bpp, loss = measured.means(place + offset + moves)
        saved.append(float(np.interp(-loss, *measured.curve)) - math.log(bpp))
    return float(np.mean(saved))


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
