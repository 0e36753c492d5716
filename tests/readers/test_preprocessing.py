"""Claims about what happens to pixels before a network: resize, crop, normalise, as torchvision and Pillow do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from j4d.errors import ModelError
from j4d.readers.preprocessing import Preprocess

PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 20, 31)).astype(np.float32))

side = st.integers(1, 40)


@given(side, side, side)
@settings(deadline=None)
def test_the_shorter_side_is_resized_as_torchvision_does(height: int, width: int, short: int) -> None:
    got = Preprocess(resize=short)(torch.zeros(1, 3, height, width)).shape[-2:]
    if height <= width:
        assert got == (short, int(short * width / height))
    else:
        assert got == (int(short * height / width), short)


@given(side, side, side, side)
@settings(deadline=None)
def test_a_centre_crop_is_torchvisions(height: int, width: int, crop_height: int, crop_width: int) -> None:
    x = torch.rand(1, 3, height, width) + 1
    got = Preprocess(crop=(crop_height, crop_width))(x)
    assert got.shape[-2:] == (crop_height, crop_width)
    for size, crop, got_sums, sums in (
        (height, crop_height, got.sum((0, 1, 3)), x.sum((0, 1, 3))),
        (width, crop_width, got.sum((0, 1, 2)), x.sum((0, 1, 2))),
    ):
        first = round((size - crop) / 2) if crop <= size else -((crop - size) // 2)
        covered = [(got_sums[i] > 0).item() for i in range(crop)]
        assert covered == [0 <= first + i < size for i in range(crop)], "padding is zeros, before and after"
        if (crop_height <= height, crop_width <= width) == (False, False):
            assert torch.allclose(got_sums[got_sums > 0], sums)
    if crop_height <= height and crop_width <= width:
        top, left = round((height - crop_height) / 2), round((width - crop_width) / 2)
        assert torch.equal(got, x[..., top : top + crop_height, left : left + crop_width])


@pytest.mark.parametrize(("interpolation", "filter"), [("bilinear", 2), ("bicubic", 3)])
@pytest.mark.parametrize("short", [7, 20, 33])
def test_resizing_equals_pillows_filter(interpolation: str, filter: int, short: int) -> None:
    ours = Preprocess(resize=short, interpolation=interpolation)(PIXELS)
    height, width = ours.shape[-2:]
    for plane, got in zip(PIXELS.reshape(-1, 20, 31), ours.reshape(-1, height, width), strict=True):
        theirs = np.asarray(Image.fromarray(plane.numpy()).resize((width, height), Image.Resampling(filter)))
        assert np.allclose(got, theirs.clip(0, 255), atol=1e-3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resizing_is_antialiased_and_stays_in_range(interpolation: str) -> None:
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 255
    got = Preprocess(resize=8, interpolation=interpolation)(stripes)
    assert (got - 127.5).abs().max() < 8, "the stripes average out"
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 255
    bigger = Preprocess(resize=32, interpolation=interpolation)(edge)
    assert bigger.min() >= 0 and bigger.max() <= 255


def test_a_pair_is_resized_to_exactly() -> None:
    assert Preprocess(resize=(7, 9))(PIXELS).shape == (2, 3, 7, 9)


def test_gradients_reach_every_pixel_that_is_seen() -> None:
    x = PIXELS.clone().requires_grad_()
    Preprocess(resize=16, crop=12, mean=127, std=128, interpolation="bicubic")(x).pow(2).sum().backward()
    seen = x.grad.abs().sum((0, 1)) > 0  # type: ignore[union-attr]
    assert seen[10, 15] and not seen[:, 0].any() and not seen[:, -1].any(), "the crop leaves out both ends"


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_gradient_is_that_of_finite_differences(interpolation: str) -> None:
    preprocess = Preprocess(resize=5, crop=4, mean=[100, 110, 120], std=60, interpolation=interpolation).double()
    x = (50 + 100 * torch.rand(1, 3, 9, 8, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(preprocess, x)


def test_a_ready_crop_passes_untouched() -> None:
    x = PIXELS[..., :20, :20]
    assert torch.equal(Preprocess(resize=24, crop=20)(x), x)
    assert torch.equal(Preprocess(resize=24, crop=20, mean=127, std=128)(x), (x - 127) / 128)
    assert torch.equal(Preprocess()(PIXELS), PIXELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resize": 0}, "resize 0 is not a size"),
        ({"crop": 2.5}, "crop 2.5 is not a size"),
        ({"crop": (1, 2, 3)}, r"crop \(1, 2, 3\) is not a size"),
        ({"crop": True}, "crop True is not a size"),
        ({"mean": [1, 2]}, r"mean \[1, 2\] is not one number or three"),
        ({"mean": "a"}, "mean 'a' is not one number or three"),
        ({"std": float("nan")}, "std nan is not one number or three"),
        ({"std": [1, 0, 1]}, "std .* not above 0"),
        ({"interpolation": "nearest"}, "interpolation 'nearest' is not one of"),
    ],
)
def test_wrong_preprocessing_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Preprocess(**arguments)
