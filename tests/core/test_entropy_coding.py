"""The entropy coder: every index comes back through libjpeg-turbo, the codes are the shortest that the format allows,
and the file is smaller than libjpeg-turbo's own optimized one."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from coefficient_strategies import coefficients
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jpeg_file import huffman_tables, scan_components, segments
from PIL import Image
from pillow_files import pillow_encode

from j4d import _core
from j4d.errors import CodecError
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import Coefficients, read_coefficients, write_coefficients
from j4d.jpeg.markers import header_bytes
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters

GRAY = np.full((8, 8), 16, np.int32)


@settings(max_examples=300)
@given(
    st.integers(1, 130),
    st.integers(1, 130),
    st.sampled_from(SAMPLINGS),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.001, 0.02, 0.2, 1.0]),
    st.sampled_from([1, 2, 30, 1023]),
    st.sampled_from([0, 1, 2, 7, 65535]),
)
@example(130, 130, "4:2:0", 0, 0.0, 1, 0)
@example(129, 1, "4:2:0", 1, 1.0, 1023, 1)
@example(1, 129, "4:2:2", 2, 1.0, 1023, 3)
def test_every_index_comes_back_from_libjpeg_turbo(
    height: int, width: int, sampling: str, seed: int, share: float, spread: int, restart_interval: int
) -> None:
    sent = coefficients(height, width, sampling, seed, share, spread)
    data = write_coefficients(sent, restart_interval=restart_interval)
    read = read_coefficients(data)
    assert (read.sampling, read.height, read.width) == (sampling, height, width)
    for ours, theirs in zip((*sent.planes, *sent.tables), (*read.planes, *read.tables), strict=True):
        assert np.array_equal(ours, theirs)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert picture.size == (width, height)


def least_bits(counts: np.ndarray, limit: int = 16) -> int:
    """Bits of the best code of at most `limit` bits with one code word of `limit` bits to spare (all ones)."""
    weights = [0, *sorted(int(count) for count in counts if count)]
    items: list[tuple[int, tuple[int, ...]]] = []
    leaves = [(weight, (i,)) for i, weight in enumerate(weights)]
    for _ in range(limit):
        pairs = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(items[::2], items[1::2], strict=False)]
        items = sorted([*leaves, *pairs], key=lambda item: item[0])
    return sum(weights[i] for _, content in items[: 2 * len(weights) - 2] for i in content)


def histogram(values: dict[int, int]) -> np.ndarray:
    counts = np.zeros(256, np.uint64)
    for symbol, count in values.items():
        counts[symbol] = count
    return counts


@given(st.dictionaries(st.integers(0, 255), st.integers(1, 2**40) | st.integers(1, 9), min_size=1, max_size=60))
@example({7: 1})
@example({symbol: 1 for symbol in range(256)})
@example({symbol: 2**symbol for symbol in range(40)})
@example({symbol: max(1, round(1.618**symbol)) for symbol in range(30)})
def test_codes_are_the_shortest_that_the_format_allows(values: dict[int, int]) -> None:
    counts = histogram(values)
    lengths = np.frombuffer(_core.code_lengths(counts), np.uint8).astype(int)
    assert np.array_equal(lengths > 0, counts > 0), "a code for what occurs and for nothing else"
    assert lengths.max() <= 16
    assert sum(2 ** (16 - int(n)) for n in lengths if n) < 2**16, "the code word of all ones is not used"
    assert sum(int(n) * int(c) for n, c in zip(lengths, counts, strict=True)) == least_bits(counts)


def canonical(code: dict[int, list[int]]) -> Iterator[str]:
    word = 0
    for length in range(1, 17):
        for _ in code[length]:
            yield f"{word:0{length}b}"
            word += 1
        word *= 2


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_no_code_word_is_all_ones(sampling: str) -> None:
    for spread in (1, 1023):
        data = write_coefficients(coefficients(64, 64, sampling, 5, 0.5, spread))
        for code in huffman_tables(data).values():
            assert all("0" in word for word in canonical(code))


def stuffing(data: bytes) -> int:
    return data[data.index(b"\xff\xda") :].count(b"\xff\x00")


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [8, 30, 60, 90])
def test_a_file_is_smaller_than_libjpeg_turbos_optimized_one(
    sampling: str, quality: int, photographs: dict[str, np.ndarray]
) -> None:
    # Stuffing, a byte after each byte of ones, is chance: with it now and then a file is larger, by less than 0.1 %.
    parameters = EncodingParameters.from_quality(quality, sampling)
    for image in photographs.values():
        for part in (image, image[100:324, 50:274], image[30:46, 40:56]):
            ours, theirs = encoding.encode(part, parameters), pillow_encode(part, parameters, optimize=True)
            assert len(ours) - stuffing(ours) < len(theirs) - stuffing(theirs)
            assert len(ours) < 1.001 * len(theirs)


def test_bytes_of_ones_are_rarer_than_in_libjpeg_turbos_files(photographs: dict[str, np.ndarray]) -> None:
    ours = theirs = 0
    for sampling in ("4:4:4", "4:2:0"):
        for quality in (50, 75, 92):
            parameters = EncodingParameters.from_quality(quality, sampling)
            ours += sum(stuffing(encoding.encode(image, parameters)) for image in photographs.values())
            pillows = (pillow_encode(image, parameters, optimize=True) for image in photographs.values())
            theirs += sum(map(stuffing, pillows))
    assert ours < 0.92 * theirs


def test_luma_and_chroma_share_a_code_where_the_file_is_smaller_so(photographs: dict[str, np.ndarray]) -> None:
    parameters = EncodingParameters.from_quality(50)
    small, large = (encoding.encode(photographs["coffee"][:size, :size], parameters) for size in (16, 400))
    assert list(huffman_tables(small)) == [0x00, 0x10] and scan_components(small) == [(1, 0), (2, 0), (3, 0)]
    assert list(huffman_tables(large)) == [0x00, 0x01, 0x10, 0x11]
    assert scan_components(large) == [(1, 0), (2, 0x11), (3, 0x11)]


def test_tables_are_written_once_and_in_one_segment() -> None:
    sent = coefficients(40, 40, "4:2:0", 3, 0.2, 30)
    for tables, count in (((0, 0, 0), 1), ((0, 1, 1), 2), ((0, 1, 0), 2), ((0, 1, 2), 3)):
        steps = tuple(sent.tables[i] for i in tables)
        data = write_coefficients(Coefficients(sent.planes, steps, "4:2:0", 40, 40))
        kinds = [(kind, len(body)) for kind, body in segments(data)]
        assert [kind for kind, _ in kinds] == [0xDB, 0xC0, 0xC4]
        assert kinds[0][1] == 65 * count
        read = read_coefficients(data)
        assert all(np.array_equal(a, b) for a, b in zip(read.tables, steps, strict=True))


@pytest.mark.parametrize(("first", "second", "legal"), [(1023, -1024, True), (1024, -1024, False), (-2048, 0, False)])
def test_a_dc_difference_beyond_eleven_bits_is_refused(first: int, second: int, legal: bool) -> None:
    plane = np.zeros((1, 2, 8, 8), np.int16)
    plane[0, :, 0, 0] = first, second
    sent = Coefficients((plane,), (GRAY,), "gray", 8, 16)
    if legal:
        assert np.array_equal(read_coefficients(write_coefficients(sent)).planes[0], plane)
    else:
        with pytest.raises(CodecError, match=r"neighbouring DC indices is outside -2047\.\.2047"):
            write_coefficients(sent)


def test_a_wrong_ac_index_is_named_with_its_place() -> None:
    plane = np.zeros((2, 1, 8, 8), np.int16)
    plane[1, 0, 3, 4] = 1024
    with pytest.raises(CodecError, match=r"index 1024 at frequency \(3, 4\) is outside -1023\.\.1023"):
        write_coefficients(Coefficients((plane,), (GRAY,), "gray", 16, 8))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [8, 60])
def test_a_progressive_file_is_smaller_than_libjpeg_turbos(
    sampling: str, quality: int, photographs: dict[str, np.ndarray]
) -> None:
    parameters = EncodingParameters.from_quality(quality, sampling)
    for image in photographs.values():
        for part in (image, image[100:324, 50:274]):
            ours = encoding.encode(part, parameters, progressive=True)
            assert len(ours) < len(pillow_encode(part, parameters, optimize=True, progressive=True))


@pytest.mark.parametrize("blocks", [32766, 32767, 32768, 65536])
def test_runs_of_empty_blocks_may_be_longer_than_one_symbol_says(blocks: int) -> None:
    plane = np.zeros((blocks // 256 + 1, 256, 8, 8), np.int16)
    plane.reshape(-1, 64)[blocks, [1, 9, 63]] = 5, -1, 1
    sent = Coefficients((plane,), (GRAY,), "gray", 8 * plane.shape[0], 2048)
    data = write_coefficients(sent, progressive=True)
    assert scan_components(data) == [(1, 0)] and data.count(b"\xff\xda") == 2, "by spectral selection"
    assert np.array_equal(read_coefficients(data).planes[0], plane)


def test_header_bytes_are_all_but_the_entropy_coded_ones() -> None:
    plane = np.zeros((1, 1, 8, 8), np.int16)
    sent = Coefficients((plane,), (GRAY,), "gray", 8, 8)
    for options, scans in ({}, 1), ({"jfif": True}, 1), ({"progressive": True}, 2):
        data = write_coefficients(sent, **options)
        assert len(data) - header_bytes(data) == scans, "two bits of one block, or one bit in each of two scans"
    large = write_coefficients(coefficients(64, 64, "4:2:0", 5, 0.5, 1023), restart_interval=1)
    start = large.index(b"\xff\xda") + 14
    assert header_bytes(large) == start + 2, "restart markers count as entropy-coded"
