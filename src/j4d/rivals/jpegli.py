"""jpegli: Google's encoder of ordinary JPEG files, with tables and adaptive dead zones of its own. Through pyjpegli.

pyjpegli offers a quality and nothing else, and samples 4:2:0 whatever the others do. Its files are progressive and
have three tables; as with mozjpeg the indices are read back and written again by j4d, with the same three tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from j4d.codecs.protocol import Image, Setting
from j4d.jpeg import decoding
from j4d.jpeg.coefficients import read_coefficients, write_coefficients
from j4d.rivals.registry import Request

QUALITIES = (1, 4, 8, 14, 21, 30, 42, 55, 68, 80, 88, 93)


class Jpegli:
    """Settings are jpegli's qualities, integers 1..100. Always 4:2:0."""

    id = "jpegli"

    def __init__(self, qualities: Sequence[int] = QUALITIES, *, name: str = "jpegli 4:2:0") -> None:
        self.name, self.qualities = name, tuple(sorted({int(q) for q in qualities}))

    @property
    def settings(self) -> tuple[Setting, ...]:
        return self.qualities

    def encode(self, image: Image, setting: Setting) -> bytes:
        import pyjpegli

        file = pyjpegli.encode(image.tobytes(), image.shape[1], image.shape[0], int(setting))
        return write_coefficients(read_coefficients(file))

    def decode(self, data: bytes) -> Image:
        return decoding.decode(data)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "qualities": list(self.qualities)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Jpegli:
        return cls(config["qualities"], name=config["name"])


def make(request: Request, qualities: Sequence[int] = QUALITIES) -> Jpegli:
    return Jpegli(qualities)


from_config = Jpegli.from_config
