"""A profile on pictures of 12 megapixels: bytes, where its adaptation puts them, time, memory, and a model's answers.

    python bench/large_pictures.py universal --images "$J4D_DATA/kodak" \
        -m MobileNet-v2="$J4D_DATA/zoo.py:load?name=mobilenet_v2_1.0_224_qat"

No photograph of that size is at hand, and none can be made of smaller ones; these are stress tests of the encoder.
*enlarged*: a photograph scaled up (Lanczos) to 4000 x 3000, with nothing in its high frequencies. *mosaic*: photographs
side by side at their own size until 4000 x 3000 are full: as busy as they are, which one large scene is not. Beside the
profile stand default JPEG, and the profile with a longest side. Rates are of whole files over 12 megapixels, KL is that
of the answer against the one on the uncompressed picture, both means over the pictures of a kind. move: in log rate, by
the adaptation. seconds: processor time of finding the place and encoding, of decoding not. Peak: of the process.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from j4d import EncodingParameters, load_images, load_model
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.profile import lookup
from j4d.profile.profile import Profile
from j4d.readers.answers import Model, evaluating, log_probabilities, metrics_of
from j4d.support.specifications import split_name

HEIGHT, WIDTH = 3000, 4000
QUALITIES = (0, 20, 40, 60, 80, 100)
JPEG_QUALITIES = (3, 5, 10, 20, 40)
Pixels = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="a built-in name, or a file; it moves pictures along its ladder")
    parser.add_argument("--model", "-m", required=True, help="[NAME=]SPEC")
    parser.add_argument("--images", "-i", required=True, help="a folder of photographs")
    parser.add_argument("--count", type=int, default=2, help="pictures of each kind")
    parser.add_argument("--longest", type=int, nargs="*", default=[408], help="longest sides, pixels")
    options = parser.parse_args()
    torch.set_num_threads(1)
    profile, images = lookup.find(options.profile), load_images(options.images)
    name, spec = split_name(options.model)
    model = load_model(spec)
    print(f"{profile.name}, {name}, {options.count} pictures of each kind")
    print("| picture | encoded by | bpp | move | seconds | KL |\n| --- | --- | ---: | ---: | ---: | ---: |")
    with evaluating(model):
        for kind, make in {"enlarged": enlarged, "mosaic": mosaic}.items():
            pictures = [make(images, number) for number in range(options.count)]
            for label, row in rows(profile, model, pictures, options.longest):
                bpp, move, seconds, kl = row
                moved = "" if np.isnan(move) else f"{move:+.2f}"
                print(f"| {kind} | {label} | {bpp:.4f} | {moved} | {seconds:.2f} | {kl:.3f} |", flush=True)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, the model's share in it")


def enlarged(images: ImageSet, number: int) -> Pixels:
    return np.array(Image.fromarray(lying(images[number])).resize((WIDTH, HEIGHT), Image.LANCZOS))


def mosaic(images: ImageSet, number: int) -> Pixels:
    made = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    top = 0
    while top < HEIGHT:
        left, row = 0, 0
        while left < WIDTH:
            tile = lying(images[number % len(images)])[: HEIGHT - top, : WIDTH - left]
            made[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
            left, row, number = left + tile.shape[1], max(row, tile.shape[0]), number + 1
        top += row
    return made


def lying(picture: Pixels) -> Pixels:
    return picture if picture.shape[0] <= picture.shape[1] else np.rot90(picture)


def rows(
    profile: Profile, model: Model, pictures: list[Pixels], longest: list[int]
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """(label, (bpp, move, seconds, KL)), means over the pictures."""
    clean = [log_probabilities(model, [picture]) for picture in pictures]
    for quality in JPEG_QUALITIES:
        parameters = EncodingParameters.from_quality(quality)
        found = [figures(model, picture, answer, parameters) for picture, answer in zip(pictures, clean, strict=True)]
        yield f"default JPEG {quality}", np.mean(found, 0)
    for side in (None, *longest):
        stored = profile.stored_at(side)
        for quality in QUALITIES:
            found = [
                figures(model, picture, answer, stored, quality)
                for picture, answer in zip(pictures, clean, strict=True)
            ]
            yield f"quality {quality}" + ("" if side is None else f", longest side {side}"), np.mean(found, 0)


def figures(
    model: Model, picture: Pixels, clean: torch.Tensor, source: Profile | EncodingParameters, quality: float = 0
) -> tuple[float, float, float, float]:
    start, move = time.process_time(), float("nan")
    parameters = source.adapted(picture, quality=quality) if isinstance(source, Profile) else source
    data = encoding.encode(picture, parameters)
    seconds = time.process_time() - start
    if isinstance(source, Profile) and source.adaptation is not None:
        move = source.adaptation.move(*source.adaptation.complexity(source.ladder, picture))
    kl = metrics_of(log_probabilities(model, [decoding.decode(data)]), clean, None)["kl"][0]
    return 8 * len(data) / picture[..., 0].size, move, seconds, kl


if __name__ == "__main__":
    main()
