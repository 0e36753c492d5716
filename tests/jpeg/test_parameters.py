"""Encoding parameters are valid once built, frozen, and equal by value."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
from changes import changed, made
from hypothesis import given
from profiles import longest_sides, parameters

from j4d.errors import ParameterError
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.jpeg.tables import ANNEX_K_CHROMA, ANNEX_K_LUMA

ONES = np.ones((8, 8), int)


@given(parameters(sides=longest_sides))
def test_json_round_trip_is_the_identity(value: EncodingParameters) -> None:
    again = EncodingParameters.from_json(json.loads(json.dumps(value.to_json())))
    assert again == value and hash(again) == hash(value)


@given(parameters(sides=longest_sides))
def test_copies_are_equal_and_read_only(value: EncodingParameters) -> None:
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert again == value and hash(again) == hash(value)
        assert not again.luma.steps.flags.writeable and not again.chroma.steps.flags.writeable


@given(parameters(), parameters())
def test_equality_is_equality_of_every_field(a: EncodingParameters, b: EncodingParameters) -> None:
    pairs = ((getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(EncodingParameters))
    assert (a == b) == all(np.array_equal(x, y) for x, y in pairs)


def test_one_changed_field_makes_it_unequal() -> None:
    base = EncodingParameters.from_quality(50)
    zone = np.full((8, 8), 0.1)
    changes = [{"luma": ONES}, {"chroma": ONES}, {"sampling": "gray"}, {"sharpness": 8.0}, {"trellis": 19.0}]
    changes += [{"trellis": 19.0, "masking": 300.0}, {"trellis": 19.0, "dc_trellis": 8.0}, {"longest_side": 408}]
    assert changed(base, trellis=19.0, dc_trellis=8.0).without_trellis() == base
    for name in ("luma_weights", "chroma_weights"):
        weighted = changed(base, trellis=19.0, **{name: 1 + zone})
        assert weighted != changed(base, trellis=19.0) and weighted.without_trellis() == base
    for change in [*changes, {"luma_dead_zone": zone}, {"chroma_dead_zone": zone}]:
        assert changed(base, **change) != base
    assert base != "something else"


def test_nothing_can_be_changed() -> None:
    value = made(ONES, ONES, luma_dead_zone=np.full((8, 8), 0.1), trellis=1, chroma_weights=2 * ONES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.sampling = "gray"  # type: ignore[misc]
    for array in (value.luma.steps, value.chroma.steps, value.luma.dead_zone, value.chroma.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 2


def test_arrays_given_by_the_caller_stay_the_callers() -> None:
    table, zone = ONES.copy(), np.full((8, 8), 0.1)
    value = made(table, ONES, luma_dead_zone=zone)
    table[0, 0], zone[0, 0] = 7, 0.5
    assert value.luma.steps[0, 0] == 1 and value.luma.dead_zone[0, 0] == 0.1


def test_quality_50_is_annex_k() -> None:
    value = EncodingParameters.from_quality(50)
    assert np.array_equal(value.luma.steps, ANNEX_K_LUMA) and np.array_equal(value.chroma.steps, ANNEX_K_CHROMA)
    assert (value.sampling, value.sharpness, value.luma.dead_zone) == ("4:2:0", None, None)


def test_a_zero_dead_zone_is_no_dead_zone() -> None:
    zero = made(ONES, ONES, luma_dead_zone=np.zeros((8, 8)), chroma_dead_zone=-np.zeros((8, 8)))
    assert zero == EncodingParameters(ONES, ONES) and zero.luma.dead_zone is None


def test_weights_of_1_are_no_weights_and_need_not_be_written() -> None:
    even = made(ONES, ONES, trellis=9, luma_weights=ONES, chroma_weights=1.0 * ONES)
    assert even == made(ONES, ONES, trellis=9) and even.luma.weights is None
    assert set(even.to_json()) - set(even.without_trellis().to_json()) == {"trellis"}


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_sampling_is_accepted(sampling: str) -> None:
    assert EncodingParameters.from_quality(10, sampling).sampling == sampling


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"luma": 0 * ONES}, "luma table: step 0 at row 0, column 0"),
        ({"chroma": [1] * 17}, r"chroma table: shape \(17,\)"),
        ({"sampling": "4:1:1"}, "sampling '4:1:1' is not one of 4:4:4, 4:2:2, 4:2:0, gray"),
        ({"sampling": None}, "sampling None"),
        ({"sharpness": 0}, "sharpness 0 is not a finite number > 0"),
        ({"sharpness": float("nan")}, "sharpness nan"),
        ({"sharpness": float("inf")}, "sharpness inf"),
        ({"sharpness": 10**400}, "sharpness is an integer too large"),
        ({"sharpness": "8"}, "sharpness '8' is not a number"),
        ({"trellis": 0}, "trellis 0 is not a finite number > 0"),
        ({"trellis": 1001}, "trellis 1001 is outside 0.001..1000 bits a squared step"),
        ({"trellis": 19, "sharpness": 8}, "sharpness 8 and trellis 19: indices are either drawn or chosen"),
        ({"trellis": 19, "masking": 0.5}, "masking 0.5 is below 1"),
        ({"trellis": 19, "masking": float("inf")}, "masking inf is not a finite number"),
        ({"masking": 302}, "masking 302 without a trellis; give both, or neither"),
        ({"dc_trellis": 8}, "DC trellis 8 without a trellis; give both, or neither"),
        ({"trellis": 19, "dc_trellis": 0.0001}, "DC trellis 0.0001 is outside 0.001..1000 bits a squared step"),
        ({"luma_weights": 2 * ONES}, "luma weights without a trellis; give both, or neither"),
        ({"trellis": 19, "luma_weights": 0 * ONES}, r"luma weights: 0.0 at row 0, column 0 is outside 0.001..1000$"),
        ({"trellis": 19, "chroma_weights": 1001 * ONES}, "chroma weights: 1001.0 at row 0"),
        ({"trellis": 19, "chroma_weights": np.full((8, 8), np.nan)}, "chroma weights: nan at row 0"),
        ({"trellis": 19, "luma_weights": [1.0] * 64}, r"luma weights: shape \(64,\)"),
        (
            {"luma_dead_zone": np.full((8, 8), 0.51)},
            "luma dead zone: 0.51 at row 0, column 0 is outside 0..0.5",
        ),
        ({"luma_dead_zone": np.full((8, 8), np.nan)}, "luma dead zone: nan at row 0"),
        ({"chroma_dead_zone": np.zeros((8, 7))}, r"chroma dead zone: shape \(8, 7\)"),
        ({"chroma_dead_zone": [["0.1"] * 8] * 8}, "chroma dead zone: .* expected .* numbers"),
        ({"chroma_dead_zone": [[0.1] * 8] * 7 + [[0.1]]}, "chroma dead zone: rows differ in length"),
    ],
)
def test_a_wrong_field_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        made(ONES, ONES, **change)


@pytest.mark.parametrize("data", [{}, {"luma": ONES}, {"luma": ONES, "chroma": ONES, "lume": 1}, [1], None])
def test_json_with_missing_or_unknown_keys_is_refused(data: object) -> None:
    with pytest.raises(ParameterError, match=r"encoding parameters: got .*, expected luma, chroma"):
        EncodingParameters.from_json(data)  # type: ignore[arg-type]
