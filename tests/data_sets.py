"""Small data sets of all kinds for the tests of `j4d.bulk`, and what is in a folder."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def jpeg(seed: int, mode: str = "RGB", **options: object) -> bytes:
    """A small JPEG file; sizes differ with the seed."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(17, 80, 2))
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([3 * x, 5 * y, x + y], -1) + rng.normal(0, 9, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode).save(file, "JPEG", **{"quality": 92, **options})
    return file.getvalue()


def shard(members: list[tuple[str, bytes]], **headers: object) -> bytes:
    """A tar archive in memory."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(data), 1700000000, 0o640
            for key, value in headers.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def samples(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """WebDataset members: an image, a class and a caption per key."""
    found = []
    for i in range(count):
        found += [
            (f"set/{i:04d}.jpg", jpeg(seed + i)),
            (f"set/{i:04d}.cls", str(i % 10).encode()),
            (f"set/{i:04d}.json", b'{"caption": "number %d"}' % i),
        ]
    return found


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def mixed(folder: Path, images: int = 12) -> Path:
    """A folder of images, other files, shards, a damaged and an unsupported image."""
    files = {f"train/{i % 3}/{i}.jpeg": jpeg(i) for i in range(images)}
    files |= {"labels.csv": b"file,label\n", "train/0/x.png": b"\x89PNG...", "empty": b""}
    files |= {"bad/half.jpg": jpeg(50)[:600], "bad/cmyk.jpg": jpeg(51, "CMYK"), "bad/none.jpg": b""}
    files |= {f"shards/{i:03d}.tar": shard(samples(images // 2, 100 * i)) for i in range(2)}
    return write(folder, files)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file but the manifest and the lock."""
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: data for name, data in found.items() if not name.startswith((".j4d/manifest", ".j4d/lock"))}


def members(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as archive:
        return [(m, (archive.extractfile(m) or io.BytesIO()).read()) for m in archive]


def quarantine(target: Path) -> dict[str, bytes]:
    """What is in quarantine by its key or source, as the manifest tells; it must tell of every file there."""
    with sqlite3.connect(target / ".j4d/manifest.sqlite") as db:
        told = db.execute(
            "SELECT key, aside FROM images WHERE aside <> '' UNION SELECT name, aside FROM sources WHERE aside <> ''"
        ).fetchall()
    there = {path.name: path.read_bytes() for path in (target / ".j4d/quarantine").iterdir()}
    assert there.keys() == {aside for _, aside in told}
    return {key: there[aside] for key, aside in told}


def everything(folder: Path) -> dict[str, tuple[object, ...]]:
    """All files and folders below, with what tells whether somebody has touched them."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (status.st_ino, status.st_mode, status.st_mtime_ns, data)
    return found
