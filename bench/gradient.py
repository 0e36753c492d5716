"""Is the gradient that learning follows the true one? Bands of frequencies, estimated against measured.

Measured: the steps of a band are scaled by exp(+-0.2), pictures go through real files, and the task loss and the bytes
are differenced. Estimated: the gradient of the same loss through `SimulatedJPEG`. Both are per unit of log step, the
mean over pictures with its standard error. The last column is the true change of bits per pixel, in percent of the
whole. Tables are default JPEG's at a quality, or a point of a profile.

    python bench/gradient.py --model squeezenet1.1 --quality 30
    python bench/gradient.py --model mobilenet_v1_1.0_224 --stored --quality 14
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import j4d
from j4d.images.image_set import ImageSet, load_images
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.validation import FileEvaluator
from j4d.profile.profile import Profile
from j4d.rate.model import RateModel
from j4d.readers.answers import logits_of
from j4d.simulation.module import SimulatedJPEG
from j4d.simulation.transform import pixels_to_coefficients

CHANGE = 0.2  # of log steps, up and down
ESTIMATES = (("soft", "phase"), ("soft", "exact"), ("hard", "phase"))
_DISTANCE = np.hypot(*np.mgrid[:8, :8])
BANDS: tuple[tuple[str, int, NDArray[np.bool_]], ...] = (
    ("luma DC", 0, _DISTANCE == 0),
    ("luma r 1..2", 0, (_DISTANCE > 0) & (_DISTANCE < 2)),
    ("luma r 2..3.5", 0, (_DISTANCE >= 2) & (_DISTANCE < 3.5)),
    ("luma r 3.5..5", 0, (_DISTANCE >= 3.5) & (_DISTANCE < 5)),
    ("luma r > 5", 0, _DISTANCE >= 5),
    ("chroma DC", 1, _DISTANCE == 0),
    ("chroma r 1..2", 1, (_DISTANCE > 0) & (_DISTANCE < 2)),
    ("chroma r > 2", 1, _DISTANCE >= 2),
)


def scaled(parameters: EncodingParameters, table: int, band: NDArray[np.bool_], change: float) -> EncodingParameters:
    """The steps of one band times exp(change), rounded."""
    tables = [parameters.luma.steps.astype(float), parameters.chroma.steps.astype(float)]
    tables[table][band] *= np.exp(change)
    luma, chroma = (np.rint(t).clip(1, 255).astype(np.int32) for t in tables)
    pairs = zip(parameters.quantizations, (luma, chroma), strict=True)
    return parameters.quantized_by(*(replace(each, steps=steps) for each, steps in pairs))


def measured(judge: FileEvaluator, parameters: EncodingParameters) -> list[tuple[NDArray[np.float64], float]]:
    """Per band: the derivative of each picture's loss, and that of the mean log rate."""
    found = []
    for _, table, band in BANDS:
        up, down = (judge.files(scaled(parameters, table, band, sign * CHANGE)) for sign in (1, -1))
        steps = [
            p.luma.steps if table == 0 else p.chroma.steps
            for p in (scaled(parameters, table, band, s) for s in (0.2, -0.2))
        ]
        change = np.log(steps[0][band] / steps[1][band]).mean()  # what rounding left of it
        loss, rate = ((up - down) / change).T
        found.append((loss, float(rate.mean() / ((up + down) / 2)[:, 1].mean())))
    return found


def estimated(judge: FileEvaluator, parameters: EncodingParameters, forward: str, gradient: str) -> NDArray[np.float64]:
    """(bands, pictures): the derivative of each picture's loss through the simulator."""
    jpeg = SimulatedJPEG(parameters, forward=forward, gradient=gradient, sharpness=8.0)  # type: ignore[arg-type]
    (task,) = judge.tasks
    rows = []
    for number, image in enumerate(judge.images):
        pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
        answer = task.answer(pixels, [(number, False)])
        planes = pixels_to_coefficients(pixels, jpeg.sampling)
        logits = logits_of(task.model, jpeg.decoded(planes, *image.shape[:2]))
        jpeg.zero_grad()
        task.loss(logits, answer, [number]).sum().backward()  # type: ignore[no-untyped-call]
        assert jpeg.log_steps.grad is not None
        rows.append([float(jpeg.log_steps.grad[table][torch.from_numpy(band)].sum()) for _, table, band in BANDS])
    return np.array(rows).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", default="squeezenet1.1")
    parser.add_argument("--stored", action="store_true", help="full-size photographs, 4:2:0; else 224 x 224, 4:4:4")
    parser.add_argument("--quality", type=int, default=30)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--point", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=160)
    options = parser.parse_args()
    if "J4D_DATA" not in os.environ:
        sys.exit("bench/gradient.py needs the photographs and models that J4D_DATA points to")
    torch.set_num_threads(1)
    data = Path(os.environ["J4D_DATA"])
    model = j4d.load_model(f"{data}/zoo.py:load?name={options.model}")
    images: ImageSet = load_images(data / "originals", split="learn") if options.stored else load_images(data / "learn")
    images = images.subset(range(0, len(images), max(1, len(images) // options.pictures)))
    parameters = EncodingParameters.from_quality(options.quality, "4:2:0" if options.stored else "4:4:4")
    if options.profile:
        parameters = Profile.load(options.profile).at(index=options.point)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    judge = FileEvaluator([model.eval()], images, None, RateModel(), parameters.sampling, torch.device("cpu"))
    truth = measured(judge, parameters)
    columns = [estimated(judge, parameters, *forms) for forms in ESTIMATES]
    names = [f"{forward}, {gradient}" for forward, gradient in ESTIMATES]
    print(f"{options.model}, {len(images)} pictures, {judge.means(parameters)[1]:.3f} bpp\n")
    print(f"| band | measured | {' | '.join(names)} | rate |\n| --- | --- |{' --- |' * (len(names) + 1)}")
    for i, (name, _, _) in enumerate(BANDS):
        cells = [truth[i][0], *(column[i] for column in columns)]
        shown = [f"{c.mean():.3f} +- {c.std(ddof=1) / np.sqrt(len(c)):.3f}" for c in cells]
        print(f"| {name} | {' | '.join(shown)} | {100 * truth[i][1]:+.1f} % |")


if __name__ == "__main__":
    main()
