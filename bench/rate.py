"""Estimated against actual rate along a profile's ladder, on images that the profile has not seen.

The estimate is the entropy of the marginals over those images, weighed by the rate model that the profile carries
(fitted on its learning images); the actual rate is whole files.

    python bench/rate.py profile.json $J4D_DATA/test
    python bench/rate.py profile.json $J4D_DATA/originals --split test
"""

from __future__ import annotations

import argparse

from j4d.calibration import RateModel
from j4d.codec import encode
from j4d.images import load_images
from j4d.profile import Profile
from j4d.spectrum import Spectrum


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("profile")
    parser.add_argument("images")
    parser.add_argument("--split")
    options = parser.parse_args()
    profile, images = Profile.load(options.profile), load_images(options.images, split=options.split)
    model = RateModel(**dict(profile.provenance.settings["rate_model"]))
    spectrum = Spectrum.of(images, profile.provenance.sampling)
    print("| point | estimated bpp | actual bpp | error |\n| --- | --- | --- | --- |")
    for index, point in enumerate(profile.points):
        estimated = model.bpp(spectrum, point.parameters)
        actual = sum(8 * len(encode(image, point.parameters)) for image in images) / spectrum.pixels
        print(f"| {index} | {estimated:.4f} | {actual:.4f} | {100 * (estimated / actual - 1):+.1f} % |")


if __name__ == "__main__":
    main()
