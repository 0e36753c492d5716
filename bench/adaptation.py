"""What moving pictures along a ladder gives: default JPEG and a profile, each with the same tables for all and adapted.

The shares are learned on the learning photographs for both (a profile carries its own); judged are photographs that
neither has seen: BD-rate against default JPEG with the same tables for all, 95 % intervals.

    python bench/adaptation.py stored.json --model "$J4D_DATA/zoo.py:load?name=squeezenet1.1" \
        --learn "$J4D_DATA/originals:learn" --images "$J4D_DATA/originals:val"
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch

import j4d
from j4d.cli.inputs import folder_and_split
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.evaluation.bd import Interval
from j4d.images.image_set import ImageSet
from j4d.learning.adaptation import fit_adaptation, measure_ladder
from j4d.profile.profile import OperatingPoint, Profile

QUALITIES = (5, 8, 12, 18, 25, 35, 50, 65, 80, 88, 93)
METRICS = ("top1", "cross_entropy", "kl")
MOST = 256  # learning pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("profile")
    parser.add_argument("--model", required=True)
    parser.add_argument("--learn", required=True)
    parser.add_argument("--images", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, profile = j4d.load_model(options.model), Profile.load(options.profile)
    learning, judged = images_of(options.learn), images_of(options.images)
    learning = learning.subset(range(0, len(learning), max(1, len(learning) // MOST)))
    default = default_ladder(learning, profile)
    found = fit_adaptation(default.ladder, measure_ladder(default.ladder, [model], learning))
    codecs = [DefaultJPEG(QUALITIES, sampling=profile.provenance.sampling)]
    if found is not None:
        codecs.append(LearnedJPEG(replace(default, adaptation=found[0]), name="default JPEG, adapted"))
    codecs.append(LearnedJPEG(profile, name="learned", at_least=10, adapt=False))
    if profile.adaptation is not None:
        codecs.append(LearnedJPEG(profile, name="learned, adapted", at_least=10))
    evaluation = j4d.evaluate(model, judged, codecs=codecs, progress=False)
    rows = {(c.codec, c.metric): c.bd_rate for c in evaluation.compare("default JPEG")}
    print(f"{options.model.rpartition('=')[2]}, {profile.provenance.protocol}, {len(judged)} photographs\n")
    print("| codec | shares | equal top-1 | equal cross-entropy | equal KL |\n| --- | --- | --- | --- | --- |")
    for codec in codecs[1:]:
        adaptation = codec.get_config().get("adaptation")
        shares = "" if adaptation is None else f"{adaptation['by_bpp']:.1f}, {adaptation['by_side']:.1f}"
        cells = (percent(rows[codec.name, metric]) for metric in METRICS)
        print(f"| {codec.name} | {shares} | {' | '.join(cells)} |", flush=True)


def percent(span: Interval) -> str:
    return f"{span.value:+.1f} % [{span.low:+.1f}, {span.high:+.1f}]"


def images_of(place: str) -> ImageSet:
    folder, split = folder_and_split(place, None)
    return j4d.load_images(folder, split=split)


def default_ladder(images: ImageSet, profile: Profile) -> Profile:
    """Default JPEG as a profile; its rates are those of files of these images."""
    sampling = profile.provenance.sampling
    codec = DefaultJPEG(QUALITIES, sampling=sampling)
    pixels = np.array([image.shape[0] * image.shape[1] for image in images])
    rates = [np.mean([8 * len(codec.encode(x, q)) for x in images] / pixels) for q in QUALITIES]
    points = [OperatingPoint(codec.parameters(q), float(rate)) for q, rate in zip(QUALITIES, rates, strict=True)]
    return Profile("default JPEG", tuple(points), profile.provenance)


if __name__ == "__main__":
    main()
