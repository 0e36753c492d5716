"""What keeping freed memory (`j4d.allocator`) saves a model on the CPU.

    python bench/allocator.py              # the models of J4D_DATA and the demo's
    python bench/allocator.py timm:resnet50

A fresh process for each setting and round, in turns, one thread: milliseconds of processor time a picture, of the
forward pass of a batch of 12, as evaluation has them, and of a learning step's part, forward and backward of a batch
of 8; medians, least and greatest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import process_time

import torch

import j4d
from j4d.allocator import keep_freed_memory

ZOO = ("mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224_qat", "squeezenet1.1")
LOOKS, LEARNS = 12, 8


def child(spec: str) -> None:
    """Prints the two figures of this process."""
    torch.set_num_threads(1)
    model = j4d.load_model(spec).eval()
    with torch.inference_mode():
        pictures = torch.rand(LOOKS, 3, 224, 224)
        looking = seconds(lambda: model(pictures))
    pictures = torch.rand(LEARNS, 3, 224, 224, requires_grad=True)
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    def step() -> None:
        (gradient,) = torch.autograd.grad(model(pictures).logsumexp(1).sum(), pictures)
        assert gradient.shape == pictures.shape

    print(1000 * looking / LOOKS, 1000 * seconds(step) / LEARNS)


def seconds(call: Callable[[], object], turns: int = 4) -> float:
    call()
    start = process_time()
    for _ in range(turns):
        call()
    return (process_time() - start) / turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=("keep", "leave"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        if options.child == "keep" and not keep_freed_memory():
            sys.exit("error: not glibc, or its malloc is set up by the environment")
        child(options.models[0])
        return
    zoo = os.environ.get("J4D_DATA")
    models = options.models or [f"{zoo}/zoo.py:load?name={name}" for name in ZOO if zoo] + ["demo:efficientnet-lite0"]
    print("| | forward, handed back | kept | ratio | learning, handed back | kept | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for spec in models:
        figures: dict[str, list[list[float]]] = {"leave": [], "keep": []}
        for _ in range(options.rounds):
            for word, found in figures.items():
                command = [sys.executable, __file__, "--child", word, spec]
                found.append([float(text) for text in subprocess.check_output(command, text=True).split()])
        cells = []
        for which in (0, 1):
            leave, keep = ([one[which] for one in figures[word]] for word in ("leave", "keep"))
            ratio = statistics.median(k / v for k, v in zip(keep, leave, strict=True))
            cells += [spread(leave), spread(keep), f"{ratio:.2f}"]
        print(f"| {spec.rpartition('=')[2].rpartition(':')[2]} | {' | '.join(cells)} |", flush=True)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
