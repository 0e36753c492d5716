"""Pixels to JPEG coefficients and back, in torch: what libjpeg-turbo does before and after quantization.

Two forms of the same linear maps. The *exact* form repeats libjpeg-turbo's integer arithmetic (fixed-point colour
conversion, box downsampling with alternating bias, the `islow` DCT with its two rounding shifts, fancy upsampling), so
that a hard simulation gives the very samples an ordinary decoder gives. The *smooth* form is the real-valued map behind
it; it carries every gradient (straight-through where the exact form rounds).

A plane of coefficients has shape (B, By, Bx, 8, 8): block row, block column, vertical frequency, horizontal frequency;
orthonormal scale, after the level shift. Colour is JFIF's full-range BT.601.
Sources: ITU-T T.81 A.3; libjpeg-turbo jccolor.c, jcsample.c, jfdctint.c, jidctint.c, jdsample.c, jdcolor.c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from j4d.errors import ParameterError
from j4d.jpeg.parameters import SAMPLINGS

# Fixed-point colour weights, x 2^16. Floats do libjpeg's integer sums: no sum leaves float32's 24 bits.
_RGB_TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
_CHROMA_TO_RGB = ((0, 91881), (-22554, -46802), (116130, 0))  # weights of Cb and Cr in R, G, B
_FIXED = 2.0**-16


def subsampling(sampling: str) -> tuple[int, int]:
    """Luma samples per chroma sample, (vertical, horizontal): (1, 1), (1, 2) or (2, 2); gray counts as (1, 1)."""
    if sampling not in SAMPLINGS:
        raise ParameterError(f"sampling {sampling!r} is not one of {', '.join(SAMPLINGS)}")
    return {"4:2:2": (1, 2), "4:2:0": (2, 2)}.get(sampling, (1, 1))


def _islow_matrix() -> Tensor:
    """The 8x8 integer matrix that one pass of libjpeg's `islow` DCT multiplies with, about 2^13 sqrt(8) x the DCT-II.

    jfdctint.c writes it as a butterfly of 12 products; without roundings inside a pass the butterfly is linear, so the
    matrix is its value on the unit vectors. Its transpose is the pass of jidctint.c.
    """
    d = torch.eye(8, dtype=torch.float64)
    sums, differences = d[:4] + d[4:].flip(0), (d[:4] - d[4:].flip(0)).flip(0)
    t10, t13 = sums[0] + sums[3], sums[0] - sums[3]
    t11, t12 = sums[1] + sums[2], sums[1] - sums[2]
    even = (t12 + t13) * 4433
    t4, t5, t6, t7 = differences
    z1, z2, z3, z4 = -7373 * (t4 + t7), -20995 * (t5 + t6), -16069 * (t4 + t6), -3196 * (t5 + t7)
    z5 = 9633 * (t4 + t5 + t6 + t7)
    rows = (
        (t10 + t11) * 8192,
        12299 * t7 + z1 + z4 + z5,
        even + 6270 * t13,
        25172 * t6 + z2 + z3 + z5,
        (t10 - t11) * 8192,
        16819 * t5 + z2 + z4 + z5,
        even - 15137 * t12,
        2446 * t4 + z1 + z3 + z5,
    )
    return torch.stack(rows)


def _dct_matrix(like: Tensor) -> Tensor:
    """The orthonormal 8-point DCT-II, (8 frequencies, 8 samples)."""
    n = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos(math.pi / 8 * n[:, None] * (n + 0.5)) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.to(device=like.device, dtype=like.dtype)


def _shift_(x: Tensor, bits: int) -> Tensor:
    """In place, rounding right shift of whole numbers: floor((x + 2^(bits-1)) / 2^bits), as libjpeg's DESCALE."""
    return x.add_(2.0 ** (bits - 1)).mul_(2.0**-bits).floor_()


def _dct(plane: Tensor, exact: bool) -> Tensor:
    """Level-shifted samples (B, 8 By, 8 Bx) to coefficients (B, By, Bx, 8, 8): rows, then columns, as jfdctint.c."""
    b, h, w = plane.shape
    matrix = _islow_matrix().to(plane.device) if exact else _dct_matrix(plane)
    y = matrix @ plane.to(matrix.dtype).reshape(-1, 8).T  # frequencies in front: many times faster than at the back
    y = _shift_(y, 11) if exact else y
    y = torch.matmul(matrix, y.view(-1, 8, w // 8))
    y = _shift_(y, 15).mul_(0.125) if exact else y
    return y.to(plane.dtype).view(8, b, h // 8, 8, w // 8).permute(1, 2, 4, 3, 0).contiguous()


def _inverse_dct(blocks: Tensor, exact: bool) -> Tensor:
    """The way back, columns first as jidctint.c. Smooth, it is the transpose of `_dct`."""
    b, rows, columns = blocks.shape[:3]
    matrix = (_islow_matrix().to(blocks.device) if exact else _dct_matrix(blocks)).T
    tiles = blocks.to(matrix.dtype).transpose(2, 3).reshape(-1, 8, 8 * columns)
    y = torch.matmul(matrix, tiles)
    y = _shift_(y, 11) if exact else y
    y = matrix @ y.view(-1, 8).T
    y = _shift_(y, 18) if exact else y
    return y.to(blocks.dtype).view(8, b, 8 * rows, columns).permute(1, 2, 3, 0).reshape(b, 8 * rows, 8 * columns)


def _pad_to(plane: Tensor, height: int, width: int) -> Tensor:
    """Edge replication below and to the right of (B, h, w)."""
    h, w = plane.shape[-2:]
    return plane if (h, w) == (height, width) else F.pad(plane, (0, width - w, 0, height - h), "replicate")


def _downsample(plane: Tensor, v: int, h: int, exact: bool) -> Tensor:
    """Box average over v x h samples of an even-sized plane; exact: integers, libjpeg's bias 0,1,0,1 or 1,2,1,2."""
    total = plane[:, ::v, ::h] + plane[:, ::v, 1::h]
    if v == 2:
        total = total + plane[:, 1::2, ::2] + plane[:, 1::2, 1::2]
    if not exact:
        return total / (v * h)
    bias = torch.arange(total.shape[-1], device=plane.device) % 2 + (1 if v == 2 else 0)
    return total.add_(bias).div_(v * h).floor_()


def _encode_plane(samples: Tensor, v: int, h: int, exact: bool) -> Tensor:
    """One component's full-size, level-shifted samples (B, H, W) to coefficients (B, By, Bx, 8, 8)."""
    height, width = samples.shape[-2:]
    block_columns = -(-width // (8 * h))
    samples = _pad_to(samples, -(-height // v) * v, block_columns * 8 * h)
    if (v, h) != (1, 1):
        samples = _downsample(samples, v, h, exact)
    return _dct(_pad_to(samples, -(-samples.shape[-2] // 8) * 8, block_columns * 8), exact)


def _encode(pixels: Tensor, sampling: str, exact: bool) -> list[Tensor]:
    v, h = subsampling(sampling)
    r, g, b = (pixels.round().clamp_(0, 255) if exact else pixels).unbind(1)
    planes = []
    for component, weights in enumerate(_RGB_TO_YCC[:1] if sampling == "gray" else _RGB_TO_YCC):
        # chroma's offset and the level shift cancel
        wr, wg, wb = (w * _FIXED for w in weights)
        samples = (r * wr).add_(g, alpha=wg).add_(b, alpha=wb)
        if exact:  # round to nearest; chroma's halves down
            samples = samples.add_(0.5 - _FIXED if component else 0.5).floor_()
        if component == 0:
            samples = samples.sub_(128)
        factors = (v, h) if component else (1, 1)
        planes.append(_encode_plane(samples, *factors, exact))
    return planes


def pixels_to_coefficients(pixels: Tensor, sampling: str, *, exact: bool = True) -> list[Tensor]:
    """RGB pixels (B, 3, H, W) in 0..255 to one plane of coefficients (B, By, Bx, 8, 8) per component.

    exact: round as libjpeg-turbo's islow path does; coefficients are then multiples of 1/8, and the gradient with
    respect to the pixels is that of the smooth form (straight-through).
    """
    if not exact:
        return _encode(pixels, sampling, False)
    with torch.no_grad():
        whole = pixels if pixels.dtype == torch.float64 else pixels.float()
        planes = [p.to(pixels.dtype) for p in _encode(whole, sampling, True)]
    if pixels.requires_grad and torch.is_grad_enabled():
        smooth = _encode(pixels, sampling, False)
        planes = [s + (p - s).detach() for p, s in zip(planes, smooth, strict=True)]
    return planes


def _triangle(plane: Tensor, axis: int) -> Tensor:
    """Twice as many samples along an axis: 3 x the nearer + the farther neighbour, four times too large."""
    n = plane.shape[axis]
    first, last = plane.narrow(axis, 0, 1), plane.narrow(axis, n - 1, 1)
    before = torch.cat((first, plane.narrow(axis, 0, n - 1)), axis).add_(plane, alpha=3)
    after = torch.cat((plane.narrow(axis, 1, n - 1), last), axis).add_(plane, alpha=3)
    return torch.stack((before, after), axis + 1).flatten(axis, axis + 1)


def _triangle_adjoint(gradient: Tensor, axis: int) -> Tensor:
    """The transpose of `_triangle`."""
    before, after = torch.unflatten(gradient, axis, (-1, 2)).unbind(axis + 1)
    n = before.shape[axis]
    result = (before + after).mul_(3)
    result.narrow(axis, 0, n - 1).add_(before.narrow(axis, 1, n - 1))
    result.narrow(axis, 1, n - 1).add_(after.narrow(axis, 0, n - 1))
    result.narrow(axis, 0, 1).add_(before.narrow(axis, 0, 1))
    result.narrow(axis, n - 1, 1).add_(after.narrow(axis, n - 1, 1))
    return result


def _upsample(plane: Tensor, v: int, h: int, exact: bool) -> Tensor:
    """libjpeg's fancy (triangle) upsampling of chroma (B, h, w) by v x h; planes of width 1 or 2 are replicated."""
    if plane.shape[-1] <= 2:
        return plane.repeat_interleave(v, 1).repeat_interleave(h, 2)
    total = _triangle(_triangle(plane, 1) if v == 2 else plane, 2)
    if exact:
        bias = torch.tensor((8.0, 7.0) if v == 2 else (1.0, 2.0), dtype=plane.dtype, device=plane.device)
        total.view(*total.shape[:2], -1, 2).add_(bias)
    total.div_(4**v)
    return total.floor_() if exact else total


def _upsample_adjoint(gradient: Tensor, v: int, h: int) -> Tensor:
    """The transpose of the smooth `_upsample`."""
    if gradient.shape[-1] <= 2 * h:
        b, rows, columns = gradient.shape
        return gradient.reshape(b, rows // v, v, columns // h, h).sum((2, 4))
    result = _triangle_adjoint(gradient, 2)
    return (_triangle_adjoint(result, 1) if v == 2 else result).div_(4**v)


def _decode_plane(plane: Tensor, exact: bool) -> Tensor:
    """Coefficients (B, By, Bx, 8, 8) to samples (B, 8 By, 8 Bx), level shift undone."""
    samples = _inverse_dct(plane, exact).add_(128)
    return samples.clamp_(0, 255) if exact else samples


def _decode(planes: Sequence[Tensor], sampling: str, height: int, width: int, exact: bool) -> Tensor:
    """Coefficients to pixels before the last clamp (smooth: a linear map plus 128; exact: integers)."""
    v, h = subsampling(sampling)
    y = _decode_plane(planes[0], exact)[:, None, :height, :width]
    if len(planes) == 1:
        return y.repeat(1, 3, 1, 1)
    chroma = []
    for plane in planes[1:]:
        samples = _decode_plane(plane, exact).sub_(128)[:, : -(-height // v), : -(-width // h)]
        if (v, h) != (1, 1):
            samples = _upsample(samples, v, h, exact)
        chroma.append(samples[:, :height, :width])
    pixels = y.repeat(1, 3, 1, 1)
    for channel, (of_cb, of_cr) in zip(pixels.unbind(1), _CHROMA_TO_RGB, strict=True):
        difference = (chroma[0] * (of_cb * _FIXED)).add_(chroma[1], alpha=of_cr * _FIXED)
        channel.add_(difference.add_(0.5).floor_() if exact else difference)
    return pixels


def _decode_adjoint(gradient: Tensor, sampling: str, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """The transpose of the smooth `_decode`: a gradient (B, 3, H, W) to one of each plane's shape."""
    v, h = subsampling(sampling)
    height, width = gradient.shape[-2:]
    r, g, b = gradient.unbind(1)
    result = []
    for component, (_, by, bx, _, _) in enumerate(shapes):
        if component == 0:
            x = (r + g).add_(b)
        else:
            wr, wg, wb = (weights[component - 1] * _FIXED for weights in _CHROMA_TO_RGB)
            x = (r * wr).add_(g, alpha=wg).add_(b, alpha=wb)
            if (v, h) != (1, 1):
                x = _upsample_adjoint(F.pad(x, (0, -width % h, 0, -height % v)), v, h)
        result.append(_dct(F.pad(x, (0, bx * 8 - x.shape[-1], 0, by * 8 - x.shape[-2])), exact=False))
    return result


class _Decode(torch.autograd.Function):
    """Forward: libjpeg-turbo's integers or real values. Backward: the smooth adjoint, zero where RGB was clamped.

    The clamp of component samples before upsampling lets the gradient pass: its mask would cost as much as the pixels.
    """

    @staticmethod
    def forward(ctx: Any, exact: bool, sampling: str, height: int, width: int, *planes: Tensor) -> Tensor:
        pixels = _decode(planes, sampling, height, width, exact)
        ctx.sampling, ctx.shapes = sampling, [p.shape for p in planes]
        ctx.save_for_backward((pixels < 0).logical_or_(pixels > 255))
        return pixels.clamp_(0, 255)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (clamped,) = ctx.saved_tensors
        gradients = _decode_adjoint(gradient.masked_fill(clamped, 0), ctx.sampling, ctx.shapes)
        return None, None, None, None, *gradients


def coefficients_to_pixels(
    planes: list[Tensor], sampling: str, height: int, width: int, *, exact: bool = True
) -> Tensor:
    """Dequantized coefficients, one plane (B, By, Bx, 8, 8) per component, to RGB (B, 3, height, width) in 0..255.

    exact: the integers that libjpeg-turbo decodes (islow, fancy upsampling), with the gradient of the smooth form;
    otherwise real values, clamped to 0..255.
    """
    return _Decode.apply(exact, sampling, height, width, *planes)  # type: ignore[no-any-return,no-untyped-call]
