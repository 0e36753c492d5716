"""What chroma sampling gives default JPEG: BD-rate of 4:2:2 and 4:2:0 against 4:4:4, with 95 % intervals.

python bench/sampling.py --images "$J4D_DATA/val" --model "$J4D_DATA/zoo.py:load?name=mobilenet_v1_1.0_224"
"""

from __future__ import annotations

import argparse

import torch
from adaptation import METRICS, QUALITIES, images_of, percent

import j4d
from j4d.codecs.cache import EncodeCache
from j4d.codecs.default import DefaultJPEG


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", required=True, action="append")
    parser.add_argument("--images", required=True)
    parser.add_argument("--limit", type=int, help="only so many of the images")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, cache = images_of(options.images), EncodeCache()
    images = images.subset(range(len(images))[: options.limit])
    codecs = [DefaultJPEG(QUALITIES, sampling=s, name=s) for s in ("4:4:4", "4:2:2", "4:2:0")]
    print("| model | sampling | equal top-1 | equal cross-entropy | equal KL |\n| --- | --- | --- | --- | --- |")
    for spec in options.model:
        evaluation = j4d.evaluate(j4d.load_model(spec), images, codecs=codecs, progress=False, cache=cache)
        rows = {(c.codec, c.metric): c.bd_rate for c in evaluation.compare("4:4:4")}
        for codec in codecs[1:]:
            cells = (percent(rows[codec.name, metric]) for metric in METRICS)
            print(f"| {spec.rpartition('=')[2]} | {codec.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
