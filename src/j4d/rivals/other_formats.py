"""WebP, AVIF and JPEG XL at Pillow's defaults: not rivals, as no JPEG decoder reads them, but a line to see ours by."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from j4d.codecs.protocol import Image, Setting
from j4d.rivals.registry import Request


@dataclass(frozen=True)
class _Format:
    pillow: str
    title: str
    qualities: tuple[int, ...]
    options: Mapping[str, Any]


_FORMATS = {
    "webp": _Format("WEBP", "WebP", (1, 5, 10, 20, 30, 40, 50, 65, 75, 85, 92, 96), {}),
    "avif": _Format("AVIF", "AVIF", (5, 12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 92), {"max_threads": 1}),
    "jpeg-xl": _Format("JXL", "JPEG XL", (1, 5, 10, 17, 25, 35, 46, 58, 70, 80, 88, 94), {"num_threads": 1}),
}


class OtherFormat:
    """Settings are the format's qualities. AVIF takes the sampling; WebP is 4:2:0, JPEG XL 4:4:4 in a space of its own.

    id: "webp", "avif" or "jpeg-xl".
    """

    def __init__(self, id: str, qualities: Sequence[int] | None = None, *, sampling: str = "4:2:0") -> None:
        self.id, self._format = id, _FORMATS[id]
        self.name, self.sampling = self._format.title, sampling
        self.qualities = tuple(sorted({int(q) for q in qualities or self._format.qualities}))

    @property
    def settings(self) -> tuple[Setting, ...]:
        return self.qualities

    def encode(self, image: Image, setting: Setting) -> bytes:
        from PIL import Image as Pillow

        self._register()
        options = dict(self._format.options)
        if self.id == "avif":
            options["subsampling"] = "4:0:0" if self.sampling == "gray" else self.sampling
        file = io.BytesIO()
        Pillow.fromarray(image).save(file, self._format.pillow, quality=int(setting), **options)
        return file.getvalue()

    def decode(self, data: bytes) -> Image:
        from PIL import Image as Pillow

        self._register()
        with Pillow.open(io.BytesIO(data), formats=[self._format.pillow]) as picture:
            return np.array(picture.convert("RGB"))

    def _register(self) -> None:
        if self.id == "jpeg-xl":
            import pillow_jxl  # noqa: F401  (it adds itself to Pillow)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"id": self.id, "qualities": list(self.qualities), "sampling": self.sampling}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> OtherFormat:
        return cls(config["id"], config["qualities"], sampling=config["sampling"])


def make(request: Request, qualities: Sequence[int] | None = None) -> OtherFormat:
    return OtherFormat(request.name, qualities, sampling=request.sampling)


from_config = OtherFormat.from_config
