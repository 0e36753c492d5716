"""Models from their specification on the command line."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from j4d.errors import ModelError
from j4d.readers.preprocessing import Preprocess, Size
from j4d.readers.refusals import RefusalError, refusing
from j4d.readers.sources import find
from j4d.readers.vision import VisionModel
from j4d.support.specifications import split_name


def load_model(
    spec: str,
    *,
    resize: Size | None = None,
    crop: Size | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    interpolation: str | None = None,
) -> VisionModel:
    """Make a vision model from a spec.

    - `package.module:callable` or `path/to/file.py:callable`, with keyword arguments after `?` as in
      `zoo.py:load?name=resnet&width=64`; it returns a torch.nn.Module, or (module, input size)
    - a path to a TorchScript file, or to a torch.export program (.pt2)
    - `timm:NAME`, `torchvision:NAME`, `hf:NAME`: pretrained, with their own preprocessing; `demo:efficientnet-lite0`

    `NAME=SPEC` gives it another name than its spec. The first form runs your own Python, and the libraries may run
    what they download (SECURITY.md). The keyword arguments replace the source's preprocessing, one by one (see
    `Preprocess`). Where the input size is known the model is tried once. Raises ModelError, saying what came and what
    is expected.
    """
    name, spec = split_name(spec)
    net, settings = find(spec)
    given = {"resize": resize, "crop": crop, "mean": mean, "std": std, "interpolation": interpolation}
    preprocess = Preprocess(**{**settings, **{key: value for key, value in given.items() if value is not None}})
    size = preprocess.output_size
    if size is None:
        return VisionModel(net, preprocess, name=name or spec)
    failure = None
    for layout in (torch.channels_last, torch.contiguous_format):
        try:
            with refusing(name or spec, None):
                net.to(memory_format=layout)  # type: ignore[call-overload]
            model = VisionModel(net, preprocess, name=name or spec, channels_last=layout is torch.channels_last)
            with torch.no_grad():
                model(torch.full((2, 3, *size), 128.0))
            return model
        except RefusalError as error:  # whatever a network raises, such as `view` on channels-last features
            failure = error
    assert failure is not None  # both layouts were tried
    raise ModelError(f"{spec} fails on two images of {size[0]}x{size[1]}: {failure.said}") from failure.__cause__


class SpecLoader:
    """Loads a model from its spec, once in each process: what goes to another process is the spec alone."""

    def __init__(self, spec: str, options: Mapping[str, Any], name: str | None = None) -> None:
        """name: what it is called in place of its spec."""
        self.spec, self.options, self.name = spec, dict(options), name
        self._token = uuid.uuid4().hex  # the same in every copy
        self._loaded: VisionModel | None = None
        self._received = False  # from another process

    def __call__(self) -> VisionModel:
        if self._loaded is None:
            self._loaded = load_model(self.spec, **self.options)
            self._loaded.name = self.name or self._loaded.name
            if self._received:
                _RECEIVED[self._token] = self._loaded
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_loaded": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _loaded=_RECEIVED.get(state["_token"]), _received=True)


# Models of loaders that another process sent here. A worker receives the same loader again and again.
_RECEIVED: dict[str, VisionModel] = {}
