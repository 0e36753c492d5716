"""The photographs that the built-in profiles are learned on: of mixed sizes, none shown twice.

    python bench/mixed_sizes.py "$J4D_DATA" -o mixed

Of the 160 full-size photographs to learn from, 80 stay as they are and 80 are scaled down (Lanczos) to a shorter side
drawn from 240..330; 160 more are those of 224 x 224 that show none of the full-size ones. Two pictures show the same
where 24 x 24 gray thumbnails of their centres correlate above 0.97. The choice is drawn with seed 0.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

KEPT = 80  # full-size photographs left as they are
SMALL = 160  # photographs of the models' own size
SIDES = (240, 330)  # pixels, the shorter, of those scaled down
ALIKE = 0.97

Row = dict[str, str]


def centre(image: Image.Image) -> Image.Image:
    """The shorter side to 256, then the 224 x 224 in the middle, as the small photographs were cut."""
    scale = 256 / min(image.size)
    scaled = image.resize((round(image.width * scale), round(image.height * scale)))
    left, top = (scaled.width - 224) // 2, (scaled.height - 224) // 2
    return scaled.crop((left, top, left + 224, top + 224))


def thumbnail(image: Image.Image) -> NDArray[np.float64]:
    """24 x 24 gray levels of zero mean and length 1."""
    gray = np.asarray(image.convert("L").resize((24, 24), Image.BOX), float).ravel()
    gray = gray - gray.mean()
    return gray / (np.linalg.norm(gray) + 1e-9)


def rows(folder: Path) -> list[Row]:
    with open(folder / "labels.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pictured(folder: Path, row: Row) -> Image.Image:
    return Image.open(folder / row["file"]).convert("RGB")


def mixed(data: Path, out: Path) -> list[tuple[str, str]]:
    """Write the pictures; (file, label) of each."""
    large, small = data / "originals", data / "learn"
    smalls = rows(small)
    thumbnails = np.stack([thumbnail(pictured(small, row)) for row in smalls])
    likeness = [thumbnails @ thumbnail(centre(pictured(large, row))) for row in rows(large)]
    shown = {int(found.argmax()) for found in likeness if found.max() > ALIKE}

    rng = random.Random(0)
    written = []
    chosen = [row for row in rows(large) if row["split"] == "learn"]
    rng.shuffle(chosen)
    for i, row in enumerate(chosen):
        image = pictured(large, row)
        if i >= KEPT:
            scale = rng.uniform(*SIDES) / min(image.size)
            if scale < 1:
                image = image.resize((round(image.width * scale), round(image.height * scale)), Image.LANCZOS)
        image.save(out / f"o{i:03d}.png")
        written.append((f"o{i:03d}.png", row["label"]))
    others = [row for i, row in enumerate(smalls) if i not in shown]
    rng.shuffle(others)
    for i, row in enumerate(others[:SMALL]):
        pictured(small, row).save(out / f"s{i:03d}.png")
        written.append((f"s{i:03d}.png", row["label"]))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the development data")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    written = mixed(arguments.data, arguments.out)
    with open(arguments.out / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label"), *written])
    print(f"{arguments.out}: {len(written)} photographs")


if __name__ == "__main__":
    main()
