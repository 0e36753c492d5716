"""Our files as others read them: djpeg, libjpeg-turbo's own program, gives the pixels that Pillow and plain arithmetic
give, and jpeglib, with another copy of libjpeg, the indices that went in.

djpeg comes with the system (Debian's libjpeg-turbo-progs); where it or jpeglib is missing these tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from coefficient_strategies import coefficients
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from j4d.jpeg import decoding
from j4d.jpeg.coefficients import Coefficients, write_coefficients
from j4d.jpeg.parameters import SAMPLINGS
from j4d.simulation.transform import coefficients_to_pixels

needs_djpeg = pytest.mark.skipif(shutil.which("djpeg") is None, reason="djpeg is not installed (libjpeg-turbo-progs)")
BATCH = 24  # files that one process reads
# A failing batch takes minutes to shrink; and files are written as they are drawn, slowly on a busy machine.
QUICKLY = settings(
    max_examples=6, phases=(Phase.explicit, Phase.generate), suppress_health_check=[HealthCheck.too_slow]
)


ANY = [(spread, (1, 255)) for spread in (1, 2, 30, 1023)]  # magnitude of indices, steps
IN_RANGE = [(1, (1, 20)), (2, (1, 8)), (10, (1, 2))]  # beyond what a picture can have, decoders wrap as they please


@st.composite
def files(draw: st.DrawFn, kinds: Sequence[tuple[int, tuple[int, int]]]) -> tuple[Coefficients, bytes]:
    """Indices, and the file that holds them; of all sizes, samplings and forms."""
    spread, tables = draw(st.sampled_from(kinds))
    size = draw(st.integers(1, 130)), draw(st.integers(1, 130)), draw(st.sampled_from(SAMPLINGS))
    seed, share = draw(st.integers(0, 2**32)), draw(st.sampled_from([0.0, 0.001, 0.02, 0.2, 1.0]))
    sent = coefficients(*size, seed, share, spread, tables)
    form = draw(st.sampled_from([{}, {"restart_interval": 1}, {"restart_interval": 7}, {"progressive": True}]))
    return sent, write_coefficients(sent, **form)


def batches(kinds: Sequence[tuple[int, tuple[int, int]]]) -> st.SearchStrategy[list[tuple[Coefficients, bytes]]]:
    return st.lists(files(kinds), min_size=BATCH, max_size=BATCH)


def djpeg(datas: Sequence[bytes], *options: str) -> list[np.ndarray]:
    """Pixels of each file, uint8 (H, W, 3) or (H, W), by a shell that runs djpeg on one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(datas):
            (Path(folder) / f"{number}.jpg").write_bytes(data)
        loop = 'for file in *.jpg; do djpeg "$@" -strict -pnm -outfile "$file.pnm" "$file" || exit 1; done'
        subprocess.run(["sh", "-c", loop, "sh", *options], cwd=folder, check=True, capture_output=True)
        return [np.asarray(Image.open(Path(folder) / f"{number}.jpg.pnm")) for number in range(len(datas))]


@needs_djpeg
@QUICKLY
@given(batches(ANY))
def test_djpeg_shows_the_pixels_that_our_decoder_shows(batch: list[tuple[Coefficients, bytes]]) -> None:
    datas = [data for _, data in batch]
    for data, shown in zip(datas, djpeg(datas, "-dct", "int"), strict=True):
        expected = decoding.decode(data)
        assert np.array_equal(shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, 2), expected)


def replicated(sent: Coefficients) -> np.ndarray:
    """Pixels of indices, chroma repeated: islow's inverse DCT, and jdcolor.c's weights of 16 bits."""
    samples = []
    for plane, steps in zip(sent.planes, sent.tables, strict=True):
        values = torch.from_numpy((plane.astype(np.int64) * steps).astype(np.float64))[None]
        rows, columns = 8 * plane.shape[0], 8 * plane.shape[1]
        samples.append(
            coefficients_to_pixels([values], "gray", rows, columns, exact=True)[0, 0].numpy().astype(np.int64)
        )
    if len(samples) > 1:
        v, h = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}[sent.sampling]
        samples[1:] = [chroma.repeat(v, 0).repeat(h, 1) for chroma in samples[1:]]
    y, *chroma = [plane[: sent.height, : sent.width] for plane in samples]
    if not chroma:
        return y
    cb, cr = (plane - 128 for plane in chroma)
    green = (-22554 * cb - 46802 * cr + 32768) >> 16
    return np.stack([y + ((91881 * cr + 32768) >> 16), y + green, y + ((116130 * cb + 32768) >> 16)], -1).clip(0, 255)


@needs_djpeg
@QUICKLY
@given(batches(IN_RANGE))
def test_djpeg_without_smooth_upsampling_shows_what_arithmetic_says(batch: list[tuple[Coefficients, bytes]]) -> None:
    for (sent, _), shown in zip(batch, djpeg([data for _, data in batch], "-dct", "int", "-nosmooth"), strict=True):
        assert np.array_equal(shown, replicated(sent))


def test_jpeglib_reads_the_indices_that_went_in(tmp_path: Path) -> None:
    jpeglib = pytest.importorskip("jpeglib", reason="jpeglib is not installed")

    @settings(QUICKLY, max_examples=120)
    @given(files(ANY))
    def check(file: tuple[Coefficients, bytes]) -> None:
        sent, data = file
        path = tmp_path / "file.jpg"
        path.write_bytes(data)
        read = jpeglib.read_dct(str(path))
        planes = [plane for plane in (read.Y, read.Cb, read.Cr) if plane is not None]
        for ours, theirs in zip(sent.planes, planes, strict=True):
            assert np.array_equal(ours, theirs)
        for steps, number in zip(sent.tables, read.quant_tbl_no, strict=False):
            assert np.array_equal(steps, read.qt[number])

    check()
