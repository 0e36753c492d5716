"""Indices chosen jointly: what the trellis promises, by exhaustive search and by the formula of its header."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import crops
from PIL import Image

from j4d import _core, codec
from j4d.batch import encode_many
from j4d.parameters import SAMPLINGS, EncodingParameters
from j4d.transcode import Transcoder, transcode, transcode_many

ZIGZAG = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14]
ZIGZAG += [21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53]
ZIGZAG += [60, 61, 54, 47, 55, 62, 63]
LONGEST = 16  # bits of a code; a symbol without one counts as much


def symbols(block: Sequence[int]) -> list[int]:
    """The AC symbols of 64 indices in zigzag order (T.81 F.1.2.2)."""
    found, run = [], 0
    for index in block[1:]:
        if index == 0:
            run += 1
            continue
        found += [0xF0] * (run // 16) + [run % 16 << 4 | abs(index).bit_length()]
        run = 0
    return found + [0] * (run > 0)


def cost(block: Sequence[int], magnitudes: Sequence[int], weight: int, lengths: bytes) -> int:
    """In 2^-36 bits: weight x (u - k)^2 of AC, and the bits of codes and extra bits."""
    error = sum((m - 1024 * abs(int(k))) ** 2 for m, k in zip(magnitudes[1:], block[1:], strict=True))
    bits = sum((lengths[s] or LONGEST) + (s & 15) for s in symbols(block))
    return weight * error + (bits << 36)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """(indices, magnitudes) in zigzag order, up to six of AC; the quantizer may have had a dead zone."""
    indices, magnitudes = [draw(st.integers(-50, 50))] + [0] * 63, [0] * 64
    near = st.sets(st.integers(1, 20), max_size=6)
    for place in draw(st.one_of(near, st.sets(st.integers(1, 63), max_size=5).map(lambda places: places | {63}))):
        index = draw(st.one_of(st.integers(1, 4), st.integers(0, 9).map(lambda n: 1 << n), st.integers(1, 1023)))
        magnitudes[place] = min(1024 * index + draw(st.integers(-512, 1024)), 1024 << 10)
        indices[place] = index * draw(st.sampled_from((-1, 1)))
    return indices, magnitudes


lengths = st.binary(min_size=256, max_size=256).map(lambda b: bytes(x % 17 for x in b))
weights = st.one_of(st.integers(0, 1 << 16), st.integers(1 << 16, 12 << 16), st.integers(0, 1000 << 16))


@given(blocks(), weights, lengths)
@limits(max_examples=300)
def test_no_choice_costs_less(block: tuple[list[int], list[int]], weight: int, lengths: bytes) -> None:
    indices, magnitudes = block
    options = [
        {k, k - (1 if k > 0 else -1), 0} if k and place else {k} for place, k in enumerate(indices)
    ]  # k - 1 is 0 where k is 1
    chosen = _core.choose_indices(indices, magnitudes, weight, lengths)
    assert all(k in allowed for k, allowed in zip(chosen, options, strict=True))
    least = min(cost(choice, magnitudes, weight, lengths) for choice in itertools.product(*options))
    assert cost(chosen, magnitudes, weight, lengths) == least


def counts_of(plane: np.ndarray) -> np.ndarray:
    """How often each AC symbol occurs in a plane."""
    counts = np.zeros(256, np.uint64)
    for block in plane.reshape(-1, 64)[:, ZIGZAG].tolist():
        np.add.at(counts, symbols(block), 1)
    return counts


def code_lengths(planes: Sequence[np.ndarray]) -> list[bytes]:
    """Of the optimal code for each plane: luma and chroma have their own, or one together where the file is smaller."""
    kinds = [sum(map(counts_of, part)) for part in (planes[:1], planes[1:]) if part]

    def bits(counts: np.ndarray) -> int:
        code = np.frombuffer(_core.code_lengths(counts), np.uint8)
        return int((counts * code).sum()) + 8 * (17 + np.count_nonzero(counts))

    if bits(sum(kinds)) <= sum(map(bits, kinds)):
        kinds = [sum(kinds)] * len(kinds)
    return [_core.code_lengths(kinds[i > 0]) for i in range(len(planes))]


def by_formula(
    nearest: Sequence[np.ndarray], coefficients: Sequence[np.ndarray], units: int, parameters: EncodingParameters
) -> list[np.ndarray]:
    """What the trellis makes of indices; coefficients are integers in 1 / `units`."""
    result, lengths = [], code_lengths(nearest)
    for component, (plane, values) in enumerate(zip(nearest, coefficients, strict=True)):
        divisors = units * (parameters.luma, parameters.chroma)[component > 0].ravel().astype(int)
        out = []
        for block, value in zip(plane.reshape(-1, 64), values.reshape(-1, 64).astype(int), strict=True):
            magnitudes = [min(1024 * abs(v) / d, 1024 << 10) for v, d in zip(value.tolist(), divisors, strict=True)]
            energy = float((value[1:] ** 2).sum())
            unit = np.inf if parameters.masking is None else parameters.masking**2 * units**2
            weight = int(parameters.trellis / (1 + energy / unit) * 65536)
            rounded = [int(magnitudes[z] + 0.5) for z in ZIGZAG]
            out.append(_core.choose_indices(block[ZIGZAG].tolist(), rounded, weight, lengths[component]))
        natural = np.zeros((len(out), 64), np.int16)
        natural[:, ZIGZAG] = out
        result.append(natural.reshape(plane.shape))
    return result


@pytest.mark.parametrize("masking", [None, 120.0])
@pytest.mark.parametrize(("sampling", "size"), [("4:2:0", 60), ("4:2:0", 200), ("gray", 60)])
def test_pictures_are_chosen_by_the_formula(
    sampling: str, size: int, masking: float | None, photographs: dict[str, np.ndarray]
) -> None:
    image = photographs["coffee"][60 : 57 + size, 200 : 230 + size]
    parameters = replace(EncodingParameters.from_quality(80, sampling), trellis=7.0, masking=masking)
    nearest = codec.quantize(image, parameters, effort=0)
    expected = by_formula(nearest.planes, codec.forward_dct(image, sampling), 8, parameters)
    chosen = codec.quantize(image, parameters)
    assert any((a != b).any() for a, b in zip(chosen.planes, nearest.planes, strict=True))
    for a, b in zip(chosen.planes, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("progressive", [False, True])
def test_files_are_transcoded_by_the_formula(progressive: bool, photographs: dict[str, np.ndarray]) -> None:
    source = codec.encode(photographs["coffee"][60:117, 200:283], EncodingParameters.from_quality(93))
    parameters = replace(EncodingParameters.from_quality(70), trellis=7.0, masking=120.0)
    stored = codec.read_coefficients(source)
    values = [plane.astype(int) * table for plane, table in zip(stored.planes, stored.tables, strict=True)]
    options = {"never_grow": False, "progressive": progressive}
    nearest = codec.read_coefficients(transcode(source, parameters, effort=0, **options))
    expected = by_formula(nearest.planes, values, 1, parameters)
    chosen = codec.read_coefficients(transcode(source, parameters, **options))
    for a, b, c in zip(chosen.planes, expected, nearest.planes, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


pictures = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda size: hnp.arrays(np.uint8, (*size, 3), elements=st.integers(0, 255))
)


@given(pictures, st.sampled_from(SAMPLINGS), st.sampled_from((0.3, 8.0, 900.0)), st.sampled_from((None, 1.0, 300.0)))
@limits(max_examples=60)
def test_indices_move_towards_zero_and_files_hold_them(
    image: np.ndarray, sampling: str, trellis: float, masking: float | None
) -> None:
    parameters = replace(EncodingParameters.from_quality(85, sampling), trellis=trellis, masking=masking)
    nearest, chosen = codec.quantize(image, parameters, effort=0), codec.quantize(image, parameters)
    for before, after in zip(nearest.planes, chosen.planes, strict=True):
        before, after = before.astype(int), after.astype(int)
        assert (after[..., 0, 0] == before[..., 0, 0]).all()
        less = np.abs(before) - np.abs(after)
        assert ((after == before) | (after == 0) | ((less == 1) & (after * before > 0))).all()
    assert codec.encode(image, parameters) == codec.write_coefficients(chosen)
    assert codec.encode(image, parameters, restart_interval=2) == codec.write_coefficients(chosen, restart_interval=2)
    progressive = codec.read_coefficients(codec.encode(image, parameters, progressive=True))
    for a, b in zip(progressive.planes, chosen.planes, strict=True):
        np.testing.assert_array_equal(a, b)
    with Image.open(io.BytesIO(codec.encode(image, parameters))) as picture:
        picture.load()
        assert picture.size == image.shape[1::-1]


@pytest.mark.parametrize("quality", [20, 75])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_photographs_get_smaller(sampling: str, quality: int, photographs: dict[str, np.ndarray]) -> None:
    for image in photographs.values():
        plain = EncodingParameters.from_quality(quality, sampling)
        sizes = [len(codec.encode(image, replace(plain, trellis=t))) for t in (None, 1000.0, 30.0, 10.0)]
        assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.95 * sizes[0]
        masked = len(codec.encode(image, replace(plain, trellis=30.0, masking=302.0)))
        assert masked < sizes[2]
        source = codec.encode(image, EncodingParameters.from_quality(92, sampling))
        assert len(transcode(source, replace(plain, trellis=10.0))) < len(transcode(source, plain))


def test_an_endless_masking_is_none(photographs: dict[str, np.ndarray]) -> None:
    parameters = replace(EncodingParameters.from_quality(60), trellis=12.0)
    image = photographs["rocket"]
    assert codec.encode(image, parameters) == codec.encode(image, replace(parameters, masking=1e30))


def test_threads_do_not_change_the_bytes(photographs: dict[str, np.ndarray]) -> None:
    images = crops(list(photographs.values()), 90, 130, 6)
    parameters = replace(EncodingParameters.from_quality(60), trellis=12.0, masking=300.0)
    alone = [codec.encode(image, parameters) for image in images]
    assert encode_many(images, parameters, threads=8) == alone
    sources = [codec.encode(image, EncodingParameters.from_quality(95)) for image in images]
    assert transcode_many(sources, parameters, threads=8) == [transcode(source, parameters) for source in sources]


def test_chroma_that_is_resampled_is_chosen_too(photographs: dict[str, np.ndarray]) -> None:
    source = codec.encode(photographs["chelsea"], EncodingParameters.from_quality(95, "4:4:4"))
    parameters = replace(EncodingParameters.from_quality(60), trellis=8.0)
    files = [
        Transcoder(parameters, sampling="parameters", effort=effort, never_grow=False).one(source).data
        for effort in (0, 2)
    ]
    plain, chosen = (codec.read_coefficients(file).planes for file in files)
    for before, after in zip(plain, chosen, strict=True):
        assert (np.abs(after) <= np.abs(before)).all() and (after != before).any()
