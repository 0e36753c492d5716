"""The register of rivals: their names, what they need, and how each is made or restored."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.codecs.protocol import Codec
from j4d.errors import ParameterError
from j4d.jpeg.parameters import check_sampling

if TYPE_CHECKING:
    from j4d.images.image_set import ImageSet
    from j4d.readers.answers import Model

Kept = TypeVar("Kept")


@dataclass(frozen=True, eq=False)
class Learning:
    """What a rival may learn from, the same that `j4d.learn` gets.

    model: float (B, 3, H, W) RGB 0..255 at stored size to logits (B, K), differentiable. images: with labels, or
    without, when the model's own answers take their place.
    """

    model: Model
    images: ImageSet
    seed: int = 0
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Any, measure: Callable[[], Kept]) -> Kept:
        """What `measure` gives, measured when first asked for: several rivals need the same of the same pictures."""
        if key not in self._kept:
            self._kept[key] = measure()
        kept: Kept = self._kept[key]
        return kept


@dataclass(frozen=True, eq=False)
class Request:
    """What a rival's module is asked for. rates, points: as in `make`; options: the rival's own."""

    name: str
    sampling: str
    learning: Learning | None = None
    rates: Sequence[float] | None = None
    points: int = 12
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learned_from(self) -> Learning:
        """The learning material of a rival that needs it."""
        if self.learning is None:
            raise ParameterError(f"{self.name} learns from a model and pictures; give learning=Learning(model, images)")
        return self.learning


@dataclass(frozen=True)
class _Rival:
    module: str
    learns: bool = False
    package: str | None = None  # that it cannot do without
    feature: str | None = None  # of Pillow


_RIVALS = {
    "default-jpeg": _Rival("presets"),
    "flat": _Rival("presets"),
    **{f"mozjpeg-tables-{number}": _Rival("presets") for number in range(2, 9)},
    "mozjpeg": _Rival("mozjpeg", package="jpeglib"),
    "jpegli": _Rival("jpegli", package="pyjpegli"),
    "deepn-jpeg": _Rival("deepn_jpeg", learns=True),
    "grace": _Rival("grace", learns=True),
    "opts": _Rival("opts", learns=True),
    "opts-sdq": _Rival("swe", learns=True),
    "swe": _Rival("swe", learns=True),
    "random-search": _Rival("random_search", learns=True),
    "inverse-sensitivity": _Rival("inverse_sensitivity", learns=True),
    "webp": _Rival("other_formats", feature="webp"),
    "avif": _Rival("other_formats", feature="avif"),
    "jpeg-xl": _Rival("other_formats", package="pillow_jxl"),
}
_INSTALL = "pip install 'j4d[bench]'"


def names() -> tuple[str, ...]:
    """All rivals by name, default JPEG first."""
    return tuple(_RIVALS)


def learns(name: str) -> bool:
    """Whether the rival needs `Learning`. Raises ParameterError for an unknown name."""
    return _rival(name).learns


def missing(name: str) -> str | None:
    """Why the rival cannot run here, in a few words, or None if it can. Raises ParameterError for an unknown name."""
    rival = _rival(name)
    if rival.package and importlib.util.find_spec(rival.package) is None:
        return f"{name} needs the package {rival.package}, which is not installed; {_INSTALL}"
    if rival.feature:
        from PIL import features

        if not features.check(rival.feature):
            return f"this Pillow was built without {rival.feature}"
    return None


def make(
    name: str,
    *,
    sampling: str,
    learning: Learning | None = None,
    rates: Sequence[float] | None = None,
    points: int = 12,
    **options: Any,
) -> Codec:
    """The rival `name`, fitted where it learns.

    rates: target rates in bits per pixel, whole files, of those that learn; by default `points` of them over what
    default JPEG spans between qualities 5 and 92 on the learning pictures. The others have their qualities. jpegli and
    the formats other than JPEG have a sampling of their own where docs/rivals.md says so. options: of one rival alone,
    such as `evaluations` of random-search. Raises ParameterError.
    """
    check_sampling(sampling)
    if reason := missing(name):
        raise ParameterError(reason)
    module = importlib.import_module(f"j4d.rivals.{_rival(name).module}")
    build: Callable[..., Codec] = module.make
    try:
        return build(Request(name, sampling, learning, rates, points), **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise ParameterError(f"{name} has no such option: {', '.join(sorted(options))}") from None


def from_config(config: Mapping[str, Any]) -> Codec:
    """Any codec from its `get_config`, the two of `j4d.codecs` included. Raises ParameterError for an unknown id."""
    name = config.get("id")
    if name == LearnedJPEG.id:
        return LearnedJPEG.from_config(config)
    if name == DefaultJPEG.id:
        return DefaultJPEG.from_config(config)
    if reason := missing(str(name)):
        raise ParameterError(reason)
    restore: Callable[..., Codec] = importlib.import_module(f"j4d.rivals.{_rival(str(name)).module}").from_config
    return restore(config)


def _rival(name: str) -> _Rival:
    if name not in _RIVALS:
        raise ParameterError(f"no rival is called {name!r}; there are {', '.join(_RIVALS)}")
    return _RIVALS[name]
