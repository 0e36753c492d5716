"""What `quality` of a built-in profile means in bytes: bits per pixel, and the IJG quality of default JPEG as large.

    python bench/quality.py universal --images "$J4D_DATA/kodak" --store docs/profiles

Whole files of whole pictures, as they are and scaled down (Lanczos) to a few shorter sides, each moved along the ladder
as `j4d encode` does. Default JPEG: Annex K tables, optimized Huffman codes, the same sampling; its quality is read off
between whole ones, at equal bytes of all pictures together. Also: by how much a file grows from one quality to the
next, the smallest and the largest growth over all pictures, sizes and qualities. `--store` keeps the figures for
bench/profile_cards.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import j4d
from j4d.profile import file, lookup
from j4d.report.markdown import table
from j4d.support.files import write_atomic

SIDES = (512, 320, 224)  # pixels, the shorter; the first is Kodak's own
SHOWN = tuple(range(0, 101, 10))
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class AtSize:
    """Figures at one picture size. pixels: of all pictures; sizes: bytes (quality 0..100, pictures); jpeg: 1..100."""

    side: int
    pixels: int
    sizes: NDArray[np.int64]
    jpeg: NDArray[np.int64]

    def bpp(self, quality: int) -> float:
        return float(8 * self.sizes[quality].sum() / self.pixels)

    def ijg(self, quality: int) -> float | None:
        """The quality of default JPEG whose files together are as large; None where it has none so small or large."""
        total, totals = math.log(self.sizes[quality].sum()), np.log(self.jpeg.sum(1))
        return float(np.interp(total, totals, range(1, 101))) if totals[0] <= total <= totals[-1] else None

    def growth(self) -> tuple[float, float]:
        """The smallest and the largest growth of a picture's file over one quality, percent."""
        ratios = self.sizes[1:] / self.sizes[:-1]
        return 100 * float(ratios.min() - 1), 100 * float(ratios.max() - 1)


def measure(profile: j4d.Profile, pictures: list[Pixels], side: int) -> AtSize:
    scaled = [scaled_to(picture, side) for picture in pictures]
    sizes, jpeg = [], []
    defaults = [j4d.EncodingParameters.from_quality(q, profile.provenance.sampling) for q in range(1, 101)]
    for picture in scaled:
        sizes.append([len(j4d.encode(picture, profile.adapted(picture, quality=q))) for q in range(101)])
        jpeg.append([len(j4d.encode(picture, parameters)) for parameters in defaults])
    pixels = sum(picture.shape[0] * picture.shape[1] for picture in scaled)
    return AtSize(side, pixels, np.array(sizes).T, np.array(jpeg).T)


def scaled_to(picture: Pixels, side: int) -> Pixels:
    """The picture with this shorter side, or as it is where it has no more."""
    height, width = picture.shape[:2]
    factor = side / min(height, width)
    if factor >= 1:
        return picture
    return np.asarray(Image.fromarray(picture).resize((round(width * factor), round(height * factor)), Image.LANCZOS))


def figures(profile: j4d.Profile, name: str, count: int, found: list[AtSize]) -> dict[str, object]:
    """JSON values; the card shows them only beside the profile of this digest."""
    rows = [
        {"quality": quality, "bpp": [at.bpp(quality) for at in found], "ijg": [at.ijg(quality) for at in found]}
        for quality in SHOWN
    ]
    low, high = zip(*(at.growth() for at in found), strict=True)
    return {
        "format": "j4d-quality",
        "profile": profile.name,
        "digest": digest(profile),
        "images": name,
        "image_count": count,
        "sides": [at.side for at in found],
        "growth": [min(low), max(high)],
        "rows": rows,
    }


def digest(profile: j4d.Profile) -> str:
    return hashlib.sha256(file.dump(profile.to_json())).hexdigest()


def markdown(data: dict[str, Any]) -> str:
    """The table, and a sentence on how smooth the ladder is."""
    heads = [f"{what} at {side}" for side in data["sides"] for what in ("bpp", "IJG")]
    cells = [
        [str(row["quality"]), *(c for pair in zip(row["bpp"], row["ijg"], strict=True) for c in _cells(*pair))]
        for row in data["rows"]
    ]
    low, high = data["growth"]
    return (
        f"{data['image_count']} photographs of {data['images']}; from one quality to the next a file grows by "
        f"{low:.2f} % to {high:.1f} %, over all qualities, pictures and sizes. Columns are headed by the shorter "
        f"side in pixels.\n\n{table(['quality', *heads], cells)}"
    )


def _cells(bpp: float, ijg: float | None) -> tuple[str, str]:
    return f"{bpp:.2f}", "outside 1..100" if ijg is None else f"{ijg:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="a built-in name, or a file")
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument("--store", type=Path, help="folder for the figures")
    arguments = parser.parse_args()
    profile, images = lookup.find(arguments.profile), j4d.load_images(arguments.images)
    images = images.subset(range(min(len(images), arguments.limit or len(images))))
    pictures = list(images)
    found = [measure(profile, pictures, side) for side in SIDES]
    data = figures(profile, images.name, len(images), found)
    print(markdown(data))
    if arguments.store is not None:
        arguments.store.mkdir(parents=True, exist_ok=True)
        target = arguments.store / f"{profile.name}-quality.json"
        write_atomic(target, (json.dumps(data, indent=1) + "\n").encode())
        print(f"\n{target}")


if __name__ == "__main__":
    main()
