"""Files that nobody vouches for: whatever the bytes, transcoding ends soon, in a CodecError or in a file that others
read, and takes no memory that the picture does not need.

`J4D_BIT_FLIPS=100000 pytest tests/jpeg/test_hostile.py` flips more bits than the quick run does.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_jpeg
from PIL import Image

from j4d.api import transcode
from j4d.errors import CodecError
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import Coefficients, plane_shapes, read_coefficients, write_coefficients
from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.transcoding import transcode_many

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
BIT_FLIPS = int(os.environ.get("J4D_BIT_FLIPS", "3000"))
QUALITY_50 = EncodingParameters.from_quality(50)
SAMPLED = EncodingParameters(QUALITY_50.luma.steps, QUALITY_50.chroma.steps, "4:4:4", 6.0)

STORED = [f"{sampling}-{kind}" for sampling in ("4_4_4", "4_2_2", "4_2_0", "gray") for kind in ("nearest", "sampled")]
STORED += ["4_2_0-progressive", "arithmetic"]


def small_files() -> dict[str, bytes]:
    """Twenty small files, one of each kind that is read."""
    rng = np.random.default_rng(0)
    files = {name: (FIXTURES / f"{name}.jpg").read_bytes() for name in STORED}
    y, x = np.indices((19, 26))
    image = np.stack([9 * x, 8 * y, 5 * (x + y)], -1).astype(np.uint8)
    own = EncodingParameters.from_quality(60)
    files["restarts"] = encoding.encode(image, own, restart_interval=1)
    files["restarts, progressive"] = encoding.encode(image, own, restart_interval=1, progressive=True)
    files["metadata"] = encoding.encode(image, own, exif=b"II*\0\x08" + bytes(9), icc=bytes(40), xmp=b"<x/>", jfif=True)
    kinds: dict[str, tuple[tuple[tuple[int, int], ...], bytes]] = {
        "4:4:0": (((1, 2), (1, 1), (1, 1)), b"\1\2\3"),
        "4:1:1": (((4, 1), (1, 1), (1, 1)), b"\1\2\3"),
        "RGB": (((1, 1), (1, 1), (1, 1)), b"RGB"),
        "odd": (((3, 2), (1, 1), (2, 1)), b"\0\1\2"),
    }
    for name, (factors, names) in kinds.items():
        picture = tiny_jpeg.random_picture(rng, 21, 30, factors, names=names, most=20, share=0.03)
        files[name] = tiny_jpeg.write(picture)
    files["apart"] = tiny_jpeg.write(picture, interleaved=False)
    wide = tiny_jpeg.random_picture(rng, 21, 30, ((1, 1),), largest_step=60000, most=3, share=0.05)
    files["16-bit steps"] = tiny_jpeg.write(wide, sof=0xC1)
    files["gray of 2x2"] = tiny_jpeg.write(tiny_jpeg.random_picture(rng, 21, 30, ((2, 2),), most=9, share=0.05))
    return files


FILES = small_files()


def assert_error_or_valid(data: bytes, parameters: EncodingParameters, **options: bool) -> bool:
    """Transcode; a result must be read by others, at the size that it says. Whether there is one."""
    try:
        result = transcode(data, parameters, never_grow=False, max_pixels=2**20, **options)  # type: ignore[arg-type]
    except CodecError as error:
        assert "\n" not in str(error)
        return False
    transcode(result, QUALITY_50)  # strict: our own files hold no damage
    with Image.open(io.BytesIO(result)) as picture:
        try:
            picture.load()
        except OSError as error:  # fractional sampling factors: legal, and yet not decoded by libjpeg
            assert "broken data stream" in str(error)
    return True


def test_there_are_twenty_small_files_and_all_are_read() -> None:
    assert len(FILES) == 20
    for name, data in FILES.items():
        assert assert_error_or_valid(data, SAMPLED), name


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_an_error_and_a_valid_file_where_damage_is_tolerated(name: str) -> None:
    data = FILES[name]
    first_scan = data.index(b"\xff\xda")
    whole = transcode(data, QUALITY_50, never_grow=False)
    for length in range(len(data)):
        # Without the last two bytes, the marker of the end, every coefficient is there; but an arithmetic coder's zeros
        # at the end of a scan cannot be told from missing bytes.
        if length >= len(data) - 2 and name != "arithmetic":
            assert transcode(data[:length], QUALITY_50, never_grow=False) == whole
        else:
            with pytest.raises(CodecError):
                transcode(data[:length], QUALITY_50)
        valid = assert_error_or_valid(data[:length], SAMPLED, tolerate_damage=True)
        assert not valid or length > first_scan


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_flipped_bits_end_in_an_error_or_a_valid_file() -> None:
    rng = np.random.default_rng(1)
    files = list(FILES.values())
    valid = {False: 0, True: 0}
    for number in range(BIT_FLIPS):
        damaged = bytearray(files[number % len(files)])
        for place in rng.integers(0, 8 * len(damaged), 1 + number % 3):
            damaged[place // 8] ^= 1 << place % 8
        tolerant = number % 2 == 1
        sampling = "parameters" if number % 5 == 0 else "keep"
        options = {"tolerate_damage": tolerant, "progressive": number % 7 == 0, "sampling": sampling}
        valid[tolerant] += assert_error_or_valid(bytes(damaged), SAMPLED if number % 2 else QUALITY_50, **options)
    print(f"{BIT_FLIPS} damaged files: {valid[False]} valid results when strict, {valid[True]} when tolerant")
    assert valid[False] > BIT_FLIPS // 20 and valid[True] > BIT_FLIPS // 10


def test_bit_flips_in_a_batch_are_what_they_are_alone() -> None:
    rng = np.random.default_rng(2)
    datas = []
    for data in list(FILES.values()) * 5:
        damaged = bytearray(data)
        damaged[rng.integers(0, len(data))] ^= 1 << rng.integers(0, 8)
        datas.append(bytes(damaged))
    for data, result in zip(datas, transcode_many(datas, SAMPLED, threads=3, max_pixels=2**20), strict=True):
        try:
            expected: bytes | str = transcode(data, SAMPLED, max_pixels=2**20)
        except CodecError as error:
            expected = str(error)
        assert (str(result) if isinstance(result, CodecError) else result) == expected


def with_size(data: bytes, height: int, width: int) -> bytes:
    """The file with another size in its frame header."""
    at = next(data.index(bytes([0xFF, code])) for code in (0xC0, 0xC2) if bytes([0xFF, code]) in data)
    return data[: at + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 9 :]


def test_a_claimed_size_beyond_the_limit_is_refused() -> None:
    data = with_size(FILES["4_2_0-nearest"], 65500, 65500)
    with pytest.raises(CodecError, match="65500 x 65500 pixels, more than the limit of 268435456"):
        transcode(data, QUALITY_50)
    plain = FILES["4_2_0-nearest"]
    transcode(plain, QUALITY_50, max_pixels=37 * 51)
    with pytest.raises(CodecError, match="51 x 37 pixels, more than the limit of 1886"):
        transcode(plain, QUALITY_50, max_pixels=37 * 51 - 1)


def peak_memory(code: str) -> int:
    """Peak resident MiB of a fresh interpreter that runs `code` after the imports (ru_maxrss would count ours too)."""
    start = "import sys; from j4d import *\np = EncodingParameters.from_quality(50)\n"
    end = "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    result = subprocess.run([sys.executable, "-"], input=start + code + end, check=True, capture_output=True, text=True)
    return int(result.stdout) // 1024


REFUSED = """
for data in datas:
    try: transcode(data, p, max_pixels=2**32); sys.exit('read')
    except CodecError: pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read as Linux tells it")
def test_a_claimed_size_alone_takes_no_memory() -> None:
    for name in ("4_2_0-nearest", "4_2_0-progressive", "4_4_4-nearest"):
        data = with_size(FILES[name], 65500, 65500)
        code = f"datas = [bytes.fromhex('{data.hex()}')]" + REFUSED
        assert peak_memory(code) < peak_memory("") + 64, "2 bytes a coefficient would be 12 to 24 GiB"


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read as Linux tells it")
def test_damaged_files_leave_nothing_behind() -> None:
    big = encoding.encode(np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8), QUALITY_50)
    half = big[: len(big) // 2]
    datas = f"datas = [bytes.fromhex('{half.hex()}')] * "
    once, often = (peak_memory(datas + str(count) + REFUSED) for count in (1, 100))
    assert often < once + 50, "1.5 MB each that are touched, of which a leak would keep 150"


def frame(height: int, width: int, components: int = 1, sof: int = 0xC2) -> bytes:
    """A file up to its first scan."""
    parts = b"".join(bytes([i + 1, 0x11, 0]) for i in range(components))
    body = bytes([8]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([components]) + parts
    codes = tiny_jpeg.segment(0xC4, bytes([0x00, 1, *[0] * 15, 0])) + tiny_jpeg.segment(
        0xC4, bytes([0x10, 0, 2, *[0] * 14, 0xE0, 0x00])
    )
    return b"\xff\xd8" + tiny_jpeg.segment(0xDB, bytes([0]) + bytes([1] * 64)) + tiny_jpeg.segment(sof, body) + codes


def scan_header(first: int, last: int, high: int, low: int) -> bytes:
    return tiny_jpeg.segment(0xDA, bytes([1, 1, 0x00, first, last, high << 4 | low]))


def test_scans_over_a_large_picture_are_counted() -> None:
    # Each refinement scan is an end-of-band run over 32767 blocks in 3 bytes: time over the picture for nearly nothing.
    height = width = 8 * 181
    blocks = 181 * 181
    first = scan_header(0, 0, 0, 0) + bytes(-(-blocks // 8))
    runs = scan_header(1, 63, 0, 0) + bytes([0x00, 0x00]) * 2
    few, many = (frame(height, width) + first + runs * count + b"\xff\xd9" for count in (1, 600))
    with pytest.raises(CodecError):
        transcode(many, QUALITY_50)
    with pytest.raises(CodecError, match="more than 500 scans"):
        transcode(many, QUALITY_50, tolerate_damage=True)
    large = with_size(many, 16000, 16000)
    with pytest.raises(CodecError, match="more than 16 scans"):
        transcode(large, QUALITY_50, tolerate_damage=True)
    transcode(few, QUALITY_50, tolerate_damage=True)


def test_segments_are_counted_whatever_they_are() -> None:
    plain = FILES["4_2_0-nearest"]
    codes = plain.index(b"\xff\xc4")
    length = int.from_bytes(plain[codes + 2 : codes + 4], "big") + 2
    for flood in (tiny_jpeg.segment(0xFE, b""), tiny_jpeg.segment(0xE1, b"Exif\0\0"), plain[codes : codes + length]):
        for place in (2, plain.index(b"\xff\xda")):
            many = plain[:place] + flood * 5000 + plain[place:]
            for tolerate_damage in (False, True):
                with pytest.raises(CodecError, match="too many marker segments"):
                    transcode(many, QUALITY_50, tolerate_damage=tolerate_damage)
            some = plain[:place] + flood * 200 + plain[place:]
            options = {"strip": True, "never_grow": False}
            assert transcode(some, QUALITY_50, **options) == transcode(plain, QUALITY_50, **options)


@pytest.mark.parametrize("tolerate_damage", [False, True])
def test_headers_that_lie_are_refused(tolerate_damage: bool) -> None:
    plain = FILES["4_4_4-nearest"]
    quantization, codes, picture = (plain.index(bytes([0xFF, code])) for code in (0xDB, 0xC4, 0xC0))
    scan = plain.index(b"\xff\xda")
    lies = {
        "a height that a later segment would give": with_size(plain, 0, 51),
        "no width": with_size(plain, 37, 0),
        "65535 pixels": with_size(plain, 65535, 65535),
        "no quantization table": plain[:quantization] + plain[plain.index(b"\xff", quantization + 2 + 132) :],
        "codes longer than their segment": plain[: codes + 2] + b"\0\5" + plain[codes + 4 :],
        "more codes than there are": plain[: codes + 5] + b"\xff" * 16 + plain[codes + 21 :],
        "no scan": plain[:scan] + b"\xff\xd9",
        "a table number beyond four": plain[: quantization + 4] + b"\x0f" + plain[quantization + 5 :],
        "factors of 0": plain[: picture + 11] + b"\0" + plain[picture + 12 :],
        "factors of 5": plain[: picture + 11] + b"\x55" + plain[picture + 12 :],
        "two frames": plain[:scan] + plain[picture:scan] + plain[scan:],
        "nothing but fill bytes": b"\xff\xd8" + b"\xff" * 100000,
        "nothing but zeros": b"\xff\xd8" + bytes(100000),
    }
    for name, data in lies.items():
        with pytest.raises(CodecError):
            transcode(data, QUALITY_50, tolerate_damage=tolerate_damage)
            pytest.fail(name)


def test_indices_beyond_what_a_file_of_ours_holds_are_brought_into_range() -> None:
    picture = tiny_jpeg.random_picture(np.random.default_rng(0), 8, 16, ((1, 1),), most=1)
    component = picture.components[0]
    component.table = np.full((8, 8), 255, np.int32)
    component.blocks = np.full((1, 2, 8, 8), 1023, np.int16)
    component.blocks[0, 1] = -1023
    finest = EncodingParameters(np.ones((8, 8), np.int32), np.ones((8, 8), np.int32), "gray", 0.5)
    for deterministic in (False, True):
        result = tiny_jpeg.read(transcode(tiny_jpeg.write(picture), finest, deterministic=deterministic))
        blocks = result.components[0].blocks
        assert np.abs(blocks[..., 1:, 1:]).max() <= 1023 and blocks.min() >= -1024


def replay_write(data: bytes) -> None:
    """What fuzz/write.cpp does with an input."""
    head, body = data[:5], data[5:]
    sampling = ("gray", "4:4:4", "4:2:2", "4:2:0")[head[0] % 4]
    height, width = 1 + head[1] % 64, 1 + head[2] % 64
    values = np.frombuffer(body[: len(body) // 2 * 2], "<i2")
    shapes = plane_shapes(height, width, sampling)
    flat = np.zeros(sum(int(np.prod(shape)) for shape in shapes), np.int16)
    flat[: len(values)] = values[: len(flat)]
    planes, at = [], 0
    for shape in shapes:
        planes.append(flat[at : at + int(np.prod(shape))].reshape(shape))
        at += int(np.prod(shape))
    tables = (np.ones((8, 8), np.int32), *[np.full((8, 8), 1 + head[3] // 4, np.int32)] * 2)[: len(planes)]
    sent = Coefficients(tuple(planes), tables, sampling, height, width)
    try:
        file = write_coefficients(sent, progressive=bool(head[3] & 1), jfif=bool(head[3] & 2), restart_interval=head[4])
    except CodecError:
        return
    for a, b in zip(read_coefficients(file).planes, sent.planes, strict=True):
        assert np.array_equal(a, b)


def test_the_fuzzers_inputs_replay() -> None:
    jpegs, writes = (sorted((ROOT / "fuzz" / "seeds" / kind).iterdir()) for kind in ("jpeg", "write"))
    assert len(jpegs) >= 20 and len(writes) >= 5
    for path in jpegs:
        data = path.read_bytes()
        for tolerate_damage in (False, True):
            for sampling in ("keep", "parameters"):
                assert_error_or_valid(data, SAMPLED, tolerate_damage=tolerate_damage, sampling=sampling)  # type: ignore[arg-type]
    for path in writes:
        replay_write(path.read_bytes())


if __name__ == "__main__":  # write the fuzzers' seeds anew
    seeds = ROOT / "fuzz" / "seeds"
    for name, data in FILES.items():
        (seeds / "jpeg" / f"{name.replace(' ', '-').replace(':', '_').replace(',', '')}.jpg").write_bytes(data)
    rng = np.random.default_rng(0)
    for number in range(12):  # the last four with weights of the trellis, and large mu
        values = rng.integers(-40, 41, 400) * (rng.random(400) < 0.3)
        head = bytes([number % 4, *rng.integers(0, 24, 2), number * 8 + number % 4, number // 2])
        if number >= 8:
            head = head[:3] + bytes([8 * (number % 4) + 4 * (number % 2), 63 * (number - 7)])
        (seeds / "write" / f"{number}.bin").write_bytes(head + values.astype("<i2").tobytes())
