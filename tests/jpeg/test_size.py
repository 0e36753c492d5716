"""Size as an encoding parameter: pictures stored smaller, never larger; rates stay those of the pictures as given."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import crops
from PIL import Image
from profiles import default_profile, longest_sides
from toys import Toy

import j4d
from j4d import Profile, SimulatedJPEG, encode_many, learn
from j4d.bulk import Settings
from j4d.cli import run
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import CodecError, ImageError, ParameterError, ProfileError
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import quantize, write_coefficients
from j4d.jpeg.parameters import LEAST_SIDE, MAX_SIDE, EncodingParameters
from j4d.jpeg.size import at_most, stored_size
from j4d.jpeg.transcoding import Transcoder
from j4d.learning.adaptation import measure_ladder
from j4d.profile.adaptation import Adaptation
from j4d.rate.goals import per_given_pixel, per_stored_pixel
from j4d.transforms import JPEG

SIDE = 40
SMALL = replace(EncodingParameters.from_quality(60), longest_side=SIDE)
sides = st.integers(1, 20000)


def photograph(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = np.stack([128 + 90 * np.sin(x / 9 + c + seed) * np.cos(y / 7 - c) for c in range(3)], axis=-1)
    noise = np.random.default_rng(seed).normal(0, 12, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def small_profile(longest_side: int | None = SIDE) -> Profile:
    return default_profile().stored_at(longest_side)


# The size itself


@given(sides, sides, longest_sides)
def test_no_picture_is_enlarged_and_none_is_beyond_the_limit(height: int, width: int, limit: int | None) -> None:
    stored = stored_size(height, width, limit)
    assert 1 <= stored[0] <= height and 1 <= stored[1] <= width
    if limit is None or max(height, width) <= limit:
        assert stored == (height, width)
    else:
        assert max(stored) == limit


@given(sides, sides, st.integers(LEAST_SIDE, MAX_SIDE))
def test_the_aspect_ratio_is_kept_within_half_a_pixel(height: int, width: int, limit: int) -> None:
    factor = min(1.0, limit / max(height, width))
    for side, stored in zip((height, width), stored_size(height, width, limit), strict=True):
        assert abs(stored - side * factor) <= 0.5 + 1e-9 or stored == 1


@given(sides, sides, st.integers(LEAST_SIDE, MAX_SIDE))
def test_what_is_stored_already_is_stored_as_it_is(height: int, width: int, limit: int) -> None:
    stored = stored_size(height, width, limit)
    assert stored_size(*stored, limit) == stored


def test_scaling_takes_in_every_pixel() -> None:
    """Stripes one pixel wide become gray; a filter that skips pixels would leave stripes or one colour."""
    stripes = np.zeros((80, 160, 3), np.uint8)
    stripes[:, ::2] = 255
    inner = at_most(stripes, SIDE)[4:-4, 4:-4].astype(int)
    assert abs(inner - 128).max() <= 2


@pytest.mark.parametrize("shape", [(60, 80, 3), (60, 80, 1), (60, 80)])
def test_channels_stay(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert at_most(picture, SIDE).shape == (30, 40, *shape[2:])
    assert at_most(picture, None) is picture and at_most(picture, 80) is picture


# The parameter


@pytest.mark.parametrize("wrong", [0, 7, 65501, -408, 408.0, "408", True])
def test_a_wrong_longest_side_is_named(wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"longest side .* is not a whole number 8\.\.65500 of pixels"):
        replace(SMALL, longest_side=wrong)
    with pytest.raises(ParameterError, match="longest side"):
        j4d.encode(photograph(), quality=40, longest_side=wrong)


def test_who_does_not_use_it_sees_no_change() -> None:
    assert "longest_side" not in replace(SMALL, longest_side=None).to_json()
    assert all(Profile.builtin(name).longest_side is None for name in j4d.profile.builtin.members())


def test_a_profile_has_one_longest_side() -> None:
    first, *others = small_profile().points
    with pytest.raises(ProfileError, match=r"points\[1\]: longest_side 40 differs from the first point's None"):
        replace(small_profile(), points=(replace(first, parameters=replace(SMALL, longest_side=None)), *others))


@pytest.mark.parametrize("place", [{"index": 1}, {"quality": 33}, {"bpp": 0.9}])
def test_it_is_the_same_all_along_a_ladder_and_in_its_file(place: dict[str, Any], tmp_path: Path) -> None:
    small_profile().save(tmp_path / "small.json")
    loaded = Profile.load(tmp_path / "small.json")
    assert loaded == small_profile() and loaded.longest_side == SIDE
    assert loaded.at(**place) == replace(default_profile().at(**place), longest_side=SIDE)
    assert loaded.ladder.at(loaded.ladder.log_rates[-1] + 0.5).longest_side == SIDE
    assert loaded.stored_at(None) == default_profile()


def test_a_file_with_a_wrong_one_is_refused(tmp_path: Path) -> None:
    small_profile().save(tmp_path / "small.json")
    body = json.loads((tmp_path / "small.json").read_text())
    body["points"][0]["parameters"]["longest_side"] = 4
    (tmp_path / "small.json").write_text(json.dumps(body))
    with pytest.raises(ProfileError, match="longest_side"):
        Profile.load(tmp_path / "small.json")


# Encoding


def test_a_larger_picture_is_encoded_as_the_scaled_one_is() -> None:
    picture = photograph()
    plain = replace(SMALL, longest_side=None)
    expected = encoding.encode(at_most(picture, SIDE), plain)
    assert encoding.encode(picture, SMALL) == expected == encoding.encode(picture, plain, longest_side=SIDE)
    assert encode_many([picture, picture[:30, :40]], SMALL) == [expected, encoding.encode(picture[:30, :40], plain)]
    assert write_coefficients(quantize(picture, SMALL)) == expected
    assert decoding.decode(expected).shape == (30, 40, 3)


def test_gray_pictures_are_stored_smaller_too() -> None:
    gray = photograph()[:, :, 0]
    assert decoding.decode(encoding.encode(gray, replace(SMALL, sampling="gray"))).shape == (30, 40, 3)


def test_the_default_profile_moves_a_picture_as_it_is_stored() -> None:
    picture = photograph(300, 400)
    assert j4d.encode(picture, quality=40, longest_side=200) == j4d.encode(at_most(picture, 200), quality=40)


def test_no_picture_is_no_picture_with_a_longest_side_either() -> None:
    profile = replace(small_profile(), adaptation=Adaptation(1, 1.0, 30.0, 0.5, 0.5, (0.0,) * 4))
    for wrong in (np.zeros(5, np.uint8), np.zeros((9, 9, 3))):
        for tried in (partial(encoding.encode, wrong, SMALL), partial(profile.adapted, wrong, quality=40)):
            with pytest.raises(ImageError):
                tried()


def test_pictures_that_are_stored_alike_are_moved_alike() -> None:
    """Whatever size they had: the adaptation looks at what is stored."""
    profile = replace(small_profile(), adaptation=Adaptation(1, 1.0, 30.0, 0.5, 0.5, (0.0,) * 4))
    large = photograph(120, 160)
    assert profile.adapted(large, quality=40) == profile.adapted(at_most(large, SIDE), quality=40)


def test_files_are_not_transcoded_to_another_size() -> None:
    data = encoding.encode(photograph(), replace(SMALL, longest_side=None))
    for tried in (
        lambda: Transcoder(SMALL),
        lambda: j4d.transcode(data, SMALL),
        lambda: Settings(small_profile(), {"quality": 40}),
        lambda: SimulatedJPEG(SMALL),
    ):
        with pytest.raises(ParameterError, match="longest side"):
            tried()


def test_a_transform_gives_pictures_of_the_size_that_is_stored() -> None:
    torch = pytest.importorskip("torch")
    transform = JPEG(SMALL)
    batch = torch.from_numpy(np.stack([photograph(), photograph(seed=1)])).permute(0, 3, 1, 2)
    assert transform(batch).shape == (2, 3, 30, 40)
    assert transform(Image.fromarray(photograph())).size == (40, 30)


# Measuring


def test_rates_are_per_pixel_of_the_picture_as_given_and_losses_against_its_answer() -> None:
    pictures = [photograph(seed=seed) for seed in range(3)]
    small = LearnedJPEG([SMALL], name="small")
    found = j4d.evaluate(Toy(), pictures, codecs=[DefaultJPEG([60]), small], bootstrap=1, progress=False)
    result = found.codecs[1]
    sizes = [len(encoding.encode(picture, SMALL)) for picture in pictures]
    assert found.bpp(result)[0] == pytest.approx([8 * size / (60 * 80) for size in sizes])
    assert (result.metrics["kl"][0] > 0).all()
    again = LearnedJPEG.from_config(small.get_config())
    assert again.longest_side == SIDE and again.encode(pictures[0], 0) == small.encode(pictures[0], 0)


def test_a_codec_that_changes_sizes_unasked_is_an_error() -> None:
    class Shrinks(DefaultJPEG):
        def encode(self, image: np.ndarray, setting: Any) -> bytes:
            return super().encode(image[::2, ::2], setting)

    with pytest.raises(CodecError, match="decoded to"):
        j4d.evaluate(Toy(), [photograph()], codecs=[Shrinks([60])], bootstrap=1, progress=False)


def test_one_codec_stores_at_one_size() -> None:
    with pytest.raises(ParameterError, match="one longest side"):
        LearnedJPEG([SMALL, replace(SMALL, longest_side=48)])


def test_adaptation_is_learned_from_pictures_as_they_are_stored() -> None:
    images = ImageSet.from_arrays([photograph(60 + 10 * seed, 80, seed) for seed in range(3)])
    stored = measure_ladder(small_profile().ladder, [Toy()], images)
    scaled = measure_ladder(default_profile().ladder, [Toy()], images.at_most(SIDE))
    assert (stored.side == [30, 35, 40]).all()
    assert np.array_equal(stored.bpp, scaled.bpp) and np.array_equal(stored.loss, scaled.loss)


# Learning


def test_an_image_set_gives_images_as_they_are_stored() -> None:
    images = ImageSet.from_arrays([photograph(), photograph(20, 30)], [1, 2])
    small = images.at_most(SIDE)
    assert [image.shape[:2] for image in small] == [(30, 40), (20, 30)]
    assert small.share_kept() == (30 * 40 + 20 * 30) / (60 * 80 + 20 * 30)
    assert small.fingerprint == images.fingerprint and small.labels.tolist() == [1, 2]
    assert small.subset([0])[0].shape == (30, 40, 3) and small.at_most(None)[0].shape == (30, 40, 3)
    assert small.at_most(50).longest_side == SIDE and images.at_most(None)[0].shape == (60, 80, 3)


@given(st.floats(0.01, 1), st.lists(st.floats(0.01, 10), min_size=1))
def test_goals_per_stored_pixel_are_those_per_given_pixel_again(share: float, values: list[float]) -> None:
    rates, lambdas = per_stored_pixel(share, values, values)
    assert [goal["bpp"] for goal in per_given_pixel(share, [{"bpp": rate} for rate in rates])] == pytest.approx(values)
    assert [g["lambda"] for g in per_given_pixel(share, [{"lambda": value} for value in lambdas])] == pytest.approx(
        values
    )


def test_learning_for_a_longest_side_is_learning_on_scaled_pictures(photographs: dict[str, np.ndarray]) -> None:
    """The same tables; rates and lambdas are per pixel as given, figures compare with the answers on those."""
    images = crops(list(photographs.values()), 96, 128, 14)
    quick: dict[str, Any] = {"steps": 3, "batch_size": 4, "progress": False, "start": "annex-k"}
    quick |= {"dead_zones": (0.0,), "trellises": (), "adapt": False}
    share = 0.25
    small = learn(Toy(), images, rates=[0.2, 0.5], longest_side=64, **quick)
    scaled = learn(Toy(), [at_most(image, 64) for image in images], rates=[0.8, 2.0], **quick)
    assert small.longest_side == small.provenance.settings["longest_side"] == 64
    assert small.provenance.settings["pixels_kept"] == share
    assert [goal["bpp"] for goal in small.provenance.settings["goals"]] == pytest.approx([0.2, 0.5])
    for point, other in zip(small.points, scaled.points, strict=True):
        assert point.parameters == replace(other.parameters, longest_side=64)
        assert point.estimated_bpp == pytest.approx(share * other.estimated_bpp)
        assert point.lagrangian == pytest.approx(other.lagrangian / share)
        assert point.measured["actual_bpp"] == pytest.approx(share * other.measured["actual_bpp"])
        assert point.measured["kl"] != other.measured["kl"]


# The command line


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph()).save("photo.png")
    small_profile().save("small.json")
    return tmp_path


def test_encode_takes_a_longest_side_with_any_profile(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--quality", "40"], ["--jpeg-quality", "60"], ["-p", "small.json", "--index", "1"]):
        assert run(["encode", "photo.png", "-o", "out.jpg", *options, "--longest-side", "32"]) == 0
        data = Path("out.jpg").read_bytes()
        assert Image.open(io.BytesIO(data)).size == (32, 24)
        rate = 8 * len(data) / (60 * 80)
        assert capsys.readouterr().out == f"out.jpg  {len(data)} bytes  {rate:.3f} bpp  stored at 32 x 24\n"


def test_encode_takes_the_profiles_longest_side(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encode", "photo.png", "-o", "out.jpg", "-p", "small.json", "--index", "1"]) == 0
    assert Image.open("out.jpg").size == (40, 30)
    assert run(["show", "small.json"]) == 0
    assert "stored at 40 pixels" in " ".join(capsys.readouterr().out.split())


def test_encode_leaves_sizes_alone_unless_asked(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["encode", "photo.png", "-o", "out.jpg", "--quality", "40"]) == 0
    assert Image.open("out.jpg").size == (80, 60) and "stored at" not in capsys.readouterr().out


@pytest.mark.parametrize("target", ["out.jpg", "folder"])
def test_transcode_refuses_a_profile_that_stores_smaller(
    target: str, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "in" if target == "folder" else "in.jpg"
    file = Path("in/a.jpg") if target == "folder" else Path("in.jpg")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(encoding.encode(photograph(), replace(SMALL, longest_side=None)))
    assert run(["transcode", source, "-o", target, "-p", "small.json", "--quality", "40"]) == 2
    error = capsys.readouterr().err
    assert "decode and encode instead" in error and error.count("\n") == 1
    assert not Path(target).exists()
