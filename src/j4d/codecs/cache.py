"""A cache of encoded files in memory."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass
from j4d.codecs.protocol import Codec, Image, Setting


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
