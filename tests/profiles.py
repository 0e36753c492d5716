"""Hypothesis strategies and small builders for encoding parameters and profiles, shared by several tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters, Quantization, Trellis
from j4d.profile.adaptation import Adaptation
from j4d.profile.profile import OperatingPoint, Profile, Provenance

tables = hnp.arrays(np.int32, (8, 8), elements=st.integers(1, 255))
dead_zones = st.none() | hnp.arrays(np.float64, (8, 8), elements=st.floats(0, 0.5))
weights = st.none() | hnp.arrays(np.float64, (8, 8), elements=st.floats(0.001, 1000))
longest_sides = st.none() | st.integers(8, 65500)
positive = st.floats(0, exclude_min=True, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
settings = st.dictionaries(st.text(), scalars | st.lists(scalars | st.lists(scalars, max_size=3), max_size=3))


def parameters(
    sampling: str | None = None, sides: st.SearchStrategy[int | None] | None = None
) -> st.SearchStrategy[EncodingParameters]:
    """sides: longest sides, by default none."""
    samplings = st.sampled_from(SAMPLINGS) if sampling is None else st.just(sampling)
    prices = st.floats(0.001, 1000)
    trellises = st.builds(Trellis, prices, st.none() | st.floats(1, 1e300), st.none() | prices)
    plain = st.builds(Quantization, tables, dead_zones)
    weighted = st.builds(Quantization, tables, dead_zones, weights)
    side = st.none() if sides is None else sides
    drawn = st.builds(EncodingParameters, plain, plain, samplings, st.none() | positive, st.none(), side)
    return drawn | st.builds(EncodingParameters, weighted, weighted, samplings, st.none(), trellises, side)


def provenance(**changes: Any) -> Provenance:
    values: dict[str, Any] = {
        "model": "zoo:net",
        "model_fingerprint": "ab" * 32,
        "data_fingerprint": "cd" * 32,
        "image_count": 600,
        "protocol": "stored-size",
        "sampling": "4:2:0",
        "forward": "hard",
        "seed": 0,
        "versions": {"j4d": "0.1.0"},
        "date": "2026-01-31",
        "settings": {"steps": 100, "lambdas": [1.0, 2.0]},
    }
    return Provenance(**{**values, **changes})


def default_profile(qualities: tuple[int, ...] = (10, 30, 50, 80), sampling: str = "4:2:0") -> Profile:
    """A ladder of Annex K tables; the estimated rates are made up."""
    points = (OperatingPoint(EncodingParameters.from_quality(q, sampling), q / 40) for q in qualities)
    return Profile("default", tuple(points), provenance(sampling=sampling))


def adaptations(points: int) -> st.SearchStrategy[Adaptation]:
    shares, offsets = st.floats(0, 2), st.lists(st.floats(-1, 1), min_size=points, max_size=points).map(tuple)
    return st.builds(Adaptation, st.integers(0, points - 1), positive, positive, shares, shares, offsets)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    sampling = draw(st.sampled_from(SAMPLINGS))
    rates = sorted(draw(st.sets(st.floats(1e-6, 1e3), min_size=1, max_size=4)))
    measured = st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False), max_size=3)
    lagrangians = st.none() | st.floats(0, allow_infinity=False)
    side = st.just(draw(longest_sides))
    points = [OperatingPoint(draw(parameters(sampling, side)), r, draw(lagrangians), draw(measured)) for r in rates]
    source = provenance(sampling=sampling, settings=draw(settings), model=draw(st.text()), seed=draw(st.integers()))
    return Profile(draw(st.text()), tuple(points), source, draw(st.none() | adaptations(len(points))))
