"""Does a profile still help where it was not learned? Default JPEG against it on pictures made otherwise.

    python bench/transfer.py universal -m MobileNet-v2="$J4D_DATA/zoo.py:load?name=mobilenet_v2_1.0_224_qat" \
        --images "$J4D_DATA/originals:test" --unlabelled "$J4D_DATA/kodak" --store docs/profiles

What is done to the photographs before either codec sees them:

    as stored        nothing
    shorter side 224 scaled down (Lanczos) to what models look at; smaller ones are left out
    gray             three equal channels of luma
    after JPEG 75    encoded by default JPEG of IJG quality 75 at 4:2:0 and decoded: the second compression is measured
    as CIFAR         the middle square, scaled down to 32 x 32 and up to 224 x 224 (both Lanczos), in place of CIFAR's
                     pictures, which models for 224 are shown so
    scaled up to 640 enlarged (Lanczos) to that shorter side, larger ones left out: not what a photograph of that size
                     would be, since there is nothing in its high frequencies

`--unlabelled` photographs are measured as stored, with the model's own answers as the truth: agreement and KL. So are
all KL figures: the answers are those on the changed picture before the codec. Enlarged pictures
say what happens to the encoder, not what a large photograph would do: larger ones than those given are not covered.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from profile_cards import measured_on, measured_table, where
from results import store

import j4d
from j4d.cli.inputs import folder_and_split
from j4d.codecs.default import DefaultJPEG
from j4d.errors import J4DError
from j4d.evaluation.contenders import Contenders
from j4d.evaluation.grid import GridModel, evaluate_grid
from j4d.evaluation.measurements import default_folder
from j4d.evaluation.stored import StoredResult
from j4d.images.image_set import ImageSet
from j4d.profile import lookup
from j4d.profile.profile import Profile
from j4d.support.specifications import split_name

QUALITIES = (5, 8, 12, 18, 25, 35, 50, 65, 80, 88, 93)
SIDE, LARGE = 224, 640
Pixels = NDArray[np.uint8]


def smaller(picture: Pixels) -> Pixels | None:
    height, width = picture.shape[:2]
    factor = SIDE / min(height, width)
    if factor >= 1:
        return None
    return np.asarray(Image.fromarray(picture).resize((round(width * factor), round(height * factor)), Image.LANCZOS))


def gray(picture: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))


def compressed(picture: Pixels) -> Pixels:
    return j4d.decode(j4d.encode(picture, j4d.EncodingParameters.from_quality(75)))


def as_cifar(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    tiny = Image.fromarray(picture[top : top + side, left : left + side]).resize((32, 32), Image.LANCZOS)
    return np.asarray(tiny.resize((SIDE, SIDE), Image.LANCZOS))


def larger(picture: Pixels) -> Pixels | None:
    height, width = picture.shape[:2]
    factor = LARGE / min(height, width)
    if factor <= 1:
        return None
    return np.asarray(Image.fromarray(picture).resize((round(width * factor), round(height * factor)), Image.LANCZOS))


CHANGES: dict[str, Callable[[Pixels], Pixels | None]] = {
    "as stored": lambda picture: picture,
    f"shorter side {SIDE}": smaller,
    "gray": gray,
    "after JPEG 75": compressed,
    "as CIFAR": as_cifar,
    f"scaled up to {LARGE}": larger,
}


def changed(images: ImageSet, name: str) -> ImageSet:
    """The pictures after the change of this name, in memory; those that it cannot be made to are left out."""
    found = [(i, new) for i, picture in enumerate(images) if (new := CHANGES[name](picture)) is not None]
    labels = None if images.labels is None else images.labels[[i for i, _ in found]]
    title = images.name if name == "as stored" else f"{images.name}, {name}"
    return ImageSet.from_arrays([new for _, new in found], labels, title)


def image_sets(arguments: argparse.Namespace) -> Iterator[ImageSet]:
    for places, names in ((arguments.images, arguments.change or list(CHANGES)), (arguments.unlabelled, ["as stored"])):
        for place in places:
            folder, split = folder_and_split(place, None)
            images = j4d.load_images(folder, split=split)
            if arguments.limit is not None:
                images = images.subset(range(min(arguments.limit, len(images))))
            for name in names:
                yield changed(images, name)


def measure(profile: Profile, arguments: argparse.Namespace) -> list[StoredResult]:
    torch.set_num_threads(1)
    contenders = Contenders()
    contenders.add_default(DefaultJPEG(QUALITIES, sampling=profile.provenance.sampling))
    contenders.add_profile(profile, profile.name, adapt="both")
    models = [GridModel.from_spec(spec, name=name) for name, spec in map(split_name, arguments.model)]
    evaluations = evaluate_grid(
        models,
        list(image_sets(arguments)),
        contenders.entries,
        protocol="stored-size",
        bootstrap=arguments.bootstrap,
        threads=1,
        cache=default_folder(),
        roles=contenders.roles,
    )
    return [StoredResult.of(evaluation) for evaluation in evaluations]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="a built-in name, or a file")
    parser.add_argument("--model", "-m", action="append", required=True, help="[NAME=]SPEC; may be repeated")
    parser.add_argument("--images", "-i", action="append", default=[], help="DIR or DIR:SPLIT; may be repeated")
    parser.add_argument("--unlabelled", action="append", default=[], help="the same, without labels and changes")
    parser.add_argument("--change", action="append", choices=list(CHANGES), help="only this one; may be repeated")
    parser.add_argument("--limit", type=int, help="only the first so many of each")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--store", type=Path, help="folder for the results, for bench/profile_cards.py")
    arguments = parser.parse_args()
    if not arguments.images and not arguments.unlabelled:
        parser.error("no photographs: --images or --unlabelled")
    try:
        profile = lookup.find(arguments.profile)
        results = measure(profile, arguments)
        for place in dict.fromkeys(map(where, results)):
            print(f"\n{place}\n")
            print(measured_table(profile, measured_on(profile, (r for r in results if where(r) == place))))
        if arguments.store is not None:
            print("", *store(results, arguments.store), sep="\n")
    except J4DError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
