"""What parameters do to pictures in real files. Held-out ones tell when a point gets worse instead of better."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from j4d.codecs.cache import EncodeCache
from j4d.codecs.protocol import Codec
from j4d.evaluation.evaluate import evaluate
from j4d.images.image_set import ImageSet
from j4d.jpeg.decoding import decode
from j4d.jpeg.encoding import encode
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.objective import Objective
from j4d.learning.task import Classification
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.readers.answers import Model
from j4d.simulation.module import SimulatedJPEG
from j4d.support import ranks
from j4d.support.allocator import settle

FEWEST_JUDGES = 8  # held-out pictures; of fewer the standard error is too often small by chance


class FileEvaluator:
    """The task loss of pictures as real decoders give them; of several models, what `objective` makes of theirs (by
    default the mean). Ranks share the pictures out.
    """

    def __init__(
        self,
        models: Sequence[Model],
        images: ImageSet,
        answers: float | None,
        rate_model: RateModel,
        sampling: str,
        device: torch.device,
        objective: Objective | None = None,
        spectrum: Spectrum | None = None,
    ) -> None:
        """spectrum: that of `images`, where it is known."""
        self.images, self.rate_model, self.device = images, rate_model, device
        self.objective = objective or Objective(len(models))
        if len(images):
            labels = None if images.labels is None else images.labels.tolist()
            self.tasks = [Classification(model, labels, answers) for model in models]
            self.spectrum = spectrum or Spectrum.of(images, sampling)

    @torch.no_grad()
    def files(self, parameters: EncodingParameters) -> NDArray[np.float64]:
        """(N, 2): task loss in nats and actual bpp of each picture."""
        found = []
        for number in ranks.mine(len(self.images)):
            image = self.images[number]
            data = encode(image, parameters)
            pixels, decoded = self._pixels(image), self._pixels(decode(data))
            losses, rises = [], []
            for task in self.tasks:
                answer = task.answer(pixels, [(number, False)])
                loss = task.loss(task.logits(decoded), answer, [number])
                losses.append(float(loss))
                rises.append(float(task.rises(loss, answer, [number])) if self.objective.of_rises else 0.0)
            found.append((losses, rises, 8 * len(data) / (image.shape[0] * image.shape[1])))
            settle()
        every, above, bpp = (np.array(column) for column in zip(*ranks.gathered(found), strict=True))
        return np.stack((self.objective.of_pictures(every, above), bpp), 1)

    def losses(self, parameters: EncodingParameters) -> NDArray[np.float64]:
        """Task loss of each picture (N,), nats."""
        return self.files(parameters)[:, 0]

    def means(self, parameters: EncodingParameters) -> tuple[float, float]:
        """Mean task loss (nats) and mean actual rate (bpp)."""
        loss, bpp = self.files(parameters).mean(0)
        return float(loss), float(bpp)

    def rate(self, parameters: EncodingParameters) -> float:
        """Mean actual rate (bpp)."""
        return float(np.mean([8 * len(encode(i, parameters)) / (i.shape[0] * i.shape[1]) for i in self.images]))

    def rate_error(self, parameters: EncodingParameters) -> float:
        """Actual rate over estimated rate of the pictures."""
        own = sum(8 * len(encode(image, parameters)) for image in ranks.share(self.images))
        bits = int(ranks.total(torch.tensor(own)))
        return bits / self.spectrum.pixels / self.rate_model.bpp(self.spectrum, parameters)

    def _pixels(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(image.copy()).to(self.device).permute(2, 0, 1)[None].float()


def measure_codec(
    model: Model, images: ImageSet, codec: Codec, cache: EncodeCache | None = None, progress: bool = False
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Actual bpp and metrics of `evaluate`, (settings, pictures) each, the pictures shared out over the ranks."""
    own = images.subset(ranks.mine(len(images)))
    columns: list[dict[str, NDArray[np.float64]]] = []
    if len(own):
        result = evaluate(model, own, codecs=[codec], bootstrap=1, progress=progress, cache=cache)
        figures = {"bpp": result.bpp(result.codecs[0]), **result.codecs[0].metrics}
        columns = [{name: values[:, i] for name, values in figures.items()} for i in range(len(own))]
    every = ranks.gathered(columns)
    joined = {name: np.stack([column[name] for column in every], 1) for name in every[0]}
    return joined.pop("bpp"), joined


class EarlyStop:
    """Says when the held-out objective is worse than its best by more than two standard errors of the difference.

    Both are judged at the same lambda, which moves while a target rate is met.
    """

    best: EncodingParameters

    def __init__(self, judge: FileEvaluator) -> None:
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
