"""What choosing the indices of a block jointly gives: speed and bytes, and what models make of it.

    python bench/trellis.py speed                                      # Kodak; beside mozjpeg's trellis
    python bench/trellis.py model mobilenet_v1_1.0_224 profile.json    # photographs of val/, as the profile stores them
    python bench/trellis.py retry mobilenet_v1_1.0_224 profile.json    # the choice of `choose_trellises` on learn/
    python bench/trellis.py dc mobilenet_v1_1.0_224 universal-420      # DC indices chosen too

`speed` encodes baseline files of 4:2:0 in turns, one thread, processor time. `model` gives the BD-rates, at equal KL
and equal cross-entropy, of a profile's tables with other choices of indices, its steps kept, against default JPEG and
against the profile as it is. `retry` gives them for the choice that trials on learning photographs make, and what that
is at each point. `dc` gives them for a mu of DC wherever a point has a trellis, and what it takes from the files. A
model is one of zoo.py's, or a spec such as demo:efficientnet-lite0; a profile a file, or a built-in one's name. Needs
J4D_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import rivals
from turns import Row, Run, available, psnr, take_turns

import j4d
from j4d import Profile
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.codecs.protocol import Codec
from j4d.images.image_set import ImageSet, load_images
from j4d.jpeg import decoding, encoding
from j4d.jpeg.effort import with_effort
from j4d.jpeg.parameters import EncodingParameters, Trellis
from j4d.learning.selection import with_trellis
from j4d.learning.trellises import choose_trellises
from j4d.profile import lookup

TRELLISES = tuple(Trellis(mu, masking) for masking in (None, 302.0) for mu in (10.0, 19.0, 30.0))
DC = (5.0, 8.0, 12.0)
QUALITIES = (5, 8, 12, 18, 25, 35, 50, 65, 80, 88, 93)


def named(trellis: Trellis) -> str:
    return f"mu {trellis.mu:g}" + ("" if trellis.masking is None else f", a {trellis.masking:g}")


def encoded(images: Sequence[np.ndarray], parameters: EncodingParameters, i: int) -> bytes:
    return encoding.encode(images[i], parameters)


def row(run: Run, slow: bool = False) -> Row:
    return Row(run, lambda i, file: 0.0, "own", slow)


def mozjpeg(task: rivals.Task, trellis: bool) -> Row:
    return row(rivals.mozjpeg(task, trellis=trellis), slow=True)


def speed(root: Path, rounds: int) -> None:
    """A table for each quality: what encodes, how fast, to how many bytes, how near."""
    images = list(load_images(root / "kodak"))
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    for quality in (30, 50, 75, 90):
        nearest = EncodingParameters.from_quality(quality, "4:2:0")
        contenders = {"j4d, nearest": nearest}
        contenders |= {f"j4d, {named(t)}": with_trellis(nearest, t) for t in (Trellis(19.0), Trellis(19.0, 302.0))}
        contenders["j4d, mu 19, a 302, of DC 8"] = with_trellis(nearest, Trellis(19.0, 302.0, 8.0))

        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            task = rivals.Task(images, nearest, quality, Path(folder))
            made = {name: partial(row, partial(encoded, images, p)) for name, p in contenders.items()}
            for word, trellis in (("trellis", True), ("no trellis", False)):
                made[f"MozJPEG, progressive, {word}"] = partial(mozjpeg, task, trellis)
            rows = available(made, set())
            take_turns(rows, len(images), rounds)
        base = rows["j4d, nearest"]
        print(f"\nKodak, quality {quality}, 4:2:0\n")
        print("| | MB/s of pixels, median [quartiles] | x nearest | bytes / nearest | PSNR |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name, made_row in rows.items():
            near = np.mean([psnr(decoding.decode(f), image) for f, image in zip(made_row.files, images, strict=True)])
            cells = f"{made_row.speed(3 * pixels)} | {made_row.over(base):.3f} | {made_row.size / base.size:.4f}"
            print(f"| {name} | {cells} | {near:.2f} |", flush=True)


def model(root: Path, name: str, profile: Profile, count: int) -> None:
    """BD-rates of every choice of indices."""
    ladder = [point.parameters for point in profile.points]
    codecs: list[Codec] = [LearnedJPEG([with_effort(p, 0) for p in ladder], name="nearest")]
    codecs += [LearnedJPEG([with_trellis(p, t) for p in ladder], name=named(t)) for t in TRELLISES]
    both = [replace(p, trellis=Trellis(30.0)) for p in ladder]
    codecs.append(LearnedJPEG(both, name="mu 30 and the dead zone"))
    compare(root, name, profile, count, codecs)


def retry(root: Path, name: str, profile: Profile, count: int) -> None:
    """What trials choose, point by point, and their BD-rates."""
    profile = replace(profile, adaptation=None)
    learning = pictures(root, profile, "learn")
    chosen = choose_trellises(profile, network_of(root, name), learning)
    print(f"\n{name}, {profile.name}: at each point the trellis\n")
    for point in chosen.points:
        print(f"{point.estimated_bpp:.3f} bpp: {point.parameters.trellis}")
    ladder = [point.parameters for point in chosen.points]
    compare(root, name, profile, count, [LearnedJPEG(ladder, name="as tried")])


def dc(root: Path, name: str, profile: Profile, count: int) -> None:
    """BD-rates with DC indices chosen, and by how much files shrink."""
    profile = replace(profile, adaptation=None)
    points = [point.parameters for point in profile.points]
    ladders = {
        mu: [p if p.trellis is None else replace(p, trellis=replace(p.trellis, dc=mu)) for p in points] for mu in DC
    }
    some = pictures(root, profile, "val").subset(range(40))
    print(f"\n{name}, {profile.name}: bytes of each point's files with it, % of those without\n")
    before = np.array([sum(len(encoding.encode(image, p)) for image in some) for p in points])
    for mu, ladder in ladders.items():
        after = np.array([sum(len(encoding.encode(image, p)) for image in some) for p in ladder])
        print(f"mu of DC {mu:g}:", *(f"{100 * change:+.1f}" for change in after / before - 1))
    compare(root, name, profile, count, [LearnedJPEG(found, name=f"mu of DC {mu:g}") for mu, found in ladders.items()])


def network_of(root: Path, name: str) -> j4d.VisionModel:
    return j4d.load_model(name if ":" in name else f"{root}/zoo.py:load?name={name}")


def pictures(root: Path, profile: Profile, split: str) -> ImageSet:
    if profile.provenance.protocol == "model-size":
        return load_images(root / split)
    return load_images(root / "originals", split=split)


def compare(root: Path, name: str, profile: Profile, count: int, codecs: list[Codec]) -> None:
    """BD-rates on `count` validation photographs, against default JPEG and against the profile without adaptation."""
    photographs = pictures(root, profile, "val")
    photographs = photographs.subset(range(0, len(photographs), max(1, len(photographs) // count)))
    default = DefaultJPEG(QUALITIES, sampling=profile.provenance.sampling)
    learned = LearnedJPEG([point.parameters for point in profile.points], name="as learned")
    network = network_of(root, name)
    result = j4d.evaluate(network, photographs, codecs=[default, learned, *codecs], bootstrap=400, progress=False)
    print(f"\n{name}, {len(photographs)} photographs; BD-rate at equal KL and cross-entropy\n")
    print("| indices | KL | cross-entropy | KL, against as learned | cross-entropy, against as learned |")
    print("| --- | --- | --- | --- | --- |")
    for codec_result in result.codecs[1:]:
        cells = []
        for reference in (default.name, learned.name):
            if codec_result.name == reference:
                continue
            rows = result.compare(reference, metrics=("kl", "cross_entropy"), codecs=(codec_result.name,))
            cells += [f"{r.bd_rate.value:+.1f} [{r.bd_rate.low:+.1f}, {r.bd_rate.high:+.1f}]" for r in rows]
        print(f"| {codec_result.name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("what", choices=("speed", "model", "retry", "dc"))
    parser.add_argument("model", nargs="?")
    parser.add_argument("profile", nargs="?", help="a file, or a built-in profile's name")
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--model-size", action="store_true", help="photographs of the model's size for any profile")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if "J4D_DATA" not in os.environ:
        sys.exit("bench/trellis.py needs the photographs and models that J4D_DATA points to")
    root = Path(os.environ["J4D_DATA"])
    if options.what == "speed":
        speed(root, options.rounds)
    elif options.profile is None:
        parser.error(f"{options.what} needs the model's name and a profile")
    else:
        found = lookup.find(options.profile)
        if options.model_size:
            found = replace(found, provenance=replace(found.provenance, protocol="model-size"))
        ways = {"model": model, "retry": retry, "dc": dc}
        ways[options.what](root, options.model, found, options.pictures)


if __name__ == "__main__":
    main()
