"""The kinds of picture that a transform may be handed, as uint8 arrays and back again.

A PIL image, a NumPy array or a torch tensor comes back as what it was, on its device and in its type. PyTorch and
torchvision are never imported here: whoever hands over a tensor has done so already.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from j4d.errors import ImageError

Pixels = NDArray[np.uint8]
BEYOND = 0.5  # of the range of floats: resizing overshoots by less, normalised pictures lie further out


def changed(sample: Any, change: Callable[[Any], Any]) -> Any:
    """A sample with its pictures changed and everything else the same objects.

    sample: a picture, or dicts, lists and tuples of anything. Its pictures are, as in torchvision.transforms.v2, every
    PIL image and tv_tensors.Image or Video in it, and only where there is none of those the first plain tensor or
    array. Raises ImageError where there is none at all.
    """
    leaves = list(_leaves(sample))
    found = [i for i, leaf in enumerate(leaves) if _is_marked(leaf)]
    found = found or [i for i, leaf in enumerate(leaves) if isinstance(leaf, np.ndarray) or _is_plain_tensor(leaf)][:1]
    if not found:
        raise ImageError(f"no picture among {[type(leaf).__name__ for leaf in leaves]}; expected a PIL image, {_FORMS}")
    for i in found:
        leaves[i] = change(leaves[i])
    return _rebuilt(sample, iter(leaves))


_FORMS = "a NumPy array uint8 (H, W, 3) or (H, W), or a torch tensor (..., 3, H, W) or (..., 1, H, W)"


def pixels_of(picture: Any, white: float) -> list[Pixels]:
    """Every picture of a PIL image, an array or a tensor with leading dimensions: uint8 (H, W, 3), or (H, W) for gray.

    white: what white is in tensors of floats. Raises ImageError.
    """
    if isinstance(picture, Image.Image):
        if picture.mode not in ("RGB", "L"):
            raise ImageError(f"PIL image of mode {picture.mode}, expected RGB or L; convert it before")
        return [np.array(picture)]
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)):
            raise ImageError(f"array {picture.dtype} of shape {picture.shape}, expected uint8 (H, W, 3) or (H, W)")
        return [picture]
    if not _is_tensor(picture):
        raise ImageError(f"a {type(picture).__name__} is no picture; expected a PIL image, {_FORMS}")
    return _of_tensor(picture, white)


def like(picture: Any, pixels: list[Pixels], white: float) -> Any:
    """The inverse of `pixels_of`: the pixels as what `picture` is, with its metadata, device and type."""
    if isinstance(picture, Image.Image):
        image = Image.fromarray(pixels[0])
        image.info = dict(picture.info)
        return image
    if isinstance(picture, np.ndarray):
        return pixels[0]
    import torch

    if not pixels:
        result = picture.detach().clone()
    else:
        *others, channels, _, _ = picture.shape
        height, width = pixels[0].shape[:2]
        stacked = torch.from_numpy(np.stack(pixels)).reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        result = stacked.reshape(*others, channels, height, width).contiguous().to(picture.device)
        if picture.is_floating_point():
            exact = torch.promote_types(picture.dtype, torch.float32)
            result = (result.to(exact) / (255 / white)).to(picture.dtype)
    kinds = _tv_tensors()
    return kinds.wrap(result, like=picture) if kinds and isinstance(picture, kinds.TVTensor) else result


def _of_tensor(picture: Any, white: float) -> list[Pixels]:
    import torch

    shape = tuple(picture.shape)
    if len(shape) < 3 or shape[-3] not in (1, 3):
        raise ImageError(f"tensor of shape {shape}, expected (..., 3, H, W) or (..., 1, H, W)")
    levels = picture.detach().as_subclass(torch.Tensor)
    if levels.is_floating_point():
        if levels.numel() and not bool(((levels >= -BEYOND * white) & (levels <= (1 + BEYOND) * white)).all()):
            low, high = levels.min().item(), levels.max().item()
            raise ImageError(
                f"tensor of {low:.4g}..{high:.4g}, expected floats 0..{white:g}; put JPEG before normalisation, "
                "or say with white= what white is"
            )
        levels = (levels.to(torch.promote_types(levels.dtype, torch.float32)) * (255 / white)).round().clamp(0, 255)
    elif levels.dtype != torch.uint8:
        raise ImageError(f"tensor of type {levels.dtype}, expected uint8, or floats 0..{white:g}")
    flat = levels.to("cpu", torch.uint8).reshape(-1, *shape[-3:]).permute(0, 2, 3, 1) if levels.numel() else []
    return [image.contiguous().numpy()[..., 0] if shape[-3] == 1 else image.contiguous().numpy() for image in flat]


def _leaves(sample: Any) -> Iterator[Any]:
    if _is_dict(sample):
        for value in sample.values():
            yield from _leaves(value)
    elif isinstance(sample, (list, tuple)):
        for value in sample:
            yield from _leaves(value)
    else:
        yield sample


def _rebuilt(sample: Any, leaves: Iterator[Any]) -> Any:
    if _is_dict(sample):
        return type(sample)((key, _rebuilt(value, leaves)) for key, value in sample.items())
    if isinstance(sample, (list, tuple)):
        values = [_rebuilt(value, leaves) for value in sample]
        return type(sample)(*values) if hasattr(sample, "_fields") else type(sample)(values)  # a named tuple, or not
    return next(leaves)


def _is_dict(sample: Any) -> bool:
    return type(sample) in (dict, OrderedDict)  # others may need more than pairs to be made


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _is_plain_tensor(value: Any) -> bool:
    kinds = _tv_tensors()
    return _is_tensor(value) and not (kinds and isinstance(value, kinds.TVTensor))


def _is_marked(value: Any) -> bool:
    """Whether its type says that it is a picture."""
    kinds = _tv_tensors()
    return isinstance(value, Image.Image) or bool(kinds and isinstance(value, (kinds.Image, kinds.Video)))


def _tv_tensors() -> Any:
    return sys.modules.get("torchvision.tv_tensors")
