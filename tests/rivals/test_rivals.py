"""Rivals as codecs: one interface for all, and those that are fixed or foreign held to the programs they stand for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jpeg_file import segments
from pictures import crops
from toys import Toy

from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.codecs.protocol import Codec
from j4d.errors import ParameterError
from j4d.images.image_set import ImageSet
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import read_coefficients
from j4d.jpeg.presets import PRESETS, preset_parameters
from j4d.jpeg.tables import ZIGZAG
from j4d.rivals import registry
from j4d.rivals.registry import Learning

FIXTURES = Path(__file__).parents[1] / "fixtures"
OPTIONS = {"random-search": {"evaluations": 3}}


@pytest.fixture(scope="module")
def learning(photographs: dict[str, np.ndarray]) -> Learning:
    images = crops(list(photographs.values()), 64, 64, 8)
    return Learning(Toy().eval(), ImageSet.from_arrays(images, [i % 6 for i in range(8)]))


@pytest.fixture(scope="module", params=registry.names())
def rival(request: pytest.FixtureRequest, learning: Learning) -> Codec:
    name = request.param
    if reason := registry.missing(name):
        pytest.skip(reason)
    given = {"learning": learning, "points": 3} if registry.learns(name) else {}
    return registry.make(name, sampling="4:2:0", **given, **OPTIONS.get(name, {}))


# All of them


def test_a_rival_writes_files_of_growing_size_that_it_reads_again(rival, photographs):
    image = photographs["coffee"][100:197, 200:363]
    files = [rival.encode(image, setting) for setting in rival.settings]
    sizes = [len(file) for file in files]
    assert len(sizes) >= 2 and sizes == sorted(set(sizes))
    assert files[0] == rival.encode(image, rival.settings[0])
    errors = [np.abs(rival.decode(file).astype(int) - image).mean() for file in (files[0], files[-1])]
    assert rival.decode(files[0]).shape == image.shape and errors[1] < errors[0] < 40 and errors[1] < 8


def test_a_rival_comes_back_from_its_configuration(rival, photographs):
    again = registry.from_config(json.loads(json.dumps(rival.get_config())))
    image = photographs["chelsea"][:40, :56]
    assert (again.name, again.settings) == (rival.name, rival.settings)
    assert again.get_config() == rival.get_config()
    for setting in rival.settings[::2]:
        assert again.encode(image, setting) == rival.encode(image, setting)
        assert again.estimated_bpp(setting) == rival.estimated_bpp(setting)


def test_names_are_told_apart(learning):
    there = [name for name in registry.names() if registry.missing(name) is None and not registry.learns(name)]
    made = [registry.make(name, sampling="4:4:4") for name in there]
    assert len({codec.name for codec in made}) == len({json.dumps(c.get_config()) for c in made}) == len(there)


def test_the_codecs_of_our_own_come_back_too():
    for made in (DefaultJPEG([10, 50]), LearnedJPEG([preset_parameters(3, 50, "4:2:0")])):
        assert registry.from_config(made.get_config()).get_config() == made.get_config()


def test_the_names_are_known_without_torch():
    code = "import sys, j4d.rivals as r; r.make('flat', sampling='gray'); r.missing('avif'); "
    code += "sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_cannot_be_made_is_refused_with_a_reason(monkeypatch, learning):
    with pytest.raises(ParameterError, match="no rival is called 'guetzli'"):
        registry.make("guetzli", sampling="4:2:0")
    with pytest.raises(ParameterError, match="grace learns from a model"):
        registry.make("grace", sampling="4:2:0")
    with pytest.raises(ParameterError, match="no such option: evaluations"):
        registry.make("grace", sampling="4:2:0", learning=learning, evaluations=3)
    with pytest.raises(ParameterError, match="4:1:1"):
        registry.make("flat", sampling="4:1:1")
    with pytest.raises(ParameterError, match="evaluations 2 is below the 3 rates"):
        registry.make("random-search", sampling="4:2:0", learning=learning, points=3, evaluations=2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pyjpegli" in registry.missing("jpegli") and "j4d[bench]" in registry.missing("jpegli")
    with pytest.raises(ParameterError, match="needs the package pyjpegli"):
        registry.make("jpegli", sampling="4:2:0")


# mozjpeg


def dqt(file: bytes) -> dict[int, np.ndarray]:
    """Tables by number, (8, 8) in natural order, of 8 or 16 bits."""
    tables = {}
    for _, body in (segment for segment in segments(file) if segment[0] == 0xDB):
        while body:
            wide, number = divmod(body[0], 16)
            end = 1 + 64 * (1 + wide)
            natural = np.zeros(64, np.int64)
            natural[ZIGZAG] = np.frombuffer(body[1:end], ">u2" if wide else "u1")
            tables[number], body = natural.reshape(8, 8), body[end:]
    return tables


@pytest.mark.parametrize("preset", range(9))
def test_a_preset_has_the_tables_in_mozjpegs_files(preset):
    """mozjpeg 4.0.3 wrote the fixtures at quality 50, where a table is not scaled."""
    written = dqt((FIXTURES / f"mozjpeg-tables-{preset}.jpg").read_bytes())
    _, luma, chroma = PRESETS[preset]
    np.testing.assert_array_equal(written[0].ravel(), luma)
    np.testing.assert_array_equal(written.get(1, written[0]).ravel(), chroma)


@pytest.mark.parametrize("preset", range(9))
def test_a_preset_is_scaled_as_mozjpeg_scales_it(preset, photographs):
    pytest.importorskip("jpeglib")
    from j4d.rivals.mozjpeg import mozjpeg_file

    for quality in (1, 7, 49, 51, 75, 100):
        file = mozjpeg_file(photographs["rocket"][:16, :16], quality, "4:4:4", preset=preset)
        written, parameters = dqt(file), preset_parameters(preset, quality, "4:4:4")
        np.testing.assert_array_equal(written[0], parameters.luma.steps)
        np.testing.assert_array_equal(written.get(1, written[0]), parameters.chroma.steps)


def test_annex_k_is_default_jpeg_and_qualities_have_limits():
    assert preset_parameters(0, 30, "4:4:4") == DefaultJPEG([30], sampling="4:4:4").parameters(30)
    for wrong in (0, 101, 50.5):
        with pytest.raises(ParameterError, match="quality"):
            preset_parameters(0, wrong, "4:4:4")


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0"])
def test_mozjpegs_own_pixels_come_in_fewer_bytes_than_without_its_trellis(sampling, photographs):
    pytest.importorskip("jpeglib")
    from j4d.rivals.mozjpeg import mozjpeg_file

    image, rival = photographs["astronaut"][:150, :170], registry.make("mozjpeg", sampling=sampling)
    file, theirs = rival.encode(image, 60), mozjpeg_file(image, 60, sampling)
    np.testing.assert_array_equal(rival.decode(file), rival.decode(theirs))
    assert [marker for marker, _ in segments(file) if 0xC0 <= marker <= 0xC2] == [0xC0], "baseline"
    plain = encoding.encode(image, preset_parameters(3, 60, sampling))
    assert len(file) < 0.97 * len(plain)
    without = read_coefficients(mozjpeg_file(image, 60, sampling, trellis=False))
    same = [np.mean(a == b) for a, b in zip(without.planes, read_coefficients(plain).planes, strict=True)]
    assert min(same) > 0.98, "what is left is mozjpeg's deringing"


def test_jpeglis_own_pixels_come_in_no_more_bytes_than_its_lean_file(photographs):
    pyjpegli = pytest.importorskip("pyjpegli")
    image, rival = photographs["astronaut"][:150, :170], registry.make("jpegli", sampling="4:2:0")
    theirs = pyjpegli.encode(image.tobytes(), 170, 150, 55)
    np.testing.assert_array_equal(rival.decode(rival.encode(image, 55)), decoding.decode(theirs))


@pytest.mark.parametrize(("name", "magic"), [("webp", b"WEBP"), ("avif", b"ftypavif"), ("jpeg-xl", b"\xff\x0a")])
def test_other_formats_are_what_they_say(name, magic, photographs):
    if reason := registry.missing(name):
        pytest.skip(reason)
    rival = registry.make(name, sampling="4:4:4")
    assert magic in rival.encode(photographs["coffee"][:40, :56], rival.settings[3])[:16]
