"""What several threads bring, and how much memory one picture takes. Part of bench/codec.py."""

from __future__ import annotations

import hashlib
import os
import resource
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import rivals
from turns import Bar, quartiles

import j4d
from j4d.jpeg import encoding
from j4d.jpeg.parameters import EncodingParameters


def threads(images: Sequence[np.ndarray], rounds: int, bar: Bar) -> list[str]:
    """Prints what several threads bring, by the clock; returns what is wrong with the files."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parameters = EncodingParameters.from_quality(75)
    batch = list(images) * max(1, 100 // len(images))
    files = [encoding.encode(image, EncodingParameters.from_quality(92)) for image in images] * (
        len(batch) // len(images)
    )
    pillow = rivals.pillow(rivals.Task(batch, parameters, 75, Path()), optimize=True)

    def pool(run: Callable[[int], object]) -> Callable[[int], object]:
        def all_of_them(workers: int) -> object:
            with ThreadPoolExecutor(workers) as executor:
                return list(executor.map(run, range(len(batch))))

        return all_of_them

    runs = {
        "SHA-256 of the pixels": pool(lambda i: hashlib.sha256(batch[i]).digest()),
        "Pillow optimize=True": pool(pillow),
        "j4d.encode_many": lambda workers: j4d.encode_many(batch, parameters, threads=workers),
        "j4d.transcode_many": lambda workers: j4d.transcode_many(files, parameters, threads=workers),
    }
    clock: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    processor: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    pixels = sum(image.shape[0] * image.shape[1] for image in batch) / 1e6
    for _ in range(rounds + 1):
        for name, run in runs.items():
            seconds, spent = [], []
            for workers in (1, count):
                start = perf_counter(), process_time()
                run(workers)
                seconds.append(perf_counter() - start[0])
                spent.append(process_time() - start[1])
            clock[name].append((seconds[0], seconds[1]))
            processor[name].append((spent[0], spent[1]))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{len(batch)} pictures, {pixels:.0f} Mpx, by the clock; load of the machine {load}\n")
    print(f"| | 1 thread, Mpx/s | {count} threads, Mpx/s | ratio, median [quartiles] | best | processor time |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in runs:
        seconds = clock[name][1:]
        ratios = [one / several for one, several in seconds]
        cost = statistics.median(several / one for one, several in processor[name][1:])
        one, several = (statistics.median(pixels / pair[k] for pair in seconds) for k in (0, 1))
        print(f"| {name} | {one:.0f} | {several:.0f} | {quartiles(ratios, '.2f')} | {max(ratios):.2f} | x {cost:.2f} |")
        if name.startswith("j4d"):
            bar.measured[name] = statistics.median(ratios)
    wrong = []
    if j4d.encode_many(batch, parameters, threads=count) != [encoding.encode(image, parameters) for image in batch]:
        wrong.append("encode_many: not the bytes of encode")
    if j4d.transcode_many(files, parameters, threads=count) != [j4d.transcode(data, parameters) for data in files]:
        wrong.append("transcode_many: not the bytes of transcode")
    return wrong


def peak_memory(side: int) -> None:
    """Growth of the resident memory while one large picture is encoded; as a gradient with texture, side x side."""
    y, x = np.indices((500, side), dtype=np.int32)
    tile = np.stack([x // 7 + y // 5, x * 3 + y * y // 50, x ^ y], -1).astype(np.uint8)
    image = np.tile(tile, (side // 500, 1, 1))
    del x, y, tile
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    size = len(encoding.encode(image, EncodingParameters.from_quality(75)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"\n{side * side / 1e6:.0f} Mpx ({image.nbytes / 2**20:.0f} MiB) to {size / 2**20:.1f} MiB: "
        f"memory grows by at most {max(0, peak - resident) / 2**20:.0f} MiB"
    )
