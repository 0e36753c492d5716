"""Where images come from: a folder with or without labels, or arrays, as one indexable `ImageSet`.

Every image comes out as uint8 RGB (H, W, 3), upright, decoded when asked for (`j4d.images.reading`), so a set of any
size takes little memory.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from j4d.errors import DataError, ImageError
from j4d.images.kinds import IMAGE_SUFFIXES, is_called_image
from j4d.images.labels import _read_labels
from j4d.images.reading import check_header, decode_image, read_image
from j4d.jpeg.size import at_most, share_kept

__all__ = ["ImageSet", "RGBImage", "check_array", "decode_image", "images_below", "load_images", "read_image"]


RGBImage = npt.NDArray[np.uint8]


def check_array(image: Any, name: str) -> RGBImage:
    """Return `image` if it is uint8 (H, W, 3) with pixels, else raise ImageError with shape and type."""
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ImageError(f"{name}: {array.dtype} of shape {array.shape}, expected uint8 RGB (H, W, 3)")
    return array


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images by index, with labels or without.

    paths: one per image (for arrays, a made-up name). labels: (N,) int64 class numbers, or None. root:
    the folder that the paths are named from. longest_side: larger images come out scaled down to it (`j4d.jpeg.size`).
    Indexing and iteration decode afresh each time.
    """

    name: str
    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64] | None = None
    root: Path = Path()
    arrays: tuple[RGBImage, ...] | None = field(default=None)
    longest_side: int | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.shape != (len(self.paths),) or labels.dtype.kind not in "iu":
                raise DataError(
                    f"{self.name}: labels are {labels.dtype} of shape {labels.shape}, expected one integer for each "
                    f"of {len(self.paths)} images"
                )
            labels = labels.astype(np.int64)
            labels.setflags(write=False)
            object.__setattr__(self, "labels", labels)

    @classmethod
    def from_arrays(
        cls, arrays: Iterable[RGBImage], labels: Sequence[int] | npt.NDArray[Any] | None = None, name: str = "arrays"
    ) -> ImageSet:
        """A set of uint8 RGB arrays (H, W, 3), any sizes. Raises ImageError and DataError."""
        images = tuple(check_array(array, f"{name}[{i}]") for i, array in enumerate(arrays))
        if not images:
            raise DataError(f"{name}: no images")
        paths = tuple(Path(f"{i:08d}") for i in range(len(images)))
        return cls(name, paths, None if labels is None else np.asarray(labels), arrays=images)

    def __repr__(self) -> str:
        return f"ImageSet({self.name!r}, {len(self)} images{'' if self.labels is None else ', labelled'})"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> RGBImage:
        image = read_image(self.paths[index]) if self.arrays is None else self.arrays[index]
        return at_most(image, self.longest_side)

    def __iter__(self) -> Iterator[RGBImage]:
        return (self[i] for i in range(len(self)))

    def subset(self, indices: Iterable[int]) -> ImageSet:
        """The images at `indices`, in that order."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            paths=tuple(self.paths[i] for i in chosen),
            labels=None if self.labels is None else self.labels[chosen],
            arrays=None if self.arrays is None else tuple(self.arrays[i] for i in chosen),
        )

    def at_most(self, longest_side: int | None) -> ImageSet:
        """The same images, larger ones scaled down to this longest side in pixels; None: as they come out already."""
        limits = [side for side in (self.longest_side, longest_side) if side is not None]
        return replace(self, longest_side=min(limits, default=None))

    def share_kept(self) -> float:
        """Pixels of the images as they come out over those of the images themselves, all together. Reads headers."""
        if self.longest_side is None:
            return 1.0
        return share_kept([self.size(i) for i in range(len(self))], self.longest_side)

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image itself, of a file before its orientation is applied. Reads the header alone."""
        if self.arrays is not None:
            return self.arrays[index].shape[0], self.arrays[index].shape[1]
        return check_header(self.paths[index])

    def split(self, count: int, *, seed: int = 0) -> tuple[ImageSet, ImageSet]:
        """Two disjoint parts, `count` images drawn with `seed` and the rest, each in the old order."""
        if not 0 <= count <= len(self):
            raise DataError(f"{self.name}: cannot take {count} of {len(self)} images")
        order = np.random.default_rng(seed).permutation(len(self))
        return self.subset(np.sort(order[:count])), self.subset(np.sort(order[count:]))

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over names and bytes: the same on every machine, in whatever order the images are.

        Of the images themselves, before any scaling.
        """
        rows = []
        for i, path in enumerate(self.paths):
            relative = path.relative_to(self.root).as_posix()
            name = unicodedata.normalize("NFC", relative).encode(errors="surrogateescape")
            rows.append(hashlib.sha256(name).digest() + self._digest(i))
        return hashlib.sha256(b"".join(sorted(rows))).hexdigest()

    def _digest(self, index: int) -> bytes:
        if self.arrays is not None:
            array = self.arrays[index]
            return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).digest()
        digest = hashlib.sha256()
        try:
            with open(self.paths[index], "rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        except OSError as error:
            raise ImageError(f"{self.paths[index]}: cannot be read: {error.strerror}") from None
        return digest.digest()


def load_images(
    folder: str | os.PathLike[str], *, labels: str | os.PathLike[str] | None = None, split: str | None = None
) -> ImageSet:
    """All images below `folder`, sorted by name, with labels where there is a label file.

    labels: a CSV file with columns file (path from the folder), label (integer class number) and maybe
    split; by default `labels.csv` in the folder where there is one. It must name every image. split:
    keep only those rows. Hidden files and other suffixes are passed over; headers are checked now,
    pixels when decoded. Raises DataError for folder and labels, ImageError naming a file that is not an
    image.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; expected a folder of images")
    found, unreadable = images_below(root)
    if unreadable:
        raise DataError(f"{unreadable[0]}; make it readable, or take it out of {root}")
    names = [path.relative_to(root).as_posix() for path in found]
    if not names:
        raise DataError(f"{root}: no images below this folder (suffixes {' '.join(IMAGE_SUFFIXES)})")
    default = root / "labels.csv"
    numbers = None
    if labels is not None or default.is_file():
        rows = _read_labels(Path(labels) if labels is not None else default, names, split)
        names = [name for name in names if name in rows]
        numbers = np.array([rows[name] for name in names], np.int64)
    elif split is not None:
        raise DataError(f"{root}: split {split!r} needs a label file with a split column; there is no {default}")
    paths = tuple(root / name for name in names)
    for path in paths:
        check_header(path)
    return ImageSet(root.resolve().name + (f"/{split}" if split else ""), paths, numbers, root)


def images_below(
    root: str | os.PathLike[str], wanted: Callable[[str], bool] = is_called_image
) -> tuple[list[Path], list[str]]:
    """The files below a folder whose names are `wanted`, in order of their names; and a line for each folder that
    cannot be read. Hidden files and folders (.x), pipes and devices are passed over, links to folders not followed.
    """
    found: list[Path] = []
    unreadable: list[str] = []

    def tell(error: OSError) -> None:
        unreadable.append(f"{error.filename}: {error.strerror or error}")

    for folder, folders, files in os.walk(root, onerror=tell):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(folder) / name for name in files if wanted(name) and not name.startswith("."))
        found += [path for path in paths if not _waits(path)]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix()), unreadable


def _waits(path: Path) -> bool:
    """Whether this is a pipe, a socket or a device, which whoever opens it may wait for without end."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # a link to nothing, say: whoever reads it tells
        return False
