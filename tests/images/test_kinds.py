"""Claims about telling what kind of image file something is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from j4d.images.kinds import HEAD, kind_of_bytes


@pytest.mark.parametrize(
    ("pillow", "kind"),
    [
        ("JPEG", "JPEG"),
        ("PNG", "PNG"),
        ("WEBP", "WebP"),
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("TIFF", "TIFF"),
        ("AVIF", "AVIF"),
    ],
)
def test_what_pillow_writes_is_told_by_its_first_bytes(pillow: str, kind: str) -> None:
    if pillow in ("WEBP", "AVIF") and not features.check(pillow.lower()):
        pytest.skip(f"this Pillow writes no {kind}")
    file = io.BytesIO()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(file, pillow)
    assert kind_of_bytes(file.getvalue()[:HEAD]) == kind


def test_containers_tell_by_their_brands() -> None:
    def container(main: bytes, *others: bytes) -> bytes:
        return (16 + 4 * len(others)).to_bytes(4, "big") + b"ftyp" + main + bytes(4) + b"".join(others)

    assert kind_of_bytes(container(b"heic", b"mif1")) == kind_of_bytes(container(b"mif1", b"heic")) == "HEIC"
    assert kind_of_bytes(container(b"avif", b"mif1")) == kind_of_bytes(container(b"mif1", b"miaf", b"avif")) == "AVIF"
    assert kind_of_bytes(container(b"isom", b"mp42", b"avif")) is None, "a film"
    assert kind_of_bytes(b"\xff\x0a" + bytes(9)) == kind_of_bytes(b"\0\0\0\x0cJXL \r\n\x87\n") == "JPEG XL"


@given(st.binary(max_size=HEAD))
def test_anything_may_be_asked_about(head: bytes) -> None:
    kind = kind_of_bytes(head)
    assert kind is None or kind_of_bytes(head + b"more") == kind
    assert kind_of_bytes(b"text" + head) is None or head[:4] == b"ftyp"
