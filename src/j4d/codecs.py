"""Codecs as `evaluate` sees them: a ladder of settings, and four verbs as in numcodecs.

A codec is one small object with `encode`, `decode`, `get_config` and `from_config`; its configuration
is JSON, so that every measured file can be made again. Here: default JPEG (Annex K tables) and learned
profiles. A rival is one more class of this shape.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from j4d import codec as jpeg
from j4d.adaptation import Adaptation
from j4d.choice import Look, chosen, looks
from j4d.errors import ParameterError
from j4d.interpolation import Ladder
from j4d.parameters import EncodingParameters
from j4d.profile import Profile

if TYPE_CHECKING:
    from j4d.judge import EncoderJudge

Image = NDArray[np.uint8]
Setting = int | float | str
Self = TypeVar("Self", bound="Codec")

DEFAULT_QUALITIES = (5, 10, 15, 20, 30, 40, 50, 65, 75, 85, 95)


class Codec(Protocol):
    """What `evaluate` needs of a codec. `settings` run from small to large rate."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> tuple[Setting, ...]: ...

    def encode(self, image: Image, setting: Setting) -> bytes:
        """A whole file from uint8 RGB (H, W, 3); the same bytes whenever it is called."""
        ...

    def decode(self, data: bytes) -> Image:
        """uint8 RGB (H, W, 3), the size of what was encoded; the `stored_size` where a codec has a `longest_side`."""
        ...

    def estimated_bpp(self, setting: Setting) -> float | None:
        """The rate expected of `setting` in bits per pixel, None where the codec makes no estimate."""
        ...

    def get_config(self) -> dict[str, Any]:
        """JSON values, with the codec's `id`, from which `from_config` makes an equal codec."""
        ...

    @classmethod
    def from_config(cls: type[Self], config: Mapping[str, Any]) -> Self: ...


class DefaultJPEG:
    """JPEG as everybody writes it: Annex K tables scaled by IJG quality, optimized Huffman, plain rounding.

    Settings are the qualities, integers 1..100. Raises ParameterError for another quality or sampling.
    """

    id = "default-jpeg"

    def __init__(
        self,
        qualities: Sequence[int] = DEFAULT_QUALITIES,
        *,
        sampling: str = "4:2:0",
        name: str = "default JPEG",
    ) -> None:
        if not qualities:
            raise ParameterError("default JPEG needs at least one quality, got none")
        self.name = name
        self.sampling = sampling
        self._parameters = {q: EncodingParameters.from_quality(q, sampling) for q in sorted(set(qualities))}

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(self._parameters)

    def encode(self, image: Image, setting: Setting) -> bytes:
        return jpeg.encode(image, self._parameters[int(setting)], deterministic=True)

    def decode(self, data: bytes) -> Image:
        return jpeg.decode(data)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return None

    def parameters(self, setting: Setting) -> EncodingParameters:
        return self._parameters[int(setting)]

    def get_config(self) -> dict[str, Any]:
        qualities = list(self._parameters)
        return {"id": self.id, "qualities": qualities, "sampling": self.sampling, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DefaultJPEG:
        return cls(config["qualities"], sampling=config["sampling"], name=config["name"])


class LearnedJPEG:
    """The operating points of a profile, or of any list of encoding parameters; settings are their positions.

    `seed` draws the indices where the points have a sharpness; `deterministic` takes the nearest index instead.
    `at_least`: a profile with fewer points has others between them, as `Profile.at` interpolates, the same number
    between any two neighbours, until there are so many. `adapt`: a profile's pictures are moved along its ladder, as
    `Profile.adapted` does, if it has learned to. Raises ParameterError where there is no point, or where points have
    several longest sides.
    """

    id = "learned-jpeg"

    def __init__(
        self,
        source: Profile | Sequence[EncodingParameters],
        *,
        name: str | None = None,
        seed: int = 0,
        deterministic: bool = False,
        at_least: int = 0,
        adapt: bool = True,
    ) -> None:
        self._ladder: Ladder | None = None
        self._adaptation: Adaptation | None = None
        if isinstance(source, Profile):
            rates = _between([point.estimated_bpp for point in source.points], at_least)
            self._parameters = tuple(source.at(bpp=rate) for rate in rates)
            self._estimates: tuple[float | None, ...] = tuple(rates)
            if adapt and source.adaptation is not None:
                self._ladder, self._adaptation = source.ladder, source.adaptation
            name = name or source.name
        else:
            self._parameters = tuple(source)
            self._estimates = (None,) * len(self._parameters)
        if not self._parameters:
            raise ParameterError("a learned codec needs at least one operating point, got none")
        if len({parameters.longest_side for parameters in self._parameters}) > 1:
            raise ParameterError(
                "a learned codec stores pictures at one longest side, its operating points have several"
            )
        self.longest_side = self._parameters[0].longest_side  # pixels, of what is stored; None for any
        self.name = name or "learned"
        self.seed = seed
        self.deterministic = deterministic

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(range(len(self._parameters)))

    def encode(self, image: Image, setting: Setting) -> bytes:
        parameters = self._for_image(image, int(setting))
        return jpeg.encode(image, parameters, seed=self.seed, deterministic=self.deterministic)

    def _for_image(self, image: Image, setting: int) -> EncodingParameters:
        rate = self._estimates[setting]
        if self._adaptation is None or self._ladder is None or rate is None:
            return self._parameters[setting]
        complexity = self._adaptation.measured(self._ladder, image)
        return self._ladder.at(self._adaptation.place(self._ladder, math.log(rate), *complexity))

    def decode(self, data: bytes) -> Image:
        return jpeg.decode(data)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return self._estimates[int(setting)]

    def parameters(self, setting: Setting) -> EncodingParameters:
        """Those of the setting itself, of the average picture where pictures are moved."""
        return self._parameters[int(setting)]

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "seed": self.seed,
            "deterministic": self.deterministic,
            "parameters": [parameters.to_json() for parameters in self._parameters],
            "estimated_bpp": list(self._estimates),
        }
        if self._adaptation is not None and self._ladder is not None:
            points = [parameters.to_json() for parameters in self._ladder.parameters]
            ladder = {"log_rates": self._ladder.log_rates, "parameters": points}
            config |= {"adaptation": self._adaptation.to_json(), "ladder": ladder}
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearnedJPEG:
        points = [EncodingParameters.from_json(point) for point in config["parameters"]]
        made = cls(points, name=config["name"], seed=config["seed"], deterministic=config["deterministic"])
        made._estimates = tuple(config["estimated_bpp"])
        if "adaptation" in config:
            ladder = config["ladder"]
            rungs = [EncodingParameters.from_json(point) for point in ladder["parameters"]]
            made._ladder = Ladder(ladder["log_rates"], rungs)
            made._adaptation = Adaptation(**config["adaptation"])
        return made


class ChosenJPEG:
    """A profile whose pictures are placed by a judge, as `Profile.chosen` does; settings are positions on its ladder.

    judge: one that the profile knows. The rest as for `LearnedJPEG`. A configuration holds no model, so no codec can
    be made from it. Raises ProfileError.
    """

    id = "chosen-jpeg"

    def __init__(self, profile: Profile, judge: EncoderJudge, *, name: str | None = None, at_least: int = 0) -> None:
        self._ladder, self._judge = profile.ladder, judge
        self._choice, self.longest_side = profile.choice_of(judge), profile.longest_side
        self._rates = _between([point.estimated_bpp for point in profile.points], at_least)
        self.name = name or f"{profile.name}, chosen by {judge.name}"
        self._seen: tuple[bytes, list[Look]] = (b"", [])  # a picture, and its files

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(range(len(self._rates)))

    def encode(self, image: Image, setting: Setting) -> bytes:
        identity = _pixels(image)
        if self._seen[0] != identity:
            seen = [replace(look, loss=cache(look.loss)) for look in looks(self._ladder, image, self._judge)]
            self._seen = identity, seen
        lagrangian = self._choice.lagrangian(self._ladder, math.log(self._rates[int(setting)]))
        return chosen(self._seen[1], lagrangian).data

    def decode(self, data: bytes) -> Image:
        return jpeg.decode(data)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return self._rates[int(setting)]

    def get_config(self) -> dict[str, Any]:
        points = [parameters.to_json() for parameters in self._ladder.parameters]
        return {
            "id": self.id,
            "name": self.name,
            "ladder": {"log_rates": self._ladder.log_rates, "parameters": points},
            "choice": asdict(self._choice),
            "estimated_bpp": list(self._rates),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ChosenJPEG:
        raise ParameterError(f"codec {config['name']} asks a model; make it from its profile and the model")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_seen": (b"", [])}


def _between(rates: list[float], at_least: int) -> list[float]:
    """The rates with others log-linear between neighbours, as few between any two as make `at_least` of them."""
    gaps = len(rates) - 1
    parts = math.ceil((at_least - 1) / gaps) if gaps and at_least > len(rates) else 1
    inner = [low * (high / low) ** (i / parts) for low, high in pairwise(rates) for i in range(parts)]
    return [*inner, rates[-1]]


def _pixels(image: Image) -> bytes:
    """What tells one picture from another."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()


class EncodeCache:
    """Files already encoded, kept in memory, so that several models are measured without encoding again.

    Pass one to several `evaluate` calls. Keyed by the codec's configuration, the setting and the pixels.
    """

    def __init__(self) -> None:
        self._files: dict[tuple[str, Setting, bytes], bytes] = {}

    def __len__(self) -> int:
        return len(self._files)

    def encode(self, codec: Codec, image: Image, setting: Setting) -> bytes:
        config = json.dumps(codec.get_config(), sort_keys=True)
        key = (hashlib.sha256(config.encode()).hexdigest(), setting, _pixels(image))
        if key not in self._files:
            self._files[key] = codec.encode(image, setting)
        return self._files[key]
