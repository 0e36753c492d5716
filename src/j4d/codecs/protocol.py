"""`Codec`: what evaluation needs of a codec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass


Image = NDArray[np.uint8]


Setting = int | float | str


Self = TypeVar("Self", bound="Codec")


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
