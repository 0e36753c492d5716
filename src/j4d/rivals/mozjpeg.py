"""mozjpeg as it comes: its own tables (preset 3), trellis quantization of AC and DC, deringing. Through jpeglib.

jpeglib's wheel carries mozjpeg 4.0.3, whose progressive mode cannot be switched off from there. The indices that it
chose are therefore read back and written again by j4d, baseline and with lean headers like every other rival's; nothing
of the trellis is lost, which does not look at scans by default.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from j4d.codecs.protocol import Image, Setting
from j4d.errors import ParameterError
from j4d.jpeg import decoding
from j4d.jpeg.coefficients import read_coefficients, write_coefficients
from j4d.jpeg.parameters import check_sampling
from j4d.rivals.presets import QUALITIES
from j4d.rivals.registry import Request

VERSION = "mozjpeg403"


def mozjpeg_file(image: Image, quality: int, sampling: str, *, preset: int = 3, trellis: bool = True) -> bytes:
    """The progressive file that mozjpeg itself writes, steps 1..255; gray is not offered."""
    import jpeglib

    flags = ["+FORCE_BASELINE", *([] if trellis else ["-TRELLIS_QUANT", "-TRELLIS_QUANT_DC"])]
    before = jpeglib.version.get()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "mozjpeg.jpg"
        picture = jpeglib.from_spatial(image)
        picture.samp_factor = sampling
        jpeglib.version.set(VERSION)
        try:
            picture.write_spatial(str(path), qt=quality, base_quant_tbl_idx=preset, flags=flags)
        finally:
            jpeglib.version.set(before)
        return path.read_bytes()


class MozJPEG:
    """Settings are mozjpeg's qualities, integers 1..100."""

    id = "mozjpeg"

    def __init__(
        self, qualities: Sequence[int] = QUALITIES, *, sampling: str = "4:2:0", name: str = "mozjpeg, trellis"
    ) -> None:
        self.name, self.qualities = name, tuple(sorted({int(q) for q in qualities}))
        self.sampling = check_sampling(sampling)
        if self.sampling == "gray":
            raise ParameterError("mozjpeg is measured on colour pictures only; choose another sampling than gray")

    @property
    def settings(self) -> tuple[Setting, ...]:
        return self.qualities

    def encode(self, image: Image, setting: Setting) -> bytes:
        return write_coefficients(read_coefficients(mozjpeg_file(image, int(setting), self.sampling)))

    def decode(self, data: bytes) -> Image:
        return decoding.decode(data)

    def estimated_bpp(self, setting: Setting) -> float | None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "version": VERSION,
            "qualities": list(self.qualities),
            "sampling": self.sampling,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MozJPEG:
        return cls(config["qualities"], sampling=config["sampling"], name=config["name"])


def make(request: Request, qualities: Sequence[int] = QUALITIES) -> MozJPEG:
    return MozJPEG(qualities, sampling=request.sampling)


from_config = MozJPEG.from_config
