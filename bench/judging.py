"""What a judge costs: pictures a second with the same parameters for all, moved by adaptation, and placed by a judge.

    python bench/judging.py universal -m demo:efficientnet-lite0 --images "$J4D_DATA/originals:test" --limit 20

One thread. The three ways take turns on each picture; the medians over pictures are printed with their quartiles, and
as a ratio to the first, at a small, a middle and a large quality: a judge looks at fewer files where bits are dear.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from j4d.cli.inputs import folder_and_split
from j4d.errors import J4DError
from j4d.images.image_set import load_images
from j4d.jpeg import encoding
from j4d.learning.adaptation import calibrate_judge
from j4d.profile import lookup
from j4d.profile.profile import Profile
from j4d.readers.encoder_judge import EncoderJudge
from j4d.readers.loading import load_model

QUALITIES = (20, 50, 80)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def known(profile: Profile, judge: EncoderJudge, images: list[np.ndarray]) -> Profile:
    """The profile, taught the judge on these very pictures where it does not know it; times hardly depend on it."""
    if any(choice.fingerprint == judge.fingerprint for choice in profile.choices):
        return profile
    return calibrate_judge(profile, judge.models, images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="a file, or a built-in name")
    parser.add_argument("--model", "-m", required=True, help="the judge")
    parser.add_argument("--images", "-i", required=True, help="folder, or DIR:SPLIT")
    parser.add_argument("--limit", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        folder, split = folder_and_split(arguments.images, None)
        images = [
            image for image, _ in zip(load_images(Path(folder), split=split), range(arguments.limit), strict=False)
        ]
        judge = EncoderJudge(load_model(arguments.model))
        profile = known(lookup.find(arguments.profile), judge, images)
    except J4DError as error:
        sys.exit(f"error: {error}")
    print("| quality | ms a picture: the same for all | adapted | judged | adapted / same | judged / same |")
    print("| --- | --- | --- | --- | --- | --- |")
    for quality in QUALITIES:
        rows = []
        for image in images:
            ways: list[Callable[[], object]] = [
                lambda: encoding.encode(image, profile.at(quality=quality)),  # noqa: B023 - called at once
                lambda: encoding.encode(image, profile.adapted(image, quality=quality)),  # noqa: B023
                lambda: encoding.encode(image, profile.chosen(image, judge, quality=quality)),  # noqa: B023
            ]
            rows.append([seconds(way) for way in ways])
        times = 1e3 * np.array(rows)
        low, middle, high = np.quantile(times, [0.25, 0.5, 0.75], axis=0)
        cells = [f"{m:.1f} [{a:.1f}, {b:.1f}]" for a, m, b in zip(low, middle, high, strict=True)]
        ratios = [f"{np.median(times[:, way] / times[:, 0]):.1f}" for way in (1, 2)]
        print("| " + " | ".join([str(quality), *cells, *ratios]) + " |")


if __name__ == "__main__":
    main()
