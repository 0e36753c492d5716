"""What a learning step is made of: the models, the simulated JPEG and the rate; time, and memory at its peak.

    python bench/learning.py                       # the table of docs/learning.md; needs J4D_DATA
    python bench/learning.py --device cuda --model timm:resnet50

Parts of a step, each measured by itself, taking turns, medians: `model` is forward and backward from decoded pixels to
their gradient (answers on uncompressed pictures are kept, and cost nothing after the first time), `JPEG` is from pixels
to decoded pixels and from their gradient to the tables', `rate` is the estimate for 128 pictures with its gradient and
the scaling to the target. Milliseconds a picture of a batch of 32, processor time on a CPU; the rate is paid once a
batch. bfloat16: how much faster the model's part then is. Peak: the most that tensors held at once in a whole step of
8 pictures, and in the model's part of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import simulator
import torch
from torch import Tensor

import j4d
from j4d.images.image_set import ImageSet, load_images
from j4d.learning.backward import MICRO_BATCH, batch_backward
from j4d.learning.optimizer import Optimizer
from j4d.learning.recipe import Recipe
from j4d.learning.task import Classification
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.readers.frozen import Frozen
from j4d.simulation.module import SimulatedJPEG
from j4d.simulation.transform import pixels_to_coefficients

ZOO = ("mobilenet_v1_0.5_160", "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224_qat", "squeezenet1.1")
KEYS = [(number, False) for number in range(MICRO_BATCH)]


def seconds(call: Callable[[], Any], device: torch.device) -> float:
    clock = perf_counter if device.type == "cuda" else process_time
    start = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def peak(call: Callable[[], Any], device: torch.device) -> float:
    """MiB."""
    if device.type != "cuda":
        return simulator.tensor_peak(call)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


class Step:
    """The parts of a learning step of some models on the first pictures of a set, all of one size."""

    def __init__(self, models: list[Any], images: ImageSet, spectrum: Spectrum, device: torch.device) -> None:
        self.images, self.device = images, device
        self.tasks = {p: [Classification(m, None, None, p) for m in models] for p in ("float32", "bfloat16")}
        parameters = j4d.EncodingParameters.from_quality(30)
        self.jpeg = SimulatedJPEG(parameters, forward="soft", sharpness=8.0, hard_dc=True).to(device)
        self.optimizer = Optimizer(images, self.tasks["float32"], spectrum, RateModel(), Recipe(), device=device)
        self.pixels = torch.from_numpy(np.stack(images.arrays)).to(device).permute(0, 3, 1, 2).float()
        self.seen = self.decoded().detach()
        self.target = self.optimizer.bpp(self.jpeg).item()

    def decoded(self) -> Tensor:
        planes = pixels_to_coefficients(self.pixels, self.jpeg.sampling)
        return self.jpeg.decoded(planes, *self.pixels.shape[-2:])

    def model(self, precision: str = "float32") -> None:
        seen = self.seen.clone().requires_grad_()
        for task in self.tasks[precision]:
            task.loss(task.logits(seen), task.answer(self.pixels, KEYS), range(len(KEYS))).sum().backward()

    def simulated(self) -> None:
        decoded = self.decoded()
        decoded.backward(decoded.detach())

    def rate(self) -> None:
        torch.autograd.grad(self.optimizer.bpp(self.jpeg), [self.jpeg.log_steps])
        with torch.no_grad():
            self.jpeg.log_steps += 0.02
        self.optimizer.meet(self.jpeg, self.target)

    def whole(self) -> None:
        batch_backward(self.jpeg, self.images, KEYS, self.tasks["float32"], [1.0] * len(self.tasks["float32"]))


def row(name: str, step: Step, repeats: int) -> str:
    """A line of the table."""
    parts = {
        "model": step.model,
        "bfloat16": lambda: step.model("bfloat16"),
        "JPEG": step.simulated,
        "rate": step.rate,
    }
    times: dict[str, list[float]] = {part: [] for part in parts}
    for part in parts.values():
        part()  # answers, and what is built on first use
    for _ in range(repeats):
        for part, call in parts.items():
            share = Recipe.batch_size if part == "rate" else MICRO_BATCH
            times[part].append(1000 * seconds(call, step.device) / share)
    model, simulated, rate = (statistics.median(times[part]) for part in ("model", "JPEG", "rate"))
    faster = statistics.median(a / b for a, b in zip(times["model"], times["bfloat16"], strict=True))
    whole, alone = peak(step.whole, step.device), peak(step.model, step.device)
    total = model + simulated + rate
    cells = [name, *(f"{x:.1f}" for x in (total, model, simulated, rate)), f"{100 * (simulated + rate) / total:.0f} %"]
    return "| " + " | ".join([*cells, f"{faster:.2f}x", f"{whole:.0f}", f"{alone:.0f}"]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="a spec as j4d learn takes it; by default those of J4D_DATA")
    parser.add_argument("--images", type=Path, help="folder of photographs; eight of the most common size are taken")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if "J4D_DATA" not in os.environ:
        sys.exit("bench/learning.py needs the photographs that J4D_DATA points to")
    torch.set_num_threads(1)
    data, device = Path(os.environ["J4D_DATA"]), torch.device(options.device)
    specs = options.model or [f"{data}/zoo.py:load?name={name}" for name in ZOO]
    found = load_images(options.images or data / "learn")
    photographs = list(found.subset(range(min(len(found), 128))))
    (shape, _), *_ = Counter(image.shape for image in photographs).most_common(1)
    spectrum = Spectrum.of(photographs, "4:2:0")
    images = ImageSet.from_arrays([image for image in photographs if image.shape == shape][:MICRO_BATCH])
    models = [j4d.load_model(spec).to(device) for spec in specs]
    processor = simulator.processor() if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(f"$ python {' '.join(sys.argv)}")
    print(f"{MICRO_BATCH} pictures of {shape[1]} x {shape[0]}; torch {torch.__version__}; {processor}\n")
    print("| model | ms a picture | model | JPEG | rate | JPEG and rate | bfloat16 model | peak MiB | of the model |")
    print("| --- |" + " ---: |" * 8)
    with Frozen(models):
        for spec, model in zip(specs, models, strict=True):
            print(
                row(spec.rpartition("name=")[2], Step([model], images, spectrum, device), options.repeats), flush=True
            )
        if len(models) > 1:
            print(row("all of them", Step(models, images, spectrum, device), options.repeats))


if __name__ == "__main__":
    main()
