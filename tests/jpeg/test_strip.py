"""Stripping says what it takes out; the orientation and the copyright survive it where they are asked to."""

from __future__ import annotations

import io
import struct

import pytest
import tiny_jpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from whole_files import FILM, JFIF_300_DPI, QUALITY_40, XMP, decorated, photograph

from j4d.api import transcode
from j4d.errors import ParameterError
from j4d.jpeg import exif
from j4d.jpeg.markers import APP1, APP13, COM, header_segments
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.strip import surviving
from j4d.jpeg.transcoding import Transcoder


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)


def dataset(record: int, number: int, value: bytes) -> bytes:
    return b"\x1c" + bytes([record, number]) + struct.pack(">H", len(value)) + value


PLACE = b"51.4779 N, 0.0015 W"
IPTC = (
    dataset(1, 90, b"\x1b%G")
    + dataset(2, 80, b"A. Author")
    + dataset(2, 92, PLACE)
    + dataset(2, 116, "© Author".encode())
)
PHOTOSHOP = b"Photoshop 3.0\0" + resource(0x0404, IPTC) + resource(0x040C, PLACE) + resource(0x040A, b"\1")
PACKET = (
    b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:p="urn:place"'
    b' xmpRights:Marked="True" p:where="%s"><dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Author</rdf:li>'
    b"</rdf:Alt></dc:rights><p:there>%s</p:there></rdf:Description></rdf:RDF></x:xmpmeta>" % (PLACE, PLACE)
)
TAGS = {0x0112: 6, 0x010F: PLACE, exif.ARTIST: b"A. Author", exif.COPYRIGHT: b"(c) Author"}


def private() -> bytes:
    markers = [JFIF_300_DPI, (APP1, exif.block(TAGS)), (APP13, PHOTOSHOP), (APP1, XMP + PACKET), (COM, PLACE)]
    return decorated(photograph(), markers) + FILM


def test_stripping_leaves_nothing_and_says_what_it_took() -> None:
    result = Transcoder(QUALITY_40, strip=True).one(private())
    assert result.data == transcode(photograph(), QUALITY_40)
    for word in ("JFIF header 18 bytes", "Exif", "IPTC", "XMP", "comment 23 bytes", "data after the picture 280 bytes"):
        assert word in result.dropped
    assert Transcoder(QUALITY_40).one(private()).dropped == ""


def test_orientation_and_copyright_survive_and_nothing_else_does() -> None:
    turned = transcode(private(), QUALITY_40, strip=True, keep=["orientation"])
    assert dict(Image.open(io.BytesIO(turned)).getexif()) == {0x0112: 6}
    owned = transcode(private(), QUALITY_40, strip=True, keep=["copyright"])
    assert dict(Image.open(io.BytesIO(owned)).getexif()) == {exif.ARTIST: "A. Author", exif.COPYRIGHT: "(c) Author"}
    both = transcode(private(), QUALITY_40, strip=True, keep=("copyright", "orientation"))
    assert dict(Image.open(io.BytesIO(both)).getexif()).keys() == {0x0112, exif.ARTIST, exif.COPYRIGHT}
    for data in (owned, both):
        (iptc,) = [s.payload(data) for s in header_segments(data) if s.code == APP13]
        rights = dataset(1, 90, b"\x1b%G") + dataset(2, 80, b"A. Author") + dataset(2, 116, "© Author".encode())
        assert iptc == b"Photoshop 3.0\0" + resource(0x0404, rights) + resource(0x040A, b"\1")
        assert b"(c) Author</" in data and b'Marked="True"' in data and PLACE not in data and FILM not in data


def test_what_survives_outlasts_the_return_of_a_file_that_would_grow() -> None:
    small = decorated(photograph(quality=20), [(APP1, exif.block(TAGS)), (COM, PLACE)])
    result = Transcoder(EncodingParameters.from_quality(95), strip=True, keep=["orientation"]).one(small)
    assert result.copied and dict(Image.open(io.BytesIO(result.data)).getexif()) == {0x0112: 6}
    assert PLACE not in result.data


def test_an_upright_picture_without_an_owner_gets_no_segments() -> None:
    source = decorated(photograph(), [(APP1, exif.block({0x0112: 1, exif.ARTIST: b" \0"}))])
    assert surviving(source, ["orientation", "copyright"]) == b""


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + PACKET,
        PACKET[:-30],
        b"",
        b"\xff\xfe\0",
        PACKET.replace(b'<?xpacket begin=""?>', b'<?xml version="1.0" encoding="no-such"?>'),
    ],
)
def test_xmp_that_cannot_be_read_is_left_out(packet: bytes) -> None:
    assert surviving(decorated(photograph(), [(APP1, XMP + packet)]), ["copyright"]) == b""


def test_wrong_names_and_keeping_without_stripping_are_refused() -> None:
    with pytest.raises(ParameterError, match="keep 'gps' is not one of orientation, copyright"):
        transcode(photograph(), QUALITY_40, strip=True, keep=["gps"])  # type: ignore[list-item]
    with pytest.raises(ParameterError, match="goes with strip"):
        transcode(photograph(), QUALITY_40, keep=["copyright"])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_as_exif_iptc_and_xmp_without_an_error(data: bytes) -> None:
    for markers in (
        [(APP1, exif.HEAD + data)],
        [(APP1, exif.HEAD + b"II*\0" + data)],
        [(APP13, b"Photoshop 3.0\0" + data)],
        [(APP13, b"Photoshop 3.0\0" + resource(0x0404, data))],
        [(APP1, XMP + data)],
    ):
        source = decorated(photograph(0, 8, 8), markers)
        tiny_jpeg.read(source[:2] + surviving(source, ["orientation", "copyright"]) + source[2:])


@given(st.dictionaries(st.integers(1, 65535), st.integers(0, 65535) | st.binary(min_size=1, max_size=30), max_size=9))
def test_an_exif_block_is_read_back(tags: dict[int, int | bytes]) -> None:
    read = exif.values(exif.block(tags))
    assert read.keys() == tags.keys()
    for tag, value in tags.items():
        found = read[tag]
        if isinstance(value, int):
            assert found == value
        else:
            assert isinstance(found, bytes) and found.rstrip(b"\0") == value.rstrip(b"\0")
