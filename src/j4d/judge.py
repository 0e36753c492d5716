"""Models that are asked while encoding what compression does to their answer on a picture: `EncoderJudge`.

PyTorch is loaded when a judge is made, so that encoding without one needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from j4d.errors import ModelError
from j4d.specs import called

if TYPE_CHECKING:
    import torch

    from j4d.evaluation.grid import SpecLoader
    from j4d.tasks import Model

    Loadable = Model | SpecLoader

Image = NDArray[np.uint8]


def names_of(models: Sequence[object]) -> str:
    """What models are called together: by their own names, or else by their types."""
    return " + ".join(getattr(model, "name", None) or type(model).__name__ for model in models)


class EncoderJudge:
    """One model or several, known by their weights; what counts is the mean over them.

    models: as for `learn`, torch.nn.Modules with weights, or what loads them. name: what errors and profiles call it.
    A judge that comes `from_specs` is loaded again in every process that it is sent to. `fingerprint` is the sha256
    of the weights, of several models that of theirs. Raises ModelError for a model without weights.
    """

    def __init__(self, models: Model | Sequence[Loadable], name: str | None = None) -> None:
        from j4d.models import joint_fingerprint, weighty

        self._sources: list[Loadable] = [*models] if isinstance(models, (list, tuple)) else [cast("Loadable", models)]
        loaded = self.models
        self.name = name or names_of(loaded)
        if not weighty(loaded):
            raise ModelError(f"judge {self.name}: no torch.nn.Module with weights, by which a profile would know it")
        for model in loaded:
            model.eval()  # type: ignore[attr-defined]
        self.fingerprint = joint_fingerprint(loaded)

    @classmethod
    def from_specs(cls, specs: Sequence[str], options: Mapping[str, Any] | None = None) -> EncoderJudge:
        """What `load_model` gives for each; NAME=SPEC gives it a name. Raises ModelError."""
        from j4d.evaluation.grid import SpecLoader

        return cls([SpecLoader(spec, options or {}) for spec in specs], " + ".join(map(called, specs)))

    @classmethod
    def of(cls, model: Model | EncoderJudge) -> EncoderJudge:
        """The judge itself, or one made of a model."""
        return model if isinstance(model, EncoderJudge) else cls(model)

    @property
    def models(self) -> list[Model]:
        from j4d.evaluation.grid import SpecLoader

        return [source() if isinstance(source, SpecLoader) else source for source in self._sources]

    def of_picture(self, picture: Image) -> PictureJudge:
        """The judge of what compression does to this picture, uint8 (H, W, 3)."""
        return PictureJudge(self.models, picture)


class PictureJudge:
    """Holds the models' answers on one picture."""

    def __init__(self, models: Sequence[Model], picture: Image) -> None:
        self._models = models
        self._clean = [self._answer(model, picture) for model in models]

    def loss(self, compressed: Image) -> float:
        """KL(answer on the picture || answer on the compressed one), nats, mean over models. Raises ModelError."""
        from j4d.evaluation.judging import judge

        answers = (self._answer(model, compressed) for model in self._models)
        each = [judge(answer, clean, None)["kl"][0] for answer, clean in zip(answers, self._clean, strict=True)]
        return sum(each) / len(each)

    @staticmethod
    def _answer(model: Model, picture: Image) -> torch.Tensor:
        from j4d.evaluation.judging import log_probabilities

        return log_probabilities(model, [picture])
