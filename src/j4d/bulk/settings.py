"""What is asked of every image of a data set, and the one function that does it.

`Settings` can be pickled, so that threads and Ray workers run the very same function, and its fingerprint tells whether
two runs would write the same bytes. What becomes of an image depends on nothing but its bytes, its key and the
settings: the seed of its random draws comes from the run's seed and the key by a stable hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args

import xxhash

from j4d._version import __version__
from j4d.bulk.results import Image, Status
from j4d.errors import CodecError, DataError, ParameterError, UnsupportedError
from j4d.jpeg.arguments import MAX_PIXELS
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.strip import Keep, stripped
from j4d.jpeg.transcoding import MAX_MEMORY, MemoryGate, OpenedJPEG, Sampling, Transcoded, Transcoder
from j4d.profile import file
from j4d.profile.judge import Judge
from j4d.profile.profile import Profile

LARGEST_IMAGE = 1 << 30  # bytes; no JPEG picture within the limits is larger
OnError = Literal["copy", "quarantine", "fail"]


@dataclass(frozen=True)
class Settings:
    """How a data set's images are transcoded; the fields are those of `j4d.transcode` unless said here.

    profile, with place (one of index, bpp, quality, as `Profile.at` takes it), or parameters, the same for all. adapt:
    move each picture along the profile's ladder, where the profile has learned it. judge: chooses each picture's place
    instead; the profile must know it. max_memory: bytes that the pictures under way in one
    process may take together; one that needs more is not transcoded. on_error: an image that is damaged
    or of a kind that is not transcoded is copied as it is, or put in quarantine, or ends the run. Raises
    ParameterError, ProfileError.
    """

    profile: Profile | None = None
    at: Mapping[str, Any] = field(default_factory=dict)
    parameters: EncodingParameters | None = None
    adapt: bool = True
    judge: Judge | None = None
    seed: int = 0
    deterministic: bool = False
    effort: int | None = None
    progressive: bool = False
    sampling: Sampling = "keep"
    strip: bool = False
    keep: tuple[Keep, ...] = ()
    never_grow: bool = True
    tolerate_damage: bool = False
    max_pixels: int = MAX_PIXELS
    max_memory: int = MAX_MEMORY
    on_error: OnError = "copy"

    def __post_init__(self) -> None:
        if (self.profile is None) == (self.parameters is None):
            raise ParameterError("give either a profile with a place on it, or parameters")
        if self.on_error not in get_args(OnError):
            raise ParameterError(f"on_error {self.on_error!r} is not one of {', '.join(get_args(OnError))}")
        self._transcoder(self._fixed(), self.seed)  # are they in order?
        if self.judge is not None:
            if self.profile is None or not self.adapt:
                raise ParameterError(
                    "a judge needs a profile that knows it, and adapt=True: it gives each picture its own place"
                )
            self.profile.choice_of(self.judge)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values that tells everything the output depends on, this version of j4d too."""
        apart = ("profile", "parameters", "at", "judge")
        values = {name: value for name, value in vars(self).items() if name not in apart}
        values["judges"] = [] if self.judge is None else list(self.judge.specs) or [self.judge.fingerprint]
        if self.profile is not None:
            source = file.dump(self.profile.to_json())
        else:
            source = json.dumps(self._fixed().to_json(), sort_keys=True).encode()
        content = hashlib.sha256(source).hexdigest()
        name = self.profile.name if self.profile else None
        return {"profile": name, "content": content, **self.at, **values, "j4d": __version__}

    def recoder(self) -> Callable[[str, bytes], Recoded]:
        """The function from an image's key and bytes to what is written in its place."""
        profile, judge, place = self.profile, self.judge, {**self.at, "sampling": self.sampling}
        if profile is not None and judge is not None:
            return self._placing(lambda opened: profile.chosen(opened, judge, **place))
        if profile is not None and self.adapt and profile.adaptation is not None:
            return self._placing(lambda opened: profile.adapted(opened, **place))
        fixed = self._fixed()
        if self.deterministic or fixed.sharpness is None:  # nothing is drawn: the same transcoder for every image
            same = self._transcoder(fixed, self.seed)
            return lambda key, data: self._recode(key, data, lambda: same.one(data))
        return lambda key, data: self._recode(
            key, data, lambda: self._transcoder(fixed, image_seed(self.seed, key)).one(data)
        )

    def _placing(self, parameters: Callable[[OpenedJPEG], EncodingParameters]) -> Callable[[str, bytes], Recoded]:
        """That function where each image has parameters of its own; it is read once for both."""

        def transcoded(key: str, data: bytes) -> Transcoded:
            limits = {"max_pixels": self.max_pixels, "max_memory": self.max_memory}
            opened = OpenedJPEG(data, tolerate_damage=self.tolerate_damage, **limits)
            return self._transcoder(parameters(opened), image_seed(self.seed, key)).one(opened)

        return lambda key, data: self._recode(key, data, lambda: transcoded(key, data))

    def _recode(self, key: str, data: bytes, transcoded: Callable[[], Transcoded]) -> Recoded:
        digest = xxhash.xxh3_128_digest(data)
        try:
            with _gate(self.max_memory).admit(data):
                found = transcoded()
        except (CodecError, MemoryError) as error:
            told = "out of memory" if isinstance(error, MemoryError) else str(error)
            if self.on_error == "fail":
                raise DataError(f"{key}: {told}") from None
            unsupported = isinstance(error, UnsupportedError)
            status: Status = "unsupported" if unsupported else "damaged"
            kept = None if self.on_error == "quarantine" else data
            if kept is not None and unsupported and self.strip:
                kept = stripped(data, self.keep) or data
            return Recoded(kept, Image(key, digest, len(data), len(kept or b""), status, told))
        status, note = _status_of(found)
        return Recoded(found.data, Image(key, digest, len(data), len(found.data), status, "", note=note))

    def _fixed(self) -> EncodingParameters:
        if self.parameters is not None:
            return self.parameters
        assert self.profile is not None
        return self.profile.at(**self.at)

    def _transcoder(self, parameters: EncodingParameters, seed: int) -> Transcoder:
        return Transcoder(
            parameters,
            seed=seed,
            deterministic=self.deterministic,
            effort=self.effort,
            progressive=self.progressive,
            strip=self.strip,
            keep=self.keep,
            never_grow=self.never_grow,
            sampling=self.sampling,
            tolerate_damage=self.tolerate_damage,
            max_pixels=self.max_pixels,
            max_memory=self.max_memory,
        )


def _status_of(found: Transcoded) -> tuple[Status, str]:
    """What the manifest says of an image that is written: its status, and a note."""
    if found.left:
        return "left", found.left
    if found.copied:
        return "kept", found.damage
    return ("tolerated", found.damage) if found.damage else ("transcoded", "; ".join(found.notes))


@cache
def _gate(max_memory: int) -> MemoryGate:
    """One in each process, for all of its threads."""
    return MemoryGate(max_memory)


@dataclass(frozen=True)
class Recoded:
    """data: what is written in the image's place; None where nothing is. image: what the manifest tells of it."""

    data: bytes | None
    image: Image


def image_seed(seed: int, key: str) -> int:
    """The seed of one image: the first 8 bytes of BLAKE2b over the run's seed and the key, as an integer."""
    text = f"{seed}\0{key}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
