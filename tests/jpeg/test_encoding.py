"""The codec's public face: files that every decoder reads, coefficients that come back as they went in, metadata
that others find, and damage that ends in one line."""

from __future__ import annotations

import io
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jpeg_file import components_in_file, segments, tables_in_file
from patterns import picture
from PIL import Image

import j4d
from j4d.errors import CodecError, ImageError, J4DError, ParameterError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import Coefficients, plane_shapes, quantize, read_coefficients, write_coefficients
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters

QUALITY_60 = EncodingParameters.from_quality(60)


@st.composite
def coefficients(draw: st.DrawFn, low: int = -1023, high: int = 1023) -> Coefficients:
    """Random coefficients of a small picture, from nearly empty to full."""
    sampling = draw(st.sampled_from(SAMPLINGS))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share, spread = draw(st.floats(0, 1)), draw(st.sampled_from([1, 5, 100, high]))
    planes = []
    for shape in plane_shapes(height, width, sampling):
        plane = rng.integers(max(low, -spread), min(high, spread), shape, endpoint=True)
        planes.append(np.where(rng.random(shape) < share, plane, 0).astype(np.int16))
    luma, chroma = rng.integers(1, 256, (2, 8, 8), dtype=np.int32)
    return Coefficients(tuple(planes), (luma, chroma, chroma)[: len(planes)], sampling, height, width)


def assert_equal(a: Coefficients, b: Coefficients) -> None:
    assert (a.sampling, a.height, a.width) == (b.sampling, b.height, b.width)
    for ours, theirs in zip((*a.planes, *a.tables), (*b.planes, *b.tables), strict=True):
        assert np.array_equal(ours, theirs)


def pillow_decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_importing_j4d_and_encoding_load_no_torch() -> None:
    code = (
        "import sys, j4d; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules);"
        "import numpy; j4d.decode(j4d.encode(numpy.zeros((9, 9, 3), 'uint8'), j4d.EncodingParameters.from_quality(9)));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there_and_is_no_module() -> None:
    assert j4d.__all__ and set(j4d.__all__) < set(dir(j4d))
    assert not any(isinstance(getattr(j4d, name), types.ModuleType) for name in j4d.__all__)
    with pytest.raises(AttributeError, match="module 'j4d' has no attribute 'nothing'"):
        j4d.nothing  # noqa: B018


@given(coefficients(), st.booleans(), st.booleans(), st.sampled_from([0, 1, 3, 65535]))
def test_coefficients_come_back_from_a_file_as_they_were(
    sent: Coefficients, progressive: bool, jfif: bool, restart_interval: int
) -> None:
    data = write_coefficients(sent, progressive=progressive, jfif=jfif, restart_interval=restart_interval)
    assert_equal(read_coefficients(data), sent)
    assert pillow_decode(data).shape == (sent.height, sent.width, 3)


@given(coefficients(-32768, 32767), st.booleans())
def test_coefficients_that_no_file_holds_are_refused_and_all_others_come_back(
    sent: Coefficients, progressive: bool
) -> None:
    try:
        data = write_coefficients(sent, progressive=progressive)
    except CodecError:
        assert any(np.abs(plane.astype(int)).max() > 1023 for plane in sent.planes)
    else:
        assert_equal(read_coefficients(data), sent)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("value", [-32768, -1024, 1024, 32767])
def test_an_ac_index_beyond_ten_bits_is_refused(value: int, progressive: bool) -> None:
    plane = np.zeros((1, 1, 8, 8), np.int16)
    plane[0, 0, 3, 4] = value
    with pytest.raises(CodecError, match="make no JPEG file"):
        write_coefficients(Coefficients((plane,), (QUALITY_60.luma.steps,), "gray", 8, 8), progressive=progressive)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("progressive", [False, True])
def test_what_others_write_is_read_and_written_again_to_the_same_picture(
    sampling: str, progressive: bool, photographs: dict[str, np.ndarray]
) -> None:
    subsampling = {} if sampling == "gray" else {"subsampling": ["4:4:4", "4:2:2", "4:2:0"].index(sampling)}
    mode = "L" if sampling == "gray" else "RGB"
    file = io.BytesIO()
    Image.fromarray(photographs["coffee"]).convert(mode).save(
        file, "JPEG", quality=80, progressive=progressive, **subsampling
    )
    read = read_coefficients(file.getvalue())
    assert read.sampling == sampling
    again = write_coefficients(read)
    assert np.array_equal(pillow_decode(again), pillow_decode(file.getvalue()))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_simplejpeg_and_pillow_see_the_same_picture(sampling: str, photographs: dict[str, np.ndarray]) -> None:
    simplejpeg = pytest.importorskip("simplejpeg")
    image = photographs["chelsea"][:133, :201]
    data = encoding.encode(image, EncodingParameters.from_quality(90, sampling))
    ours = decoding.decode(data)
    assert np.array_equal(ours, simplejpeg.decode_jpeg(data))
    reference = image if sampling != "gray" else np.asarray(Image.fromarray(image).convert("L"))[:, :, None]
    assert np.abs(ours.astype(int) - reference).mean() < 6


SIDES = st.integers(1, 70) | st.integers(120, 136) | st.integers(248, 264)  # sixteen blocks are 128 pixels


@given(SIDES, SIDES, st.sampled_from(SAMPLINGS), st.floats(1, 30), st.integers(0, 2**64 - 1))
def test_encode_writes_what_quantize_says(height: int, width: int, sampling: str, sharpness: float, seed: int) -> None:
    base = EncodingParameters.from_quality(70, sampling)
    parameters = EncodingParameters(base.luma.steps, base.chroma.steps, sampling, sharpness)
    image = picture(height, width)
    data = encoding.encode(image, parameters, seed=seed)
    assert_equal(read_coefficients(data), quantize(image, parameters, seed=seed))
    assert decoding.decode(data).shape == image.shape


def test_progressive_and_baseline_files_hold_the_same_coefficients(photographs: dict[str, np.ndarray]) -> None:
    image = photographs["astronaut"]
    baseline, progressive = (encoding.encode(image, QUALITY_60, progressive=choice) for choice in (False, True))
    assert Image.open(io.BytesIO(progressive)).info["progressive"]
    assert "progressive" not in Image.open(io.BytesIO(baseline)).info
    assert_equal(read_coefficients(progressive), read_coefficients(baseline))


def test_headers_are_lean() -> None:
    kinds = [code for code, _ in segments(encoding.encode(picture(16, 16), QUALITY_60))]
    assert kinds == [0xDB, 0xC0, 0xC4], "tables, frame, codes: one segment each and nothing else"
    shared = EncodingParameters(QUALITY_60.luma.steps, QUALITY_60.luma.steps)
    data = encoding.encode(picture(16, 16), shared)
    assert list(tables_in_file(data)) == [0], "a table that all components share is written once"
    assert components_in_file(data) == [("2x2", 0), ("1x1", 0), ("1x1", 0)]
    assert next(segments(encoding.encode(picture(16, 16), QUALITY_60, jfif=True)))[0] == 0xE0


@pytest.mark.parametrize("interval", [1, 4])
def test_restart_markers_stand_where_they_are_asked_for(interval: int) -> None:
    image = picture(64, 80)  # 4 x 5 MCUs of 16 x 16 pixels
    data = encoding.encode(image, QUALITY_60, restart_interval=interval)
    scan = data[data.index(b"\xff\xda") :]
    markers = [scan[i + 1] & 7 for i in range(len(scan) - 1) if scan[i] == 0xFF and 0xD0 <= scan[i + 1] <= 0xD7]
    assert markers == [i % 8 for i in range(20 // interval - 1)]
    assert np.array_equal(decoding.decode(data), decoding.decode(encoding.encode(image, QUALITY_60)))


def test_pillow_finds_the_metadata_that_were_embedded() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "j4d"
    icc, xmp = bytes(range(256)) * 600, b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    for payload in (exif.tobytes(), exif.tobytes().removeprefix(b"Exif\0\0")):
        data = encoding.encode(picture(24, 32), QUALITY_60, icc=icc, exif=payload, xmp=xmp)
        seen = Image.open(io.BytesIO(data))
        assert (seen.info["icc_profile"], seen.info["xmp"]) == (icc, xmp), "153600 bytes in three segments"
        assert dict(seen.getexif()) == {0x0112: 6, 0x010F: "j4d"}
        assert_equal(read_coefficients(data), quantize(picture(24, 32), QUALITY_60))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"exif": b"Exif\0\0" + bytes(65528)}, "Exif data: 65528 bytes, a JPEG segment holds 1..65527"),
        ({"xmp": bytes(65505)}, "XMP packet: 65505 bytes"),
        ({"icc": b""}, "ICC profile: 0 bytes"),
        ({"icc": bytes(255 * 65519 + 1)}, "ICC profile: 16707346 bytes"),
    ],
)
def test_metadata_that_do_not_fit_are_refused(metadata: dict[str, bytes], message: str) -> None:
    with pytest.raises(CodecError, match=message):
        encoding.encode(picture(8, 8), QUALITY_60, **metadata)
    for name, value in metadata.items():
        if value:
            encoding.encode(picture(8, 8), QUALITY_60, **{name: value[:-1]})


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8), np.uint8), r"shape \(8, 8\), expected \(H, W, 3\)"),
        (np.zeros((8, 8, 4), np.uint8), r"shape \(8, 8, 4\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"shape \(1, 8, 8, 3\)"),
        (np.zeros((8, 8, 3), np.float32), "type float32, expected uint8"),
        (np.zeros((8, 8, 3), np.int64), "type int64"),
        (np.zeros((0, 8, 3), np.uint8), "8 x 0 pixels"),
        (np.zeros((8, 0, 3), np.uint8), "0 x 8 pixels"),
        (np.zeros((1, 70000, 3), np.uint8), r"70000 x 1 pixels, libjpeg writes 1..65500"),
        (np.zeros((65501, 1, 3), np.uint8), "1 x 65501 pixels"),
        ([[[0, 0, 0]]], "image is a list"),
    ],
)
def test_wrong_images_are_refused_in_one_line(image: Any, message: str) -> None:
    for verb in (encoding.encode, quantize):
        with pytest.raises(ImageError, match=message) as raised:
            verb(image, QUALITY_60)
        assert "\n" not in str(raised.value)


def test_the_largest_sides_are_encoded() -> None:
    for shape in ((1, 65500, 3), (65500, 1, 3)):
        assert decoding.decode(encoding.encode(np.full(shape, 99, np.uint8), QUALITY_60)).shape == shape


def test_views_of_any_stride_encode_as_their_copies() -> None:
    image = picture(30, 44)
    for view in (image[::-1], image[:, ::2], image[:, :, ::-1], image.transpose(1, 0, 2)):
        assert encoding.encode(view, QUALITY_60) == encoding.encode(view.copy(), QUALITY_60)


@pytest.mark.parametrize(
    "arguments",
    [{"seed": -1}, {"seed": 2**64}, {"seed": 0.5}, {"seed": True}, {"restart_interval": 65536}],
)
def test_settings_out_of_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=f"{next(iter(arguments.values()))}"):
        encoding.encode(picture(8, 8), QUALITY_60, **arguments)


def test_something_other_than_parameters_is_refused() -> None:
    with pytest.raises(ParameterError, match="a int is no EncodingParameters"):
        encoding.encode(picture(8, 8), 50)  # type: ignore[arg-type]


def test_coefficients_that_do_not_fit_their_picture_are_refused() -> None:
    fine = quantize(picture(20, 20), QUALITY_60)
    for change, message in (
        ({"width": 30}, "expected"),
        ({"planes": fine.planes[:1]}, "expected"),
        ({"planes": tuple(plane.astype(np.int32) for plane in fine.planes)}, "expected int16"),
        ({"tables": fine.tables[:2]}, "2 tables for 3 planes"),
        ({"height": 0}, "outside 1..65500"),
    ):
        with pytest.raises(CodecError, match=message):
            Coefficients(**{**vars(fine), **change})


@pytest.mark.parametrize("progressive", [False, True])
def test_every_truncation_that_costs_a_coefficient_is_refused(progressive: bool) -> None:
    data = encoding.encode(picture(40, 40), QUALITY_60, progressive=progressive)
    for length in range(len(data) - 2):  # without the end marker alone, the picture is still whole
        for read in (read_coefficients, decoding.decode):
            with pytest.raises(CodecError):
                read(data[:length])
    whole = read_coefficients(data)
    for length in (len(data) - 2, len(data) - 1):
        for plane, other in zip(read_coefficients(data[:length]).planes, whole.planes, strict=True):
            assert np.array_equal(plane, other)


@given(st.data(), st.booleans())
def test_damage_ends_in_a_codec_error_or_a_picture(data: st.DataObject, progressive: bool) -> None:
    damaged = bytearray(encoding.encode(picture(20, 24), QUALITY_60, progressive=progressive, restart_interval=2))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for verb in (read_coefficients, decoding.decode):
        try:
            verb(bytes(damaged))
        except CodecError as error:
            assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_jpeg_file_are_refused(data: bytes) -> None:
    for verb in (read_coefficients, decoding.decode):
        for start in (b"", b"\xff\xd8\xff"):
            with pytest.raises(CodecError):
                verb(start + data)


def saved(mode: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(16, 16)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def test_files_of_other_kinds_are_refused_by_name() -> None:
    simplejpeg = pytest.importorskip("simplejpeg")
    upright = simplejpeg.encode_jpeg(picture(16, 16), 90, colorsubsampling="440")
    for data, name in ((saved("CMYK"), "CMYK"), (saved("RGB", keep_rgb=True), "RGB"), (upright, "1x2, 1x1, 1x1")):
        with pytest.raises(CodecError, match=name):
            read_coefficients(data)
    with pytest.raises(CodecError, match="CMYK"):
        decoding.decode(saved("CMYK"))
    with pytest.raises(CodecError, match="a str is no JPEG file"):
        decoding.decode("picture.jpg")  # type: ignore[arg-type]


def test_a_header_that_claims_too_many_pixels_is_refused_before_memory_is_taken() -> None:
    data = bytearray(encoding.encode(picture(16, 16), QUALITY_60))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = bytes([0xFF, 0xDC, 0xFF, 0xDC])
    for verb in (read_coefficients, decoding.decode):
        with pytest.raises(CodecError, match="65500 x 65500 pixels, more than the limit of 268435456"):
            verb(bytes(data))


def test_a_file_of_endless_scans_is_refused() -> None:
    data = encoding.encode(picture(16, 16), QUALITY_60, progressive=True)
    refinement = data.rindex(b"\xff\xda")
    endless = data[:refinement] + data[refinement:-2] * 1000 + data[-2:]
    with pytest.raises(J4DError):
        read_coefficients(endless)
