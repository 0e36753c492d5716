"""Claims about the codecs that `evaluate` measures: real files, and a configuration that makes them again."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from profiles import default_profile

from j4d.codecs.cache import EncodeCache
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.errors import ParameterError
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import read_coefficients
from j4d.jpeg.parameters import EncodingParameters


def photograph(height=40, width=56, seed=0):
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([128 + 90 * np.sin(x / 9 + c) * np.cos(y / 7 - c) for c in range(3)], axis=-1)
    noise = np.random.default_rng(seed).normal(0, 12, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


LEARNED = [EncodingParameters.from_quality(q) for q in (20, 60)]


@pytest.mark.parametrize("quality", [1, 30, 75, 100])
def test_default_jpeg_writes_pillows_tables_and_pixels(quality):
    image, codec = photograph(), DefaultJPEG([quality])
    data = codec.encode(image, quality)
    theirs = io.BytesIO()
    Image.fromarray(image).save(theirs, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
    np.testing.assert_array_equal(read_coefficients(data).tables, read_coefficients(theirs.getvalue()).tables)
    with Image.open(theirs) as pillow:
        np.testing.assert_array_equal(codec.decode(data), np.asarray(pillow))


def test_settings_run_from_small_to_large_rate():
    image = photograph(160, 160)
    for codec in (DefaultJPEG([70, 10, 30, 30]), LearnedJPEG(LEARNED)):
        sizes = [len(codec.encode(image, setting)) for setting in codec.settings]
        assert sizes == sorted(set(sizes))
    assert DefaultJPEG([70, 10, 30, 30]).settings == (10, 30, 70)


@pytest.mark.parametrize(
    "codec",
    [
        DefaultJPEG([10, 50], sampling="4:4:4", name="annex k"),
        LearnedJPEG(default_profile()),
        LearnedJPEG([replace(point, sharpness=6.0) for point in LEARNED], seed=3),
        LearnedJPEG(LEARNED, deterministic=True, name="mine"),
    ],
)
def test_a_configuration_passed_through_json_makes_the_same_files(codec):
    again = type(codec).from_config(json.loads(json.dumps(codec.get_config())))
    image = photograph()
    assert (again.name, again.settings) == (codec.name, codec.settings)
    for setting in codec.settings:
        assert again.encode(image, setting) == codec.encode(image, setting)
        assert again.estimated_bpp(setting) == codec.estimated_bpp(setting)


def test_a_profile_gives_its_points_name_and_estimates():
    profile = default_profile()
    codec = LearnedJPEG(profile)
    assert codec.name == profile.name
    assert codec.settings == tuple(range(len(profile.points)))
    for i, point in enumerate(profile.points):
        assert codec.parameters(i) == point.parameters
        assert codec.estimated_bpp(i) == point.estimated_bpp
        assert codec.encode(photograph(), i) == encoding.encode(photograph(), point.parameters)


@pytest.mark.parametrize("more", [-2, 0, 1, 9, 40])
def test_a_short_profile_has_points_between_its_own(more):
    profile = default_profile()
    gaps, at_least = len(profile.points) - 1, len(profile.points) + more
    codec = LearnedJPEG(profile, at_least=at_least)
    parts = 1 if more <= 0 else -(-(at_least - 1) // gaps)
    assert len(codec.settings) == parts * gaps + 1 >= at_least
    rates = [codec.estimated_bpp(i) for i in codec.settings]
    assert rates == sorted(set(rates)) and rates[::parts] == [point.estimated_bpp for point in profile.points]
    for i, rate in enumerate(rates):
        assert codec.parameters(i) == profile.at(bpp=rate)


def test_the_seed_draws_the_indices_unless_deterministic():
    soft = [replace(LEARNED[0], sharpness=6.0)]
    image = photograph()
    files = [LearnedJPEG(soft, seed=seed).encode(image, 0) for seed in (1, 1, 2)]
    assert files[0] == files[1] != files[2]
    nearest = LearnedJPEG(soft, seed=1, deterministic=True).encode(image, 0)
    assert nearest == DefaultJPEG([20]).encode(image, 20)


def test_codecs_without_a_setting_or_with_a_wrong_one_are_refused():
    for wrong in (lambda: DefaultJPEG([]), lambda: LearnedJPEG([]), lambda: DefaultJPEG([0, 50])):
        with pytest.raises(ParameterError):
            wrong()
    with pytest.raises(ParameterError, match="4:1:1"):
        DefaultJPEG([50], sampling="4:1:1")


def test_the_cache_encodes_each_file_once_and_confuses_nothing():
    calls = []

    class Counting(DefaultJPEG):
        def encode(self, image, setting):
            calls.append(setting)
            return super().encode(image, setting)

    cache, images = EncodeCache(), [photograph(seed=1), photograph(seed=2)]
    for sampling in ("4:2:0", "4:4:4", "4:2:0"):
        codec = Counting([20, 50], sampling=sampling)
        for image in images:
            for setting in codec.settings:
                assert cache.encode(codec, image, setting) == DefaultJPEG.encode(codec, image, setting)
    assert len(calls) == len(cache) == 8
