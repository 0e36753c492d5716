"""How every rival's rate-accuracy curve lies against default JPEG's: one model, one set of photographs, one run.

Rivals that learn get some of the learning photographs; all are judged on validation photographs, whole files.
Model-size: ready 224x224 crops. Stored-size: photographs of about 500x375. Needs J4D_DATA.

    python bench/rival_curves.py --model mobilenet_v1_0.5_160 --json rivals.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

import j4d
from j4d.codecs.protocol import Codec
from j4d.images.image_set import ImageSet, load_images
from j4d.rivals import registry
from j4d.rivals.registry import Learning


def photographs(data: Path, protocol: str, learning: int, judging: int) -> tuple[ImageSet, ImageSet]:
    """(learning, judging), evenly spread, no photograph in both; the test photographs are left alone."""
    if protocol == "stored-size":
        sets = [load_images(data / "originals", split=split) for split in ("learn", "val")]
    else:
        sets = [load_images(data / "learn"), load_images(data / "val")]
    spread = [
        images.subset([i * len(images) // count for i in range(count)]) if count < len(images) else images
        for images, count in zip(sets, (learning, judging), strict=True)
    ]
    return spread[0], spread[1]


def fitted(name: str, learning: Learning, sampling: str, points: int, evaluations: int) -> tuple[Codec, float]:
    """The codec and the seconds that it took; `evaluations` of the search."""
    own = {"evaluations": evaluations} if name == "random-search" else {}
    start = time.perf_counter()
    codec = registry.make(name, sampling=sampling, learning=learning, points=points, **own)
    return codec, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", default="mobilenet_v1_0.5_160")
    parser.add_argument("--protocol", choices=("model-size", "stored-size"), default="model-size")
    parser.add_argument("--sampling", default="4:4:4")
    parser.add_argument("--learning", type=int, default=60, help="photographs")
    parser.add_argument("--judging", type=int, default=100, help="photographs")
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=240, help="of the random search")
    parser.add_argument("--rivals", nargs="+", default=list(registry.names()))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if "J4D_DATA" not in os.environ:
        sys.exit("bench/rival_curves.py needs the photographs and models that J4D_DATA points to")
    torch.set_num_threads(1)
    data = Path(os.environ["J4D_DATA"])
    model = j4d.load_model(f"{data}/zoo.py:load?name={options.model}")
    learn, judge = photographs(data, options.protocol, options.learning, options.judging)
    judge = ImageSet.from_arrays(list(judge), judge.labels, judge.name)
    learning = Learning(model, learn)
    default, rows = registry.make("default-jpeg", sampling=options.sampling), []
    reference = j4d.evaluate(model, judge, codecs=[default], bootstrap=1, progress=False)
    print("| rival | equal KL | equal cross-entropy | bpp | estimated / actual | fit, s |\n" + "| --- " * 6 + "|")
    for name in options.rivals:
        if name == "default-jpeg" or registry.missing(name):
            continue
        codec, seconds = fitted(name, learning, options.sampling, options.points, options.evaluations)
        result = j4d.evaluate(model, judge, codecs=[codec], bootstrap=1, progress=False)
        both = j4d.Evaluation(result.pixels, result.uncompressed, (*reference.codecs, *result.codecs), result.record)
        rates = [float(mean) for mean in result.bpp(result.codecs[0]).mean(axis=1)]
        row: dict[str, Any] = {"rival": name, "bpp": rates, "seconds": seconds}
        row |= {c.metric: c.bd_rate for c in both.compare(metrics=("kl", "cross_entropy"))}
        ratios = [e / r for e, r in zip(result.codecs[0].estimated_bpp, rates, strict=True) if e]
        cells = [f"{row[m].value:+.1f} [{row[m].low:+.1f}, {row[m].high:+.1f}]" for m in ("kl", "cross_entropy")]
        cells += [f"{rates[0]:.2f} to {rates[-1]:.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else ""]
        print(f"| {codec.name} | " + " | ".join(cells) + f" | {seconds:.0f} |", flush=True)
        rows.append({**row, **{m: vars(row[m]) for m in ("kl", "cross_entropy")}, "config": codec.get_config()})
        if options.json:
            options.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
