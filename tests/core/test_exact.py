"""The deterministic encoder is libjpeg-turbo's: the same coefficients.

The other side is Pillow's bundled libjpeg-turbo, given the same tables, with its default (islow) DCT.
"""

from __future__ import annotations

import numpy as np
import pytest
from pillow_files import pillow_encode

from j4d.jpeg import encoding
from j4d.jpeg.coefficients import forward_dct, quantize, read_coefficients
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters


def differing_indices(image: np.ndarray, parameters: EncodingParameters) -> int:
    ours = quantize(image, parameters, deterministic=True)
    theirs = read_coefficients(pillow_encode(image, parameters))
    assert (ours.sampling, ours.height, ours.width) == (theirs.sampling, theirs.height, theirs.width)
    assert all(np.array_equal(a, b) for a, b in zip(ours.tables, theirs.tables, strict=True))
    return sum(int((a != b).sum()) for a, b in zip(ours.planes, theirs.planes, strict=True))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_coefficient_equals_libjpeg_turbos_at_every_size(sampling: str, rng: np.random.Generator) -> None:
    finest = EncodingParameters.from_quality(100, sampling)
    for height in range(1, 66):
        for width in range(1, 66):
            image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            assert differing_indices(image, finest) == 0, (height, width)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_coefficient_equals_libjpeg_turbos_with_random_tables(sampling: str, rng: np.random.Generator) -> None:
    for _ in range(30):
        luma, chroma = rng.integers(1, 256, (2, 8, 8))
        image = rng.choice(np.array([0, 1, 127, 128, 254, 255], np.uint8), (40, 56, 3))
        assert differing_indices(image, EncodingParameters(luma, chroma, sampling)) == 0


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [5, 25, 50, 75, 90, 97, 100])
def test_every_coefficient_of_photographs_equals_libjpeg_turbos(
    sampling: str, quality: int, photographs: dict[str, np.ndarray]
) -> None:
    for name, image in photographs.items():
        assert differing_indices(image, EncodingParameters.from_quality(quality, sampling)) == 0, name


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_coefficient_of_more_photographs_equals_libjpeg_turbos(
    sampling: str, more_photographs: dict[str, np.ndarray]
) -> None:
    for number, (name, image) in enumerate(more_photographs.items()):
        for quality in (1 + number % 33, 50 + number, 100):
            assert differing_indices(image, EncodingParameters.from_quality(quality, sampling)) == 0, name


def test_gray_pixels_and_gray_rgb_make_the_same_file(photographs: dict[str, np.ndarray]) -> None:
    gray = np.ascontiguousarray(photographs["chelsea"][:, :, 1])
    parameters = EncodingParameters.from_quality(70, "gray")
    assert encoding.encode(gray, parameters) == encoding.encode(np.repeat(gray[:, :, None], 3, 2), parameters)


def test_forward_dct_is_eight_times_the_orthonormal_transform(rng: np.random.Generator) -> None:
    from scipy.fft import dctn

    gray = rng.integers(0, 256, (16, 24), dtype=np.uint8)
    blocks = gray.reshape(2, 8, 3, 8).swapaxes(1, 2) - 128.0
    exact = 8 * dctn(blocks, axes=(2, 3), norm="ortho")
    (plane,) = forward_dct(gray, "gray")
    assert np.abs(plane - exact).max() < 1.5, "islow rounds to whole eighths, and its first pass to 2 bits"
