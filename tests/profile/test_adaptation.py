"""Claims about pictures that are moved along a ladder: who goes where, what it costs, and that learning finds it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from profiles import default_profile

from j4d import transcode
from j4d.cli import run
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import ImageError, J4DError, ProfileError
from j4d.jpeg import encoding
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.adaptation import FEWEST_PICTURES, PRIOR, LadderFigures, fit_adaptation
from j4d.profile.adaptation import Adaptation
from j4d.profile.candidates import candidate_log_rates
from j4d.profile.ladder import REACH, Ladder
from j4d.profile.profile import OperatingPoint, Profile

NONE = (0.0, 0.0, 0.0, 0.0)


def texture(contrast: float, height: int = 96, width: int = 128) -> np.ndarray:
    """Noise of the contrast given, smoothed a little; the same noise whatever the contrast."""
    noise = np.random.default_rng(5).normal(0, 1, (height + 2, width + 2, 3))
    smooth = sum(noise[i : i + height, j : j + width] for i in range(3) for j in range(3)) / 3
    return np.clip(128 + contrast * smooth, 0, 255).astype(np.uint8)


def measured_profile(by_bpp: float, by_side: float, offsets: tuple[float, ...] = NONE) -> Profile:
    """A ladder of Annex K tables with its rates as a picture of medium contrast has them."""
    picture = texture(20.0)
    pixels = picture.shape[0] * picture.shape[1]
    points = []
    for quality in (10, 30, 60, 85):
        parameters = EncodingParameters.from_quality(quality)
        rate = 8 * len(encoding.encode(picture, parameters, deterministic=True)) / pixels
        points.append(OperatingPoint(parameters, rate))
    adaptation = Adaptation(2, points[2].estimated_bpp, 96.0, by_bpp, by_side, offsets)
    return Profile("measured", tuple(points), default_profile().provenance, adaptation)


def level(parameters: EncodingParameters) -> float:
    return float(np.log([parameters.luma.steps, parameters.chroma.steps]).mean())


def rate(picture: np.ndarray, parameters: EncodingParameters) -> float:
    return 8 * len(encoding.encode(picture, parameters)) / (picture.shape[0] * picture.shape[1])


def test_the_average_picture_stays_where_it_is() -> None:
    profile = measured_profile(0.5, 0.5)
    for place in ({"index": 1}, {"index": -1}, {"bpp": 1.0}, {"quality": 40}):
        assert profile.adapted(texture(20.0), **place) == profile.at(**place)


def test_busy_pictures_take_coarser_steps_and_calm_ones_finer() -> None:
    profile = measured_profile(0.5, 0.0)
    contrasts = (5.0, 10.0, 20.0, 40.0, 60.0)
    levels = [level(profile.adapted(texture(contrast), quality=50)) for contrast in contrasts]
    assert levels == sorted(levels) and len(set(levels)) == len(levels)


def test_a_share_of_one_gives_all_pictures_nearly_one_rate() -> None:
    spreads = []
    for share in (0.0, 0.5, 1.0):
        profile = measured_profile(share, 0.0)
        rates = [rate(texture(c), profile.adapted(texture(c), quality=50)) for c in (12.0, 20.0, 35.0)]
        spreads.append(math.log(max(rates) / min(rates)))
    assert spreads[0] > 0.4 and spreads[2] < 0.3 * spreads[0]
    assert spreads[1] == pytest.approx((spreads[0] + spreads[2]) / 2, rel=0.3)


def test_large_pictures_take_coarser_steps_by_the_share_of_the_shorter_side() -> None:
    profile = measured_profile(0.0, 0.4)
    large = texture(20.0, 192, 300)
    expected = math.log(1.0) - 0.4 * math.log(192 / 96)
    assert profile.adapted(large, bpp=1.0) == profile.ladder.at(expected)
    assert level(profile.adapted(large, bpp=1.0)) > level(profile.at(bpp=1.0))


def test_offsets_shift_all_pictures_and_are_interpolated() -> None:
    profile = measured_profile(0.0, 0.0, (0.1, 0.1, 0.3, 0.3))
    assert profile.adapted(texture(20.0), index=0) == profile.ladder.at(profile.ladder.log_rates[0] + 0.1)
    middle = sum(profile.ladder.log_rates[1:3]) / 2
    assert profile.adapted(texture(20.0), bpp=math.exp(middle)) == profile.ladder.at(middle + 0.2)


def test_beyond_the_ends_the_steps_are_scaled_as_far_as_adaptation_reaches() -> None:
    profile = measured_profile(2.0, 0.0)
    ladder, end = profile.ladder, profile.points[0].parameters
    lowest = profile.adapted(texture(90.0), index=0)
    assert lowest == ladder.at(ladder.log_rates[0] - REACH)
    free = (end.luma.steps > 3) & (lowest.luma.steps < 255)
    factors = lowest.luma.steps[free] / end.luma.steps[free]
    assert factors.min() > 1.3 and np.ptp(factors) < 0.1
    highest = profile.adapted(texture(1.0), index=-1)
    assert (
        highest == ladder.at(ladder.log_rates[-1] + REACH)
        and highest.luma.steps.max() < profile.points[-1].parameters.luma.steps.max()
    )


def test_a_ladder_of_one_point_reaches_beyond_itself() -> None:
    ladder = Ladder([0.0], [EncodingParameters.from_quality(50)])
    assert ladder.at(0.0) == EncodingParameters.from_quality(50)
    assert level(ladder.at(-0.5)) > level(ladder.at(0.0)) > level(ladder.at(0.5))


def test_a_jpeg_file_goes_about_where_its_pixels_go() -> None:
    profile = measured_profile(0.6, 0.4)
    for contrast in (8.0, 30.0):
        picture = texture(contrast)
        source = encoding.encode(picture, EncodingParameters.from_quality(95), deterministic=True)
        ours, theirs = (profile.adapted(given, quality=50) for given in (picture, source))
        assert level(ours) == pytest.approx(level(theirs), abs=0.05)
        assert abs(level(ours) - level(profile.at(quality=50))) > 0.1


def test_reading_options_reach_the_measurement() -> None:
    profile = measured_profile(0.6, 0.4)
    source = encoding.encode(texture(20.0), EncodingParameters.from_quality(95), deterministic=True)
    with pytest.raises(J4DError, match="cannot transcode"):
        profile.adapted(source[: len(source) // 2], quality=50)
    profile.adapted(source[: len(source) // 2], quality=50, tolerate_damage=True)
    with pytest.raises(J4DError, match="100"):
        profile.adapted(source, quality=50, max_pixels=100)


def test_without_adaptation_every_picture_has_the_points_parameters() -> None:
    profile = default_profile()
    assert profile.adapted(texture(60.0), bpp=1.0) == profile.at(bpp=1.0)


def test_wrong_places_and_pictures_are_refused() -> None:
    profile = measured_profile(0.5, 0.5)
    for place in ({}, {"index": 4}, {"bpp": 1e6}, {"quality": 101}, {"bpp": 1.0, "index": 1}):
        with pytest.raises(ProfileError):
            profile.adapted(texture(20.0), **place)
    with pytest.raises(ImageError):
        profile.adapted(texture(20.0)[..., 0], index=1)


@pytest.mark.parametrize(
    "change",
    [
        {"reference": 4},
        {"reference": -1},
        {"reference": 1.0},
        {"bpp": 0.0},
        {"side": math.inf},
        {"by_bpp": -0.1},
        {"by_side": 2.1},
        {"offsets": (0.0, 0.0, 0.0, 1.5)},
        {"offsets": (0.0, 0.0, 0.0, math.nan)},
        {"offsets": (0.0, 0.0, 0.0, "0")},
    ],
)
def test_wrong_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ProfileError, match=next(iter(change)).rstrip("s")):
        replace(Adaptation(1, 1.0, 375.0, 0.5, 0.5, NONE), **change)


def test_the_profile_wants_an_offset_for_every_point() -> None:
    with pytest.raises(ProfileError, match="3 offsets for 4 points"):
        replace(default_profile(), adaptation=Adaptation(1, 1.0, 375.0, 0.5, 0.5, NONE[:3]))


def test_the_codec_writes_what_the_profile_says_unless_told_not_to() -> None:
    profile = measured_profile(0.6, 0.4, (0.05, 0.0, -0.05, 0.1))
    adapting, fixed = LearnedJPEG(profile), LearnedJPEG(profile, adapt=False)
    again = LearnedJPEG.from_config(json.loads(json.dumps(adapting.get_config())))
    for picture in (texture(6.0), texture(50.0, 150, 130)):
        for setting in adapting.settings:
            file = encoding.encode(picture, profile.adapted(picture, index=int(setting)))
            assert adapting.encode(picture, setting) == again.encode(picture, setting) == file
            assert fixed.encode(picture, setting) == encoding.encode(picture, profile.at(index=int(setting))) != file
    assert adapting.parameters(1) == fixed.parameters(1) and adapting.get_config() != fixed.get_config()


def test_the_commands_adapt_unless_told_not_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    profile, picture = measured_profile(0.6, 0.4), texture(50.0)
    profile.save("profile.json")
    assert Profile.load("profile.json") == profile
    Image.fromarray(picture).save("photo.png")
    source = encoding.encode(picture, EncodingParameters.from_quality(95), deterministic=True)
    Path("photo.jpg").write_bytes(source)
    place = ("-p", "profile.json", "--quality", "50")
    assert (
        run(["encode", "photo.png", "-o", "a.jpg", *place])
        == run(["encode", "photo.png", "-o", "b.jpg", *place, "--no-adapt"])
        == 0
    )
    assert Path("a.jpg").read_bytes() == encoding.encode(picture, profile.adapted(picture, quality=50))
    assert Path("b.jpg").read_bytes() == encoding.encode(picture, profile.at(quality=50))
    assert run(["transcode", "photo.jpg", "-o", "c.jpg", *place]) == 0
    assert run(["transcode", "photo.jpg", "-o", "d.jpg", *place, "--no-adapt"]) == 0
    assert Path("c.jpg").read_bytes() == transcode(source, profile.adapted(source, quality=50))
    assert Path("d.jpg").read_bytes() == transcode(source, profile.at(quality=50))


# What learning finds. Pictures whose loss falls as exp(-gamma x log rate), whatever they cost, are best served where
# d loss / d rate is the same for all: picture i at its log rate less log(cost) / (1 + gamma).

LADDER = Ladder(
    [math.log(r) for r in (0.25, 0.5, 1.0, 2.0)], [EncodingParameters.from_quality(q) for q in (10, 30, 60, 85)]
)


def planted(gamma: float, *, loss_follows_cost: bool, by_side: float = 0.0, count: int = 60) -> LadderFigures:
    rng = np.random.default_rng(1)
    cost, size = rng.normal(0, 0.5, count), rng.normal(0, 0.4, count)
    places = np.array(candidate_log_rates(LADDER))[:, None]
    extra = cost if loss_follows_cost else (1 + gamma) * -by_side * size
    return LadderFigures(list(places[:, 0]), np.exp(places + cost), np.exp(-gamma * places + extra), 375 * np.exp(size))


@pytest.mark.parametrize("gamma", [0.25, 1.5, 4.0])
def test_learning_finds_the_share_that_equal_slopes_ask_for(gamma: float) -> None:
    found = fit_adaptation(LADDER, planted(gamma, loss_follows_cost=False))
    assert found is not None
    adaptation, gain = found
    assert adaptation.by_bpp == pytest.approx(1 / (1 + gamma), abs=0.1) and adaptation.by_side == 0
    assert 0.005 < gain < 0.5


def test_learning_finds_that_large_pictures_lose_less() -> None:
    found = fit_adaptation(LADDER, planted(1.5, loss_follows_cost=False, by_side=0.6))
    assert found is not None
    assert found[0].by_bpp == pytest.approx(0.4, abs=0.21) and found[0].by_side == pytest.approx(0.6, abs=0.21)


@pytest.mark.parametrize("seed", range(2, 6))  # 1 drew the costs
def test_shares_that_noise_prefers_are_not_taken(seed: int) -> None:
    measured = planted(1.5, loss_follows_cost=False, by_side=0.6)
    heavy = np.exp(np.random.default_rng(seed).normal(0, 1.5, len(measured.side)))
    found = fit_adaptation(LADDER, replace(measured, loss=measured.loss * heavy))
    assert found is not None and (found[0].by_bpp, found[0].by_side) == PRIOR


def test_nothing_is_learned_where_loss_follows_cost_or_pictures_are_few() -> None:
    assert fit_adaptation(LADDER, planted(1.5, loss_follows_cost=True)) is None
    assert fit_adaptation(LADDER, planted(1.5, loss_follows_cost=False, count=FEWEST_PICTURES - 1)) is None


@settings(max_examples=10)  # each is a search over all shares
@given(st.floats(0.2, 3.0))
def test_the_rate_of_the_learning_pictures_stays_at_every_point(gamma: float) -> None:
    measured = planted(gamma, loss_follows_cost=False, count=24)
    found = fit_adaptation(LADDER, measured)
    assert found is not None
    adaptation = found[0]
    reference = measured.bpp[measured.places.index(LADDER.log_rates[adaptation.reference])]
    for place in LADDER.log_rates:
        places = [
            adaptation.adapted_log_rate(LADDER, place, b, s) for b, s in zip(reference, measured.side, strict=True)
        ]
        assert measured.means(np.array(places))[0] == pytest.approx(measured.means(place)[0], rel=0.01)
