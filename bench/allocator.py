"""What keeping freed memory (`j4d.support.allocator`) saves a model on the CPU, and what it costs in memory.

    python bench/allocator.py              # the models of J4D_DATA and the demo's
    python bench/allocator.py timm:resnet50
    python bench/allocator.py --sizes      # memory of an evaluation of photographs of many sizes

A fresh process for each setting and round, in turns, one thread: milliseconds of processor time a picture, of the
forward pass of a batch of 12, as evaluation has them, and of a learning step's part, forward and backward of a batch
of 8; medians, least and greatest.

--sizes: default JPEG and the built-in profile, measured on the photographs of J4D_DATA/originals by two small networks
that look at them unscaled, so that activations differ in size from picture to picture. Resident memory after some of
the photographs, its peak, processor time and page faults: with freed memory kept, as `j4d evaluate` does, and with
malloc left alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import process_time

import torch

import j4d
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.evaluation.measuring import UNSCALED_PIXELS, GridCodec, GridReader, Work
from j4d.evaluation.workers import measure_all
from j4d.profile import lookup
from j4d.support.allocator import keep_freed_memory, resident_memory

ZOO = ("mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224_qat", "squeezenet1.1")
LOOKS, LEARNS = 12, 8
UNSCALED = ("mobilenet_v1_0.5_160", "squeezenet1.1")
MARKS = (50, 150, 300)  # photographs
WORDS = {"keep": "kept", "leave": "handed back"}


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


def evaluation_child(photographs: int) -> None:
    """Print a row's cells: resident memory at the marks, its peak, processor time, page faults."""
    data = os.environ["J4D_DATA"]
    networks = [j4d.load_model(f"{data}/zoo.py:load?name={name}").net for name in UNSCALED]
    images = j4d.load_images(f"{data}/originals").subset(range(photographs))
    entries = GridCodec(DefaultJPEG()), GridCodec(LearnedJPEG(lookup.find("universal-420"), seed=0))
    subjects = [GridReader(name, networks[i].eval, None, UNSCALED_PIXELS) for i, name in enumerate(UNSCALED)]
    work = Work(tuple(subjects), (images,), entries)
    held, done = [], 0
    before = resource.getrusage(resource.RUSAGE_SELF)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if done in MARKS:
            held.append(f"{resident_memory() >> 20}")

    measure_all(work, jobs=1, threads=1, advance=advance)
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    held += [""] * (len(MARKS) - len(held))
    print(" | ".join([*held, str(after.ru_maxrss >> 10), f"{spent:.1f}", str(after.ru_minflt - before.ru_minflt)]))


def sizes(photographs: int, rounds: int) -> None:
    marks = " | ".join(f"MiB after {mark}" for mark in MARKS)
    print(f"| freed memory | {marks} | peak | processor seconds | page faults |")
    print("| --- |" + " ---: |" * (len(MARKS) + 3))
    for _ in range(rounds):
        for word in ("keep", "leave"):
            command = [sys.executable, __file__, "--sizes", "--photographs", str(photographs), "--child", word]
            print(f"| {WORDS[word]} | {subprocess.check_output(command, text=True).strip()} |", flush=True)


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
    parser.add_argument("--sizes", action="store_true", help="memory of an evaluation instead")
    parser.add_argument("--photographs", type=int, default=300)
    parser.add_argument("--child", choices=("keep", "leave"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        if options.child == "keep" and not keep_freed_memory():
            sys.exit("error: not glibc, or its malloc is set up by the environment")
        evaluation_child(options.photographs) if options.sizes else child(options.models[0])
        return
    if options.sizes:
        sizes(options.photographs, options.rounds)
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
