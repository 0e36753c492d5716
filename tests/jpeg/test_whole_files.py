"""What stands beside the picture in a JPEG file comes back whole, and what points behind the picture stays true."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tiny_jpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from whole_files import FILM, JFIF_300_DPI, QUALITY_40, XMP, decorated, photograph, several_pictures

from j4d.api import transcode
from j4d.errors import CodecError, ParameterError
from j4d.jpeg import decoding, exif
from j4d.jpeg.markers import APP1, APP2, COM, header_segments
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.transcoding import Transcoded, Transcoder


def one(data: bytes, **options: object) -> Transcoded:
    return Transcoder(QUALITY_40, **options).one(data)  # type: ignore[arg-type]


def picture_end(data: bytes) -> int:
    """Where the first picture of a file ends; its scans are followed by none of ours."""
    return data.index(b"\xff\xd9", data.rindex(b"\xff\xda", 0, data.index(b"\xff\xd9"))) + 2


def pictures_of(data: bytes) -> list[bytes]:
    """The pictures that the index names, by Pillow's reader of it."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "MPO"
        base = image.mpinfo_offset if hasattr(image, "mpinfo_offset") else data.index(b"MPF\0") + 4
        return [
            data[0 if i == 0 else base + entry["DataOffset"] :][: entry["Size"]]
            for i, entry in enumerate(image.mpinfo[0xB002])
        ]


def test_every_segment_comes_back_in_order_and_so_does_the_density() -> None:
    markers = [
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x06\x1c\x02\x78\0\x01x"),
        JFIF_300_DPI,
        (COM, b"a comment"),
        (COM, b"another"),
        (APP1, b"FLIR\0\1\0\0" + bytes(range(64))),
        (0xE3, b"Meta\0\0maker"),
        (0xEC, b"Ducky\0\1\0\4\0\0\0\x3c"),
    ]
    source = decorated(photograph(), markers)
    for options in ({}, {"progressive": True}, {"sampling": "parameters"}):
        result = one(source, **options)
        assert not result.copied and result.notes == ()
        assert [(s.code, s.payload(result.data)) for s in header_segments(result.data) if s.code >= 0xE0] == markers
        assert Image.open(io.BytesIO(result.data)).info["dpi"] == (300, 300)


def test_segments_behind_the_first_scan_stay_behind_it() -> None:
    """An Adobe segment or an Exif block there is not heeded by decoders; in the header it would be."""
    rng = np.random.default_rng(2)
    source = tiny_jpeg.write(tiny_jpeg.random_picture(rng, 40, 56, [(1, 1)] * 3, most=40), interleaved=False)
    late = [(0xEE, b"Adobe\0\x64\0\0\0\0\0"), (COM, b"late")]
    second = source.index(b"\xff\xda", source.index(b"\xff\xda") + 2)
    odd = source[:second] + b"".join(tiny_jpeg.segment(*marker) for marker in late) + source[second:]
    result = one(odd, never_grow=False).data
    assert [s.code for s in header_segments(result) if s.code >= 0xE0] == []
    assert result.endswith(b"".join(tiny_jpeg.segment(*marker) for marker in late) + b"\xff\xd9")
    assert np.array_equal(decoding.decode(result), decoding.decode(one(source, never_grow=False).data))


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("progressive", [False, True])
def test_every_picture_of_a_file_is_still_there_and_the_index_is_true(order: str, progressive: bool) -> None:
    others = [photograph(1), photograph(2, 16, 16)]
    source = several_pictures(photograph(), others, order)
    assert pictures_of(source)[1:] == others, "the input is what it should be"
    result = one(source, progressive=progressive)
    assert len(result.data) < len(source) and not result.copied
    first, *rest = pictures_of(result.data)
    assert rest == others
    assert first == result.data[: len(result.data) - sum(map(len, others))] and first.endswith(b"\xff\xd9")


def test_an_index_that_does_not_fit_leaves_the_file_as_it_is() -> None:
    source = several_pictures(photograph(), [photograph(1)])
    base = source.index(b"MPF\0") + 4
    entry = base + 8 + 2 + 36 + 4 + 16
    for offset, length in ((10, 100), (len(source) - base - 8, 8)):  # into the first picture; at no picture's start
        wrong = bytearray(source)
        wrong[entry + 4 : entry + 12] = struct.pack("<II", length, offset)
        result = one(bytes(wrong))
        assert result.copied and result.data == bytes(wrong) and "index of pictures" in result.left
    unreadable = source.replace(b"MPF\0II*\0", b"MPF\0XX*\0")
    assert "cannot be read" in one(unreadable).left
    small = len(several_pictures(photograph(), [])) - 100
    wrong = bytearray(source)
    wrong[entry - 12 : entry - 8] = struct.pack("<I", small)
    assert "does not fit" in one(bytes(wrong)).left


def test_an_index_of_pictures_that_somebody_cut_off_stays_as_it_is() -> None:
    source = several_pictures(photograph(), [photograph(1)])
    alone = source[: picture_end(source)]
    for data in (alone, alone + b"\n"):
        result = one(data)
        assert not result.copied
        assert len(result.data) < len(data) and result.data.endswith(data[picture_end(data) :])


def test_a_film_behind_the_picture_stays_where_xmp_says_it_is() -> None:
    packet = b'<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="%d"/>' % len(FILM)
    source = decorated(photograph(), [JFIF_300_DPI, (APP1, XMP + packet)]) + FILM
    result = one(source).data
    assert result.endswith(FILM) and packet in result and len(result) < len(source)


@pytest.mark.parametrize("form", [b'Item:Length="%d" ', b"<Item:Length>%d</Item:Length>", b"Item:Length = '%d'"])
def test_the_pictures_own_length_in_xmp_is_that_of_the_new_picture(form: bytes) -> None:
    def packet(length: int) -> bytes:
        return XMP + b'Item:Semantic="Primary" ' + form % length + b' Item:Semantic="GainMap" Item:Length="%d"' % 444

    gain_map = photograph(1)
    bare = photograph(0, 160, 160)
    size = len(decorated(bare, [(APP1, packet(10000))]))
    assert 10000 <= size < 100000
    source = decorated(bare, [(APP1, packet(size))]) + gain_map
    result = one(source).data
    end = len(result) - len(gain_map)
    (xmp,) = [s.payload(result) for s in header_segments(result) if s.code == APP1]
    assert result.endswith(gain_map) and xmp == packet(end) and end < size
    tiny_jpeg.read(result[:end])
    extended = (APP1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + packet(size))
    source = decorated(bare, [(APP1, packet(size)), extended])
    size = len(source)
    source = decorated(bare, [(APP1, packet(size)), (APP1, extended[1][:75] + packet(size))]) + gain_map
    result = one(source)
    assert result.data == source and "extended XMP" in result.left


@pytest.mark.parametrize("mark", ["<", ">"])
@pytest.mark.parametrize("absolute", [False, True])
def test_an_offset_in_exif_that_leads_behind_the_picture_is_moved(mark: str, absolute: bool) -> None:
    """As makers point at a preview: in a tag of their own, from the TIFF structure's start or from the file's."""
    preview = photograph(1, 16, 16)

    def block(offset: int) -> bytes:
        start = b"II*\0" if mark == "<" else b"MM\0*"
        return exif.HEAD + start + struct.pack(mark + "IHHHII", 8, 1, 0x2001, 4, 1, offset) + bytes(4)

    size = len(decorated(photograph(), [(APP1, block(0))]))
    structure = 2 + 4 + len(exif.HEAD)
    source = decorated(photograph(), [(APP1, block(size - (0 if absolute else structure)))]) + preview
    result = one(source).data
    (kept,) = [s.payload(result) for s in header_segments(result) if s.code == APP1]
    offset = struct.unpack_from(mark + "I", kept, len(exif.HEAD) + 18)[0] + (0 if absolute else structure)
    assert result[offset:] == preview and len(result) < len(source)
    twice = block(size - structure + 4)[:-4]
    twice += struct.pack(mark + "I", size - structure + 4)
    source = decorated(photograph(), [(APP1, twice)]) + preview
    number = struct.pack(mark + "I", source.rindex(preview) - structure)
    doubled = twice[:-8] + number + number
    source = decorated(photograph(), [(APP1, doubled)]) + preview
    result = one(source)  # type: ignore[assignment]
    assert result.data == source and "more than one place" in result.left  # type: ignore[attr-defined]


def test_a_trailer_that_counts_from_the_files_start_leaves_the_file_as_it_is() -> None:
    source = photograph() + b"directory of AFCP" + b"AXS!" + bytes(8)
    result = one(source)
    assert result.data == source and result.copied and "AFCP" in result.left


def test_a_profile_of_rgb_does_not_stay_with_a_picture_that_becomes_gray() -> None:
    head = b"ICC_PROFILE\0\1\1"
    rgb, gray = ((APP2, head + bytes(16) + space + bytes(100)) for space in (b"RGB ", b"GRAY"))
    parameters = EncodingParameters.from_quality(40, "gray")
    for markers, kept in (([JFIF_300_DPI, rgb], [JFIF_300_DPI]), ([gray], [gray])):
        source = decorated(photograph(), markers) + FILM
        result = Transcoder(parameters, sampling="parameters").one(source)
        found = [(s.code, s.payload(result.data)) for s in header_segments(result.data) if s.code >= 0xE0]
        assert found == kept and result.data.endswith(FILM)
        assert bool(result.notes) == (kept != markers)
        assert rgb not in markers or rgb[1] in one(source).data


@given(st.binary(max_size=40), st.binary(max_size=200), st.integers(0, 3))
def test_whatever_follows_the_picture_comes_back(payload: bytes, trailer: bytes, seed: int) -> None:
    source = decorated(photograph(seed, 16, 24), [(APP2, b"MPF\0" + payload), (APP1, b"Exif\0\0II*\0" + payload)])
    result = one(source + trailer, never_grow=False)
    assert result.data.endswith(trailer)
    if result.left:
        assert result.data == source + trailer
    else:
        assert result.data[: len(result.data) - len(trailer)] == one(source, never_grow=False).data


def test_never_grow_compares_pictures_not_what_stands_beside_them() -> None:
    small = photograph(0, quality=20)
    finer = Transcoder(EncodingParameters.from_quality(95))
    tail = FILM * 100
    assert finer.one(small).copied
    result = finer.one(small + tail)
    assert result.copied and result.data == small + tail and not result.left
    stripped = Transcoder(EncodingParameters.from_quality(95), strip=True).one(small + tail)
    assert stripped.copied and stripped.data == small


ODD = {
    "a JFIF header of an unknown version": lambda data: decorated(data, [(0xE0, b"JFIF\0\x94\xc3\0\0\1\0\1\0\0")]),
    "an Adobe segment with an unknown code": lambda data: decorated(data, [(0xEE, b"Adobe\0\x64\0\0\0\0\2")]),
    "bytes between the segments of the header": lambda data: decorated(data, [JFIF_300_DPI]).replace(
        b"\xff\xdb", b"\1\2\3\xff\xdb", 1
    ),
    "zeros after a scan": lambda data: data[:-2] + bytes(600) + b"\xff\xd9",
    "no marker at the end of the picture": lambda data: data[:-2],
}


@pytest.mark.parametrize("note", ODD)
@pytest.mark.parametrize("tolerate", [False, True])
def test_what_is_odd_and_does_no_harm_is_a_note(note: str, tolerate: bool) -> None:
    data = photograph()
    odd = ODD[note](data)
    result = one(odd, tolerate_damage=tolerate)
    assert result.notes == (note,) and not result.damage and not result.copied
    assert np.array_equal(decoding.decode(result.data), decoding.decode(one(data).data))


def test_damage_inside_a_scan_stays_damage() -> None:
    data = photograph()
    scan = data.index(b"\xff\xda") + 100
    for broken in (
        data[:-2] + b"\1" * 40 + b"\xff\xd9",  # no zeros: a scan whose end was not recognized leaves such bytes
        data[:-40],
        data[:scan] + b"\xff\xd5" + data[scan:],
        data[:scan] + data[scan + 50 :],
    ):
        with pytest.raises(CodecError):
            transcode(broken, QUALITY_40)
        result = one(broken, tolerate_damage=True)
        assert result.damage and result.notes in ((), ("no marker at the end of the picture",))


def test_a_progressive_file_that_ends_between_two_scans_is_damaged() -> None:
    pixels = np.asarray(Image.open(io.BytesIO(photograph())))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", progressive=True, quality=90)
    data = buffer.getvalue()
    scans = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    assert one(data[:-2]).notes == ("no marker at the end of the picture",)
    for at in scans[1:]:
        cut = data[: data.rindex(b"\xff\xc4", 0, at)]
        with pytest.raises(CodecError, match="before the last scan"):
            transcode(cut, QUALITY_40)
        one(cut, tolerate_damage=True)


def test_a_header_that_promises_more_than_the_file_can_hold_is_refused_before_memory_is_taken() -> None:
    data = bytearray(photograph())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 16000, 16000)
    with pytest.raises(CodecError, match=r"16000 x 16000 pixels, .* blocks, more than .* bytes can hold"):
        transcode(bytes(data), QUALITY_40)


def test_memory_is_estimated_from_the_header_and_bounded() -> None:
    from j4d import _core

    data = photograph(0, 160, 160)
    needed = _core.memory_needed(data)
    assert 160 * 160 * 3 * 2 <= needed <= 10 * 160 * 160 * 3 * 2
    assert transcode(data, QUALITY_40, max_memory=needed) == transcode(data, QUALITY_40)
    with pytest.raises(CodecError, match=f"takes {needed} bytes of memory, more than the limit of {needed - 1}"):
        transcode(data, QUALITY_40, max_memory=needed - 1)
    with pytest.raises(CodecError, match="more than the limit"):
        transcode(data, quality=40, max_memory=needed - 1)
    with pytest.raises(ParameterError, match="max_memory 0 is not"):
        transcode(data, QUALITY_40, max_memory=0)
