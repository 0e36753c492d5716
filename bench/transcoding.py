"""What transcoding costs and what it is worth: quantizing twice, accuracy, memory. Speed is in bench/codec.py.

    python bench/transcoding.py grid $J4D_DATA/kodak
    python bench/transcoding.py accuracy $J4D_DATA/originals --split test --model $J4D_DATA/zoo.py:load?name=... -p P
    python bench/transcoding.py memory

`grid` follows the ratio of the new step to the source's; `accuracy` holds files transcoded from JPEG photographs beside
files encoded from their decoded pixels, same parameters.
"""

from __future__ import annotations

import argparse
import io
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from j4d.api import transcode
from j4d.errors import CodecError
from j4d.images.image_set import load_images
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters, Quantization
from j4d.jpeg.tables import ANNEX_K_CHROMA, ANNEX_K_LUMA
from j4d.profile.profile import Profile

RATIOS = (1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.5, 4, 4.5, 5, 5.5, 6)
QUALITIES = (10, 20, 35, 50, 75)
KAPPA = 8.0


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return -10 * math.log10(float(np.mean((a.astype(float) - b) ** 2)) / 255**2)


def grid(options: argparse.Namespace) -> None:
    """Bits and PSNR (both against the original pixels) as the new grid grows coarser than the source's."""
    images = [np.asarray(image) for image in load_images(options.images)][: options.limit]
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    # Multiples of 4, so that every ratio is exact at every frequency.
    luma, chroma = (4 * np.maximum(1, np.rint(table / 16)).astype(np.int32) for table in (ANNEX_K_LUMA, ANNEX_K_CHROMA))
    source = EncodingParameters(luma, chroma)
    files = [encoding.encode(image, source) for image in images]
    decoded = [decoding.decode(file) for file in files]

    def measured(encoded: list[bytes]) -> tuple[float, float]:
        quality = [psnr(decoding.decode(data), image) for data, image in zip(encoded, images, strict=True)]
        return 8 * sum(map(len, encoded)) / pixels, statistics.mean(quality)

    print(
        f"{len(images)} photographs, source {measured(files)[0]:.3f} bpp, {measured(files)[1]:.2f} dB; kappa {KAPPA:g}"
    )
    for name, sharpness, zone in (
        ("nearest", None, 0.0),
        ("nearest, dead zone 0.1", None, 0.1),
        ("nearest, dead zone 0.2", None, 0.2),
        ("drawn", KAPPA, 0.0),
    ):
        zones = np.full((8, 8), zone)
        rows = []
        for ratio in RATIOS:
            tables = ((ratio * luma).astype(np.int32), (ratio * chroma).astype(np.int32))
            new = EncodingParameters(*(Quantization(table, zones) for table in tables), "4:2:0", sharpness)
            rows.append(
                (
                    ratio,
                    measured([encoding.encode(image, new) for image in images]),
                    measured([encoding.encode(image, new) for image in decoded]),
                    measured([transcode(file, new, never_grow=False) for file in files]),
                )
            )
        curve = sorted((row[1][1], math.log(row[1][0])) for row in rows)
        print(f"\n{name}\n")
        print("| new / source step | from the originals: bpp, dB | from decoded pixels | transcoded | at equal dB |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        for ratio, direct, again, transcoded in rows:
            costs = []
            for rate, quality in (again, transcoded):
                reached = np.interp(quality, *zip(*curve, strict=True))
                inside = curve[0][0] <= quality <= curve[-1][0]
                costs.append(f"{100 * (rate / math.exp(reached) - 1):+.1f} %" if inside else "-")
            cells = [f"{rate:.3f}, {quality:.2f}" for rate, quality in (direct, again, transcoded)]
            print(f"| {ratio:g} | {' | '.join(cells)} | {costs[0]}, {costs[1]} |", flush=True)


def accuracy(options: argparse.Namespace) -> None:
    """Rate, top-1 and cross-entropy of files transcoded and of files encoded from the decoded pixels."""
    import torch

    from j4d.readers.loading import load_model

    model = load_model(options.model)
    images = load_images(options.images, split=options.split)
    assert images.labels is not None, "accuracy needs labels"
    sources, labels = [], []
    for path, label in list(zip(images.paths, images.labels, strict=True))[: options.limit]:
        data = path.read_bytes()
        try:
            transcode(data, EncodingParameters.from_quality(50))
        except CodecError as error:
            print(f"left out: {path.name}: {error}")
            continue
        sources.append(data)
        labels.append(int(label))
    decoded = [decoding.decode(data) for data in sources]
    pixels = sum(image.shape[0] * image.shape[1] for image in decoded)
    shapes = [Image.open(io.BytesIO(data)).layer for data in sources]
    kinds = [
        ("4:4:4", "4:2:2", "4:4:0", "4:2:0")[(s[0][1] > 1) + 2 * (s[0][2] > 1)] if len(s) > 1 else "gray"
        for s in shapes
    ]
    print(f"{len(sources)} photographs; " + ", ".join(f"{kinds.count(kind)} of {kind}" for kind in sorted(set(kinds))))

    def judged(encoded: list[bytes]) -> tuple[float, float, np.ndarray]:
        right, losses = 0, []
        for data, label in zip(encoded, labels, strict=True):
            image = torch.from_numpy(decoding.decode(data)).permute(2, 0, 1)[None].float()
            with torch.no_grad():
                logits = model(image).double().log_softmax(1)[0]
            right += int(logits.argmax()) == label
            losses.append(-float(logits[label]))
        return 8 * sum(map(len, encoded)) / pixels, right / len(labels), np.array(losses)

    settings = [(f"default {quality}", EncodingParameters.from_quality(quality)) for quality in QUALITIES]
    if options.profile:
        profile = Profile.load(options.profile)
        settings += [(f"{profile.name} {i}", point.parameters) for i, point in enumerate(profile.points)]
    rate, top1, losses = judged(sources)
    metadata = sum(len(transcode(d, settings[0][1])) - len(transcode(d, settings[0][1], strip=True)) for d in sources)
    print(f"sources: {rate:.3f} bpp, top-1 {top1:.3f}, cross-entropy {losses.mean():.3f}")
    print(f"Exif, ICC and XMP, {8 * metadata / pixels:.4f} bpp on average, are stripped below\n")
    print(
        "| parameters | way | bpp | top-1 | cross-entropy | its difference, standard error |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |"
    )
    for name, parameters in settings:
        ways: dict[str, Callable[[], list[bytes]]] = {
            "from decoded pixels": lambda p=parameters: [encoding.encode(image, p) for image in decoded],  # type: ignore[misc]
            "transcoded": lambda p=parameters: [transcode(data, p, strip=True) for data in sources],  # type: ignore[misc]
            "transcoded, 4:2:0": lambda p=parameters: [  # type: ignore[misc]
                transcode(data, p, strip=True, sampling="parameters") for data in sources
            ],
        }
        first: np.ndarray | None = None
        for way, make in ways.items():
            rate, top1, losses = judged(make())
            first = losses if first is None else first
            difference = losses - first
            error = difference.std(ddof=1) / math.sqrt(len(difference))
            tail = "" if way == "from decoded pixels" else f"{difference.mean():+.3f}, {error:.3f}"
            print(f"| {name} | {way} | {rate:.4f} | {top1:.3f} | {losses.mean():.3f} | {tail} |", flush=True)


MEMORY = """
import sys, time
from j4d import EncodingParameters, transcode
data = open(sys.argv[1], "rb").read()
parameters = EncodingParameters.from_quality(50)
def peak(): return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024  # Linux
before = peak(); start = time.perf_counter()
result = transcode(data, parameters, **eval(sys.argv[2]))
seconds = time.perf_counter() - start
print(f"{len(data) / 2**20:.1f} | {len(result) / 2**20:.1f} | {peak() - before:.0f} | {seconds:.1f}")
"""


def memory(options: argparse.Namespace) -> None:
    """Growth of resident memory while a picture of 100 megapixels is transcoded, in a fresh process each."""
    rng = np.random.default_rng(0)
    y, x = np.indices((1000, 1000))
    tile = np.stack([128 + 90 * np.sin(x / 40 + c) * np.cos(y / 50 - c) for c in range(3)], -1)
    tile = np.clip(tile + rng.normal(0, 6, tile.shape), 0, 255).astype(np.uint8)
    image = np.tile(tile, (10, 10, 1))
    print("100 megapixels, 4:2:0: 3 bytes of coefficients a pixel are 286 MiB\n")
    print(
        "| source | result | file, MiB | result, MiB | peak growth, MiB | s |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |"
    )
    with tempfile.TemporaryDirectory() as folder:
        for source, progressive in (("baseline", False), ("progressive", True)):
            path = Path(folder) / f"{source}.jpg"
            path.write_bytes(encoding.encode(image, EncodingParameters.from_quality(90), progressive=progressive))
            for result, settings in (("baseline", {}), ("progressive", {"progressive": True})):
                command = [sys.executable, "-c", MEMORY, str(path), repr(settings)]
                print(
                    f"| {source} | {result} |",
                    subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(),
                    "|",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["grid", "accuracy", "memory"])
    parser.add_argument("images", nargs="?")
    parser.add_argument("--split")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--model", "-m")
    parser.add_argument("--profile", "-p")
    options = parser.parse_args()
    {"grid": grid, "accuracy": accuracy, "memory": memory}[options.study](options)


if __name__ == "__main__":
    main()
