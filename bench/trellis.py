"""What choosing the indices of a block jointly gives: speed and bytes, and what models make of it.

    python bench/trellis.py speed                                      # Kodak; beside mozjpeg's trellis
    python bench/trellis.py model mobilenet_v1_1.0_224 profile.json    # photographs of val/, as the profile stores them

`speed` encodes baseline files of 4:2:0 in turns, one thread, processor time. `model` gives the BD-rates, at equal KL and
equal cross-entropy, of a profile's tables with other choices of indices, its steps kept, against default JPEG and
against the profile as it is. Needs J4D_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import rivals
from turns import Row, available, psnr, take_turns

import j4d
from j4d import Profile, codec
from j4d.codecs import Codec, DefaultJPEG, LearnedJPEG
from j4d.effort import with_effort
from j4d.images import load_images
from j4d.parameters import EncodingParameters
from j4d.trial import with_trellis

TRELLISES = ((10.0, None), (19.0, None), (30.0, None), (10.0, 302.0), (19.0, 302.0), (30.0, 302.0))
QUALITIES = (5, 8, 12, 18, 25, 35, 50, 65, 80, 88, 93)


def named(trellis: float, masking: float | None) -> str:
    return f"mu {trellis:g}" + ("" if masking is None else f", a {masking:g}")


def speed(root: Path, rounds: int) -> None:
    """A table for each quality: what encodes, how fast, to how many bytes, how near."""
    images = list(load_images(root / "kodak"))
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    for quality in (30, 50, 75, 90):
        nearest = EncodingParameters.from_quality(quality, "4:2:0")
        contenders = {"j4d, nearest": nearest}
        contenders |= {f"j4d, {named(*t)}": with_trellis(nearest, *t) for t in ((19.0, None), (19.0, 302.0))}

        def ours(parameters: EncodingParameters) -> Row:
            return Row(lambda i: codec.encode(images[i], parameters), lambda i, file: 0.0, "own")

        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            task = rivals.Task(images, nearest, quality, Path(folder))
            rows = available(
                {
                    **{name: (lambda p=p: ours(p)) for name, p in contenders.items()},
                    **{
                        f"MozJPEG, progressive, {word}": (
                            lambda t=trellis: Row(rivals.mozjpeg(task, trellis=t), lambda i, file: 0.0, "own", slow=True)
                        )
                        for word, trellis in (("trellis", True), ("no trellis", False))
                    },
                },
                set(),
            )
            take_turns(rows, len(images), rounds)
        base = rows["j4d, nearest"]
        print(f"\nKodak, quality {quality}, 4:2:0\n")
        print("| | MB/s of pixels, median [quartiles] | x nearest | bytes / nearest | PSNR |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name, row in rows.items():
            near = np.mean([psnr(codec.decode(file), image) for file, image in zip(row.files, images, strict=True)])
            share = row.size / base.size
            print(f"| {name} | {row.speed(3 * pixels)} | {row.over(base):.3f} | {share:.4f} | {near:.2f} |", flush=True)


def model(root: Path, name: str, path: Path, count: int) -> None:
    """BD-rates of every choice of indices."""
    profile = Profile.load(path)
    ladder = [point.parameters for point in profile.points]
    protocol, sampling = profile.provenance.protocol, profile.provenance.sampling
    photographs = load_images(root / "val") if protocol == "model-size" else load_images(root / "originals", split="val")
    photographs = photographs.subset(range(0, len(photographs), max(1, len(photographs) // count)))
    default = DefaultJPEG(QUALITIES, sampling=sampling)
    learned = LearnedJPEG(ladder, name="as learned")
    codecs: list[Codec] = [default, learned, LearnedJPEG([with_effort(p, 0) for p in ladder], name="nearest")]
    codecs += [LearnedJPEG([with_trellis(p, *t) for p in ladder], name=named(*t)) for t in TRELLISES]
    both = [replace(p, trellis=19.0, masking=None) for p in ladder]
    codecs.append(LearnedJPEG(both, name="mu 19 and the dead zone"))
    network = j4d.load_model(f"{root}/zoo.py:load?name={name}")
    result = j4d.evaluate(network, photographs, codecs=codecs, bootstrap=400, progress=False)
    print(f"\n{name}, {path.name}, {len(photographs)} photographs\n")
    print("| indices | KL | cross-entropy | KL, against as learned | cross-entropy, against as learned |")
    print("| --- | --- | --- | --- | --- |")
    found: dict[str, list[str]] = {}
    for reference in (default.name, learned.name):
        for row in result.compare(metrics=("kl", "cross_entropy"), reference=reference):
            rate = row.bd_rate
            found.setdefault(row.codec, []).append(f"{rate.value:+.1f} [{rate.low:+.1f}, {rate.high:+.1f}]")
    for label, cells in found.items():
        print(f"| {label} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("what", choices=("speed", "model"))
    parser.add_argument("model", nargs="?")
    parser.add_argument("profile", nargs="?", type=Path)
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if "J4D_DATA" not in os.environ:
        sys.exit("bench/trellis.py needs the photographs and models that J4D_DATA points to")
    root = Path(os.environ["J4D_DATA"])
    if options.what == "speed":
        speed(root, options.rounds)
    elif options.profile is None:
        parser.error("model needs the model's name and a profile")
    else:
        model(root, options.model, options.profile, options.pictures)


if __name__ == "__main__":
    main()
