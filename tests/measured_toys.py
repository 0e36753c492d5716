"""A toy codec, model and pictures for tests of measuring; in a module of its own, so that other processes find them."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from toys import SEED

SIZES = [(24, 32), (32, 24), (24, 32), (17, 23), (32, 24), (24, 32)]
IMAGES = [np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8) for i, size in enumerate(SIZES)]
LABELS = [0, 3, 1, 6, 2, 5]


class Net(torch.nn.Module):
    """Logits from 4x4 averages by a fixed random matrix; dropout tells whether it runs in eval mode."""

    def __init__(self, classes: int = 7, seed: int = 0) -> None:
        super().__init__()
        weight = torch.randn(classes, 48, generator=torch.Generator().manual_seed(SEED + seed))
        self.weight = torch.nn.Parameter(weight / 20)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(torch.nn.functional.adaptive_avg_pool2d(x - 128, 4).flatten(1)) @ self.weight.T


class Coarse:
    """A toy codec: pixels rounded down to multiples of a step, deflated; step 1 is lossless."""

    def __init__(self, steps=(80, 40, 16, 1), name="coarse", copies=1):
        self.settings, self.name, self.copies = tuple(steps), name, copies

    def encode(self, image, setting):
        head = np.array([*image.shape, setting], dtype="<u2").tobytes()
        return (head + zlib.compress((image // setting).tobytes())) * self.copies

    def decode(self, data):
        *shape, step = np.frombuffer(data[:8], dtype="<u2")
        return np.frombuffer(zlib.decompressobj().decompress(data[8:]), np.uint8).reshape(shape) * np.uint8(step)

    def estimated_bpp(self, setting):
        return None if setting == 1 else 1.0 / setting

    def get_config(self):
        return {"id": "coarse", "settings": list(self.settings), "copies": self.copies}

    @classmethod
    def from_config(cls, config):
        return cls(config["settings"], copies=config["copies"])
