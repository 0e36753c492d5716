"""What torchvision does to pixels, and that our transform stands in its pipelines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from profiles import default_profile
from torchvision import tv_tensors
from torchvision.transforms import v2

from j4d.readers.preprocessing import Preprocess
from j4d.transforms import JPEG


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (64, 65), (30, 20), (256, 300)])
def test_preprocessing_equals_torchvisions(size: tuple[int, int], interpolation: str) -> None:
    x = torch.rand(1, 3, *size)
    theirs = v2.Compose(
        [
            v2.Resize(48, interpolation=v2.InterpolationMode(interpolation), antialias=True),
            v2.Lambda(lambda y: y.clamp(0, 1)),
            v2.CenterCrop((40, 44)),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )(x)
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    ours = Preprocess(resize=48, crop=(40, 44), mean=mean, std=std, interpolation=interpolation)(255 * x)
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_our_transform_stands_in_a_compose(photographs: dict[str, np.ndarray]) -> None:
    ours = JPEG(default_profile(), index=1)
    pixels = torch.from_numpy(photographs["chelsea"][:40, :56].copy()).permute(2, 0, 1)
    result, label = v2.Compose([ours, v2.ToDtype(torch.float32, scale=True)])(tv_tensors.Image(pixels), 3)
    assert type(result) is tv_tensors.Image and label == 3
    torch.testing.assert_close(result.as_subclass(torch.Tensor), ours(pixels) / 255, rtol=0, atol=1e-6)
