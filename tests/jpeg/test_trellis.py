"""Indices chosen jointly: what the trellis promises, by exhaustive search and by the formula of its header."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from changes import changed
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import crops
from PIL import Image

from j4d import _core
from j4d.api import transcode
from j4d.jpeg import encoding
from j4d.jpeg.coefficients import forward_dct, quantize, read_coefficients, write_coefficients
from j4d.jpeg.encoding import encode_many
from j4d.jpeg.parameters import SAMPLINGS, EncodingParameters
from j4d.jpeg.transcoding import Transcoder, transcode_many

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


def cost(block: Sequence[int], magnitudes: Sequence[int], weights: Sequence[int], lengths: bytes) -> int:
    """In 2^-36 bits: weight x (u - k)^2 of AC, and the bits of codes and extra bits."""
    errors = [(m - 1024 * abs(int(k))) ** 2 for m, k in zip(magnitudes, block, strict=True)]
    bits = sum((lengths[s] or LONGEST) + (s & 15) for s in symbols(block))
    return sum(w * error for w, error in zip(weights[1:], errors[1:], strict=True)) + (bits << 36)


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
weight = st.one_of(st.integers(0, 1 << 16), st.integers(1 << 16, 12 << 16), st.integers(0, 1000 << 16))
weights = weight.map(lambda w: [w] * 64) | st.lists(weight, min_size=64, max_size=64)


@given(blocks(), weights, lengths)
@limits(max_examples=300)
def test_no_choice_costs_less(block: tuple[list[int], list[int]], weights: list[int], lengths: bytes) -> None:
    indices, magnitudes = block
    options = [
        {k, k - (1 if k > 0 else -1), 0} if k and place else {k} for place, k in enumerate(indices)
    ]  # k - 1 is 0 where k is 1
    chosen = _core.choose_indices(indices, magnitudes, weights, lengths)
    assert all(k in allowed for k, allowed in zip(chosen, options, strict=True))
    least = min(cost(choice, magnitudes, weights, lengths) for choice in itertools.product(*options))
    assert cost(chosen, magnitudes, weights, lengths) == least


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
        by_frequency = (parameters.luma.weights, parameters.chroma.weights)[component > 0]
        factors = [round(w * 2**20) for w in (np.ones(64) if by_frequency is None else by_frequency.ravel()).tolist()]
        divisors = units * (parameters.luma.steps, parameters.chroma.steps)[component > 0].ravel().astype(int)
        out = []
        for block, value in zip(plane.reshape(-1, 64), values.reshape(-1, 64).astype(int), strict=True):
            magnitudes = [min(1024 * abs(v) / d, 1024 << 10) for v, d in zip(value.tolist(), divisors, strict=True)]
            energy = float((value[1:] ** 2).sum())
            unit = np.inf if parameters.trellis.masking is None else parameters.trellis.masking**2 * units**2
            weight = int(parameters.trellis.mu / (1 + energy / unit) * 65536)
            rounded = [int(magnitudes[z] + 0.5) for z in ZIGZAG]
            weights = [min(weight * factors[z] >> 20, 1000 << 16) for z in ZIGZAG]
            out.append(_core.choose_indices(block[ZIGZAG].tolist(), rounded, weights, lengths[component]))
        natural = np.zeros((len(out), 64), np.int16)
        natural[:, ZIGZAG] = out
        result.append(natural.reshape(plane.shape))
    return result


def with_weights(parameters: EncodingParameters) -> EncodingParameters:
    """Weights from the least to the greatest, luma's and chroma's far from each other."""
    luma = np.geomspace(0.001, 1000, 64).reshape(8, 8)
    return changed(parameters, luma_weights=luma, chroma_weights=luma.T**0.5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("masking", [None, 120.0])
@pytest.mark.parametrize(("sampling", "size"), [("4:2:0", 60), ("4:2:0", 200), ("gray", 60)])
def test_pictures_are_chosen_by_the_formula(
    sampling: str, size: int, masking: float | None, weighted: bool, photographs: dict[str, np.ndarray]
) -> None:
    image = photographs["coffee"][60 : 57 + size, 200 : 230 + size]
    parameters = changed(EncodingParameters.from_quality(80, sampling), trellis=7.0, masking=masking)
    if weighted:
        parameters = with_weights(parameters)
    nearest = quantize(image, parameters, effort=0)
    expected = by_formula(nearest.planes, forward_dct(image, sampling), 8, parameters)
    chosen = quantize(image, parameters)
    assert any((a != b).any() for a, b in zip(chosen.planes, nearest.planes, strict=True))
    for a, b in zip(chosen.planes, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert encoding.encode(image, parameters) == write_coefficients(chosen)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
def test_files_are_transcoded_by_the_formula(
    progressive: bool, weighted: bool, photographs: dict[str, np.ndarray]
) -> None:
    source = encoding.encode(photographs["coffee"][60:117, 200:283], EncodingParameters.from_quality(93))
    parameters = changed(EncodingParameters.from_quality(70), trellis=7.0, masking=120.0)
    if weighted:
        parameters = with_weights(parameters)
    stored = read_coefficients(source)
    values = [plane.astype(int) * table for plane, table in zip(stored.planes, stored.tables, strict=True)]
    options = {"never_grow": False, "progressive": progressive}
    nearest = read_coefficients(transcode(source, parameters, effort=0, **options))
    expected = by_formula(nearest.planes, values, 1, parameters)
    chosen = read_coefficients(transcode(source, parameters, **options))
    for a, b, c in zip(chosen.planes, expected, nearest.planes, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


pictures = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda size: hnp.arrays(np.uint8, (*size, 3), elements=st.integers(0, 255))
)


@given(
    pictures,
    st.sampled_from(SAMPLINGS),
    st.sampled_from((0.3, 8.0, 900.0)),
    st.sampled_from((None, 1.0, 300.0)),
    st.sampled_from((None, 0.3, 8.0)),
)
@limits(max_examples=60)
def test_indices_move_towards_zero_and_files_hold_them(
    image: np.ndarray, sampling: str, trellis: float, masking: float | None, dc_trellis: float | None
) -> None:
    parameters = changed(EncodingParameters.from_quality(85, sampling), trellis=trellis, masking=masking)
    parameters = changed(parameters, dc_trellis=dc_trellis)
    nearest, chosen = quantize(image, parameters, effort=0), quantize(image, parameters)
    for before, after in zip(nearest.planes, chosen.planes, strict=True):
        before, after = before.astype(int), after.astype(int)
        assert (np.abs(after - before)[..., 0, 0] <= (dc_trellis is not None)).all()
        before, after = before.reshape(-1, 64)[:, 1:], after.reshape(-1, 64)[:, 1:]
        less = np.abs(before) - np.abs(after)
        assert ((after == before) | (after == 0) | ((less == 1) & (after * before > 0))).all()
    assert encoding.encode(image, parameters) == write_coefficients(chosen)
    assert encoding.encode(image, parameters, restart_interval=2) == write_coefficients(chosen, restart_interval=2)
    progressive = read_coefficients(encoding.encode(image, parameters, progressive=True))
    for a, b in zip(progressive.planes, chosen.planes, strict=True):
        np.testing.assert_array_equal(a, b)
    with Image.open(io.BytesIO(encoding.encode(image, parameters))) as picture:
        picture.load()
        assert picture.size == image.shape[1::-1]


@pytest.mark.parametrize("quality", [20, 75])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_photographs_get_smaller(sampling: str, quality: int, photographs: dict[str, np.ndarray]) -> None:
    for image in photographs.values():
        plain = EncodingParameters.from_quality(quality, sampling)
        sizes = [len(encoding.encode(image, changed(plain, trellis=t))) for t in (None, 1000.0, 30.0, 10.0)]
        assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.95 * sizes[0]
        masked = len(encoding.encode(image, changed(plain, trellis=30.0, masking=302.0)))
        assert masked < sizes[2]
        source = encoding.encode(image, EncodingParameters.from_quality(92, sampling))
        assert len(transcode(source, changed(plain, trellis=10.0))) < len(transcode(source, plain))


def test_an_endless_masking_is_none(photographs: dict[str, np.ndarray]) -> None:
    parameters = changed(EncodingParameters.from_quality(60), trellis=12.0)
    image = photographs["rocket"]
    assert encoding.encode(image, parameters) == encoding.encode(image, changed(parameters, masking=1e30))


def test_a_frequency_of_great_weight_keeps_its_indices_and_one_of_little_loses_them(
    photographs: dict[str, np.ndarray],
) -> None:
    image = photographs["rocket"]
    nearest = quantize(image, EncodingParameters.from_quality(70), effort=0).planes[0]
    great = np.full((8, 8), 0.001)
    great[0, 1], great[2, 0] = 1000, 300
    parameters = changed(EncodingParameters.from_quality(70), trellis=1.0, luma_weights=great)
    chosen = quantize(image, parameters).planes[0]
    for y, x in ((0, 1), (2, 0)):
        moved = chosen[..., y, x] != nearest[..., y, x]
        assert moved.mean() < 0.02  # but for those next to a tie
        chosen[..., y, x] = 0
    left, had = (np.count_nonzero(plane.reshape(-1, 64)[:, 1:]) for plane in (chosen, nearest))
    assert left < 0.01 * had  # but for those that make the codes of others shorter


def test_weights_count_times_mu_and_no_further_than_to_its_limit(photographs: dict[str, np.ndarray]) -> None:
    image, plain = photographs["coffee"], EncodingParameters.from_quality(60)
    twos, most = np.full((8, 8), 2.0), np.full((8, 8), 1000.0)
    twice = changed(plain, trellis=6.0, masking=200.0, luma_weights=twos, chroma_weights=twos)
    assert encoding.encode(image, twice) == encoding.encode(image, changed(plain, trellis=12.0, masking=200.0))
    beyond = changed(plain, trellis=1000.0, luma_weights=most, chroma_weights=most)
    assert encoding.encode(image, beyond) == encoding.encode(image, changed(plain, trellis=1000.0))


def test_gray_and_rgb_files_take_lumas_weights(photographs: dict[str, np.ndarray]) -> None:
    parameters = with_weights(changed(EncodingParameters.from_quality(60), trellis=12.0))
    other = changed(parameters, chroma_weights=None)
    for source in (
        encoding.encode(photographs["coffee"], EncodingParameters.from_quality(95, "gray")),
        rgb_file(photographs),
    ):
        assert transcode(source, parameters) == transcode(source, other)
        assert transcode(source, parameters) != transcode(source, changed(other, luma_weights=None))


def rgb_file(photographs: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photographs["coffee"]).save(file, "jpeg", quality=95, keep_rgb=True)
    return file.getvalue()


def test_threads_do_not_change_the_bytes(photographs: dict[str, np.ndarray]) -> None:
    images = crops(list(photographs.values()), 90, 130, 6)
    parameters = with_weights(changed(EncodingParameters.from_quality(60), trellis=12.0, masking=300.0))
    alone = [encoding.encode(image, parameters) for image in images]
    assert encode_many(images, parameters, threads=8) == alone
    sources = [encoding.encode(image, EncodingParameters.from_quality(95)) for image in images]
    assert transcode_many(sources, parameters, threads=8) == [transcode(source, parameters) for source in sources]


def test_chroma_that_is_resampled_is_chosen_too(photographs: dict[str, np.ndarray]) -> None:
    source = encoding.encode(photographs["chelsea"], EncodingParameters.from_quality(95, "4:4:4"))
    parameters = changed(EncodingParameters.from_quality(60), trellis=8.0)
    files = [
        Transcoder(parameters, sampling="parameters", effort=effort, never_grow=False).one(source).data
        for effort in (0, 2)
    ]
    plain, chosen = (read_coefficients(file).planes for file in files)
    for before, after in zip(plain, chosen, strict=True):
        assert (np.abs(after) <= np.abs(before)).all() and (after != before).any()
