"""Estimated against actual rate, whole files, on images that the rate model has not seen: along a profile's ladder and
default JPEG's.

Asked about the images' own spectrum, the rate model that the profile carries and, with --learn, both kinds, marginal
entropies and symbols, fitted to default JPEG on other images. --bands takes a quality of default JPEG, scales the steps
of bands of frequencies, and sets the change of real files beside the two derivatives.

    python bench/rate.py profile.json $J4D_DATA/test
    python bench/rate.py universal $J4D_DATA/kodak --learn $J4D_DATA/originals:learn --bands 30
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch
from adaptation import images_of
from gradient import BANDS, CHANGE, scaled

from j4d.cli.options import profile_of
from j4d.images.image_set import ImageSet
from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.learn import FIT_IMAGES, FIT_QUALITIES
from j4d.rate.model import RATES, RateModel
from j4d.rate.spectrum import Spectrum

QUALITIES = (5, 8, 15, 30, 50, 75, 85, 92)
Ladder = list[tuple[str, EncodingParameters]]


def actual_bpp(images: ImageSet, parameters: EncodingParameters) -> float:
    """Bits per pixel of all images together."""
    sizes = [(8 * len(encode(image, parameters)), image.shape[0] * image.shape[1]) for image in images]
    bits, pixels = np.array(sizes).sum(0)
    return float(bits / pixels)


def print_errors(models: dict[str, RateModel], images: ImageSet, spectrum: Spectrum, ladder: Ladder) -> None:
    """A line per point of the ladder and one for the greatest and the mean error of each model."""
    print(f"| point | actual bpp | {' | '.join(models)} |\n| --- | --- |{' --- |' * len(models)}")
    errors = []
    for name, parameters in ladder:
        actual = actual_bpp(images, parameters)
        errors.append([100 * (m.bpp(spectrum, parameters) / actual - 1) for m in models.values()])
        print(f"| {name} | {actual:.4f} | {' | '.join(f'{e:+.1f} %' for e in errors[-1])} |")
    off = np.abs(errors)
    cells = [f"{most:.1f} %, {mean:.1f} %" for most, mean in zip(off.max(0), off.mean(0), strict=True)]
    print(f"| greatest, mean | | {' | '.join(cells)} |\n")


def print_bands(models: dict[str, RateModel], images: ImageSet, spectrum: Spectrum, at: EncodingParameters) -> None:
    """Per band, the change of log rate per log step: of files, and of each model's estimate by its derivative."""
    steps = [torch.tensor(t, dtype=torch.float32, requires_grad=True) for t in (at.luma.steps, at.chroma.steps)]
    slopes = {}
    for name, model in models.items():
        bpp = model.whole(spectrum, steps, 8.0)
        parts = zip(torch.autograd.grad(bpp, steps), steps, strict=True)
        slopes[name] = [(g * s / bpp).detach() for g, s in parts]
    print(f"| band | files | {' | '.join(models)} |\n| --- | --- |{' --- |' * len(models)}")
    for band, table, mask in BANDS:
        up, down = (scaled(at, table, mask, sign * CHANGE) for sign in (1, -1))
        ends = [(p.luma.steps, p.chroma.steps)[table][mask] for p in (up, down)]
        change = np.log(ends[0] / ends[1]).mean()  # what rounding left of it
        true = np.log(actual_bpp(images, up) / actual_bpp(images, down)) / change
        cells = [float(slope[table][torch.from_numpy(mask)].sum()) for slope in slopes.values()]
        print(f"| {band} | {100 * true:+.1f} % | {' | '.join(f'{100 * cell:+.1f} %' for cell in cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("profile", help="a file, or a built-in profile's name")
    parser.add_argument("images", help="DIR or DIR:SPLIT")
    parser.add_argument("--learn", help="DIR or DIR:SPLIT that both rate models are fitted on")
    parser.add_argument("--sampling", help="by default the profile's")
    parser.add_argument("--bands", type=int, metavar="QUALITY")
    options = parser.parse_args()
    torch.set_num_threads(1)
    profile, images = profile_of(options.profile), images_of(options.images)
    sampling = options.sampling or profile.provenance.sampling
    points: Ladder = [(str(i), replace(p.parameters, sampling=sampling)) for i, p in enumerate(profile.points)]
    default: Ladder = [(f"quality {q}", EncodingParameters.from_quality(q, sampling)) for q in QUALITIES]
    models: dict[str, RateModel] = {}
    settings = profile.provenance.settings.get("rate_model")
    if isinstance(settings, dict):
        models["profile's"] = RateModel(**settings)
    if options.learn:
        learning = images_of(options.learn)
        few = learning.subset(range(0, len(learning), max(1, len(learning) // FIT_IMAGES)))
        fitted = [EncodingParameters.from_quality(q, sampling) for q in FIT_QUALITIES]
        models |= {kind: RateModel.fit(Spectrum.of(few, sampling), few, fitted, kind) for kind in RATES}
        for kind in RATES:
            print(models[kind])
    spectrum = Spectrum.of(images, sampling)
    print_errors(models, images, spectrum, points)
    print_errors(models, images, spectrum, default)
    if options.bands is not None:
        print_bands(models, images, spectrum, EncodingParameters.from_quality(options.bands, sampling))


if __name__ == "__main__":
    main()
