"""Size as an encoding parameter: pictures scaled down before they are encoded, against the same profile at full size.

    Z="$J4D_DATA/zoo.py:load?name="
    python bench/stored_smaller.py universal -m MobileNet-v1="${Z}mobilenet_v1_1.0_224" \
        -m SqueezeNet="${Z}squeezenet1.1" -m EfficientNet-Lite0=demo:efficientnet-lite0 -i "$J4D_DATA/originals:val"

Each picture is scaled down (Lanczos) to a shorter side, encoded along the profile's ladder and decoded; the model sees
it through its own resize, as it sees the whole picture. Rates are of whole files, over the pixels of the picture as it
was. Prints BD-rates against the same profile without scaling, at equal loss, with 95 % intervals by paired bootstrap.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from j4d import builtin, codec, load_images, load_model
from j4d.bd import Curves, bd_rate, interval, resample_weights
from j4d.cli.evaluate import _named as named
from j4d.cli.inputs import folder_and_split
from j4d.evaluation.judging import evaluating, judge, log_probabilities
from j4d.images import ImageSet
from j4d.profile import Profile
from j4d.tasks import Model

PLACES = 11
Pixels = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("profile", help="a built-in name, or a file")
    parser.add_argument("--model", "-m", action="append", required=True, help="[NAME=]SPEC; may be repeated")
    parser.add_argument("--images", "-i", required=True, help="DIR or DIR:SPLIT, with labels")
    parser.add_argument("--sides", type=int, nargs="+", default=[352, 304, 272, 256, 232], help="shorter sides, pixels")
    parser.add_argument("--limit", type=int, help="only the first so many pictures")
    parser.add_argument("--bootstrap", type=int, default=1000)
    options = parser.parse_args()
    profile = builtin.find(options.profile)
    folder, split = folder_and_split(options.images, None)
    images = load_images(folder, split=split)
    if options.limit is not None:
        images = images.subset(range(min(options.limit, len(images))))
    if images.labels is None:
        parser.error(f"{options.images} has no labels")
    sides = (None, *options.sides)
    weights = resample_weights(len(images), options.bootstrap, 0)
    print(
        f"{profile.name}, {len(images)} pictures, % of bytes\n| model | shorter side | equal cross-entropy | equal KL |"
    )
    print("| --- | --- | --- | --- |")
    for name, spec in (named(model) for model in options.model):
        figures = measured(profile, load_model(spec), images, sides)
        for i, side in enumerate(options.sides, 1):
            cells = [text(figures[:, 0], figures[:, i], metric, weights) for metric in (1, 2)]
            print(f"| {name} | {side} | {cells[0]} | {cells[1]} |", flush=True)


def measured(profile: Profile, model: Model, images: ImageSet, sides: tuple[int | None, ...]) -> NDArray[np.float64]:
    """(N, sides, places, 3): bits per pixel of the picture as it was, cross-entropy, KL."""
    found = np.empty((len(images), len(sides), PLACES, 3))
    with evaluating(model):
        for i, picture in enumerate(images):
            clean = log_probabilities(model, [picture])
            for s, side in enumerate(sides):
                small = smaller(picture, side)
                for p, quality in enumerate(np.linspace(0, 100, PLACES)):
                    data = codec.encode(small, profile.adapted(small, quality=float(quality)))
                    answer = log_probabilities(model, [codec.decode(data)])
                    losses = judge(answer, clean, int(images.labels[i]))
                    bits = 8 * len(data) / (picture.shape[0] * picture.shape[1])
                    found[i, s, p] = bits, losses["cross_entropy"][0], losses["kl"][0]
    return found


def smaller(picture: Pixels, side: int | None) -> Pixels:
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
