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
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vjp

from j4d.errors import ParameterError
from j4d.parameters import SAMPLINGS

_RGB_TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))  # x 2^16
_YCC_BIAS = (1 << 15, (128 << 16) + (1 << 15) - 1, (128 << 16) + (1 << 15) - 1)
_CR_TO_R, _CB_TO_G, _CR_TO_G, _CB_TO_B = 91881, -22554, -46802, 116130  # x 2^16
_ISLOW_BITS = 13


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


def _shift(x: Tensor, bits: int) -> Tensor:
    """Rounding right shift of integer-valued floats: floor((x + 2^(bits-1)) / 2^bits), as libjpeg's DESCALE."""
    return x.add(2.0 ** (bits - 1)).mul_(2.0**-bits).floor_()


def _both_ways(plane: Tensor, rows: Tensor, columns: Tensor, shifts: tuple[int, int] | None) -> Tensor:
    """Apply an 8x8 matrix to the rows, then one to the columns, of every 8x8 tile of (B, 8 By, 8 Bx)."""
    b, h, w = plane.shape
    y = plane.reshape(-1, 8) @ rows.T
    if shifts:
        y = _shift(y, shifts[0])
    y = torch.matmul(columns, y.view(b * h // 8, 8, w))
    if shifts:
        y = _shift(y, shifts[1])
    return y.view(b, h, w)


def _to_blocks(plane: Tensor) -> Tensor:
    b, h, w = plane.shape
    return plane.view(b, h // 8, 8, w // 8, 8).transpose(2, 3)


def _from_blocks(blocks: Tensor) -> Tensor:
    b, by, bx = blocks.shape[:3]
    return blocks.transpose(2, 3).reshape(b, by * 8, bx * 8)


def _pad_to(plane: Tensor, height: int, width: int) -> Tensor:
    """Edge replication below and to the right of (B, h, w)."""
    h, w = plane.shape[-2:]
    if (h, w) == (height, width):
        return plane
    rows = torch.arange(height, device=plane.device).clamp_(max=h - 1)
    columns = torch.arange(width, device=plane.device).clamp_(max=w - 1)
    return plane.index_select(-2, rows).index_select(-1, columns)


def _downsample(plane: Tensor, v: int, h: int, exact: bool) -> Tensor:
    """Box average over v x h samples of an even-sized plane; exact: integers, libjpeg's bias 0,1,0,1 or 1,2,1,2."""
    b, rows, columns = plane.shape
    total = plane.view(b, rows // v, v, columns // h, h).sum((2, 4))
    if not exact:
        return total / (v * h)
    bias = torch.arange(columns // h, device=plane.device) % 2 + (1 if v == 2 else 0)
    return (total + bias) // (v * h)


def _encode_plane(samples: Tensor, v: int, h: int, exact: bool) -> Tensor:
    """One component's full-size samples (B, H, W) to coefficients (B, By, Bx, 8, 8)."""
    height, width = samples.shape[-2:]
    block_columns = -(-width // (8 * h))
    samples = _pad_to(samples, -(-height // v) * v, block_columns * 8 * h)
    if (v, h) != (1, 1):
        samples = _downsample(samples, v, h, exact)
    samples = _pad_to(samples, -(-samples.shape[-2] // 8) * 8, block_columns * 8) - 128
    if exact:
        matrix = _islow_matrix().to(samples.device)
        return _to_blocks(_both_ways(samples.double(), matrix, matrix, (11, 15))).mul(0.125)
    matrix = _dct_matrix(samples)
    return _to_blocks(_both_ways(samples, matrix, matrix, None))


def _encode(pixels: Tensor, sampling: str, exact: bool) -> list[Tensor]:
    v, h = subsampling(sampling)
    if exact:
        # libjpeg's gray from RGB is the same luma
        r, g, b = pixels.round().clamp(0, 255).to(torch.int32).unbind(1)
        planes = [(m[0] * r + m[1] * g + m[2] * b + c) >> 16 for m, c in zip(_RGB_TO_YCC, _YCC_BIAS, strict=True)]
    else:
        matrix = torch.tensor(_RGB_TO_YCC, dtype=pixels.dtype, device=pixels.device) / 65536
        offset = torch.tensor([0, 128, 128], dtype=pixels.dtype, device=pixels.device).view(3, 1, 1)
        planes = list((torch.einsum("ij,bjhw->bihw", matrix, pixels) + offset).unbind(1))
    if sampling == "gray":
        return [_encode_plane(planes[0], 1, 1, exact)]
    factors = ((1, 1), (v, h), (v, h))
    return [_encode_plane(p, *f, exact) for p, f in zip(planes, factors, strict=True)]


def pixels_to_coefficients(pixels: Tensor, sampling: str, *, exact: bool = True) -> list[Tensor]:
    """RGB pixels (B, 3, H, W) in 0..255 to one plane of coefficients (B, By, Bx, 8, 8) per component.

    exact: round as libjpeg-turbo's islow path does; coefficients are then multiples of 1/8, and the gradient with
    respect to the pixels is that of the smooth form (straight-through).
    """
    if not exact:
        return _encode(pixels, sampling, False)
    with torch.no_grad():
        planes = [p.to(pixels.dtype) for p in _encode(pixels, sampling, True)]
    if pixels.requires_grad and torch.is_grad_enabled():
        smooth = _encode(pixels, sampling, False)
        planes = [s + (p - s).detach() for p, s in zip(planes, smooth, strict=True)]
    return planes


def _upsample(plane: Tensor, v: int, h: int, exact: bool) -> Tensor:
    """libjpeg's fancy (triangle) upsampling of chroma (B, h, w) by v x h; planes of width 1 or 2 are replicated."""
    if plane.shape[-1] <= 2:
        return plane.repeat_interleave(v, -2).repeat_interleave(h, -1)
    if not exact:
        return F.interpolate(plane[:, None], scale_factor=(v, h), mode="bilinear", align_corners=False)[:, 0]
    if v == 2:
        above = torch.cat((plane[:, :1], plane[:, :-1]), 1)
        below = torch.cat((plane[:, 1:], plane[:, -1:]), 1)
        plane = torch.stack((3 * plane + above, 3 * plane + below), 2).flatten(1, 2)
    left = torch.cat((plane[..., :1], plane[..., :-1]), -1)
    right = torch.cat((plane[..., 1:], plane[..., -1:]), -1)
    bits, biases = (4, (8, 7)) if v == 2 else (2, (1, 2))
    return torch.stack(((3 * plane + left + biases[0]) >> bits, (3 * plane + right + biases[1]) >> bits), -1).flatten(
        -2
    )


def _decode(planes: list[Tensor], sampling: str, height: int, width: int, exact: bool) -> Tensor:
    """Coefficients to pixels before the last clamp (smooth: a linear map plus 128; exact: integers)."""
    v, h = subsampling(sampling)
    matrix = _islow_matrix().to(planes[0].device) if exact else _dct_matrix(planes[0])
    samples = []
    for i, plane in enumerate(planes):
        tiles = _from_blocks(plane.double() if exact else plane)
        if exact:  # jidctint.c works on columns first: transpose, so that `_both_ways` does too
            x = _both_ways(tiles.transpose(1, 2), matrix.T, matrix.T, (11, 18)).transpose(1, 2)
            x = x.add(128).clamp_(0, 255).to(torch.int32)
        else:
            x = _both_ways(tiles, matrix.T, matrix.T, None) + 128
        if i and (v, h) != (1, 1):
            x = _upsample(x[:, : -(-height // v), : -(-width // h)], v, h, exact)
        samples.append(x[:, :height, :width])
    if len(samples) == 1:
        return samples[0][:, None].expand(-1, 3, -1, -1)
    y, cb, cr = samples[0], samples[1] - 128, samples[2] - 128
    if exact:
        half = 1 << 15
        rgb = (
            y + ((_CR_TO_R * cr + half) >> 16),
            y + ((_CB_TO_G * cb + _CR_TO_G * cr + half) >> 16),
            y + ((_CB_TO_B * cb + half) >> 16),
        )
    else:
        s = 1 / 65536
        rgb = (y + _CR_TO_R * s * cr, y + _CB_TO_G * s * cb + _CR_TO_G * s * cr, y + _CB_TO_B * s * cb)
    return torch.stack(rgb, 1)


class _ExactDecode(torch.autograd.Function):
    """Forward: libjpeg-turbo's integers. Backward: the smooth decoder's adjoint, zero where RGB was clamped.

    The clamp of component samples before upsampling lets the gradient pass: its mask would cost as much as the pixels.
    """

    @staticmethod
    def forward(ctx: Any, sampling: str, height: int, width: int, *planes: Tensor) -> Tensor:
        pixels = _decode(list(planes), sampling, height, width, True)
        ctx.geometry = (sampling, height, width, [p.shape for p in planes], planes[0].dtype)
        ctx.save_for_backward((pixels < 0) | (pixels > 255))
        return pixels.clamp(0, 255).to(planes[0].dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sampling, height, width, shapes, dtype = ctx.geometry
        (clamped,) = ctx.saved_tensors
        zeros = [torch.zeros(s, dtype=dtype, device=gradient.device) for s in shapes]
        adjoint = vjp(lambda *planes: _decode(list(planes), sampling, height, width, False), *zeros)[1]
        return None, None, None, *adjoint(gradient.to(dtype).masked_fill(clamped, 0))


def coefficients_to_pixels(
    planes: list[Tensor], sampling: str, height: int, width: int, *, exact: bool = True
) -> Tensor:
    """Dequantized coefficients, one plane (B, By, Bx, 8, 8) per component, to RGB (B, 3, height, width) in 0..255.

    exact: the integers that libjpeg-turbo decodes (islow, fancy upsampling), with the gradient of the smooth form;
    otherwise real values, clamped to 0..255.
    """
    if exact:
        return _ExactDecode.apply(sampling, height, width, *planes)  # type: ignore[no-any-return,no-untyped-call]
    return _decode(planes, sampling, height, width, False).clamp(0, 255)
