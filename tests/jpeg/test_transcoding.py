"""Transcoding: the indices are the quantizer's for (source index) x (source step), whatever the source looks like;
colours, orientation and metadata survive; nothing grows; batches are the single files."""

from __future__ import annotations

import io
import math
import re
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_jpeg
from drawn_indices import law, uniforms
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from profiles import dead_zones, tables

import j4d
from j4d import _core
from j4d.api import transcode
from j4d.errors import CodecError, ParameterError, UnsupportedError
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import Coefficients, forward_dct, quantize, read_coefficients, write_coefficients
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters, Quantization
from j4d.jpeg.transcoding import OpenedJPEG, Transcoder, transcode_many

FIXTURES = Path(__file__).parents[1] / "fixtures"
QUALITY_50 = EncodingParameters.from_quality(50)
SAMPLED = EncodingParameters(QUALITY_50.luma.steps, QUALITY_50.chroma.steps, "4:2:0", 6.0)
USUAL = {
    "4:4:4": ((1, 1),) * 3,
    "4:2:2": ((2, 1), (1, 1), (1, 1)),
    "4:2:0": ((2, 2), (1, 1), (1, 1)),
    "gray": ((1, 1),),
}
factors = st.tuples(st.integers(1, 4), st.integers(1, 4))


def picture(height: int = 45, width: int = 61) -> np.ndarray:
    """Colours, an edge, a slope and some texture, by integer arithmetic."""
    y, x = np.indices((height, width))
    return np.stack([3 * x + 2 * y, 255 - 4 * x, 180 * (x > width // 2) + (x * x + 3 * y) % 47], -1).astype(np.uint8)


def saved(image: np.ndarray, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, "JPEG", **{"quality": 92, **options})
    return file.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def shares(picture: tiny_jpeg.Picture) -> list[tuple[Fraction, Fraction]]:
    """Samples of each component per sample of the largest, along each axis."""
    most_h, most_v = (max(getattr(c, axis) for c in picture.components) for axis in ("horizontal", "vertical"))
    return [(Fraction(c.horizontal, most_h), Fraction(c.vertical, most_v)) for c in picture.components]


def nearest(indices: np.ndarray, source: np.ndarray, steps: np.ndarray, zone: np.ndarray | None) -> np.ndarray:
    """The deterministic limit, by the formula; ties of AC go to the index nearer zero."""
    u = indices.astype(float) * source / steps
    wide = np.zeros((8, 8)) if zone is None else np.array(zone)
    wide.flat[1:] = np.minimum(wide.flat[1:] + 1e-6, 0.5)
    found = np.sign(u) * np.maximum(0, np.floor(np.abs(u) + (0.5 - wide)))
    low = np.full((8, 8), -1023)
    low[0, 0] = -1024
    return np.clip(found, low, 1023).astype(np.int16)


def sampled(source: Coefficients, parameters: EncodingParameters, seed: int, sharpness: float) -> list[np.ndarray]:
    """What the encoder's quantizer draws for the source's coefficients."""
    planes = []
    for i, (plane, steps) in enumerate(zip(source.planes, source.tables, strict=True)):
        values = 8 * plane.astype(int) * steps
        assert np.abs(values).max() < 2**15
        zone = parameters.chroma.dead_zone if i else parameters.luma.dead_zone
        new = parameters.chroma.steps if i else parameters.luma.steps
        planes.append(
            _core.quantize(values.astype(np.int16), new, np.zeros((8, 8)) if zone is None else zone, sharpness, seed, i)
        )
    return planes


@given(
    st.integers(0, 2**32),
    st.integers(1, 70),
    st.integers(1, 70),
    st.tuples(factors, factors, factors) | st.tuples(factors),
    tables,
    tables,
    dead_zones,
    st.sampled_from([3, 40, 1023]),
    st.sampled_from([1, 8, 255, 65535]),
)
def test_every_layouts_indices_are_rounded_by_the_formula(
    seed: int, height: int, width: int, factors: Any, luma: Any, chroma: Any, zone: Any, most: int, largest_step: int
) -> None:
    rng = np.random.default_rng(seed)
    source = tiny_jpeg.random_picture(rng, height, width, factors, most=most, largest_step=largest_step)
    interleaved = len(factors) == 1 or sum(h * v for h, v in factors) <= 10
    data = tiny_jpeg.write(source, interleaved=interleaved, sof=0xC0 if largest_step < 256 else 0xC1)
    parameters = EncodingParameters(Quantization(luma, zone), Quantization(chroma, zone), "4:2:0", 7.0)
    result = tiny_jpeg.read(transcode(data, parameters, deterministic=True, never_grow=False))
    assert (result.height, result.width) == (height, width)
    for i, (before, after) in enumerate(zip(source.components, result.components, strict=True)):
        steps = chroma if i else luma
        assert np.array_equal(after.table, steps)
        assert np.array_equal(after.blocks, nearest(before.blocks, before.table, steps, zone))
    assert shares(result) == shares(source), "the sampling stays"


def test_a_tie_of_ac_goes_to_the_index_nearer_zero_and_one_of_dc_away_from_it() -> None:
    """Steps of 10 to steps of 20: odd indices lie half way between two new ones."""
    ten, twenty = (np.full((8, 8), step, np.int32) for step in (10, 20))
    plane = np.tile(np.array([-3, -2, -1, 0, 1, 2, 3, 5], np.int16), (8, 1)).reshape(1, 1, 8, 8)
    plane[0, 0, 0, 0] = 3
    data = write_coefficients(Coefficients((plane,), (ten,), "gray", 8, 8))
    options = {"deterministic": True, "never_grow": False}
    after = read_coefficients(transcode(data, EncodingParameters(twenty, twenty, "gray"), **options)).planes[0]
    assert after[0, 0, 1].tolist() == [-1, -1, 0, 0, 0, 1, 1, 2]
    assert after[0, 0, 0, 0] == 2


@given(
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(SAMPLINGS),
    st.sampled_from([1.5, 5.0, 8.0, 20.0, 1e6]),
    dead_zones,
    st.integers(0, 2**64 - 1),
)
def test_drawn_indices_are_those_of_the_encoders_quantizer(
    seed: int, height: int, width: int, sampling: str, sharpness: float, zone: Any, key: int
) -> None:
    rng = np.random.default_rng(seed)
    factors = USUAL[sampling]
    most = int(rng.choice([3, 60, 500]))
    source = tiny_jpeg.random_picture(rng, height, width, factors, most=most, largest_step=4000 // most)
    luma, chroma = np.exp(rng.uniform(0, np.log(255), (2, 8, 8))).round().astype(np.int32)
    parameters = EncodingParameters(Quantization(luma, zone), Quantization(chroma, zone), sampling, sharpness)
    data = tiny_jpeg.write(source)
    result = read_coefficients(transcode(data, parameters, seed=key, never_grow=False))
    expected = sampled(read_coefficients(data), parameters, key, sharpness)
    for ours, theirs in zip(result.planes, expected, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("sharpness", [0.7, 8.0])
@pytest.mark.parametrize("largest_step", [255, 65535])
def test_drawn_indices_are_the_laws_for_coefficients_that_no_picture_has(
    largest_step: int, sharpness: float, rng: np.random.Generator
) -> None:
    zone, key = 0.2, 11
    for most in (5, 1023):
        source = tiny_jpeg.random_picture(rng, 80, 200, ((1, 1),), most=most, largest_step=largest_step)
        data = tiny_jpeg.write(source, sof=0xC0 if largest_step < 256 else 0xC1)
        steps = np.exp(rng.uniform(0, np.log(255), (8, 8))).round().astype(np.int32)
        parameters = EncodingParameters(*[Quantization(steps, np.full((8, 8), zone))] * 2, "gray", sharpness)
        result = tiny_jpeg.read(transcode(data, parameters, seed=key, never_grow=False))
        before, after = source.components[0], result.components[0]
        u = before.blocks.reshape(-1, 8, 8).astype(float) * before.table / steps
        expected = law(u, zone, sharpness, uniforms(key, 0, len(u)))
        assert np.array_equal(after.blocks.reshape(u.shape), expected)


def test_the_lower_half_of_a_random_word_counts_where_a_boundary_is_within_the_upper() -> None:
    plane = np.full((64, 64, 8, 8), 1, np.int16)  # 262 144 words at the same boundaries: about a dozen such cases
    ten, twenty = (np.full((8, 8), step, np.int32) for step in (10, 20))
    data = write_coefficients(Coefficients((plane,), (ten,), "gray", 512, 512))
    parameters = EncodingParameters(twenty, twenty, "gray", 2.0)
    result = read_coefficients(transcode(data, parameters, seed=5, never_grow=False))
    expected = sampled(read_coefficients(data), parameters, 5, 2.0)
    assert np.array_equal(result.planes[0], expected[0])


def test_photographs_draw_as_the_encoders_quantizer(photographs: dict[str, np.ndarray]) -> None:
    data = saved(photographs["coffee"], quality=96)
    result = read_coefficients(transcode(data, SAMPLED, seed=3))
    for ours, theirs in zip(result.planes, sampled(read_coefficients(data), SAMPLED, 3, 6.0), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_own_tables_give_the_own_picture(sampling: str) -> None:
    own = EncodingParameters.from_quality(80, sampling)
    data = encoding.encode(picture(), own)
    assert transcode(data, own, never_grow=False) == data
    assert transcode(data, own, sampling="parameters", never_grow=False) == data


def test_progressive_restarted_and_arithmetic_sources_are_read_as_their_plain_twins() -> None:
    coefficients = quantize(picture(), EncodingParameters.from_quality(90))
    plain = write_coefficients(coefficients)
    expected = transcode(plain, QUALITY_50)
    assert transcode(write_coefficients(coefficients, progressive=True), QUALITY_50) == expected
    assert transcode(write_coefficients(coefficients, restart_interval=2), QUALITY_50) == expected
    twin = (FIXTURES / "arithmetic.jpg").read_bytes()
    assert b"\xff\xc9" in twin, "SOF9: sequential, arithmetic coding"
    again = transcode((FIXTURES / "4_2_0-nearest.jpg").read_bytes(), QUALITY_50, never_grow=False, strip=True)
    assert transcode(twin, QUALITY_50, never_grow=False, strip=True) == again


def test_a_progressive_result_holds_the_same_coefficients() -> None:
    data = saved(picture(120, 150))
    plain, progressive = (transcode(data, SAMPLED, progressive=choice) for choice in (False, True))
    assert Image.open(io.BytesIO(progressive)).info["progressive"]
    for a, b in zip(read_coefficients(plain).planes, read_coefficients(progressive).planes, strict=True):
        assert np.array_equal(a, b)
    simplejpeg = pytest.importorskip("simplejpeg")
    unusual = simplejpeg.encode_jpeg(picture(120, 150), 95, colorsubsampling="440")
    plain, progressive = (transcode(unusual, SAMPLED, progressive=choice) for choice in (False, True))
    assert b"\xff\xc2" in progressive and np.array_equal(pixels(plain), pixels(progressive))


ADOBE_RGB = (0xEE, b"Adobe\0\x64\0\0\0\0\0")
ADOBE_YCBCR = (0xEE, b"Adobe\0\x64\0\0\0\0\1")
JFIF = (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


@pytest.mark.parametrize(
    ("names", "markers", "rgb"),
    [
        (b"RGB", [], True),
        (b"RGB", [ADOBE_RGB], True),
        ((1, 2, 3), [ADOBE_RGB], True),
        ((1, 2, 3), [ADOBE_YCBCR], False),
        ((1, 2, 3), [JFIF], False),
        ((0, 1, 2), [], False),
        (b"RGB", [JFIF], False),
        (b"RGB", [ADOBE_YCBCR], False),
        ((1, 2, 3), [JFIF, ADOBE_RGB], False),
    ],
)
@pytest.mark.parametrize("factors", [USUAL["4:4:4"], USUAL["4:2:0"], ((1, 2), (1, 1), (1, 1))])
def test_colours_survive_however_they_are_marked(names: Any, markers: Any, rgb: bool, factors: Any) -> None:
    source = tiny_jpeg.random_picture(np.random.default_rng(1), 40, 56, factors, names=names, most=40, share=0.1)
    source.markers = markers
    data = tiny_jpeg.write(source)
    luma, chroma = source.components[0].table, source.components[1].table
    for component in source.components:
        component.table = luma if rgb or component is source.components[0] else chroma
    data = tiny_jpeg.write(source)
    same = transcode(data, EncodingParameters(luma, chroma), never_grow=False)
    assert np.array_equal(pixels(same), pixels(data)), "the same indices and steps, so the same colours"
    result = tiny_jpeg.read(same)
    assert [c.name for c in result.components] == list(b"RGB" if rgb else (1, 2, 3))
    assert result.markers == (markers or ([ADOBE_RGB] if rgb else [])), "Adobe's marker where RGB needs it"
    bare = transcode(data, EncodingParameters(luma, chroma), never_grow=False, strip=True)
    assert np.array_equal(pixels(bare), pixels(data))
    assert tiny_jpeg.read(bare).markers == ([ADOBE_RGB] if rgb else [])


def test_an_rgb_file_of_pillows_keeps_its_colours_and_gets_smaller() -> None:
    data = saved(picture(), keep_rgb=True, quality=97)
    result = transcode(data, EncodingParameters.from_quality(75))
    assert len(result) < len(data)
    assert np.abs(pixels(result) - pixels(data)).mean() < 5
    assert np.array_equal(
        pixels(result), pixels(transcode(data, EncodingParameters.from_quality(75), sampling="parameters"))
    )


METADATA = {
    "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    "icc": bytes(range(256)) * 600,
}
EXTENDED_XMP = (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(range(40)))
OTHERS = [
    (0xE2, b"MPF\0II*\0"),
    (0xE1, b"something else"),
    (0xED, b"Photoshop 3.0\0"),
    (0xFE, b"a comment"),
    (0xE5, b"GPS of a maker"),
]


def decorated(data: bytes, markers: list[tuple[int, bytes]]) -> bytes:
    return data[:2] + b"".join(tiny_jpeg.segment(*marker) for marker in markers) + data[2:]


def test_segments_are_kept_byte_for_byte_and_in_order() -> None:
    bare = encoding.encode(picture(), EncodingParameters.from_quality(95))
    wanted = write_coefficients(read_coefficients(bare), **METADATA)
    kept = [marker for marker in tiny_jpeg.read(wanted).markers if marker[0] >= 0xE0]
    assert len(kept) == 5, "Exif, XMP and ICC in three segments"
    markers = [*OTHERS[:2], *kept[:2], EXTENDED_XMP, JFIF, *OTHERS[2:], *kept[2:]]
    source = decorated(bare, markers)
    result = transcode(source, QUALITY_50)
    assert tiny_jpeg.read(result).markers == markers
    assert Image.open(io.BytesIO(result)).getexif()[0x0112] == 6
    stripped = transcode(source, QUALITY_50, strip=True)
    assert tiny_jpeg.read(stripped).markers == []
    assert stripped == transcode(bare, QUALITY_50)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_file_that_would_grow_is_returned_as_it_was(progressive: bool) -> None:
    small = encoding.encode(picture(), QUALITY_50, progressive=progressive, jfif=True)
    finer = EncodingParameters.from_quality(95)
    assert len(transcode(small, finer, progressive=progressive, never_grow=False)) >= len(small)
    assert transcode(small, finer, progressive=progressive) == small
    assert Transcoder(finer, progressive=progressive).one(small).copied
    assert not Transcoder(finer, progressive=progressive, never_grow=False).one(small).copied
    assert not Transcoder(QUALITY_50).one(saved(picture())).copied


@pytest.mark.parametrize("progressive", [False, True])
def test_stripping_outlasts_the_return_of_a_file_that_would_grow(progressive: bool) -> None:
    bare = encoding.encode(picture(), QUALITY_50, progressive=progressive)
    first = bare.index(b"\xff\xda")
    length = int.from_bytes(bare[first + 2 : first + 4], "big") + 2
    private = [(0xE1, METADATA["exif"]), (0xFE, b"51.4779 N"), (0xED, b"names"), ADOBE_YCBCR]
    source = decorated(bare, [JFIF, *private]) + b"a second picture"
    transcoder = Transcoder(EncodingParameters.from_quality(95), strip=True, progressive=progressive)
    result = transcoder.one(source)
    assert result.copied and np.array_equal(pixels(result.data), pixels(source))
    assert result.data == decorated(bare, [JFIF, ADOBE_YCBCR])
    if progressive:  # between two scans
        second = min(at for code in b"\xc4\xda" if (at := bare.find(bytes([0xFF, code]), first + length)) > 0)
        between = bare[:second] + tiny_jpeg.segment(0xFE, b"51.4779 N") + bare[second:]
        assert transcoder.one(between).data == bare


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["4:4:4", "4:2:2", "4:2:0", "440", "411"]),
       st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]), st.booleans())  # fmt: skip
def test_another_sampling_resamples_the_decoded_chroma_and_leaves_luma_alone(
    height: int, width: int, own: str, wanted: str, draw: bool
) -> None:
    simplejpeg = pytest.importorskip("simplejpeg")
    data = simplejpeg.encode_jpeg(picture(height, width), 90, colorsubsampling=own.replace(":", ""))
    base = EncodingParameters.from_quality(70, wanted)
    parameters = EncodingParameters(base.luma.steps, base.chroma.steps, wanted, 6.0 if draw else None)
    result = tiny_jpeg.read(transcode(data, parameters, sampling="parameters", never_grow=False, seed=9))
    kept = tiny_jpeg.read(transcode(data, parameters, never_grow=False, seed=9))
    assert [(c.horizontal, c.vertical) for c in result.components] == list(USUAL[wanted])
    assert np.array_equal(result.components[0].blocks, kept.components[0].blocks)
    if own == wanted:
        assert np.array_equal(result.components[1].blocks, kept.components[1].blocks)
        return
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft("YCbCr", opened.size)
        full = np.asarray(opened).astype(int)
    _, horizontal, vertical = {"4:4:4": (3, 1, 1), "4:2:2": (3, 2, 1), "4:2:0": (3, 2, 2)}[wanted]
    for i in (1, 2):
        plane = full[:, :, i]
        columns = -(-width // (8 * horizontal)) * 8 * horizontal
        plane = np.pad(plane, ((0, height % vertical), (0, columns - width)), "edge")
        if horizontal == 2:
            bias = np.arange(columns // 2) % 2
            plane = plane[:, ::2] + plane[:, 1::2]
            plane = (plane + bias) >> 1 if vertical == 1 else (plane[::2] + plane[1::2] + 1 + bias) >> 2
        (values,) = forward_dct(plane.astype(np.uint8), "gray")
        sharpness = 6.0 if draw else math.inf
        zone = np.full((8, 8), 0.0 if draw else 1e-6)  # ties of AC go to the index nearer zero
        zone[0, 0] = 0
        expected = _core.quantize(values, parameters.chroma.steps, zone, sharpness, 9, i)
        assert np.array_equal(result.components[i].blocks, expected)


def test_gray_parameters_drop_the_chroma_only_where_asked() -> None:
    data = saved(picture())
    gray = EncodingParameters.from_quality(50, "gray")
    assert len(tiny_jpeg.read(transcode(data, gray)).components) == 3
    result = tiny_jpeg.read(transcode(data, gray, sampling="parameters"))
    assert len(result.components) == 1
    assert np.array_equal(result.components[0].blocks, tiny_jpeg.read(transcode(data, gray)).components[0].blocks)
    without_colour = saved(picture(), "L")
    assert len(tiny_jpeg.read(transcode(without_colour, QUALITY_50, sampling="parameters")).components) == 1


def test_luma_that_is_not_the_largest_component_can_only_be_kept() -> None:
    source = tiny_jpeg.random_picture(np.random.default_rng(0), 30, 30, ((1, 1), (2, 2), (2, 2)))
    data = tiny_jpeg.write(source)
    transcode(data, QUALITY_50)
    with pytest.raises(UnsupportedError, match="keep it"):
        transcode(data, QUALITY_50, sampling="parameters")


def lossless_and_others() -> list[tuple[bytes, str]]:
    source = tiny_jpeg.random_picture(np.random.default_rng(0), 16, 16, USUAL["4:4:4"])
    cmyk = saved(picture(), "CMYK")
    transform = cmyk.index(b"Adobe") + 11
    return [
        (cmyk, "CMYK with 4 components"),
        (cmyk[:transform] + b"\2" + cmyk[transform + 1 :], "YCCK with 4 components"),
        (tiny_jpeg.write(source, sof=0xC1, precision=12), "12 bits"),
        (tiny_jpeg.write(source, sof=0xC3), "lossless"),
        (tiny_jpeg.write(source, sof=0xCB), "lossless"),
        (tiny_jpeg.write(source, sof=0xC5), "hierarchical"),
    ]


def test_other_kinds_of_jpeg_are_refused_by_name() -> None:
    for data, name in lossless_and_others():
        with pytest.raises(UnsupportedError, match=name) as raised:
            transcode(data, QUALITY_50)
        assert "\n" not in str(raised.value)
    with pytest.raises(CodecError) as damaged:
        transcode(b"\xff\xd8", QUALITY_50)
    assert not isinstance(damaged.value, UnsupportedError)


def test_a_batch_is_its_files_in_order_whatever_the_threads() -> None:
    good = [saved(picture(20 + i, 90 - i)) for i in range(24)]
    bad = {3: good[3][:200], 10: b"", 11: saved(picture(), "CMYK"), 17: "no bytes"}
    datas = [bad.get(i, data) for i, data in enumerate(good)]
    expected = [transcode(data, SAMPLED, seed=5) for data in good]
    for threads in (1, 2, 8, None):
        results = transcode_many(datas, SAMPLED, threads=threads, seed=5)  # type: ignore[arg-type]
        assert len(results) == 24
        for i, result in enumerate(results):
            if i not in bad:
                assert result == expected[i]
            else:
                assert isinstance(result, CodecError) and isinstance(result, UnsupportedError) == (i == 11)
                with pytest.raises(type(result)) as alone:
                    transcode(datas[i], SAMPLED)
                assert str(alone.value) == str(result)
    assert transcode_many([], SAMPLED) == []


@pytest.mark.parametrize(
    "options",
    [{}, {"strip": True}, {"progressive": True}, {"seed": 5}, {"effort": 2}, {"sampling": "parameters"}],
)
@pytest.mark.parametrize("source", ["4:4:4", "4:2:0", "gray"])
def test_a_file_that_was_opened_gives_the_same_bytes_again_and_again(source: str, options: dict[str, Any]) -> None:
    image = Image.fromarray(picture()).convert("L" if source == "gray" else "RGB")
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "a description"
    subsampling = {} if source == "gray" else {"subsampling": source}
    image.save(file, "JPEG", quality=92, exif=exif, **subsampling)
    data = file.getvalue()
    opened = OpenedJPEG(data)
    for parameters in (SAMPLED, EncodingParameters.from_quality(20), SAMPLED):
        transcoder = Transcoder(parameters, never_grow=False, **options)
        assert transcoder.one(opened) == transcoder.one(data)
    least = Transcoder(EncodingParameters.from_quality(100), strip=True)  # may grow, and is then the source stripped
    assert least.one(opened) == least.one(data)


def test_what_cannot_be_opened_is_told_as_transcoding_tells_it() -> None:
    whole = saved(picture())
    for data in (whole[: len(whole) // 2], b"", saved(picture(), "CMYK")):
        with pytest.raises(CodecError) as direct:
            transcode(data, QUALITY_50)
        with pytest.raises(type(direct.value), match=f"^{re.escape(str(direct.value))}$"):
            OpenedJPEG(data)
    with pytest.raises(CodecError, match="pixels"):
        OpenedJPEG(whole, max_pixels=100)
    with pytest.raises(ParameterError, match="max_pixels"):
        OpenedJPEG(whole, max_pixels=0)
    half = OpenedJPEG(whole[: len(whole) // 2], tolerate_damage=True)
    assert Transcoder(QUALITY_50).one(half) == Transcoder(QUALITY_50, tolerate_damage=True).one(half.data)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends a signal")
def test_a_batch_can_be_interrupted() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    datas = [saved(picture(400, 400))] * 100_000  # minutes of work
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            transcode_many(datas, QUALITY_50, threads=2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_seeds_choose_the_indices_and_the_same_seed_the_same_bytes() -> None:
    data = saved(picture(200, 200), quality=97)
    files = [transcode(data, SAMPLED, seed=seed) for seed in (1, 2, 1, 2**64 - 1)]
    assert files[0] == files[2] and len(set(files)) == 3
    certain = [transcode(data, SAMPLED, seed=seed, deterministic=True) for seed in (1, 2)]
    assert certain == [transcode(data, QUALITY_50)] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**64}, r"0\.\.2\^64-1"),
        ({"seed": True}, "seed True"),
        ({"max_pixels": 0}, "max_pixels 0"),
        ({"sampling": "4:2:0"}, "keep, parameters"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    data = saved(picture())
    for call in (lambda: transcode(data, QUALITY_50, **options), lambda: transcode_many([data], QUALITY_50, **options)):
        with pytest.raises(ParameterError, match=message):
            call()
    with pytest.raises(ParameterError, match="threads 0 is not an integer"):
        transcode_many([data], QUALITY_50, threads=0)
    with pytest.raises(ParameterError, match="a int is no EncodingParameters"):
        transcode(data, 50)  # type: ignore[arg-type]


def test_transcoding_loads_no_torch() -> None:
    code = (
        "import sys, j4d;"
        "import numpy; p = j4d.EncodingParameters.from_quality(9);"
        "j4d.transcode(j4d.encode(numpy.zeros((9, 9, 3), 'uint8'), p), p); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert j4d.transcode_many is transcode_many
