"""What must survive compression: the labels, the model's own answers on the uncompressed picture, or a mix of both.

A task turns logits into one loss per image, in nats. Answers are those of the frozen model on the same (maybe
flipped) picture before JPEG; they are computed once per picture and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from j4d.errors import DataError, ModelError, ParameterError
from j4d.readers.answers import Model, logits_of

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


class Classification:
    """Keep the class right: (1 - a) cross-entropy with the label + a KL(uncompressed answer || compressed answer).

    labels: one class per image, or None, which makes a = 1. answers: a in 0..1, by default 1/2 with labels. precision:
    of the model, its gradients and its answers; "bfloat16" is PyTorch's autocast, with logits and losses in float32.
    Raises ParameterError, DataError for a label outside the model's classes.
    """

    def __init__(
        self,
        model: Model,
        labels: Sequence[int] | None = None,
        answers: float | None = None,
        precision: Precision = "float32",
    ) -> None:
        share = (1.0 if labels is None else 0.5) if answers is None else answers
        if not 0 <= share <= 1:
            raise ParameterError(f"answers {share} is outside 0..1, the weight of the model's own answers")
        if labels is None and share < 1:
            raise ParameterError(
                f"answers {share} leaves weight to labels, but there are none; give labels or answers=1"
            )
        self.model, self.answers, self.precision = model, share, precision
        self.labels = None if labels is None else torch.as_tensor(labels, dtype=torch.long)
        self._kept: dict[tuple[int, bool], Tensor] = {}

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits (B, K) float32 of pixels (B, 3, H, W), differentiable; the model runs at this task's precision.

        Raises ModelError.
        """
        half = torch.autocast(pixels.device.type, torch.bfloat16) if self.precision == "bfloat16" else nullcontext()
        with half:
            return logits_of(self.model, pixels)

    def answer(self, pixels: Tensor, keys: Sequence[tuple[int, bool]]) -> Tensor:
        """Log-probabilities (B, K) on uncompressed pixels (B, 3, H, W); keys (image number, flipped) name them.

        Raises ModelError where they are not finite.
        """
        for i, key in enumerate(keys):
            if key not in self._kept:
                # one by one: in a batch the last bits depend on its size, and a resumed run has other batches
                with torch.no_grad():
                    row = F.log_softmax(self.logits(pixels[i : i + 1]), 1)[0]
                if not row.isfinite().all():
                    raise ModelError("the model returned NaN or infinite logits on an uncompressed picture")
                self._kept[key] = row.half() if row.is_cuda else row
        return torch.stack([self._kept[key] for key in keys]).float()

    def loss(self, logits: Tensor, answer: Tensor, indices: Sequence[int]) -> Tensor:
        """Loss of each image (B,) in nats, from logits (B, K), uncompressed log-probabilities (B, K), image numbers."""
        log_p = F.log_softmax(logits, 1)
        loss = self.answers * (answer.exp() * (answer - log_p)).sum(1)
        if self.answers < 1 and self.labels is not None:
            target = self.labels[list(indices)].to(log_p.device)
            for label in (int(target.min()), int(target.max())):
                if not 0 <= label < log_p.shape[1]:
                    raise DataError(f"label {label} is outside the model's {log_p.shape[1]} classes, which start at 0")
            loss = loss + (1 - self.answers) * F.nll_loss(log_p, target, reduction="none")
        return loss

    def rises(self, losses: Tensor, answer: Tensor, indices: Sequence[int]) -> Tensor:
        """What compression added to these `losses` of images (B,), nats."""
        return losses if self.answers == 1 else losses - self.loss(answer, answer, indices)

    def drawn(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """-log p (B,) of a class drawn from the model's own answer p, logits (B, K).

        Its squared gradients average to the Fisher information: twice the rise of KL per squared change.
        """
        log_p = F.log_softmax(logits, 1)
        chosen = torch.multinomial(log_p.detach().exp().cpu(), 1, generator=generator).to(log_p.device)
        return -log_p.gather(1, chosen)[:, 0]
