"""Claims about ICC profiles: none stands beside pixels of another space, and a damaged one stops no picture."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import SRGB, saved, wide_profile
from PIL import Image

from j4d.cli import run
from j4d.errors import ImageError
from j4d.images.reading import decode_image, decode_picture, profile_of


def profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 (ICC.1:2001-04, 6.1 and 6.2) of these tags."""
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytes(8) + b"\2\x20\0\0" + kind + space + connection + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    head = struct.pack(">I", start + len(body)) + head.ljust(128, b"\0")[4:]
    return head + table + body


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


WHITE = xyz(0.9642, 1.0, 0.8249)


def gray_profile(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": WHITE, b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Of inks as no press has them: cyan alone makes the paper red, whatever the others do."""
    ramp = bytes(range(256))
    lightness, a = np.array([255, 136]), np.array([128, 208])  # of Lab, without cyan and with all of it
    grid = [bytes([int(lightness[c]), int(a[c]), 128 if c == 0 else 195]) for c in (0, 1) for _ in range(8)]
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    table += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table += ramp * 4 + b"".join(grid) + ramp * 3
    return profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": WHITE, b"A2B0": table, b"A2B1": table})


def test_gray_pixels_become_what_their_profile_says_and_models_see_them_as_stored() -> None:
    for mode, options in (("L", {}), ("LA", {}), ("L", {"transparency": 7})):
        data = saved(
            Image.new(mode, (8, 8), 128 if mode == "L" else (128, 255)), icc_profile=gray_profile(1.0), **options
        )
        for to_srgb in (False, True):
            picture = decode_picture(data, "a", to_srgb=to_srgb)
            assert picture.icc is None and picture.notes == ()
            assert np.abs(picture.pixels.astype(int) - 188).max() <= 1, "linear light of one half, in sRGB"
        assert (decode_image(data, "a") == 128).all()


def test_cmyk_pixels_become_what_their_profile_says_and_models_see_them_as_stored() -> None:
    for kind in ("JPEG", "TIFF"):
        data = saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), kind, icc_profile=cmyk_profile())
        picture = decode_picture(data, "a")
        red, green, blue = picture.pixels[8, 8].astype(int)
        assert picture.icc is None and picture.notes == () and red > 200 and max(green, blue) < 90
        assert decode_image(data, "a")[8, 8].tolist() == [0, 255, 255]


def test_gray_pixels_beside_a_profile_of_rgb_keep_it() -> None:
    data = saved(Image.new("L", (8, 8), 90), icc_profile=wide_profile())
    assert decode_picture(data, "a").icc == wide_profile()
    assert decode_picture(data, "a", to_srgb=True).icc is None


def test_a_profile_of_another_space_is_left_out_with_a_note() -> None:
    data = saved(Image.new("RGB", (8, 8), (90, 0, 0)), icc_profile=cmyk_profile())
    picture = decode_picture(data, "a")
    assert picture.icc is None and picture.notes == ("its ICC profile is of CMYK, its pixels are RGB; it is left out",)
    with pytest.raises(ImageError, match=r"a: its ICC profile is of CMYK, its pixels are RGB; it cannot be converted"):
        decode_picture(data, "a", to_srgb=True)
    assert profile_of(data, "a") is None


@pytest.mark.parametrize("damaged", [b"no profile", wide_profile()[:200], wide_profile()[:36] + b"????" + bytes(400)])
def test_a_damaged_profile_stops_no_picture(damaged: bytes) -> None:
    data = saved(Image.new("RGB", (8, 8)), icc_profile=damaged)
    picture = decode_picture(data, "a")
    assert picture.icc is None and len(picture.notes) == 1 and picture.notes[0].endswith("it is left out")
    with pytest.raises(ImageError, match=r"a: its ICC profile is .* leave --to-srgb out"):
        decode_picture(data, "a", to_srgb=True)
    assert profile_of(data, "a") is None


@given(st.integers(0, len(SRGB) - 1), st.integers(0, 255), st.sampled_from(["RGB", "L", "CMYK", "RGBA", "P"]))
def test_no_byte_of_a_profile_does_harm(place: int, value: int, mode: str) -> None:
    icc = bytearray({"L": gray_profile(1.8), "CMYK": cmyk_profile()}.get(mode, wide_profile()))
    icc[place % len(icc)] = value
    data = saved(Image.new(mode, (4, 4)), "TIFF", icc_profile=bytes(icc))
    for to_srgb in (False, True):
        try:
            assert decode_picture(data, "a", to_srgb=to_srgb).pixels.shape == (4, 4, 3)
        except ImageError as error:
            assert to_srgb and str(error).startswith("a: its ICC profile")


def test_a_gray_jpeg_file_gets_no_profile_of_rgb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(saved(Image.new("RGB", (16, 16), (200, 40, 40)), icc_profile=wide_profile()))
    for sampling, kept in (("4:2:0", wide_profile()), ("gray", None)):
        assert run(["encode", "a.png", "-o", "a.jpg", "--jpeg-quality", "50", "--sampling", sampling]) == 0
        with Image.open("a.jpg") as image:
            assert image.info.get("icc_profile") == kept


def test_decode_writes_pixels_whatever_the_profile_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    profiles = {"broken": b"no profile", "gray": gray_profile(1.0), "srgb": SRGB, "wide": wide_profile()}
    for name, icc in profiles.items():
        mode = "L" if name == "gray" else "RGB"
        Path(f"{name}.jpg").write_bytes(saved(Image.new(mode, (16, 16)), "JPEG", icc_profile=icc))
    assert run(["decode", *(f"{name}.jpg" for name in profiles), "-o", "out/"]) == 0
    for name in profiles:
        with Image.open(io.BytesIO(Path(f"out/{name}.png").read_bytes())) as image:
            assert image.mode == "RGB" and image.info.get("icc_profile") == (wide_profile() if name == "wide" else None)
