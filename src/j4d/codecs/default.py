"""Default JPEG, the reference of every comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from j4d.errors import ParameterError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters

if TYPE_CHECKING:
    pass
from j4d.codecs.protocol import Image, Setting

DEFAULT_QUALITIES = (5, 10, 15, 20, 30, 40, 50, 65, 75, 85, 95)


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
        return encoding.encode(image, self._parameters[int(setting)], deterministic=True)

    def decode(self, data: bytes) -> Image:
        return decoding.decode(data)

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
