"""The values of any tensor as bytes, for fingerprints: whatever its layout, strides and type."""

from __future__ import annotations

import torch
from torch import Tensor


def tensor_bytes(value: Tensor) -> bytes:
    """The values of a tensor, as they lie in memory when it is contiguous.

    Of a sparse tensor its indices and values, of a quantized one its integers, scales and zero points.
    """
    value = value.detach()
    if value.layout is not torch.strided:
        return b"".join(map(tensor_bytes, _sparse_parts(value)))
    if value.is_quantized:
        return b"".join(map(tensor_bytes, _quantized_parts(value)))
    value = value.cpu().resolve_conj().resolve_neg()
    # a copy of its own: a view of one value may count as contiguous and have a stride of 0
    plain = torch.empty(value.shape, dtype=value.dtype).copy_(value)
    return plain.reshape(-1).view(torch.uint8).numpy().tobytes()


def _sparse_parts(value: Tensor) -> list[Tensor]:
    if value.layout is torch.sparse_coo:
        value = value.coalesce()
        return [value.indices(), value.values()]
    if value.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [value.crow_indices(), value.col_indices(), value.values()]
    if value.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [value.ccol_indices(), value.row_indices(), value.values()]
    return [value.to_dense()]  # MKL-DNN's own


def _quantized_parts(value: Tensor) -> list[Tensor]:
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return [value.int_repr(), torch.tensor([value.q_scale()]), torch.tensor([value.q_zero_point()])]
    return [value.int_repr(), value.q_per_channel_scales(), value.q_per_channel_zero_points()]
