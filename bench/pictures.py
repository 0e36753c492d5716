"""How much compression harms a model's answer to single pictures, and what tells it: default JPEG along its qualities.

Prints, for each model, the correlation of a picture's log KL with its log bits per pixel and its log shorter side at
one quality; the bytes that would go at equal mean KL if every picture had its best quality, told by the model (the one
that minimises KL + lambda x rate, for four lambdas); and how much of the log KL, its mean over the middle qualities, is
explained by the two, and with features of the picture, on pictures left out. Then, how the models agree.

    python bench/pictures.py --images "$J4D_DATA/originals:learn" "$J4D_DATA/originals:val" \
        --model "$J4D_DATA/zoo.py:load?name=mobilenet_v1_1.0_224" "$J4D_DATA/zoo.py:load?name=squeezenet1.1"
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from adaptation import images_of
from numpy.typing import NDArray

import j4d
from j4d.codecs.cache import EncodeCache
from j4d.codecs.default import DefaultJPEG
from j4d.jpeg.coefficients import forward_dct

QUALITIES = (4, 6, 9, 13, 18, 25, 35, 50, 65, 80, 90)
SHOWN, MIDDLE = QUALITIES.index(18), slice(2, 8)  # of the correlations; of the mean log KL
LAMBDAS = (3.0, 1.0, 0.3, 0.1)  # nats per bpp
BETWEEN = 101  # places along the qualities that a picture may have
FOLDS, RIDGE = 10, 3.0
Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", required=True, nargs="+")
    parser.add_argument("--images", required=True, nargs="+", help="DIR or DIR:SPLIT; taken together")
    parser.add_argument("--limit", type=int, help="only so many of each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sets = [images_of(place) for place in options.images]
    pictures = [image for images in sets for image in images.subset(range(len(images))[: options.limit])]
    features = np.array([of_picture(image) for image in pictures])
    side = np.log([min(image.shape[:2]) for image in pictures])
    cache, logs = EncodeCache(), {}
    for spec in options.model:
        codec = DefaultJPEG(QUALITIES, sampling="4:2:0")
        run = {"codecs": [codec], "bootstrap": 1, "progress": False, "cache": cache}
        evaluation = j4d.evaluate(j4d.load_model(spec), pictures, **run)
        result = evaluation.codecs[0]
        name = spec.rpartition("=")[2]
        logs[name] = report(name, evaluation.bpp(result), result.metrics["kl"], side, features)
    if len(logs) > 1:
        print("\ncorrelation of log KL between models")
        print(*(f"{a}, {b}: {r:.2f}" for a, b, r in pairs(logs)), sep="\n")


def report(name: str, bpp: Floats, kl: Floats, side: Floats, features: Floats) -> Floats:
    """Prints one model's figures; bpp, kl: (qualities, pictures). Returns each picture's mean log KL."""
    log_bpp, log_kl = np.log(bpp[SHOWN]), np.log(kl[SHOWN] + 1e-4)
    with_bits, with_side = (float(np.corrcoef(log_kl, x)[0, 1]) for x in (log_bpp, side))
    print(f"\n{name}, {bpp.shape[1]} pictures, quality {QUALITIES[SHOWN]}")
    print(f"correlation of log KL with log bits per pixel {with_bits:.2f}, with log shorter side {with_side:.2f}")
    saved = ", ".join(f"{100 * share:.0f} %" for share in oracle(bpp, kl))
    print(f"saved at equal mean KL by the best quality for each picture: {saved}")
    harm = np.log(kl[MIDDLE] + 1e-3).mean(0)
    two = np.column_stack([log_bpp, side])
    few, many = explained(two, harm), explained(np.column_stack([log_bpp, features]), harm)
    print(f"log KL explained by bits and side {few:.2f}, with the features {many:.2f}", flush=True)
    return harm


def oracle(bpp: Floats, kl: Floats) -> list[float]:
    """For each lambda, the share of the bytes saved at the same mean KL, against one quality for all."""
    places, grid = np.arange(len(bpp)), np.linspace(0, len(bpp) - 1, BETWEEN)
    rates = np.exp([np.interp(grid, places, row) for row in np.log(bpp).T]).T
    harms = np.array([np.interp(grid, places, row) for row in kl.T]).T
    fixed_rate, fixed_kl = np.log(bpp.mean(1)), np.log(kl.mean(1))
    saved, every = [], np.arange(bpp.shape[1])
    for weight in LAMBDAS:
        best = (harms + weight * rates).argmin(0)
        needed = np.exp(np.interp(-np.log(harms[best, every].mean()), -fixed_kl, fixed_rate))
        saved.append(float(1 - rates[best, every].mean() / needed))
    return saved


def of_picture(image: NDArray[np.uint8]) -> list[float]:
    """Twelve figures: size, energy in three bands and how it spreads over blocks, contrasts, chroma, brightness."""
    luma, blue, red = (plane.reshape(-1, 64) / 8 for plane in forward_dct(image, "4:2:0"))
    ac, radius = luma[:, 1:], np.hypot(*np.divmod(np.arange(64), 8))[1:]
    busy = np.sqrt((ac**2).mean(1))
    bands = ((0, 2.5), (2.5, 5), (5, 99))
    energies = [np.sqrt((ac[:, (radius >= low) & (radius < high)] ** 2).mean()) for low, high in bands]
    logs = [
        min(image.shape[:2]),
        *(energy + 0.1 for energy in (*energies, np.median(busy), busy.std())),
        *(plane[:, 0].std() + 1 for plane in (luma, blue, red)),
        np.abs(np.concatenate([blue[:, 1:], red[:, 1:]])).mean() + 0.1,
        (busy < 5).mean() + 0.02,
    ]
    return [*np.log(logs), image.mean() / 255]


def explained(features: Floats, harm: Floats) -> float:
    """Explained variance of a ridge regression on the pictures that it was not fitted to."""
    scaled = (features - features.mean(0)) / features.std(0)
    design = np.column_stack([np.ones(len(harm)), scaled])
    penalty = RIDGE * np.diag([0.0] + [1.0] * scaled.shape[1])
    predicted = np.empty_like(harm)
    for fold in range(FOLDS):
        out = np.arange(len(harm)) % FOLDS == fold
        kept = design[~out]
        predicted[out] = design[out] @ np.linalg.solve(kept.T @ kept + penalty, kept.T @ harm[~out])
    return float(1 - ((harm - predicted) ** 2).sum() / ((harm - harm.mean()) ** 2).sum())


def pairs(logs: dict[str, Floats]) -> list[tuple[str, str, float]]:
    names = list(logs)
    return [(a, b, float(np.corrcoef(logs[a], logs[b])[0, 1])) for i, a in enumerate(names) for b in names[i + 1 :]]


if __name__ == "__main__":
    main()
