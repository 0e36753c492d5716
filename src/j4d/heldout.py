"""The held-out pictures of a learning run: they tell when a point gets worse instead of better."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d.calibration import RateModel
from j4d.codec import decode, encode
from j4d.images import ImageSet
from j4d.parameters import EncodingParameters
from j4d.simulate import SimulatedJPEG
from j4d.spectrum import Spectrum
from j4d.tasks import Classification, Model, logits_of

FEWEST_JUDGES = 8  # held-out pictures; of fewer the standard error is too often small by chance


class Judge:
    """The held-out objective, per picture, on the pixels that real decoders give."""

    def __init__(
        self,
        model: Model,
        images: ImageSet,
        answers: float | None,
        rate_model: RateModel,
        sampling: str,
        device: torch.device,
    ) -> None:
        self.model, self.images, self.rate_model, self.device = model, images, rate_model, device
        if len(images):
            labels = None if images.labels is None else images.labels.tolist()
            self.task = Classification(model, labels, answers)
            self.spectrum = Spectrum.of(images, sampling)

    @torch.no_grad()
    def losses(self, parameters: EncodingParameters) -> NDArray[np.float64]:
        """Task loss of each held-out picture (N,), nats."""
        losses = []
        for number, image in enumerate(self.images):
            pixels, decoded = (self._pixels(x) for x in (image, decode(encode(image, parameters))))
            answer = self.task.answer(pixels, [(number, False)])
            losses.append(float(self.task.loss(logits_of(self.model, decoded), answer, [number])))
        return np.array(losses)

    def _pixels(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(image.copy()).to(self.device).permute(2, 0, 1)[None].float()


class EarlyStop:
    """Says when the held-out objective is worse than its best by more than two standard errors of the difference.

    Both are judged at the same lambda, which moves while a target rate is met.
    """

    best: EncodingParameters

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.losses: NDArray[np.float64] | None = None
        self.bpp = math.nan

    def worse(self, jpeg: SimulatedJPEG, lagrangian: float) -> bool:
        """Judge the parameters as they are now."""
        if len(self.judge.images) < FEWEST_JUDGES:
            return False
        parameters = jpeg.encoding_parameters()
        losses, bpp = self.judge.losses(parameters), self.judge.rate_model.bpp(self.judge.spectrum, parameters)
        if self.losses is not None:
            difference = losses - self.losses + lagrangian * (bpp - self.bpp)
            if difference.mean() > 0:
                return bool(difference.mean() > 2 * difference.std(ddof=1) / math.sqrt(len(difference)))
        self.best, self.losses, self.bpp = parameters, losses, bpp
        return False
