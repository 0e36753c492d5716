"""`Recipe`: the hyperparameters of learning."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from j4d.errors import ParameterError
from j4d.jpeg.parameters import Trellis, check_price
from j4d.learning.objective import COMBINES, Combine
from j4d.learning.start import STARTS, Start
from j4d.learning.task import PRECISIONS, Precision
from j4d.rate.model import RATES, Rate
from j4d.simulation.module import DEAD_ZONE_LIMIT
from j4d.simulation.quantizer import FORWARDS, GRADIENTS, Forward, Gradient


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the optimisation; the defaults are the winners of docs/recipe.md.

    steps: per point of the ladder. batch_size: pictures a step, fewer where they are large. learning_rate: Adam's, on
    log steps. forward: "hard", "soft" or "sampled". gradient: "phase" or "exact", see `j4d.simulation.quantizer`.
    hard_dc: with a soft forward, DC takes the nearest index. sharpness: kappa of the gradient (and of files, where the
    forward is "sampled"); learn_sharpness lets it move. dead_zones: for all AC frequencies, in steps; each point takes
    the one that real files of learning pictures do best with at its rate (`j4d.learning.selection`). learn_dead_zone:
    instead, move one per frequency at dead_zone_pace times the learning rate. trellises: `Trellis` each, or (mu,
    masking), that a learned point's indices may be chosen with in place of the dead zone, where real files of learning
    pictures do better so at the same rate (`j4d.learning.selection`). dc_trellis: what DC indices are chosen with
    wherever a trellis is, None to leave them. smoothness: log steps are a Gaussian average over neighbouring
    frequencies of the numbers that Adam moves, with this standard deviation in frequencies; 0 moves each alone. rate:
    of the files' expected "symbols" (`j4d.rate.activity`), or the "marginal" entropies of single frequencies
    (`j4d.simulation.entropy`). calibrate: weigh its parts as real files do (`j4d.rate.model`). flip: mirror pictures at
    random. start: tables to begin with, "best" (from the model's Fisher information, or the point before, or ready-made
    ones, the built-in profile's among them: the best on real files), "sensitivity" (the same without the built-in
    profile's), "annex-k" (default JPEG's at the target rate) or "flat" (both for the first point; the others begin with
    the point before), see `j4d.learning.start`. trial_pictures: how many files of learning pictures such choices are
    made on. holdout: share of the pictures kept for early stopping and for the measured figures. adapt: learn how
    single pictures are moved along the ladder, too (`j4d.profile.adaptation`). combine: of several models' losses the
    "mean", or "worst", what the one that fares worst loses (`j4d.learning.objective`). precision: of the models while
    learning, "float32" or "bfloat16"; files are judged in float32.
    """

    steps: int = 48
    batch_size: int = 32
    learning_rate: float = 0.05
    forward: Forward = "soft"
    gradient: Gradient = "phase"
    hard_dc: bool = True
    sharpness: float = 8.0
    learn_sharpness: bool = False
    dead_zones: tuple[float, ...] = (0.0, 0.04, 0.08, 0.12)
    trellises: tuple[Trellis, ...] = (Trellis(30.0), Trellis(30.0, 302.0), Trellis(60.0))
    dc_trellis: float | None = 8.0
    learn_dead_zone: bool = False
    dead_zone_pace: float = 0.1
    smoothness: float = 0.7
    rate: Rate = "marginal"
    calibrate: bool = True
    flip: bool = True
    start: Start = "best"
    trial_pictures: int = 96
    holdout: float = 0.15
    adapt: bool = True
    combine: Combine = "mean"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        limits: dict[str, tuple[float, float]] = {
            "steps": (1, 1e6),
            "batch_size": (1, 1e6),
            "learning_rate": (1e-5, 1.0),
            "sharpness": (1.0, 80.0),
            "smoothness": (0.0, 4.0),
            "dead_zone_pace": (0.0, 1.0),
            "trial_pictures": (1, 1e6),
            "holdout": (0.0, 0.5),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(f"{name} {getattr(self, name)} is outside {low:g}..{high:g}")
        if self.forward not in FORWARDS:
            raise ParameterError(f"forward {self.forward!r} is not one of {', '.join(FORWARDS)}")
        if self.gradient not in GRADIENTS:
            raise ParameterError(f"gradient {self.gradient!r} is not one of {', '.join(GRADIENTS)}")
        for name, known in (("start", STARTS), ("combine", COMBINES), ("precision", PRECISIONS), ("rate", RATES)):
            if getattr(self, name) not in known:
                raise ParameterError(f"{name} {getattr(self, name)!r} is not one of {', '.join(known)}")
        if not self.dead_zones or not all(0 <= d <= DEAD_ZONE_LIMIT for d in self.dead_zones):
            raise ParameterError(f"dead zones {self.dead_zones} are not numbers in 0..{DEAD_ZONE_LIMIT:g}, one or more")
        object.__setattr__(self, "trellises", tuple(map(_trellis, self.trellises)))
        if self.dc_trellis is not None:
            check_price(self.dc_trellis, "DC trellis")

    @property
    def candidate_trellises(self) -> tuple[Trellis, ...]:
        """`trellises` with `dc_trellis` in each."""
        return tuple(replace(trellis, dc=self.dc_trellis) for trellis in self.trellises)

    def to_json(self) -> dict[str, Any]:
        """JSON values, from which the constructor makes an equal recipe; a trellis is [mu, masking]."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "trellises": [[trellis.mu, trellis.masking] for trellis in self.trellises]}


def _trellis(given: Any) -> Trellis:
    """A trellis of learning, which may be given as (mu, masking)."""
    if isinstance(given, Trellis) and given.dc is None:
        return given
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        expected = "such as Trellis(30) or (30.0, None); dc_trellis is that of all of them"
        raise ParameterError(f"trellises: {given!r} is no trellis and masking, {expected}")
    return Trellis(*given)
