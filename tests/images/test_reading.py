"""Claims about image files that are odd: hidden colours, profiles, 16 bits, metadata that nobody could read."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import SRGB, assert_turned, corner_picture, faulty_exif, saved, transparent, wide_profile
from PIL import Image, TiffImagePlugin, features

from j4d.errors import ImageError, ParameterError
from j4d.images.reading import check_header, colour_of, decode_image, decode_picture, orientation_of, read_picture
from j4d.jpeg import exif
from j4d.jpeg.markers import APP1, XMP_HEAD


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "key", "GIF", "WebP"])
def test_what_is_transparent_shows_the_background_not_the_colour_under_it(mode: str) -> None:
    data = transparent(mode)
    pixels = decode_image(data, "a")
    assert (pixels[:, :3] == 255).all() and (pixels[:, 3:] != 255).any()
    blue = decode_picture(data, "a", background=(0, 0, 255)).pixels
    assert (blue[:, :3] == (0, 0, 255)).all() and np.array_equal(blue[:, 3:], pixels[:, 3:])


def test_half_transparent_pixels_are_mixed_with_the_background() -> None:
    data = saved(Image.new("RGBA", (2, 2), (0, 0, 0, 128)))
    assert np.abs(decode_image(data, "a").astype(int) - 127).max() <= 1


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "1"])
def test_opaque_pictures_are_as_pillow_converts_them(mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    assert np.array_equal(decode_image(saved(image), "a"), np.asarray(image.convert("RGB")))


def test_a_colour_is_a_name_or_numbers() -> None:
    assert colour_of("white", "--background") == (255, 255, 255)
    assert colour_of("#0a0B0c", "--background") == colour_of("10, 11,12", "--background") == (10, 11, 12)
    for wrong in ("no colour", "300,0,0", "1,2", "", "#12345678"):
        with pytest.raises(ParameterError, match="--background"):
            colour_of(wrong, "--background")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_the_profile_of_an_rgb_picture_comes_with_its_pixels(kind: str) -> None:
    icc = wide_profile()
    data = saved(Image.new("RGB", (8, 8), (200, 40, 40)), kind, icc_profile=icc)
    picture = decode_picture(data, "a")
    assert picture.icc == icc and picture.notes == () and picture.pixels[4, 4, 0] > 190


def test_a_profile_that_says_no_more_than_srgb_is_left_out() -> None:
    picture = decode_picture(saved(Image.new("RGB", (8, 8)), icc_profile=SRGB), "a")
    assert picture.icc is None and picture.notes == ()


def test_colours_are_converted_to_srgb_where_asked() -> None:
    for image in (Image.new("RGB", (8, 8), (200, 40, 40)), Image.new("RGBA", (8, 8), (200, 40, 40, 255))):
        data = saved(image, icc_profile=wide_profile())
        picture = decode_picture(data, "a", to_srgb=True)
        red, green, _ = picture.pixels[4, 4].astype(int)
        assert picture.icc is None and green > red + 50, "red and green are exchanged in that profile"
        plain = decode_picture(saved(image), "a", to_srgb=True)
        assert tuple(plain.pixels[4, 4]) == (200, 40, 40)
    hidden = saved(Image.new("RGBA", (8, 8), (200, 40, 40, 0)), icc_profile=wide_profile())
    assert (decode_picture(hidden, "a", to_srgb=True).pixels == 255).all()


def test_sixteen_bits_that_use_a_sixteenth_of_their_range_are_told() -> None:
    for most, told in ((4095, True), (4096, False), (65535, False), (0, False)):
        samples = np.linspace(0, most, 64).astype(np.uint16).reshape(8, 8)
        picture = decode_picture(saved(Image.fromarray(samples)), "scan.png")
        assert bool(picture.notes) == told and picture.pixels.max() == most >> 8
        assert not told or "4095 of 65535" in picture.notes[0]


@pytest.mark.parametrize("fault", faulty_exif())
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_faulty_exif_never_decides_whether_a_picture_can_be_read(fault: str, kind: str) -> None:
    block, orientation = faulty_exif()[fault]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if kind == "JPEG":
            pixels = decode_image(corner_picture(markers=((APP1, block),)), "a")
        else:
            options = {"lossless": True} if kind == "WEBP" else {}
            pixels = decode_image(corner_picture(kind, exif=block, **options), "a")
    assert_turned(pixels, orientation)


# TIFF 6.0, tag Orientation: where row 0, column 0 of the stored picture is to be seen
CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(("orientation", "corner"), CORNERS.items())
def test_pictures_of_every_kind_are_turned_once(kind: str, orientation: int, corner: tuple[int, int]) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    if kind == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[exif.ORIENTATION] = orientation
        data = corner_picture(kind, tiffinfo=tags)
    else:
        data = corner_picture(kind, exif=exif.block({exif.ORIENTATION: orientation}))
    pixels = decode_image(data, "a")
    assert pixels.shape == ((24, 16, 3) if orientation >= 5 else (16, 24, 3))
    assert pixels[corner][0] > 200 > 60 > pixels[corner][1]


def test_xmp_that_is_no_text_does_no_harm_and_may_say_the_orientation() -> None:
    for packet, orientation in ((b"caf\xe9 <x/>", 1), (b'\xe9 tiff:Orientation="6"', 6), (b"tiff:Orientation>3<", 3)):
        data = corner_picture(markers=((APP1, XMP_HEAD + packet),))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert_turned(decode_image(data, "a"), orientation)
        turned = (APP1, exif.block({exif.ORIENTATION: 3}))
        assert orientation_of(corner_picture(markers=((APP1, XMP_HEAD + packet), turned))) == 3, "Exif comes first"


def test_a_picture_of_several_is_read_as_its_first() -> None:
    import whole_files

    data = whole_files.several_pictures(whole_files.photograph(), [whole_files.photograph(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(decode_image(data, "a"), decode_image(whole_files.photograph(), "b"))


def test_kinds_that_pillow_may_not_read_are_called_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k not in ("AVIF", "HEIF", "JXL")})
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    monkeypatch.setitem(__import__("sys").modules, "pillow_jxl", None)
    for head, words in (
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC file, .* pip install pillow-heif"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "an? AVIF file"),
        (b"\xff\x0a" + bytes(30), "a JPEG XL file, .* pip install pillow-jxl-plugin"),
    ):
        with pytest.raises(ImageError, match=f"a.heic: {words}"):
            decode_image(head, "a.heic")


def test_avif_is_read_where_pillow_can() -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    assert decode_image(saved(Image.new("RGB", (16, 16), (200, 40, 40)), "AVIF"), "a").shape == (16, 16, 3)


def test_a_header_is_read_without_the_rest(tmp_path: Path) -> None:
    big = (APP1, exif.HEAD + bytes(65000))
    for name, data in {"a.jpg": corner_picture(markers=(big,) * 6), "b.png": corner_picture("PNG")}.items():
        (tmp_path / name).write_bytes(data)
        assert check_header(tmp_path / name) == (16, 24)
        assert read_picture(tmp_path / name).pixels.shape == (16, 24, 3)
    (tmp_path / "cut.jpg").write_bytes(corner_picture()[:100])
    with pytest.raises(ImageError, match=r"cut\.jpg: cannot be opened"):
        check_header(tmp_path / "cut.jpg")
    with pytest.raises(ImageError, match=r"nothing\.jpg: cannot be opened: No such file"):
        check_header(tmp_path / "nothing.jpg")


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_picture_or_in_an_image_error(data: bytes) -> None:
    for head in (b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"II*\0", b"\0\0\0\x18ftypavif", b"RIFF\0\0\0\0WEBP"):
        with pytest.raises(ImageError, match="a: "):
            decode_picture(head + data, "a", to_srgb=True)


def test_a_header_costs_no_more_than_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(noise)))
    (tmp_path / "a.tif").write_bytes(saved(Image.fromarray(noise), "TIFF"))
    (tmp_path / "a.jpg").write_bytes(saved(Image.fromarray(noise), "JPEG", quality=100))
    taken = []

    class Counted(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(-1 if size is None else size)
            taken.append(len(data))
            return data

    monkeypatch.setattr("builtins.open", lambda path, mode: Counted(path, mode))
    for name in ("a.png", "a.tif", "a.jpg"):
        taken.clear()
        assert check_header(tmp_path / name) == (1000, 1000)
        assert sum(taken) < 400_000 < (tmp_path / name).stat().st_size


def test_sixteen_bit_gray_keeps_its_transparent_colour() -> None:
    samples = np.array([[0x1000, 0x1001, 0x2000]], np.uint16)
    data = bytearray(saved(Image.fromarray(samples)))
    key = b"tRNS" + struct.pack(">H", 0x1000)
    at = data.index(b"IDAT") - 4
    data[at:at] = struct.pack(">I", 2) + key + struct.pack(">I", zlib.crc32(key))
    assert decode_image(bytes(data), "a")[0, :, 0].tolist() == [255, 0x10, 0x20]


def tiff(*metadata: tuple[int, int, int, bytes]) -> bytes:
    """4 x 4 RGB pixels 0, 1, 2, ...; metadata: more entries (tag, type, count, value)."""
    numbers = {256: 4, 257: 4, 259: 1, 262: 2, 277: 3, 278: 4}
    entries = {tag: struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in numbers.items()}
    entries |= {tag: struct.pack("<HHI4s", tag, kind, count, value) for tag, kind, count, value in metadata}
    base = 8 + 2 + 12 * (len(entries) + 3) + 4
    entries[258] = struct.pack("<HHII", 258, 3, 3, base)
    entries[273] = struct.pack("<HHII", 273, 4, 1, base + 6)
    entries[279] = struct.pack("<HHII", 279, 4, 1, 48)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return (
        head
        + b"".join(entries[tag] for tag in sorted(entries))
        + bytes(4)
        + struct.pack("<3H", 8, 8, 8)
        + bytes(range(48))
    )


@pytest.mark.parametrize(
    "entry",
    [
        (0x02BC, 2, 4, b"\xe9\xff\xfe\0"),
        (0x02BC, 7, 4, b"\xe9\xff\xfe\0"),
        (0x83BB, 4, 1, b"\0\0\0\x7f"),
        (0x8769, 4, 1, b"\0\0\0\x7f"),
        (0x8769, 2, 4, b"abc\0"),
        (0x8825, 4, 1, b"\x08\0\0\0"),
        (0xA005, 4, 1, b"\3\0\0\0"),
        (0x0112, 2, 4, b"abc\0"),
        (0x011A, 10, 1, b"\4\0\0\0"),
    ],
)
def test_faulty_metadata_of_tiff_files_do_no_harm(entry: tuple[int, int, int, bytes]) -> None:
    assert decode_image(tiff(entry), "a").ravel().tolist() == list(range(48))
