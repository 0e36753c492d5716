"""Size as an encoding parameter: pictures scaled down before they are encoded, against the same profile at full size.

    Z="$J4D_DATA/zoo.py:load?name="
    python bench/stored_smaller.py universal -m MobileNet-v1="${Z}mobilenet_v1_1.0_224" \
        -m SqueezeNet="${Z}squeezenet1.1" -m EfficientNet-Lite0=demo:efficientnet-lite0 -i "$J4D_DATA/originals:val"

    j4d learn -m "${Z}mobilenet_v1_0.5_160" -i "$J4D_DATA/originals:learn" --longest-side 304 -o small.json ...
    python bench/stored_smaller.py full.json --longest 304 --learned small.json -m ... -i "$J4D_DATA/originals:val"

Each picture is scaled down (Lanczos), to a shorter side (`--sides`) or to a longest side (`--longest`, which is what
`j4d` takes), encoded along the profile's ladder and decoded; the model sees it through its own resize, as it sees the
whole picture. `--learned`: profiles learned for a longest side, at theirs: size and tables jointly. Rates are of whole
files, over the pixels of the picture as it was. Prints BD-rates against the first profile as it is (which may have a
longest side too, `Profile.stored_at`), at equal loss, with 95 % intervals by paired bootstrap.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from j4d import load_images, load_model
from j4d.cli.inputs import folder_and_split
from j4d.evaluation.bd import Curves, bd_rate, interval, resample_weights
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.profile import lookup
from j4d.profile.profile import Profile
from j4d.readers.answers import Model, evaluating, log_probabilities, metrics_of
from j4d.support.specifications import split_name

SIDES = (352, 304, 272, 256, 232)  # shorter ones
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Way:
    """How pictures are stored: scaled to `shorter` first, then as the profile's parameters have it."""

    size: str
    tables: str
    profile: Profile
    shorter: int | None = None

    def file(self, picture: Pixels, quality: float) -> bytes:
        small = smaller(picture, self.shorter)
        return encoding.encode(small, self.profile.adapted(small, quality=quality))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="a built-in name, or a file")
    parser.add_argument("--model", "-m", action="append", required=True, help="[NAME=]SPEC; may be repeated")
    parser.add_argument("--images", "-i", required=True, help="DIR or DIR:SPLIT, with labels")
    parser.add_argument("--sides", type=int, nargs="+", help="shorter sides, pixels, with the profile as it is")
    parser.add_argument("--longest", type=int, nargs="+", help="longest sides, pixels, with the profile as it is")
    parser.add_argument("--learned", nargs="+", default=[], help="profiles that were learned for a longest side")
    parser.add_argument("--places", type=int, default=11, help="qualities on each ladder, evenly spaced")
    parser.add_argument("--limit", type=int, help="only the first so many pictures")
    parser.add_argument("--bootstrap", type=int, default=1000)
    options = parser.parse_args()
    folder, split = folder_and_split(options.images, None)
    images = load_images(folder, split=split)
    if options.limit is not None:
        images = images.subset(range(min(options.limit, len(images))))
    if images.labels is None:
        parser.error(f"{options.images} has no labels")
    ways = ways_of(options)
    weights = resample_weights(len(images), options.bootstrap, 0)
    print(f"{ways[0].tables}, {len(images)} pictures, % of bytes")
    print("| model | stored at | tables | bpp, from and to | equal cross-entropy | equal KL |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, spec in (split_name(model) for model in options.model):
        figures = measured(ways, load_model(spec), images, options.places)
        for i, way in enumerate(ways):
            rates = figures[:, i, :, 0].mean(0)
            cells = [text(figures[:, 0], figures[:, i], metric, weights) if i else "" for metric in (1, 2)]
            row = (name, way.size, way.tables, f"{rates[0]:.3f} {rates[-1]:.3f}", *cells)
            print(f"| {' | '.join(row)} |", flush=True)


def ways_of(options: argparse.Namespace) -> list[Way]:
    """The profile as it is first."""
    profile = lookup.find(options.profile)
    learned = [lookup.find(place) for place in options.learned]
    shorter = options.sides or ([] if options.longest or learned else SIDES)
    return [
        Way(
            "full size" if profile.longest_side is None else f"longest side {profile.longest_side}",
            profile.name,
            profile,
        ),
        *(Way(f"shorter side {side}", profile.name, profile, side) for side in shorter),
        *(Way(f"longest side {side}", profile.name, profile.stored_at(side)) for side in options.longest or ()),
        *(Way(f"longest side {own.longest_side}", f"{own.name}, its own", own) for own in learned),
    ]


def measured(ways: Sequence[Way], model: Model, images: ImageSet, places: int) -> NDArray[np.float64]:
    """(N, ways, places, 3): bits per pixel of the picture as it was, cross-entropy, KL."""
    found = np.empty((len(images), len(ways), places, 3))
    with evaluating(model):
        for i, picture in enumerate(images):
            clean = log_probabilities(model, [picture])
            for w, way in enumerate(ways):
                for p, quality in enumerate(np.linspace(0, 100, places)):
                    data = way.file(picture, float(quality))
                    answer = log_probabilities(model, [decoding.decode(data)])
                    losses = metrics_of(answer, clean, int(images.labels[i]))
                    bits = 8 * len(data) / (picture.shape[0] * picture.shape[1])
                    found[i, w, p] = bits, losses["cross_entropy"][0], losses["kl"][0]
    return found


def smaller(picture: Pixels, side: int | None) -> Pixels:
    """Scaled down to this shorter side."""
    height, width = picture.shape[:2]
    if side is None or side >= min(height, width):
        return picture
    factor = side / min(height, width)
    return np.asarray(Image.fromarray(picture).resize((round(width * factor), round(height * factor)), Image.LANCZOS))


def text(before: NDArray[np.float64], after: NDArray[np.float64], metric: int, weights: NDArray[np.float64]) -> str:
    """BD-rate of two arrays (N, places, 3), with its interval."""
    rows = np.vstack([np.full(len(before), 1 / len(before)), weights])
    curves = [Curves.from_points(rows @ each[..., 0], -(rows @ each[..., metric])) for each in (before, after)]
    rates = bd_rate(*curves)
    found = interval(float(rates[0]), rates[1:])
    return f"{found.value:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"


if __name__ == "__main__":
    main()
