"""How learning ends: the learned points, measured on held-out pictures and put in order, become a `Profile`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from j4d.codecs.learned import LearnedJPEG
from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.adaptation import fit_ladder
from j4d.learning.validation import measure_codec
from j4d.profile.choice import Choice
from j4d.profile.ladder import Ladder
from j4d.profile.profile import OperatingPoint, Profile, Provenance
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.readers.answers import Model
from j4d.support.versions import software_versions


def finish_profile(
    name: str,
    points: list[tuple[EncodingParameters, float]],
    few: ImageSet,
    few_spectrum: Spectrum,
    spectrum: Spectrum,
    models: Sequence[Model],
    held_out: ImageSet,
    pictures: ImageSet | None,
    provenance: dict[str, Any],
    share: float = 1.0,
) -> Profile:
    """Fit the rate model, measure the points on the held-out pictures, and put them in order of rate.

    A point that costs no fewer bits than its neighbour above is dropped: a ladder climbs. pictures: what
    adaptation and the choice of the models as judges are learned from, if they are. share: pixels of pictures as stored
    over their own; spectra and lambdas are of stored ones, the profile's rates and lambdas of their own.
    """
    ladder = [parameters for parameters, _ in points]
    rate_model = RateModel.fit(few_spectrum, few, ladder)
    measured = _held_out_figures(ladder, models, held_out) if len(held_out) else [{} for _ in points]
    rungs = [
        OperatingPoint(
            parameters,
            rate_model.bpp(spectrum, parameters) * share,
            lagrangian / share,
            figures,
        )
        for (parameters, lagrangian), figures in zip(points, measured, strict=True)
    ]
    climbing: list[OperatingPoint] = []
    for rung in sorted(rungs, key=lambda r: r.estimated_bpp):
        if not climbing or rung.estimated_bpp > climbing[-1].estimated_bpp:
            climbing.append(rung)
    rates = [math.log(rung.estimated_bpp) for rung in climbing]
    settings = {**provenance.pop("settings"), "rate_model": asdict(rate_model), "held_out": len(held_out)}
    adaptation, choices = None, tuple[Choice, ...]()
    if pictures is not None:
        adaptation, choices, gain = fit_ladder(Ladder(rates, [rung.parameters for rung in climbing]), models, pictures)
        if adaptation is not None:
            settings["adaptation_gain"] = gain
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Profile(
        name,
        tuple(climbing),
        Provenance(**provenance, versions=software_versions(), date=date, settings=settings),
        adaptation,
        choices,
    )


def _held_out_figures(
    ladder: list[EncodingParameters], models: Sequence[Model], held_out: ImageSet
) -> list[dict[str, float]]:
    """Actual rate and metrics of each point on the held-out pictures; the mean over models."""
    found: list[dict[str, list[float]]] = [{} for _ in ladder]
    for model in models:
        bpp, metrics = measure_codec(model, held_out, LearnedJPEG(ladder))
        for figures, *row in zip(found, bpp, *metrics.values(), strict=True):
            for name, values in zip(("actual_bpp", *metrics), row, strict=True):
                figures.setdefault(name, []).append(float(values.mean()))
    return [{name: sum(values) / len(values) for name, values in figures.items()} for figures in found]
