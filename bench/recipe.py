"""Which way of learning gives the best tables? One change at a time from the defaults, two seeds each.

Learns at two rates on half of the learning photographs and judges real files on the validation photographs and the
other half, or at any rates on any sets: bytes saved against default JPEG at equal task loss, KL and agreement; and each
variant against the first one of its seed, BD-rates with their intervals. Needs J4D_DATA.

    python bench/recipe.py --model mobilenet_v1_0.5_160 --json recipe.json
    python bench/recipe.py --model mobilenet_v1_1.0_224 --learn "$J4D_DATA/originals:learn" \
        --images "$J4D_DATA/originals:val" --sampling 4:2:0 --rates 0.16 0.28 0.46 0.74 1.2 2 --steps 48 --only defaults
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adaptation import images_of

import j4d
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.evaluation.curve import CodecResult
from j4d.evaluation.results import Evaluation
from j4d.images.image_set import ImageSet, load_images

QUALITIES = (4, 6, 8, 10, 14, 18, 25, 35, 50, 65, 80, 90)
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("defaults", {}),
    ("soft DC", {"hard_dc": False}),
    ("forward hard", {"forward": "hard"}),
    ("forward sampled", {"forward": "sampled"}),
    ("kappa 5", {"sharpness": 5.0}),
    ("kappa 12", {"sharpness": 12.0}),
    ("kappa 20", {"sharpness": 20.0}),
    ("kappa learned", {"learn_sharpness": True}),
    ("gradient exact", {"gradient": "exact"}),
    ("no dead zone", {"dead_zones": (0.0,)}),
    *((f"dead zone {zone}", {"dead_zones": (zone,)}) for zone in (0.04, 0.08, 0.12, 0.16)),
    ("dead zones learned", {"learn_dead_zone": True}),
    ("each frequency alone", {"smoothness": 0.0}),
    ("smoothness 1.2", {"smoothness": 1.2}),
    ("entropies not calibrated", {"calibrate": False}),
    ("symbols rate", {"rate": "symbols"}),
    ("start without the built-in profile", {"start": "sensitivity"}),
    ("start flat", {"start": "flat"}),
    ("start Annex K", {"start": "annex-k"}),
    ("start only", {"steps": 1, "learning_rate": 1e-5}),
    ("batch 8, four times the steps", {"batch_size": 8, "steps": 160}),
    ("batch 128, a quarter of the steps", {"batch_size": 128, "steps": 10, "learning_rate": 0.15}),
    ("learning rate 0.02", {"learning_rate": 0.02}),
    ("learning rate 0.1", {"learning_rate": 0.1}),
    ("labels only", {"answers": 0.0}),
    ("answers only", {"answers": 1.0}),
)


def judged_sets(data: Path) -> tuple[ImageSet, ImageSet]:
    """(learning, judging): no photograph in both."""
    learn, val = load_images(data / "learn"), load_images(data / "val")
    half, rest = learn.subset(range(0, len(learn), 2)), learn.subset(range(1, len(learn), 2))
    labels = np.concatenate([rest.labels, val.labels])
    return half, ImageSet.from_arrays([*rest, *val], labels, name="judging")


def saved(evaluation: Evaluation, default: CodecResult, learned: CodecResult, metric: str) -> list[float]:
    """Per point, percent of the bytes that default JPEG needs more for the same mean `metric` (log-linear between)."""
    sign = 1 if metric == "agreement" else -1
    quality = np.maximum.accumulate(sign * default.metrics[metric].mean(axis=1))
    rate = np.log(evaluation.bpp(default).mean(axis=1))
    wanted = np.interp(sign * learned.metrics[metric].mean(axis=1), quality, rate)
    return [float(x) for x in 100 * (1 - np.exp(np.log(evaluation.bpp(learned).mean(axis=1)) - wanted))]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line per variant; at each rate the seeds' figures at equal KL / cross-entropy / agreement."""
    points = range(max(len(row["bpp"]) for row in rows))
    heads = ["low rate", "high rate"] if len(points) == 2 else [f"about {rows[0]['bpp'][i]} bpp" for i in points]
    lines = [f"| change | {' | '.join(heads)} | seconds |", "| --- " * (len(heads) + 2) + "|"]
    for name in dict.fromkeys(row["name"] for row in rows):
        seeds = [row for row in rows if row["name"] == name]
        cells = [
            "; ".join(
                " / ".join(f"{row[f'saved at equal {m}'][point]:.1f}" for m in ("kl", "cross_entropy", "agreement"))
                for row in seeds
                if point < len(row["bpp"])
            )
            for point in points
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {', '.join(str(row['seconds']) for row in seeds)} |")
    return "\n".join(lines)


def against_the_first(found: Evaluation, learned: list[tuple[str, int, str]]) -> str:
    """Markdown: a line per variant and seed, BD-rate against the first variant; learned: (variant, seed, codec)."""
    metrics = ("top1", "cross_entropy", "kl") if "top1" in found.metrics else ("agreement", "kl")
    first = learned[0][0]
    lines = [f"| against {first} | {' | '.join(metrics)} |", "| --- " * (len(metrics) + 1) + "|"]
    for name, seed, codec in learned:
        if name != first:
            reference = next(known for other, of_seed, known in learned if (other, of_seed) == (first, seed))
            rows = found.compare(reference, metrics=metrics, codecs=(codec,))
            cells = (f"{r.bd_rate.value:+.1f} [{r.bd_rate.low:+.1f}, {r.bd_rate.high:+.1f}]" for r in rows)
            lines.append(f"| {codec} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", default="mobilenet_v1_0.5_160")
    parser.add_argument("--sampling", default="4:4:4")
    parser.add_argument("--learn", help="DIR or DIR:SPLIT; by default half of learn/")
    parser.add_argument("--images", help="DIR or DIR:SPLIT that is judged on, with --learn")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.5, 1.1])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[""], help="variants whose name holds one of these")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if "J4D_DATA" not in os.environ:
        sys.exit("bench/recipe.py needs the photographs and models that J4D_DATA points to")
    torch.set_num_threads(1)
    data = Path(os.environ["J4D_DATA"])
    model = j4d.load_model(f"{data}/zoo.py:load?name={options.model}")
    if (options.learn is None) != (options.images is None):
        parser.error("--learn and --images go together")
    learning, judging = map(images_of, (options.learn, options.images)) if options.learn else judged_sets(data)
    default = DefaultJPEG(QUALITIES, sampling=options.sampling)
    base = j4d.evaluate(model, judging, codecs=[default], bootstrap=1, progress=False)
    rows, profiles, learned_as = [], [], []
    wanted = [variant for variant in VARIANTS if any(part in variant[0] for part in options.only)]
    for seed in range(options.seeds):
        for name, change in wanted:
            start = time.perf_counter()
            change = {"steps": options.steps, "holdout": 0.0, "adapt": False, **change}
            fixed = {"rates": options.rates, "sampling": options.sampling, "seed": seed, "progress": False}
            profile = j4d.learn(model, learning, **fixed, **change)
            learned_as.append((name, seed, f"{name}, seed {seed}"))
            profiles.append(LearnedJPEG(profile, name=learned_as[-1][2], at_least=10))
            seconds = time.perf_counter() - start
            result = j4d.evaluate(model, judging, codecs=[LearnedJPEG(profile)], bootstrap=1, progress=False)
            learned = result.codecs[0]
            row: dict[str, Any] = {"name": name, "seed": seed, "seconds": round(seconds)}
            row["bpp"] = [round(float(b), 3) for b in result.bpp(learned).mean(axis=1)]
            for metric in ("kl", "cross_entropy", "agreement", "top1"):
                row[metric] = [round(float(v), 4) for v in learned.metrics[metric].mean(axis=1)]
            for metric in ("kl", "cross_entropy", "agreement"):
                row[f"saved at equal {metric}"] = [round(s, 1) for s in saved(base, base.codecs[0], learned, metric)]
            rows.append(row)
            print(json.dumps(row), flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))
    print(table(rows))
    if len(wanted) > 1:
        print(against_the_first(j4d.evaluate(model, judging, codecs=[default, *profiles], progress=False), learned_as))


if __name__ == "__main__":
    main()
