"""`Frozen`: models in eval mode and without gradients during a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import nn

from j4d.errors import ModelError
from j4d.readers.answers import Model


class Frozen:
    """Models in eval mode, without parameter gradients, for the time of a run; then everything as it was.

    Gives the device of the first that has one. Raises ModelError where they are on different ones.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = [model for model in models if isinstance(model, nn.Module)]

    def __enter__(self) -> torch.device:
        tensors = [next(chain(model.parameters(), model.buffers()), None) for model in self.models]
        devices = list(dict.fromkeys(tensor.device for tensor in tensors if tensor is not None))
        if len(devices) > 1:
            raise ModelError(f"the models are on {' and '.join(map(str, devices))}; move them to one device")
        self.parameters = [(p, p.requires_grad) for model in self.models for p in model.parameters()]
        self.modes = [(m, m.training) for model in self.models for m in model.modules()]
        for model in self.models:
            model.eval().requires_grad_(False)
        return devices[0] if devices else torch.device("cpu")

    def __exit__(self, *_: object) -> None:
        for parameter, wanted in self.parameters:
            parameter.requires_grad_(wanted)
        for module, training in self.modes:
            module.training = training
