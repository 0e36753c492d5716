"""`EncoderJudge`: models that are asked while encoding what compression does to their answer on a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from j4d.errors import ModelError
from j4d.readers.answers import Model, log_probabilities, metrics_of
from j4d.readers.fingerprints import joint_fingerprint, weighty
from j4d.readers.loading import SpecLoader
from j4d.support.specifications import display_name

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
        self._sources: list[Loadable] = [*models] if isinstance(models, (list, tuple)) else [cast(Loadable, models)]
        self.specs: tuple[str, ...] = ()  # of the models, where it was made from them
        self._threads: int | None = None
        loaded = self.models
        self.name = name or names_of(loaded)
        if not weighty(loaded):
            raise ModelError(f"judge {self.name}: no torch.nn.Module with weights, by which a profile would know it")
        for model in loaded:
            model.eval()  # type: ignore[attr-defined]
        self.fingerprint = joint_fingerprint(loaded)

    @classmethod
    def from_specs(
        cls, specs: Sequence[str], options: Mapping[str, Any] | None = None, threads: int | None = None
    ) -> EncoderJudge:
        """A judge of what `load_model` gives for each spec.

        Args:
            specs: NAME=SPEC gives a model a name.
            options: Of `load_model`.
            threads: Of PyTorch in every process that the judge is sent to, this one included. None leaves them.

        Raises:
            ModelError: A model cannot be loaded, or has no weights.
        """
        made = cls([SpecLoader(spec, options or {}) for spec in specs], " + ".join(map(display_name, specs)))
        made.specs, made._threads = tuple(specs), threads
        made._set_threads()
        return made

    def _set_threads(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_threads()

    @classmethod
    def of(cls, model: Model | EncoderJudge) -> EncoderJudge:
        """The judge itself, or one made of a model."""
        return model if isinstance(model, EncoderJudge) else cls(model)

    @property
    def models(self) -> list[Model]:
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
        answers = (self._answer(model, compressed) for model in self._models)
        each = [metrics_of(answer, clean, None)["kl"][0] for answer, clean in zip(answers, self._clean, strict=True)]
        return sum(each) / len(each)

    @staticmethod
    def _answer(model: Model, picture: Image) -> torch.Tensor:
        return log_probabilities(model, [picture])
