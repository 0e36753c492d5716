"""Hashes of model weights, by which a profile knows a model again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import Tensor, nn

from j4d.readers.tensor_bytes import tensor_bytes


def fingerprint(model: nn.Module) -> str:
    """Hexadecimal sha256 of a model's state dict: names, types, shapes and values, in order of name."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if not isinstance(value, Tensor):  # extra state of a module's own
            digest.update(f"{name} {type(value).__name__}\n".encode())
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(tensor_bytes(value))
    return digest.hexdigest()


def weighty(models: Sequence[object]) -> bool:
    """Whether all are nn.Modules with weights, so that a fingerprint tells them from others."""
    return all(isinstance(model, nn.Module) and len(model.state_dict()) > 0 for model in models)


def joint_fingerprint(models: Sequence[object]) -> str:
    """The fingerprint of the model; of several, the sha256 of theirs. Empty where one is no nn.Module."""
    prints = [fingerprint(model) if isinstance(model, nn.Module) else "" for model in models]
    return prints[0] if len(prints) == 1 or not all(prints) else hashlib.sha256("".join(prints).encode()).hexdigest()
