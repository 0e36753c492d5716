"""The encoders, writers and transcoders that bench/codec.py measures beside j4d, each imported where it is asked for.

A rival that this machine does not have raises ImportError or OSError with the reason; the benchmark leaves it out by
name. Pixels are in memory throughout, results too but for jpeglib and jpegtran, which write files only.
"""

from __future__ import annotations

import ctypes
import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from turns import Run

from j4d.jpeg.coefficients import Coefficients, quantize
from j4d.jpeg.parameters import EncodingParameters

SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}  # Pillow's numbers


@dataclass(frozen=True, eq=False)
class Task:
    """Photographs, uint8 (H, W, 3), and what to make of them. folder: for those that write files only."""

    images: Sequence[np.ndarray]
    parameters: EncodingParameters
    quality: int  # that the parameters' tables come from, for those that take no tables
    folder: Path

    @cached_property
    def quantized(self) -> list[Coefficients]:
        return [quantize(image, self.parameters) for image in self.images]


def pillow(task: Task, **options: bool) -> Run:
    """The pictures are made beforehand."""
    pictures = [Image.fromarray(image) for image in task.images]
    tables = [task.parameters.luma.steps.ravel().tolist(), task.parameters.chroma.steps.ravel().tolist()]
    subsampling = SUBSAMPLING[task.parameters.sampling]

    def encode(i: int) -> bytes:
        file = io.BytesIO()
        pictures[i].save(file, "JPEG", qtables=tables, subsampling=subsampling, **options)
        return file.getvalue()

    return encode


def simplejpeg(task: Task) -> Run:
    """Takes no tables; its quality means the same ones."""
    import simplejpeg

    sampling = task.parameters.sampling.replace(":", "")
    return lambda i: simplejpeg.encode_jpeg(task.images[i], task.quality, colorsubsampling=sampling, fastdct=False)


def mozjpeg(task: Task, *, trellis: bool = True) -> Run:
    """MozJPEG's default, progressive with trellis quantization, at the task's tables; the copy in jpeglib's wheel."""
    import jpeglib

    pictures = [jpeglib.from_spatial(image) for image in task.images]
    tables = np.stack([task.parameters.luma.steps, task.parameters.chroma.steps]).astype(np.int16)
    for picture in pictures:
        picture.samp_factor = task.parameters.sampling

    flags = [] if trellis else ["-TRELLIS_QUANT", "-TRELLIS_QUANT_DC"]

    def encode(i: int) -> Path:
        jpeglib.version.set("mozjpeg403")
        path = task.folder / f"mozjpeg{trellis}{i}.jpg"
        pictures[i].write_spatial(str(path), qt=tables, flags=flags)
        return path

    return encode


def imagecodecs_mozjpeg(task: Task) -> Run:
    """Takes no tables: MozJPEG's own at this quality."""
    import imagecodecs

    if not imagecodecs.MOZJPEG.available:
        raise ImportError("this platform's wheel comes without mozjpeg")
    sampling = task.parameters.sampling.replace(":", "")
    return lambda i: imagecodecs.mozjpeg_encode(task.images[i], task.quality, subsampling=sampling)


def jpegli(task: Task) -> Run:
    """Takes neither tables nor sampling: its own at this quality, 4:2:0."""
    import pyjpegli

    return lambda i: pyjpegli.encode(task.images[i], task.images[i].shape[1], task.images[i].shape[0], task.quality)


def jpeglib_write(task: Task, version: str, optimize: bool) -> Run:
    """`write_dct` of the task's indices; version: the libjpeg in jpeglib's wheel."""
    import jpeglib

    pictures = []
    for c in task.quantized:
        picture = jpeglib.from_dct(*c.planes, qt=np.stack(c.tables[:2]).astype(np.int16), quant_tbl_no=[0, 1, 1])
        picture.height, picture.width = c.height, c.width
        pictures.append(picture)
    flags = ["+OPTIMIZE_CODING"] if optimize else []

    def write(i: int) -> Path:
        jpeglib.version.set(version)
        path = task.folder / f"jpeglib{i}.jpg"
        pictures[i].write_dct(str(path), flags=flags)
        return path

    return write


def pillow_transcode(sources: Sequence[bytes], parameters: EncodingParameters) -> Run:
    """Decode and encode with the new tables at the file's own sampling, as one does without coefficients."""

    def transcode(i: int) -> bytes:
        file = io.BytesIO()
        with Image.open(io.BytesIO(sources[i])) as image:
            gray = image.mode == "L"
            tables = [parameters.luma.steps.ravel().tolist(), parameters.chroma.steps.ravel().tolist()][
                : 1 if gray else 2
            ]
            options: dict[str, Any] = {} if gray else {"subsampling": "keep"}
            image.save(file, "JPEG", qtables=tables, optimize=True, **options)
        return file.getvalue()

    return transcode


def jpegtran(sources: Sequence[bytes], folder: Path) -> Run:
    """The command, a process a file, whose start counts."""
    if not shutil.which("jpegtran"):
        raise OSError("no such command; it is in libjpeg-turbo-progs")
    paths = [folder / f"{i}.jpg" for i in range(len(sources))]
    for path, source in zip(paths, sources, strict=True):
        path.write_bytes(source)

    def optimize(i: int) -> Path:
        result = folder / f"{i}-optimized.jpg"
        subprocess.run(["jpegtran", "-optimize", "-copy", "none", "-outfile", result, paths[i]], check=True)
        return result

    return optimize


def jpegtran_library(sources: Sequence[bytes], folder: Path) -> Run:
    """The same calls of libjpeg-turbo in this process: jpegtran.c, compiled here."""
    built = folder / "libjpegtran.so"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", built, Path(__file__).with_name("jpegtran.c"), "-ljpeg"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise OSError(f"jpegtran.c does not compile: {error.stderr.decode().strip().splitlines()[-1]}") from None
    library = ctypes.CDLL(str(built))
    library.optimize.argtypes = [ctypes.c_char_p, ctypes.c_ulong, ctypes.POINTER(ctypes.c_void_p)]
    library.optimize.restype = ctypes.c_ulong
    library.release.argtypes = [ctypes.c_void_p]

    def optimize(i: int) -> bytes:
        result = ctypes.c_void_p()
        size = library.optimize(sources[i], len(sources[i]), ctypes.byref(result))
        data = ctypes.string_at(result, size)
        library.release(result)
        return data

    return optimize


def mozjpeg_lossless(sources: Sequence[bytes]) -> Run:
    """Optimized and progressive."""
    import mozjpeg_lossless_optimization as lossless

    return lambda i: lossless.optimize(sources[i])
