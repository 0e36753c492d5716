"""Pictures placed on the ladder by a judge: least loss + lambda * rate, at the rate the ladder would have had."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pictures import crops
from PIL import Image
from profiles import default_profile
from torch import nn
from toys import Frequencies

import j4d
from j4d.api import transcode
from j4d.codecs.chosen import ChosenJPEG
from j4d.errors import DataError, ModelError, ParameterError, ProfileError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.adaptation import FEWEST_PICTURES, calibrate_judge, lambda_for
from j4d.profile import file
from j4d.profile.candidates import GAP, Candidate, candidate_log_rates, candidates, cheapest
from j4d.profile.choice import Choice
from j4d.profile.ladder import REACH
from j4d.readers.encoder_judge import EncoderJudge

SEEN = [(0, 1), (1, 0), (1, 1), (0, 2), (2, 0)]
PARAMETERS = EncodingParameters.from_quality(50)


@pytest.fixture(scope="module")
def images(photographs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return crops(list(photographs.values()), 96, 96, FEWEST_PICTURES + 4)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return Frequencies(SEEN)


@pytest.fixture(scope="module")
def profile(model: nn.Module, images: list[np.ndarray]) -> j4d.Profile:
    return calibrate_judge(default_profile(), model, images, name="eye")


def look(bpp: float, loss: float) -> Candidate:
    return Candidate(PARAMETERS, b"", bpp, lambda: loss)


# The choice


@given(
    st.lists(st.tuples(st.floats(0.01, 9), st.floats(0, 9)), min_size=1, max_size=9),
    st.floats(1e-3, 1e3),
)
def test_the_least_cost_is_taken(pairs: list[tuple[float, float]], lagrangian: float) -> None:
    pairs.sort(key=lambda pair: pair[0])
    found = cheapest([look(*pair) for pair in pairs], lagrangian)
    assert found.loss() + lagrangian * found.bpp == min(loss + lagrangian * bpp for bpp, loss in pairs)


def test_what_costs_more_in_bits_than_the_best_in_all_is_not_looked_at() -> None:
    def dear() -> float:
        raise AssertionError("asked")

    assert cheapest([look(1, 0.5), look(1.4, 0.05), Candidate(PARAMETERS, b"", 1.6, dear)], 1.0).bpp == 1.4
    with pytest.raises(ParameterError, match="no looks"):
        cheapest([], 1.0)


def test_lambda_gives_the_pictures_the_rate_that_is_wanted() -> None:
    rng = np.random.default_rng(0)
    bpp = np.exp(np.linspace(-2, 1, 40))[:, None] * rng.uniform(0.5, 2, 300)
    loss = rng.uniform(0.1, 3, 300) / bpp
    for wanted in (0.3, 0.7, 1.5):
        places = np.argmin(loss + lambda_for(bpp, loss, wanted) * bpp, axis=0)
        assert bpp[places, range(300)].mean() == pytest.approx(wanted, rel=0.01)
    assert lambda_for(bpp, loss, 1e-9) == pytest.approx(1e6, rel=1e-3), "as near as it comes"


def test_files_are_looked_at_all_along_the_ladder_and_beyond() -> None:
    ladder = default_profile().ladder
    places = candidate_log_rates(ladder)
    assert places[0] == ladder.log_rates[0] - REACH and places[-1] == ladder.log_rates[-1] + REACH
    assert set(ladder.log_rates) < set(places)
    assert np.diff(places).min() > 0 and np.diff(places).max() <= GAP + 1e-9


# Judges and profiles


def test_a_judge_saves_bits_at_the_rate_of_the_ladder(
    profile: j4d.Profile, model: nn.Module, images: list[np.ndarray]
) -> None:
    judge, index = EncoderJudge(model), 2

    def measured(parameters: list[EncodingParameters]) -> tuple[float, float]:
        files = [encoding.encode(image, each) for image, each in zip(images, parameters, strict=True)]
        losses = [
            judge.of_picture(image).loss(decoding.decode(file)) for image, file in zip(images, files, strict=True)
        ]
        return float(np.mean([8 * len(file) / 96**2 for file in files])), float(np.mean(losses))

    alike = measured([profile.at(index=index)] * len(images))
    placed = measured([profile.chosen(image, judge, index=index) for image in images])
    assert placed[0] == pytest.approx(alike[0], rel=0.05)
    assert placed[1] < 0.9 * alike[1]


def test_a_busy_part_that_nobody_sees_gets_no_bits(profile: j4d.Profile, model: nn.Module) -> None:
    waves = np.cos(np.outer(np.arange(8), 2 * np.arange(8) + 1) * np.pi / 16)
    coefficients = np.random.default_rng(0).normal(0, 12, (16, 16, 8, 8)) * (np.indices((8, 8)).sum(0) > 6)
    busy = np.einsum("xyuv,ui,vj->xiyj", coefficients, waves, waves).reshape(128, 128)
    busy = np.rint(128 + busy).clip(0, 255).astype(np.uint8)[..., None].repeat(3, -1)
    rates = [look.bpp for look in candidates(profile.ladder, busy, EncoderJudge(model))]
    assert rates[-1] > 3 * rates[0]
    placed = profile.chosen(busy, EncoderJudge(model), quality=50)
    assert 8 * len(encoding.encode(busy, placed)) / 128**2 < 1.1 * rates[0]


def test_the_judge_is_known_by_its_weights(profile: j4d.Profile, images: list[np.ndarray]) -> None:
    assert profile.choice_of(EncoderJudge(Frequencies(SEEN), "another name")).judge == "eye"
    other = Frequencies(SEEN)
    other.weights += 1
    with pytest.raises(ProfileError, match=r"does not know the judge Frequencies \(known: eye\); `j4d judge`"):
        profile.chosen(images[0], EncoderJudge(other), quality=50)
    with pytest.raises(ProfileError, match="known: none"):
        default_profile().choice_of(EncoderJudge(other))
    with pytest.raises(ModelError, match=r"no torch\.nn\.Module with weights"):
        EncoderJudge(nn.Flatten())


def test_several_models_are_one_judge(model: nn.Module, images: list[np.ndarray]) -> None:
    other = Frequencies([(3, 3)])
    losses = [EncoderJudge(m).of_picture(images[0]).loss(images[1]) for m in ([model], [other], [model, other])]
    assert losses[2] == pytest.approx((losses[0] + losses[1]) / 2)
    prints = {EncoderJudge(m).fingerprint for m in ([model], [other], [model, other])}
    assert len(prints) == 3


def test_a_taught_profile_keeps_its_other_judges(profile: j4d.Profile, images: list[np.ndarray]) -> None:
    both = calibrate_judge(profile, Frequencies([(3, 3)]), images, name="second")
    assert [choice.judge for choice in both.choices] == ["eye", "second"]
    again = calibrate_judge(both, Frequencies(SEEN), images, name="renamed")
    assert [choice.judge for choice in again.choices] == ["second", "renamed"]
    assert again.choices[1].lambdas == profile.choices[0].lambdas
    with pytest.raises(DataError, match=f"2 images; give {FEWEST_PICTURES} or more"):
        calibrate_judge(profile, Frequencies(SEEN), images[:2])


def test_choices_go_through_a_file(profile: j4d.Profile) -> None:
    assert j4d.Profile.from_json(file.parse(file.dump(profile.to_json()))) == profile
    assert b"choices" not in file.dump(replace(profile, choices=()).to_json())
    body = json.loads(file.dump(profile.to_json()))
    body["choices"][0]["lambdas"][0] = -1
    with pytest.raises(ProfileError, match=r"choices\[0\]\.lambdas\[0\].*-1"):
        j4d.Profile.from_json(file.parse(json.dumps(body).encode()))


def test_choices_that_do_not_fit_are_refused(profile: j4d.Profile) -> None:
    choice = profile.choices[0]
    with pytest.raises(ProfileError, match="1 lambdas for 4 points"):
        replace(profile, choices=(Choice("eye", "f", (1.0,)),))
    with pytest.raises(ProfileError, match="same judge"):
        replace(profile, choices=(choice, choice))
    with pytest.raises(ProfileError, match="choice lambda"):
        Choice("eye", "f", (0.0,))


# Files


def test_a_jpeg_file_is_judged_upright_and_by_what_transcoding_writes(
    profile: j4d.Profile, model: nn.Module, images: list[np.ndarray]
) -> None:
    judge = EncoderJudge(model)
    turned = Image.fromarray(np.rot90(images[0]).copy())  # orientation 6: to be turned clockwise for viewing
    turned.getexif()[0x0112] = 6
    stored = io.BytesIO()
    turned.save(stored, "JPEG", quality=98, subsampling=0, exif=turned.getexif())
    source = stored.getvalue()
    upright = judge.of_picture(np.rot90(decoding.decode(source), -1))
    for found in candidates(profile.ladder, source, judge, sampling="keep"):
        assert found.data == transcode(source, found.parameters, strip=True, never_grow=False)
        assert found.loss() == upright.loss(np.rot90(decoding.decode(found.data), -1))
    assert profile.chosen(source, judge, quality=40).sampling == "4:2:0"


def test_the_codec_writes_what_the_profile_chooses(
    profile: j4d.Profile, model: nn.Module, images: list[np.ndarray]
) -> None:
    judge = EncoderJudge(model)
    chooser = ChosenJPEG(profile, judge, at_least=10)
    assert len(chooser.settings) == 10 and chooser.estimated_bpp(0) == profile.points[0].estimated_bpp
    for image in images[:2]:
        for setting in (0, 5, 9):
            expected = profile.chosen(image, judge, bpp=chooser.estimated_bpp(setting))
            assert chooser.encode(image, setting) == encoding.encode(image, expected)
    assert chooser.get_config()["choice"]["judge"] == "eye"
    with pytest.raises(ParameterError, match="asks a model"):
        ChosenJPEG.from_config(chooser.get_config())


def test_torch_does_not_tell_a_second_judge_otherwise(
    profile: j4d.Profile, model: nn.Module, images: list[np.ndarray]
) -> None:
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append([profile.chosen(image, EncoderJudge(model), quality=50) for image in images[:4]])
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
