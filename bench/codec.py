"""Speed, bytes and correctness of encoder, writer and transcoder beside their rivals, and which of our aims they meet.

    python bench/codec.py              # the tables of docs/performance.md; needs J4D_DATA
    python bench/codec.py --threads    # only what several threads bring, for a quiet moment
    python bench/codec.py --smoke      # two small photographs, few repetitions: does it run, is it correct?

One process, one thread, processor time (that of child processes with it); contenders take turns over the whole set,
a ratio is the median of the turns' ratios, and slow ones take part in the first three turns. Bytes are whole files,
headers those of them that are not entropy-coded. Who writes files only writes them to memory (/dev/shm).

"pixels" says what a file decodes to. Encoders: by Pillow, the pixels of Pillow's own optimized file ("same"), or the
indices that `quantize` draws ("as drawn"). Transcoders: the source's indices ("source's"), or those that integer
arithmetic here ("as computed") or the quantizer ("as drawn") makes of them. "own" is a codec that quantizes in its own
way, so a reference: PSNR against the input beyond that of Pillow's optimized file, or of `transcode`; the median.

Threads: by the clock, in turns, beside a control, SHA-256, which tells what the machine gives to several.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import leanness
import numpy as np
import resources
import rivals
from PIL import Image, features
from turns import Bar, Row, Run, available, psnr, same_planes, take_turns

import j4d
from j4d import _core
from j4d.errors import CodecError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import Coefficients, quantize, read_coefficients, write_coefficients
from j4d.jpeg.markers import header_bytes
from j4d.jpeg.parameters import EncodingParameters

SHARPNESS = 8.0
OPTIMIZED, FIXED = "Pillow optimize=True", "Pillow, fixed codes"
DRAWN = f"j4d, kappa {SHARPNESS:g}"
WRITTEN, JPEGLIB, TURBO = "j4d, indices to a file", "jpeglib, indices to a file", "the same, its turbo210, optimized"
PILLOW, LIBRARY, OWN = "Pillow decode, optimized encode", "jpegtran -optimize, in process", "j4d, the source's tables"
BARS = {
    "encode: speed over Pillow optimize=True": Bar(1.3),
    "encode: speed over Pillow with fixed codes": Bar(1.0),
    "encode: time of drawn over nearest": Bar(1.2, least=False),
    "transcode: speed over Pillow decode, optimized encode": Bar(2.0),
    "transcode: speed over jpegtran -optimize in process": Bar(1.0),
    "transcode to the source's tables: the same": Bar(1.0),
    "write indices: speed over jpeglib, which writes a file": Bar(5.0),
    "write indices to a file: speed over jpeglib as it comes": Bar(5.0),
    "write indices to a file: over its libjpeg-turbo, optimized": Bar(5.0),
    "bytes of the worst file beyond libjpeg-turbo's optimized one": Bar(0, least=False, form=".0f"),
    "all threads: speed over one": Bar(1.85),
}
left_out: set[str] = set()  # rivals that this machine does not have
failures: list[str] = []  # rows of ours that are wrong


def verdict(row: Row, name: str, title: str, reference: Sequence[float]) -> str:
    word = row.checked(reference)
    if word == "NO" and name.startswith("j4d"):
        failures.append(f"{title}: {name}")
    return word


def judge(bar: str, title: str, rows: dict[str, Row], fast: str, slow: str) -> None:
    if fast in rows and slow in rows:
        BARS[bar].measured[title] = rows[fast].over(rows[slow])


def encoding_table(
    name: str, images: Sequence[np.ndarray], quality: int, sampling: str, rounds: int, folder: Path
) -> None:
    """Prints the table of what makes files from pixels, and from indices."""
    nearest = EncodingParameters.from_quality(quality, sampling)
    drawn = replace(nearest, sharpness=SHARPNESS)
    task = rivals.Task(images, nearest, quality, folder)
    reference = rivals.pillow(task, optimize=True)
    expected = [decoding.decode(reference(i)) for i in range(len(images))]

    def same(run: Run, slow: bool = False) -> Row:
        return Row(run, lambda i, file: np.array_equal(decoding.decode(file), expected[i]), "same", slow)

    def own(run: Run) -> Row:
        return Row(run, lambda i, file: psnr(decoding.decode(file), images[i]), "own", slow=True)

    def written(i: int) -> Path:
        path = folder / f"j4d{i}.jpg"
        path.write_bytes(write_coefficients(task.quantized[i]))
        return path

    rows = available(
        {
            OPTIMIZED: lambda: same(rivals.pillow(task, optimize=True)),
            FIXED: lambda: same(rivals.pillow(task)),
            "simplejpeg, fixed codes": lambda: same(rivals.simplejpeg(task)),
            "j4d": lambda: same(lambda i: encoding.encode(images[i], nearest)),
            DRAWN: lambda: Row(
                lambda i: encoding.encode(images[i], drawn),
                lambda i, file: same_planes(file, quantize(images[i], drawn).planes),
                "as drawn",
            ),
            "j4d, indices given": lambda: same(lambda i: write_coefficients(task.quantized[i])),
            WRITTEN: lambda: same(written),
            JPEGLIB: lambda: same(rivals.jpeglib_write(task, "6b", optimize=False)),
            TURBO: lambda: same(rivals.jpeglib_write(task, "turbo210", optimize=True)),
            "Pillow progressive=True": lambda: same(rivals.pillow(task, progressive=True), slow=True),
            "j4d progressive": lambda: same(lambda i: encoding.encode(images[i], nearest, progressive=True), slow=True),
            "MozJPEG of jpeglib": lambda: own(rivals.mozjpeg(task)),
            "MozJPEG of imagecodecs": lambda: own(rivals.imagecodecs_mozjpeg(task)),
            "jpegli of pyjpegli": lambda: own(rivals.jpegli(task)),
        },
        left_out,
    )
    take_turns(rows, len(images), rounds)
    title = f"{name}, quality {quality}, {sampling}"
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    base = [psnr(a, b) for a, b in zip(expected, images, strict=True)]
    print(f"\n{title}\n")
    print("| | Mpx/s, median [quartiles] | x Pillow optimized | x fixed | bytes / Pillow optimized | header | pixels |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for text, row in rows.items():
        print(
            f"| {text} | {row.speed(pixels)} | {row.over(rows[OPTIMIZED]):.2f} | {row.over(rows[FIXED]):.2f} "
            f"| {row.size / rows[OPTIMIZED].size:.4f} | {statistics.mean(map(header_bytes, row.files)):.0f} "
            f"| {verdict(row, text, title, base)} |",
            flush=True,
        )
    judge("encode: speed over Pillow optimize=True", title, rows, "j4d", OPTIMIZED)
    judge("encode: speed over Pillow with fixed codes", title, rows, "j4d", FIXED)
    judge("encode: time of drawn over nearest", title, rows, "j4d", DRAWN)
    judge("write indices: speed over jpeglib, which writes a file", title, rows, "j4d, indices given", JPEGLIB)
    judge("write indices to a file: speed over jpeglib as it comes", title, rows, WRITTEN, JPEGLIB)
    judge("write indices to a file: over its libjpeg-turbo, optimized", title, rows, WRITTEN, TURBO)


def requantized(source: Coefficients, tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Nearest indices; an AC coefficient half way between two goes to the one nearer zero, DC away from it."""
    planes = []
    for plane, old, new in zip(source.planes, source.tables, tables, strict=True):
        twice = 2 * np.abs(plane.astype(np.int64)) * old
        up = np.full((8, 8), -1)
        up[0, 0] = 0
        planes.append((np.sign(plane) * ((twice + new + up) // (2 * new))).astype(np.int16))
    return planes


def transcoding(name: str, files: Sequence[bytes], quality: int, rounds: int, folder: Path) -> None:
    """Prints the table of what makes files from files; those that `read_coefficients` refuses take no part."""
    sources, coefficients, own = [], [], []
    for data in files:
        try:
            read = read_coefficients(data)
        except CodecError:
            continue
        if len(read.tables) == 3 and not np.array_equal(*read.tables[1:]):
            continue
        sources.append(data)
        coefficients.append(read)
        own.append(EncodingParameters(read.tables[0], read.tables[-1], read.sampling))
    nearest = EncodingParameters.from_quality(quality)
    drawn = replace(nearest, sharpness=SHARPNESS)
    decoded = [decoding.decode(data) for data in sources]
    tables = [
        [nearest.luma.steps, nearest.chroma.steps, nearest.chroma.steps][: len(read.tables)] for read in coefficients
    ]

    def draw(i: int) -> list[np.ndarray]:
        zone = np.zeros((8, 8))
        return [
            _core.quantize((8 * plane * old).astype(np.int16), new, zone, SHARPNESS, 0, component)
            for component, (plane, old, new) in enumerate(
                zip(coefficients[i].planes, coefficients[i].tables, tables[i], strict=True)
            )
        ]

    def ours(parameters: Callable[[int], EncodingParameters], planes: Callable[[int], Sequence], word: str) -> Row:
        return Row(
            lambda i: j4d.transcode(sources[i], parameters(i), strip=True, never_grow=False),
            lambda i, file: same_planes(file, planes(i)),
            word,
        )

    def lossless(run: Run, slow: bool = False) -> Row:
        return Row(run, lambda i, file: same_planes(file, coefficients[i].planes), "source's", slow)

    rows = available(
        {
            PILLOW: lambda: Row(
                rivals.pillow_transcode(sources, nearest),
                lambda i, file: psnr(decoding.decode(file), decoded[i]),
                "own",
            ),
            "j4d": lambda: ours(lambda i: nearest, lambda i: requantized(coefficients[i], tables[i]), "as computed"),
            DRAWN: lambda: ours(lambda i: drawn, draw, "as drawn"),
            OWN: lambda: ours(lambda i: own[i], lambda i: coefficients[i].planes, "source's"),
            "jpegtran -optimize": lambda: lossless(rivals.jpegtran(sources, folder)),
            LIBRARY: lambda: lossless(rivals.jpegtran_library(sources, folder)),
            "mozjpeg-lossless-optimization": lambda: lossless(rivals.mozjpeg_lossless(sources), slow=True),
        },
        left_out,
    )
    take_turns(rows, len(sources), rounds)
    pixels = sum(image.shape[0] * image.shape[1] for image in decoded)
    bpp = 8 * sum(map(len, sources)) / pixels
    title = f"transcode {len(sources)} {name} to quality {quality}"
    base = [psnr(decoding.decode(file), decoded[i]) for i, file in enumerate(rows["j4d"].files)]
    jpegtran = rows.get(LIBRARY)
    print(f"\n{title}; sources of {bpp:.2f} bpp\n")
    print("| | Mpx/s, median [quartiles] | x Pillow | x jpegtran in process | bytes / source | pixels |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for text, row in rows.items():
        print(
            f"| {text} | {row.speed(pixels)} | {row.over(rows[PILLOW]):.2f} "
            f"| {f'{row.over(jpegtran):.2f}' if jpegtran else ''} | {row.size / sum(map(len, sources)):.4f} "
            f"| {verdict(row, text, title, base)} |",
            flush=True,
        )
    judge("transcode: speed over Pillow decode, optimized encode", title, rows, "j4d", PILLOW)
    judge("transcode: speed over jpegtran -optimize in process", title, rows, "j4d", LIBRARY)
    judge("transcode to the source's tables: the same", title, rows, OWN, LIBRARY)
    if jpegtran:
        excess = [len(a) - len(b) for a, b in zip(rows[OWN].files, jpegtran.files, strict=True)]
        bytes_beyond(f"{len(sources)} {name}, beside jpegtran", excess)


def bytes_beyond(name: str, excess: Sequence[int]) -> None:
    larger = [more for more in excess if more > 0]
    worst = max(larger, default=0)
    print(f"\n{name}: {len(larger)} of {len(excess)} files larger than libjpeg-turbo's, by at most {worst} bytes")
    BARS["bytes of the worst file beyond libjpeg-turbo's optimized one"].measured[name] = worst


def load(folder: Path, pattern: str, count: int) -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob(pattern))[:count]]


def smoke_photographs() -> list[np.ndarray]:
    """Two crops of photographs in scikit-image's wheel."""
    import skimage

    paths = [Path(skimage.__file__).parent / "data" / name for name in ("astronaut.png", "coffee.png")]
    return [np.asarray(Image.open(path).convert("RGB"))[:224, :301].copy() for path in paths]


def everything(root: Path, kodak: Sequence[np.ndarray], rounds: int, folder: Path) -> None:
    """Prints all tables that need one thread."""
    originals = load(root / "originals", "*.JPEG", 40)
    small = load(root / "test", "*.webp", 450)
    for quality in (20, 75, 92):
        encoding_table("24 of Kodak", kodak, quality, "4:2:0", rounds, folder)
    encoding_table(f"{len(originals)} full-size photographs", originals, 75, "4:2:0", rounds, folder)
    encoding_table("100 photographs of 224 x 224", small[:100], 50, "4:4:4", rounds, folder)
    files = [encoding.encode(image, EncodingParameters.from_quality(92)) for image in kodak]
    transcoding("of Kodak at quality 92", files, 50, rounds, folder)
    files = [path.read_bytes() for path in sorted((root / "originals").glob("*.JPEG"))[:40]]
    transcoding("full-size photographs", files, 50, rounds, folder)
    bytes_beyond("Kodak", leanness.excess_bytes(kodak, (10, 50, 75, 92)))
    bytes_beyond("224 x 224", leanness.excess_bytes(small[:100], (8, 50, 90)))
    leanness.small_files(small)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if not options.smoke and "J4D_DATA" not in os.environ:
        parser.error("J4D_DATA does not say where kodak/, originals/ and test/ are; --smoke does without")
    rounds = 2 if options.smoke else options.rounds
    scaling = BARS["all threads: speed over one"]
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"  # jpeglib's temporary files too: memory, no disk
    print(f"Pillow's libjpeg-turbo {features.version('libjpeg_turbo')}, j4d {j4d.__version__}, kernels {_core.kernels}")
    if not options.threads:  # first, while nothing else has been resident
        resources.peak_memory(1000 if options.smoke else 10_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.smoke:
            photographs = smoke_photographs()
            encoding_table("2 photographs", photographs, 20, "4:2:0", rounds, folder)
            files = [encoding.encode(image, EncodingParameters.from_quality(90)) for image in photographs]
            transcoding("photographs", files, 50, rounds, folder)
            bytes_beyond("2 photographs", leanness.excess_bytes(photographs, (50,)))
            leanness.small_files([image[:, :224] for image in photographs])
        else:
            photographs = load(Path(os.environ["J4D_DATA"]) / "kodak", "*.webp", 24)
            if not options.threads:
                everything(Path(os.environ["J4D_DATA"]), photographs, rounds, folder)
    failures.extend(resources.threads(photographs, rounds, scaling))
    print("\n| bar | aim | measured | met |\n| --- | --- | --- | --- |")
    print(*(bar.line(text) for text, bar in BARS.items() if bar is scaling or not options.threads), sep="\n")
    for failure in failures:
        print(f"NOT CORRECT: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
