"""Pixels to coefficients and back in torch: the exact form is libjpeg-turbo's, the smooth form carries the gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import batch, crops
from scipy.fft import dctn

from j4d.errors import ParameterError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import forward_dct, quantize
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.simulation.transform import coefficients_to_pixels, pixels_to_coefficients

SIDES = st.integers(1, 65)
SEEDS = st.integers(0, 2**32 - 1)


def random_image(seed: int, height: int, width: int) -> np.ndarray:
    """Noise, or patches of few levels: both the middle of the range and its ends."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, rng.choice([2, 5, 256]), dtype=np.uint8)
    return rng.choice(levels, (height, width, 3))


def assert_coefficients_are_the_codecs(image: np.ndarray, sampling: str) -> None:
    ours = pixels_to_coefficients(batch(image), sampling)
    theirs = forward_dct(image, sampling)
    assert [tuple(p.shape[1:]) for p in ours] == [p.shape for p in theirs]
    assert all(np.array_equal(a[0] * 8, b) for a, b in zip(ours, theirs, strict=True))


def decoded_by_libjpeg(image: np.ndarray, parameters: EncodingParameters) -> np.ndarray:
    return decoding.decode(encoding.encode(image, parameters, deterministic=True))


def dequantized(image: np.ndarray, parameters: EncodingParameters) -> list[torch.Tensor]:
    indices = quantize(image, parameters, deterministic=True)
    return [torch.from_numpy(p * t)[None].float() for p, t in zip(indices.planes, indices.tables, strict=True)]


@settings(max_examples=300)
@given(st.sampled_from(SAMPLINGS), SIDES, SIDES, SEEDS)
def test_coefficients_equal_the_codecs_at_every_size(sampling: str, height: int, width: int, seed: int) -> None:
    assert_coefficients_are_the_codecs(random_image(seed, height, width), sampling)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_coefficients_of_photographs_equal_the_codecs(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    for image in photographs.values():
        assert_coefficients_are_the_codecs(image, sampling)


@settings(max_examples=300)
@given(st.sampled_from(SAMPLINGS), SIDES, SIDES, SEEDS, st.integers(20, 100))
def test_decoded_pixels_equal_libjpeg_turbos_at_every_size(
    sampling: str, height: int, width: int, seed: int, quality: int
) -> None:
    image = random_image(seed, height, width)
    parameters = EncodingParameters.from_quality(quality, sampling)
    ours = coefficients_to_pixels(dequantized(image, parameters), sampling, height, width)
    assert np.array_equal(ours, batch(decoded_by_libjpeg(image, parameters)))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_picture_of_a_batch_is_treated_alone(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    images = crops(list(photographs.values()), 37, 51, 3)
    together = pixels_to_coefficients(batch(*images), sampling)
    decoded = coefficients_to_pixels([p.round() for p in together], sampling, 37, 51)
    for i, image in enumerate(images):
        alone = pixels_to_coefficients(batch(image), sampling)
        assert all(torch.equal(a[i], b[0]) for a, b in zip(together, alone, strict=True))
        assert torch.equal(decoded[i], coefficients_to_pixels([p.round() for p in alone], sampling, 37, 51)[0])


def test_the_smooth_form_is_the_orthonormal_dct_of_jfif_luma(rng: np.random.Generator) -> None:
    image = rng.uniform(0, 255, (3, 16, 24))
    (plane,) = pixels_to_coefficients(torch.from_numpy(image)[None], "gray", exact=False)
    luma = np.einsum("c,chw->hw", [0.299, 0.587, 0.114], image) - 128
    blocks = luma.reshape(2, 8, 3, 8).swapaxes(1, 2)
    assert np.abs(plane[0].numpy() - dctn(blocks, axes=(2, 3), norm="ortho")).max() < 0.02  # 16-bit colour weights


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(48, 64), (37, 51)])
def test_the_exact_form_rounds_the_smooth_one(
    sampling: str, size: tuple[int, int], photographs: dict[str, np.ndarray]
) -> None:
    pixels = batch(*crops(list(photographs.values()), *size, 4))
    exact, smooth = (pixels_to_coefficients(pixels, sampling, exact=exact) for exact in (True, False))
    # a sample is off by at most 1/2 after the colour transform and 3/4 more after downsampling, at random
    for a, b in zip(exact, smooth, strict=True):
        assert (a - b).abs().max() < 3 and (a - b).square().mean().sqrt() < 0.6
    planes = [plane.round() for plane in exact]
    a, b = (coefficients_to_pixels(planes, sampling, *size, exact=exact) for exact in (True, False))
    assert (a - b).abs().max() < 4 and (a - b).square().mean().sqrt() < 0.8


@settings(max_examples=30)
@given(SIDES, SIDES, SEEDS)
def test_smooth_decode_undoes_smooth_encode_without_subsampling(height: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    colour = torch.rand((2, 3, height, width), generator=generator, dtype=torch.float64) * 255
    gray = colour[:, :1].expand(-1, 3, -1, -1)
    # colour comes back as well as libjpeg's 16-bit weights of the two colour matrices undo each other
    for pixels, tolerance in ((colour, 1e-2), (gray, 1e-10)):
        planes = pixels_to_coefficients(pixels, "4:4:4", exact=False)
        again = coefficients_to_pixels(planes, "4:4:4", height, width, exact=False)
        assert (again - pixels).abs().max() < tolerance


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_flat_colour_survives_every_sampling(sampling: str) -> None:
    pixels = torch.tensor([90.0, 90.0, 90.0] if sampling == "gray" else [200.0, 90.0, 30.0]).view(1, 3, 1, 1)
    pixels = pixels.expand(1, 3, 19, 35)
    planes = pixels_to_coefficients(pixels, sampling, exact=False)
    assert all(plane.flatten(0, 2).flatten(1)[:, 1:].abs().max() < 1e-3 for plane in planes), "only DC"
    assert (coefficients_to_pixels(planes, sampling, 19, 35, exact=False) - pixels).abs().max() < 5e-3


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_gradient_of_exact_coefficients_is_the_smooth_ones(
    sampling: str, photographs: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    gradients = []
    weights = [
        torch.from_numpy(rng.normal(size=p.shape)).float()
        for p in pixels_to_coefficients(batch(photographs["coffee"][:37, :51]), sampling)
    ]
    for exact in (True, False):
        pixels = batch(photographs["coffee"][:37, :51]).requires_grad_()
        planes = pixels_to_coefficients(pixels, sampling, exact=exact)
        sum((p * w).sum() for p, w in zip(planes, weights, strict=True)).backward()
        gradients.append(pixels.grad)
    assert gradients[0].abs().max() > 0.1
    assert torch.equal(*gradients)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(37, 51), (3, 3)])
def test_the_gradient_of_exact_pixels_is_the_smooth_ones(
    sampling: str, size: tuple[int, int], rng: np.random.Generator
) -> None:
    pixels = torch.from_numpy(rng.uniform(100, 150, (2, 3, *size)).round()).float()
    weights = torch.from_numpy(rng.normal(size=pixels.shape)).float()
    gradients = []
    for exact in (True, False):
        planes = [p.detach().round().requires_grad_() for p in pixels_to_coefficients(pixels, sampling)]
        decoded = coefficients_to_pixels(planes, sampling, *size, exact=exact)
        assert decoded.min() > 1 and decoded.max() < 254, "nothing is clamped here"
        (decoded * weights).sum().backward()
        gradients.append([p.grad for p in planes])
    for a, b in zip(*gradients, strict=True):
        assert a.abs().max() > 0.1
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("exact", [True, False])
def test_clamped_pixels_have_no_gradient(exact: bool) -> None:
    planes = [torch.zeros(1, 1, 2, 8, 8) for _ in range(3)]
    planes[0][..., 0, 0] = 8.0 * 72  # luma 200 everywhere
    planes[2][0, 0, 0, 0, 0] = 8.0 * 50  # left block: red 270, clamped; green 164
    planes = [p.requires_grad_() for p in planes]
    pixels = coefficients_to_pixels(planes, "4:4:4", 8, 16, exact=exact)
    assert pixels[:, 0, :, :8].eq(255).all() and pixels[..., 8:].sub(200).abs().max() < 1e-3
    pixels.sum().backward()
    luma = planes[0].grad[0, 0, :, 0, 0]
    assert torch.allclose(luma, torch.tensor([2 * 8.0, 3 * 8.0])), "64 pixels, 1/8 each, in the channels not clamped"


def test_an_unknown_sampling_is_refused() -> None:
    with pytest.raises(ParameterError, match="4:1:1"):
        pixels_to_coefficients(torch.zeros(1, 3, 8, 8), "4:1:1")
    with pytest.raises(ParameterError, match="4:1:1"):
        coefficients_to_pixels([torch.zeros(1, 1, 1, 8, 8)], "4:1:1", 8, 8)
