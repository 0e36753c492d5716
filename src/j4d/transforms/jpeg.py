"""A transform that puts pictures through a real JPEG file: `JPEG`, for augmentation in training and for evaluation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from j4d.errors import ImageError, ParameterError
from j4d.jpeg import arguments, decoding, encoding
from j4d.jpeg.effort import with_effort
from j4d.jpeg.parameters import EncodingParameters, finite_number
from j4d.profile.builtin import DEFAULT
from j4d.profile.judge import Judge
from j4d.profile.lookup import find
from j4d.profile.profile import Profile
from j4d.transforms.pictures import Pixels, changed, like, pixels_of
from j4d.transforms.points import PointSampler, Values

_Random = Callable[[], np.random.Generator]


class JPEG:
    """Encode each picture as a JPEG file and decode that again: the pixels a model gets to see in the end.

        >>> JPEG("universal", quality=40)(image)   # PIL image, uint8 array or tensor (..., 3, H, W); the same comes out
        >>> v2.Compose([v2.RandomResizedCrop(224), JPEG(profile, quality=(20, 90)), v2.ToDtype(torch.float32)])

    profile: a `Profile`, its file, the name of a built-in one, or `EncodingParameters`, which have no places. quality,
    bpp, index: one of them, where on the profile: a number; a tuple (low, high), from which each picture draws its own;
    or a list to choose from (see `PointSampler`). sampling: of a built-in family, which member. adapt, judge: each
    picture moved as `Profile.adapted` or `Profile.chosen` do. deterministic, effort: as for `j4d.encode`.
    white: what white is in tensors of floats, 1 as in torchvision; 255 for j4d's own models.

    seed: None draws from torch's default generator, as torchvision's transforms do: `torch.manual_seed` repeats it, and
    a DataLoader seeds it anew for every worker and epoch. An integer makes what is drawn for a picture a function of
    that seed and the picture's pixels alone, the same in any worker and order, and in every epoch. Nothing is drawn at
    a fixed place of a profile whose quantizer draws nothing.

    With a longest side pictures come back in the size that is stored; boxes and masks beside them stay as they are.

    Gray pictures, PIL's mode L, (H, W) and (..., 1, H, W), become gray files. No gradient passes. Can be pickled.
    Raises ParameterError, ProfileError.
    """

    def __init__(
        self,
        profile: Profile | EncodingParameters | str | os.PathLike[str] = DEFAULT,
        *,
        quality: Values | None = None,
        bpp: Values | None = None,
        index: Values | None = None,
        sampling: str | None = None,
        adapt: bool = True,
        judge: Judge | None = None,
        deterministic: bool = False,
        effort: int | None = None,
        seed: int | None = None,
        white: float = 1.0,
    ) -> None:
        given = {"quality": quality, "bpp": bpp, "index": index}
        if isinstance(profile, (str, os.PathLike)):
            profile = find(profile, sampling)
        if isinstance(profile, Profile):
            self._place, own = PointSampler(profile, **given), profile.provenance.sampling
            with_effort(profile.points[0].parameters, effort)  # is it one?
        elif isinstance(profile, EncodingParameters):
            if judge is not None or any(value is not None for value in given.values()):
                raise ParameterError(
                    "encoding parameters have no quality, bpp, index or judge; give a profile for those"
                )
            own, profile = profile.sampling, with_effort(profile, effort)
        else:
            raise ParameterError(f"a {type(profile).__name__} is no Profile, no EncodingParameters and no name of one")
        if sampling not in (None, own):
            raise ParameterError(f"sampling {sampling!r}: the profile has its own, {own}")
        if judge is not None and isinstance(profile, Profile):
            if not adapt:
                raise ParameterError("a judge gives each picture its own place, adapt=False all the same; choose one")
            profile.choice_of(judge)
        self.profile, self.adapt, self.judge = profile, adapt, judge
        self.deterministic, self.effort = deterministic, effort
        self.seed = None if seed is None else arguments.check_seed(seed)
        self.white = finite_number(white, "white", ParameterError)

    def __call__(self, *inputs: Any) -> Any:
        """The picture as its JPEG file shows it.

        Of several inputs, or a dict, list or tuple, the pictures are changed and the rest is passed on (see
        `j4d.transforms.pictures.changed`). Every picture of a batch draws for itself. Raises ImageError.
        """
        return changed(inputs[0] if len(inputs) == 1 else inputs, self._through)

    def encode(self, image: Any) -> bytes:
        """The JPEG file of one picture, which `__call__` decodes. Raises ImageError."""
        pixels = pixels_of(image, self.white)
        if len(pixels) != 1:
            raise ImageError(f"{len(pixels)} pictures in a tensor of shape {tuple(image.shape)}; encode takes one")
        return self._encode(pixels[0])

    def __repr__(self) -> str:
        if isinstance(self.profile, EncodingParameters):
            return f"JPEG({self.profile.sampling}, seed={self.seed})"
        values = self._place.values
        place = values[0] if self._place.fixed else tuple(values) if self._place.range else values
        return f"JPEG({self.profile.name!r}, {self._place.name}={place}, seed={self.seed})"

    def _through(self, picture: Any) -> Any:
        decoded = []
        for pixels in pixels_of(picture, self.white):
            found = decoding.decode(self._encode(pixels))
            decoded.append(found if pixels.ndim == 3 else np.ascontiguousarray(found[..., 0]))
        return like(picture, decoded, self.white)

    def _encode(self, pixels: Pixels) -> bytes:
        random: _Random = cache(partial(_random, self.seed, pixels))
        colour = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
        parameters = self._parameters(colour, random)
        if pixels.ndim == 2:
            parameters = replace(parameters, sampling="gray")
        draws = parameters.sharpness is not None and not self.deterministic
        seed = int(random().integers(2**64, dtype=np.uint64)) if draws else 0
        return encoding.encode(pixels, parameters, seed=seed, deterministic=self.deterministic)

    def _parameters(self, pixels: Pixels, random: _Random) -> EncodingParameters:
        if isinstance(self.profile, EncodingParameters):
            return self.profile
        place = self._place.only if self._place.fixed else self._place.draw(random())
        if self.judge is not None:
            found = self.profile.chosen(pixels, self.judge, **place)
        elif self.adapt:
            found = self.profile.adapted(pixels, **place)
        else:
            found = self.profile.at(**place)
        return with_effort(found, self.effort)


def _random(seed: int | None, pixels: Pixels) -> np.random.Generator:
    """What is drawn from for one picture; see `JPEG` on seeds."""
    if seed is None:
        import torch

        return np.random.default_rng(int(torch.randint(2**62, ())))
    digest = hashlib.blake2b(f"{seed}\0{pixels.shape}\0".encode(), digest_size=8)
    digest.update(pixels.tobytes())
    return np.random.default_rng(int.from_bytes(digest.digest(), "little"))
