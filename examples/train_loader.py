"""A PyTorch Dataset whose pictures go through JPEG files, each at a rate of its own, in two worker processes.

python examples/train_loader.py photos
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from j4d.transforms import JPEG

SIDE = 224
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Photographs(Dataset):
    """The pictures of a folder, float (3, SIDE, SIDE) in 0..1."""

    def __init__(self, folder: str, transform: JPEG) -> None:
        self.paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        stored = self.transform(
            Image.open(self.paths[index]).convert("RGB")
        )  # at the size it is stored in, then resized
        return torch.from_numpy(np.array(stored.resize((SIDE, SIDE)))).permute(2, 0, 1) / 255


if __name__ == "__main__":  # workers import this file again
    torch.manual_seed(0)  # the same places on the profile in every run
    data = Photographs(sys.argv[1], JPEG("universal", quality=(10, 90)))
    for batch in DataLoader(data, batch_size=4, shuffle=True, num_workers=2):
        print(tuple(batch.shape), f"mean {batch.mean():.4f}")
