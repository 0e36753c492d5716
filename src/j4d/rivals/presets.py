"""Fixed tables, scaled as IJG quality does: Annex K, one step for all, and those that mozjpeg ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from j4d.codecs.default import DefaultJPEG
from j4d.jpeg.presets import PRESETS, preset_parameters
from j4d.rivals.registry import Request

QUALITIES = (3, 5, 8, 12, 17, 24, 33, 45, 60, 75, 86, 93)


class PresetJPEG(DefaultJPEG):
    """JPEG with one of mozjpeg's tables, written as `DefaultJPEG` writes; settings are qualities."""

    def __init__(self, preset: int, qualities: Sequence[int] = QUALITIES, *, sampling: str = "4:2:0") -> None:
        title = PRESETS[preset][0]
        super().__init__(
            qualities, sampling=sampling, name=title if preset < 2 else f"mozjpeg tables {preset}: {title}"
        )
        self.preset = preset
        self._parameters = {int(q): preset_parameters(preset, q, sampling) for q in self._parameters}

    def get_config(self) -> dict[str, Any]:
        name = "flat" if self.preset == 1 else f"mozjpeg-tables-{self.preset}"
        return {"id": name, "preset": self.preset, "qualities": list(self._parameters), "sampling": self.sampling}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PresetJPEG:
        return cls(config["preset"], config["qualities"], sampling=config["sampling"])


def make(request: Request, qualities: Sequence[int] = QUALITIES) -> DefaultJPEG:
    if request.name == DefaultJPEG.id:
        return DefaultJPEG(qualities, sampling=request.sampling)
    preset = 1 if request.name == "flat" else int(request.name.rsplit("-", 1)[1])
    return PresetJPEG(preset, qualities, sampling=request.sampling)


from_config = PresetJPEG.from_config
