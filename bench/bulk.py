"""Whole data sets under fire, and how fast they go.

`kills` makes N small images in folders and shards, transcodes them once without interruption, and once killed with
SIGKILL at K random moments and resumed each time; at the end both trees are compared byte by byte.

    python bench/bulk.py kills --images 100000 --kills 50

`faults` cuts, scribbles over or replaces by noise a share of N images, and tells what became of them.

    python bench/bulk.py faults --images 4000 --share 0.01

`speed` takes turns: folders and shards of photographs through `j4d transcode` on each number of threads, the codec
alone over the same images in memory, and scripts that decode and encode in a pool of processes: Pillow file by file or
shard by shard, OpenCV shard by shard as img2dataset re-encodes. Nothing is deleted before the last turn: ext4 takes
longer to make files for seconds after many were removed.

    python bench/bulk.py speed "$J4D_DATA/originals" --threads 1 2 --rounds 5

`sizes` is what large data sets are sized by: processor time and bytes per image through `j4d transcode` of a folder,
one thread, for photographs of about 500 x 375, crops of 224 x 224, and mosaics of 4000 x 3000 made of photographs.

    python bench/bulk.py sizes "$J4D_DATA/originals"
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

from j4d import Profile
from j4d.bulk import Settings, source_of, target_of, transcode_data_set
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.transcoding import Transcoder

try:
    import cv2
except ImportError:  # pip install 'j4d[bench]'
    cv2 = None

QUALITY = 40
DISTINCT = 500  # generated pictures; each file has one of them and bytes of its own
PRIVATE = ".j4d"
SHARDS = 4
KINDS = {"in": "folder", "tar": "shards"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills")
    kills.add_argument("--images", type=int, default=2000)
    kills.add_argument("--kills", type=int, default=10)
    kills.add_argument("--threads", type=int, default=2)
    kills.add_argument("--seed", type=int, default=0)
    kills.add_argument("--folder", type=Path, help="where to work; by default a temporary folder")
    kills.add_argument("--photographs", type=Path, help="crops of these instead of generated pictures")
    faults = commands.add_parser("faults")
    faults.add_argument("--images", type=int, default=4000)
    faults.add_argument("--share", type=float, default=0.01)
    faults.add_argument("--seed", type=int, default=0)
    faults.add_argument("--folder", type=Path, help="where to work; by default a temporary folder")
    faults.add_argument("--photographs", type=Path, help="crops of these instead of generated pictures")
    speed = commands.add_parser("speed")
    speed.add_argument("images", type=Path)
    speed.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    speed.add_argument("--rounds", type=int, default=5)
    speed.add_argument("--copies", type=int, default=10, help="of every image, so that what a run costs once is small")
    speed.add_argument("--folder", type=Path, help="where to work; by default a temporary folder")
    sizes = commands.add_parser("sizes")
    sizes.add_argument("images", type=Path)
    sizes.add_argument("--folder", type=Path, help="where to work; by default a temporary folder")
    options = parser.parse_args()
    if options.command == "sizes":
        sized(options)
    elif options.command == "faults":
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            damaged(Path(folder), options)
    elif options.command == "kills":
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            under_fire(Path(folder), options)
    else:
        measure(options)


def under_fire(folder: Path, options: argparse.Namespace) -> None:
    rng = random.Random(options.seed)
    count = make(folder / "in", options.images, rng, options.photographs)
    began = time.monotonic()
    subprocess.run(command(folder / "in", folder / "whole", options.threads), check=True, stdout=subprocess.DEVNULL)
    span = time.monotonic() - began
    print(f"{count} images, uninterrupted in {span:.0f} s", flush=True)
    killed = attempts = 0
    while killed < options.kills:
        attempts += 1
        process = subprocess.Popen(command(folder / "in", folder / "out", options.threads), stdout=subprocess.DEVNULL)
        try:
            # Half of them early, when it plans; half of them anywhere within what a kill may leave undone.
            process.wait(rng.uniform(0, 3) if rng.random() < 0.3 else rng.uniform(1, 2 + 2 * span / options.kills))
            break  # done before the kill
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    ended = subprocess.run(command(folder / "in", folder / "out", options.threads), stdout=subprocess.DEVNULL)
    print(f"killed {killed} times in {attempts} runs; the last run ended with {ended.returncode}")
    compare(folder / "whole", folder / "out")


def damaged(folder: Path, options: argparse.Namespace) -> None:
    rng = random.Random(options.seed)
    pictures = [picture(i, options.photographs) for i in range(min(DISTINCT, options.images))]
    chosen = set(rng.sample(range(options.images), round(options.share * options.images)))
    for i in range(options.images):
        data = pictures[i % len(pictures)]
        if i in chosen:
            data = rng.choice((cut, scribbled, no_picture))(data, rng)
        path = folder / f"in/{i // 1000:03d}/{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    asked = [*command(folder / "in", folder / "out", 1), "--verify"]
    ended = subprocess.run(asked, stdout=subprocess.PIPE, text=True)
    told = json.loads(ended.stdout.splitlines()[-1])
    lost = same = 0
    for source in (folder / "in").rglob("*.jpg"):
        output = folder / "out" / source.relative_to(folder / "in")
        lost += not output.exists()
        same += output.exists() and output.read_bytes() == source.read_bytes()
    print(
        f"{options.images} images, {len(chosen)} of them damaged: {told['transcoded']} transcoded, "
        f"{told['damaged'] + told['unsupported']} listed, {same} as they were, {lost} lost; "
        f"exit code {ended.returncode}"
    )


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(3, len(data))]


def scribbled(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(40):
        changed[rng.randrange(2, len(changed))] = rng.randrange(256)
    return bytes(changed)


def no_picture(data: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(len(data))


def compare(whole: Path, out: Path) -> None:
    names = [sorted(p.relative_to(f).as_posix() for p in f.rglob("*") if p.is_file()) for f in (whole, out)]
    first, second = ([name for name in found if not name.startswith(PRIVATE)] for found in names)
    different = sum((whole / name).read_bytes() != (out / name).read_bytes() for name in set(first) & set(second))
    left = len(list(out.glob(f"{PRIVATE}/tmp/*")))
    print(f"{len(first)} files whole, {len(second)} after the kills, {different} differ, {left} temporary files left")
    if first != second or different:
        sys.exit(1)


def command(source: Path, target: Path, threads: int) -> list[str]:
    options = ["--quality", str(QUALITY), "--threads", str(threads), "--json"]
    return [sys.executable, "-m", "j4d", "transcode", str(source), str(target), *options]


def make(folder: Path, count: int, rng: random.Random, photographs: Path | None) -> int:
    """Half of the images in folders of 1000, half in shards of 500 with a class each; every file is different."""
    pictures = [picture(i, photographs) for i in range(min(DISTINCT, count))]

    def image(i: int) -> bytes:
        data = pictures[i % len(pictures)]
        note = f"number {i}".encode()
        return data[:2] + b"\xff\xe1" + (len(note) + 8).to_bytes(2, "big") + b"Exif\0\0" + note + data[2:]

    for i in range(count // 2):
        path = folder / f"images/{i // 1000:03d}/{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(i))
    for start in range(count // 2, count, 500):
        (folder / "shards").mkdir(parents=True, exist_ok=True)
        with tarfile.open(folder / f"shards/{start:06d}.tar", "w") as archive:
            for i in range(start, min(start + 500, count)):
                for suffix, data in (("jpg", image(i)), ("cls", str(i % 1000).encode())):
                    member = tarfile.TarInfo(f"{i:06d}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return count


def picture(seed: int, photographs: Path | None) -> bytes:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(32, 129, 2))
    if photographs is not None:
        files = sorted(p for p in photographs.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
        image = Image.open(files[seed % len(files)]).convert("RGB")
        left, top = (int(rng.integers(0, max(1, a - b))) for a, b in zip(image.size, (width, height), strict=True))
        image = image.crop((left, top, left + width, top + height))
    else:
        y, x = np.mgrid[:height, :width] / rng.uniform(4, 30)
        pixels = 128 + 90 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], -1) + rng.normal(0, 12, (height, width, 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(75, 97)))
    return file.getvalue()


def measure(options: argparse.Namespace) -> None:
    parameters = EncodingParameters.from_quality(QUALITY)
    names = sorted(p for p in options.images.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    datas = [name.read_bytes() for name in names] * options.copies
    transcoder = Transcoder(parameters)
    times: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        os.sync()  # what the turn before has left to the disk is not this one's
        began = time.perf_counter()
        work()
        times.setdefault(name, []).append(time.perf_counter() - began)

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        place = Path(folder)
        jobs = []
        for i in range(options.copies):
            (place / f"in/{i:03d}").mkdir(parents=True)
            for name in names:
                jobs.append((shutil.copy(name, place / f"in/{i:03d}"), str(place / f"pillow-{i}-{name.name}")))
        (place / "tar").mkdir()
        for i in range(SHARDS):
            with tarfile.open(place / f"tar/{i:03d}.tar", "w") as archive:
                for source, _ in jobs[i::SHARDS]:
                    archive.add(source, os.path.relpath(source, place / "in"))

        turns = iter(range(10**6))

        def ours(source: str, threads: int) -> None:
            settings = Settings(parameters=parameters)
            out = str(place / f"out-{next(turns)}")
            transcode_data_set(source_of([source]), target_of(out), settings, threads=threads)

        def pool(work: Callable[..., None], jobs: Sequence[tuple[str, str]], threads: int) -> None:
            with Pool(threads) as processes:
                processes.map(work, jobs, max(1, min(8, len(jobs) // threads)))

        shards = [(str(shard), str(place / f"pillow-{shard.name}")) for shard in sorted((place / "tar").iterdir())]
        for _ in range(options.rounds):
            for n in options.threads:
                timed(f"codec alone in memory, {n}", partial(transcoder.many, datas, threads=n))
                for kind in ("in", "tar"):
                    timed(f"`j4d transcode`, {KINDS[kind]}, {n}", partial(ours, str(place / kind), n))
                timed(f"Pillow, folder, {n}", partial(pool, pillow, jobs, n))
                timed(f"Pillow, shards, {n}", partial(pool, pillow_shard, shards, n))
                if cv2 is not None:
                    timed(f"OpenCV as in img2dataset, shards, {n}", partial(pool, opencv_shard, shards, n))
    size = sum(map(len, datas))
    told = f"{len(datas)} images, {size / 1e6:.1f} MB"
    print(f"{told}; default JPEG quality {QUALITY}; medians of {options.rounds} rounds, and the quartiles of ratios")
    print("| threads or processes | images/s | MB/s | x codec alone |\n| --- | ---: | ---: | ---: |")
    for name, found in times.items():
        alone = times[f"codec alone in memory, {name.rsplit(' ', 1)[1]}"]
        middle = statistics.median(found)
        ratios = sorted(a / b for a, b in zip(alone, found, strict=True))
        low, ratio, high = np.percentile(ratios, (25, 50, 75))
        print(
            f"| {name} | {len(datas) / middle:.0f} | {size / middle / 1e6:.1f} | {ratio:.2f} ({low:.2f}..{high:.2f}) |"
        )


def pillow(job: tuple[str, str]) -> None:
    """What people write: decode, encode, no flush to the disk, no metadata."""
    with Image.open(job[0]) as image:
        image.convert("RGB").save(job[1], "JPEG", quality=QUALITY, optimize=True)


def pillow_shard(job: tuple[str, str]) -> None:
    """The same from shard to shard: one process a shard, members in order."""

    def recoded(data: bytes) -> bytes:
        out = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            image.convert("RGB").save(out, "JPEG", quality=QUALITY, optimize=True)
        return out.getvalue()

    rewrite(job, recoded)


def opencv_shard(job: tuple[str, str]) -> None:
    """What img2dataset does to a shard where it re-encodes: OpenCV's decoder and encoder, one after the other."""
    cv2.setNumThreads(1)

    def recoded(data: bytes) -> bytes:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])

    rewrite(job, recoded)


def rewrite(job: tuple[str, str], recoded: Callable[[bytes], bytes]) -> None:
    with tarfile.open(job[0]) as source, tarfile.open(job[1], "w") as target:
        for member in source:
            file = source.extractfile(member)
            assert file is not None
            data = recoded(file.read())
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))


def sized(options: argparse.Namespace) -> None:
    photographs = sorted(p for p in options.images.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    ways = {
        "universal, quality 40": Settings(profile=Profile.builtin("universal"), at={"quality": 40}),
        "the same, not adapted": Settings(profile=Profile.builtin("universal"), at={"quality": 40}, adapt=False),
        f"default JPEG, quality {QUALITY}": Settings(parameters=EncodingParameters.from_quality(QUALITY)),
    }
    print(
        "| images | asked for | kB in | kB out | core ms | of it kernel | images/s a core | MB/s read | core h, 10^9 |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for kind, files in made_of(photographs).items():
            source = Path(folder) / kind.replace(" ", "")
            source.mkdir()
            for number, data in enumerate(files):
                (source / f"{number:05d}.jpg").write_bytes(data)
            for number, (way, settings) in enumerate(ways.items()):
                before = resource.getrusage(resource.RUSAGE_SELF)
                target = target_of(f"{source}-{number}")
                totals = transcode_data_set(source_of([str(source)]), target, settings, threads=1).totals
                after = resource.getrusage(resource.RUSAGE_SELF)
                kernel = (after.ru_stime - before.ru_stime) / len(files)
                seconds = (after.ru_utime - before.ru_utime) / len(files) + kernel
                size = totals["bytes_in"] / len(files)
                print(
                    f"| {kind} | {way} | {size / 1e3:.1f} | {totals['bytes_written'] / len(files) / 1e3:.1f} "
                    f"| {1e3 * seconds:.2f} | {kernel / seconds:.0%} | {1 / seconds:.0f} | {size / seconds / 1e6:.0f} "
                    f"| {seconds / 3.6e-6:,.0f} |",
                    flush=True,
                )


def made_of(photographs: Sequence[Path]) -> dict[str, list[bytes]]:
    """Files by kind: the photographs four times over, their centres at quality 90, and mosaics at quality 90."""

    def saved(image: Image.Image) -> bytes:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        return file.getvalue()

    small = []
    tiles = []
    for path in photographs:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        scale = 256 / min(image.size)
        scaled = image.resize((round(image.width * scale), round(image.height * scale)))
        left, top = (scaled.width - 224) // 2, (scaled.height - 224) // 2
        small.append(saved(scaled.crop((left, top, left + 224, top + 224))))
        if min(image.size) >= 375 and max(image.size) >= 500:
            tiles.append(
                image.crop((0, 0, 500, 375))
                if image.width >= 500
                else image.crop((0, 0, 375, 500)).rotate(90, expand=True)
            )
    large = []
    for start in range(0, len(tiles) - 64, 16):
        mosaic = Image.new("RGB", (4000, 3000))
        for number, tile in enumerate(tiles[start : start + 64]):
            mosaic.paste(tile, (500 * (number % 8), 375 * (number // 8)))
        large.append(saved(mosaic))
    return {
        "crops of 224 x 224": small * 10,
        "photographs of about 500 x 375": [path.read_bytes() for path in photographs] * 4,
        "mosaics of 4000 x 3000": large,
    }


if __name__ == "__main__":
    main()
