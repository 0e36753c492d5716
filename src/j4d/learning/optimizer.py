"""The optimisation for one rate: task loss + lambda x rate, minimised over log steps and dead zones.

The task loss comes through `SimulatedJPEG` on batches of pictures; the rate, and its gradient, from the `Spectrum` of
all learning pictures at once, so it carries no noise. Where a target rate is given, the steps are scaled to it after
every move, and lambda follows from the balance of the two gradients, whatever the scale of the loss.
`docs/recipe.md` tells which alternatives were measured and what they gave.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.allocation import Allocation
from j4d.learning.backward import batch_backward
from j4d.learning.budget import ORDINARY, fewer
from j4d.learning.objective import Objective, Running
from j4d.learning.recipe import Recipe
from j4d.learning.start import PICTURES, first_parameters
from j4d.learning.task import Classification
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.simulation.module import DEAD_ZONE_LIMIT, SimulatedJPEG
from j4d.support import ranks
from j4d.support.allocator import settle


class Optimizer:
    """Learns one operating point at a time, on one set of pictures, for the loss of one task or several.

    Where several ranks learn (`j4d.support.ranks`), each takes its share of every batch, and the gradients are those of
    all.
    """

    def __init__(
        self,
        images: ImageSet,
        tasks: Sequence[Classification],
        spectrum: Spectrum,
        rate_model: RateModel,
        recipe: Recipe,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        weights: Sequence[float] | None = None,
    ) -> None:
        self.images, self.tasks, self.spectrum = images, tasks, spectrum
        self.objective = Objective(len(tasks), weights, recipe.combine)
        self.rate_model, self.recipe = rate_model, recipe
        self.seed, self.device = seed, torch.device(device)
        self.allocation = Allocation(spectrum, rate_model)
        self.kernel = _smoothing(recipe.smoothness).to(self.device)
        self.pixels = spectrum.pixels / spectrum.images
        self.pictures_a_step = fewer(recipe.batch_size, self.pixels)

    def start(self, default: EncodingParameters, bpp: float, index: int) -> EncodingParameters:
        """Where the point numbered `index` starts, at about `bpp`; `default` is default JPEG there."""
        some = self.images
        if self.pixels > ORDINARY:
            some = some.subset(range(0, len(some), max(1, len(some) // fewer(PICTURES, self.pixels))))
        given = (some, self.tasks, self.allocation, self.recipe.start)
        seed, weights = self.seed * 1_000_003 + index, self.objective.weights.tolist()
        found = first_parameters(*given, default, bpp, seed=seed, device=self.device, weights=weights)
        return ranks.agreed(found)

    def batch(self, generator: torch.Generator, order: list[int]) -> list[tuple[int, bool]]:
        """Picture numbers and flips of one step; every picture once before any comes again."""
        chosen: list[int] = []
        while len(chosen) < self.pictures_a_step:
            if not order:
                order.extend(torch.randperm(len(self.images), generator=generator).tolist())
            chosen.append(order.pop())
        flips = torch.rand(len(chosen), generator=generator) < (0.5 if self.recipe.flip else 0.0)
        return list(zip(chosen, flips.tolist(), strict=True))

    def bpp(self, jpeg: SimulatedJPEG) -> Tensor:
        """Estimated bits per pixel of the learning pictures, differentiable."""
        return self.rate_model.whole(self.spectrum, list(jpeg.steps), jpeg.sharpness, jpeg.dead_zones)

    def run(
        self, jpeg: SimulatedJPEG, index: int, lagrangian: float, target_bpp: float | None, trust: float = 100.0
    ) -> Generator[Progress, None, None]:
        """Optimise `jpeg` in place for the point numbered `index`, a step at a time.

        lagrangian: lambda in nats per bpp; with a target_bpp (estimated) only its start, from which it moves by no more
        than a factor `trust`. Yields after every step; when it ends, `jpeg` holds the mean of the last half of the
        steps. Close it early to stop early.
        """
        recipe = self.recipe
        seed = self.seed * 1_000_003 + index
        generator = torch.Generator().manual_seed(seed)
        jpeg.generator = torch.Generator(self.device).manual_seed(seed + (ranks.rank() << 40))
        order: list[int] = []
        base = jpeg.log_steps.detach().clone()
        moved = torch.zeros_like(base, requires_grad=True)
        groups = [{"params": [moved], "lr": recipe.learning_rate}]
        if recipe.learn_dead_zone:
            groups.append({"params": [jpeg.dead_zone], "lr": recipe.learning_rate * recipe.dead_zone_pace})
        if recipe.learn_sharpness:
            groups.append({"params": [jpeg.log_sharpness], "lr": recipe.learning_rate})
        adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, recipe.steps)
        learnable = [p for p in jpeg.parameters() if p.requires_grad]
        balance = _Balance(lagrangian, trust)
        mean, rises = _Mean(), Running()
        slopes = self.objective.weights.tolist()
        try:
            for step in range(recipe.steps):
                bpp = self.bpp(jpeg)
                rate_gradients = torch.autograd.grad(bpp, learnable)
                losses, rise = batch_backward(jpeg, self.images, self.batch(generator, order), self.tasks, slopes)
                rises.add(rise)
                slopes = self.objective.slopes(rises.mean).tolist()
                task, rate = jpeg.log_steps.grad, rate_gradients[0]
                assert task is not None
                if target_bpp is not None:
                    lagrangian = balance(float(task.sum()), float(rate.sum()))
                for parameter, gradient in zip(learnable, rate_gradients, strict=True):
                    assert parameter.grad is not None
                    parameter.grad.add_(gradient, alpha=lagrangian)
                moved.grad = (task.view(2, 64) @ self.kernel).view(2, 8, 8)
                adam.step()
                schedule.step()
                with torch.no_grad():
                    smooth = (moved.view(2, 64) @ self.kernel.T).view(2, 8, 8)
                    jpeg.log_steps.copy_((base + smooth).clamp(0, math.log(255)))
                    jpeg.dead_zone.clamp_(0, DEAD_ZONE_LIMIT)
                    if target_bpp is not None:
                        base += self.meet(jpeg, target_bpp)
                    if ranks.size() > 1:
                        jpeg.load_state_dict(ranks.agreed(jpeg.state_dict()))
                if step >= recipe.steps // 2:
                    mean.add(jpeg)
                settle()
                loss = float((rise if self.objective.of_rises else losses) @ slopes)
                yield Progress(step, loss, bpp.item(), lagrangian)
        finally:
            mean.store(jpeg)

    @torch.no_grad()
    def meet(self, jpeg: SimulatedJPEG, target_bpp: float) -> float:
        """Scale all steps of `jpeg` by one factor so that the estimated rate is the target; returns its logarithm."""
        start = jpeg.log_steps.clone()
        moved, slope = 0.0, -0.7  # d log(rate) / d log(step), refined by the secant
        error = math.log(float(self.bpp(jpeg)) / target_bpp)
        for _ in range(3):
            if abs(error) < 1e-3:
                break
            change = min(max(-error / slope, -0.5), 0.5)
            jpeg.log_steps.copy_((start + moved + change).clamp(0, math.log(255)))
            after = math.log(float(self.bpp(jpeg)) / target_bpp)
            slope = min((after - error) / change, -0.1)
            moved, error = moved + change, after
        return moved


class _Balance:
    """Lambda on the ladder: where scaling all steps at once neither gains nor loses, d loss = -lambda d rate.

    Ratio of running means over the last ten steps or so. It at most doubles or halves from step to step, and stays
    within a factor `trust` of where it started: at high rates the loss hardly changes, and the noise of its gradient
    must not be taken for a lambda of zero.
    """

    def __init__(self, start: float, trust: float) -> None:
        self.value, self.task, self.rate = start, 0.0, 0.0
        self.low, self.high = start / trust, start * trust

    def __call__(self, task: float, rate: float) -> float:
        """Lambda after a step with these derivatives of loss and rate with respect to the common log step."""
        self.task, self.rate = 0.9 * self.task + 0.1 * task, 0.9 * self.rate + 0.1 * rate
        wanted = min(max(self.task / max(-self.rate, 1e-9), self.low), self.high)
        self.value = min(max(wanted, self.value / 2), self.value * 2)
        return self.value


@dataclass(frozen=True)
class Progress:
    """One step: its number, the batch's loss (nats), the estimated rate (bpp) and lambda (nats per bpp)."""

    step: int
    loss: float
    bpp: float
    lagrangian: float


class _Mean:
    """Mean of the learnable tensors over steps: less noise than any one of them."""

    def __init__(self) -> None:
        self.sums: list[Tensor] = []
        self.count = 0

    def add(self, jpeg: SimulatedJPEG) -> None:
        values = [p.detach() for p in jpeg.parameters()]
        self.sums = (
            [a + b for a, b in zip(self.sums, values, strict=True)] if self.count else [v.clone() for v in values]
        )
        self.count += 1

    @torch.no_grad()
    def store(self, jpeg: SimulatedJPEG) -> None:
        for parameter, total in zip(jpeg.parameters(), self.sums, strict=bool(self.sums)):
            parameter.copy_(total / self.count)


def _smoothing(length: float) -> Tensor:
    """(64, 64) Gaussian average over neighbouring frequencies, standard deviation `length`; rows sum to one."""
    if length == 0:
        return torch.eye(64)
    row, column = torch.arange(64) // 8, torch.arange(64) % 8
    distance = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
    kernel = torch.exp(-distance / (2 * length**2))
    return kernel / kernel.sum(1, keepdim=True)
