"""Speed and bytes of the encoder beside Pillow and simplejpeg, with the same tables, on the same photographs.

    python bench/encoder.py              # the tables of docs/performance.md; needs J4D_DATA
    python bench/encoder.py --smoke      # a few photographs, few repetitions: does it run, is it correct?

Speed: one process, one thread, pixels in memory, processor time; contenders take turns over the whole set, and a ratio
is the median of the turns' ratios. Pillow gets its image made beforehand. Bytes are whole files, headers those of them
that are not entropy-coded. Correct? The file decodes, by Pillow, to the pixels of Pillow's own optimized file ("same"),
or to what `quantize` says ("as drawn").

Threads: `encode_many` on one and on two threads, in turns, by the clock; how much processor time both take tells what
other work on the machine hides. Small files: 224 x 224 at quality 8, 4:4:4, where headers and codes
weigh most; "ideal" is the entropy of each file's own symbols, given for free, and the headers without codes.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import simplejpeg
from PIL import Image, features

import j4d
from j4d import _core, codec
from j4d.markers import header_bytes
from j4d.parameters import EncodingParameters
from j4d.tables import ZIGZAG

SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
SHARPNESS = 8.0
LEAN_HEADER = 2 + 134 + 19 + 14 + 2  # SOI, two quantization tables, frame, scan, EOI
Pixels = np.ndarray
Encoder = Callable[[int], bytes]  # the file of the i-th image


def load(folder: Path, pattern: str, count: int) -> list[Pixels]:
    paths = sorted(folder.glob(pattern))[:count]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def pillow(images: Sequence[Pixels], parameters: EncodingParameters, **options: bool) -> Encoder:
    pictures = [Image.fromarray(image) for image in images]
    tables = [parameters.luma.ravel().tolist(), parameters.chroma.ravel().tolist()]
    subsampling = SUBSAMPLING[parameters.sampling]

    def encode(i: int) -> bytes:
        file = io.BytesIO()
        pictures[i].save(file, "JPEG", qtables=tables, subsampling=subsampling, **options)
        return file.getvalue()

    return encode


def contenders(images: Sequence[Pixels], quality: int, sampling: str) -> dict[str, Encoder]:
    nearest = EncodingParameters.from_quality(quality, sampling)
    drawn = EncodingParameters(nearest.luma, nearest.chroma, sampling, SHARPNESS)
    quantized = [codec.quantize(image, nearest) for image in images]
    return {
        "Pillow optimize=True": pillow(images, nearest, optimize=True),
        "Pillow, fixed codes": pillow(images, nearest),
        "simplejpeg, fixed codes": lambda i: simplejpeg.encode_jpeg(
            images[i], quality, colorsubsampling=sampling.replace(":", ""), fastdct=False
        ),
        "j4d": lambda i: codec.encode(images[i], nearest),
        f"j4d, kappa {SHARPNESS:g}": lambda i: codec.encode(images[i], drawn),
        "j4d, indices given": lambda i: codec.write_coefficients(quantized[i]),
        "Pillow progressive": pillow(images, nearest, optimize=True, progressive=True),
        "j4d progressive": lambda i: codec.encode(images[i], nearest, progressive=True),
    }


def correct(name: str, encode: Encoder, images: Sequence[Pixels], quality: int, sampling: str) -> str:
    nearest = EncodingParameters.from_quality(quality, sampling)
    reference = pillow(images, nearest, optimize=True)
    if "kappa" in name:
        drawn = EncodingParameters(nearest.luma, nearest.chroma, sampling, SHARPNESS)
        for i, image in enumerate(images):
            planes = zip(codec.read_coefficients(encode(i)).planes, codec.quantize(image, drawn).planes, strict=True)
            if not all(np.array_equal(a, b) for a, b in planes):
                return "NO"
        return "as drawn"
    same = all(np.array_equal(codec.decode(encode(i)), codec.decode(reference(i))) for i in range(len(images)))
    return "same" if same else "NO"


def quartiles(values: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.0f} [{low:.0f}, {high:.0f}]"


def speed(name: str, images: Sequence[Pixels], quality: int, sampling: str, rounds: int) -> None:
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    encoders = contenders(images, quality, sampling)
    times: dict[str, list[float]] = {row: [] for row in encoders}
    files: dict[str, list[bytes]] = {}
    for _ in range(rounds + 1):
        for row, encode in encoders.items():
            start = process_time()
            files[row] = [encode(i) for i in range(len(images))]
            times[row].append(process_time() - start)
    print(f"\n{name}, quality {quality}, {sampling}\n")
    print("| | Mpx/s, median [quartiles] | x Pillow optimized | x fixed | bytes / Pillow optimized | header | pixels |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for row, encode in encoders.items():
        spent = times[row][1:]  # the first round warms up
        against = [
            statistics.median(b / a for a, b in zip(spent, times[rival][1:], strict=True))
            for rival in ("Pillow optimize=True", "Pillow, fixed codes")
        ]
        size = sum(map(len, files[row])) / sum(map(len, files["Pillow optimize=True"]))
        header = statistics.mean(map(header_bytes, files[row]))
        print(
            f"| {row} | {quartiles([pixels / t / 1e6 for t in spent])} | {against[0]:.2f} | {against[1]:.2f} "
            f"| {size:.4f} | {header:.0f} | {correct(row, encode, images, quality, sampling)} |"
        )


def threads(images: Sequence[Pixels], rounds: int) -> None:
    parameters = EncodingParameters.from_quality(75)
    batch = list(images) * max(1, 100 // len(images))
    ratios, shares = [], []
    for _ in range(rounds + 1):
        clock, processor = [], []
        for count in (1, 2):
            start = perf_counter(), process_time()
            files = j4d.encode_many(batch, parameters, threads=count)
            clock.append(perf_counter() - start[0])
            processor.append(process_time() - start[1])
        ratios.append(clock[0] / clock[1])
        shares.append(processor[1] / processor[0])
    assert files == [codec.encode(image, parameters) for image in batch]
    low, middle, high = statistics.quantiles(ratios[1:], n=4)
    print(
        f"\nencode_many, 2 threads over 1: {middle:.2f} [{low:.2f}, {high:.2f}] by the clock, "
        f"best {max(ratios[1:]):.2f}; {statistics.median(shares[1:]):.2f} times the processor time"
    )


def larger_files(name: str, images: Sequence[Pixels], qualities: Sequence[int]) -> None:
    """Stuffing is chance, so that now and then a file is larger than Pillow's though its bits are fewer."""
    excess = []
    for sampling in ("4:4:4", "4:2:0"):
        for quality in qualities:
            nearest = EncodingParameters.from_quality(quality, sampling)
            theirs = pillow(images, nearest, optimize=True)
            excess += [len(codec.encode(image, nearest)) - len(theirs(i)) for i, image in enumerate(images)]
    larger = [more for more in excess if more > 0]
    print(
        f"\n{name}: {len(larger)} of {len(excess)} files larger than Pillow's optimized ones, "
        f"by at most {max(larger, default=0)} bytes"
    )


def peak_memory(side: int) -> None:
    """Growth of the resident memory while one large picture is encoded; as a gradient with texture, side x side."""
    y, x = np.indices((500, side), dtype=np.int32)
    tile = np.stack([x // 7 + y // 5, x * 3 + y * y // 50, x ^ y], -1).astype(np.uint8)
    image = np.tile(tile, (side // 500, 1, 1))
    del x, y, tile
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    size = len(codec.encode(image, EncodingParameters.from_quality(75)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"\n{side * side / 1e6:.0f} Mpx ({image.nbytes / 2**20:.0f} MiB) to {size / 2**20:.1f} MiB: "
        f"memory grows by at most {max(0, peak - resident) / 2**20:.0f} MiB"
    )


def entropy_bits(counts: np.ndarray) -> float:
    counts = counts[counts > 0]
    return float((counts * np.log2(counts.sum() / counts)).sum())


def ideal_bytes(coefficients: codec.Coefficients) -> float:
    """Entropy of the symbols, DC and AC of luma and of chroma apart, their extra bits, and lean headers."""
    counts = np.zeros((4, 256))
    extra = 0
    for component, plane in enumerate(coefficients.planes):
        chroma = 2 * (component > 0)
        blocks = plane.reshape(-1, 64)[:, ZIGZAG].astype(int)
        sizes = np.ceil(np.log2(np.abs(np.diff(blocks[:, 0], prepend=0)) + 1)).astype(int)
        np.add.at(counts[chroma], sizes, 1)
        extra += sizes.sum()
        block, place = np.nonzero(blocks[:, 1:])
        place += 1
        before = np.where(np.diff(block, prepend=-1) != 0, 0, np.roll(place, 1))
        runs = place - before - 1
        sizes = np.ceil(np.log2(np.abs(blocks[block, place]) + 1)).astype(int)
        np.add.at(counts[chroma + 1], (runs % 16) * 16 + sizes, 1)
        counts[chroma + 1, 0xF0] += (runs // 16).sum()
        counts[chroma + 1, 0] += (blocks[:, 63] == 0).sum()
        extra += sizes.sum()
    return (sum(map(entropy_bits, counts)) + extra) / 8 + LEAN_HEADER


def small_files(images: Sequence[Pixels], quality: int = 8, sampling: str = "4:4:4") -> None:
    encoders = contenders(images, quality, sampling)
    nearest = EncodingParameters.from_quality(quality, sampling)
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    ideal = sum(ideal_bytes(codec.quantize(image, nearest)) for image in images)
    rows = ("Pillow optimize=True", "j4d", "Pillow progressive", "j4d progressive")
    totals = {}
    print(f"\n{len(images)} photographs of 224 x 224, quality {quality}, {sampling}\n")
    print(
        "| | bpp | against Pillow optimized | of the way to the ideal | header |\n| --- | ---: | ---: | ---: | ---: |"
    )
    for row in rows:
        files = [encoders[row](i) for i in range(len(images))]
        totals[row] = sum(map(len, files))
        first = totals[rows[0]]
        print(
            f"| {row} | {8 * totals[row] / pixels:.4f} | {100 * (totals[row] / first - 1):+.1f} % "
            f"| {100 * (first - totals[row]) / (first - ideal):.0f} % "
            f"| {statistics.mean(map(header_bytes, files)):.0f} |"
        )
    print(
        f"| ideal | {8 * ideal / pixels:.4f} | {100 * (ideal / totals[rows[0]] - 1):+.1f} % | 100 % | {LEAN_HEADER} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    root = Path(os.environ["J4D_DATA"])
    few = options.smoke
    rounds = 2 if few else options.rounds
    library = features.version("libjpeg_turbo")
    print(
        f"Pillow's libjpeg-turbo {library}, simplejpeg {simplejpeg.__version__}, j4d {j4d.__version__}, "
        f"kernels {_core.kernels}"
    )
    peak_memory(1000 if few else 10_000)  # first, while nothing else has been resident
    kodak = load(root / "kodak", "*.webp", 2 if few else 24)
    originals = load(root / "originals", "*.JPEG", 4 if few else 40)
    small = load(root / "test", "*.webp", 5 if few else 450)
    for quality in (20,) if few else (20, 75, 92):
        speed(f"{len(kodak)} of Kodak", kodak, quality, "4:2:0", rounds)
    speed(f"{len(originals)} full-size photographs", originals, 75, "4:2:0", rounds)
    speed(f"{len(small[:100])} photographs of 224 x 224", small[:100], 50, "4:4:4", rounds)
    larger_files("Kodak", kodak, (10, 50, 75, 92))
    larger_files("224 x 224", small[:100], (8, 50, 90))
    threads(kodak, rounds)
    small_files(small)


if __name__ == "__main__":
    main()
